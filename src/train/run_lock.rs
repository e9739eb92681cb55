//! One process at a time trains a run.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;

use super::{RunDir, TrainError};
use crate::files::FileError;

/// Holds a run until it is dropped, or its process ends in whatever way.
#[derive(Debug)]
pub(super) struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the run, whose directory is there.
    ///
    /// # Errors
    ///
    /// [`TrainError::Busy`] when another process has it, [`TrainError::File`] when its lock file cannot be opened.
    pub(super) fn take(run: &RunDir) -> Result<Self, TrainError> {
        let path = run.lock();
        let file = File::create(&path).map_err(|source| FileError::new("write", &path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(TrainError::Busy(run.path().to_owned())),
            // Some network file systems cannot lock; a run there is on its own.
            Err(TryLockError::Error(source)) if source.kind() == ErrorKind::Unsupported => Ok(Self { _file: file }),
            Err(TryLockError::Error(source)) => Err(FileError::new("lock", &path, source).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_taken_once_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = RunDir::at(folder.path());
        let first = RunLock::take(&run).expect("it is free");
        let message = RunLock::take(&run).expect_err("it is taken").to_string();
        assert!(message.contains("another process is training this run"), "{message}");
        drop(first);
        RunLock::take(&run).expect("it is free again");
    }
}
