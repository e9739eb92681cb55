//! From a recording to a run that learns from it, and from one run's agent to the next run.
#![cfg(feature = "learn")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Follows the ball: a policy that scores about .54 where random actions score .13.
const FOLLOW_THE_BALL: &str = r#"{"kind": "linear", "W": [[0, 12, 0, 0, -12, 0]], "b": [-1.07]}"#;

/// A run of seconds.
const SMALL: &[&str] = &[
    "device=cpu",
    "torch_threads=1",
    "enc_dim=64",
    "mlp_dim=64",
    "latent_dim=64",
    "num_q=2",
    "num_enc_layers=2",
    "iterations=2",
    "num_samples=32",
    "num_elites=8",
    "num_pi_trajs=4",
    "batch_size=64",
    "num_envs=4",
    "seeding_coef=0",
    "eval_episodes=2",
    "lr=1e-3",
];

/// Exit code, stdout and stderr.
fn terrarium(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_terrarium")).args(args).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("it exits"), text(&output.stdout), text(&output.stderr))
}

fn train(runs: &Path, words: &[&str]) -> (i32, String) {
    let runs = format!("runs_dir={}", runs.display());
    let (code, _, talk) = terrarium(&[&["train"], SMALL, words, &[&runs]].concat());
    (code, talk)
}

/// The run is refused in one sentence that holds all of `parts`.
fn refused(runs: &Path, words: &[&str], parts: &[&str]) {
    let (code, talk) = train(runs, words);
    let last = talk.lines().last().unwrap_or_default();
    assert_eq!(code, 2, "{words:?}: {talk}");
    assert!(parts.iter().all(|part| last.contains(part)), "{words:?} should say {parts:?}: {talk}");
}

/// Records episodes of pong into `data`.
fn record(folder: &Path, data: &Path, episodes: u32) {
    let policy = folder.join("policy.json");
    fs::write(&policy, FOLLOW_THE_BALL).expect("the policy is written");
    let (code, _, talk) = terrarium(&[
        "rollout",
        "task=pygame-pong",
        &format!("policy=file:{}", policy.display()),
        &format!("episodes={episodes}"),
        &format!("record={}", data.display()),
    ]);
    assert_eq!(code, 0, "{talk}");
}

/// Numbers of a tag by step.
fn series(run: &Path, tag: &str) -> Vec<f64> {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).expect("the run left its metrics");
    let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("a line is JSON")[tag].as_f64();
    metrics.lines().filter_map(line).collect()
}

#[test]
fn a_run_learns_from_a_recording_and_the_next_starts_from_its_agent() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (runs, data) = (folder.path().join("runs"), folder.path().join("data"));
    record(folder.path(), &data, 6);
    record(folder.path(), &data, 4);
    let data_dir = format!("data_dir={}", data.display());

    let words = ["task=pygame-pong", "use_demos=true", &data_dir, "demo_steps=1_500", "warmup_steps=100", "steps=400"];
    let (code, talk) = train(&runs, &words);
    assert_eq!(code, 0, "{talk}");
    assert!(talk.contains("10 episodes, 5000 steps"), "{talk}");
    let first = runs.join("pygame-pong/1/default");
    let pretrained = series(&first, "eval/avg_score")[0];
    assert!(pretrained > 0.35, "the pretrained prior scores {pretrained}, the recording .54, random actions .13");
    let imitation = series(&first, "pretrain/pi_prior_loss");
    assert!(imitation.last() < imitation.first(), "{imitation:?}");
    let whole = |name: &str| first.join("checkpoints").join(name).join("model.safetensors").is_file();
    assert!(whole("0") && whole("400"), "the agents after pretraining and at the end are kept");

    // Another run starts where that one ended, in its shape, and acts from its first step.
    let checkpoint = format!("checkpoint={}", first.join("checkpoints/0").display());
    let onward = ["task=pygame-pong", &checkpoint, "exp_name=onward", "steps=80"];
    let (code, talk) = train(&runs, &onward);
    assert_eq!(code, 0, "{talk}");
    let onward = series(&runs.join("pygame-pong/1/onward"), "eval/avg_score")[0];
    assert_eq!(onward, pretrained, "the same weights score the same before training");

    refused(&runs, &["task=pygame-landing", &checkpoint], &["pygame-pong", "without language", "pygame-landing"]);
    refused(&runs, &["task=pygame-pong", &checkpoint, "simnorm_dim=4", "exp_name=x"], &["simnorm_dim=8, not 4"]);
    refused(&runs, &["task=pygame-landing", &checkpoint, "finetune=true"], &["finetune", "language"]);
    let nothing = format!("checkpoint={}", data.display());
    refused(&runs, &["task=pygame-landing", &nothing], &["neither a run nor a checkpoint"]);
    refused(&runs, &["task=pygame-landing", "use_demos=true", &data_dir], &["holds no demonstrations", "record="]);
    let cut = data.join("pygame-pong.safetensors");
    let whole = fs::read(&cut).expect("it was recorded");
    fs::write(&cut, &whole[..whole.len() / 2]).expect("it is cut");
    let (code, talk) = train(&runs, &["task=pygame-pong", "use_demos=true", &data_dir, "exp_name=cut"]);
    assert!(code == 1 && talk.contains("cannot be used"), "{talk}");
    let left = [runs.join("pygame-landing"), runs.join("pygame-pong/1/x"), runs.join("pygame-pong/1/cut")];
    assert!(!left.iter().any(|path| path.exists()), "a refused run left something");
}

#[test]
fn a_multitask_agent_is_carried_on_to_a_new_task() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runs = folder.path();
    let (code, talk) = train(runs, &["task=pygame-pong,pygame-landing", "task_dim=8", "steps=80"]);
    assert_eq!(code, 0, "{talk}");
    let checkpoint = format!("checkpoint={}", runs.join("pygame-pong+pygame-landing/1/default").display());
    let few_shot = ["task=pygame-reacher-easy", "finetune=true", &checkpoint, "steps=80"];
    let (code, talk) = train(runs, &few_shot);
    assert_eq!(code, 0, "{talk}");
    let last = runs.join("pygame-reacher-easy/1/default/checkpoints/last");
    let agent = fs::read_to_string(last.join("agent.json")).expect("the run left its agent");
    assert!(agent.contains("pygame-reacher-easy") && !agent.contains("pygame-pong"), "{agent}");
}
