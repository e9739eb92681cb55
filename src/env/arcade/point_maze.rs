//! Point-Maze: steer a point through a maze of 5 by 5 blocks, one of its free cells windy, to a goal and stay there.
//!
//! Collisions are tested at whole pixels against blocks grown by the point's radius, corners included, and a blocked
//! move is dropped as a whole, so the point can stop several pixels short of a wall. Wind and goal are placed without
//! regard to each other. Success is where the point is, so leaving the goal loses it.

use std::f64::consts::TAU;

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::Rng;

const CELLS: usize = 5;
/// The square play area: first edge, side, center, px.
const AREA_LOW: f64 = 20.0;
const AREA_SIDE: f64 = 184.0;
const AREA_CENTER: (f64, f64) = (112.0, 112.0);
/// Left (or top) edges of the cells and their side, px. Wider than the pitch of 36.8 px, so neighbors can overlap.
const CELL_EDGES: [i32; CELLS] = [20, 57, 94, 130, 167];
const CELL_SIDE: i32 = 37;
/// Radius of agent and goal, px.
const RADIUS: i32 = 6;
/// Range of the agent's center, px.
const AGENT_RANGE: (f64, f64) = (27.0, 197.0);
/// Speed of a full action per axis, and of the wind, px/step.
const SPEED: f64 = 5.0;
const WIND_SPEED: f64 = 2.0;
/// Distance within which the agent is inside the goal, px.
const GOAL_REACH: f64 = 12.0;
/// Range of starts and goals per axis, and of the distance between them, px.
const START_RANGE: (f64, f64) = (28.0, 196.0);
const GOAL_DISTANCE: (f64, f64) = (0.2 * AREA_SIDE, 0.7 * AREA_SIDE);
/// After so many misses a place is given up for the area's center.
const MAX_TRIALS: u32 = 4000;

const TRAIL: usize = 24;

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("agent position", 2, "px/224"),
        Field::new("goal position", 2, "px/224"),
        Field::new("commanded velocity, wind included", 2, "px/step/5"),
        Field::new("cells, row by row: block 1, wind -1, free 0", 25, "1"),
        Field::new("wind direction: up, right, down, left", 4, "1"),
        Field::new("agent to goal", 2, "px/184"),
        Field::new("distance to goal", 1, "px/184"),
        Field::new("inside goal", 1, "1"),
        Field::new("in wind", 1, "1"),
        Field::new("wind at agent", 2, "px/step/5"),
        Field::new("agent row and column", 2, "cells/4"),
    ],
    action: &[Field::new("velocity", 2, "5 px/step")],
    rate_hz: 30.0,
    reward_terms: &["closeness"],
    constant_entries: &[],
};

/// Index of the first cell in the observation.
const FIRST_CELL: usize = 6;

/// Blocks (1) and free cells (0), row by row from the top.
type Grid = [[u8; CELLS]; CELLS];

const GRID_B: Grid = [[1, 0, 1, 1, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 1], [0, 0, 1, 0, 0], [0, 1, 1, 0, 1]];
const GRID_C: Grid = [[0, 1, 1, 0, 0], [0, 0, 0, 0, 1], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [1, 0, 0, 0, 0]];
const GRID_D: Grid = [[0, 1, 1, 1, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]];
const GRID_E: Grid = [[1, 1, 0, 1, 1], [1, 0, 0, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 1], [1, 1, 0, 1, 1]];

/// Number of blocks.
const fn count_blocks(grid: &Grid) -> usize {
    let (mut count, mut index) = (0, 0);
    while index < CELLS * CELLS {
        count += grid[index / CELLS][index % CELLS] as usize;
        index += 1;
    }
    count
}

/// Observation entries of the blocks, which never change.
const fn block_entries<const N: usize>(grid: &Grid) -> [usize; N] {
    let (mut entries, mut count, mut index) = ([0; N], 0, 0);
    while index < CELLS * CELLS {
        if grid[index / CELLS][index % CELLS] == 1 {
            entries[count] = FIRST_CELL + index;
            count += 1;
        }
        index += 1;
    }
    entries
}

/// The named mazes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Maze {
    B,
    C,
    /// A U.
    D,
    /// A diamond.
    E,
}

