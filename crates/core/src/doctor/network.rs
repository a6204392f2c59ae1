//! The steps that need the network: one connection as a host would open it, and what it showed.

use std::time::{Duration, Instant};

use super::Time;
use super::connection::{self, broken_stage};
use super::report::{Broken, Report, Stage};
use super::server::{self, Seen, Server, Watch};
use crate::config::Endpoint;
use crate::error::{Failure, Result};
use crate::http::{Beginning, Client};
use crate::remote::Remote;
use crate::tls::Evidence;
use crate::trust::Trust;

/// Opens a connection, asks the server who it is, and ends the session.
pub(super) async fn examine(
    endpoint: &Endpoint,
    beginning: Beginning,
    trust: Trust,
    time: Time,
    report: &mut Report,
) -> std::result::Result<(), Broken> {
    let client = Client::of(endpoint, beginning.clone(), trust);
    let client = client.map_err(|failure| Broken(Stage::Configuration, failure))?;
    let Attempt { evidence, seen, outcome, is_http_sse, took } = Attempt::make(client, endpoint, time).await;
    let end = match &outcome {
        Ok(_) => Stage::Mcp,
        Err(failure) => broken_stage(failure, evidence.as_ref(), seen),
    };
    if let Some(evidence) = &evidence {
        connection::tell(evidence, endpoint, beginning.identity(), seen, end, report);
    }
    match outcome {
        Ok(server) => {
            let step = report.step(Stage::Mcp);
            server.tell(is_http_sse, step);
            step.passed(Some(took));
            Ok(())
        }
        Err(failure) => {
            let lost = evidence.is_some_and(|evidence| evidence.smaller_greeting().is_some());
            let failure = if lost && Box::pin(answers_classically(endpoint, beginning, time)).await {
                report.step(Stage::Tls).know("answersClassicalKeyExchange", true);
                greeting_lost(&failure)
            } else {
                failure
            };
            Err(Broken(end, failure))
        }
    }
}

/// One connection with all that was asked over it.
struct Attempt {
    evidence: Option<Evidence>,
    seen: Seen,
    outcome: Result<Server>,
    is_http_sse: bool,
    took: Duration,
}

impl Attempt {
    async fn make(client: Client, endpoint: &Endpoint, time: Time) -> Self {
        let began = Instant::now();
        let remote = Remote::over(client, endpoint.transport);
        let watch = Watch::default();
        let asked = tokio::time::timeout_at(time.end(), server::ask(&remote, endpoint.transport, &watch, time));
        let outcome = tokio::select! {
            asked = asked => asked.unwrap_or_else(|_| Err(remote.client().timed_out(time.limit))),
            limit = in_silence(&remote, time) => Err(remote.client().timed_out(limit)),
        };
        let (took, evidence, is_http_sse) = (began.elapsed(), remote.client().evidence(), remote.is_http_sse());
        let _ = tokio::time::timeout(FAREWELL, remote.close()).await;
        Self { evidence, seen: watch.seen(), outcome, is_http_sse, took }
    }
}

/// Ready before half of the time is over when nothing at all has come back after a greeting that some networks
/// lose, so that there is time left to try a smaller one. Gives how long that was.
async fn in_silence(remote: &Remote, time: Time) -> Duration {
    let limit = time.rest() * 2 / 5;
    tokio::time::sleep(limit).await;
    if remote.client().evidence().is_none_or(|evidence| evidence.smaller_greeting().is_none()) {
        std::future::pending::<()>().await;
    }
    // To a tenth of a second, as people tell it.
    TENTH * u32::try_from(limit.as_millis() / TENTH.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// Whether the same server answers a greeting without a post-quantum key, whatever it answers.
async fn answers_classically(endpoint: &Endpoint, beginning: Beginning, time: Time) -> bool {
    let beginning = beginning.classical();
    let again = beginning.clone();
    let Ok(trust) = time.load("The trusted roots", move || again.trust()).await else { return false };
    let Ok(client) = Client::of(endpoint, beginning, trust) else { return false };
    let Attempt { evidence, .. } = Attempt::make(client, endpoint, time).await;
    evidence.is_some_and(|evidence| evidence.answered)
}

fn greeting_lost(failure: &Failure) -> Failure {
    let facts = failure.facts();
    let told = Failure::new(facts.code, facts.what.clone());
    let told = facts.place.iter().fold(told, |told, place| told.at(place.clone()));
    told.because("Nothing came back after the TLS greeting, which is larger with post-quantum key exchange.")
        .because("The same server answers the smaller greeting without it; likely something on the way loses the larger one.")
        .fix("Set `keyExchange` to \"classical\" (--key-exchange classical).")
        .fix("Have the firewall or load balancer before the server take a TLS greeting of more than one packet.")
        .evidence("answers_classical_key_exchange", true)
}

/// A tenth of a second.
const TENTH: Duration = Duration::from_millis(100);
/// How long the end of a session may take, which nobody waits for.
const FAREWELL: Duration = Duration::from_secs(2);
