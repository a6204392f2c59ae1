//! What is told when the Workload API does not give what it should.

use std::io;

use super::grpc::{Lost, PERMISSION_DENIED};
use crate::config::Spiffe;
use crate::error::{Code, Failure, quoted};

/// There is no stream.
pub(super) fn explain(lost: &Lost, settings: &Spiffe) -> Failure {
    match lost {
        Lost::NotReached(error) => not_reached(error, settings),
        Lost::Ended(PERMISSION_DENIED, words) => {
            let failure = Failure::new(Code::SvidMissing, "The SPIFFE agent has no identity for this program")
                .because(said("PermissionDenied", words));
            register(place(failure, settings))
        }
        Lost::Ended(status, words) => unavailable("The SPIFFE agent gives no identity", settings)
            .because(said(&name_of(*status), words))
            .fix("Look into the log of the agent."),
        Lost::Broken(error) => unavailable("The connection to the SPIFFE agent broke", settings)
            .because("What it sent is no HTTP/2, or it closed the connection.")
            .cause(innermost(error))
            .fix("Look into the log of the agent, and check that the socket is that of the Workload API."),
        Lost::NotGrpc(why) => unavailable("What answers at the socket is no SPIFFE agent", settings)
            .because(format!("{}.", crate::error::plain(why)))
            .fix("Correct `socket`."),
        Lost::TooLarge(length) => unavailable("The SPIFFE agent sends more than is read", settings)
            .because(format!("A message has {length} bytes, and at most 4 MiB are read.")),
        Lost::Silent => silent(settings),
    }
}

/// Nothing came in time, and nothing broke.
pub(super) fn silent(settings: &Spiffe) -> Failure {
    unavailable("The SPIFFE agent does not answer", settings)
        .because("It takes the connection, and sends nothing.")
        .fix("Look into the log of the agent, and restart it.")
}

/// An answer that cannot be used.
pub(super) fn invalid(why: String, settings: &Spiffe) -> Failure {
    let failure = Failure::new(Code::SvidInvalid, "What the SPIFFE agent gives cannot be used").because(why);
    place(failure, settings).fix("Tell whoever runs the agent.")
}

/// Lists of what is revoked, which nobody here reads: to pass over them would be to trust that.
pub(super) fn revocations(settings: &Spiffe) -> Failure {
    let failure = Failure::new(Code::CrlInvalid, "The SPIFFE agent gives revocation lists, which are not supported")
        .because("Without reading them nobody can say which of its certificates are still good.");
    place(failure, settings).fix("Have the agent give its bundles without revocation lists (field `crl`).")
}

/// The wanted ID is not among those that there are.
pub(super) fn no_such_id<'a>(ids: impl Iterator<Item = &'a str>, settings: &Spiffe) -> Failure {
    let mut ids: Vec<_> = ids.map(quoted).collect();
    let Some(wanted) = settings.id.as_ref().filter(|_| !ids.is_empty()) else {
        let failure = Failure::new(Code::SvidMissing, "The SPIFFE agent has no identity for this program")
            .because("Its answer has no SVID.");
        return register(place(failure, settings));
    };
    let more = ids.len().saturating_sub(TOLD_IDS);
    ids.truncate(TOLD_IDS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let failure = Failure::new(Code::SvidMissing, format!("The SPIFFE agent gives this program no SVID of {wanted}"))
        .because(format!("It gives {}{more}.", ids.join(", ")));
    place(failure, settings)
        .fix("Set `id` to one of these, or remove it to use the first.")
        .fix(format!("Register the program with the agent's server as {wanted} (`spire-server entry create`)."))
}

fn not_reached(error: &io::Error, settings: &Spiffe) -> Failure {
    let failure = unavailable("The SPIFFE agent cannot be reached", settings);
    match error.kind() {
        io::ErrorKind::NotFound => {
            failure.because("There is no such socket.").fix("Start the agent, or correct the path of the socket.")
        }
        io::ErrorKind::PermissionDenied => {
            failure.because("Permission is denied.").fix("Let the user that runs the host open the socket.")
        }
        io::ErrorKind::ConnectionRefused => {
            failure.because("Nobody listens at the socket; likely the agent has ended.").fix("Start the agent.")
        }
        _ => failure.because_of(error).fix("Correct the path of the socket."),
    }
}

fn unavailable(what: &str, settings: &Spiffe) -> Failure {
    place(Failure::new(Code::WorkloadUnavailable, what), settings)
}

fn place(failure: Failure, settings: &Spiffe) -> Failure {
    failure.at(format!("unix://{}", settings.socket.display())).at(settings.socket_origin.to_string())
}

/// What to do when the agent does not know this program.
fn register(failure: Failure) -> Failure {
    failure
        .fix("Register the program with the agent's server (`spire-server entry create`), with selectors that fit it: its user (unix:uid) or its path (unix:path).")
        .fix("A new registration takes some seconds to reach the agent; then start again.")
}

fn said(status: &str, words: &str) -> String {
    if words.is_empty() { format!("It says {status}.") } else { format!("It says {status}: {}.", quoted(words)) }
}

/// The names of gRPC.
fn name_of(status: u32) -> String {
    let name = match status {
        0 => "OK, and ends the stream",
        1 => "Cancelled",
        2 => "Unknown",
        3 => "InvalidArgument",
        4 => "DeadlineExceeded",
        5 => "NotFound",
        8 => "ResourceExhausted",
        9 => "FailedPrecondition",
        12 => "Unimplemented",
        13 => "Internal",
        14 => "Unavailable",
        16 => "Unauthenticated",
        other => return format!("the status {other}"),
    };
    name.to_owned()
}

fn innermost(error: &hyper::Error) -> &(dyn std::error::Error + 'static) {
    let mut error: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

/// How many IDs are told.
const TOLD_IDS: usize = 10;