impl Maze {
    fn grid(self) -> &'static Grid {
        match self {
            Self::B => &GRID_B,
            Self::C => &GRID_C,
            Self::D => &GRID_D,
            Self::E => &GRID_E,
        }
    }

    fn block_entries(self) -> &'static [usize] {
        match self {
            Self::B => &const { block_entries::<{ count_blocks(&GRID_B) }>(&GRID_B) },
            Self::C => &const { block_entries::<{ count_blocks(&GRID_C) }>(&GRID_C) },
            Self::D => &const { block_entries::<{ count_blocks(&GRID_D) }>(&GRID_D) },
            Self::E => &const { block_entries::<{ count_blocks(&GRID_E) }>(&GRID_E) },
        }
    }

    /// Whether the agent's center cannot be at a point.
    fn blocks(self, (x, y): (f64, f64)) -> bool {
        let near = |edge: i32, at: f64| (edge - RADIUS..edge + CELL_SIDE + RADIUS).contains(&(at as i32));
        CELL_EDGES.iter().zip(self.grid()).any(|(&top, row)| {
            near(top, y) && CELL_EDGES.iter().zip(row).any(|(&left, &block)| block == 1 && near(left, x))
        })
    }
}

/// Which maze.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PointMazeParams {
    layout: Maze,
}

/// Where the wind blows to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Direction {
    Up,
    Right,
    Down,
    Left,
}

impl Direction {
    const ALL: [Self; 4] = [Self::Up, Self::Right, Self::Down, Self::Left];

    fn unit(self) -> (f64, f64) {
        match self {
            Self::Up => (0.0, -1.0),
            Self::Right => (1.0, 0.0),
            Self::Down => (0.0, 1.0),
            Self::Left => (-1.0, 0.0),
        }
    }
}

/// The windy cell.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Wind {
    row: usize,
    column: usize,
    direction: Direction,
}

impl Wind {
    fn new(grid: &Grid, rng: &mut Rng) -> Self {
        let free = |index: &usize| grid[index / CELLS][index % CELLS] == 0;
        let nth = rng.integer(0, (CELLS * CELLS - count_blocks(grid)) as i32 - 1) as usize;
        let index = (0..CELLS * CELLS).filter(free).nth(nth).expect("a maze has that many free cells");
        Self { row: index / CELLS, column: index % CELLS, direction: Direction::ALL[rng.integer(0, 3) as usize] }
    }

    /// The wind's velocity at a point, px/step: none outside its cell.
    fn at(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let within = |edge: i32, at: f64| (edge..edge + CELL_SIDE).contains(&(at as i32));
        let unit = self.direction.unit();
        (within(CELL_EDGES[self.column], x) && within(CELL_EDGES[self.row], y))
            .then_some((WIND_SPEED * unit.0, WIND_SPEED * unit.1))
    }
}

/// One maze with its agent.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct PointMaze {
    agent: (f64, f64),
    /// As commanded plus wind, whether or not the way was free, px/step.
    velocity: (f64, f64),
    goal: (f64, f64),
    wind: Wind,
    step: u32,
    glow_phase: f64,
    /// Where the latest steps ended, px: a ring, the place of step `n` (from 1) at `(n - 1) % TRAIL`.
    trail: [(u8, u8); TRAIL],
}

impl PointMaze {
    fn goal_offset(&self) -> (f64, f64) {
        (self.goal.0 - self.agent.0, self.goal.1 - self.agent.1)
    }

    fn draw_arrow(&self, canvas: &mut dyn Canvas) {
        let (along_x, along_y) = self.wind.direction.unit();
        let way = (1.2 * f64::from(self.step)) % 16.0;
        let middle = 18.5 + (along_x + along_y) * way;
        // Arrows follow each other at 16 px; of those the one in the middle 13 px shows.
        let Some(middle) = [-16.0, 0.0, 16.0].map(|k| middle + k).into_iter().find(|at| (12.0..=25.0).contains(at))
        else {
            return;
        };
        let center = if along_x == 0.0 { (18.5, middle) } else { (middle, 18.5) };
        let (left, top) = (CELL_EDGES[self.wind.column], CELL_EDGES[self.wind.row]);
        let corner = |along: f64, across: f64| {
            let x = center.0 + along * along_x - across * along_y;
            let y = center.1 + along * along_y + across * along_x;
            (left + x as i32, top + y as i32)
        };
        canvas.begin_layer();
        canvas.polygon(&[corner(-4.0, -10.0), corner(-4.0, 10.0), corner(4.0, 0.0)], Color::rgba(120, 230, 255, 150));
        canvas.end_layer();
    }

