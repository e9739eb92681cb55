//! Bird-Attack: shoot down a formation of birds that shoot back; a boss joins halfway.
//!
//! The observation shows neither the boss nor how many hits a bird can still take. Once all birds are gone every step is
//! rewarded.

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{Anchor, CANVAS_SIZE, Canvas, Color};
use crate::sim::Rng;

/// Edges of the square play area, px.
const AREA_LOW: f64 = 20.0;
const AREA_HIGH: f64 = 204.0;
const GUN_WIDTH: f64 = 14.0;
/// Top edge of the gun, and the row that hits on it are measured from, px.
const GUN_Y: f64 = 184.0;
const GUN_CENTER_Y: f64 = 188.0;
const GUN_START_X: f64 = 105.0;
/// Speed of the gun, whole and stunned, px a step.
const GUN_SPEED: f64 = 6.0;
const STUNNED_SPEED: f64 = 1.2;
/// Steps between shots, and the steps that a hit stuns and disarms.
const RELOAD_STEPS: u32 = 8;
const STUN_STEPS: u32 = 16;
/// Row a bullet of the gun starts from, px.
const MUZZLE_Y: f64 = 178.0;
/// Speed of all bullets but the boss's, px a step.
const BULLET_SPEED: f64 = 7.0;
/// Bullets of the gun in flight at most: one leaves the area before the fourth is fired.
const GUN_BULLETS: usize = 3;

const ROWS: usize = 2;
const COLUMNS: usize = 8;
const BIRDS: usize = ROWS * COLUMNS;
const BIRD_WIDTH: f64 = 14.0;
const BIRD_HEIGHT: f64 = 12.0;
const BIRD_SPACING: f64 = 20.0;
const BIRD_HITS: u8 = 2;
/// Top-left corner of the first bird at the start, px.
const FORMATION_START: (f64, f64) = (40.0, 40.0);
/// Sideways speed of the formation and how far it drops when it turns, px.
const FORMATION_SPEED: f64 = 1.0;
const FORMATION_DROP: f64 = 4.0;
/// How often a bird shoots, a step.
const FIRE_CHANCE: f64 = 0.0075;

/// Step at which the boss appears, and the steps it takes to fade in.
const BOSS_STEP: u32 = 250;
const BOSS_FADE_STEPS: u32 = 5;
const BOSS_CENTER: (f64, f64) = (112.0, 40.0);
/// How far the boss sways from its center, px.
const BOSS_SWAY: (f64, f64) = (0.03 * 184.0, 0.01 * 184.0);
/// Steps between its shots.
const BOSS_FIRE_STEPS: i32 = 50;
const BOSS_BULLET_RADIUS: f64 = 10.0;
const BOSS_BULLET_SPEED: f64 = 5.0;

const HIT_REWARD: f64 = -2.0;
const KILL_REWARD: f64 = 1.0;
/// For every step without birds.
const CLEARED_REWARD: f64 = 1.0;

/// Bullets that the observation shows.
const SHOWN_GUN_BULLETS: usize = 5;
const SHOWN_BIRD_BULLETS: usize = 10;

const GUN_COLOR: Color = Color::rgb(255, 140, 0);
const BIRD_COLOR: Color = Color::rgb(200, 200, 200);
const CLEARED_COLOR: Color = Color::rgb(80, 200, 110);
const STUN_COLOR: Color = Color::rgb(220, 30, 10);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("gun left edge", 1, "px/224"),
        Field::new("reload", 1, "5 steps"),
        Field::new("living birds", 1, "16 birds"),
        Field::new("columns of living birds, 0 after the last", 16, "px/224"),
        Field::new("lowest bird", 1, "px/224"),
        Field::new("gun bullets, 0 after the last", 10, "px/224"),
        Field::new("bird bullets, 0 after the last", 20, "px/224"),
        Field::new("stun", 1, "10 steps"),
        Field::new("boss bullet position, 0 if none", 2, "px/224"),
        Field::new("boss bullet velocity, 0 if none", 2, "px/step/5"),
    ],
    action: &[Field::new("gun velocity, right", 1, "6 px/step"), Field::new("fire if positive", 1, "1")],
    rate_hz: 30.0,
    reward_terms: &["kills", "hits", "cleared"],
    // The gun never has more than three bullets in flight.
    constant_entries: &[26, 27, 28, 29],
};

