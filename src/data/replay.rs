//! The replay buffer: a ring of rows on the CPU from which windows inside one episode are drawn.
//!
//! An episode of `T` steps is `T + 1` rows; a row holds an observation and the action and reward that led to it. Rows of
//! several environments interleave, so each row knows the next one of its episode. The oldest rows are overwritten
//! first; a window's later rows are newer than its first, so a window whose first row is there is there whole.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// No next row: the episode ends here, or its next row is yet to come.
const NONE: u32 = u32::MAX;

/// A row to store.
#[derive(Clone, Copy, Debug)]
pub struct ReplayRow<'a> {
    /// The observation; entries beyond the buffer's width are left out.
    pub observation: &'a [f32],
    /// The action that led here; of no meaning in an episode's first row.
    pub action: &'a [f32],
    /// The reward that came with it.
    pub reward: f32,
    /// The task's number.
    pub task: u32,
    /// Whether an episode starts here.
    pub first: bool,
}

/// What a buffer is made for, and where its ring stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shape {
    /// Rows it can hold.
    pub(super) capacity: usize,
    /// Steps of a window.
    pub(super) horizon: usize,
    pub(super) obs_dim: usize,
    pub(super) action_dim: usize,
    /// Rows ever pushed; row `n` lies at `n % capacity`.
    pub(super) pushed: u64,
    /// Of each environment, the latest rows of its running episode: up to `horizon + 1`, oldest first.
    pub(super) recent: Vec<VecDeque<u64>>,
}

/// A ring of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    pub(super) shape: Shape,
    /// `[rows, obs_dim]`; grows up to the capacity.
    pub(super) observations: Vec<f32>,
    /// `[rows, action_dim]`.
    pub(super) actions: Vec<f32>,
    pub(super) rewards: Vec<f32>,
    pub(super) tasks: Vec<u32>,
    /// The next row of the same episode.
    pub(super) next: Vec<u32>,
    /// 1 where a whole window starts.
    pub(super) starts: Vec<u8>,
    /// How many do.
    pub(super) windows: usize,
}

impl Replay {
    /// An empty buffer for `capacity` rows, from which windows of `horizon` steps (one row more) are drawn.
    ///
    /// # Panics
    ///
    /// When the capacity cannot hold a window or is beyond 32-bit row numbers.
    pub fn new(capacity: usize, horizon: usize, obs_dim: usize, action_dim: usize) -> Self {
        assert!(capacity > horizon, "a buffer of {capacity} rows holds no window of {horizon} steps");
        assert!(capacity < NONE as usize, "rows are numbered with 32 bits");
        Self::empty(Shape { capacity, horizon, obs_dim, action_dim, pushed: 0, recent: Vec::new() })
    }

    pub(super) fn empty(shape: Shape) -> Self {
        Self {
            shape,
            observations: Vec::new(),
            actions: Vec::new(),
            rewards: Vec::new(),
            tasks: Vec::new(),
            next: Vec::new(),
            starts: Vec::new(),
            windows: 0,
        }
    }

