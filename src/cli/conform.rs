//! `terrarium conform`: holds tasks against recorded statistics of the reference.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;

use super::Misuse;
use super::keys::Words;
use crate::env::conformity::{Comparison, ConformityError, RecordedTask, compare_task};
use crate::sim::Seed;
use crate::task::{Registry, Task, TaskSet};

/// What `terrarium conform --help` says.
const HELP: &str = "\
terrarium conform FILE.json [task=T] [episodes=N] [seed=S] [--json]

Runs the policies of a file of recorded statistics and compares the figures; exit code 1 if any disagree.
Box2D tasks are held to their means; their standard deviations are shown, but do not decide.

  task=T         a task, a domain or a list of them                           [all in the file]
  episodes=N     episodes of each policy                                      [as many as recorded, tenfold where steps are cheap]
  seed=S         where every random number comes from                         [1]
  --json         print one JSON object with every figure";

/// A task's policies with their figures.
#[derive(Serialize)]
struct TaskReport {
    agrees: bool,
    policies: Vec<PolicyReport>,
}

/// The figures of one policy.
#[derive(Serialize)]
struct PolicyReport {
    policy: String,
    agrees: bool,
    figures: Vec<Comparison>,
}

#[derive(Serialize)]
struct Report {
    agrees: bool,
    tasks: BTreeMap<String, TaskReport>,
}

