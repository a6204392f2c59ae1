//! What one connection has shown of itself, kept for the explanation of a failure.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;

use crate::trust::Refusal;

/// What one connection has shown of itself so far.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was seen or not, whatever the others are")]
pub(crate) struct Evidence {
    /// The server, as host and port.
    pub(crate) target: String,
    /// The proxy in between, without its credentials.
    pub(crate) proxy: Option<String>,
    /// The connection to that proxy.
    pub(crate) hop: Option<Record>,
    /// How far it came.
    pub(crate) step: Step,
    /// When it came to each step.
    pub(crate) times: Vec<(Step, Instant)>,
    /// The addresses of the name.
    pub(crate) resolved: Vec<SocketAddr>,
    /// The address that TCP reached.
    pub(crate) address: Option<SocketAddr>,
    /// The TLS version, once negotiated.
    pub(crate) version: Option<&'static str>,
    /// The key exchange, likewise.
    pub(crate) group: Option<&'static str>,
    /// The cipher suite.
    pub(crate) cipher: Option<&'static str>,
    /// The application protocol, when one was agreed on (ALPN).
    pub(crate) alpn: Option<Vec<u8>>,
    /// The server's certificates, leaf first, as it sent them.
    pub(crate) server_chain: Vec<CertificateDer<'static>>,
    /// Why the server is not believed.
    pub(crate) refusal: Option<Refusal>,
    /// Whether the greeting has a post-quantum key in it, which makes it larger than one packet.
    pub(crate) large_greeting: bool,
    /// Whether the greeting offers TLS 1.3 alone.
    pub(crate) only_tls13: bool,
    /// Whether anything came back after the greeting.
    pub(crate) answered: bool,
    /// The first bytes of it.
    pub(crate) beginning: Vec<u8>,
    /// What became of the client certificate.
    pub(crate) offer: Offer,
    /// The CAs that the server said it accepts, as DER names.
    pub(crate) acceptable: Vec<Vec<u8>>,
    /// The alert with which the server ended the connection.
    pub(crate) alert: Option<AlertDescription>,
    /// Whether the server has sent anything after the handshake: under TLS 1.3 only that proves
    /// that it accepted the client certificate.
    pub(crate) heard: bool,
    /// Whether the connection has ended: the other end closed it, or the system says that it broke.
    pub(crate) ended: bool,
    /// Whether the server does not take what is being sent to it, at the moment.
    pub(crate) stalled: bool,
}

impl Evidence {
    /// Writes down that it came to this step.
    pub(crate) fn reach(&mut self, step: Step) {
        self.step = step;
        self.times.push((step, Instant::now()));
    }

    /// What to try when nothing at all came back after a greeting that some networks lose.
    pub(crate) fn smaller_greeting(&self) -> Option<&'static str> {
        (self.step == Step::Handshake && self.large_greeting && !self.answered).then_some(SMALLER_GREETING)
    }
}

const SMALLER_GREETING: &str = "Run `mcp-mtls doctor`: some networks lose the larger post-quantum greeting, and it tells \
     whether `keyExchange` \"classical\" helps.";

/// How far a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The name is being resolved.
    Resolve,
    /// TCP is being opened.
    Connect,
    /// The proxy is being asked for a tunnel.
    Proxy,
    /// The TLS handshake runs.
    Handshake,
    /// Requests can be sent.
    Open,
}

/// What became of the client certificate in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// The server did not ask for one (yet).
    NotAsked,
    /// It asked, and none is configured.
    NoneConfigured,
    /// It asked, and takes no signature that the key can make.
    CannotSign,
    /// It asked, and ours was presented.
    Presented,
}

/// The evidence of a connection, which its parts write and the explanation reads.
#[derive(Clone, Debug)]
pub(crate) struct Record(Arc<Mutex<Evidence>>);

impl Record {
    pub(crate) fn new(target: String) -> Self {
        Self(Arc::new(Mutex::new(Evidence {
            target,
            proxy: None,
            hop: None,
            step: Step::Resolve,
            times: Vec::new(),
            resolved: Vec::new(),
            address: None,
            version: None,
            group: None,
            cipher: None,
            alpn: None,
            server_chain: Vec::new(),
            refusal: None,
            large_greeting: false,
            only_tls13: false,
            answered: false,
            beginning: Vec::new(),
            offer: Offer::NotAsked,
            acceptable: Vec::new(),
            alert: None,
            heard: false,
            ended: false,
            stalled: false,
        })))
    }

    /// The evidence, to read or to write; never held over an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Evidence> {
        // A panic elsewhere leaves every field readable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether both are of one connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn reach(&self, step: Step) {
        self.lock().reach(step);
    }
}
