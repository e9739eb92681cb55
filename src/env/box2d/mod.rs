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
//! 4. a body that entered the ground goes back to where it met it (`impact`, `nearest`) and on from there, alone;
//! 5. a robot that was calm for 25 steps sleeps.
//!
//! Every sum is taken in Box2D's order. With all 180 sweeps, walkers move bit by bit as in Box2D 2.3.10: on level and rough
//! ground, over blocks, in each of 200 episodes of one world. `tests/traces/box2d.json` holds recorded runs.
//!
//! Contacts are solved one after the other, so their order matters: a foot on two edges of the ground takes another course
//! when they change places. Box2D orders contacts by places in a pool, which resets of a world shuffle (`terrain`). Policies
//! walk differently in a new world and in one that was reset twice: on level ground, one of the recorded policies returns
//! -453 in the one and -443 in the other.
//!
//! All state is plain data in one component, so copies and restored instances go on bit by bit; steps and resets allocate
//! nothing once an instance has run.
//!
//! # What differs from Box2D
//!
//! | what | by how much |
//! |---|---|
//! | sweeps over velocities end early | 1e-5 m/s; contacts make it grow to 0.01 within 50 to 500 steps. No mean tells |
//! | resets that a walker's world has behind it | drawn for each episode from 0 to 199, which a world of the recorded episodes passes through in turn |
//! | obstacles in earlier episodes of that world | as many as in this one; it shifts the order of contacts |
//! | the lander's pieces of ground | are ordered as in a new world |
//! | no two bodies meet but robot and ground | as in the reference |
//! | exhaust particles are points that bounce, outside the physics; at most 32 | pictures only |
//! | picture | edges are not smoothed; the lander's is drawn at 224x224, the reference's shrunk from 400x400 |
//!
//! # Statistics
//!
//! Against the reference's (200 episodes a policy), all 5,120 figures agree under `terrarium conform`'s bounds: for means 4
//! standard errors and a tenth of the deviation, with each of four seeds. For deviations, which do not decide, it allows for
//! rare episodes, and two kinds of them need that:
//!
//! - That of the vertical speed, with uniform actions on four grounds and two linear policies on hills: it hangs on the rare
//!   walker that staggers backward over the left end of the ground and falls for the rest of its episode. The recorded
//!   samples have 1 to 3 of it in 200 episodes; Box2D itself, asked again, had 5 in 1,046.
//! - That of the return of one policy on hills: no recorded walker falls in 200 episodes; of Box2D's, asked again, 2 % do,
//!   and as many of ours.
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
