//! Coconut-Dodge: move sideways on a beach, out of the way of falling coconuts.
//!
//! Touching a falling coconut costs on every step, since the coconut falls on. The collision flag is seen on the step of
//! a hit and on the four after it. Cracked coconuts stay in the observation with their last velocity; only their height
//! tells them apart. A coconut's size is not observed.

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use super::beach;
use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::{Purpose, Rng, Seed};

/// Edges of the square play area, px, and its width.
const AREA_LOW: f64 = 12.0;
const AREA_HIGH: f64 = 212.0;
const AREA_SIZE: f64 = AREA_HIGH - AREA_LOW;
/// Row of the agent's center, its radius, and where it may be, px.
const AGENT_Y: f64 = 200.0;
const AGENT_RADIUS: f64 = 9.0;
const AGENT_RANGE: (f64, f64) = (AREA_LOW + AGENT_RADIUS, AREA_HIGH - AGENT_RADIUS);
/// Acceleration at full thrust, px/step².
const THRUST: f64 = 0.85;
/// Speed kept a step.
const DAMPING: f64 = 0.97;
/// Of the agent, px a step; also the scale of observed velocities.
const SPEED_LIMIT: f64 = 5.0;
const MAX_COCONUTS: usize = 6;
/// Steps that a cracked coconut lies on the ground.
const CRACKED_STEPS: u32 = 10;
/// Steps until the game is hardest.
const RAMP_STEPS: f64 = 500.0;
/// Steps that the collision flag is set; the step of the hit takes the first.
const COLLISION_STEPS: u32 = 6;
const HIT_REWARD: f64 = -1.0;
/// Specks that one impact throws up and their life; prints the agent leaves every so many steps and theirs.
const DUST_PER_IMPACT: usize = 16;
const MAX_DUST: usize = MAX_COCONUTS * DUST_PER_IMPACT;
const DUST_STEPS: u32 = 16;
const PRINT_INTERVAL: u32 = 4;
const PRINT_STEPS: u32 = 6;
const MAX_PRINTS: usize = 4;

const SHELL_RIM: Color = Color::rgb(90, 66, 38);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("agent x", 1, "px/200 from the area's left edge"),
        Field::new("agent velocity", 1, "px/step/5"),
        Field::new("nearest falling coconut relative to the agent", 2, "px/200"),
        Field::new("collision flag", 1, "1"),
        Field::new("coconuts by distance: position and velocity", 24, "px/200, px/step/5"),
    ],
    action: &[Field::new("thrust, right", 1, "0.85 px/step²")],
    rate_hz: 30.0,
    reward_terms: &["hit"],
    constant_entries: &[],
};

/// Nothing varies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CoconutDodgeParams {}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Coconut {
    /// Center, px, and velocity, px a step. A cracked one lies still, but keeps its velocity.
    x: f64,
    y: f64,
    vx: f64,
    vy: f64,
    radius: i32,
    /// Steps a cracked coconut still lies; 0 while it falls.
    cracked_steps: u32,
    /// What its shell looks like.
    shell: Shell,
}

/// What a coconut's shell looks like.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Shell {
    dark: bool,
    striped: bool,
    /// Dots: offset from the center and radius, px; unused ones have radius 0.
    speckles: [(i8, i8, u8); 4],
}

impl Shell {
    fn random(radius: i32, looks: &mut Rng) -> Self {
        let (dark, striped) = (looks.chance(0.5), looks.chance(0.5));
        let mut speckles = [(0, 0, 0); 4];
        let wanted = looks.integer(2, 4) as usize;
        let reach = radius - 2;
        let mut count = 0;
        for _ in 0..200 {
            let (dx, dy) = (looks.integer(-reach, reach), looks.integer(-reach, reach));
            if dx * dx + dy * dy <= reach * reach {
                speckles[count] = (dx as i8, dy as i8, looks.integer(1, 2) as u8);
                count += 1;
                if count == wanted {
                    break;
                }
            }
        }
        Self { dark, striped, speckles }
    }
}

