//! What each drawing call covers, by the tasks' rules.

use super::*;

const RED: Color = Color::rgb(200, 0, 0);

fn at(raster: &Raster, x: i32, y: i32) -> [u8; 4] {
    let index = 4 * (y as usize * raster.width() + x as usize);
    raster.bytes()[index..index + 4].try_into().expect("four bytes")
}

/// Columns and rows of the pixels that are not black.
fn painted(draw: impl FnOnce(&mut Raster)) -> Vec<(i32, i32)> {
    let mut raster = Raster::with_size(64, 64);
    draw(&mut raster);
    let points = (0..64).flat_map(|y| (0..64).map(move |x| (x, y)));
    points.filter(|&(x, y)| at(&raster, x, y)[..3] != [0, 0, 0]).collect()
}

fn box_of(x: std::ops::Range<i32>, y: std::ops::Range<i32>) -> Vec<(i32, i32)> {
    y.flat_map(|y| x.clone().map(move |x| (x, y))).collect()
}

#[test]
fn rectangles_cover_their_columns_and_rows() {
    assert_eq!(painted(|r| r.rect(3, 5, 4, 2, RED)), box_of(3..7, 5..7));
    assert_eq!(painted(|r| r.rect(-3, 60, 5, 50, RED)), box_of(0..2, 60..64));
    assert!(painted(|r| r.rect(10, 10, 0, 5, RED)).is_empty());
    assert!(painted(|r| r.rect(i32::MAX, i32::MIN, i32::MAX, 5, RED)).is_empty());
    let ring = painted(|r| r.rect_outline(10, 10, 10, 8, 2, RED));
    let expected = box_of(10..20, 10..18).into_iter().filter(|p| !box_of(12..18, 12..16).contains(p));
    assert_eq!(ring, expected.collect::<Vec<_>>());
}

#[test]
fn discs_have_the_measured_areas() {
    let areas = [(1, 4), (2, 12), (3, 24), (4, 44), (5, 76), (6, 104), (9, 240), (10, 308)];
    for (radius, area) in areas {
        let disc = painted(|r| r.disc(32, 32, radius, RED));
        assert_eq!(disc.len(), area, "radius {radius}");
        assert!(
            disc.iter()
                .all(|&(x, y)| (32 - radius..32 + radius).contains(&x) && (32 - radius..32 + radius).contains(&y))
        );
    }
}

#[test]
fn discs_follow_the_distance_rule_where_it_is_exact() {
    for radius in [1, 2, 3, 4, 5, 7, 8, 15] {
        let limit = (f64::from(radius) - 0.25).powi(2);
        let distance = |v: i32| (f64::from(v) + 0.5 - 32.0).powi(2);
        let expected: Vec<_> =
            box_of(0..64, 0..64).into_iter().filter(|&(x, y)| distance(x) + distance(y) <= limit).collect();
        assert_eq!(painted(|r| r.disc(32, 32, radius, RED)), expected, "radius {radius}");
    }
}

#[test]
fn rings_are_closed_and_lie_on_the_disc() {
    for (radius, width) in [(5, 1), (6, 1), (9, 2), (15, 3), (25, 2)] {
        let disc = painted(|r| r.disc(32, 32, radius, RED));
        let ring = painted(|r| r.ring(32, 32, radius, width, RED));
        assert!(ring.iter().all(|p| disc.contains(p)));
        assert!(!ring.contains(&(32, 32)));
        // Every pixel of the disc next to the outside belongs to the ring.
        for &(x, y) in &disc {
            let rim = [(1, 0), (-1, 0), (0, 1), (0, -1)].iter().any(|(dx, dy)| !disc.contains(&(x + dx, y + dy)));
            assert!(!rim || ring.contains(&(x, y)), "radius {radius}, width {width}, ({x}, {y})");
        }
        // Along the middle row each side is `width` thick.
        assert_eq!(ring.iter().filter(|p| p.1 == 32).count() as i32, 2 * width);
    }
    assert_eq!(painted(|r| r.ring(32, 32, 5, 5, RED)), painted(|r| r.disc(32, 32, 5, RED)));
}

