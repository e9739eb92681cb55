//! Pong: keep the ball from passing the left paddle and send it past the scripted opponent's.
//!
//! Paddles only mirror the ball's horizontal velocity, so a steep serve crosses slowly. The opponent waits for a few
//! steps whenever the ball enters its zone; that state outlives points and episodes.

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use super::rect::Rect;
use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{Anchor, CANVAS_SIZE, Canvas, Color};
use crate::sim::Rng;

/// Edges of the square play area, px.
const AREA_LOW: f64 = 20.0;
const AREA_HIGH: f64 = 204.0;
const PADDLE_WIDTH: f64 = 6.0;
const PADDLE_HEIGHT: f64 = 40.0;
/// Left edges of the paddles, px.
const AGENT_X: f64 = 30.0;
const OPPONENT_X: f64 = 188.0;
/// Largest paddle move, px a step.
const PADDLE_SPEED: f64 = 8.5;
/// Side of the ball, px. Walls are touched at a full side from its center, paddles at half.
const BALL_SIDE: f64 = 7.0;
/// Speed of the ball, px a step.
const BALL_SPEED: f64 = 8.0;
/// The opponent's zone starts at this fraction of the area.
const ZONE_START: f64 = 0.3;
/// Steps the opponent waits after the ball enters its zone.
const DELAY_STEPS: (i32, i32) = (2, 6);

const AGENT_COLOR: Color = Color::rgb(255, 140, 0);
const OPPONENT_COLOR: Color = Color::rgb(180, 180, 180);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("ball position", 2, "px/224"),
        Field::new("ball velocity", 2, "px/step/8"),
        Field::new("agent paddle top", 1, "px/224"),
        Field::new("opponent paddle top", 1, "px/224"),
    ],
    action: &[Field::new("paddle velocity, down", 1, "8.5 px/step")],
    rate_hz: 30.0,
    reward_terms: &["point"],
    constant_entries: &[],
};

/// Nothing varies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PongParams {}

/// One game of Pong.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pong {
    /// Center of the ball, px, and its velocity, px a step.
    ball: (f64, f64),
    ball_velocity: (f64, f64),
    /// Top edges of the paddles, px.
    agent_y: f64,
    opponent_y: f64,
    opponent_in_zone: bool,
    opponent_delay: i32,
    agent_points: u32,
    opponent_points: u32,
}

impl Pong {
    fn serve(&mut self, rng: &mut Rng) {
        let angle = std::f64::consts::PI * rng.uniform(-0.5, 0.5);
        let direction = rng.sign();
        self.ball = (112.0, 112.0);
        self.ball_velocity = (BALL_SPEED * direction * angle.cos(), BALL_SPEED * angle.sin());
    }

    fn move_opponent(&mut self, rng: &mut Rng) {
        let progress = (self.ball.0 - AREA_LOW) / (AREA_HIGH - AREA_LOW);
        if progress <= ZONE_START {
            self.opponent_in_zone = false;
            return;
        }
        if !self.opponent_in_zone {
            self.opponent_delay = rng.integer(DELAY_STEPS.0, DELAY_STEPS.1);
            self.opponent_in_zone = true;
        }
        if self.opponent_delay > 0 {
            self.opponent_delay -= 1;
            return;
        }
        let eagerness = 0.5 + 0.35 * ((progress - ZONE_START) / 0.65).clamp(0.0, 1.0);
        let below = self.ball.1 - PADDLE_HEIGHT / 2.0 > self.opponent_y;
        self.opponent_y += PADDLE_SPEED * eagerness * if below { 1.0 } else { -1.0 };
    }
}

impl Environment for Pong {
    type Params = PongParams;
    const NAME: &'static str = "pong";
    const STEP_NANOS: u64 = 30;

    fn layout(_: &PongParams) -> Layout {
        LAYOUT
    }

    fn new(_: &PongParams, _: &mut Rng) -> Self {
        Self {
            ball: (112.0, 112.0),
            ball_velocity: (0.0, 0.0),
            agent_y: 92.0,
            opponent_y: 92.0,
            opponent_in_zone: false,
            opponent_delay: 0,
            agent_points: 0,
            opponent_points: 0,
        }
    }

    fn reset(&mut self, _: &PongParams, rng: &mut Rng) {
        (self.agent_y, self.opponent_y) = (92.0, 92.0);
        (self.agent_points, self.opponent_points) = (0, 0);
        self.serve(rng);
    }

