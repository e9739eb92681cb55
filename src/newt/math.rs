//! Discrete regression in a logarithmic space: symlog, two-hot targets, decoding, soft cross entropy.
//!
//! `K` bins lie evenly on `[low, high]` in symlog space. Source: Hafner et al. (2023), as used by TD-MPC2.

use tch::{Kind, Tensor};

/// `sign(x) ln(1 + |x|)`.
pub fn symlog(x: &Tensor) -> Tensor {
    x.sign() * x.abs().log1p()
}

/// The inverse of [`symlog`].
pub fn symexp(x: &Tensor) -> Tensor {
    x.sign() * x.abs().expm1()
}

/// Lower bin `i` of each value (i64), and the fraction `f` that belongs to bin `i + 1`; `[..]` each.
fn place(x: &Tensor, bins: i64, low: f64, high: f64) -> (Tensor, Tensor) {
    let width = (high - low) / (bins - 1) as f64;
    let place = (symlog(x).clamp(low, high) - low) / width;
    let lower = place.floor();
    let fraction = place - &lower;
    (lower.to_kind(Kind::Int64), fraction)
}

/// Weights over the bins that represent `x`, `[..]` to `[.., K]`.
pub fn two_hot(x: &Tensor, bins: i64, low: f64, high: f64) -> Tensor {
    let (lower, fraction) = place(x, bins, low, high);
    let (lower, fraction) = (lower.unsqueeze(-1), fraction.unsqueeze(-1));
    let mut size = x.size();
    size.push(bins);
    Tensor::zeros(size, (Kind::Float, x.device())).scatter(-1, &lower, &(1.0 - &fraction)).scatter_add(
        -1,
        &(lower + 1).remainder(bins),
        &fraction,
    )
}

/// The scalar behind logits: `symexp(sum of softmax(logits) * bins)`, `[.., K]` to `[..]`.
pub fn decode(logits: &Tensor, low: f64, high: f64) -> Tensor {
    let bins = logits.size()[logits.dim() - 1];
    let centers = Tensor::linspace(low, high, bins, (Kind::Float, logits.device()));
    symexp(&logits.to_kind(Kind::Float).softmax(-1, None::<Kind>).matmul(&centers))
}

/// Cross entropy between `softmax(logits)` and the two-hot weights of `target`, `[.., K]` and `[..]` to `[..]`.
pub fn soft_cross_entropy(logits: &Tensor, target: &Tensor, low: f64, high: f64) -> Tensor {
    let bins = logits.size()[logits.dim() - 1];
    -(two_hot(target, bins, low, high) * logits.log_softmax(-1, None::<Kind>)).sum_dim_intlist(-1, false, None::<Kind>)
}
