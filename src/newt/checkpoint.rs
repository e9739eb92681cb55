//! Saving and restoring an agent.
//!
//! `model.safetensors` holds the weights under the reference's names, and in its header the format's version, the config
//! and a checksum; `training_state/optimizer.safetensors` holds what learning needs besides. Files are written aside and
//! renamed, so an interrupted save leaves the files before it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{Error, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, View};
use tch::{Device, Kind, Tensor};

use super::agent::{BuildError, Newt, TaskTables};
use super::config::Config;
use crate::files::{FileError, read, write_atomic_with};

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is cut off, changed, or no safetensors file at all.
    #[error("{path} is damaged or no checkpoint ({reason}); use an earlier checkpoint")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Written by another version of the format.
    #[error(
        "{path} has checkpoint version {found}, and this program reads version {expected}; use the program that wrote it"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: String,
        /// Version that can be read.
        expected: &'static str,
    },
    /// A tensor is missing.
    #[error("{path} has no tensor {name}; it is not a whole checkpoint, use another")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A tensor has another shape or number format than the config in the file's header says.
    #[error("{path}: tensor {name} is {found}, but the model asks for {expected}; the checkpoint is of another model")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Shape and format found.
        found: String,
        /// Shape and format expected.
        expected: String,
    },
    /// The config in the header is impossible.
    #[error("{path} holds an impossible config: {source}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BuildError,
    },
}

/// Version of both files' layout.
const VERSION: &str = "2";
/// The entry of the files' metadata that holds ours.
const HEADER: &str = "terrarium";
/// Among our entries, CRC-32C of the others and of all tensors.
const CHECKSUM: &str = "checksum";
const MODEL_FILE: &str = "model.safetensors";
const STATE_FILE: &str = "training_state/optimizer.safetensors";

impl Newt {
    /// Writes the whole agent into a folder, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::File`]; files of an earlier save are whole then.
    ///
    /// # Panics
    ///
    /// Never: configs and step counts are plain numbers.
    pub fn save(&self, dir: &Path) -> Result<(), CheckpointError> {
        let mut tensors: Vec<(String, Tensor)> =
            self.model.fields().into_iter().map(|f| (f.name.clone(), f.value())).collect();
        let tables = [
            ("_task_emb.weight", &self.tables.embeddings),
            ("_action_masks", &self.tables.action_masks),
            ("_discounts", &self.tables.discounts),
        ];
        let tasks = self.tables.discounts.len() as i64;
        for (name, rows) in tables {
            if !rows.is_empty() {
                tensors.push((name.to_owned(), Tensor::from_slice(rows).reshape([tasks, -1])));
            }
        }
        let config = serde_json::to_string(&self.config).expect("a config is plain numbers");
        write(&dir.join(MODEL_FILE), tensors, [("config", config)])?;

        let (model, pi) = (&self.model_optim, &self.pi_optim);
        let steps: Vec<i64> = model.groups.iter().chain(&pi.groups).map(|g| g.steps).collect();
        let steps = serde_json::to_string(&steps).expect("plain numbers");
        let tensors = vec![
            ("model.first".to_owned(), model.first.shallow_clone()),
            ("model.second".to_owned(), model.second.shallow_clone()),
            ("pi.first".to_owned(), pi.first.shallow_clone()),
            ("pi.second".to_owned(), pi.second.shallow_clone()),
            ("scale".to_owned(), self.scale.value().shallow_clone()),
        ];
        write(&dir.join(STATE_FILE), tensors, [("steps", steps), ("updates", self.updates.to_string())])
    }

