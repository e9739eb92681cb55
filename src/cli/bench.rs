//! `terrarium bench`: speed of the parts, as tables or JSON.

use clap::{Args, Subcommand};

/// Measure speed.
#[derive(Args)]
pub(super) struct BenchCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// One update and one plan of Newt.
    Newt(Words),
    /// Environment steps and pictures a second.
    Env(Words),
}

#[derive(Args)]
struct Words {
    /// Settings as `key=value`.
    #[arg(value_name = "KEY=VALUE")]
    words: Vec<String>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl BenchCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            #[cfg(feature = "learn")]
            What::Newt(words) => newt(&words.words, words.json),
            #[cfg(not(feature = "learn"))]
            What::Newt(_) => Err(super::absent("bench newt", "learn")),
            What::Env(words) => super::bench_env::run(&words.words, words.json),
        }
    }
}

/// Measures Newt in the shape that the words name.
#[cfg(feature = "learn")]
fn newt(words: &[String], json: bool) -> anyhow::Result<()> {
    use super::Misuse;
    use super::bench_newt::{BenchNewt, run};
    use super::keys::Words;
    use crate::newt::{DeviceChoice, ModelSize, PlanDtype, UnknownChoice};

    const KEYS: &[&str] = &[
        "model_size",
        "batch_size",
        "num_envs",
        "num_samples",
        "iterations",
        "horizon",
        "plan_dtype",
        "device",
        "tf32",
        "torch_threads",
        "repeats",
        "checkpoint",
        "states",
    ];
    let words = Words::parse(words, KEYS, &[])?;
    if let Some(word) = words.plain.first() {
        return Err(Misuse(format!("{word} is no key=value; the keys are {}", KEYS.join(", "))).into());
    }
    fn choice<T: std::str::FromStr<Err = UnknownChoice>>(words: &Words, key: &str, default: &str) -> anyhow::Result<T> {
        words.get_or(key, default.to_owned())?.parse().map_err(Misuse::from_error)
    }
    let device: DeviceChoice = choice(&words, "device", "auto")?;
    if let Some(checkpoint) = words.get("checkpoint")? {
        return super::bench_precision::run(checkpoint, &words, device, json);
    }
    let size: ModelSize = choice(&words, "model_size", "S")?;
    let (device, shown) = device.open()?;
    eprintln!("{shown}");
    if let Some(threads) = words.get::<u32>("torch_threads")? {
        tch::set_num_threads(threads.max(1) as i32);
    }
    crate::newt::device::allow_tf32(words.get_or("tf32", false)?, device).map_err(Misuse::from_error)?;
    let mut bench = BenchNewt::new(size, device);
    let count = |key: &str, default: i64| -> anyhow::Result<i64> {
        let count = i64::from(words.get_or(key, default as u32)?);
        if count > 0 {
            Ok(count)
        } else {
            Err(Misuse(format!("{key}=0 is out of range; it must be at least 1")).into())
        }
    };
    bench.batch_size = count("batch_size", bench.batch_size)?;
    bench.num_envs = count("num_envs", bench.num_envs)?;
    bench.repeats = count("repeats", bench.repeats as i64)? as usize;
    bench.config.planning.num_samples = count("num_samples", bench.config.planning.num_samples)?;
    bench.config.planning.iterations = count("iterations", bench.config.planning.iterations)?;
    bench.config.learning.horizon = count("horizon", bench.config.learning.horizon)?;
    bench.config.planning.plan_dtype = choice::<PlanDtype>(&words, "plan_dtype", "auto")?;
    let report = run(&bench)?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!(
            "model_size {}  {} parameters  {} ({} threads)",
            report.model_size, report.parameters, report.device, report.threads
        );
        println!("update  {:>9.2} ms  (batch {})", report.update_ms, report.batch_size);
        println!(
            "plan    {:>9.2} ms  ({} environments, {} samples, {} iterations, {})",
            report.plan_ms, report.num_envs, report.num_samples, report.iterations, report.plan_dtype
        );
    }
    Ok(())
}
