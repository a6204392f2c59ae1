//! The settings of `tls` that say more of the server than its roots: pins, name, version, key exchange.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};
use url::Host;

use super::reference::resolve;
use super::{Entry, Origin};
use crate::error::{Code, Failure, Result, quoted};
use crate::secret::Secret;

/// The SHA-256 of a public key (of its `SubjectPublicKeyInfo` in DER; RFC 7469, section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin(pub [u8; 32]);

impl fmt::Display for Pin {
    /// As it is written in settings: `sha256/BASE64=`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", STANDARD.encode(self.0))
    }
}

impl Pin {
    /// The pin of a public key in DER.
    #[must_use]
    pub fn of(public_key_der: &[u8]) -> Self {
        Self(Sha256::digest(public_key_der).into())
    }

    /// A pin as written. Base64 may begin with a slash, and curl writes one before it: the length tells them apart.
    fn parse(written: &str) -> Result<Self, String> {
        let Some(base64) = written.strip_prefix("sha256/") else {
            return Err("It does not begin with `sha256/`.".to_owned());
        };
        let of_curl = base64.strip_prefix('/').filter(|rest| rest.len() == PIN_LENGTH);
        let bytes = STANDARD.decode(of_curl.unwrap_or(base64));
        let bytes = bytes.map_err(|_| "What follows `sha256/` is not Base64.".to_owned())?;
        let length = bytes.len();
        bytes.try_into().map(Self).map_err(|_| format!("It is of {length} bytes; a SHA-256 is of 32."))
    }
}

/// Of a SHA-256 in Base64.
const PIN_LENGTH: usize = 44;

impl Entry {
    pub(super) fn pins(&self, written: &[String]) -> Result<Vec<Pin>> {
        let origin = self.origins.of("tls.pins");
        let wrong = |what: &str| {
            Failure::new(Code::ConfigInvalidValue, what)
                .at(origin.to_string())
                .fix("Print the pin of a certificate with `mcp-mtls certs show FILE`; it is written sha256/BASE64=.")
        };
        if written.is_empty() {
            return Err(wrong("`pins` is an empty list").fix("Remove the setting if any key will do."));
        }
        let pin = |text: &String| {
            let text = resolve(&Secret::new(text.clone()), self.folder(&origin), &origin)?;
            Pin::parse(text.expose().trim()).map_err(|why| wrong("A pin cannot be read").because(why))
        };
        written.iter().map(pin).collect()
    }

    pub(super) fn server_name(&self, written: String) -> Result<Host> {
        let origin = self.origins.of("tls.serverName");
        let resolved = resolve(&Secret::new(written), self.folder(&origin), &origin)?;
        let text = resolved.expose().trim();
        // A URL writes IPv6 in brackets; a certificate does not.
        let host = match text.parse() {
            Ok(IpAddr::V4(address)) => Some(Host::Ipv4(address)),
            Ok(IpAddr::V6(address)) => Some(Host::Ipv6(address)),
            Err(_) => Host::parse(text).ok(),
        };
        let fits = |host: &Host| !matches!(host, Host::Domain(name) if ServerName::try_from(name.as_str()).is_err());
        host.filter(fits).ok_or_else(|| {
            Failure::new(Code::ConfigInvalidValue, "`serverName` is not a name that a server can have")
                .at(origin.to_string())
                .because(format!("It is {}.", quoted(text)))
                .fix("Write a DNS name without `*`, port or scheme, or an IP address.")
        })
    }

    /// A setting that takes one of these words.
    pub(super) fn one_of(&self, name: &str, written: Option<String>, words: &[&str]) -> Result<Option<String>> {
        let Some(text) = written else { return Ok(None) };
        if words.contains(&text.as_str()) {
            return Ok(Some(text));
        }
        let origin = self.origins.of(&format!("tls.{name}"));
        let written = words.iter().map(|word| match &origin {
            Origin::Flag(flag) => format!("{flag} {word}"),
            _ => format!("\"{word}\""),
        });
        let written = written.collect::<Vec<_>>().join(" or ");
        Err(Failure::new(Code::ConfigInvalidValue, format!("The value of `{name}` is not known here"))
            .at(origin.to_string())
            .because(format!("It is {}.", quoted(&text)))
            .fix(format!("Write {written}, or remove the setting.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_it_is_written() {
        // The second begins with a slash in Base64 too.
        for bytes in [[7; 32], [0xff; 32]] {
            let (pin, written) = (Pin(bytes), Pin(bytes).to_string());
            assert_eq!(Pin::parse(&written), Ok(pin), "{written}");
            assert_eq!(Pin::parse(&written.replacen('/', "//", 1)), Ok(pin), "{written}");
            assert!(Pin::parse(&written[7..]).is_err());
        }
        for wrong in ["", "sha1/AAEC", "sha256/AAEC", "sha256/", "sha256/***", "SHA256:AAEC"] {
            assert!(Pin::parse(wrong).is_err(), "{wrong}");
        }
    }
}
