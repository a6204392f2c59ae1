//! Lines of the host, read so that nothing is lost when another event comes first.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::remote::MESSAGE_LIMIT;

/// Reads lines; [`Lines::next`] may be dropped and called again at any time.
pub(super) struct Lines<R> {
    /// The length beyond which a line may be skipped.
    pub(super) limit: usize,
    input: R,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line break.
    searched: usize,
    /// The ends of a line that is too long, while what is between them is being skipped.
    skipping: Option<Ends>,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line that is not empty, without its end.
    Text(Bytes),
    /// The ends of a line beyond the limit, of which the rest was skipped.
    TooLong(Ends),
    /// The input has ended, or cannot be read any more.
    End,
}

/// The ends of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) beginning: Bytes,
    pub(super) end: Vec<u8>,
}

impl Ends {
    /// Goes on with what follows.
    fn follow(&mut self, text: &[u8]) {
        self.end.extend_from_slice(&text[text.len().saturating_sub(END)..]);
        self.end.drain(..self.end.len().saturating_sub(END));
    }
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { limit: MESSAGE_LIMIT, input, buffer: BytesMut::new(), searched: 0, skipping: None }
    }

    /// The next line. It is cancel-safe: what was read stays in the buffer.
    pub(super) async fn next(&mut self) -> Line {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
                let line = self.buffer.split_to(self.searched + at + 1).freeze();
                self.searched = 0;
                if let Some(mut ends) = self.skipping.take() {
                    ends.follow(&line);
                    return Line::TooLong(ends);
                }
                if !line.trim_ascii().is_empty() {
                    return Line::Text(line);
                }
                continue;
            }
            self.searched = self.buffer.len();
            if self.skipping.is_none() && self.buffer.len() > self.limit {
                let beginning = Bytes::copy_from_slice(&self.buffer[..END.min(self.limit)]);
                let mut ends = Ends { beginning, end: Vec::new() };
                ends.follow(&self.buffer);
                self.skipping = Some(ends);
                // Its memory is given back.
                self.buffer = BytesMut::new();
                self.searched = 0;
            } else if let Some(ends) = &mut self.skipping {
                ends.follow(&self.buffer);
                self.buffer.clear();
                self.searched = 0;
            }
            self.buffer.reserve(CHUNK);
            match self.input.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return self.last(),
                Ok(_) => {}
            }
        }
    }

    /// A last line without an end counts too.
    fn last(&mut self) -> Line {
        let line = self.buffer.split().freeze();
        self.searched = 0;
        match self.skipping.take() {
            Some(mut ends) => {
                ends.follow(&line);
                Line::TooLong(ends)
            }
            None if line.trim_ascii().is_empty() => Line::End,
            None => Line::Text(line),
        }
    }
}

const CHUNK: usize = 16 << 10;
/// How much of each end of a line that is too long is looked at for its id.
const END: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_survive_any_split_and_a_dropped_read() {
        let (mut host, input) = tokio::io::duplex(8);
        let writer = tokio::spawn(async move {
            for byte in "{\"a\":\"é\"}\r\n\n{\"b\":1}\nlast".bytes() {
                tokio::io::AsyncWriteExt::write_all(&mut host, &[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut lines = Lines::new(input);
        let mut read = Vec::new();
        loop {
            // Each attempt is dropped unless it is ready at once.
            let line =
                tokio::select! { biased; line = lines.next() => line, () = tokio::task::yield_now() => continue };
            if line == Line::End {
                break;
            }
            read.push(line);
        }
        let text = |text: &'static str| Line::Text(Bytes::from_static(text.as_bytes()));
        assert_eq!(read, [text("{\"a\":\"é\"}\r\n"), text("{\"b\":1}\n"), text("last")]);
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_skipped_and_the_next_is_read() {
        let long = tokio::io::repeat(b'x').take(MESSAGE_LIMIT as u64 + 1);
        let mut lines = Lines::new(long.chain(&b"\nnext\n"[..]));
        assert!(
            matches!(lines.next().await, Line::TooLong(ends) if ends.end.ends_with(b"x\n") && ends.beginning.len() == END)
        );
        assert_eq!(lines.next().await, Line::Text(Bytes::from_static(b"next\n")));
        assert_eq!(lines.next().await, Line::End);
        let mut lines = Lines::new(tokio::io::repeat(b'x').take(MESSAGE_LIMIT as u64 + 1));
        assert!(matches!(lines.next().await, Line::TooLong(_)));
        assert_eq!(lines.next().await, Line::End);
    }
}
