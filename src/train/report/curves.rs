//! Curves over environment steps: scores and losses.

use std::path::Path;

use plotters::style::RGBColor;

use super::ReportError;
use super::panel::{Area, BLUE, INK, LIGHT_BLUE, Line, Panel, SERIES, grid, heading, write_picture};
use crate::train::metrics::History;

/// The panels of losses: tag without phase, and its words.
const LOSSES: [(&str, &str); 6] = [
    ("consistency_loss", "Consistency loss"),
    ("reward_loss", "Reward loss"),
    ("value_loss", "Value loss"),
    ("pi_loss", "Policy loss"),
    ("pi_scale", "Scale of values"),
    ("grad_norm", "Norm of the gradient"),
];

/// Where steps stand.
const STEPS: &str = "environment steps";

/// The mean score over tasks while learning: the agent's own episodes thin, evaluations bold.
///
/// # Errors
///
/// [`ReportError`] when the picture cannot be written.
pub fn learning_curve(history: &History, title: &str, path: &Path) -> Result<(), ReportError> {
    let panel = score_panel("Normalized score", scores(history, "avg_score"));
    write_picture(path, (1000, 560), |area| panel.draw(&heading(area, title, &[])?))
}

/// Evaluation scores of several runs of one kind, such as three seeds: one line each, and their mean at common steps.
///
/// # Errors
///
/// [`ReportError`] when the picture cannot be written.
pub fn seed_curves(runs: &[(String, History)], title: &str, path: &Path) -> Result<(), ReportError> {
    let series: Vec<&[(f64, f64)]> = runs.iter().map(|(_, history)| history.series("eval/avg_score")).collect();
    let mut lines = Vec::new();
    for (index, (name, _)) in runs.iter().enumerate() {
        let color = if runs.len() == 1 { BLUE } else { faded(SERIES[index % SERIES.len()]) };
        lines.push(Line::new(name, series[index].to_vec(), color).width(1.5));
    }
    if runs.len() > 1 {
        let mean = |(step, all): (f64, Vec<f64>)| (step, all.iter().sum::<f64>() / all.len() as f64);
        lines.push(Line::new("mean", common_steps(&series).into_iter().map(mean).collect(), INK).width(3.0));
    }
    let panel = score_panel("Evaluation score", lines);
    write_picture(path, (1000, 560), |area| panel.draw(&heading(area, title, &[])?))
}

/// The score of each task while learning, a small panel each.
///
/// # Errors
///
/// [`ReportError`] when the picture cannot be written.
pub fn task_curves(history: &History, title: &str, path: &Path) -> Result<(), ReportError> {
    let tasks = history.tasks();
    let (columns, rows) = grid(tasks.len());
    let panel = |task: &&str| {
        let lines = scores(history, &format!("episode_score+{task}"));
        let lines = lines.into_iter().map(|line| line.unnamed().scaled(0.7)).collect();
        Panel { small: true, x_label: String::new(), y_label: String::new(), ..score_panel(task, lines) }
    };
    let panels: Vec<Panel> = tasks.iter().map(panel).collect();
    let (width, height) = match columns {
        0..=3 => (400, 240),
        4..=5 => (290, 190),
        _ => (230, 150),
    };
    let size = ((columns * width) as u32, (rows * height + 46) as u32);
    let title = format!("{title} · score over {STEPS}");
    let legend = scores(&History::default(), "");
    write_picture(path, size, |area| draw_grid(&heading(area, &title, &legend)?, (columns, rows), &panels))
}

/// Losses and what belongs to them, a panel each.
///
/// # Errors
///
/// [`ReportError`] when the picture cannot be written.
pub fn loss_curves(history: &History, title: &str, path: &Path) -> Result<(), ReportError> {
    let panel = |(index, (tag, words)): (usize, &(&str, &str))| {
        let lines = vec![Line::new("", history.series(&format!("train/{tag}")).to_vec(), BLUE).width(1.6)];
        Panel {
            title: (*words).to_owned(),
            x_label: if index >= 3 { STEPS.to_owned() } else { String::new() },
            x_range: step_range(&lines),
            lines,
            may_be_log: true,
            ..Panel::default()
        }
    };
    let panels: Vec<Panel> = LOSSES.iter().enumerate().map(panel).collect();
    write_picture(path, (1320, 640), |area| draw_grid(&heading(area, title, &[])?, (3, 2), &panels))
}

fn draw_grid(area: &Area, (columns, rows): (usize, usize), panels: &[Panel]) -> Result<(), String> {
    let cells = area.split_evenly((rows, columns));
    panels.iter().zip(&cells).try_for_each(|(panel, cell)| panel.draw(cell))
}

fn score_panel(title: &str, lines: Vec<Line>) -> Panel {
    Panel {
        title: title.to_owned(),
        x_label: STEPS.to_owned(),
        y_label: "score, 0 to 1".to_owned(),
        x_range: step_range(&lines),
        // A little room, so that a line along an end is seen whole.
        y_range: Some((-0.02, 1.02)),
        lines,
        ..Panel::default()
    }
}

/// Steps from 0 to the last that was drawn.
fn step_range(lines: &[Line]) -> Option<(f64, f64)> {
    let last = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(0.0, f64::max);
    (last > 0.0).then_some((0.0, last))
}

/// Training thin below, evaluations bold above.
fn scores(history: &History, tag: &str) -> Vec<Line> {
    let series = |phase: &str| history.series(&format!("{phase}/{tag}")).to_vec();
    vec![
        Line::new("while training", series("train"), LIGHT_BLUE).width(1.2),
        Line::new("evaluation", series("eval"), BLUE).width(2.6).dotted(),
    ]
}

/// A lighter shade.
fn faded(color: RGBColor) -> RGBColor {
    let light = |part: u8| part + (255 - part) / 3;
    RGBColor(light(color.0), light(color.1), light(color.2))
}

/// The steps that stand in every series, with the numbers of each.
fn common_steps(series: &[&[(f64, f64)]]) -> Vec<(f64, Vec<f64>)> {
    let Some((first, others)) = series.split_first() else { return Vec::new() };
    let number = |series: &[(f64, f64)], step: f64| series.iter().find(|point| point.0 == step).map(|point| point.1);
    let row = |point: &(f64, f64)| {
        let rest: Option<Vec<f64>> = others.iter().map(|other| number(other, point.0)).collect();
        Some((point.0, [vec![point.1], rest?].concat()))
    };
    first.iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_seeds_is_over_steps_that_all_have() {
        let (a, b) = ([(0.0, 0.2), (10.0, 0.4), (20.0, 0.6)], [(10.0, 0.8), (20.0, 0.0), (30.0, 1.0)]);
        assert_eq!(common_steps(&[&a, &b]), [(10.0, vec![0.4, 0.8]), (20.0, vec![0.6, 0.0])]);
        assert_eq!(common_steps(&[]), []);
    }
}
