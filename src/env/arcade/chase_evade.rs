//! Chase-Evade: catch the opponent, or keep away from it, in a round arena with three circling pillars.
//!
//! A catch swaps the roles and starts a hand-over: the pursuer walks to the middle and the evader outward, the agent's
//! action is ignored and velocities keep reading what they were. Nothing in the observation tells of the hand-over. The
//! agent's speed is limited per axis, the opponent's along its path.

use std::f64::consts::TAU;

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{Anchor, CANVAS_SIZE, Canvas, Color};
use crate::sim::Rng;

const SIZE: f64 = CANVAS_SIZE as f64;
/// The arena, px.
const CENTER: Point = Point { x: 112.0, y: 118.0 };
const ARENA_RADIUS: f64 = 90.0;
/// How far from the center characters may be, in play and in a hand-over, px.
const PLAY_REACH: f64 = 78.0;
const HAND_OVER_REACH: f64 = 67.0;
/// The agent starts this far from the center, px.
const START_RADIUS: f64 = 75.0;
/// Below this distance the pursuer has caught the evader, px.
const CATCH_DISTANCE: f64 = 16.0;
/// Speeds, px a step.
const PURSUER_SPEED: f64 = 3.5;
const EVADER_SPEED: f64 = 3.325;
const PILLARS: usize = 3;
/// Of the circle that the pillars move on, px, and how far they move along it a step, rad.
const PILLAR_ORBIT: f64 = 40.0;
const PILLAR_TURN: f64 = 0.01;
/// Characters and pillars touch at this distance of their centers, px.
const PILLAR_CONTACT: f64 = 20.0;
/// From this distance to pillars on, and to the pursuer, the opponent swerves, px.
const SWERVE_DISTANCE: f64 = 36.0;
/// Beyond this distance from the center the fleeing opponent turns inward, px.
const RIM_DISTANCE: f64 = 72.0;
/// Pull of a pillar that stands between the fleeing opponent and the agent, per px.
const COVER_PULL: f64 = 0.02;
/// Steps that a hand-over takes at least.
const HAND_OVER_STEPS: u32 = 5;
/// Reward a step at a distance of [`ARENA_RADIUS`].
const DISTANCE_REWARD: f64 = 0.1;
/// Pictures that show a catch.
const FLASH_STEPS: u32 = 12;

const AGENT_COLOR: Color = Color::rgb(255, 140, 0);
const OPPONENT_COLOR: Color = Color::rgb(70, 160, 70);
const SKIN_COLOR: Color = Color::rgb(220, 220, 220);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("agent position", 2, "px/224"),
        Field::new("agent velocity", 2, "px/step/3.5"),
        Field::new("opponent position", 2, "px/224"),
        Field::new("opponent velocity", 2, "px/step/3.5"),
        Field::new("agent is evader", 1, "1"),
        Field::new("pillar positions", 6, "px/224"),
    ],
    action: &[Field::new("velocity, right and down", 2, "3.5 px/step pursuing, 3.325 px/step evading")],
    rate_hz: 30.0,
    reward_terms: &["distance"],
    constant_entries: &[],
};

/// Nothing varies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChaseEvadeParams {}

/// A place or a displacement, px.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

impl Point {
    fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    fn minus(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y)
    }

    /// `self + factor * other`.
    fn plus(self, factor: f64, other: Self) -> Self {
        Self::new(self.x + factor * other.x, self.y + factor * other.y)
    }

    fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y
    }

    fn norm(self) -> f64 {
        self.dot(self).sqrt()
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Character {
    position: Point,
    /// px a step, as observed; stands still in a hand-over.
    velocity: Point,
}

impl Character {
    /// Draws the character in to at most `reach` from the center.
    fn confine(&mut self, reach: f64) {
        let offset = self.position.minus(CENTER);
        let distance = offset.norm();
        if distance > reach {
            self.position = CENTER.plus(reach / (distance + 1e-8), offset);
        }
    }

    /// Moves, and bounces off the pillars.
    fn advance(&mut self, pillars: &[Point; PILLARS]) {
        self.position = self.position.plus(1.0, self.velocity);
        self.confine(PLAY_REACH);
        for &pillar in pillars {
            let offset = pillar.minus(self.position);
            let square = offset.dot(offset);
            if square >= PILLAR_CONTACT * PILLAR_CONTACT {
                continue;
            }
            let distance = square.sqrt();
            let inward = 1.0 / (distance + 1e-8);
            self.position = self.position.plus(-inward * (PILLAR_CONTACT - distance + 0.5), offset);
            let approach = self.velocity.dot(offset) * inward;
            if approach > 0.0 {
                self.velocity = self.velocity.plus(-2.0 * approach * inward, offset);
            }
        }
    }

    fn distance_to_center(&self) -> f64 {
        self.position.minus(CENTER).norm()
    }

    fn draw(&self, color: Color, stride: i32, canvas: &mut dyn Canvas) {
        let (x, y) = (self.position.x as i32, self.position.y as i32);
        let moving = self.velocity.x.abs() + self.velocity.y.abs() > 0.5;
        let lift = if moving { stride } else { 0 };
        canvas.ellipse(x - 6, y - 10, 12, 18, SKIN_COLOR);
        canvas.rect(x - 6, y - 3, 12, 6, color);
        canvas.disc(x - 4, y + 8 + lift, 3, color);
        canvas.disc(x + 4, y + 8 - lift, 3, color);
        canvas.ellipse(x - 9, y, 6, 4, SKIN_COLOR);
        canvas.ellipse(x + 3, y, 6, 4, SKIN_COLOR);
        canvas.polygon(&[(x, y - 14), (x - 6, y - 10), (x + 6, y - 10)], color);
    }
}

/// A catch that is still seen.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Flash {
    center: Point,
    agent_was_caught: bool,
    /// Steps since.
    age: u32,
}

