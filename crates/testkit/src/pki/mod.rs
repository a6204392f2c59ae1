//! Certificates for tests: a server CA, a separate client CA, and every fault a certificate can have, as a verb.

mod der;
mod identity;
mod keys;
mod mint;
mod private;
mod spiffe;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

pub use identity::{Client, Identity, ServerIdentity, fingerprint};
pub use keys::KeyKind;
pub use mint::Validity;
use mint::{Authority, Leaf};
pub use private::{CaForm, CrlForm, PrivateCa};
pub use spiffe::{SvidFault, TrustDomain};

/// A fresh PKI in a temporary folder that lives as long as this value.
///
/// ```
/// let pki = mcp_mtls_testkit::Pki::new();
/// let alice = pki.client("alice");
/// assert!(alice.cert_pem.starts_with("-----BEGIN CERTIFICATE-----"));
/// assert_eq!(alice.fingerprint.len(), 64);
/// ```
pub struct Pki {
    dir: TempDir,
    server_ca: Authority,
    server_intermediate: Authority,
    client_ca: Authority,
    names: Mutex<HashMap<String, usize>>,
}

impl Pki {
    /// Makes both CAs (P-256) and writes their certificates.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("mcp-mtls-pki-").tempdir().expect("a temporary folder");
        let server_ca = Authority::root(SERVER_CA);
        let pki = Self {
            dir,
            server_intermediate: server_ca.intermediate(SERVER_INTERMEDIATE),
            server_ca,
            client_ca: Authority::root("Testkit Client CA"),
            names: Mutex::default(),
        };
        pki.write("server-ca.pem", pki.server_ca.pem());
        pki.write("client-ca.pem", pki.client_ca.pem());
        pki
    }

    /// The folder that holds all files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The CA that a client must trust, as a file.
    pub fn server_ca_file(&self) -> PathBuf {
        self.dir().join("server-ca.pem")
    }

    /// The CA that a client must trust, as PEM.
    pub fn server_ca_pem(&self) -> String {
        self.server_ca.pem()
    }

    /// The CA that a client must trust, as DER.
    pub fn server_ca_der(&self) -> CertificateDer<'static> {
        self.server_ca.der()
    }

    /// The CA that a server must trust, as a file.
    pub fn client_ca_file(&self) -> PathBuf {
        self.dir().join("client-ca.pem")
    }

    /// The CA that a server must trust, as DER.
    pub fn client_ca_der(&self) -> CertificateDer<'static> {
        self.client_ca.der()
    }

    /// Writes a file into the folder, readable by its owner only.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir().join(name);
        std::fs::write(&path, content).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("chmod 0600");
        }
        path
    }

    fn keep(&self, leaf: &Leaf, issuer: &Authority) -> Identity {
        self.keep_chain(leaf, issuer, Vec::new())
    }

    /// Signs the leaf, and writes certificate and key.
    fn keep_chain(&self, leaf: &Leaf, issuer: &Authority, rest: Vec<CertificateDer<'static>>) -> Identity {
        let key = leaf.kind.generate();
        let mut chain = vec![issuer.sign(leaf, &key)];
        chain.extend(rest);
        self.keep_written(&leaf.name, leaf.kind, chain, &key)
    }

    /// Writes certificate and key, and counts up the file name when it is taken.
    fn keep_written(
        &self,
        name: &str,
        kind: KeyKind,
        chain: Vec<CertificateDer<'static>>,
        key: &rcgen::KeyPair,
    ) -> Identity {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = names.entry(name.to_owned()).or_default();
        *taken += 1;
        let stem = if *taken == 1 { name.to_owned() } else { format!("{name}-{taken}") };
        Identity::write(self, &stem, kind, chain, &key.serialize_der())
    }
}

/// Clients.
impl Pki {
    /// A client that the client CA vouches for, with a P-256 key.
    pub fn client(&self, name: &str) -> Client {
        self.client_with_key(name, KeyKind::P256)
    }

    /// A client that the client CA vouches for, with a key of this kind.
    pub fn client_with_key(&self, name: &str, kind: KeyKind) -> Client {
        self.keep(&Leaf { kind, ..Leaf::client(name) }, &self.client_ca)
    }

