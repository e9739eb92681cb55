//! What the walker looks like: 15 pixels to the meter, a camera that follows it. Edges are not smoothed.

use super::lander_picture::varied;
use super::physics::STEPS_A_PICTURE;
use super::terrain::{Point, SPACING_M, block_corners};
use super::walker::{LIDAR_RAYS, SCALE, Walker};
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::{Purpose, Rng};

/// From the hull to the left edge of the view, m.
const CAMERA_M: f32 = 224.0 / SCALE / 5.0;
const CLOUDS: usize = 10;
#[expect(clippy::approx_constant, reason = "so the reference's clouds have it")]
const ROUGHLY_PI: f64 = 3.14;
/// Pictures after which the lidar's ray starts over.
const LIDAR_PERIOD: u32 = 100;

/// Colors that the ground may start with.
const GROUND: [[u8; 3]; 17] = [
    [102, 153, 76],
    [94, 163, 60],
    [80, 120, 58],
    [119, 125, 58],
    [181, 149, 101],
    [194, 160, 134],
    [181, 130, 91],
    [122, 176, 114],
    [128, 191, 128],
    [143, 194, 143],
    [155, 166, 123],
    [125, 87, 57],
    [133, 111, 94],
    [145, 120, 120],
    [184, 165, 128],
    [200, 180, 150],
    [96, 158, 102],
];

/// Where the camera is.
struct Camera {
    /// Columns scrolled away.
    scrolled: i32,
    /// Left edge of the view before it stops at the start of the ground, m.
    scroll: f32,
}

impl Camera {
    fn column(&self, x: f32) -> i32 {
        pixels(x) - self.scrolled
    }

    fn place(&self, [x, y]: Point) -> (i32, i32) {
        (self.column(x), row(y))
    }
}

/// Pixels, cut off as the reference does.
fn pixels(meters: f32) -> i32 {
    (meters * SCALE).clamp(-1e5, 1e5) as i32
}

/// Row of a height: the reference draws upside down and turns the picture.
fn row(y: f32) -> i32 {
    CANVAS_SIZE - 1 - pixels(y)
}

/// Everything: the camera moves, so nothing stays.
pub(super) fn draw(walker: &Walker, canvas: &mut dyn Canvas) {
    let origin: Point = walker.origin().into();
    let scroll = origin[0] - CAMERA_M;
    let camera = Camera { scrolled: (scroll.max(0.0) * SCALE).min(1e5) as i32, scroll };
    let rng = &mut walker.palette.rng(Purpose::Draw, 0, 0);
    sky(&camera, rng, canvas);
    let edges = ground(walker, &camera, rng, canvas);
    ray(walker, &camera, canvas);
    for (from, to, grass) in edges.into_iter().flatten() {
        let (from, to) = (camera.place(from), camera.place(to));
        canvas.line(from.0, from.1, to.0, to.1, 1, grass);
    }
    blocks(walker, &camera, canvas);
    for leg in 0..4 {
        let shade = |base: [i32; 3]| {
            let [r, g, b] = base.map(|channel| (channel + if leg < 2 { 25 } else { -25 }) as u8);
            Color::rgb(r, g, b)
        };
        let outline = walker.bodies()[leg + 1].outline();
        part(
            outline.corners().iter().map(|&corner| corner.into()),
            shade([153, 76, 127]),
            shade([102, 51, 76]),
            &camera,
            canvas,
        );
    }
    let outline = walker.bodies()[0].outline();
    part(
        outline.corners().iter().map(|&corner| corner.into()),
        Color::rgb(127, 51, 229),
        Color::rgb(76, 76, 127),
        &camera,
        canvas,
    );
    if scroll < 0.0 {
        let uncovered = pixels(-scroll);
        canvas.rect(CANVAS_SIZE - uncovered, 0, uncovered, CANVAS_SIZE, Color::BLACK);
    }
}

fn part(corners: impl Iterator<Item = Point>, fill: Color, rim: Color, camera: &Camera, canvas: &mut dyn Canvas) {
    let mut points = [(0, 0); 8];
    let count = points.iter_mut().zip(corners).map(|(point, corner)| *point = camera.place(corner)).count();
    canvas.polygon(&points[..count], fill);
    canvas.polygon_outline(&points[..count], 1, rim);
}

