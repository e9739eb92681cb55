//! Cartpole: a cart on a rail with a free pole, to be swung up or balanced, if asked in a mine that shakes.
//!
//! The rail has no end: leaving it only costs the reward, and the cart may drive off for good. The angle is never
//! wrapped, so a pole that went around once is upright at 2π and earns nothing. Tremors push the pole, not the cart,
//! and are not observed. Units are SI.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::{Purpose, Rng, Seed};

const GRAVITY: f64 = 9.81;
const CART_MASS_KG: f64 = 0.9;
const POLE_MASS_KG: f64 = 0.11;
const TOTAL_MASS_KG: f64 = CART_MASS_KG + POLE_MASS_KG;
/// From pivot to center of mass, m: half the pole.
const POLE_HALF_LENGTH_M: f64 = 0.6;
/// Force of a full action, N.
const MAX_FORCE_N: f64 = 11.0;
const TIME_STEP_SECS: f64 = 0.025;
/// Half width of the part of the rail that earns a reward, m.
const RAIL_HALF_WIDTH_M: f64 = 2.4;
/// Largest deviation of a start from rest, in each unit.
const START_SPREAD: f64 = 0.065;
/// Below this deviation from upright the sparse reward is paid, rad.
const SPARSE_ANGLE_RAD: f64 = 0.15;

/// Steps to the first tremor.
const FIRST_PAUSE_STEPS: (i32, i32) = (40, 80);
/// Steps between tremors.
const PAUSE_STEPS: (i32, i32) = (50, 90);
/// Steps a tremor lasts.
const SHAKE_STEPS: (i32, i32) = (5, 10);
/// Strongest push on the pole, rad/s², and the part of it a tremor has.
const SHAKE_ACCELERATION: f64 = 5.0;
const SHAKE_PART: (f64, f64) = (0.35, 1.0);
/// Most dust specks at once: one a step of one tremor; they are gone before the next.
const MAX_DUST: usize = SHAKE_STEPS.1 as usize;

/// Picture scale, px a meter and px of the pole.
const PX_PER_M: f64 = 32.5;
const POLE_PX: f64 = 39.0;
const CEILING_POINTS: usize = 12;
const MAX_ROCKS: usize = 7;
/// Left edges of the two lanterns and the row they hang in, px.
const LANTERN_X: [i32; 2] = [50, 154];
const LANTERN_Y: i32 = 59;
const BORDER_COLOR: Color = Color::rgb(100, 75, 45);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("cart position", 1, "m"),
        Field::new("cart velocity", 1, "m/s"),
        Field::new("pole angle from upright, unwrapped", 1, "rad"),
        Field::new("pole angular velocity", 1, "rad/s"),
    ],
    action: &[Field::new("force to the right", 1, "11 N")],
    rate_hz: 50.0,
    reward_terms: &["upright"],
    constant_entries: &[],
};

/// Where the pole starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Start {
    Upright,
    Hanging,
}

/// What is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Reward {
    /// From 1 upright to 0 at a right angle.
    Dense,
    /// 1 close to upright, else 0.
    Sparse,
}

/// Start, reward, and whether the ground shakes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CartpoleParams {
    start: Start,
    reward: Reward,
    #[serde(default)]
    tremor: bool,
}

/// One cart with its pole.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cartpole {
    position: f64,
    velocity: f64,
    /// From upright, positive to the right; never wrapped.
    angle: f64,
    angular_velocity: f64,
    tremor: Tremor,
    step: u32,
    /// What the mine looks like.
    scenery: Seed,
}

/// The ground's shaking.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tremor {
    /// Steps that the present tremor still acts.
    shake_steps: i32,
    /// Its angular acceleration of the pole, rad/s².
    acceleration: f64,
    /// Steps to the next tremor; stands still during one.
    pause_steps: i32,
    /// Numbers for what is only seen.
    looks: Rng,
    dust: [Dust; MAX_DUST],
    dust_count: usize,
}

/// A speck that falls from the ceiling, px.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Dust {
    x: u8,
    y: f32,
    speed: f32,
    life: u8,
    radius: u8,
}

