//! What came of the play: figures, and complaints.

use std::fmt::Write as _;
use std::time::Duration;

use super::process::Holds;
use super::world::Tally;
use crate::programs::Outcome;

/// What came of one host.
pub(super) struct Report {
    pub(super) name: &'static str,
    /// How often what was said and heard.
    pub(super) tally: Tally,
    pub(super) troubles: Tally,
    pub(super) complaints: Vec<String>,
    /// The memory in KiB, twice a second, while there was trouble.
    pub(super) samples: Vec<u64>,
    /// What the bridge held when all had begun.
    pub(super) first: Holds,
    /// The same in the end: with the connections that wait for their next use, and after they were cut.
    pub(super) last: Vec<Holds>,
    /// How long it took to end.
    pub(super) took: Option<Duration>,
}

/// The figures of all; an error with every complaint below them, if there is one.
pub(super) fn all(mut reports: Vec<Report>, seed: u64) -> Outcome<String> {
    reports.sort_by_key(|report| report.name);
    let (mut figures, mut complaints) = (String::new(), String::new());
    let mut sum = Tally::new();
    for mut report in reports {
        report.judge();
        writeln!(figures, "{}", report.figures())?;
        for (name, number) in report.tally.iter().chain(&report.troubles) {
            *sum.entry(name.clone()).or_default() += number;
        }
        for complaint in report.complaints {
            writeln!(complaints, "{}: {complaint}", report.name)?;
        }
    }
    write!(figures, "all:\n    {}", told(&sum))?;
    if complaints.is_empty() { Ok(figures) } else { Err(format!("{figures}\nwith seed {seed}:\n{complaints}").into()) }
}

impl Report {
    /// Complains of figures that are not as they should be.
    fn judge(&mut self) {
        let count = |tally: &Tally, name: &str| tally.get(name).copied().unwrap_or(0);
        let (calls, echoes) = (count(&self.tally, "calls"), count(&self.tally, "answers to echo"));
        // Otherwise there was trouble alone, and nothing was tried.
        if echoes * 10 < calls {
            self.complaints.push(format!("of {calls} calls, mostly of echo, {echoes} echoes came back"));
        }
        if self.troubles.values().sum::<u64>() == 0 {
            self.complaints.push("there was no trouble".to_owned());
        }
        let (before, after) = self.memory();
        if after > before + before / 100 * GROWTH + WARM_UP {
            self.complaints.push(format!("its memory went from {before} to {after} KiB"));
        }
        let waiting = self.last.first().map_or(0, |last| last.files);
        if waiting > self.first.files + WAITING {
            self.complaints.push(format!("it has {waiting} open files, with more connections than its calls need"));
        }
        let files = self.last.last().map_or(0, |last| last.files);
        if files > self.first.files + FILES {
            self.complaints.push(format!("it has {files} open files, and had {} at first", self.first.files));
        }
    }

    /// The medians of the second quarter of the time, when all has been used once, and of the last.
    fn memory(&self) -> (u64, u64) {
        let quarter = self.samples.len() / 4;
        let median = |samples: &[u64]| {
            let mut samples = samples.to_vec();
            samples.sort_unstable();
            samples.get(samples.len() / 2).copied().unwrap_or(0)
        };
        (median(&self.samples[quarter..2 * quarter]), median(&self.samples[3 * quarter..]))
    }

    fn figures(&self) -> String {
        let (before, after) = self.memory();
        let last: Vec<String> = self.last.iter().map(|last| last.files.to_string()).collect();
        let took = self.took.map_or("no good end".to_owned(), |took| format!("ended in {} ms", took.as_millis()));
        let memory =
            format!("RSS {} KiB at first, {before} in the second quarter, {after} in the last", self.first.kib);
        let files = format!("files {} at first, {} at last", self.first.files, last.join(", without connections "));
        let (heard, troubles) = (told(&self.tally), told(&self.troubles));
        format!("{}:\n    {heard}\n    {troubles}\n    {memory}; {files}; {took}", self.name)
    }
}

fn told(tally: &Tally) -> String {
    tally.iter().map(|(name, number)| format!("{name} {number}")).collect::<Vec<_>>().join(", ")
}

/// By how much the memory may grow from the second quarter to the last, in percent: the largest messages at once are a
/// matter of chance, and the allocator keeps what it had.
const GROWTH: u64 = 25;

/// The same in KiB, for a play so short that the second quarter has not seen everything yet.
const WARM_UP: u64 = 2048;

/// How many files more may be open in the end: a connection that is just being opened anew.
const FILES: usize = 3;

/// How many connections may wait for their next use: as many calls as run at once, and what was sent beside them.
const WAITING: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let tally = |all: &[(&str, u64)]| all.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
        let held = Holds { kib: 1000, files: 10 };
        Report {
            name: "x",
            tally: tally(&[("calls", 100), ("answers to echo", 40)]),
            troubles: tally(&[("Cut", 3)]),
            complaints: Vec::new(),
            samples: vec![900, 900, 1000, 1000, 1000, 1000, 1200, 1100],
            first: held,
            last: vec![Holds { files: 30, ..held }, Holds { files: 12, ..held }],
            took: Some(Duration::from_millis(3)),
        }
    }

    fn complaints(change: impl Fn(&mut Report)) -> String {
        let mut report = report();
        change(&mut report);
        all(vec![report], 1).err().map(|told| told.to_string()).unwrap_or_default()
    }

    #[test]
    fn each_figure_can_fail() {
        assert_eq!(complaints(|_| ()), "");
        assert!(complaints(|report| report.samples[6..].fill(3300)).contains("from 1000 to 3300 KiB"));
        assert!(complaints(|report| report.last[1].files = 14).contains("14 open files, and had 10"));
        assert!(complaints(|report| report.last[0].files = 111).contains("more connections than its calls need"));
        assert!(complaints(|report| report.troubles.clear()).contains("no trouble"));
        assert!(complaints(|report| *report.tally.entry("calls".to_owned()).or_default() = 401).contains("40 echoes"));
        assert!(complaints(|report| report.complaints.push("y".to_owned())).contains("with seed 1:\nx: y"));
    }
}
