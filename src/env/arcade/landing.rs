//! Landing: set a helicopter down on a moving ship and stay on the middle of its deck.
//!
//! Nothing ends the episode but time: a hard touchdown costs once, water costs every step. A helicopter that has come to
//! rest on the deck is locked to it and rides along until contact is lost, which takes several steps of full lift. The
//! picture's edges stop the helicopter's place but not its velocity.

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use super::rect::Rect;
use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::{Purpose, Rng, Seed};

const SIZE: f64 = CANVAS_SIZE as f64;
/// Velocity that a full action adds, and gravity, px/step².
const THRUST: f64 = 0.6;
const GRAVITY: f64 = 0.2;
/// Part of the velocity that is left after a step.
const DAMPING: f64 = 0.96;
/// The helicopter's box, px.
const WIDTH: f64 = 28.0;
const HEIGHT: f64 = 18.0;
/// The deck's box and the row of its center, px.
const DECK_WIDTH: f64 = 70.0;
const DECK_HEIGHT: f64 = 12.0;
const DECK_HALF: f64 = DECK_WIDTH / 2.0;
const DECK_TOP: f64 = 183.0;
const DECK_Y: f64 = DECK_TOP + DECK_HEIGHT / 2.0;
/// Top of a helicopter that stands on the deck, px.
const REST_Y: f64 = DECK_TOP - HEIGHT;
/// Where the ship starts, px.
const SHIP_START_X: f64 = 74.0;
/// Mean and spread of the ship's speed, px/step.
const SHIP_SPEED: f64 = 1.4;
const SHIP_SPEED_SPREAD: f64 = 0.3;
/// Below these velocities against the deck a helicopter in contact is locked to it, px/step.
const LOCK_VELOCITY: f64 = 0.2;
/// Center rows below this are in the water's reach, px.
const LOW_Y: i32 = 183;
const STARS: usize = 40;

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("helicopter top-left", 2, "px/224"),
        Field::new("helicopter velocity", 2, "px/step/10"),
        Field::new("ship center", 2, "px/224"),
        Field::new("ship velocity", 1, "px/step/5"),
    ],
    action: &[Field::new("thrust, right and down", 2, "0.6 px/step^2")],
    rate_hz: 30.0,
    reward_terms: &["on deck", "descent", "impact", "low", "near"],
    constant_entries: &[5],
};

/// Nothing varies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LandingParams {}

/// One helicopter with its ship.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct Landing {
    /// The helicopter's top-left, px, and velocity, px/step.
    place: (f64, f64),
    velocity: (f64, f64),
    /// Column of the ship's center, px, and its velocity, px/step.
    ship_x: f64,
    ship_velocity: f64,
    contact: bool,
    locked: bool,
    /// Where the stars are.
    scenery: Seed,
}

impl Landing {
    fn helicopter(&self) -> Rect {
        Rect::new(self.place.0, self.place.1, WIDTH, HEIGHT)
    }

    fn deck(&self) -> Rect {
        Rect::new(self.ship_x - DECK_HALF, DECK_TOP, DECK_WIDTH, DECK_HEIGHT)
    }

    fn fly(&mut self, action: &[f32]) {
        let (place, velocity) = (&mut self.place, &mut self.velocity);
        velocity.0 += THRUST * f64::from(action[0]);
        velocity.1 += THRUST * f64::from(action[1]) + GRAVITY;
        place.0 = (place.0 + velocity.0).clamp(0.0, SIZE - WIDTH);
        place.1 = (place.1 + velocity.1).clamp(0.0, SIZE - HEIGHT);
        velocity.0 *= DAMPING;
        velocity.1 *= DAMPING;
    }

    fn sail(&mut self) {
        self.ship_x += self.ship_velocity;
        if self.ship_x - DECK_HALF <= 0.0 {
            self.ship_x = DECK_HALF;
            self.ship_velocity = self.ship_velocity.abs();
        } else if self.ship_x + DECK_HALF >= SIZE {
            self.ship_x = SIZE - DECK_HALF;
            self.ship_velocity = -self.ship_velocity.abs();
        }
    }

