//! A run that is interrupted, killed or given other threads ends with the same bytes as one that is left alone.
#![cfg(feature = "learn")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use terrarium::train::metrics::TIME_TAGS;

/// A run of a few seconds: every part takes part, none is large.
const SETTINGS: &[&str] = &[
    "task=pygame-reacher-easy,pygame-landing",
    "device=cpu",
    "torch_threads=1",
    "enc_dim=16",
    "mlp_dim=16",
    "latent_dim=16",
    "task_dim=8",
    "num_q=2",
    "num_enc_layers=2",
    "iterations=2",
    "num_samples=16",
    "num_elites=4",
    "num_pi_trajs=2",
    "batch_size=16",
    "num_envs=4",
    "utd=0.2",
    "seeding_coef=1",
    "steps=3_200",
    "eval_freq=1_600",
    "eval_episodes=1",
    "log_freq=200",
    "save_freq=400",
];

fn start(runs: &Path, further: &[&str]) -> Child {
    let name = |word: &&str| word.split('=').next().map(str::to_owned);
    let kept = SETTINGS.iter().filter(|word| further.iter().all(|other| name(other) != name(word)));
    Command::new(env!("CARGO_BIN_EXE_terrarium"))
        .arg("train")
        .args(kept)
        .args(further)
        .arg(format!("runs_dir={}", runs.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Runs to the end.
fn finish(runs: &Path, further: &[&str]) {
    let (code, _, talk) = train(runs, further);
    assert_eq!(code, 0, "{talk}");
}

fn run_dir(runs: &Path) -> PathBuf {
    runs.join("pygame-reacher-easy+pygame-landing/1/default")
}

fn model(runs: &Path) -> Vec<u8> {
    fs::read(run_dir(runs).join("checkpoints/last/model.safetensors")).expect("the run left its last checkpoint")
}

/// The lines of metrics without the wall clock.
fn timeless_metrics(runs: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run_dir(runs).join("metrics.jsonl")).expect("the run left its metrics");
    let timeless = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        let tags = line.as_object_mut().expect("a line is an object");
        tags.retain(|tag, _| !TIME_TAGS.iter().any(|time| tag.ends_with(time)));
        line
    };
    text.lines().map(timeless).collect()
}

/// Waits until a line of metrics has a `tag` of at least `step`.
fn wait_for(runs: &Path, tag: &str, step: u64, child: &mut Child) {
    let started = Instant::now();
    let metrics = run_dir(runs).join("metrics.jsonl");
    loop {
        let text = fs::read_to_string(&metrics).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        if lines.filter_map(|line| line[tag].as_u64()).any(|reached| reached >= step) {
            return;
        }
        assert!(child.try_wait().expect("the program is ours").is_none(), "the run ended before {tag} {step}");
        assert!(started.elapsed() < Duration::from_secs(300), "no {tag} {step} within five minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
}

#[test]
fn an_interrupted_a_killed_and_an_untouched_run_end_with_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let untouched = folder.path().join("untouched");
    finish(&untouched, &[]);

    // SIGINT and SIGTERM save and exit with 0.
    let interrupted = folder.path().join("interrupted");
    for (name, step) in [("-INT", 600), ("-TERM", 1_900)] {
        let mut child = start(&interrupted, &[]);
        wait_for(&interrupted, "step", step, &mut child);
        signal(&child, name);
        let output = child.wait_with_output().expect("the program ends");
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{talk}");
        assert!(talk.contains("the same command carries on"), "{talk}");
    }
    finish(&interrupted, &[]);
    assert!(model(&interrupted) == model(&untouched), "an interrupted run learned another model");
    assert_eq!(timeless_metrics(&interrupted), timeless_metrics(&untouched));

    // `kill -9` at any moment: what was saved before is whole.
    let killed = folder.path().join("killed");
    for delay in [30, 170, 410, 700, 50] {
        let mut child = start(&killed, &[]);
        if delay > 100 {
            wait_for(&killed, "step", delay * 3, &mut child);
        }
        std::thread::sleep(Duration::from_millis(delay));
        // The run may have ended by itself on a fast machine; then there is nothing to kill.
        let _ = child.kill();
        child.wait().expect("the program ends");
    }
    finish(&killed, &[]);
    assert!(model(&killed) == model(&untouched), "a killed run learned another model");
    assert_eq!(timeless_metrics(&killed), timeless_metrics(&untouched));

    // The number of threads that step environments changes nothing.
    let threaded = folder.path().join("threaded");
    finish(&threaded, &["threads=1"]);
    assert!(model(&threaded) == model(&untouched), "the number of threads changed the model");
}

/// Waits until `ready`, while the run goes on.
fn wait_until(ready: impl Fn() -> bool, child: &mut Child) {
    let started = Instant::now();
    while !ready() {
        assert!(child.try_wait().expect("the program is ours").is_none(), "the run ended early");
        assert!(started.elapsed() < Duration::from_secs(300), "nothing within five minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the metrics have a `tag` of exactly `step`.
fn has_line(runs: &Path, tag: &str, step: u64) -> bool {
    timeless_metrics(runs).iter().any(|line| line[tag].as_u64() == Some(step))
}

#[test]
fn an_interrupted_evaluation_is_made_when_the_run_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let words = ["eval_episodes=8", "steps=1_600", "eval_freq=1_200", "save_freq=1_000"];
    let untouched = folder.path().join("untouched");
    finish(&untouched, &words);

    // Before the first step there is nothing to save; the run starts afresh, here with another setting.
    let interrupted = folder.path().join("interrupted");
    let mut child = start(&interrupted, &["eval_episodes=1_000", "batch_size=8"]);
    wait_until(|| run_dir(&interrupted).join("metrics.jsonl").exists(), &mut child);
    signal(&child, "-INT");
    let output = child.wait_with_output().expect("the program ends");
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && talk.contains("starts afresh"), "{talk}");
    assert!(!run_dir(&interrupted).join("checkpoints").exists(), "nothing was learned, and yet saved");

    // One on the way, and the last. The line of training at its step is written before it.
    for (name, step) in [("-INT", 1_200), ("-TERM", 1_600)] {
        let mut child = start(&interrupted, &words);
        wait_for(&interrupted, "train/step", step, &mut child);
        std::thread::sleep(Duration::from_millis(300));
        signal(&child, name);
        let output = child.wait_with_output().expect("the program ends");
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && talk.contains("the same command carries on"), "{talk}");
        assert!(!has_line(&interrupted, "eval/step", step), "the evaluation was over before the interrupt");
        let last = fs::canonicalize(run_dir(&interrupted).join("checkpoints/last")).expect("the run was saved");
        assert!(last.ends_with(step.to_string()), "{}", last.display());
    }
    finish(&interrupted, &words);
    assert!(model(&interrupted) == model(&untouched), "an interrupted run learned another model");
    assert_eq!(timeless_metrics(&interrupted), timeless_metrics(&untouched));
    let results = |runs| fs::read_to_string(run_dir(runs).join("results.csv")).expect("the run left its results");
    assert_eq!(results(&interrupted), results(&untouched));
}

/// Adds episodes of random actions to the dataset at `data`.
fn record(data: &Path, seed: u32) {
    for task in ["pygame-reacher-easy", "pygame-landing"] {
        let output = Command::new(env!("CARGO_BIN_EXE_terrarium"))
            .args(["rollout", "episodes=3", &format!("task={task}"), &format!("seed={seed}")])
            .arg(format!("record={}", data.display()))
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_run_with_demonstrations_goes_on_with_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    record(&data, 1);
    let data_dir = format!("data_dir={}", data.display());
    let words = [data_dir.as_str(), "use_demos=true", "demo_steps=800", "warmup_steps=100", "steps=1_000"];
    let untouched = folder.path().join("untouched");
    finish(&untouched, &words);

    let interrupted = folder.path().join("interrupted");
    let mut child = start(&interrupted, &words);
    wait_for(&interrupted, "pretrain/step", 40, &mut child);
    signal(&child, "-INT");
    let output = child.wait_with_output().expect("the program ends");
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && talk.contains("of pretraining; the same command carries on"), "{talk}");
    // What the dataset becomes meanwhile does not matter.
    record(&data, 2);
    let mut child = start(&interrupted, &words);
    wait_for(&interrupted, "train/step", 600, &mut child);
    let _ = child.kill();
    child.wait().expect("the program ends");
    finish(&interrupted, &words);
    assert!(model(&interrupted) == model(&untouched), "an interrupted run learned another model");
    assert_eq!(timeless_metrics(&interrupted), timeless_metrics(&untouched));
    let left = fs::read_dir(run_dir(&interrupted).join("checkpoints")).expect("the run left checkpoints").flatten();
    let mut names = left.map(|entry| entry.file_name().to_string_lossy().into_owned());
    assert!(names.all(|name| !name.starts_with("pretrain-")), "checkpoints of pretraining are removed after it");
}

/// Exit code, stdout and stderr of a training.
fn train(runs: &Path, further: &[&str]) -> (i32, String, String) {
    let output = start(runs, further).wait_with_output().expect("the program ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("it exits"), text(&output.stdout), text(&output.stderr))
}

/// The training is refused with this exit code, in one sentence that holds all of `parts`.
fn refused(runs: &Path, further: &[&str], code: i32, parts: &[&str]) {
    let (found, _, talk) = train(runs, further);
    let last = talk.lines().last().unwrap_or_default();
    assert_eq!(found, code, "{talk}");
    assert!(parts.iter().all(|part| last.contains(part)) && last.len() < 500, "should say {parts:?}: {talk}");
}

/// Scores the agent at `path`: exit code and stderr.
fn eval(path: &Path) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_terrarium"))
        .args(["eval", "--episodes", "1", "--device", "cpu"])
        .arg(path)
        .output()
        .expect("the program starts");
    (output.status.code().expect("it exits"), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_run_that_cannot_be_carried_on_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runs = folder.path();
    let words = ["steps=800", "eval_freq=800", "eval_episodes=4"];

    // Two processes in one run: the second is refused, the first goes on.
    let mut first = start(runs, &words);
    wait_for(runs, "step", 200, &mut first);
    refused(runs, &words, 1, &["another process is training this run", "exp_name=NAME"]);
    assert!(first.wait().expect("the program ends").success(), "the first was disturbed");

    // A finished run again: its table, once more.
    let (code, table, talk) = train(runs, &words);
    assert!(code == 0 && table.contains("pygame-landing"), "{table}{talk}");

    let run = run_dir(runs);
    let read = |name: &str| fs::read_to_string(run.join(name)).expect("a file of the run");
    let (config, metrics) = (read("config.ron"), read("metrics.jsonl"));
    refused(runs, &["steps=300", "eval_freq=800"], 2, &["steps=300", "steps=800 or more"]);
    assert_eq!((&read("config.ron"), &read("metrics.jsonl")), (&config, &metrics));

    // Other settings than those of the checkpoint.
    fs::write(run.join("config.ron"), config.replace("num_envs: 4", "num_envs: 6")).expect("it is changed");
    refused(runs, &["steps=800", "num_envs=6"], 1, &["run.json", "4 instances", "checkpoints/400 is taken"]);
    fs::write(run.join("config.ron"), &config).expect("it is restored");

    // Tasks that are not those of the weights.
    let card = run.join("checkpoints/800/agent.json");
    let text = read("checkpoints/800/agent.json");
    for (other, part) in [("pygame-landing\", \"pygame-pong", "3 tasks"), ("pygame-pong", "other widths"), ("x", "x")] {
        fs::write(&card, text.replace("pygame-landing", other)).expect("it is changed");
        let (code, talk) = eval(&run);
        assert!(code == 1 && talk.contains("agent.json") && talk.contains(part), "{talk}");
    }
    fs::write(&card, text).expect("it is restored");

    // Nothing left that training needs: the agent still serves.
    for step in ["400", "800"] {
        fs::remove_dir_all(run.join("checkpoints").join(step).join("training_state")).expect("it is there");
    }
    refused(runs, &words, 1, &["checkpoints/800", "exp_name=NAME"]);
    assert_eq!((&read("config.ron"), &read("metrics.jsonl")), (&config, &metrics));
    let (code, talk) = eval(&run);
    assert!(code == 0 && talk.contains("of step 800"), "{talk}");
}

#[test]
fn a_damaged_checkpoint_is_named_and_an_earlier_one_still_serves() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    finish(folder.path(), &[]);
    let last = run_dir(folder.path()).join("checkpoints/3200");
    let model = last.join("model.safetensors");
    let whole = fs::read(&model).expect("the checkpoint is there");
    fs::write(&model, &whole[..whole.len() / 2]).expect("the checkpoint can be cut");
    let (code, talk) = eval(&last);
    assert_eq!(code, 1, "{talk}");
    assert!(talk.contains("model.safetensors") && talk.lines().last().is_some_and(|line| line.len() < 400), "{talk}");
    refused(folder.path(), &[], 1, &["model.safetensors is damaged", "checkpoints/2800 is taken"]);
    let (code, talk) = eval(&run_dir(folder.path()).join("checkpoints/2800"));
    assert_eq!(code, 0, "{talk}");
    let (code, talk) = eval(&folder.path().join("nothing"));
    assert_eq!(code, 2, "{talk}");
}
