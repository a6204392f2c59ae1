//! What a certificate in `ca` says of itself holds, though it is trusted.

use mcp_mtls_testkit::pki::{CaForm, CrlForm, Pki, PrivateCa, pem};

use super::{believed, refused, told};

/// The settings that trust these certificates alone.
fn trusting(pki: &Pki, authorities: &[&PrivateCa<'_>]) -> Vec<String> {
    let text: String = authorities.iter().map(|ca| ca.pem()).collect();
    let file = pki.write("ca.pem", text).display().to_string();
    vec!["--ca".to_owned(), file, "--system-roots".to_owned(), "false".to_owned()]
}

fn and_lists(pki: &Pki, mut arguments: Vec<String>, lists: &[Vec<u8>]) -> Vec<String> {
    let text: String = lists.iter().map(|der| pem("X509 CRL", der)).collect();
    arguments.extend(["--crl".to_owned(), pki.write("ca.crl", text).display().to_string()]);
    arguments
}

#[tokio::test]
async fn a_ca_in_ca_that_its_root_has_revoked_is_not_believed() {
    let pki = Pki::new();
    let root = pki.private_ca("Root", CaForm::Right);
    let between = root.below("Between", CaForm::Right);
    let server = between.server();
    let lists = [root.list(&[&between.der()], CrlForm::default()), between.list(&[], CrlForm::default())];
    let good = [root.list(&[], CrlForm::default()), lists[1].clone()];
    // Whoever signed it is in `ca`, is presented, or is not known at all.
    for (authorities, server) in [
        (vec![&between, &root], server.clone()),
        (vec![&between], server.and_presents(root.der())),
        (vec![&between], server.clone()),
    ] {
        let arguments = trusting(&pki, &authorities);
        let data = refused(&pki, &server, &and_lists(&pki, arguments.clone(), &lists), "server-revoked").await;
        assert!(told(&data, "why").contains("CN=Between"), "{data:#}");
        believed(&pki, &server, &and_lists(&pki, arguments, &good)).await;
    }
}

#[tokio::test]
async fn a_list_that_the_root_has_not_signed_revokes_no_ca_in_ca() {
    let pki = Pki::new();
    let root = pki.private_ca("Root", CaForm::Right);
    let between = root.below("Between", CaForm::Right);
    let other = pki.private_ca("Root", CaForm::Right);
    let lists = [other.list(&[&between.der()], CrlForm::default()), between.list(&[], CrlForm::default())];
    let arguments = and_lists(&pki, trusting(&pki, &[&between, &root]), &lists);
    believed(&pki, &between.server(), &arguments).await;
    // Nor does a root that only has the name, and is presented by the server, hide the list of the right one.
    let lists = [root.list(&[&between.der()], CrlForm::default()), between.list(&[], CrlForm::default())];
    let arguments = and_lists(&pki, trusting(&pki, &[&between]), &lists);
    refused(&pki, &between.server().and_presents(other.der()), &arguments, "server-revoked").await;
}

#[tokio::test]
async fn what_is_no_ca_vouches_for_nobody_else() {
    let pki = Pki::new();
    let root = pki.private_ca("Root", CaForm::Right);
    for (form, why) in [(CaForm::NoCa, "is not that of a CA"), (CaForm::SignsNothing, "may not sign others")] {
        let leaf = root.below("other server", form);
        let server = leaf.server();
        let data = refused(&pki, &server, &trusting(&pki, &[&leaf]), "material-invalid").await;
        assert!(told(&data, "why").contains("CN=other server") && told(&data, "why").contains(why), "{data:#}");
        assert!(told(&data, "where").contains("ca.pem"), "{data:#}");
        // One that signed itself is believed for itself alone.
        let own = pki.private_ca("own", form);
        refused(&pki, &own.server(), &trusting(&pki, &[&own]), "server-issuer-unknown").await;
    }
}

#[tokio::test]
async fn dates_usage_and_length_of_a_ca_in_ca_hold() {
    let pki = Pki::new();
    for (form, code, what) in [
        (CaForm::Expired, "ca-invalid", "expired on 20"),
        (CaForm::Future, "ca-invalid", "is not valid before 20"),
        (CaForm::ForClients, "ca-invalid", "may not sign those of servers"),
        (CaForm::LastOne, "ca-invalid", "too many CAs"),
    ] {
        let root = pki.private_ca("Root", form);
        let between = root.below("Between", CaForm::Right);
        let server = between.server().and_presents(between.der());
        let data = refused(&pki, &server, &trusting(&pki, &[&root]), code).await;
        assert!(data["what"].as_str().is_some_and(|told| told.contains(what)), "{data:#}");
        assert!(told(&data, "why").contains("CN=Root") && told(&data, "where").contains("ca.pem"), "{data:#}");
    }
    let last = pki.private_ca("Root", CaForm::LastOne);
    believed(&pki, &last.server(), &trusting(&pki, &[&last])).await;
}

#[tokio::test]
async fn a_fault_of_a_ca_that_is_presented_is_told_of_that_ca() {
    let pki = Pki::new();
    let root = pki.private_ca("Root", CaForm::Right);
    for (form, code, what) in [
        (CaForm::Expired, "server-certificate-expired", "A CA above"),
        (CaForm::Future, "server-certificate-not-yet-valid", "A CA above"),
        (CaForm::ForClients, "server-certificate-invalid", "cannot be accepted"),
    ] {
        let between = root.below("Between", form);
        let server = between.server().and_presents(between.der());
        let data = refused(&pki, &server, &trusting(&pki, &[&root]), code).await;
        assert!(data["what"].as_str().is_some_and(|told| told.contains(what)), "{data:#}");
        assert!(told(&data, "why").contains("CN=Between"), "{data:#}");
        assert_eq!(told(&data, "why").contains("for clientAuth only"), form == CaForm::ForClients, "{data:#}");
        assert!(!data["what"].as_str().is_some_and(|told| told.contains("(in 3")), "{data:#}");
    }
}

#[tokio::test]
async fn thousands_of_names_make_no_long_message() {
    let pki = Pki::new();
    let root = pki.private_ca("Root", CaForm::Right);
    let server = root.server_of_many_names(500);
    let data = refused(&pki, &server, &trusting(&pki, &[&root]), "server-name-mismatch").await;
    assert!(told(&data, "why").contains("and 496 more"), "{data:#}");
    assert!(data.to_string().len() < 2000, "{data:#}");
}
