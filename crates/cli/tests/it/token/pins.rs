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
async fn slow_cards_are_waited_for_one_after_the_other() {
    let pki = Pki::new();
    let card = card_of(&pki, &pki.client("alice"));
    let server = McpServer::start(&pki).await;
    card.change(|facts| facts.login_millis = 800);
    let mut hosts: Vec<_> = (0..8).map(|_| with(&pki, &card, &server.url(), &CARD).spawn()).collect();
    for host in &mut hosts {
        let answer = host.request("initialize", hello(LATEST)).await;
        assert!(answer["result"].is_object(), "{answer}");
    }
    assert_eq!(card.calls("C_Login"), 8);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_holds_up_a_login() {
    use std::os::unix::fs::PermissionsExt as _;
    let pki = Pki::new();
    let client = pki.client("alice");
    let card = card_of(&pki, &client);
    let server = McpServer::start(&pki).await;
    // Whoever can read the module can lock it.
    let module = std::fs::File::open(mcp_mtls_testtoken::TestToken::module()).unwrap();
    module.lock_shared().unwrap();
    let mut host = with(&pki, &card, &server.url(), &CARD).spawn();
    let answer = host.request("initialize", hello(LATEST)).await;
    assert!(answer["result"].is_object(), "{answer}");

    let folder = host.home().join(".cache/mcp-mtls");
    let locks: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|one| one.unwrap().path()).collect();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((locks.len(), mode(&locks[0]), mode(&folder)), (1, 0o600, 0o700), "{locks:?}");

    // One of ours does.
    let ours = std::fs::File::open(&locks[0]).unwrap();
    ours.lock().unwrap();
    let logins = card.calls("C_Login");
    let error = refusal(&mut with(&pki, &card, &server.url(), &CARD).spawn()).await;
    assert_eq!((&error["data"]["code"], card.calls("C_Login")), (&json!("token-failed"), logins), "{error}");
    assert!(error.to_string().contains("still logging in"), "{error}");
}

#[tokio::test]
async fn one_with_blanks_or_line_ends_around_it_costs_no_try() {
    let pki = Pki::new();
    let card = card_of(&pki, &pki.client("alice"));
    let blank = pki.write("blank", "1234 \n");
    let uri = format!("pkcs11:?pin-source=file:{}", blank.display());
    let given = ["--cert", "pkcs11:object=alice", "--passphrase", "{env:BLANK}"];
    for (settings, value) in [
        (&given[..], "1234\n"),
        (&given, " 1234"),
        (&given, "1234\r\n"),
        (&given, "12\t34"),
        (&given, "1234\u{a0}"),
        (&["--cert", &uri], ""),
    ] {
        let host = with(&pki, &card, "https://localhost:1/", settings).env("BLANK", value);
        let error = refusal(&mut host.spawn()).await;
        assert_eq!(error["data"]["code"], "pin-malformed", "{value:?}: {error}");
        assert!(!error.to_string().contains("34"), "{error}");
    }
    assert_eq!((card.calls("C_Login"), card.facts().tries), (0, 3));
}

#[tokio::test]
async fn one_in_a_misspelt_uri_is_not_told() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let card = card_of(&pki, &client);
    let mine = [
        "pkcs11:token=x;pin=987654",
        "pkcs11:token=x;PIN-value=987654",
        "pkcs11:token=x;PIN-VALUE=987654?x",
        "PKCS11:token=x?pin-value=987654",
        " pkcs11:token=x?pin-value=987654",
        "Pkcs11:token=x?Pin-Value=987654",
        "pkcs11:token=x;pin%2dvalue=987654",
    ];
    for uri in mine {
        for settings in [["--cert", uri], ["--cert", "{env:URI}"], ["--key", "{env:URI}"], ["--ca", "{env:URI}"]] {
            let host = with(&pki, &card, "https://localhost:1/", &settings).env("URI", uri);
            let mut host = host.spawn();
            let error = refusal(&mut host).await;
            assert!(!error.to_string().contains("987654"), "{settings:?} of {uri:?}: {error}");
            assert!(!host.stderr().contains("987654"), "{}", host.stderr());
            if settings[1] == uri && !uri.contains('%') {
                assert_eq!(error["data"]["code"], "secret-in-arguments", "{uri:?}: {error}");
            }
        }
    }
    let server = McpServer::start(&pki).await;
    let mut host = with(&pki, &card, &server.url(), &["--cert", " PKCS11:object=alice", CARD[2], CARD[3]]).spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint);
}

#[cfg(unix)]
#[tokio::test]
async fn one_that_was_refused_is_not_tried_again_through_another_path_of_the_module() {
    let pki = Pki::new();
    let card = card_of(&pki, &pki.client("alice"));
    let server = McpServer::start(&pki).await;
    let module = mcp_mtls_testtoken::TestToken::module();
    let (link, copy) = (pki.dir().join("link.so"), pki.dir().join("copy.so"));
    std::os::unix::fs::symlink(&module, &link).unwrap();
    std::fs::copy(&module, &copy).unwrap();
    let write = |path: &std::path::Path| pki.write("uri", format!("pkcs11:?module-path={}", path.display()));
    let uri = format!("{{file:{}}}", write(&module).display());
    let settings = ["--cert", &uri, "--passphrase", "{env:PIN}"];
    let mut host = super::loaded(with(&pki, &card, &server.url(), &settings), &card).await;
    card.change(|facts| (facts.pin, facts.epoch) = ("9999".to_owned(), 2));
    let error = refusal(&mut host).await;
    assert_eq!((&error["data"]["code"], card.calls("C_Login")), (&json!("pin-wrong"), 2), "{error}");
    for (told, path) in (1..).zip([&link, &copy, &module]) {
        write(path);
        host.signal("HUP");
        super::until("the renewal", || host.stderr().matches("refuses the PIN").count() >= told).await;
        assert_eq!(card.calls("C_Login"), 2, "{}", path.display());
    }
    // One for each file.
    assert_eq!(card.calls("C_Initialize"), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn one_in_a_file_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let pki = Pki::new();
    let card = card_of(&pki, &pki.client("alice"));
    let server = McpServer::start(&pki).await;
    let file = pki.write("pin", "1234\n");
    let uri = format!("pkcs11:?pin-source=file:{}", file.display());
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o666);
    let error = refusal(&mut with(&pki, &card, &server.url(), &["--cert", &uri]).spawn()).await;
    assert_eq!((&error["data"]["code"], card.calls("C_Login")), (&json!("secret-exposed"), 0), "{error}");
    mode(0o644);
    let mut host = with(&pki, &card, &server.url(), &["--cert", &uri]).spawn();
    host.initialize(LATEST).await;
    assert!(host.stderr().contains("can read the file of the PIN"), "{}", host.stderr());
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
