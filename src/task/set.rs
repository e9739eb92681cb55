//! Sets of tasks: one task, a domain, a list of either, or the training soup.

use super::{Domain, Registry, RegistryError, Split, Task};

/// The tasks of a run, in a fixed order; an index into it is a run's task number.
#[derive(Clone, Debug)]
pub struct TaskSet {
    name: String,
    tasks: Vec<Task>,
}

impl TaskSet {
    /// Resolves `soup`, a domain's name, a task id, or a comma-separated list of those. No task appears twice.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Unknown`] for a name that is none of them.
    pub fn parse(text: &str, registry: &Registry) -> Result<Self, RegistryError> {
        Self::resolve(text, registry, |_| true)
    }

    /// The same for learning: of a domain, the tasks that are not held out. A held-out task can still be named.
    ///
    /// # Errors
    ///
    /// As [`TaskSet::parse`].
    pub fn parse_for_training(text: &str, registry: &Registry) -> Result<Self, RegistryError> {
        Self::resolve(text, registry, |task| task.split == Split::Train)
    }

    fn resolve(text: &str, registry: &Registry, of_domain: fn(&Task) -> bool) -> Result<Self, RegistryError> {
        let mut tasks: Vec<Task> = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let mut found: Vec<&Task> = if name == "soup" {
                registry.tasks().iter().filter(|task| task.split == Split::Train).collect()
            } else if let Some(domain) = Domain::ALL.into_iter().find(|domain| domain.name() == name) {
                registry.tasks().iter().filter(|task| task.domain == domain && of_domain(task)).collect()
            } else {
                registry.tasks().iter().filter(|task| task.id == name).collect()
            };
            found.retain(|task| tasks.iter().all(|known| known.id != task.id));
            if found.is_empty() && tasks.iter().all(|known| known.id != name) {
                let names = registry.tasks().iter().map(|task| task.id.as_str());
                return Err(registry.unknown(name, names.chain(Domain::ALL.map(Domain::name)).chain(["soup"])));
            }
            tasks.extend(found.into_iter().cloned());
        }
        if tasks.is_empty() {
            return Err(RegistryError::Unknown {
                name: text.to_owned(),
                hint: "`terrarium tasks` lists them".to_owned(),
            });
        }
        Ok(Self { name: text.to_owned(), tasks })
    }

    /// The text it was made from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tasks, in order.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Whether a run over it learns a single task (no language input).
    pub fn is_single(&self) -> bool {
        self.tasks.len() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_mixes_tasks_and_domains_without_repeats() {
        let registry = Registry::builtin().expect("tables parse");
        let all = registry.tasks().iter().filter(|task| task.domain == Domain::MiniArcade).count();
        let set = TaskSet::parse("pygame-pong, miniarcade,pygame-pong", &registry).expect("known names");
        assert_eq!(set.tasks().len(), all);
        assert_eq!(set.tasks()[0].id, "pygame-pong");
    }

    #[test]
    fn a_domain_is_learned_without_its_held_out_tasks_unless_they_are_named() {
        let registry = Registry::builtin().expect("tables parse");
        let held_out =
            registry.tasks().iter().find(|task| task.domain == Domain::MiniArcade && task.split != Split::Train);
        let held_out = &held_out.expect("the domain holds some out").id;
        let has = |text: &str| {
            let set = TaskSet::parse_for_training(text, &registry).expect("known names");
            set.tasks().iter().any(|task| task.id == *held_out)
        };
        assert!(!has("miniarcade"));
        assert!(has(&format!("miniarcade,{held_out}")));
    }

    #[test]
    fn soup_holds_only_training_tasks() {
        let registry = Registry::builtin().expect("tables parse");
        let set = TaskSet::parse("soup", &registry).expect("soup");
        assert!(set.tasks().iter().all(|task| task.split == Split::Train));
    }

    #[test]
    fn a_misspelt_domain_names_the_nearest() {
        let registry = Registry::builtin().expect("tables parse");
        let error = TaskSet::parse("miniarcad", &registry).expect_err("unknown");
        assert!(error.to_string().contains("miniarcade"), "{error}");
    }
}
