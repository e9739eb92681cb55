//! Plots of the selected instance's open-loop plan beside the rollout.

use bevy::ecs::system::SystemParam;
use bevy::prelude::*;
use bevy_egui::{EguiPrimaryContextPass, egui};
use egui_plot::{FilledArea, Line, LineStyle, PlotUi, Points, VLine};

use super::UiSystems;
use super::status_panel::{SideRegion, Tab, tab_is_open};
use super::theme;
use crate::env::{Field, HostedTasks};
use crate::sim::{Ending, InstanceTask, Sim};
use crate::task::DiscountRule;
use crate::view::comparison::{Comparison, Comparisons, HORIZONS};
use crate::view::ghost::ShowGhost;
use crate::view::policy::PlannerLink;
use crate::view::selection::{InstanceName, Instances, Selection};

/// Height of a plot, points; between these it takes its share of the panel.
const MIN_PLOT_HEIGHT: f32 = 112.0;
const MAX_PLOT_HEIGHT: f32 = 220.0;
/// What a plot's title and the spaces about it take, points.
const TITLE_HEIGHT: f32 = 40.0;
const X_LABEL: &str = "steps since the plan was made";

/// Names and colors in the legends.
const PLANNED: (&str, egui::Color32) = ("planned", theme::PREDICTED);
const EXECUTED: (&str, egui::Color32) = ("executed", theme::RECEIVED);
const PREDICTED: (&str, egui::Color32) = ("predicted", theme::PREDICTED);
const RECEIVED: (&str, egui::Color32) = ("received", theme::RECEIVED);

/// What the panel shows.
#[derive(Resource, Clone, Copy, Debug, Default)]
struct PlanPanel {
    dimension: usize,
    /// The plan before the present one, which is complete.
    previous: bool,
}

/// Shows the [`Comparisons`].
pub(super) struct PlanPanelPlugin;

impl Plugin for PlanPanelPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<PlanPanel>()
            .add_systems(EguiPrimaryContextPass, show.in_set(UiSystems::Side).run_if(tab_is_open(Tab::Plan)));
    }
}

/// What the panel is about.
#[derive(SystemParam)]
struct Subject<'w, 's> {
    order: Res<'w, Instances>,
    selection: Res<'w, Selection>,
    sim: Res<'w, Sim>,
    hosted: Res<'w, HostedTasks>,
    link: Option<Res<'w, PlannerLink>>,
    instances: Query<'w, 's, (&'static InstanceName, &'static InstanceTask)>,
}

fn show(
    mut region: SideRegion,
    mut panel: ResMut<PlanPanel>,
    mut ghost: ResMut<ShowGhost>,
    mut comparisons: ResMut<Comparisons>,
    subject: Subject,
) -> Result {
    let selected = subject.order.selected(*subject.selection);
    let (name, task) = subject.instances.get(selected).expect("an instance on show");
    let task_number = usize::from(task.0);
    let (task, layout) = (&subject.sim.tasks[task_number], subject.hosted.0[task_number].layout());
    region.show(|ui| {
        ui.label(egui::RichText::new(&name.0).heading());
        let Some(link) = &subject.link else {
            theme::empty(
                ui,
                "No model, so no plan to show.",
                "Actions are random now. Start `terrarium watch RUN` with a run or checkpoint directory, or \
                 `terrarium train … --watch`, to see what the agent plans.",
            );
            return;
        };
        if let Some(failure) = &link.failure {
            theme::complain(ui, format!("The planner has stopped: {failure}."));
        }
        panel.dimension = panel.dimension.min(task.action_dim.saturating_sub(1));
        show_settings(ui, &mut panel, &mut comparisons, &mut ghost, &action_names(layout.action));
        let comparison = if panel.previous { comparisons.previous.as_ref() } else { comparisons.current.as_ref() };
        match comparison {
            Some(comparison) => {
                show_moment(ui, comparison);
                let axis = action_axis(layout.action, panel.dimension);
                show_plots(ui, comparison, panel.dimension, &axis, task.discount(DiscountRule::default()));
            }
            None if panel.previous => {
                theme::empty(
                    ui,
                    "No plan has been completed yet.",
                    "Let it run for a horizon, or go back to the present plan.",
                );
            }
            None => {
                theme::empty(ui, "Waiting for the first plan.", "It comes with the planner's answer for the next step.")
            }
        }
    })
}

