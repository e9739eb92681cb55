//! The extended tasks held against numbers measured on the reference: fixed roll-outs, and scores of a random and of an
//! idle policy.

use std::thread;

use super::{DmControl, DmControlParams};
use crate::env::Environment;
use crate::env::mujoco::physics::Field;
use crate::env::mujoco::row::Row;
use crate::sim::{Purpose, Rng, Seed};
use crate::task::Registry;

/// (task, positions that it starts from, rewards of agent steps 1, 2, 5 and 20 and the sum of all 20).
#[rustfmt::skip]
const ROLLOUTS: &[(&str, &[f64], [f64; 5])] = &[
    ("walker-walk-backward", &[0.0, 0.0, 0.1, 0.2, -0.4, 0.1, -0.1, -0.6, 0.2], [0.349807, 0.366100, 0.379991, 0.031318, 3.621871]),
    ("walker-run-backward", &[0.0, 0.0, 0.1, 0.2, -0.4, 0.1, -0.1, -0.6, 0.2], [0.335334, 0.337317, 0.328438, 0.031318, 3.364474]),
    ("walker-arabesque", &[0.0, 0.0, 0.1, 0.2, -0.4, 0.1, -0.1, -0.6, 0.2], [1.296992, 1.259317, 1.365524, 0.622041, 18.617489]),
    ("walker-lie-down", &[-1.1, 0.0, 1.5, 0.2, -0.4, 0.1, -0.1, -0.6, 0.2], [0.194087, 0.524960, 0.450215, 0.241148, 8.034124]),
    ("walker-legs-up", &[-1.1, 0.0, 1.5, 0.2, -0.4, 0.1, -0.1, -0.6, 0.2], [0.141843, 0.379101, 0.324308, 0.191333, 5.862289]),
    ("walker-headstand", &[0.0, 0.0, 3.0, 0.2, -0.4, 0.1, -0.1, -0.6, 0.2], [2.000000, 2.000000, 2.000000, 0.021377, 23.627055]),
    ("walker-stand-incline", &[0.0, 0.0, 0.1, 0.2, -0.4, 0.1, -0.1, -0.6, 0.2], [1.999601, 1.999208, 1.923680, 0.389581, 21.702352]),
    ("walker-walk-incline", &[0.0, 0.0, 0.1, 0.2, -0.4, 0.1, -0.1, -0.6, 0.2], [0.333267, 0.417098, 0.320613, 0.179537, 3.907691]),
    ("walker-run-incline", &[0.0, 0.0, 0.1, 0.2, -0.4, 0.1, -0.1, -0.6, 0.2], [0.333267, 0.343688, 0.320613, 0.079256, 3.653388]),
    ("cheetah-run-backward", &[0.0, 0.0, 0.1, 0.1, -0.2, 0.3, -0.1, 0.2, -0.1], [0.000000, 0.000000, 0.006422, 0.154005, 1.682311]),
    ("cheetah-run-front", &[0.0, 0.2, 0.5, 0.1, -0.2, 0.3, -0.1, 0.2, -0.1], [0.160066, 0.172027, 0.180901, 0.011364, 1.682883]),
    ("cheetah-run-back", &[0.0, 0.2, -0.5, 0.1, -0.2, 0.3, -0.1, 0.2, -0.1], [0.129515, 0.132447, 0.124334, 0.006030, 1.244887]),
    ("cheetah-jump", &[0.0, 0.3, 0.1, 0.1, -0.2, 0.3, -0.1, 0.2, -0.1], [0.894529, 0.898675, 0.825990, 0.314607, 11.192803]),
    ("giraffe-run", &[0.0, 0.0, 0.05, 0.1, 0.1, -0.2, 0.3, -0.1, 0.2, -0.1], [0.500000, 0.501615, 0.501536, 0.500000, 10.015048]),
    ("hopper-hop-backward", &[0.0, 0.2, 0.1, 0.05, -0.3, 0.5, -0.1], [0.000000, 0.000494, 0.000254, 0.000000, 0.002559]),
    ("reacher-three-easy", &[0.3, -0.5, 0.7], [2.000000, 2.000000, 2.000000, 0.000000, 37.000000]),
    ("reacher-three-hard", &[0.3, -0.5, 0.7], [2.000000, 2.000000, 0.000000, 0.000000, 6.000000]),
    ("cup-spin", &[0.02, -0.03, 0.05, 0.1], [0.395881, 0.562833, 0.712388, 0.822975, 13.567986]),
    ("pendulum-spin", &[2.5], [0.081677, 0.200970, 0.508002, 0.194815, 7.055484]),
    ("jumper-jump", &[0.0, 0.0, 0.2, 0.1, -0.2], [0.447150, 0.423064, 0.357925, 0.123161, 4.052083]),
    ("spinner-spin", &[0.0, 0.0, 0.2, 0.1, -0.1, 0.2, -0.2, 0.05], [0.000000, 0.000000, 0.000106, 0.327751, 2.515246]),
    ("spinner-spin-backward", &[0.0, 0.0, 0.2, 0.1, -0.1, 0.2, -0.2, 0.05], [0.002027, 0.004583, 0.002720, 0.102079, 0.752729]),
    ("spinner-jump", &[0.0, 0.0, 0.2, 0.1, -0.1, 0.2, -0.2, 0.05], [0.468073, 0.478918, 0.330921, 0.312280, 4.819823]),
    ("spinner-spin-four", &[0.0, 0.0, 0.2, 0.1, -0.1, 0.2, -0.2], [0.000000, 0.000000, 0.000499, 0.298356, 2.455753]),
    ("spinner-spin-backward-four", &[0.0, 0.0, 0.2, 0.1, -0.1, 0.2, -0.2], [0.002686, 0.004833, 0.001833, 0.119616, 0.951317]),
    ("spinner-jump-four", &[0.0, 0.0, 0.2, 0.1, -0.1, 0.2, -0.2], [0.462688, 0.466359, 0.346652, 0.129513, 4.295761]),
    ("cartpole-balance-long-sparse", &[0.05, 0.03], [2.000000, 2.000000, 2.000000, 2.000000, 40.000000]),
    ("cartpole-balance-two-poles-sparse", &[0.05, 0.03, -0.02], [2.000000, 2.000000, 2.000000, 0.000000, 35.000000]),
];

