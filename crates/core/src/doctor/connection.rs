//! What a connection has shown of itself, as the steps from the name to HTTP.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use url::Host;

use super::certificate;
use super::report::{Report, Stage};
use super::server::Seen;
use crate::config::Endpoint;
use crate::error::{Code, FEW, Failure, first_few, quoted};
use crate::identity::Identity;
use crate::identity::facts::{CertificateFacts, distinguished_name};
use crate::tls::{Evidence, Offer, Step};

/// The step of the chain at which this broke.
pub(super) fn broken_stage(failure: &Failure, evidence: Option<&Evidence>, seen: Seen) -> Stage {
    let Some(evidence) = evidence else { return Stage::Connection };
    let of_certificate = failure.is_refused_certificate() || failure.code() == Code::CertificateRequired;
    match (reached(evidence), seen.status) {
        (Stage::Tls, _) if failure.code() == Code::TrustEmpty => Stage::Trust,
        (Stage::Http, _) if of_certificate => Stage::Tls,
        // Under TLS 1.3 the server speaks of the handshake when it is over.
        (Stage::Http, None) if evidence.alert.is_some() && !evidence.heard => Stage::Tls,
        (Stage::Http, Some(200..300)) => Stage::Mcp,
        // Errors of JSON-RPC come with such a status, too.
        (Stage::Http, Some(_)) if matches!(failure.code(), Code::ServerError | Code::ProtocolViolation) => Stage::Mcp,
        (stage, _) => stage,
    }
}

/// Writes down every step before `end`, which is the one that broke, or the one behind them all.
pub(super) fn tell(
    evidence: &Evidence,
    endpoint: &Endpoint,
    identity: Option<&Identity>,
    seen: Seen,
    end: Stage,
    report: &mut Report,
) {
    let passed = |stage: Stage| (stage as usize) < (end as usize);
    let hop = evidence.hop.as_ref().map(|record| record.lock().clone());
    let first = hop.as_ref().unwrap_or(evidence);

    let step = report.step(Stage::Name);
    let is_address = hop.is_none() && !matches!(endpoint.url.host(), Some(Host::Domain(_)));
    if is_address {
        step.unused("the URL has an IP address");
    } else if !first.resolved.is_empty() {
        let addresses: Vec<_> = first.resolved.iter().map(|address| address.ip().to_string()).collect();
        step.tell("addresses", addresses.clone(), format!("{} is {}", host(first), first_few(&addresses)));
        step.passed(took(first, Step::Resolve));
    }

    let step = report.step(Stage::Connection);
    if let Some(address) = first.address {
        let took = took(first, Step::Connect);
        step.tell("address", address.to_string(), format!("{address}{}", in_time(took)));
        step.passed(took);
    }

    let step = report.step(Stage::Proxy);
    if let Some(proxy) = &evidence.proxy {
        step.tell("proxy", proxy.as_str(), format!("tunnel through {proxy}"));
        if passed(Stage::Proxy) && reached(evidence) as usize > Stage::Proxy as usize {
            step.passed(took(evidence, Step::Proxy));
        }
    }

    let step = report.step(Stage::Tls);
    if endpoint.url.scheme() == "http" {
        step.unused("the URL says http://");
    } else {
        negotiated(evidence, step);
        asked(evidence, identity, seen, end, step);
        if passed(Stage::Tls) {
            step.passed(took(evidence, Step::Handshake));
        }
    }

    let step = report.step(Stage::Http);
    if let Some(status) = seen.status {
        let version = if evidence.alpn.as_deref() == Some(b"h2") { "HTTP/2" } else { "HTTP/1.1" };
        // Before its first request a connection is opened.
        let opening = evidence.times.first().zip(evidence.times.last()).map(|((_, from), (_, to))| *to - *from);
        let took = seen.first.map(|took| took.saturating_sub(opening.unwrap_or_default()));
        step.know("version", version);
        // An answer that speaks of the handshake is told with that: nothing was reached behind it.
        if (end as usize) < (Stage::Http as usize) {
            step.know("status", status);
            let text = format!("it says so in its answer: {version}, status {status}");
            report.step(end).tell("answeredWith", status, text);
        } else {
            step.tell("status", status, format!("{version}, status {status}{}", in_time(took)));
        }
        if passed(Stage::Http) {
            report.step(Stage::Http).passed(took);
        }
    }
}

/// How far the connection came, whatever became of it.
fn reached(evidence: &Evidence) -> Stage {
    match evidence.step {
        Step::Resolve => Stage::Name,
        Step::Connect => Stage::Connection,
        Step::Proxy => match evidence.hop.as_ref().map(|hop| hop.lock().step) {
            None | Some(Step::Resolve) => Stage::Name,
            Some(Step::Connect) if evidence.hop.as_ref().is_some_and(|hop| hop.lock().address.is_none()) => {
                Stage::Connection
            }
            Some(_) => Stage::Proxy,
        },
        Step::Handshake => Stage::Tls,
        Step::Open => Stage::Http,
    }
}

