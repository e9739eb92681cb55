//! The mazes' maps: which cells are walls, and where episodes start and where they lead.

use mujoco_rs::wrappers::mj_editing::MjSpec;
use mujoco_rs::wrappers::mj_model::MjtGeomBase;
use serde::Deserialize;

use super::add_geom;

/// Side of a cell, m.
const CELL_M: f64 = 4.0;
/// Height of a wall, m.
const WALL_HEIGHT_M: f64 = 2.0;
/// Cells a side.
const SIZE: usize = 8;

/// A cell by row and column.
pub(super) type Cell = (u8, u8);

/// The mazes of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Map {
    /// No wall inside.
    Arena,
    /// OGBench's own medium maze, the benchmark's `og-*-maze`.
    Medium,
    /// Two rooms each side of a passage.
    Bottleneck,
    /// A ring with pockets at its corners.
    Circle,
    /// Two interlocked spirals.
    Spiral,
    /// A ring with gaps in the outer wall.
    Var1,
    /// Rooms with gaps in the outer wall.
    Var2,
}

impl Map {
    /// The rows of cells, the one with the smallest y first: `#` is a wall, `.` is free, `o` is free and a start or goal.
    fn rows(self) -> &'static str {
        match self {
            Self::Arena => {
                "######## #......# #.ooo..# #.ooo..# \
                 #.ooo..# #......# #......# ########"
            }
            Self::Medium => {
                "######## #..##..# #..#...# ##...### \
                 #..#...# #.#..#.# #...#..# ########"
            }
            Self::Bottleneck => {
                "######## #oo##oo# #oo##oo# #..oo..# \
                 #..oo..# #oo##oo# #oo##oo# ########"
            }
            Self::Circle => {
                "######## ##oooo## #oo##oo# #o####o# \
                 #o####o# #oo##oo# ##oooo## ########"
            }
            Self::Spiral => {
                "######## #oo..oo# #o#.##o# #.#oo..# \
                 #..oo#.# #o##.#o# #oo..oo# ########"
            }
            Self::Var1 => {
                "####..## ##oooo## #oo..oo. #o##.#o. \
                 .o#..#o# #oo..oo. ##oooo## ##.#####"
            }
            Self::Var2 => {
                "..##..## #oo..oo# #oo##oo. #..oo..# \
                 ...oo..# .oo##oo. #oo#.oo# ##.#..##"
            }
        }
    }

    fn cells(self) -> impl Iterator<Item = (Cell, u8)> {
        let rows = (0u8..).zip(self.rows().split(' '));
        rows.flat_map(|(row, cells)| (0u8..).zip(cells.bytes()).map(move |(column, kind)| ((row, column), kind)))
    }

    /// Where the center of a cell lies, m.
    pub(super) fn center((row, column): Cell) -> [f64; 2] {
        [f64::from(column) * CELL_M - CELL_M, f64::from(row) * CELL_M - CELL_M]
    }

    /// The pairs of start and goal that episodes draw from: a list of its own, or all that are far enough apart.
    pub(super) fn pairs(self) -> Vec<(Cell, Cell)> {
        const MEDIUM: [[u8; 4]; 10] = [
            [1, 1, 6, 6],
            [6, 1, 1, 6],
            [5, 3, 2, 4],
            [2, 2, 6, 1],
            [2, 6, 1, 1],
            [2, 1, 4, 5],
            [6, 5, 4, 6],
            [2, 2, 4, 4],
            [6, 1, 2, 1],
            [6, 3, 3, 3],
        ];
        let least = match self {
            Self::Medium => return MEDIUM.map(|[i, j, k, l]| ((i, j), (k, l))).to_vec(),
            Self::Arena => 2,
            _ => 3,
        };
        let marked: Vec<Cell> = self.cells().filter(|&(_, kind)| kind == b'o').map(|(cell, _)| cell).collect();
        let all = marked.iter().flat_map(|&a| marked.iter().map(move |&b| (a, b)));
        all.filter(|(a, b)| a.0.abs_diff(b.0) + a.1.abs_diff(b.1) >= least).collect()
    }

    /// Its name, for the model.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Arena => "arena",
            Self::Medium => "medium",
            Self::Bottleneck => "bottleneck",
            Self::Circle => "circle",
            Self::Spiral => "spiral",
            Self::Var1 => "var1",
            Self::Var2 => "var2",
        }
    }

    /// Puts this maze around a stock body, with a disk that marks the goal.
    ///
    /// # Errors
    ///
    /// A sentence when the body's model is not one of the stock ones.
    pub(super) fn build(self, spec: &mut MjSpec) -> Result<(), String> {
        // As far as the outer walls reach.
        let (center, reach) = (CELL_M / 2.0 * (SIZE - 3) as f64, CELL_M / 2.0 * SIZE as f64);
        let floor = spec.geom_mut("floor").ok_or("the body's model has no geom called floor")?;
        floor.with_pos([center, center, 0.0]).with_size([reach, reach, 0.2]);
        let world = spec.world_body_mut();
        for ((row, column), _) in self.cells().filter(|&(_, kind)| kind == b'#') {
            let [x, y] = Self::center((row, column));
            let (side, height) = (CELL_M / 2.0, WALL_HEIGHT_M / 2.0);
            add_geom(world, &format!("block_{row}_{column}"))?
                .with_type(MjtGeomBase::mjGEOM_BOX)
                .with_pos([x, y, height])
                .with_size([side, side, height])
                .with_contype(1)
                .with_conaffinity(1)
                .with_material("wall");
        }
        add_geom(world, "target")?
            .with_type(MjtGeomBase::mjGEOM_CYLINDER)
            .with_pos([0.0, 0.0, 0.05])
            .with_size([0.5, 0.05, 0.0])
            .with_contype(0)
            .with_conaffinity(0)
            .with_material("target");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: [(Map, usize); 7] = [
        (Map::Arena, 48),
        (Map::Medium, 10),
        (Map::Bottleneck, 312),
        (Map::Circle, 300),
        (Map::Spiral, 204),
        (Map::Var1, 300),
        (Map::Var2, 312),
    ];

    /// Cells on the shortest path from `from` to every cell of the map, moving along rows and columns.
    fn distances(map: Map, from: Cell) -> [[Option<u32>; SIZE]; SIZE] {
        let rows: Vec<&[u8]> = map.rows().split(' ').map(str::as_bytes).collect();
        let mut distance = [[None; SIZE]; SIZE];
        let mut front = std::collections::VecDeque::from([(usize::from(from.0), usize::from(from.1), 0)]);
        while let Some((i, j, steps)) = front.pop_front() {
            if i >= SIZE || j >= SIZE || rows[i][j] == b'#' || distance[i][j].is_some() {
                continue;
            }
            distance[i][j] = Some(steps);
            front.extend([
                (i + 1, j, steps + 1),
                (i, j + 1, steps + 1),
                (i.wrapping_sub(1), j, steps + 1),
                (i, j.wrapping_sub(1), steps + 1),
            ]);
        }
        distance
    }

    #[test]
    fn every_goal_can_be_reached_and_is_as_far_as_stated() {
        for (map, count) in MAPS {
            let pairs = map.pairs();
            assert_eq!(pairs.len(), count, "{map:?}");
            let lengths: Vec<u32> = pairs
                .iter()
                .map(|&(start, goal)| {
                    let found = distances(map, start)[usize::from(goal.0)][usize::from(goal.1)];
                    found.unwrap_or_else(|| panic!("{map:?}: no way from {start:?} to {goal:?}"))
                })
                .collect();
            assert!(lengths.iter().all(|&steps| steps <= 10 || map == Map::Medium), "{map:?}: {lengths:?}");
            let mean = f64::from(lengths.iter().sum::<u32>()) / count as f64;
            eprintln!("{map:?}: mean {mean}, longest {:?}", lengths.iter().max());
        }
    }
}