/// (task, observation after the last step of its roll-out, contacts in its first state).
#[rustfmt::skip]
const ENDS: &[(&str, &[f64], usize)] = &[
    ("walker-stand-incline", &[0.43373, 0.90104, 0.10926, 0.99401, -0.72472, 0.68904, -0.42963, 0.90301, 0.54598, 0.8378, -0.99809, -0.06184, -0.57328, 0.81936, 0.46514, -0.2441, 0.75702, -6.3036, -18.28592, 25.23966, -17.6862, -22.0822, 2.83846, 14.62337], 1),
    ("giraffe-run", &[-0.11182, 0.4389, 0.41622, -0.40909, 0.19098, 0.32799, 0.02088, -0.51695, -0.26177, -0.29752, -0.14819, -0.15523, 0.04582, 9.62269, 4.61756, -10.7489, -0.07236, -3.60296, 7.22835], 1),
    ("reacher-three-easy", &[0.368, -0.2277, 0.68804, 0.01606, -0.06128, -0.18431, 1.81979, -2.05279], 0),
    ("jumper-jump", &[-0.22119, -0.6278, 0.05589, 0.53469, -0.33318, 0.80864, -11.6775, 15.15993, 6.45228], 1),
    ("spinner-spin", &[-0.0747, -0.8047, 0.056, 0.49415, 0.20619, -0.36337, -0.41777, 1.10567, -0.23299, -6.97084, 17.51989, 6.33592, -13.72419, -14.17283, 6.59283], 10),
    ("spinner-spin-four", &[-0.22534, -1.15613, 0.03145, 0.48272, 0.20072, -0.37519, 1.38042, -1.49597, -7.22705, 17.12656, 6.27236, -14.01347, -15.1423], 6),
    ("cartpole-balance-long-sparse", &[0.14078, 0.99835, -0.05742, 0.18342, -0.23355], 0),
    ("cartpole-balance-two-poles-sparse", &[0.14442, 0.99234, -0.12355, 0.99263, 0.1212, 0.20486, -0.72843, 1.69015], 0),
];

