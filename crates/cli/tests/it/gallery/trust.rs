//! Pins, revocation lists and CAs of which the server is not one that they vouch for.

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::pki::{CaForm, Pki, ServerIdentity, Validity, pem};
use mcp_mtls_testkit::server::TlsServer;

use super::case::{Case, all, case, path};
use super::run::host;

/// A server with this certificate, and settings of trust beside `--ca`; over both versions.
async fn refuses(case: &mut Case, identity: &ServerIdentity, ca: &str, settings: &[&str]) {
    let client = case.pki.client("alice");
    let own = [path(&client.cert_file), path(&client.key_file)];
    for (way, server) in [
        ("TLS 1.2", TlsServer::builder(&case.pki).tls12_only()),
        ("TLS 1.3", TlsServer::builder(&case.pki).tls13_only()),
    ] {
        let server = server.identity(identity).start().await;
        let host = host([server.url("/mcp").as_str(), "--cert", &own[0], "--key", &own[1], "--ca", ca]).args(settings);
        case.refused(way, host).await;
        case.verified(way, &server.verified(), None);
    }
}

/// A revocation list of the server's CA, or of another.
async fn of_list(name: &'static str, code: Code, side: Side, list: impl Fn(&Pki, &ServerIdentity) -> Vec<u8>) {
    let mut case = case(name, code, side);
    let identity = case.pki.server_identity();
    let ca = path(&case.pki.server_ca_file());
    let crl = case.file("corp.crl", pem("X509 CRL", &list(&case.pki, &identity)));
    refuses(&mut case, &identity, &ca, &["--crl", &crl]).await;
    case.end();
}

#[tokio::test]
async fn a_key_that_is_not_pinned() {
    let mut case = case("pin-mismatch", Code::PinMismatch, Side::Ours);
    let (identity, ca) = (case.pki.server_identity(), path(&case.pki.server_ca_file()));
    let pin = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    refuses(&mut case, &identity, &ca, &["--pin", pin]).await;
    case.end();
}

#[tokio::test]
async fn a_server_that_is_revoked() {
    of_list("server-revoked", Code::ServerRevoked, Side::Theirs, |pki, identity| {
        pki.server_crl(&[&identity.leaf_der], Validity::Now)
    })
    .await;
}

#[tokio::test]
async fn a_list_of_another_ca() {
    of_list("revocation-unknown", Code::RevocationUnknown, Side::Ours, |pki, _| pki.client_crl(&[], Validity::Now))
        .await;
}

#[tokio::test]
async fn a_list_that_is_out_of_date() {
    of_list("crl-stale", Code::CrlStale, Side::Ours, |pki, _| pki.server_crl(&[], Validity::Past)).await;
}

#[tokio::test]
async fn a_list_that_is_damaged() {
    of_list("crl-invalid", Code::CrlInvalid, Side::Ours, |_, _| b"no list".to_vec()).await;
}

#[tokio::test]
async fn a_list_of_another_key_of_that_name() {
    let list = |_: &Pki, _: &ServerIdentity| Pki::new().server_crl(&[], Validity::Now);
    of_list("crl-of-another-key", Code::CrlInvalid, Side::Ours, list).await;
}

#[tokio::test]
async fn a_file_without_a_list() {
    let mut case = case("crl-is-a-certificate", Code::MaterialInvalid, Side::Ours);
    let (identity, ca) = (case.pki.server_identity(), path(&case.pki.server_ca_file()));
    refuses(&mut case, &identity, &ca, &["--crl", &ca]).await;
    case.end();
}

#[tokio::test]
async fn a_file_of_lists_that_is_not_there() {
    let mut case = case("crl-file-missing", Code::FileUnreadable, Side::Ours);
    let (identity, ca) = (case.pki.server_identity(), path(&case.pki.server_ca_file()));
    refuses(&mut case, &identity, &ca, &["--crl", "/no/such/corp.crl"]).await;
    case.end();
}

/// A CA in `ca` that says this of itself.
async fn of_ca(name: &'static str, form: CaForm) {
    let mut case = case(name, Code::CaInvalid, Side::Ours);
    let (identity, file) = {
        let ca = case.pki.private_ca("Corp CA", form);
        match form {
            CaForm::LastOne => {
                let below = ca.below("Corp Issuing CA", CaForm::Right);
                (below.server().and_presents(below.der()), ca.file())
            }
            _ => (ca.server(), ca.file()),
        }
    };
    refuses(&mut case, &identity, &path(&file), &[]).await;
    case.end();
}

#[tokio::test]
async fn cas_that_may_not_vouch() {
    let forms = [
        ("ca-expired-in-use", CaForm::Expired),
        ("ca-not-yet-valid", CaForm::Future),
        ("ca-for-clients", CaForm::ForClients),
        ("ca-too-far-above", CaForm::LastOne),
    ];
    all(forms, |(name, form)| of_ca(name, form)).await;
}
