//! Highway: drive in the middle of a free lane while traffic comes from the right.
//!
//! A car that is hit sticks to the own one for five steps, in which the rest of the traffic passes through, and then
//! disappears. Yellow cars, which may drive faster, look like blue ones to the observation. The observed flash fades only
//! as pictures are observed, so an agent without pictures sees it from the first collision to the end of the episode;
//! what a picture shows of it lasts three steps either way.

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use super::rect::Rect;
use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::Rng;

/// First row of the road, px, its lanes and their width, px.
const ROAD_TOP: f64 = 18.0;
const LANES: usize = 5;
const LANE_WIDTH: f64 = 37.6;
const LANE_CENTERS: [f64; LANES] = [36.8, 74.4, 112.0, 149.6, 187.2];
/// Height of every vehicle, px.
const CAR_HEIGHT: f64 = 18.0;
const CAR_LENGTH: f64 = 28.0;
const TRUCK_LENGTH: f64 = 56.0;
/// Largest row of the own car's top edge, px.
const LOWEST_Y: f64 = 188.0;
/// px a step².
const THRUST: f64 = 0.65;
/// What a step leaves of the velocity.
const DAMPING: f64 = 0.95;

/// Speed of traffic and of a yellow car with nobody to follow, px a step.
const TRAFFIC_SPEED: f64 = 6.0;
const YELLOW_SPEED: f64 = 7.2;
const SLOTS: usize = 4;
/// Free road between cars of a lane when one appears, px.
const SPAWN_GAP: f64 = 18.0;
const SPAWN_ATTEMPTS: usize = 8;
/// Column of the first car, px, and how far beyond the picture the others appear.
const FIRST_SPAWN_X: f64 = 264.0;
const SPAWN_DISTANCE: (f64, f64) = (20.0, 60.0);
/// Steps from a car's end to its next attempt to appear.
const RESPAWN_STEPS: (i32, i32) = (4, 10);
const FIRST_RESPAWN_STEPS: (i32, i32) = (0, 6);
/// Traffic grows from 1 to 4 cars over these steps.
const GROWTH_STEPS: f64 = 499.0;

/// Steps for which a car that was hit sticks.
const STICK_STEPS: i32 = 5;
/// Pictures, one a step, for which a collision flashes.
const FLASH_FRAMES: u32 = 3;

/// A car within this distance makes its lane not clear, px.
const CLEAR_DISTANCE: f64 = 70.0;
/// A car within this distance ahead costs reward, px.
const SAFE_DISTANCE: f64 = 84.0;
const COLLISION_REWARD: f64 = -1.0;
const LANE_REWARD: f64 = 0.01;
const FREE_ROAD_REWARD: f64 = 0.01;
const FAR_CAR_REWARD: f64 = 0.005;
const NEAR_CAR_REWARD: f64 = -0.02;
const CONTROL_REWARD: f64 = -0.0005;

/// Length and distance of the dashes between lanes, px.
const DASH_LENGTH: i32 = 15;
const DASH_SPACING: i32 = 24;

const GRASS_COLOR: Color = Color::rgb(97, 133, 80);
const ROAD_COLOR: Color = Color::rgb(60, 60, 60);
const DASH_COLOR: Color = Color::rgb(220, 220, 220);
const EDGE_COLOR: Color = Color::rgb(200, 200, 200);
const OWN_COLOR: Color = Color::rgb(220, 60, 60);
const OWN_EDGE_COLOR: Color = Color::rgb(120, 20, 20);
const TRAFFIC_EDGE_COLOR: Color = Color::rgb(40, 40, 40);
const WHEEL_COLOR: Color = Color::rgb(20, 20, 20);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("left edge", 1, "px/224"),
        Field::new("vertical center", 1, "px/224"),
        Field::new("velocity", 2, "px/step/10"),
        Field::new("collision flash", 1, "3 pictures"),
        Field::new("gap ahead, -1 if free", 1, "px/224"),
        Field::new("lane above, lane below clear", 2, "0 or 1"),
        Field::new("gap ahead in lane above, in lane below, -1 if free", 2, "px/224"),
        Field::new("offset from lane center, down", 1, "18.8 px"),
        Field::new("lane", 1, "4 lanes"),
        Field::new("traffic: left edge, vertical center, whether a truck; -1 if none", 12, "px/224, px/224, 0 or 1"),
    ],
    action: &[Field::new("thrust right, down", 2, "0.65 px/step²")],
    rate_hz: 30.0,
    reward_terms: &["collision", "lane", "distance", "control"],
    constant_entries: &[],
};

