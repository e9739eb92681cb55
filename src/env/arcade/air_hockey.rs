//! Air-Hockey: score in the upper goal and guard the lower one against a scripted opponent.
//!
//! A mallet pushed against a border stands still, but counts as moving at the commanded velocity in observations and in
//! hits. The opponent's waiting state outlives goals, and a serve may be nearly horizontal.

use std::f64::consts::PI;

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{Anchor, CANVAS_SIZE, Canvas, Color};
use crate::sim::Rng;

/// Edges of the rink, px.
const RINK_LEFT: f64 = 33.0;
const RINK_RIGHT: f64 = 191.0;
const RINK_TOP: f64 = 24.0;
const RINK_BOTTOM: f64 = 200.0;
const CENTER: f64 = 112.0;
/// Columns between the posts of both goals, px.
const MOUTH: (f64, f64) = (84.0, 140.0);
/// A goal counts when the puck's center is this far beyond the rink's edge, px.
const GOAL_DEPTH: f64 = 10.0;
const PUCK_RADIUS: f64 = 6.0;
const MALLET_RADIUS: f64 = 10.0;
/// Scale of a serve and limit of the puck, px a step.
const SERVE_SPEED: f64 = 6.0;
const PUCK_SPEED_LIMIT: f64 = 12.0;
/// Speed kept a step.
const DAMPING: f64 = 0.998;
/// Speed kept in a bounce.
const RESTITUTION: f64 = 0.9;
/// Part of a mallet's velocity that a hit adds to the puck's.
const HIT_BOOST: f64 = 0.35;
/// The agent's speed per axis and the opponent's along its path, px a step.
const AGENT_SPEED: f64 = 7.5;
const OPPONENT_SPEED: f64 = 0.85 * AGENT_SPEED;
/// Where mallets may be: columns of both, rows of each.
const MALLET_COLUMNS: (f64, f64) = (RINK_LEFT + MALLET_RADIUS, RINK_RIGHT - MALLET_RADIUS);
const AGENT_ROWS: (f64, f64) = (CENTER + MALLET_RADIUS, RINK_BOTTOM - MALLET_RADIUS);
const OPPONENT_ROWS: (f64, f64) = (RINK_TOP + MALLET_RADIUS, CENTER - MALLET_RADIUS);
const AGENT_SPAWN: (f64, f64) = (112.0, 170.0);
const OPPONENT_SPAWN: (f64, f64) = (112.0, 54.0);
/// Where the opponent waits, and how far down it comes to meet the puck.
const OPPONENT_HOME: (f64, f64) = (112.0, 52.0);
const OPPONENT_REACH: f64 = 83.0;
/// The opponent wakes when the puck moves up above this row.
const OPPONENT_ZONE: f64 = 120.0;
/// Standard deviation of the opponent's tremble, px a step per axis.
const OPPONENT_TREMBLE: f64 = 0.25;

const AGENT_COLOR: Color = Color::rgb(255, 140, 0);
const OPPONENT_COLOR: Color = Color::rgb(180, 180, 180);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("puck position", 2, "px/224"),
        Field::new("puck velocity", 2, "px/step/12"),
        Field::new("agent position", 2, "px/224"),
        Field::new("agent velocity", 2, "px/step/7.5"),
        Field::new("opponent position", 2, "px/224"),
        Field::new("opponent velocity", 2, "px/step/7.5"),
    ],
    action: &[Field::new("mallet velocity, right and down", 2, "7.5 px/step")],
    rate_hz: 30.0,
    reward_terms: &["goal"],
    constant_entries: &[],
};

/// Nothing varies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AirHockeyParams {}

/// A puck or a mallet.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Body {
    /// Center, px.
    x: f64,
    y: f64,
    /// Velocity, px a step; of a mallet the one it was given, also where a border stops it.
    vx: f64,
    vy: f64,
}

impl Body {
    fn at((x, y): (f64, f64)) -> Self {
        Self { x, y, vx: 0.0, vy: 0.0 }
    }

    fn advance(&mut self) {
        self.x += self.vx;
        self.y += self.vy;
    }

    fn confine(&mut self, columns: (f64, f64), rows: (f64, f64)) {
        self.x = self.x.clamp(columns.0, columns.1);
        self.y = self.y.clamp(rows.0, rows.1);
    }

