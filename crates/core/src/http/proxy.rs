//! The proxy on the way to the server: which one, and the tunnel through it.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Host, Url};

use super::tasks::Spawner;
use crate::config::{ProxySettings, told};
use crate::error::{Code, Failure, Result, quoted};
use crate::secret::Secret;
use crate::tls::{Peer, Record, Step, Tls, dial};

/// A byte stream to the server, direct or through a tunnel.
pub(super) type Stream = Box<dyn ReadWrite>;

pub(super) trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for S {}

/// A proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    kind: Kind,
    host: Host,
    port: u16,
    /// User and password.
    credentials: Option<(Secret, Secret)>,
    /// The proxy as it may be told.
    told: String,
    /// Where it was set.
    origin: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    Https,
    /// The name is resolved here.
    Socks5,
    /// The name is resolved by the proxy.
    Socks5h,
}

/// The proxy for this URL, if there is one.
///
/// # Errors
/// `config-invalid-value` when the setting is not a proxy that can be used.
pub(super) fn choose(settings: &ProxySettings, url: &Url) -> Result<Option<Proxy>> {
    let Some((written, origin)) = &settings.proxy else { return Ok(None) };
    let proxy = parse(written, &origin.to_string())?;
    let Some(except) = &settings.except else { return Ok(Some(proxy)) };
    // The list is matched by a library, which wants some proxy to answer with.
    let matcher = Matcher::builder().all("http://proxy.invalid").no(except.as_str()).build();
    let uri = url.as_str().parse::<http::Uri>();
    let excepted = uri.is_ok_and(|uri| matcher.intercept(&uri).is_none());
    Ok((!excepted).then_some(proxy))
}

fn parse(written: &Secret, origin: &str) -> Result<Proxy> {
    let wrong = |why: &str| {
        Failure::new(Code::ConfigInvalidValue, "The proxy cannot be used")
            .at(origin)
            .because(why)
            .fix("Write http://HOST:PORT, https://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT.")
    };
    let text = written.expose().trim();
    // Without a scheme it is an HTTP proxy, as everywhere.
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    let url = url.map_err(|_| wrong("It is not a URL."))?;
    let (kind, port) = match url.scheme() {
        "http" => (Kind::Http, 80),
        "https" => (Kind::Https, 443),
        "socks5" => (Kind::Socks5, 1080),
        "socks5h" => (Kind::Socks5h, 1080),
        _ => return Err(wrong("Its scheme is not one of http, https, socks5 and socks5h.")),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).and_then(|host| Host::parse(host).ok());
    let Some(host) = host else { return Err(wrong("It names no host.")) };
    let decode = |text: &str| {
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
        decoded
            .map(|text| Secret::new(text.into_owned()))
            .map_err(|_| wrong("Its user name or password is not UTF-8 text."))
    };
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => Some((decode(user)?, decode(password.unwrap_or_default())?)),
    };
    let port = url.port().unwrap_or(port);
    let told = told(&url).trim_end_matches('/').to_owned();
    Ok(Proxy { kind, host, port, credentials, told, origin: origin.to_owned() })
}

impl Proxy {
    /// The proxy without its credentials.
    pub(super) fn told(&self) -> &str {
        &self.told
    }

    /// Opens a tunnel to `host`. An https proxy is shown no client certificate.
    ///
    /// # Errors
    /// `proxy-failed`, and every failure of connecting to the proxy.
    pub(super) async fn tunnel(
        &self,
        host: &Host,
        port: u16,
        tls: &Tls,
        record: &Record,
        tasks: &Spawner,
    ) -> Result<Stream> {
        record.reach(Step::Proxy);
        // What the proxy shows of itself is no evidence of the server.
        let hop = Record::new(format!("{}:{}", self.host, self.port));
        let result = self.reach(tls, &hop).await;
        let stream = result.map_err(|failure| failure.at(format!("the proxy of {}", self.origin)))?;
        record.lock().address = hop.lock().address;
        match self.kind {
            Kind::Http | Kind::Https => self.connect(stream, host, port, tasks).await,
            Kind::Socks5 | Kind::Socks5h => self.socks5(stream, host, port).await,
        }
    }

    async fn reach(&self, tls: &Tls, hop: &Record) -> Result<Stream> {
        let tcp = dial(&self.host, self.port, hop).await?;
        if self.kind != Kind::Https {
            return Ok(Box::new(tcp));
        }
        Ok(Box::new(tls.handshake(tcp, &self.host, Peer::Proxy, &[b"http/1.1"], hop).await?))
    }

