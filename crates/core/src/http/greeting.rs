//! Whether a server answers a TLS greeting at all.

use std::sync::Arc;
use std::time::Duration;

use super::connection::{Dialer, Route};
use super::presented::options;
use super::proxy;
use super::tasks::Tasks;
use crate::config::Endpoint;
use crate::error::Result;
use crate::tls::{Options, Tls};
use crate::trust::Trust;

/// Whether anything comes back within `limit` after a greeting with or without the post-quantum part of the key
/// exchange. The handshake is given up before its end: no request is sent, no header, and no client certificate.
///
/// # Errors
/// Those of the settings.
pub(crate) async fn answers(endpoint: &Endpoint, trust: Arc<Trust>, classical: bool, limit: Duration) -> Result<bool> {
    let options = Options { classical, ..options(&endpoint.tls) };
    let route = Route::new(&endpoint.url, proxy::choose(&endpoint.proxy, &endpoint.url)?, endpoint.timeout)?;
    let dialer = Dialer::new(Arc::new(route), Tls::new(None, trust, options)?);
    let record = dialer.record();
    // The work of a tunnel, which ends with this.
    let tasks = Tasks::default();
    // Whatever is answered, and whatever comes of it.
    let _ = tokio::time::timeout(limit, dialer.presented(&record, &tasks.spawner())).await;
    let answered = record.lock().answered;
    Ok(answered)
}
