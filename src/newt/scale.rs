//! The running range of values that the policy loss is divided by.

use tch::{Device, Kind, Tensor};

/// Exponential average of the range between the 5th and the 95th percentile, at least 1.
#[derive(Debug)]
pub struct RunningScale {
    value: Tensor, // []
    ranks: Tensor, // [2]
    tau: f64,
}

impl RunningScale {
    /// A scale of 1 that moves by `tau` of the way at each update.
    pub fn new(tau: f64, device: Device) -> Self {
        Self {
            value: Tensor::ones([], (Kind::Float, device)),
            ranks: Tensor::from_slice(&[0.05f32, 0.95]).to_device(device),
            tau,
        }
    }

    /// The scale, a scalar tensor.
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// Moves towards the range of `q`.
    pub fn update(&mut self, q: &Tensor) {
        let ends = q.detach().flatten(0, -1).quantile(&self.ranks, 0, false, "linear");
        let range = (ends.get(1) - ends.get(0)).clamp_min(1.0);
        let _ = self.value.lerp_(&range, self.tau);
    }

    /// Sets the scale, as when a checkpoint is loaded.
    pub(crate) fn set(&mut self, value: &Tensor) {
        self.value.copy_(value);
    }
}
