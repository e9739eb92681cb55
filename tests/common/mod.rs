//! What several tests share.

use std::path::PathBuf;

/// Where recorded numbers and pictures lie: the folder that `TERRARIUM_FIXTURES` names, else `../shared/fixtures`.
pub(crate) fn fixtures() -> PathBuf {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    std::env::var_os("TERRARIUM_FIXTURES").map_or_else(default, PathBuf::from)
}
