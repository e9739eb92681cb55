//! The commands, one file each. Results go to stdout, talk to stderr.
//!
//! A command takes its words and returns an exit code: 0 done, 1 failed (or disagreed), 2 misused.

#![expect(clippy::print_stdout, reason = "results of commands are printed here and nowhere else")]

pub mod conform;
pub mod keys;
pub mod rollout;

use std::process::ExitCode;

/// Words that make no sense to a command. Ends the program with exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(pub String);

impl Misuse {
    /// A misuse described by an error that was met while reading the words, or a file that they name.
    pub fn from_error(error: impl std::fmt::Display) -> anyhow::Error {
        Self(error.to_string()).into()
    }
}

/// The exit code of a command's result; an error is printed to stderr first.
pub fn exit_code(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        if error.chain().any(|cause| cause.is::<Misuse>()) { ExitCode::from(2) } else { ExitCode::FAILURE }
    })
}
