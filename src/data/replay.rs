//! Replay: a ring of rows in plain memory, and uniform sampling of windows that lie inside one episode.
//!
//! An episode of `T` steps is `T + 1` rows: row 0 is the first observation, row `t` holds the action and the reward that
//! led to observation `t`. Several environments write at once, so each has a lane of its own, a ring of rows; a window
//! is `horizon + 1` neighboring rows of one lane.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// One row of experience.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'a> {
    /// Observation, `obs_dim` numbers.
    pub obs: &'a [f32],
    /// The action that led here, `action_dim` numbers; not read in an episode's first row.
    pub action: &'a [f32],
    /// The reward that came with it; not read in an episode's first row.
    pub reward: f32,
    /// Index of the episode's task.
    pub task: i32,
    /// Is this an episode's first row?
    pub first: bool,
}

/// Where sampled windows go; time-major, in the shapes of a learner's batch.
#[derive(Debug)]
pub struct WindowBuffers<'a> {
    /// `(horizon + 1) * batch * obs_dim`.
    pub obs: &'a mut [f32],
    /// `horizon * batch * action_dim`.
    pub action: &'a mut [f32],
    /// `horizon * batch`.
    pub reward: &'a mut [f32],
    /// `batch`.
    pub task: &'a mut [i32],
}

/// A replay buffer that cannot be saved or restored, or has nothing to sample.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file system refuses.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is cut off, altered or of another kind.
    #[error("{path} is damaged or no replay buffer ({reason}); remove it to start with an empty buffer")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No window of `horizon + 1` rows inside one episode is there yet.
    #[error("the replay buffer holds {rows} rows but no episode of {horizon} steps to sample; collect more first")]
    Empty {
        /// Rows stored.
        rows: usize,
        /// Steps of a window.
        horizon: usize,
    },
}

/// A ring of rows for each environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    obs_dim: usize,
    action_dim: usize,
    horizon: usize,
    /// Rows of each lane, a power of no particular kind.
    lane_rows: usize,
    lanes: Vec<Lane>,
    /// Observation and action of a row lie together: one window is one stretch of memory.
    rows: Vec<f32>,
    rewards: Vec<f32>,
    tasks: Vec<i32>,
    /// Windows that can be sampled, by the slot of their last row; see [`Windows`].
    windows: Windows,
}

/// What is being written in one ring.
#[derive(Clone, Debug, Default, PartialEq)]
struct Lane {
    /// Rows written so far, over all time.
    written: u64,
    /// Rows of the present episode so far.
    episode_rows: u64,
}

/// A set of slots with uniform choice: a dense list, and the place of every slot in it.
#[derive(Clone, Debug, PartialEq)]
struct Windows {
    /// Slots of the last rows of complete windows.
    ends: Vec<u32>,
    /// Index in `ends` of each slot, or [`ABSENT`].
    place: Vec<u32>,
}

const ABSENT: u32 = u32::MAX;

impl Windows {
    fn insert(&mut self, slot: usize) {
        self.place[slot] = self.ends.len() as u32;
        self.ends.push(slot as u32);
    }

    fn remove(&mut self, slot: usize) {
        let at = self.place[slot];
        if at == ABSENT {
            return;
        }
        let last = self.ends.pop().expect("a present slot is in the list");
        if last as usize != slot {
            self.ends[at as usize] = last;
            self.place[last as usize] = at;
        }
        self.place[slot] = ABSENT;
    }
}

impl Replay {
    /// A buffer of at least `capacity` rows in `n_lanes` rings, for windows of `horizon` steps.
    ///
    /// # Panics
    ///
    /// When a number is 0, or the capacity is not below 2^32 - 1 rows.
    pub fn new(capacity: usize, n_lanes: usize, obs_dim: usize, action_dim: usize, horizon: usize) -> Self {
        assert!(capacity > 0 && n_lanes > 0 && obs_dim > 0 && action_dim > 0 && horizon > 0);
        let lane_rows = capacity.div_ceil(n_lanes).max(horizon + 1);
        let slots = lane_rows * n_lanes;
        assert!(slots < ABSENT as usize, "a replay buffer holds fewer than 2^32 - 1 rows");
        // Zeroed memory is mapped when it is first written, so a large capacity costs nothing up front.
        Self {
            obs_dim,
            action_dim,
            horizon,
            lane_rows,
            lanes: vec![Lane::default(); n_lanes],
            rows: vec![0.0; slots * (obs_dim + action_dim)],
            rewards: vec![0.0; slots],
            tasks: vec![0; slots],
            windows: Windows { ends: Vec::new(), place: vec![ABSENT; slots] },
        }
    }

