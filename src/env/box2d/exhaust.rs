//! Exhaust particles: pictures show them, nothing else feels them.

use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::physics::{GRAVITY, STEP_SECS, STEPS_A_PICTURE};
use super::terrain::Point;

/// Most particles that are kept: one lasts at most six pictures, and both engines emit at most four a picture.
const CAPACITY: usize = 32;
/// What each picture takes from a particle's life, before it is drawn.
const FADE: f32 = 0.15;
const RADIUS_M: f32 = 0.1;
const RESTITUTION: f32 = 0.3;
/// Mass of a particle, kg: main engine, side engines.
const MASS_KG: [f32; 2] = [0.10996, 0.02199];

/// One particle.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Particle {
    /// Position, m.
    pub at: Point,
    velocity: Point,
    /// Its life at the start: the engine's power.
    power: f32,
    /// Steps since it came out, with that one.
    steps: u32,
}

/// The particles in flight, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Exhaust {
    /// The particles.
    pub particles: Vec<Particle>,
}

/// Which engine a particle comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Engine {
    /// The main engine.
    Main,
    /// A side engine.
    Side,
}

impl Exhaust {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.particles.clear();
        self.particles.reserve(CAPACITY);
    }

    /// A new particle at a place with an impulse.
    pub(super) fn emit(&mut self, engine: Engine, at: Vector, impulse: Vector, power: f32) {
        if self.particles.len() == CAPACITY {
            self.particles.remove(0);
        }
        let velocity = impulse / MASS_KG[engine as usize];
        self.particles.push(Particle { at: at.into(), velocity: velocity.into(), power, steps: 0 });
    }

    /// One step of flight and of bouncing on the ground. The oldest go once their lives are spent.
    pub(super) fn fall(&mut self, ground: &[Point]) {
        for particle in &mut self.particles {
            particle.steps += 1;
            particle.velocity[1] -= GRAVITY * STEP_SECS;
            particle.at[0] += particle.velocity[0] * STEP_SECS;
            particle.at[1] += particle.velocity[1] * STEP_SECS;
            let edge = ground.windows(2).find(|edge| (edge[0][0]..edge[1][0]).contains(&particle.at[0]));
            if let Some(edge) = edge {
                particle.bounce(edge[0], edge[1]);
            }
        }
        let spent = self.particles.iter().take_while(|particle| particle.life() < 0.0).count();
        self.particles.drain(..spent);
    }
}

impl Particle {
    /// What is left of its life in the next picture, or in the present one if that is due; spent below 0.
    pub(super) fn life(&self) -> f32 {
        self.power - FADE * self.steps.div_ceil(STEPS_A_PICTURE) as f32
    }

    /// Keeps it above the edge from `left` to `right`; what hits faster than 1 m/s bounces.
    fn bounce(&mut self, left: Point, right: Point) {
        let along = [right[0] - left[0], right[1] - left[1]];
        let length = along[0].hypot(along[1]);
        let normal = [-along[1] / length, along[0] / length];
        let height = (self.at[0] - left[0]) * normal[0] + (self.at[1] - left[1]) * normal[1];
        let speed = self.velocity[0] * normal[0] + self.velocity[1] * normal[1];
        if !(-1.0..RADIUS_M).contains(&height) || speed > 0.0 {
            return;
        }
        let gained = if speed < -1.0 { -(1.0 + RESTITUTION) * speed } else { -speed };
        for (axis, normal) in normal.into_iter().enumerate() {
            self.at[axis] += (RADIUS_M - height) * normal;
            self.velocity[axis] += gained * normal;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lives of a particle of full power in the pictures that show it, with so many steps before the first of them.
    fn lives(first: u32) -> Vec<f32> {
        let mut exhaust = Exhaust::default();
        exhaust.emit(Engine::Main, Vector::new(6.0, 8.0), Vector::ZERO, 1.0);
        (0..first).for_each(|_| exhaust.fall(&[]));
        let mut lives = Vec::new();
        while let Some(particle) = exhaust.particles.first() {
            lives.push(particle.life());
            (0..STEPS_A_PICTURE).for_each(|_| exhaust.fall(&[]));
        }
        lives
    }

    #[test]
    fn a_particle_is_in_six_pictures_whichever_step_it_comes_from() {
        for first in [1, 2] {
            let lives = lives(first);
            assert_eq!(lives.len(), 6, "{lives:?}");
            let expected = [0.85, 0.7, 0.55, 0.4, 0.25, 0.1];
            assert!(lives.iter().zip(expected).all(|(life, expected)| (life - expected).abs() < 1e-6), "{lives:?}");
        }
    }
}
