//! What a server presents of itself, for a person to judge.

use std::sync::Arc;

use super::connection::{Dialer, Route};
use super::proxy;
use super::tasks::Tasks;
use crate::config::{self, Endpoint};
use crate::error::{Code, Failure, Result};
use crate::tls::{Options, Tls};
use crate::trust::Trust;

/// What a server presents of itself. Only its connection has been looked at: no request was sent, and
/// no client certificate.
#[derive(Debug)]
#[non_exhaustive]
pub struct Presented {
    /// The certificates in DER, the server's own first, as it sends them.
    pub certificates: Vec<Vec<u8>>,
    /// Whether a connection with these settings would believe the server, and why not.
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
        let tls = Tls::new(None, Trust::load(&endpoint.tls, None)?, options(&endpoint.tls))?;
        let proxy = proxy::choose(&endpoint.proxy, &endpoint.url)?;
        let dialer = Dialer::new(Arc::new(Route::new(&endpoint.url, proxy, endpoint.timeout)?), tls);
        // The work of a tunnel, which ends with this.
        let tasks = Tasks::default();
        let (certificates, verdict) = dialer.presented(&tasks.spawner()).await?;
        Ok(Self { certificates: certificates.into_iter().map(|der| der.to_vec()).collect(), verdict })
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
