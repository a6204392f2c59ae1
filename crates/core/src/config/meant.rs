//! What an unknown key beside `url` was meant to be, where passing it over would leave out the client certificate.

use std::sync::LazyLock;

use super::settings::{EntrySettings, TlsSettings};
use super::suggest::nearest;

/// Whether a key of an entry is `tls` or was meant to be, or is a setting that belongs into it.
#[must_use]
pub fn is_about_tls(key: &str) -> bool {
    is_meant_as_tls(key) || within_tls(key).is_some()
}

/// Whether this is `tls`, or a name of it that somebody may have thought of.
pub(super) fn is_meant_as_tls(key: &str) -> bool {
    if nearest(key, OF_ENTRY.iter().map(String::as_str)) == Some("tls") {
        return true;
    }
    let key = bare(key);
    ["tls", "ssl"].iter().any(|name| key.starts_with(name) || key.ends_with(name))
}

/// The setting of `tls` that is meant, whatever its case and signs, or what other programs call it.
pub(super) fn within_tls(key: &str) -> Option<&'static str> {
    let written = bare(key);
    OF_TLS.iter().map(String::as_str).find(|name| bare(name) == written).or_else(|| elsewhere(key))
}

/// The setting of what other programs call by this name, whatever its case and signs.
pub(super) fn elsewhere(key: &str) -> Option<&'static str> {
    let key = bare(key);
    ELSEWHERE.iter().find(|(names, _)| names.contains(&key.as_str())).map(|(_, name)| *name)
}

/// A name without its signs, in small letters.
pub(super) fn bare(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The names of settings; whole files are asked about, key by key.
static OF_ENTRY: LazyLock<Vec<String>> = LazyLock::new(|| names(schemars::schema_for!(EntrySettings)));
static OF_TLS: LazyLock<Vec<String>> = LazyLock::new(|| names(schemars::schema_for!(TlsSettings)));

fn names(schema: schemars::Schema) -> Vec<String> {
    schema.to_value()["properties"].as_object().into_iter().flat_map(|all| all.keys().cloned()).collect()
}

const ELSEWHERE: [(&[&str], &str); 4] = [
    (
        &["certificate", "certfile", "certpath", "clientcert", "clientcertificate", "pem", "pfx", "p12", "pkcs12"],
        "cert",
    ),
    (&["keyfile", "keypath", "privatekey", "privatekeyfile", "clientkey", "clientkeyfile"], "key"),
    (&["cafile", "capath", "cacert", "cacertificate", "cacertfile", "rootca", "servercertificate"], "ca"),
    (&["password", "keypassword", "keypassphrase", "pin"], "passphrase"),
];

#[cfg(test)]
mod tests {
    use super::super::settings::ALIASES;
    use super::*;

    #[test]
    fn what_hosts_have_beside_it_is_not_meant() {
        let of_hosts = [
            "type",
            "url",
            "headers",
            "oauth",
            "timeout",
            "enabled",
            "proxy",
            "command",
            "args",
            "env",
            "environment",
            "cwd",
            "tools",
            "disabled",
            "alwaysAllow",
            "autoApprove",
            "trust",
            "name",
            "description",
            "accessList",
        ];
        for key in of_hosts.into_iter().chain(ALIASES.iter().map(|(alias, _)| *alias)) {
            assert!(!is_about_tls(key), "{key}");
        }
    }
}
