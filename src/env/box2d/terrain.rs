//! The ground of the bipedal walker: a line of edges, on one of the five tasks with blocks, and what rays see of it.

use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::body::Polygon;
use super::contact::Pieces;
use crate::sim::Rng;

/// A point, m.
pub(super) type Point = [f32; 2];

/// From one corner of the line to the next, m.
const SPACING: f64 = 14.0 / 30.0;
/// The same.
pub(super) const SPACING_M: f32 = SPACING as f32;
/// Height of level ground, m.
pub(super) const LEVEL_M: f32 = 10.0 / 3.0;
const CORNERS: usize = 200;
/// Bodies of the walker.
const ROBOT_BODIES: usize = 5;
/// Most resets that a world is taken to have behind it: a world of the reference's recorded episodes sees 200.
const LAST_RESET: i32 = 199;
/// At most two blocks to an obstacle of two corners and a section of grass of five.
const MAX_BLOCKS: usize = 2 * CORNERS / 7;
const FRICTION: f32 = 2.5;
/// Corners before the ground may change.
const START_PAD: usize = 20;
/// The ground's random changes were made for a view of 30 pixels to the meter but are computed with this.
const SCALE: f64 = 15.0;

/// Which ground a task has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Ground {
    /// Level.
    Flat,
    /// Low bumps.
    Uneven,
    /// High bumps.
    Rugged,
    /// A sine wave.
    Hills,
    /// Low bumps, stumps and pits.
    Obstacles,
}

/// The ground of one episode.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Terrain {
    /// Heights of the corners of the line, m; corner `i` is at `x = i` [`SPACING_M`].
    pub heights: Vec<f32>,
    /// Blocks from left to right: lower left and upper right corner, m.
    pub blocks: Vec<[Point; 2]>,
    /// Places in Box2D's pool, by which contacts begin in order: of the blocks, the edges and the walker's bodies.
    slots: Vec<u16>,
}

/// A random walk of the ground's height.
struct Walk {
    y: f64,
    slope: f64,
}

impl Walk {
    fn new() -> Self {
        Self { y: f64::from(LEVEL_M), slope: 0.0 }
    }

    /// The next height: `memory` of the slope, `pull` to level, and `noise` once the start pad is behind.
    fn step(&mut self, i: usize, (memory, pull, noise): (f64, f64, f64), lowest: f64, rng: &mut Rng) {
        let off = f64::from(LEVEL_M) - self.y;
        let sign = if off == 0.0 { 0.0 } else { off.signum() };
        self.slope = memory * self.slope + pull * sign;
        if i > START_PAD {
            self.slope += noise * rng.uniform(-1.0, 1.0) / SCALE;
        }
        self.y = (self.y + self.slope).clamp(lowest, 5.5);
    }
}

impl Terrain {
    /// Draws another ground for a task.
    pub(super) fn redraw(&mut self, ground: Ground, rng: &mut Rng) {
        self.draw_line(ground, rng);
        self.number(rng.integer(0, LAST_RESET) as usize);
    }

    /// Gives each piece the slot that it has in Box2D's pool after so many resets of one world. A reset frees the ground from
    /// right to left, then the robot; the pool hands out first what was freed last, to the ground from left to right and
    /// then to the robot. So slots move on by the bodies of a robot at each reset, and each time turn around as many.
    fn number(&mut self, resets: usize) {
        let count = self.blocks.len() + self.heights.len() - 1 + ROBOT_BODIES;
        self.slots.clear();
        self.slots.reserve(CORNERS + MAX_BLOCKS + ROBOT_BODIES);
        self.slots.extend((0..count).map(|piece| {
            let (mut slot, mut left) = (piece, resets);
            loop {
                let passed = left.min(slot / ROBOT_BODIES);
                (slot, left) = (slot - ROBOT_BODIES * passed, left - passed);
                if left == 0 {
                    break slot as u16;
                }
                (slot, left) = (count - 1 - slot, left - 1);
            }
        }));
    }

    /// A ground of these heights and blocks.
    #[cfg(test)]
    pub(super) fn given(heights: Vec<f32>, blocks: Vec<[Point; 2]>, resets: usize) -> Self {
        let mut terrain = Self { heights, blocks, ..Self::default() };
        terrain.number(resets);
        terrain
    }

