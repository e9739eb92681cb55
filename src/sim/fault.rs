//! What can be wrong with a state, so that its episode has to end.

use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Why an episode ended as a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Fault {
    /// An observation or reward is not finite.
    NotFinite,
    /// The simulator says that positions are not finite or beyond all bounds.
    Position,
    /// The same of velocities.
    Velocity,
    /// The same of accelerations.
    Acceleration,
    /// The same of controls.
    Control,
}

impl Fault {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 5] = [Self::NotFinite, Self::Position, Self::Velocity, Self::Acceleration, Self::Control];
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotFinite => "not finite",
            Self::Position => "bad position",
            Self::Velocity => "bad velocity",
            Self::Acceleration => "bad acceleration",
            Self::Control => "bad control",
        })
    }
}

/// How often each kind of fault was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts([u64; Fault::ALL.len()]);

impl FaultCounts {
    /// Counts one more.
    pub fn add(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// How many of one kind.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// What came on top of `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|kind| self.0[kind] - earlier.0[kind]))
    }
}

impl AddAssign for FaultCounts {
    fn add_assign(&mut self, more: Self) {
        self.0.iter_mut().zip(more.0).for_each(|(count, more)| *count += more);
    }
}

/// Such as `2 bad acceleration, 1 not finite`.
impl fmt::Display for FaultCounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Fault::ALL.into_iter().filter(|fault| self.of(*fault) > 0);
        let parts: Vec<String> = named.map(|fault| format!("{} {fault}", self.of(fault))).collect();
        formatter.write_str(&parts.join(", "))
    }
}

impl FromIterator<Fault> for FaultCounts {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        let mut counts = Self::default();
        faults.into_iter().for_each(|fault| counts.add(fault));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted_and_named() {
        let mut counts: FaultCounts = [Fault::Acceleration, Fault::NotFinite].into_iter().collect();
        let before = counts;
        counts.add(Fault::Acceleration);
        assert_eq!(counts.to_string(), "1 not finite, 2 bad acceleration");
        assert_eq!((counts.total(), counts.since(&before).to_string()), (3, "1 bad acceleration".to_owned()));
    }
}