#[test]
fn ellipses_fill_their_box_symmetrically() {
    assert_eq!(painted(|r| r.ellipse(22, 22, 20, 20, RED)), painted(|r| r.disc(32, 32, 10, RED)));
    for (w, h) in [(12, 18), (6, 4), (6, 3), (14, 18), (9, 7)] {
        let ellipse = painted(|r| r.ellipse(10, 20, w, h, RED));
        assert!(ellipse.iter().all(|&(x, y)| (10..10 + w).contains(&x) && (20..20 + h).contains(&y)));
        assert!(ellipse.iter().all(|&(x, y)| ellipse.contains(&(19 + w - x, y)) && ellipse.contains(&(x, 39 + h - y))));
        let ideal = std::f64::consts::FRAC_PI_4 * f64::from(w * h);
        assert!((ellipse.len() as f64 - ideal).abs() < 0.2 * ideal, "{w}x{h}: {} for {ideal}", ellipse.len());
        let outline = painted(|r| r.ellipse_outline(10, 20, w, h, 1, RED));
        assert!(outline.iter().all(|p| ellipse.contains(p)) && outline.len() < ellipse.len());
    }
    // Six by three, as the reference draws feet: four, six and four pixels.
    let rows = painted(|r| r.ellipse(10, 20, 6, 3, RED));
    assert_eq!([20, 21, 22].map(|y| rows.iter().filter(|p| p.1 == y).count()), [4, 6, 4]);
}

#[test]
fn a_turned_ellipse_stands_up_and_leans_left_of_the_screen() {
    let upright = painted(|r| r.ellipse_turned(32, 32, 20, 6, std::f64::consts::FRAC_PI_2, RED));
    assert!(upright.contains(&(32, 24)) && !upright.contains(&(24, 32)));
    // Counter-clockwise: the right end goes up.
    let turned = painted(|r| r.ellipse_turned(32, 32, 20, 6, 0.6, RED));
    assert!(turned.contains(&(38, 28)) && !turned.contains(&(38, 36)));
}

#[test]
fn lines_include_both_ends() {
    assert_eq!(painted(|r| r.line(5, 7, 9, 7, 1, RED)), box_of(5..10, 7..8));
    assert_eq!(painted(|r| r.line(9, 7, 5, 7, 1, RED)), box_of(5..10, 7..8));
    assert_eq!(painted(|r| r.line(5, 9, 5, 7, 1, RED)), box_of(5..6, 7..10));
    assert_eq!(painted(|r| r.line(5, 5, 5, 5, 1, RED)), [(5, 5)]);
    assert_eq!(painted(|r| r.line(2, 2, 5, 5, 1, RED)), [(2, 2), (3, 3), (4, 4), (5, 5)]);
    assert!(painted(|r| r.line(2, 2, 5, 5, 0, RED)).is_empty());
}

#[test]
fn lines_are_thickened_across_their_minor_axis() {
    // A horizontal 2-px line at y covers rows y and y + 1; 6 px cover y - 2 to y + 3.
    assert_eq!(painted(|r| r.line(5, 20, 30, 20, 2, RED)), box_of(5..31, 20..22));
    assert_eq!(painted(|r| r.line(5, 20, 30, 20, 6, RED)), box_of(5..31, 18..24));
    assert_eq!(painted(|r| r.line(20, 5, 20, 30, 3, RED)), box_of(19..22, 5..31));
    for width in 1..7 {
        let thin = painted(|r| r.line(10, 20, 50, 33, 1, RED));
        let thick = painted(|r| r.line(10, 20, 50, 33, width, RED));
        let mut expected: Vec<_> =
            thin.iter().flat_map(|&(x, y)| (y - (width - 1) / 2..=y + width / 2).map(move |y| (x, y))).collect();
        expected.sort_by_key(|&(x, y)| (y, x));
        expected.dedup();
        assert_eq!(thick, expected, "width {width}");
    }
}

#[test]
fn polygons_cover_interior_and_corners() {
    let triangle = painted(|r| r.polygon(&[(10, 10), (17, 22), (24, 10)], RED));
    let row = |y: i32| triangle.iter().filter(|p| p.1 == y).map(|p| p.0).collect::<Vec<_>>();
    assert_eq!(row(10), (10..25).collect::<Vec<_>>());
    assert_eq!(row(11), (10..24).collect::<Vec<_>>());
    assert_eq!(row(22), [17]);
    assert_eq!(painted(|r| r.polygon(&[(3, 3), (8, 3), (8, 6), (3, 6)], RED)), box_of(3..9, 3..7));
    assert_eq!(painted(|r| r.polygon(&[(3, 3), (8, 3)], RED)), box_of(3..9, 3..4));
    assert!(painted(|r| r.polygon(&[], RED)).is_empty());
}

