//! The settings: which there are, where each was written, and whether they fit together.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Time;
use super::report::{Broken, Report, Stage, Step};
use crate::config::{Endpoint, Entry, Origin, Transport};
use crate::http::Client;

/// What is known before any reference is followed; the time that the whole has.
pub(super) fn written(entry: &Entry, step: &mut Step) -> Result<Duration, Broken> {
    let written = entry.written();
    match entry.place() {
        Some(place) => step.tell("place", place.to_string(), place.to_string()),
        None => step.tell("place", "arguments", "a URL and flags"),
    }
    let others = written.iter().filter(|one| entry.place().is_some() && !matches!(one.origin, Origin::File { .. }));
    let others: Vec<_> = others.map(|one| one.origin.to_string()).collect();
    if !others.is_empty() {
        step.tell("overridden", others.clone(), format!("over it, {}", others.join(", ")));
    }
    let settings = written.iter().map(|one| json!({ "setting": one.setting, "origin": one.origin.to_string() }));
    step.know("settings", settings.collect::<Vec<_>>());
    entry.timeout().map_err(|failure| Broken(Stage::Configuration, failure))
}

/// The settings as they are used, with every reference replaced.
pub(super) async fn resolved(entry: &Entry, time: Time, report: &mut Report) -> Result<Endpoint, Broken> {
    let broken = |failure| Broken(Stage::Configuration, failure);
    let began = Instant::now();
    let entry = entry.clone();
    let endpoint = time.load("What the settings refer to", move || entry.resolve()).await.map_err(broken)?;
    report.url = Some(endpoint.told());
    let proxy = Client::proxy(&endpoint).map_err(broken)?;
    let step = report.step(Stage::Configuration);
    step.know("timeout", u64::try_from(endpoint.timeout.as_millis()).unwrap_or(u64::MAX));
    let headers: Vec<_> = endpoint.headers.iter().map(|(name, _)| name.as_str().to_owned()).collect();
    if !headers.is_empty() {
        step.tell("headers", headers.clone(), format!("headers: {}", headers.join(", ")));
    }
    if endpoint.transport == Transport::HttpSse {
        step.tell("transport", "http-sse", "HTTP+SSE alone");
    }
    match (&proxy, &endpoint.proxy.proxy) {
        (Some((proxy, origin)), _) => {
            step.tell("proxy", json!({ "url": proxy, "origin": origin }), format!("proxy {proxy}, of {origin}"));
        }
        (None, Some((_, origin))) => {
            let text = format!("no proxy: NO_PROXY excepts the host from {origin}");
            step.tell("proxy", json!({ "excepted": true, "origin": origin.to_string() }), text);
        }
        (None, None) => {}
    }
    step.notes.clone_from(&endpoint.warnings);
    step.passed(Some(began.elapsed()));
    let step = report.step(Stage::Proxy);
    if proxy.is_none() {
        step.unused("none is set");
    }
    Ok(endpoint)
}
