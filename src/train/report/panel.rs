//! One diagram: axes, a grid, lines, a legend above. Every figure is made of these.

use std::path::Path;
use std::sync::Once;

use image::{ImageFormat, RgbImage, imageops};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use super::{ReportError, draw_error};
use crate::files;

/// Everything is drawn this much larger and then averaged down, which makes edges smooth.
const SCALE: u32 = 3;
/// The name under which our font is known to the drawing library.
const FONT: &str = "report";
/// Sizes of text, pixels of the finished picture.
const TITLE_PX: f64 = 21.0;
const LABEL_PX: f64 = 16.0;
const TICK_PX: f64 = 14.0;

pub(super) const INK: RGBColor = RGBColor(34, 38, 46);
pub(super) const SOFT_INK: RGBColor = RGBColor(92, 99, 112);
const GRID: RGBColor = RGBColor(228, 231, 236);
/// What is measured, or an evaluation.
pub(super) const BLUE: RGBColor = RGBColor(31, 95, 168);
/// The same, less important.
pub(super) const LIGHT_BLUE: RGBColor = RGBColor(158, 190, 224);
/// What is predicted.
pub(super) const ORANGE: RGBColor = RGBColor(217, 108, 30);
/// Colors that can be told apart, also by most color-blind readers (after Okabe & Ito 2008).
pub(super) const SERIES: [RGBColor; 6] =
    [BLUE, ORANGE, RGBColor(0, 140, 105), RGBColor(170, 70, 140), RGBColor(196, 160, 0), RGBColor(70, 165, 220)];

/// A drawing area of the picture being made.
pub(super) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stroke {
    Solid,
    Dashed,
}

/// A line of a panel.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Its words in the legend; without them it has no entry.
    pub(super) name: Option<String>,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) color: RGBColor,
    /// Pixels of the finished picture.
    pub(super) width: f64,
    pub(super) stroke: Stroke,
    /// Whether each point has a dot.
    pub(super) dots: bool,
}

impl Line {
    pub(super) fn new(name: &str, points: Vec<(f64, f64)>, color: RGBColor) -> Self {
        let name = (!name.is_empty()).then(|| name.to_owned());
        Self { name, points, color, width: 2.0, stroke: Stroke::Solid, dots: false }
    }

    pub(super) fn width(self, width: f64) -> Self {
        Self { width, ..self }
    }

    pub(super) fn scaled(self, factor: f64) -> Self {
        Self { width: self.width * factor, ..self }
    }

    pub(super) fn unnamed(self) -> Self {
        Self { name: None, ..self }
    }

    pub(super) fn dashed(self) -> Self {
        Self { stroke: Stroke::Dashed, ..self }
    }

    pub(super) fn dotted(self) -> Self {
        Self { dots: true, ..self }
    }

    fn dot<C>(&self, center: C) -> Circle<C, i32> {
        Circle::new(center, px(self.width * 0.8 + 1.2), self.color.filled())
    }
}

/// A diagram.
#[derive(Clone, Debug, Default)]
pub(super) struct Panel {
    pub(super) title: String,
    /// With its unit.
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) lines: Vec<Line>,
    /// The axis' ends; without them they follow from the lines.
    pub(super) x_range: Option<(f64, f64)>,
    pub(super) y_range: Option<(f64, f64)>,
    /// Whether the vertical axis is logarithmic, where all numbers are positive and spread far.
    pub(super) may_be_log: bool,
    /// Whether text is small: for many panels in a picture.
    pub(super) small: bool,
}

/// Makes a picture of `width` x `height` pixels by `draw` and writes it as PNG, as a whole or not at all.
pub(super) fn write_picture(
    path: &Path,
    (width, height): (u32, u32),
    draw: impl FnOnce(&Area) -> Result<(), String>,
) -> Result<(), ReportError> {
    static FONTS: Once = Once::new();
    FONTS.call_once(|| {
        let regular = include_bytes!("../../../assets/fonts/DejaVuSans.ttf");
        assert!(register_font(FONT, FontStyle::Normal, regular).is_ok(), "the font that we ship is a font");
    });
    let problem = draw_error(path);
    let mut pixels = vec![255; (width * SCALE * height * SCALE * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width * SCALE, height * SCALE)).into_drawing_area();
        draw(&area).map_err(&problem)?;
        area.present().map_err(|error| problem(error.to_string()))?;
    }
    let large = RgbImage::from_raw(width * SCALE, height * SCALE, pixels).expect("the buffer has this size");
    let picture = imageops::thumbnail(&large, width, height);
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).map_err(|error| problem(error.to_string()))?;
    Ok(files::write_atomic(path, png.get_ref())?)
}

