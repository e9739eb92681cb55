//! Strings of coins that pass from right to left.

use serde::{Deserialize, Serialize};

use super::rect::Rect;
use crate::paint::CANVAS_SIZE;
use crate::sim::Rng;

/// Radius of a coin, px.
pub(super) const COIN_RADIUS: i32 = 9;
/// Distance of neighbors within a string, px.
pub(super) const COIN_SPACING: i32 = 27;
/// Most coins of a string in any game.
pub(super) const MAX_COINS: usize = 5;

/// Vertical distance of neighbors that are not level, px, and how often they are not.
const COIN_RISE: i32 = 18;
const RISE_CHANCE: f64 = 0.6;

/// Up to [`MAX_COINS`] coins, evenly spaced. A collected coin leaves its place empty.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct CoinString {
    /// Center column of the first coin, px.
    x: i32,
    /// Center rows, px.
    y: [i32; MAX_COINS],
    /// Bit i: coin i has not been collected.
    remaining: u8,
}

impl CoinString {
    /// Coins at the rows `y`, the first at column `x`.
    pub(super) fn new(x: i32, y: &[i32]) -> Self {
        let mut rows = [0; MAX_COINS];
        rows[..y.len()].copy_from_slice(y);
        Self { x, y: rows, remaining: (1 << y.len()) - 1 }
    }

    /// `n` coins from (`x`, `y`) on, each level with the one before or a little higher or lower, within `rows`.
    pub(super) fn random(n: usize, x: i32, mut y: i32, rows: (i32, i32), rng: &mut Rng) -> Self {
        let mut string = Self { x, y: [0; MAX_COINS], remaining: (1 << n) - 1 };
        for row in &mut string.y[..n] {
            *row = y;
            if rng.chance(RISE_CHANCE) {
                y += COIN_RISE * rng.sign() as i32;
            }
            y = y.clamp(rows.0, rows.1);
        }
        string
    }

    /// Moves the coins to the left by `distance` px.
    pub(super) fn scroll(&mut self, distance: i32) {
        self.x -= distance;
    }

    /// Whether every coin is collected or has left the picture.
    pub(super) fn spent(&self) -> bool {
        // The rightmost remaining coin leaves last.
        let rightmost = 7 - self.remaining.leading_zeros() as i32;
        rightmost < 0 || self.x + COIN_SPACING * rightmost < -COIN_RADIUS
    }

    /// Takes the coins that touch `taker` and calls `taken` with the center of each; how many there were.
    pub(super) fn collect(&mut self, taker: Rect, mut taken: impl FnMut(i32, i32)) -> u32 {
        let mut count = 0;
        let mut left = self.remaining;
        while left != 0 {
            let i = left.trailing_zeros();
            left &= left - 1;
            let (x, y) = self.center(i as usize);
            let coin =
                Rect { left: x - COIN_RADIUS, top: y - COIN_RADIUS, right: x + COIN_RADIUS, bottom: y + COIN_RADIUS };
            if taker.overlaps(coin) {
                self.remaining &= !(1 << i);
                count += 1;
                taken(x, y);
            }
        }
        count
    }

    /// The coins not yet collected: index in the string and center, px.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, i32, i32)> + '_ {
        (0..MAX_COINS).filter(|i| self.remaining >> i & 1 == 1).map(|i| {
            let (x, y) = self.center(i);
            (i, x, y)
        })
    }

    /// Writes pairs of center column and row, px/224, in the order of the string; -1, -1 where there is no coin.
    pub(super) fn observe(&self, row: &mut [f32]) {
        row.fill(-1.0);
        let size = f64::from(CANVAS_SIZE);
        for (i, x, y) in self.iter() {
            row[2 * i] = (f64::from(x) / size) as f32;
            row[2 * i + 1] = (f64::from(y) / size) as f32;
        }
    }

    fn center(&self, i: usize) -> (i32, i32) {
        (self.x + COIN_SPACING * i as i32, self.y[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Purpose, Seed};

    #[test]
    fn a_string_is_spent_when_its_last_coin_is_gone() {
        let mut string = CoinString::new(10, &[100, 100]);
        let at_first = Rect::new(0.0, 90.0, 20.0, 20.0);
        assert_eq!(string.collect(at_first, |x, y| assert_eq!((x, y), (10, 100))), 1);
        assert_eq!(string.collect(at_first, |_, _| {}), 0);
        string.scroll(46);
        assert!(!string.spent());
        string.scroll(1);
        assert!(string.spent());
        assert!(CoinString::new(300, &[]).spent());
    }

    #[test]
    fn strings_stay_within_their_rows() {
        let mut rng = Seed::new(1).rng(Purpose::Episode, 0, 0);
        for _ in 0..1000 {
            let n = rng.integer(2, 5) as usize;
            let string = CoinString::random(n, 244, 101, (83, 173), &mut rng);
            assert_eq!(string.iter().count(), n);
            assert!(string.iter().all(|(i, x, y)| x == 244 + 27 * i as i32 && (83..=173).contains(&y)));
        }
    }
}