impl Tremor {
    fn start(rng: &mut Rng, looks: Rng) -> Self {
        Self {
            shake_steps: 0,
            acceleration: 0.0,
            pause_steps: rng.integer(FIRST_PAUSE_STEPS.0, FIRST_PAUSE_STEPS.1),
            looks,
            dust: [Dust::default(); MAX_DUST],
            dust_count: 0,
        }
    }

    /// The pole's extra angular acceleration in this step, rad/s². A tremor acts from the step after its draw.
    fn step(&mut self, rng: &mut Rng) -> f64 {
        self.move_dust();
        if self.shake_steps > 0 {
            self.shake_steps -= 1;
            self.shed_dust();
            return self.acceleration;
        }
        self.pause_steps -= 1;
        if self.pause_steps <= 0 {
            self.shake_steps = rng.integer(SHAKE_STEPS.0, SHAKE_STEPS.1);
            self.acceleration = rng.sign() * SHAKE_ACCELERATION * rng.uniform(SHAKE_PART.0, SHAKE_PART.1);
            self.pause_steps = rng.integer(PAUSE_STEPS.0, PAUSE_STEPS.1);
        }
        0.0
    }

    fn shed_dust(&mut self) {
        let looks = &mut self.looks;
        if looks.chance(0.3) && self.dust_count < MAX_DUST {
            self.dust[self.dust_count] = Dust {
                x: looks.integer(20, 203) as u8,
                y: 50.0,
                speed: looks.uniform(1.5, 4.0) as f32,
                life: looks.integer(18, 39) as u8,
                radius: looks.integer(2, 3) as u8,
            };
            self.dust_count += 1;
        }
    }

    fn move_dust(&mut self) {
        let mut kept = 0;
        for index in 0..self.dust_count {
            let mut speck = self.dust[index];
            speck.y += speck.speed;
            speck.life -= 1;
            if speck.life > 0 && speck.y < 214.0 {
                self.dust[kept] = speck;
                kept += 1;
            }
        }
        self.dust_count = kept;
    }

    fn draw(&self, canvas: &mut dyn Canvas, rng: &mut Rng) {
        for speck in &self.dust[..self.dust_count] {
            canvas.disc(speck.x.into(), speck.y as i32, speck.radius.into(), Color::rgb(150, 120, 90));
        }
        let reach = ((self.acceleration.abs() / 11.0 * 5.0) as i32).min(5);
        if self.shake_steps > 0 && reach > 0 {
            let (dx, dy) = (rng.integer(-reach, reach), rng.integer(-reach, reach));
            canvas.shift(-dx, -dy, BORDER_COLOR);
        }
    }
}

impl Environment for Cartpole {
    type Params = CartpoleParams;
    const NAME: &'static str = "cartpole";
    const STEP_NANOS: u64 = 40;

    fn layout(_: &CartpoleParams) -> Layout {
        LAYOUT
    }

    fn new(_: &CartpoleParams, rng: &mut Rng) -> Self {
        let scenery = Seed::new(rng.next_u64());
        Self {
            position: 0.0,
            velocity: 0.0,
            angle: 0.0,
            angular_velocity: 0.0,
            tremor: Tremor::start(rng, scenery.rng(Purpose::Draw, 1, 0)),
            step: 0,
            scenery,
        }
    }

    fn reset(&mut self, params: &CartpoleParams, rng: &mut Rng) {
        let mut near = |rest: f64| rest + rng.uniform(-START_SPREAD, START_SPREAD);
        let rest_angle = if params.start == Start::Hanging { PI } else { 0.0 };
        (self.position, self.velocity) = (near(0.0), near(0.0));
        (self.angle, self.angular_velocity) = (near(rest_angle), near(0.0));
        if params.start == Start::Hanging {
            for value in [&mut self.position, &mut self.velocity, &mut self.angle, &mut self.angular_velocity] {
                *value = f64::from(*value as f32);
            }
        }
        self.step = 0;
        self.scenery = Seed::new(rng.next_u64());
        self.tremor = Tremor::start(rng, self.scenery.rng(Purpose::Draw, 1, 0));
    }