    /// Rows held.
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.rewards.is_empty()
    }

    /// Width of its observations.
    pub fn obs_dim(&self) -> usize {
        self.shape.obs_dim
    }

    /// Width of its actions.
    pub fn action_dim(&self) -> usize {
        self.shape.action_dim
    }

    /// Windows that can be drawn.
    pub fn windows(&self) -> usize {
        self.windows
    }

    /// Stores the next row of an environment.
    ///
    /// # Panics
    ///
    /// When the row is narrower than the buffer.
    pub fn push(&mut self, environment: usize, row: &ReplayRow<'_>) {
        let Shape { capacity, horizon, obs_dim, action_dim, pushed, .. } = self.shape;
        let (observation, action) = (&row.observation[..obs_dim], &row.action[..action_dim]);
        let at = (pushed % capacity as u64) as usize;
        if at == self.len() {
            self.observations.extend_from_slice(observation);
            self.actions.extend_from_slice(action);
            self.rewards.push(row.reward);
            self.tasks.push(row.task);
            self.next.push(NONE);
            self.starts.push(0);
        } else {
            self.observations[at * obs_dim..][..obs_dim].copy_from_slice(observation);
            self.actions[at * action_dim..][..action_dim].copy_from_slice(action);
            self.rewards[at] = row.reward;
            self.tasks[at] = row.task;
            self.next[at] = NONE;
            self.windows -= usize::from(std::mem::take(&mut self.starts[at]));
        }
        self.shape.pushed += 1;

        let recent = &mut self.shape.recent;
        if recent.len() <= environment {
            recent.resize_with(environment + 1, || VecDeque::with_capacity(horizon + 2));
        }
        let recent = &mut recent[environment];
        let oldest_held = self.shape.pushed.saturating_sub(capacity as u64);
        // An episode also starts anew when its rows have been overwritten meanwhile.
        if row.first || recent.back().is_some_and(|&newest| newest < oldest_held) {
            recent.clear();
        }
        if let Some(&before) = recent.back() {
            self.next[(before % capacity as u64) as usize] = at as u32;
        }
        recent.push_back(pushed);
        if recent.len() > horizon {
            if recent.len() > horizon + 1 {
                recent.pop_front();
            }
            let start = recent[0];
            if start >= oldest_held {
                self.starts[(start % capacity as u64) as usize] = 1;
                self.windows += 1;
            }
        }
    }

    /// Draws the first row of a window, uniformly over all windows. `draw` gives 64 random bits.
    ///
    /// # Panics
    ///
    /// When there is no window.
    pub(super) fn draw_start(&self, draw: &mut impl FnMut() -> u64) -> usize {
        assert!(self.windows > 0, "no window can be drawn yet");
        loop {
            // All rows but the last few of each episode start a window, so few draws are in vain.
            let row = ((u128::from(draw()) * self.len() as u128) >> 64) as usize;
            if self.starts[row] == 1 {
                return row;
            }
        }
    }

    /// The row after `row` in its episode.
    pub(super) fn after(&self, row: usize) -> usize {
        self.next[row] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::super::SampleBuffers;
    use super::*;

    /// Pushes row `step` of `episode`: its observation says where it came from.
    fn push(replay: &mut Replay, environment: usize, episode: usize, step: usize) {
        let observation = [environment as f32, episode as f32, step as f32];
        let row = ReplayRow {
            observation: &observation,
            action: &[step as f32, 0.0],
            reward: step as f32,
            task: environment as u32,
            first: step == 0,
        };
        replay.push(environment, &row);
    }

    fn counter() -> impl FnMut() -> u64 {
        let mut state = 1u64;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ (state >> 29)
        }
    }

    /// Rows of `environments` interleaved, episodes of `length` steps.
    fn filled(capacity: usize, environments: usize, length: usize, rows: usize) -> Replay {
        let mut replay = Replay::new(capacity, 3, 3, 2);
        for row in 0..rows {
            let (episode, step) = (row / (length + 1), row % (length + 1));
            for environment in 0..environments {
                push(&mut replay, environment, episode, step);
            }
        }
        replay
    }

    #[test]
    fn windows_stay_inside_one_episode_of_one_environment_also_after_wrapping() {
        for (capacity, environments, length) in [(1000, 3, 9), (97, 3, 9), (50, 4, 3), (13, 2, 20)] {
            let replay = filled(capacity, environments, length, 311);
            let mut sample = SampleBuffers::new(&replay, 64);
            let mut draw = counter();
            for _ in 0..20 {
                sample.fill(&replay, &mut draw);
                for b in 0..64 {
                    let row = |t: usize| &sample.observations[(t * 64 + b) * 3..][..3];
                    for t in 1..4 {
                        assert_eq!(row(t)[..2], row(0)[..2], "another episode");
                        assert_eq!(row(t)[2], row(0)[2] + t as f32, "not the next step");
                        assert_eq!(sample.rewards[(t - 1) * 64 + b], row(t)[2]);
                        assert_eq!(sample.actions[((t - 1) * 64 + b) * 2], row(t)[2]);
                    }
                    assert_eq!(sample.tasks[b] as f32, row(0)[0]);
                }
            }
        }
    }

    #[test]
    fn the_number_of_windows_is_exact() {
        for (capacity, environments, length, rows) in
            [(10_000, 2, 9, 40), (61, 3, 9, 200), (16, 5, 4, 100), (5, 1, 2, 50)]
        {
            let replay = filled(capacity, environments, length, rows);
            let whole = |&row: &usize| {
                (0..3).try_fold(row, |row, _| Some(replay.next[row] as usize).filter(|&n| n != NONE as usize)).is_some()
            };
            let counted = (0..replay.len()).filter(whole).count();
            assert_eq!(replay.windows(), counted, "capacity {capacity}");
            assert_eq!(replay.windows(), replay.starts.iter().filter(|&&s| s == 1).count());
        }
    }

    #[test]
    fn windows_are_drawn_uniformly() {
        let replay = filled(60, 2, 9, 100);
        let mut counts = vec![0u32; replay.len()];
        let mut draw = counter();
        let draws = 1000 * replay.windows() as u32;
        for _ in 0..draws {
            counts[replay.draw_start(&mut draw)] += 1;
        }
        for (row, &count) in counts.iter().enumerate() {
            let expected = if replay.starts[row] == 1 { 1000 } else { 0 };
            assert!(count.abs_diff(expected) < 150, "row {row} was drawn {count} times, not {expected}");
        }
    }
}