    /// Pushes the puck out of a mallet; a puck that comes nearer bounces off and takes some of the mallet's velocity.
    fn hit_by(&mut self, mallet: &Body) {
        let (dx, dy) = (self.x - mallet.x, self.y - mallet.y);
        let distance = (dx * dx + dy * dy).sqrt();
        let overlap = PUCK_RADIUS + MALLET_RADIUS - distance;
        if overlap <= 0.0 {
            return;
        }
        let (nx, ny) = (dx / (distance + 1e-8), dy / (distance + 1e-8));
        self.x += nx * (overlap + 0.5);
        self.y += ny * (overlap + 0.5);
        let approach = (self.vx - mallet.vx) * nx + (self.vy - mallet.vy) * ny;
        if approach < 0.0 {
            let kick = (1.0 + RESTITUTION) * approach;
            self.vx += HIT_BOOST * mallet.vx - kick * nx;
            self.vy += HIT_BOOST * mallet.vy - kick * ny;
        }
    }
}

/// One game of Air-Hockey.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct AirHockey {
    puck: Body,
    agent: Body,
    opponent: Body,
    opponent_in_zone: bool,
    /// Steps that the opponent still waits at home.
    opponent_delay: i32,
    agent_goals: u32,
    opponent_goals: u32,
}

impl AirHockey {
    fn spawn_mallets(&mut self) {
        self.agent = Body::at(AGENT_SPAWN);
        self.opponent = Body::at(OPPONENT_SPAWN);
    }

    /// Serves up (`direction` = -1) or down (+1).
    fn serve(&mut self, direction: f64, rng: &mut Rng) {
        let angle = PI * rng.uniform(-0.35, 0.35);
        self.puck = Body {
            vx: SERVE_SPEED * angle.cos() * rng.sign(),
            vy: SERVE_SPEED * direction * (0.7 * angle.sin() + 0.3).abs(),
            ..Body::at((CENTER, CENTER))
        };
    }

    fn opponent_target(&mut self, rng: &mut Rng) -> (f64, f64) {
        let puck = &self.puck;
        if puck.y >= OPPONENT_ZONE || puck.vy >= 0.0 {
            self.opponent_in_zone = false;
            return OPPONENT_HOME;
        }
        if !self.opponent_in_zone {
            let speed = (puck.vx * puck.vx + puck.vy * puck.vy).sqrt();
            let urgency = ((speed - 2.0) / 8.0).clamp(0.0, 1.0);
            self.opponent_delay = rng.integer((5.0 - 4.0 * urgency) as i32, (10.0 - 6.0 * urgency) as i32);
            self.opponent_in_zone = true;
        }
        if self.opponent_delay > 0 {
            self.opponent_delay -= 1;
            return OPPONENT_HOME;
        }
        (puck.x.clamp(MALLET_COLUMNS.0, MALLET_COLUMNS.1), (puck.y + 12.0).min(OPPONENT_REACH))
    }

    fn move_opponent(&mut self, rng: &mut Rng) {
        let target = self.opponent_target(rng);
        let opponent = &mut self.opponent;
        let (dx, dy) = (target.0 - opponent.x, target.1 - opponent.y);
        let distance = (dx * dx + dy * dy).sqrt();
        (opponent.vx, opponent.vy) = if distance > 1e-5 {
            let scale = OPPONENT_SPEED.min(distance) / distance;
            (dx * scale + rng.normal(0.0, OPPONENT_TREMBLE), dy * scale + rng.normal(0.0, OPPONENT_TREMBLE))
        } else {
            (0.0, 0.0)
        };
        opponent.advance();
        opponent.confine(MALLET_COLUMNS, OPPONENT_ROWS);
    }