/// Nothing varies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HighwayParams {}

/// One drive.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct Highway {
    /// Top-left corner of the own car, px, and its velocity, px a step.
    position: (f64, f64),
    velocity: (f64, f64),
    /// Pictures for which the observation still tells of a collision.
    flash: u32,
    /// Steps up to the last collision, with it.
    collided_at: Option<u32>,
    /// Slot of the car that sticks to the own one.
    stuck: Option<usize>,
    traffic: [Car; SLOTS],
    steps: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Blue,
    Yellow,
    Truck,
}

/// A slot for a car of the traffic.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Car {
    active: bool,
    kind: Kind,
    lane: usize,
    /// Left edge, px.
    x: f64,
    /// Steps until an inactive slot may be filled.
    respawn: i32,
    /// Steps for which the car still sticks.
    sticks: i32,
}

impl Car {
    fn inactive(respawn: i32) -> Self {
        Self { active: false, kind: Kind::Blue, lane: 0, x: 0.0, respawn, sticks: 0 }
    }

    fn length(&self) -> f64 {
        if self.kind == Kind::Truck { TRUCK_LENGTH } else { CAR_LENGTH }
    }

    fn right(&self) -> f64 {
        self.x + self.length()
    }

    fn hit_box(&self) -> Rect {
        Rect::new(self.x, LANE_CENTERS[self.lane] - CAR_HEIGHT / 2.0, self.length(), CAR_HEIGHT)
    }
}

