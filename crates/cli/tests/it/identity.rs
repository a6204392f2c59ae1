//! The certificate that the server verified is the one that was configured, in every form.

use std::path::Path;

use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::{Client, KeyKind, Pki, fingerprint};
use mcp_mtls_testkit::server::{ServerBuilder, TlsServer};

use crate::stage::{LATEST, connect, host, refusal, whoami};

/// Connects and asserts, from the server's side, that this certificate was verified.
async fn verifies(pki: &Pki, server: ServerBuilder, client: &Client) {
    let server = McpServer::on(server, McpOptions::default()).await;
    let mut host = connect(pki, &server.url(), client);
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint, "{}", client.name);
    assert!(server.verified().iter().all(|fingerprint| *fingerprint == client.fingerprint));
    host.stdout_is_pure();
    server.stop().await;
}

#[tokio::test]
async fn over_both_versions_and_both_protocols() {
    let pki = Pki::new();
    let client = pki.client("alice");
    for protocols in [&["h2", "http/1.1"][..], &["http/1.1"], &[]] {
        verifies(&pki, TlsServer::builder(&pki).tls12_only().alpn(protocols), &client).await;
        verifies(&pki, TlsServer::builder(&pki).tls13_only().alpn(protocols), &client).await;
    }
}

#[tokio::test]
async fn of_every_kind_of_key() {
    let pki = Pki::new();
    for kind in KeyKind::ALL {
        let client = pki.client_with_key("alice", kind);
        verifies(&pki, TlsServer::builder(&pki).tls13_only(), &client).await;
    }
}

#[tokio::test]
async fn with_its_intermediate_and_whatever_cas_the_server_names() {
    let pki = Pki::new();
    let client = pki.client_of_intermediate();
    verifies(&pki, TlsServer::builder(&pki).tls13_only(), &client).await;
    verifies(&pki, TlsServer::builder(&pki).tls12_only(), &client).await;
    verifies(&pki, TlsServer::builder(&pki).tls13_only().without_ca_names(), &client).await;
}

