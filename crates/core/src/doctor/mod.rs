//! The steps of a connection one at a time, told as data: what each found, the first that is broken,
//! and what works but not for long.
//!
//! Nothing here opens connections or reads certificates by itself: a [`Remote`](crate::remote::Remote) is
//! made as for a host, asked what a host asks, and its evidence is read.

mod certificate;
mod configuration;
mod connection;
mod identity;
mod network;
mod report;
mod server;
mod trust;

use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use crate::config::Entry;
use crate::error::{Code, Failure, Result};
use report::Broken;
pub use report::{Fact, Report, Stage, State, Step};

/// Goes through every step of connecting to the server of an entry, within the entry's timeout.
///
/// It opens a session as a host does, counts the server's tools, and ends the session. Whatever
/// fails is told in the report.
pub async fn examine(entry: &Entry) -> Report {
    let mut report = Report::begin(entry.name().map(str::to_owned));
    let began = Instant::now();
    // Boxed, since it is large and rarely runs.
    if let Err(broken) = Box::pin(walk(entry, began, &mut report)).await {
        report.fail(broken);
    }
    report.end(began)
}

async fn walk(entry: &Entry, began: Instant, report: &mut Report) -> Result<(), Broken> {
    let limit = configuration::written(entry, report.step(Stage::Configuration))?;
    let time = Time { began, limit };
    let endpoint = configuration::resolved(entry, time, report).await?;
    let beginning = identity::examine(&endpoint, time, report.step(Stage::Identity)).await?;
    let trust = trust::examine(&endpoint, &beginning, time, report.step(Stage::Trust)).await?;
    Box::pin(network::examine(&endpoint, beginning, trust, time, report)).await
}

/// The time that the whole has.
#[derive(Clone, Copy)]
struct Time {
    began: Instant,
    limit: Duration,
}

impl Time {
    fn end(self) -> tokio::time::Instant {
        (self.began + self.limit).into()
    }

    fn rest(self) -> Duration {
        self.end().saturating_duration_since(tokio::time::Instant::now())
    }

    /// Loads what may block: a named pipe, a network folder, a program or a card may never answer. What hangs in it
    /// hangs until the process ends.
    async fn load<T: Send + 'static>(self, what: &str, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        match tokio::time::timeout_at(self.end(), tokio::task::spawn_blocking(work)).await {
            Ok(loaded) => loaded.unwrap_or_else(|error| resume_unwind(error.into_panic())),
            Err(_) => {
                Err(Failure::new(Code::TimedOut, format!("{what} did not come within {} s", self.limit.as_secs_f64()))
                    .because("A file, a program or a token that a setting names does not answer.")
                    .fix("Look for named pipes, folders of a network, programs that wait and cards that hang."))
            }
        }
    }
}