impl Highway {
    fn start(rng: &mut Rng) -> Self {
        let x = rng.uniform(20.0, 60.0);
        let lane = rng.integer(1, 3) as usize;
        let velocity = (rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2));
        let mut state = Self {
            position: (x, LANE_CENTERS[lane] - CAR_HEIGHT / 2.0),
            velocity,
            flash: 0,
            collided_at: None,
            stuck: None,
            traffic: std::array::from_fn(|_| Car::inactive(rng.integer(FIRST_RESPAWN_STEPS.0, FIRST_RESPAWN_STEPS.1))),
            steps: 0,
        };
        state.spawn(0, |_| FIRST_SPAWN_X, rng);
        state
    }

    /// How many cars the traffic aims at: 1 to 4 over the episode.
    fn target(&self) -> usize {
        (1.0 + 3.0 * (f64::from(self.steps) / GROWTH_STEPS).clamp(0.0, 1.0) + 1e-9) as usize
    }

    /// Fills a slot with a car whose column `x` draws, if a lane has room; whether it did.
    fn spawn(&mut self, slot: usize, x: impl Fn(&mut Rng) -> f64, rng: &mut Rng) -> bool {
        let kind = [Kind::Blue, Kind::Yellow, Kind::Truck][rng.integer(0, 2) as usize];
        for _ in 0..SPAWN_ATTEMPTS {
            let lane = rng.integer(0, LANES as i32 - 1) as usize;
            let car = Car { active: true, kind, lane, x: x(rng), respawn: 0, sticks: 0 };
            let has_room = self
                .traffic
                .iter()
                .filter(|other| other.active && other.lane == lane)
                .all(|other| (other.x - car.x).abs() >= car.length().max(other.length()) + SPAWN_GAP);
            if has_room {
                self.traffic[slot] = car;
                return true;
            }
        }
        false
    }

    /// The car that `slot`'s one follows, and the gap to it, px. Traffic drives left.
    fn followed(&self, slot: usize) -> Option<(Car, f64)> {
        let car = self.traffic[slot];
        let mut nearest: Option<(Car, f64)> = None;
        for (i, other) in self.traffic.iter().enumerate() {
            let gap = car.x - other.right();
            let ahead = i != slot && other.active && other.lane == car.lane && other.x < car.x && gap >= 0.0;
            if ahead && nearest.is_none_or(|(_, least)| gap < least) {
                nearest = Some((*other, gap));
            }
        }
        nearest
    }

    /// Speed of `slot`'s car to the left, px a step, and the column its left edge may not pass, if any.
    fn pace(&self, slot: usize) -> (f64, Option<f64>) {
        let car = &self.traffic[slot];
        if car.kind != Kind::Yellow {
            return (TRAFFIC_SPEED, None);
        }
        match self.followed(slot) {
            None => (YELLOW_SPEED, None),
            Some((ahead, gap)) => {
                let held_up = gap <= car.length().max(ahead.length());
                (if held_up { TRAFFIC_SPEED } else { YELLOW_SPEED }, Some(ahead.right() + 1.0))
            }
        }
    }

    fn move_own(&mut self, action: &[f32]) {
        let (position, velocity) = (&mut self.position, &mut self.velocity);
        velocity.0 += THRUST * f64::from(action[0]);
        velocity.1 += THRUST * f64::from(action[1]);
        position.0 = (position.0 + velocity.0).clamp(0.0, f64::from(CANVAS_SIZE) - CAR_LENGTH);
        position.1 = (position.1 + velocity.1).clamp(ROAD_TOP, LOWEST_Y);
        velocity.0 *= DAMPING;
        velocity.1 *= DAMPING;
    }

    /// Carries the own car along with the one that sticks to it.
    fn move_stuck(&mut self, rng: &mut Rng) {
        let Some(slot) = self.stuck else { return };
        let (speed, barrier) = self.pace(slot);
        let car = &mut self.traffic[slot];
        let x = car.x - speed;
        let limit = x - CAR_LENGTH + 1.0;
        let own_x = self.position.0 - speed;
        let mut released = own_x < 0.0 || limit < 0.0;
        if !released {
            car.x = barrier.map_or(x, |barrier| x.max(barrier));
            car.sticks -= 1;
            self.position.0 = own_x.min(limit);
            released = car.right() < 0.0 || car.sticks <= 0;
        }
        if released {
            *car = Car::inactive(rng.integer(RESPAWN_STEPS.0, RESPAWN_STEPS.1));
            self.velocity = (0.0, 0.0);
            self.stuck = None;
        }
    }

    /// Moves and spawns traffic slot by slot; whether the own car ran into one.
    ///
    /// A slot is filled when the slots before it hold fewer cars than the target: cars after it do not count, so there
    /// are often more than the target.
    fn move_traffic(&mut self, target: usize, rng: &mut Rng) -> bool {
        let own = Rect::new(self.position.0, self.position.1, CAR_LENGTH, CAR_HEIGHT);
        let mut n_active = 0;
        let mut collided = false;
        for slot in 0..SLOTS {
            if !self.traffic[slot].active {
                let respawn = &mut self.traffic[slot].respawn;
                *respawn = (*respawn - 1).max(0);
                if *respawn > 0 || n_active >= target {
                    continue;
                }
                let x = |rng: &mut Rng| f64::from(CANVAS_SIZE) + rng.uniform(SPAWN_DISTANCE.0, SPAWN_DISTANCE.1);
                if self.spawn(slot, x, rng) {
                    n_active += 1;
                } else {
                    self.traffic[slot].respawn = 1;
                }
                continue;
            }
            n_active += 1;
            if self.stuck == Some(slot) {
                continue;
            }
            let (speed, barrier) = self.pace(slot);
            let car = &mut self.traffic[slot];
            let x = car.x - speed;
            car.x = barrier.map_or(x, |barrier| x.max(barrier));
            if self.stuck.is_none() && own.overlaps(car.hit_box()) {
                car.sticks = STICK_STEPS;
                self.stuck = Some(slot);
                self.flash = FLASH_FRAMES;
                self.collided_at = Some(self.steps + 1);
                collided = true;
            }
            if car.sticks == 0 && car.right() < 0.0 {
                *car = Car::inactive(rng.integer(RESPAWN_STEPS.0, RESPAWN_STEPS.1));
            }
        }
        collided
    }

    fn center_y(&self) -> f64 {
        self.position.1 + CAR_HEIGHT / 2.0
    }

    /// The lane whose center is nearest.
    fn lane(&self) -> usize {
        let distance = |lane: usize| (self.center_y() - LANE_CENTERS[lane]).abs();
        (1..LANES).fold(0, |nearest, lane| if distance(lane) < distance(nearest) { lane } else { nearest })
    }

    /// Free road ahead of the own car in each lane, px; infinite where no car is ahead.
    fn gaps(&self) -> [f64; LANES] {
        let front = self.position.0 + CAR_LENGTH;
        let mut gaps = [f64::INFINITY; LANES];
        for car in self.traffic.iter().filter(|car| car.active && car.x - front >= 0.0) {
            gaps[car.lane] = gaps[car.lane].min(car.x - front);
        }
        gaps
    }

    fn draw_car(canvas: &mut dyn Canvas, car: Rect, color: Color, edge: Color) {
        let Rect { left, top, right, bottom } = car;
        let length = right - left;
        canvas.rect(left, top, length, bottom - top, color);
        canvas.rect_outline(left, top, length, bottom - top, 2, edge);
        let axle = (0.22 * f64::from(length)) as i32;
        for x in [left + axle, right - axle] {
            for y in [top + 2, bottom - 2] {
                canvas.disc(x, y, 2, WHEEL_COLOR);
            }
        }
    }
}

