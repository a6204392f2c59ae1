//! The table that the benchmark prints, and the arithmetic behind it.

use std::fmt;
use std::time::Duration;

/// The rows, in order.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<[String; 6]>,
}

impl Table {
    /// Adds a row: what was measured, ours, the other's, how they compare, the aim, and whether it is met.
    pub(super) fn row(&mut self, what: &str, ours: String, other: String, compared: String, aim: Aim) {
        let (aim, verdict) = match aim {
            Aim::None => (String::new(), String::new()),
            Aim::At(text, met) => (text.to_owned(), if met { "meets" } else { "MISSES" }.to_owned()),
        };
        self.rows.push([what.to_owned(), ours, other, compared, aim, verdict]);
    }
}

/// What is aimed at, and whether it was reached.
#[derive(Clone, Copy)]
pub(super) enum Aim {
    /// Nothing was asked; the row informs.
    None,
    /// The aim in words, and whether it is met.
    At(&'static str, bool),
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["", "ours", "other", "compared", "aim", "verdict"].map(str::to_owned);
        let all: Vec<&[String; 6]> = [&head].into_iter().chain(&self.rows).collect();
        let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        for row in all {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        writeln!(f, "\n{NOTE}")
    }
}

/// Measurements of one thing.
#[derive(Default)]
pub(super) struct Samples(Vec<Duration>);

impl Samples {
    pub(super) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub(super) fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// The smallest sample that so many of a hundred do not exceed.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(rank).copied().unwrap_or_default()
    }
}

/// Milliseconds with three digits that matter.
pub(super) fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 1.0 { format!("{ms:.3} ms") } else { format!("{ms:.2} ms") }
}

/// The difference of two durations, in milliseconds with its sign.
pub(super) fn added(ours: Duration, other: Duration) -> f64 {
    (ours.as_secs_f64() - other.as_secs_f64()) * 1000.0
}

/// How many times the other.
pub(super) fn ratio(ours: f64, other: f64) -> f64 {
    if other > 0.0 { ours / other } else { f64::INFINITY }
}

/// A count of bytes in MiB.
#[expect(clippy::cast_precision_loss, reason = "sizes of a process, shown with two digits")]
pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

const NOTE: &str = "\
All figures are of this one run on this machine: compare columns, not runs. Medians, interleaved where two are compared.
`other` is the direct client (hyper and tokio-rustls, keep-alive, none of our code), and curl in a. The server is
testkit's, one thread in a process of its own. The direct client sits in the measuring process; the bridge is one
process more, on the same cores. Memory is what the kernel calls resident: most of it are pages of the program file.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_that_were_taken() {
        let mut samples = Samples::default();
        assert_eq!(samples.median(), Duration::ZERO);
        for sample in (1..=100).rev() {
            samples.push(Duration::from_millis(sample));
        }
        assert_eq!(samples.median(), Duration::from_millis(50));
        assert_eq!(samples.percentile(99), Duration::from_millis(99));
        assert_eq!(samples.percentile(100), Duration::from_millis(100));
    }

    #[test]
    fn a_missed_aim_stands_out_and_columns_line_up() {
        let mut table = Table::default();
        table.row("long name", "1".into(), "2".into(), "0.5".into(), Aim::At("at most 1", true));
        table.row("x", "123".into(), String::new(), String::new(), Aim::At("at most 1", false));
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "long name  1     2      0.5       at most 1  meets");
        assert_eq!(lines[2], "x          123                    at most 1  MISSES");
    }
}
