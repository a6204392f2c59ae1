//! One entry that several files write together, as hosts merge theirs: maps key by key, all else as a whole.

use super::origin::{Origin, Origins};
use super::{Entry, EntrySettings, Header, SpiffeSettings, TlsSettings};
use crate::error::{Code, Failure, Result};

impl Entry {
    /// The same entry with what `below` sets and this one does not. Every value keeps its origin, and so the folder
    /// that a relative path in it is relative to.
    ///
    /// # Errors
    /// `config-conflict` for a header that the two spell differently: a host would send both.
    pub fn over(mut self, below: Self) -> Result<Self> {
        self.refuse_respelt_headers(&below)?;
        self.origins = self.merged_origins(&below);
        self.settings = self.settings.over(below.settings);
        self.folders.extend(below.folders);
        self.warnings.splice(0..0, below.warnings);
        self.name = self.name.or(below.name);
        Ok(self)
    }

    /// The entry as if nothing were said about whether it is enabled, where a host decides on that.
    #[must_use]
    pub fn enabled_by_host(mut self) -> Self {
        self.settings.enabled = None;
        self
    }

    fn merged_origins(&self, below: &Self) -> Origins {
        let set: Vec<String> = self.written().into_iter().map(|written| written.setting).collect();
        self.origins.over(&below.origins, |key| set.iter().any(|set| set == key))
    }

    fn refuse_respelt_headers(&self, below: &Self) -> Result<()> {
        for header in self.settings.headers.iter().flatten() {
            let respelt = |other: &&Header| other.name != header.name && other.name.eq_ignore_ascii_case(&header.name);
            let Some(other) = below.settings.headers.iter().flatten().find(respelt) else { continue };
            let place = |name: &str, origins: &Origins| -> Origin { origins.of(&format!("headers.{name}")) };
            return Err(Failure::new(
                Code::ConfigConflict,
                format!("The header `{}` is set twice, spelt differently", header.name),
            )
            .at(place(&header.name, &self.origins).to_string())
            .at(place(&other.name, &below.origins).to_string())
            .because("The names of headers are the same in capitals, so both values would be sent.")
            .fix(format!("Spell it `{}` in both files, or remove one.", other.name)));
        }
        Ok(())
    }
}

impl EntrySettings {
    fn over(self, below: Self) -> Self {
        // Taken apart whole, so that a new setting cannot be forgotten here.
        let Self { kind, url, headers, oauth, timeout, enabled, proxy, tls } = self;
        Self {
            kind: kind.or(below.kind),
            url: url.or(below.url),
            headers: both(headers, below.headers, headers_over),
            oauth: oauth.or(below.oauth),
            timeout: timeout.or(below.timeout),
            enabled: enabled.or(below.enabled),
            proxy: proxy.or(below.proxy),
            tls: both(tls, below.tls, TlsSettings::over),
        }
    }
}

impl TlsSettings {
    fn over(self, below: Self) -> Self {
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
        Self {
            cert: cert.or(below.cert),
            key: key.or(below.key),
            passphrase: passphrase.or(below.passphrase),
            pkcs11_module: pkcs11_module.or(below.pkcs11_module),
            exec: exec.or(below.exec),
            ca: ca.or(below.ca),
            system_roots: system_roots.or(below.system_roots),
            pins: pins.or(below.pins),
            crl: crl.or(below.crl),
            server_name: server_name.or(below.server_name),
            min_version: min_version.or(below.min_version),
            key_exchange: key_exchange.or(below.key_exchange),
            spiffe: both(spiffe, below.spiffe, SpiffeSettings::over),
        }
    }
}

impl SpiffeSettings {
    fn over(self, below: Self) -> Self {
        let Self { socket, id, server_id, any_in_trust_domain } = self;
        Self {
            socket: socket.or(below.socket),
            id: id.or(below.id),
            server_id: server_id.or(below.server_id),
            any_in_trust_domain: any_in_trust_domain.or(below.any_in_trust_domain),
        }
    }
}

