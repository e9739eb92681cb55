//! A short training through the command line learns: it must beat random actions clearly.
#![cfg(feature = "learn")]

use std::process::Command;

#[test]
fn a_short_landing_run_beats_random_actions() {
    let runs = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_terrarium"))
        .args(["train", "task=pygame-landing", "preset=laptop", "device=cpu", "steps=12_000", "eval_freq=100_000"])
        // The marks of the whole run: a shorter one would end the constraint before the first update.
        .args(["constraint_start_step=600", "constraint_final_step=3_000"])
        .args(["eval_episodes=1", &format!("runs_dir={}", runs.path().display())])
        .output()
        .expect("the program starts");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{talk}");

    let run = runs.path().join("pygame-landing/1/default");
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).expect("the run left its metrics");
    let lines = metrics.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line is JSON"));
    let scores: Vec<f64> = lines.filter_map(|line| line["train/avg_score"].as_f64()).collect();
    let (random, latest) = (scores[0], &scores[scores.len() - 3..]);
    let learned = latest.iter().sum::<f64>() / latest.len() as f64;
    assert!(random < 0.25, "random actions score {random}");
    assert!(learned > random + 0.2, "trained to {learned} from {random}");

    for picture in ["learning_curve.png", "losses.png", "plan-pygame-landing.png"] {
        let bytes = std::fs::read(run.join("report").join(picture)).expect("the report is drawn");
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 10_000, "{picture} is no picture");
    }
    let events = std::fs::read_dir(&run).expect("the run has a folder").flatten();
    let mut names = events.map(|entry| entry.file_name().to_string_lossy().into_owned());
    assert!(names.any(|name| name.starts_with("events.out.tfevents")), "no TensorBoard file");
    assert!(String::from_utf8_lossy(&output.stdout).contains("pygame-landing"), "no score table");
}
