//! One request and its streamed response, over pooled connections to one origin.
//!
//! It knows no MCP. Identity, headers and body go to the configured origin alone; a redirect
//! within it is followed, any other is an error.

mod body;
mod connection;
mod credentials;
mod generations;
mod greeting;
mod moment;
mod multiplexed;
mod pool;
mod presented;
mod proxy;
mod redirect;
mod replacement;
mod response;
mod socks;
mod tasks;
mod trouble;

pub(crate) use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub(crate) use body::Body;
pub(crate) use generations::Generations;
pub(crate) use greeting::answers;
pub(crate) use pool::{Settler, Settling};
pub use presented::Presented;
pub(crate) use replacement::Beginning;
pub(crate) use response::{Explain, Response};
pub(crate) use trouble::is_of_certificate;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use url::Url;

use crate::config::{Endpoint, told};
use crate::error::{Code, Failure, Result, brief, quoted};
use crate::tls::Evidence;
use crate::trust::Trust;
use connection::{Outcome, Route};
use credentials::Credentials;
use generations::Generation;

/// A client for one origin.
pub(crate) struct Client {
    generations: Generations,
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

impl Client {
    /// Loads identity and trust. Reads files, so it may block.
    ///
    /// # Errors
    /// Those of [`Identity::load`](crate::identity::Identity::load) and
    /// [`Trust::load`](crate::trust::Trust::load), and `config-invalid-value` for the proxy.
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self> {
        // What the settings say is looked at before files are.
        proxy::choose(&endpoint.proxy, &endpoint.url)?;
        let beginning = Beginning::load(&endpoint.tls)?;
        let trust = Arc::new(beginning.trust()?);
        Self::of(endpoint, beginning, trust)
    }

    /// The same of what has been loaded.
    ///
    /// # Errors
    /// `config-invalid-value` for the proxy.
    pub(crate) fn of(endpoint: &Endpoint, beginning: Beginning, trust: Arc<Trust>) -> Result<Self> {
        let proxy = proxy::choose(&endpoint.proxy, &endpoint.url)?;
        let generations = Generations::new(Route::new(&endpoint.url, proxy, endpoint.timeout)?, beginning, trust)?;
        let credentials = Credentials::new(&endpoint.headers);
        Ok(Self { generations, url: endpoint.url.clone(), credentials, timeout: endpoint.timeout })
    }

    /// The proxy that an endpoint is reached through, without its credentials, and where it was set.
    ///
    /// # Errors
    /// `config-invalid-value`.
    pub(crate) fn proxy(endpoint: &Endpoint) -> Result<Option<(String, String)>> {
        let proxy = proxy::choose(&endpoint.proxy, &endpoint.url)?;
        Ok(proxy.map(|proxy| (proxy.told().to_owned(), proxy.origin().to_owned())))
    }

    /// What the connection that was opened last has shown of itself.
    pub(crate) fn evidence(&self) -> Option<Evidence> {
        self.generations.peek().pool.latest().map(|record| record.lock().clone())
    }

    /// What should be seen to of what was loaded first.
    pub(crate) fn warnings(&self) -> Vec<Failure> {
        let generation = self.generations.peek();
        generation.pool.tls().identity().map(|identity| identity.warnings().to_vec()).unwrap_or_default()
    }