    /// Bounces the puck off the walls; a puck deep in a goal scores and is served anew. Returns the agent's reward.
    fn meet_borders(&mut self, rng: &mut Rng) -> f64 {
        let puck = &mut self.puck;
        if puck.x - PUCK_RADIUS < RINK_LEFT {
            (puck.x, puck.vx) = (RINK_LEFT + PUCK_RADIUS, -RESTITUTION * puck.vx);
        } else if puck.x + PUCK_RADIUS > RINK_RIGHT {
            (puck.x, puck.vx) = (RINK_RIGHT - PUCK_RADIUS, -RESTITUTION * puck.vx);
        }
        let in_mouth = (MOUTH.0..=MOUTH.1).contains(&puck.x);
        if in_mouth {
            // Between the posts there is no wall.
            if puck.y <= RINK_TOP - GOAL_DEPTH {
                self.agent_goals += 1;
                self.spawn_mallets();
                self.serve(-1.0, rng);
                return 1.0;
            }
            if puck.y >= RINK_BOTTOM + GOAL_DEPTH {
                self.opponent_goals += 1;
                self.spawn_mallets();
                self.serve(1.0, rng);
                return -1.0;
            }
        } else if puck.y - PUCK_RADIUS < RINK_TOP {
            // Mirrored even when it already moves inward.
            (puck.y, puck.vy) = (RINK_TOP + PUCK_RADIUS, -RESTITUTION * puck.vy);
        } else if puck.y + PUCK_RADIUS > RINK_BOTTOM {
            (puck.y, puck.vy) = (RINK_BOTTOM - PUCK_RADIUS, -RESTITUTION * puck.vy);
        }
        0.0
    }
}

impl Environment for AirHockey {
    type Params = AirHockeyParams;
    const NAME: &'static str = "air-hockey";
    const STEP_NANOS: u64 = 100;

    fn layout(_: &AirHockeyParams) -> Layout {
        LAYOUT
    }

    fn new(_: &AirHockeyParams, _: &mut Rng) -> Self {
        Self {
            puck: Body::at((CENTER, CENTER)),
            agent: Body::at(AGENT_SPAWN),
            opponent: Body::at(OPPONENT_SPAWN),
            opponent_in_zone: false,
            opponent_delay: 0,
            agent_goals: 0,
            opponent_goals: 0,
        }
    }

    fn reset(&mut self, params: &AirHockeyParams, rng: &mut Rng) {
        *self = Self::new(params, rng);
        let direction = rng.sign();
        self.serve(direction, rng);
    }

    fn step(&mut self, _: &AirHockeyParams, action: &[f32], rng: &mut Rng) -> Outcome {
        self.agent.vx = AGENT_SPEED * f64::from(action[0]);
        self.agent.vy = AGENT_SPEED * f64::from(action[1]);
        self.agent.advance();
        self.agent.confine(MALLET_COLUMNS, AGENT_ROWS);
        self.move_opponent(rng);

        self.puck.advance();
        self.puck.hit_by(&self.agent);
        self.puck.hit_by(&self.opponent);
        let goal = self.meet_borders(rng);

        let puck = &mut self.puck;
        let speed = DAMPING * (puck.vx * puck.vx + puck.vy * puck.vy).sqrt();
        let scale = if speed > PUCK_SPEED_LIMIT { DAMPING * PUCK_SPEED_LIMIT / speed } else { DAMPING };
        puck.vx *= scale;
        puck.vy *= scale;
        Outcome::new([goal])
    }

    fn observe(&self, _: &AirHockeyParams, row: &mut [f32]) {
        let size = f64::from(CANVAS_SIZE);
        let Self { puck, agent, opponent, .. } = self;
        row.copy_from_slice(&[
            (puck.x / size) as f32,
            (puck.y / size) as f32,
            (puck.vx / PUCK_SPEED_LIMIT) as f32,
            (puck.vy / PUCK_SPEED_LIMIT) as f32,
            (agent.x / size) as f32,
            (agent.y / size) as f32,
            (agent.vx / AGENT_SPEED) as f32,
            (agent.vy / AGENT_SPEED) as f32,
            (opponent.x / size) as f32,
            (opponent.y / size) as f32,
            (opponent.vx / AGENT_SPEED) as f32,
            (opponent.vy / AGENT_SPEED) as f32,
        ]);
    }

    fn draw_backdrop(&self, _: &AirHockeyParams, canvas: &mut dyn Canvas) {
        canvas.fill(Color::BLACK);
        canvas.rect_outline(33, 24, 158, 176, 2, Color::rgb(200, 200, 200));
        canvas.rect(84, 22, 56, 8, Color::BLACK);
        canvas.rect(84, 198, 56, 8, Color::BLACK);
        canvas.line(33, 112, 191, 112, 2, Color::rgb(80, 80, 80));
    }

