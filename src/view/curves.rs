//! Curves of a training, read from its `metrics.jsonl` as it grows or received from the same process.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bevy::prelude::*;
use serde_json::Value;

use super::{MetricsSource, ViewSystems};

/// The file in a run directory.
const FILE: &str = "metrics.jsonl";
/// How often it is looked at.
const POLL_EVERY: Duration = Duration::from_millis(500);
/// Most bytes taken in a frame, so that a long history never holds one up.
const MOST_BYTES: usize = 1 << 20;

/// The curves of one training: for each tag, points of (step, value) with rising steps.
#[derive(Resource, Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// By tag.
    pub series: BTreeMap<String, Vec<[f64; 2]>>,
    /// Lines that were no JSON object with a `step`.
    pub malformed: u64,
}

impl Curves {
    /// Takes in what one line of `metrics.jsonl` holds. A step that lies before known points (a run that was resumed
    /// from an earlier save) replaces them.
    pub fn add(&mut self, row: &Value) {
        let Some((row, step)) = row.as_object().and_then(|row| Some((row, row.get("step")?.as_f64()?))) else {
            self.malformed += 1;
            return;
        };
        for (tag, value) in row {
            let Some(value) = value.as_f64().filter(|_| tag != "step") else {
                continue;
            };
            let points = self.series.entry(tag.clone()).or_default();
            while points.last().is_some_and(|last| last[0] >= step) {
                points.pop();
            }
            points.push([step, value]);
        }
    }

    /// The latest step of any curve.
    pub fn last_step(&self) -> Option<f64> {
        self.series.values().filter_map(|points| points.last()).map(|point| point[0]).max_by(f64::total_cmp)
    }
}

/// Reads a growing file of lines from where it left off.
#[derive(Debug)]
pub struct MetricsTail {
    path: PathBuf,
    offset: u64,
    /// The start of a line whose end is not written yet.
    partial: Vec<u8>,
}

impl MetricsTail {
    /// Reads `metrics.jsonl` in this run directory.
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join(FILE), offset: 0, partial: Vec::new() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes in what was written since the last call, at most a megabyte; whether more was there.
    /// A file that became shorter is read anew.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn read(&mut self, curves: &mut Curves) -> io::Result<bool> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        if length < self.offset {
            *curves = Curves::default();
            self.offset = 0;
            self.partial.clear();
        }
        if length == self.offset {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut chunk = Vec::new();
        let count = file.take(MOST_BYTES as u64).read_to_end(&mut chunk)?;
        self.offset += count as u64;
        for piece in chunk.split_inclusive(|&byte| byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                match serde_json::from_slice(&self.partial) {
                    Ok(row) => curves.add(&row),
                    Err(_) if self.partial.trim_ascii().is_empty() => {}
                    Err(_) => curves.malformed += 1,
                }
                self.partial.clear();
            }
        }
        Ok(self.offset < length)
    }
}

/// Where the curves come from, and what stands in the way.
#[derive(Resource)]
pub struct CurvesFeed {
    /// The source.
    pub source: Feed,
    /// Why the file cannot be read.
    pub problem: Option<String>,
    next_look: Instant,
}

/// An open source of curves.
pub enum Feed {
    /// There is none.
    None,
    /// A growing file.
    File(MetricsTail),
    /// A training in the same process.
    Channel(crossbeam_channel::Receiver<Value>),
}

impl CurvesFeed {
    /// Opens a source; a file need not exist yet.
    pub fn new(source: MetricsSource) -> Self {
        let source = match source {
            MetricsSource::None => Feed::None,
            MetricsSource::Directory(directory) => Feed::File(MetricsTail::new(&directory)),
            MetricsSource::Channel(receiver) => Feed::Channel(receiver),
        };
        Self { source, problem: None, next_look: Instant::now() }
    }
}

/// Keeps [`Curves`] up to date.
pub(super) struct CurvesPlugin;

impl Plugin for CurvesPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Curves>()
            .add_systems(Update, receive.in_set(ViewSystems::Receive).run_if(resource_exists::<CurvesFeed>));
    }
}

fn receive(mut feed: ResMut<CurvesFeed>, mut curves: ResMut<Curves>) {
    let feed = &mut *feed;
    match &mut feed.source {
        Feed::None => {}
        Feed::Channel(receiver) => receiver.try_iter().for_each(|row| curves.add(&row)),
        Feed::File(tail) if Instant::now() >= feed.next_look => {
            let more = match tail.read(&mut curves) {
                Ok(more) => {
                    feed.problem = None;
                    more
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    feed.problem = Some(format!("{} is not there yet", tail.path().display()));
                    false
                }
                Err(error) => {
                    feed.problem = Some(format!("{} cannot be read: {error}", tail.path().display()));
                    false
                }
            };
            feed.next_look = Instant::now() + if more { Duration::ZERO } else { POLL_EVERY };
        }
        Feed::File(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = File::options().create(true).append(true).open(path).expect("writable");
        file.write_all(text.as_bytes()).expect("written");
    }

    #[test]
    fn a_growing_file_is_read_line_by_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE);
        let (mut tail, mut curves) = (MetricsTail::new(directory.path()), Curves::default());
        assert_eq!(tail.read(&mut curves).expect_err("no file yet").kind(), io::ErrorKind::NotFound);

        append(&path, "{\"step\": 1, \"train/loss\": 2.0, \"note\": \"x\"}\n{\"step\": 2, \"train/lo");
        tail.read(&mut curves).expect("readable");
        assert_eq!(curves.series["train/loss"], [[1.0, 2.0]]);
        append(&path, "ss\": 3.0}\n\nnot json\n");
        tail.read(&mut curves).expect("readable");
        assert_eq!(curves.series["train/loss"], [[1.0, 2.0], [2.0, 3.0]]);
        assert_eq!((curves.series.len(), curves.malformed), (1, 1));
    }

    #[test]
    fn a_resumed_run_replaces_what_it_repeats() {
        let mut curves = Curves::default();
        for (step, value) in [(1, 0.1), (2, 0.2), (3, 0.3), (2, 0.9)] {
            curves.add(&serde_json::json!({"step": step, "eval/avg_score": value}));
        }
        assert_eq!(curves.series["eval/avg_score"], [[1.0, 0.1], [2.0, 0.9]]);
        assert_eq!(curves.last_step(), Some(2.0));
    }

    #[test]
    fn a_file_that_became_shorter_is_read_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE);
        append(&path, "{\"step\": 1, \"a\": 1}\n{\"step\": 2, \"a\": 2}\n");
        let (mut tail, mut curves) = (MetricsTail::new(directory.path()), Curves::default());
        tail.read(&mut curves).expect("readable");
        std::fs::write(&path, "{\"step\": 5, \"b\": 1}\n").expect("written");
        tail.read(&mut curves).expect("readable");
        assert_eq!(curves.series.keys().collect::<Vec<_>>(), ["b"]);
    }
}