/// (task, mean score and standard deviation of uniformly random actions, the same of zero actions), over
/// [`REFERENCE_EPISODES`].
#[rustfmt::skip]
const SCORES: &[(&str, (f64, f64), (f64, f64))] = &[
    ("walker-walk-backward", (0.0404, 0.0136), (0.0199, 0.0071)),
    ("walker-run-backward", (0.0250, 0.0040), (0.0191, 0.0066)),
    ("cheetah-run-backward", (0.0278, 0.0060), (0.0001, 0.0001)),
    ("cheetah-run-front", (0.0071, 0.0003), (0.0065, 0.0003)),
    ("cheetah-run-back", (0.0069, 0.0003), (0.0064, 0.0003)),
    ("cheetah-jump", (0.1710, 0.0038), (0.1800, 0.0005)),
    ("hopper-hop-backward", (0.0002, 0.0007), (0.0001, 0.0004)),
    ("reacher-three-easy", (0.0134, 0.0321), (0.0000, 0.0000)),
    ("reacher-three-hard", (0.0021, 0.0057), (0.0000, 0.0000)),
    ("cup-spin", (0.1401, 0.0955), (0.0394, 0.0939)),
    ("pendulum-spin", (0.1294, 0.0386), (0.0853, 0.0540)),
    ("jumper-jump", (0.0183, 0.0115), (0.0215, 0.0000)),
    ("spinner-spin", (0.0297, 0.0121), (0.0000, 0.0000)),
    ("spinner-spin-backward", (0.0330, 0.0092), (0.0000, 0.0000)),
    ("spinner-jump", (0.0474, 0.0024), (0.0214, 0.0000)),
    ("giraffe-run", (0.2488, 0.0291), (0.2500, 0.0000)),
    ("cartpole-balance-two-poles-sparse", (0.0336, 0.0128), (0.0430, 0.0062)),
    ("cartpole-balance-long-sparse", (0.0563, 0.0288), (0.3407, 0.0451)),
    ("walker-stand-incline", (0.1275, 0.0100), (0.1210, 0.0523)),
    ("walker-walk-incline", (0.0265, 0.0057), (0.0206, 0.0095)),
    ("walker-run-incline", (0.0219, 0.0020), (0.0202, 0.0088)),
    ("walker-arabesque", (0.2369, 0.0160), (0.2622, 0.0405)),
    ("walker-lie-down", (0.2899, 0.0544), (0.5496, 0.3640)),
    ("walker-legs-up", (0.2165, 0.0369), (0.3972, 0.2585)),
    ("walker-headstand", (0.0349, 0.0132), (0.0215, 0.0197)),
    ("spinner-spin-four", (0.0262, 0.0070), (0.0000, 0.0000)),
    ("spinner-spin-backward-four", (0.0302, 0.0095), (0.0000, 0.0000)),
    ("spinner-jump-four", (0.0300, 0.0129), (0.0215, 0.0000)),
];
const REFERENCE_EPISODES: f64 = 20.0;

/// What a fixed roll-out of 20 agent steps brought.
struct Rollout {
    contacts_at_start: usize,
    rewards: Vec<f64>,
    observation: Vec<f32>,
}

fn params(id: &str) -> DmControlParams {
    let registry = Registry::builtin().expect("the tables parse");
    registry.task(id).expect("a known task").params.into_rust().expect("the params fit")
}

fn episode_rng(episode: u64) -> Rng {
    Seed::new(3).rng(Purpose::Episode, 0, episode)
}

