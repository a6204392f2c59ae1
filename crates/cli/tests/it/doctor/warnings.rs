//! What works today: each warning by a real cause, with something to do.

use std::path::Path;

use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::{CaForm, Pki};
use mcp_mtls_testkit::server::{ClientAuth, TlsServer};
use time::Duration;

use super::{config, doctor, entry, flags, towards};

#[tokio::test]
async fn the_end_of_the_client_certificate() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let found = towards(&pki, &server.url(), &pki.client_ending_in(Duration::days(5))).examined().await;
    assert_eq!((found.status, &found.step("identity")["state"]), (0, &"warning".into()));
    assert_eq!(found.warnings("identity"), ["certificate-ends-soon"]);
    let long = pki.client_ending_in(Duration::days(100));
    towards(&pki, &server.url(), &long).examined().await.is_well();
}

#[tokio::test]
async fn a_client_certificate_that_most_servers_refuse() {
    let pki = Pki::new();
    for (client, code) in [
        (pki.expired_client(), "certificate-expired"),
        (pki.not_yet_valid_client(), "certificate-not-yet-valid"),
        (pki.server_auth_only_client(), "certificate-not-for-clients"),
    ] {
        let server = McpServer::on(TlsServer::builder(&pki).client_auth(ClientAuth::None), McpOptions::default()).await;
        let found = towards(&pki, &server.url(), &client).examined().await;
        assert_eq!((found.status, found.warnings("identity")), (0, vec![code]));
    }
}

#[tokio::test]
async fn a_certificate_that_is_configured_and_not_asked_for() {
    let pki = Pki::new();
    let server = McpServer::on(TlsServer::builder(&pki).client_auth(ClientAuth::None), McpOptions::default()).await;
    let found = towards(&pki, &server.url(), &pki.client("alice")).examined().await;
    assert_eq!((found.status, found.warnings("tls")), (0, vec!["certificate-not-asked"]));
    assert_eq!(found.fact("tls", "certificateAsked"), false);
    assert_eq!(server.verified().len(), 0);
    // Without a certificate there is nothing to warn of.
    let bare = &flags(&pki, &server.url(), &pki.client("bob"))[..3];
    doctor(&pki, bare).examined().await.is_well();
}

#[tokio::test]
async fn a_weak_signature() {
    let pki = Pki::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/weak");
    let copy = |name: &str| pki.write(name, std::fs::read(fixtures.join(name)).unwrap());
    let (cert, key) = (copy("sha1.pem"), copy("sha1.key"));
    let server = McpServer::on(TlsServer::builder(&pki).client_auth(ClientAuth::None), McpOptions::default()).await;
    let mut arguments = flags(&pki, &server.url(), &pki.client("alice"));
    (arguments[4], arguments[6]) = (cert.into(), key.into());
    let found = doctor(&pki, arguments).examined().await;
    assert_eq!((found.status, found.warnings("identity")), (0, vec!["key-weak"]));
}

#[tokio::test]
async fn a_chain_in_another_order_or_with_others_in_it() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let client = pki.client_of_intermediate();
    let [leaf, issuer] = &client.cert_pem.split_inclusive("-----END CERTIFICATE-----\n").collect::<Vec<_>>()[..] else {
        panic!("a leaf and its issuer");
    };
    let root = std::fs::read_to_string(pki.client_ca_file()).unwrap();
    let other = pki.client("bob").cert_pem;
    for (chain, warnings) in [
        (vec![*leaf, issuer], vec![]),
        (vec![leaf, issuer, &root], vec![]),
        (vec![issuer, leaf], vec!["chain-disordered"]),
        (vec![leaf, issuer, &other], vec!["chain-disordered"]),
        (vec![leaf, &root, issuer], vec!["chain-disordered"]),
    ] {
        let file = pki.write("chain.pem", chain.concat());
        let mut arguments = flags(&pki, &server.url(), &client);
        arguments[4] = file.into();
        let found = doctor(&pki, arguments).examined().await;
        assert_eq!((found.status, found.warnings("identity")), (0, warnings), "{chain:?}");
    }
    assert!(server.verified().iter().all(|fingerprint| *fingerprint == client.fingerprint));
}

#[tokio::test]
async fn a_ca_that_has_expired_beside_one_that_has_not() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let expired = pki.private_ca("Old CA", CaForm::Expired).pem();
    let file = pki.write("cas.pem", format!("{expired}{}", pki.server_ca_pem()));
    let mut arguments = flags(&pki, &server.url(), &pki.client("alice"));
    arguments[2] = file.into();
    let found = doctor(&pki, arguments).examined().await;
    assert_eq!((found.status, found.warnings("trust")), (0, vec!["ca-expired"]));
    let warning = &found.step("trust")["warnings"][0];
    assert!(warning["why"][0].as_str().unwrap().contains("Old CA"), "{warning:#}");
}

#[tokio::test]
async fn the_end_of_the_server_certificate() {
    let pki = Pki::new();
    let identity = pki.server_identity_ending_in(Duration::days(3));
    let server = McpServer::on(TlsServer::builder(&pki).identity(&identity), McpOptions::default()).await;
    let found = towards(&pki, &server.url(), &pki.client("alice")).examined().await;
    assert_eq!((found.status, found.warnings("tls")), (0, vec!["server-certificate-ends-soon"]));
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_that_every_user_can_read_and_settings_without_effect() {
    use std::os::unix::fs::PermissionsExt as _;
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let client = pki.client("alice");
    std::fs::set_permissions(&client.key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let written = entry(&pki, "corp", &server.url(), &client).replace("\"url\"", "\"tool\": 1, \"url\"");
    let file = config(&pki, &written);
    let found = doctor(&pki, ["corp".as_ref(), "--config".as_ref(), file.as_os_str()]).examined().await;
    assert_eq!((found.status, found.warnings("identity")), (0, vec!["secret-exposed"]));
    let warning = &found.step("identity")["warnings"][0];
    assert_eq!(warning["fix"][0], format!("Run chmod go-r '{}'.", client.key_file.display()), "{warning:#}");
    let notes = &found.step("configuration")["notes"];
    assert!(notes[0].as_str().is_some_and(|note| note.contains("unknown key")), "{notes}");
}