    /// Reads a whole agent: it goes on learning as the saved one would have.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] when a file is missing, damaged, or of another version or model.
    pub fn load(dir: &Path, device: Device) -> Result<Self, CheckpointError> {
        let mut agent = Self::load_weights(dir, device)?;
        let path = dir.join(STATE_FILE);
        let bytes = read(&path)?;
        let file = Checkpoint::parse(&path, &bytes)?;
        let steps: Vec<i64> = file.json("steps")?;
        let (model, pi) = (&mut agent.model_optim, &mut agent.pi_optim);
        let groups = || model.groups.len() + pi.groups.len();
        if steps.len() != groups() {
            let reason = format!("{} step counts instead of {}", steps.len(), groups());
            return Err(CheckpointError::Damaged { path, reason });
        }
        for (name, to) in [
            ("model.first", &mut model.first),
            ("model.second", &mut model.second),
            ("pi.first", &mut pi.first),
            ("pi.second", &mut pi.second),
        ] {
            to.copy_(&file.tensor(name, &to.size())?);
        }
        for (group, steps) in model.groups.iter_mut().chain(&mut pi.groups).zip(steps) {
            group.steps = steps;
        }
        agent.scale.set(&file.tensor("scale", &[])?);
        agent.updates = file.json("updates")?;
        Ok(agent)
    }

    /// Reads the config alone.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] when the file is missing, damaged, or of another version.
    pub fn saved_config(dir: &Path) -> Result<Config, CheckpointError> {
        let path = dir.join(MODEL_FILE);
        Checkpoint::parse(&path, &read(&path)?)?.json("config")
    }

    /// Reads the weights, config and tasks alone, for acting or for finetuning; learning starts afresh.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] when the file is missing, damaged, or of another version or model.
    ///
    /// # Panics
    ///
    /// Never: tables are read as the widths that they were checked against.
    pub fn load_weights(dir: &Path, device: Device) -> Result<Self, CheckpointError> {
        let path = dir.join(MODEL_FILE);
        let bytes = read(&path)?;
        let file = Checkpoint::parse(&path, &bytes)?;
        let config: Config = file.json("config")?;
        let table = |name: &str, width: i64| -> Result<Vec<f32>, CheckpointError> {
            if width == 0 {
                return Ok(Vec::new());
            }
            let tasks = file.tensors.tensor(name).ok().and_then(|t| t.shape().first().copied()).unwrap_or(0);
            let rows = file.tensor(name, &[tasks as i64, width])?;
            Ok(Vec::try_from(rows.flatten(0, -1)).expect("a vector of floats"))
        };
        let tables = TaskTables {
            embeddings: table("_task_emb.weight", config.model.task_dim)?,
            action_masks: table("_action_masks", config.model.action_dim)?,
            discounts: table("_discounts", 1)?,
        };
        let agent = Self::new(config, tables, device, 0)
            .map_err(|source| CheckpointError::Config { path: path.clone(), source })?;
        for field in agent.model.fields() {
            field.set(&file.tensor(&field.name, &field.size())?);
        }
        Ok(agent)
    }
}

/// A parsed file whose version is ours.
struct Checkpoint<'a> {
    path: &'a Path,
    metadata: BTreeMap<String, String>,
    tensors: SafeTensors<'a>,
}