/// From `qpos` at rest, control `j` of agent step `k` is `0.9 sin(0.7 k + 1.3 j + 0.2)`. Written as 64-bit numbers, which
/// an action is not, because contacts amplify the difference.
fn roll_out(id: &str, qpos: &[f64]) -> Rollout {
    let params = params(id);
    let mut state = DmControl::new(&params, &mut episode_rng(0));
    state.reset(&params, &mut episode_rng(0));
    let physics = &mut state.physics;
    if id.starts_with("reacher") {
        let target = physics.model().geom("target").expect("a reacher has a target");
        physics.set_field(Field::GeomPos, target.index(), &[0.25, 0.05, 0.01]);
    }
    physics.qpos_mut().copy_from_slice(qpos);
    physics.qvel_mut().fill(0.0);
    physics.settle_state();
    let contacts_at_start = physics.contacts();
    let mut rewards = Vec::new();
    for k in 0..20 {
        for (j, control) in physics.ctrl_mut().iter_mut().enumerate() {
            *control = 0.9 * (0.7 * f64::from(k) + 1.3 * j as f64 + 0.2).sin();
        }
        let mut step = || {
            physics.step(params.task.physics_steps());
            params.task.reward(physics)
        };
        rewards.push(step() + step());
    }
    let mut observation = vec![0.0; params.task.layout().observation_dim()];
    params.task.observe(physics, &mut Row::new(&mut observation));
    Rollout { contacts_at_start, rewards, observation }
}

/// Scores of `episodes` episodes.
fn scores(id: &str, episodes: u64, random: bool) -> Vec<f64> {
    const AGENT_STEPS: usize = 500;
    let params = params(id);
    let mut state = DmControl::new(&params, &mut episode_rng(0));
    let mut action = vec![0.0; params.task.layout().action_dim()];
    let mut policy = Seed::new(4).rng(Purpose::Policy, 0, 0);
    let mut episode = |number| {
        let rng = &mut episode_rng(number);
        state.reset(&params, rng);
        let mut sum = 0.0;
        for _ in 0..AGENT_STEPS {
            if random {
                action.fill_with(|| policy.uniform(-1.0, 1.0) as f32);
            }
            sum += (0..2).map(|_| state.step(&params, &action, rng).reward()).sum::<f64>();
        }
        sum / (2 * AGENT_STEPS) as f64
    };
    (0..episodes).map(&mut episode).collect()
}

/// Whether scores may stem from a distribution of which the reference drew so many episodes with this mean and deviation.
fn check_scores(random: bool) {
    const EPISODES: u64 = 8;
    let check = |&(id, for_random, for_idle): &(&str, (f64, f64), (f64, f64))| {
        let (mean, deviation) = if random { for_random } else { for_idle };
        let found = scores(id, EPISODES, random).iter().sum::<f64>() / EPISODES as f64;
        let spread = deviation * (1.0 / REFERENCE_EPISODES + 1.0 / EPISODES as f64).sqrt();
        // The reference's deviations are estimates too, and its figures have four decimals.
        let allowed = 4.0 * spread + 2e-4;
        ((found - mean).abs() > allowed).then(|| format!("{id}: {found:.4}, expected {mean:.4} +- {allowed:.4}"))
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let off: Vec<String> = thread::scope(|scope| {
        let share = |first| move || SCORES.iter().skip(first).step_by(threads).filter_map(check).collect::<Vec<_>>();
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(share(first))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no episode panics")).collect()
    });
    assert!(off.is_empty(), "{off:#?}");
}

#[test]
fn fixed_rollouts_bring_the_reference_rewards() {
    for &(id, qpos, [first, second, fifth, last, sum]) in ROLLOUTS {
        let rewards = roll_out(id, qpos).rewards;
        let found = [rewards[0], rewards[1], rewards[4], rewards[19], rewards.iter().sum()];
        for (found, expected) in found.into_iter().zip([first, second, fifth, last, sum]) {
            assert!((found - expected).abs() < 2e-6, "{id}: {found}, expected {expected}");
        }
    }
}

#[test]
fn fixed_rollouts_end_in_the_reference_states() {
    for &(id, expected, contacts) in ENDS {
        let (_, qpos, _) = ROLLOUTS.iter().find(|(known, ..)| *known == id).expect("it has a roll-out");
        let rollout = roll_out(id, qpos);
        assert_eq!(rollout.contacts_at_start, contacts, "{id}");
        for (index, (found, expected)) in rollout.observation.iter().zip(expected).enumerate() {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{id}, entry {index}: {found}, expected {expected}");
        }
    }
}

#[test]
fn random_actions_score_as_in_the_reference() {
    check_scores(true);
}

#[test]
fn idle_policies_score_as_in_the_reference() {
    check_scores(false);
}