fn headers_over(own: Vec<Header>, below: Vec<Header>) -> Vec<Header> {
    let mut headers = below;
    headers.retain(|header| !own.iter().any(|own| own.name == header.name));
    headers.extend(own);
    headers
}

fn both<T>(own: Option<T>, below: Option<T>, over: fn(T, T) -> T) -> Option<T> {
    match (own, below) {
        (Some(own), Some(below)) => Some(over(own, below)),
        (own, below) => own.or(below),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::File;

    fn entry(folder: &str, text: &str) -> Entry {
        let text = format!("{{ \"mcp\": {{\n\"corp\": {text} }} }}");
        let file = File::parse(PathBuf::from(folder).join("opencode.json"), Some(PathBuf::from(folder)), &text);
        file.unwrap().entry("corp").unwrap().unwrap()
    }

    fn told(entry: &Entry) -> Vec<String> {
        let written = entry.written().into_iter();
        written.map(|written| format!("{} <- {}", written.setting, written.origin)).collect()
    }

    #[test]
    fn maps_are_merged_and_every_value_keeps_its_origin_and_folder() {
        let below = entry(
            "/below",
            r#"{ "url": "https://below.example/", "timeout": 1, "headers": { "A": "1", "B": "1" },
            "tls": { "cert": "alice.pem", "key": "alice.key", "pins": ["x", "y"], "spiffe": { "id": "a" } } }"#,
        );
        let above = entry(
            "/above",
            r#"{ "url": "https://above.example/", "headers": { "B": "2" },
            "tls": { "key": "bob.key", "pins": ["z"], "spiffe": { "socket": "b" } } }"#,
        );
        let merged = above.over(below).unwrap();
        assert_eq!(
            told(&merged),
            [
                "url <- /above/opencode.json:2, mcp.corp.url",
                "timeout <- /below/opencode.json:2, mcp.corp.timeout",
                "headers.A <- /below/opencode.json:2, mcp.corp.headers.A",
                "headers.B <- /above/opencode.json:2, mcp.corp.headers.B",
                "tls.cert <- /below/opencode.json:3, mcp.corp.tls.cert",
                "tls.key <- /above/opencode.json:3, mcp.corp.tls.key",
                "tls.pins <- /above/opencode.json:3, mcp.corp.tls.pins",
                "tls.spiffe.socket <- /above/opencode.json:3, mcp.corp.tls.spiffe.socket",
                "tls.spiffe.id <- /below/opencode.json:3, mcp.corp.tls.spiffe.id",
            ]
        );
        let moved = merged.draft().unwrap().moved;
        let moved: Vec<_> = moved.iter().map(|moved| moved.to.display().to_string()).collect();
        assert_eq!(moved, ["/below/alice.pem", "/above/bob.key"]);
        let pins = merged.settings.tls.and_then(|tls| tls.pins);
        assert_eq!(pins, Some(vec!["z".to_owned()]));
    }

    #[test]
    fn null_says_nothing_and_takes_no_origin() {
        let below = entry("/below", r#"{ "url": "https://below.example/", "tls": { "cert": "a", "crl": "c" } }"#);
        let above = entry("/above", r#"{ "url": null, "tls": { "cert": null, "crl": null } }"#);
        let merged = told(&above.over(below).unwrap());
        assert!(merged.iter().all(|line| line.contains("<- /below/")) && merged.len() == 3, "{merged:?}");
    }

    #[test]
    fn a_header_that_two_files_spell_differently_is_refused() {
        let below = entry("/below", r#"{ "headers": { "Authorization": "a" } }"#);
        let above = entry("/above", r#"{ "headers": { "authorization": "b" } }"#);
        let failure = above.over(below).unwrap_err();
        assert_eq!(failure.code(), Code::ConfigConflict);
        assert_eq!(
            failure.facts().place,
            [
                "/above/opencode.json:2, mcp.corp.headers.authorization",
                "/below/opencode.json:2, mcp.corp.headers.Authorization"
            ]
        );
    }
}