    /// What deserves a word of it, but stops nothing.
    pub(crate) fn notes(&self) -> Vec<String> {
        let generation = self.generations.peek();
        generation.pool.tls().identity().map(|identity| identity.notes().to_vec()).unwrap_or_default()
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
                .fix("Tell whoever runs the server: its event `endpoint` must hold a URL.")
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
        if response.status == StatusCode::FORBIDDEN {
            response.credential = self.credentials.most_likely().map(Box::new);
        }
        if response.status != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        if let Some(sent) = &request.sent {
            // Not on its way any more, until it is sent again.
            sent.send_replace(false);
        }
        response.credential = self.credentials.most_likely().map(Box::new);
        match self.credentials.renew(&carried).await {
            Ok(None) => Ok(response),
            Ok(Some(renewed)) => {
                // Read to its end, so that the connection is used again.
                response.body.beginning(REFUSAL_BODY, REFUSAL_TIME).await;
                let mut response = self.follow(&request, &renewed.values).await?;
                response.credential = self.credentials.most_likely().map(Box::new);
                Ok(response)
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
            let mut response = self.exchange(&url, request, own).await?;
            response.own = Arc::clone(own);
            if !response.status.is_redirection() || response.status == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            url = self.target(&url, &response)?;
        }
        Err(Failure::new(Code::RedirectRefused, format!("{} redirects without end", brief(&told(&self.url))))
            .at(told(&self.url))
            .because(format!("It redirected more than {MAX_REDIRECTS} times, at last to {}.", quoted(&told(&url))))
            .fix("Write the final URL of the endpoint in `url`."))
    }

    /// Ready when there is news to tell, or requests go out with another identity or trust than this
    /// response came in; whether the second is so.
    pub(crate) async fn outlived(&self, generation: u64) -> bool {
        self.generations.outlived(generation).await
    }

    /// The URL of the endpoint, as it may be told.
    pub(crate) fn told(&self) -> String {
        told(&self.url)
    }

    /// Its generations of identity and trust, to have the next one made.
    pub(crate) fn generations(&self) -> Generations {
        self.generations.clone()
    }

    /// What deserves a word about identity and trust, once.
    pub(crate) fn news(&self) -> Vec<Failure> {
        self.generations.news()
    }

    /// A failure for the time being up, which names the step that took too long.
    pub(crate) fn timed_out(&self, limit: Duration) -> Failure {
        let seconds = limit.as_secs_f64();
        let failure =
            Failure::new(Code::TimedOut, format!("No answer from {} within {seconds} s", brief(&told(&self.url))));
        let failure = failure.at(told(&self.url));
        trouble::slow_step(failure, self.generations.peek().pool.latest().as_ref())
    }

    /// The URL without userinfo and fragment, when certificate, headers and messages may go to it.
    fn of_origin(&self, url: Url) -> Result<Url> {
        if url.origin() != self.url.origin() {
            let what = format!("The server names {} for messages, which is not used", brief(&told(&url)));
            return Err(Failure::new(Code::RedirectRefused, what)
                .at(told(&self.url))
                .because("It is of another origin, where certificate, headers and message must not go.")
                .fix("Have the server name a URL of its own scheme, host and port; a proxy before it may hide them."));
        }
        Ok(bare(url))
    }

    /// Sends the request in the current generation; and once more in the next, when the server has
    /// refused the certificate of this one, and so processed nothing, and there is another now. Where
    /// it may have processed the request, the next is only made for those that follow.
    async fn exchange(&self, url: &Url, request: &Request, own: &HeaderMap) -> Result<Response> {
        let generation = self.generations.current().await?;
        let sent = request.sent.as_ref();
        let mut first = self.exchange_in(&generation, outgoing(url, request, own)?, sent).await;
        let (refused, processed) = match &mut first {
            Ok(response) => (response.refuses_certificate().await, false),
            Err(failure) => (failure.is_refused_certificate(), !failure.is_refused_handshake()),
        };
        if !refused {
            return first;
        }
        if let (Some(sent), false) = (sent, processed) {
            // Not on its way any more, until it is sent again.
            sent.send_replace(false);
        }
        match (self.generations.after_refusal(&generation).await, first) {
            (Ok(Some(next)), _) if !processed => self.exchange_in(&next, outgoing(url, request, own)?, sent).await,
            (Ok(_), first) => first,
            (Err(why), Ok(mut response)) => {
                response.not_renewed = Some(why);
                Ok(response)
            }
            (Err(why), Err(failure)) => {
                Err(failure.because(not_renewed("The certificate could not be read anew", &why)))
            }
        }
    }

    async fn exchange_in(
        &self,
        generation: &Generation,
        mut request: ::http::Request<Bytes>,
        sent: Option<&watch::Sender<bool>>,
    ) -> Result<Response> {
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            let lease = generation.pool.lease().await?;
            match lease.send(request, sent).await {
                Outcome::Response(response) => return Ok(Response { generation: generation.number, ..response }),
                Outcome::Failed(failure) => return Err(failure),
                // The connection had ended before the request was handed to it, or the server says
                // that it did not process it.
                Outcome::NotSent(unsent, why) => {
                    request = unsent;
                    failure = Some(why);
                }
            }
        }
        Err(failure.unwrap_or_else(|| {
            Failure::new(Code::ConnectionLost, "The server takes no request")
                .fix("Call again; if it stays so, look into the server's log.")
        }))
    }
}

fn outgoing(url: &Url, request: &Request, own: &HeaderMap) -> Result<::http::Request<Bytes>> {
    let mut outgoing = ::http::Request::new(request.body.clone());
    *outgoing.method_mut() = request.method.clone();
    *outgoing.uri_mut() = url.as_str().parse().map_err(|_| {
        Failure::new(Code::ConfigInvalidValue, "The URL cannot be sent in a request")
            .at(told(url))
            .fix("Correct the path of the URL.")
    })?;
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

/// Why what was refused could not be made again, as a sentence.
pub(crate) fn not_renewed(what: &str, why: &Failure) -> String {
    let facts = why.facts();
    format!("{what}: {} ({}). {}", facts.what, facts.place.join(", "), facts.why.join(" "))
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
