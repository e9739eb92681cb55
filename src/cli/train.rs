//! `terrarium train`: starts or carries on a run.

use clap::Args;

use crate::train::config;

/// Train Newt.
#[derive(Args)]
#[command(after_long_help = config::help(), after_help = "`terrarium train --help` lists every key.")]
pub(super) struct TrainCommand {
    /// Settings as `key=value`, such as `task=pygame-pong preset=laptop seed=1`.
    #[arg(value_name = "KEY=VALUE")]
    words: Vec<String>,
    /// Open the window on the run while it trains.
    #[arg(long)]
    watch: bool,
}

#[cfg(not(feature = "learn"))]
impl TrainCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let _ = (self.words, self.watch);
        Err(super::absent("train", "learn"))
    }
}

#[cfg(feature = "learn")]
impl TrainCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        use std::sync::Arc;
        use std::sync::atomic::AtomicBool;

        let run = crate::train::Run::open(&config::TrainArgs::parse(&self.words)?)?;
        let interrupt = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // The first asks the run to save and end; a second one ends the program at once.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&interrupt))?;
            signal_hook::flag::register(signal, Arc::clone(&interrupt))?;
        }
        if self.watch {
            return super::watch::train_and_watch(run, &interrupt);
        }
        finish(&run.train(&interrupt, |_| {})?)
    }
}

/// Draws the report of a finished sitting and prints its score table and where things lie.
#[cfg(feature = "learn")]
pub(super) fn finish(summary: &crate::train::RunSummary) -> anyhow::Result<()> {
    use crate::train::report;

    if !summary.finished {
        return Ok(());
    }
    let pictures = crate::train::draw_report(&summary.dir)?;
    super::end_with_the_reader();
    if let Some(evaluation) = &summary.evaluation {
        println!("{}", report::score_table(evaluation));
    }
    let time = crate::train::progress::duration(summary.elapsed_secs);
    println!("{} steps in {time}", summary.step);
    println!("run: {}", summary.dir.path().display());
    for picture in pictures {
        println!("picture: {}", picture.display());
    }
    Ok(())
}