fn show_settings(
    ui: &mut egui::Ui,
    panel: &mut PlanPanel,
    comparisons: &mut Comparisons,
    ghost: &mut ShowGhost,
    actions: &[String],
) {
    let table = egui::Grid::new("plan settings").num_columns(2).spacing([16.0, 6.0]);
    let rows = |ui: &mut egui::Ui| {
        theme::explain(ui, "Plan");
        ui.horizontal(|ui| {
            ui.selectable_value(&mut panel.previous, false, "present");
            ui.selectable_value(&mut panel.previous, true, "last complete");
            ui.checkbox(&mut ghost.0, "ghost");
        });
        ui.end_row();
        theme::explain(ui, "Horizon");
        ui.add(egui::Slider::new(&mut comparisons.horizon, HORIZONS).suffix(" steps"))
            .on_hover_text("Length of the next open-loop plan. A new one is made when it is over.");
        ui.end_row();
        theme::explain(ui, "Action");
        egui::ComboBox::from_id_salt("dimension")
            .width(260.0)
            .selected_text(actions.get(panel.dimension).map_or("", String::as_str))
            .show_ui(ui, |ui| {
                for (index, name) in actions.iter().enumerate() {
                    ui.selectable_value(&mut panel.dimension, index, name);
                }
            });
        ui.end_row();
    };
    theme::wide(ui, "settings", |ui| {
        table.show(ui, rows);
    });
}

fn show_moment(ui: &mut egui::Ui, comparison: &Comparison) {
    let ended = match comparison.ending {
        Some(Ending::Terminated) => ", episode terminated",
        Some(Ending::Truncated) => ", episode cut by its time limit",
        Some(Ending::Fault) => ", episode ended by a faulty state",
        None => "",
    };
    theme::explain(
        ui,
        format!(
            "made at step {} of episode {}, {} of {} steps executed{ended}",
            comparison.first_step,
            comparison.episode + 1,
            comparison.executed.len(),
            comparison.plan.actions.len()
        ),
    );
    ui.separator();
}

fn show_plots(ui: &mut egui::Ui, comparison: &Comparison, dimension: usize, action_axis: &str, discount: f64) {
    let plan = &comparison.plan;
    let reached = comparison.executed.len() as f64;
    let horizon = plan.actions.len() as f64;
    let height = (ui.available_height() / 4.0 - TITLE_HEIGHT).clamp(MIN_PLOT_HEIGHT, MAX_PLOT_HEIGHT);
    let framed = |id: &'static str, y_label: &'static str| {
        theme::plot(id, height, X_LABEL, y_label).include_x(0.0).include_x(horizon)
    };

    let meaning = "What the plan does, and what was executed: the agent plans anew before each step. The band is one \
                   standard deviation of the planner's final distribution.";
    title(ui, action_axis, meaning, &[PLANNED, EXECUTED]);
    framed("actions", "action").include_y(-1.0).include_y(1.0).show(ui, |plot| {
        let planned: Vec<f32> = plan.actions.iter().map(|action| action[dimension]).collect();
        spread_band(plot, &planned, plan.spread.iter().map(|spread| spread[dimension]));
        draw_predicted(plot, PLANNED.0, &planned);
        draw_received(plot, EXECUTED.0, comparison.executed.iter().map(|action| f64::from(action[dimension])));
        mark(plot, reached);
    });
    title(
        ui,
        "Reward",
        "Predicted for the plan's actions, and received for the executed ones.",
        &[PREDICTED, RECEIVED],
    );
    framed("reward", "reward").show(ui, |plot| {
        draw_predicted(plot, PREDICTED.0, &plan.rewards);
        draw_received(plot, RECEIVED.0, comparison.rewards.iter().map(|&reward| f64::from(reward)));
        mark(plot, reached);
    });
    let meaning = "Discounted return. Predicted at each state of the plan. Received: discounted rewards from there to the last step \
                   reached, then the value predicted for it (none after a termination).";
    title(ui, "Value", meaning, &[PREDICTED, RECEIVED]);
    framed("value", "return").show(ui, |plot| {
        draw_predicted(plot, PREDICTED.0, &plan.values);
        draw_received(plot, RECEIVED.0, comparison.received_returns(discount).into_iter());
        mark(plot, reached);
    });
    let meaning = "Root mean square difference of the predicted latent z' and the encoding z of what was observed.";
    title(ui, "Latent error", meaning, &[("√ mean (z' − z)²", theme::ERROR)]);
    framed("latent", "RMS difference").include_y(0.0).show(ui, |plot| {
        let points: Vec<[f64; 2]> = comparison.latent_errors().map(|(k, error)| [k as f64, error]).collect();
        plot.line(Line::new("latent error", points.clone()).color(theme::ERROR).width(2.0));
        plot.points(Points::new("latent error", points).color(theme::ERROR).radius(2.5));
        mark(plot, reached);
    });
}

