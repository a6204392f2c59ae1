//! Whom we believe: the roots and how long they last, pins and revocation lists.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use time::OffsetDateTime;

use super::Time;
use super::certificate::{self, moment};
use super::report::{Broken, Stage, Step};
use crate::config::Endpoint;
use crate::error::{Code, FEW, Failure, first_few, quoted};
use crate::http::Beginning;
use crate::identity::facts::{CertificateFacts, date};
use crate::trust::Trust;

/// Loads the trust as a connection does, and the system's roots when it will need them.
pub(super) async fn examine(
    endpoint: &Endpoint,
    beginning: &Beginning,
    time: Time,
    step: &mut Step,
) -> Result<Arc<Trust>, Broken> {
    let began = Instant::now();
    let (beginning, is_plain) = (beginning.clone(), endpoint.url.scheme() == "http");
    let loaded = time
        .load("The trusted roots", move || {
            let trust = beginning.trust()?;
            if !is_plain && trust.needs_system_roots() {
                trust.load_system_roots()?;
            }
            Ok(trust)
        })
        .await;
    let trust = loaded.map_err(|failure| Broken(Stage::Trust, failure))?;
    if is_plain {
        step.unused("the URL says http://");
    } else {
        tell(&trust, endpoint, step);
        step.passed(Some(began.elapsed()));
    }
    Ok(Arc::new(trust))
}

fn tell(trust: &Trust, endpoint: &Endpoint, step: &mut Step) {
    let now = OffsetDateTime::now_utc();
    if let Some(spiffe) = trust.spiffe() {
        let value = json!({ "expected": spiffe.expected(), "trustDomain": spiffe.domain(), "cas": spiffe.subjects() });
        let cas = first_few(&spiffe.subjects().iter().map(|subject| quoted(subject)).collect::<Vec<_>>());
        step.list("spiffe", value, [format!("servers with {}", spiffe.expected()), format!("by {cas}")]);
    }
    if let (Some((place, _)), Some(ca)) = (trust.source(), &endpoint.tls.ca) {
        let certificates = trust.authorities();
        let mut lines: Vec<_> = certificates.iter().map(|facts| certificate::title(facts, now)).collect();
        let more = lines.len().saturating_sub(FEW);
        lines.truncate(FEW);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines.push(format!("from {place}"));
        let values: Vec<_> = certificates.iter().map(certificate::value).collect();
        step.list("ca", json!({ "place": place, "certificates": values }), lines);
        step.warnings.extend(ending(&certificates, place, &ca.origin.to_string(), now));
    }
    if trust.spiffe().is_none() {
        let system = trust.trusts_system();
        let beside = if endpoint.tls.ca.is_some() { "and the system's roots" } else { "the system's roots" };
        step.list("systemRoots", system, system.then(|| beside.to_owned()));
    }
    let pins: Vec<_> = trust.pins().iter().map(ToString::to_string).collect();
    if !pins.is_empty() {
        let text = match pins.len() {
            1 => "and a pinned key".to_owned(),
            many => format!("and one of {many} pinned keys"),
        };
        step.tell("pins", pins, text);
    }
    let lists: Vec<_> = trust.revocation_lists().collect();
    if !lists.is_empty() {
        let values = lists.iter().map(|(issuer, end)| json!({ "issuer": issuer, "nextUpdate": moment(*end) }));
        let lines = lists
            .iter()
            .map(|(issuer, end)| format!("revocation list of {}, next {}", quoted(issuer), date(*end, now)));
        step.list("crl", values.collect::<Vec<_>>(), lines.take(FEW).collect::<Vec<_>>());
    }
}

/// One warning for the CAs that have ended, and one for those that soon will.
fn ending(certificates: &[CertificateFacts], place: &str, origin: &str, now: OffsetDateTime) -> Vec<Failure> {
    let (ended, rest): (Vec<_>, Vec<_>) = certificates.iter().partition(|facts| facts.not_after < now);
    let ending: Vec<_> = rest.into_iter().filter(|facts| facts.warnings_due(now) > 0).collect();
    let told = |facts: &[&CertificateFacts]| {
        first_few(&facts.iter().map(|facts| certificate::title(facts, now)).collect::<Vec<_>>())
    };
    let count = |facts: &[&CertificateFacts]| match facts.len() {
        1 => "A CA certificate of `ca`".to_owned(),
        many => format!("{many} CA certificates of `ca`"),
    };
    let warning = |what: String, facts: &[&CertificateFacts]| {
        Failure::new(Code::CaExpired, what).at(place).at(origin).because(format!("{}.", told(facts)))
    };
    let ended = (!ended.is_empty()).then(|| {
        let verb = if ended.len() == 1 { "has expired" } else { "have expired" };
        warning(format!("{} {verb}", count(&ended)), &ended).fix("Remove it from the file, or put its successor there.")
    });
    let ending = (!ending.is_empty()).then(|| {
        warning(format!("{} will soon expire", count(&ending)), &ending)
            .fix("Add its successor to the file before that; ask whoever runs the server for it.")
    });
    ended.into_iter().chain(ending).collect()
}
