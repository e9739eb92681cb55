//! What `terrarium trace` makes of recordings: good ones, empty ones, odd ones.
#![cfg(feature = "mujoco")]

use std::process::Command;

use serde_json::{Value, json};

/// Exit code, the JSON object on stdout, what is said on stderr.
fn trace(text: &str, words: &[&str]) -> (i32, Value, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("traces.json");
    std::fs::write(&file, text).expect("the file is written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrarium"));
    let output = command.arg("trace").arg(&file).args(words).arg("--json").output().expect("the program starts");
    let talk = String::from_utf8(output.stderr).expect("text");
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|problem| panic!("{problem}: {talk}"));
    (output.status.code().expect("it exits"), report, talk)
}

/// A recorded episode of og-point-maze; the steps beyond the second are left out.
fn episode() -> Value {
    let traces: Value = serde_json::from_str(include_str!("traces/ogbench.json")).expect("recorded episodes");
    let mut episode = traces["og-point-maze"][0].clone();
    for rows in ["actions", "observations", "rewards", "success"] {
        episode[rows].as_array_mut().expect("rows").truncate(2);
    }
    episode.as_object_mut().expect("an episode").remove("score");
    episode
}

/// The reason that the file gives for not playing og-point-maze, whose recording this is.
fn unplayed(recording: &str) -> String {
    let (code, report, talk) = trace(&format!(r#"{{"og-point-maze": {recording}}}"#), &[]);
    assert_eq!((code, &report["tasks"]), (1, &json!({})), "{talk}");
    let reason = report["unplayed"]["og-point-maze"].as_str().expect("a reason").to_owned();
    assert!(talk.contains(&format!("og-point-maze: {reason}")), "{talk}");
    reason
}

#[test]
fn nothing_recorded_is_no_agreement() {
    assert_eq!(unplayed("[]"), "no episode of it is recorded");
    let mut empty = episode();
    for rows in ["actions", "observations", "rewards"] {
        empty[rows] = json!([]);
    }
    assert!(
        unplayed(&json!([episode(), empty]).to_string()).contains("recorded episode 2 cannot be used: it has no step")
    );
    assert!(unplayed("{}").contains("no list of episodes"));
}

#[test]
fn success_may_be_written_in_any_way_and_still_counts() {
    let (code, report, talk) = trace(&json!({ "og-point-maze": [episode()] }).to_string(), &[]);
    assert_eq!((code, report.get("unplayed")), (0, None), "{talk}");
    let with = |success: &str| {
        let mut episode = episode();
        episode["success"] = json!("HERE");
        let text = json!({ "og-point-maze": [episode] }).to_string().replace("\"HERE\"", success);
        let (code, report, talk) = trace(&text, &[]);
        assert!(report["tasks"]["og-point-maze"]["reward"].is_number(), "{talk}");
        code
    };
    for same in ["[0.0, 0]", "[NaN, NaN]", "[null, false]", "NaN", "null", "false", "[]"] {
        assert_eq!(with(same), 0, "{same}");
    }
    for other in ["[0.0, 1.0]", "[true, NaN]", "[0.5, 0]", "true"] {
        assert_eq!(with(other), 1, "{other}");
    }
}

#[test]
fn numbers_that_are_not_finite_never_agree() {
    for (rows, number, reason) in [
        ("observations", "NaN", "its observation after step 2 is not finite"),
        ("observations", "1e999", "its observation after step 2 is not finite"),
        ("actions", "-Infinity", "its action of step 2 is not finite"),
        ("observations", "\"a\"", "\"a\" stands where a number should"),
    ] {
        let mut episode = episode();
        episode[rows][1][0] = json!("HERE");
        let text = json!([episode]).to_string().replace("\"HERE\"", number);
        assert!(unplayed(&text).contains(reason), "{reason}");
    }
    let mut episode = episode();
    episode["score"] = json!("HERE");
    assert!(unplayed(&json!([episode]).to_string().replace("\"HERE\"", "NaN")).contains("its score is not finite"));
}

#[test]
fn an_odd_task_does_not_hinder_the_others() {
    let text = json!({ "og-point-maze": [episode()], "walker-walk": 3 }).to_string();
    let (code, report, _) = trace(&text, &[]);
    assert_eq!(code, 1);
    assert!(report["tasks"]["og-point-maze"].is_object() && report["unplayed"]["walker-walk"].is_string(), "{report}");
    let (code, report, talk) = trace(&text, &["task=og-point-maze"]);
    assert_eq!((code, report.get("unplayed"), talk.as_str()), (0, None, ""));
}

#[test]
fn a_simulation_that_diverges_is_named() {
    let mut episode = episode();
    episode["qpos"][0] = json!(1e12);
    assert_eq!(unplayed(&json!([episode]).to_string()), "the simulation diverged at step 1: bad position");
}

#[test]
fn help_is_given_for_its_short_name() {
    for command in ["trace", "conform", "rollout"] {
        let help = |flag| {
            let output = Command::new(env!("CARGO_BIN_EXE_terrarium")).args([command, flag]).output();
            output.expect("the program starts")
        };
        assert!(help("-h").status.success());
        assert_eq!(help("-h").stdout, help("--help").stdout, "{command}");
    }
}
