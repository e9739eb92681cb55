//! What is chosen by a word: the model's size, the planner's number format, the device.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::config::ModelConfig;

/// A word that names none of the choices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}={word:?} is not there; write one of {words}")]
pub struct UnknownChoice {
    /// What is chosen.
    pub key: &'static str,
    /// What was written.
    pub word: String,
    /// What may be written.
    pub words: &'static str,
}

/// Enums whose variants are words: display and parsing.
macro_rules! words {
    ($name:ident, $key:literal, $words:literal, $( $variant:ident = $word:literal ),*) => {
        impl $name {
            /// What may be written, separated by commas.
            pub const WORDS: &str = $words;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $( Self::$variant => $word ),* })
            }
        }

        impl FromStr for $name {
            type Err = UnknownChoice;

            fn from_str(word: &str) -> Result<Self, UnknownChoice> {
                $( if word.eq_ignore_ascii_case($word) { return Ok(Self::$variant); } )*
                Err(UnknownChoice { key: $key, word: word.to_owned(), words: Self::WORDS })
            }
        }
    };
}

/// A named shape of the networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelSize {
    /// Newt, 2M parameters.
    S,
    /// Newt, 5M parameters.
    B,
    /// Newt, 20M parameters.
    L,
    /// Newt, 80M parameters.
    #[serde(alias = "Xl")]
    XL,
    /// TD-MPC2, 1M parameters.
    TdMpc2M1,
    /// TD-MPC2, 5M parameters.
    TdMpc2M5,
    /// TD-MPC2, 19M parameters.
    TdMpc2M19,
    /// TD-MPC2, 48M parameters.
    TdMpc2M48,
    /// TD-MPC2, 317M parameters.
    TdMpc2M317,
}

words!(
    ModelSize,
    "model_size",
    "S, B, L, XL, 1, 5, 19, 48, 317",
    S = "S",
    B = "B",
    L = "L",
    XL = "XL",
    TdMpc2M1 = "1",
    TdMpc2M5 = "5",
    TdMpc2M19 = "19",
    TdMpc2M48 = "48",
    TdMpc2M317 = "317"
);

impl ModelSize {
    /// Sets the widths and depths of this size.
    pub fn apply(self, model: &mut ModelConfig) {
        let (enc_dim, mlp_dim, latent_dim, num_enc_layers, num_q) = match self {
            ModelSize::S => (128, 256, 384, 2, 3),
            ModelSize::B => (256, 512, 512, 2, 5),
            ModelSize::L => (1024, 1024, 512, 3, 5),
            ModelSize::XL => (2048, 2048, 704, 4, 7),
            ModelSize::TdMpc2M1 => (256, 384, 128, 2, 2),
            ModelSize::TdMpc2M5 => (256, 512, 512, 2, 5),
            ModelSize::TdMpc2M19 => (1024, 1024, 768, 3, 5),
            ModelSize::TdMpc2M48 => (1792, 1792, 768, 4, 5),
            ModelSize::TdMpc2M317 => (4096, 4096, 1376, 5, 8),
        };
        *model = ModelConfig { enc_dim, mlp_dim, latent_dim, num_enc_layers, num_q, ..*model };
    }
}

/// Number format of matrix products while planning; everything else stays in float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanDtype {
    /// bfloat16 where the device multiplies it faster than float32, else float32.
    #[serde(alias = "Auto")]
    Auto,
    /// float32.
    #[serde(alias = "F32")]
    F32,
    /// bfloat16.
    #[serde(alias = "Bf16")]
    Bf16,
}

words!(PlanDtype, "plan_dtype", "auto, f32, bf16", Auto = "auto", F32 = "f32", Bf16 = "bf16");

/// What `device=` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// The first GPU if there is one that answers, else the CPU; which one it was is printed.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// This GPU; its absence is an error.
    Cuda(usize),
}

impl DeviceChoice {
    /// What may be written, separated by commas.
    pub const WORDS: &str = "auto, cpu, cuda, cuda:N";
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = UnknownChoice;

    fn from_str(word: &str) -> Result<Self, UnknownChoice> {
        let numbered = || word.strip_prefix("cuda:").and_then(|index| index.parse().ok()).map(Self::Cuda);
        match word {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => numbered().ok_or_else(|| UnknownChoice { key: "device", word: word.to_owned(), words: Self::WORDS }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back<T: FromStr<Err = UnknownChoice> + fmt::Display + PartialEq + fmt::Debug>(words: &str) {
        for word in words.split(", ") {
            assert_eq!(word.parse::<T>().expect(word).to_string(), word);
        }
    }

    #[test]
    fn every_word_reads_back() {
        read_back::<ModelSize>(ModelSize::WORDS);
        read_back::<PlanDtype>(PlanDtype::WORDS);
        read_back::<DeviceChoice>("auto, cpu, cuda:0, cuda:3");
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
    }

    #[test]
    fn wrong_words_are_explained() {
        for wrong in ["gpu", "cuda:", "cuda:x", "CPU"] {
            let message = wrong.parse::<DeviceChoice>().expect_err("not a device").to_string();
            assert!(message.contains(wrong) && message.contains("cuda:N"), "{message}");
        }
        let message = "M".parse::<ModelSize>().expect_err("no size").to_string();
        assert_eq!(message, "model_size=\"M\" is not there; write one of S, B, L, XL, 1, 5, 19, 48, 317");
    }

    #[test]
    fn choices_read_back_as_ron_and_json() {
        for size in ModelSize::WORDS.split(", ").map(|word| word.parse::<ModelSize>().expect("a size")) {
            assert_eq!(ron::from_str(&ron::to_string(&size).expect("plain")), Ok(size));
        }
        for dtype in [PlanDtype::Auto, PlanDtype::F32, PlanDtype::Bf16] {
            assert_eq!(ron::from_str(&ron::to_string(&dtype).expect("plain")), Ok(dtype));
        }
        assert_eq!(serde_json::from_str::<PlanDtype>("\"bf16\"").expect("as checkpoints have it"), PlanDtype::Bf16);
        assert_eq!(ron::from_str("Bf16"), Ok(PlanDtype::Bf16), "as earlier runs have it");
    }
}
