//! Drawings from the tasks' rules held beside frames of the reference (`arcade/frames`, steps 0, 40 and 120 in a row).

use std::path::PathBuf;

use super::*;

/// The first frame of a task, or nothing where the fixtures are not there.
fn reference(task: &str, step: u32) -> Option<image::RgbImage> {
    let root = std::env::var_os("TERRARIUM_FIXTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"), PathBuf::from);
    let path = root.join(format!("arcade/frames/{task}.png"));
    if !path.exists() {
        eprintln!("skipped: {} is not there (set TERRARIUM_FIXTURES)", path.display());
        return None;
    }
    let sheet = image::open(path).expect("a PNG").to_rgb8();
    Some(image::imageops::crop_imm(&sheet, 224 * step, 0, 224, 224).to_image())
}

/// Share of pixels outside the boxes `except` (left, top, width, height) that are equal in all channels.
fn agreement(raster: &Raster, frame: &image::RgbImage, except: &[(u32, u32, u32, u32)]) -> f64 {
    let compared = frame.enumerate_pixels().filter(|&(x, y, _)| {
        !except.iter().any(|&(left, top, w, h)| (left..left + w).contains(&x) && (top..top + h).contains(&y))
    });
    let (mut equal, mut all) = (0, 0);
    for (x, y, pixel) in compared {
        let index = 4 * (y as usize * 224 + x as usize);
        all += 1;
        equal += usize::from(raster.bytes()[index..index + 3] == pixel.0);
    }
    equal as f64 / f64::from(all)
}

#[test]
fn pong_agrees_with_the_reference() {
    let Some(frame) = reference("pygame-pong", 0) else { return };
    let mut raster = Raster::new();
    raster.rect_outline(20, 20, 184, 184, 2, Color::WHITE);
    raster.rect(30, 92, 6, 40, Color::rgb(255, 140, 0));
    raster.rect(188, 92, 6, 40, Color::rgb(180, 180, 180));
    raster.rect(108, 108, 7, 7, Color::WHITE);
    assert_eq!(agreement(&raster, &frame, &[(36, 0, 152, 20)]), 1.0);
    // The scores as well, to a few levels of their soft edges.
    raster.number(36, -2, Anchor::TopLeft, 20, Color::rgb(255, 140, 0), 0);
    raster.number(188, -2, Anchor::TopRight, 20, Color::rgb(180, 180, 180), 0);
    for (x, y, pixel) in frame.enumerate_pixels() {
        let index = 4 * (y as usize * 224 + x as usize);
        let drawn = &raster.bytes()[index..index + 3];
        assert!(drawn.iter().zip(pixel.0).all(|(a, b)| a.abs_diff(b) <= 4), "({x}, {y}): {drawn:?} for {pixel:?}");
    }
}

#[test]
fn air_hockey_agrees_with_the_reference() {
    let Some(frame) = reference("pygame-air-hockey", 0) else { return };
    let mut raster = Raster::new();
    raster.rect_outline(33, 24, 158, 176, 2, Color::rgb(200, 200, 200));
    raster.rect(84, 22, 56, 8, Color::BLACK);
    raster.rect(84, 198, 56, 8, Color::BLACK);
    raster.line(33, 112, 191, 112, 2, Color::rgb(80, 80, 80));
    raster.disc(112, 112, 6, Color::WHITE);
    raster.disc(112, 170, 10, Color::rgb(255, 140, 0));
    raster.disc(112, 54, 10, Color::rgb(180, 180, 180));
    assert_eq!(agreement(&raster, &frame, &[(100, 0, 24, 24), (100, 198, 24, 26)]), 1.0);
}

#[test]
fn bird_attack_agrees_with_the_reference() {
    let Some(frame) = reference("pygame-bird-attack", 0) else { return };
    let mut raster = Raster::new();
    raster.rect_outline(20, 20, 184, 184, 2, Color::WHITE);
    let gun = Color::rgb(255, 140, 0);
    raster.rect(105, 184, 14, 8, gun);
    raster.polygon(&[(108, 184), (116, 184), (112, 178)], gun);
    for bird in 0..16 {
        let (x, y) = (40 + 20 * (bird % 8), 40 + 20 * (bird / 8));
        raster.polygon(&[(x, y), (x + 7, y + 12), (x + 14, y)], Color::rgb(200, 200, 200));
    }
    assert_eq!(agreement(&raster, &frame, &[(24, 0, 12, 20)]), 1.0);
}

