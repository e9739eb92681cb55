//! Colors, spacing and the frames of panels: one look for all of the app.

use bevy_egui::egui::{self, Color32, CornerRadius, FontFamily, FontId, Margin, Stroke, TextStyle};
use egui_plot::{GridInput, GridMark, Legend, Plot};

/// Behind everything.
pub(super) const BACKGROUND: Color32 = Color32::from_rgb(15, 17, 21);
/// Behind panels.
pub(super) const PANEL: Color32 = Color32::from_rgb(22, 25, 31);
/// Behind plots and tiles.
pub(super) const SURFACE: Color32 = Color32::from_rgb(28, 32, 39);
/// Borders and separators.
pub(super) const LINE: Color32 = Color32::from_rgb(46, 52, 63);
/// Text that matters.
pub(super) const TEXT: Color32 = Color32::from_rgb(222, 226, 233);
/// Text that explains.
pub(super) const FAINT: Color32 = Color32::from_rgb(140, 149, 163);
/// What was planned or predicted.
pub(super) const PREDICTED: Color32 = Color32::from_rgb(94, 170, 255);
/// What was executed or received.
pub(super) const RECEIVED: Color32 = Color32::from_rgb(255, 180, 84);
/// Distances between the two.
pub(super) const ERROR: Color32 = Color32::from_rgb(240, 113, 120);
/// The selected tile and the pressed button.
pub(super) const ACCENT: Color32 = Color32::from_rgb(94, 170, 255);
/// The ghost of a plan, red, green, blue.
pub(super) const GHOST: [u8; 3] = [94, 170, 255];
/// Curves side by side.
pub(super) const CURVES: [Color32; 8] = [
    Color32::from_rgb(94, 170, 255),
    Color32::from_rgb(255, 180, 84),
    Color32::from_rgb(127, 209, 165),
    Color32::from_rgb(240, 113, 120),
    Color32::from_rgb(194, 151, 255),
    Color32::from_rgb(240, 220, 120),
    Color32::from_rgb(110, 210, 220),
    Color32::from_rgb(230, 150, 200),
];

/// Space between things that belong together, points; multiples of it elsewhere.
pub(super) const GAP: f32 = 8.0;

/// Gives the context our look.
pub(super) fn apply(ctx: &egui::Context) {
    ctx.set_theme(egui::Theme::Dark);
    ctx.all_styles_mut(|style| {
        style.text_styles = [
            (TextStyle::Heading, FontId::new(18.0, FontFamily::Proportional)),
            (TextStyle::Body, FontId::new(14.0, FontFamily::Proportional)),
            (TextStyle::Button, FontId::new(14.0, FontFamily::Proportional)),
            (TextStyle::Monospace, FontId::new(13.0, FontFamily::Monospace)),
            (TextStyle::Small, FontId::new(12.0, FontFamily::Proportional)),
        ]
        .into();
        style.spacing.item_spacing = egui::vec2(GAP, 6.0);
        style.spacing.button_padding = egui::vec2(10.0, 4.0);
        style.spacing.interact_size.y = 24.0;
        style.spacing.slider_width = 150.0;
        style.interaction.selectable_labels = false;
        let visuals = &mut style.visuals;
        visuals.panel_fill = PANEL;
        visuals.window_fill = PANEL;
        visuals.window_stroke = Stroke::new(1.0, LINE);
        visuals.extreme_bg_color = SURFACE;
        visuals.faint_bg_color = SURFACE;
        visuals.selection.bg_fill = ACCENT.gamma_multiply(0.35);
        visuals.selection.stroke = Stroke::new(1.0, TEXT);
        visuals.slider_trailing_fill = true;
        let widgets = &mut visuals.widgets;
        widgets.noninteractive.bg_stroke = Stroke::new(1.0, LINE);
        widgets.noninteractive.fg_stroke = Stroke::new(1.0, TEXT);
        for widget in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active, &mut widgets.open] {
            widget.corner_radius = CornerRadius::same(5);
            widget.fg_stroke = Stroke::new(1.0, TEXT);
            widget.expansion = 0.0;
        }
        widgets.inactive.weak_bg_fill = SURFACE;
        widgets.inactive.bg_fill = LINE;
        widgets.inactive.bg_stroke = Stroke::new(1.0, LINE);
        widgets.hovered.weak_bg_fill = LINE;
        widgets.hovered.bg_stroke = Stroke::new(1.0, FAINT);
        widgets.active.weak_bg_fill = ACCENT.gamma_multiply(0.35);
    });
}

/// The frame of a panel.
pub(super) fn panel() -> egui::Frame {
    egui::Frame::new().fill(PANEL).inner_margin(Margin::symmetric(12, 8)).stroke(Stroke::NONE)
}

/// The frame of the space where instances are shown.
pub(super) fn stage() -> egui::Frame {
    egui::Frame::new().fill(BACKGROUND).inner_margin(Margin::same(12))
}