/// One game of Chase-Evade.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct ChaseEvade {
    agent: Character,
    opponent: Character,
    agent_evades: bool,
    /// After a catch, while the characters take up their new roles: the steps that has taken.
    hand_over: Option<u32>,
    pillars: [Point; PILLARS],
    /// Where pillar 0 started on its circle, rad, and which way the pillars move: -1 or +1.
    pillar_phase: f64,
    pillar_direction: f64,
    step: u32,
    /// The agent's role at the reset, which the backdrop shows.
    agent_evaded_first: bool,
    flash: Option<Flash>,
}

impl ChaseEvade {
    fn place_pillars(&mut self) {
        let angle = self.pillar_phase + self.pillar_direction * PILLAR_TURN * f64::from(self.step);
        let (sin, cos) = angle.sin_cos();
        // The other two stand a third and two thirds of a turn further.
        let (half, height) = (-0.5, 0.75_f64.sqrt());
        let turned = [(cos, sin), (half * cos - height * sin, half * sin + height * cos)];
        let last = (half * cos + height * sin, half * sin - height * cos);
        self.pillars = [turned[0], turned[1], last].map(|(x, y)| CENTER.plus(PILLAR_ORBIT, Point::new(x, y)));
    }

    fn step_hand_over(&mut self, steps: u32) {
        let (pursuer, evader) = if self.agent_evades {
            (&mut self.opponent, &mut self.agent)
        } else {
            (&mut self.agent, &mut self.opponent)
        };
        let distance = pursuer.distance_to_center();
        if distance > 1.5 {
            pursuer.position = pursuer.position.plus(PURSUER_SPEED / distance, CENTER.minus(pursuer.position));
        }
        let distance = evader.distance_to_center();
        if distance > 0.01 {
            evader.position = evader.position.plus(EVADER_SPEED / distance, evader.position.minus(CENTER));
            evader.confine(HAND_OVER_REACH);
        }
        let over = steps >= HAND_OVER_STEPS && pursuer.distance_to_center() < 2.0;
        self.hand_over = (!over).then_some(steps);
    }

    fn step_play(&mut self, action: &[f32], rng: &mut Rng) {
        let (agent_speed, opponent_speed) =
            if self.agent_evades { (EVADER_SPEED, PURSUER_SPEED) } else { (PURSUER_SPEED, EVADER_SPEED) };
        self.agent.velocity = Point::new(agent_speed * f64::from(action[0]), agent_speed * f64::from(action[1]));
        self.agent.advance(&self.pillars);

        let direction = if self.agent_evades { self.pursuit() } else { self.evasion(rng) };
        let norm = direction.norm();
        let scale = if norm > 1e-8 { opponent_speed / norm } else { opponent_speed };
        self.opponent.velocity = Point::default().plus(scale, direction);
        self.opponent.advance(&self.pillars);

        if self.distance() < CATCH_DISTANCE {
            let center = self.agent.position.plus(0.5, self.opponent.position.minus(self.agent.position));
            self.flash = Some(Flash { center, agent_was_caught: self.agent_evades, age: 0 });
            self.agent_evades = !self.agent_evades;
            self.hand_over = Some(0);
        }
    }

