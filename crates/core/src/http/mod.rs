//! One request and its streamed response, over pooled connections to one origin.
//!
//! It knows no MCP. Identity, headers and body go to the configured origin alone; a redirect
//! within it is followed, any other is an error.

mod body;
mod connection;
mod credentials;
mod moment;
mod multiplexed;
mod pool;
mod proxy;
mod tasks;
mod trouble;

pub(crate) use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub(crate) use body::Body;
pub(crate) use pool::{Settler, Settling};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use url::Url;

use crate::config::{Endpoint, told};
use crate::error::{Code, Failure, Result, quoted};
use crate::identity::Identity;
use crate::tls::{Offer, Record, Tls};
use crate::trust::Trust;
use connection::Outcome;
use credentials::Credentials;
use pool::Pool;

/// A client for one origin.
pub(crate) struct Client {
    pool: Pool,
    url: Url,
    /// The entry's headers, sent with every request.
    credentials: Credentials,
    timeout: Duration,
}

/// A request to the endpoint.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Where it goes within the endpoint's origin, as [`Client::join`] gives it; none is the endpoint's URL.
    pub(crate) target: Option<Url>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Becomes true when the request has been handed to a connection.
    pub(crate) sent: Option<watch::Sender<bool>>,
}

/// A response whose body is still to be read.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// Of a 401: why the entry's headers could not be made again.
    pub(crate) not_renewed: Option<Failure>,
    /// The entry's headers that its request carried.
    own: Arc<HeaderMap>,
    record: Record,
}

impl Client {
    /// Loads identity and trust. Reads files, so it may block.
    ///
    /// # Errors
    /// Those of [`Identity::load`] and [`Trust::load`], and `config-invalid-value` for the proxy.
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self> {
        let tls = Tls::new(Identity::load(&endpoint.tls)?, Trust::load(&endpoint.tls)?)?;
        let proxy = proxy::choose(&endpoint.proxy, &endpoint.url)?;
        let pool = Pool::new(connection::Dialer::new(&endpoint.url, proxy, tls, endpoint.timeout)?);
        let credentials = Credentials::new(&endpoint.headers);
        Ok(Self { pool, url: endpoint.url.clone(), credentials, timeout: endpoint.timeout })
    }

    /// How long connecting may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A reference of the server (RFC 3986, section 5) as a URL, when it is of the endpoint's origin.
    ///
    /// # Errors
    /// `redirect-refused` for another origin, and for what is no URL.
    pub(crate) fn join(&self, reference: &str) -> Result<Url> {
        let url = self.url.join(reference).map_err(|_| {
            // Behind the question mark there may be a token.
            let path = reference.split(['?', '#']).next().unwrap_or_default();
            Failure::new(Code::RedirectRefused, "The server names a URL for messages that is none")
                .at(told(&self.url))
                .because(format!("It begins {}.", quoted(path)))
        })?;
        self.of_origin(url)
    }

    /// Sends a request to the endpoint and waits for the head of the response.
    ///
    /// A request that was handed to a connection is never sent again, but for one that the server
    /// answered with 401, and so did not process: when the files and programs that the entry's
    /// headers refer to give other values now, it is sent once more with those.
    ///
    /// # Errors
    /// Every failure of connecting, explained; `connection-lost`, `redirect-refused`, also for a
    /// target of another origin.
    pub(crate) async fn send(&self, request: Request) -> Result<Response> {
        let carried = self.credentials.current();
        let mut response = self.follow(&request, &carried.values).await?;
        if response.status != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        if let Some(sent) = &request.sent {
            // Not on its way any more, until it is sent again.
            sent.send_replace(false);
        }
        match self.credentials.renew(&carried).await {
            Ok(None) => Ok(response),
            Ok(Some(renewed)) => {
                // Read to its end, so that the connection is used again.
                response.body.beginning(REFUSAL_BODY, REFUSAL_TIME).await;
                self.follow(&request, &renewed.values).await
            }
            Err(failure) => {
                response.not_renewed = Some(failure);
                Ok(response)
            }
        }
    }

    /// Sends the request with these headers of the entry, and follows redirects within the origin.
    async fn follow(&self, request: &Request, own: &Arc<HeaderMap>) -> Result<Response> {
        let mut url = match &request.target {
            Some(target) => self.of_origin(target.clone())?,
            None => self.url.clone(),
        };
        for _ in 0..=MAX_REDIRECTS {
            let outgoing = outgoing(&url, request, own)?;
            let mut response = self.exchange(outgoing, request.sent.as_ref()).await?;
            response.own = Arc::clone(own);
            if !response.status.is_redirection() || response.status == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            url = self.target(&url, &response)?;
        }
        Err(Failure::new(Code::RedirectRefused, format!("{} redirects without end", told(&self.url)))
            .because(format!("It redirected more than {MAX_REDIRECTS} times, at last to {}.", told(&url)))
            .fix("Write the final URL of the endpoint in `url`."))
    }

    /// A failure for the time being up, which names the step that took too long.
    pub(crate) fn timed_out(&self, limit: Duration) -> Failure {
        let seconds = limit.as_secs_f64();
        let failure = Failure::new(Code::TimedOut, format!("No answer from {} within {seconds} s", told(&self.url)));
        trouble::slow_step(failure, self.pool.latest().as_ref())
    }

    /// The URL without userinfo and fragment, when certificate, headers and messages may go to it.
    fn of_origin(&self, url: Url) -> Result<Url> {
        if url.origin() != self.url.origin() {
            let what = format!("The server names {} for messages, which is not used", told(&url));
            return Err(Failure::new(Code::RedirectRefused, what)
                .at(told(&self.url))
                .because("It is of another origin, where certificate, headers and message must not go.")
                .fix("Have the server name a URL of its own scheme, host and port; a proxy before it may hide them."));
        }
        Ok(bare(url))
    }