impl Coconut {
    /// A new one under the area's top edge, faster the later in the game. `looks` feeds what is only seen.
    fn random(step: u32, rng: &mut Rng, looks: &mut Rng) -> Self {
        let difficulty = difficulty(step);
        let radius = 7 + rng.integer(-1, 1);
        let r = f64::from(radius);
        Self {
            x: rng.uniform(AREA_LOW + r, AREA_HIGH - r),
            y: AREA_LOW + 1.0 + r,
            vx: rng.uniform(-0.5, 0.5) * (1.0 + 0.6 * difficulty),
            vy: rng.uniform(1.4, 2.6) * (1.0 + 0.8 * difficulty),
            radius,
            cracked_steps: 0,
            shell: Shell::random(radius, looks),
        }
    }

    fn is_falling(&self) -> bool {
        self.cracked_steps == 0
    }

    /// Which way its halves drift and its dust flies: -1 left, +1 right.
    fn split_direction(&self) -> f64 {
        if self.vx < 0.0 { -1.0 } else { 1.0 }
    }

    /// Falls on; true if it has just hit the ground and cracked.
    fn fall(&mut self) -> bool {
        let radius = f64::from(self.radius);
        self.x += self.vx;
        self.y += self.vy;
        if self.x < AREA_LOW + radius {
            (self.x, self.vx) = (AREA_LOW + radius, -self.vx);
        } else if self.x > AREA_HIGH - radius {
            (self.x, self.vx) = (AREA_HIGH - radius, -self.vx);
        }
        if self.y + radius < AREA_HIGH {
            return false;
        }
        self.y = AREA_HIGH - radius;
        self.cracked_steps = CRACKED_STEPS;
        true
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        if self.is_falling() { self.draw_whole(canvas) } else { self.draw_halves(canvas) }
    }

    fn draw_whole(&self, canvas: &mut dyn Canvas) {
        let (x, y, radius) = (self.x as i32, self.y as i32, self.radius);
        canvas.disc(x, y, radius, if self.shell.dark { Color::rgb(110, 82, 46) } else { Color::rgb(133, 102, 62) });
        canvas.ring(x, y, radius, 2, SHELL_RIM);
        if self.shell.striped {
            let r = f64::from(radius - 2);
            for k in 0..10 {
                let (sin, cos) = (-0.6 + 1.2 * f64::from(k) / 9.0).sin_cos();
                canvas.pixel(x + (r * cos) as i32, y + (r * sin) as i32, SHELL_RIM);
            }
        }
        for &(dx, dy, dot) in self.shell.speckles.iter().filter(|speckle| speckle.2 > 0) {
            canvas.disc(x + i32::from(dx), y + i32::from(dy), i32::from(dot), Color::rgb(70, 52, 30));
        }
    }

    fn draw_halves(&self, canvas: &mut dyn Canvas) {
        let progress = f64::from(CRACKED_STEPS - self.cracked_steps) / f64::from(CRACKED_STEPS);
        let (gap, sink) = ((6.0 * progress) as i32, (2.0 * progress) as i32);
        let drift = sink * self.split_direction() as i32;
        let y = self.y as i32 + sink;
        for side in [-1, 1] {
            let x = self.x as i32 + side * (gap + drift);
            let arc = |radius: i32| {
                std::array::from_fn::<_, 14, _>(|k| {
                    let angle = std::f64::consts::PI * (k as f64 / 13.0 - 0.5);
                    let (sin, cos) = angle.sin_cos();
                    let r = f64::from(radius);
                    ((f64::from(x) + f64::from(side) * r * cos) as i32, (f64::from(y) + r * sin) as i32)
                })
            };
            let rim = arc(self.radius);
            canvas.polygon(&rim, Color::rgb(123, 92, 52));
            canvas.polyline(&rim, 2, SHELL_RIM);
            canvas.polyline(&arc(self.radius - 3), 2, Color::rgb(240, 240, 240));
        }
    }
}

