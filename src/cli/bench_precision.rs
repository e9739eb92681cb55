//! `terrarium bench newt checkpoint=DIR`: whether planning in bfloat16 chooses worse actions.

use std::path::PathBuf;

use super::Misuse;
use super::keys::Words;
use crate::newt::{DeviceChoice, PlanPrecision};
use crate::sim::Seed;
use crate::train::{SavedAgent, play};

/// States that are planned from, and plans from each.
const STATES: usize = 256;
const REPEATS: u64 = 4;

/// Compares the plans of a trained agent in states of its own episodes.
///
/// # Errors
///
/// When the agent cannot be read.
pub(super) fn run(checkpoint: String, words: &Words, device: DeviceChoice, json: bool) -> anyhow::Result<()> {
    let (device, shown) = device.open()?;
    eprintln!("{shown}");
    let states = words.get_or("states", STATES)?;
    let repeats = words.get_or("repeats", REPEATS)?;
    if states < 2 || repeats == 0 {
        return Err(Misuse("a standard error takes states=2 and repeats=1 at least".to_owned()).into());
    }
    let mut saved = SavedAgent::load(&super::existing(PathBuf::from(checkpoint))?, device)?;
    if let Some(threads) = words.get::<u32>("torch_threads")? {
        tch::set_num_threads(threads.max(1) as i32);
    }
    let seed = Seed::new(1);
    let tasks = saved.tasks.into();
    let rows = play::states(&mut saved.agent, &tasks, states, seed)?;
    let precision = saved.agent.plan_precision(&rows, repeats, seed);
    if json {
        println!("{}", serde_json::to_string(&precision)?);
    } else {
        let PlanPrecision { states, value, bf16, other_draws, prior } = precision;
        println!("{}: {states} states, {repeats} plans from each", saved.checkpoint.display());
        println!("value of the chosen sequence, float32        {value:>11.6}");
        let line = |what: &str, mean: f64, error: f64| println!("{what:<44} {mean:>+11.6} ± {error:.6}");
        line("  planned in bf16 with the same draws", bf16.mean, bf16.standard_error);
        line("  planned in float32 with other draws", other_draws.mean, other_draws.standard_error);
        line("  the prior, without planning", prior.mean, prior.standard_error);
    }
    Ok(())
}
