//! TensorBoard event files: protocol buffers in the TFRecord framing.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use super::append::AppendFile;
use crate::files::FileError;

/// What the name of an event file starts with; seconds since 1970 and a host follow.
const PREFIX: &str = "events.out.tfevents.";

/// `tensorflow.Event`, as far as it is written here.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<SummaryValue>,
}

/// `tensorflow.Summary.Value`.
#[derive(Clone, PartialEq, Message)]
struct SummaryValue {
    #[prost(string, tag = "1")]
    tag: String,
    /// One of several kinds of value, so it is written even when it is zero.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// An event file that grows.
#[derive(Debug)]
pub(super) struct EventFile {
    file: AppendFile,
}

impl EventFile {
    /// A new file in a folder, named by the time.
    pub(super) fn create(folder: &Path) -> Result<Self, FileError> {
        let name = format!("{PREFIX}{}.terrarium", wall_time() as u64);
        let mut events = Self { file: AppendFile::create(&folder.join(name))? };
        let version =
            Event { wall_time: wall_time(), file_version: Some("brain.Event:2".to_owned()), ..Event::default() };
        events.file.append(&record(&version.encode_to_vec()))?;
        Ok(events)
    }

    /// A file whose first `bytes` are kept.
    pub(super) fn resume(folder: &Path, name: &str, bytes: u64) -> Result<Self, FileError> {
        Ok(Self { file: AppendFile::resume(&folder.join(name), bytes)? })
    }

    /// Removes the event files of a folder but one: what an attempt left that was never saved.
    pub(super) fn remove_others(folder: &Path, keep: Option<&str>) -> Result<(), FileError> {
        let entries = std::fs::read_dir(folder).map_err(|source| FileError::new("read", folder, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| FileError::new("read", folder, source))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(PREFIX) && keep != Some(name.as_ref()) {
                let path = entry.path();
                std::fs::remove_file(&path).map_err(|source| FileError::new("remove", &path, source))?;
            }
        }
        Ok(())
    }

    /// Writes numbers at a step.
    pub(super) fn scalars(&mut self, step: u64, tags: &[(String, f64)]) -> Result<(), FileError> {
        let value = |(tag, value): &(String, f64)| SummaryValue { tag: tag.clone(), simple_value: Some(*value as f32) };
        let summary = Summary { value: tags.iter().map(value).collect() };
        let event = Event { wall_time: wall_time(), step: step as i64, summary: Some(summary), file_version: None };
        self.file.append(&record(&event.encode_to_vec()))
    }

    /// Makes what was written survive a power cut; its name and bytes.
    pub(super) fn sync(&mut self) -> Result<(String, u64), FileError> {
        let bytes = self.file.sync()?;
        let name = self.file.path().file_name().expect("we named it").to_string_lossy().into_owned();
        Ok((name, bytes))
    }
}

/// A TFRecord: length (8 bytes, little-endian), its checksum, the content, its checksum.
fn record(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64).to_le_bytes();
    let mut framed = Vec::with_capacity(content.len() + 16);
    framed.extend(length);
    framed.extend(masked_crc(&length).to_le_bytes());
    framed.extend(content);
    framed.extend(masked_crc(content).to_le_bytes());
    framed
}

/// CRC-32C, rotated and shifted so that a checksum of data that holds checksums is sound.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use super::*;

    /// (step, tag, value) of every number in the one event file of a folder; every checksum is held.
    pub(in super::super) fn read_folder(folder: &Path) -> Vec<(i64, String, f32)> {
        let names: Vec<_> = fs::read_dir(folder).expect("lists").flatten().map(|entry| entry.path()).collect();
        let mut events = names.iter().filter(|path| path.to_string_lossy().contains("tfevents"));
        let path = events.next().expect("an event file");
        assert!(events.next().is_none(), "one event file");
        let mut bytes = &fs::read(path).expect("reads")[..];
        let mut scalars = Vec::new();
        let mut first = true;
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_at(8);
            let (length_crc, rest) = rest.split_at(4);
            assert_eq!(length_crc, masked_crc(length).to_le_bytes());
            let (content, rest) = rest.split_at(u64::from_le_bytes(length.try_into().expect("eight")) as usize);
            let (content_crc, rest) = rest.split_at(4);
            assert_eq!(content_crc, masked_crc(content).to_le_bytes());
            bytes = rest;
            let event = Event::decode(content).expect("an event");
            assert!(event.wall_time > 1.6e9);
            assert_eq!(event.file_version.as_deref(), first.then_some("brain.Event:2"));
            first = false;
            for value in event.summary.unwrap_or_default().value {
                scalars.push((event.step, value.tag, value.simple_value.expect("a number")));
            }
        }
        scalars
    }

    #[test]
    fn numbers_read_back_with_step_and_tag() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut events = EventFile::create(folder.path()).expect("creates");
        events.scalars(10, &[("train/lr".into(), 3e-4), ("train/zero".into(), 0.0)]).expect("writes");
        events.scalars(20, &[("eval/avg_score".into(), 0.5)]).expect("writes");
        let expected = [
            (10, "train/lr".to_owned(), 3e-4),
            (10, "train/zero".to_owned(), 0.0),
            (20, "eval/avg_score".to_owned(), 0.5),
        ];
        assert_eq!(read_folder(folder.path()), expected);
    }

    #[test]
    fn checksums_are_those_of_the_format() {
        // CRC-32C of "123456789" is the check value of its definition; its two parts are swapped by hand here.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        let swapped = 0x2507_c60d_u32;
        assert_eq!(masked_crc(b"123456789"), swapped.wrapping_add(0xa282_ead8));
    }
}
