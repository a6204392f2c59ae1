//! Which settings an entry has, and where each was written; never what their values are.

use url::Url;

use super::endpoint::told;
use super::material::is_on_token;
use super::origin::Origin;
use super::{Entry, EntrySettings, SpiffeSettings, TlsSettings};
use crate::secret::Secret;

/// A setting that was written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Written {
    /// The path of keys to it within the entry, as in `tls.cert`.
    pub setting: String,
    /// Where it was written.
    pub origin: Origin,
}

impl Entry {
    /// The name of the entry, when it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where the entry as a whole stands, when it stands in a file.
    #[must_use]
    pub fn place(&self) -> Option<&Origin> {
        self.origins.entry_place()
    }

    /// Whether the entry may be used.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.settings.enabled != Some(false)
    }

    /// What is written about whether it is enabled.
    #[must_use]
    pub fn enabled(&self) -> Option<bool> {
        self.settings.enabled
    }

    /// The milliseconds that are written as its timeout.
    #[must_use]
    pub fn written_timeout(&self) -> Option<u64> {
        self.settings.timeout
    }

    /// The kind of source that the client certificate comes from; none when there is no client certificate.
    #[must_use]
    pub fn identity_kind(&self) -> Option<&'static str> {
        let tls = self.settings.tls.as_ref()?;
        let on_token = |text: &Option<Secret>| text.as_ref().is_some_and(|text| is_on_token(text.expose()));
        match tls {
            TlsSettings { spiffe: Some(_), .. } => Some("spiffe"),
            TlsSettings { exec: Some(_), .. } => Some("exec"),
            TlsSettings { cert, key, .. } if on_token(cert) || on_token(key) => Some("token"),
            TlsSettings { cert: None, key: None, .. } => None,
            TlsSettings { cert, .. } => {
                let is_text = cert.as_ref().is_some_and(|text| text.expose().contains("-----BEGIN"));
                Some(if is_text { "text" } else { "file" })
            }
        }
    }

    /// The URL as it may be told, with references as they were written; none where it cannot be told without its
    /// secrets.
    #[must_use]
    pub fn told_url(&self) -> Option<String> {
        let written = self.settings.url.as_ref()?.expose();
        match Url::parse(written.trim()) {
            Ok(url) if !written.contains('{') => Some(told(&url)),
            _ if written.contains('@') => None,
            _ => written.split(['?', '#']).next().map(str::to_owned),
        }
    }

    /// Every setting that was written, with its origin.
    #[must_use]
    pub fn written(&self) -> Vec<Written> {
        let names = self.settings.written();
        names.into_iter().map(|setting| Written { origin: self.origins.of(&setting), setting }).collect()
    }
}

impl EntrySettings {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written().is_empty()
    }

    fn written(&self) -> Vec<String> {
        // Taken apart whole, so that a new setting cannot be forgotten here.
        let Self { kind, url, headers, oauth, timeout, enabled, proxy, tls } = self;
        let own = [
            ("type", kind.is_some()),
            ("url", url.is_some()),
            ("oauth", oauth.is_some()),
            ("timeout", timeout.is_some()),
            ("enabled", enabled.is_some()),
            ("proxy", proxy.is_some()),
        ];
        let headers = headers.iter().flatten().map(|header| format!("headers.{}", header.name));
        let tls = tls.iter().flat_map(TlsSettings::written);
        set(&own).chain(headers).chain(tls.map(|name| format!("tls.{name}"))).collect()
    }
}

impl TlsSettings {
    pub(super) fn written(&self) -> Vec<String> {
        let Self {
            cert,
            key,
            passphrase,
            pkcs11_module,
            exec,
            ca,
            system_roots,
            pins,
            crl,
            server_name,
            min_version,
            key_exchange,
            spiffe,
        } = self;
        let own = [
            ("cert", cert.is_some()),
            ("key", key.is_some()),
            ("passphrase", passphrase.is_some()),
            ("pkcs11Module", pkcs11_module.is_some()),
            ("exec", exec.is_some()),
            ("ca", ca.is_some()),
            ("systemRoots", system_roots.is_some()),
            ("pins", pins.is_some()),
            ("crl", crl.is_some()),
            ("serverName", server_name.is_some()),
            ("minVersion", min_version.is_some()),
            ("keyExchange", key_exchange.is_some()),
        ];
        let spiffe = spiffe.as_ref().map(|spiffe| match spiffe.written() {
            // It is set all the same.
            names if names.is_empty() => vec!["spiffe".to_owned()],
            names => names.iter().map(|name| format!("spiffe.{name}")).collect(),
        });
        set(&own).chain(spiffe.into_iter().flatten()).collect()
    }
}

impl SpiffeSettings {
    fn written(&self) -> Vec<String> {
        let Self { socket, id, server_id, any_in_trust_domain } = self;
        let own = [
            ("socket", socket.is_some()),
            ("id", id.is_some()),
            ("serverId", server_id.is_some()),
            ("anyInTrustDomain", any_in_trust_domain.is_some()),
        ];
        set(&own).collect()
    }
}

fn set<'a>(settings: &'a [(&'static str, bool)]) -> impl Iterator<Item = String> + 'a {
    settings.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (*name).to_owned())
}
