//! Keeps the keys in this process from others: no other process of the user reads its memory, and
//! none of it is written to disk when it crashes.

/// Closes this process to debuggers and to core dumps. Where the system refuses, it stays as it was: that is
/// no reason to leave a host without its server.
#[cfg(unix)]
pub(crate) fn close() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // The hard limit too, or any process of the user could raise it again. Programs that are started inherit it.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

#[cfg(not(unix))]
pub(crate) fn close() {}
