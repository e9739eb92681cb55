//! Statistics of finished episodes: by task, by domain, over all.

use serde::{Deserialize, Serialize};

use super::Values;
use crate::task::{Domain, Task};

/// What is kept of a finished episode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpisodeResult {
    /// The task's number.
    pub task: usize,
    /// Undiscounted return.
    pub episode_return: f64,
    /// Normalized score in [0, 1].
    pub score: f64,
    /// Success flag of the last step.
    pub success: bool,
    /// Agent steps.
    pub length: u32,
    /// Whether the task itself ended it, rather than the time limit.
    pub terminated: bool,
}

/// Sums over the episodes of each task; what is in them can be saved and carried on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeStatistics {
    tasks: Vec<TaskSums>,
    /// Episodes since the start of the run: not cleared.
    total: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TaskSums {
    id: String,
    domain: Domain,
    episodes: u64,
    /// Mean of returns, and sum of squared distances to it (Welford 1962).
    return_mean: f64,
    return_squares: f64,
    score: f64,
    success: f64,
    length: f64,
    terminated: f64,
}

/// Means over the episodes of one task.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct TaskSummary {
    /// The task's id.
    pub id: String,
    /// Its domain.
    pub domain: Domain,
    /// Episodes; the means are NaN without any.
    pub episodes: u64,
    /// Mean undiscounted return.
    pub return_mean: f64,
    /// Standard deviation of returns over these episodes.
    pub return_std: f64,
    /// Mean normalized score.
    pub score: f64,
    /// Part of episodes that ended in success.
    pub success: f64,
    /// Mean length, agent steps.
    pub length: f64,
    /// Part of episodes that the task itself ended.
    pub terminated: f64,
}

impl EpisodeStatistics {
    /// No episodes yet of these tasks.
    pub fn new(tasks: &[Task]) -> Self {
        let sums = |task: &Task| TaskSums {
            id: task.id.clone(),
            domain: task.domain,
            episodes: 0,
            return_mean: 0.0,
            return_squares: 0.0,
            score: 0.0,
            success: 0.0,
            length: 0.0,
            terminated: 0.0,
        };
        Self { tasks: tasks.iter().map(sums).collect(), total: 0 }
    }

    /// Whether they are statistics of these tasks, in this order.
    pub fn are_of(&self, tasks: &[Task]) -> bool {
        self.tasks.iter().map(|sums| &sums.id).eq(tasks.iter().map(|task| &task.id))
    }

    /// Adds an episode.
    ///
    /// # Panics
    ///
    /// When there is no task of that number.
    pub fn push(&mut self, episode: EpisodeResult) {
        let task = &mut self.tasks[episode.task];
        self.total += 1;
        task.episodes += 1;
        let distance = episode.episode_return - task.return_mean;
        task.return_mean += distance / task.episodes as f64;
        task.return_squares += distance * (episode.episode_return - task.return_mean);
        task.score += episode.score;
        task.success += f64::from(u8::from(episode.success));
        task.length += f64::from(episode.length);
        task.terminated += f64::from(u8::from(episode.terminated));
    }

    /// Episodes since the last [`clear`](Self::clear).
    pub fn episodes(&self) -> u64 {
        self.tasks.iter().map(|task| task.episodes).sum()
    }

    /// Forgets the episodes; only the count since the start goes on.
    pub fn clear(&mut self) {
        for task in &mut self.tasks {
            let (id, domain) = (std::mem::take(&mut task.id), task.domain);
            *task = TaskSums {
                id,
                domain,
                episodes: 0,
                return_mean: 0.0,
                return_squares: 0.0,
                score: 0.0,
                success: 0.0,
                length: 0.0,
                terminated: 0.0,
            };
        }
    }

    /// One summary a task, in order.
    pub fn summaries(&self) -> Vec<TaskSummary> {
        self.tasks.iter().map(TaskSums::summary).collect()
    }

    /// Mean score of each task, averaged over tasks that have episodes; NaN without any.
    pub fn avg_score(&self) -> f64 {
        mean(self.summaries().iter().filter(|task| task.episodes > 0).map(|task| task.score))
    }

    /// Mean return over all episodes; NaN without any.
    pub fn episode_reward(&self) -> f64 {
        self.over_episodes(|task| task.return_mean)
    }

    /// The reference's tags without their phase; what has no episode is left out.
    ///
    /// `episode_*` are means over episodes, `episode_*+<task>` over those of one task; `avg_score` is the mean over tasks of
    /// their mean scores, `avg_score_<domain>` that over the tasks of one domain, and `avg_score_weighted` the mean over
    /// domains.
    pub fn values(&self) -> Values {
        let mut values = Values::default();
        values.push("episode", self.total as f64);
        let summaries: Vec<TaskSummary> = self.summaries().into_iter().filter(|task| task.episodes > 0).collect();
        if summaries.is_empty() {
            return values;
        }
        for (name, field) in FIELDS {
            values.push(*name, self.over_episodes(field));
        }
        values.push("avg_score", self.avg_score());
        let domains = domain_scores(&summaries);
        values.push("avg_score_weighted", mean(domains.iter().map(|(_, score)| *score)));
        for (domain, score) in domains {
            values.push(format!("avg_score_{}", domain.name()), score);
        }
        for task in &summaries {
            for (name, field) in FIELDS {
                values.push(format!("{name}+{}", task.id), field(task));
            }
        }
        values
    }

