//! The settings of a run on disk: `config.ron`.

use std::path::Path;

use super::{ConfigError, TrainConfig};
use crate::files;

impl TrainConfig {
    /// Writes the settings as RON; the file is never half-written.
    ///
    /// # Errors
    ///
    /// [`ConfigError::File`] when it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ConfigError> {
        Ok(files::write_atomic(path, self.to_ron().as_bytes())?)
    }

    fn to_ron(&self) -> String {
        let pretty = ron::ser::PrettyConfig::new().struct_names(false);
        ron::ser::to_string_pretty(self, pretty).expect("settings are plain values") + "\n"
    }

    /// Reads settings that [`save`](Self::save) wrote; those that the file does not name have the table's defaults.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the file cannot be read, holds no settings, or values that are out of range.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = files::read_to_string(path)?;
        let config: Self = ron::from_str(&text)
            .map_err(|problem| ConfigError::Malformed { problem: Box::new(problem), path: path.to_owned() })?;
        // Whether every task has an environment is held when the tasks are known.
        let n_tasks = usize::from(config.finetune);
        config.check(n_tasks)?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Registry, TaskSet};
    use crate::train::config::TrainArgs;

    fn example() -> TrainConfig {
        let args = TrainArgs::parse(["task=pygame-pong", "preset=laptop", "device=cuda:1", "data_dir=demos"]);
        let registry = Registry::builtin().expect("tables parse");
        let tasks = TaskSet::parse("pygame-pong", &registry).expect("known");
        args.expect("words").resolve(&tasks).expect("resolves")
    }

    #[test]
    fn settings_read_back_as_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.ron");
        let config = example();
        config.save(&path).expect("saves");
        assert_eq!(TrainConfig::load(&path).expect("loads"), config);
    }

    #[test]
    fn a_damaged_file_is_named_with_the_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.ron");
        example().save(&path).expect("saves");
        let text = std::fs::read_to_string(&path).expect("reads");
        std::fs::write(&path, &text[..text.len() / 2]).expect("writes");
        let message = TrainConfig::load(&path).expect_err("truncated").to_string();
        assert!(message.contains("config.ron"), "{message}");
        std::fs::write(&path, "(colour: 3)").expect("writes");
        let message = TrainConfig::load(&path).expect_err("unknown").to_string();
        assert!(message.contains("colour"), "{message}");
    }
}