    fn step(&mut self, _: &PongParams, action: &[f32], rng: &mut Rng) -> Outcome {
        let paddle_range = (AREA_LOW, AREA_HIGH - PADDLE_HEIGHT);
        self.agent_y = (self.agent_y + PADDLE_SPEED * f64::from(action[0])).clamp(paddle_range.0, paddle_range.1);
        self.move_opponent(rng);
        self.opponent_y = self.opponent_y.clamp(paddle_range.0, paddle_range.1);

        let (ball, velocity) = (&mut self.ball, &mut self.ball_velocity);
        ball.0 += velocity.0;
        ball.1 += velocity.1;
        if ball.1 - BALL_SIDE < AREA_LOW || ball.1 + BALL_SIDE > AREA_HIGH {
            velocity.1 = -velocity.1;
        }
        let ball_box = Rect::new(ball.0 - BALL_SIDE / 2.0, ball.1 - BALL_SIDE / 2.0, BALL_SIDE, BALL_SIDE);
        let paddle = |x: f64, y: f64| Rect::new(x, y, PADDLE_WIDTH, PADDLE_HEIGHT);
        if velocity.0 < 0.0 && ball_box.overlaps(paddle(AGENT_X, self.agent_y)) {
            velocity.0 = -velocity.0;
        }
        if velocity.0 > 0.0 && ball_box.overlaps(paddle(OPPONENT_X, self.opponent_y)) {
            velocity.0 = -velocity.0;
        }

        let point = if ball.0 < AREA_LOW {
            self.opponent_points += 1;
            -1.0
        } else if ball.0 > AREA_HIGH {
            self.agent_points += 1;
            1.0
        } else {
            0.0
        };
        if point != 0.0 {
            self.serve(rng);
        }
        Outcome::new([point])
    }

    fn observe(&self, _: &PongParams, row: &mut [f32]) {
        let size = f64::from(CANVAS_SIZE);
        row.copy_from_slice(&[
            (self.ball.0 / size) as f32,
            (self.ball.1 / size) as f32,
            (self.ball_velocity.0 / BALL_SPEED) as f32,
            (self.ball_velocity.1 / BALL_SPEED) as f32,
            (self.agent_y / size) as f32,
            (self.opponent_y / size) as f32,
        ]);
    }

    fn draw_backdrop(&self, _: &PongParams, canvas: &mut dyn Canvas) {
        canvas.fill(Color::BLACK);
        canvas.rect_outline(20, 20, 184, 184, 2, Color::WHITE);
    }

    fn draw(&self, _: &PongParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        canvas.rect(30, self.agent_y as i32, 6, 40, AGENT_COLOR);
        canvas.rect(188, self.opponent_y as i32, 6, 40, OPPONENT_COLOR);
        canvas.rect((self.ball.0 - 3.5) as i32, (self.ball.1 - 3.5) as i32, 7, 7, Color::WHITE);
        canvas.number(36, -2, Anchor::TopLeft, 20, AGENT_COLOR, self.agent_points);
        canvas.number(188, -2, Anchor::TopRight, 20, OPPONENT_COLOR, self.opponent_points);
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;

    #[test]
    fn matches_the_reference_trajectory() {
        let state = Pong {
            ball: (112.0, 112.0),
            ball_velocity: (-6.4, 4.8),
            opponent_in_zone: true,
            ..Pong::new(&PongParams {}, &mut crate::sim::Seed::new(0).rng(crate::sim::Purpose::Episode, 0, 0))
        };
        let expected = [
            Expect::new(1, 0..6, &[0.471429, 0.521429, -0.8, 0.6, 0.429688, 0.387655]).reward(0.0),
            Expect::new(2, 0..6, &[0.442857, 0.542857, -0.8, 0.6, 0.448661, 0.410004]),
            Expect::new(10, 0..6, &[0.214286, 0.714286, -0.8, 0.6, 0.600446, 0.492293]),
            Expect::new(13, 0..6, &[0.185714, 0.778571, 0.8, 0.6, 0.657366, 0.492293]),
            Expect::new(16, 0..6, &[0.271429, 0.842857, 0.8, 0.6, 0.714286, 0.492293]),
            Expect::new(20, 0..6, &[0.385714, 0.842857, 0.8, -0.6, 0.732143, 0.492293]),
            Expect::new(25, 0..5, &[0.528571, 0.735714, 0.8, -0.6, 0.732143]),
            Expect::new(31, 0..5, &[0.7, 0.607143, 0.8, -0.6, 0.732143]),
        ];
        run(state, &PongParams {}, |_| vec![0.5], &expected);
    }
}
