//! Replay: rows pushed a second, and time to sample a batch of windows.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use terrarium::data::{Replay, Transition, WindowBuffers};

const OBS: usize = 128;
const ACTION: usize = 16;
const HORIZON: usize = 3;
const BATCH: usize = 1024;
const LANES: usize = 200;
const EPISODE: usize = 500;

/// Pushes `rows` rows, the environments in turn.
fn fill(replay: &mut Replay, rows: usize, start: usize) {
    let (obs, action) = ([0.5; OBS], [0.1; ACTION]);
    for i in start..start + rows {
        let step = i / LANES;
        let row = Transition { obs: &obs, action: &action, reward: 1.0, task: 0, first: step % (EPISODE + 1) == 0 };
        replay.push(i % LANES, &row);
    }
}

fn replay(c: &mut Criterion) {
    let rows = 1_000_000;
    let mut full = Replay::new(rows, LANES, OBS, ACTION, HORIZON);
    fill(&mut full, rows, 0);

    let mut group = c.benchmark_group("replay");
    let pushed = 100_000;
    let mut written = rows;
    group.throughput(Throughput::Elements(pushed as u64));
    group.bench_function("push", |b| {
        b.iter(|| {
            fill(&mut full, pushed, written);
            written += pushed;
        });
    });

    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        state ^ (state >> 32)
    };
    let mut obs = vec![0.0; (HORIZON + 1) * BATCH * OBS];
    let mut action = vec![0.0; HORIZON * BATCH * ACTION];
    let mut reward = vec![0.0; HORIZON * BATCH];
    let mut task = vec![0; BATCH];
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("sample 1024 windows", |b| {
        b.iter_batched(
            || (),
            |()| {
                let mut out =
                    WindowBuffers { obs: &mut obs, action: &mut action, reward: &mut reward, task: &mut task };
                full.sample_into(&mut out, BATCH, 0..BATCH, &mut random).expect("windows");
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, replay);
criterion_main!(benches);
