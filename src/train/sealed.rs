//! The JSON files of a checkpoint: a line of version and content, a line with its checksum.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::TrainError;
use crate::files::{read, write_atomic};

/// Version of what these files hold; readers refuse others.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    version: u32,
    content: T,
}

/// What can be read of any version.
#[derive(Deserialize)]
struct Stamp {
    version: u32,
}

/// Writes `content`; the file is whole or not there.
///
/// # Errors
///
/// [`TrainError::File`] when it cannot be written.
pub(super) fn write_sealed<T: Serialize>(path: &Path, content: &T) -> Result<(), TrainError> {
    let text = serde_json::to_string(&Sealed { version: VERSION, content }).expect("what is saved is plain data");
    Ok(write_atomic(path, format!("{text}\n{:08x}\n", crc32c::crc32c(text.as_bytes())).as_bytes())?)
}

/// Reads what [`write_sealed`] wrote.
///
/// # Errors
///
/// [`TrainError`] when the file cannot be read, is not as it was written, or is of another version.
pub(super) fn read_sealed<T: DeserializeOwned>(path: &Path) -> Result<T, TrainError> {
    let damaged = |problem: String| TrainError::Checkpoint { problem, path: path.to_owned() };
    let bytes = read(path)?;
    let (text, seal) = bytes.split_at(bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len()));
    let stamp: Stamp = serde_json::from_slice(text).map_err(|problem| damaged(problem.to_string()))?;
    if stamp.version != VERSION {
        let found = stamp.version;
        let problem = format!("{} has version {found}, and this program reads version {VERSION}", path.display());
        return Err(TrainError::CannotGoOn(problem));
    }
    if seal != format!("\n{:08x}\n", crc32c::crc32c(text)).as_bytes() {
        return Err(damaged("its checksum differs".to_owned()));
    }
    let sealed: Sealed<T> = serde_json::from_slice(text).map_err(|problem| damaged(problem.to_string()))?;
    Ok(sealed.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run.json");
        write_sealed(&path, &[4.0, 5.0]).expect("writes");
        assert_eq!(read_sealed::<[f64; 2]>(&path).expect("reads"), [4.0, 5.0]);
        let whole = std::fs::read_to_string(&path).expect("is there");
        let other_version = whole.replace("\"version\":2", "\"version\":1");
        for (text, problem) in [
            (whole.replace("5.0", "6.0"), "checksum"),
            (whole.lines().next().expect("has lines").to_owned(), "checksum"),
            (whole[..9].to_owned(), "EOF"),
            (other_version, "version 1"),
        ] {
            std::fs::write(&path, &text).expect("is changed");
            let message = read_sealed::<[f64; 2]>(&path).expect_err(&text).to_string();
            assert!(message.contains(problem), "{text:?}: {message}");
        }
    }
}