    fn slot(&self, number: u16) -> u16 {
        let number = usize::from(number);
        self.slots[number.checked_sub(CORNERS).unwrap_or(self.blocks.len() + number)]
    }

    fn draw_line(&mut self, ground: Ground, rng: &mut Rng) {
        self.heights.clear();
        self.heights.reserve(CORNERS);
        self.blocks.clear();
        self.blocks.reserve(MAX_BLOCKS);
        let walk = match ground {
            Ground::Flat => return self.heights.extend([LEVEL_M; CORNERS]),
            Ground::Hills => return self.hills(rng),
            Ground::Obstacles => return self.obstacles(rng),
            Ground::Uneven => (0.8, 0.011, 1.0),
            Ground::Rugged => (0.75, 0.015, 2.25),
        };
        let mut height = Walk::new();
        self.heights.extend((0..CORNERS).map(|i| {
            height.step(i, walk, 1.0, rng);
            height.y as f32
        }));
    }

    /// The edges of the line, from left to right.
    pub(super) fn edges(&self) -> impl Iterator<Item = [Point; 2]> {
        (0..self.heights.len() - 1).map(|i| self.edge(i))
    }

    /// Edge `i` of the line.
    pub(super) fn edge(&self, i: usize) -> [Point; 2] {
        [i, i + 1].map(|i| [(i as f64 * SPACING) as f32, self.heights[i]])
    }

    /// The edges that meet columns `min..max`, m.
    pub(super) fn edges_between(&self, min: f32, max: f32) -> std::ops::Range<usize> {
        let column = |x: f32| (x / SPACING_M).floor().clamp(-1.0, CORNERS as f32) as isize;
        let last = self.heights.len() as isize - 1;
        column(min).clamp(0, last) as usize..(column(max) + 1).clamp(0, last) as usize
    }

    /// How far along a ray from `from` by `ray` the nearest ground is, as a fraction of the ray; 1 if there is none. The ray
    /// points right or straight down.
    pub(super) fn cast(&self, from: Point, ray: Point) -> f32 {
        let (min, max) = (from[0].min(from[0] + ray[0]), from[0].max(from[0] + ray[0]));
        let along_edges = self.edges_between(min, max).filter_map(|i| hit_edge(from, ray, self.edge(i)));
        let met = self.blocks.iter().filter(|[low, high]| low[0] <= max && min <= high[0]);
        let along_blocks = met.filter_map(|block| hit_block(from, ray, block));
        along_edges.chain(along_blocks).fold(1.0, f32::min)
    }
}

impl Pieces for Terrain {
    fn near(&self, min: f32, max: f32, visit: &mut dyn FnMut(u16)) {
        let edges = self.edges_between(min, max).map(|i| i as u16);
        let blocks =
            self.blocks.iter().zip(CORNERS as u16..).filter(|([low, high], _)| low[0] <= max && min <= high[0]);
        let pieces = blocks.map(|(_, number)| number).chain(edges);
        let mut last = None;
        while let Some(next) = pieces.clone().map(|it| (self.slot(it), it)).filter(|it| Some(*it) > last).min() {
            visit(next.1);
            last = Some(next);
        }
    }

    fn piece(&self, number: u16) -> Polygon {
        match usize::from(number).checked_sub(CORNERS) {
            None => Polygon::new(&self.edge(usize::from(number)).map(Vector::from)),
            Some(block) => Polygon::new(&block_corners(&self.blocks[block]).map(Vector::from)),
        }
    }

    fn friction(&self, _: u16) -> f32 {
        FRICTION
    }

    fn whole(&self, number: u16) -> u16 {
        number
    }

    fn comes_after(&self, number: u16, body: usize) -> bool {
        let is_block = usize::from(number) >= CORNERS;
        is_block && self.slot(number) > self.slots[self.slots.len() - ROBOT_BODIES + body]
    }
}

/// Corners of a block, counter-clockwise.
pub(super) fn block_corners([low, high]: &[Point; 2]) -> [Point; 4] {
    [[high[0], low[1]], *high, [low[0], high[1]], *low]
}

