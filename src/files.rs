//! Files that are never half-written, and errors about them that fit in one sentence.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A file or directory that could not be used.
#[derive(Debug)]
pub struct FileError {
    /// What was tried, such as `write`.
    pub action: &'static str,
    /// What the system says.
    pub source: io::Error,
    /// Which file or directory.
    pub path: PathBuf,
}

impl FileError {
    /// The error of `action` on `path`.
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, source, path: path.to_owned() }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // Its words are in ours; a chain that is printed whole would repeat them.
        None
    }
}

impl Display for FileError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "cannot {}: ", self.action)?;
        match self.source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                formatter.write_str("the disk is full; free some space and start the same command again")?;
            }
            ErrorKind::PermissionDenied => formatter.write_str("permission denied; change who may use it")?,
            ErrorKind::ReadOnlyFilesystem => {
                formatter.write_str("the file system is read-only; choose another place")?
            }
            ErrorKind::NotFound => formatter.write_str("it does not exist")?,
            ErrorKind::IsADirectory => formatter.write_str("it is a directory, not a file")?,
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
                formatter.write_str("a file stands where a directory should be")?;
            }
            _ => write!(formatter, "{}", self.source)?,
        }
        write!(formatter, ": {}", self.path.display())
    }
}

/// Creates a directory and those above it, as far as they are missing.
///
/// # Errors
///
/// [`FileError`] when one cannot be created.
pub fn create_dir_all(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(|source| FileError::new("create the directory", path, source))
}

/// The whole of a file.
///
/// # Errors
///
/// [`FileError`] when it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| FileError::new("read", path, source))
}

/// The whole of a text file.
///
/// # Errors
///
/// [`FileError`] when it cannot be read or is not UTF-8.
pub fn read_to_string(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|source| FileError::new("read", path, source))
}

/// Puts `bytes` in the place of a file: after a crash at any moment, either the old or the new file is whole.
///
/// # Errors
///
/// [`FileError`] when that cannot be done; the old file is as it was then.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// [`write_atomic`] for content that is written piece by piece.
///
/// # Errors
///
/// [`FileError`] when that cannot be done or `write` fails; the old file is as it was then.
pub fn write_atomic_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), FileError> {
    if let Some(parent) = parent(path) {
        create_dir_all(parent)?;
    }
    let temporary = temporary_beside(path);
    let written = (|| {
        let mut file = BufWriter::new(File::create(&temporary)?);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    })();
    if let Err(source) = written {
        // What is left of the attempt is of no use; that it cannot be removed either would hide the reason.
        drop(fs::remove_file(&temporary));
        return Err(FileError::new("write", path, source));
    }
    rename_synced(&temporary, path)
}

/// Renames a file or directory for good: the directory that holds it is synced.
///
/// # Errors
///
/// [`FileError`] when that cannot be done.
pub fn rename_synced(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).map_err(|source| FileError::new("write", to, source))?;
    sync_dir(parent(to).unwrap_or(Path::new(".")))
}

/// Makes the names in a directory survive a power cut.
///
/// # Errors
///
/// [`FileError`] when that cannot be done.
pub fn sync_dir(path: &Path) -> Result<(), FileError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|source| FileError::new("sync", path, source))
}

/// The name under which the next version of `path` is written: in the same directory, hidden, this process's own.
pub fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/er/file.txt");
        write_atomic(&path, b"one").expect("writes");
        write_atomic(&path, b"two").expect("writes");
        assert_eq!(read_to_string(&path).expect("reads"), "two");
        assert_eq!(fs::read_dir(path.parent().expect("has one")).expect("lists").count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file.txt");
        write_atomic(&path, b"one").expect("writes");
        let error = write_atomic_with(&path, |file| {
            file.write_all(b"tw")?;
            Err(io::Error::from(ErrorKind::StorageFull))
        })
        .expect_err("fails");
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert!(error.to_string().ends_with("file.txt"), "{error}");
        assert_eq!(read_to_string(&path).expect("reads"), "one");
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 1);
    }

    #[test]
    fn a_file_in_the_way_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("runs"), "").expect("writes");
        let error = write_atomic(&folder.path().join("runs/a/b"), b"").expect_err("fails").to_string();
        assert!(error.contains("a file stands where a directory should be"), "{error}");
        let error = read(&folder.path().join("absent")).expect_err("fails").to_string();
        assert!(error.contains("cannot read: it does not exist") && error.ends_with("absent"), "{error}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_told() {
        let error = File::create("/dev/full").and_then(|mut full| full.write_all(b"x")).expect_err("full");
        let error = FileError::new("write", Path::new("there"), error).to_string();
        assert_eq!(error, "cannot write: the disk is full; free some space and start the same command again: there");
    }
}