    fn draw(&self, _: &AirHockeyParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        let mut disc = |body: &Body, radius: f64, color| {
            canvas.disc(body.x as i32, body.y as i32, radius as i32, color);
        };
        disc(&self.puck, PUCK_RADIUS, Color::WHITE);
        disc(&self.agent, MALLET_RADIUS, AGENT_COLOR);
        disc(&self.opponent, MALLET_RADIUS, OPPONENT_COLOR);
        // Each count is centered in the 24 rows beyond its goal, as far as it fits.
        let height = canvas.text_size(20, "0").1;
        let top = ((24 - height) / 2).max(2);
        let bottom = (200 + (24 - height) / 2).min(222 - height);
        canvas.number(112, top, Anchor::TopCenter, 20, OPPONENT_COLOR, self.opponent_goals);
        canvas.number(112, bottom, Anchor::TopCenter, 20, AGENT_COLOR, self.agent_goals);
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;
    use crate::sim::{Purpose, Seed};

    fn rng() -> Rng {
        Seed::new(0).rng(Purpose::Episode, 0, 0)
    }

    fn state(puck: Body, agent: (f64, f64)) -> AirHockey {
        AirHockey { puck, agent: Body::at(agent), ..AirHockey::new(&AirHockeyParams {}, &mut rng()) }
    }

    #[test]
    fn a_moving_mallet_hits_as_in_the_reference() {
        let state = state(Body { x: 112.0, y: 150.0, vx: 1.0, vy: 6.0 }, (110.0, 172.0));
        let expected = [
            Expect::new(1, 0..8, &[0.508695, 0.668226, 0.255094, -0.966916, 0.497768, 0.741071, 0.2, -0.8]),
            Expect::new(2, 0..8, &[0.522361, 0.616427, 0.254584, -0.964982, 0.504464, 0.714286, 0.2, -0.8]),
            Expect::new(5, 0..8, &[0.563194, 0.46165, 0.25306, -0.959204, 0.524554, 0.633929, 0.2, -0.8]),
        ];
        run(state, &AirHockeyParams {}, |_| vec![0.2, -0.8], &expected);
    }

    #[test]
    fn walls_reflect_as_in_the_reference() {
        let state = state(Body { x: 60.0, y: 195.0, vx: -9.0, vy: 5.0 }, (150.0, 150.0));
        let expected = [
            Expect::new(1, 0..4, &[0.227679, 0.866071, -0.7485, -0.37425]).reward(0.0),
            Expect::new(2, 0..4, &[0.18758, 0.846022, -0.747003, -0.373502]),
            Expect::new(3, 0..4, &[0.174107, 0.826013, 0.670958, -0.372754]),
        ];
        run(state, &AirHockeyParams {}, |_| vec![0.0, 0.0], &expected);
    }

    #[test]
    fn a_goal_scores_and_serves_toward_who_conceded() {
        for (puck, reward, direction) in [
            (Body { x: 100.0, y: 20.0, vx: 0.0, vy: -8.0 }, 1.0, -1.0),
            (Body { x: 100.0, y: 205.0, vx: 0.0, vy: 8.0 }, -1.0, 1.0),
        ] {
            let mut game = state(puck, (60.0, 130.0));
            let outcome = game.step(&AirHockeyParams {}, &[1.0, 1.0], &mut rng());
            assert_eq!(outcome.reward(), reward);
            assert_eq!((game.puck.x, game.puck.y), (CENTER, CENTER));
            assert!(game.puck.vy * direction >= 0.0);
            assert_eq!((game.agent.x, game.agent.vx), (AGENT_SPAWN.0, 0.0));
        }
    }

    #[test]
    fn a_mallet_held_against_a_border_keeps_its_commanded_velocity() {
        let mut game = state(Body { x: 60.0, y: 60.0, vx: 0.0, vy: 0.0 }, (181.0, 190.0));
        game.step(&AirHockeyParams {}, &[1.0, 1.0], &mut rng());
        assert_eq!((game.agent.x, game.agent.y), (181.0, 190.0));
        assert_eq!((game.agent.vx, game.agent.vy), (AGENT_SPEED, AGENT_SPEED));
    }
}