/// Where a ray meets a segment, from either side.
fn hit_edge(from: Point, ray: Point, [a, b]: [Point; 2]) -> Option<f32> {
    let edge = [b[0] - a[0], b[1] - a[1]];
    let start = [a[0] - from[0], a[1] - from[1]];
    let across = ray[0] * edge[1] - ray[1] * edge[0];
    let along_ray = (start[0] * edge[1] - start[1] * edge[0]) / across;
    let along_edge = (start[0] * ray[1] - start[1] * ray[0]) / across;
    let hit = (0.0..=1.0).contains(&along_ray) && (0.0..=1.0).contains(&along_edge);
    hit.then_some(along_ray)
}

/// Where a ray enters a block; `None` from inside.
fn hit_block(from: Point, ray: Point, [low, high]: &[Point; 2]) -> Option<f32> {
    let (mut enter, mut leave) = (f32::NEG_INFINITY, f32::INFINITY);
    for axis in 0..2 {
        if ray[axis] == 0.0 {
            if !(low[axis]..=high[axis]).contains(&from[axis]) {
                return None;
            }
            continue;
        }
        let [a, b] = [low, high].map(|corner| (corner[axis] - from[axis]) / ray[axis]);
        enter = enter.max(a.min(b));
        leave = leave.min(a.max(b));
    }
    (enter <= leave && (0.0..=1.0).contains(&enter)).then_some(enter)
}

/// What a section of obstacle ground is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Grass,
    Stump,
    Pit,
}

impl Terrain {
    fn hills(&mut self, rng: &mut Rng) {
        let base = f64::from(LEVEL_M) - rng.uniform(0.8, 1.0);
        let (amplitude, wavelength) = (rng.uniform(0.4, 0.8), rng.uniform(7.0, 14.0));
        let turn = std::f64::consts::TAU * f64::from(SPACING_M) / wavelength;
        let height = |i| (base + amplitude * (turn * f64::from(i)).sin()).clamp(1.0, 5.5) as f32;
        self.heights.extend((0..CORNERS as u32).map(height));
    }

