//! What holds for the lines of any host.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};

use super::lines::{Line, Lines};
use crate::remote::MESSAGE_LIMIT;
use crate::remote::fuzzing::pieces;

/// However its input is cut and however often its reader is dropped, every line comes once, whole
/// and in its order; only lines that are too long or empty do not.
///
/// The first byte says how the rest is cut.
///
/// # Panics
/// When it does not hold.
pub fn lines(data: &[u8]) {
    let Some((seed, input)) = data.split_first() else { return };
    for limit in [MESSAGE_LIMIT, 8] {
        let read = read(pieces(*seed, input), limit);
        let texts: Vec<&[u8]> = read.iter().filter_map(Line::text).collect();
        let lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
        let blank = |line: &[u8]| line.trim_ascii().is_empty();
        let long = |line: &[u8]| line.strip_suffix(b"\n").unwrap_or(line).len() > limit;

        let short = |lines: &[&[u8]]| -> Vec<Vec<u8>> {
            lines.iter().filter(|line| !long(line) && !blank(line)).map(|line| line.to_vec()).collect()
        };
        assert_eq!(short(&texts), short(&lines));
        let mut left = lines.iter();
        assert!(texts.iter().all(|text| left.any(|line| line == text)), "{texts:?} in the order of {lines:?}");
        // A long line comes all the same when it was read in one piece. One that is empty, or has no end, may be told
        // or not.
        let told = read.iter().filter(|line| line.text().is_none_or(long)).count();
        let must = lines.iter().filter(|line| long(line) && !blank(line) && line.ends_with(b"\n")).count();
        let may = lines.iter().filter(|line| long(line)).count();
        assert!((must..=may).contains(&told), "{told} long lines of {must} to {may}");
    }
}

impl Line {
    fn text(&self) -> Option<&[u8]> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// Reads to the end, and drops the reading whenever it waits.
fn read(pieces: Vec<&[u8]>, limit: usize) -> Vec<Line> {
    let mut lines = Lines::new(Pieces { left: pieces.into(), waits: false });
    lines.limit = limit;
    let mut read = Vec::new();
    loop {
        match pin!(lines.next()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => {}
            Poll::Ready(Line::End) => return read,
            Poll::Ready(line) => read.push(line),
        }
    }
}

/// An input that gives one piece at a time, and makes its reader wait before each.
struct Pieces<'a> {
    left: VecDeque<&'a [u8]>,
    waits: bool,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.waits = !self.waits;
        if self.waits {
            return Poll::Pending;
        }
        if let Some(piece) = self.left.pop_front() {
            let (now, later) = piece.split_at(piece.len().min(into.remaining()));
            into.put_slice(now);
            if !later.is_empty() {
                self.left.push_front(later);
            }
        }
        Poll::Ready(Ok(()))
    }
}