#[test]
fn rounded_rectangles_lose_only_their_corners() {
    let rounded = painted(|r| r.round_rect(10, 10, 37, 37, 4, RED));
    let missing: Vec<_> = box_of(10..47, 10..47).into_iter().filter(|p| !rounded.contains(p)).collect();
    let disc = painted(|r| r.disc(32, 32, 4, RED)).len();
    assert_eq!(missing.len(), 64 - disc);
    let outline = painted(|r| r.round_rect_outline(10, 10, 37, 37, 4, 1, RED));
    // The reference's blocks: insets of 3, 1, 1 and 0 pixels.
    assert_eq!(outline.iter().find(|p| p.1 == 10), Some(&(13, 10)));
    assert_eq!(outline.iter().filter(|p| p.1 == 11).count(), 4);
    assert_eq!(outline.iter().filter(|p| p.1 == 12).count(), 2);
    assert_eq!(outline.iter().find(|p| p.1 == 13), Some(&(10, 13)));
}

#[test]
fn arcs_run_counter_clockwise_on_screen() {
    let quarter = painted(|r| r.arc(32, 32, 20, 1, 0.0, std::f64::consts::FRAC_PI_2, RED));
    assert!(quarter.iter().all(|&(x, y)| x >= 31 && y <= 32) && quarter.len() > 20);
    // An end before the start means a full turn more.
    let wrapped = painted(|r| r.arc(32, 32, 20, 2, 1.5 * std::f64::consts::PI, 0.1, RED));
    assert!(wrapped.contains(&(51, 36)) && !wrapped.iter().any(|&(x, _)| x < 30));
}

#[test]
fn opacity_counts_only_in_layers() {
    let mut raster = Raster::new();
    raster.rect(0, 0, 4, 4, RED.with_alpha(10));
    assert_eq!(at(&raster, 0, 0), [200, 0, 0, 255]);
}

#[test]
fn layers_replace_within_and_merge_onto_the_picture() {
    let mut raster = Raster::new();
    raster.fill(Color::rgb(100, 100, 100));
    raster.begin_layer();
    raster.disc(50, 50, 10, Color::rgba(255, 0, 0, 255));
    raster.disc(50, 50, 5, Color::rgba(0, 200, 0, 51));
    raster.end_layer();
    // The inner disc took the place of the outer one: nothing of its red is left.
    let inner = at(&raster, 50, 50);
    for (got, source) in inner.into_iter().zip([0.0, 200.0, 0.0]) {
        assert!((f64::from(got) - (100.0 + (source - 100.0) * 51.0 / 255.0)).abs() <= 1.0, "{inner:?}");
    }
    assert_eq!(at(&raster, 57, 50), [255, 0, 0, 255]);
    assert_eq!(at(&raster, 80, 80), [100, 100, 100, 255]);
    // The next layer starts empty.
    raster.begin_layer();
    raster.end_layer();
    assert_eq!(at(&raster, 50, 50), inner);
}

#[test]
fn tints_are_linear_to_one_level() {
    for (below, source, alpha) in
        [(0, 255, 0), (0, 255, 255), (10, 240, 40), (240, 10, 40), (255, 255, 128), (97, 60, 20)]
    {
        let mut raster = Raster::new();
        raster.fill(Color::rgb(below, below, below));
        raster.tint(0, 0, 37, 10, Color::rgba(source, source, source, alpha));
        let mut layered = Raster::new();
        layered.fill(Color::rgb(below, below, below));
        layered.begin_layer();
        layered.rect(0, 0, 37, 10, Color::rgba(source, source, source, alpha));
        layered.end_layer();
        assert_eq!(raster.bytes(), layered.bytes(), "a tint is a layer with one rectangle");
        let exact = f64::from(below) + (f64::from(source) - f64::from(below)) * f64::from(alpha) / 255.0;
        for x in [0, 15, 16, 36] {
            assert!((f64::from(at(&raster, x, 9)[0]) - exact).abs() <= 1.0, "{below} {source} {alpha}");
        }
        assert_eq!(at(&raster, 37, 9)[0], below);
    }
}