impl Environment for Highway {
    type Params = HighwayParams;
    const NAME: &'static str = "highway";
    const STEP_NANOS: u64 = 45;

    fn layout(_: &HighwayParams) -> Layout {
        LAYOUT
    }

    fn new(_: &HighwayParams, rng: &mut Rng) -> Self {
        Self::start(rng)
    }

    fn reset(&mut self, _: &HighwayParams, rng: &mut Rng) {
        *self = Self::start(rng);
    }

    fn step(&mut self, _: &HighwayParams, action: &[f32], rng: &mut Rng) -> Outcome {
        let target = self.target();
        self.move_own(action);
        self.move_stuck(rng);
        let collision = if self.move_traffic(target, rng) { COLLISION_REWARD } else { 0.0 };

        let own_lane = self.lane();
        let offset = (self.center_y() - LANE_CENTERS[own_lane]) / (LANE_WIDTH / 2.0);
        let lane = LANE_REWARD * (-offset * offset).exp();
        let gap = self.gaps()[own_lane];
        let distance = if gap == f64::INFINITY {
            FREE_ROAD_REWARD
        } else if gap < SAFE_DISTANCE {
            NEAR_CAR_REWARD * (1.0 - gap / SAFE_DISTANCE)
        } else {
            FAR_CAR_REWARD
        };
        let effort: f64 = action.iter().map(|&a| f64::from(a) * f64::from(a)).sum();
        self.steps += 1;
        Outcome::new([collision, lane, distance, CONTROL_REWARD * effort])
    }

    fn observe(&self, _: &HighwayParams, row: &mut [f32]) {
        let scaled = |pixels: f64| (pixels / f64::from(CANVAS_SIZE)) as f32;
        let lane = self.lane();
        let gaps = self.gaps();
        // The lanes above and below the own one; beyond the road nothing is clear and nothing is ahead.
        let neighbors = [lane.checked_sub(1), (lane + 1 < LANES).then_some(lane + 1)];
        let clear = |lane: Option<usize>| lane.is_some_and(|lane| gaps[lane] > CLEAR_DISTANCE);
        let gap = |lane: Option<usize>| match lane.map(|lane| gaps[lane]) {
            Some(gap) if gap.is_finite() => scaled(gap).clamp(0.0, 1.0),
            _ => -1.0,
        };
        row[0] = scaled(self.position.0);
        row[1] = scaled(self.center_y());
        row[2] = (self.velocity.0 / 10.0) as f32;
        row[3] = (self.velocity.1 / 10.0) as f32;
        row[4] = (f64::from(self.flash) / f64::from(FLASH_FRAMES)) as f32;
        row[5] = gap(Some(lane));
        for (i, neighbor) in neighbors.into_iter().enumerate() {
            row[6 + i] = f32::from(u8::from(clear(neighbor)));
            row[8 + i] = gap(neighbor);
        }
        let offset = (self.center_y() - LANE_CENTERS[lane]) / (LANE_WIDTH / 2.0);
        row[10] = offset.clamp(-1.0, 1.0) as f32;
        row[11] = (lane as f64 / (LANES - 1) as f64) as f32;
        for (entries, car) in row[12..].chunks_exact_mut(3).zip(&self.traffic) {
            let values = if car.active {
                let is_truck = u8::from(car.kind == Kind::Truck);
                [scaled(car.x), scaled(LANE_CENTERS[car.lane]), f32::from(is_truck)]
            } else {
                [-1.0; 3]
            };
            entries.copy_from_slice(&values);
        }
    }

