//! Adam with gradient clipping over stretches of a flat buffer; its state can be saved and restored.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::kernels::{self, AdamArgs, AdamBuffers};
use super::params::Flat;

/// A stretch of parameters with a learning rate of its own.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) range: Range<i64>,
    pub(crate) lr: f64,
    /// Steps taken so far.
    pub(crate) steps: i64,
}

/// Adam (Kingma & Ba, 2015), with betas 0.9 and 0.999.
#[derive(Debug)]
pub(crate) struct Adam {
    /// Neighboring stretches, in order.
    pub(crate) groups: Vec<Group>,
    /// Moving mean of gradients over all groups.
    pub(crate) first: Tensor,
    /// Moving mean of squared gradients.
    pub(crate) second: Tensor,
    eps: f64,
}

const BETAS: (f64, f64) = (0.9, 0.999);

impl Adam {
    /// An optimizer of neighboring stretches of a flat buffer.
    pub(crate) fn new(groups: Vec<Group>, eps: f64, device: Device) -> Self {
        let n = groups[groups.len() - 1].range.end - groups[0].range.start;
        let zeros = || Tensor::zeros([n], (Kind::Float, device));
        Self { first: zeros(), second: zeros(), groups, eps }
    }

    /// Clips the joint gradient norm of the first `groups` groups, steps each, and leaves their gradients at zero.
    ///
    /// Returns the norm before clipping, a scalar tensor.
    pub(crate) fn step(&mut self, params: &Flat, groups: usize, lr_scale: f64, max_norm: f64) -> Tensor {
        let begin = self.groups[0].range.start;
        let groups = &mut self.groups[..groups];
        let norm = params.grad.narrow(0, begin, groups[groups.len() - 1].range.end - begin).norm();
        let clip = (max_norm / (&norm + 1e-6)).clamp_max(1.0);
        for group in groups {
            group.steps += 1;
            let (from, length) = (group.range.start, group.range.end - group.range.start);
            let buffers = AdamBuffers {
                param: params.value.narrow(0, from, length),
                grad: params.grad.narrow(0, from, length),
                first: self.first.narrow(0, from - begin, length),
                second: self.second.narrow(0, from - begin, length),
            };
            let args = AdamArgs { lr: group.lr * lr_scale, eps: self.eps, betas: BETAS, step: group.steps };
            kernels::adam(buffers, &clip, &args);
        }
        norm
    }
}