    /// Appends the next row of one environment.
    ///
    /// # Panics
    ///
    /// When the lane does not exist, a width is wrong, or an environment's very first row is not an episode's first.
    pub fn push(&mut self, lane: usize, row: &Transition<'_>) {
        let state = &mut self.lanes[lane];
        assert!(row.first || state.episode_rows > 0, "an environment's first row starts an episode");
        let position = (state.written % self.lane_rows as u64) as usize;
        let slot = lane * self.lane_rows + position;
        state.episode_rows = if row.first { 1 } else { state.episode_rows + 1 };
        let (written, episode_rows) = (state.written, state.episode_rows);
        state.written += 1;

        let width = self.obs_dim + self.action_dim;
        let (obs, action) = self.rows[slot * width..(slot + 1) * width].split_at_mut(self.obs_dim);
        obs.copy_from_slice(row.obs);
        if row.first {
            action.fill(0.0);
        } else {
            action.copy_from_slice(row.action);
        }
        self.rewards[slot] = if row.first { 0.0 } else { row.reward };
        self.tasks[slot] = row.task;

        // The row that was overwritten was the first of the window that ended `horizon` rows later.
        if written >= self.lane_rows as u64 {
            let end = lane * self.lane_rows + (position + self.horizon) % self.lane_rows;
            self.windows.remove(end);
        }
        if episode_rows > self.horizon as u64 {
            self.windows.insert(slot);
        }
    }

    /// Rows stored.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(|l| l.written.min(self.lane_rows as u64) as usize).sum()
    }

    /// Is nothing stored?
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(|l| l.written == 0)
    }

    /// Rows that fit.
    pub fn capacity(&self) -> usize {
        self.lane_rows * self.lanes.len()
    }

    /// Windows that can be sampled.
    pub fn windows(&self) -> usize {
        self.windows.ends.len()
    }

    /// Forgets how far the present episodes are: the next row of every environment must be an episode's first.
    ///
    /// For a run that is resumed from a checkpoint, whose environments start new episodes.
    pub fn break_episodes(&mut self) {
        for lane in &mut self.lanes {
            lane.episode_rows = 0;
        }
    }

    /// Fills columns `from..to` of a batch of `batch` windows, each uniform over all windows.
    ///
    /// `random` gives 64 random bits a call; one call is made for each window.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Empty`] when there is no window yet.
    ///
    /// # Panics
    ///
    /// When a buffer's length does not fit `batch`.
    pub fn sample_into(
        &self,
        out: &mut WindowBuffers<'_>,
        batch: usize,
        columns: std::ops::Range<usize>,
        mut random: impl FnMut() -> u64,
    ) -> Result<(), ReplayError> {
        let (h, o, a) = (self.horizon, self.obs_dim, self.action_dim);
        assert_eq!(out.obs.len(), (h + 1) * batch * o, "length of the observations");
        assert_eq!(out.action.len(), h * batch * a, "length of the actions");
        assert_eq!(out.reward.len(), h * batch, "length of the rewards");
        assert_eq!(out.task.len(), batch, "length of the tasks");
        if columns.is_empty() {
            return Ok(());
        }
        let n = self.windows.ends.len();
        if n == 0 {
            return Err(ReplayError::Empty { rows: self.len(), horizon: h });
        }
        // Windows lie anywhere in memory: the next ones are fetched while one is copied.
        let mut ahead = [0usize; PREFETCH];
        let mut draw = || {
            let pick = ((u128::from(random()) * n as u128) >> 64) as usize;
            self.windows.ends[pick] as usize
        };
        let count = columns.len();
        for slot in ahead.iter_mut().take(count) {
            *slot = draw();
            self.prefetch(*slot);
        }
        for (i, column) in columns.enumerate() {
            let end = ahead[i % PREFETCH];
            if i + PREFETCH < count {
                ahead[i % PREFETCH] = draw();
                self.prefetch(ahead[i % PREFETCH]);
            }
            self.copy_window(end, out, batch, column);
        }
        Ok(())
    }

    /// The slots of the window that ends at `end`, first row first.
    fn window(&self, end: usize) -> impl Iterator<Item = usize> + '_ {
        let lane = end / self.lane_rows * self.lane_rows;
        let first = end - lane + self.lane_rows - self.horizon;
        (0..=self.horizon).map(move |t| {
            let position = first + t;
            lane + if position >= self.lane_rows { position - self.lane_rows } else { position }
        })
    }

    fn copy_window(&self, end: usize, out: &mut WindowBuffers<'_>, batch: usize, column: usize) {
        let (o, a) = (self.obs_dim, self.action_dim);
        for (t, slot) in self.window(end).enumerate() {
            let row = &self.rows[slot * (o + a)..(slot + 1) * (o + a)];
            let at = t * batch + column;
            out.obs[at * o..(at + 1) * o].copy_from_slice(&row[..o]);
            if t > 0 {
                let at = at - batch;
                out.action[at * a..(at + 1) * a].copy_from_slice(&row[o..]);
                out.reward[at] = self.rewards[slot];
            }
        }
        out.task[column] = self.tasks[end];
    }

    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "a prefetch is a hint that only an intrinsic gives")]
    fn prefetch(&self, end: usize) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 16; // floats in a cache line
        let width = self.obs_dim + self.action_dim;
        for slot in self.window(end) {
            for at in (slot * width..(slot + 1) * width).step_by(LINE) {
                // SAFETY: a prefetch reads nothing, and the address lies inside the slice.
                unsafe { _mm_prefetch(self.rows.as_ptr().add(at).cast(), _MM_HINT_T0) }
            }
            // SAFETY: as above.
            unsafe { _mm_prefetch(self.rewards.as_ptr().add(slot).cast(), _MM_HINT_T0) }
        }
        // SAFETY: as above.
        unsafe { _mm_prefetch(self.tasks.as_ptr().add(end).cast(), _MM_HINT_T0) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn prefetch(&self, _end: usize) {}
}