    fn draw_backdrop(&self, _: &HighwayParams, canvas: &mut dyn Canvas) {
        canvas.fill(GRASS_COLOR);
        canvas.rect(0, 18, CANVAS_SIZE, 188, ROAD_COLOR);
        canvas.line(0, 18, CANVAS_SIZE - 1, 18, 2, EDGE_COLOR);
        canvas.line(0, 206, CANVAS_SIZE - 1, 206, 2, EDGE_COLOR);
    }

    fn draw(&self, _: &HighwayParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        let passed = (self.steps as i32 * TRAFFIC_SPEED as i32) % DASH_SPACING;
        for boundary in 1..LANES {
            let y = (ROAD_TOP + LANE_WIDTH * boundary as f64) as i32;
            for x in (-passed..CANVAS_SIZE).step_by(DASH_SPACING as usize) {
                canvas.rect(x, y, DASH_LENGTH, 2, DASH_COLOR);
            }
        }
        for car in self.traffic.iter().filter(|car| car.active) {
            let color = match car.kind {
                Kind::Blue => Color::rgb(95, 135, 212),
                Kind::Yellow => Color::rgb(227, 188, 34),
                Kind::Truck => Color::rgb(82, 140, 66),
            };
            Self::draw_car(canvas, car.hit_box(), color, TRAFFIC_EDGE_COLOR);
        }
        let own = Rect::new(self.position.0, self.position.1, CAR_LENGTH, CAR_HEIGHT);
        Self::draw_car(canvas, own, OWN_COLOR, OWN_EDGE_COLOR);
        let (x, y) = (own.right + 4, own.center_y());
        canvas.begin_layer();
        canvas.polygon(&[(x + 8, y), (x, y - 4), (x, y + 4)], OWN_COLOR.with_alpha(128));
        canvas.end_layer();
        if self.collided_at.is_some_and(|step| self.steps - step < FLASH_FRAMES) {
            canvas.tint(0, 0, CANVAS_SIZE, CANVAS_SIZE, OWN_COLOR.with_alpha(50));
        }
    }

