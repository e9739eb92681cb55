//! Pictures of the MiniArcade games, drawn by the games themselves, beside the reference's, pixel by pixel.
//!
//! What the reference's pictures show was read off them into `frames_arcade.json`: a game is put into that state and drawn.
//! Where an episode or a picture decides at random what things look like, colors are counted or the best of many draws
//! is compared; [`vague`] says where. The contact sheet (left the reference, right ours) is left in
//! `target/tmp/frames_arcade.png` for a look.

mod common;

use std::path::Path;

use bevy::prelude::Entity;
use common::fixture;
use image::RgbImage;
use serde_json::{Map, Value, json};
use terrarium::env::{Simulation, SimulationConfig, draw_instance, restore_instance, save_instance};
use terrarium::paint::Raster;
use terrarium::sim::{ObservationMode, Seed};
use terrarium::task::{Domain, Registry, Task};

const SIDE: u32 = 224;
/// Levels of a channel by which soft edges and blended layers may differ.
const LEVELS: u8 = 6;
/// Pixels of a picture that may differ by more.
const STRAY_PIXELS: usize = 20;
/// Random looks among which the one nearest to the reference's counts.
const LOOKS: u64 = 64;

/// Left, top, width and height, px.
type Area = [u32; 4];
const ALL: Area = [0, 0, SIDE, SIDE];

/// What a game's rules leave to chance in its pictures.
enum Vague {
    /// Things of a color somewhere in an area: pixels that have it in either picture are not compared, but over all looks
    /// they cover as many as in the reference, to this share.
    Scattered(&'static str, Area, fn([i32; 3]) -> bool, f64),
    /// An area where channels may differ by so many levels.
    Blurred(Area, u8),
}

use Vague::{Blurred, Scattered};

fn vague(environment: &str) -> Vec<Vague> {
    match environment {
        "cartpole" => vec![
            Scattered("ceiling", [0, 45, SIDE, 13], |c| c == [85, 65, 45], 0.6),
            Scattered("rocks", [0, 180, SIDE, 32], |[r, g, b]| r - g == 25 && r - b == 35, 0.5),
        ],
        "coconut-dodge" => vec![
            Scattered("stars", [14, 14, 196, 90], |[r, _, b]| b > 100 && r > 145, 0.5),
            Scattered("palms", [14, 14, 196, 110], |c| c == [50, 35, 20], 0.2),
            Scattered("near dune", [12, 100, 201, 34], |c| c == [192, 175, 132], 0.3),
            Scattered("far dune", [12, 100, 201, 34], |c| c == [208, 190, 140], 0.5),
            // Edges of the turned arms, and footprints.
            Blurred([14, 187, 196, 7], 90),
            Blurred([14, 203, 196, 7], 110),
        ],
        "coinrun" => vec![
            Scattered("clouds", [0, 0, SIDE, 140], |c| c == [255, 204, 214], 0.5),
            Scattered("grass", [0, 165, SIDE, 19], |[r, g, b]| g > r + 30 && g > b + 30, 0.6),
            Blurred([0, 168, SIDE, 26], 255),
        ],
        "cowboy" => vec![Blurred([0, 184, SIDE, 5], 90), Blurred([36, 160, 28, 36], 130)],
        "highway" => vec![Scattered("dashes", ALL, |c| c == [220, 220, 220], 0.1)],
        "landing" => vec![Scattered("stars", ALL, |c| c == [240, 240, 255], 0.2)],
        "point-maze" => {
            let trail: fn([i32; 3]) -> bool = |c| c[0] > c[2] - 4 && ![[255, 180, 80], [255, 120, 0]].contains(&c);
            // The oldest of the trail tints what is below it by less than that.
            vec![Scattered("trail", ALL, trail, 0.3), Blurred(ALL, 10)]
        }
        "rocket-collect" => vec![
            Scattered("stars", ALL, |[r, g, b]| r == 255 && g == b && g > 170, 0.4),
            Scattered("flames", ALL, |[r, g, b]| r == 255 && g < 200 && (b == 80 || b == 55), 0.5),
            Scattered("asteroids", ALL, |c| c == [120, 120, 120] || c == [163, 82, 82], 0.4),
        ],
        "spaceship" => vec![Scattered("stars", ALL, |c| c == [255; 3], 0.3)],
        _ => Vec::new(),
    }
}

/// One game that can be put into any state and drawn.
struct Stage {
    simulation: Simulation,
    instance: Entity,
    /// After a reset.
    start: Value,
}

impl Stage {
    fn new(task: &Task) -> Self {
        let simulation = Simulation::new(&SimulationConfig {
            tasks: [task.clone()].into(),
            instances: vec![0],
            groups: 1,
            seed: Seed::new(4),
            observation: ObservationMode::State,
            threads: Some(1),
        })
        .expect("the task is hosted");
        let instance = simulation.instances()[0];
        let saved = save_instance(simulation.world(), instance).expect("plain data");
        Self { simulation, instance, start: serde_json::to_value(saved).expect("plain data") }
    }

