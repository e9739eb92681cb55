//! Batches of windows, in buffers that are allocated once.

use super::Replay;

/// Flat rows of a batch of `B` windows of `H` steps.
#[derive(Clone, Debug)]
pub struct SampleBuffers {
    batch: usize,
    /// `[H + 1, B, obs_dim]`.
    pub observations: Vec<f32>,
    /// `[H, B, action_dim]`; action `t` leads from observation `t` to `t + 1`.
    pub actions: Vec<f32>,
    /// `[H, B]`; reward `t` came with observation `t + 1`.
    pub rewards: Vec<f32>,
    /// `[B]`.
    pub tasks: Vec<i32>,
}

impl SampleBuffers {
    /// Buffers for batches of `batch` windows of `replay`.
    pub fn new(replay: &Replay, batch: usize) -> Self {
        let shape = &replay.shape;
        Self {
            batch,
            observations: vec![0.0; (shape.horizon + 1) * batch * shape.obs_dim],
            actions: vec![0.0; shape.horizon * batch * shape.action_dim],
            rewards: vec![0.0; shape.horizon * batch],
            tasks: vec![0; batch],
        }
    }

    /// Draws a batch, uniformly over all windows. `draw` gives 64 random bits.
    ///
    /// # Panics
    ///
    /// When `replay` holds no window.
    pub fn fill(&mut self, replay: &Replay, draw: &mut impl FnMut() -> u64) {
        self.fill_columns(replay, 0..self.batch, draw);
    }

    /// Draws half of a batch from `first` and half from `second`, such as demonstrations and own experience.
    ///
    /// # Panics
    ///
    /// When one of them holds no window, or their rows are of other widths.
    pub fn fill_halves(&mut self, first: &Replay, second: &Replay, draw: &mut impl FnMut() -> u64) {
        let half = self.batch / 2;
        self.fill_columns(first, 0..half, draw);
        self.fill_columns(second, half..self.batch, draw);
    }

    fn fill_columns(&mut self, replay: &Replay, columns: std::ops::Range<usize>, draw: &mut impl FnMut() -> u64) {
        let (obs_dim, action_dim) = (replay.shape.obs_dim, replay.shape.action_dim);
        for b in columns {
            let mut row = replay.draw_start(draw);
            self.tasks[b] = replay.tasks[row] as i32;
            self.observations[b * obs_dim..][..obs_dim]
                .copy_from_slice(&replay.observations[row * obs_dim..][..obs_dim]);
            for t in 0..replay.shape.horizon {
                row = replay.after(row);
                let (now, then) = (t * self.batch + b, (t + 1) * self.batch + b);
                self.observations[then * obs_dim..][..obs_dim]
                    .copy_from_slice(&replay.observations[row * obs_dim..][..obs_dim]);
                self.actions[now * action_dim..][..action_dim]
                    .copy_from_slice(&replay.actions[row * action_dim..][..action_dim]);
                self.rewards[now] = replay.rewards[row];
            }
        }
    }
}
