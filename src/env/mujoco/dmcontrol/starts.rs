//! Starts of episodes have the distributions that their rules state.

use std::f64::consts::PI;

use super::{DmControl, DmControlParams};
use crate::env::Environment;
use crate::env::mujoco::physics::{Field, Physics};
use crate::sim::{Purpose, Seed};
use crate::task::Registry;

/// How a quantity of the first state is drawn.
#[derive(Clone, Copy, Debug)]
enum Drawn {
    Always(f64),
    Uniform(f64, f64),
    /// Mean and standard deviation.
    Normal(f64, f64),
    /// Anything in a range, conditioned on something.
    Within(f64, f64),
}
use Drawn::{Always, Normal, Uniform, Within};

/// A named quantity of a state and how it is drawn.
type Quantity = (&'static str, fn(&Physics) -> f64, Drawn);

const fn degrees(low: f64, high: f64) -> Drawn {
    Uniform(low.to_radians(), high.to_radians())
}

macro_rules! position {
    ($index:literal, $drawn:expr) => {
        (concat!("position ", $index), |physics: &Physics| physics.qpos()[$index], $drawn)
    };
}

macro_rules! velocity {
    ($index:literal, $drawn:expr) => {
        (concat!("velocity ", $index), |physics: &Physics| physics.qvel()[$index], $drawn)
    };
}

/// Position of the first geom called `target`.
fn target(physics: &Physics) -> [f64; 3] {
    physics.geom_position(physics.model().geom("target").expect("a target"))
}

/// From the spinner's hinge to the target, sideways and up.
fn turn_target(physics: &Physics) -> [f64; 2] {
    let target = physics.site_position(physics.model().site("target").expect("a target"));
    let hinge = physics.position(physics.model().body("spinner").expect("a spinner"));
    [target[0] - hinge[0], target[2] - hinge[2]]
}

const WALKER: &[Quantity] = &[
    position!(0, Always(0.0)),
    position!(1, Always(0.0)),
    position!(2, Uniform(-PI, PI)),
    position!(3, degrees(-20.0, 100.0)),
    position!(4, degrees(-150.0, 0.0)),
    position!(5, degrees(-45.0, 45.0)),
    position!(6, degrees(-20.0, 100.0)),
    position!(7, degrees(-150.0, 0.0)),
    position!(8, degrees(-45.0, 45.0)),
    velocity!(3, Always(0.0)),
];

const CHEETAH: &[Quantity] = &[
    position!(1, Within(-0.16, -0.07)),
    ("contacts", |physics| physics.contacts() as f64, Always(2.0)),
    ("time", |physics| physics.raw().1.time, Always(0.0)),
];

const REACHER: &[Quantity] = &[
    position!(0, Uniform(-PI, PI)),
    position!(1, degrees(-160.0, 160.0)),
    ("target distance", |physics| target(physics)[0].hypot(target(physics)[1]), Uniform(0.05, 0.20)),
    ("target direction", |physics| target(physics)[0].atan2(target(physics)[1]), Uniform(-PI, PI)),
    ("target height", |physics| target(physics)[2], Always(0.01)),
    velocity!(0, Always(0.0)),
];

const ACROBOT: &[Quantity] =
    &[position!(0, Uniform(-PI, PI)), position!(1, Uniform(-PI, PI)), velocity!(0, Always(0.0))];

const PENDULUM: &[Quantity] = &[position!(0, Uniform(-PI, PI)), velocity!(0, Always(0.0))];

const BALANCE: &[Quantity] = &[
    position!(0, Uniform(-0.1, 0.1)),
    position!(1, Uniform(-0.034, 0.034)),
    velocity!(0, Normal(0.0, 0.01)),
    velocity!(1, Normal(0.0, 0.01)),
];

const SWING_UP: &[Quantity] = &[
    position!(0, Normal(0.0, 0.01)),
    position!(1, Normal(PI, 0.01)),
    velocity!(0, Normal(0.0, 0.01)),
    velocity!(1, Normal(0.0, 0.01)),
];

const CUP: &[Quantity] = &[
    position!(0, Always(0.0)),
    position!(1, Always(0.0)),
    position!(2, Within(-0.2, 0.2)),
    position!(3, Within(0.2, 0.5)),
    ("contacts", |physics| physics.contacts() as f64, Always(0.0)),
];

const SPIN: &[Quantity] = &[
    position!(0, Within(-110.0 * PI / 180.0, 110.0 * PI / 180.0)),
    position!(1, Within(-110.0 * PI / 180.0, 110.0 * PI / 180.0)),
    position!(2, Within(-PI, PI)),
    ("contacts", |physics| physics.contacts() as f64, Always(0.0)),
    ("hinge damping", |physics| physics.field::<1>(Field::DofDamping, 2)[0], Always(0.03)),
];

const TURN: &[Quantity] = &[
    position!(2, Within(-PI, PI)),
    ("contacts", |physics| physics.contacts() as f64, Always(0.0)),
    ("hinge damping", |physics| physics.field::<1>(Field::DofDamping, 2)[0], Always(0.5)),
    ("target distance", |physics| turn_target(physics)[0].hypot(turn_target(physics)[1]), Always(0.13)),
    ("target direction", |physics| turn_target(physics)[0].atan2(turn_target(physics)[1]), Uniform(-PI, PI)),
];

const FISH: &[Quantity] = &[
    // A component of a uniformly random unit quaternion has mean 0 and variance 1/4.
    position!(3, Normal(0.0, 0.5)),
    position!(6, Normal(0.0, 0.5)),
    position!(7, Uniform(-0.2, 0.2)),
    position!(13, Uniform(-0.2, 0.2)),
    ("target x", |physics| target(physics)[0], Uniform(-0.4, 0.4)),
    ("target y", |physics| target(physics)[1], Uniform(-0.4, 0.4)),
    ("target z", |physics| target(physics)[2], Uniform(0.1, 0.3)),
];

const HOPPER: &[Quantity] = &[
    position!(0, Always(0.0)),
    position!(1, Always(0.0)),
    position!(2, Uniform(-PI, PI)),
    position!(3, degrees(-30.0, 30.0)),
    position!(4, degrees(-170.0, 10.0)),
    position!(5, degrees(5.0, 150.0)),
    position!(6, degrees(-45.0, 45.0)),
];

const QUADRUPED: &[Quantity] = &[
    position!(0, Always(0.0)),
    position!(2, Within(0.2, 1.5)),
    position!(3, Normal(0.0, 0.5)),
    position!(5, Normal(0.0, 0.5)),
    position!(10, Always(0.0)),
    ("contacts", |physics| physics.contacts() as f64, Always(0.0)),
];

const GIRAFFE: &[Quantity] = &[
    position!(1, Within(-0.20, -0.13)),
    position!(2, Within(0.0, 0.1)),
    ("contacts", |physics| physics.contacts() as f64, Always(3.0)),
    ("time", |physics| physics.raw().1.time, Always(0.0)),
];

/// Contacts at rest: limbs at the hub, two tips on the floor.
const JUMPER: &[Quantity] = &[
    position!(1, Within(-0.369, -0.367)),
    ("contacts", |physics| physics.contacts() as f64, Always(1.0 + 2.0)),
    ("time", |physics| physics.raw().1.time, Always(0.0)),
];

const SPINNER: &[Quantity] = &[
    position!(1, Within(-0.369, -0.367)),
    ("contacts", |physics| physics.contacts() as f64, Always(10.0 + 2.0)),
    ("time", |physics| physics.raw().1.time, Always(0.0)),
];

const THREE_LINKS: &[Quantity] = &[
    position!(0, Uniform(-PI, PI)),
    position!(1, degrees(-80.0, 80.0)),
    position!(2, degrees(-80.0, 80.0)),
    ("target distance", |physics| target(physics)[0].hypot(target(physics)[1]), Uniform(0.05, 0.20)),
    ("target direction", |physics| target(physics)[0].atan2(target(physics)[1]), Uniform(-PI, PI)),
];

const TWO_POLES: &[Quantity] = &[
    position!(0, Uniform(-0.1, 0.1)),
    position!(1, Uniform(-0.034, 0.034)),
    position!(2, Uniform(-0.034, 0.034)),
    velocity!(0, Normal(0.0, 0.01)),
    velocity!(2, Normal(0.0, 0.01)),
];

/// Whether the ball starts in the cup, as 1 or 0: it does in 91% of episodes, so the deviation is 0.286.
const CUP_SPIN: &[Quantity] = &[
    position!(2, Within(-0.2, 0.2)),
    position!(3, Within(0.2, 0.5)),
    ("contacts", |physics| physics.contacts() as f64, Always(0.0)),
    (
        "in the cup",
        |physics| f64::from(physics.qpos()[2].abs() < 0.025 && (physics.qpos()[3] - 0.35).abs() < 0.025),
        Normal(0.91, 0.286),
    ),
];

/// Task and what is known of its start; those of a domain that share a start stand for each other.
const STARTS: &[(&str, &[Quantity])] = &[
    ("walker-walk", WALKER),
    ("cheetah-run", CHEETAH),
    ("reacher-easy", REACHER),
    ("reacher-hard", REACHER),
    ("acrobot-swingup", ACROBOT),
    ("pendulum-swingup", PENDULUM),
    ("cartpole-balance", BALANCE),
    ("cartpole-swingup-sparse", SWING_UP),
    ("cup-catch", CUP),
    ("finger-spin", SPIN),
    ("finger-turn-easy", TURN),
    ("fish-swim", FISH),
    ("hopper-hop", HOPPER),
    ("quadruped-run", QUADRUPED),
    ("walker-headstand", WALKER),
    ("walker-stand-incline", WALKER),
    ("cheetah-jump", CHEETAH),
    ("giraffe-run", GIRAFFE),
    ("jumper-jump", JUMPER),
    ("spinner-spin", SPINNER),
    ("reacher-three-hard", THREE_LINKS),
    ("cartpole-balance-long-sparse", BALANCE),
    ("cartpole-balance-two-poles-sparse", TWO_POLES),
    ("cup-spin", CUP_SPIN),
    ("pendulum-spin", PENDULUM),
    ("hopper-hop-backward", HOPPER),
];

#[test]
fn starts_have_their_distributions() {
    /// Standard errors that a moment may be off.
    const ALLOWED: f64 = 5.0;
    let registry = Registry::builtin().expect("tables parse");
    for (id, quantities) in STARTS {
        let params: DmControlParams = registry.task(id).expect("known").read_params().expect("sound");
        let mut rng = Seed::new(4).rng(Purpose::Episode, 0, 0);
        let mut instance = DmControl::new(&params, &mut rng);
        let settles = ["cheetah", "giraffe", "jumper", "spinner"].iter().any(|domain| id.starts_with(domain));
        let draws = if settles { 100 } else { 1000 };
        let mut values = vec![Vec::with_capacity(draws); quantities.len()];
        for _ in 0..draws {
            instance.reset(&params, &mut rng);
            for ((_, value, _), values) in quantities.iter().zip(&mut values) {
                values.push(value(&instance.physics));
            }
        }
        for ((name, _, drawn), values) in quantities.iter().zip(&values) {
            check(&format!("{id}: {name}"), *drawn, values, ALLOWED);
        }
    }
}

fn check(name: &str, drawn: Drawn, values: &[f64], allowed: f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(*x), h.max(*x)));
    // Mean, standard deviation, and kurtosis where it is that of the distribution.
    let moments = |expected: f64, deviation: f64, kurtosis: f64| {
        let error = deviation / count.sqrt();
        assert!((mean - expected).abs() < allowed * error, "{name}: mean {mean}, expected {expected} ± {error}");
        let (found, expected) = (variance, deviation * deviation);
        let error = expected * ((kurtosis - 1.0) / count).sqrt();
        assert!((found - expected).abs() < allowed * error, "{name}: variance {found}, expected {expected} ± {error}");
    };
    match drawn {
        Always(value) => {
            assert!((low - value).abs() < 1e-12 && (high - value).abs() < 1e-12, "{name}: {low} to {high}")
        }
        Within(least, most) => {
            assert!(low >= least && high <= most, "{name}: {low} to {high}");
            assert!(high > low, "{name} is always {low}");
        }
        Uniform(least, most) => {
            assert!(low >= least && high <= most, "{name}: {low} to {high}");
            moments((least + most) / 2.0, (most - least) / 12f64.sqrt(), 1.8);
        }
        Normal(expected, deviation) => moments(expected, deviation, 3.0),
    }
}
