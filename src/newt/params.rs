//! All parameters of a model as views of one flat buffer, and their gradients as views of another.
//!
//! Clipping, Adam and target averaging then are a few operations on long vectors, whatever the number of tensors.

use tch::{Device, Kind, Tensor, no_grad};

use super::kernels::bind_grad;

/// Hands out views of a flat buffer, one after the other. A first pass without a buffer only counts.
pub(crate) struct Arena {
    buffers: Option<Buffers>,
    used: i64,
}

struct Buffers {
    value: Tensor,
    grad: Option<Tensor>,
}

impl Arena {
    /// The next parameter of this shape: a leaf, if the arena holds gradients.
    pub(crate) fn take(&mut self, shape: &[i64]) -> Tensor {
        let (begin, length) = (self.used, shape.iter().product::<i64>());
        self.used += length;
        let Some(buffers) = &self.buffers else { return Tensor::new() };
        let mut view = no_grad(|| buffers.value.narrow(0, begin, length).view(shape)).detach();
        if let Some(grad) = &buffers.grad {
            view = view.set_requires_grad(true);
            bind_grad(&mut view, &grad.narrow(0, begin, length).view(shape));
        }
        view
    }

    /// Elements handed out so far.
    pub(crate) fn used(&self) -> i64 {
        self.used
    }
}

/// A flat buffer of parameters and, where they are learned, of their gradients.
#[derive(Debug)]
pub(crate) struct Flat {
    /// `[n]`.
    pub(crate) value: Tensor,
    /// `[n]`; empty where nothing is learned.
    pub(crate) grad: Tensor,
}

impl Flat {
    /// Allocates what `build` takes and builds with it. `learned` buffers have gradients.
    pub(crate) fn build<T>(device: Device, learned: bool, build: impl Fn(&mut Arena) -> T) -> (Self, T) {
        let mut count = Arena { buffers: None, used: 0 };
        let _ = build(&mut count);
        let options = (Kind::Float, device);
        let value = Tensor::zeros([count.used], options);
        let grad = Tensor::zeros([if learned { count.used } else { 0 }], options);
        let buffers = Buffers { value: value.shallow_clone(), grad: learned.then(|| grad.shallow_clone()) };
        let mut arena = Arena { buffers: Some(buffers), used: 0 };
        let built = build(&mut arena);
        (Self { value, grad }, built)
    }
}
