//! The fused operations against the composed ones: values and gradients.

use tch::{Device, Kind, Tensor, no_grad};

use super::{Activation, AdamArgs, AdamBuffers, LayerArgs, RowTerm, composed, native};
use crate::newt::noise::{Noise, SeededNoise};

const CPU: Device = Device::Cpu;

fn assert_close(ours: &Tensor, reference: &Tensor, what: &str) {
    let worst = (ours - reference).abs().max().double_value(&[]);
    let size = reference.abs().max().double_value(&[]).max(1.0);
    assert!(worst <= 2e-5 * size, "{what}: off by {worst:.3e} of {size:.3e}");
}

/// A leaf with a gradient.
fn leaf(noise: &mut SeededNoise, shape: &[i64], scale: f64) -> Tensor {
    no_grad(|| noise.normal(shape, CPU) * scale).set_requires_grad(true)
}

struct Case {
    heads: Option<i64>,
    per_head: bool,
    two_parts: bool,
    lead: Vec<i64>,
    n_in: i64,
    out: i64,
    activation: Activation,
    /// Entries, repeat.
    term: Option<(i64, i64)>,
}

fn check(case: &Case) {
    let mut noise = SeededNoise::new(11);
    let q = case.heads.iter().copied();
    let shape = |tail: &[i64]| q.clone().chain(tail.iter().copied()).collect::<Vec<_>>();
    let second = if case.two_parts { 5 } else { 0 };
    let lead: Vec<i64> = if case.per_head { shape(&case.lead) } else { case.lead.clone() };
    let with = |last: i64| lead.iter().copied().chain([last]).collect::<Vec<_>>();
    let norm = case.activation != Activation::Identity;
    let leaves = [
        leaf(&mut noise, &with(case.n_in), 1.0),
        leaf(&mut noise, &with(second.max(1)), 1.0),
        leaf(&mut noise, &shape(&[case.out, case.n_in + second]), 0.3),
        leaf(&mut noise, &shape(&[case.out]), 0.5),
        leaf(&mut noise, &shape(&[case.out]), 1.0),
        leaf(&mut noise, &shape(&[case.out]), 1.0),
        leaf(&mut noise, &shape(&[case.term.map_or(1, |t| t.0), case.out]), 1.0),
    ];
    let index = Tensor::arange(case.term.map_or(1, |t| t.0), (Kind::Int64, CPU)).flip([0i64].as_slice());
    let args = LayerArgs {
        weight: &leaves[2],
        bias: &leaves[3],
        norm: norm.then_some((&leaves[4], &leaves[5])),
        activation: case.activation,
        per_head: case.per_head,
    };
    let term = case.term.map(|(_, repeat)| RowTerm { table: &leaves[6], index: &index, repeat });
    let x2 = case.two_parts.then_some(&leaves[1]);
    let mut used = vec![&leaves[0], &leaves[2], &leaves[3]];
    used.extend(x2);
    if norm {
        used.extend([&leaves[4], &leaves[5]]);
    }
    used.extend(term.as_ref().map(|t| t.table));

    let fused = native::layer(Some(&leaves[0]), x2, &args, term.as_ref());
    let reference = composed::layer(Some(&leaves[0]), x2, &args, term.as_ref());
    assert_eq!(fused.size(), reference.size());
    assert_close(&fused, &reference, "value");
    let weight = no_grad(|| noise.normal(&fused.size(), CPU));
    let gradients = |y: &Tensor| Tensor::run_backward(&[(y * &weight).sum(Kind::Float)], &used, false, false);
    for (i, (ours, theirs)) in gradients(&fused).iter().zip(gradients(&reference)).enumerate() {
        assert_close(ours, &theirs, &format!("gradient {i}"));
    }
}

#[test]
fn layers_agree_with_composed_operations() {
    let base = Case {
        heads: None,
        per_head: false,
        two_parts: false,
        lead: vec![37],
        n_in: 19,
        out: 48,
        activation: Activation::Mish,
        term: None,
    };
    check(&Case { ..base });
    check(&Case { lead: vec![3, 70], two_parts: true, ..base });
    check(&Case {
        activation: Activation::SimNorm(8),
        lead: vec![3, 14],
        two_parts: true,
        term: Some((14, 1)),
        ..base
    });
    check(&Case { activation: Activation::SimNorm(6), lead: vec![42], term: Some((6, 7)), ..base });
    check(&Case { activation: Activation::Identity, out: 101, lead: vec![100], ..base });
    check(&Case { heads: Some(3), lead: vec![4, 9], two_parts: true, term: Some((9, 1)), ..base });
    check(&Case { heads: Some(3), per_head: true, lead: vec![4, 9], ..base });
    check(&Case { heads: Some(2), per_head: true, activation: Activation::Identity, out: 11, lead: vec![33], ..base });
}

