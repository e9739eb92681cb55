//! Random starts that several domains share.

use std::f64::consts::PI;

use super::model::JointKind;
use super::physics::Physics;
use crate::sim::Rng;

/// Physics steps that [`settle`] simulates.
const SETTLING_STEPS: u32 = 200;

/// Draws every joint: limited hinges and slides in their range, other hinges in a full turn, orientations at random.
/// Unlimited slides and the position of free joints stay.
pub(crate) fn joints(physics: &mut Physics, rng: &mut Rng) {
    let model = physics.model().clone();
    for joint in model.joints() {
        let position = &mut physics.qpos_mut()[joint.position..];
        match (joint.kind, joint.range) {
            (JointKind::Hinge | JointKind::Slide, Some((low, high))) => position[0] = rng.uniform(low, high),
            (JointKind::Hinge, None) => position[0] = rng.uniform(-PI, PI),
            (JointKind::Slide, None) => {}
            (JointKind::Ball, _) => position[..4].copy_from_slice(&rotation(rng)),
            (JointKind::Free, _) => {
                let quaternion = std::array::from_fn(|_| rng.unit());
                position[3..7].copy_from_slice(&normalized(quaternion));
            }
        }
    }
}

/// Draws every limited joint in its range, then lets the body fall and come to rest without control. The velocities it
/// has by then stay; time starts anew.
pub(crate) fn settle(physics: &mut Physics, rng: &mut Rng) {
    let model = physics.model().clone();
    for joint in model.joints() {
        if let Some((low, high)) = joint.range {
            physics.qpos_mut()[joint.position] = rng.uniform(low, high);
        }
    }
    physics.step(SETTLING_STEPS);
    physics.set_time(0.0);
}

/// Moves every position by a uniform amount of at most `scale`, and draws every velocity from a normal distribution with
/// that standard deviation. Quaternions are not normalized after.
pub(crate) fn jitter(physics: &mut Physics, scale: f64, rng: &mut Rng) {
    physics.qpos_mut().iter_mut().for_each(|position| *position += rng.uniform(-scale, scale));
    physics.qvel_mut().fill_with(|| rng.normal(0.0, scale));
}

/// Moves every position by a uniform amount of at most `position`, and draws every velocity uniformly, at most `velocity`.
pub(crate) fn shake(physics: &mut Physics, position: f64, velocity: f64, rng: &mut Rng) {
    physics.qpos_mut().iter_mut().for_each(|x| *x += rng.uniform(-position, position));
    physics.qvel_mut().fill_with(|| rng.uniform(-velocity, velocity));
}

/// A uniformly random rotation.
pub(crate) fn rotation(rng: &mut Rng) -> [f64; 4] {
    normalized(std::array::from_fn(|_| rng.normal(0.0, 1.0)))
}

/// The unit quaternion along `quaternion`.
fn normalized(quaternion: [f64; 4]) -> [f64; 4] {
    let length = quaternion.iter().map(|x| x * x).sum::<f64>().sqrt();
    quaternion.map(|x| x / length)
}
