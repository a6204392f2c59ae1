//! Keys on a token: the server verifies their certificates, and whatever happens to the token is told.

mod pins;

use std::time::Duration;

use mcp_mtls_testkit::host::{Host, HostBuilder};
use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::{Client, KeyKind, Pki};
use mcp_mtls_testkit::server::TlsServer;
use mcp_mtls_testtoken::{FOLDER, Object, TestToken};
use serde_json::json;

use crate::stage::{LATEST, hello, host, refusal, whoami};

/// A card with certificate and key of this client.
fn card_of(pki: &Pki, client: &Client) -> TestToken {
    let card = TestToken::new(&pki.dir().join("card"));
    let object = Object::new("alice", &[1], Some(&client.leaf_der), Some(&client.key_pkcs8_der()));
    card.change(|facts| facts.objects.push(object));
    card
}

/// A host whose entry has these settings besides trust, the module and the PIN.
fn with(pki: &Pki, card: &TestToken, url: &str, settings: &[&str]) -> HostBuilder {
    let ca = pki.server_ca_file().display().to_string();
    let module = TestToken::module().display().to_string();
    let home = pki.dir().join("home");
    std::fs::create_dir_all(&home).unwrap_or_else(|e| panic!("{}: {e}", home.display()));
    host([url, "--ca", &ca, "--pkcs11-module", &module])
        .home(&home)
        .args(settings)
        .env(FOLDER, card.folder())
        .env("PIN", "1234")
        .env("WRONG", "4321")
}

const CARD: [&str; 4] = ["--cert", "pkcs11:token=Test%20Card", "--passphrase", "{env:PIN}"];

/// Waits until so much has been written down.
async fn until(what: &str, ready: impl Fn() -> bool) {
    let wait = async {
        while !ready() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    waited.unwrap_or_else(|_| panic!("waited for {what}"));
}

/// The host, once it has proved that the key is that of the certificate.
async fn loaded(host: HostBuilder, card: &TestToken) -> Host {
    let before = card.calls("a signature");
    let host = host.spawn();
    until("the proof", || card.calls("a signature") > before).await;
    host
}

#[tokio::test]
async fn of_every_kind_of_key_over_both_versions() {
    let pki = Pki::new();
    for kind in [KeyKind::Rsa2048, KeyKind::P256, KeyKind::P384, KeyKind::Ed25519] {
        let client = pki.client_with_key("alice", kind);
        let card = card_of(&pki, &client);
        for server in [TlsServer::builder(&pki).tls12_only(), TlsServer::builder(&pki).tls13_only()] {
            let server = McpServer::on(server, McpOptions::default()).await;
            let mut host = with(&pki, &card, &server.url(), &CARD).spawn();
            host.initialize(LATEST).await;
            assert_eq!(whoami(&mut host).await, client.fingerprint, "{kind:?}");
            assert!(server.verified().iter().all(|fingerprint| *fingerprint == client.fingerprint));
            host.stdout_is_pure();
        }
    }
}

#[tokio::test]
async fn a_key_that_wants_the_pin_for_each_signature_gets_it() {
    let pki = Pki::new();
    for kind in [KeyKind::Rsa2048, KeyKind::P256] {
        let client = pki.client_with_key("alice", kind);
        let card = card_of(&pki, &client);
        card.change(|facts| facts.always_authenticate = true);
        let server = McpServer::start(&pki).await;
        let mut host = with(&pki, &card, &server.url(), &CARD).spawn();
        host.initialize(LATEST).await;
        assert_eq!(whoami(&mut host).await, client.fingerprint, "{kind:?}");
        // One for the session, one for the proof, one for each connection.
        assert!(card.calls("C_Login") >= 3);
    }
}

#[tokio::test]
async fn wherever_certificate_and_key_are_named() {
    let pki = Pki::new();
    let client = pki.client_of_intermediate();
    let issuer = client.chain()[1].to_vec();
    let card = card_of(&pki, &client);
    card.change(|facts| {
        facts.objects.insert(0, Object::new("the issuer", &[9], Some(&issuer), None));
        facts.objects.push(Object::new("other", &[2], None, Some(&client.key_pkcs8_der())));
    });
    let server = McpServer::start(&pki).await;
    let file = client.cert_file.display().to_string();
    let pin = pki.write("pin", "1234\n");
    let pin = format!("pkcs11:id=%01?pin-source=file:{}", pin.display());
    let whole = pki.write("uri", "pkcs11:token=Test%20Card;serial=0001;object=alice?pin-value=1234");
    let whole = format!("{{file:{}}}", whole.display());
    let module = TestToken::module().display().to_string();
    let in_uri = format!("pkcs11:object=alice;type=private?module-path={module}&x-unknown=1");
    let with_pin = ["--passphrase", "{env:PIN}"];
    for settings in [
        // Both on the card, with the issuer that the server does not know.
        &[&CARD[..2], &with_pin].concat(),
        &["--key", "pkcs11:object=alice", "--passphrase", "{env:PIN}"].to_vec(),
        &["--cert", "pkcs11:object=alice;type=cert", "--key", "pkcs11:id=%01", "--passphrase", "{env:PIN}"].to_vec(),
        // The certificate in a file.
        &["--cert", &file, "--key", &in_uri, "--passphrase", "{env:PIN}"].to_vec(),
        // The PIN in its places.
        &["--cert", &pin].to_vec(),
        &["--cert", &whole].to_vec(),
    ] {
        let mut host = with(&pki, &card, &server.url(), settings).spawn();
        host.initialize(LATEST).await;
        assert_eq!(whoami(&mut host).await, client.fingerprint, "{settings:?}");
    }
}

#[tokio::test]
async fn a_card_that_is_taken_out_is_told_and_works_again_when_it_is_back() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let card = card_of(&pki, &client);
    let server = McpServer::start(&pki).await;
    let mut host = loaded(with(&pki, &card, &server.url(), &CARD), &card).await;
    card.change(|facts| facts.present = false);
    let error = refusal(&mut host).await;
    assert_eq!(error["data"]["code"], "token-missing", "{error}");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("Test Card") && text.contains("ut it back")));
    assert_eq!(server.verified(), [] as [&str; 0]);

    // Another one is not taken for it, and is shown no PIN.
    let logins = card.calls("C_Login");
    card.change(|facts| (facts.present, facts.epoch, facts.serial) = (true, 2, "0002".to_owned()));
    let error = refusal(&mut host).await;
    assert_eq!((&error["data"]["code"], card.calls("C_Login")), (&json!("token-missing"), logins), "{error}");

    card.change(|facts| (facts.epoch, facts.serial) = (3, "0001".to_owned()));
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint);
    assert_eq!(card.calls("C_Login"), logins + 1);
}