#[tokio::test]
async fn from_a_configuration_file_in_each_place_it_can_stand() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::start(&pki).await;
    let combined = pki.write("combined.pem", client.combined_pem().as_bytes());
    let escaped = client.combined_pem().replace('\n', "\\n");
    let ca = pki.server_ca_file();
    let tls = [
        // Paths relative to the file.
        format!(
            r#"{{ "cert": "{}", "key": "{}", "ca": "{}" }}"#,
            name(&client.cert_file),
            name(&client.key_file),
            name(ca.as_ref())
        ),
        // One file for both.
        format!(r#"{{ "cert": "{}", "ca": "{}" }}"#, name(&combined), name(ca.as_ref())),
        // Text from the environment, with escaped line breaks, and from a file.
        r#"{ "cert": "{env:ALICE}", "ca": "{file:ca}", "systemRoots": false }"#.to_owned(),
    ];
    pki.write("ca", pki.server_ca_pem().as_bytes());
    for tls in tls {
        let text = format!(
            r#"{{ /* a comment */ "mcpServers": {{ "corp": {{ "url": "{}", "tls": {tls}, }} }} }}"#,
            server.url()
        );
        let config = pki.write("config.jsonc", text.as_bytes());
        let arguments = [Path::new("corp"), Path::new("--config"), &config];
        let mut host = host(arguments).env("ALICE", &escaped).spawn();
        host.initialize(LATEST).await;
        assert_eq!(whoami(&mut host).await, client.fingerprint, "{tls}");
        std::fs::remove_file(&config).expect("the file can be removed");
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[tokio::test]
async fn is_not_dropped_when_the_server_takes_no_signature_of_its_key() {
    // P-521 over TLS 1.2 is what rustls servers take no signature of.
    let pki = Pki::new();
    let server = McpServer::on(TlsServer::builder(&pki).tls12_only(), McpOptions::default()).await;
    let client = pki.client_with_key("alice", KeyKind::P521);
    let mut host = connect(&pki, &server.url(), &client);
    let answer = host.request("initialize", crate::stage::hello(LATEST)).await;
    // Whichever it is, nothing goes out without the certificate.
    match answer.get("error") {
        Some(error) => assert_eq!(error["data"]["source"], "mcp-mtls", "{error}"),
        None => assert_eq!(server.verified(), [client.fingerprint.as_str()]),
    }
    assert!(server.requests().iter().all(|request| request.fingerprint.as_ref() == Some(&client.fingerprint)));
}

#[tokio::test]
async fn from_pkcs_12_as_other_software_writes_it() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/pkcs12");
    let certificate = |name: &str| {
        let bytes = std::fs::read(fixtures.join(name)).expect("a fixture");
        mcp_mtls_core::identity::pem::read(&bytes).expect("a certificate").certificates.remove(0)
    };
    let pki = Pki::new();
    let server = async || {
        let server = TlsServer::builder(&pki).client_ca(certificate("root.pem").into());
        McpServer::on(server, McpOptions::default()).await
    };
    let (welcoming, untouched) = (server().await, server().await);
    let ca = pki.server_ca_file();
    let towards = |server: &McpServer, arguments: &[&str]| {
        let arguments = arguments.iter().map(|argument| match argument.strip_prefix('/') {
            // A copy: who may write to a checkout is not ours to say, and keys that others can write are refused.
            Some(name) => {
                let copy = pki.write(name, std::fs::read(fixtures.join(name)).expect("a fixture"));
                copy.display().to_string()
            }
            None => (*argument).to_owned(),
        });
        // One of them has 600,000 rounds, which a build for tests takes seconds for.
        let patient = [Path::new("--timeout"), Path::new("60000")];
        let host = host([Path::new(&server.url()), Path::new("--ca"), ca.as_ref()]).args(patient);
        host.args(arguments).env("PASS", "hunter2")
    };
    // The intermediate is in each of them: the server knows the root alone.
    for (own, arguments) in [
        ("p256.pem", &["--cert", "/openssl-p256.p12", "--passphrase", "{env:PASS}"][..]),
        ("rsa.pem", &["--cert", "/openssl-rsa.p12", "--passphrase", "{env:PASS}"]),
        ("p256.pem", &["--cert", "/openssl-legacy.p12", "--passphrase", "{env:PASS}"]),
        ("p256.pem", &["--cert", "/java.p12", "--passphrase", "{env:PASS}"]),
        ("p256.pem", &["--cert", "/nss.p12", "--passphrase", "{env:PASS}"]),
        ("p256.pem", &["--cert", "/openssl-plain.p12"]),
        ("p256.pem", &["--cert", "/openssl-p256.p12", "--key", "/java-two.p12", "--passphrase", "{env:PASS}"]),
    ] {
        let mut host = towards(&welcoming, arguments).spawn();
        host.initialize(LATEST).await;
        assert_eq!(whoami(&mut host).await, fingerprint(&certificate(own)), "{arguments:?}");
    }
    for (code, arguments) in [
        ("key-encrypted", &["--cert", "/openssl-p256.p12"][..]),
        ("passphrase-wrong", &["--cert", "/openssl-p256.p12", "--passphrase", "{env:WRONG}"]),
        ("key-ambiguous", &["--cert", "/java-two.p12", "--passphrase", "{env:PASS}"]),
    ] {
        let mut host = towards(&untouched, arguments).env("WRONG", "hunter3").spawn();
        let error = refusal(&mut host).await;
        assert_eq!(error["data"]["code"], code, "{error}");
        assert!(!error.to_string().contains("hunter"), "{error}");
    }
    assert!(untouched.verified().is_empty(), "nothing goes out without the certificate");
}

#[tokio::test]
async fn whose_key_is_encrypted_with_the_passphrase_from_each_place() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::on(TlsServer::builder(&pki).tls13_only(), McpOptions::default()).await;
    let key = pki.write("locked.key", client.key_encrypted_pem("grün hunter2", 2048));
    let both =
        pki.write("locked.pem", format!("{}{}", client.key_encrypted_pem("grün hunter2", 2048), client.cert_pem));
    pki.write("passphrase", "grün hunter2\n");
    let ca = pki.server_ca_file();
    let flags = |url: &str, passphrase: &str| {
        host([Path::new(url), Path::new("--ca"), ca.as_ref(), Path::new("--cert"), client.cert_file.as_ref()])
            .args([Path::new("--key"), key.as_ref(), Path::new("--passphrase"), Path::new(passphrase)])
            .env("KEY_PASS", "grün hunter2")
    };
    let file = format!("{{file:{}}}", pki.dir().join("passphrase").display());
    let command = format!("{{command:cat '{}'}}", pki.dir().join("passphrase").display());
    for passphrase in ["{env:KEY_PASS}", &file, &command] {
        let mut host = flags(&server.url(), passphrase).spawn();
        host.initialize(LATEST).await;
        assert_eq!(whoami(&mut host).await, client.fingerprint, "{passphrase}");
    }
    for tls in [
        format!(r#""cert": "{}", "key": "locked.key", "passphrase": "{{env:KEY_PASS}}""#, name(&client.cert_file)),
        format!(r#""cert": "{}", "passphrase": "{{file:passphrase}}""#, name(&both)),
    ] {
        let entry = format!(r#"{{ "url": "{}", "tls": {{ {tls}, "ca": "{}" }} }}"#, server.url(), name(ca.as_ref()));
        let config = pki.write("config.jsonc", format!(r#"{{ "mcp": {{ "corp": {entry} }} }}"#));
        let arguments = [Path::new("corp"), Path::new("--config"), &config];
        let mut host = host(arguments).env("KEY_PASS", "grün hunter2").spawn();
        host.initialize(LATEST).await;
        assert_eq!(whoami(&mut host).await, client.fingerprint, "{tls}");
    }
    assert!(server.verified().iter().all(|fingerprint| *fingerprint == client.fingerprint));

    let untouched = McpServer::start(&pki).await;
    for (passphrase, code) in [("{env:OTHER}", "passphrase-wrong"), ("grün hunter2", "secret-in-arguments")] {
        let mut host = flags(&untouched.url(), passphrase).env("OTHER", "hunter3").spawn();
        let error = refusal(&mut host).await;
        assert_eq!(error["data"]["code"], code, "{error}");
        assert!(!error.to_string().contains("hunter"), "{error}");
    }
    assert!(untouched.verified().is_empty(), "nothing goes out without the certificate");
}
