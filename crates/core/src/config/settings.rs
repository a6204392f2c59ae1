//! The settings of one entry, as written. One field is one setting: its doc comment, its names
//! in files and on the command line, and its place in the schema stand here and nowhere else.
//! What stands below the first paragraph of a doc comment is about the flag alone.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::Secret;

/// One remote MCP server, as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
#[serde(default)]
#[non_exhaustive]
pub struct EntrySettings {
    /// `remote`, `http` and `streamable-http` all mean Streamable HTTP, which is also the default; a
    /// server that speaks HTTP+SSE (MCP 2024-11-05) instead is recognised. `sse` means HTTP+SSE alone.
    #[serde(rename = "type", alias = "transport")]
    #[cfg_attr(feature = "clap", arg(skip))]
    #[schemars(example = &"remote")]
    pub kind: Option<Kind>,

    /// URL of the MCP endpoint: `https://`, or `http://` on loopback.
    #[serde(alias = "httpUrl", alias = "serverUrl")]
    #[cfg_attr(feature = "clap", arg(skip))]
    #[schemars(example = "https://mcp.corp.example/mcp")]
    pub url: Option<Secret>,

    /// Headers sent with every request to the configured origin, and nowhere else. `{file:}` and
    /// `{command:}` in them are read and run again when the server answers 401.
    ///
    /// Repeat the flag for more than one. The value of a credential header holds a reference, as in
    /// `Authorization: Bearer {env:TOKEN}`.
    #[serde(deserialize_with = "headers")]
    #[schemars(with = "Option<BTreeMap<String, String>>", extend("examples" = [{ "X-Team": "{env:TEAM}" }]))]
    #[cfg_attr(feature = "clap", arg(short = 'H', long = "header", value_name = "NAME: VALUE"))]
    pub headers: Option<Vec<Header>>,

    /// `false` says that the server uses no OAuth.
    #[serde(deserialize_with = "only_false")]
    #[cfg_attr(feature = "clap", arg(skip))]
    #[schemars(extend("enum" = [false, null]), example = false)]
    pub oauth: Option<bool>,

    /// Milliseconds from the start of the process to the answer of `initialize`, all steps
    /// included [default: 10000]. Calls have no limit.
    #[schemars(range(min = 1), example = 20_000)]
    #[cfg_attr(feature = "clap", arg(long, value_name = "MILLISECONDS"))]
    pub timeout: Option<u64>,

    /// `false` keeps the entry from being used [default: true].
    #[cfg_attr(feature = "clap", arg(skip))]
    #[schemars(example = false)]
    pub enabled: Option<bool>,

    /// Proxy to the server: `http://`, `https://`, `socks5://` (names resolved here) or
    /// `socks5h://` (names resolved by the proxy). Without it `HTTPS_PROXY`, `ALL_PROXY` and
    /// `NO_PROXY` count.
    #[cfg_attr(feature = "clap", arg(long, value_name = "URL"))]
    #[schemars(example = "http://proxy.corp.example:3128")]
    pub proxy: Option<Secret>,

    /// Client certificate and trust.
    #[cfg_attr(feature = "clap", command(flatten))]
    pub tls: Option<TlsSettings>,
}

