//! `terrarium bench`: speed of the parts, as tables or JSON.

use clap::{Args, Subcommand};

/// Measure speed.
#[derive(Args)]
pub(super) struct BenchCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// One update and one plan of Newt.
    Newt(Words),
    /// Environment steps and pictures a second.
    Env(Words),
}

#[derive(Args)]
struct Words {
    /// Settings as `key=value`.
    #[arg(value_name = "KEY=VALUE")]
    words: Vec<String>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl BenchCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            #[cfg(feature = "learn")]
            What::Newt(words) => todo!("{}", words.json),
            #[cfg(not(feature = "learn"))]
            What::Newt(_) => Err(super::absent("bench newt", "learn")),
            What::Env(words) => super::bench_env::run(&words.words, words.json),
        }
    }
}
