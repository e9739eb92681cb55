//! `terrarium trace`: holds MuJoCo tasks against recorded episodes of the reference.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use super::Misuse;
use super::keys::Words;
use crate::env::mujoco::trace::{BAR, Deviation, FIRST_BAR, Traces, compare, parse_traces};
use crate::task::{Registry, Task};

/// What `terrarium trace --help` says.
const HELP: &str = "\
terrarium trace FILE.json [task=ID] [--json]

Loads the recorded states, steps the recorded actions and prints how far observations and rewards stray; exit code 1 if
an observation is off by more than 1e-6 in the first 10 steps, or an observation, reward or score by more than 1e-3
anywhere, and if a task cannot be played: nothing is recorded of it, it is ill-formed, or the simulation diverges.

  task=ID        one task of the file                                         [all in the file]
  --json         print one JSON object: {\"tasks\": {ID: {…}}}, with \"unplayed\": {ID: REASON} if any could not be played";

/// Runs the command with the words after `trace`.
///
/// # Errors
///
/// [`Misuse`] for words or a file that make no sense; what went wrong otherwise.
pub(super) fn run(args: &[String]) -> anyhow::Result<ExitCode> {
    let words = Words::parse(args, &["task"], &["--json", "--help"])?;
    if words.has("--help") {
        println!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let [file] = words.plain.as_slice() else {
        return Err(Misuse("name one file of recorded episodes: terrarium trace FILE.json".to_owned()).into());
    };
    let traces = read(Path::new(file))?;
    let registry = Registry::builtin()?;
    let tasks = select(&traces, &registry, words.get::<String>("task")?.as_deref(), file)?;
    let json = words.has("--json");
    if !json {
        println!("{:<32} {:>10} {:>10} {:>10}  {:<18}", "task", "first 10", "all", "reward", "first past 1e-9");
    }
    let mut figures: BTreeMap<&str, Deviation> = BTreeMap::new();
    let mut unplayed: BTreeMap<&str, String> = BTreeMap::new();
    for task in &tasks {
        match compare(task, &traces[&task.id]) {
            Ok(deviation) => {
                if !json {
                    print(&task.id, &deviation);
                }
                figures.insert(&task.id, deviation);
            }
            Err(problem) => {
                eprintln!("terrarium: {problem}: {file}");
                unplayed.insert(&task.id, problem.problem);
            }
        }
    }
    let agreeing = figures.values().filter(|it| it.agrees()).count();
    if json {
        let mut report = serde_json::json!({ "tasks": figures });
        if !unplayed.is_empty() {
            report["unplayed"] = serde_json::json!(unplayed);
        }
        println!("{report}");
    } else {
        unplayed.keys().for_each(|task| println!("{task:<32} not played"));
        println!("{agreeing} of {} tasks agree", tasks.len());
    }
    Ok(if agreeing == tasks.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> Result<Traces, Misuse> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|problem| Misuse(format!("the recorded episodes cannot be read: {problem}: {shown}")))?;
    parse_traces(&text)
        .map_err(|problem| Misuse(format!("these are no recorded episodes of tasks: {problem}: {shown}")))
}

/// The recorded tasks that are asked for, in the order of the registry. Those that this program does not know are named
/// and left out, unless one of them is asked for.
fn select(traces: &Traces, registry: &Registry, wanted: Option<&str>, file: &str) -> Result<Vec<Task>, Misuse> {
    if let Some(wanted) = wanted {
        let task = registry.task(wanted).map_err(|problem| Misuse(problem.to_string()))?;
        if !traces.contains_key(wanted) {
            return Err(Misuse(format!("the task {wanted} is not recorded in {file}; name one that is")));
        }
        return Ok(vec![task.clone()]);
    }
    for id in traces.keys() {
        if let Err(problem) = registry.task(id) {
            eprintln!("terrarium: {problem} (left out: {file})");
        }
    }
    let tasks: Vec<Task> = registry.tasks().iter().filter(|task| traces.contains_key(&task.id)).cloned().collect();
    if tasks.is_empty() {
        return Err(Misuse(format!("no task that this program knows is recorded in {file}")));
    }
    Ok(tasks)
}

fn print(task: &str, deviation: &Deviation) {
    let off = |value: f64, bar: f64| format!("{value:.1e}{}", if value > bar { "!" } else { "" });
    println!(
        "{task:<32} {:>10} {:>10} {:>10}  {:<18}",
        off(deviation.first10, FIRST_BAR),
        off(deviation.all, BAR),
        off(deviation.reward, BAR),
        deviation.first_step_past_rounding.map_or("never".to_owned(), |step| format!("step {step}")),
    );
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
        assert!(misuse("").contains("terrarium trace FILE.json"));
        assert!(misuse("nowhere.json").contains("nowhere.json"));
        assert!(misuse("nowhere.json tsk=walker-walk").contains("did you mean task?"));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("x.json");
        let shown = file.display();
        std::fs::write(&file, r#"{"walker-walk": [{"qpos": []}"#).expect("written");
        assert!(misuse(&shown.to_string()).contains("no recorded episodes of tasks"));
        std::fs::write(&file, r#"{"walker-walkk": []}"#).expect("written");
        assert!(misuse(&shown.to_string()).contains("no task that this program knows"));
        assert!(misuse(&format!("{shown} task=walker-walk")).contains("is not recorded"));
        assert!(misuse(&format!("{shown} task=walker-walkk")).contains("did you mean \"walker-walk\"?"));
    }
}
