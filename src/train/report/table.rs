//! A table of scores for the terminal.

use crate::train::metrics::EpisodeStatistics;

const HEADER: [&str; 5] = ["task", "episodes", "return", "score", "success"];

/// Tasks with their episodes, return (mean ± standard deviation), score and success rate, in aligned columns; the means over
/// tasks below when there are several.
pub fn score_table(statistics: &EpisodeStatistics) -> String {
    let tasks = statistics.summaries();
    let mut rows: Vec<[String; 5]> = vec![HEADER.map(str::to_owned)];
    for task in tasks.iter() {
        rows.push(if task.episodes == 0 {
            [task.id.clone(), "0".to_owned(), "–".to_owned(), "–".to_owned(), "–".to_owned()]
        } else {
            [
                task.id.clone(),
                task.episodes.to_string(),
                format!("{:.1} ± {:.1}", task.return_mean, task.return_std),
                format!("{:.3}", task.score),
                format!("{:.0} %", 100.0 * task.success),
            ]
        });
    }
    let with_episodes = tasks.iter().filter(|task| task.episodes > 0).count();
    if with_episodes > 1 {
        let success =
            tasks.iter().filter(|task| task.episodes > 0).map(|task| task.success).sum::<f64>() / with_episodes as f64;
        rows.push([
            format!("mean of {with_episodes} tasks"),
            statistics.episodes().to_string(),
            String::new(),
            format!("{:.3}", statistics.avg_score()),
            format!("{:.0} %", 100.0 * success),
        ]);
    }
    aligned(&rows)
}

/// Columns padded to their widest cell, the first to the left, the others to the right.
fn aligned(rows: &[[String; 5]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut table = String::new();
    for (index, row) in rows.iter().enumerate() {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        table.push_str(line.trim_end());
        table.push('\n');
        if index == 0 {
            table.push_str(&"─".repeat(widths.iter().sum::<usize>() + 8));
            table.push('\n');
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Registry, TaskSet};
    use crate::train::metrics::EpisodeResult;

    #[test]
    fn columns_are_aligned() {
        let registry = Registry::builtin().expect("tables parse");
        let tasks = TaskSet::parse("pygame-pong,pygame-cowboy,pygame-coinrun", &registry).expect("known");
        let mut statistics = EpisodeStatistics::new(tasks.tasks());
        for (task, episode_return, score) in [(0, 2.0, 0.75), (0, 1.0, 0.5), (1, 312.5, 0.625)] {
            statistics.push(EpisodeResult {
                task,
                episode_return,
                score,
                success: score > 0.6,
                length: 500,
                terminated: false,
            });
        }
        let expected = "\
task             episodes       return  score  success
──────────────────────────────────────────────────────
pygame-pong             2    1.5 ± 0.5  0.625     50 %
pygame-cowboy           1  312.5 ± 0.0  0.625    100 %
pygame-coinrun          0            –      –        –
mean of 2 tasks         3               0.625     75 %
";
        assert_eq!(score_table(&statistics), expected);
    }
}
