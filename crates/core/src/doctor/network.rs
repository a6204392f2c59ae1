//! The steps that need the network: one connection as a host would open it, and what it showed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Time;
use super::connection::{self, broken_stage};
use super::report::{Broken, Report, Stage, Step};
use super::server::{self, Seen, Server, Watch};
use crate::config::Endpoint;
use crate::error::{Failure, Result};
use crate::http::{Beginning, Client, answers};
use crate::remote::Remote;
use crate::tls::Evidence;
use crate::trust::Trust;

/// Opens a connection, asks the server who it is, and ends the session.
pub(super) async fn examine(
    endpoint: &Endpoint,
    beginning: Beginning,
    trust: Arc<Trust>,
    time: Time,
    report: &mut Report,
) -> std::result::Result<(), Broken> {
    let client = Client::of(endpoint, beginning.clone(), Arc::clone(&trust));
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
            if let Some(failure) = server.trouble() {
                return Err(Broken(Stage::Mcp, failure));
            }
            step.passed(Some(took));
            Ok(())
        }
        Err(failure) => {
            let failure = match evidence.and_then(|evidence| evidence.smaller_greeting()) {
                Some(advice) => {
                    let step = report.step(Stage::Tls);
                    Box::pin(greeted_again(&failure, advice, endpoint, trust, time, step)).await
                }
                None => failure,
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

/// Explains that nothing came back after the larger greeting, by what comes back after a smaller one, and then after
/// the larger one once more: one that was lost by chance is no reason to do without it.
async fn greeted_again(
    failure: &Failure,
    advice: &str,
    endpoint: &Endpoint,
    trust: Arc<Trust>,
    time: Time,
    step: &mut Step,
) -> Failure {
    let began = Instant::now();
    let Ok(smaller) = answers(endpoint, Arc::clone(&trust), true, time.rest()).await else { return failure.clone() };
    step.know("answersClassicalKeyExchange", smaller);
    if smaller {
        let limit = time.rest().min((began.elapsed() * MORE).max(AT_LEAST));
        match answers(endpoint, trust, false, limit).await {
            Ok(false) => return greeting_lost(failure),
            Ok(true) => {}
            Err(_) => return failure.clone(),
        }
    }
    // It has been looked at, and is not it.
    told_again(failure, failure.facts().fix.iter().filter(|fix| *fix != advice))
}

fn greeting_lost(failure: &Failure) -> Failure {
    let fixes = [
        "Set `keyExchange` to \"classical\" (--key-exchange classical).",
        "Have the firewall or load balancer before the server take a TLS greeting of more than one packet.",
    ];
    let facts = failure.facts();
    let told = Failure::new(facts.code, facts.what.clone())
        .because("Twice nothing came back after the TLS greeting, which is larger with post-quantum key exchange.")
        .because("The same server answers the smaller greeting without it; likely something on the way loses the larger one.")
        .evidence("answers_classical_key_exchange", true);
    let told = facts.place.iter().fold(told, |told, place| told.at(place.clone()));
    fixes.into_iter().fold(told, Failure::fix)
}

/// The same with other fixes.
fn told_again<'a>(failure: &Failure, fixes: impl Iterator<Item = &'a String>) -> Failure {
    let facts = failure.facts();
    let told = Failure::new(facts.code, facts.what.clone());
    let told = facts.place.iter().fold(told, |told, place| told.at(place.clone()));
    let told = facts.why.iter().fold(told, |told, why| told.because(why.clone()));
    let told = fixes.fold(told, |told, fix| told.fix(fix.clone()));
    facts.evidence.iter().fold(told, |told, (name, value)| told.evidence(name, value.clone()))
}

/// A tenth of a second.
const TENTH: Duration = Duration::from_millis(100);
/// How much longer the answer to a larger greeting may take than that to a smaller one, and how long in any case.
const MORE: u32 = 10;
const AT_LEAST: Duration = Duration::from_secs(1);
/// How long the end of a session may take, which nobody waits for.
const FAREWELL: Duration = Duration::from_secs(2);
