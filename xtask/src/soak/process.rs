//! A running `connect`, and what the kernel says of it.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use crate::programs::{Outcome, closed};

/// The process. It is killed when dropped.
pub(super) struct Process {
    child: Child,
    id: u32,
    stdin: Option<ChildStdin>,
    lines: UnboundedReceiver<Vec<u8>>,
    stderr: Option<JoinHandle<String>>,
}

/// What it holds at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holds {
    /// `VmRSS` in KiB.
    pub(super) kib: u64,
    pub(super) files: usize,
}

impl Process {
    pub(super) fn start(binary: &Path, args: &[String]) -> Outcome<Self> {
        let mut command = Command::new(binary);
        command.arg("connect").args(args).env_clear().kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("its streams are pipes".into());
        };
        let stderr = tokio::spawn(async move {
            let mut text = Vec::new();
            // What came until it broke is told.
            let _broken = stderr.read_to_end(&mut text).await;
            String::from_utf8_lossy(&text).into_owned()
        });
        let id = child.id().ok_or("it has an id while it runs")?;
        Ok(Self { id, stdin: child.stdin.take(), lines: lines_of(stdout), stderr: Some(stderr), child })
    }

    /// Writes a line.
    pub(super) async fn say(&mut self, text: &str) -> Outcome {
        let stdin = self.stdin.as_mut().ok_or("its stdin is closed")?;
        let line = format!("{text}\n");
        let write = tokio::time::timeout(PATIENCE, stdin.write_all(line.as_bytes()));
        write.await.map_err(|_| format!("it read nothing for {PATIENCE:?}"))??;
        Ok(())
    }

    /// The next line, with its end; none when there is no other.
    pub(super) async fn line(&mut self) -> Option<Vec<u8>> {
        self.lines.recv().await
    }

    pub(super) fn holds(&self) -> Outcome<Holds> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("it does not run any more")?;
        let kib = line.trim().trim_end_matches(" kB").parse()?;
        let files = fs::read_dir(format!("/proc/{}/fd", self.id)).map_err(closed)?;
        Ok(Holds { kib, files: files.count() })
    }

    /// Closes its stdin and waits for its end, which must be a good one. Returns how long it took; lines may be left.
    pub(super) async fn end(&mut self) -> Outcome<Duration> {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("it had ended with {status}: {}", self.stderr().await).into());
        }
        let closed = Instant::now();
        self.stdin = None;
        // Looked for by a thread: after a long play, counting what the others did takes this one seconds.
        let stat = format!("/proc/{}/stat", self.id);
        let ended = tokio::task::spawn_blocking(move || {
            while runs(&stat) && closed.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
            closed.elapsed()
        });
        let took = ended.await?;
        if took >= PATIENCE {
            return Err(format!("it lived for {PATIENCE:?} after its stdin was closed").into());
        }
        let status = self.child.wait().await?;
        if !status.success() {
            return Err(format!("it ended with {status}: {}", self.stderr().await).into());
        }
        Ok(took)
    }

    /// What it said on stderr, when it has ended.
    async fn stderr(&mut self) -> String {
        let Some(stderr) = self.stderr.take() else { return String::new() };
        stderr.await.unwrap_or_default()
    }
}

/// Reads all the time, as a host does: a bridge that cannot write would stop to read.
fn lines_of(stdout: ChildStdout) -> UnboundedReceiver<Vec<u8>> {
    let (sender, lines) = unbounded_channel();
    tokio::spawn(async move {
        let mut stdout = BufReader::with_capacity(1 << 16, stdout);
        let mut line = Vec::new();
        while stdout.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    lines
}

/// Whether the process of this `/proc/PID/stat` has not ended, waited for or not.
fn runs(stat: &str) -> bool {
    let stat = fs::read_to_string(stat).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}

/// How long it may take to read a line, and to end.
const PATIENCE: Duration = Duration::from_secs(10);