/// Writes a heading over a picture, with the legend of `lines` on the right, and gives what is left below.
pub(super) fn heading<'a>(area: &Area<'a>, title: &str, lines: &[Line]) -> Result<Area<'a>, String> {
    let (top, rest) = area.split_vertically(px(46.0));
    let style = text(TITLE_PX, INK).pos(Pos::new(HPos::Left, VPos::Center));
    top.draw_text(title, &style, (px(22.0), px(26.0))).map_err(words)?;
    draw_legend(&top.margin(px(6.0), 0, 0, px(18.0)), lines, LABEL_PX)?;
    Ok(rest)
}

/// Writes the names of lines beside strokes like theirs, from the right end of `area` leftward.
fn draw_legend(area: &Area, lines: &[Line], label_px: f64) -> Result<(), String> {
    let (width, height) = area.dim_in_pixel();
    let middle = height as i32 / 2;
    let style = text(label_px * 0.9, SOFT_INK).pos(Pos::new(HPos::Left, VPos::Center));
    let (dash, gap) = (px(22.0), px(7.0));
    let mut right = width as i32;
    for line in lines.iter().rev() {
        let Some(name) = &line.name else { continue };
        let (text_width, _) = area.estimate_text_size(name, &style).map_err(words)?;
        let left = right - text_width as i32;
        area.draw_text(name, &style, (left, middle)).map_err(words)?;
        let (start, end) = (left - gap - dash, left - gap);
        let stroke = ShapeStyle::from(&line.color).stroke_width(px(line.width.max(1.5)) as u32);
        let parts = match line.stroke {
            Stroke::Solid => vec![(start, end)],
            Stroke::Dashed => vec![(start, start + px(9.0)), (start + px(13.0), end)],
        };
        for (from, to) in parts {
            area.draw(&PathElement::new([(from, middle), (to, middle)], stroke)).map_err(words)?;
        }
        if line.dots {
            area.draw(&line.dot((start + dash / 2, middle))).map_err(words)?;
        }
        right = start - px(14.0);
    }
    Ok(())
}

fn px(pixels: f64) -> i32 {
    (pixels * f64::from(SCALE)).round() as i32
}

fn text(pixels: f64, color: RGBColor) -> TextStyle<'static> {
    let font = (FONT, pixels * f64::from(SCALE)).into_font();
    TextStyle { font, color: color.to_backend_color(), pos: Pos::default() }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Panel {
    /// Draws it into an area.
    pub(super) fn draw(&self, area: &Area) -> Result<(), String> {
        let (label_px, tick_px) = if self.small { (13.0, 11.0) } else { (LABEL_PX, TICK_PX) };
        let log = self.may_be_log && self.spreads_far();
        let value = |y: f64| if log { y.log10() } else { y };
        let (x0, x1) = self.x_range.unwrap_or_else(|| padded(self.numbers(|point| point.0), 0.0));
        let (y0, y1) = self.y_range.unwrap_or_else(|| padded(self.numbers(|point| value(point.1)), 0.06));

        let area = area.margin(px(4.0), px(8.0), px(10.0), px(18.0));
        let (top, body) = area.split_vertically(px(label_px * 2.0));
        self.draw_header(&top, label_px)?;

        let y_area = if self.small { 46.0 } else { 74.0 };
        let x_area = if self.x_label.is_empty() { tick_px * 2.0 } else { tick_px + label_px * 1.9 };
        let mut chart = ChartBuilder::on(&body)
            .set_label_area_size(LabelAreaPosition::Left, px(y_area))
            .set_label_area_size(LabelAreaPosition::Bottom, px(x_area))
            .build_cartesian_2d(x0..x1, y0..y1)
            .map_err(words)?;
        let (width, height) = body.dim_in_pixel();
        let ticks = |pixels: u32, each: f64| ((f64::from(pixels) / f64::from(SCALE) / each) as usize).clamp(2, 9);
        chart
            .configure_mesh()
            .x_labels(ticks(width, 95.0))
            .y_labels(ticks(height, 45.0))
            .x_label_formatter(&|x| short(*x))
            .y_label_formatter(&|y| if log { short(two_digits(10_f64.powf(*y))) } else { short(*y) })
            .set_all_tick_mark_size(px(5.0))
            .x_desc(self.x_label.as_str())
            .y_desc(self.y_label.as_str())
            .axis_desc_style(text(label_px, SOFT_INK))
            .label_style(text(tick_px, SOFT_INK))
            .axis_style(ShapeStyle::from(&SOFT_INK).stroke_width(SCALE))
            .bold_line_style(ShapeStyle::from(&GRID).stroke_width(SCALE))
            .light_line_style(TRANSPARENT)
            .disable_x_mesh()
            .draw()
            .map_err(words)?;

        for line in &self.lines {
            let style = ShapeStyle::from(&line.color).stroke_width(px(line.width) as u32);
            // A number that is not finite is a gap.
            let pieces = line.points.split(|point| !(point.0.is_finite() && value(point.1).is_finite()));
            for piece in pieces.filter(|piece| !piece.is_empty()) {
                let points: Vec<(f64, f64)> = piece.iter().map(|point| (point.0, value(point.1))).collect();
                match line.stroke {
                    Stroke::Solid => {
                        chart.draw_series(LineSeries::new(points.iter().copied(), style)).map_err(words)?
                    }
                    Stroke::Dashed => {
                        let dashes = DashedLineSeries::new(points.iter().copied(), SCALE * 6, SCALE * 5, style);
                        chart.draw_series(dashes).map_err(words)?
                    }
                };
                if line.dots || points.len() == 1 {
                    let dots = points.iter().map(|point| line.dot(*point));
                    chart.draw_series(dots).map_err(words)?;
                }
            }
        }
        if self.lines.iter().all(|line| line.points.is_empty()) {
            let style = text(label_px, SOFT_INK).pos(Pos::new(HPos::Center, VPos::Center));
            let middle = ((width as i32 + px(y_area)) / 2, (height as i32 - px(x_area)) / 2);
            body.draw_text("nothing recorded yet", &style, middle).map_err(words)?;
        }
        Ok(())
    }

    /// The title on the left, the legend on the right, in one line.
    fn draw_header(&self, top: &Area, label_px: f64) -> Result<(), String> {
        let style = text(label_px, INK).pos(Pos::new(HPos::Left, VPos::Center));
        let (_, height) = top.dim_in_pixel();
        top.draw_text(&self.title, &style, (px(14.0), height as i32 / 2)).map_err(words)?;
        draw_legend(top, &self.lines, label_px)
    }

    fn numbers(&self, of: impl Fn(&(f64, f64)) -> f64) -> (f64, f64) {
        let numbers = self.lines.iter().flat_map(|line| &line.points).map(of).filter(|number| number.is_finite());
        numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| (low.min(number), high.max(number)))
    }

    /// Whether all numbers are positive and the largest is far above the smallest.
    fn spreads_far(&self) -> bool {
        let (low, high) = self.numbers(|point| point.1);
        low > 0.0 && high / low > 20.0
    }
}