/// Client certificate and trust of one server, as written. All of it is optional.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct TlsSettings {
    /// Client certificate with its intermediates: a PEM, DER or PKCS#12 file, or PEM text. It may
    /// hold the key too. Or the `pkcs11:` URI of one on a smartcard, HSM or TPM, whose key is there too.
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE", allow_hyphen_values = true))]
    #[schemars(example = "~/certs/me.pem")]
    pub cert: Option<Secret>,

    /// Private key of the certificate: a PEM, DER or PKCS#12 file, or PEM text. It may be encrypted.
    /// Or the `pkcs11:` URI of one on a smartcard, HSM or TPM.
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE", allow_hyphen_values = true))]
    #[schemars(example = "~/certs/me.key")]
    pub key: Option<Secret>,

    /// Passphrase of an encrypted key or PKCS#12 file, or PIN of a token, as a reference alone:
    /// `{env:NAME}`, `{file:PATH}` or `{command:PROGRAM ARGUMENTS}`. Nothing ever asks for it.
    #[cfg_attr(feature = "clap", arg(long, value_name = "REFERENCE"))]
    #[schemars(extend("pattern" = r"^\{(env|file|command):"), example = "{env:KEY_PASSPHRASE}")]
    pub passphrase: Option<Secret>,

    /// PKCS#11 module of the token, when its URI names none [default: p11-kit's proxy, which has
    /// those of the system].
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    #[schemars(example = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so")]
    pub pkcs11_module: Option<Secret>,

    /// Program that prints the certificate and its key, instead of `cert` and `key`, with its arguments; it
    /// runs without a shell, in the folder of the file that names it. It prints PEM, or an `ExecCredential` of Kubernetes, and runs again before the
    /// certificate expires.
    #[cfg_attr(feature = "clap", arg(long, value_name = "PROGRAM ARGUMENTS"))]
    #[schemars(extend("examples" = [["./vault-cert", "--role", "agent"]]))]
    pub exec: Option<Exec>,

    /// CA certificates to trust besides the system's: a PEM or DER file, a PKCS#12 file without a
    /// passphrase, or PEM text.
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE", allow_hyphen_values = true))]
    #[schemars(example = "~/certs/corp-ca.pem")]
    pub ca: Option<Secret>,

    /// `false` trusts `ca` alone, and not the system's roots [default: true].
    #[cfg_attr(feature = "clap", arg(long, value_name = "BOOL"))]
    #[schemars(example = false)]
    pub system_roots: Option<bool>,

    /// Public keys, as `sha256/BASE64=` (RFC 7469; `mcp-mtls certs show` prints them). Besides being
    /// trusted, the server's certificate or one of the CAs above it must have one of them.
    ///
    /// Repeat the flag for more than one.
    #[cfg_attr(feature = "clap", arg(long = "pin", value_name = "PIN"))]
    #[schemars(extend("examples" = [["sha256/C6d6BiDmUYGsezB3O53gZ1/YdVa20c7WunXAZ+8g100="]]))]
    pub pins: Option<Vec<String>>,

    /// Revocation lists (CRLs) of the server's CAs: a PEM or DER file, or PEM text. One of them must
    /// cover the server's certificate, and none may be out of date or revoke any CA above it.
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    #[schemars(example = "~/certs/corp.crl")]
    pub crl: Option<Secret>,

    /// The DNS name or IP address that the server's certificate must have, instead of the URL's host.
    /// It is sent as SNI, too.
    #[cfg_attr(feature = "clap", arg(long, value_name = "NAME_OR_IP"))]
    #[schemars(example = "mcp.corp.example")]
    pub server_name: Option<String>,

    /// The oldest version of TLS to speak, `1.2` or `1.3` [default: 1.2].
    #[cfg_attr(feature = "clap", arg(long, value_name = "VERSION"))]
    #[schemars(extend("enum" = ["1.2", "1.3", null]), example = "1.3")]
    pub min_version: Option<String>,

    /// `classical` offers no post-quantum key exchange: for networks that lose its larger greeting.
    #[cfg_attr(feature = "clap", arg(long, value_name = "KIND"))]
    #[schemars(extend("enum" = ["classical", null]), example = &"classical")]
    pub key_exchange: Option<String>,

    /// Client certificate and trust of the SPIFFE Workload API, instead of `cert` and
    /// `ca` and what belongs to them.
    #[cfg_attr(feature = "clap", arg(skip))]
    pub spiffe: Option<SpiffeSettings>,
}

/// An X.509-SVID of the SPIFFE Workload API and the SPIFFE ID of the server, as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct SpiffeSettings {
    /// Socket of the Workload API, as in `unix:///run/spire/agent.sock` [default: what
    /// `SPIFFE_ENDPOINT_SOCKET` says].
    #[schemars(example = "unix:///run/spire/agent.sock")]
    pub socket: Option<Secret>,

    /// SPIFFE ID to present, as in `spiffe://corp.example/agent` [default: that of the first SVID
    /// that the Workload API gives].
    #[schemars(example = "spiffe://corp.example/agent")]
    pub id: Option<Secret>,

    /// SPIFFE ID that the server must have. Either this or `anyInTrustDomain` is needed.
    #[schemars(example = "spiffe://corp.example/mcp")]
    pub server_id: Option<Secret>,

    /// `true` takes every server of our own SVID's trust domain, whatever its ID.
    #[schemars(example = true)]
    pub any_in_trust_domain: Option<bool>,
}

/// A program and its arguments as written: a list of texts in a file, and one text on the command line, which
/// is split as a POSIX shell does. One that cannot be split has no words; that is told when it is resolved.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(transparent)]
pub struct Exec(Vec<Secret>);

impl Exec {
    /// The program and its arguments.
    #[must_use]
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self(words.into_iter().map(|word| Secret::new(word.to_owned())).collect())
    }

    pub(super) fn words(&self) -> &[Secret] {
        &self.0
    }
}

impl FromStr for Exec {
    type Err = Infallible;