/// Text that explains, in a paragraph.
pub(super) fn explain(ui: &mut egui::Ui, text: impl Into<String>) {
    ui.label(egui::RichText::new(text).color(FAINT));
}

/// Something went wrong.
pub(super) fn complain(ui: &mut egui::Ui, text: impl Into<String>) {
    ui.label(egui::RichText::new(text).color(ERROR));
}

/// Contents that keep their width; where a panel is narrower, they scroll sideways.
pub(super) fn wide(ui: &mut egui::Ui, id: &str, contents: impl FnOnce(&mut egui::Ui)) {
    egui::ScrollArea::horizontal().id_salt(id).auto_shrink([false, true]).show(ui, contents);
}

/// A panel with nothing to show yet: what is missing and what to do.
pub(super) fn empty(ui: &mut egui::Ui, what: &str, to_do: &str) {
    ui.add_space(4.0 * GAP);
    ui.vertical_centered(|ui| {
        ui.label(egui::RichText::new(what).strong());
        explain(ui, to_do);
    });
}

/// A plot in our look: titled axes, a quiet grid, no way to lose the curves by an accidental scroll.
pub(super) fn plot<'a>(id: &'a str, height: f32, x_label: &'a str, y_label: &'a str) -> Plot<'a> {
    Plot::new(id)
        .height(height)
        .x_axis_label(egui::RichText::new(x_label).small().color(FAINT))
        .y_axis_label(egui::RichText::new(y_label).small().color(FAINT))
        .y_axis_min_width(44.0)
        .allow_scroll(false)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_boxed_zoom(false)
        .set_margin_fraction(egui::vec2(0.02, 0.12))
        .x_grid_spacer(|input| round_marks(input, 6.0))
        .y_grid_spacer(|input| round_marks(input, 3.0))
        .x_axis_formatter(|mark, _| mark_text(mark))
        .y_axis_formatter(|mark, _| mark_text(mark))
        .grid_spacing(egui::Rangef::new(4.0, 24.0))
        .grid_color(LINE)
        .show_background(false)
}

/// At most about `most` marks at multiples of 1, 2 or 5 times a power of ten.
fn round_marks(input: GridInput, most: f64) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let step_size = round_step((high - low) / most);
    if !step_size.is_normal() {
        return Vec::new();
    }
    let (first, last) = ((low / step_size).ceil() as i64, (high / step_size).floor() as i64);
    (first..=last).map(|mark| GridMark { value: mark as f64 * step_size, step_size }).collect()
}

/// The smallest of 1, 2 or 5 times a power of ten that is not below `size`.
fn round_step(size: f64) -> f64 {
    let power = 10f64.powf(size.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|&step| step >= size * 0.999).unwrap_or(size)
}

/// A mark's value with as many decimals as tell it from the next; thousands and millions in short.
pub(super) fn mark_text(mark: GridMark) -> String {
    let (unit, name) = match mark.value.abs().max(mark.step_size) {
        size if size >= 1e6 => (1e6, "M"),
        size if size >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let decimals = (-(mark.step_size / unit).log10()).ceil().clamp(0.0, 6.0) as usize;
    let value = if mark.value == 0.0 { 0.0 } else { mark.value / unit };
    format!("{value:.decimals$}{name}")
}

/// The legend of curves that come from outside, so that their names and number are not known.
pub(super) fn legend() -> Legend {
    Legend::default().text_style(TextStyle::Small).background_alpha(0.7).follow_insertion_order(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_few_and_round() {
        for (bounds, wanted) in [
            ((-1.1, 1.1), vec![-1.0, 0.0, 1.0]),
            ((0.0, 25.0), vec![0.0, 10.0, 20.0]),
            ((0.03, 0.21), vec![0.05, 0.1, 0.15, 0.2]),
        ] {
            let marks = round_marks(GridInput { bounds, base_step_size: 0.0 }, 4.0);
            let values: Vec<f64> = marks.iter().map(|mark| (mark.value * 1e6).round() / 1e6).collect();
            assert_eq!(values, wanted);
        }
    }

    #[test]
    fn neighboring_marks_read_differently() {
        let text = |value: f64, step_size: f64| mark_text(GridMark { value, step_size });
        assert_eq!([text(-0.5, 0.5), text(-0.0, 0.5), text(1.0, 0.5)], ["-0.5", "0.0", "1.0"]);
        assert_eq!([text(0.05, 0.05), text(20.0, 10.0), text(2000.0, 500.0)], ["0.05", "20", "2000"]);
        assert_eq!([text(20_000.0, 5000.0), text(1.5e6, 5e5)], ["20k", "1.5M"]);
    }

    #[test]
    fn an_empty_range_has_no_marks() {
        assert!(round_marks(GridInput { bounds: (1.0, 1.0), base_step_size: 0.0 }, 4.0).is_empty());
    }
}
