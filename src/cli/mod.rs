//! The command line: one file a subcommand. Results go to stdout, talk to stderr; exit codes are 0 done, 1 failed,
//! 2 misuse.
#![expect(clippy::print_stdout, reason = "results are printed here and nowhere else")]

mod bench;
mod bench_env;
#[cfg(feature = "learn")]
mod bench_newt;
#[cfg(feature = "learn")]
mod bench_precision;
mod conform;
mod eval;
mod keys;
mod report;
mod rollout;
mod tasks;
#[cfg(feature = "mujoco")]
mod trace;
mod train;
mod watch;

#[cfg(feature = "learn")]
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Simulation and experiment sandbox: MMBench tasks, the Newt world model, a window on what it plans.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train Newt on a task, a domain, a list of them, or the soup; the same command carries an interrupted run on.
    Train(train::TrainCommand),
    /// Score a trained agent, planning without exploration.
    Eval(eval::EvalCommand),
    /// Open the window on agents: live, planning, with their training curves.
    Watch(watch::WatchCommand),
    /// Draw the curves of a run anew, or of several runs in one picture.
    Report(report::ReportCommand),
    /// Statistics of a task's episodes under a simple policy or a checkpoint: `rollout --help`.
    #[command(disable_help_flag = true)]
    Rollout(Words),
    /// Compare with the statistics of another implementation: `conform --help`.
    #[command(disable_help_flag = true)]
    Conform(Words),
    /// Hold MuJoCo tasks against recorded episodes: `trace --help`.
    #[command(disable_help_flag = true)]
    Trace(Words),
    /// List the tasks this build knows.
    Tasks(tasks::TasksCommand),
    /// Measure speed.
    Bench(bench::BenchCommand),
}

/// Words that the command itself reads.
#[derive(clap::Args)]
struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Runs the program: parses, works, reports at most one error.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A run goes on and the window stays when nobody reads what they print.
    if !matches!(arguments.command, Command::Train(_) | Command::Watch(_)) {
        end_with_the_reader();
    }
    let outcome = match arguments.command {
        Command::Train(command) => command.run().map(done),
        Command::Eval(command) => command.run().map(done),
        Command::Watch(command) => command.run().map(done),
        Command::Report(command) => command.run().map(done),
        Command::Rollout(command) => rollout::run(&command.words, &eval::checkpoint_policy),
        Command::Conform(command) => conform::run(&command.words),
        #[cfg(feature = "mujoco")]
        Command::Trace(command) => trace::run(&command.words),
        #[cfg(not(feature = "mujoco"))]
        Command::Trace(_) => Err(absent("trace", "mujoco")),
        Command::Tasks(command) => command.run().map(done),
        Command::Bench(command) => command.run().map(done),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("terrarium: {error:#}");
            ExitCode::from(if is_misuse(&error) { 2 } else { 1 })
        }
    }
}

/// From here on the program ends quietly when the reader of its output does, as in `terrarium tasks | head`.
#[expect(unsafe_code, reason = "the standard library cannot set a signal back to its default")]
fn end_with_the_reader() {
    // SAFETY: sets what a signal does to its default, before any handler of ours is asked for it.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

/// An order that cannot be carried out as it was given; exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Misuse(String);

impl Misuse {
    /// A misuse described by an error that was met while reading words, or a file that they name.
    fn from_error(error: impl std::fmt::Display) -> anyhow::Error {
        Self(error.to_string()).into()
    }
}

fn is_misuse(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Misuse>()
            || cause.is::<crate::task::RegistryError>()
            || cause.downcast_ref::<crate::train::config::ConfigError>().is_some_and(|error| error.is_misuse())
            || is_misuse_of_learning(cause)
    })
}

#[cfg(feature = "learn")]
fn is_misuse_of_learning(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<crate::train::TrainError>().is_some_and(crate::train::TrainError::is_misuse)
}

#[cfg(not(feature = "learn"))]
fn is_misuse_of_learning(_: &(dyn std::error::Error + 'static)) -> bool {
    false
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// The error of a command whose part this build leaves out.
#[cfg(not(all(feature = "learn", feature = "mujoco")))]
fn absent(command: &str, feature: &str) -> anyhow::Error {
    Misuse(format!("`terrarium {command}` needs the feature `{feature}`, which this build leaves out: build with --features {feature}")).into()
}

/// A folder argument that must exist.
#[cfg(feature = "learn")]
fn existing(path: PathBuf) -> anyhow::Result<PathBuf> {
    if path.exists() {
        Ok(path)
    } else {
        Err(Misuse(format!("there is no such file or folder: {}", path.display())).into())
    }
}
