//! `crl`: what is revoked is refused, and so is a server of which no list says anything.

use mcp_mtls_testkit::pki::{Pki, Validity, pem};

use super::{believed, refused, told};

/// A file with these lists in PEM.
fn crl(pki: &Pki, lists: &[Vec<u8>]) -> String {
    let text: String = lists.iter().map(|der| pem("X509 CRL", der)).collect();
    pki.write("corp.crl", text).display().to_string()
}

#[tokio::test]
async fn lists_in_der_in_pem_and_as_text_cover_a_server() {
    let pki = Pki::new();
    let (server, revoked) = (pki.server_identity(), pki.server_identity());
    let list = pki.server_crl(&[&revoked.leaf_der], Validity::Now);
    let der = pki.write("list.der", &list).display().to_string();
    let file = crl(&pki, &[pki.client_crl(&[], Validity::Now), list.clone()]);
    for written in [&der, &file, &format!("{{file:{file}}}")] {
        believed(&pki, &server, &["--crl", written]).await;
        refused(&pki, &revoked, &["--crl", written], "server-revoked").await;
    }
}

#[tokio::test]
async fn a_revoked_server_is_told_with_date_and_reason() {
    let pki = Pki::new();
    let server = pki.server_identity();
    let file = crl(&pki, &[pki.server_crl(&[&server.leaf_der], Validity::Now)]);
    let data = refused(&pki, &server, &["--crl", &file], "server-revoked").await;
    let why = told(&data, "why");
    assert!(why.contains("CN=server") && why.contains("3 days ago") && why.contains("keyCompromise"), "{data:#}");
    assert!(told(&data, "where").contains(&file), "{data:#}");
}

#[tokio::test]
async fn a_revoked_ca_on_the_way_is_refused_and_an_unknown_one_is_not() {
    let pki = Pki::new();
    let server = pki.server_identity_of_intermediate();
    let of_leaf = pki.server_intermediate_crl(&[], Validity::Now);
    believed(&pki, &server, &["--crl", &crl(&pki, std::slice::from_ref(&of_leaf))]).await;
    let root = pki.server_crl(&[], Validity::Now);
    believed(&pki, &server, &["--crl", &crl(&pki, &[root.clone(), of_leaf.clone()])]).await;
    // The list of the root alone says nothing of the leaf.
    let data = refused(&pki, &server, &["--crl", &crl(&pki, &[root])], "revocation-unknown").await;
    assert!(told(&data, "why").contains("CN=Testkit Server Intermediate"), "{data:#}");
    let revoked = pki.server_crl(&[&pki.server_intermediate_der()], Validity::Now);
    let data = refused(&pki, &server, &["--crl", &crl(&pki, &[revoked, of_leaf])], "server-revoked").await;
    assert!(data["what"].as_str().is_some_and(|what| what.starts_with("A CA above")), "{data:#}");
}

#[tokio::test]
async fn the_list_of_another_ca_does_not_do() {
    let pki = Pki::new();
    let file = crl(&pki, &[pki.client_crl(&[], Validity::Now)]);
    let data = refused(&pki, &pki.server_identity(), &["--crl", &file], "revocation-unknown").await;
    assert!(told(&data, "why").contains("CN=Testkit Server CA"), "{data:#}");
    // Of the same name, and signed by another key.
    let file = crl(&pki, &[Pki::new().server_crl(&[], Validity::Now)]);
    let data = refused(&pki, &pki.server_identity(), &["--crl", &file], "crl-invalid").await;
    assert!(told(&data, "why").contains("not by the key of the CA"), "{data:#}");
}

#[tokio::test]
async fn a_list_that_is_out_of_date_is_told_with_its_date_and_a_newer_one_counts() {
    let pki = Pki::new();
    let server = pki.server_identity();
    let old = pki.server_crl(&[], Validity::Past);
    let data = refused(&pki, &server, &["--crl", &crl(&pki, std::slice::from_ref(&old))], "crl-stale").await;
    assert!(told(&data, "why").contains("CN=Testkit Server CA") && told(&data, "why").contains("ago"), "{data:#}");
    assert!(told(&data, "where").contains("corp.crl"), "{data:#}");
    let new = pki.server_crl(&[], Validity::Now);
    believed(&pki, &server, &["--crl", &crl(&pki, &[old.clone(), new])]).await;
    // Of a CA on the way.
    let server = pki.server_identity_of_intermediate();
    let of_leaf = pki.server_intermediate_crl(&[], Validity::Now);
    refused(&pki, &server, &["--crl", &crl(&pki, &[of_leaf, old])], "crl-stale").await;
}

#[tokio::test]
async fn what_is_no_list_is_refused_before_any_connection() {
    let pki = Pki::new();
    let server = pki.server_identity();
    let damaged = pem("X509 CRL", &pki.server_crl(&[], Validity::Now)[..100]);
    refused(&pki, &server, &["--crl", "/surely/not/there.crl"], "file-unreadable").await;
    for (name, content, code) in [
        ("a", &b"garbage"[..], "material-invalid"),
        ("b", b"", "material-invalid"),
        ("c", damaged.as_bytes(), "crl-invalid"),
        ("d", pki.server_ca_pem().as_bytes(), "material-invalid"),
    ] {
        let file = pki.write(name, content).display().to_string();
        let data = refused(&pki, &server, &["--crl", &file], code).await;
        assert!(told(&data, "where").contains(&file), "{data:#}");
    }
}