#[tokio::test]
async fn a_session_that_the_card_has_forgotten_is_opened_anew() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let card = card_of(&pki, &client);
    let server = McpServer::start(&pki).await;
    let mut host = loaded(with(&pki, &card, &server.url(), &CARD), &card).await;
    card.change(|facts| facts.epoch = 2);
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint);
    assert_eq!(card.calls("C_Login"), 2);
}

#[tokio::test]
async fn a_card_that_does_not_sign_is_told_as_the_failure_of_the_card() {
    let pki = Pki::new();
    let card = card_of(&pki, &pki.client("alice"));
    let server = McpServer::start(&pki).await;
    let mut host = loaded(with(&pki, &card, &server.url(), &CARD), &card).await;
    card.change(|facts| facts.broken = true);
    let error = refusal(&mut host).await;
    assert_eq!(error["data"]["code"], "token-failed", "{error}");
    assert!(error.to_string().contains("DeviceError"), "{error}");
    card.change(|facts| facts.broken = false);
    host.initialize(LATEST).await;
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_module_prints_never_stands_among_the_messages() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let card = card_of(&pki, &client);
    card.change(|facts| facts.prints = true);
    let server = McpServer::start(&pki).await;
    let mut host = with(&pki, &card, &server.url(), &CARD).spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint);
    host.close_stdin();
    host.wait_exit(Duration::from_secs(10)).await;
    host.stdout_is_pure();
    assert_eq!(host.drained_stdout().await, [] as [&str; 0]);
    let told = host.drained_stderr().await;
    assert!(told.contains("The module is in C_Login."), "{told}");
}

#[tokio::test]
async fn many_connections_at_once_sign_one_after_the_other() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let card = card_of(&pki, &client);
    let server = McpServer::on(TlsServer::builder(&pki).alpn(&["http/1.1"]), McpOptions::default()).await;
    let mut host = with(&pki, &card, &server.url(), &CARD).spawn();
    host.initialize(LATEST).await;
    card.change(|facts| facts.sign_millis = 20);
    let mut calls = Vec::new();
    for _ in 0..8 {
        calls.push(host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await);
    }
    server.wait_for_waiting(8).await;
    server.release().await;
    for call in calls {
        assert_eq!(host.answer_to(call).await["result"]["content"][0]["text"], "released");
    }
    assert!(card.calls("a signature") >= 9, "eight connections and the proof");
    assert_eq!((card.calls("C_Login"), card.calls("C_Initialize")), (1, 1));
    assert!(server.verified().iter().all(|fingerprint| *fingerprint == client.fingerprint));
}

