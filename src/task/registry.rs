//! All known tasks, from the tables in `tasks/`.

use serde::Deserialize;

use super::{Domain, Task};

/// The tables built into the program: (file name, text).
const TABLES: &[(&str, &str)] = &[
    ("miniarcade.ron", include_str!("../../tasks/miniarcade.ron")),
    ("dmcontrol.ron", include_str!("../../tasks/dmcontrol.ron")),
    ("dmcontrol_ext.ron", include_str!("../../tasks/dmcontrol_ext.ron")),
    ("mujoco.ron", include_str!("../../tasks/mujoco.ron")),
    ("ogbench.ron", include_str!("../../tasks/ogbench.ron")),
];

/// A table of tasks that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The text is not what a table should hold.
    #[error("{problem} in task table {file}")]
    Malformed {
        /// What the parser says, with line and column.
        problem: Box<ron::error::SpannedError>,
        /// The table.
        file: String,
    },
    /// Two rows share an id.
    #[error("task id {id:?} stands twice in the task tables; rename one of them (second time in {file})")]
    Duplicate {
        /// The id.
        id: String,
        /// Where its second row stands.
        file: String,
    },
    /// No task, domain or set has that name.
    #[error("no task, domain or set is called {name:?}; {hint}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The nearest name, or how to list them.
        hint: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    domain: Domain,
    tasks: Vec<Task>,
}

/// All known tasks, in the order of the tables.
#[derive(Clone, Debug)]
pub struct Registry {
    tasks: Vec<Task>,
}

impl Registry {
    /// The tasks built into the program.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] when a table is malformed.
    pub fn builtin() -> Result<Self, RegistryError> {
        let mut registry = Self { tasks: Vec::new() };
        for (file, text) in TABLES {
            registry.add_table(file, text)?;
        }
        Ok(registry)
    }

    /// Adds the rows of one table, given as RON text.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] when the table is malformed or repeats an id; the registry is unchanged then.
    pub fn add_table(&mut self, file: &str, text: &str) -> Result<(), RegistryError> {
        let table: Table = ron::from_str(text)
            .map_err(|problem| RegistryError::Malformed { problem: problem.into(), file: file.to_owned() })?;
        let mut added: Vec<Task> = Vec::with_capacity(table.tasks.len());
        for mut task in table.tasks {
            if self.tasks.iter().chain(&added).any(|known| known.id == task.id) {
                return Err(RegistryError::Duplicate { id: task.id, file: file.to_owned() });
            }
            task.domain = table.domain;
            added.push(task);
        }
        self.tasks.append(&mut added);
        Ok(())
    }

    /// Every task.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The task with this id.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unknown`] with the nearest known id.
    pub fn task(&self, id: &str) -> Result<&Task, RegistryError> {
        self.tasks
            .iter()
            .find(|task| task.id == id)
            .ok_or_else(|| self.unknown(id, self.tasks.iter().map(|task| task.id.as_str())))
    }

    pub(super) fn unknown<'a>(&self, name: &str, known: impl Iterator<Item = &'a str>) -> RegistryError {
        let nearest = known
            .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let hint = match nearest {
            Some((likeness, nearest)) if likeness > 0.75 => format!("did you mean {nearest:?}?"),
            _ => "`terrarium tasks` lists them".to_owned(),
        };
        RegistryError::Unknown { name: name.to_owned(), hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_table_parses() {
        assert!(!Registry::builtin().expect("tables parse").tasks().is_empty());
    }

    #[test]
    fn an_unknown_task_names_the_nearest() {
        let error = Registry::builtin().expect("tables parse").task("pygame-pongg").expect_err("unknown");
        assert!(error.to_string().contains("pygame-pong"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = r#"(domain: MiniArcade, tasks: [(id: "x", colour: 3)])"#;
        let mut registry = Registry { tasks: Vec::new() };
        let error = registry.add_table("x.ron", text).expect_err("unknown key");
        assert!(error.to_string().contains("colour"), "{error}");
    }
}