impl<'a> Checkpoint<'a> {
    fn parse(path: &'a Path, bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        let damaged = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
        let (header_bytes, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
        let entries = header.metadata().as_ref().and_then(|metadata| metadata.get(HEADER));
        let mut metadata: BTreeMap<String, String> = entries
            .map(|entries| {
                serde_json::from_str(entries).map_err(|e| damaged(format!("its header cannot be read: {e}")))
            })
            .transpose()?
            .unwrap_or_default();
        let found = metadata.get("version").cloned().unwrap_or_else(|| "none".to_owned());
        if found != VERSION {
            return Err(CheckpointError::Version { path: path.to_owned(), found, expected: VERSION });
        }
        let found = metadata.remove(CHECKSUM);
        // The tensors lie behind the header and the number of its bytes.
        if found != Some(checksum(&metadata, [&bytes[size_of::<u64>() + header_bytes..]])) {
            return Err(damaged("its checksum differs".to_owned()));
        }
        Ok(Self { path, metadata, tensors })
    }

    fn json<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<T, CheckpointError> {
        let text = self.metadata.get(key).map_or("", String::as_str);
        serde_json::from_str(text).map_err(|e| CheckpointError::Damaged {
            path: self.path.to_owned(),
            reason: format!("its header's {key} cannot be read: {e}"),
        })
    }

    fn tensor(&self, name: &str, size: &[i64]) -> Result<Tensor, CheckpointError> {
        let view = self
            .tensors
            .tensor(name)
            .map_err(|_| CheckpointError::Missing { path: self.path.to_owned(), name: name.to_owned() })?;
        let found: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        if found != size || view.dtype() != Dtype::F32 {
            return Err(CheckpointError::Shape {
                path: self.path.to_owned(),
                name: name.to_owned(),
                found: format!("{found:?} {:?}", view.dtype()),
                expected: format!("{size:?} F32"),
            });
        }
        if view.data().as_chunks::<4>().0.iter().any(|&bytes| !f32::from_le_bytes(bytes).is_finite()) {
            let reason = format!("tensor {name} holds numbers that are not finite");
            return Err(CheckpointError::Damaged { path: self.path.to_owned(), reason });
        }
        Ok(Tensor::from_data_size(view.data(), size, Kind::Float))
    }
}

/// What tells that a file's entries and tensors are those that were written.
fn checksum<'a>(entries: &BTreeMap<String, String>, tensors: impl IntoIterator<Item = &'a [u8]>) -> String {
    let entries = serde_json::to_vec(entries).expect("a map of texts is JSON");
    let sum = tensors.into_iter().fold(crc32c::crc32c(&entries), crc32c::crc32c_append);
    format!("{sum:08x}")
}

