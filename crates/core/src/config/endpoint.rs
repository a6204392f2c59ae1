//! An [`Endpoint`]: the settings of one server, checked, with every reference replaced.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::arguments::{refuse_credential, refuse_key, refuse_passphrase, refuse_password};
use super::headers::Headers;
use super::origin::Origin;
use super::reference::{Template, expand, literal, resolve};
use super::{Entry, Kind, TlsSettings};
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

/// Client certificate and trust, with references replaced and paths made absolute.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tls {
    /// The client certificate, perhaps with the key.
    pub cert: Option<Material>,
    /// The private key.
    pub key: Option<Material>,
    /// The passphrase of an encrypted key.
    pub passphrase: Option<Passphrase>,
    /// CA certificates.
    pub ca: Option<Material>,
    /// Whether the system's roots are trusted too.
    pub system_roots: bool,
}

/// A passphrase as a reference gave it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Passphrase {
    /// The passphrase itself.
    pub value: Secret,
    /// Where the setting stands.
    pub origin: Origin,
}

/// A certificate, key or CA as a setting gave it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Material {
    /// The file or the text.
    pub content: Content,
    /// Where the setting stands.
    pub origin: Origin,
}

/// Where the bytes of a [`Material`] are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Content {
    /// In a file.
    File(PathBuf),
    /// In the setting itself.
    Text(Secret),
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
        let url = Url::parse(resolve(written, self.folder(&origin), &origin)?.expose().trim())
            .map_err(|error| match error {
                url::ParseError::RelativeUrlWithoutBase => wrong("It does not begin with https://."),
                // The library names the part that is wrong, and repeats nothing of the text.
                other => wrong(&format!("As a URL it is wrong: {other}.")),
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
        let mut headers = Headers::default();
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
                    .because("Names are letters, digits and hyphens (RFC 9110, section 5.1)."));
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

    fn timeout(&self) -> Result<Duration> {
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
        let proxy = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"].into_iter().find_map(|name| {
            // What is not UTF-8 cannot be used as it is; it is refused later, and not passed over.
            let value = env::var_os(name).filter(|value| !value.is_empty())?.to_string_lossy().into_owned();
            Some((Secret::new(value), Origin::Variable(name.to_owned())))
        });
        let except = env::var("no_proxy").or_else(|_| env::var("NO_PROXY")).ok();
        Ok(ProxySettings { proxy, except })
    }

    fn tls(&self, url: &Url, warnings: &mut Vec<String>) -> Result<Tls> {
        let TlsSettings { cert, key, passphrase, ca, system_roots } = self.settings.tls.clone().unwrap_or_default();
        let texts = [("cert", &cert), ("key", &key), ("passphrase", &passphrase), ("ca", &ca)];
        let first = texts
            .map(|(name, text)| (name, text.is_some()))
            .into_iter()
            .chain([("systemRoots", system_roots.is_some())])
            .find_map(|(name, set)| set.then(|| self.origins.of(&format!("tls.{name}"))));
        if let (Some(origin), "http") = (first, url.scheme()) {
            return Err(Failure::new(Code::ConfigConflict, "TLS settings cannot be used with an http:// URL")
                .at(origin.to_string())
                .because(format!("The URL is {}: no certificate would be shown, and nothing encrypted.", told(url)))
                .fix("Write https:// in the URL, or remove the TLS settings."));
        }
        if let (Some(_), None) = (&key, &cert) {
            return Err(Failure::new(Code::ConfigConflict, "There is a key without a certificate")
                .at(self.origins.of("tls.key").to_string())
                .fix("Add the certificate as `cert`."));
        }
        if let (Some(_), None) = (&passphrase, &cert) {
            return Err(Failure::new(Code::ConfigConflict, "There is a passphrase without a certificate")
                .at(self.origins.of("tls.passphrase").to_string())
                .fix("Add the certificate as `cert`."));
        }
        if let (None, Some(false)) = (&ca, system_roots) {
            return Err(Failure::new(
                Code::ConfigConflict,
                "Without the system's roots and without `ca` nothing is trusted",
            )
            .at(self.origins.of("tls.systemRoots").to_string())
            .fix("Add `ca`, or remove `systemRoots`."));
        }
        Ok(Tls {
            cert: self.material("cert", cert, warnings)?,
            key: self.material("key", key, warnings)?,
            passphrase: passphrase.map(|written| self.passphrase(&written)).transpose()?,
            ca: self.material("ca", ca, warnings)?,
            system_roots: system_roots.unwrap_or(true),
        })
    }

    fn passphrase(&self, written: &Secret) -> Result<Passphrase> {
        let origin = self.origins.of("tls.passphrase");
        refuse_passphrase(written, &origin)?;
        let value = resolve(written, self.folder(&origin), &origin)?;
        Ok(Passphrase { value, origin })
    }

    fn material(&self, name: &str, written: Option<Secret>, warnings: &mut Vec<String>) -> Result<Option<Material>> {
        let Some(written) = written else { return Ok(None) };
        let origin = self.origins.of(&format!("tls.{name}"));
        let (literal, _) = literal(&written, &origin)?;
        if literal.expose().contains(KEY_MARK) {
            refuse_key(name, &origin)?;
            if let Origin::File { .. } = origin {
                warnings.push(format!("{origin}: a private key stands in the file; {{file:}} or {{env:}} is safer"));
            }
        }
        let value = resolve(&written, self.folder(&origin), &origin)?;
        let text = value.expose().trim_end_matches(['\r', '\n']);
        if text.trim().is_empty() {
            return Err(Failure::new(Code::ConfigInvalidValue, format!("`{name}` is empty"))
                .at(origin.to_string())
                .fix("Name a file, or remove the setting."));
        }
        let no_path = |why: &str| {
            Failure::new(Code::ConfigInvalidValue, format!("`{name}` is neither a path nor PEM text"))
                .at(origin.to_string())
                .because(why)
        };
        let content = if text.contains("-----BEGIN") {
            Content::Text(value)
        } else if text.contains('\n') {
            return Err(no_path("It has several lines and no `-----BEGIN` line."));
        } else if is_base64_of_der(text) {
            // As a path it would stand in the message about the file that is not there.
            return Err(no_path("It is Base64 alone.").fix("Add the `-----BEGIN …-----` and `-----END …-----` lines."));
        } else {
            Content::File(expand(text, self.folder(&origin), &origin)?)
        };
        Ok(Some(Material { content, origin }))
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

/// Whether this is the inside of a PEM block: Base64 of a DER sequence, and too long for a path of such characters.
fn is_base64_of_der(text: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b' ');
    text.starts_with('M') && text.len() >= 60 && text.bytes().all(base64)
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

const KEY_MARK: &str = "PRIVATE KEY-----";

/// Hosts give up after 15 to 30 s, and then our explanation would be lost.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
