//! The operations of this module composed of libtorch's own: for GPUs, and to check the fused ones.

use tch::{Kind, Tensor};

use super::{Activation, AdamArgs, AdamBuffers, LayerArgs, RowTerm};
use crate::newt::math;

const NORM_EPS: f64 = 1e-5;

/// `[x1, x2] W'`, `[q?, .., out]`.
pub(crate) fn product(x1: Option<&Tensor>, x2: Option<&Tensor>, weight: &Tensor, per_head: bool) -> Tensor {
    let n_in = *weight.size().last().expect("a weight has axes");
    let heads = (weight.dim() == 3).then(|| weight.size()[0]);
    let part = |x: &Tensor, from: i64| {
        let size = x.size();
        let columns = size[size.len() - 1];
        let w = weight.narrow(-1, from, columns).transpose(-1, -2); // [q?, in, out]
        let lead = &size[usize::from(per_head)..size.len() - 1];
        let rows = match heads {
            Some(q) if per_head => x.reshape([q, -1, columns]),
            _ => x.reshape([-1, columns]),
        };
        let out = w.size()[w.dim() - 1];
        let shape: Vec<i64> = heads.into_iter().chain(lead.iter().copied()).chain([out]).collect();
        rows.matmul(&w).reshape(shape)
    };
    match (x1, x2) {
        (Some(x1), Some(x2)) => part(x1, 0) + part(x2, n_in - x2.size()[x2.dim() - 1]),
        (Some(x1), None) => part(x1, 0),
        (None, Some(x2)) => part(x2, n_in - x2.size()[x2.dim() - 1]),
        (None, None) => unreachable!("a layer has an input"),
    }
}

/// A per-head vector `[q?, out]` shaped to broadcast over `[q?, .., out]`.
fn over_rows(v: &Tensor, dims: usize) -> Tensor {
    if v.dim() == 1 {
        return v.shallow_clone();
    }
    let size = v.size();
    let mut shape = vec![1; dims];
    shape[0] = size[0];
    shape[dims - 1] = size[1];
    v.reshape(shape)
}

pub(crate) fn layer(x1: Option<&Tensor>, x2: Option<&Tensor>, args: &LayerArgs, term: Option<&RowTerm>) -> Tensor {
    let mut h = product(x1, x2, args.weight, args.per_head);
    let size = h.size();
    let dims = size.len();
    let out = size[dims - 1];
    h += over_rows(args.bias, dims);
    if let Some(term) = term {
        let index = if term.repeat == 1 {
            term.index.shallow_clone()
        } else {
            term.index.repeat_interleave_self_int(term.repeat, 0, None)
        };
        let rows = term.table.index_select(-2, &index); // [q?, len, out]
        let len = rows.size()[rows.dim() - 2];
        h = if rows.dim() == 3 {
            let q = rows.size()[0];
            h.reshape([q, -1, len, out]) + rows.unsqueeze(1)
        } else {
            h.reshape([-1, len, out]) + rows
        }
        .reshape(&size);
    }
    if let Some((gamma, beta)) = args.norm {
        h = h.layer_norm([out], None::<Tensor>, None::<Tensor>, NORM_EPS, true);
        h = h * over_rows(gamma, dims) + over_rows(beta, dims);
    }
    match args.activation {
        Activation::Identity => h,
        Activation::Mish => h.mish(),
        Activation::SimNorm(group) => {
            let mut grouped = size.clone();
            grouped[dims - 1] = out / group;
            grouped.push(group);
            h.reshape(grouped).softmax(-1, None::<Kind>).reshape(size)
        }
    }
}

pub(crate) fn cross_entropy(logits: &Tensor, target: &Tensor, weight: &Tensor, low: f64, high: f64) -> Tensor {
    let bins = logits.size()[logits.dim() - 1];
    let rows = target.numel() as i64;
    let loss = math::soft_cross_entropy(&logits.reshape([-1, rows, bins]), &target.reshape([rows]), low, high);
    (loss * weight.reshape([rows])).sum(Kind::Float)
}

pub(crate) fn decode(logits: &Tensor, low: f64, high: f64) -> Tensor {
    math::decode(logits, low, high)
}

pub(crate) fn adam(buffers: AdamBuffers, clip: &Tensor, args: &AdamArgs) {
    let AdamBuffers { mut param, mut grad, mut first, mut second } = buffers;
    let (beta1, beta2) = args.betas;
    let bias1 = 1.0 - beta1.powi(args.step as i32);
    let bias2 = 1.0 - beta2.powi(args.step as i32);
    let _ = grad.g_mul_(clip);
    let _ = first.lerp_(&grad, 1.0 - beta1);
    let _ = second.lerp_(&grad.square(), 1.0 - beta2);
    param -= first / (second.sqrt() / bias2.sqrt() + args.eps) * (args.lr / bias1);
    let _ = grad.zero_();
}