/// Windows that are on their way to the cache while one is copied.
const PREFETCH: usize = 8;

/// Demonstrations and online experience: half of every batch from each, where both have windows.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayMix {
    /// What the agent does.
    pub online: Replay,
    /// What it was shown.
    pub demonstrations: Option<Replay>,
}

impl ReplayMix {
    /// Fills a batch: its first half from demonstrations, if there are any, the rest from online experience.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Empty`] when a buffer that is asked has no window yet.
    pub fn sample_into(
        &self,
        out: &mut WindowBuffers<'_>,
        batch: usize,
        mut random: impl FnMut() -> u64,
    ) -> Result<(), ReplayError> {
        let half = match &self.demonstrations {
            Some(demonstrations) => {
                demonstrations.sample_into(out, batch, 0..batch / 2, &mut random)?;
                batch / 2
            }
            None => 0,
        };
        self.online.sample_into(out, batch, half..batch, random)
    }
}

const MAGIC: &[u8; 8] = b"TRREPLY1";

impl Replay {
    /// Writes the whole buffer aside, syncs it, and renames it to `path`.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Io`]; an earlier file at `path` is whole then.
    pub fn save(&self, path: &Path) -> Result<(), ReplayError> {
        let aside = path.with_extension("partial");
        let write = || -> io::Result<()> {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir)?;
            }
            let mut out = Checked { inner: BufWriter::with_capacity(1 << 20, File::create(&aside)?), sum: 0 };
            self.write(&mut out)?;
            let sum = out.sum;
            out.inner.write_all(&sum.to_le_bytes())?;
            let file = out.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            fs::rename(&aside, path)?;
            match path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
                Some(dir) => File::open(dir)?.sync_all(),
                None => Ok(()),
            }
        };
        write().map_err(|source| {
            let _ = fs::remove_file(&aside); // the error that matters is the first
            ReplayError::Io { action: "write", path: path.to_owned(), source }
        })
    }

    /// Restores a buffer exactly: sampling goes on with the same windows for the same random bits.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] when the file cannot be read or is not whole.
    pub fn load(path: &Path) -> Result<Self, ReplayError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::UnexpectedEof => damaged(path, "it is cut off"),
            io::ErrorKind::InvalidData => damaged(path, &source.to_string()),
            _ => ReplayError::Io { action: "read", path: path.to_owned(), source },
        };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut input = Checked { inner: BufReader::with_capacity(1 << 20, file), sum: 0 };
        let replay = Self::read(&mut input, length).map_err(failed)?;
        let sum = input.sum;
        let mut stored = [0; 4];
        input.inner.read_exact(&mut stored).map_err(failed)?;
        if u32::from_le_bytes(stored) != sum {
            return Err(damaged(path, "its checksum is wrong"));
        }
        Ok(replay)
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(MAGIC)?;
        for n in [self.obs_dim, self.action_dim, self.horizon, self.lane_rows, self.lanes.len()] {
            out.write_all(&(n as u64).to_le_bytes())?;
        }
        out.write_all(&(self.windows.ends.len() as u64).to_le_bytes())?;
        let width = self.obs_dim + self.action_dim;
        for (lane, state) in self.lanes.iter().enumerate() {
            out.write_all(&state.written.to_le_bytes())?;
            out.write_all(&state.episode_rows.to_le_bytes())?;
            let first = lane * self.lane_rows;
            let used = first..first + state.written.min(self.lane_rows as u64) as usize;
            write_words(out, self.rows[used.start * width..used.end * width].iter().map(|v| v.to_bits()))?;
            write_words(out, self.rewards[used.clone()].iter().map(|v| v.to_bits()))?;
            write_words(out, self.tasks[used].iter().map(|&v| v as u32))?;
        }
        write_words(out, self.windows.ends.iter().copied())
    }

    fn read(input: &mut impl Read, file_length: u64) -> io::Result<Self> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut magic = [0; 8];
        input.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(invalid("it does not begin like one of this version"));
        }
        let mut head = [0u64; 6];
        for n in &mut head {
            *n = read_u64(input)?;
        }
        let [obs_dim, action_dim, horizon, lane_rows, lanes, windows] = head;
        let slots = lane_rows.checked_mul(lanes).filter(|&n| n > 0 && n < u64::from(ABSENT));
        let sane = obs_dim > 0 && obs_dim < 1 << 20 && action_dim > 0 && action_dim < 1 << 20 && horizon > 0;
        let Some(slots) = slots.filter(|_| sane && horizon < lane_rows) else {
            return Err(invalid("its dimensions are impossible"));
        };
        if windows > slots || windows * 4 > file_length {
            return Err(invalid("its number of windows is impossible"));
        }
        let mut replay =
            Self::new(slots as usize, lanes as usize, obs_dim as usize, action_dim as usize, horizon as usize);
        let width = replay.obs_dim + replay.action_dim;
        for lane in 0..replay.lanes.len() {
            let state = Lane { written: read_u64(input)?, episode_rows: read_u64(input)? };
            let first = lane * replay.lane_rows;
            let used = first..first + state.written.min(lane_rows) as usize;
            replay.lanes[lane] = state;
            read_words(input, &mut replay.rows[used.start * width..used.end * width], f32::from_bits)?;
            read_words(input, &mut replay.rewards[used.clone()], f32::from_bits)?;
            read_words(input, &mut replay.tasks[used], |bits| bits as i32)?;
        }
        replay.windows.ends = vec![0; windows as usize];
        read_words(input, &mut replay.windows.ends, |bits| bits)?;
        for (at, &slot) in replay.windows.ends.iter().enumerate() {
            match replay.windows.place.get_mut(slot as usize) {
                Some(place) if *place == ABSENT => *place = at as u32,
                _ => return Err(invalid("its windows are impossible")),
            }
        }
        Ok(replay)
    }
}

