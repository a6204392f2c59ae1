//! Starts other programs, and ends those that it started.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// What a task of ours comes to. Its error is told to a developer, and nothing else reads it.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// The root of the repository: where cargo runs us, since a target folder may be shared by several checkouts and then
/// hold the program that another of them built.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().unwrap_or(&here).to_owned()
}

/// The cargo that runs us, at the root.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args).stdin(Stdio::null());
    command
}

/// Why a file of `/proc` about one of our binaries cannot be used: it closes itself to other processes of its user.
pub(crate) fn closed(error: io::Error) -> Box<dyn Error + Send + Sync> {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error.into();
    }
    "the kernel shows what the binary holds to root alone: run this as root, or as `unshare -Ur cargo xtask …`".into()
}

/// Runs a program to its end; an error unless it says success.
pub(crate) fn succeed(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|e| told(command, &e))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", shown(command)).into()) }
}

/// Runs a program to its end and returns what it printed; its standard error goes to ours.
pub(crate) fn printed(command: &mut Command) -> Outcome<String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|e| told(command, &e))?;
    if !output.status.success() {
        return Err(format!("{} ended with {}", shown(command), output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Builds a binary of the workspace for release and tells where it is.
///
/// One package at a time: cargo would otherwise give each the features that only the other asked for, and its size
/// would not be that of what people build.
pub(crate) fn release_binary(package: &str) -> Outcome<PathBuf> {
    let build = ["build", "--release", "--package", package, "--message-format", "json-render-diagnostics"];
    let messages = printed(&mut cargo(&build))?;
    let mut executables = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        (message["target"]["name"] == package).then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    executables.next_back().ok_or_else(|| format!("{package} has no executable").into())
}

/// A child that is killed and waited for when this is dropped, so that no failure leaves it behind.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        Ok(Self(command.spawn().map_err(|e| told(command, &e))?))
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to kill.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A port that was free a moment ago, for programs that cannot choose their own.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn told(command: &Command, error: &io::Error) -> String {
    format!("cannot run {}: {error}", shown(command))
}

fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