/// How hard the game is: from 0 at the start to 1 at the end.
fn difficulty(step: u32) -> f64 {
    (f64::from(step) / RAMP_STEPS).min(1.0)
}

/// A speck of sand in the air; only seen.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Dust {
    x: f64,
    y: f64,
    vx: f64,
    vy: f64,
    radius: i32,
    /// Steps it is still seen.
    life: u32,
}

/// A footprint; only seen.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Print {
    x: f64,
    /// Steps it is still seen.
    life: u32,
}

/// What the agent and the coconuts leave behind; only seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Traces {
    dust: Vec<Dust>,
    prints: [Print; MAX_PRINTS],
    /// Phase of the agent's walk, rad.
    walk_phase: f64,
}

impl Traces {
    fn new() -> Self {
        Self { dust: Vec::with_capacity(MAX_DUST), prints: [Print { x: 0.0, life: 0 }; MAX_PRINTS], walk_phase: 0.0 }
    }

    fn clear(&mut self) {
        self.dust.clear();
        self.prints = [Print { x: 0.0, life: 0 }; MAX_PRINTS];
        self.walk_phase = 0.0;
    }

    /// Whirls up the sand where a coconut has hit the ground.
    fn puff(&mut self, x: f64, direction: f64, looks: &mut Rng) {
        for _ in 0..DUST_PER_IMPACT.min(MAX_DUST - self.dust.len()) {
            let (sin, cos) = looks.uniform(0.9, 2.2).sin_cos();
            let speed = looks.uniform(0.8, 2.2);
            self.dust.push(Dust {
                vx: speed * cos * (0.7 + 0.3 * direction),
                vy: -(speed * sin).abs() * looks.uniform(0.6, 1.1),
                x: x + looks.uniform(-3.0, 3.0),
                y: AREA_HIGH - 2.0 + looks.uniform(-1.0, 1.0),
                radius: looks.integer(2, 3),
                life: DUST_STEPS,
            });
        }
    }

    fn step(&mut self, x: f64, vx: f64, step: u32) {
        let area = AREA_LOW..=AREA_HIGH;
        self.dust.retain_mut(|speck| {
            speck.x += speck.vx;
            speck.y += speck.vy;
            speck.vy += 0.15;
            speck.life -= 1;
            speck.life > 0 && area.contains(&speck.x) && area.contains(&speck.y)
        });
        for print in &mut self.prints {
            print.life = print.life.saturating_sub(1);
        }
        self.walk_phase += 0.12 * vx.abs();
        if step.is_multiple_of(PRINT_INTERVAL) && vx.abs() > 0.25 {
            self.prints.rotate_right(2);
            self.prints[0] = Print { x: x - 5.0 - vx.signum(), life: PRINT_STEPS };
            self.prints[1] = Print { x: x + 5.0 - vx.signum(), life: PRINT_STEPS };
        }
    }

    fn draw_prints(&self, canvas: &mut dyn Canvas) {
        for print in self.prints.iter().filter(|print| print.life > 0) {
            canvas.begin_layer();
            let color = Color::rgba(70, 55, 45, (190 * print.life / PRINT_STEPS) as u8);
            canvas.ellipse((print.x - 3.0) as i32, (AGENT_Y + 5.0 - 1.0) as i32, 6, 3, color);
            canvas.end_layer();
        }
    }

    fn draw_dust(&self, canvas: &mut dyn Canvas) {
        for speck in &self.dust {
            canvas.begin_layer();
            let color = Color::rgba(215, 195, 150, (230 * speck.life / DUST_STEPS) as u8);
            canvas.disc(speck.x as i32, speck.y as i32, speck.radius, color);
            canvas.end_layer();
        }
    }
}