fn damaged(path: &Path, reason: &str) -> ReplayError {
    ReplayError::Damaged { path: path.to_owned(), reason: reason.to_owned() }
}

/// Words in a block that is converted at once.
const BLOCK: usize = 4096;

fn write_words(out: &mut impl Write, words: impl Iterator<Item = u32>) -> io::Result<()> {
    let mut block = Vec::with_capacity(BLOCK * 4);
    for word in words {
        block.extend_from_slice(&word.to_le_bytes());
        if block.len() == BLOCK * 4 {
            out.write_all(&block)?;
            block.clear();
        }
    }
    out.write_all(&block)
}

fn read_words<T>(input: &mut impl Read, to: &mut [T], convert: impl Fn(u32) -> T) -> io::Result<()> {
    let mut block = [0u8; BLOCK * 4];
    for chunk in to.chunks_mut(BLOCK) {
        let bytes = &mut block[..chunk.len() * 4];
        input.read_exact(bytes)?;
        for (value, word) in chunk.iter_mut().zip(bytes.chunks_exact(4)) {
            *value = convert(u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        }
    }
    Ok(())
}

fn read_u64(input: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// A stream that keeps a checksum (CRC-32C) of what went through it.
struct Checked<T> {
    inner: T,
    sum: u32,
}

impl<T: Write> Write for Checked<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.sum = crc32c::crc32c_append(self.sum, &bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Checked<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(bytes)?;
        self.sum = crc32c::crc32c_append(self.sum, &bytes[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests;
