//! What no compiler holds: who may name whom, module docs, paths in the architecture page.

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file below `folder`.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the source tree").map(|entry| entry.expect("an entry").path())
    {
        if entry.is_dir() {
            files.extend(rust_files(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    files.sort();
    files
}

fn source(folder: &str) -> Vec<PathBuf> {
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder))
}

/// Modules of this crate that a part may name, and foreign crates that it must not.
const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("task", &["task"], &["tch", "bevy"]),
    ("sim", &["sim", "task"], &["tch"]),
    ("paint", &["paint"], &["tch", "bevy"]),
    ("env", &["env", "sim", "paint", "task"], &["tch"]),
    ("newt", &["newt", "files"], &["bevy"]),
    ("data", &["data", "files"], &["bevy", "tch"]),
    ("encode", &["encode", "files", "task"], &["bevy"]),
    ("train", &["train", "newt", "data", "encode", "sim", "env", "task", "files"], &["bevy"]),
];

#[test]
fn parts_name_only_what_lies_below_them() {
    let mut wrong = Vec::new();
    for (part, may, must_not) in ARROWS {
        for file in source(part) {
            let text = fs::read_to_string(&file).expect("source is text");
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let named = code
                    .split("crate::")
                    .skip(1)
                    .map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default());
                for module in named.filter(|module| !module.is_empty() && !may.contains(module)) {
                    wrong.push(format!("{}:{}: {part} names {module}", file.display(), number + 1));
                }
                for foreign in *must_not {
                    let at_use = code.trim_start().starts_with(&format!("use {foreign}"));
                    if at_use || code.contains(&format!("{foreign}::")) {
                        wrong.push(format!("{}:{}: {part} names {foreign}", file.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tensors_are_touched_in_few_files_of_train() {
    let touching: Vec<String> = source("train")
        .into_iter()
        .filter(|file| fs::read_to_string(file).expect("source is text").replace("TensorBoard", "").contains("Tensor"))
        .filter_map(|file| Some(file.file_name()?.to_str()?.to_owned()))
        .collect();
    assert_eq!(touching, ["agent.rs"], "rows become tensors in one file");
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<String> = source("")
        .into_iter()
        .filter(|file| !fs::read_to_string(file).expect("source is text").starts_with("//!"))
        .map(|file| file.display().to_string())
        .collect();
    assert!(silent.is_empty(), "without a module doc: {silent:?}");
}

#[test]
fn the_pages_name_only_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for page in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root.join(page)).expect("the page is there");
        for span in text.split('`').skip(1).step_by(2) {
            let is_path = ["src/", "tests/", "benches/", "tasks/", "assets/", "docs/", "setup/"]
                .iter()
                .any(|folder| span.starts_with(folder));
            let path = span.split(['*', '<', '{', ' ']).next().unwrap_or_default();
            if is_path && !root.join(path).exists() {
                missing.push(format!("{page}: {span}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
