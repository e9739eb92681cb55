//! What was measured in Box2D, held against the robots.

use rapier2d::prelude::Vector;
use serde::Deserialize;

use super::body::Place;
use super::lander::{Goal, Lander, LanderParams};
use super::terrain::{Ground, Point, Terrain};
use super::walker::{Walker, WalkerParams};
use crate::env::Environment;
use crate::paint::Raster;
use crate::sim::{Purpose, Rng, Seed};

fn rng(episode: u64) -> Rng {
    Seed::new(11).rng(Purpose::Episode, 0, episode)
}

fn walker(ground: Ground) -> (Walker, WalkerParams, Rng) {
    let (params, mut rng) = (WalkerParams { ground }, rng(0));
    let mut walker = Walker::new(&params, &mut rng);
    walker.reset(&params, &mut rng);
    (walker, params, rng)
}

fn lander(goal: Goal, episode: u64) -> (Lander, LanderParams, Rng) {
    let (params, mut rng) = (LanderParams { goal }, rng(episode));
    let mut lander = Lander::new(&params, &mut rng);
    lander.reset(&params, &mut rng);
    (lander, params, rng)
}

fn seen<E: Environment, const N: usize>(env: &E, params: &E::Params) -> [f32; N] {
    let mut row = [0.0; N];
    env.observe(params, &mut row);
    row
}

/// Hull angle and joint angles of a walker's observation.
fn angles(row: &[f32; 24]) -> [f32; 5] {
    [row[0], row[4], row[6] - 1.0, row[9], row[11] - 1.0]
}

