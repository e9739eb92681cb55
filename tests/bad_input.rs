//! What bad input gets: one clear sentence, exit code 2 for misuse and 1 for failure, nothing half-written.

mod common;

#[cfg(feature = "learn")]
use std::path::Path;
use std::process::Command;

#[cfg(feature = "learn")]
use common::skip;

/// Exit code and what was said on stderr.
fn terrarium(args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_terrarium")).args(args).output().expect("the program starts");
    (output.status.code().expect("it exits"), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The command is refused with this exit code, in one sentence that holds all of `parts`.
fn refused(args: &[&str], code: i32, parts: &[&str]) {
    let (found, talk) = terrarium(args);
    assert_eq!(found, code, "{args:?}: {talk}");
    let last = talk.lines().last().unwrap_or_default();
    for part in parts {
        assert!(last.contains(part), "{args:?} should say {part:?}: {talk}");
    }
    assert!(last.len() < 500, "{args:?} says too much: {last}");
}

#[test]
fn unknown_commands_and_tasks_are_misuse() {
    assert_eq!(terrarium(&["fly"]).0, 2);
    refused(&["tasks", "pygame-pongg"], 2, &["pygame-pong"]);
    refused(&["rollout", "task=pygame-pongg"], 2, &["pygame-pong"]);
    refused(&["rollout", "task=pygame-pong", "policy=best"], 2, &["uniform", "zero", "file:"]);
    refused(&["rollout", "task=pygame-pong", "episods=3"], 2, &["episodes"]);
}

#[test]
fn a_reader_that_is_gone_ends_a_command_without_a_word() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrarium"));
    let pipes = command.arg("tasks").stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = pipes.spawn().expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn policy_files_are_checked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the file is written");
        format!("policy=file:{}", path.display())
    };
    let missing = format!("policy=file:{}", folder.path().join("none.json").display());
    refused(&["rollout", "task=pygame-pong", &missing], 2, &["cannot be read"]);
    let broken = write("broken.json", "{\"kind\": \"lin");
    refused(&["rollout", "task=pygame-pong", &broken], 2, &["broken.json"]);
    let narrow = write("narrow.json", r#"{"kind": "linear", "W": [[1.0, 2.0]], "b": [0.0]}"#);
    refused(&["rollout", "task=pygame-pong", &narrow], 2, &["narrow.json", "6"]);
}

#[cfg(feature = "learn")]
mod learning {
    use super::*;

    #[test]
    fn settings_are_checked_before_anything_is_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runs = format!("runs_dir={}", folder.path().display());
        let task = "task=pygame-pong";
        refused(&["train", task, &runs, "batchsize=3"], 2, &["batch_size"]);
        refused(&["train", task, &runs, "batch_size=many"], 2, &["batch_size", "whole number"]);
        refused(&["train", task, &runs, "batch_size=0"], 2, &["batch_size", "from 1 to 65536"]);
        refused(&["train", task, &runs, "latent_dim=100"], 2, &["latent_dim"]);
        refused(&["train", "task=pygame-pongg", &runs], 2, &["pygame-pong"]);
        refused(&["train", task, &runs, "steps"], 2, &["key=value"]);
        refused(&["train", task, &runs, "use_demos=true"], 2, &["data_dir"]);
        refused(&["train", task, &runs, "checkpoint=/no/such/folder"], 2, &["/no/such/folder"]);
        refused(&["train", task, &runs, "tf32=true", "device=cpu"], 2, &["tf32", "NVIDIA"]);
        refused(&["bench", "newt", "tf32=true", "device=cpu"], 2, &["tf32", "NVIDIA"]);
        refused(&["bench", "newt", "model_size=M"], 2, &["model_size", "S, B, L, XL"]);
        let left = std::fs::read_dir(folder.path()).expect("the folder is there").count();
        assert_eq!(left, 0, "a refused run left something behind");
    }

    #[test]
    fn a_gpu_that_is_not_there_is_said_not_replaced() {
        if Path::new("/dev/nvidia0").exists() {
            skip("this machine has a GPU");
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runs = format!("runs_dir={}", folder.path().display());
        refused(&["train", "task=pygame-pong", &runs, "device=cuda"], 1, &["GPU", "device=cpu"]);
    }

    #[test]
    fn an_unwritable_runs_folder_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("the file is written");
        let runs = format!("runs_dir={}", file.display());
        refused(&["train", "task=pygame-pong", &runs], 1, &["file"]);
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let empty = folder.path().display().to_string();
        refused(&["eval", &empty], 2, &["checkpoint"]);
        refused(&["eval", &empty, "--device", "gpu"], 2, &["cuda:N"]);
        refused(&["eval", &empty, "--episodes", "0"], 2, &["at least 1"]);
        refused(&["watch", "/no/such/folder"], 2, &["/no/such/folder"]);
        let policy = format!("policy=checkpoint:{empty}");
        refused(&["rollout", "task=pygame-pong", &policy], 2, &["checkpoint"]);
    }
}
