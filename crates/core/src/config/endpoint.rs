//! An [`Endpoint`]: the settings of one server, checked, with every reference replaced.

use std::env;
use std::fmt;
use std::time::Duration;

use url::{Host, Url};

use super::arguments::{refuse_credential, refuse_password};
use super::headers::Headers;
use super::origin::Origin;
use super::reference::{Template, resolve};
use super::{Entry, Kind, Tls};
use crate::error::{Code, Failure, Result};
use crate::secret::Secret;

/// One remote MCP server, ready to be connected to.
#[derive(Clone)]
#[non_exhaustive]
pub struct Endpoint {
    /// The name of the entry, when it has one.
    pub name: Option<String>,
    /// The transport that the server is expected to speak.
    pub transport: Transport,
    /// The URL: `https`, or `http` on loopback; without userinfo and fragment.
    pub url: Url,
    /// Headers for every request to the URL's origin.
    pub headers: Headers,
    /// From the start of the process to the answer of `initialize`; also the limit of one connect.
    pub timeout: Duration,
    /// Through what the server is reached.
    pub proxy: ProxySettings,
    /// Client certificate and trust.
    pub tls: Tls,
    /// What deserves a word but stops nothing.
    pub warnings: Vec<String>,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// Streamable HTTP, and HTTP+SSE with a server that refuses `initialize` as one without
    /// Streamable HTTP does.
    #[default]
    Automatic,
    /// HTTP+SSE (MCP 2024-11-05) alone.
    HttpSse,
}

/// The values behind the choice of a proxy.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ProxySettings {
    /// The proxy and where it was set.
    pub proxy: Option<(Secret, Origin)>,
    /// `NO_PROXY`, which counts for a proxy of the environment only.
    pub except: Option<String>,
}

impl fmt::Debug for Endpoint {
    /// Without the query of the URL, in which some servers want their tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("transport", &self.transport)
            .field("url", &told(&self.url))
            .field("headers", &self.headers)
            .field("timeout", &self.timeout)
            .field("proxy", &self.proxy)
            .field("tls", &self.tls)
            .field("warnings", &self.warnings)
            .finish()
    }
}

impl Endpoint {
    /// The URL without its query, in which some servers want their tokens.
    #[must_use]
    pub fn told(&self) -> String {
        told(&self.url)
    }
}

impl Entry {
    /// Checks all settings and replaces the references in them.
    ///
    /// Reads the files and runs the programs that references name, so it may block; on an async
    /// thread, call it through `spawn_blocking`.
    ///
    /// # Errors
    /// `config-*`, `reference-unresolved`, `secret-in-arguments`.
    pub fn resolve(&self) -> Result<Endpoint> {
        if self.settings.enabled == Some(false) {
            return Err(Failure::new(Code::ConfigDisabled, format!("{} is disabled", self.title()))
                .at(self.origins.of("enabled").to_string())
                .fix("Set \"enabled\": true."));
        }
        let url = self.url()?;
        let mut warnings = self.warnings.clone();
        Ok(Endpoint {
            name: self.name.clone(),
            transport: if self.settings.kind == Some(Kind::Sse) { Transport::HttpSse } else { Transport::Automatic },
            headers: self.headers(&mut warnings)?,
            timeout: self.timeout()?,
            proxy: self.proxy(&url)?,
            tls: self.tls(&url, &mut warnings)?,
            url,
            warnings,
        })
    }

    fn title(&self) -> String {
        self.name.as_ref().map_or_else(|| "The server".to_owned(), |name| format!("The entry `{name}`"))
    }