/// Action, joint angles at the start, then (steps, hull angle and joint angles).
type MotorCase = ([f32; 4], [f32; 4], &'static [(usize, [f32; 5])]);

#[test]
#[expect(clippy::approx_constant, reason = "one measured angle is near the logarithm of 2")]
fn motors_turn_a_weightless_walker_as_box2d_does() {
    let cases: [MotorCase; 5] = [
        (
            [1.0, 0.0, 0.0, 0.0],
            [0.1274, -0.2676, 0.0549, -0.2913],
            &[
                (1, [-0.0069, 0.2052, -0.4272, 0.0704, -0.2995]),
                (2, [-0.0167, 0.2827, -0.5812, 0.0865, -0.3085]),
                (5, [-0.0492, 0.5165, -1.0116, 0.1402, -0.3393]),
                (10, [-0.1116, 0.9116, -1.6091, 0.2419, -0.3981]),
            ],
        ),
        (
            [-1.0, 0.0, 0.0, 0.0],
            [0.1249, -0.2649, 0.0527, -0.2891],
            &[
                (1, [0.0117, 0.0443, -0.0980, 0.0372, -0.2808]),
                (2, [0.0358, -0.0358, -0.0974, 0.0010, -0.2652]),
                (10, [0.2274, -0.6756, -0.0926, -0.2844, -0.1453]),
            ],
        ),
        (
            [0.1, 0.0, 0.0, 0.0],
            [0.1251, -0.2650, 0.0529, -0.2892],
            &[
                (1, [0.0003, 0.1425, -0.3010, 0.0562, -0.2910]),
                (5, [-0.0280, 0.3634, -0.7345, 0.1030, -0.3168]),
                (10, [-0.0877, 0.7558, -1.3802, 0.2008, -0.3730]),
            ],
        ),
        (
            [0.0, -1.0, 0.0, 0.0],
            [0.1266, -0.2666, 0.0543, -0.2906],
            &[
                (1, [0.0018, 0.1628, -0.3843, 0.0562, -0.2925]),
                (10, [-0.0039, 0.4542, -1.4323, 0.0764, -0.3205]),
                (20, [-0.0051, 0.4993, -1.6349, 0.0803, -0.3257]),
            ],
        ),
        (
            [1.0, 1.0, -1.0, -1.0],
            [0.1277, -0.2681, 0.0552, -0.2917],
            &[
                (1, [0.0024, 0.1283, -0.1467, 0.0521, -0.4089]),
                (3, [0.0088, 0.2583, -0.0651, -0.0796, -0.6198]),
                (10, [0.0315, 0.8172, -0.0651, -0.6912, -1.3361]),
            ],
        ),
    ];
    for (action, start, expected) in cases {
        let (mut walker, params, mut rng) = walker(Ground::Flat);
        walker.physics.weightless();
        walker.physics.place(Place { center: Vector::new(4.0, 500.0), angle: 0.0024 }, &start);
        for step in 1..=20 {
            walker.step(&params, &action, &mut rng);
            if let Some((_, expected)) = expected.iter().find(|(at, _)| *at == step) {
                let found = angles(&seen(&walker, &params));
                let error = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(error < 0.01, "{action:?}, step {step}: {found:?} for {expected:?}");
            }
        }
    }
}

#[test]
fn a_walker_pushes_off_level_ground_as_box2ds_does() {
    // (step, hull x from the start, y, angle), joint angles.
    let cases = [
        ([1.0, 1.0, 1.0, 1.0], 3, [-0.0458, 5.7452, -0.1940], [0.6646, -0.7648, 0.5678, -0.7638]),
        ([1.0, 1.0, 1.0, 1.0], 8, [-0.1221, 5.8358, -0.7763], [1.0518, -0.1651, 0.9553, -0.1616]),
        ([0.0, 1.0, 0.0, 1.0], 1, [-0.0179, 5.7316, -0.0041], [0.4005, -0.8100, 0.3048, -0.8112]),
        ([0.0, 1.0, 0.0, 1.0], 5, [-0.0058, 5.8695, 0.0164], [0.1807, -0.4044, 0.0853, -0.4065]),
        ([0.0, -1.0, 0.0, -1.0], 5, [-0.0262, 5.6495, -0.0091], [0.6029, -1.4703, 0.5084, -1.4705]),
        ([0.5, 0.5, -0.5, 0.5], 5, [-0.0091, 5.8242, 0.0114], [0.2840, -0.5673, 0.1482, -0.5564]),
    ];
    for (action, step, hull, joints) in cases {
        let (mut walker, params, mut rng) = walker(Ground::Flat);
        walker.step(&params, &[0.0; 4], &mut rng);
        for _ in 0..step {
            walker.step(&params, &action, &mut rng);
        }
        let (origin, row) = (walker.origin(), seen(&walker, &params));
        let place = [origin.x - 14.0 / 3.0, origin.y, row[0]];
        let off = |found: &[f32], expected: &[f32]| {
            found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        assert!(off(&place, &hull) < 0.007, "{action:?}, step {step}: {place:?} for {hull:?}");
        let found = &angles(&row)[1..];
        assert!(off(found, &joints) < 0.016, "{action:?}, step {step}: {found:?} for {joints:?}");
    }
}

/// What `tests/traces/record_box2d.py` recorded, and describes.
#[derive(Deserialize)]
struct Run {
    heights: Heights,
    blocks: Vec<[Point; 2]>,
    resets: usize,
    hold: usize,
    every: usize,
    actions: Vec<[f32; 4]>,
    states: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Heights {
    Level(f32),
    Line(Vec<f32>),
}

impl Walker {
    /// A row of a run: places, motions and flags.
    fn recorded(&self) -> Vec<f32> {
        let flag = |it| f32::from(u8::from(it));
        let mut row = Vec::new();
        for body in self.bodies() {
            let (origin, motion) = (body.origin(), body.motion);
            row.extend([origin.x, origin.y, body.place.angle, motion.velocity.x, motion.velocity.y, motion.spin]);
        }
        row.extend([flag(self.bodies()[2].contact), flag(self.bodies()[4].contact), flag(self.bodies()[0].touched)]);
        row
    }
}

#[test]
fn a_walker_moves_bit_by_bit_as_in_box2d() {
    let runs: Vec<Run> = serde_json::from_str(include_str!("../../../tests/traces/box2d.json")).expect("recorded runs");
    for (i, run) in runs.into_iter().enumerate() {
        let (mut walker, params, mut rng) = walker(Ground::Flat);
        let heights = match run.heights {
            Heights::Level(height) => vec![height; walker.terrain.heights.len()],
            Heights::Line(heights) => heights,
        };
        walker.stand_on(Terrain::given(heights, run.blocks, run.resets));
        walker.step(&params, &[0.0; 4], &mut rng);
        for step in 0..=run.actions.len() * run.hold {
            if step % run.every == 0 {
                let (found, expected) = (walker.recorded(), &run.states[step / run.every]);
                let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                // It is 0 where sine and cosine are computed as they were when it was recorded.
                assert!(off < 1e-5, "run {i}, step {step}: {off} off\n{found:?}\n{expected:?}");
            }
            if let Some(action) = run.actions.get(step / run.hold) {
                walker.step(&params, action, &mut rng);
            }
        }
    }
}

#[test]
fn a_walker_starts_with_the_references_observation() {
    let expected = [
        0.0027, 0.0, 0.0, -0.0179, 0.0922, 0.0, 0.8600, 0.0, 1.0, 0.0326, 0.0, 0.8537, 0.0, 1.0, 0.4408, 0.4458,
        0.4614, 0.4895, 0.5341, 0.6025, 0.7092, 0.8859, 1.0, 1.0,
    ];
    let (mut walker, params, mut rng) = walker(Ground::Flat);
    let row: [f32; 24] = seen(&walker, &params);
    for (i, (found, expected)) in row.iter().zip(expected).enumerate() {
        let tolerance = if matches!(i, 2 | 5 | 7 | 10 | 12) { 0.005 } else { 1e-3 };
        assert!((found - expected).abs() < tolerance, "entry {i}: {found} for {expected}");
    }
    // With no action it falls at agent step 59; from then on every step costs 1.
    let reward: f64 = (0..500).map(|_| walker.step(&params, &[0.0; 4], &mut rng).reward()).sum();
    assert!((reward + 365.0).abs() < 10.0, "return {reward}");
}

#[test]
fn a_standing_lander_falls_asleep_below_the_height_that_pays() {
    for episode in 0..5 {
        let (mut lander, params, mut rng) = lander(Goal::Takeoff, episode);
        let asleep = (6..300).find(|_| {
            let reward = lander.step(&params, &[0.0, 0.0], &mut rng).reward();
            assert_eq!(reward, 0.0, "standing earns nothing");
            lander.physics.asleep()
        });
        assert!(asleep.is_some_and(|step| (70..200).contains(&step)), "asleep after step {asleep:?}");
        let row: [f32; 10] = seen(&lander, &params);
        let height = row[1] * 20.0 / 3.0 + 59.0 / 15.0;
        assert!((3.92..3.9333).contains(&height), "stands at {height}");
        assert!(
            (lander.physics.joint_angle(0) - 0.396).abs() < 0.004,
            "right leg at {}",
            lander.physics.joint_angle(0)
        );
    }
}

#[test]
fn engines_change_the_speed_as_in_box2d() {
    // (action, mean change of vx, vy, spin in one step but for gravity)
    for (action, expected) in [([1.0, 0.0], [0.0, 0.350, 0.0]), ([0.0, 1.0], [0.049, 0.004, -0.098])] {
        let (lander, params, _) = lander(Goal::Hover, 0);
        let (mut rng, mut sum) = (rng(7), [0.0, 0.2, 0.0]);
        let repeats = 4_000;
        for _ in 0..repeats {
            let mut lander = lander.clone();
            lander.physics.place(Place { center: Vector::new(6.0, 9.0), angle: 0.0 }, &[0.4, -0.4]);
            lander.step(&params, &action, &mut rng);
            let motion = lander.physics.body(0).motion;
            for (sum, change) in sum.iter_mut().zip([motion.velocity.x, motion.velocity.y, motion.spin]) {
                *sum += change / repeats as f32;
            }
        }
        for (found, expected) in sum.into_iter().zip(expected) {
            assert!((found - expected).abs() < 0.01, "{action:?}: {found} for {expected}");
        }
    }
}

#[test]
fn the_moon_has_a_level_pad() {
    for episode in 0..50 {
        let (lander, ..) = lander(Goal::Land, episode);
        let corners = &lander.ground.corners;
        let expected = if corners.len() == 7 { [4.444_444, 8.888_889] } else { [5.0, 8.333_333] };
        assert!(matches!(corners.len(), 7 | 9));
        assert!(lander.pad.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{:?}", lander.pad);
        let level = corners.iter().filter(|[x, _]| (lander.pad[0] - 1e-4..lander.pad[1] + 1e-4).contains(x));
        assert!(level.clone().count() == 3 && level.into_iter().all(|[_, y]| (y - 3.3).abs() < 1e-4), "{corners:?}");
    }
}

#[test]
fn a_restored_robot_goes_on_with_the_same_bytes() {
    let (mut walker, params, mut rng) = walker(Ground::Obstacles);
    let action = |step: usize| [0.7, -0.9, -0.4, 1.0].map(|a: f32| a * ((step / 7) as f32).cos());
    for step in 0..60 {
        walker.step(&params, &action(step), &mut rng);
    }
    let saved = serde_json::to_string(&walker).expect("a walker is data");
    let mut restored: Walker = serde_json::from_str(&saved).expect("it was saved whole");
    let mut copy = walker.clone();
    for step in 60..400 {
        let mut rows = [[0u32; 24]; 3];
        for (row, walker) in rows.iter_mut().zip([&mut walker, &mut restored, &mut copy]) {
            walker.step(&params, &action(step), &mut rng);
            *row = seen::<Walker, 24>(walker, &params).map(f32::to_bits);
        }
        assert!(rows[1] == rows[0] && rows[2] == rows[0], "step {step}");
    }
}

#[test]
fn the_lidar_sweeps_with_the_steps() {
    let (mut walker, params, mut rng) = walker(Ground::Flat);
    let mut shown = [false; 110];
    for shown in &mut shown[1..] {
        let mut raster = Raster::new();
        walker.draw(&params, &mut raster, &mut rng);
        *shown = raster.bytes().chunks_exact(4).any(|pixel| pixel[..3] == [255, 0, 0]);
        for _ in 0..2 {
            walker.step(&params, &[0.0; 4], &mut rng);
        }
    }
    // The first 19 pictures of a hundred show a ray, where no leg hides it, and the last.
    assert!(shown[1..=19].contains(&true) && shown[101..].contains(&true), "{shown:?}");
    assert!(!shown[20..100].contains(&true), "{shown:?}");
}
