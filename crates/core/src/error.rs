//! The one shape in which trouble is told: [`Failure`].
//!
//! A failure is made where its facts are known and rendered elsewhere: as text by the command
//! line, as a JSON-RPC error by the bridge. Its [`Code`] is stable; its words may improve.

mod code;
mod system;
mod words;

use std::fmt;
use std::io;

use serde::Serialize;

pub use code::{Code, Side};
pub(crate) use system::{in_words, own_error};
pub(crate) use words::{FEW, first_few};
pub use words::{brief, plain, printable, quoted};

/// A `Result` whose error is a [`Failure`].
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What failed, on whose side, where, why, and what to do about it.
///
/// No field ever holds a secret. Words that came from the other side stand in `what`, `why` and
/// `evidence` only as [`quoted`] made them.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Failure(Box<Facts>);

/// The facts of a [`Failure`].
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Facts {
    /// The stable name of this kind of failure.
    pub code: Code,
    /// Who has to act.
    pub side: Side,
    /// One sentence: what could not be done.
    pub what: String,
    /// The file and line, the address, or the step.
    #[serde(rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub place: Vec<String>,
    /// What is known of the cause, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// What to do, the likeliest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
    /// Named values behind `why`, for programs.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub evidence: serde_json::Map<String, serde_json::Value>,
}

impl Failure {
    /// A failure of this kind; `what` is one sentence without a final full stop.
    #[must_use]
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self(Box::new(Facts {
            code,
            side: code.side(),
            what: what.into(),
            place: Vec::new(),
            why: Vec::new(),
            fix: Vec::new(),
            evidence: serde_json::Map::new(),
        }))
    }

    /// Adds where it failed.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place.push(place.into());
        self
    }

    /// Adds where it failed, when nothing says so yet and it is not the host's own doing.
    pub(crate) fn at_least(self, place: String) -> Self {
        if self.0.place.is_empty() && self.0.side != Side::Host { self.at(place) } else { self }
    }

    /// Adds a reason.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.0.why.push(why.into());
        self
    }

    /// Adds what the operating system said, in our words; its own go into the evidence.
    #[must_use]
    pub fn because_of(self, error: &io::Error) -> Self {
        self.because(in_words(error)).cause(error)
    }

    /// Keeps the words of a library or of the system, for whoever reports a fault. They are no
    /// reason that a person could act on, and so stand in the evidence alone.
    #[must_use]
    pub fn cause(self, words: impl fmt::Display) -> Self {
        self.evidence("cause", plain(&words.to_string()))
    }

    /// Adds something to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.0.fix.push(fix.into());
        self
    }

    /// Adds a named value for programs.
    #[must_use]
    pub fn evidence(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.evidence.insert(name.to_owned(), value.into());
        self
    }

    /// The facts.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.0
    }

    /// Whether no connection came to be, so that no server has seen anything.
    pub(crate) fn is_of_connecting(&self) -> bool {
        let connected = self.0.evidence.contains_key(CONNECTED);
        match self.0.code {
            Code::TimedOut => !connected,
            Code::NameUnresolved
            | Code::ConnectFailed
            | Code::ProxyFailed
            | Code::ProxyUnauthorized
            | Code::TlsFailed
            | Code::TlsVersionUnsupported
            | Code::NotTls => true,
            _ => false,
        }
    }

    /// Whether the server refused our certificate, or seems to.
    pub(crate) fn is_refused_certificate(&self) -> bool {
        matches!(
            self.0.code,
            Code::CertificateRefused
                | Code::CertificateExpired
                | Code::CertificateNotYetValid
                | Code::CertificateNotForClients
                | Code::CertificateChainIncomplete
        )
    }

    /// Whether it refused it in the handshake, so that it processed nothing. A connection that only
    /// ended does not say so, and one that had carried answers may have carried out the request.
    pub(crate) fn is_refused_handshake(&self) -> bool {
        let came = self.0.evidence.get("alert_came");
        self.is_refused_certificate() && came.is_some_and(|came| came != AFTER_ANSWERS)
    }

    /// Says that there was a connection when it failed.
    pub(crate) fn connected(self) -> Self {
        self.evidence(CONNECTED, true)
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }
}

/// When an alert came on a connection that had worked before.
pub(crate) const AFTER_ANSWERS: &str = "after answers of the server";

/// The name in the evidence.
const CONNECTED: &str = "connected";

impl fmt::Display for Failure {
    /// One line: what failed, then the first reason and the first fix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.what)?;
        let why = self.0.why.first();
        if let Some(why) = why {
            write!(f, ": {why}")?;
        }
        if let Some(fix) = self.0.fix.first() {
            let last = self.0.why.first().unwrap_or(&self.0.what);
            write!(f, "{} {fix}", if last.ends_with('.') { "" } else { "." })?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_other_side_cannot_drive_a_terminal() {
        assert_eq!(quoted("\u{1b}[2Jhi\r\nthere\u{202e}"), "\u{201c}[2Jhi there\u{201d}");
        assert_eq!(quoted(&"a".repeat(300)).chars().count(), 203);
    }
}
