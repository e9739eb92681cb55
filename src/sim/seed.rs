//! Random numbers: every one comes from (run seed, purpose, stream, episode).

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng};
use serde::{Deserialize, Serialize};

/// The seed of a run. Two runs with one seed on one device give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seed(u64);

/// What a generator is for. Generators of different purposes never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Construction of an environment instance.
    Construct = 1,
    /// Dynamics and resets of an environment's episode.
    Episode = 2,
    /// What only a picture shows (flicker, grain).
    Draw = 3,
    /// Actions of a random or seeding policy.
    Policy = 4,
    /// Network initialisation.
    Init = 5,
    /// Planner noise.
    Plan = 6,
    /// Policy and ensemble draws of updates.
    Update = 7,
    /// Replay sampling.
    Replay = 8,
    /// Evaluation episodes.
    Evaluate = 9,
}

impl Seed {
    /// The seed `value`.
    pub fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number this seed was made from.
    pub fn value(self) -> u64 {
        self.0
    }

    /// The generator for one purpose, stream (an environment's index, say) and episode.
    pub fn rng(self, purpose: Purpose, stream: u64, episode: u64) -> Rng {
        let mut state = mix(self.0 ^ 0x7465_7272_6172_6975);
        for part in [purpose as u64, stream, episode] {
            state = mix(state ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
        Rng(Xoshiro256PlusPlus::seed_from_u64(state))
    }

    /// A seed derived from this one, for a library that keeps its own generator.
    pub fn derive(self, purpose: Purpose, stream: u64) -> u64 {
        self.rng(purpose, stream, 0).next_u64()
    }
}

/// The finalizer of SplitMix64 (Steele, Lea & Flood, 2014).
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A fast generator (xoshiro256++) with the draws that environments need. Its state can be saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rng(Xoshiro256PlusPlus);

impl Rng {
    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform on `[0, 1)` with 53 bits.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform on `[low, high)`.
    #[inline]
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A uniform integer from `low` to `high`, both included.
    #[inline]
    pub fn integer(&mut self, low: i32, high: i32) -> i32 {
        debug_assert!(low <= high);
        let span = (i64::from(high) - i64::from(low) + 1) as u64;
        // Lemire's multiply-shift; the bias is below 2^-32 for every span used here.
        low + ((u128::from(self.next_u64()) * u128::from(span)) >> 64) as i32
    }

    /// True with probability `p`.
    #[inline]
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// -1 or +1 with equal probability.
    #[inline]
    pub fn sign(&mut self) -> f64 {
        if self.next_u64() >> 63 == 0 { -1.0 } else { 1.0 }
    }

    /// Normal with the given mean and standard deviation (Box and Muller; two uniforms a draw).
    #[inline]
    pub fn normal(&mut self, mean: f64, std_dev: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        mean + std_dev * radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_streams_and_episodes_are_independent() {
        let seed = Seed::new(1);
        let mut first = vec![
            seed.rng(Purpose::Episode, 0, 0).next_u64(),
            seed.rng(Purpose::Episode, 0, 1).next_u64(),
            seed.rng(Purpose::Episode, 1, 0).next_u64(),
            seed.rng(Purpose::Draw, 0, 0).next_u64(),
            Seed::new(2).rng(Purpose::Episode, 0, 0).next_u64(),
        ];
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 5);
    }

    #[test]
    fn draws_have_their_moments() {
        let mut rng = Seed::new(3).rng(Purpose::Policy, 0, 0);
        let n = 100_000;
        let (mut sum, mut square, mut counts) = (0.0, 0.0, [0u32; 5]);
        for _ in 0..n {
            let x = rng.normal(2.0, 3.0);
            sum += x;
            square += (x - 2.0) * (x - 2.0);
            counts[(rng.integer(-2, 2) + 2) as usize] += 1;
        }
        assert!((sum / f64::from(n) - 2.0).abs() < 0.05);
        assert!((square / f64::from(n) - 9.0).abs() < 0.2);
        assert!(counts.iter().all(|&c| c.abs_diff(20_000) < 700), "{counts:?}");
    }
}
