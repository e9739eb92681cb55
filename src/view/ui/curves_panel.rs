//! Plots of a training: scores, losses, and any other tag.

use bevy::prelude::*;
use bevy_egui::{EguiPrimaryContextPass, egui};
use egui_plot::{Line, Plot, PlotPoint, PlotPoints, Points};

use super::UiSystems;
use super::status_panel::{SideRegion, Tab, tab_is_open};
use super::theme;
use crate::view::curves::{Curves, CurvesFeed, Feed};

/// Height of each plot, points.
const PLOT_HEIGHT: f32 = 190.0;
/// Most points drawn of one curve; longer ones are thinned.
const MOST_POINTS: usize = 1500;
const X_LABEL: &str = "environment steps";

/// The tag of the plot that shows any one.
#[derive(Resource, Clone, Debug, Default)]
struct ChosenTag(Option<String>);

/// Shows [`Curves`].
pub(super) struct CurvesPanelPlugin;

impl Plugin for CurvesPanelPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<ChosenTag>()
            .add_systems(EguiPrimaryContextPass, show.in_set(UiSystems::Side).run_if(tab_is_open(Tab::Training)));
    }
}

fn show(mut region: SideRegion, mut chosen: ResMut<ChosenTag>, curves: Res<Curves>, feed: Res<CurvesFeed>) -> Result {
    region.show(|ui| {
        ui.label(egui::RichText::new("Training").heading());
        match &feed.source {
            Feed::None => {}
            Feed::File(tail) => theme::explain(ui, tail.path().display().to_string()),
            Feed::Channel(_) => theme::explain(ui, "in this process"),
        }
        if curves.series.is_empty() {
            show_why_empty(ui, &feed);
            return;
        }
        if let Some(problem) = &feed.problem {
            theme::complain(ui, problem);
        }
        if let Some(step) = curves.last_step() {
            theme::explain(ui, format!("latest step {step:.0}"));
        }
        if curves.malformed > 0 {
            theme::complain(ui, format!("{} lines were not readable and were left out", curves.malformed));
        }
        show_plots(ui, &curves, &mut chosen.0);
    })
}

fn show_why_empty(ui: &mut egui::Ui, feed: &CurvesFeed) {
    match (&feed.source, &feed.problem) {
        (Feed::None, _) => theme::empty(
            ui,
            "No training to follow.",
            "Start `terrarium watch RUN` with the directory of a run, or `terrarium train … --watch`.",
        ),
        (_, Some(problem)) => theme::empty(ui, problem, "It is looked for twice a second."),
        _ => theme::empty(ui, "Nothing logged yet.", "Curves appear with the first finished episodes and updates."),
    }
}

fn show_plots(ui: &mut egui::Ui, curves: &Curves, chosen: &mut Option<String>) {
    let tags = |wanted: &dyn Fn(&str) -> bool| -> Vec<&str> {
        curves.series.keys().map(String::as_str).filter(|tag| wanted(tag)).collect()
    };
    // Evaluations are rarer and matter more: they lie above the rest.
    let scores = ["train/episode_score", "eval/episode_score", "eval/avg_score"];
    let scores = scores.into_iter().filter(|tag| curves.series.contains_key(*tag)).collect::<Vec<_>>();
    if !scores.is_empty() {
        ui.add_space(theme::GAP);
        ui.label(egui::RichText::new("Score").strong());
        over_steps("scores", "normalised score")
            .legend(theme::legend().position(egui_plot::Corner::LeftTop))
            .include_y(0.0)
            .include_y(1.0)
            .show(ui, |plot| draw(plot, curves, &scores, Some));
    }
    let losses = tags(&|tag| tag.ends_with("_loss") && tag != "train/pi_loss");
    if !losses.is_empty() {
        ui.add_space(theme::GAP);
        ui.label(egui::RichText::new("Losses").strong());
        over_steps("losses", "loss, logarithmic")
            .legend(theme::legend())
            .y_axis_formatter(|mark, _| power_of_ten(mark.value))
            .label_formatter(|at| match at {
                egui_plot::HoverPosition::NearDataPoint { plot_name, position, .. } => {
                    Some(format!("{plot_name}: {:.4} at step {:.0}", 10f64.powf(position.y), position.x))
                }
                _ => None,
            })
            .show(ui, |plot| draw(plot, curves, &losses, |value| (value > 0.0).then(|| value.log10())));
    }
    ui.add_space(theme::GAP);
    ui.label(egui::RichText::new("Metric").strong());
    let default =
        ["train/episode_reward", "train/steps_per_second"].into_iter().find(|tag| curves.series.contains_key(*tag));
    let first = curves.series.keys().next().cloned().unwrap_or_default();
    let tag = chosen.get_or_insert_with(|| default.map_or(first, str::to_owned));
    egui::ComboBox::from_id_salt("tag").width(ui.available_width().min(280.0)).selected_text(tag.as_str()).show_ui(
        ui,
        |ui| {
            for known in curves.series.keys() {
                ui.selectable_value(tag, known.clone(), known);
            }
        },
    );
    over_steps("any", tag).show(ui, |plot| draw(plot, curves, &[tag], Some));
}

/// A plot over the steps of a training.
fn over_steps<'a>(id: &'a str, y_label: &'a str) -> Plot<'a> {
    theme::plot(id, PLOT_HEIGHT, X_LABEL, y_label)
}

fn draw(plot: &mut egui_plot::PlotUi<'_>, curves: &Curves, tags: &[&str], scale: impl Fn(f64) -> Option<f64>) {
    for (tag, color) in tags.iter().zip(theme::CURVES.iter().cycle()) {
        let points = curves.series.get(*tag).map_or(&[][..], Vec::as_slice);
        let stride = points.len().div_ceil(MOST_POINTS).max(1);
        let last = points.len().saturating_sub(1);
        let drawn = points
            .iter()
            .enumerate()
            .filter(|(index, _)| index % stride == 0 || *index == last)
            .filter_map(|(_, &[step, value])| Some(PlotPoint::new(step, scale(value)?)))
            .collect::<Vec<_>>();
        if tag.starts_with("eval/") {
            plot.points(Points::new(*tag, PlotPoints::Owned(drawn.clone())).color(*color).radius(3.5));
        }
        let width = if tag.starts_with("train/episode") { 1.0 } else { 2.0 };
        plot.line(Line::new(*tag, PlotPoints::Owned(drawn)).color(*color).width(width));
    }
}

fn power_of_ten(exponent: f64) -> String {
    let value = 10f64.powf(exponent);
    if (0.01..1000.0).contains(&value) { format!("{value:.2}") } else { format!("{value:.0e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithmic_marks_are_readable() {
        assert_eq!(power_of_ten(0.0), "1.00");
        assert_eq!(power_of_ten(-1.0), "0.10");
        assert_eq!(power_of_ten(-5.0), "1e-5");
    }
}
