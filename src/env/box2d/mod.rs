//! Box2D tasks: a lunar lander and a bipedal walker, on rapier2d.
//!
//! The reference runs on Box2D 2.3. Here rapier finds the velocities of a step: one step without sub-steps, its robot one
//! multibody, 30 sweeps, which agrees with Box2D's 180 sweeps to three digits. Positions then move in Box2D's way, because
//! observations show the difference: bodies go straight ahead, hinges and overlaps are pulled together without adding
//! speed ([`joints`]), and a body that would enter the ground stops where it meets it and goes on alone ([`impact`]).
//! Contacts and their flags follow Box2D's shapes and skins ([`contact`], [`touch`]).
//!
//! # What differs from Box2D
//!
//! | what | by how much |
//! |---|---|
//! | motors in zero gravity | hull and joint angles to 0.004 rad (rms over 20 steps), at most 0.009 |
//! | pushing off level ground | hull to 0.007 m and rad, joints to 0.016 rad over the first 5 to 8 steps |
//! | contacts act where hinges hold exactly, not where Box2D has them apart | up to 2 cm for one step after a foot hits |
//! | impulses of an impact reach the robot's other bodies at the end of its step | Box2D: in the next |
//! | solid ground of 1.5 m (lander) and 2 m (walker) instead of lines | only beside and below the ground |
//! | no two bodies meet but robot and ground, no particle in the physics | as in the reference |
//! | a hard landing on the pad | the belly rests for 3 steps at 3.649 m before the legs lift it, so the reset of takeoff has vy 0.02 instead of 0.35 m/s and y 3.649 instead of 3.663 m |
//! | legs of a standing lander | lift it by 0.0058 rad a step (Box2D 0.0060), so it sleeps after 86 to 154 steps (77) |
//! | contact flags that read 0 on a contact | 1 % of takeoff's resets (2 to 4 %) |
//! | a spinning lander | loses the spin that Box2D's position correction takes, by a formula |
//! | lander flung away or pulled through the thin ground by its legs, 1 in 200 episodes of takeoff | does not happen |
//! | picture | painted at 224x224 without smoothing; the reference smooths outlines and shrinks the lander's from 400 |
//!
//! # Statistics
//!
//! Against the reference's over 200 episodes a policy, with a bound of 10 % of its deviation and 4 standard errors:
//!
//! - Returns and scores of all eight tasks agree under uniform actions, and so do all observations, but for takeoff's reset.
//! - Lander, all policies: 477 of 496 figures agree. Outside are takeoff's vy and y after the reset (above), and the return
//!   of two linear policies of landing by 2.3 and 0.8 in -120.
//! - Walker, zero action: it falls 2.5 agent steps earlier (return -370 instead of -365).
//! - Walker, linear policies: on hills, where starts differ, 350 of 400 figures agree; on the other grounds one start is
//!   like the next, so a policy's episodes all take the same of several courses (it falls at once, or stands for good), and
//!   which one hangs on the first milliseconds. Two thirds to three quarters of the figures agree there.
//!
//! # Cost
//!
//! On one core, agent steps a second: 41,000 to 190,000 (lander), 15,000 to 24,000 (walker). Rapier allocates about 20
//! (lander) and 29 (walker) times a step, most of it its mass matrices and their factors; what is here does not allocate.

mod body;
mod contact;
mod exhaust;
mod impact;
mod joint;
mod lander;
mod lander_picture;
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
