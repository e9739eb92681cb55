//! The few fused operations that Newt's layers, losses and optimizer are made of.
//!
//! On the CPU each is one pass written in C++ (`cpu/`); elsewhere it is composed of libtorch operations
//! (`composed.rs`). Both have gradients, and a test holds them together.

pub(crate) mod composed;
mod native;
#[cfg(test)]
mod tests;

use tch::{Device, Kind, Tensor};

pub(crate) use native::{bind_grad, fill_normal};

/// What follows a layer's linear map and norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Nothing: the layer ends a network.
    Identity,
    /// `x tanh(ln(1 + e^x))`.
    Mish,
    /// Softmax inside each group of this many columns.
    SimNorm(i64),
}

/// Tensors of a layer; an ensemble's have a leading axis of heads.
pub(crate) struct LayerArgs<'a> {
    /// `[q?, out, in]`.
    pub(crate) weight: &'a Tensor,
    /// `[q?, out]`.
    pub(crate) bias: &'a Tensor,
    /// Scale and shift of the norm, `[q?, out]` each.
    pub(crate) norm: Option<(&'a Tensor, &'a Tensor)>,
    pub(crate) activation: Activation,
    /// The input has one block of rows for each head, `[q, .., in]`; otherwise all heads share `[.., in]`.
    pub(crate) per_head: bool,
}

/// What is added to row `r` before the norm: `table[index[(r / repeat) % len(index)]]`.
pub(crate) struct RowTerm<'a> {
    /// `[q?, entries, out]`.
    pub(crate) table: &'a Tensor,
    /// `[len]`, i64.
    pub(crate) index: &'a Tensor,
    pub(crate) repeat: i64,
}

fn fused(weight: &Tensor) -> bool {
    weight.device() == Device::Cpu && weight.kind() == Kind::Float
}

/// `act(norm([x1, x2] W' + b + term))`, `[q?, .., out]`.
///
/// `x1` are the first columns of the input and `x2` the last; an absent part counts as zero.
pub(crate) fn layer(x1: Option<&Tensor>, x2: Option<&Tensor>, args: &LayerArgs, term: Option<&RowTerm>) -> Tensor {
    if fused(args.weight) {
        native::layer(x1, x2, args, term)
    } else if args.weight.device() == Device::Cpu && args.weight.kind() == Kind::BFloat16 {
        native::layer_bf16(x1, x2, args, term)
    } else {
        composed::layer(x1, x2, args, term)
    }
}

/// `sum over rows of weight * softCE(logits, target)`, a scalar; see [`crate::newt::math::soft_cross_entropy`].
///
/// `logits` are `[.., K]`; `target` and `weight` hold one entry a row and repeat over leading heads.
pub(crate) fn cross_entropy(logits: &Tensor, target: &Tensor, weight: &Tensor, low: f64, high: f64) -> Tensor {
    if fused(logits) {
        native::cross_entropy(logits, target, weight, low, high)
    } else {
        composed::cross_entropy(logits, target, weight, low, high)
    }
}

/// The scalar behind logits, `[.., K]` to `[..]`; see [`crate::newt::math::decode`].
pub(crate) fn decode(logits: &Tensor, low: f64, high: f64) -> Tensor {
    if fused(logits) { native::decode(logits, low, high) } else { composed::decode(logits, low, high) }
}

/// Settings of one Adam step.
pub(crate) struct AdamArgs {
    pub(crate) lr: f64,
    pub(crate) eps: f64,
    pub(crate) betas: (f64, f64),
    /// Counted from 1.
    pub(crate) step: i64,
}

/// One stretch of flat buffers that Adam works on.
pub(crate) struct AdamBuffers {
    pub(crate) param: Tensor,
    pub(crate) grad: Tensor,
    /// Moving mean of gradients.
    pub(crate) first: Tensor,
    /// Moving mean of squared gradients.
    pub(crate) second: Tensor,
}

/// Adam with gradients scaled by `clip`, a scalar tensor; leaves the gradients at zero.
pub(crate) fn adam(buffers: AdamBuffers, clip: &Tensor, args: &AdamArgs) {
    if fused(&buffers.param) {
        native::adam(buffers, clip, args);
    } else {
        composed::adam(buffers, clip, args);
    }
}
