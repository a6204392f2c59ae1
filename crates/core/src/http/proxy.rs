//! The proxy on the way to the server: which one, and the tunnel through it.

use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Host, Url};

use super::socks::{self, NoTunnel};
use super::tasks::Spawner;
use super::trouble::{in_words, whole};
use crate::config::{ProxySettings, told};
use crate::error::{Code, Failure, Result, brief, quoted};
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

/// The name of a way to log in, without the realm and what else belongs to it (RFC 9110, section 11.6.1).
fn scheme(challenge: &str) -> Option<&str> {
    challenge.split_whitespace().next()
}

impl Proxy {
    /// The proxy without its credentials.
    pub(super) fn told(&self) -> &str {
        &self.told
    }

    /// Where it was set.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Opens a tunnel to `host`. An https proxy is shown no client certificate.
    ///
    /// # Errors
    /// `proxy-failed`, `proxy-unauthorized`, and every failure of connecting to the proxy.
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
        record.lock().hop = Some(hop.clone());
        let result = self.reach(tls, &hop).await;
        let stream = result.map_err(|failure| failure.at(format!("the proxy of {}", self.origin)))?;
        record.lock().address = hop.lock().address;
        match self.kind {
            Kind::Http | Kind::Https => {
                let tunnel = self.connect(stream, host, port, tasks).await;
                // Over TLS 1.3 a proxy refuses who has no certificate only after the handshake.
                tunnel.map_err(|failure| match tls.explain_refused_by_proxy(&hop) {
                    Some(refused) if self.kind == Kind::Https => refused.at(format!("the proxy of {}", self.origin)),
                    _ => failure,
                })
            }
            Kind::Socks5 | Kind::Socks5h => self.socks5(stream, host, port).await,
        }
    }

    async fn reach(&self, tls: &Tls, hop: &Record) -> Result<Stream> {
        let tcp = dial(&self.host, self.port, Peer::Proxy, hop).await?;
        if self.kind != Kind::Https {
            return Ok(Box::new(tcp));
        }
        Ok(Box::new(tls.handshake(tcp, &self.host, Peer::Proxy, &[b"http/1.1"], hop).await?))
    }

    /// HTTP CONNECT (RFC 9110, section 9.3.6).
    async fn connect(&self, stream: Stream, host: &Host, port: u16, tasks: &Spawner) -> Result<Stream> {
        let failed = |error: hyper::Error| {
            let fix = if error.is_parse() {
                "Check the scheme and the address of the proxy: what answers there is no HTTP proxy."
            } else {
                "Look into the proxy's log, or ask whoever runs it."
            };
            self.failed(host, port).because(in_words(&error)).fix(fix).cause(whole(&error))
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tasks.spawn(connection.with_upgrades());
        let authority = format!("{host}:{port}");
        let request = http::Request::connect(&authority).header(http::header::HOST, &authority);
        let mut request = request.body(Empty::<Bytes>::new()).map_err(|error| {
            self.failed(host, port)
                .because("The name of the host cannot be sent to it.")
                .fix("Check the host of the URL.")
                .cause(error)
        })?;
        if let Some(value) = self.basic()? {
            request.headers_mut().insert(http::header::PROXY_AUTHORIZATION, value);
        }
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(host, port, status, response.headers()));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(failed)?;
        match upgraded.downcast::<TokioIo<Stream>>() {
            // The server waits for our greeting, so nothing can have come before it.
            Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io.into_inner()),
            _ => Err(self
                .failed(host, port)
                .because("It sent bytes before the tunnel was in use.")
                .fix("Check that it is an HTTP proxy.")),
        }
    }

    fn refused(&self, host: &Host, port: u16, status: http::StatusCode, headers: &http::HeaderMap) -> Failure {
        if status == http::StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let ways = headers.get_all(http::header::PROXY_AUTHENTICATE).iter();
            let ways: Vec<_> = ways.filter_map(|way| scheme(way.to_str().ok()?)).collect();
            return self.unauthorized(&ways).because("It answered HTTP 407.").evidence("status", 407);
        }
        let target = format!("{host}:{port}");
        let failure = self
            .failed(host, port)
            .because(format!("It answered HTTP {}.", status.as_u16()))
            .evidence("status", status.as_u16());
        match status.as_u16() {
            403 => failure.fix(format!("Have the proxy allow {}.", brief(&target))),
            400 | 404 | 405 | 501 => failure
                .because("A web server answers so, which is no proxy, or one without CONNECT.")
                .fix("Check the proxy's address."),
            502 | 504 => failure
                .because("The proxy did not reach the server.")
                .fix("Check the host and port of the URL, and that the server runs."),
            503 => failure
                .because("The proxy did not reach the server, or is too busy.")
                .fix("Check the host and port of the URL, and try again later."),
            _ => failure.fix("Look into the proxy's log, or ask whoever runs it."),
        }
    }

    /// It wants credentials, or others; `ways` are those of HTTP that it takes.
    fn unauthorized(&self, ways: &[&str]) -> Failure {
        let proxy = brief(&self.told);
        let of = |what: String| {
            let failure = Failure::new(Code::ProxyUnauthorized, what).at(self.origin.clone());
            if ways.is_empty() { failure } else { failure.because(format!("It takes {}.", quoted(&ways.join(", ")))) }
        };
        if !ways.is_empty() && !ways.iter().any(|way| way.eq_ignore_ascii_case("basic")) {
            return of(format!("The proxy {proxy} wants a login that is not spoken here"))
                .because("Only a user name and password are sent, as HTTP Basic.")
                .fix("Put a proxy in between that speaks Kerberos or NTLM (cntlm, px), and set `proxy` to that.")
                .fix("Else have the proxy let this server through without a login.");
        }
        if self.credentials.is_none() {
            let scheme = match self.kind {
                Kind::Http => "http",
                Kind::Https => "https",
                Kind::Socks5 => "socks5",
                Kind::Socks5h => "socks5h",
            };
            return of(format!("The proxy {proxy} wants a user name and password")).fix(format!(
                "Set `proxy` to {{env:NAME}}, a variable that holds {scheme}://USER:PASSWORD@HOST:PORT."
            ));
        }
        of(format!("The proxy {proxy} refuses the user name and password"))
            .because("They are sent as HTTP Basic, or as SOCKS5 has it; nothing else is spoken.")
            .fix("Correct the user name and password in the proxy's URL (percent-encoded).")
    }

    async fn socks5(&self, mut stream: Stream, host: &Host, port: u16) -> Result<Stream> {
        let resolved = match (self.kind, host) {
            (Kind::Socks5, Host::Domain(name)) => Some(self.resolved(name, port).await?),
            _ => None,
        };
        let tunnel = socks::tunnel(&mut stream, self.credentials.as_ref(), resolved.as_ref().unwrap_or(host), port);
        match tunnel.await {
            Ok(()) => Ok(stream),
            Err(NoTunnel::Unauthorized) => Err(self.unauthorized(&[])),
            Err(why) => Err(self.no_tunnel(host, port, &why)),
        }
    }

    fn no_tunnel(&self, host: &Host, port: u16, why: &NoTunnel) -> Failure {
        let failure = self.failed(host, port);
        match why {
            NoTunnel::Broken(error) => failure
                .because("It ended the connection in the middle of the SOCKS5 exchange.")
                .cause(error)
                .fix("Check that the proxy speaks SOCKS5, and look into its log."),
            NoTunnel::NotSocks => {
                failure.because("What it answered is not SOCKS5.").fix("Check the scheme and the address of the proxy.")
            }
            NoTunnel::Unauthorized | NoTunnel::OtherMethod => failure
                .because("It takes neither clients without credentials nor such with a user name and password.")
                .fix("Have the proxy take a user name and password (RFC 1929)."),
            NoTunnel::TooLong => failure
                .because("SOCKS5 has room for 255 bytes of user name, of password and of host name.")
                .fix("Use an HTTP proxy."),
            NoTunnel::Refused(number) => {
                let failure = failure.because(socks::reason(*number)).evidence("socks_reply", *number);
                match number {
                    2 => failure.fix("Have the proxy allow this host and port."),
                    7 | 8 => failure.fix("Use another proxy, or write socks5h:// so that it resolves the name."),
                    _ => failure.fix("Check the host and port of the URL, and that the server runs."),
                }
            }
        }
    }

    /// The first address of this name, as this machine resolves it.
    async fn resolved(&self, name: &str, port: u16) -> Result<Host> {
        let failed = || {
            Failure::new(Code::NameUnresolved, format!("The host name `{}` cannot be resolved", brief(name)))
                .at(self.origin.clone())
                .because("With socks5:// it is resolved here, and not by the proxy.")
                .fix("Let the proxy resolve it: write socks5h:// instead.")
                .fix("Check the spelling of the host in the URL.")
        };
        let mut found = tokio::net::lookup_host((name, port)).await.map_err(|error| failed().cause(error))?;
        match found.next().map(|address| address.ip()) {
            Some(IpAddr::V4(address)) => Ok(Host::Ipv4(address)),
            Some(IpAddr::V6(address)) => Ok(Host::Ipv6(address)),
            None => Err(failed()),
        }
    }

    fn basic(&self) -> Result<Option<http::HeaderValue>> {
        use base64::Engine;
        let Some((user, password)) = &self.credentials else { return Ok(None) };
        let pair = zeroize::Zeroizing::new(format!("{}:{}", user.expose(), password.expose()));
        let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair.as_bytes()));
        let mut value = http::HeaderValue::from_str(&value).map_err(|_| {
            Failure::new(Code::ConfigInvalidValue, "The proxy's credentials cannot be sent")
                .at(self.origin.clone())
                .fix("Use letters and digits in them.")
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn failed(&self, host: &Host, port: u16) -> Failure {
        let (proxy, target) = (brief(&self.told), format!("{host}:{port}"));
        Failure::new(Code::ProxyFailed, format!("The proxy {proxy} did not open a tunnel to {}", brief(&target)))
            .at(self.origin.clone())
    }
}