/// What a plot shows, with its meaning on hover and its legend at the right.
fn title(ui: &mut egui::Ui, text: &str, meaning: &str, legend: &[(&str, egui::Color32)]) {
    ui.horizontal(|ui| {
        ui.label(egui::RichText::new(text).strong()).on_hover_text(meaning);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            for &(name, color) in legend.iter().rev() {
                ui.label(egui::RichText::new(name).small().color(color)).on_hover_text(meaning);
                let (rect, _) = ui.allocate_exact_size(egui::vec2(12.0, 3.0), egui::Sense::hover());
                ui.painter().rect_filled(rect, 1.5, color);
            }
        });
    });
}

fn draw_predicted(plot: &mut PlotUi<'_>, name: &str, values: &[f32]) {
    let points: Vec<[f64; 2]> = values.iter().enumerate().map(|(k, &value)| [k as f64, f64::from(value)]).collect();
    plot.line(Line::new(name, points).color(theme::PREDICTED).width(2.0).style(LineStyle::Dashed { length: 7.0 }));
}

fn draw_received(plot: &mut PlotUi<'_>, name: &str, values: impl Iterator<Item = f64>) {
    let points: Vec<[f64; 2]> = values.enumerate().map(|(k, value)| [k as f64, value]).collect();
    plot.points(Points::new(name, points.clone()).color(theme::RECEIVED).radius(2.5));
    plot.line(Line::new(name, points).color(theme::RECEIVED).width(2.0));
}

/// One standard deviation of the planner's final distribution about the plan.
fn spread_band(plot: &mut PlotUi<'_>, planned: &[f32], spread: impl Iterator<Item = f32>) {
    let band: Vec<[f64; 3]> = planned
        .iter()
        .zip(spread)
        .enumerate()
        .map(|(k, (&mean, spread))| [k as f64, f64::from(mean - spread), f64::from(mean + spread)])
        .collect();
    let column = |index: usize| -> Vec<f64> { band.iter().map(|row| row[index]).collect() };
    let color = theme::PREDICTED.gamma_multiply(0.15);
    plot.add(FilledArea::new("planner's spread", &column(0), &column(1), &column(2)).fill_color(color));
}

/// Marks the last step reached.
fn mark(plot: &mut PlotUi<'_>, step: f64) {
    let style = LineStyle::Dotted { spacing: 5.0 };
    plot.vline(VLine::new("now", step).color(theme::TEXT.gamma_multiply(0.8)).width(1.5).style(style));
}

fn action_names(fields: &[Field]) -> Vec<String> {
    let mut names = Vec::new();
    for field in fields {
        for entry in 0..field.width {
            let number = if field.width > 1 { format!(" {}", entry + 1) } else { String::new() };
            names.push(format!("{}: {}{number}", names.len() + 1, field.name));
        }
    }
    names
}

/// What a full action means, as a title.
fn action_axis(fields: &[Field], dimension: usize) -> String {
    let mut units = fields.iter().flat_map(|field| std::iter::repeat_n(field.unit, field.width));
    match units.nth(dimension) {
        Some("1") | None => "Action".to_owned(),
        Some(unit) => format!("Action, 1 = {unit}"),
    }
}
