//! The replay buffer on disk: a line of JSON, the rows as they lie in memory, a checksum.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Replay;
use super::replay::Shape;
use crate::files::{FileError, write_atomic_with};

const FORMAT: &str = "terrarium-replay-1";

/// Why a replay buffer cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what was written.
    #[error("{} is damaged ({problem})", path.display())]
    Damaged {
        /// What is wrong.
        problem: String,
        /// The file.
        path: PathBuf,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    rows: usize,
    windows: usize,
    shape: Shape,
}

impl Replay {
    /// Writes the buffer; the file is whole or not there.
    ///
    /// # Errors
    ///
    /// [`ReplayError::File`] when it cannot be written.
    ///
    /// # Panics
    ///
    /// Never: a header is plain data.
    pub fn save(&self, path: &Path) -> Result<(), ReplayError> {
        let header =
            Header { format: FORMAT.to_owned(), rows: self.len(), windows: self.windows, shape: self.shape.clone() };
        let header = serde_json::to_string(&header).expect("a header is plain data");
        write_atomic_with(path, |file| {
            let mut checksum = 0;
            let mut write = |bytes: &[u8]| {
                checksum = crc32c::crc32c_append(checksum, bytes);
                file.write_all(bytes)
            };
            write(header.as_bytes())?;
            write(b"\n")?;
            let mut buffer = Vec::with_capacity(1 << 16);
            for numbers in [&self.observations, &self.actions, &self.rewards] {
                for chunk in numbers.chunks(1 << 14) {
                    buffer.clear();
                    buffer.extend(chunk.iter().flat_map(|number| number.to_le_bytes()));
                    write(&buffer)?;
                }
            }
            for numbers in [&self.tasks, &self.next] {
                for chunk in numbers.chunks(1 << 14) {
                    buffer.clear();
                    buffer.extend(chunk.iter().flat_map(|number| number.to_le_bytes()));
                    write(&buffer)?;
                }
            }
            write(&self.starts)?;
            file.write_all(&checksum.to_le_bytes())
        })?;
        Ok(())
    }

    /// Reads what [`Replay::save`] wrote: the same windows are drawn from it.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] when the file cannot be read or is not whole.
    pub fn load(path: &Path) -> Result<Self, ReplayError> {
        let damaged = |problem: String| ReplayError::Damaged { problem, path: path.to_owned() };
        let file = File::open(path).map_err(|source| FileError::new("read", path, source))?;
        let mut reader = Summed { reader: BufReader::new(file), checksum: 0 };
        let mut line = Vec::new();
        reader.reader.read_until(b'\n', &mut line).map_err(|source| FileError::new("read", path, source))?;
        reader.checksum = crc32c::crc32c_append(0, &line);
        let header: Header = serde_json::from_slice(&line).map_err(|problem| damaged(problem.to_string()))?;
        if header.format != FORMAT {
            return Err(damaged(format!("its format is {:?}, this program reads {FORMAT:?}", header.format)));
        }
        let rows = header.rows;
        let cut = |_| damaged("it ends early".to_owned());
        let mut replay = Self::empty(header.shape);
        replay.windows = header.windows;
        replay.observations = reader.words(rows * replay.shape.obs_dim, f32::from_le_bytes).map_err(cut)?;
        replay.actions = reader.words(rows * replay.shape.action_dim, f32::from_le_bytes).map_err(cut)?;
        replay.rewards = reader.words(rows, f32::from_le_bytes).map_err(cut)?;
        replay.tasks = reader.words(rows, u32::from_le_bytes).map_err(cut)?;
        replay.next = reader.words(rows, u32::from_le_bytes).map_err(cut)?;
        replay.starts = reader.bytes(rows).map_err(cut)?;
        let mut checksum = [0; 4];
        reader.reader.read_exact(&mut checksum).map_err(cut)?;
        if u32::from_le_bytes(checksum) != reader.checksum {
            return Err(damaged("its checksum differs".to_owned()));
        }
        Ok(replay)
    }
}

/// A reader that sums what it reads.
struct Summed<R> {
    reader: R,
    checksum: u32,
}

impl<R: Read> Summed<R> {
    fn bytes(&mut self, count: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // Grows with what is there, so that a damaged count cannot ask for all memory.
        self.reader.by_ref().take(count as u64).read_to_end(&mut bytes)?;
        if bytes.len() < count {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.checksum = crc32c::crc32c_append(self.checksum, &bytes);
        Ok(bytes)
    }

    fn words<T>(&mut self, count: usize, word: fn([u8; 4]) -> T) -> std::io::Result<Vec<T>> {
        let bytes = self.bytes(4 * count)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|&bytes| word(bytes)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ReplayRow;
    use super::*;

    fn some() -> Replay {
        let mut replay = Replay::new(50, 3, 2, 1);
        for step in 0..120 {
            let row = ReplayRow {
                observation: &[step as f32, 0.5],
                action: &[0.25],
                reward: step as f32,
                task: step % 3,
                first: step % 11 == 0,
            };
            replay.push(0, &row);
        }
        replay
    }

    #[test]
    fn a_saved_buffer_comes_back_the_same() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("replay.bin");
        let replay = some();
        replay.save(&path).expect("it is written");
        assert_eq!(Replay::load(&path).expect("it is read"), replay);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("replay.bin");
        some().save(&path).expect("it is written");
        let whole = std::fs::read(&path).expect("it is there");
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for bytes in [&whole[..whole.len() - 9], &flipped[..], b"{}\n"] {
            std::fs::write(&path, bytes).expect("it is changed");
            let error = Replay::load(&path).expect_err("it is damaged").to_string();
            assert!(error.contains("damaged") && error.contains("replay.bin"), "{error}");
        }
    }
}
