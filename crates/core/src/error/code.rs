//! The stable names of all failures.

use std::fmt;

use serde::Serialize;

/// Who has to act on a [`Failure`](super::Failure).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Side {
    /// The person who runs mcp-mtls: a setting, a file, a certificate.
    Ours,
    /// Whoever runs the server.
    Theirs,
    /// The network, a proxy, or a step of which both ends are part.
    Between,
    /// The MCP host that started us.
    Host,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $side:ident;)+) => {
        /// The stable, kebab-case names of all failures.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name as it is told.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Who has to act.
            #[must_use]
            pub fn side(self) -> Side {
                match self { $(Self::$variant => Side::$side,)+ }
            }
        }
    };
}

codes! {
    /// The command line asks for something that does not fit together.
    UsageInvalid = "usage-invalid", Ours;
    /// The configuration file cannot be read.
    ConfigUnreadable = "config-unreadable", Ours;
    /// The configuration file is not JSON with comments.
    ConfigSyntax = "config-syntax", Ours;
    /// A key that does not exist.
    ConfigUnknownKey = "config-unknown-key", Ours;
    /// A value of the wrong kind or form.
    ConfigInvalidValue = "config-invalid-value", Ours;
    /// Two settings that exclude, or one that needs another.
    ConfigConflict = "config-conflict", Ours;
    /// No entry of that name.
    ConfigNoSuchEntry = "config-no-such-entry", Ours;
    /// An entry that only a project's files have, and that nobody has trusted.
    ProjectNotTrusted = "project-not-trusted", Ours;
    /// A project's file that sets something of an entry which is the user's.
    ProjectChangesEntry = "project-changes-entry", Ours;
    /// The entry says `"enabled": false`.
    ConfigDisabled = "config-disabled", Ours;
    /// A `{env:}`, `{file:}` or `{command:}` that gives no value.
    ReferenceUnresolved = "reference-unresolved", Ours;
    /// A secret stands literally in an argument list.
    SecretInArguments = "secret-in-arguments", Ours;
    /// A certificate, key or CA file cannot be read.
    FileUnreadable = "file-unreadable", Ours;
    /// A file with a private key or a passphrase that others can change or replace.
    SecretExposed = "secret-exposed", Ours;
    /// A certificate, key or CA that is not what its setting wants.
    MaterialInvalid = "material-invalid", Ours;
    /// A certificate without a key.
    KeyMissing = "key-missing", Ours;
    /// The key belongs to another certificate.
    KeyMismatch = "key-mismatch", Ours;
    /// A file with the keys of several certificates, where one is wanted.
    KeyAmbiguous = "key-ambiguous", Ours;
    /// The key is encrypted, and there is no passphrase.
    KeyEncrypted = "key-encrypted", Ours;
    /// A kind of key or signature, or a way of encrypting a key, that cannot be used.
    KeyUnsupported = "key-unsupported", Ours;
    /// The passphrase does not open the key.
    PassphraseWrong = "passphrase-wrong", Ours;
    /// A passphrase for a key that is not encrypted.
    PassphraseNeedless = "passphrase-needless", Ours;
    /// The program of `exec` cannot be run, or fails.
    ExecFailed = "exec-failed", Ours;
    /// What the program of `exec` prints is not a certificate with its key.
    ExecOutputInvalid = "exec-output-invalid", Ours;
    /// The SPIFFE Workload API cannot be reached or gives no answer.
    WorkloadUnavailable = "workload-unavailable", Ours;
    /// The SPIFFE Workload API gives this program no identity, or not the one that is set.
    SvidMissing = "svid-missing", Ours;
    /// What the SPIFFE Workload API gives cannot be used.
    SvidInvalid = "svid-invalid", Ours;
    /// The SPIFFE Workload API has no CA certificates of the server's trust domain.
    BundleMissing = "bundle-missing", Ours;
    /// The PKCS#11 module of a token is not there, or cannot be used.
    TokenModuleFailed = "token-module-failed", Ours;
    /// The token is not there, or not there any more.
    TokenMissing = "token-missing", Ours;
    /// The token has no such certificate or key.
    TokenObjectMissing = "token-object-missing", Ours;
    /// A `pkcs11:` URI that fits several tokens, certificates or keys.
    TokenAmbiguous = "token-ambiguous", Ours;
    /// The token does not do what it should.
    TokenFailed = "token-failed", Ours;
    /// The token wants a PIN, and there is none.
    PinMissing = "pin-missing", Ours;
    /// The PIN has blanks around it, or characters that no PIN has; it is not tried.
    PinMalformed = "pin-malformed", Ours;
    /// The token refuses the PIN.
    PinWrong = "pin-wrong", Ours;
    /// The PIN is not tried, since it would be the last try.
    PinFinalTry = "pin-final-try", Ours;
    /// The token is locked after too many wrong PINs.
    PinLocked = "pin-locked", Ours;
    /// The server refused our certificate.
    CertificateRefused = "certificate-refused", Ours;
    /// The server refused our certificate, and it has expired.
    CertificateExpired = "certificate-expired", Ours;
    /// Our certificate is not valid yet: refused by the server, or not taken into use.
    CertificateNotYetValid = "certificate-not-yet-valid", Ours;
    /// The server refused our certificate, and it is for other uses than that of a client.
    CertificateNotForClients = "certificate-not-for-clients", Ours;
    /// The server refused our certificate, likely for want of a CA certificate between it and a CA that the server accepts.
    CertificateChainIncomplete = "certificate-chain-incomplete", Ours;
    /// The server refuses access, or goes without the certificate, and never asked for it.
    CertificateNotAsked = "certificate-not-asked", Theirs;
    /// Our certificate is valid for a short time only.
    CertificateEndsSoon = "certificate-ends-soon", Ours;
    /// A key or a signature that is weaker than servers take today.
    KeyWeak = "key-weak", Ours;
    /// The certificates of a chain are not in the order in which they sign each other, or do not belong to it.
    ChainDisordered = "chain-disordered", Ours;
    /// A CA certificate of `ca` has expired, or will soon.
    CaExpired = "ca-expired", Ours;
    /// The server wants a client certificate and none is configured.
    CertificateRequired = "certificate-required", Ours;
    /// The server's certificate is past its end.
    ServerCertificateExpired = "server-certificate-expired", Theirs;
    /// The server's certificate will soon be past its end.
    ServerCertificateEndsSoon = "server-certificate-ends-soon", Theirs;
    /// The server's certificate is not valid yet.
    ServerCertificateNotYetValid = "server-certificate-not-yet-valid", Theirs;
    /// The server's certificate is for other names.
    ServerNameMismatch = "server-name-mismatch", Theirs;
    /// The server's certificate has another SPIFFE ID.
    ServerIdMismatch = "server-id-mismatch", Theirs;
    /// The server's certificate has no SPIFFE ID.
    ServerIdMissing = "server-id-missing", Theirs;
    /// No trusted root signed the server's certificate.
    ServerIssuerUnknown = "server-issuer-unknown", Ours;
    /// The server's certificate signed itself, and `ca` does not hold it.
    ServerSelfSigned = "server-self-signed", Ours;
    /// The server does not send the CA certificates between its own and a trusted root.
    ServerChainIncomplete = "server-chain-incomplete", Theirs;
    /// The server's certificate cannot be used for another reason.
    ServerCertificateInvalid = "server-certificate-invalid", Theirs;
    /// A revocation list names the server's certificate, or that of a CA above it.
    ServerRevoked = "server-revoked", Theirs;
    /// No revocation list covers the server's certificate.
    RevocationUnknown = "revocation-unknown", Ours;
    /// The revocation list of the server's CA is out of date.
    CrlStale = "crl-stale", Ours;
    /// A revocation list that cannot be used.
    CrlInvalid = "crl-invalid", Ours;
    /// The server has none of the pinned keys.
    PinMismatch = "pin-mismatch", Ours;
    /// A CA certificate of `ca` that is out of date, or may not vouch for servers like this one.
    CaInvalid = "ca-invalid", Ours;
    /// No trusted root at all.
    TrustEmpty = "trust-empty", Ours;
    /// TLS failed in another way.
    TlsFailed = "tls-failed", Between;
    /// The two ends have no version of TLS in common.
    TlsVersionUnsupported = "tls-version-unsupported", Theirs;
    /// The port does not speak TLS.
    NotTls = "not-tls", Theirs;
    /// The port speaks TLS, the URL says `http`.
    NotPlain = "not-plain", Ours;
    /// The name of the host does not resolve.
    NameUnresolved = "name-unresolved", Between;
    /// The connection could not be opened.
    ConnectFailed = "connect-failed", Between;
    /// A step took too long.
    TimedOut = "timed-out", Between;
    /// The connection broke.
    ConnectionLost = "connection-lost", Between;
    /// The server has lost the session, and it could not be opened anew.
    SessionLost = "session-lost", Theirs;
    /// The proxy refused or failed.
    ProxyFailed = "proxy-failed", Between;
    /// The proxy wants credentials, or others.
    ProxyUnauthorized = "proxy-unauthorized", Ours;
    /// A redirect that leaves the origin, or one too many.
    RedirectRefused = "redirect-refused", Theirs;
    /// HTTP 401: the server wants credentials beside the certificate.
    HttpUnauthorized = "http-unauthorized", Ours;
    /// HTTP 403: whoever we are may not use it.
    HttpForbidden = "http-forbidden", Theirs;
    /// HTTP 404, 405 or 410: the path of the URL is not that of an MCP endpoint.
    HttpNotFound = "http-not-found", Ours;
    /// HTTP 421: the host of the URL is not served under the name of the TLS connection.
    HttpMisdirected = "http-misdirected", Ours;
    /// HTTP 5xx: the server, or what stands before it, has trouble of its own.
    HttpServerError = "http-server-error", Theirs;
    /// Another HTTP status that is an error.
    HttpStatus = "http-status", Theirs;
    /// The answer is not what MCP prescribes.
    ProtocolViolation = "protocol-violation", Theirs;
    /// What answers at the URL is no MCP server.
    NotMcp = "not-mcp", Ours;
    /// A message beyond the size limit.
    MessageTooLarge = "message-too-large", Theirs;
    /// The JSON-RPC error of a server, met by a library call.
    ServerError = "server-error", Theirs;
    /// The host sent something that is not a JSON-RPC message, or may not come yet.
    HostMessageInvalid = "host-message-invalid", Host;
    /// The host asks for something this bridge does not have yet.
    MethodUnsupported = "method-unsupported", Host;
    /// The host cancelled the request.
    Cancelled = "cancelled", Host;
    /// The bridge is shutting down.
    Stopped = "stopped", Host;
    /// A file that exists already is not overwritten.
    FileExists = "file-exists", Ours;
    /// A file cannot be written.
    FileUnwritable = "file-unwritable", Ours;
    /// A step of the demo did not come out as it should.
    DemoFailed = "demo-failed", Ours;
    /// The operating system refuses something basic: a process, a pipe, a socket.
    SystemFailed = "system-failed", Ours;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_kebab_case() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(names.iter().all(|name| name.chars().all(|c| c == '-' || c.is_ascii_lowercase())));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