    async fn exchange(
        &self,
        mut request: ::http::Request<Bytes>,
        sent: Option<&watch::Sender<bool>>,
    ) -> Result<Response> {
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            let lease = self.pool.lease().await?;
            match lease.send(request, sent).await {
                Outcome::Response(response) => return Ok(response),
                Outcome::Failed(failure) => return Err(failure),
                // The connection had ended before the request was handed to it, or the server says
                // that it did not process it.
                Outcome::NotSent(unsent, why) => {
                    request = unsent;
                    failure = Some(why);
                }
            }
        }
        Err(failure.unwrap_or_else(|| Failure::new(Code::ConnectionLost, "The server takes no request")))
    }

    /// The target of a redirect, when it may be followed.
    fn target(&self, url: &Url, response: &Response) -> Result<Url> {
        let location = response.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let target = location.and_then(|location| url.join(location).ok());
        let kept = matches!(response.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let failure = |why: String| {
            Failure::new(Code::RedirectRefused, format!("{} redirects the request, which is not followed", told(url)))
                .because(why)
        };
        match (target, location) {
            (Some(target), _) if kept && target.origin() == self.url.origin() => Ok(bare(target)),
            (Some(target), _) if kept => Err(failure(format!(
                "The target {} is of another origin, where certificate, headers and message must not go.",
                told(&target)
            ))
            .fix(format!("If you trust it, write {} in `url`.", told(&target)))),
            (Some(target), _) => Err(failure(format!(
                "HTTP {} to {} would turn the message into a GET; login pages answer like that.",
                response.status.as_u16(),
                told(&target)
            ))
            .fix("Check the URL, and whether the server wants credentials in `headers`.")),
            (None, Some(location)) => Err(failure(format!("Its target {} is no URL.", quoted(location)))),
            (None, None) => Err(failure(format!("HTTP {} came without a target.", response.status.as_u16()))),
        }
    }
}

fn outgoing(url: &Url, request: &Request, own: &HeaderMap) -> Result<::http::Request<Bytes>> {
    let mut outgoing = ::http::Request::new(request.body.clone());
    *outgoing.method_mut() = request.method.clone();
    *outgoing.uri_mut() = url
        .as_str()
        .parse()
        .map_err(|_| Failure::new(Code::ConfigInvalidValue, "The URL cannot be sent in a request").at(told(url)))?;
    // The transport's own headers replace those of the entry.
    *outgoing.headers_mut() = own.clone();
    outgoing.headers_mut().extend(request.headers.clone());
    Ok(outgoing)
}

/// What a server names may hold a user name, which would become part of the `Host` header.
fn bare(mut url: Url) -> Url {
    // Neither can fail for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may hold a token.
        f.debug_struct("Client").field("url", &told(&self.url)).finish_non_exhaustive()
    }
}

impl Response {
    /// The media type, in lower case and without parameters.
    pub(crate) fn media_type(&self) -> String {
        let value = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Whether a client certificate is configured and this connection's server never asked for it.
    pub(crate) fn certificate_not_asked(&self) -> bool {
        self.body.tls().identity().is_some() && self.record.lock().offer == Offer::NotAsked
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

    /// Text of the server without the values of the entry's headers, which some servers repeat in
    /// their errors.
    pub(crate) fn without_secrets(&self, text: &str) -> String {
        let values = self.own.values().filter_map(|value| value.to_str().ok());
        // A scheme such as Bearer says nothing, and a short word would take away what stands there by chance.
        let words = values.flat_map(|value| [value].into_iter().chain(value.split(' '))).filter(|word| word.len() >= 8);
        words.fold(text.to_owned(), |text, word| text.replace(word, "\u{2026}"))
    }
}

/// How often a request that was not processed is tried, each time on another connection or stream.
const ATTEMPTS: usize = 8;

/// How much of the body of a 401 is read before the request is sent again, and for how long.
const REFUSAL_BODY: usize = 64 << 10;
const REFUSAL_TIME: Duration = Duration::from_millis(100);

/// Within the origin (invariant 4).
const MAX_REDIRECTS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Entry, EntrySettings};

    fn client() -> Client {
        let settings = EntrySettings::new("https://corp.example/mcp/sse?token=abc");
        Client::new(&Entry::new(settings).resolve().unwrap()).unwrap()
    }

    #[test]
    fn references_of_the_server_are_joined_within_the_origin() {
        for (reference, url) in [
            ("/messages?session=1", "https://corp.example/messages?session=1"),
            ("messages", "https://corp.example/mcp/messages"),
            ("?session=1", "https://corp.example/mcp/sse?session=1"),
            ("https://corp.example:443/m", "https://corp.example/m"),
            ("//user:pass@corp.example/m#x", "https://corp.example/m"),
        ] {
            assert_eq!(client().join(reference).unwrap().as_str(), url);
        }
    }

    #[tokio::test]
    async fn references_of_the_server_leave_the_origin_in_no_way() {
        let others = ["http://corp.example/m", "https://corp.example:8443/m", "//evil.example/m", "\\\\evil.example/m"];
        for reference in others.into_iter().chain(["https://me:hunter2@evil.example/m?hunter2", "https://[?hunter2"]) {
            let failure = client().join(reference).unwrap_err();
            assert_eq!(failure.code(), Code::RedirectRefused);
            assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
        }
        // A target that was not joined is looked at all the same.
        let target = Some(Url::parse("https://evil.example/m").unwrap());
        let (method, headers) = (Method::POST, HeaderMap::new());
        let request = Request { method, target, headers, body: Bytes::new(), sent: None };
        assert_eq!(client().send(request).await.unwrap_err().code(), Code::RedirectRefused);
    }
}