#[test]
fn the_backdrop_of_reacher_agrees_with_the_reference() {
    let Some(frame) = reference("pygame-reacher-easy", 0) else { return };
    let mut raster = Raster::new();
    let mix = |a: [f64; 3], b: [f64; 3], t: f64| [0, 1, 2].map(|i| a[i] * (1.0 - t) + b[i] * t);
    raster.pixels(0, 0, 224, 224, &|x, y| {
        let s = (f64::from(x) / 223.0 + f64::from(y) / 223.0) / 2.0;
        let first = mix([120.0, 160.0, 160.0], [115.0, 95.0, 165.0], (2.0 * s).clamp(0.0, 1.0));
        let [r, g, b] = mix(first, [160.0, 90.0, 130.0], (2.0 * s - 1.0).clamp(0.0, 1.0)).map(|v| v as u8);
        Color::rgb(r, g, b)
    });
    raster.begin_layer();
    raster.round_rect(20, 20, 184, 184, 14, Color::rgba(0, 0, 0, 30));
    raster.end_layer();
    raster.round_rect_outline(20, 20, 184, 184, 14, 2, Color::rgb(60, 220, 255));
    raster.round_rect_outline(23, 23, 178, 178, 12, 1, Color::rgb(255, 70, 200));
    // Arm and target lie in the middle. A rounded outline may miss a pixel a corner.
    let share = agreement(&raster, &frame, &[(30, 30, 164, 164)]);
    assert!(share > 0.999, "{share} of the pixels agree");
}

#[test]
fn landing_agrees_with_the_reference() {
    // Step 120: the ship at the right edge, moving left. The picture has stars at random places, and the helicopter.
    let Some(frame) = reference("pygame-landing", 2) else { return };
    let mut raster = Raster::new();
    raster.fill(Color::rgb(150, 190, 255));
    raster.rect(0, 179, 224, 45, Color::rgb(50, 120, 200));
    let (white, rim) = (Color::rgb(240, 240, 240), Color::rgb(180, 180, 180));
    let (left, right) = (147, 217);
    let hull = [(left, 195), (right, 195), (right - 10, 211), (left + 10, 211)];
    raster.polygon(&hull, Color::rgb(120, 120, 140));
    raster.polygon_outline(&hull, 2, Color::rgb(80, 80, 100));
    raster.rect(left, 183, 70, 12, white);
    raster.rect_outline(left, 183, 70, 12, 2, rim);
    raster.line(left + 6, 189, right - 6, 189, 1, Color::rgb(160, 160, 160));
    let bow = [(left, 183), (left - 10, 189), (left, 195)];
    raster.polygon(&bow, white);
    raster.polygon_outline(&bow, 2, rim);
    raster.rect(right - 24, 171, 18, 12, Color::rgb(230, 230, 235));
    raster.rect_outline(right - 24, 171, 18, 12, 2, Color::rgb(160, 160, 170));
    for window in [3, 9, 15] {
        raster.rect(right - 24 + window, 174, 4, 5, Color::rgb(180, 210, 240));
    }
    raster.line(left + 35, 183, left + 35, 173, 2, Color::rgb(70, 70, 70));
    raster.polygon(&[(left + 35, 173), (left + 43, 176), (left + 35, 179)], Color::rgb(220, 40, 40));
    let ship = (left as u32 - 12, 170, 84, 44);
    let elsewhere = [(0, 0, 224, ship.1), (0, 0, ship.0, 224), (ship.0 + ship.2, 0, 224, 224), (0, 214, 224, 10)];
    let share = agreement(&raster, &frame, &elsewhere);
    assert!(share > 0.998, "{share} of the ship's pixels agree");
}

#[test]
fn chase_evade_agrees_with_the_reference() {
    let Some(frame) = reference("pygame-chase-evade", 0) else { return };
    let mut raster = Raster::new();
    raster.rows(0, 224, 0, 224, &|row| {
        let base = Color::rgb(130, 185, 180).blend(Color::rgb(80, 170, 180), f64::from(row) / 224.0);
        let mix = |base: u8, tint: f64| (0.75 * f64::from(base) + 0.25 * tint) as u8;
        Color::rgb(mix(base.r, 70.0), mix(base.g, 160.0), mix(base.b, 70.0))
    });
    raster.disc(112, 118, 90, Color::rgb(40, 40, 45));
    raster.ring(112, 118, 90, 2, Color::rgb(220, 220, 220));
    for (x, y, team) in [(52, 71, Color::rgb(255, 140, 0)), (112, 118, Color::rgb(70, 160, 70))] {
        let body = Color::rgb(220, 220, 220);
        if x == 112 {
            raster.line(112, 106, 112, 130, 2, Color::rgb(180, 180, 180));
            raster.polygon(&[(112, 106), (122, 110), (112, 114)], team);
        }
        raster.ellipse(x - 6, y - 10, 12, 18, body);
        raster.rect(x - 6, y - 3, 12, 6, team);
        raster.disc(x - 4, y + 8, 3, team);
        raster.disc(x + 4, y + 8, 3, team);
        raster.ellipse(x - 9, y, 6, 4, body);
        raster.ellipse(x + 3, y, 6, 4, body);
        raster.polygon(&[(x, y - 14), (x - 6, y - 10), (x + 6, y - 10)], team);
    }
    // The text, and the pillars, whose phase is not known.
    let except = [(0, 0, 224, 28), (100, 64, 28, 28), (62, 120, 28, 30), (130, 125, 30, 30)];
    let share = agreement(&raster, &frame, &except);
    assert!(share > 0.999, "{share} of the pixels agree");
}