    /// HTTP CONNECT (RFC 9110, section 9.3.6).
    async fn connect(&self, stream: Stream, host: &Host, port: u16, tasks: &Spawner) -> Result<Stream> {
        let failed = |error: hyper::Error| self.failed(host, port).because(super::trouble::in_words(&error));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tasks.spawn(connection.with_upgrades());
        let authority = format!("{host}:{port}");
        let request = http::Request::connect(&authority).header(http::header::HOST, &authority);
        let mut request =
            request.body(Empty::<Bytes>::new()).map_err(|error| self.failed(host, port).because(error.to_string()))?;
        if let Some(value) = self.basic()? {
            request.headers_mut().insert(http::header::PROXY_AUTHORIZATION, value);
        }
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(host, port, status));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(failed)?;
        match upgraded.downcast::<TokioIo<Stream>>() {
            // The server waits for our greeting, so nothing can have come before it.
            Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io.into_inner()),
            _ => Err(self.failed(host, port).because("It sent bytes before the tunnel was in use.")),
        }
    }

    fn refused(&self, host: &Host, port: u16, status: http::StatusCode) -> Failure {
        let failure = self.failed(host, port).because(format!("It answered {}.", quoted(&status.to_string())));
        match status {
            http::StatusCode::PROXY_AUTHENTICATION_REQUIRED if self.credentials.is_none() => {
                failure.fix("Write the user name and password into the proxy's URL: http://USER:PASSWORD@HOST:PORT.")
            }
            http::StatusCode::PROXY_AUTHENTICATION_REQUIRED => failure
                .fix("Correct the user name and password in the proxy's URL (percent-encoded); only Basic is spoken."),
            http::StatusCode::FORBIDDEN => failure.fix(format!("Have the proxy allow {host}:{port}.")),
            _ => failure.fix("Check the proxy, and whether it can reach the server."),
        }
    }

    async fn socks5(&self, stream: Stream, host: &Host, port: u16) -> Result<Stream> {
        // The library's connector opens the connection by itself; here it is open already.
        let opened = std::sync::Mutex::new(Some(TokioIo::new(stream)));
        let connector = tower_service_fn(move |_: http::Uri| {
            let stream = opened.lock().ok().and_then(|mut stream| stream.take());
            std::future::ready(stream.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected)))
        });
        let target = match (self.kind, host) {
            (Kind::Socks5, Host::Domain(name)) => {
                let mut found = tokio::net::lookup_host((name.as_str(), port)).await.map_err(|error| {
                    Failure::new(Code::NameUnresolved, format!("The host name `{name}` cannot be resolved"))
                        .because(format!("The system's resolver says: {error}."))
                        .fix(format!("Let the proxy resolve it: write socks5h:// in {}.", self.origin))
                })?;
                found.next().map(|address| address.to_string())
            }
            _ => Some(format!("{host}:{port}")),
        };
        let uri = target.and_then(|target| format!("https://{target}").parse::<http::Uri>().ok());
        let (Some(uri), Ok(proxy)) = (uri, format!("http://{}:{}", self.host, self.port).parse()) else {
            return Err(self.failed(host, port).because("The name of the host cannot be sent to it."));
        };
        let mut socks = SocksV5::new(proxy, connector);
        if let Some((user, password)) = &self.credentials {
            socks = socks.with_auth(user.expose().to_owned(), password.expose().to_owned());
        }
        let stream = tower_service::Service::call(&mut socks, uri).await.map_err(|error| {
            self.failed(host, port)
                .because(format!("The SOCKS5 exchange ended with: {error}."))
                .fix("Check the proxy's address and credentials, and whether it can reach the server.")
        })?;
        Ok(stream.into_inner())
    }

    fn basic(&self) -> Result<Option<http::HeaderValue>> {
        use base64::Engine;
        let Some((user, password)) = &self.credentials else { return Ok(None) };
        let pair = zeroize::Zeroizing::new(format!("{}:{}", user.expose(), password.expose()));
        let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair.as_bytes()));
        let mut value = http::HeaderValue::from_str(&value)
            .map_err(|_| Failure::new(Code::ConfigInvalidValue, "The proxy's credentials cannot be sent"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn failed(&self, host: &Host, port: u16) -> Failure {
        Failure::new(Code::ProxyFailed, format!("The proxy {} did not open a tunnel to {host}:{port}", self.told))
            .at(self.origin.clone())
    }
}

/// A `tower` service of a function; the crate that offers one is not needed for anything else.
fn tower_service_fn<F>(function: F) -> FnService<F> {
    FnService(function)
}

struct FnService<F>(F);

impl<F, R, T, E> tower_service::Service<http::Uri> for FnService<F>
where
    F: FnMut(http::Uri) -> R,
    R: Future<Output = std::result::Result<T, E>>,
{
    type Response = T;
    type Error = E;
    type Future = R;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<std::result::Result<(), E>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> R {
        (self.0)(uri)
    }
}
