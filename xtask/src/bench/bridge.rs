//! Our binary over pipes, driven as a host with the least overhead would: blocking, on one thread.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::server::Place;
use crate::programs::{Outcome, Running, closed};

/// A running `connect`. It is killed when dropped.
pub(super) struct Bridge {
    child: Running,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl Bridge {
    /// Starts it without a word.
    pub(super) fn spawn(binary: &Path, place: &Place) -> Outcome<Self> {
        let mut command = Command::new(binary);
        command.args(["connect", &place.url]).arg("--ca").arg(&place.ca);
        command.arg("--cert").arg(&place.cert).arg("--key").arg(&place.key);
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = Running::start(&mut command)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().ok_or("stdout is a pipe")?);
        Ok(Self { child, stdin, stdout: BufReader::with_capacity(1 << 16, stdout), line: Vec::new() })
    }

    /// Starts it, and goes through the beginning of a session.
    pub(super) fn start(binary: &Path, place: &Place) -> Outcome<Self> {
        let mut bridge = Self::spawn(binary, place)?;
        bridge.request(INITIALIZE)?;
        bridge.send(INITIALIZED)?;
        // The next answer comes after `initialized` was delivered.
        bridge.request(r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#)?;
        Ok(bridge)
    }

    /// Sends one message and returns the next line; an error unless it is a result.
    pub(super) fn request(&mut self, message: &str) -> Outcome<&[u8]> {
        self.send(message)?;
        self.receive()
    }

    pub(super) fn send(&mut self, message: &str) -> io::Result<()> {
        let Some(stdin) = &mut self.stdin else { return Err(io::ErrorKind::BrokenPipe.into()) };
        // One write, as hosts do; two would wake the bridge twice.
        stdin.write_all([message, "\n"].concat().as_bytes())
    }

    /// The next line, whatever it is.
    pub(super) fn line(&mut self) -> Outcome<&[u8]> {
        self.line.clear();
        self.stdout.read_until(b'\n', &mut self.line)?;
        Ok(&self.line)
    }

    /// The next line; an error unless it is a result.
    pub(super) fn receive(&mut self) -> Outcome<&[u8]> {
        self.line()?;
        let head = &self.line[..self.line.len().min(400)];
        if !head.windows(8).any(|window| window == b"\"result\"") {
            return Err(format!("not a result: {}", String::from_utf8_lossy(head)).into());
        }
        Ok(&self.line)
    }

    /// Closes its input and waits for its end, which has to be a good one.
    pub(super) fn end(mut self) -> Outcome {
        self.stdin = None;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the bridge ended with {status}").into()) }
    }

    /// The processor time that it has used so far, in user and in kernel mode.
    pub(super) fn cpu(&self) -> Outcome<Duration> {
        cpu_of(&self.child.id().to_string())
    }

    /// What it holds in memory.
    pub(super) fn memory(&self) -> Outcome<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let bytes = |name: &str| -> Outcome<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line in status")?;
            Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
        };
        Ok(Memory { now: bytes("VmRSS:")?, own: bytes("RssAnon:")?, peak: bytes("VmHWM:")? })
    }

    /// Forgets what it held at most so far.
    pub(super) fn forget_peak(&self) -> Outcome {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").map_err(closed)
    }
}

/// The memory of a process, in bytes.
pub(super) struct Memory {
    /// All of it, with the pages of its program file that it shares with the page cache.
    pub(super) now: u64,
    /// What it has for itself.
    pub(super) own: u64,
    /// All of it, at most so far.
    pub(super) peak: u64,
}

/// The processor time of a process, ended threads included. The kernel counts it exactly and tells hundredths of a second.
pub(super) fn cpu_of(process: &str) -> Outcome<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    ticks(&stat).map(|ticks| Duration::from_millis(ticks * 10)).ok_or_else(|| "an unknown form of /proc/stat".into())
}

/// User and system time, the 14th and 15th field; the name in the second may hold blanks and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

/// The first message of a session.
pub(super) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;

/// What a host says when it has the answer.
pub(super) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn the_times_of_a_process_are_found_behind_an_odd_name() {
        let stat = "42 (a b) c) R 1 2 3 0 -1 4194304 101 0 0 0 7 35 0 0 20 0 1 0 278402";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("42 (a"), None);
    }
}