/// One game of Coconut-Dodge.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct CoconutDodge {
    /// Center column of the agent, px, and its velocity, px a step.
    x: f64,
    vx: f64,
    /// In the order of their slots; the first [`CoconutDodge::coconut_count`] exist.
    coconuts: [Coconut; MAX_COCONUTS],
    coconut_count: usize,
    /// Steps that the collision flag stays set.
    collision_steps: u32,
    step: u32,
    /// What the beach looks like.
    scenery: Seed,
    /// Numbers for what is only seen.
    looks: Rng,
    traces: Traces,
}

impl CoconutDodge {
    fn add_coconuts(&mut self, rng: &mut Rng) {
        let wanted = 1 + (5.0 * difficulty(self.step)) as usize;
        while self.coconut_count < wanted {
            self.coconuts[self.coconut_count] = Coconut::random(self.step, rng, &mut self.looks);
            self.coconut_count += 1;
        }
    }

    fn move_coconuts(&mut self, rng: &mut Rng) {
        for coconut in &mut self.coconuts[..self.coconut_count] {
            if coconut.is_falling() {
                if coconut.fall() {
                    self.traces.puff(coconut.x, coconut.split_direction(), &mut self.looks);
                }
                continue;
            }
            coconut.cracked_steps -= 1;
            if coconut.cracked_steps == 0 {
                *coconut = Coconut::random(self.step, rng, &mut self.looks);
            }
        }
    }

    fn coconuts(&self) -> &[Coconut] {
        &self.coconuts[..self.coconut_count]
    }

    fn square_distance(&self, coconut: &Coconut) -> f64 {
        let (dx, dy) = (coconut.x - self.x, coconut.y - AGENT_Y);
        dx * dx + dy * dy
    }

    fn is_hit(&self) -> bool {
        self.coconuts().iter().any(|coconut| {
            let reach = AGENT_RADIUS + f64::from(coconut.radius);
            coconut.is_falling() && self.square_distance(coconut) < reach * reach
        })
    }

    fn draw_traveller(&self, canvas: &mut dyn Canvas) {
        let (x, y) = (self.x as i32, AGENT_Y as i32);
        let (skin, edge) = (Color::rgb(235, 205, 170), Color::rgb(160, 120, 90));
        canvas.ellipse(x - 7, y - 15, 14, 18, skin);
        canvas.ellipse_outline(x - 7, y - 15, 14, 18, 2, edge);
        canvas.rect(x - 3, y - 17, 6, 4, skin);
        canvas.disc(x, y - 19, 5, Color::rgb(245, 220, 185));
        canvas.ring(x, y - 19, 5, 1, edge);
        let swing = self.traces.walk_phase.sin();
        let arm = (-35.0 + 4.0 * swing).to_radians();
        canvas.ellipse_turned(x + 6, y - 10, 10, 4, arm, edge);
        canvas.ellipse_turned(x - 6, y - 10, 10, 4, -arm, edge);
        let lift = (1.2 * swing) as i32;
        canvas.ellipse(x - 6, y + 3 - lift, 6, 3, Color::rgb(90, 70, 55));
        canvas.ellipse(x + 1, y + 3 + lift, 6, 3, Color::rgb(90, 70, 55));
    }
}

impl Environment for CoconutDodge {
    type Params = CoconutDodgeParams;
    const NAME: &'static str = "coconut-dodge";
    const STEP_NANOS: u64 = 70;

    fn layout(_: &CoconutDodgeParams) -> Layout {
        LAYOUT
    }

    fn new(_: &CoconutDodgeParams, rng: &mut Rng) -> Self {
        let scenery = Seed::new(rng.next_u64());
        Self {
            x: 112.0,
            vx: 0.0,
            coconuts: [Coconut::default(); MAX_COCONUTS],
            coconut_count: 0,
            collision_steps: 0,
            step: 0,
            scenery,
            looks: scenery.rng(Purpose::Draw, 1, 0),
            traces: Traces::new(),
        }
    }

