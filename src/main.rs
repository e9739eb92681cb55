//! The `terrarium` program: see `terrarium --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    terrarium::cli::main()
}
