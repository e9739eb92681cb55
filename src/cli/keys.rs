//! Words of a command line: `key=value` pairs, flags such as `--json`, and plain words.

use super::Misuse;

/// A type that a value can be read as.
pub(super) trait Value: Sized {
    /// What to write, such as `a whole number`.
    const EXPECTED: &'static str;

    /// The value, if the text is one.
    fn read(text: &str) -> Option<Self>;
}

impl Value for String {
    const EXPECTED: &'static str = "text";

    fn read(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.to_owned())
    }
}

impl Value for std::path::PathBuf {
    const EXPECTED: &'static str = "a path";

    fn read(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(text: &str) -> Option<Self> {
        match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }
}

impl Value for f64 {
    const EXPECTED: &'static str = "a number";

    fn read(text: &str) -> Option<Self> {
        text.replace('_', "").parse().ok().filter(|number: &Self| number.is_finite())
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl Value for $number {
            const EXPECTED: &'static str = "a whole number, 0 or more";

            fn read(text: &str) -> Option<Self> {
                text.replace('_', "").parse().ok()
            }
        }
    )*};
}

whole_numbers!(u32, u64, usize);

/// The words given to a command, sorted by form. Only known keys and flags are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pairs: Vec<(String, String)>,
    flags: Vec<String>,
    /// Words that are neither pairs nor flags, in order.
    pub(super) plain: Vec<String>,
}

impl Words {
    /// Sorts `args`. `keys` and `flags` (with their dashes) are those that the command knows; `-h` counts as `--help`.
    ///
    /// # Errors
    ///
    /// [`Misuse`] for an unknown key or flag, naming the nearest known one, and for a key given twice.
    pub(super) fn parse(args: &[String], keys: &[&str], flags: &[&str]) -> Result<Self, Misuse> {
        let mut words = Self::default();
        for arg in args {
            if arg.starts_with('-') {
                let flag = if arg == "-h" { "--help" } else { arg };
                if !flags.contains(&flag) {
                    return Err(unknown("flag", arg, flags));
                }
                words.flags.push(flag.to_owned());
            } else if let Some((key, value)) = arg.split_once('=') {
                if !keys.contains(&key) {
                    return Err(unknown("key", key, keys));
                }
                if words.text(key).is_some() {
                    return Err(Misuse(format!("{key} is given twice; keep one of them")));
                }
                words.pairs.push((key.to_owned(), value.to_owned()));
            } else {
                words.plain.push(arg.clone());
            }
        }
        Ok(words)
    }

    /// Whether a flag is there.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }

    /// The value of a key, if it is there.
    ///
    /// # Errors
    ///
    /// [`Misuse`] when the value is not a `T`.
    pub(super) fn get<T: Value>(&self, key: &str) -> Result<Option<T>, Misuse> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let misfit = || Misuse(format!("{key}={text} makes no sense; {key} is {}", T::EXPECTED));
        T::read(text).map(Some).ok_or_else(misfit)
    }

    /// The value of a key, or a default.
    ///
    /// # Errors
    ///
    /// [`Misuse`] when the value is not a `T`.
    pub(super) fn get_or<T: Value>(&self, key: &str, default: T) -> Result<T, Misuse> {
        Ok(self.get(key)?.unwrap_or(default))
    }

    /// The value of a key that must be there.
    ///
    /// # Errors
    ///
    /// [`Misuse`] when it is absent or not a `T`.
    pub(super) fn require<T: Value>(&self, key: &str) -> Result<T, Misuse> {
        self.get(key)?.ok_or_else(|| Misuse(format!("{key} is missing; add {key}=…, {}", T::EXPECTED)))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// A misuse that names the known word nearest to `word`, or all if none is near.
fn unknown(what: &str, word: &str, known: &[&str]) -> Misuse {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match nearest {
        Some((likeness, nearest)) if likeness > 0.75 => format!("did you mean {nearest}?"),
        Some(_) => format!("known are {}", known.join(", ")),
        None => "this command takes none".to_owned(),
    };
    Misuse(format!("there is no {what} {word}; {hint}"))
}

/// What `run` finds wrong with the words of `text`; a panic unless it is a misuse.
#[cfg(test)]
pub(super) fn misuse<T: std::fmt::Debug>(text: &str, run: impl FnOnce(&[String]) -> anyhow::Result<T>) -> String {
    let args: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let error = run(&args).expect_err(text);
    assert!(error.chain().any(|cause| cause.is::<Misuse>()), "{error:#}");
    format!("{error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Words, Misuse> {
        let args: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Words::parse(&args, &["task", "episodes", "rate", "paused"], &["--json", "--help"])
    }

    #[test]
    fn words_are_sorted_by_form() {
        let words = words("a.json task=x=y episodes=1_000 rate=1e-3 paused=true --json -h b").expect("known words");
        assert_eq!(words.plain, ["a.json", "b"]);
        assert!(words.has("--json") && words.has("--help"));
        assert_eq!(words.require::<String>("task"), Ok("x=y".to_owned()));
        assert_eq!(words.get_or("episodes", 5u32), Ok(1000));
        assert_eq!(words.get::<f64>("rate"), Ok(Some(1e-3)));
        assert_eq!(words.get::<bool>("paused"), Ok(Some(true)));
    }

    #[test]
    fn an_unknown_word_names_the_nearest() {
        assert_eq!(words("episode=3").expect_err("unknown").0, "there is no key episode; did you mean episodes?");
        assert_eq!(words("--jsn").expect_err("unknown").0, "there is no flag --jsn; did you mean --json?");
        let far = words("zzz=3").expect_err("unknown").0;
        assert_eq!(far, "there is no key zzz; known are task, episodes, rate, paused");
    }

    #[test]
    fn an_ill_typed_value_says_what_was_expected() {
        for (text, key) in [("episodes=many", "episodes"), ("episodes=-1", "episodes"), ("episodes=", "episodes")] {
            let error = words(text).expect("known").get::<u32>(key).expect_err(text).0;
            assert!(error.contains("episodes is a whole number"), "{error}");
        }
        assert!(words("rate=nan").expect("known").get::<f64>("rate").is_err());
        assert!(words("paused=perhaps").expect("known").get::<bool>("paused").is_err());
        assert!(words("task=").expect("known").get::<String>("task").is_err());
    }

    #[test]
    fn a_missing_or_repeated_key_is_named() {
        assert!(words("").expect("known").require::<String>("task").expect_err("missing").0.contains("add task=…"));
        assert!(words("task=a task=b").expect_err("twice").0.contains("twice"));
    }
}
