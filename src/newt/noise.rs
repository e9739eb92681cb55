//! Where random draws come from: every function that needs one is handed a source.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::kernels::fill_normal;

/// A source of random draws.
pub trait Noise {
    /// Draws from N(0, 1), f32.
    fn normal(&mut self, shape: &[i64], device: Device) -> Tensor;
    /// Draws from Exp(1), f32.
    fn exponential(&mut self, shape: &[i64], device: Device) -> Tensor;
    /// Two different numbers below `n`, in any order; `(0, 0)` for a single one.
    fn pair(&mut self, n: i64) -> (i64, i64);
}

/// A counter-based generator: its whole state is a seed and a count, so it is saved with two numbers.
///
/// The same draws come out on every device and for any number of threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeededNoise {
    key: u64,
    count: u64,
}

impl SeededNoise {
    /// The source of this seed, at its beginning.
    pub fn new(seed: u64) -> Self {
        Self { key: mix(seed ^ 0x6e65_7774), count: 0 }
    }

    fn uniform(&mut self) -> f64 {
        let bits = mix(mix(self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(self.key)) ^ !self.key);
        self.count += 1;
        (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

/// The finalizer of SplitMix64 (Steele, Lea & Flood, 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn length(shape: &[i64]) -> usize {
    shape.iter().product::<i64>() as usize
}

impl Noise for SeededNoise {
    fn normal(&mut self, shape: &[i64], device: Device) -> Tensor {
        let mut draws = vec![0.0f32; length(shape)];
        fill_normal(self.key, self.count, &mut draws);
        self.count += draws.len().div_ceil(2) as u64;
        Tensor::from_slice(&draws).reshape(shape).to_device(device)
    }

    fn exponential(&mut self, shape: &[i64], device: Device) -> Tensor {
        let draws: Vec<f32> = (0..length(shape)).map(|_| -(1.0 - self.uniform()).ln() as f32).collect();
        Tensor::from_slice(&draws).reshape(shape).to_device(device)
    }

    fn pair(&mut self, n: i64) -> (i64, i64) {
        if n < 2 {
            return (0, 0);
        }
        let first = (self.uniform() * n as f64) as i64;
        let second = (self.uniform() * (n - 1) as f64) as i64;
        (first, second + i64::from(second >= first))
    }
}

/// Draws made elsewhere, given back in their order; for comparing with another implementation.
#[derive(Debug, Default)]
pub struct RecordedNoise {
    draws: VecDeque<(DrawKind, Tensor)>,
}

/// What a recorded draw was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrawKind {
    /// Normal draws.
    Normal,
    /// Exponential draws.
    Exponential,
    /// A permutation, of which the first two entries are used.
    Permutation,
}

impl RecordedNoise {
    /// A source that gives these draws back, first to last.
    pub fn new(draws: impl IntoIterator<Item = (DrawKind, Tensor)>) -> Self {
        Self { draws: draws.into_iter().collect() }
    }

    /// Draws that nothing asked for yet.
    pub fn left(&self) -> usize {
        self.draws.len()
    }

    fn next(&mut self, kind: DrawKind) -> Tensor {
        let (found, draw) = self.draws.pop_front().expect("more draws were asked for than were recorded");
        assert_eq!(found, kind, "draws were asked for in another order than recorded");
        draw
    }
}

impl Noise for RecordedNoise {
    fn normal(&mut self, shape: &[i64], device: Device) -> Tensor {
        self.next(DrawKind::Normal).reshape(shape).to_device(device)
    }

    fn exponential(&mut self, shape: &[i64], device: Device) -> Tensor {
        self.next(DrawKind::Exponential).reshape(shape).to_device(device)
    }

    fn pair(&mut self, n: i64) -> (i64, i64) {
        let permutation = self.next(DrawKind::Permutation);
        assert_eq!(permutation.numel() as i64, n, "a permutation of another number of heads was recorded");
        (permutation.int64_value(&[0]), permutation.int64_value(&[1.min(n - 1)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_draws_have_the_moments_of_a_normal() {
        let draws = SeededNoise::new(7).normal(&[1 << 20], Device::Cpu);
        let n = (1 << 20) as f64;
        let mean = draws.mean(None).double_value(&[]);
        let var = draws.square().mean(None).double_value(&[]);
        let kurtosis = draws.square().square().mean(None).double_value(&[]);
        assert!(mean.abs() < 5.0 / n.sqrt(), "mean {mean}");
        assert!((var - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "variance {var}");
        assert!((kurtosis - 3.0).abs() < 5.0 * (96.0 / n).sqrt(), "fourth moment {kurtosis}");
        let halves = draws.reshape([2, -1]);
        let correlation = (halves.get(0) * halves.get(1)).mean(None).double_value(&[]);
        assert!(correlation.abs() < 5.0 / (n / 2.0).sqrt(), "the two draws of a pair correlate: {correlation}");
        let lag = (draws.narrow(0, 0, (1 << 20) - 1) * draws.narrow(0, 1, (1 << 20) - 1)).mean(None).double_value(&[]);
        assert!(lag.abs() < 5.0 / n.sqrt(), "neighbors correlate: {lag}");
    }

    #[test]
    fn a_saved_source_goes_on_with_the_same_draws() {
        let mut noise = SeededNoise::new(3);
        let _ = noise.normal(&[5], Device::Cpu);
        let saved = serde_json::to_string(&noise).expect("serializes");
        let mut restored: SeededNoise = serde_json::from_str(&saved).expect("deserializes");
        assert_eq!(noise.pair(5), restored.pair(5));
        assert_eq!(noise.normal(&[9], Device::Cpu), restored.normal(&[9], Device::Cpu));
        assert_eq!(noise.exponential(&[4], Device::Cpu), restored.exponential(&[4], Device::Cpu));
    }

    #[test]
    fn pairs_are_uniform_over_different_members() {
        let mut noise = SeededNoise::new(1);
        let mut counts = [[0u32; 3]; 3];
        for _ in 0..6000 {
            let (a, b) = noise.pair(3);
            counts[a as usize][b as usize] += 1;
        }
        for (a, row) in counts.iter().enumerate() {
            for (b, &n) in row.iter().enumerate() {
                if a == b {
                    assert_eq!(n, 0);
                } else {
                    assert!((850..1150).contains(&n), "pair ({a}, {b}) came {n} times of 1000 expected");
                }
            }
        }
    }
}
