//! PINs: a wrong one is tried once, and the last try is never used up.

use mcp_mtls_testkit::mcp::McpServer;
use mcp_mtls_testkit::pki::Pki;
use serde_json::json;

use super::{CARD, card_of, with};
use crate::stage::{LATEST, hello, refusal, whoami};

const WRONG: [&str; 4] = ["--cert", "pkcs11:object=alice", "--passphrase", "{env:WRONG}"];

#[tokio::test]
async fn a_wrong_one_is_tried_once_however_often_the_host_asks() {
    let pki = Pki::new();
    let card = card_of(&pki, &pki.client("alice"));
    let server = McpServer::start(&pki).await;
    let mut host = with(&pki, &card, &server.url(), &WRONG).spawn();
    for _ in 0..10 {
        let answer = host.request("initialize", hello(LATEST)).await;
        let error = &answer["error"];
        assert_eq!(error["data"]["code"], "pin-wrong", "{error}");
        assert!(error.to_string().contains("Few tries are left."), "{error}");
        assert!(!error.to_string().contains("4321"), "{error}");
    }
    assert_eq!((card.calls("C_Login"), card.facts().tries), (1, 2));

    // And the right one sets the count back.
    let mut host = with(&pki, &card, &server.url(), &CARD).spawn();
    host.initialize(LATEST).await;
    assert_eq!(card.facts().tries, 3);
}

#[tokio::test]
async fn one_that_was_changed_meanwhile_is_tried_once_over_all_connections() {
    let pki = Pki::new();
    let card = card_of(&pki, &pki.client("alice"));
    let server = McpServer::start(&pki).await;
    let mut host = super::loaded(with(&pki, &card, &server.url(), &CARD), &card).await;
    card.change(|facts| (facts.pin, facts.epoch) = ("9999".to_owned(), 2));
    for _ in 0..10 {
        let error = refusal(&mut host).await;
        assert_eq!(error["data"]["code"], "pin-wrong", "{error}");
    }
    assert_eq!((card.calls("C_Login"), card.facts().tries), (2, 2));
}

#[tokio::test]
async fn a_host_that_starts_us_again_and_again_does_not_lock_the_card() {
    let pki = Pki::new();
    let card = card_of(&pki, &pki.client("alice"));
    for code in ["pin-wrong", "pin-wrong", "pin-final-try", "pin-final-try"] {
        let error = refusal(&mut with(&pki, &card, "https://localhost:1/", &WRONG).spawn()).await;
        assert_eq!(error["data"]["code"], code, "{error}");
    }
    assert_eq!((card.calls("C_Login"), card.facts().tries), (2, 1));
    // The right one is not tried either: who could tell?
    let error = refusal(&mut with(&pki, &card, "https://localhost:1/", &CARD).spawn()).await;
    assert_eq!((&error["data"]["code"], card.calls("C_Login")), (&json!("pin-final-try"), 2), "{error}");
    assert!(error.to_string().contains("which sets the count back"), "{error}");
}

#[tokio::test]
async fn servers_that_a_host_starts_all_at_once_do_not_lock_the_card() {
    let pki = Pki::new();
    let card = card_of(&pki, &pki.client("alice"));
    card.change(|facts| facts.login_millis = 200);
    let mut hosts: Vec<_> = (0..8).map(|_| with(&pki, &card, "https://localhost:1/", &WRONG).spawn()).collect();
    for host in &mut hosts {
        let error = refusal(host).await;
        assert!(error["data"]["code"].as_str().is_some_and(|code| code.starts_with("pin-")), "{error}");
    }
    assert_eq!((card.calls("C_Login"), card.facts().tries), (2, 1));
}

#[tokio::test]
async fn one_that_is_missing_needless_or_locked_is_told() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let card = card_of(&pki, &client);
    let server = McpServer::start(&pki).await;
    let none = &CARD[..2];
    let error = refusal(&mut with(&pki, &card, &server.url(), none).spawn()).await;
    assert_eq!(error["data"]["code"], "pin-missing", "{error}");
    let empty = pki.write("empty", "");
    let empty = format!("pkcs11:?pin-source={}", empty.display());
    let error = refusal(&mut with(&pki, &card, &server.url(), &["--cert", &empty]).spawn()).await;
    assert_eq!(error["data"]["code"], "pin-missing", "{error}");
    card.change(|facts| facts.tries = 0);
    let error = refusal(&mut with(&pki, &card, &server.url(), &CARD).spawn()).await;
    assert_eq!(error["data"]["code"], "pin-locked", "{error}");
    assert_eq!(card.calls("C_Login"), 0);

    card.change(|facts| (facts.tries, facts.login_required) = (3, false));
    let error = refusal(&mut with(&pki, &card, &server.url(), &CARD).spawn()).await;
    assert_eq!(error["data"]["code"], "passphrase-needless", "{error}");
    let mut host = with(&pki, &card, &server.url(), none).spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint);
    assert_eq!(card.calls("C_Login"), 0);
}

#[tokio::test]
async fn one_that_stands_where_others_can_read_it_is_refused() {
    let pki = Pki::new();
    let card = card_of(&pki, &pki.client("alice"));
    for (uri, passphrase, code) in [
        ("pkcs11:?pin-value=1234", None, "secret-in-arguments"),
        ("pkcs11:?pin-value={env:PIN}", None, "secret-in-arguments"),
        ("pkcs11:", Some("1234"), "secret-in-arguments"),
        ("pkcs11:?pin-source=%7ccat", None, "config-invalid-value"),
        ("pkcs11:?pin-source=file:pin", None, "config-invalid-value"),
        ("pkcs11:?pin-source=file:/nowhere/pin", None, "file-unreadable"),
        ("pkcs11:?pin-source=file:/nowhere/pin", Some("{env:PIN}"), "file-unreadable"),
        ("{env:URI}", Some("{env:PIN}"), "config-conflict"),
    ] {
        let passphrase = passphrase.map(|text| ["--passphrase", text]);
        let settings = [&["--cert", uri][..], passphrase.as_ref().map_or(&[], |both| &both[..])].concat();
        let host = with(&pki, &card, "https://localhost:1/", &settings).env("URI", "pkcs11:?pin-value=1234");
        let error = refusal(&mut host.spawn()).await;
        assert_eq!(error["data"]["code"], code, "{uri}: {error}");
        assert!(!error.to_string().contains("1234"), "{error}");
    }
    let entry =
        r#"{ "mcp": { "corp": { "url": "https://localhost:1/", "tls": { "cert": "pkcs11:?pin-value=1234" } } } }"#;
    let config = pki.write("config.jsonc", entry);
    let arguments = [std::path::Path::new("corp"), std::path::Path::new("--config"), &config];
    let error = refusal(&mut crate::stage::host(arguments).spawn()).await;
    assert_eq!(error["data"]["code"], "config-invalid-value", "{error}");
    assert!(!error.to_string().contains("1234"), "{error}");
    assert_eq!(card.calls("C_Login"), 0);
}