    /// Where the pursuing opponent heads: for the agent, around pillars.
    fn pursuit(&self) -> Point {
        let position = self.opponent.position;
        let to_agent = self.agent.position.minus(position);
        let distance = to_agent.norm();
        let mut heading =
            if distance < 1e-5 { Point::default() } else { Point::default().plus(1.0 / distance, to_agent) };
        for &pillar in &self.pillars {
            let away = position.minus(pillar);
            let square = away.dot(away);
            if square < SWERVE_DISTANCE * SWERVE_DISTANCE {
                let distance = square.sqrt();
                let push = (SWERVE_DISTANCE - distance) / SWERVE_DISTANCE;
                heading = heading.plus(push / (distance + 1e-8), away);
            }
        }
        heading
    }

    /// Where the fleeing opponent heads: away, inward from the rim, behind pillars, with a swerve when hard pressed.
    fn evasion(&self, rng: &mut Rng) -> Point {
        let (agent, position) = (self.agent.position, self.opponent.position);
        let away = position.minus(agent);
        let distance = away.norm();
        let mut heading = if distance > 1e-5 { Point::default().plus(1.0 / distance, away) } else { Point::default() };
        let offset = position.minus(CENTER);
        let rim = offset.norm();
        if rim > RIM_DISTANCE {
            heading = heading.plus(-0.5 / (rim + 1e-8), offset);
        }
        for &pillar in &self.pillars {
            if agent.minus(pillar).dot(position.minus(pillar)) < 0.0 {
                heading = heading.plus(COVER_PULL, pillar.minus(position));
            }
        }
        if distance < SWERVE_DISTANCE {
            let sideways = 0.2 / (distance + 1e-8);
            heading.x += -away.y * sideways * rng.sign();
            heading.y += away.x * sideways * rng.sign();
        }
        heading
    }

    fn distance(&self) -> f64 {
        self.agent.position.minus(self.opponent.position).norm()
    }

    /// The colour that the sky leans to while nobody hands over: the evader's.
    fn sky_tint(agent_evades: bool) -> Color {
        if agent_evades { AGENT_COLOR } else { OPPONENT_COLOR }
    }

    /// Sky, arena, flag and status text.
    fn draw_scene(canvas: &mut dyn Canvas, agent_evades: bool, tint: Color) {
        canvas.rows(0, CANVAS_SIZE, 0, CANVAS_SIZE, &|row| {
            let base = Color::rgb(130, 185, 180).blend(Color::rgb(80, 170, 180), f64::from(row) / SIZE);
            base.blend(tint, 0.25)
        });
        let (x, y) = (CENTER.x as i32, CENTER.y as i32);
        canvas.disc(x, y, ARENA_RADIUS as i32, Color::rgb(40, 40, 45));
        canvas.ring(x, y, ARENA_RADIUS as i32, 2, SKIN_COLOR);
        canvas.line(x, y - 12, x, y + 12, 2, Color::rgb(180, 180, 180));
        canvas.polygon(&[(x, y - 12), (x + 10, y - 8), (x, y - 4)], Self::sky_tint(agent_evades));

        let (team, color) = if agent_evades { ("orange", AGENT_COLOR) } else { ("green", Color::rgb(0, 180, 0)) };
        draw_outlined(canvas, (6, 3), 18, color, team);
        let rest = (6 + canvas.text_size(18, team).0, 3);
        draw_outlined(canvas, rest, 18, Color::WHITE, " is evading");
    }

    fn draw_flash(&self, canvas: &mut dyn Canvas) {
        let Some(flash) = self.flash else { return };
        let left = FLASH_STEPS - flash.age;
        let half = FLASH_STEPS / 2;
        let strength = f64::from(if left > half { FLASH_STEPS - left } else { left }) / f64::from(half);
        let color = if flash.agent_was_caught { AGENT_COLOR } else { OPPONENT_COLOR };
        let radius = (10.0 + 40.0 * strength) as i32;
        canvas.begin_layer();
        let color = color.with_alpha((255.0 * strength) as u8);
        canvas.ring(flash.center.x as i32, flash.center.y as i32, radius, 3, color);
        canvas.end_layer();
    }

    fn draw_countdown(&self, canvas: &mut dyn Canvas) {
        let Some(steps) = self.hand_over else { return };
        let text = match steps / 5 {
            0 => "3",
            1 => "2",
            2 => "1",
            _ => return,
        };
        let color = if self.agent_evades { OPPONENT_COLOR } else { AGENT_COLOR };
        let (width, height) = canvas.text_size(28, text);
        draw_outlined(canvas, (CENTER.x as i32 - width / 2, 68 + height / 2), 28, color, text);
    }
}