    /// Pushes a helicopter out of the deck, the shorter way.
    fn collide(&mut self, helicopter: Rect, deck: Rect) {
        let depth_x = (helicopter.right - deck.left).min(deck.right - helicopter.left);
        let depth_y = (helicopter.bottom - deck.top).min(deck.bottom - helicopter.top);
        if depth_y <= depth_x {
            if helicopter.center_y() < deck.center_y() {
                self.place.1 = REST_Y;
                self.velocity.1 = self.velocity.1.min(0.0);
                self.velocity.0 *= 0.9;
            } else {
                self.place.1 = f64::from(deck.bottom);
                self.velocity.1 = self.velocity.1.max(0.0);
            }
        } else if helicopter.center_x() < deck.center_x() {
            self.place.0 = f64::from(deck.left) - WIDTH;
            self.velocity.0 = self.velocity.0.min(0.0);
        } else {
            self.place.0 = f64::from(deck.right);
            self.velocity.0 = self.velocity.0.max(0.0);
        }
    }
}

impl Environment for Landing {
    type Params = LandingParams;
    const NAME: &'static str = "landing";
    const STEP_NANOS: u64 = 25;

    fn layout(_: &LandingParams) -> Layout {
        LAYOUT
    }

    fn new(_: &LandingParams, rng: &mut Rng) -> Self {
        Self {
            place: (0.0, 0.0),
            velocity: (0.0, 0.0),
            ship_x: SHIP_START_X,
            ship_velocity: SHIP_SPEED,
            contact: false,
            locked: false,
            scenery: Seed::new(rng.next_u64()),
        }
    }

    fn reset(&mut self, _: &LandingParams, rng: &mut Rng) {
        self.place = (rng.uniform(12.0, 36.0), rng.uniform(12.0, 36.0));
        self.velocity = (rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3));
        self.ship_x = SHIP_START_X;
        self.ship_velocity = rng.sign() * (SHIP_SPEED + rng.uniform(-SHIP_SPEED_SPREAD, SHIP_SPEED_SPREAD));
        (self.contact, self.locked) = (false, false);
        self.scenery = Seed::new(rng.next_u64());
    }

    fn step(&mut self, _: &LandingParams, action: &[f32], _: &mut Rng) -> Outcome {
        self.fly(action);
        self.sail();
        let deck = self.deck();
        let mut helicopter = self.helicopter();
        let fall_velocity = self.velocity.1;
        if helicopter.overlaps(deck) {
            self.collide(helicopter, deck);
            helicopter = self.helicopter();
        }

        let had_contact = self.contact;
        self.contact = helicopter.right > deck.left + 4
            && helicopter.left < deck.right - 4
            && (DECK_TOP as i32 - 3..=DECK_TOP as i32 + 3).contains(&helicopter.bottom);
        if self.contact {
            self.velocity.0 = 0.7 * self.velocity.0 + 0.3 * self.ship_velocity;
            let slip = self.velocity.0 - self.ship_velocity;
            self.locked |= self.velocity.1.abs() < LOCK_VELOCITY && slip.abs() < LOCK_VELOCITY;
        } else {
            self.locked = false;
        }
        if self.locked {
            self.velocity = (self.ship_velocity, self.velocity.1.min(0.0));
            self.place.1 = REST_Y;
        }

        // The box of before the lock is what counts.
        let centered = 1.0 - (f64::from((helicopter.center_x() - deck.center_x()).abs()) / DECK_HALF).min(1.0);
        let level = 1.0 - (f64::from((helicopter.center_y() - deck.center_y()).abs()) / SIZE).min(1.0);
        let low = helicopter.center_y() > LOW_Y;
        Outcome::new([
            if self.contact { 0.1 + 0.9 * centered } else { 0.0 },
            -0.001 * self.velocity.1.max(0.0),
            if self.contact && !had_contact { -(2.0 * fall_velocity.max(0.0)).min(10.0) } else { 0.0 },
            if low { -0.5 } else { 0.0 },
            if low { 0.0 } else { 0.025 * centered + 0.1 * level },
        ])
    }

    fn observe(&self, _: &LandingParams, row: &mut [f32]) {
        row.copy_from_slice(&[
            (self.place.0 / SIZE) as f32,
            (self.place.1 / SIZE) as f32,
            (self.velocity.0 / 10.0) as f32,
            (self.velocity.1 / 10.0) as f32,
            (self.ship_x / SIZE) as f32,
            (DECK_Y / SIZE) as f32,
            (self.ship_velocity / 5.0) as f32,
        ]);
    }

    fn draw_backdrop(&self, _: &LandingParams, canvas: &mut dyn Canvas) {
        canvas.fill(Color::rgb(150, 190, 255));
        canvas.rect(0, 179, CANVAS_SIZE, 45, Color::rgb(50, 120, 200));
        let rng = &mut self.scenery.rng(Purpose::Draw, 0, 0);
        for _ in 0..STARS {
            let star = (rng.uniform(0.0, 224.0), rng.uniform(0.0, 179.0));
            canvas.disc(star.0 as i32, star.1 as i32, 1, Color::rgb(240, 240, 255));
        }
    }

    fn draw(&self, _: &LandingParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        draw_ship(canvas, self.deck(), self.ship_velocity > 0.0);
        draw_helicopter(canvas, self.place.0 as i32, self.place.1 as i32);
        if self.contact {
            canvas.tint(0, 0, CANVAS_SIZE, CANVAS_SIZE, Color::rgba(80, 220, 120, 40));
        }
    }
}

