//! Stdin, stdout and signals, without a thread between them and the bridge where that can be.

use std::convert::Infallible;
use std::future::Future;
use std::io;

use mcp_mtls_core::error::{Code, Failure, Result};
use tokio::io::{AsyncRead, AsyncWrite};

/// Stdin. A pipe or a socket is read directly; what else it may be, through a thread.
pub(crate) fn input() -> Result<Box<dyn AsyncRead + Unpin>> {
    #[cfg(unix)]
    if let Some(input) = direct::input().map_err(|error| unusable("stdin", &error))? {
        return Ok(input);
    }
    Ok(Box::new(tokio::io::stdin()))
}

/// Stdout, as [`input`].
pub(crate) fn output() -> Result<Box<dyn AsyncWrite + Send + Unpin>> {
    #[cfg(unix)]
    if let Some(output) = direct::output().map_err(|error| unusable("stdout", &error))? {
        return Ok(output);
    }
    Ok(Box::new(tokio::io::stdout()))
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

fn unusable(what: &str, error: &io::Error) -> Failure {
    Failure::new(Code::SystemFailed, format!("The operating system does not give access to {what}"))
        .because(format!("{error}."))
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
        Ok(match owned(io::stdin())? {
            (FileType::Fifo, fd) => Some(Box::new(pipe::Receiver::from_owned_fd(fd)?)),
            (FileType::Socket, fd) => Some(Box::new(socket(fd)?)),
            _ => None,
        })
    }

    pub(super) fn output() -> io::Result<Option<Box<dyn AsyncWrite + Send + Unpin>>> {
        Ok(match owned(io::stdout())? {
            (FileType::Fifo, fd) => Some(Box::new(pipe::Sender::from_owned_fd(fd)?)),
            (FileType::Socket, fd) => Some(Box::new(socket(fd)?)),
            _ => None,
        })
    }

    /// A socket pair, as Node gives its children.
    fn socket(fd: OwnedFd) -> io::Result<UnixStream> {
        let socket = std::os::unix::net::UnixStream::from(fd);
        socket.set_nonblocking(true)?;
        UnixStream::from_std(socket)
    }

    fn owned(stream: impl AsFd) -> io::Result<(FileType, OwnedFd)> {
        let fd = stream.as_fd().try_clone_to_owned()?;
        let mode = rustix::fs::fstat(&fd)?.st_mode;
        Ok((FileType::from_raw_mode(mode), fd))
    }
}
