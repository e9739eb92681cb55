use super::*;

/// SplitMix64, as a stream of random bits.
fn bits(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Rows that say where they come from: observation `[lane, episode, step]`, action `[episode, step]`, reward `step`.
struct Writer {
    episode: Vec<usize>,
    step: Vec<usize>,
}

impl Writer {
    fn new(lanes: usize) -> Self {
        Self { episode: vec![0; lanes], step: vec![0; lanes] }
    }

    /// Pushes the next row of a lane whose episodes have `steps` steps.
    fn push(&mut self, replay: &mut Replay, lane: usize, steps: usize) {
        let (e, t) = (self.episode[lane], self.step[lane]);
        let row = Transition {
            obs: &[lane as f32, e as f32, t as f32],
            action: &[e as f32, t as f32],
            reward: t as f32,
            task: (lane * 1000 + e) as i32,
            first: t == 0,
        };
        replay.push(lane, &row);
        (self.episode[lane], self.step[lane]) = if t == steps { (e + 1, 0) } else { (e, t + 1) };
    }
}

struct Batch {
    obs: Vec<f32>,
    action: Vec<f32>,
    reward: Vec<f32>,
    task: Vec<i32>,
}

const H: usize = 3;

impl Batch {
    fn new(batch: usize) -> Self {
        let (obs, action) = (vec![-1.0; (H + 1) * batch * 3], vec![-1.0; H * batch * 2]);
        Self { obs, action, reward: vec![-1.0; H * batch], task: vec![-1; batch] }
    }

    fn buffers(&mut self) -> WindowBuffers<'_> {
        let Self { obs, action, reward, task } = self;
        WindowBuffers { obs, action, reward, task }
    }

    /// Lane, episode and first step of a window, after checking that it is one stretch of one episode.
    fn window(&self, batch: usize, b: usize) -> (usize, usize, usize) {
        let obs = |t: usize| &self.obs[(t * batch + b) * 3..][..3];
        let (lane, episode, first) = (obs(0)[0], obs(0)[1], obs(0)[2]);
        for t in 0..=H {
            assert_eq!(obs(t), [lane, episode, first + t as f32]);
        }
        for t in 0..H {
            let at = t * batch + b;
            assert_eq!(self.action[at * 2..][..2], [episode, first + t as f32 + 1.0], "the action that led to t + 1");
            assert_eq!(self.reward[at], first + t as f32 + 1.0);
        }
        assert_eq!(self.task[b], lane as i32 * 1000 + episode as i32);
        (lane as usize, episode as usize, first as usize)
    }
}

#[test]
fn windows_never_cross_an_episode() {
    let mut replay = Replay::new(600, 3, 3, 2, H);
    let mut writer = Writer::new(3);
    for _ in 0..150 {
        for lane in 0..3 {
            writer.push(&mut replay, lane, [5, 2, 7][lane]); // lane 1's episodes are too short for a window
        }
    }
    let mut batch = Batch::new(512);
    replay.sample_into(&mut batch.buffers(), 512, 0..512, bits(1)).expect("windows");
    for b in 0..512 {
        let (lane, _, first) = batch.window(512, b);
        assert_ne!(lane, 1);
        assert!(first + H <= [5, 2, 7][lane]);
    }
}

#[test]
fn every_stored_window_is_found_after_wrapping_around_and_no_other() {
    let (lanes, lane_rows) = (2, 23);
    let mut replay = Replay::new(lanes * lane_rows, lanes, 3, 2, H);
    let mut writer = Writer::new(lanes);
    let mut history: Vec<Vec<(usize, usize)>> = vec![Vec::new(); lanes];
    for round in 0..400 {
        for (lane, rows) in history.iter_mut().enumerate() {
            rows.push((writer.episode[lane], writer.step[lane]));
            writer.push(&mut replay, lane, 4 + (round / 40 + lane) % 5);
        }
        let mut expected = Vec::new();
        for (lane, rows) in history.iter().enumerate() {
            let kept = &rows[rows.len().saturating_sub(lane_rows)..];
            expected.extend(kept.windows(H + 1).filter(|w| w[0].0 == w[H].0).map(|w| (lane, w[0].0, w[0].1)));
        }
        let mut found: Vec<_> = (0..replay.windows())
            .map(|i| {
                let mut batch = Batch::new(1);
                replay.copy_window(replay.windows.ends[i] as usize, &mut batch.buffers(), 1, 0);
                batch.window(1, 0)
            })
            .collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "after {round} rows");
    }
    assert_eq!(replay.len(), lanes * lane_rows);
}

