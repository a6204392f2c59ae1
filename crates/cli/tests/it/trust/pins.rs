//! `pins`: besides being trusted, the path has one of these keys.

use mcp_mtls_testkit::pki::Pki;

use super::{believed, facts, refused, told};

#[tokio::test]
async fn of_the_leaf_an_intermediate_or_the_root_will_do() {
    let pki = Pki::new();
    let identity = pki.server_identity_of_intermediate();
    let links = [identity.leaf_der.clone(), pki.server_intermediate_der().to_vec(), pki.server_ca_der().to_vec()];
    let wrong = facts(&pki.client_ca_der()).pin();
    for pin in links.iter().map(|der| facts(der).pin()) {
        believed(&pki, &identity, &["--pin", &pin]).await;
        // One of several, and as curl writes it.
        believed(&pki, &identity, &["--pin", &wrong, "--pin", &pin.replacen('/', "//", 1)]).await;
    }
}

#[tokio::test]
async fn of_another_key_is_a_mismatch_that_names_both() {
    let pki = Pki::new();
    let identity = pki.server_identity_of_intermediate();
    let wrong = facts(&pki.client_ca_der()).pin();
    let data = refused(&pki, &identity, &["--pin", &wrong], "pin-mismatch").await;
    let why = told(&data, "why");
    assert!(why.contains(&format!("`pins` wants {wrong}.")), "{why}");
    for der in [&identity.leaf_der, &pki.server_intermediate_der().to_vec(), &pki.server_ca_der().to_vec()] {
        let facts = facts(der);
        assert!(why.contains(&format!("\u{201c}{}\u{201d} {}", facts.subject, facts.pin())), "{why}");
    }
    assert_eq!(data["evidence"]["path"].as_array().map(Vec::len), Some(3));
    assert!(told(&data, "fix").contains("by phone"), "{data:#}");
}

#[tokio::test]
async fn of_a_certificate_that_is_only_presented_does_not_count() {
    let pki = Pki::new();
    let pinned = pki.client_ca_der();
    let pin = facts(&pinned).pin();
    let identity = pki.server_identity_of_intermediate().and_presents(pinned);
    refused(&pki, &identity, &["--pin", &pin], "pin-mismatch").await;
}

#[tokio::test]
async fn do_not_replace_trust_and_name() {
    let pki = Pki::new();
    let stranger = pki.stranger_server_identity();
    refused(&pki, &stranger, &["--pin", &facts(&stranger.leaf_der).pin()], "server-issuer-unknown").await;
    let other = pki.server_identity_for("other.example");
    refused(&pki, &other, &["--pin", &facts(&other.leaf_der).pin()], "server-name-mismatch").await;
    // Of two faults that of the name is told: a mismatch of pins says that the rest is right.
    refused(&pki, &other, &["--pin", &facts(&pki.client_ca_der()).pin()], "server-name-mismatch").await;
}