fn draw_ship(canvas: &mut dyn Canvas, deck: Rect, to_the_right: bool) {
    let outlined = |canvas: &mut dyn Canvas, points: &[(i32, i32)], fill: Color, rim: Color| {
        canvas.polygon(points, fill);
        canvas.polygon_outline(points, 2, rim);
    };
    let (white, rim) = (Color::rgb(240, 240, 240), Color::rgb(180, 180, 180));
    let hull = [
        (deck.left, deck.bottom),
        (deck.right, deck.bottom),
        (deck.right - 10, deck.bottom + 16),
        (deck.left + 10, deck.bottom + 16),
    ];
    outlined(canvas, &hull, Color::rgb(120, 120, 140), Color::rgb(80, 80, 100));
    canvas.rect(deck.left, deck.top, DECK_WIDTH as i32, DECK_HEIGHT as i32, white);
    canvas.rect_outline(deck.left, deck.top, DECK_WIDTH as i32, DECK_HEIGHT as i32, 2, rim);
    let middle = deck.center_y();
    canvas.line(deck.left + 6, middle, deck.right - 6, middle, 1, Color::rgb(160, 160, 160));

    let (edge, tip, cabin) = if to_the_right {
        (deck.right, deck.right + 10, deck.left + 6)
    } else {
        (deck.left, deck.left - 10, deck.right - 24)
    };
    outlined(canvas, &[(edge, deck.top), (tip, middle), (edge, deck.bottom)], white, rim);
    let roof = deck.top - 12;
    canvas.rect(cabin, roof, 18, 12, Color::rgb(230, 230, 235));
    canvas.rect_outline(cabin, roof, 18, 12, 2, Color::rgb(160, 160, 170));
    for offset in [3, 9, 15] {
        canvas.rect(cabin + offset, roof + 3, 4, 5, Color::rgb(180, 210, 240));
    }
    let pole = deck.center_x();
    canvas.line(pole, deck.top, pole, deck.top - 10, 2, Color::rgb(70, 70, 70));
    let flag = [(pole, deck.top - 10), (pole + 8, deck.top - 7), (pole, deck.top - 4)];
    canvas.polygon(&flag, Color::rgb(220, 40, 40));
}