    /// A certificate of the client CA, in DER, for a key that is elsewhere: on a token, say. It is given by its
    /// `SubjectPublicKeyInfo` in DER.
    pub fn certificate_for(&self, name: &str, public_key_der: &[u8]) -> Vec<u8> {
        self.client_ca.sign_public(&Leaf::client(name), public_key_der).to_vec()
    }

    /// A client whose certificate ended yesterday.
    pub fn expired_client(&self) -> Client {
        self.keep(&Leaf { validity: Validity::Past, ..Leaf::client("expired") }, &self.client_ca)
    }

    /// A client whose certificate began 50 days ago and ends after this time.
    pub fn client_ending_in(&self, rest: time::Duration) -> Client {
        self.keep(&Leaf { validity: Validity::EndsIn(rest), ..Leaf::client("ending") }, &self.client_ca)
    }

    /// A client whose certificate begins in two days.
    pub fn not_yet_valid_client(&self) -> Client {
        self.keep(&Leaf { validity: Validity::Future, ..Leaf::client("not-yet-valid") }, &self.client_ca)
    }

    /// A client whose certificate is good for servers only.
    pub fn server_auth_only_client(&self) -> Client {
        self.keep(&Leaf { usage: ServerAuth, ..Leaf::client("server-auth-only") }, &self.client_ca)
    }

    /// A client of a CA that nobody here knows.
    pub fn stranger_client(&self) -> Client {
        self.keep(&Leaf::client("stranger"), &Authority::root("Unrelated CA"))
    }

    /// A client of an intermediate CA. `cert_file` holds leaf and intermediate, `leaf_only_file` the leaf alone.
    pub fn client_of_intermediate(&self) -> Client {
        let intermediate = self.client_ca.intermediate("Testkit Client Intermediate");
        let rest = vec![intermediate.der()];
        self.keep_chain(&Leaf::client("of-intermediate"), &intermediate, rest)
    }
}

/// Servers.
impl Pki {
    /// A server for `localhost`, `127.0.0.1` and `::1`.
    pub fn server_identity(&self) -> ServerIdentity {
        self.keep(&Leaf::server("server", &LOOPBACK), &self.server_ca)
    }

    /// A server for this one name alone.
    pub fn server_identity_for(&self, name: &str) -> ServerIdentity {
        self.keep(&Leaf::server(&format!("server-for-{name}"), &[name]), &self.server_ca)
    }

    /// A server whose certificate ended yesterday.
    pub fn expired_server_identity(&self) -> ServerIdentity {
        let leaf = Leaf { validity: Validity::Past, ..Leaf::server("expired-server", &LOOPBACK) };
        self.keep(&leaf, &self.server_ca)
    }

    /// A server whose certificate began 50 days ago and ends after this time.
    pub fn server_identity_ending_in(&self, rest: time::Duration) -> ServerIdentity {
        let leaf = Leaf { validity: Validity::EndsIn(rest), ..Leaf::server("ending-server", &LOOPBACK) };
        self.keep(&leaf, &self.server_ca)
    }

    /// A server whose certificate begins in two days.
    pub fn not_yet_valid_server_identity(&self) -> ServerIdentity {
        let leaf = Leaf { validity: Validity::Future, ..Leaf::server("not-yet-valid-server", &LOOPBACK) };
        self.keep(&leaf, &self.server_ca)
    }

    /// A server of a CA that nobody here knows.
    pub fn stranger_server_identity(&self) -> ServerIdentity {
        self.keep(&Leaf::server("stranger-server", &LOOPBACK), &Authority::root("Unrelated CA"))
    }

    /// A server that vouches for itself.
    pub fn self_signed_server_identity(&self) -> ServerIdentity {
        let leaf = Leaf::server("self-signed-server", &LOOPBACK);
        let key = leaf.kind.generate();
        let cert = mint::self_signed(&leaf, &key);
        Identity::write(self, &leaf.name, leaf.kind, vec![cert], &key.serialize_der())
    }

    /// A server whose certificate is good for clients only.
    pub fn client_auth_only_server_identity(&self) -> ServerIdentity {
        let leaf = Leaf { usage: ClientAuth, ..Leaf::server("client-auth-only-server", &LOOPBACK) };
        self.keep(&leaf, &self.server_ca)
    }