/// Nothing varies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BirdAttackParams {
    /// Nothing random happens: birds hold their fire, the boss does not sway. No task table can set it.
    #[serde(skip)]
    calm: bool,
}

/// One game.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct BirdAttack {
    /// Left edge, px.
    gun_x: f64,
    reload: u32,
    stun: u32,
    /// Top-left corner of the (possibly gone) first bird, px; the others keep their places relative to it.
    formation: (f64, f64),
    /// -1 or 1.
    direction: f64,
    /// Hits that each bird, row by row, can still take.
    birds: [u8; BIRDS],
    /// Bit i: bird i lives.
    living: u16,
    kills: u32,
    gun_bullets: [Point; GUN_BULLETS],
    n_gun_bullets: usize,
    bird_bullets: Vec<Point>,
    boss: Option<Boss>,
    boss_bullet: Option<BossBullet>,
    steps: u32,
}

type Point = (f64, f64);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Boss {
    center: Point,
    /// Steps until it is wholly there.
    fade: u32,
    /// Steps until it may shoot.
    fire: i32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct BossBullet {
    position: Point,
    velocity: Point,
}

impl BirdAttack {
    fn muzzle_x(&self) -> f64 {
        self.gun_x + GUN_WIDTH / 2.0
    }

    /// Top-left corner of bird `i`, px.
    fn bird(&self, i: usize) -> Point {
        let (row, column) = (i / COLUMNS, i % COLUMNS);
        (self.formation.0 + BIRD_SPACING * column as f64, self.formation.1 + BIRD_SPACING * row as f64)
    }

    /// Indices of the living birds, in order.
    fn living_birds(&self) -> impl Iterator<Item = usize> + use<> {
        let mut left = self.living;
        std::iter::from_fn(move || {
            (left != 0).then(|| {
                let i = left.trailing_zeros() as usize;
                left &= left - 1;
                i
            })
        })
    }

    fn gun_bullets(&self) -> &[Point] {
        &self.gun_bullets[..self.n_gun_bullets]
    }

    fn remove_gun_bullet(&mut self, i: usize) {
        self.gun_bullets.copy_within(i + 1..self.n_gun_bullets, i);
        self.n_gun_bullets -= 1;
    }

    fn move_gun(&mut self, action: &[f32]) {
        let speed = if self.stun > 0 { STUNNED_SPEED } else { GUN_SPEED };
        self.gun_x = (self.gun_x + f64::from(action[0]) * speed).clamp(AREA_LOW, AREA_HIGH - GUN_WIDTH);
        self.stun = self.stun.saturating_sub(1);
        if action[1] > 0.0 && self.reload == 0 {
            self.gun_bullets[self.n_gun_bullets] = (self.muzzle_x(), MUZZLE_Y);
            self.n_gun_bullets += 1;
            self.reload = RELOAD_STEPS;
        }
        self.reload = self.reload.saturating_sub(1);
        for bullet in &mut self.gun_bullets[..self.n_gun_bullets] {
            bullet.1 -= BULLET_SPEED;
        }
        // The first was fired first, and only that one can have left.
        if self.gun_bullets().first().is_some_and(|bullet| bullet.1 <= AREA_LOW) {
            self.remove_gun_bullet(0);
        }
    }

    fn move_birds(&mut self) {
        if self.living == 0 {
            return;
        }
        let columns = (self.living | self.living >> COLUMNS) & ((1 << COLUMNS) - 1);
        let leftmost = self.bird(columns.trailing_zeros() as usize).0;
        let rightmost = self.bird(columns.ilog2() as usize).0;
        let shift = self.direction * FORMATION_SPEED;
        if rightmost + BIRD_WIDTH + shift > AREA_HIGH || leftmost + shift < AREA_LOW {
            self.direction = -self.direction;
            self.formation.1 += FORMATION_DROP;
        } else {
            self.formation.0 += shift;
        }
    }

    fn fire_birds(&mut self, rng: &mut Rng) {
        for i in self.living_birds() {
            if rng.chance(FIRE_CHANCE) {
                let (x, y) = self.bird(i);
                self.bird_bullets.push((x + BIRD_WIDTH / 2.0, y + BIRD_HEIGHT));
            }
        }
    }

    /// How many birds the gun's bullets bring down.
    fn hit_birds(&mut self) -> u32 {
        let mut kills = 0;
        for i in self.living_birds() {
            if self.n_gun_bullets == 0 {
                break;
            }
            let (x, y) = self.bird(i);
            let center = (x + BIRD_WIDTH / 2.0, y + BIRD_HEIGHT / 2.0);
            if let Some(bullet) = self.gun_bullets().iter().position(|&b| within(b, center, BIRD_WIDTH, BIRD_HEIGHT)) {
                self.remove_gun_bullet(bullet);
                self.birds[i] -= 1;
                if self.birds[i] == 0 {
                    self.living &= !(1 << i);
                    kills += 1;
                }
            }
        }
        self.kills += kills;
        kills
    }

    /// How many of the birds' bullets hit the gun.
    fn hit_gun(&mut self) -> u32 {
        let gun = (self.muzzle_x(), GUN_CENTER_Y);
        let mut hits = 0;
        let mut i = 0;
        while i < self.bird_bullets.len() {
            if within(self.bird_bullets[i], gun, GUN_WIDTH, 8.0) {
                self.bird_bullets.remove(i);
                hits += 1;
            }
            // After a hit this passes over the next bullet, as the reference does.
            i += 1;
        }
        if hits > 0 {
            self.stun_gun();
        }
        hits
    }

    fn stun_gun(&mut self) {
        (self.stun, self.reload) = (STUN_STEPS, STUN_STEPS);
    }

    fn move_boss(&mut self, calm: bool, rng: &mut Rng) {
        if self.boss.is_none() && self.steps >= BOSS_STEP {
            self.boss = Some(Boss { center: BOSS_CENTER, fade: BOSS_FADE_STEPS, fire: BOSS_FIRE_STEPS });
        }
        let target = (self.muzzle_x(), GUN_CENTER_Y);
        let Some(boss) = &mut self.boss else { return };
        if boss.fade > 0 {
            boss.fade -= 1;
            return;
        }
        if !calm {
            boss.center.0 = BOSS_CENTER.0 + rng.uniform(-BOSS_SWAY.0, BOSS_SWAY.0);
            boss.center.1 = BOSS_CENTER.1 + rng.uniform(-BOSS_SWAY.1, BOSS_SWAY.1);
        }
        boss.fire -= 1;
        if boss.fire <= 0 && self.boss_bullet.is_none() {
            let position = (boss.center.0, boss.center.1 + 8.0);
            let (dx, dy) = (target.0 - position.0, target.1 - position.1);
            let scale = BOSS_BULLET_SPEED / dx.hypot(dy);
            self.boss_bullet = Some(BossBullet { position, velocity: (dx * scale, dy * scale) });
            boss.fire = BOSS_FIRE_STEPS;
        }
    }

    /// Whether the boss's bullet hits the gun.
    fn move_boss_bullet(&mut self) -> bool {
        let gun = (self.muzzle_x(), GUN_CENTER_Y);
        let Some(BossBullet { position, velocity }) = &mut self.boss_bullet else { return false };
        position.0 += velocity.0;
        position.1 += velocity.1;
        if position.0 - BOSS_BULLET_RADIUS < AREA_LOW || position.0 + BOSS_BULLET_RADIUS > AREA_HIGH {
            velocity.0 = -velocity.0;
        }
        let (width, height) = (GUN_WIDTH + 2.0 * BOSS_BULLET_RADIUS, 8.0 + 2.0 * BOSS_BULLET_RADIUS);
        let gone = position.1 - BOSS_BULLET_RADIUS >= AREA_HIGH;
        let hit = !gone && within(*position, gun, width, height);
        if gone || hit {
            self.boss_bullet = None;
        }
        if hit {
            self.stun_gun();
        }
        hit
    }

    fn draw_birds(&self, canvas: &mut dyn Canvas) {
        for i in self.living_birds() {
            let (x, y) = self.bird(i);
            let (x, y) = (x as i32, y as i32);
            let corners = [(x, y), (x + 7, y + 12), (x + 14, y)];
            if self.birds[i] == BIRD_HITS {
                canvas.polygon(&corners, BIRD_COLOR);
            } else {
                canvas.polygon_outline(&corners, 2, BIRD_COLOR);
            }
        }
    }

    fn draw_boss(&self, canvas: &mut dyn Canvas) {
        let Some(boss) = self.boss else { return };
        let (x, y) = (boss.center.0 as i32, boss.center.1 as i32);
        let corners = [(x - 32, y + 8), (x - 16, y - 8), (x, y + 8), (x + 16, y - 8), (x + 32, y + 8)];
        if boss.fade == 0 {
            canvas.polyline(&corners, 3, BIRD_COLOR);
            return;
        }
        let alpha = 255.0 * (1.0 - f64::from(boss.fade) / f64::from(BOSS_FADE_STEPS));
        canvas.begin_layer();
        canvas.polyline(&corners, 3, BIRD_COLOR.with_alpha(alpha as u8));
        canvas.end_layer();
    }
}

/// Whether `point` is inside the box of this size around `center`, edges excluded.
fn within(point: Point, center: Point, width: f64, height: f64) -> bool {
    (point.0 - center.0).abs() < width / 2.0 && (point.1 - center.1).abs() < height / 2.0
}

impl Environment for BirdAttack {
    type Params = BirdAttackParams;
    const NAME: &'static str = "bird-attack";
    const STEP_NANOS: u64 = 60;

    fn layout(_: &BirdAttackParams) -> Layout {
        LAYOUT
    }

    fn new(_: &BirdAttackParams, _: &mut Rng) -> Self {
        Self {
            gun_x: GUN_START_X,
            reload: 0,
            stun: 0,
            formation: FORMATION_START,
            direction: 1.0,
            birds: [BIRD_HITS; BIRDS],
            living: u16::MAX,
            kills: 0,
            gun_bullets: [(0.0, 0.0); GUN_BULLETS],
            n_gun_bullets: 0,
            // Three are in flight on average; more than this many are never seen.
            bird_bullets: Vec::with_capacity(32),
            boss: None,
            boss_bullet: None,
            steps: 0,
        }
    }

    fn reset(&mut self, params: &BirdAttackParams, rng: &mut Rng) {
        let mut bird_bullets = std::mem::take(&mut self.bird_bullets);
        bird_bullets.clear();
        *self = Self::new(params, rng);
        self.bird_bullets = bird_bullets;
    }

    fn step(&mut self, params: &BirdAttackParams, action: &[f32], rng: &mut Rng) -> Outcome {
        self.move_gun(action);
        self.move_birds();
        if !params.calm {
            self.fire_birds(rng);
        }
        for bullet in &mut self.bird_bullets {
            bullet.1 += BULLET_SPEED;
        }
        self.bird_bullets.retain(|bullet| bullet.1 < AREA_HIGH);
        let kills = self.hit_birds();
        let mut hits = self.hit_gun();
        self.move_boss(params.calm, rng);
        hits += u32::from(self.move_boss_bullet());
        let cleared = if self.living == 0 { CLEARED_REWARD } else { 0.0 };
        self.steps += 1;
        Outcome::new([KILL_REWARD * f64::from(kills), HIT_REWARD * f64::from(hits), cleared])
    }

    fn observe(&self, _: &BirdAttackParams, row: &mut [f32]) {
        let scaled = |pixels: f64| (pixels / f64::from(CANVAS_SIZE)) as f32;
        row.fill(0.0);
        row[0] = scaled(self.gun_x);
        row[1] = (f64::from(self.reload) / 5.0) as f32;
        row[2] = (f64::from(self.living.count_ones()) / BIRDS as f64) as f32;
        let mut lowest = AREA_LOW;
        for (entry, i) in row[3..19].iter_mut().zip(self.living_birds()) {
            let (x, y) = self.bird(i);
            *entry = scaled(x);
            lowest = lowest.max(y);
        }
        row[19] = scaled(lowest);
        write_points(&mut row[20..20 + 2 * SHOWN_GUN_BULLETS], self.gun_bullets());
        write_points(&mut row[30..30 + 2 * SHOWN_BIRD_BULLETS], &self.bird_bullets);
        row[50] = (f64::from(self.stun) / 10.0) as f32;
        if let Some(BossBullet { position, velocity }) = &self.boss_bullet {
            row[51] = scaled(position.0).clamp(0.0, 1.0);
            row[52] = scaled(position.1).clamp(0.0, 1.0);
            row[53] = (velocity.0 / BOSS_BULLET_SPEED).clamp(-1.0, 1.0) as f32;
            row[54] = (velocity.1 / BOSS_BULLET_SPEED).clamp(-1.0, 1.0) as f32;
        }
    }

    fn draw_backdrop(&self, _: &BirdAttackParams, canvas: &mut dyn Canvas) {
        canvas.fill(Color::BLACK);
        canvas.rect_outline(20, 20, 184, 184, 2, Color::WHITE);
    }

    fn draw(&self, _: &BirdAttackParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        canvas.rect(self.gun_x as i32, GUN_Y as i32, 14, 8, GUN_COLOR);
        let muzzle = self.muzzle_x();
        let corners = [((muzzle - 4.0) as i32, 184), ((muzzle + 4.0) as i32, 184), (muzzle as i32, 178)];
        canvas.polygon(&corners, GUN_COLOR);
        self.draw_birds(canvas);
        for &(x, y) in self.gun_bullets() {
            canvas.rect((x - 2.0) as i32, (y - 6.0) as i32, 4, 6, GUN_COLOR);
        }
        for &(x, y) in &self.bird_bullets {
            canvas.rect((x - 2.0) as i32, y as i32, 4, 6, BIRD_COLOR);
        }
        self.draw_boss(canvas);
        if let Some(BossBullet { position: (x, y), .. }) = self.boss_bullet {
            canvas.disc(x as i32, y as i32, BOSS_BULLET_RADIUS as i32, BIRD_COLOR);
        }
        let kill_color = if self.kills >= BIRDS as u32 { CLEARED_COLOR } else { Color::WHITE };
        canvas.number(24, 0, Anchor::TopLeft, 18, kill_color, self.kills);
        if self.stun > 0 {
            canvas.tint(20, 20, 184, 184, STUN_COLOR.with_alpha((140 * self.stun / STUN_STEPS) as u8));
        }
    }
}

/// Writes pairs of column and row, px/224, as far as there are points and places.
fn write_points(row: &mut [f32], points: &[Point]) {
    for (pair, &(x, y)) in row.chunks_exact_mut(2).zip(points) {
        pair[0] = (x / f64::from(CANVAS_SIZE)) as f32;
        pair[1] = (y / f64::from(CANVAS_SIZE)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;
    use crate::sim::{Purpose, Seed};

    const CALM: BirdAttackParams = BirdAttackParams { calm: true };

    fn rng() -> Rng {
        Seed::new(0).rng(Purpose::Episode, 0, 0)
    }

    fn action(step: u32) -> Vec<f32> {
        vec![if step <= 4 { 0.25 } else { 0.0 }, 1.0]
    }

    #[test]
    fn matches_the_reference_trajectory() {
        let rows = [
            (1, [0.475446, 1.4, 1.0, 0.183036, 0.272321, 0.267857, 0.506696, 0.763393, 0.0, 0.0], 0.0),
            (2, [0.482143, 1.2, 1.0, 0.1875, 0.276786, 0.267857, 0.506696, 0.732143, 0.0, 0.0], 0.0),
            (8, [0.495536, 0.0, 1.0, 0.214286, 0.303571, 0.267857, 0.506696, 0.544643, 0.0, 0.0], 0.0),
            (9, [0.495536, 1.4, 1.0, 0.21875, 0.308036, 0.267857, 0.506696, 0.513393, 0.526786, 0.763393], 0.0),
            (16, [0.495536, 0.0, 1.0, 0.200893, 0.290179, 0.285714, 0.526786, 0.544643, 0.0, 0.0], 0.0),
            (30, [0.495536, 0.4, 1.0, 0.138393, 0.227679, 0.285714, 0.526786, 0.357143, 0.526786, 0.607143], 0.0),
            (31, [0.495536, 0.2, 0.9375, 0.133929, 0.223214, 0.285714, 0.526786, 0.575893, 0.0, 0.0], 1.0),
            (57, [0.495536, 1.4, 0.875, 0.15625, 0.245536, 0.303571, 0.526786, 0.513393, 0.526786, 0.763393], 1.0),
            (71, [0.495536, 0.2, 0.8125, 0.21875, 0.308036, 0.303571, 0.526786, 0.575893, 0.0, 0.0], 1.0),
        ];
        let mut expected: Vec<Expect> = Vec::new();
        for (step, values, reward) in rows {
            expected.push(Expect::new(step, 0..5, &values[..5]).reward(reward));
            expected.push(Expect::new(step, 19..24, &values[5..]));
            expected.push(Expect::new(step, 24..26, &[0.0, 0.0]));
        }
        expected.push(Expect::new(304, 50..55, &[0.0; 5]));
        expected.push(Expect::new(305, 50..55, &[0.0, 0.500956, 0.236587, 0.0428178, 0.999083]));
        expected.push(Expect::new(306, 50..55, &[0.0, 0.501912, 0.258888, 0.0428178, 0.999083]));
        expected.push(Expect::new(337, 50..55, &[0.9, 0.0, 0.0, 0.0, 0.0]));
        expected.push(Expect::new(337, 1..2, &[1.8]));
        run(BirdAttack::new(&CALM, &mut rng()), &CALM, action, &expected);
    }

    #[test]
    fn a_whole_calm_episode_returns_what_the_reference_did() {
        let mut rng = rng();
        let mut state = BirdAttack::new(&CALM, &mut rng);
        let total: f64 = (1..=500).map(|step| state.step(&CALM, &action(step), &mut rng).reward()).sum();
        assert_eq!(total, -4.0);
    }

    #[test]
    fn no_birds_pay_every_step() {
        let mut rng = rng();
        let mut state = BirdAttack::new(&CALM, &mut rng);
        (state.living, state.birds) = (1, [0; BIRDS]);
        state.birds[0] = 1;
        (state.gun_bullets[0], state.n_gun_bullets) = ((state.bird(0).0 + 7.0, 53.0), 1);
        assert_eq!(state.step(&CALM, &[0.0, 0.0], &mut rng).reward(), 2.0);
        assert_eq!(state.step(&CALM, &[0.0, 0.0], &mut rng).reward(), 1.0);
    }
}