    /// Never fails: the error of a parser would repeat the value, which may hold a secret.
    fn from_str(line: &str) -> Result<Self, Infallible> {
        Ok(Self(shlex::split(line).unwrap_or_default().into_iter().map(Secret::new).collect()))
    }
}

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// Streamable HTTP, as opencode names it.
    Remote,
    /// Streamable HTTP, as Claude Code and VS Code name it.
    Http,
    /// Streamable HTTP by its full name.
    StreamableHttp,
    /// HTTP+SSE, the transport of MCP 2024-11-05.
    Sse,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Http => "http",
            Self::StreamableHttp => "streamable-http",
            Self::Sse => "sse",
        }
    }
}

/// A header as written. A flag that is not `NAME: VALUE` has no value; that is told when it is resolved.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Option<Secret>,
}

impl FromStr for Header {
    type Err = Infallible;

    /// Never fails: the error of a parser would repeat the value, which may be a secret.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once(':') {
            Some((name, value)) if http::HeaderName::from_bytes(name.trim().as_bytes()).is_ok() => {
                Self::new(name.trim(), value.trim())
            }
            // Nobody can tell the name from the value, so neither is kept.
            _ => Self { name: String::new(), value: None },
        })
    }
}

impl Header {
    /// A header with a value, in which references are resolved.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: Some(Secret::new(value.to_owned())) }
    }
}

impl EntrySettings {
    /// The settings of a server by its URL, to which others are added as builder calls.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { url: Some(Secret::new(url.to_owned())), ..Self::default() }
    }

    /// Adds the client certificate and its key: files or PEM text.
    #[must_use]
    pub fn identity(mut self, cert: &str, key: &str) -> Self {
        let tls = self.tls.get_or_insert_default();
        tls.cert = Some(Secret::new(cert.to_owned()));
        tls.key = Some(Secret::new(key.to_owned()));
        self
    }

    /// Adds the passphrase of an encrypted key: itself, or a reference to it.
    #[must_use]
    pub fn passphrase(mut self, passphrase: &str) -> Self {
        self.tls.get_or_insert_default().passphrase = Some(Secret::new(passphrase.to_owned()));
        self
    }

    /// Adds the program that prints the client certificate and its key, with its arguments.
    #[must_use]
    pub fn exec<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.tls.get_or_insert_default().exec = Some(Exec::new(words));
        self
    }

    /// Adds CA certificates to trust: a file or PEM text.
    #[must_use]
    pub fn ca(mut self, ca: &str) -> Self {
        self.tls.get_or_insert_default().ca = Some(Secret::new(ca.to_owned()));
        self
    }

    /// Takes certificate and trust from the SPIFFE Workload API.
    #[must_use]
    pub fn spiffe(mut self, spiffe: SpiffeSettings) -> Self {
        self.tls.get_or_insert_default().spiffe = Some(spiffe);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.get_or_insert_default().push(Header::new(name, value));
        self
    }
}

impl SpiffeSettings {
    /// The Workload API at this socket, and a server with this SPIFFE ID.
    #[must_use]
    pub fn new(socket: &str, server_id: &str) -> Self {
        let text = |text: &str| Some(Secret::new(text.to_owned()));
        Self { socket: text(socket), server_id: text(server_id), ..Self::default() }
    }

    /// Presents the SVID with this SPIFFE ID.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(Secret::new(id.to_owned()));
        self
    }

    /// Takes every server of our own SVID's trust domain, instead of one by its ID.
    #[must_use]
    pub fn any_in_trust_domain(mut self) -> Self {
        self.server_id = None;
        self.any_in_trust_domain = Some(true);
        self
    }
}

fn headers<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Header>>, D::Error> {
    let map = Option::<BTreeMap<String, Secret>>::deserialize(deserializer)?;
    Ok(map.map(|map| map.into_iter().map(|(name, value)| Header { name, value: Some(value) }).collect()))
}

/// `true` would ask for what does not exist, and must not be read as if it were not there.
fn only_false<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Option::<bool>::deserialize(deserializer)? {
        Some(true) => Err(serde::de::Error::custom("OAuth is not supported")),
        other => Ok(other),
    }
}

/// Keys by which other hosts name one of ours.
pub(super) const ALIASES: &[(&str, &str)] = &[("httpUrl", "url"), ("serverUrl", "url"), ("transport", "type")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let settings = EntrySettings::new("https://u:hunter2@h/")
            .identity("hunter2", "hunter2")
            .passphrase("hunter2")
            .ca("hunter2")
            .exec(["hunter2", "hunter2"])
            .header("A", "hunter2");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