#[tokio::test]
async fn a_slow_card_holds_up_nothing_else() {
    let pki = Pki::new();
    let card = card_of(&pki, &pki.client("alice"));
    let server = McpServer::on(TlsServer::builder(&pki).alpn(&["http/1.1"]), McpOptions::default()).await;
    let mut host = with(&pki, &card, &server.url(), &CARD).spawn();
    host.initialize(LATEST).await;
    // Every connection of the pool is busy, so that the last call opens one.
    let mut busy = Vec::new();
    for waiting in 1..=4 {
        busy.push(host.start_request("tools/call", json!({ "name": "wait", "arguments": {} })).await);
        server.wait_for_waiting(waiting).await;
    }
    let (began, done) = (card.calls("C_SignInit"), card.calls("a signature"));
    card.change(|facts| facts.sign_millis = 2000);
    let last = host.start_request("tools/call", json!({ "name": "echo", "arguments": { "text": "late" } })).await;
    until("the signature to begin", || card.calls("C_SignInit") > began).await;
    server.release().await;
    for call in busy {
        assert_eq!(host.answer_to(call).await["result"]["content"][0]["text"], "released");
    }
    assert_eq!(card.calls("a signature"), done, "all were answered while the card was still at work");
    assert_eq!(host.answer_to(last).await["result"]["content"][0]["text"], "late");
    assert_eq!(card.calls("a signature"), done + 1);
}

#[tokio::test]
async fn a_mechanism_that_the_card_only_pretends_to_have_is_not_offered() {
    use cryptoki_sys::{CKM_ECDSA, CKM_RSA_PKCS, CKM_RSA_PKCS_PSS};
    let pki = Pki::new();
    let client = pki.client_with_key("alice", KeyKind::Rsa2048);
    let card = card_of(&pki, &client);
    card.change(|facts| facts.pretended = vec![CKM_RSA_PKCS_PSS]);
    let server = McpServer::on(TlsServer::builder(&pki).tls12_only(), McpOptions::default()).await;
    let mut host = with(&pki, &card, &server.url(), &CARD).spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint);

    // TLS 1.3 has no other signature for such a key (RFC 8446, section 4.4.3).
    let server = McpServer::on(TlsServer::builder(&pki).tls13_only(), McpOptions::default()).await;
    for mechanisms in [vec![CKM_RSA_PKCS], vec![CKM_ECDSA]] {
        card.change(|facts| facts.mechanisms = mechanisms);
        let error = refusal(&mut with(&pki, &card, &server.url(), &CARD).spawn()).await;
        assert_eq!(error["data"]["code"], "key-unsupported", "{error}");
    }
    assert_eq!(server.verified(), [] as [&str; 0]);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_what_there_is() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let card = card_of(&pki, &alice);
    card.change(|facts| {
        let mut add = |label, id, cert, key: Option<&[u8]>| facts.objects.push(Object::new(label, &[id], cert, key));
        add("wrong", 2, Some(&bob.leaf_der), Some(&alice.key_pkcs8_der()));
        add("bare", 3, Some(&bob.leaf_der), None);
    });
    let file = bob.cert_file.display().to_string();
    let pin = ["--passphrase", "{env:PIN}"];
    for (settings, code, words) in [
        (&["--cert", "pkcs11:token=Other"], "token-missing", "pkcs11:token=Test%20Card"),
        (&["--cert", "pkcs11:object=nobody"], "token-object-missing", "object=alice;id=%01;type=cert"),
        (&["--cert", "pkcs11:object=bare"], "token-object-missing", "object=wrong;id=%02;type=private"),
        (&["--cert", "pkcs11:"], "token-ambiguous", "object=wrong;id=%02;type=cert"),
        (&["--key", "pkcs11:"], "token-ambiguous", "object=wrong;id=%02;type=private"),
        (&["--key", "pkcs11:object=wrong"], "key-mismatch", "object=wrong"),
        (&["--cert", "pkcs11:objekt=x"], "config-invalid-value", "Its attribute `objekt` is unknown."),
    ] {
        let error =
            refusal(&mut with(&pki, &card, "https://localhost:1/", &[&settings[..], &pin].concat()).spawn()).await;
        assert_eq!(error["data"]["code"], code, "{settings:?}: {error}");
        assert!(error.to_string().contains(words), "{settings:?}: {error}");
    }
    let settings = ["--cert", &file, "--key", "pkcs11:object=alice", "--passphrase", "{env:PIN}"];
    let error = refusal(&mut with(&pki, &card, "https://localhost:1/", &settings).spawn()).await;
    assert_eq!(error["data"]["code"], "key-mismatch", "{error}");
}