    fn step(&mut self, params: &CartpoleParams, action: &[f32], rng: &mut Rng) -> Outcome {
        let disturbance = if params.tremor { self.tremor.step(rng) } else { 0.0 };
        let (sin, cos) = self.angle.sin_cos();
        let force = MAX_FORCE_N * f64::from(action[0]);
        let pole_moment = POLE_MASS_KG * POLE_HALF_LENGTH_M;
        let push = (force + pole_moment * self.angular_velocity * self.angular_velocity * sin) / TOTAL_MASS_KG;
        let inertia = POLE_HALF_LENGTH_M * (4.0 / 3.0 - POLE_MASS_KG * cos * cos / TOTAL_MASS_KG);
        let angular_acceleration = (GRAVITY * sin - cos * push) / inertia + disturbance;
        let acceleration = push - pole_moment * angular_acceleration * cos / TOTAL_MASS_KG;

        // Explicit Euler: both places move by the old velocities.
        self.position += TIME_STEP_SECS * self.velocity;
        self.velocity += TIME_STEP_SECS * acceleration;
        self.angle += TIME_STEP_SECS * self.angular_velocity;
        self.angular_velocity += TIME_STEP_SECS * angular_acceleration;
        self.step += 1;

        let tilt = self.angle.abs();
        let upright = match params.reward {
            Reward::Dense => 1.0 - tilt.min(FRAC_PI_2) / FRAC_PI_2,
            Reward::Sparse => f64::from(u8::from(tilt < SPARSE_ANGLE_RAD)),
        };
        let on_rail = self.position.abs() <= RAIL_HALF_WIDTH_M;
        Outcome::new([if on_rail { upright } else { 0.0 }])
    }

    fn observe(&self, _: &CartpoleParams, row: &mut [f32]) {
        row.copy_from_slice(&[
            self.position as f32,
            self.velocity as f32,
            self.angle as f32,
            self.angular_velocity as f32,
        ]);
    }

    fn draw_backdrop(&self, _: &CartpoleParams, canvas: &mut dyn Canvas) {
        canvas.rows(0, CANVAS_SIZE, 0, CANVAS_SIZE, &|row| {
            let down = f64::from(row) / f64::from(CANVAS_SIZE);
            Color::rgb((120.0 - 30.0 * down) as u8, (90.0 - 30.0 * down) as u8, (50.0 - 15.0 * down) as u8)
        });
        for x in LANTERN_X {
            canvas.rect(x, LANTERN_Y, 12, 16, Color::rgb(230, 190, 90));
            canvas.rect_outline(x, LANTERN_Y, 12, 16, 2, Color::rgb(120, 100, 60));
            canvas.rect(x + 4, LANTERN_Y - 14, 4, 14, Color::rgb(160, 160, 160));
        }
        canvas.rect(0, 192, CANVAS_SIZE, 32, BORDER_COLOR);
        let scenery = Scenery::new(self.scenery);
        for rock in &scenery.rocks[..scenery.rock_count] {
            rock.draw(canvas);
        }
        canvas.line(0, 161, CANVAS_SIZE - 1, 161, 6, Color::rgb(125, 120, 120));
    }

    fn draw(&self, params: &CartpoleParams, canvas: &mut dyn Canvas, rng: &mut Rng) {
        let scenery = Scenery::new(self.scenery);
        for (x, phase) in LANTERN_X.into_iter().zip(scenery.lantern_phases) {
            let wave = (TAU * f64::from(self.step) / 60.0 + phase).sin();
            draw_glow(canvas, x + 6, LANTERN_Y + 8, (0.9 + 0.35 * wave + rng.normal(0.0, 0.08)).clamp(0.4, 1.3));
        }
        canvas.polygon(&scenery.ceiling, Color::rgb(85, 65, 45));

        let cart = (112.0 + PX_PER_M * self.position).round_ties_even() as i32;
        canvas.rect(cart - 14, 147, 28, 14, Color::rgb(180, 110, 60));
        canvas.rect_outline(cart - 14, 147, 28, 14, 2, Color::rgb(190, 185, 185));
        canvas.disc(cart - 10, 161, 5, Color::rgb(200, 195, 195));
        canvas.disc(cart + 9, 161, 5, Color::rgb(200, 195, 195));
        let (sin, cos) = self.angle.sin_cos();
        let tip = (cart + (POLE_PX * sin).round_ties_even() as i32, 147 - (POLE_PX * cos).round_ties_even() as i32);
        canvas.line(cart, 147, tip.0, tip.1, 4, Color::rgb(200, 140, 80));
        if params.tremor {
            self.tremor.draw(canvas, rng);
        }
    }
}