    /// The game in a state, everything that is not in it as after a reset, in one of its random looks.
    fn draw(&mut self, state: &Value, look: u64) -> RgbImage {
        let mut saved = self.start.clone();
        let environment = &mut saved["environment"];
        merge(environment, state);
        for random in ["scenery", "glow_phase"] {
            if let Some(value) = environment.get_mut(random).filter(|value| value.is_number()) {
                *value = json!(look);
            }
        }
        let saved = serde_json::from_value(saved).expect("the same form");
        let world = self.simulation.world_mut();
        restore_instance(world, self.instance, saved).expect("a state of this game");
        let mut raster = Raster::new();
        assert!(draw_instance(world, self.instance, &mut raster, Seed::new(look)));
        let pixels = raster.bytes().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        RgbImage::from_raw(SIDE, SIDE, pixels).expect("a picture's size")
    }
}

/// Sets what `patch` names; of a longer list, the first entries.
fn merge(value: &mut Value, patch: &Value) {
    match (value, patch) {
        (Value::Object(value), Value::Object(patch)) => {
            for (key, patch) in patch {
                merge(value.get_mut(key).unwrap_or_else(|| panic!("a game has {key}")), patch);
            }
        }
        (Value::Array(value), Value::Array(patch)) if patch.len() <= value.len() => {
            value.iter_mut().zip(patch).for_each(|(value, patch)| merge(value, patch));
        }
        (value, patch) => *value = patch.clone(),
    }
}

fn within([left, top, width, height]: Area, x: u32, y: u32) -> bool {
    (left..left + width).contains(&x) && (top..top + height).contains(&y)
}

fn color(picture: &RgbImage, x: u32, y: u32) -> [i32; 3] {
    picture.get_pixel(x, y).0.map(i32::from)
}

/// Pixels that are not what they should be.
fn strays(ours: &RgbImage, reference: &RgbImage, vague: &[Vague]) -> Vec<(u32, u32)> {
    let strays = |&(x, y): &(u32, u32)| {
        let (ours, reference) = (color(ours, x, y), color(reference, x, y));
        let mut levels = LEVELS;
        for vague in vague {
            match *vague {
                Scattered(_, area, is, _) if within(area, x, y) && (is(ours) || is(reference)) => return false,
                Blurred(area, more) if within(area, x, y) => levels = levels.max(more),
                _ => {}
            }
        }
        ours.iter().zip(reference).any(|(a, b)| a.abs_diff(b) > u32::from(levels))
    };
    (0..SIDE * SIDE).map(|i| (i % SIDE, i / SIDE)).filter(strays).collect()
}

/// Pixels of a color in an area.
fn count(picture: &RgbImage, area: Area, is: fn([i32; 3]) -> bool) -> f64 {
    let [left, top, width, height] = area;
    let pixels = (0..width * height).map(|i| color(picture, left + i % width, top + i / width));
    pixels.filter(|&color| is(color)).count() as f64
}

/// Compares the pictures of a task, draws them into the sheet, and tells what is wrong.
fn compare(task: &Task, states: &[Value], reference: &RgbImage, sheet: &mut RgbImage, top: u32) -> Vec<String> {
    let (mut stage, vague, mut problems) = (Stage::new(task), vague(&task.environment), Vec::new());
    let mut counts = vec![[0.0; 2]; vague.len()];
    image::imageops::replace(sheet, reference, 0, top.into());
    for (column, state) in (0..).zip(states) {
        let expected = image::imageops::crop_imm(reference, SIDE * column, 0, SIDE, SIDE).to_image();
        let looks: Vec<RgbImage> = (0..LOOKS).map(|look| stage.draw(state, look)).collect();
        for (vague, [ours, theirs]) in vague.iter().zip(&mut counts) {
            if let &Scattered(_, area, is, _) = vague {
                *ours += looks.iter().map(|look| count(look, area, is)).sum::<f64>() / LOOKS as f64;
                *theirs += count(&expected, area, is);
            }
        }
        let compared = looks.into_iter().map(|look| (strays(&look, &expected, &vague), look));
        let (strays, ours) = compared.min_by_key(|(strays, _)| strays.len()).expect("there are looks");
        image::imageops::replace(sheet, &ours, (SIDE * (3 + column)).into(), top.into());
        if strays.len() > STRAY_PIXELS {
            let some: Vec<_> = strays.iter().step_by(strays.len().div_ceil(8)).collect();
            problems.push(format!("{}, picture {column}: {} pixels differ, as at {some:?}", task.id, strays.len()));
        }
    }
    for (vague, [ours, theirs]) in vague.iter().zip(counts) {
        if let Scattered(what, _, _, share) = vague
            && (ours - theirs).abs() > share * theirs
        {
            problems.push(format!("{}: {what} cover {ours:.0} pixels, in the reference {theirs}", task.id));
        }
    }
    problems
}

#[test]
fn games_draw_what_the_reference_draws() {
    let states = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frames_arcade.json");
    let states = std::fs::read_to_string(states).expect("it is part of the project");
    let states: Map<String, Value> = serde_json::from_str(&states).expect("JSON");
    let registry = Registry::builtin().expect("tables parse");
    let tasks: Vec<&Task> = registry.tasks().iter().filter(|task| task.domain == Domain::MiniArcade).collect();
    let mut sheet = RgbImage::new(6 * SIDE, tasks.len() as u32 * SIDE);
    let mut problems = Vec::new();
    for (row, task) in (0..).zip(tasks) {
        let Some(path) = fixture(format!("arcade/frames/{}.png", task.id)) else { return };
        let reference = image::open(path).expect("a picture");
        let states = states[&task.id].as_array().expect("three states of each task");
        assert_eq!(states.len(), 3, "{}", task.id);
        problems.extend(compare(task, states, &reference.to_rgb8(), &mut sheet, row * SIDE));
    }
    sheet.save(Path::new(env!("CARGO_TARGET_TMPDIR")).join("frames_arcade.png")).expect("a PNG");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