/// The ends of an axis: those of the numbers, and a part of their distance more; never of length zero.
fn padded((low, high): (f64, f64), part: f64) -> (f64, f64) {
    if low > high {
        return (0.0, 1.0);
    }
    let distance = if high > low { high - low } else { high.abs().max(1.0) };
    let pad = if high > low { distance * part } else { distance * 0.5 };
    (low - pad, high + pad)
}

/// A number for an axis: `0`, `0.05`, `12k`, `1.5M`.
fn short(number: f64) -> String {
    let size = number.abs();
    let plain = |number: f64, digits: usize| {
        let text = format!("{number:.digits$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        if text == "-0" { "0".to_owned() } else { text.to_owned() }
    };
    match size {
        _ if size >= 1e9 => format!("{}G", plain(number / 1e9, 2)),
        _ if size >= 1e6 => format!("{}M", plain(number / 1e6, 2)),
        _ if size >= 1e3 => format!("{}k", plain(number / 1e3, 2)),
        _ if size >= 100.0 => plain(number, 0),
        _ if size >= 1.0 => plain(number, 2),
        _ if !(1e-12..1e-3).contains(&size) => plain(number, 4),
        _ => format!("{number:.0e}"),
    }
}

/// A number rounded to two digits.
fn two_digits(number: f64) -> f64 {
    let unit = 10_f64.powf(number.abs().log10().floor() - 1.0);
    (number / unit).round() * unit
}

/// How many columns and rows `n` panels of a picture take.
pub(super) fn grid(n: usize) -> (usize, usize) {
    let columns = match n {
        0..=1 => 1,
        2..=4 => 2,
        5..=12 => 3,
        13..=30 => 5,
        _ => 10,
    };
    (columns, n.div_ceil(columns).max(1))
}

/// No line at all.
const TRANSPARENT: RGBAColor = RGBAColor(0, 0, 0, 0.0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_numbers_are_short() {
        for (number, words) in [
            (0.0, "0"),
            (-0.00000000000001, "0"),
            (0.05, "0.05"),
            (0.30000000000000004, "0.3"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (1500.0, "1.5k"),
            (12_500.0, "12.5k"),
            (2_000_000.0, "2M"),
            (1e-5, "1e-5"),
        ] {
            assert_eq!(short(number), words);
        }
        assert_eq!(short(two_digits(0.031_622)), "0.032");
    }

    #[test]
    fn axes_are_never_of_length_zero() {
        assert_eq!(padded((f64::INFINITY, f64::NEG_INFINITY), 0.1), (0.0, 1.0));
        assert_eq!(padded((2.0, 2.0), 0.1), (1.0, 3.0));
        assert_eq!(padded((0.0, 10.0), 0.1), (-1.0, 11.0));
    }
}