    fn draw_goal(&self, canvas: &mut dyn Canvas, rng: &mut Rng) {
        let wave = (TAU * f64::from(self.step) / 40.0 + self.glow_phase).sin();
        let strength = (1.0 + 0.08 * wave + rng.normal(0.0, 0.02)).clamp(0.85, 1.15);
        let reach = (38.0 * strength).round_ties_even() as i32;
        let peak = (95.0 * strength).trunc();
        let (x, y) = (self.goal.0 as i32, self.goal.1 as i32);
        canvas.begin_layer();
        for radius in (1..=reach).rev().step_by(2) {
            let outward = f64::from(radius) / f64::from(reach);
            let alpha = (peak * (1.0 - outward).powf(2.2)) as u8;
            if alpha > 0 {
                let color = Color::rgb(90, 235, 150).blend(Color::rgb(60, 190, 120), outward);
                canvas.disc(x, y, radius, color.with_alpha(alpha));
            }
        }
        canvas.end_layer();
        canvas.disc(x, y, RADIUS, Color::rgb(80, 220, 120));
    }

    fn draw_trail(&self, canvas: &mut dyn Canvas) {
        let step = self.step as usize;
        let oldest = step.saturating_sub(TRAIL);
        let newest = (step - oldest).saturating_sub(1).max(1) as f64;
        canvas.begin_layer();
        for (index, at) in (oldest..step).enumerate() {
            let age = index as f64 / newest;
            let alpha = (20.0 + 220.0 * age) as u8;
            let radius = ((f64::from(RADIUS) * (0.6 + 0.4 * age)) as i32).max(2);
            let (x, y) = self.trail[at % TRAIL];
            canvas.disc(x.into(), y.into(), radius + 2, Color::rgba(255, 160, 60, alpha / 8));
            canvas.disc(x.into(), y.into(), radius, Color::rgba(255, 140, 0, alpha / 3));
        }
        canvas.end_layer();
    }
}

/// A free place that `fits`, or the area's center after too many trials.
fn find_place(maze: Maze, rng: &mut Rng, fits: impl Fn((f64, f64)) -> bool) -> (f64, f64) {
    let (low, high) = START_RANGE;
    (0..MAX_TRIALS)
        .map(|_| (rng.uniform(low, high), rng.uniform(low, high)))
        .find(|&place| !maze.blocks(place) && fits(place))
        .unwrap_or(AREA_CENTER)
}

impl Environment for PointMaze {
    type Params = PointMazeParams;
    const NAME: &'static str = "point-maze";
    const STEP_NANOS: u64 = 40;

    fn layout(params: &PointMazeParams) -> Layout {
        Layout { constant_entries: params.layout.block_entries(), ..LAYOUT }
    }

    fn new(params: &PointMazeParams, rng: &mut Rng) -> Self {
        Self {
            agent: AREA_CENTER,
            velocity: (0.0, 0.0),
            goal: AREA_CENTER,
            wind: Wind::new(params.layout.grid(), rng),
            step: 0,
            glow_phase: 0.0,
            trail: [(0, 0); TRAIL],
        }
    }

    fn reset(&mut self, params: &PointMazeParams, rng: &mut Rng) {
        let maze = params.layout;
        self.wind = Wind::new(maze.grid(), rng);
        let agent = find_place(maze, rng, |_| true);
        self.agent = agent;
        self.velocity = (0.0, 0.0);
        self.goal = find_place(maze, rng, |goal| {
            (GOAL_DISTANCE.0..=GOAL_DISTANCE.1).contains(&(goal.0 - agent.0).hypot(goal.1 - agent.1))
        });
        self.glow_phase = rng.uniform(0.0, TAU);
        self.step = 0;
    }

    fn step(&mut self, params: &PointMazeParams, action: &[f32], _: &mut Rng) -> Outcome {
        let wind = self.wind.at(self.agent).unwrap_or((0.0, 0.0));
        self.velocity = (SPEED * f64::from(action[0]) + wind.0, SPEED * f64::from(action[1]) + wind.1);
        let within = |at: f64| at.clamp(AGENT_RANGE.0, AGENT_RANGE.1);
        let aside = (within(self.agent.0 + self.velocity.0), within(self.agent.1));
        if !params.layout.blocks(aside) {
            self.agent.0 = aside.0;
        }
        let ahead = (within(self.agent.0), within(self.agent.1 + self.velocity.1));
        if !params.layout.blocks(ahead) {
            self.agent.1 = ahead.1;
        }
        self.trail[self.step as usize % TRAIL] = (self.agent.0 as u8, self.agent.1 as u8);
        self.step += 1;

        let (x, y) = self.goal_offset();
        let distance = x.hypot(y);
        Outcome::new([1.0 - (distance / AREA_SIDE).min(1.0)]).with_success(distance <= GOAL_REACH)
    }