    /// A server of an intermediate CA. It sends its chain; `leaf_only()` of it forgets the intermediate.
    pub fn server_identity_of_intermediate(&self) -> ServerIdentity {
        let rest = vec![self.server_intermediate.der()];
        self.keep_chain(&Leaf::server("server-of-intermediate", &LOOPBACK), &self.server_intermediate, rest)
    }

    /// A server that vouches for itself, in this form. Its file `cert_file` is what a client would have to believe.
    pub fn self_signed_server(&self, form: SelfSigned) -> ServerIdentity {
        let leaf = Leaf::server("localhost", &LOOPBACK);
        let key = leaf.kind.generate();
        let cert = match form {
            SelfSigned::Ca => mint::self_signed_ca(&leaf, &key),
            SelfSigned::Version1 => mint::self_signed_v1(&leaf, &key),
            SelfSigned::Leaf(validity) => mint::self_signed(&Leaf { validity, ..leaf }, &key),
            SelfSigned::OtherName => mint::self_signed(&Leaf { names: vec!["other.example".to_owned()], ..leaf }, &key),
            SelfSigned::ForClients => mint::self_signed(&Leaf { usage: ClientAuth, ..leaf }, &key),
        };
        Identity::write(self, &format!("self-signed-{form:?}"), KeyKind::P256, vec![cert], &key.serialize_der())
    }

    /// A server of the intermediate CA for `localhost` and so many other names.
    pub fn server_identity_of_many_names(&self, others: usize) -> ServerIdentity {
        let names: Vec<_> = (0..others).map(|number| format!("name{number}.example")).collect();
        let names: Vec<_> = std::iter::once("localhost").chain(names.iter().map(String::as_str)).collect();
        let rest = vec![self.server_intermediate.der()];
        self.keep_chain(&Leaf::server("server-of-many-names", &names), &self.server_intermediate, rest)
    }

    /// A CA with the names of the one between, and with another key: it has signed nothing that others present.
    pub fn forged_server_intermediate_der(&self) -> CertificateDer<'static> {
        Authority::root(SERVER_CA).intermediate(SERVER_INTERMEDIATE).der()
    }

    /// The CA between, certified by a stranger, and that stranger: signatures lead from it to them, too.
    pub fn adopted_server_intermediate_der(&self) -> [CertificateDer<'static>; 2] {
        let stranger = Authority::root("Unrelated CA");
        [stranger.adopt(&self.server_intermediate, SERVER_INTERMEDIATE), stranger.der()]
    }

    /// The CA between the server CA and [`server_identity_of_intermediate`](Self::server_identity_of_intermediate).
    pub fn server_intermediate_der(&self) -> CertificateDer<'static> {
        self.server_intermediate.der()
    }
}

/// Revocation lists, in DER.
impl Pki {
    /// A list of the server CA.
    pub fn server_crl(&self, revoked: &[&[u8]], validity: Validity) -> Vec<u8> {
        self.server_ca.revoke(revoked, validity)
    }

    /// A list of the CA between.
    pub fn server_intermediate_crl(&self, revoked: &[&[u8]], validity: Validity) -> Vec<u8> {
        self.server_intermediate.revoke(revoked, validity)
    }

    /// A list of the client CA.
    pub fn client_crl(&self, revoked: &[&[u8]], validity: Validity) -> Vec<u8> {
        self.client_ca.revoke(revoked, validity)
    }
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

/// How a server's certificate vouches for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfSigned {
    /// As a CA, which `openssl req -x509` makes of it.
    Ca,
    /// Without extensions, and so with no name but the common one, `localhost`.
    Version1,
    /// As no CA.
    Leaf(Validity),
    /// As no CA, for a name that is not this machine's.
    OtherName,
    /// As no CA, and for clients alone.
    ForClients,
}

/// PEM of any kind.
pub fn pem(label: &str, der: &[u8]) -> String {
    keys::pem(label, der)
}

const SERVER_CA: &str = "Testkit Server CA";
const SERVER_INTERMEDIATE: &str = "Testkit Server Intermediate";

/// The names under which servers of a test are reached.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[cfg(test)]
mod tests;
