//! Pictures of the Box2D tasks beside the reference's. What moves is random, so colors are counted; the contact sheets
//! (the reference's row above ours) are left in `target/tmp/box2d` for a look.

mod common;

use std::path::Path;

use common::fixture;
use image::RgbImage;
use terrarium::env::{Simulation, SimulationConfig};
use terrarium::sim::{Frame, Group, ObservationMode, Purpose, Seed};
use terrarium::task::{Domain, Registry, Task};

const SIDE: u32 = 224;
/// Control steps after which the reference's pictures were taken.
const STEPS: [u32; 3] = [0, 20, 80];

/// Three pictures of an episode in a row, uniform actions.
fn row(task: &Task) -> RgbImage {
    let mut simulation = Simulation::new(&SimulationConfig {
        tasks: [task.clone()].into(),
        instances: vec![0],
        groups: 1,
        seed: Seed::new(4),
        observation: ObservationMode::StateRgb,
        threads: Some(1),
    })
    .expect("the task is hosted");
    let mut rng = Seed::new(5).rng(Purpose::Policy, 0, 0);
    let mut sheet = RgbImage::new(3 * SIDE, SIDE);
    for step in 0..=STEPS[2] {
        if let Some(column) = STEPS.iter().position(|&at| at == step) {
            let pixels = &simulation.get::<Frame>(0).pixels;
            let plane = (SIDE * SIDE) as usize;
            for (i, pixel) in pixels[..plane].iter().enumerate() {
                let rgb = [*pixel, pixels[plane + i], pixels[2 * plane + i]];
                sheet.put_pixel(column as u32 * SIDE + i as u32 % SIDE, i as u32 / SIDE, image::Rgb(rgb));
            }
        }
        let action: [f32; 16] = std::array::from_fn(|_| rng.uniform(-1.0, 1.0) as f32);
        simulation.set_action(0, &action);
        simulation.step(Group(0));
    }
    sheet
}

/// Pixels of the first of three pictures whose channels are each within a range.
fn count(sheet: &RgbImage, low: [u8; 3], high: [u8; 3]) -> f64 {
    let within = |x, y| (0..3).all(|c| (low[c]..=high[c]).contains(&sheet.get_pixel(x, y).0[c]));
    f64::from((0..SIDE * SIDE).filter(|i| within(i % SIDE, i / SIDE)).count() as u32)
}

fn save(task: &str, reference: &RgbImage, ours: &RgbImage) {
    let mut both = RgbImage::new(3 * SIDE, 2 * SIDE);
    image::imageops::replace(&mut both, reference, 0, 0);
    image::imageops::replace(&mut both, ours, 0, i64::from(SIDE));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("box2d");
    std::fs::create_dir_all(&folder).expect("a folder for test output");
    both.save(folder.join(format!("{task}.png"))).expect("a PNG");
}

#[test]
fn robots_and_grounds_cover_as_much_as_the_references() {
    let registry = Registry::builtin().expect("tables parse");
    let mut problems = Vec::new();
    for task in registry.tasks().iter().filter(|task| task.domain == Domain::Box2D) {
        let Some(path) = fixture(format!("box2d/frames/{}.png", task.id)) else { return };
        let (reference, ours) = (image::open(path).expect("a picture").to_rgb8(), row(task));
        save(&task.id, &reference, &ours);
        // (what, its color with everything that an episode varies, share by which they may differ)
        let colors: &[(&str, [u8; 3], [u8; 3], f64)] = if task.environment == "walker" {
            &[
                ("hull", [127, 51, 229], [127, 51, 229], 0.1),
                ("near legs", [77, 26, 51], [128, 51, 102], 0.25),
                ("sky and clouds", [196, 196, 230], [255, 255, 255], 0.1),
            ]
        } else {
            &[
                ("lander", [110, 80, 200], [150, 125, 250], 0.15),
                ("sky", [0, 0, 0], [40, 30, 35], 0.1),
                ("ground", [200, 185, 190], [255, 240, 245], 0.35),
            ]
        };
        for &(what, low, high, share) in colors {
            let [found, expected] = [&ours, &reference].map(|sheet| count(sheet, low, high));
            if (found - expected).abs() > share * expected {
                problems.push(format!("{}: {what} covers {found} pixels, in the reference {expected}", task.id));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
