//! The reading ends of a child's stdout and stderr.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::log::{LIMIT, Log};

/// Stdout, line by line.
pub(super) struct StdoutPipe {
    lines: mpsc::UnboundedReceiver<String>,
    seen: Arc<Log<String>>,
    reader: JoinHandle<()>,
}

impl StdoutPipe {
    pub(super) fn open(pipe: ChildStdout) -> Self {
        let (sender, lines) = mpsc::unbounded_channel();
        let seen = Arc::new(Log::default());
        let reader = tokio::spawn(read_lines(pipe, sender, seen.clone()));
        Self { lines, seen, reader }
    }

    /// The next line without its line feed; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<String> {
        self.lines.recv().await.map(|line| line.strip_suffix('\n').map_or_else(|| line.clone(), str::to_owned))
    }

    /// Every line that is left, when all of it has come.
    pub(super) async fn rest(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Some(line) = self.next().await {
            rest.push(line);
        }
        rest
    }

    /// Every line so far, with its line feed if it has one.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.all()
    }

    pub(super) async fn close(&mut self) {
        self.reader.abort();
        // The pipe is closed once the task is gone, not when it was asked to go.
        while !self.reader.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}

async fn read_lines(pipe: ChildStdout, lines: mpsc::UnboundedSender<String>, seen: Arc<Log<String>>) {
    let mut pipe = BufReader::with_capacity(64 * 1024, pipe);
    loop {
        let mut line = Vec::new();
        match pipe.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        // Broken UTF-8 shows as U+FFFD, which no test expects and every test then shows.
        let line = String::from_utf8(line).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
        seen.push(line.clone());
        if lines.send(line).is_err() {
            return;
        }
    }
}

/// Stderr, as one text.
pub(super) struct StderrPipe {
    text: Arc<Mutex<Vec<u8>>>,
    stall: watch::Sender<()>,
    reader: JoinHandle<()>,
}

impl StderrPipe {
    pub(super) fn open(pipe: ChildStderr) -> Self {
        let text = Arc::default();
        let stall = watch::Sender::new(());
        let reader = tokio::spawn(read_text(pipe, Arc::clone(&text), stall.subscribe()));
        Self { text, stall, reader }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    pub(super) async fn drained(&mut self) -> String {
        assert!(self.settle(LIMIT).await, "stderr is still open after {LIMIT:?}; so far:\n{}", self.text());
        self.text()
    }

    /// Waits for the end of it, but not for long. Says whether it came.
    pub(super) async fn settle(&mut self, limit: Duration) -> bool {
        // A task may be waited for once only, so a second call must not ask it again.
        self.reader.is_finished() || tokio::time::timeout(limit, &mut self.reader).await.is_ok()
    }

    pub(super) fn stall(&mut self) {
        self.stall.send_replace(());
    }

    pub(super) async fn close(&mut self) {
        self.reader.abort();
        self.settle(LIMIT).await;
    }
}

async fn read_text(mut pipe: ChildStderr, text: Arc<Mutex<Vec<u8>>>, mut stall: watch::Receiver<()>) {
    let mut buffer = vec![0; 8 * 1024];
    loop {
        tokio::select! {
            biased;
            stalled = stall.changed() => {
                // Holds the pipe open and reads nothing more of it.
                if stalled.is_ok() {
                    std::future::pending::<()>().await;
                }
                return;
            }
            read = pipe.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    text.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..count]);
                }
            },
        }
    }
}
