//! Replay: rows stored and windows drawn. Bars: 2.5M rows/s pushed, 1,024 windows in 100 µs.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use terrarium::data::{Replay, ReplayRow, SampleBuffers};

const ROWS: usize = 1_000_000;
const ENVIRONMENTS: usize = 200;
const EPISODE: usize = 500;
const BATCH: usize = 1024;
const HORIZON: usize = 3;

fn fill(replay: &mut Replay, obs_dim: usize, rows: std::ops::Range<usize>) {
    let (observation, action) = ([0.5; 128], [0.1; 16]);
    for row in rows {
        let first = (row / ENVIRONMENTS).is_multiple_of(EPISODE + 1);
        let row_data = ReplayRow { observation: &observation[..obs_dim], action: &action, reward: 1.0, task: 0, first };
        replay.push(row % ENVIRONMENTS, &row_data);
    }
}

fn replay(c: &mut Criterion) {
    // Padded rows of a multitask run, and the rows of a small task.
    for (obs_dim, action_dim) in [(128, 16), (8, 2)] {
        let mut full = Replay::new(ROWS, HORIZON, obs_dim, action_dim);
        fill(&mut full, obs_dim, 0..ROWS);
        let mut group = c.benchmark_group(format!("replay, rows of {obs_dim} + {action_dim}"));
        let (pushed, mut written) = (100_000, ROWS);
        group.throughput(Throughput::Elements(pushed as u64));
        group.bench_function("push", |b| {
            b.iter(|| {
                fill(&mut full, obs_dim, written..written + pushed);
                written += pushed;
            });
        });
        let mut state = 1u64;
        let mut random = move || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            state ^ (state >> 32)
        };
        let mut sample = SampleBuffers::new(&full, BATCH);
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function("sample 1,024 windows", |b| b.iter(|| sample.fill(&full, &mut random)));
        group.finish();
    }
}

criterion_group!(benches, replay);
criterion_main!(benches);