    fn reset(&mut self, _: &CoconutDodgeParams, rng: &mut Rng) {
        (self.x, self.vx) = (112.0, 0.0);
        (self.coconut_count, self.collision_steps, self.step) = (0, 0, 0);
        self.scenery = Seed::new(rng.next_u64());
        self.looks = self.scenery.rng(Purpose::Draw, 1, 0);
        self.traces.clear();
        self.add_coconuts(rng);
    }

    fn step(&mut self, _: &CoconutDodgeParams, action: &[f32], rng: &mut Rng) -> Outcome {
        self.vx = (DAMPING * (self.vx + THRUST * f64::from(action[0]))).clamp(-SPEED_LIMIT, SPEED_LIMIT);
        self.x = (self.x + self.vx).clamp(AGENT_RANGE.0, AGENT_RANGE.1);
        self.move_coconuts(rng);
        self.traces.step(self.x, self.vx, self.step);
        let is_hit = self.is_hit();
        if is_hit {
            self.collision_steps = COLLISION_STEPS;
        }
        self.step += 1;
        self.add_coconuts(rng);
        self.collision_steps = self.collision_steps.saturating_sub(1);
        Outcome::new([if is_hit { HIT_REWARD } else { 0.0 }])
    }

    fn observe(&self, _: &CoconutDodgeParams, row: &mut [f32]) {
        // Insertion sort by distance; equal ones stay in the order of their slots.
        let mut order = [(0.0, 0); MAX_COCONUTS];
        for (slot, coconut) in self.coconuts().iter().enumerate() {
            let distance = self.square_distance(coconut);
            let mut place = slot;
            while place > 0 && distance < order[place - 1].0 {
                order[place] = order[place - 1];
                place -= 1;
            }
            order[place] = (distance, slot);
        }
        let sorted = || order[..self.coconut_count].iter().map(|&(_, slot)| &self.coconuts[slot]);

        row[0] = ((self.x - AREA_LOW) / AREA_SIZE) as f32;
        row[1] = (self.vx / SPEED_LIMIT) as f32;
        let (nearest_x, nearest_y) = sorted()
            .find(|coconut| coconut.is_falling())
            .map_or((0.0, -1.0), |coconut| ((coconut.x - self.x) / AREA_SIZE, (coconut.y - AGENT_Y) / AREA_SIZE));
        (row[2], row[3]) = (nearest_x as f32, nearest_y as f32);
        row[4] = f32::from(u8::from(self.collision_steps > 0));
        row[5..].fill(0.0);
        for (entries, coconut) in row[5..].chunks_exact_mut(4).zip(sorted()) {
            entries.copy_from_slice(&[
                ((coconut.x - AREA_LOW) / AREA_SIZE) as f32,
                ((coconut.y - AREA_LOW) / AREA_SIZE) as f32,
                (coconut.vx / SPEED_LIMIT) as f32,
                (coconut.vy / SPEED_LIMIT) as f32,
            ]);
        }
    }

    fn draw_backdrop(&self, _: &CoconutDodgeParams, canvas: &mut dyn Canvas) {
        beach::draw(canvas, self.scenery);
    }