fn sky(camera: &Camera, rng: &mut Rng, canvas: &mut dyn Canvas) {
    let each: [i32; 3] = std::array::from_fn(|_| rng.integer(-7, 6));
    let common = rng.integer(-7, 6);
    let shift = each.map(|each| each + common);
    let channel = |base: i32, shift: i32| (base + shift).clamp(0, 255) as u8;
    canvas.fill(Color::rgb(channel(215, shift[0]), channel(215, shift[1]), channel(252, shift[2])));
    for _ in 0..CLOUDS {
        let [r, g, b] = shift.map(|shift| 247 + shift / 2);
        let color = varied([r, g, b], (-4, 3), (-4, 3), rng);
        let center = rng.uniform(0.0, f64::from(200.0 * SPACING_M));
        let corners: [(i32, i32); 5] = std::array::from_fn(|k| {
            let (sin, cos) = (2.0 * ROUGHLY_PI * k as f64 / 5.0).sin_cos();
            let wide = f64::from(15.0 * SPACING_M);
            let x = center + wide * sin + rng.uniform(0.0, wide / 3.0);
            let y = 11.2 + wide / 3.0 * cos + rng.uniform(0.0, wide / 3.0);
            (pixels(x as f32 - camera.scroll / 2.0), row(y as f32))
        });
        canvas.polygon(&corners, color);
        canvas.polygon_outline(&corners, 1, Color::WHITE);
    }
}

/// An edge of the ground in view and the color of its grass.
type Grass = (Point, Point, Color);

/// Fills the ground; the edges in view.
fn ground(walker: &Walker, camera: &Camera, rng: &mut Rng, canvas: &mut dyn Canvas) -> [Option<Grass>; 40] {
    let mut seen = [None; 40];
    let mut slots = seen.iter_mut();
    let start = GROUND[rng.integer(0, GROUND.len() as i32 - 1) as usize];
    let mut color = start;
    for [from, to] in walker.terrain.edges() {
        for (channel, start) in color.iter_mut().zip(start) {
            *channel = channel.saturating_sub(rng.integer(0, 1) as u8).max(start.saturating_sub(15));
        }
        let [r, g, b] = color;
        let grass = Color::rgb(r.saturating_sub(20), rng.integer(i32::from(g), 254) as u8, b);
        if camera.column(to[0]) < 0 || camera.column(from[0]) > CANVAS_SIZE {
            continue;
        }
        let foot = |[x, _]: Point| camera.place([x, 0.0]);
        canvas.polygon(&[camera.place(from), camera.place(to), foot(to), foot(from)], Color::rgb(r, g, b));
        if let Some(slot) = slots.next() {
            *slot = Some((from, to, grass));
        }
    }
    seen
}

/// The one ray of the lidar that is shown, in pictures 1 to 19 of each hundred and in the hundredth.
fn ray(walker: &Walker, camera: &Camera, canvas: &mut dyn Canvas) {
    let picture = (walker.steps / STEPS_A_PICTURE + 1) % LIDAR_PERIOD;
    let shown = match picture as usize {
        shown @ ..LIDAR_RAYS => shown,
        back if back < 2 * LIDAR_RAYS => 2 * LIDAR_RAYS - 1 - back,
        _ => return,
    };
    let origin: Point = walker.origin().into();
    let ray = Walker::ray(shown);
    let length = walker.terrain.cast(origin, ray);
    let (from, to) = (camera.place(origin), camera.place([origin[0] + length * ray[0], origin[1] + length * ray[1]]));
    canvas.line(from.0, from.1, to.0, to.1, 1, Color::rgb(255, 0, 0));
}

fn blocks(walker: &Walker, camera: &Camera, canvas: &mut dyn Canvas) {
    for block in &walker.terrain.blocks {
        if camera.column(block[1][0]) >= 0 && camera.column(block[0][0]) <= CANVAS_SIZE {
            part(block_corners(block).into_iter(), Color::WHITE, Color::rgb(153, 153, 153), camera, canvas);
        }
    }
}
