//! Time of one drawn observation: take over the backdrop, draw what moves, write `[3, 224, 224]`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use terrarium::paint::{Anchor, CANVAS_SIZE, Canvas, Color, Raster};

type Scene = fn(&mut dyn Canvas);

const SCENES: [(&str, Scene); 4] =
    [("few_shapes", few_shapes), ("many_shapes", many_shapes), ("glows", glows), ("tint_and_shift", tint_and_shift)];

const ORANGE: Color = Color::rgb(255, 140, 0);
const GRAY: Color = Color::rgb(180, 180, 180);

/// As Pong draws: rectangles and two numbers.
fn few_shapes(canvas: &mut dyn Canvas) {
    canvas.rect(30, 92, 6, 40, ORANGE);
    canvas.rect(188, 92, 6, 40, GRAY);
    canvas.rect(108, 108, 7, 7, Color::WHITE);
    canvas.number(36, -2, Anchor::TopLeft, 20, ORANGE, 3);
    canvas.number(188, -2, Anchor::TopRight, 20, GRAY, 12);
}

/// As a full Bird-Attack or Chase-Evade draws: polygons, outlines, discs, ellipses, outlined text.
fn many_shapes(canvas: &mut dyn Canvas) {
    for bird in 0..16 {
        let (x, y) = (40 + 20 * (bird % 8), 40 + 20 * (bird / 8));
        let triangle = [(x, y), (x + 7, y + 12), (x + 14, y)];
        if bird % 2 == 0 { canvas.polygon(&triangle, GRAY) } else { canvas.polygon_outline(&triangle, 2, GRAY) }
    }
    for x in [60, 112, 160] {
        canvas.disc(x, 150, 12, GRAY);
        canvas.ellipse(x - 6, 110, 12, 18, ORANGE);
        canvas.ring(x, 180, 9, 2, ORANGE);
        canvas.line(x, 150, x + 30, 190, 4, GRAY);
    }
    for (dx, dy) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
        canvas.text(6 + dx, 3 + dy, Anchor::TopLeft, 18, Color::BLACK, "green is evading");
    }
    canvas.text(6, 3, Anchor::TopLeft, 18, Color::WHITE, "green is evading");
}

/// As Cartpole's two lanterns: nineteen concentric discs a layer.
fn glows(canvas: &mut dyn Canvas) {
    for x in [56, 160] {
        canvas.begin_layer();
        for radius in (1..=55).rev().step_by(3) {
            canvas.disc(x, 67, radius, Color::rgba(255, 210, 120, (90 - radius) as u8));
        }
        canvas.end_layer();
    }
}

/// As a collision in Coconut-Dodge: the whole picture tinted and moved.
fn tint_and_shift(canvas: &mut dyn Canvas) {
    few_shapes(canvas);
    canvas.tint(0, 0, CANVAS_SIZE, CANVAS_SIZE, Color::rgba(186, 108, 24, 70));
    canvas.shift(2, -3, Color::BLACK);
}

fn frames(criterion: &mut Criterion) {
    let mut raster = Raster::new();
    raster.rows(0, CANVAS_SIZE, 0, CANVAS_SIZE, &|row| Color::rgb(row as u8, 90, 120));
    let backdrop = raster.bytes().to_vec();
    let mut observation = vec![0; 3 * raster.width() * raster.height()];
    let mut group = criterion.benchmark_group("frame");
    for (name, scene) in SCENES {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                raster.load(&backdrop);
                scene(black_box(&mut raster));
                raster.write_channels_first(black_box(&mut observation));
            });
        });
    }
    group.finish();
    let mut large = Raster::with_size(400, 400);
    large.pixels(0, 0, 400, 400, &|x, y| Color::rgb(x as u8, y as u8, 60));
    criterion.bench_function("resize_400_to_224", |bencher| {
        bencher.iter(|| large.resize_antialiased_into(black_box(&mut raster)));
    });
}

criterion_group!(benches, frames);
criterion_main!(benches);
