//! The side panel's frame and tabs, the list of tasks and agents, and the bar with throughput at the bottom.

use bevy::diagnostic::{DiagnosticsStore, FrameTimeDiagnosticsPlugin};
use bevy::ecs::system::SystemParam;
use bevy::prelude::*;
use bevy_egui::{EguiContexts, EguiPrimaryContextPass, egui};

use super::UiSystems;
use super::controls::FreeSpace;
use super::theme;
use crate::sim::{EpisodeTally, FinishedEpisode, InstanceTask, Sim};
use crate::view::clock::{Clock, Pace, StepRate};
use crate::view::policy::PlannerLink;
use crate::view::selection::{InstanceName, Instances, Selection};

/// Width of the side panel where there is space, points.
const PANEL_WIDTH: f32 = 470.0;
/// The share of the window that it takes at most: the rest is for the instances.
const PANEL_SHARE: f32 = 0.35;
/// Narrowest that it can be dragged, points.
const MIN_PANEL_WIDTH: f32 = 340.0;

/// What the side panel is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    /// The open-loop plan of the selected instance beside what happened.
    Plan,
    /// Curves of a training.
    Training,
    /// Tasks, scores, who acts.
    Tasks,
}

/// The side panel.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SidePanel {
    pub(super) open: bool,
    pub(super) tab: Tab,
}

/// The right side of the window.
#[derive(SystemParam)]
pub(super) struct SideRegion<'w, 's> {
    contexts: EguiContexts<'w, 's>,
    space: ResMut<'w, FreeSpace>,
    panel: ResMut<'w, SidePanel>,
}

impl SideRegion<'_, '_> {
    /// Takes it for `contents`, under the tabs.
    pub(super) fn show(&mut self, contents: impl FnOnce(&mut egui::Ui)) -> Result {
        let mut region = self.space.region(self.contexts.ctx_mut()?, "side region");
        let tab = &mut self.panel.tab;
        let widths = widths(region.ctx().viewport_rect().width());
        let side = egui::Panel::right("side").frame(theme::panel()).default_size(PANEL_WIDTH).size_range(widths);
        side.show(&mut region, |ui| {
            ui.horizontal_wrapped(|ui| {
                for (one, name) in [(Tab::Plan, "Plan and rollout"), (Tab::Training, "Training"), (Tab::Tasks, "Tasks")]
                {
                    ui.selectable_value(tab, one, name);
                }
            });
            ui.separator();
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, contents);
        });
        self.space.keep(&region);
        Ok(())
    }
}

/// Least and greatest width of the panel in a window so wide.
fn widths(window: f32) -> egui::Rangef {
    let greatest = PANEL_SHARE * window;
    egui::Rangef::new(MIN_PANEL_WIDTH.min(greatest), greatest)
}

/// Condition: the side panel is open at `tab`.
pub(super) fn tab_is_open(tab: Tab) -> impl Fn(Res<SidePanel>) -> bool {
    move |panel| panel.open && panel.tab == tab
}

/// Shows tasks, agents and throughput.
pub(super) struct StatusPanelPlugin {
    pub(super) tab: Tab,
}

impl Plugin for StatusPanelPlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins(FrameTimeDiagnosticsPlugin::default())
            .insert_resource(SidePanel { open: true, tab: self.tab })
            .add_systems(
                EguiPrimaryContextPass,
                (
                    show_throughput.in_set(UiSystems::Bottom),
                    show_tasks.in_set(UiSystems::Side).run_if(tab_is_open(Tab::Tasks)),
                ),
            );
    }
}

fn show_throughput(
    mut contexts: EguiContexts,
    mut space: ResMut<FreeSpace>,
    clock: Res<Clock>,
    rate: Res<StepRate>,
    (sim, finished): (Res<Sim>, Query<&FinishedEpisode, With<Pace>>),
    diagnostics: Res<DiagnosticsStore>,
    link: Option<Res<PlannerLink>>,
) -> Result {
    let mut region = space.region(contexts.ctx_mut()?, "status region");
    egui::Panel::bottom("status").frame(theme::panel()).show(&mut region, |ui| {
        ui.horizontal_wrapped(|ui| {
            let figure = |ui: &mut egui::Ui, value: String, what: &str| {
                ui.label(egui::RichText::new(value).monospace());
                theme::explain(ui, what);
                ui.add_space(theme::GAP);
            };
            if clock.paused {
                ui.label(egui::RichText::new("paused").color(theme::RECEIVED));
                ui.add_space(theme::GAP);
            }
            figure(ui, format!("{:.0}", rate.per_second()), "steps/s");
            figure(ui, rate.total.to_string(), "steps");
            let episodes: u64 = finished.iter().map(|finished| finished.count).sum();
            figure(ui, episodes.to_string(), "episodes");
            let faults = &sim.throughput.faults;
            if faults.total() > 0 {
                figure(ui, faults.total().to_string(), &format!("faulty states ({faults})"));
            }
            let fps = diagnostics.get(&FrameTimeDiagnosticsPlugin::FPS).and_then(|fps| fps.smoothed());
            figure(ui, fps.map_or("–".to_owned(), |fps| format!("{fps:.0}")), "frames/s");
            if let Some(link) = &link {
                show_planner(ui, link);
            }
        });
    });
    space.keep(&region);
    Ok(())
}

