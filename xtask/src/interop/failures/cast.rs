//! The clients and servers of the table, each with one fault.

use std::path::PathBuf;

use mcp_mtls_testkit::pki::{CaForm, Client, ServerIdentity, Validity, pem};

use crate::interop::Stage;

/// Whoever appears in the table.
pub(super) struct Cast {
    /// The one without a fault.
    pub(super) alice: Client,
    /// Clients that a server must refuse: what is wrong, who, and what is to be told.
    pub(super) refused: Vec<(&'static str, Client, Wanted)>,
    /// On the list of the client CA.
    pub(super) revoked: Client,
    /// The list.
    pub(super) client_crl: PathBuf,
    /// The server without a fault.
    pub(super) server: ServerIdentity,
    /// Servers that we must refuse.
    pub(super) untrusted: Vec<(&'static str, ServerIdentity, Wanted)>,
    /// A list of the server CA with `server` on it.
    pub(super) server_crl: PathBuf,
}

/// What is right: a code and its side.
pub(super) type Wanted = (&'static str, &'static str);

impl Cast {
    pub(super) fn new(stage: &Stage) -> Self {
        let pki = &stage.pki;
        let revoked = pki.client("revoked");
        let server = pki.server_identity();

        let elsewhere = pki.private_ca("Elsewhere CA", CaForm::Right);
        // Of the owner of the CAs that are believed, by its name.
        let sibling = pki.private_ca("Testkit Staging CA", CaForm::Right);
        let mut whole = elsewhere.client("stranger-with-ca");
        whole.cert_file = pki.write("stranger-with-ca.chain.pem", whole.cert_pem.clone() + &elsewhere.pem());
        let mut lone = pki.client_of_intermediate();
        lone.cert_file.clone_from(&lone.leaf_only_file);
        let refused = vec![
            ("another CA", pki.stranger_client(), REFUSED),
            ("another CA, sent along", whole, REFUSED),
            ("another CA of the same owner", sibling.client("staged"), REFUSED),
            ("without its intermediate", lone, ("certificate-chain-incomplete", "ours")),
            ("expired", pki.expired_client(), ("certificate-expired", "ours")),
            ("not yet valid", pki.not_yet_valid_client(), ("certificate-not-yet-valid", "ours")),
            ("for servers alone", pki.server_auth_only_client(), ("certificate-not-for-clients", "ours")),
        ];

        let mut presents_root = elsewhere.server();
        presents_root.cert_pem += &elsewhere.pem();
        presents_root.cert_file = pki.write("server-elsewhere.chain.pem", &presents_root.cert_pem);
        let lone_server = pki.server_identity_of_intermediate().leaf_only();
        let mut twice = lone_server.clone();
        twice.cert_pem = twice.cert_pem.repeat(2);
        twice.cert_file = pki.write("server-twice.pem", &twice.cert_pem);
        let untrusted = vec![
            ("expired", pki.expired_server_identity(), EXPIRED),
            ("not yet valid", pki.not_yet_valid_server_identity(), NOT_YET),
            ("another name", pki.server_identity_for("other.example"), OTHER_NAME),
            ("an unknown CA", pki.stranger_server_identity(), UNKNOWN),
            ("an unknown CA, sent along", presents_root, UNKNOWN),
            ("an unknown CA of the same owner", sibling.server(), UNKNOWN),
            ("self-signed", pki.self_signed_server_identity(), ("server-self-signed", "ours")),
            ("without its intermediate", lone_server, INCOMPLETE),
            ("twice, without its intermediate", twice, INCOMPLETE),
        ];
        let list = |name, der: &[u8]| pki.write(name, pem("X509 CRL", der));
        Self {
            alice: pki.client("alice"),
            refused,
            client_crl: list("clients.crl", &pki.client_crl(&[&revoked.leaf_der], Validity::Now)),
            revoked,
            untrusted,
            server_crl: list("servers.crl", &pki.server_crl(&[&server.leaf_der], Validity::Now)),
            server,
        }
    }
}

pub(super) const REFUSED: Wanted = ("certificate-refused", "ours");
const UNKNOWN: Wanted = ("server-issuer-unknown", "ours");
const INCOMPLETE: Wanted = ("server-chain-incomplete", "theirs");
const EXPIRED: Wanted = ("server-certificate-expired", "theirs");
const NOT_YET: Wanted = ("server-certificate-not-yet-valid", "theirs");
const OTHER_NAME: Wanted = ("server-name-mismatch", "theirs");
