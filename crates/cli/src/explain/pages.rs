//! The pages of all codes, compiled in, under the headings of their list.

use mcp_mtls_core::error::Code;

/// The page of a code.
pub(super) fn of(code: Code) -> &'static str {
    let mut pages = GROUPS.iter().flat_map(|group| group.pages);
    pages.find(|(name, _)| *name == code.as_str()).map_or("", |(_, page)| page)
}

/// The codes under their headings.
pub(super) fn groups() -> impl Iterator<Item = (&'static str, impl Iterator<Item = Code>)> {
    GROUPS.iter().map(|group| {
        let codes = group.pages.iter().filter_map(|(name, _)| Code::ALL.iter().find(|code| code.as_str() == *name));
        (group.heading, codes.copied())
    })
}

struct Group {
    heading: &'static str,
    /// Each code with its page.
    pages: &'static [(&'static str, &'static str)],
}

macro_rules! pages {
    ($($heading:literal: $($code:literal)+;)+) => {
        const GROUPS: &[Group] = &[$(Group {
            heading: $heading,
            pages: &[$(($code, include_str!(concat!("../../../../docs/errors/", $code, ".md"))),)+],
        },)+];
    };
}

// In the order of `Code`; the tests hold both together.
pages! {
    "The command line and the configuration":
        "usage-invalid"
        "config-unreadable"
        "config-syntax"
        "config-unknown-key"
        "config-invalid-value"
        "config-conflict"
        "config-no-such-entry"
        "project-not-trusted"
        "project-changes-entry"
        "config-disabled"
        "reference-unresolved"
        "secret-in-arguments";
    "Certificate and key":
        "file-unreadable"
        "secret-exposed"
        "material-invalid"
        "key-missing"
        "key-mismatch"
        "key-ambiguous"
        "key-encrypted"
        "key-unsupported"
        "passphrase-wrong"
        "passphrase-needless";
    "Programs and SPIFFE agents that give certificates":
        "exec-failed"
        "exec-output-invalid"
        "workload-unavailable"
        "svid-missing"
        "svid-invalid"
        "bundle-missing";
    "Smartcards, HSMs and TPMs":
        "token-module-failed"
        "token-missing"
        "token-object-missing"
        "token-ambiguous"
        "token-failed"
        "pin-missing"
        "pin-malformed"
        "pin-wrong"
        "pin-final-try"
        "pin-locked";
    "What the server makes of our certificate":
        "certificate-refused"
        "certificate-expired"
        "certificate-not-yet-valid"
        "certificate-not-for-clients"
        "certificate-chain-incomplete"
        "certificate-not-asked"
        "certificate-ends-soon"
        "key-weak"
        "chain-disordered"
        "ca-expired"
        "certificate-required";
    "The server's certificate, and whom we believe":
        "server-certificate-expired"
        "server-certificate-ends-soon"
        "server-certificate-not-yet-valid"
        "server-name-mismatch"
        "server-id-mismatch"
        "server-id-missing"
        "server-issuer-unknown"
        "server-self-signed"
        "server-chain-incomplete"
        "server-certificate-invalid"
        "server-revoked"
        "revocation-unknown"
        "crl-stale"
        "crl-invalid"
        "pin-mismatch"
        "ca-invalid"
        "trust-empty";
    "TLS, the network and sessions":
        "tls-failed"
        "tls-version-unsupported"
        "not-tls"
        "not-plain"
        "name-unresolved"
        "connect-failed"
        "timed-out"
        "connection-lost"
        "session-lost"
        "proxy-failed"
        "proxy-unauthorized";
    "HTTP":
        "redirect-refused"
        "http-unauthorized"
        "http-forbidden"
        "http-not-found"
        "http-misdirected"
        "http-server-error"
        "http-status";
    "MCP":
        "protocol-violation"
        "not-mcp"
        "message-too-large"
        "server-error";
    "The host":
        "host-message-invalid"
        "method-unsupported"
        "cancelled"
        "stopped";
    "This machine":
        "file-exists"
        "file-unwritable"
        "demo-failed"
        "system-failed";
}
