//! What an examination found: one [`Step`] for each link of the chain.

use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::error::Failure;

/// What an examination of one entry found. No secret is in it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The name of the entry, when it has one.
    pub name: Option<String>,
    /// The URL without its query, when it is known.
    pub url: Option<String>,
    /// Whether a host can use the entry; none for one that is disabled, which is not examined.
    pub healthy: Option<bool>,
    /// Every step, in the order in which a connection takes them.
    pub steps: Vec<Step>,
    /// How long it took.
    pub milliseconds: u64,
}

/// One step of the chain.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Which it is.
    #[serde(rename = "step")]
    pub stage: Stage,
    /// How it stands.
    pub state: State,
    /// What is known of it.
    #[serde(serialize_with = "by_name")]
    pub facts: Vec<Fact>,
    /// What deserves a word of its settings, but stops nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What works today, and may not for long.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Failure>,
    /// Why it is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// How long it took, when it was gone through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
}

/// The steps, in the order in which a connection takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Stage {
    /// The settings, their references and their origins.
    Configuration,
    /// The client certificate and its key.
    Identity,
    /// The roots, pins and revocation lists.
    Trust,
    /// The address of the host, or of the proxy.
    Name,
    /// TCP to the host, or to the proxy.
    Connection,
    /// The tunnel through the proxy.
    Proxy,
    /// The handshake, and whether the server takes the certificate.
    Tls,
    /// The answer to a request.
    Http,
    /// The server behind it.
    Mcp,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, with something to see to.
    Warning,
    /// It is broken, and the first that is.
    Failed,
    /// A step before it is broken.
    NotReached,
    /// These settings do without it.
    NotUsed,
}

/// Something that is known.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fact {
    /// What programs call it.
    pub name: &'static str,
    /// Its value for programs.
    pub value: Value,
    /// The same for people, one or more lines; none where it would only be long.
    pub text: Vec<String>,
}

/// The step at which it broke, and why.
pub(super) struct Broken(pub(super) Stage, pub(super) Failure);

impl Report {
    /// The report of what could not even be looked at, since its settings cannot be read.
    #[must_use]
    pub fn unreadable(name: Option<String>, failure: Failure) -> Self {
        let mut report = Self::begin(name);
        report.fail(Broken(Stage::Configuration, failure));
        report
    }

    /// The report of an entry that is disabled, and not examined.
    #[must_use]
    pub fn disabled(name: Option<String>) -> Self {
        Self { healthy: None, steps: Vec::new(), ..Self::begin(name) }
    }

    /// The step that is broken.
    #[must_use]
    pub fn broken(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.state == State::Failed)
    }

    pub(super) fn begin(name: Option<String>) -> Self {
        let steps = Stage::ALL.into_iter().map(Step::new).collect();
        Self { name, url: None, healthy: Some(true), steps, milliseconds: 0 }
    }

    pub(super) fn step(&mut self, stage: Stage) -> &mut Step {
        // One of each, in this order.
        &mut self.steps[stage as usize]
    }

    pub(super) fn fail(&mut self, Broken(stage, failure): Broken) {
        self.healthy = Some(false);
        let step = self.step(stage);
        step.state = State::Failed;
        step.failure = Some(failure);
    }

    pub(super) fn end(mut self, began: Instant) -> Self {
        self.milliseconds = milliseconds(began.elapsed());
        self
    }
}

impl Step {
    fn new(stage: Stage) -> Self {
        Self {
            stage,
            state: State::NotReached,
            facts: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
            failure: None,
            milliseconds: None,
        }
    }

    /// Adds a fact for programs and people.
    pub(super) fn tell(&mut self, name: &'static str, value: impl Into<Value>, text: impl Into<String>) {
        self.list(name, value, [text.into()]);
    }

    /// The same with a line for each of several.
    pub(super) fn list(&mut self, name: &'static str, value: impl Into<Value>, text: impl IntoIterator<Item = String>) {
        self.facts.push(Fact { name, value: value.into(), text: text.into_iter().collect() });
    }

    /// Adds a fact for programs alone.
    pub(super) fn know(&mut self, name: &'static str, value: impl Into<Value>) {
        self.list(name, value, []);
    }

    /// Says that the step was gone through.
    pub(super) fn passed(&mut self, took: Option<Duration>) {
        let calm = self.warnings.is_empty() && self.notes.is_empty();
        self.state = if calm { State::Ok } else { State::Warning };
        self.milliseconds = took.map(milliseconds);
    }

    /// Says that these settings do without it.
    pub(super) fn unused(&mut self, why: &str) {
        self.state = State::NotUsed;
        self.tell("reason", why, why);
    }
}

impl Stage {
    const ALL: [Self; 9] = [
        Self::Configuration,
        Self::Identity,
        Self::Trust,
        Self::Name,
        Self::Connection,
        Self::Proxy,
        Self::Tls,
        Self::Http,
        Self::Mcp,
    ];

    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Identity => "identity",
            Self::Trust => "trust",
            Self::Name => "name",
            Self::Connection => "connection",
            Self::Proxy => "proxy",
            Self::Tls => "TLS",
            Self::Http => "HTTP",
            Self::Mcp => "MCP",
        }
    }
}

impl State {
    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::NotReached => "not reached",
            Self::NotUsed => "not used",
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn by_name<S: Serializer>(facts: &[Fact], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(facts.iter().map(|fact| (fact.name, &fact.value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_its_step() {
        let mut report = Report::begin(None);
        for stage in Stage::ALL {
            assert_eq!(report.step(stage).stage, stage);
        }
    }
}