    fn after_draw(&mut self) {
        self.flash = self.flash.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;
    use crate::paint::Raster;
    use crate::sim::{Purpose, Seed};

    fn start() -> Highway {
        let car = |kind, lane, x| Car { active: true, kind, lane, x, respawn: 0, sticks: 0 };
        let traffic =
            [car(Kind::Blue, 2, 90.0), car(Kind::Yellow, 2, 150.0), car(Kind::Truck, 1, 120.0), Car::inactive(50)];
        Highway {
            position: (40.0, 103.0),
            velocity: (0.0, 0.0),
            flash: 0,
            collided_at: None,
            stuck: None,
            traffic,
            steps: 0,
        }
    }

    #[test]
    fn matches_the_reference_trajectory() {
        let row = |step, values: [f32; 21], reward| Expect::new(step, 0..21, &values).reward(reward);
        #[rustfmt::skip]
        let expected = [
            row(1, [0.180022, 0.50029, 0.030875, 0.006175, 0., 0.0699777, 0., 1., 0.203906, -1., 0.00345745, 0.5, 0.375, 0.5, 0., 0.6375, 0.5, 0., 0.508929, 0.332143, 1.], -0.006398),
            row(2, [0.182852, 0.500856, 0.0602062, 0.0120413, 0., 0.0403627, 0., 1., 0.174291, -1., 0.0101995, 0.5, 0.348214, 0.5, 0., 0.605357, 0.5, 0., 0.482143, 0.332143, 1.], -0.007978),
            row(3, [0.18699, 0.501684, 0.0880709, 0.0176142, 0., 0.00943834, 0., 1., 0.143367, -1., 0.0200618, 0.5, 0.321429, 0.5, 0., 0.573214, 0.5, 0., 0.455357, 0.332143, 1.], -0.009631),
            row(4, [0.192373, 0.50276, 0.114542, 0.0229085, 1., 0.223699, 0., 1., 0.111199, -1., 0.0328885, 0.5, 0.294643, 0.5, 0., 0.541071, 0.5, 0., 0.428571, 0.332143, 1.], -0.998210),
            row(5, [0.147321, 0.504073, 0.13969, 0.0279381, 1., 0.236607, 0., 1., 0.129464, -1., 0.0485313, 0.5, 0.267857, 0.5, 0., 0.508929, 0.5, 0., 0.401786, 0.332143, 1.], 0.002466),
            row(8, [0.0669643, 0.509315, 0.207838, 0.0415676, 1., 0.220536, 0., 1., 0.129464, -1., 0.110983, 0.5, 0.1875, 0.5, 0., 0.4125, 0.5, 0., 0.321429, 0.332143, 1.], 0.001509),
            row(9, [0.0401786, 0.511461, 0., 0., 1., 0.215179, 0., 1., 0.129464, -1., 0.136551, 0.5, -1., -1., -1., 0.380357, 0.5, 0., 0.294643, 0.332143, 1.], 0.001161),
            row(10, [0.0416295, 0.511751, 0.030875, 0.006175, 1., 0.181585, 0., 1., 0.101228, -1., 0.140009, 0.5, -1., -1., -1., 0.348214, 0.5, 0., 0.267857, 0.332143, 1.], -0.000640),
        ];
        run(start(), &HighwayParams {}, |_| vec![0.5, 0.1], &expected);
    }

    #[test]
    fn the_flash_fades_with_the_pictures() {
        let params = HighwayParams {};
        let mut rng = Seed::new(0).rng(Purpose::Episode, 0, 0);
        let mut state = start();
        state.traffic[0].x = 84.0;
        let mut row = [0.0; 24];
        for expected in [0.0, 0.0, 1.0, 2.0 / 3.0, 1.0 / 3.0, 0.0] {
            state.step(&params, &[0.5, 0.1], &mut rng);
            state.observe(&params, &mut row);
            state.after_draw();
            assert!((row[4] - expected).abs() < 1e-6, "{} instead of {expected}", row[4]);
        }
    }

    #[test]
    fn a_collision_tints_three_pictures_whoever_looks() {
        let params = HighwayParams {};
        let mut rng = Seed::new(0).rng(Purpose::Episode, 0, 0);
        let mut state = start();
        state.traffic[0].x = 84.0;
        for tinted in [false, false, true, true, true, false] {
            state.step(&params, &[0.5, 0.1], &mut rng);
            let mut raster = Raster::new();
            state.draw_backdrop(&params, &mut raster);
            state.draw(&params, &mut raster, &mut rng);
            let Color { r, g, b, .. } = GRASS_COLOR;
            assert_eq!(raster.bytes()[..3] != [r, g, b], tinted, "step {}", state.steps);
        }
    }

    #[test]
    fn a_slot_is_filled_whatever_later_slots_hold() {
        let mut rng = Seed::new(0).rng(Purpose::Episode, 0, 0);
        let mut state = start();
        state.traffic[0] = Car::inactive(0);
        assert_eq!(state.target(), 1);
        state.step(&HighwayParams {}, &[0.0, 0.0], &mut rng);
        assert_eq!(state.traffic.iter().filter(|car| car.active).count(), 3);
    }
}