#[tokio::test]
async fn the_certificate_of_the_key_is_found_wherever_it_stands_in_a_file() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client_with_key("bob", KeyKind::Rsa2048));
    let card = card_of(&pki, &alice);
    let server = McpServer::start(&pki).await;
    let carol = pki.client("carol");
    let pem = pki.write("all.pem", format!("{}{}{}", bob.cert_pem, carol.cert_pem, alice.cert_pem));
    let key = ["--key", "pkcs11:object=alice", "--passphrase", "{env:PIN}", "--cert"];
    let mut host = with(&pki, &card, &server.url(), &[&key[..], &[&pem.display().to_string()]].concat()).spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, alice.fingerprint);

    // Without the right one the first one is told.
    let pem = pki.write("others.pem", format!("{}{}", carol.cert_pem, bob.cert_pem)).display().to_string();
    let settings = [&key[..], &[&pem]].concat();
    let error = refusal(&mut with(&pki, &card, &server.url(), &settings).spawn()).await;
    assert_eq!(error["data"]["code"], "key-mismatch", "{error}");

    // A PKCS#12 file is opened without a passphrase: that one is the PIN.
    let open = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/pkcs12/openssl-plain.p12");
    let error = refusal(&mut with(&pki, &card, &server.url(), &[&key[..], &[open]].concat()).spawn()).await;
    assert_eq!(error["data"]["code"], "key-mismatch", "{error}");
    let shut = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/pkcs12/openssl-p256.p12");
    let error = refusal(&mut with(&pki, &card, &server.url(), &[&key[..], &[shut]].concat()).spawn()).await;
    assert_eq!(error["data"]["code"], "key-encrypted", "{error}");
    assert!(error.to_string().contains("`passphrase` is the PIN of the token"), "{error}");
}

#[tokio::test]
async fn a_module_that_cannot_be_used_is_told_with_the_reason() {
    let pki = Pki::new();
    let card = card_of(&pki, &pki.client("alice"));
    let no_module = pki.write("no-module.so", "not a library");
    for (query, words) in [
        ("module-path=/nowhere/x.so".to_owned(), "/nowhere/x.so"),
        (format!("module-path={}", no_module.display()), "it is no shared library"),
        ("module-path=x.so".to_owned(), "is not absolute"),
        ("module-name=surely-missing".to_owned(), "surely-missing"),
    ] {
        let settings = ["--key", &format!("pkcs11:object=alice?{query}"), "--passphrase", "{env:PIN}"];
        let error = refusal(&mut with(&pki, &card, "https://localhost:1/", &settings).spawn()).await;
        assert_eq!(error["data"]["code"], "token-module-failed", "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let file = host(["https://localhost:1/", "--pkcs11-module", "/nowhere/x.so"]).spawn();
    let error = refusal(&mut { file }).await;
    assert_eq!(error["data"]["code"], "config-conflict", "{error}");
    let mut plain = host(["http://localhost:1/", "--pkcs11-module", "/nowhere/x.so"]).spawn();
    let answer = plain.request("initialize", hello(LATEST)).await;
    assert_eq!(answer["error"]["data"]["code"], "config-conflict", "{answer}");
}

#[test]
fn certificates_on_tokens_are_shown_with_their_uris_and_without_a_pin() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let card = card_of(&pki, &client);
    let show = |uri: &str| {
        let uri = format!("{uri}?module-path={}", TestToken::module().display());
        let mut command = std::process::Command::new(crate::stage::binary());
        let output = command.args(["certs", "show", "--json", &uri]).env(FOLDER, card.folder()).output();
        let output = output.unwrap_or_else(|e| panic!("the binary runs: {e}"));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
    };
    let token = "pkcs11:token=Test%20Card;manufacturer=mcp-mtls;model=test;serial=0001";
    let shown = show("pkcs11:");
    assert_eq!(shown["files"][0]["file"], format!("{token};object=alice;id=%01;type=cert"), "{shown:#}");
    assert!(shown.to_string().contains(&client.fingerprint), "{shown:#}");
    let shown = show("pkcs11:object=nobody");
    assert_eq!((&shown["files"][0]["file"], &shown["files"][1]), (&json!(token), &json!(null)), "{shown:#}");
    assert_eq!(show("pkcs11:token=Other")["error"]["code"], "token-missing");
    assert_eq!(card.calls("C_Login"), 0);
}
