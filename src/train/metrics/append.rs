//! A file that grows by whole pieces and can be cut back to where it was when a run was saved.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::files::FileError;

#[derive(Debug)]
pub(super) struct AppendFile {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl AppendFile {
    /// An empty file.
    pub(super) fn create(path: &Path) -> Result<Self, FileError> {
        let file = File::create(path).map_err(|source| FileError::new("write", path, source))?;
        Ok(Self { file, path: path.to_owned(), bytes: 0 })
    }

    /// A file whose first `bytes` are kept.
    pub(super) fn resume(path: &Path, bytes: u64) -> Result<Self, FileError> {
        let opened = (|| {
            let mut file = OpenOptions::new().write(true).open(path)?;
            if file.metadata()?.len() < bytes {
                let text =
                    "it is shorter than when the run was saved; restore it, or start another run with exp_name=NAME";
                return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
            }
            file.set_len(bytes)?;
            file.seek(SeekFrom::Start(bytes))?;
            Ok(file)
        })();
        let file = opened.map_err(|source| FileError::new("continue", path, source))?;
        Ok(Self { file, path: path.to_owned(), bytes })
    }

    /// Writes all of `piece` or leaves the file as it was.
    pub(super) fn append(&mut self, piece: &[u8]) -> Result<(), FileError> {
        if let Err(source) = self.file.write_all(piece) {
            // Cutting off half a piece can fail as well; the first error is the one to tell.
            drop(self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes))));
            return Err(FileError::new("write", &self.path, source));
        }
        self.bytes += piece.len() as u64;
        Ok(())
    }

    /// Makes what was written survive a power cut; how many bytes that is.
    pub(super) fn sync(&mut self) -> Result<u64, FileError> {
        self.file.sync_data().map_err(|source| FileError::new("write", &self.path, source))?;
        Ok(self.bytes)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error_of_the_write_itself() {
        let mut full = AppendFile::create(Path::new("/dev/full")).expect("opens");
        let message = full.append(b"line\n").expect_err("full").to_string();
        assert!(message.contains("the disk is full"), "{message}");
    }
}