#[test]
fn shifting_moves_the_picture_and_fills_the_border() {
    for (dx, dy) in [(3, 2), (-3, 2), (3, -2), (-3, -2), (0, 0), (0, 5), (300, 0), (0, -300), (3, -300)] {
        let mut before = Raster::new();
        before.pixels(0, 0, 224, 224, &|x, y| Color::rgb(x as u8, y as u8, 7));
        let mut after = Raster::new();
        after.load(before.bytes());
        after.shift(dx, dy, RED);
        for (x, y) in box_of(0..224, 0..224) {
            let source = (x - dx, y - dy);
            let inside = (0..224).contains(&source.0) && (0..224).contains(&source.1);
            let expected = if inside { at(&before, source.0, source.1) } else { [200, 0, 0, 255] };
            assert_eq!(at(&after, x, y), expected, "shift ({dx}, {dy}) at ({x}, {y})");
        }
    }
}

#[test]
fn text_boxes_have_the_measured_sizes() {
    let raster = Raster::new();
    for (size, digit) in [(16, (10, 19)), (18, (11, 21)), (20, (13, 24)), (28, (18, 33))] {
        assert_eq!(raster.text_size(size, "7"), digit, "nominal size {size}");
        assert_eq!(raster.text_size(size, "77").0, 2 * digit.0);
    }
}

#[test]
fn text_stays_in_its_box_wherever_it_is_anchored() {
    for anchor in [Anchor::TopLeft, Anchor::TopCenter, Anchor::TopRight, Anchor::Center, Anchor::BottomCenter] {
        let text = painted(|r| r.number(32, 32, anchor, 16, Color::WHITE, 40));
        let (w, h) = Raster::new().text_size(16, "40");
        let (left, top) = match anchor {
            Anchor::TopLeft => (32, 32),
            Anchor::TopCenter => (32 - w / 2, 32),
            Anchor::TopRight => (32 - w, 32),
            Anchor::Center => (32 - w / 2, 32 - h / 2),
            Anchor::BottomCenter => (32 - w / 2, 32 - h),
        };
        assert!(text.len() > 60 && text.iter().all(|p| box_of(left..left + w, top..top + h).contains(p)), "{anchor:?}");
    }
    // Cut at every edge without a panic.
    painted(|r| (-70..70).for_each(|at| r.text(at, at, Anchor::Center, 28, RED, "Wg0é")));
}

#[test]
fn text_in_a_layer_fades_with_its_opacity() {
    let draw = |alpha: u8| {
        let mut raster = Raster::new();
        raster.begin_layer();
        raster.text(5, 5, Anchor::TopLeft, 16, Color::WHITE.with_alpha(alpha), "+1");
        raster.end_layer();
        raster.bytes().chunks(4).map(|pixel| u64::from(pixel[0])).sum::<u64>()
    };
    let mut direct = Raster::new();
    direct.text(5, 5, Anchor::TopLeft, 16, Color::WHITE, "+1");
    let full = direct.bytes().chunks(4).map(|pixel| u64::from(pixel[0])).sum::<u64>();
    assert!(draw(255).abs_diff(full) < full / 50);
    assert!(draw(51).abs_diff(full / 5) < full / 50);
}

#[test]
fn channels_come_apart_whatever_the_size() {
    for (width, height) in [(224, 224), (5, 7)] {
        let mut raster = Raster::with_size(width, height);
        raster.pixels(0, 0, width, height, &|x, y| Color::rgb(x as u8, y as u8, (x ^ y) as u8));
        let plane = (width * height) as usize;
        let mut out = vec![0; 3 * plane];
        raster.write_channels_first(&mut out);
        for (x, y) in box_of(0..width, 0..height) {
            let index = (y * width + x) as usize;
            let expected = [x as u8, y as u8, (x ^ y) as u8];
            assert_eq!([out[index], out[plane + index], out[2 * plane + index]], expected);
        }
    }
}

