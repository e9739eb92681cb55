//! What several tests share.
#![allow(dead_code, reason = "no test takes all of it")]

use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A recorded file or folder to test against, by its path in the folder that `TERRARIUM_FIXTURES` names, else in
/// `../shared/fixtures`; `None`, and a word, where it is absent.
///
/// # Panics
///
/// When `TERRARIUM_FIXTURES` names no folder.
pub(crate) fn fixture(path: impl AsRef<Path>) -> Option<PathBuf> {
    let folder = match std::env::var_os("TERRARIUM_FIXTURES").map(PathBuf::from) {
        Some(named) if !named.is_dir() => panic!("TERRARIUM_FIXTURES is {}, which is no folder", named.display()),
        Some(named) => named,
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"),
    };
    let found = folder.join(path);
    if found.exists() {
        return Some(found);
    }
    skip(format!("{} is not there; TERRARIUM_FIXTURES names the folder of recordings", found.display()));
    None
}

/// Says that a test has nothing to test, past the harness, which keeps what passing tests print.
pub(crate) fn skip(why: impl Display) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