    fn url(&self) -> Result<Url> {
        let origin = self.origins.of("url");
        let Some(written) = &self.settings.url else {
            return Err(Failure::new(Code::ConfigInvalidValue, format!("{} has no `url`", self.title()))
                .at(origin.to_string())
                .fix("Add \"url\": \"https://…\"."));
        };
        let wrong = |why: &str| {
            Failure::new(Code::ConfigInvalidValue, "The URL of the server cannot be used")
                .at(origin.to_string())
                .because(why)
        };
        let resolved = resolve(written, self.folder(&origin), &origin)?;
        let text = resolved.expose().trim();
        if let Some(why) = repaired(text) {
            return Err(wrong(why).fix("Write https://HOST/PATH."));
        }
        let url = Url::parse(text)
            .map_err(|error| match error {
                url::ParseError::RelativeUrlWithoutBase => wrong("It does not begin with https://."),
                url::ParseError::EmptyHost => wrong("It has no host."),
                url::ParseError::InvalidPort => wrong("Its port is no number from 0 to 65535."),
                url::ParseError::IdnaError | url::ParseError::InvalidDomainCharacter => {
                    wrong("Its host has characters that no name of a host has.")
                }
                url::ParseError::InvalidIpv4Address | url::ParseError::InvalidIpv6Address => {
                    wrong("Its host is no valid IP address.")
                }
                // Not told: what the library says of the rest may change.
                other => wrong("It is not written as a URL.").cause(other),
            })
            .map_err(|failure| failure.fix("Write https://HOST/PATH."))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("It holds a user name or a password.")
                .fix("Send them in `headers`: \"Authorization\": \"Basic {file:…}\"."));
        }
        if url.fragment().is_some() {
            return Err(wrong("It has a fragment (`#…`), which no server ever sees.").fix("Remove the fragment."));
        }
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_loopback(&url) => Ok(url),
            "http" => Err(wrong("Without TLS only servers on this machine's loopback are reached.")
                .fix("Write https:// instead of http://.")),
            _ => Err(wrong("It does not begin with https://.").fix("Write https://HOST/PATH.")),
        }
    }

    fn headers(&self, warnings: &mut Vec<String>) -> Result<Headers> {
        self.refuse_headers_twice()?;
        let mut headers = Headers::new(self.guard.clone());
        for header in self.settings.headers.iter().flatten() {
            let origin = self.origins.of(&format!("headers.{}", header.name));
            let wrong = |what: String| Failure::new(Code::ConfigInvalidValue, what).at(origin.to_string());
            let Some(written) = &header.value else {
                return Err(wrong("A header is not written as a name and a value".into())
                    .because("The name is letters, digits and hyphens, and a colon follows it.")
                    .fix("Write -H 'NAME: VALUE'."));
            };
            let Ok(name) = http::HeaderName::from_bytes(header.name.as_bytes()) else {
                return Err(wrong(format!("{} is not a header name", crate::error::quoted(&header.name)))
                    .because("Names are letters, digits and hyphens (RFC 9110, section 5.1).")
                    .fix("Correct the name."));
            };
            if OURS_QUIETLY.contains(&name.as_str()) {
                warnings.push(format!("{origin}: not used, since the MCP transport sets this header"));
                continue;
            }
            if OURS.contains(&name.as_str()) || name.as_str().starts_with("mcp-param-") {
                return Err(wrong(format!("The header `{}` cannot be set", header.name))
                    .because("The connection sets it by itself.")
                    .fix("Remove it."));
            }
            refuse_credential(&header.name, written, &origin)?;
            let template = Template::read(written, self.folder(&origin), &origin)?;
            headers.read(name, &header.name, template, origin)?;
        }
        Ok(headers)
    }

    /// From the start of the process to the answer of `initialize`. Blocks on nothing, unlike [`Entry::resolve`].
    ///
    /// # Errors
    /// `config-invalid-value`.
    pub fn timeout(&self) -> Result<Duration> {
        match self.settings.timeout {
            None => Ok(DEFAULT_TIMEOUT),
            Some(0) => Err(Failure::new(Code::ConfigInvalidValue, "A timeout of 0 leaves no time to connect")
                .at(self.origins.of("timeout").to_string())
                .fix("Write milliseconds, as in 10000.")),
            Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        }
    }

    fn proxy(&self, url: &Url) -> Result<ProxySettings> {
        if let Some(written) = &self.settings.proxy {
            let origin = self.origins.of("proxy");
            refuse_password(written, &origin)?;
            let proxy = resolve(written, self.folder(&origin), &origin)?;
            return Ok(ProxySettings { proxy: Some((proxy, origin)), except: None });
        }
        // A proxy elsewhere cannot reach our loopback.
        if is_loopback(url) {
            return Ok(ProxySettings::default());
        }
        let proxy = PROXY_VARIABLES.into_iter().find_map(|name| {
            // What is not UTF-8 cannot be used as it is; it is refused later, and not passed over.
            let value = env::var_os(name).filter(|value| !value.is_empty())?.to_string_lossy().into_owned();
            Some((Secret::new(value), Origin::Variable(name.to_owned())))
        });
        let except = NO_PROXY_VARIABLES.into_iter().find_map(|name| env::var(name).ok());
        Ok(ProxySettings { proxy, except })
    }
}

/// What is wrong with the URL that its parser would mend by itself: it takes another host out of `https:///mcp`.
fn repaired(url: &str) -> Option<&'static str> {
    let place = url.split(['?', '#']).next().unwrap_or_default();
    let is_web = |scheme: &str| ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    let (_, rest) = place.split_once(':').filter(|(scheme, _)| is_web(scheme))?;
    if url.contains(|c: char| c.is_ascii_control()) {
        return Some("It holds a line break or a control character.");
    }
    if rest.contains('\\') {
        return Some("It has a backslash where a URL has a slash.");
    }
    match rest.strip_prefix("//") {
        None => Some("It has no `//` after its scheme."),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Some("It has no host."),
        Some(_) => None,
    }
}

/// A URL as it may be told: without userinfo, query and fragment.
pub(crate) fn told(url: &Url) -> String {
    let mut url = url.clone();
    // Neither can fail for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Headers that pasted entries often carry and that the MCP transport always sets.
const OURS_QUIETLY: [&str; 2] = ["accept", "content-type"];

/// Headers of the connection, the transport and the session.
const OURS: [&str; 13] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Hosts give up after 15 to 30 s, and then our explanation would be lost.
/// The variables that name a proxy, and what is reached without it; the first that is set counts.
pub(super) const PROXY_VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
pub(super) const NO_PROXY_VARIABLES: [&str; 2] = ["no_proxy", "NO_PROXY"];
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
