//! Box2D tasks: a lunar lander and a bipedal walker, on rapier2d's geometry, stepped as Box2D steps.
//!
//! The reference runs on Box2D 2.3, and its observations show how that moves bodies: joints that snap together without
//! speed, limits that are overshot by two degrees, a foot that stops at the ground while its leg goes on. Rapier's own
//! solver works in sub-steps on springs and was tried first: with every setting that helped, and Box2D's position
//! correction and continuous collision around it, a third of the figures of walking policies were out of bounds, the legs
//! of a standing lander were off, and each step allocated 20 to 29 times. So rapier2d gives the shapes' geometry, bounds,
//! masses and rotations here, and a robot of at most five bodies over a fixed ground is stepped as Box2D does it:
//!
//! 1. what touches is looked up (`contact`), with events of begin and end that set and clear contact flags;
//! 2. velocities are solved by 180 sweeps of sequential impulses over joints and contacts, from the impulses of the last
//!    step (`joint`, `pressure`), less when a sweep changes nothing but rounding (1e-6 m/s, rad/s);
//! 3. bodies go straight ahead, then joints and overlaps are corrected by up to 60 sweeps that add no speed;
//! 4. a body that entered the ground goes back to where it met it (`impact`) and on from there, alone;
//! 5. a robot that was calm for 25 steps sleeps.
//!
//! All state is plain data in one component, so copies and restored instances go on bit by bit; steps and resets allocate
//! nothing once an instance has run.
//!
//! # What differs from Box2D
//!
//! | what | by how much |
//! |---|---|
//! | walker after its reset | means and deviations of all observations on flat ground to 5e-5, as far as the reference's samples tell |
//! | trajectories | last bits, from the order of operations; contacts make them grow, so single episodes part |
//! | no two bodies meet but robot and ground | as in the reference |
//! | exhaust particles are points that bounce, outside the physics; at most 32 | pictures only |
//! | picture | edges are not smoothed; the lander's is drawn at 224x224, the reference's shrunk from 400x400 |
//!
//! # Statistics
//!
//! Against the reference's (200 episodes a policy) under `terrarium conform`'s bounds of 4 standard errors and a tenth of
//! the deviation:
//!
//! - Lander: every figure of every policy agrees, for all three tasks.
//! - Walker, uniform and zero actions: everything agrees but, on four grounds, the deviation of the vertical speed: 0.06
//!   instead of 0.19 to 0.34. By its minima it hangs on the rare walker that staggers backward over the left end of the ground and falls
//!   for the rest of its episode: 1 to 3 of the reference's 200 episodes, 6 of 1,500 of ours, but none of the first 200.
//! - Walker, linear policies: on one ground starts differ by a push of 0.015 m/s alone, so a policy's episodes take one of a
//!   few courses, and which one hangs on the last bits. 98 % of the figures agree, and all of 17 of the 30 policies; most of
//!   the rest are of three policies that take another of the reference's courses more often (return -453 always, in the
//!   reference in one episode of 50 and -443 in the others). Returns are lower by 4 in the mean over policies, with
//!   a standard error of 4.
//!
//! `tests/conform_box2d.rs` holds this.

mod body;
mod contact;
mod exhaust;
mod impact;
mod joint;
mod lander;
mod lander_picture;
mod nearest;
mod physics;
mod pressure;
mod terrain;
#[cfg(test)]
mod tests;
mod walker;
mod walker_picture;

use bevy::prelude::*;

use super::EnvPlugin;

/// Hosts the lander and the walker.
pub struct Box2DPlugin;

impl Plugin for Box2DPlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins((EnvPlugin::<lander::Lander>::default(), EnvPlugin::<walker::Walker>::default()));
    }
}