/// Text with an outline of one black pixel.
fn draw_outlined(canvas: &mut dyn Canvas, (x, y): (i32, i32), size: i32, color: Color, text: &str) {
    for (dx, dy) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
        canvas.text(x + dx, y + dy, Anchor::TopLeft, size, Color::BLACK, text);
    }
    canvas.text(x, y, Anchor::TopLeft, size, color, text);
}

impl Environment for ChaseEvade {
    type Params = ChaseEvadeParams;
    const NAME: &'static str = "chase-evade";
    const STEP_NANOS: u64 = 100;

    fn layout(_: &ChaseEvadeParams) -> Layout {
        LAYOUT
    }

    fn new(_: &ChaseEvadeParams, _: &mut Rng) -> Self {
        Self {
            agent: Character { position: CENTER.plus(START_RADIUS, Point::new(1.0, 0.0)), ..Character::default() },
            opponent: Character { position: CENTER, ..Character::default() },
            agent_evades: false,
            hand_over: None,
            pillars: [CENTER; PILLARS],
            pillar_phase: 0.0,
            pillar_direction: 1.0,
            step: 0,
            agent_evaded_first: false,
            flash: None,
        }
    }

    fn reset(&mut self, params: &ChaseEvadeParams, rng: &mut Rng) {
        *self = Self::new(params, rng);
        let (sin, cos) = rng.uniform(0.0, TAU).sin_cos();
        self.agent.position = CENTER.plus(START_RADIUS, Point::new(cos, sin));
        self.agent_evades = rng.chance(0.5);
        self.agent_evaded_first = self.agent_evades;
        self.pillar_phase = rng.uniform(0.0, TAU);
        self.pillar_direction = rng.sign();
        self.place_pillars();
    }

    fn step(&mut self, _: &ChaseEvadeParams, action: &[f32], rng: &mut Rng) -> Outcome {
        self.flash =
            self.flash.filter(|flash| flash.age + 1 < FLASH_STEPS).map(|flash| Flash { age: flash.age + 1, ..flash });
        self.place_pillars();
        match self.hand_over {
            Some(steps) => self.step_hand_over(steps + 1),
            None => self.step_play(action, rng),
        }
        self.step += 1;
        let sign = if self.agent_evades { 1.0 } else { -1.0 };
        Outcome::new([sign * DISTANCE_REWARD * self.distance() / ARENA_RADIUS])
    }

    fn observe(&self, _: &ChaseEvadeParams, row: &mut [f32]) {
        let place = |point: Point| [(point.x / SIZE) as f32, (point.y / SIZE) as f32];
        let speed = |point: Point| [(point.x / PURSUER_SPEED) as f32, (point.y / PURSUER_SPEED) as f32];
        row[0..2].copy_from_slice(&place(self.agent.position));
        row[2..4].copy_from_slice(&speed(self.agent.velocity));
        row[4..6].copy_from_slice(&place(self.opponent.position));
        row[6..8].copy_from_slice(&speed(self.opponent.velocity));
        row[8] = f32::from(u8::from(self.agent_evades));
        for (entries, &pillar) in row[9..15].chunks_exact_mut(2).zip(&self.pillars) {
            entries.copy_from_slice(&place(pillar));
        }
    }

    fn draw_backdrop(&self, _: &ChaseEvadeParams, canvas: &mut dyn Canvas) {
        Self::draw_scene(canvas, self.agent_evaded_first, Self::sky_tint(self.agent_evaded_first));
    }

