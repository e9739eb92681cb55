//! An open-loop plan beside what came of it.

use std::path::Path;

use super::ReportError;
use super::panel::{BLUE, Line, ORANGE, Panel, SERIES, SOFT_INK, heading, write_picture};

/// Action entries that are drawn.
const DRAWN_ACTIONS: usize = SERIES.len();

/// A plan made at one moment and the steps that followed; `h` steps were planned, fewer may have been executed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanFigure {
    /// The task's id.
    pub task: String,
    /// `[h][a]`: the planned actions, in [-1, 1], only the entries that the task has.
    pub planned_actions: Vec<Vec<f32>>,
    /// `[up to h][a]`: the actions that were executed.
    pub executed_actions: Vec<Vec<f32>>,
    /// `[h]`: the reward that the model expects of each planned action.
    pub predicted_reward: Vec<f32>,
    /// `[up to h]`: the reward of each executed action.
    pub received_reward: Vec<f32>,
    /// `[h + 1]`: the value that the model expects from each state on.
    pub predicted_value: Vec<f32>,
    /// `[up to h + 1]`: the discounted rewards that followed each state.
    pub return_to_go: Vec<f32>,
    /// `[up to h + 1]`: distance of the predicted latent state to that of the real observation.
    pub latent_error: Vec<f32>,
}

/// Draws a plan beside its rollout: actions, rewards, values and the error of the latent state over the steps ahead; `title`
/// comes after the task's name.
///
/// # Errors
///
/// [`ReportError`] when the picture cannot be written.
pub fn plan_figure(figure: &PlanFigure, title: &str, path: &Path) -> Result<(), ReportError> {
    let ahead = figure.planned_actions.len().max(1) as f64;
    let panel = |title: &str, y_label: &str, lines: Vec<Line>| Panel {
        title: title.to_owned(),
        x_label: "steps ahead".to_owned(),
        y_label: y_label.to_owned(),
        lines,
        x_range: Some((0.0, ahead)),
        ..Panel::default()
    };
    let pair = |planned: (&str, &[f32]), real: (&str, &[f32])| {
        vec![Line::new(planned.0, steps(planned.1), ORANGE).dashed(), Line::new(real.0, steps(real.1), BLUE).width(2.4)]
    };
    let rewards = pair(("predicted", &figure.predicted_reward), ("received", &figure.received_reward));
    let values = pair(("predicted value", &figure.predicted_value), ("return to go", &figure.return_to_go));
    let error = vec![Line::new("", steps(&figure.latent_error), BLUE).width(2.4)];
    let panels = [
        Panel { y_range: Some((-1.05, 1.05)), ..panel("Actions", &actions_label(figure), actions(figure)) },
        panel("Reward", "reward a step", rewards),
        panel("Value", "discounted reward", values),
        Panel { y_range: from_zero(&figure.latent_error), ..panel("Error of the latent state", "distance", error) },
    ];
    write_picture(path, (1320, 800), |area| {
        let cells = heading(area, &format!("{} · {title}", figure.task), &[])?.split_evenly((2, 2));
        panels.iter().zip(&cells).try_for_each(|(panel, cell)| panel.draw(cell))
    })
}

fn steps(numbers: &[f32]) -> Vec<(f64, f64)> {
    numbers.iter().enumerate().map(|(step, number)| (step as f64, f64::from(*number))).collect()
}

fn actions_label(figure: &PlanFigure) -> String {
    let width = figure.planned_actions.first().map_or(0, Vec::len);
    let part = if width > DRAWN_ACTIONS { format!(" (first {DRAWN_ACTIONS} of {width})") } else { String::new() };
    format!("action, -1 to 1{part}")
}

/// A color an entry; planned dashed, executed solid.
fn actions(figure: &PlanFigure) -> Vec<Line> {
    let entry = |actions: &[Vec<f32>], index: usize| {
        let entries: Vec<f32> = actions.iter().map(|action| action.get(index).copied().unwrap_or(f32::NAN)).collect();
        steps(&entries)
    };
    let width = figure.planned_actions.first().map_or(0, Vec::len).min(DRAWN_ACTIONS);
    let key = |name: &str| Line::new(name, Vec::new(), SOFT_INK).width(1.8);
    let mut lines = vec![key("planned").dashed(), key("executed")];
    for (index, color) in SERIES.into_iter().enumerate().take(width) {
        let name = if width > 1 { format!("a{index}") } else { String::new() };
        lines.push(Line::new("", entry(&figure.planned_actions, index), color).dashed());
        lines.push(Line::new(&name, entry(&figure.executed_actions, index), color).width(1.6));
    }
    lines
}

fn from_zero(numbers: &[f32]) -> Option<(f64, f64)> {
    let top = numbers.iter().copied().filter(|number| number.is_finite()).fold(0.0_f32, f32::max);
    Some((0.0, if top > 0.0 { f64::from(top) * 1.08 } else { 1.0 }))
}