    fn over_episodes(&self, field: impl Fn(&TaskSummary) -> f64) -> f64 {
        let summaries = self.summaries();
        let sum: f64 =
            summaries.iter().filter(|task| task.episodes > 0).map(|task| field(task) * task.episodes as f64).sum();
        sum / self.episodes() as f64
    }

    /// The first line of `results.csv`.
    pub(super) fn csv_header(&self) -> String {
        let domains: String = self.domains().iter().map(|domain| format!(",avg_score_{}", domain.name())).collect();
        let tasks: String = self.tasks.iter().map(|task| format!(",episode_score+{}", task.id)).collect();
        format!("step,reward,seed,avg_score,avg_score_weighted{domains}{tasks}\n")
    }

    /// A further line; cells without episodes stay empty.
    pub(super) fn csv_row(&self, step: u64, seed: u64) -> String {
        let values = self.values();
        let cell = |name: &str| values.get(name).map_or_else(String::new, |value| value.to_string());
        let mut row =
            format!("{step},{},{seed},{},{}", cell("episode_reward"), cell("avg_score"), cell("avg_score_weighted"));
        for domain in self.domains() {
            row.push_str(&format!(",{}", cell(&format!("avg_score_{}", domain.name()))));
        }
        for task in &self.tasks {
            row.push_str(&format!(",{}", cell(&format!("episode_score+{}", task.id))));
        }
        row.push('\n');
        row
    }

    fn domains(&self) -> Vec<Domain> {
        Domain::ALL.into_iter().filter(|domain| self.tasks.iter().any(|task| task.domain == *domain)).collect()
    }
}

type Field = fn(&TaskSummary) -> f64;

/// Means of episodes by the reference's names.
const FIELDS: &[(&str, Field)] = &[
    ("episode_reward", |task| task.return_mean),
    ("episode_success", |task| task.success),
    ("episode_score", |task| task.score),
    ("episode_length", |task| task.length),
    ("episode_terminated", |task| task.terminated),
];

impl TaskSums {
    fn summary(&self) -> TaskSummary {
        let n = self.episodes as f64;
        TaskSummary {
            id: self.id.clone(),
            domain: self.domain,
            episodes: self.episodes,
            return_mean: if self.episodes > 0 { self.return_mean } else { f64::NAN },
            return_std: (self.return_squares / n).sqrt(),
            score: self.score / n,
            success: self.success / n,
            length: self.length / n,
            terminated: self.terminated / n,
        }
    }
}

/// The mean score of each domain that has episodes, unweighted over its tasks.
fn domain_scores(tasks: &[TaskSummary]) -> Vec<(Domain, f64)> {
    let score = |domain: Domain| {
        let mut of_domain = tasks.iter().filter(|task| task.domain == domain && task.episodes > 0).peekable();
        of_domain.peek().is_some().then(|| (domain, mean(of_domain.map(|task| task.score))))
    };
    Domain::ALL.into_iter().filter_map(score).collect()
}

fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), number| (sum + number, count + 1.0));
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Registry;

    fn task(id: &str, domain: Domain) -> Task {
        let registry = Registry::builtin().expect("tables parse");
        Task { id: id.to_owned(), domain, ..registry.tasks()[0].clone() }
    }

    fn episode(task: usize, episode_return: f64, score: f64) -> EpisodeResult {
        EpisodeResult { task, episode_return, score, success: score > 0.5, length: 100, terminated: false }
    }

    #[test]
    fn tasks_weigh_the_same_and_domains_do_in_the_weighted_score() {
        let tasks = [
            task("a", Domain::MiniArcade),
            task("b", Domain::MiniArcade),
            task("c", Domain::Box2D),
            task("d", Domain::Atari),
        ];
        let mut statistics = EpisodeStatistics::new(&tasks);
        // Task a has three episodes, d none.
        for result in [
            episode(0, 1.0, 0.0),
            episode(0, 2.0, 0.3),
            episode(0, 3.0, 0.6),
            episode(1, 10.0, 0.9),
            episode(2, -4.0, 1.0),
        ] {
            statistics.push(result);
        }
        let values = statistics.values();
        let close = |name: &str, expected: f64| {
            let value = values.get(name).unwrap_or(f64::NAN);
            assert!((value - expected).abs() < 1e-12, "{name} = {value}");
        };
        close("episode", 5.0);
        close("episode_reward", 12.0 / 5.0);
        close("episode_success", 3.0 / 5.0);
        close("episode_reward+a", 2.0);
        close("episode_score+a", 0.3);
        close("episode_length+c", 100.0);
        close("avg_score", (0.3 + 0.9 + 1.0) / 3.0);
        close("avg_score_miniarcade", 0.6);
        close("avg_score_box2d", 1.0);
        close("avg_score_weighted", 0.8);
        assert_eq!(values.get("avg_score_atari"), None);
        assert_eq!(values.get("episode_reward+d"), None);
        let summary = &statistics.summaries()[0];
        assert!((summary.return_std - (2.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn clearing_keeps_only_the_count() {
        let mut statistics = EpisodeStatistics::new(&[task("a", Domain::MiniArcade)]);
        statistics.push(episode(0, 1.0, 0.5));
        statistics.clear();
        assert_eq!(statistics.episodes(), 0);
        let values: Vec<_> = statistics.values().into_iter().collect();
        assert_eq!(values, [("episode".into(), 1.0)]);
        statistics.push(episode(0, 7.0, 0.5));
        assert_eq!(statistics.values().get("episode_reward+a"), Some(7.0));
    }
}