/// A float32 tensor as safetensors wants it.
struct Floats {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Floats {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes a file; it is whole or not there.
fn write<const N: usize>(
    path: &Path,
    tensors: Vec<(String, Tensor)>,
    header: [(&str, String); N],
) -> Result<(), CheckpointError> {
    let floats = |tensor: Tensor| {
        let shape = tensor.size().iter().map(|&n| n as usize).collect();
        let values: Vec<f32> = tensor.to_device(Device::Cpu).flatten(0, -1).try_into().expect("a vector of floats");
        Floats { shape, bytes: values.iter().flat_map(|value| value.to_le_bytes()).collect() }
    };
    // By name, as the format lays tensors of one kind of number.
    let tensors: BTreeMap<String, Floats> = tensors.into_iter().map(|(name, tensor)| (name, floats(tensor))).collect();
    // One entry of sorted keys: several would be written in the order of a hash map, and equal agents in unequal bytes.
    let mut entries: BTreeMap<String, String> = header.map(|(key, value)| (key.to_owned(), value)).into();
    entries.insert("version".to_owned(), VERSION.to_owned());
    entries.insert(CHECKSUM.to_owned(), checksum(&entries, tensors.values().map(|floats| &floats.bytes[..])));
    let entries = serde_json::to_string(&entries).expect("a map of texts is JSON");
    let metadata = HashMap::from([(HEADER.to_owned(), entries)]);
    write_atomic_with(path, |file| {
        file.write_all(&safetensors::serialize(tensors, Some(metadata)).map_err(Error::other)?)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::newt::{Batch, ModelConfig, SeededNoise};

    fn small_agent() -> Newt {
        let mut config = Config::default();
        config.model = ModelConfig {
            obs_dim: 6,
            action_dim: 3,
            task_dim: 5,
            enc_dim: 16,
            mlp_dim: 16,
            latent_dim: 16,
            num_q: 3,
            ..config.model
        };
        let tables = TaskTables {
            embeddings: (0..10).map(|i| i as f32 / 10.0).collect(),
            action_masks: vec![1.0, 1.0, 0.0, 1.0, 1.0, 1.0],
            discounts: vec![0.9, 0.99],
        };
        Newt::new(config, tables, Device::Cpu, 4).expect("a possible config")
    }

    fn batch(noise: &mut SeededNoise) -> Batch {
        use crate::newt::Noise as _;
        Batch {
            obs: noise.normal(&[4, 8, 6], Device::Cpu),
            action: noise.normal(&[3, 8, 3], Device::Cpu).tanh(),
            reward: noise.normal(&[3, 8], Device::Cpu),
            task: Tensor::from_slice(&[0i64, 1, 0, 1, 1, 1, 0, 0]),
        }
    }

    #[test]
    fn a_restored_agent_learns_on_with_the_same_bytes() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut noise = SeededNoise::new(1);
        let mut agent = small_agent();
        let batch = batch(&mut noise);
        let _ = agent.pretrain_update(&batch, &mut noise);
        let _ = agent.update(&batch, &mut noise);
        agent.save(dir.path()).expect("saved");
        let mut restored = Newt::load(dir.path(), Device::Cpu).expect("loaded");
        let mut same_noise = noise.clone();
        for (agent, noise) in [(&mut agent, &mut noise), (&mut restored, &mut same_noise)] {
            let _ = agent.update(&batch, noise);
            let _ = agent.pretrain_update(&batch, noise);
        }
        for (a, b) in agent.model.fields().iter().zip(restored.model.fields()) {
            assert_eq!(a.value(), b.value(), "{}", a.name);
        }
        assert_eq!(agent.scale.value(), restored.scale.value());
        assert_eq!(agent.updates(), 4);
        assert_eq!(restored.updates(), 4);
    }

    #[test]
    fn damaged_files_are_explained() {
        let dir = tempfile::tempdir().expect("a folder");
        let agent = small_agent();
        agent.save(dir.path()).expect("saved");
        let path = dir.path().join(MODEL_FILE);
        let whole = fs::read(&path).expect("read");
        let message = |dir: &Path| Newt::load(dir, Device::Cpu).expect_err("damaged").to_string();

        fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        assert!(message(dir.path()).contains("damaged"), "{}", message(dir.path()));
        fs::write(&path, &whole[..5]).expect("written");
        assert!(message(dir.path()).contains("damaged"), "{}", message(dir.path()));

        // One bit of a weight, and one digit of the config.
        let text = String::from_utf8_lossy(&whole[8..]).into_owned();
        let at = 8 + text.find("mlp_dim").expect("the config is in the header");
        let digit = at + whole[at..].windows(2).position(|w| w == b"16").expect("its value");
        for (at, bit) in [(whole.len() - 100, 4), (digit, 1)] {
            let mut other = whole.clone();
            other[at] ^= bit;
            fs::write(&path, &other).expect("written");
            assert!(message(dir.path()).contains("checksum"), "{}", message(dir.path()));
        }

        let mark = r#"version\":\""#;
        let at = 8 + text.find(mark).expect("the version is in the header") + mark.len();
        let mut other = whole.clone();
        other[at] = b'7';
        fs::write(&path, &other).expect("written");
        assert!(message(dir.path()).contains("version 7"), "{}", message(dir.path()));

        // The header says another width than the tensors have.
        let mut other = small_agent();
        other.config.model.mlp_dim = 18;
        other.save(dir.path()).expect("saved");
        assert!(message(dir.path()).contains("another model"), "{}", message(dir.path()));

        let other = small_agent();
        tch::no_grad(|| {
            let _ = other.model.fields()[0].parts[0].shallow_clone().fill_(f64::NAN);
        });
        other.save(dir.path()).expect("saved");
        assert!(message(dir.path()).contains("not finite"), "{}", message(dir.path()));

        fs::write(&path, &whole).expect("written");
        fs::remove_file(dir.path().join(STATE_FILE)).expect("removed");
        assert!(message(dir.path()).contains("cannot read"), "{}", message(dir.path()));
        assert!(Newt::load_weights(dir.path(), Device::Cpu).is_ok());
    }
}
