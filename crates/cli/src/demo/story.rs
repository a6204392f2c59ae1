//! Tells the steps as they happen, each with the time that it took.

use std::time::Instant;

use crate::render::{self, Ink, Paint, WIDTH};

/// A story in numbered steps.
pub(super) struct Story {
    paint: Paint,
    steps: usize,
    since: Instant,
    begun: Instant,
}

impl Story {
    pub(super) fn begin(title: &str) -> Self {
        let paint = Paint::stdout();
        render::answer(&render::wrapped(title, 0));
        let now = Instant::now();
        Self { paint, steps: 0, since: now, begun: now }
    }

    /// Tells a step that is done; its time is that since the step before.
    pub(super) fn step(&mut self, title: &str, details: &[&str]) {
        self.steps += 1;
        let time = format!("{:.1} ms", self.since.elapsed().as_secs_f64() * 1e3);
        let number = self.paint.ink(Ink::Good, &format!("{:>2} ", self.steps)).into_owned();
        render::answer(&format!("\n{}", self.with_time(&render::beside(&number, INDENT, title), &time)));
        for detail in details {
            render::answer(&render::wrapped(detail, INDENT + 2 + leading_blanks(detail)));
        }
        self.since = Instant::now();
    }

    pub(super) fn end(&self, title: &str) {
        let seconds = format!("{:.2} s", self.begun.elapsed().as_secs_f64());
        let text = self.with_time(&render::wrapped(title, 0), &seconds);
        render::answer(&format!("\n{}", self.paint.ink(Ink::Strong, &text)));
    }

    /// The time stands at the right edge: beside the last line if there is room, else under it.
    fn with_time(&self, text: &str, time: &str) -> String {
        let last = text.lines().last().unwrap_or_default();
        let coloured = last.matches('\u{1b}').count() / 2 * ESCAPES;
        let used = last.chars().count().saturating_sub(coloured);
        let room = WIDTH.saturating_sub(used);
        let time_inked = self.paint.ink(Ink::Faint, time);
        if room > time.len() {
            format!("{text}{}{time_inked}", " ".repeat(room - time.len()))
        } else {
            format!("{text}\n{}{time_inked}", " ".repeat(WIDTH - time.len()))
        }
    }
}

fn leading_blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches(' ').len()
}

/// The width of a step's number.
const INDENT: usize = 3;

/// The characters of one colour switched on and off: `ESC[32m` and `ESC[0m`.
const ESCAPES: usize = 9;