/// A lantern's light of the given strength: discs that grow brighter inward.
fn draw_glow(canvas: &mut dyn Canvas, cx: i32, cy: i32, strength: f64) {
    const RADIUS: i32 = 55;
    let peak = (90.0 * strength).trunc();
    canvas.begin_layer();
    for radius in (1..=RADIUS).rev().step_by(3) {
        let inward = 1.0 - f64::from(radius) / f64::from(RADIUS);
        let alpha = (peak * inward * inward) as u8;
        if alpha > 0 {
            canvas.disc(cx, cy, radius, Color::rgba(255, 210, 120, alpha));
        }
    }
    canvas.end_layer();
}

/// What an episode's mine looks like.
struct Scenery {
    lantern_phases: [f64; 2],
    /// The jagged edge and the two corners that close it.
    ceiling: [(i32, i32); CEILING_POINTS + 2],
    rocks: [Rock; MAX_ROCKS],
    rock_count: usize,
}

impl Scenery {
    fn new(seed: Seed) -> Self {
        let rng = &mut seed.rng(Purpose::Draw, 0, 0);
        let lantern_phases = [rng.uniform(0.0, TAU), rng.uniform(0.0, TAU)];
        let mut ceiling = [(0, 0); CEILING_POINTS + 2];
        for (index, point) in (0i32..).zip(&mut ceiling[..CEILING_POINTS]) {
            *point = (index * CANVAS_SIZE / (CEILING_POINTS as i32 - 1), 45 + rng.integer(0, 11));
        }
        ceiling[CEILING_POINTS] = (CANVAS_SIZE, 0);
        ceiling[CEILING_POINTS + 1] = (0, 0);
        let rock_count = rng.integer(5, MAX_ROCKS as i32) as usize;
        Self { lantern_phases, ceiling, rocks: std::array::from_fn(|_| Rock::new(rng)), rock_count }
    }
}

struct Rock {
    center: (i32, i32),
    /// Half axes of an ellipse, or one radius twice.
    radii: (i32, i32),
    round: bool,
    shade: i32,
}

