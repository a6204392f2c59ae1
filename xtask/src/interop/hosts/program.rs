//! A host's process, with its children.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

/// A host's process. It is killed when dropped, with all that it started in its group and left behind.
pub(super) struct Program {
    child: Child,
    said: File,
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
}

impl Program {
    pub(super) fn start(mut command: Command) -> Self {
        // Both channels into one file: a pipe would stay open for as long as a child of the host holds it.
        let said = tempfile::tempfile().unwrap_or_else(|e| panic!("a temporary file: {e}"));
        let channel = || said.try_clone().map_or_else(|e| panic!("the same file: {e}"), Stdio::from);
        command.stdin(Stdio::null()).stdout(channel()).stderr(channel()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {:?}: {e}", command.as_std()));
        Self {
            #[cfg(unix)]
            group: child.id().and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?)),
            child,
            said,
        }
    }

    /// What it said until its end. Its exit status tells nothing: several hosts say success whatever happened.
    pub(super) async fn ended(&mut self) -> String {
        let ended = tokio::time::timeout(LIMIT, self.child.wait()).await.is_ok();
        let said = self.said();
        assert!(ended, "it did not end within {LIMIT:?}; it said:\n{said}");
        said
    }

    /// What it said so far, without colours.
    pub(super) fn said(&mut self) -> String {
        let mut text = Vec::new();
        let read = self.said.rewind().and_then(|()| self.said.read_to_end(&mut text));
        assert!(read.is_ok(), "what it said: {read:?}");
        plain(&String::from_utf8_lossy(&text))
    }
}

#[cfg(unix)]
impl Drop for Program {
    fn drop(&mut self) {
        // Nobody may be left in it, and then there is nothing to kill.
        if let Some(group) = self.group {
            let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// The text without the escape sequences of colours.
fn plain(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |plain, piece| plain + piece.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |p| p.1))
}

/// How long a host may take for what it was asked.
const LIMIT: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_out_and_nothing_else() {
        assert_eq!(plain("\u{1b}[0m✓ corp \u{1b}[90mconnected\n[x] done\u{1b}[1;31m"), "✓ corp connected\n[x] done");
    }
}
