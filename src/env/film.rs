//! The first episode of a task under a policy, in pictures.

use std::slice;
use std::sync::Arc;

use super::measure::MeasureError;
use super::policy::{BatchPolicy, PolicyFailure, PolicyInput};
use super::{Simulation, SimulationConfig};
use crate::sim::{ACTION_DIM, FRAME_SIZE, Frame, Group, OBS_DIM, Observation, ObservationMode, Seed, StepRecord};
use crate::task::Task;

/// Takes the pictures one by one: [`FRAME_SIZE`] rows of as many pixels, red, green, blue.
pub type Show<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), PolicyFailure>;

/// Plays the first episode of a simulation with this seed and hands what an agent with eyes is shown to `show`: the
/// picture of the reset and of every control step but the last, whose place the next episode's first one takes; `most`
/// at most.
///
/// # Errors
///
/// [`MeasureError`] when the task cannot be hosted or not drawn, the policy fails, or `show` does.
pub fn film(
    task: &Task,
    mut policy: BatchPolicy<'_>,
    seed: Seed,
    most: usize,
    show: Show<'_>,
) -> Result<(), MeasureError> {
    let mut simulation = Simulation::new(&SimulationConfig {
        tasks: Arc::from([task.clone()]),
        instances: vec![0],
        groups: 1,
        seed,
        observation: ObservationMode::StateRgb,
        threads: Some(1),
    })?;
    let mut input = PolicyInput { instance: 0, first: true, observation: [0.0; OBS_DIM] };
    for _ in 0..most {
        show(&interleaved(&simulation.get::<Frame>(0).pixels)).map_err(MeasureError::Recording)?;
        input.observation = simulation.get::<Observation>(0).0;
        let mut action = [0.0; ACTION_DIM];
        policy(slice::from_ref(&input), slice::from_mut(&mut action)).map_err(MeasureError::Policy)?;
        simulation.set_action(0, &action);
        simulation.step(Group(0));
        if simulation.get::<StepRecord>(0).ending.is_some() {
            break;
        }
        input.first = false;
    }
    Ok(())
}

/// Pixel by pixel what a frame holds channel by channel.
fn interleaved(channels: &[u8]) -> Vec<u8> {
    const PIXELS: usize = FRAME_SIZE * FRAME_SIZE;
    (0..PIXELS).flat_map(|pixel| [0, 1, 2].map(|channel| channels[channel * PIXELS + pixel])).collect()
}