    fn draw(&self, _: &ChaseEvadeParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        let (old, new) = (Self::sky_tint(!self.agent_evades), Self::sky_tint(self.agent_evades));
        let tint = self.hand_over.map_or(new, |steps| old.blend(new, (f64::from(steps) / 10.0).min(1.0)));
        if self.agent_evades != self.agent_evaded_first || tint != new {
            Self::draw_scene(canvas, self.agent_evades, tint);
        }
        for pillar in &self.pillars {
            canvas.rect((pillar.x - 12.0) as i32, pillar.y as i32, 24, 4, Color::rgb(90, 90, 95));
            canvas.disc(pillar.x as i32, pillar.y as i32, 12, Color::rgb(130, 130, 130));
        }
        let stride = if (self.step / 3).is_multiple_of(2) { 1 } else { -1 };
        self.agent.draw(AGENT_COLOR, stride, canvas);
        self.opponent.draw(OPPONENT_COLOR, stride, canvas);
        self.draw_flash(canvas);
        self.draw_countdown(canvas);
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;
    use crate::sim::{Purpose, Seed};

    const PARAMS: ChaseEvadeParams = ChaseEvadeParams {};

    fn rng() -> Rng {
        Seed::new(0).rng(Purpose::Episode, 0, 0)
    }

    fn state(agent: (f64, f64), agent_evades: bool, pillar_direction: f64) -> ChaseEvade {
        ChaseEvade {
            agent: Character { position: Point::new(agent.0, agent.1), velocity: Point::default() },
            agent_evades,
            pillar_phase: 0.3,
            pillar_direction,
            ..ChaseEvade::new(&PARAMS, &mut rng())
        }
    }

    #[test]
    fn an_evading_agent_is_caught_and_handed_over_as_in_the_reference() {
        let rows: [(u32, [f32; 15], f64); 7] = [
            (
                1,
                [
                    0.677065, 0.714286, 0.475, 0.0, 0.510728, 0.538146, 0.686585, 0.727049, 1.0, 0.670596, 0.579557,
                    0.369001, 0.64814, 0.460404, 0.35266,
                ],
                0.0602975,
            ),
            (
                2,
                [
                    0.684487, 0.714286, 0.475, 0.0, 0.521701, 0.549269, 0.702278, 0.711902, 1.0, 0.67006, 0.58126,
                    0.367794, 0.646824, 0.462147, 0.352272,
                ],
                0.0576915,
            ),
            (
                6,
                [
                    0.714174, 0.714286, 0.475, 0.0, 0.562978, 0.59614, 0.620258, 0.784398, 1.0, 0.667745, 0.588017,
                    0.363099, 0.641441, 0.469156, 0.350898,
                ],
                0.0477572,
            ),
            (
                16,
                [
                    0.788393, 0.714286, 0.475, 0.0, 0.665896, 0.708614, 0.89281, 0.450433, 1.0, 0.660794, 0.604458,
                    0.352337, 0.627201, 0.486869, 0.348698,
                ],
                0.0305208,
            ),
            (
                21,
                [
                    0.801963, 0.700197, 0.475, 0.0, 0.742217, 0.719429, 0.995731, -0.0922979, 0.0, 0.656711, 0.612397,
                    0.347502, 0.619696, 0.495786, 0.348264,
                ],
                -0.0156217,
            ),
            (
                25,
                [
                    0.747765, 0.669072, 0.475, 0.0, 0.734095, 0.71297, 0.995731, -0.0922979, 0.0, 0.653162, 0.618596,
                    0.343909, 0.613523, 0.502929, 0.348238,
                ],
                -0.0114433,
            ),
            (
                41,
                [
                    0.530971, 0.544571, 0.475, 0.0, 0.734095, 0.71297, 0.995731, -0.0922979, 0.0, 0.636579, 0.641825,
                    0.332084, 0.587547, 0.531337, 0.350985,
                ],
                -0.0656697,
            ),
        ];
        let expected = rows.map(|(step, values, reward)| Expect::new(step, 0..15, &values).reward(reward));
        let end = run(state((150.0, 160.0), true, 1.0), &PARAMS, |_| vec![0.5, 0.0], &expected);
        assert_eq!(end.hand_over, Some(20), "the pursuer is not in the middle yet");
    }

    #[test]
    fn an_evading_opponent_flees_as_in_the_reference() {
        let expected = [
            Expect::new(1, 0..9, &[0.283482, 0.526786, 1.0, 0.0, 0.514844, 0.526786, 0.95, 0.0, 0.0])
                .reward(-0.0575833),
            Expect::new(2, 0..9, &[0.299107, 0.526786, 1.0, 0.0, 0.529688, 0.526786, 0.95, 0.0, 0.0])
                .reward(-0.0573889),
        ];
        run(state((60.0, 118.0), false, -1.0), &PARAMS, |_| vec![1.0, 0.0], &expected);
    }

    #[test]
    fn a_hand_over_ends_with_the_pursuer_in_the_middle() {
        let mut game = state((120.0, 118.0), true, 1.0);
        game.hand_over = Some(0);
        let mut rng = rng();
        for step in 1..=5 {
            assert!(game.hand_over.is_some(), "step {step}");
            game.step(&PARAMS, &[1.0, 1.0], &mut rng);
        }
        assert_eq!(game.hand_over, None);
        assert_eq!(game.opponent.position, CENTER);
        assert_eq!(game.agent.velocity, Point::default(), "the action was ignored");
    }
}
