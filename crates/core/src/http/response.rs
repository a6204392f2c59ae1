//! A response whose body is still to be read, and what can explain it.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, Uri, header};

use super::trouble::{as_alert, is_of_certificate};
use super::{Body, REFUSAL_BODY, REFUSAL_TIME};
use crate::error::{Failure, plain, quoted};
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
        // A redirect may have named a path without end.
        format!("{method} {scheme}://{authority}{}", plain(uri.path()))
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
        let (status, media_type) = (self.status, self.media_type());
        let may =
            status == StatusCode::BAD_REQUEST && self.body.tls().identity().is_some() && media_type == "text/html";
        may && {
            let page = self.body.peek(REFUSAL_BODY, REFUSAL_TIME).await;
            is_of_certificate(status, &media_type, &String::from_utf8_lossy(page), "")
        }
    }

    /// The body, and what can explain the words in it.
    pub(crate) fn split(self) -> (Explain, Body) {
        let query = self.request.1.query().unwrap_or_default().to_owned();
        (Explain { record: self.record, tls: Arc::clone(self.body.tls()), own: self.own, query }, self.body)
    }
}

/// Explains what a response says, of the client certificate above all.
#[derive(Debug)]
pub(crate) struct Explain {
    record: Record,
    tls: Arc<Tls>,
    own: Arc<HeaderMap>,
    /// The query of the URL, in which a token may stand.
    query: String,
}

impl Explain {
    /// The failure for a client certificate that was missing or refused, as an answer with this status says in these
    /// words.
    pub(crate) fn refused(&self, status: StatusCode, said: &str) -> Failure {
        let words = match said {
            "" => format!("HTTP {}", status.as_u16()),
            said => format!("HTTP {}, {}", status.as_u16(), quoted(said)),
        };
        self.tls.explain_refused(&self.record, &words, as_alert(said))
    }

    /// The failure for a client certificate that was presented, and shows why a server that forbids access likely does
    /// not accept it.
    pub(crate) fn unaccepted(&self, status: u16) -> Option<Failure> {
        self.tls.explain_unaccepted(&self.record, status)
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

    /// Text of the server without the values of the entry's headers and of the URL's query, which some servers repeat
    /// in their errors.
    pub(crate) fn without_secrets(&self, text: &str) -> String {
        let values = self.own.values().filter_map(|value| value.to_str().ok());
        // A scheme such as Bearer says nothing, and a short word would take away what stands there by chance.
        let words = values.flat_map(|value| [value].into_iter().chain(value.split(' '))).filter(|word| word.len() >= 8);
        let text = words.fold(text.to_owned(), |text, word| text.replace(word, HIDDEN));
        // The query as it was sent, then each value, as servers decode it too.
        let parts = self.query.split('&').filter(|part| !part.is_empty());
        let values = parts.map(|part| part.split_once('=').map_or(part, |(_, value)| value));
        let plain = url::form_urlencoded::parse(self.query.as_bytes()).map(|(_, value)| value.into_owned());
        let mut words: Vec<String> = values.map(str::to_owned).chain(plain).filter(|word| word.len() >= 4).collect();
        // A longer one may hold a shorter one.
        words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
        words.iter().fold(text, |text, word| text.replace(word, HIDDEN))
    }
}

/// What stands in the place of a secret.
const HIDDEN: &str = "\u{2026}";
