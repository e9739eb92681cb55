//! A thread that owns a trained agent and answers a window's questions.

use std::thread;

use crossbeam_channel::unbounded;

use super::agent::{Agent, CarriedPlans};
use super::messages::{PlannerAnswer, PlannerHandle, PlannerQuestion};
use crate::newt::SeededNoise;

/// Moves `agent` into a thread of its own, which ends when the handle is dropped. `step` is how long it was trained.
///
/// # Panics
///
/// When the system cannot start a thread.
pub fn spawn_planner(mut agent: Agent, step: u64, seed: u64, torch_threads: usize) -> PlannerHandle {
    let (questions, asked) = unbounded();
    let (answered, answers) = unbounded();
    thread::Builder::new()
        .name("planner".to_owned())
        .spawn(move || {
            tch::set_num_threads(torch_threads as i32);
            let mut plans = CarriedPlans::new(agent.newt(), 1);
            let mut noise = SeededNoise::new(seed);
            for question in asked {
                let answer = match question {
                    PlannerQuestion::Plan(request) => {
                        let slots = request.rows.iter().map(|row| row.slot + 1).max().unwrap_or(1);
                        plans.cover(agent.newt(), slots);
                        PlannerAnswer::Plan(agent.plan(&request, &mut plans, step, &mut noise))
                    }
                    PlannerQuestion::Encode(request) => PlannerAnswer::Encode(agent.encode(&request)),
                };
                if answered.send(answer).is_err() {
                    return;
                }
            }
        })
        .expect("the system can start a thread");
    PlannerHandle { questions, answers }
}
