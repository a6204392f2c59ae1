//! What a server presents of itself, for a person to judge.

use std::sync::Arc;

use super::connection::{Dialer, Route};
use super::proxy;
use super::tasks::Tasks;
use crate::config::{self, Endpoint};
use crate::error::{Code, Failure, Result};
use crate::tls::{Options, Seen, Tls};
use crate::trust::Trust;

/// What a server presents of itself. Only its connection has been looked at: no request was sent, and
/// no client certificate.
#[derive(Debug)]
#[non_exhaustive]
pub struct Presented {
    /// The certificates in DER, the server's own first, as it sends them.
    pub certificates: Vec<Vec<u8>>,
    /// The places in `certificates` of those that could be believed as `ca`, the lowest first: the CAs above
    /// the server's own certificate, each proved by a signature, or that certificate itself when it signed itself.
    /// Where this system's roots vouch for the chain, they are on the path to such a root.
    pub linked: Vec<usize>,
    /// Whether a connection with these settings would believe the certificates for this name, and why not. That
    /// the server has the key is not looked at.
    pub verdict: Result<()>,
}

impl Presented {
    /// Connects to the server, through the endpoint's proxy if there is one, and takes what it presents.
    ///
    /// # Errors
    /// Every failure of connecting before the server's certificate; those of [`Trust::load`].
    pub async fn by(endpoint: &Endpoint) -> Result<Self> {
        if endpoint.url.scheme() != "https" {
            return Err(Failure::new(Code::ConfigConflict, "A server without TLS presents no certificate")
                .fix("Write https:// in the URL."));
        }
        let tls = Tls::new(None, Arc::new(Trust::load(&endpoint.tls, None)?), options(&endpoint.tls))?;
        let proxy = proxy::choose(&endpoint.proxy, &endpoint.url)?;
        let dialer = Dialer::new(Arc::new(Route::new(&endpoint.url, proxy, endpoint.timeout)?), tls);
        // The work of a tunnel, which ends with this.
        let tasks = Tasks::default();
        let presented = dialer.presented(&dialer.record(), &tasks.spawner()).await;
        let Seen { certificates, linked, verdict } = presented?;
        Ok(Self { certificates: certificates.into_iter().map(|der| der.to_vec()).collect(), linked, verdict })
    }
}

/// What the settings ask of a connection besides identity and trust.
pub(super) fn options(settings: &config::Tls) -> Options {
    Options {
        server_name: settings.server_name.clone(),
        only_tls13: settings.only_tls13,
        classical: settings.classical,
    }
}