#[test]
fn extreme_rows_stay_finite_and_right() {
    let h = Tensor::from_slice(&[-60.0f32, -25.0, -1.0, 0.0, 1.0, 19.9, 20.1, 60.0]).set_requires_grad(true);
    let eye = Tensor::eye(8, (Kind::Float, CPU));
    let zero = Tensor::zeros([8], (Kind::Float, CPU));
    let gamma = Tensor::full([8], 30.0, (Kind::Float, CPU));
    for activation in [Activation::Mish, Activation::SimNorm(8)] {
        let args = LayerArgs { weight: &eye, bias: &zero, norm: Some((&gamma, &zero)), activation, per_head: false };
        let x = h.reshape([1, 8]);
        let (ours, theirs) = (native::layer(Some(&x), None, &args, None), composed::layer(Some(&x), None, &args, None));
        assert_close(&ours, &theirs, "value");
        let g = |y: Tensor| Tensor::run_backward(&[y.square().sum(Kind::Float)], &[&h], false, false);
        assert_close(&g(ours)[0], &g(theirs)[0], "gradient");
    }
}

#[test]
fn discrete_regression_agrees_with_composed_operations() {
    let mut noise = SeededNoise::new(5);
    let logits = leaf(&mut noise, &[3, 4, 10, 101], 3.0);
    let target = no_grad(|| noise.normal(&[4, 10], CPU).sinh() * 50.0);
    let weight = no_grad(|| noise.normal(&[4, 10], CPU).abs());
    let ours = native::cross_entropy(&logits, &target, &weight, -10.0, 10.0);
    let theirs = composed::cross_entropy(&logits, &target, &weight, -10.0, 10.0);
    assert_close(&ours, &theirs, "cross entropy");
    let g = |y: &Tensor| Tensor::run_backward(&[y * 0.7], &[&logits], false, false);
    assert_close(&g(&ours)[0], &g(&theirs)[0], "gradient of cross entropy");

    let (ours, theirs) = (native::decode(&logits, -10.0, 10.0), composed::decode(&logits, -10.0, 10.0));
    assert_close(&ours, &theirs, "decode");
    let weight = no_grad(|| noise.normal(&ours.size(), CPU));
    let g = |y: &Tensor| Tensor::run_backward(&[(y * &weight).sum(Kind::Float)], &[&logits], false, false);
    assert_close(&g(&ours)[0], &g(&theirs)[0], "gradient of decode");
}

#[test]
fn adam_agrees_with_composed_operations() {
    let mut noise = SeededNoise::new(9);
    let clip = Tensor::from(0.3f32);
    let start: Vec<Tensor> = (0..3).map(|_| noise.normal(&[70_001], CPU)).collect();
    let buffers = || AdamBuffers {
        param: start[0].copy(),
        grad: start[1].copy(),
        first: start[2].copy(),
        second: start[2].square(),
    };
    let args = AdamArgs { lr: 1e-2, eps: 1e-5, betas: (0.9, 0.999), step: 3 };
    let (ours, theirs) = (buffers(), buffers());
    let keep = |b: &AdamBuffers| [&b.param, &b.grad, &b.first, &b.second].map(Tensor::shallow_clone);
    let (after_ours, after_theirs) = (keep(&ours), keep(&theirs));
    native::adam(ours, &clip, &args);
    composed::adam(theirs, &clip, &args);
    for (name, (a, b)) in ["param", "grad", "first", "second"].iter().zip(after_ours.iter().zip(&after_theirs)) {
        assert_close(a, b, name);
    }
    assert_eq!(after_ours[1].abs().max().double_value(&[]), 0.0);
}

#[test]
fn bfloat16_layers_are_float32_layers_rounded() {
    let mut noise = SeededNoise::new(2);
    let x = noise.normal(&[64, 24], CPU).to_kind(Kind::BFloat16);
    let x2 = noise.normal(&[64, 5], CPU).to_kind(Kind::BFloat16);
    let weight = noise.normal(&[2, 32, 29], CPU).to_kind(Kind::BFloat16);
    let bias = noise.normal(&[2, 32], CPU);
    let table = noise.normal(&[2, 4, 32], CPU);
    let index = Tensor::from_slice(&[3i64, 0, 2, 1]);
    let args = |weight| LayerArgs {
        weight,
        bias: &bias,
        norm: Some((&bias, &bias)),
        activation: Activation::Mish,
        per_head: false,
    };
    let term = RowTerm { table: &table, index: &index, repeat: 16 };
    let ours = native::layer_bf16(Some(&x), Some(&x2), &args(&weight), Some(&term)).to_kind(Kind::Float);
    let wide = |t: &Tensor| t.to_kind(Kind::Float);
    let reference = composed::layer(Some(&wide(&x)), Some(&wide(&x2)), &args(&wide(&weight)), Some(&term));
    let worst = (ours - &reference).abs().max().double_value(&[]) / reference.abs().max().double_value(&[]);
    assert!(worst < 0.02, "off by {worst}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let run = |threads| {
        tch::set_num_threads(threads);
        let mut noise = SeededNoise::new(1);
        let (x, w) = (leaf(&mut noise, &[300, 64], 1.0), leaf(&mut noise, &[128, 64], 1.0));
        let v = leaf(&mut noise, &[128], 1.0);
        let args =
            LayerArgs { weight: &w, bias: &v, norm: Some((&v, &v)), activation: Activation::Mish, per_head: false };
        let y = native::layer(Some(&x), None, &args, None);
        Tensor::run_backward(&[y.square().sum(Kind::Float)], &[&x, &w, &v], false, false)
    };
    let before = tch::get_num_threads();
    let (one, two) = (run(1), run(2));
    tch::set_num_threads(before);
    for (a, b) in one.iter().zip(two) {
        assert_eq!(*a, b);
    }
}
