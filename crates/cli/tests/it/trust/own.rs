//! A server whose own certificate, signed by itself, stands in `ca`.

use mcp_mtls_testkit::pki::{Pki, SelfSigned, Validity, pem};

use super::{believed, facts, refused, told};

fn ca(file: &std::path::Path) -> [String; 2] {
    ["--ca".to_owned(), file.display().to_string()]
}

#[tokio::test]
async fn is_believed_in_each_form() {
    let pki = Pki::new();
    for form in [SelfSigned::Ca, SelfSigned::Leaf(Validity::Now), SelfSigned::Version1] {
        let own = pki.self_signed_server(form);
        believed(&pki, &own, &ca(&own.cert_file)).await;
        let pinned = [&ca(&own.cert_file)[..], &["--pin".to_owned(), facts(&own.leaf_der).pin()]].concat();
        believed(&pki, &own, &pinned).await;
    }
}

#[tokio::test]
async fn is_believed_only_when_it_is_the_same_byte_for_byte() {
    let pki = Pki::new();
    for form in [SelfSigned::Ca, SelfSigned::Version1] {
        let (own, other) = (pki.self_signed_server(form), pki.self_signed_server(form));
        // The file of the first was written over by the second, which has the same name and another key.
        refused(&pki, &own, &ca(&other.cert_file), "server-self-signed").await;
    }
}

#[tokio::test]
async fn must_be_right_in_all_else() {
    let pki = Pki::new();
    for (form, code) in [
        (SelfSigned::Leaf(Validity::Past), "server-certificate-expired"),
        (SelfSigned::Leaf(Validity::Future), "server-certificate-not-yet-valid"),
        (SelfSigned::OtherName, "server-name-mismatch"),
        (SelfSigned::ForClients, "server-certificate-invalid"),
    ] {
        let own = pki.self_signed_server(form);
        let data = refused(&pki, &own, &ca(&own.cert_file), code).await;
        if code == "server-certificate-expired" {
            assert!(data["what"].as_str().is_some_and(|what| what.contains("expired on 20")), "{data:#}");
        }
    }
    let named = pki.self_signed_server(SelfSigned::Version1);
    let other = [&ca(&named.cert_file)[..], &["--server-name".to_owned(), "other.example".to_owned()]].concat();
    refused(&pki, &named, &other, "server-name-mismatch").await;
}

#[tokio::test]
async fn is_held_to_pins_and_has_no_revocation_list() {
    let pki = Pki::new();
    let own = pki.self_signed_server(SelfSigned::Ca);
    let pin = facts(&pki.server_ca_der()).pin();
    let wrong = [&ca(&own.cert_file)[..], &["--pin".to_owned(), pin]].concat();
    refused(&pki, &own, &wrong, "pin-mismatch").await;
    let list = pki.write("corp.crl", pem("X509 CRL", &pki.server_crl(&[], Validity::Now)));
    let listed = [&ca(&own.cert_file)[..], &["--crl".to_owned(), list.display().to_string()]].concat();
    let data = refused(&pki, &own, &listed, "revocation-unknown").await;
    assert!(told(&data, "fix").contains("remove it from `ca`"), "{data:#}");
}

#[tokio::test]
async fn does_not_vouch_for_others_unless_it_is_a_ca_of_theirs() {
    let pki = Pki::new();
    let own = pki.self_signed_server(SelfSigned::Ca);
    refused(&pki, &pki.server_identity(), &ca(&own.cert_file), "server-issuer-unknown").await;
}
