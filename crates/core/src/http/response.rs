//! A response whose body is still to be read, and what can explain it.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, Uri, header};

use super::trouble::is_of_certificate;
use super::{Body, REFUSAL_BODY, REFUSAL_TIME};
use crate::error::Failure;
use crate::tls::{Offer, Record, Tls};

/// A response whose body is still to be read.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// The method and the URL of the request.
    pub(super) request: Box<(Method, Uri)>,
    /// Of a refusal: the header of the entry that looks most like credentials, and where it was set.
    pub(crate) credential: Option<Box<(String, String)>>,
    /// Of a refusal: why the entry's headers, or the certificate, could not be made again.
    pub(crate) not_renewed: Option<Failure>,
    /// The generation of identity and trust that it came in.
    pub(crate) generation: u64,
    /// The entry's headers that its request carried.
    pub(super) own: Arc<HeaderMap>,
    pub(super) record: Record,
}

impl Response {
    /// The media type, in lower case and without parameters.
    pub(crate) fn media_type(&self) -> String {
        let value = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The method and the URL of the request, without what may be secret in it: `POST https://corp.example/mcp`.
    pub(crate) fn asked(&self) -> String {
        let (method, uri) = self.request.as_ref();
        let scheme = uri.scheme_str().unwrap_or_default();
        // Userinfo is never part of it.
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        format!("{method} {scheme}://{authority}{}", uri.path())
    }

    /// How the body is compressed, if it is.
    pub(crate) fn coding(&self) -> Option<String> {
        let value = self.headers.get(header::CONTENT_ENCODING)?.to_str().ok()?.trim().to_ascii_lowercase();
        (!matches!(value.as_str(), "" | "identity")).then_some(value)
    }

    /// Whether a client certificate is configured and this connection's server never asked for it.
    pub(crate) fn certificate_not_asked(&self) -> bool {
        self.body.tls().identity().is_some() && self.record.lock().offer == Offer::NotAsked
    }

    /// Whether the server asked for a client certificate, and nothing is configured that says who we are.
    pub(crate) fn certificate_missed(&self) -> bool {
        self.credential.is_none() && self.record.lock().offer == Offer::NoneConfigured
    }

    /// Whether a TLS terminator says with it that it refuses the client certificate, or misses it.
    pub(super) async fn refuses_certificate(&mut self) -> bool {
        let may = self.status == StatusCode::BAD_REQUEST && self.body.tls().identity().is_some();
        may && self.media_type() == "text/html"
            && is_of_certificate(&String::from_utf8_lossy(self.body.peek(REFUSAL_BODY, REFUSAL_TIME).await))
    }

    /// The body, and what can explain the words in it.
    pub(crate) fn split(self) -> (Explain, Body) {
        (Explain { record: self.record, tls: Arc::clone(self.body.tls()), own: self.own }, self.body)
    }
}

/// Explains what a response says, of the client certificate above all.
#[derive(Debug)]
pub(crate) struct Explain {
    record: Record,
    tls: Arc<Tls>,
    own: Arc<HeaderMap>,
}

impl Explain {
    /// The failure for a client certificate that was missing or refused, as the answer's words say.
    pub(crate) fn refused(&self, words: &str) -> Failure {
        self.tls.explain_refused(&self.record, words)
    }

    /// The failure for a client certificate that the server did not ask for, and seems to miss.
    pub(crate) fn unasked(&self, status: u16) -> Failure {
        let why = format!("It answered HTTP {status}; likely it misses the certificate.");
        self.tls.explain_unasked(&self.record, &why)
    }

    /// What the client certificate is called that was presented.
    pub(crate) fn who(&self) -> Option<String> {
        let presented = self.record.lock().offer == Offer::Presented;
        self.tls.identity().filter(|_| presented).map(|identity| identity.title().to_owned())
    }

    /// The name that TLS asked for instead of the URL's host, and where it was set.
    pub(crate) fn server_name(&self) -> Option<(String, String)> {
        self.tls.server_name()
    }

    /// Text of the server without the values of the entry's headers, which some servers repeat in
    /// their errors.
    pub(crate) fn without_secrets(&self, text: &str) -> String {
        let values = self.own.values().filter_map(|value| value.to_str().ok());
        // A scheme such as Bearer says nothing, and a short word would take away what stands there by chance.
        let words = values.flat_map(|value| [value].into_iter().chain(value.split(' '))).filter(|word| word.len() >= 8);
        words.fold(text.to_owned(), |text, word| text.replace(word, "\u{2026}"))
    }
}