    fn draw(&self, _: &CoconutDodgeParams, canvas: &mut dyn Canvas, rng: &mut Rng) {
        self.traces.draw_prints(canvas);
        self.coconuts().iter().for_each(|coconut| coconut.draw(canvas));
        self.traces.draw_dust(canvas);
        self.draw_traveller(canvas);
        if self.collision_steps > 0 {
            canvas.tint(0, 0, CANVAS_SIZE, CANVAS_SIZE, Color::rgba(186, 108, 24, 70));
            canvas.shift(rng.integer(-3, 3), rng.integer(-3, 3), Color::BLACK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;

    const PARAMS: CoconutDodgeParams = CoconutDodgeParams {};

    fn rng() -> Rng {
        Seed::new(0).rng(Purpose::Episode, 0, 0)
    }

    #[test]
    fn matches_the_reference_trajectory() {
        let mut state = CoconutDodge { coconut_count: 1, ..CoconutDodge::new(&PARAMS, &mut rng()) };
        state.coconuts[0] = Coconut { x: 112.0, y: 170.0, vx: 0.2, vy: 3.0, radius: 7, ..Coconut::default() };
        let row = |step, values: [f32; 13], reward| Expect::new(step, 0..13, &values).reward(reward);
        let zero = [0.0; 4];
        let with = |head: [f32; 9]| -> [f32; 13] { std::array::from_fn(|i| if i < 9 { head[i] } else { zero[i - 9] }) };
        let mut expected = vec![
            row(1, with([0.500412, 0.01649, 0.00058775, -0.135, 0.0, 0.501, 0.805, 0.04, 0.6]), 0.0),
            row(2, with([0.501224, 0.0324853, 0.000775617, -0.12, 0.0, 0.502, 0.82, 0.04, 0.6]), 0.0),
            row(5, with([0.505942, 0.0776492, -0.000941899, -0.075, 1.0, 0.505, 0.865, 0.04, 0.6]), -1.0),
            row(11, with([0.524663, 0.156489, -0.0136628, 0.015, 1.0, 0.511, 0.955, 0.04, 0.6]), -1.0),
            row(12, with([0.52887, 0.168285, 0.0, -1.0, 1.0, 0.512, 0.965, 0.04, 0.6]), 0.0),
            row(15, with([0.543173, 0.20159, 0.0, -1.0, 1.0, 0.512, 0.965, 0.04, 0.6]), 0.0),
            row(16, with([0.548474, 0.212032, 0.0, -1.0, 0.0, 0.512, 0.965, 0.04, 0.6]), 0.0),
        ];
        // The overlap lasts from step 5 to step 11.
        expected.extend((3..=4).map(|step| Expect::new(step, 4..5, &[0.0]).reward(0.0)));
        expected.extend((5..=11).map(|step| Expect::new(step, 4..5, &[1.0]).reward(-1.0)));
        expected.push(Expect::new(22, 4..5, &[0.0]).reward(0.0));
        let end = run(state, &PARAMS, |_| vec![0.1], &expected);
        let renewed = &end.coconuts[0];
        assert!(renewed.is_falling());
        assert_eq!(renewed.y, 13.0 + f64::from(renewed.radius));
    }

    #[test]
    fn one_more_coconut_joins_every_hundred_steps() {
        let mut rng = rng();
        let mut game = CoconutDodge::new(&PARAMS, &mut rng);
        game.reset(&PARAMS, &mut rng);
        for step in 1..=500 {
            game.step(&PARAMS, &[1.0], &mut rng);
            assert_eq!(game.coconut_count, 1 + step / 100, "step {step}");
        }
    }

    #[test]
    fn coconuts_are_listed_from_near_to_far_with_ties_in_slot_order() {
        let mut state = CoconutDodge { coconut_count: 4, ..CoconutDodge::new(&PARAMS, &mut rng()) };
        for (slot, x) in [150.0, 114.0, 110.0, 112.0].into_iter().enumerate() {
            state.coconuts[slot] = Coconut { x, y: AGENT_Y, radius: 7, vx: slot as f64, ..Coconut::default() };
        }
        state.coconuts[3].cracked_steps = 4;
        let mut row = [0.0; 29];
        state.observe(&PARAMS, &mut row);
        let slots: Vec<f32> = (0..4).map(|i| row[5 + 4 * i + 2] * 5.0).collect();
        assert_eq!(slots, [3.0, 1.0, 2.0, 0.0]);
        assert_eq!(row[2], 0.01, "the cracked one in front is passed over");
    }
}
