//! The streams themselves.

use std::io::{self, Write};
use std::sync::OnceLock;

use mcp_mtls_core::error::{Code, Failure};

/// Prints what was asked for.
pub(crate) fn answer(text: &str) {
    answer_on(&mut io::stdout().lock(), text);
}

/// The same where stdout has been taken away from others.
pub(crate) fn answer_on(stdout: &mut impl Write, text: &str) {
    match print(stdout, text) {
        // Whoever closed it does not want to read on.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => drop(UNWRITTEN.set(error)),
        _ => {}
    }
}

/// Prints what a person should know beside the answer.
pub(crate) fn notice(text: &str) {
    // There is nowhere else to tell it.
    let _ = print(&mut io::stderr().lock(), text);
}

/// Why not all that was asked for was printed, if so: a file that it was sent to may have had no room.
pub(crate) fn unwritten() -> Option<Failure> {
    let error = UNWRITTEN.get()?;
    let failure = Failure::new(Code::FileUnwritable, "Not all of the answer could be written to stdout");
    Some(failure.because_of(error).fix("Make room where it is sent to, and run it again."))
}

fn print(stream: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(stream, "{text}").and_then(|()| stream.flush())
}

static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();