    fn obstacles(&mut self, rng: &mut Rng) {
        let mut walk = Walk::new();
        let (mut section, mut fresh, mut left) = (Section::Grass, false, START_PAD as i32);
        let mut level = walk.y;
        for i in 0..CORNERS {
            let x = i as f32 * SPACING_M;
            let y = walk.y as f32;
            match section {
                Section::Grass if !fresh => walk.step(i, (0.8, 0.01, 1.0), 1.5, rng),
                Section::Stump if fresh => {
                    left = rng.integer(2, 3);
                    let size = left as f32 * SPACING_M;
                    self.blocks.push([[x, y], [x + size, y + 0.75 * size]]);
                }
                Section::Pit if fresh => {
                    left = rng.integer(2, 3);
                    for x in [x, x + left as f32 * SPACING_M] {
                        self.blocks.push([[x, y - 3.0 * SPACING_M], [x + SPACING_M, y]]);
                    }
                    left += 2;
                    level = walk.y;
                }
                Section::Pit => walk.y = if left > 1 { level - 3.0 * f64::from(SPACING_M) } else { level },
                Section::Grass | Section::Stump => {}
            }
            fresh = false;
            self.heights.push(walk.y as f32);
            left -= 1;
            if left == 0 {
                left = rng.integer(5, 9);
                section = match section {
                    Section::Grass if rng.chance(0.5) => Section::Stump,
                    Section::Grass => Section::Pit,
                    Section::Stump | Section::Pit => Section::Grass,
                };
                fresh = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Purpose, Seed};

    fn rng(episode: u64) -> Rng {
        Seed::new(3).rng(Purpose::Episode, 0, episode)
    }

    fn drawn(ground: Ground, episode: u64) -> Terrain {
        let mut terrain = Terrain::default();
        terrain.redraw(ground, &mut rng(episode));
        terrain
    }

    /// Mean and deviation of the height, and deviation of the slope, over corners 25 to 110 of many grounds.
    fn moments(ground: Ground) -> (f64, f64, f64) {
        let (mut n, mut sum, mut squares, mut slopes) = (0.0, 0.0, 0.0, 0.0);
        for episode in 0..2_000 {
            let heights = drawn(ground, episode).heights;
            for i in 25..110 {
                let (y, slope) = (f64::from(heights[i]), f64::from((heights[i + 1] - heights[i]) / SPACING_M));
                (n, sum, squares, slopes) = (n + 1.0, sum + y, squares + y * y, slopes + slope * slope);
            }
        }
        let mean: f64 = sum / n;
        (mean, (squares / n - mean * mean).sqrt(), (slopes / n).sqrt())
    }

    #[test]
    fn heights_and_slopes_are_the_references() {
        let expected = [
            (Ground::Uneven, 3.33, 0.41, 0.134),
            (Ground::Rugged, 3.33, 0.97, 0.270),
            (Ground::Hills, 2.43, 0.43, 0.272),
        ];
        for (ground, mean, deviation, slope) in expected {
            let found = moments(ground);
            assert!((found.0 - mean).abs() < 0.03, "{ground:?}: mean height {}", found.0);
            assert!((found.1 - deviation).abs() < 0.02, "{ground:?}: deviation of the height {}", found.1);
            assert!((found.2 - slope).abs() < 0.004, "{ground:?}: deviation of the slope {}", found.2);
        }
    }

    #[test]
    fn obstacles_are_stumps_and_pits_behind_a_level_start() {
        let mut blocks = 0;
        for episode in 0..500 {
            let terrain = drawn(Ground::Obstacles, episode);
            assert!(terrain.heights[..=START_PAD].iter().all(|&y| y == LEVEL_M));
            let first = terrain.blocks[0];
            assert!((first[0][0] - 9.3333).abs() < 1e-4, "the first obstacle is at 9.33 m");
            blocks += terrain.blocks.len();
            for block in &terrain.blocks {
                let size = [block[1][0] - block[0][0], block[1][1] - block[0][1]];
                let known = [[0.9333, 0.7], [1.4, 1.05], [0.4667, 1.4]];
                assert!(
                    known.iter().any(|k| (k[0] - size[0]).abs() < 1e-3 && (k[1] - size[1]).abs() < 1e-3),
                    "{size:?}"
                );
            }
        }
        let mean = f64::from(blocks as u32) / 500.0;
        assert!((mean - 27.0).abs() < 1.0, "{mean} blocks a ground");
    }

    #[test]
    fn a_new_ground_begins_from_left_to_right_and_resets_turn_fives_around() {
        let order = |resets| {
            let terrain = Terrain::given(vec![LEVEL_M; CORNERS], vec![[[2.0, 3.0], [3.0, 4.0]]], resets);
            let mut seen = Vec::new();
            terrain.near(1.0, 5.0, &mut |piece| seen.push(piece));
            seen
        };
        assert_eq!(order(0), [200, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        // Now the block is the first piece: fives begin at it.
        assert_eq!(order(9), [3, 2, 200, 8, 7, 6, 5, 4, 10, 9]);
    }

    #[test]
    fn rays_stop_at_the_nearest_ground() {
        let block = [[2.0, LEVEL_M], [3.0, LEVEL_M + 1.0]];
        let terrain = Terrain::given(vec![LEVEL_M; CORNERS], vec![block], 0);
        let from = |x: f32| [x, LEVEL_M + 2.0];
        assert!((terrain.cast(from(1.0), [0.0, -4.0]) - 0.5).abs() < 1e-6, "the line");
        assert!((terrain.cast(from(2.5), [0.0, -4.0]) - 0.25).abs() < 1e-6, "the top of the block");
        assert!((terrain.cast(from(1.0), [2.0, -3.0]) - 0.5).abs() < 1e-6, "its side");
        assert!((terrain.cast([2.5, LEVEL_M + 0.5], [0.0, -1.0]) - 0.5).abs() < 1e-6, "a block is open from inside");
        assert_eq!(terrain.cast(from(-4.0), [1.0, -4.0]), 1.0, "nothing left of the line");
        assert_eq!(terrain.cast(from(1.0), [0.0, -1.5]), 1.0, "too short");
    }
}