impl Rock {
    fn new(rng: &mut Rng) -> Self {
        let center = (rng.integer(10, 213), CANVAS_SIZE - rng.integer(26, 33));
        let size = rng.integer(4, 7);
        let shade = rng.integer(70, 109);
        let round = rng.chance(0.5);
        let mut stretched = |low, high| (f64::from(size) * rng.uniform(low, high)) as i32;
        let radii = if round { (size, size) } else { (stretched(1.2, 1.6), stretched(0.8, 1.2)) };
        Self { center, radii, round, shade }
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        let channel = |darker: i32| (self.shade - darker).max(0) as u8;
        let color = Color::rgb(channel(0), channel(25), channel(35));
        let ((cx, cy), (rx, ry)) = (self.center, self.radii);
        if self.round {
            canvas.disc(cx, cy, rx, color);
        } else {
            canvas.ellipse(cx - rx, cy - ry, 2 * rx, 2 * ry, color);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;

    const DENSE: CartpoleParams = CartpoleParams { start: Start::Upright, reward: Reward::Dense, tremor: false };

    fn rng(stream: u64) -> Rng {
        Seed::new(0).rng(Purpose::Episode, stream, 0)
    }

    fn at(position: f64, velocity: f64, angle: f64, angular_velocity: f64) -> Cartpole {
        Cartpole { position, velocity, angle, angular_velocity, ..Cartpole::new(&DENSE, &mut rng(0)) }
    }

    #[test]
    fn matches_the_reference_trajectory() {
        let expected = [
            Expect::new(1, 0..4, &[0.105, 0.341_077_4, 0.29, -0.477_875_1]).reward(0.81538027),
            Expect::new(2, 0..4, &[0.113_526_9, 0.482_436, 0.278_053_1, -0.559_532_8]).reward(0.82298588),
            Expect::new(3, 0..4, &[0.125_587_8, 0.624_129_5, 0.264_064_8, -0.6457004]).reward(0.83189113),
        ];
        run(at(0.1, 0.2, 0.3, -0.4), &DENSE, |_| vec![0.5], &expected);
    }

    #[test]
    fn matches_the_reference_trajectory_in_a_tremor() {
        let params = CartpoleParams { tremor: true, ..DENSE };
        let mut state = at(0.1, 0.2, 0.3, -0.4);
        (state.tremor.shake_steps, state.tremor.acceleration) = (2, 3.0);
        let expected = [
            Expect::new(1, 0..4, &[0.105, 0.336_395_4, 0.29, -0.402_875_1]).reward(0.81538027),
            Expect::new(2, 0..4, &[0.113_409_9, 0.473_024_2, 0.279_928_1, -0.409_492_8]).reward(0.82179222),
            Expect::new(3, 0..4, &[0.125_235_5, 0.614_600_8, 0.269_690_8, -0.494876]).reward(0.8283095),
        ];
        run(state, &params, |_| vec![0.5], &expected);
    }

    #[test]
    fn upright_after_a_full_turn_earns_nothing() {
        let reward = |angle, reward| {
            let params = CartpoleParams { reward, ..DENSE };
            at(0.0, 0.0, angle, 0.0).step(&params, &[0.0], &mut rng(0)).reward()
        };
        assert_eq!((reward(0.0, Reward::Dense), reward(0.0, Reward::Sparse)), (1.0, 1.0));
        assert_eq!((reward(TAU, Reward::Dense), reward(TAU, Reward::Sparse)), (0.0, 0.0));
        assert_eq!(reward(0.2, Reward::Sparse), 0.0);
    }

    #[test]
    fn leaving_the_rail_only_costs_the_reward() {
        let mut state = at(2.5, 1.0, 0.0, 0.0);
        assert_eq!(state.step(&DENSE, &[0.0], &mut rng(0)).reward(), 0.0);
        assert_eq!(state.position, 2.5 + TIME_STEP_SECS);
    }

    #[test]
    fn tremors_come_and_last_as_drawn() {
        let (mut tremor, mut rng) = (Tremor::start(&mut rng(1), rng(2)), rng(3));
        let (mut quiet, mut shaken, mut tremors) = (0, 0, 0);
        for _ in 0..20_000 {
            let acceleration = tremor.step(&mut rng);
            if acceleration == 0.0 {
                if shaken > 0 {
                    assert!((SHAKE_STEPS.0..=SHAKE_STEPS.1).contains(&shaken), "{shaken} steps of tremor");
                    tremors += 1;
                }
                (quiet, shaken) = (quiet + 1, 0);
            } else {
                assert!((1.75..=5.0).contains(&acceleration.abs()), "{acceleration}");
                if shaken == 0 {
                    assert!((40..=90).contains(&quiet), "{quiet} steps of pause");
                }
                (quiet, shaken) = (0, shaken + 1);
            }
        }
        assert!(tremors > 200, "{tremors}");
    }

    #[test]
    fn starts_lie_about_their_rest() {
        for (start, rest) in [(Start::Upright, 0.0), (Start::Hanging, PI)] {
            let params = CartpoleParams { start, ..DENSE };
            let mut state = at(9.0, 9.0, 9.0, 9.0);
            state.reset(&params, &mut rng(4));
            for offset in [state.position, state.velocity, state.angle - rest, state.angular_velocity] {
                assert!(offset != 0.0 && offset.abs() < START_SPREAD + 1e-6, "{state:?}");
            }
        }
    }
}
