//! Values of settings: how each kind is read from a word, shown, and what it is called when it is misread.

use std::fmt::Display;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::encode::TextSource;
use crate::newt::{DeviceChoice, ModelSize, PlanDtype};

/// Something that a setting can hold.
pub(super) trait Value: Sized {
    /// What a word for it looks like, such as `a whole number`.
    fn expects() -> String;
    /// Reads a word; `None` when it is not such a value.
    fn parse(word: &str) -> Option<Self>;
    /// The word that reads back as this value.
    fn show(&self) -> String;
    /// The number it is, where ranges apply.
    fn number(&self) -> Option<f64> {
        None
    }
}

/// Largest whole number that a float word such as `1e6` may stand for: all up to it are exact.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

fn parse_float(word: &str) -> Option<f64> {
    let misplaced = word.starts_with('_') || word.ends_with('_');
    let number: f64 = if misplaced { return None } else { word.replace('_', "").parse().ok()? };
    number.is_finite().then_some(number)
}

fn parse_whole(word: &str) -> Option<u64> {
    let digits = word.replace('_', "");
    if let Ok(number) = digits.parse() {
        return (!word.starts_with('_') && !word.ends_with('_')).then_some(number);
    }
    let number = parse_float(word)?;
    ((0.0..=MAX_EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// Digits in groups of three, as in `100_000`, for numbers of five digits and more.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

impl Value for u64 {
    fn expects() -> String {
        "a whole number, such as 1000, 100_000 or 1e6".to_owned()
    }
    fn parse(word: &str) -> Option<Self> {
        parse_whole(word)
    }
    fn show(&self) -> String {
        grouped(*self)
    }
    fn number(&self) -> Option<f64> {
        Some(*self as f64)
    }
}

impl Value for usize {
    fn expects() -> String {
        u64::expects()
    }
    fn parse(word: &str) -> Option<Self> {
        parse_whole(word)?.try_into().ok()
    }
    fn show(&self) -> String {
        grouped(*self as u64)
    }
    fn number(&self) -> Option<f64> {
        Some(*self as f64)
    }
}

impl Value for f64 {
    fn expects() -> String {
        "a number, such as 0.5 or 3e-4".to_owned()
    }
    fn parse(word: &str) -> Option<Self> {
        parse_float(word)
    }
    fn show(&self) -> String {
        if *self != 0.0 && self.abs() < 1e-3 { format!("{self:e}") } else { self.to_string() }
    }
    fn number(&self) -> Option<f64> {
        Some(*self)
    }
}

impl Value for bool {
    fn expects() -> String {
        "true or false".to_owned()
    }
    fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    fn expects() -> String {
        "a text that is not empty".to_owned()
    }
    fn parse(word: &str) -> Option<Self> {
        (!word.trim().is_empty()).then(|| word.trim().to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for PathBuf {
    fn expects() -> String {
        "a path".to_owned()
    }
    fn parse(word: &str) -> Option<Self> {
        (!word.is_empty()).then(|| Self::from(word))
    }
    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl<T: Value> Value for Option<T> {
    fn expects() -> String {
        format!("{}, or none", T::expects())
    }
    fn parse(word: &str) -> Option<Self> {
        if matches!(word, "" | "none" | "None" | "null" | "???") { Some(None) } else { T::parse(word).map(Some) }
    }
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), T::show)
    }
    fn number(&self) -> Option<f64> {
        self.as_ref().and_then(T::number)
    }
}

impl Value for TextSource {
    fn expects() -> String {
        Self::WORDS.to_owned()
    }
    fn parse(word: &str) -> Option<Self> {
        word.parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

/// Enums whose variants are words.
macro_rules! choices {
    ($( $(#[$about:meta])* $name:ident { $( $(#[$doc:meta])* $variant:ident = $word:literal ),* $(,)? } )*) => { $(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name { $( $(#[$doc])* $variant ),* }

        impl Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(match self { $( Self::$variant => $word ),* })
            }
        }

        impl Value for $name {
            fn expects() -> String {
                let words: &[&str] = &[ $( $word ),* ];
                format!("one of {}", words.join(", "))
            }
            fn parse(word: &str) -> Option<Self> {
                $( if word.eq_ignore_ascii_case($word) { return Some(Self::$variant); } )*
                None
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )* };
}

choices! {
    /// Which table of values a run starts from.
    Preset {
        /// The reference's values.
        Reference = "reference",
        /// A small model and planning budget for a few CPU cores.
        Laptop = "laptop",
    }
    /// What the agent sees.
    Observations {
        /// The state row.
        State = "state",
        /// The state row and a picture.
        Rgb = "rgb",
    }
    /// How the reference steps its environments.
    EnvMode {
        /// In worker processes.
        Async = "async",
        /// One after the other.
        Sync = "sync",
    }
    /// How learning rates change over a run.
    LrSchedule {
        /// Not at all.
        Constant = "none",
        /// A linear ramp at the start.
        Warmup = "warmup",
    }
}

/// Choices that the learner defines.
macro_rules! choices_of_newt {
    ($( $name:ident ),*) => { $(
        impl Value for $name {
            fn expects() -> String {
                format!("one of {}", Self::WORDS)
            }
            fn parse(word: &str) -> Option<Self> {
                word.parse().ok()
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )* };
}

choices_of_newt!(ModelSize, PlanDtype, DeviceChoice);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_grouped_or_scientific() {
        for word in ["100_000", "100000", "1e5", "1E5", "100000.0"] {
            assert_eq!(u64::parse(word), Some(100_000), "{word}");
        }
        for word in ["1.5", "-1", "1e300", "inf", "nan", "", "_1", "1_", "1,000", "0x10"] {
            assert_eq!(u64::parse(word), None, "{word}");
        }
        assert_eq!(u64::parse("18446744073709551615"), Some(u64::MAX));
        assert_eq!(f64::parse("3e-4"), Some(3e-4));
        assert_eq!(f64::parse("-10"), Some(-10.0));
        assert_eq!(f64::parse("nan"), None);
    }

    #[test]
    fn values_read_back_as_they_are_shown() {
        for number in [0, 999, 1234, 12_345, 100_000_000] {
            assert_eq!(u64::parse(&number.show()), Some(number));
        }
        assert_eq!(100_000_000_u64.show(), "100_000_000");
        for number in [0.0, 3e-4, 0.05, -10.0, 0.995, 1e-12] {
            assert_eq!(f64::parse(&number.show()), Some(number));
        }
        for device in [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Cuda(3)] {
            assert_eq!(DeviceChoice::parse(&device.show()), Some(device));
        }
        assert_eq!(DeviceChoice::parse("cuda"), Some(DeviceChoice::Cuda(0)));
        assert_eq!(DeviceChoice::parse("cuda:"), None);
        assert_eq!(DeviceChoice::parse("gpu"), None);
    }
}
