//! `crl`: what is revoked is refused, and so is a server of which no list says anything.

use mcp_mtls_testkit::pki::{CaForm, CrlForm, Pki, PrivateCa, Validity, pem};
use time::OffsetDateTime;

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

/// The arguments that trust this CA and its lists alone.
fn of(pki: &Pki, ca: &PrivateCa<'_>, lists: &[Vec<u8>]) -> [String; 4] {
    ["--ca".to_owned(), ca.file().display().to_string(), "--crl".to_owned(), crl(pki, lists)]
}

#[tokio::test]
async fn no_list_of_a_ca_hides_another() {
    let pki = Pki::new();
    let ca = pki.private_ca("Root", CaForm::Right);
    let server = ca.server();
    let revoked: &[&[u8]] = &[&server.leaf_der];
    let at = |age, point| CrlForm { age, point: Some(point), ..CrlForm::default() };
    let (first, second) = ("http://crl.example/1", "http://crl.example/2");
    for lists in [
        // Two parts, of which the older names it.
        [ca.list(revoked, at(2, first)), ca.list(&[], at(1, second))],
        [ca.list(revoked, CrlForm { age: 2, ..CrlForm::default() }), ca.list(&[], at(1, second))],
    ] {
        refused(&pki, &server, &of(&pki, &ca, &lists), "server-revoked").await;
    }
    // Of the same moment, in either order: the number tells.
    let from = OffsetDateTime::now_utc();
    let numbered = |revoked: &[&[u8]], number| ca.list_at(revoked, from, number);
    for newer in [true, false] {
        let mut lists = [numbered(revoked, if newer { 2 } else { 1 }), numbered(&[], if newer { 1 } else { 2 })];
        for _ in 0..2 {
            lists.reverse();
            if newer {
                refused(&pki, &server, &of(&pki, &ca, &lists), "server-revoked").await;
            } else {
                believed(&pki, &server, &of(&pki, &ca, &lists)).await;
            }
        }
    }
}

#[tokio::test]
async fn a_list_from_the_future_is_refused() {
    let pki = Pki::new();
    let ca = pki.private_ca("Root", CaForm::Right);
    let server = ca.server();
    let future = ca.list(&[], CrlForm { age: -5, ..CrlForm::default() });
    let lists = [ca.list(&[&server.leaf_der], CrlForm::default()), future];
    let data = refused(&pki, &server, &of(&pki, &ca, &lists), "crl-invalid").await;
    assert!(told(&data, "why").contains("is from the future"), "{data:#}");
}

#[tokio::test]
async fn lists_of_another_key_of_the_same_name_are_passed_over() {
    let pki = Pki::new();
    let (old, new) = (pki.private_ca("Root", CaForm::Right), pki.private_ca("Root", CaForm::Right));
    let lists = [old.list(&[], CrlForm { age: 0, ..CrlForm::default() }), new.list(&[], CrlForm::default())];
    believed(&pki, &new.server(), &of(&pki, &new, &lists)).await;
    let server = new.server();
    let lists = [lists[0].clone(), new.list(&[&server.leaf_der], CrlForm::default())];
    refused(&pki, &server, &of(&pki, &new, &lists), "server-revoked").await;
}

#[tokio::test]
async fn a_list_for_other_certificates_of_the_ca_is_told_as_such() {
    let pki = Pki::new();
    let ca = pki.private_ca("Root", CaForm::Right);
    let (first, second) = ("http://crl.example/1", "http://crl.example/2");
    let list = |point| ca.list(&[], CrlForm { point: Some(point), ..CrlForm::default() });
    let server = ca.server_at(first);
    let data = refused(&pki, &server, &of(&pki, &ca, &[list(second)]), "revocation-unknown").await;
    assert!(told(&data, "why").contains("for other certificates"), "{data:#}");
    believed(&pki, &server, &of(&pki, &ca, &[list(second), list(first)])).await;
}

#[tokio::test]
async fn a_list_without_an_end_is_told_as_such() {
    let pki = Pki::new();
    let ca = pki.private_ca("Root", CaForm::Right);
    let data = refused(&pki, &ca.server(), &of(&pki, &ca, &[ca.list_without_end()]), "crl-invalid").await;
    assert!(told(&data, "why").contains("(nextUpdate)"), "{data:#}");
}
