//! Pretraining: updates on demonstrations alone, before a run's first environment step.

use std::sync::atomic::{AtomicBool, Ordering};

use super::TrainError;
use super::checkpoint::Moment;
use super::learner::{FromLearner, ToLearner};
use super::metrics::{Phase, Values};
use super::progress::Progress;
use super::run::{Going, REPORT_EVERY, Sitting};
use crate::env::Simulation;

/// Lines of metrics, and checkpoints, over a whole pretraining.
const LINES: u64 = 100;
const SAVES: u64 = 10;

impl Sitting<'_> {
    /// Pretrains as far as that is not done yet; `false` after an interrupt.
    pub(super) fn pretrain(
        &self,
        simulation: &Simulation,
        going: &mut Going,
        progress: &mut Progress,
        interrupt: &AtomicBool,
    ) -> Result<bool, TrainError> {
        let config = self.run.config();
        let total = if config.use_demos { config.demo_steps } else { 0 };
        if going.pretrained >= total {
            return Ok(true);
        }
        progress.say(&format!("pretraining on the demonstrations for {total} updates"));
        progress.count("updates", total, going.pretrained);
        while going.pretrained < total {
            let before = going.pretrained;
            let updates = REPORT_EVERY.min(total - before);
            self.learner.tell(ToLearner::Pretrain { updates });
            let losses = going.inbox.wait(self.learner, |answer| match answer {
                FromLearner::Pretrained(losses) => Ok(losses),
                other => Err(other),
            })?;
            let losses: Values = losses.into_iter().map(|(tag, value)| (tag.into(), value)).collect();
            going.pretrained += updates;
            progress.losses(&losses);
            progress.set(going.pretrained);

            let done = going.pretrained == total;
            let passed = |parts: u64| before * parts / total < going.pretrained * parts / total;
            if passed(LINES) {
                going.metrics.log(Phase::Pretrain, going.pretrained, &losses)?;
            }
            let interrupted = interrupt.load(Ordering::Relaxed) && !done;
            if interrupted || (config.save_agent && passed(SAVES)) {
                let moment = if done { Moment::Step(0) } else { Moment::Pretraining(going.pretrained) };
                self.save(simulation, going, moment)?;
            }
            if interrupted {
                progress.say(&format!(
                    "interrupted: saved at update {} of pretraining; the same command carries on",
                    going.pretrained
                ));
                return Ok(false);
            }
        }
        progress.count("steps", config.steps, 0);
        Ok(true)
    }
}