/// Runs the command with the words after `conform`.
///
/// # Errors
///
/// [`Misuse`] for words or a file that make no sense; what went wrong otherwise.
pub(super) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    let words = Words::parse(args, &["task", "episodes", "seed"], &["--json", "--help"])?;
    if words.has("--help") {
        println!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let [file] = words.plain.as_slice() else {
        return Err(Misuse("name one file of recorded statistics: terrarium conform FILE.json".to_owned()).into());
    };
    let episodes = words.get::<u32>("episodes")?;
    if episodes.is_some_and(|episodes| episodes < 2) {
        return Err(Misuse("fewer than 2 episodes tell no spread; take at least episodes=2".to_owned()).into());
    }
    let seed = Seed::new(words.get_or("seed", 1)?);
    let recorded = read(Path::new(file))?;
    let registry = Registry::builtin()?;
    let tasks = select(&recorded, &registry, words.get::<String>("task")?.as_deref(), file)?;

    let (started, mut steps) = (Instant::now(), 0);
    let mut tasks_report = BTreeMap::new();
    for task in tasks {
        let compared = compare_task(&task, &recorded[&task.id], episodes, seed).map_err(|problem| match problem {
            ConformityError::Statistics(problem) => anyhow::Error::from(problem),
            unfit => Misuse(format!("{unfit}: {file}")).into(),
        })?;
        steps += compared.steps;
        let policies = compared.policies.into_iter().map(|(policy, figures)| PolicyReport {
            policy,
            agrees: !figures.iter().any(Comparison::refutes),
            figures,
        });
        let policies: Vec<PolicyReport> = policies.collect();
        if !words.has("--json") {
            policies.iter().for_each(|policy| print(&task.id, policy));
        }
        if compared.bad_actions > 0 {
            let (id, count) = (&task.id, compared.bad_actions);
            eprintln!("warning: {count} actions of {id} were not finite; zero was taken in their place");
        }
        let agrees = policies.iter().all(|policy| policy.agrees);
        tasks_report.insert(task.id, TaskReport { agrees, policies });
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{steps} steps in {seconds:.1} s, {:.0} steps/s", steps as f64 / seconds);

    let report = Report { agrees: tasks_report.values().all(|task| task.agrees), tasks: tasks_report };
    if words.has("--json") {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        let agreeing = report.tasks.values().filter(|task| task.agrees).count();
        println!("{agreeing} of {} tasks agree", report.tasks.len());
    }
    Ok(if report.agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> Result<BTreeMap<String, RecordedTask>, Misuse> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|problem| Misuse(format!("the recorded statistics cannot be read: {problem}: {shown}")))?;
    serde_json::from_str(&text)
        .map_err(|problem| Misuse(format!("these are no recorded statistics of tasks: {problem}: {shown}")))
}

/// The recorded tasks that are asked for, in the order of the registry.
fn select(
    recorded: &BTreeMap<String, RecordedTask>,
    registry: &Registry,
    wanted: Option<&str>,
    file: &str,
) -> Result<Vec<Task>, Misuse> {
    let misuse = |problem: &dyn std::fmt::Display| Misuse(problem.to_string());
    if let Some(wanted) = wanted {
        let mut tasks = TaskSet::parse(wanted, registry).map_err(|problem| misuse(&problem))?.tasks().to_vec();
        tasks.retain(|task| recorded.contains_key(&task.id));
        if tasks.is_empty() {
            return Err(Misuse(format!("no task of {wanted} is recorded in {file}; name one that is")));
        }
        return Ok(tasks);
    }
    let tasks: Vec<Task> = registry.tasks().iter().filter(|task| recorded.contains_key(&task.id)).cloned().collect();
    let mut unknown = recorded.keys().filter_map(|id| registry.task(id).err());
    if tasks.is_empty() {
        let problem = unknown.next().map_or("no task is recorded in it".to_owned(), |problem| problem.to_string());
        return Err(Misuse(format!("{problem}: {file}")));
    }
    unknown.for_each(|problem| eprintln!("warning: skipped, {problem}"));
    Ok(tasks)
}

/// One line a policy, and one for each figure that disagrees.
fn print(task: &str, report: &PolicyReport) {
    let figure = |name: &str| report.figures.iter().find(|it| it.figure == name).expect("compared for every policy");
    let beside = |name: &str| format!("{:>8} |{:>8}", short(figure(name).found), short(figure(name).reference));
    let group = |prefix: &str| {
        let entries = || report.figures.iter().filter(|it| it.group().starts_with(prefix));
        let worst = entries().map(Comparison::ratio).fold(0.0, f64::max);
        format!("{:>3}/{:<3} (worst {:.2})", entries().filter(|it| it.agrees).count(), entries().count(), worst)
    };
    println!(
        "{task:<32} {:<10} return {}  score {}  success {}  obs {}  reset {}  {}",
        report.policy,
        beside("return_mean"),
        beside("score_mean"),
        beside("success_mean"),
        group("obs_"),
        group("reset_"),
        if report.agrees { "agrees" } else { "DISAGREES" },
    );
    for it in report.figures.iter().filter(|it| !it.agrees) {
        println!(
            "    {}: {} here, {} recorded; off by {}, allowed {}{}",
            it.figure,
            short(it.found),
            short(it.reference),
            short(it.found - it.reference),
            short(it.allowed),
            if it.decides { "" } else { " (a spread: does not decide)" },
        );
    }
}

/// Four significant digits.
fn short(value: f64) -> String {
    let decimals = (3.0 - value.abs().max(1e-9).log10().floor()).clamp(0.0, 8.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::*;

    fn misuse(text: &str) -> String {
        keys::misuse(text, run)
    }

    #[test]
    fn misuse_is_one_clear_sentence() {
        assert!(misuse("").contains("terrarium conform FILE.json"));
        assert!(misuse("a.json b.json").contains("terrarium conform FILE.json"));
        assert!(misuse("nowhere.json").contains("nowhere.json"));
        assert!(misuse("nowhere.json episodes=1").contains("at least episodes=2"));
        assert!(misuse("nowhere.json tasks=pygame-pong").contains("did you mean task?"));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("x.json");
        std::fs::write(&file, r#"{"pygame-pongg": {"obs_dim": 6, "action_dim": 1, "policies": []}}"#).expect("written");
        assert!(misuse(&file.display().to_string()).contains("pygame-pong"));
        assert!(misuse(&format!("{} task=pygame-cowboy", file.display())).contains("is recorded in"));
        std::fs::write(&file, r#"{"pygame-pong": {"obs_dim": 6}}"#).expect("written");
        assert!(misuse(&file.display().to_string()).contains("action_dim"));
        std::fs::write(&file, r#"{"pygame-pong": {"obs_dim": 7, "action_dim": 1, "policies": []}}"#).expect("written");
        assert!(misuse(&file.display().to_string()).contains("obs_dim of pygame-pong is 7 wide"));
        for empty in ["{}", r#"{"pygame-pong": {"obs_dim": 6, "action_dim": 1, "policies": []}}"#] {
            std::fs::write(&file, empty).expect("written");
            assert!(misuse(&file.display().to_string()).contains("is recorded"), "{empty}");
        }
        let policies = r#"{"pygame-pong": {"obs_dim": 6, "action_dim": 1, "policies": [{"kind": "zero"}]}}"#;
        std::fs::write(&file, policies).expect("written");
        assert!(misuse(&file.display().to_string()).contains("policy 0 of pygame-pong has no stats"));
    }

    #[test]
    fn numbers_are_shortened_to_four_digits() {
        assert_eq!(short(-458.0), "-458");
        assert_eq!(short(0.012_345_6), "0.01235");
        assert_eq!(short(12_345.6), "12346");
        assert_eq!(short(0.0), "0");
    }
}
