//! The help text of `terrarium train`, made from the table of settings.

use super::keys::{KEYS, Support};
use super::{Preset, Rules};

/// Ranges that go without saying.
const UNTOLD: [&str; 4] = [Rules::ANY_WORD, "at least 0", "at least 1", "above 0"];
/// Columns of a line.
const WIDTH: usize = 110;
/// Columns before the explanation.
const INDENT: usize = 34;

/// Every setting by group: `name=default`, what it is, its range.
pub fn help() -> String {
    let mut text = String::from("Settings, each typed as key=value:\n");
    let mut group = "";
    for key in KEYS {
        if key.group != group {
            group = key.group;
            text.push_str(&format!("\n{}:\n", sentence_case(group)));
        }
        let default = format!("  {}={}", key.name, key.default);
        let mut words = key.help.trim().to_owned();
        let range = key.rules.to_string();
        if !UNTOLD.contains(&range.as_str()) {
            words.push_str(&format!(" Range: {range}."));
        }
        if let Some(choices) = (key.expects)().strip_prefix("one of ") {
            words.push_str(&format!(" Choices: {choices}."));
        }
        match key.rules.support {
            Support::Full => {}
            Support::Ignored(why) => words.push_str(&format!(" [changes nothing: {why}]")),
            Support::Only(value, why) => words.push_str(&format!(" [only {value}: {why}]")),
        }
        text.push_str(&entry(&default, &words));
    }
    text.push_str("\npreset=laptop stands for:\n");
    let words: Vec<String> = Preset::Laptop.words().iter().map(|(name, word)| format!("{name}={word}")).collect();
    for line in wrap(&words.join(" "), WIDTH - 2) {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

fn sentence_case(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// One setting: its name and default on the left, wrapped words on the right.
fn entry(left: &str, words: &str) -> String {
    let mut text = String::new();
    for (index, line) in wrap(words, WIDTH - INDENT).into_iter().enumerate() {
        let left = if index == 0 { left } else { "" };
        if left.len() >= INDENT {
            text.push_str(&format!("{left}\n{:INDENT$}{line}\n", ""));
        } else {
            text.push_str(&format!("{left:INDENT$}{line}\n"));
        }
    }
    text
}

fn wrap(words: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in words.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_setting_with_its_default() {
        let text = help();
        for key in KEYS {
            assert!(text.contains(&format!("  {}={}", key.name, key.default)), "{}", key.name);
        }
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert!(text.contains("Choices: S, B, L, XL, 1,"));
        assert!(text.contains("preset=laptop stands for"));
    }
}