#[test]
fn the_smooth_picture_shows_the_same_drawing() {
    fn draw(canvas: &mut dyn Canvas) {
        canvas.rows(0, 224, 0, 224, &|row| Color::rgb(row as u8, 60, 90));
        canvas.pixels(150, 150, 40, 40, &|x, y| Color::rgb(x as u8, y as u8, 0));
        canvas.rect(20, 20, 30, 30, RED);
        canvas.rect_outline(60, 20, 30, 30, 4, RED);
        canvas.round_rect(100, 20, 40, 30, 8, Color::WHITE);
        canvas.round_rect_outline(150, 20, 40, 30, 8, 4, Color::WHITE);
        canvas.disc(40, 90, 18, RED);
        canvas.ring(90, 90, 18, 5, RED);
        canvas.ellipse(120, 80, 40, 20, Color::BLACK);
        canvas.ellipse_outline(170, 80, 40, 20, 4, Color::BLACK);
        canvas.ellipse_turned(40, 140, 40, 12, 0.7, Color::WHITE);
        canvas.line(70, 120, 120, 150, 4, Color::WHITE);
        canvas.polygon(&[(20, 170), (60, 170), (40, 200)], Color::BLACK);
        canvas.polygon_outline(&[(80, 170), (120, 170), (100, 200)], 4, Color::BLACK);
        canvas.arc(140, 130, 20, 4, -0.5, 1.5, Color::WHITE);
        canvas.text(10, 2, Anchor::TopLeft, 16, Color::WHITE, "Score: 12");
        canvas.begin_layer();
        canvas.disc(112, 112, 40, Color::rgba(0, 255, 0, 80));
        canvas.disc(112, 112, 20, Color::rgba(0, 0, 255, 80));
        canvas.end_layer();
        canvas.tint(0, 100, 224, 60, Color::rgba(255, 255, 0, 60));
        canvas.shift(-4, 6, Color::BLACK);
    }
    let mut exact = Raster::new();
    draw(&mut exact);
    for scale in [1, 2, 3] {
        let mut smooth = Vector::new(224 * scale, 224 * scale);
        draw(&mut smooth);
        assert_eq!(smooth.bytes().len(), (224 * 224 * 4 * scale * scale) as usize);
        // Compare the middle of each pixel; edges may differ.
        let width = (224 * scale) as usize;
        let close = box_of(0..224, 0..224).into_iter().filter(|&(x, y)| {
            let middle = scale as usize / 2;
            let index = 4 * ((y as usize * scale as usize + middle) * width + x as usize * scale as usize + middle);
            let pair = at(&exact, x, y).into_iter().zip(&smooth.bytes()[index..index + 4]);
            pair.into_iter().all(|(a, &b)| a.abs_diff(b) <= 12)
        });
        let share = close.count() as f64 / (224.0 * 224.0);
        assert!(share > 0.95, "at scale {scale}, {share} of the pixels agree");
        assert!(smooth.bytes().chunks(4).all(|pixel| pixel[3] == 255));
    }
}

#[test]
fn an_image_of_the_canvas_size_is_shown_as_it_is_and_another_is_resized() {
    let rgb: Vec<u8> = (0..3 * 64 * 64).map(|i| (i * 7 % 251) as u8).collect();
    let mut raster = Raster::with_size(64, 64);
    raster.image(64, 64, &rgb);
    let shown: Vec<u8> = raster.bytes().chunks_exact(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
    assert_eq!(shown, rgb);
    assert!(raster.bytes().chunks_exact(4).all(|pixel| pixel[3] == 255));

    // The left half red, the right half blue, in another size.
    let halves: Vec<u8> = (0..150 * 150).flat_map(|i| if i % 150 < 75 { [200, 0, 0] } else { [0, 0, 200] }).collect();
    raster.image(150, 150, &halves);
    let mut vector = Vector::with_canvas(30, 30, 64, 64);
    vector.image(150, 150, &halves);
    let corner = |bytes: &[u8], side: usize, x: usize, y: usize| bytes[4 * (y * side + x)..][..3].to_vec();
    for (bytes, side) in [(raster.bytes(), 64), (vector.bytes(), 30)] {
        for y in [0, side / 2, side - 1] {
            assert_eq!(corner(bytes, side, 0, y), [200, 0, 0]);
            assert_eq!(corner(bytes, side, side - 1, y), [0, 0, 200]);
        }
    }
}