fn show_planner(ui: &mut egui::Ui, link: &PlannerLink) {
    ui.separator();
    if let Some(failure) = &link.failure {
        theme::complain(ui, failure);
        return;
    }
    if let (Some(plan), Some(latency)) = (link.plan_time, link.latency) {
        let (plan, latency) = (plan.as_secs_f64() * 1e3, latency.as_secs_f64() * 1e3);
        ui.label(egui::RichText::new(format!("{plan:.0} ms")).monospace());
        let instances = if link.batch == 1 { "instance" } else { "instances" };
        theme::explain(ui, format!("to plan for {} {instances}, here after {latency:.0} ms", link.batch));
    }
    if let Some(waiting) = link.waiting().filter(|_| link.is_slow()) {
        theme::explain(ui, format!("planning… {:.1} s", waiting.as_secs_f64()));
    }
}

fn show_tasks(
    mut region: SideRegion,
    mut selection: ResMut<Selection>,
    instances: Res<Instances>,
    sim: Res<Sim>,
    link: Option<Res<PlannerLink>>,
    rows: Query<(&InstanceName, &InstanceTask, &Pace, &EpisodeTally, &FinishedEpisode)>,
) -> Result {
    let mut chosen = None;
    region.show(|ui| {
        ui.label(egui::RichText::new("Agent").heading());
        match &link {
            Some(link) => {
                ui.label(link.name());
                theme::explain(ui, "Plans anew before each step; every instance carries its own plan on.");
            }
            None => {
                ui.label("uniformly random actions");
                theme::explain(ui, "`terrarium watch RUN` with a run or checkpoint directory lets its model act.");
            }
        }
        ui.add_space(theme::GAP);
        ui.label(egui::RichText::new("Tasks").heading());
        let table = egui::Grid::new("tasks").num_columns(5).striped(true).spacing([14.0, 6.0]);
        theme::wide(ui, "tasks", |ui| {
            table.show(ui, |ui| {
                for title in ["instance", "rate, Hz", "episodes", "return", "last score"] {
                    ui.label(egui::RichText::new(title).small().color(theme::FAINT));
                }
                ui.end_row();
                for (index, &instance) in instances.0.iter().enumerate() {
                    let (name, _, pace, tally, finished) = rows.get(instance).expect("an instance on show");
                    if ui.selectable_label(index == selection.index, &name.0).clicked() {
                        chosen = Some(index);
                    }
                    ui.monospace(format!("{:.0}", pace.rate_hz));
                    ui.monospace(finished.count.to_string());
                    ui.monospace(format!("{:.2}", tally.episode_return));
                    ui.monospace(if finished.count > 0 { format!("{:.2}", finished.score) } else { "–".to_owned() });
                    ui.end_row();
                }
            });
        });
        ui.add_space(theme::GAP);
        let (_, task, ..) = rows.get(instances.selected(*selection)).expect("an instance on show");
        let task = sim.task(*task);
        ui.label(egui::RichText::new(&task.id).strong());
        theme::explain(ui, format!("{}.", task.embodiment));
        theme::explain(ui, format!("{}.", task.instruction));
        theme::explain(
            ui,
            format!(
                "{} observations, {} actions, {} steps an episode, domain {}",
                task.obs_dim,
                task.action_dim,
                task.episode_length,
                task.domain.name()
            ),
        );
    })?;
    if let Some(index) = chosen {
        selection.index = index;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_panel_leaves_most_of_the_window_to_the_instances() {
        for window in [400.0, 800.0, 1440.0, 2560.0] {
            let widths = widths(window);
            assert!(widths.min <= widths.max && widths.max <= 0.36 * window, "{widths:?} of {window}");
        }
        assert!(widths(1440.0).contains(PANEL_WIDTH));
    }
}