#[test]
fn a_ring_of_the_least_size_holds_at_most_one_window() {
    let mut replay = Replay::new(1, 1, 3, 2, H);
    let mut writer = Writer::new(1);
    for _ in 0..50 {
        writer.push(&mut replay, 0, 6);
        assert!(replay.windows() <= 1);
    }
}

#[test]
fn windows_are_drawn_uniformly() {
    let mut replay = Replay::new(100, 2, 3, 2, H);
    let mut writer = Writer::new(2);
    for _ in 0..40 {
        writer.push(&mut replay, 0, 9);
        writer.push(&mut replay, 1, 5);
    }
    let n = replay.windows();
    let mut counts = std::collections::BTreeMap::new();
    let (mut random, mut batch) = (bits(3), Batch::new(1000));
    let rounds = n;
    for _ in 0..rounds {
        replay.sample_into(&mut batch.buffers(), 1000, 0..1000, &mut random).expect("windows");
        for b in 0..1000 {
            *counts.entry(batch.window(1000, b)).or_insert(0u32) += 1;
        }
    }
    assert_eq!(counts.len(), n);
    let chi2: f64 = counts.values().map(|&c| (f64::from(c) - 1000.0).powi(2) / 1000.0).sum();
    let freedom = (n - 1) as f64;
    assert!((chi2 - freedom).abs() < 5.0 * (2.0 * freedom).sqrt(), "chi-squared {chi2} for {freedom}");
}

#[test]
fn an_empty_buffer_says_so() {
    let mut replay = Replay::new(100, 1, 3, 2, H);
    let mut writer = Writer::new(1);
    for _ in 0..20 {
        writer.push(&mut replay, 0, 2);
    }
    let error = replay.sample_into(&mut Batch::new(4).buffers(), 4, 0..4, bits(1)).expect_err("no window");
    assert!(error.to_string().contains("20 rows"), "{error}");
}

#[test]
fn half_of_a_mixed_batch_are_demonstrations() {
    let filled = |lanes: usize| {
        let mut replay = Replay::new(400, lanes, 3, 2, H);
        let mut writer = Writer::new(lanes);
        for _ in 0..50 {
            writer.push(&mut replay, lanes - 1, 9);
        }
        replay
    };
    let mut mix = ReplayMix { online: filled(1), demonstrations: Some(filled(2)) };
    let mut batch = Batch::new(64);
    mix.sample_into(&mut batch.buffers(), 64, bits(1)).expect("windows");
    for b in 0..64 {
        assert_eq!(batch.window(64, b).0, usize::from(b < 32), "demonstrations come from lane 1 here");
    }
    mix.demonstrations = None;
    mix.sample_into(&mut batch.buffers(), 64, bits(1)).expect("windows");
    assert!((0..64).all(|b| batch.window(64, b).0 == 0));
}

#[test]
fn a_restored_buffer_goes_on_with_the_same_bytes() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("online.replay");
    let mut replay = Replay::new(90, 3, 3, 2, H);
    let mut writer = Writer::new(3);
    for round in 0..57 {
        for lane in 0..3 {
            if round > lane * 40 {
                writer.push(&mut replay, lane, 6); // the last lane is only partly filled
            }
        }
    }
    replay.save(&path).expect("saved");
    let mut restored = Replay::load(&path).expect("loaded");
    assert_eq!(replay, restored);
    let mut same_writer = Writer { episode: writer.episode.clone(), step: writer.step.clone() };
    for _ in 0..50 {
        writer.push(&mut replay, 1, 6);
        same_writer.push(&mut restored, 1, 6);
    }
    let (mut a, mut b) = (Batch::new(64), Batch::new(64));
    replay.sample_into(&mut a.buffers(), 64, 0..64, bits(5)).expect("windows");
    restored.sample_into(&mut b.buffers(), 64, 0..64, bits(5)).expect("windows");
    assert_eq!((a.obs, a.task), (b.obs, b.task));
}

#[test]
fn damaged_files_are_explained() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("online.replay");
    let mut replay = Replay::new(60, 2, 3, 2, H);
    let mut writer = Writer::new(2);
    for _ in 0..30 {
        writer.push(&mut replay, 0, 6);
    }
    replay.save(&path).expect("saved");
    let whole = std::fs::read(&path).expect("read");
    for cut in [0, 5, 30, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).expect("written");
        let message = Replay::load(&path).expect_err("cut off").to_string();
        assert!(message.contains("damaged"), "{message}");
    }
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    std::fs::write(&path, &flipped).expect("written");
    assert!(Replay::load(&path).expect_err("altered").to_string().contains("checksum"));
    let missing = Replay::load(&dir.path().join("none")).expect_err("missing").to_string();
    assert!(missing.starts_with("cannot read"), "{missing}");
}
