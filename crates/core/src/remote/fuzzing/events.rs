//! What holds for any stream of server-sent events.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;

use super::pieces;
use crate::error::{Code, Result};
use crate::remote::events::{Event, Events};
use crate::remote::message::{Malformed, Message};

/// However a stream is cut, also within a character, the same events come, and its messages are
/// those that a plain reading of the whole finds.
///
/// The first byte says how the rest is cut.
///
/// # Panics
/// When it does not hold.
pub fn events(data: &[u8]) {
    let Some((seed, input)) = data.split_first() else { return };
    let whole = read(vec![input]);
    assert_eq!(whole, read(pieces(*seed, input)));
    if let Ok(text) = std::str::from_utf8(input) {
        let messages: Vec<Bytes> = whole.into_iter().flatten().flat_map(|event| event.messages).collect();
        assert_eq!(messages, expected(text));
    }
}

/// An event, with messages as written.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    messages: Vec<Bytes>,
    malformed: Option<Malformed>,
    id: Option<String>,
    retry: Option<u64>,
    endpoint: Option<String>,
}

/// Reads to the end, or to the first failure.
fn read(pieces: Vec<&[u8]>) -> Vec<Result<Seen, Code>> {
    let mut events = Events::over(Chunks(pieces.into_iter().map(Bytes::copy_from_slice).collect()));
    let mut read = Vec::new();
    loop {
        let Poll::Ready(event) = pin!(events.next()).poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("all chunks are there, and the reader waits")
        };
        match event {
            None => return read,
            Some(Ok(Event { messages, malformed, id, retry, endpoint })) => {
                let messages = messages.iter().map(|message| message.raw().clone()).collect();
                read.push(Ok(Seen { messages, malformed, id, retry, endpoint }));
            }
            Some(Err(failure)) => {
                read.push(Err(failure.code()));
                return read;
            }
        }
    }
}

struct Chunks(VecDeque<Bytes>);

impl Stream for Chunks {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// The messages in a stream, as HTML has it ("Server-sent events", "Interpreting an event stream").
fn expected(stream: &str) -> Vec<Bytes> {
    let mut messages = Vec::new();
    let (mut kind, mut data) = (String::new(), String::new());
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream).replace("\r\n", "\n").replace('\r', "\n");
    // What stands behind the last line break is an unfinished line.
    let Some((lines, _)) = stream.rsplit_once('\n') else { return messages };
    for line in lines.split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut kind),
            "data" => data.extend([value, "\n"]),
            "" if line.is_empty() => {
                let (kind, mut data) = (std::mem::take(&mut kind), std::mem::take(&mut data));
                data.pop();
                if matches!(kind.as_str(), "" | "message") && !data.is_empty() {
                    let read = Message::read(data.into()).into_iter().flatten();
                    messages.extend(read.map(|message| message.raw().clone()));
                }
            }
            _ => {}
        }
    }
    messages
}
