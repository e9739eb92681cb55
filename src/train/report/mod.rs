//! What a run leaves to look at: curves, an open-loop plan beside its rollout, a table of scores.

mod curves;
mod panel;
mod plan;
mod table;

pub use curves::{learning_curve, loss_curves, seed_curves, task_curves};
pub use plan::{PlanFigure, plan_figure};
pub use table::score_table;

use std::path::{Path, PathBuf};

use super::RunDir;
use super::metrics::History;
use crate::files::FileError;

/// A report that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A picture that cannot be drawn.
    #[error("the figure cannot be drawn: {problem}: {path}")]
    Draw {
        /// What the drawing library says.
        problem: String,
        /// The picture.
        path: PathBuf,
    },
}

/// Draws the curves of a run from its `metrics.jsonl` into its `report/`; the pictures' paths.
///
/// # Errors
///
/// [`ReportError`] when the metrics cannot be read or a picture cannot be written.
pub fn run_report(run: &RunDir, title: &str) -> Result<Vec<PathBuf>, ReportError> {
    let history = History::read(&run.metrics())?;
    let file = |name: &str| run.report().join(name);
    let mut pictures = vec![file("learning_curve.png"), file("losses.png")];
    learning_curve(&history, title, &pictures[0])?;
    loss_curves(&history, title, &pictures[1])?;
    if history.tasks().len() > 1 {
        pictures.push(file("tasks.png"));
        task_curves(&history, title, &pictures[2])?;
    }
    Ok(pictures)
}

fn draw_error(path: &Path) -> impl Fn(String) -> ReportError {
    move |problem| ReportError::Draw { problem, path: path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Registry, Task, TaskSet};
    use crate::train::metrics::{EpisodeResult, EpisodeStatistics, Metrics, Phase};

    /// Evaluations and losses.
    const BLUE: [u8; 3] = [31, 95, 168];
    /// Predictions.
    const ORANGE: [u8; 3] = [217, 108, 30];

    fn tasks(names: &str) -> Vec<Task> {
        let registry = Registry::builtin().expect("tables parse");
        TaskSet::parse(names, &registry).expect("known").tasks().to_vec()
    }

    /// A run of `steps` lines on some tasks.
    fn run(folder: &tempfile::TempDir, names: &str, steps: u64) -> RunDir {
        let run = RunDir::at(folder.path().join("run"));
        let tasks = tasks(names);
        let mut metrics = Metrics::create(&run, 1, &tasks, false).expect("creates");
        for step in (1..=steps).map(|thousand| 1000 * thousand) {
            let mut statistics = EpisodeStatistics::new(&tasks);
            for task in 0..tasks.len() {
                let score = step as f64 / 1000.0 / steps as f64;
                statistics.push(EpisodeResult {
                    task,
                    episode_return: 1.0,
                    score,
                    success: true,
                    length: 9,
                    terminated: false,
                });
            }
            let mut values = statistics.values();
            metrics.log(Phase::Eval, step, &values).expect("logs");
            values.push("reward_loss", 1e6 / step as f64);
            metrics.log(Phase::Train, step, &values).expect("logs");
        }
        run
    }

    /// How many pixels of a picture are of a color.
    fn count(path: &Path, color: [u8; 3]) -> usize {
        let picture = image::open(path).expect("a picture").to_rgb8();
        picture.pixels().filter(|pixel| pixel.0 == color).count()
    }

    #[test]
    fn a_single_task_has_two_pictures_with_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let pictures = run_report(&run(&folder, "pygame-pong", 20), "pong").expect("draws");
        assert_eq!(pictures.len(), 2);
        for picture in pictures {
            assert!(count(&picture, BLUE) > 200, "{}", picture.display());
        }
    }

    #[test]
    fn several_tasks_have_a_panel_each() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = run(&folder, "pygame-pong,pygame-cowboy,pygame-coinrun", 20);
        let pictures = run_report(&run, "three").expect("draws");
        assert_eq!(image::image_dimensions(&pictures[2]).expect("a picture"), (800, 526));
        let (one, all) = (count(&pictures[0], BLUE), count(&pictures[2], BLUE));
        assert!(one > 200 && all > 200, "{one} {all}");
    }

    #[test]
    fn a_run_without_numbers_is_still_drawn() {
        let folder = tempfile::tempdir().expect("a folder");
        for picture in run_report(&run(&folder, "pygame-pong", 0), "empty").expect("draws") {
            assert!(picture.exists());
        }
    }

    #[test]
    fn a_plan_is_drawn_beside_what_came_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plan.png");
        let mut figure = PlanFigure {
            task: "pygame-pong".to_owned(),
            planned_actions: vec![vec![0.5, -0.5]; 6],
            executed_actions: vec![vec![0.25, -0.25]; 4],
            predicted_reward: vec![1.0; 6],
            received_reward: vec![0.5, f32::NAN, 0.5, 0.25],
            predicted_value: vec![2.0; 7],
            return_to_go: vec![1.0; 5],
            latent_error: vec![0.0, 0.1, 0.2, 0.3, 0.4],
        };
        plan_figure(&figure, "a plan", &path).expect("draws");
        assert!(count(&path, BLUE) > 500 && count(&path, ORANGE) > 300);
        figure.executed_actions.clear();
        figure.received_reward.clear();
        plan_figure(&figure, "a plan", &path).expect("a plan alone is drawn too");
        plan_figure(&PlanFigure::default(), "nothing", &path).expect("nothing is drawn too");
    }

    #[test]
    fn a_report_that_cannot_be_written_names_the_picture() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = run(&folder, "pygame-pong", 2);
        std::fs::write(run.report(), "in the way").expect("writes");
        let message = run_report(&run, "pong").expect_err("in the way").to_string();
        assert!(message.ends_with("report"), "{message}");
    }
}