    fn observe(&self, params: &PointMazeParams, row: &mut [f32]) {
        let size = f64::from(CANVAS_SIZE);
        let offset = self.goal_offset();
        let distance = offset.0.hypot(offset.1);
        let here = self.wind.at(self.agent);
        let wind = here.unwrap_or((0.0, 0.0));
        let cell = |at: f64| (CELLS as f64 * (at - AREA_LOW) / AREA_SIDE).floor().clamp(0.0, 4.0) / 4.0;
        let flag = |set: bool| if set { 1.0 } else { 0.0 };

        let (head, rest) = row.split_at_mut(FIRST_CELL);
        let (cells, tail) = rest.split_at_mut(CELLS * CELLS);
        head.copy_from_slice(&[
            (self.agent.0 / size) as f32,
            (self.agent.1 / size) as f32,
            (self.goal.0 / size) as f32,
            (self.goal.1 / size) as f32,
            (self.velocity.0 / SPEED) as f32,
            (self.velocity.1 / SPEED) as f32,
        ]);
        for (entry, &block) in cells.iter_mut().zip(params.layout.grid().as_flattened()) {
            *entry = f32::from(block);
        }
        cells[self.wind.row * CELLS + self.wind.column] = -1.0;
        let [up, right, down, left] = Direction::ALL.map(|direction| flag(direction == self.wind.direction));
        tail.copy_from_slice(&[
            up,
            right,
            down,
            left,
            (offset.0 / AREA_SIDE) as f32,
            (offset.1 / AREA_SIDE) as f32,
            (distance / AREA_SIDE) as f32,
            flag(distance <= GOAL_REACH),
            flag(here.is_some()),
            (wind.0 / SPEED) as f32,
            (wind.1 / SPEED) as f32,
            cell(self.agent.1) as f32,
            cell(self.agent.0) as f32,
        ]);
    }

    fn draw_backdrop(&self, _: &PointMazeParams, canvas: &mut dyn Canvas) {
        canvas.fill(Color::rgb(6, 8, 10));
        canvas.rows(20, 204, 20, 204, &|row| {
            let up = 1.0 - f64::from(row - 20) / 183.0;
            Color::rgb((20.0 + 10.0 * up) as u8, (28.0 + 8.0 * up) as u8, (36.0 + 6.0 * up) as u8)
        });
        canvas.rect_outline(20, 20, 184, 184, 2, Color::rgb(180, 180, 190));
        let (left, top) = (CELL_EDGES[self.wind.column], CELL_EDGES[self.wind.row]);
        canvas.tint(left, top, CELL_SIDE, CELL_SIDE, Color::rgba(90, 150, 210, 55));
    }

