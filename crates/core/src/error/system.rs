//! What the operating system says of something that failed, in our words.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

/// An error of ours where one of the system is wanted; the words are a sentence.
#[derive(Debug)]
struct Own(&'static str);

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Own {}

/// An error of ours where one of the system is wanted; `words` is a sentence, which [`in_words`] repeats.
pub(crate) fn own_error(words: &'static str) -> io::Error {
    io::Error::other(Own(words))
}

/// What the system says, as a sentence. Its own words differ by system and language, and name numbers.
pub(crate) fn in_words(error: &io::Error) -> &'static str {
    if let Some(Own(words)) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return words;
    }
    match error.kind() {
        ErrorKind::NotFound => "There is no such file.",
        ErrorKind::PermissionDenied => "Permission is denied.",
        ErrorKind::IsADirectory => "It is a folder.",
        ErrorKind::NotADirectory => "A part of its path is a file, where a folder is wanted.",
        ErrorKind::AlreadyExists => "There is one of that name already.",
        ErrorKind::DirectoryNotEmpty => "The folder is not empty.",
        ErrorKind::InvalidFilename => "Its name is too long, or has characters that this system does not take.",
        ErrorKind::InvalidData => "It is not UTF-8 text.",
        ErrorKind::UnexpectedEof => "It ended too early.",
        ErrorKind::StorageFull => "The disk is full.",
        ErrorKind::QuotaExceeded => "The quota of this user is used up.",
        ErrorKind::FileTooLarge => "It is too large.",
        ErrorKind::ReadOnlyFilesystem => "Its file system can only be read.",
        ErrorKind::ResourceBusy | ErrorKind::ExecutableFileBusy => "Something else is using it at the moment.",
        ErrorKind::StaleNetworkFileHandle => "The network file system has lost it.",
        ErrorKind::ArgumentListTooLong => "Its arguments and the environment are too long together.",
        ErrorKind::ConnectionRefused => "Nothing listens there.",
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "The other end reset the connection.",
        ErrorKind::ConnectionAborted | ErrorKind::NotConnected => "The connection is gone.",
        ErrorKind::HostUnreachable => "A router on the way says that the host is not reachable.",
        ErrorKind::NetworkUnreachable => "This machine has no route to that network.",
        ErrorKind::NetworkDown => "The network of this machine is down.",
        ErrorKind::AddrInUse => "The address is in use.",
        ErrorKind::AddrNotAvailable => "This machine has no such address, or no free port for it.",
        ErrorKind::TimedOut => "Nothing came back in time.",
        ErrorKind::OutOfMemory => "There is not enough memory.",
        ErrorKind::Unsupported => "This system cannot do that.",
        ErrorKind::Interrupted => "It was interrupted.",
        _ => by_number(error.raw_os_error()),
    }
}

/// Those for which the standard library has no name.
fn by_number(number: Option<i32>) -> &'static str {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let is = |errno: Errno| number == Some(errno.raw_os_error());
        for (errno, words) in [
            (Errno::MFILE, "This process has too many files and connections open."),
            (Errno::NFILE, "This machine has too many files and connections open."),
            (Errno::IO, "The disk or the device reports an error."),
            (Errno::NOEXEC, "It is no program for this system."),
            (Errno::LOOP, "Its path has links that lead in a circle."),
            (Errno::HOSTDOWN, "The host does not answer in its network."),
            (Errno::NOBUFS, "The network of this machine has no buffers left."),
            (Errno::NXIO, "There is no such device."),
            (Errno::NODEV, "There is no such device."),
        ] {
            if is(errno) {
                return words;
            }
        }
    }
    let _ = number;
    "The operating system refuses it."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_told_in_words_without_its_numbers() {
        for error in [
            io::Error::from(ErrorKind::ConnectionRefused),
            io::Error::from(ErrorKind::StorageFull),
            io::Error::other("library's own words"),
            io::Error::from_raw_os_error(1_000_000),
        ] {
            let words = in_words(&error);
            assert!(words.ends_with('.') && !words.contains("os error") && !words.contains("library's"), "{words}");
        }
        #[cfg(unix)]
        assert!(in_words(&io::Error::from_raw_os_error(24)).contains("too many files"));
        assert_eq!(in_words(&own_error("It is a riddle.")), "It is a riddle.");
    }
}
