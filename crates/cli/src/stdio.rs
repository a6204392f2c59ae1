//! Stdin, stdout and signals, without a thread between them and the bridge where that can be.

use std::convert::Infallible;
use std::future::Future;
use std::io;

use mcp_mtls_core::error::Result;
#[cfg(unix)]
use mcp_mtls_core::error::{Code, Failure};
use tokio::io::{AsyncRead, AsyncWrite};

/// Stdin. A pipe or a socket is read directly; what else it may be, through a thread.
pub(crate) fn input() -> Result<Box<dyn AsyncRead + Unpin>> {
    #[cfg(unix)]
    if let Some(input) = direct::input().map_err(|error| unusable("stdin", &error))? {
        return Ok(input);
    }
    Ok(Box::new(tokio::io::stdin()))
}

/// Stdout, for protocol messages, or an answer, alone.
pub(crate) struct Output {
    #[cfg(unix)]
    fd: std::os::fd::OwnedFd,
}

impl Output {
    /// Takes stdout away from whatever else runs in this process: what a PKCS#11 module prints goes to
    /// stderr from here on. On Windows there is no way to do that which C libraries follow.
    pub(crate) fn take() -> Result<Self> {
        #[cfg(unix)]
        return direct::take().map(|fd| Self { fd }).map_err(|error| unusable("stdout", &error));
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// The same for an answer that is written at the end.
    pub(crate) fn into_write(self) -> Box<dyn io::Write> {
        #[cfg(unix)]
        return Box::new(std::fs::File::from(self.fd));
        #[cfg(not(unix))]
        Box::new(io::stdout())
    }

    /// As [`input`].
    pub(crate) fn open(self) -> Result<Box<dyn AsyncWrite + Send + Unpin>> {
        #[cfg(unix)]
        return direct::output(self.fd).map_err(|error| unusable("stdout", &error));
        #[cfg(not(unix))]
        Ok(Box::new(tokio::io::stdout()))
    }
}

/// Ready when we are told to end.
#[cfg(unix)]
pub(crate) fn stop() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let open = |kind| signal(kind).map_err(|error| unusable("signals", &error));
    let (mut terminate, mut interrupt) = (open(SignalKind::terminate())?, open(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Ready when we are told to end.
#[cfg(not(unix))]
pub(crate) fn stop() -> Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// Does the work whenever the process is sent SIGHUP, which asks a service to read its files anew.
#[cfg(unix)]
pub(crate) fn at_each_hangup(mut work: impl AsyncFnMut()) -> Result<impl Future<Output = Infallible>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = signal(SignalKind::hangup()).map_err(|error| unusable("signals", &error))?;
    Ok(async move {
        while hangups.recv().await.is_some() {
            work().await;
        }
        std::future::pending().await
    })
}

/// There is no such signal.
#[cfg(not(unix))]
pub(crate) fn at_each_hangup(_: impl AsyncFnMut()) -> Result<impl Future<Output = Infallible>> {
    Ok(std::future::pending())
}

#[cfg(unix)]
fn unusable(what: &str, error: &io::Error) -> Failure {
    Failure::new(Code::SystemFailed, format!("The operating system does not give access to {what}"))
        .because_of(error)
        .fix("Have the host start this with pipes for stdin and stdout.")
}

/// Pipes and sockets, which hosts give us. Each message saves two changes of thread here. Both
/// become non-blocking, which only concerns whoever shares our end of them; hosts hold the other.
#[cfg(unix)]
mod direct {
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::fs::FileType;
    use tokio::io::{AsyncRead, AsyncWrite};
    use tokio::net::UnixStream;
    use tokio::net::unix::pipe;

    pub(super) fn input() -> io::Result<Option<Box<dyn AsyncRead + Unpin>>> {
        let fd = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(match kind(&fd)? {
            FileType::Fifo => Some(Box::new(pipe::Receiver::from_owned_fd(fd)?)),
            FileType::Socket => Some(Box::new(socket(fd)?)),
            _ => None,
        })
    }

    /// What is behind stdout, by a descriptor of our own; and behind the usual one, stderr.
    pub(super) fn take() -> io::Result<OwnedFd> {
        let fd = io::stdout().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdout(io::stderr())?;
        Ok(fd)
    }

    pub(super) fn output(fd: OwnedFd) -> io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
        Ok(match kind(&fd)? {
            FileType::Fifo => Box::new(pipe::Sender::from_owned_fd(fd)?),
            FileType::Socket => Box::new(socket(fd)?),
            _ => Box::new(tokio::fs::File::from_std(fd.into())),
        })
    }

    /// A socket pair, as Node gives its children.
    fn socket(fd: OwnedFd) -> io::Result<UnixStream> {
        let socket = std::os::unix::net::UnixStream::from(fd);
        socket.set_nonblocking(true)?;
        UnixStream::from_std(socket)
    }

    fn kind(fd: &OwnedFd) -> io::Result<FileType> {
        Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
    }
}