    fn draw(&self, params: &PointMazeParams, canvas: &mut dyn Canvas, rng: &mut Rng) {
        self.draw_arrow(canvas);
        self.draw_goal(canvas, rng);
        self.draw_trail(canvas);
        for (&top, row) in CELL_EDGES.iter().zip(params.layout.grid()) {
            for (&left, _) in CELL_EDGES.iter().zip(row).filter(|&(_, &block)| block == 1) {
                canvas.round_rect(left + 1, top + 1, CELL_SIDE, CELL_SIDE, 4, Color::rgb(30, 30, 35));
                canvas.round_rect(left, top, CELL_SIDE, CELL_SIDE, 4, Color::rgb(180, 180, 190));
                canvas.round_rect_outline(left, top, CELL_SIDE, CELL_SIDE, 4, 1, Color::rgb(120, 120, 130));
            }
        }
        let (x, y) = (self.agent.0 as i32, self.agent.1 as i32);
        canvas.disc(x, y, RADIUS, Color::rgb(255, 180, 80));
        canvas.ring(x, y, RADIUS, 1, Color::rgb(255, 120, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;
    use crate::sim::{Purpose, Seed};

    const B: PointMazeParams = PointMazeParams { layout: Maze::B };

    fn rng(stream: u64) -> Rng {
        Seed::new(0).rng(Purpose::Episode, stream, 0)
    }

    fn at(agent: (f64, f64), goal: (f64, f64), wind: Wind) -> PointMaze {
        PointMaze { agent, goal, wind, ..PointMaze::new(&B, &mut rng(0)) }
    }

    #[test]
    fn matches_the_reference_trajectory() {
        let start = at((40.0, 75.0), (75.5, 120.25), Wind { row: 1, column: 0, direction: Direction::Right });
        let rows: [(u32, [f32; 13], f64, bool); 6] = [
            (
                1,
                [0.200893, 0.341518, 1.0, 0.3, 0.165761, 0.237772, 0.289848, 0.0, 1.0, 0.4, 0.0, 0.25, 0.0],
                0.710152,
                false,
            ),
            (
                3,
                [0.245536, 0.354911, 1.0, 0.3, 0.111413, 0.221467, 0.247913, 0.0, 1.0, 0.4, 0.0, 0.25, 0.0],
                0.752087,
                false,
            ),
            (
                4,
                [0.267857, 0.361607, 1.0, 0.3, 0.0842391, 0.213315, 0.229346, 0.0, 0.0, 0.0, 0.0, 0.25, 0.25],
                0.770654,
                false,
            ),
            (
                5,
                [0.28125, 0.368304, 0.6, 0.3, 0.0679348, 0.205163, 0.216118, 0.0, 0.0, 0.0, 0.0, 0.25, 0.25],
                0.783882,
                false,
            ),
            (
                8,
                [0.303571, 0.419643, 0.2, 1.0, 0.0407609, 0.142663, 0.148372, 0.0, 0.0, 0.0, 0.0, 0.5, 0.25],
                0.851628,
                false,
            ),
            (
                12,
                [0.321429, 0.508929, 0.2, 1.0, 0.0190217, 0.0339674, 0.0389308, 1.0, 0.0, 0.0, 0.0, 0.5, 0.25],
                0.961069,
                true,
            ),
        ];
        let expected: Vec<Expect> = rows
            .iter()
            .flat_map(|(step, row, reward, _)| {
                [
                    Expect::new(*step, 0..2, &row[..2]).reward(*reward),
                    Expect::new(*step, 4..6, &row[2..4]),
                    Expect::new(*step, 35..44, &row[4..]),
                ]
            })
            .collect();
        let action = |step| if step <= 6 { vec![0.6, 0.3] } else { vec![0.2, 1.0] };
        run(start.clone(), &B, action, &expected);

        let mut state = start;
        for step in 1..=12 {
            let success = state.step(&B, &action(step), &mut rng(0)).success;
            for (_, _, _, wanted) in rows.iter().filter(|row| row.0 == step) {
                assert_eq!(success, *wanted, "success of step {step}");
            }
        }
    }

    #[test]
    fn observes_blocks_and_wind() {
        let wind = Wind { row: 1, column: 0, direction: Direction::Down };
        let mut row = [9.0; 44];
        at((40.0, 75.0), (75.5, 120.25), wind).observe(&B, &mut row);
        for (index, (&found, &block)) in row[FIRST_CELL..31].iter().zip(GRID_B.as_flattened()).enumerate() {
            assert_eq!(found, if index == 5 { -1.0 } else { f32::from(block) }, "cell {index}");
        }
        assert_eq!(row[31..35], [0.0, 0.0, 1.0, 0.0]);
        assert_eq!(Maze::B.block_entries()[..3], [6, 8, 9]);
    }

    #[test]
    fn walls_are_tested_at_whole_pixels_with_square_corners() {
        // The block of row 0, column 0 covers 20..57, grown 14..63.
        assert!(Maze::B.blocks((62.9, 62.9)));
        assert!(!Maze::B.blocks((63.0, 62.9)) && !Maze::B.blocks((62.9, 63.0)));
        // The block of row 0, column 2 starts at 94, grown at 88.
        assert!(!Maze::B.blocks((87.9, 40.0)) && Maze::B.blocks((88.0, 40.0)));
    }

    #[test]
    fn a_blocked_move_is_dropped_as_a_whole() {
        let wind = Wind { row: 4, column: 0, direction: Direction::Up };
        let mut state = at((66.0, 40.0), (100.0, 120.0), wind);
        state.step(&B, &[-1.0, 0.5], &mut rng(0));
        assert_eq!((state.agent, state.velocity), ((66.0, 42.5), (-5.0, 2.5)));
    }

    #[test]
    fn starts_are_free_and_goals_in_reach() {
        for layout in [Maze::B, Maze::C, Maze::D, Maze::E] {
            let params = PointMazeParams { layout };
            let mut state = PointMaze::new(&params, &mut rng(0));
            for episode in 0..200 {
                state.reset(&params, &mut rng(episode));
                assert!(!layout.blocks(state.agent) && !layout.blocks(state.goal));
                assert_eq!(layout.grid()[state.wind.row][state.wind.column], 0);
                let (x, y) = state.goal_offset();
                assert!((36.8..=128.8).contains(&x.hypot(y)), "{state:?}");
            }
        }
    }
}
