//! OGBench's locomotion: an ant that follows directions, an ant that pushes a ball, and mazes for an ant or a ball.
//!
//! Source: Park, Frans, Eysenbach & Levine (2025), version 1.2.2 of its package; start, goals and rewards of the mazes are
//! the benchmark's own. Episodes never end early, not even at the goal.

mod ant;
mod antball;
mod map;
mod maze;

pub(super) use ant::Ant;
pub(super) use antball::AntBall;
pub(super) use maze::Maze;

use mujoco_rs::wrappers::SpecItem;
use mujoco_rs::wrappers::mj_editing::{MjsBody, MjsGeom};

use super::model::{Geom, Model, ModelError};
use super::physics::{Field, Physics};
use crate::env::Field as Entries;

/// Physics steps of a control step of 0.1 s.
const PHYSICS_STEPS: u32 = 5;
/// Spread of the ant's random start: half width of positions, standard deviation of velocities.
const START_NOISE: f64 = 0.1;

/// Torques of the ant.
const TORQUES: &[Entries] = &[Entries::new("joint torques", 8, "30 N m")];

/// The disk on the ground that marks the goal. Each instance has its own goal, so where it lies is the instance's too.
#[derive(Clone, Copy)]
struct Goal(Geom);

impl Goal {
    fn of(model: &Model) -> Result<Self, ModelError> {
        model.geom("target").map(Self)
    }

    fn position(self, physics: &Physics) -> [f64; 2] {
        let [x, y, _] = physics.field(Field::GeomPos, self.0.index());
        [x, y]
    }

    fn place(self, physics: &mut Physics, [x, y]: [f64; 2]) {
        let [_, _, z] = physics.field(Field::GeomPos, self.0.index());
        physics.set_field(Field::GeomPos, self.0.index(), &[x, y, z]);
    }
}

/// A new geom of `body` with the defaults of the stock models.
///
/// # Errors
///
/// A sentence when the model is none of them.
fn add_geom<'a>(body: &'a mut MjsBody, name: &str) -> Result<&'a mut MjsGeom, String> {
    let geom = body.add_geom_with_class("main").map_err(|problem| format!("{name} cannot be added: {problem}"))?;
    Ok(geom.with_name(name))
}

/// The first two positions: where the body is, m.
#[inline]
fn xy(physics: &Physics) -> [f64; 2] {
    [physics.qpos()[0], physics.qpos()[1]]
}

#[inline]
fn difference(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

#[inline]
fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    let [x, y] = difference(a, b);
    x.hypot(y)
}
