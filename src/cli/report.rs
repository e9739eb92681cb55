//! `terrarium report`: pictures of runs, drawn anew or side by side.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::train::metrics::History;
use crate::train::{RunDir, report};

/// Draw the curves of a run anew, or the evaluation scores of several runs in one picture.
#[derive(Args)]
pub(super) struct ReportCommand {
    /// Run folders, such as `runs/pygame-landing/1/default`.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Where the picture of several runs goes.
    #[arg(long, default_value = "curves.png")]
    out: PathBuf,
    /// Its heading.
    #[arg(long, default_value = "Evaluation score")]
    title: String,
}

impl ReportCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if let [run] = self.runs.as_slice() {
            let title = run.display().to_string();
            for picture in report::run_report(&RunDir::at(run), &title)? {
                println!("picture: {}", picture.display());
            }
            return Ok(());
        }
        let named = |run: &PathBuf| Ok((seed_name(run), History::read(&RunDir::at(run).metrics())?));
        let runs: Vec<(String, History)> = self.runs.iter().map(named).collect::<anyhow::Result<_>>()?;
        report::seed_curves(&runs, &self.title, &self.out)?;
        println!("picture: {}", self.out.display());
        Ok(())
    }
}

/// `seed N` for a run in `…/N/NAME`.
fn seed_name(run: &Path) -> String {
    let seed = run.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    seed.map_or_else(|| run.display().to_string(), |seed| format!("seed {seed}"))
}
