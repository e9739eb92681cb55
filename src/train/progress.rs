//! How far a run is, on stderr: a bar on a terminal, a plain line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::config::grouped;
use super::metrics::Values;

/// Time between plain lines where there is no terminal.
const LINE_PERIOD: Duration = Duration::from_secs(10);
/// Time between drawings of the bar.
const DRAW_PERIOD: Duration = Duration::from_millis(200);
/// Time constant of the rate: steps longer ago than this hardly count.
const RATE_SECS: f64 = 15.0;

/// Losses that are shown, with their short names.
const LOSSES: [(&str, &str); 4] =
    [("consistency_loss", "latent"), ("reward_loss", "reward"), ("value_loss", "value"), ("pi_loss", "policy")];

/// Tells on stderr how far a run is.
pub struct Progress {
    unit: &'static str,
    total: u64,
    rate: Rate,
    score: Option<f64>,
    losses: String,
    output: Output,
}

enum Output {
    Bar { bar: ProgressBar, drawn: Instant },
    Lines { last: Instant },
}

impl Progress {
    /// Starts at `done` of `total`; `unit` is what is counted, such as `steps`.
    pub fn new(unit: &'static str, total: u64, done: u64) -> Self {
        let now = Instant::now();
        let output = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            bar.set_style(style());
            bar.set_position(done);
            Output::Bar { bar, drawn: now }
        } else {
            Output::Lines { last: now }
        };
        Self { unit, total, rate: Rate::new(now, done), score: None, losses: String::new(), output }
    }

    /// Counts something else from now on: `unit`, from `done` to `total`.
    pub fn count(&mut self, unit: &'static str, total: u64, done: u64) {
        (self.unit, self.total, self.rate) = (unit, total, Rate::new(Instant::now(), done));
        self.losses.clear();
        if let Output::Bar { bar, .. } = &self.output {
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    /// The latest mean score, shown from now on.
    pub fn score(&mut self, score: f64) {
        self.score = Some(score);
    }

    /// The latest losses by the reference's names, shown from now on.
    pub fn losses(&mut self, values: &Values) {
        let loss = |(name, short): &(&str, &str)| values.get(name).map(|value| format!("{short} {value:.3}"));
        self.losses = LOSSES.iter().filter_map(loss).collect::<Vec<_>>().join(" ");
    }

    /// Stands at `done` now; cheap enough for every step.
    pub fn set(&mut self, done: u64) {
        let now = Instant::now();
        match &mut self.output {
            Output::Bar { bar, drawn } if now - *drawn >= DRAW_PERIOD => {
                *drawn = now;
                self.rate.add(now, done);
                bar.set_message(status(self.unit, done, self.total, &self.rate, self.score, &self.losses));
                bar.set_position(done.min(self.total));
            }
            Output::Lines { last } if now - *last >= LINE_PERIOD => {
                *last = now;
                self.rate.add(now, done);
                let percent = 100.0 * done.min(self.total) as f64 / self.total.max(1) as f64;
                let words = status(self.unit, done, self.total, &self.rate, self.score, &self.losses);
                eprintln!("{percent:3.0} % {words}");
            }
            _ => {}
        }
    }

    /// Takes the time since the last step out of the rate: it went into something else, such as an evaluation.
    pub fn skip_time(&mut self, done: u64) {
        self.rate.skip(Instant::now(), done);
    }

    /// Prints a line without disturbing the bar.
    pub fn say(&self, line: &str) {
        match &self.output {
            Output::Bar { bar, .. } => bar.suspend(|| eprintln!("{line}")),
            Output::Lines { .. } => eprintln!("{line}"),
        }
    }

    /// Takes the bar off the screen.
    pub fn finish(self) {
        if let Output::Bar { bar, .. } = &self.output {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    let template = "{bar:14.cyan/238} {percent:>3} % {wide_msg}";
    ProgressStyle::with_template(template).expect("the template is sound").progress_chars("━╸━")
}

/// Everything but the bar, what matters most first: place, score, time left, rate, losses.
fn status(unit: &str, done: u64, total: u64, rate: &Rate, score: Option<f64>, losses: &str) -> String {
    let mut words = format!("{}/{} {unit}", grouped(done), grouped(total));
    if let Some(score) = score {
        words.push_str(&format!(" · score {score:.2}"));
    }
    if let Some(rate) = rate.per_sec().filter(|rate| *rate > 0.0) {
        let rounded = if rate < 10.0 { format!("{rate:.1}") } else { grouped(rate.round() as u64) };
        words.push_str(&format!(" · {} left · {rounded}/s", duration(total.saturating_sub(done) as f64 / rate)));
    }
    if !losses.is_empty() {
        words.push_str(&format!(" · {losses}"));
    }
    words
}

/// A duration in its two largest units, such as `2 h 05 min`.
pub fn duration(secs: f64) -> String {
    let secs = secs.round().max(0.0) as u64;
    match (secs / 86_400, secs / 3600 % 24, secs / 60 % 60, secs % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, min, s) => format!("{min} min {s:02} s"),
        (0, h, min, _) => format!("{h} h {min:02} min"),
        (d, h, ..) => format!("{d} d {h:02} h"),
    }
}

/// Steps per second, older ones fading away.
struct Rate {
    at: Instant,
    done: u64,
    /// Faded steps and the time they took, s.
    sums: (f64, f64),
}

impl Rate {
    fn new(at: Instant, done: u64) -> Self {
        Self { at, done, sums: (0.0, 0.0) }
    }

    fn add(&mut self, now: Instant, done: u64) {
        let secs = now.saturating_duration_since(self.at).as_secs_f64();
        let kept = (-secs / RATE_SECS).exp();
        self.sums = (self.sums.0 * kept + done.saturating_sub(self.done) as f64, self.sums.1 * kept + secs);
        (self.at, self.done) = (now, done);
    }

    fn skip(&mut self, now: Instant, done: u64) {
        (self.at, self.done) = (now, done);
    }

    fn per_sec(&self) -> Option<f64> {
        (self.sums.1 > 0.0).then(|| self.sums.0 / self.sums.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_a_change_and_leaves_pauses_out() {
        let start = Instant::now();
        let at = |secs: u64| start + Duration::from_secs(secs);
        let mut rate = Rate::new(start, 500);
        assert_eq!(rate.per_sec(), None);
        for second in 1..=60 {
            rate.add(at(second), 500 + 100 * second);
        }
        assert!((rate.per_sec().expect("known") - 100.0).abs() < 1e-9);
        rate.skip(at(1000), 6500);
        rate.add(at(1001), 6600);
        assert!((rate.per_sec().expect("known") - 100.0).abs() < 1e-9, "an evaluation is not counted");
        for second in 1..=60 {
            rate.add(at(1001 + second), 6600 + 10 * second);
        }
        assert!((rate.per_sec().expect("known") - 10.0).abs() < 3.0, "{:?}", rate.per_sec());
    }

    #[test]
    fn the_status_tells_place_rate_time_score_and_losses() {
        let start = Instant::now();
        let mut rate = Rate::new(start, 0);
        rate.add(start + Duration::from_secs(10), 12_000);
        let words = status("steps", 12_000, 30_000, &rate, Some(0.614), "reward 0.120");
        assert_eq!(words, "12_000/30_000 steps · score 0.61 · 15 s left · 1200/s · reward 0.120");
    }

    #[test]
    fn durations_have_two_units() {
        for (secs, words) in [(0.4, "0 s"), (75.0, "1 min 15 s"), (7500.0, "2 h 05 min"), (200_000.0, "2 d 07 h")] {
            assert_eq!(duration(secs), words);
        }
    }
}