fn draw_helicopter(canvas: &mut dyn Canvas, x: i32, y: i32) {
    let (rim, gear) = (Color::rgb(90, 120, 180), Color::rgb(80, 80, 80));
    let body = [(x, y + 9), (x + 22, y), (x + 28, y + 9), (x + 22, y + 18)];
    canvas.polygon(&body, Color::rgb(180, 200, 220));
    canvas.polygon_outline(&body, 2, rim);
    canvas.line(x + 6, y + 9, x - 8, y + 9, 2, rim);
    canvas.line(x + 4, y + 18, x + 20, y + 18, 3, gear);
    for strut in [x + 8, x + 16] {
        canvas.line(strut, y + 12, strut, y + 18, 2, gear);
    }
    canvas.line(x - 2, y - 3, x + 30, y - 3, 2, Color::rgb(50, 50, 50));
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;

    const PARAMS: LandingParams = LandingParams {};

    fn at(place: (f64, f64), velocity: (f64, f64), ship_x: f64, ship_velocity: f64) -> Landing {
        let new = Landing::new(&PARAMS, &mut Seed::new(0).rng(Purpose::Episode, 0, 0));
        Landing { place, velocity, ship_x, ship_velocity, ..new }
    }

    #[test]
    fn matches_the_reference_landing() {
        let start = at((80.0, 158.0), (1.0, 2.0), 100.0, 1.4);
        let expected = [
            Expect::new(1, 0..7, &[0.361875, 0.715179, 0.10176, 0.2112, 0.452679, 0.84375, 0.28]).reward(0.109674),
            Expect::new(2, 0..7, &[0.366686, 0.7255, 0.114415, 0.221952, 0.458929, 0.84375, 0.28]).reward(-3.482867),
            Expect::new(3, 0..7, &[0.372061, 0.736301, 0.122919, 0.232274, 0.465179, 0.84375, 0.28]).reward(0.930534),
            Expect::new(4, 0..7, &[0.377817, 0.736607, 0.11997, 0.0, 0.471429, 0.84375, 0.28]).reward(0.933304),
            Expect::new(5, 0..7, &[0.38344, 0.736607, 0.14, 0.0, 0.477679, 0.84375, 0.28]).reward(0.906875),
            Expect::new(6, 0..7, &[0.389958, 0.736607, 0.14, 0.0, 0.483929, 0.84375, 0.28]).reward(0.933304),
        ];
        for (steps, contact, locked) in [(1, false, false), (2, true, false), (4, true, false), (6, true, true)] {
            let end = run(start.clone(), &PARAMS, |_| vec![0.1, 0.0], &expected[..steps]);
            assert_eq!((end.contact, end.locked), (contact, locked), "after step {steps}");
        }
    }

    #[test]
    fn matches_the_reference_side_collision() {
        let start = at((36.0, 184.0), (3.0, 0.0), 100.0, -1.5);
        let expected = [
            Expect::new(1, 0..7, &[0.15625, 0.820982, 0.0, -0.0096, 0.439732, 0.84375, -0.3]).reward(-0.5),
            Expect::new(2, 0..7, &[0.151786, 0.820107, 0.0, -0.018816, 0.433036, 0.84375, -0.3]).reward(-0.5),
        ];
        run(start, &PARAMS, |_| vec![0.0, -0.5], &expected);
    }

    #[test]
    fn taking_off_needs_several_steps_of_full_lift() {
        let mut state = at((80.0, REST_Y), (1.4, 0.0), 100.0, 1.4);
        (state.contact, state.locked) = (true, true);
        let mut rng = Seed::new(0).rng(Purpose::Episode, 0, 0);
        let held = (0..).take_while(|_| {
            state.step(&PARAMS, &[0.0, -1.0], &mut rng);
            state.locked
        });
        assert!((5..30).contains(&held.count()), "{state:?}");
        assert!(state.place.1 < REST_Y - 3.0 && !state.contact);
    }
}