fn negotiated(evidence: &Evidence, step: &mut super::Step) {
    let now = OffsetDateTime::now_utc();
    if let Some(version) = evidence.version {
        let alpn = evidence.alpn.as_deref().map(|alpn| String::from_utf8_lossy(alpn).into_owned());
        let parts =
            [Some(version.to_owned()), evidence.group.map(str::to_owned), evidence.cipher.map(cipher), alpn.clone()];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        step.tell("version", version, text);
        step.know("keyExchange", evidence.group);
        step.know("cipherSuite", evidence.cipher);
        step.know("alpn", alpn);
    }
    let chain: Vec<_> = evidence.server_chain.iter().filter_map(|der| CertificateFacts::parse(der).ok()).collect();
    if let Some(leaf) = chain.first() {
        let names: Vec<_> = leaf.names.iter().map(|name| quoted(name)).collect();
        let mut lines = vec![format!("server {}", certificate::title(leaf, now)), certificate::background(leaf)];
        if !names.is_empty() {
            lines.push(format!("names: {}", first_few(&names)));
        }
        let rest = chain.iter().skip(1).take(FEW);
        lines.extend(rest.map(|facts| format!("with {}", certificate::title(facts, now))));
        step.list("serverCertificates", chain.iter().map(certificate::value).collect::<Vec<_>>(), lines);
    }
    if let Some(facts) = chain.iter().find(|facts| facts.warnings_due(now) > 0 && facts.not_after > now) {
        step.warnings.push(
            Failure::new(
                Code::ServerCertificateEndsSoon,
                format!("The server's certificate {}", certificate::title(facts, now)),
            )
            .at(evidence.target.clone())
            .because("From then on no connection is possible.")
            .fix("Ask whoever runs the server to renew it.")
            .evidence("certificate", facts.fingerprint.clone()),
        );
    }
}

/// What was said of the client certificate.
fn asked(evidence: &Evidence, identity: Option<&Identity>, seen: Seen, end: Stage, step: &mut super::Step) {
    // A handshake that broke before its end says nothing of it.
    let done = evidence.version.is_some();
    let asked = evidence.offer != Offer::NotAsked;
    if !done && !asked {
        return;
    }
    // It goes out after the server's own has been believed.
    let believed = evidence.refusal.is_none();
    let presented = evidence.offer == Offer::Presented && believed;
    let accepted = match end {
        _ if !presented => None,
        Stage::Tls => Some(false),
        // Over TLS 1.3 nothing but an answer proves it.
        _ => (seen.status.is_some() || evidence.version == Some("TLS 1.2")).then_some(true),
    };
    let cas: Vec<_> = evidence.acceptable.iter().map(|name| distinguished_name(name)).collect();
    let ours = identity.filter(|_| !cas.is_empty()).map(|identity| {
        let chain = identity.chain().iter().filter_map(|der| CertificateFacts::parse(der).ok());
        chain.into_iter().any(|facts| evidence.acceptable.contains(&facts.issuer_der))
    });
    step.know("certificateAsked", asked);
    let quoted_cas: Vec<_> = cas.iter().map(|name| quoted(name)).collect();
    let lines = (!cas.is_empty()).then(|| {
        let among = match ours {
            Some(true) => "; the issuer of ours is among them",
            Some(false) => "; the issuer of ours is not among them",
            None => "",
        };
        format!("it accepts certificates of {}{among}", first_few(&quoted_cas))
    });
    step.list("acceptableCas", cas.iter().take(TOLD).cloned().collect::<Vec<_>>(), lines);
    step.know("issuerAmongAcceptable", ours);
    step.know("certificatePresented", presented);
    let text = match evidence.offer {
        Offer::NotAsked => "no client certificate was asked for",
        Offer::NoneConfigured => "a client certificate was asked for, and none is set",
        Offer::CannotSign => "a client certificate was asked for that our key cannot sign for",
        Offer::Presented if accepted == Some(true) => "our certificate was asked for, presented and accepted",
        Offer::Presented if !believed => "our certificate was asked for, and not sent to a server that is not believed",
        Offer::Presented => "our certificate was asked for and presented",
    };
    step.tell("certificateAccepted", accepted, text);
    if let (Some(identity), Offer::NotAsked, true) = (identity, evidence.offer, end == Stage::Mcp) {
        step.warnings.push(
            Failure::new(Code::CertificateNotAsked, "The server did not ask for the client certificate")
                .at(evidence.target.clone())
                .at(identity.place())
                .at(identity.origin())
                .because("It answered without having seen who we are; certificates may be asked for on another host, port or path.")
                .fix("If the server needs no certificate, remove `cert` and `key`; else have it ask for one on this host and port."),
        );
    }
}

/// The name that was looked up.
fn host(evidence: &Evidence) -> &str {
    evidence.target.rsplit_once(':').map_or(evidence.target.as_str(), |(host, _)| host)
}

/// How long a step took that another followed.
fn took(evidence: &Evidence, step: Step) -> Option<Duration> {
    let at = evidence.times.iter().position(|(reached, _)| *reached == step)?;
    let (_, from) = evidence.times[at];
    let to = evidence.times.get(at + 1).map_or_else(Instant::now, |(_, to)| *to);
    Some(to - from)
}

fn in_time(took: Option<Duration>) -> String {
    took.map_or_else(String::new, |took| match took.as_millis() {
        0 => ", in under 1 ms".to_owned(),
        milliseconds => format!(", in {milliseconds} ms"),
    })
}

/// A cipher suite without the words that all of them begin with.
fn cipher(name: &str) -> String {
    name.trim_start_matches("TLS13_").trim_start_matches("TLS_").replace('_', "-")
}

/// How many CAs are told to programs: some servers list every CA of their system.
const TOLD: usize = 200;
