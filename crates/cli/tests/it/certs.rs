//! `certs` makes certificates that verify, and shows any certificate or key.
#![expect(clippy::unwrap_used, reason = "a helper of tests panics as a test does")]

mod show;

use std::io;
use std::path::Path;
use std::sync::Arc;

use insta::assert_snapshot;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

use crate::run::{Outcome, mcp_mtls, stable};

#[test]
fn three_commands_make_a_ca_a_server_and_clients() {
    let dir = tempfile::tempdir().unwrap();
    let ca = certs(dir.path(), &["ca"]);
    assert_snapshot!(ca.stderr, @r"
    The key of a CA is a secret: whoever holds it can make certificates that your
    servers and clients believe. Keep it on this machine, and use this CA for
    development only.
    ");
    assert_snapshot!(stable(&ca.succeeded()), @r"
    CN=mcp-mtls development CA [random], expires [date] (in 365 days)
      certs/ca.pem  the certificate
      certs/ca.key  its key, for you alone

    Next: mcp-mtls certs server localhost 127.0.0.1
          mcp-mtls certs client alice
    ");
    assert_snapshot!(stable(&certs(dir.path(), &["server", "localhost", "127.0.0.1"]).succeeded()), @r"
    CN=localhost, expires [date] (in 90 days)
      certs/localhost.pem  the certificate
      certs/localhost.key  its key, for you alone

    Next: mcp-mtls certs client alice
    ");
    assert_snapshot!(stable(&certs(dir.path(), &["client", "alice", "bob", "--days", "7"]).succeeded()), @r"
    CN=alice, expires [date] (in 7 days)
      certs/alice.pem  the certificate
      certs/alice.key  its key, for you alone
    CN=bob, expires [date] (in 7 days)
      certs/bob.pem  the certificate
      certs/bob.key  its key, for you alone

    Next: mcp-mtls connect https://localhost:8443/mcp --cert certs/alice.pem \
            --key certs/alice.key --ca certs/ca.pem
    ");
}

#[test]
fn what_was_made_is_believed_in_real_handshakes() {
    for kind in ["p256", "p384", "p521", "ed25519", "rsa2048"] {
        let dir = tempfile::tempdir().unwrap();
        certs(dir.path(), &["ca", "--key-type", kind]).succeeded();
        certs(dir.path(), &["server", "mcp.example", "--key-type", kind]).succeeded();
        certs(dir.path(), &["client", "alice", "--key-type", kind]).succeeded();
        let folder = dir.path().join("certs");
        assert_eq!(handshake(&folder, &folder, &TLS13), Ok(()), "{kind}");
        // rustls does not offer P-521 signatures in TLS 1.2.
        if kind != "p521" {
            assert_eq!(handshake(&folder, &folder, &TLS12), Ok(()), "{kind}");
        }
    }
}

#[test]
fn a_certificate_of_another_ca_is_not_believed() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&ours, &theirs] {
        certs(dir.path(), &["ca"]).succeeded();
        certs(dir.path(), &["server", "mcp.example"]).succeeded();
        certs(dir.path(), &["client", "alice"]).succeeded();
    }
    let refusal = handshake(&ours.path().join("certs"), &theirs.path().join("certs"), &TLS13).unwrap_err();
    assert!(refusal.contains("UnknownIssuer"), "{refusal}");
}

#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    certs(dir.path(), &["ca"]).succeeded();
    certs(dir.path(), &["client", "alice"]).succeeded();
    let key = std::fs::read(dir.path().join("certs/alice.key")).unwrap();
    assert_snapshot!(certs(dir.path(), &["client", "bob", "alice"]).failed(1), @r"
    error: The file exists already, and nothing was written
    where: certs/alice.pem
      why: A certificate or key in use must not be lost by accident.
      fix: Choose another folder, or move the file away.
     code: file-exists (mcp-mtls explain file-exists)
    ");
    assert_eq!(std::fs::read(dir.path().join("certs/alice.key")).unwrap(), key);
    assert!(!dir.path().join("certs/bob.pem").exists());
}

#[test]
fn a_certificate_ends_with_its_ca() {
    let dir = tempfile::tempdir().unwrap();
    certs(dir.path(), &["ca", "--days", "5", "--out", "short lived"]).succeeded();
    assert_snapshot!(stable(&certs(dir.path(), &["server", "localhost", "--ca", "short lived"]).succeeded()), @r"
    CN=localhost, expires [date] (in 5 days)
      It ends with its CA, sooner than asked.
      short lived/localhost.pem  the certificate
      short lived/localhost.key  its key, for you alone

    Next: mcp-mtls certs client alice --ca 'short lived'
    ");
}

#[test]
fn without_a_ca_the_first_step_is_told() {
    let dir = tempfile::tempdir().unwrap();
    assert_snapshot!(certs(dir.path(), &["client", "alice"]).failed(1), @r"
    error: The CA cannot be read
    where: certs/ca.pem
      why: There is no such file.
      fix: Make a CA first with `mcp-mtls certs ca`, or name its folder with `--ca
           DIR`.
     code: file-unreadable (mcp-mtls explain file-unreadable)
    ");
}

#[test]
fn a_name_that_is_not_one_was_asked_wrongly() {
    let dir = tempfile::tempdir().unwrap();
    certs(dir.path(), &["ca"]).succeeded();
    assert_snapshot!(certs(dir.path(), &["server", "https://mcp.example/mcp"]).failed(2), @r"
    error: “https://mcp.example/mcp” is neither a DNS name nor an IP address
      fix: Give the host alone, without scheme, port and path.
     code: usage-invalid (mcp-mtls explain usage-invalid)
    ");
    assert!(certs(dir.path(), &["ca", "--days", "0"]).failed(2).contains("--days"));
    assert!(certs(dir.path(), &["client"]).failed(2).contains("<NAME>..."));
}

#[test]
fn programs_read_json_in_success_and_failure() {
    let dir = made();
    let json = |arguments: &[&str]| -> (i32, serde_json::Value) {
        let outcome = certs(dir.path(), arguments);
        (outcome.status, serde_json::from_str(&outcome.stdout).expect("JSON"))
    };
    let (status, shown) = json(&["show", "--json", "certs/alice.pem", "certs/alice.key"]);
    let certificate = &shown["files"][0]["certificates"][0];
    assert_eq!(status, 0);
    assert_eq!(certificate["subject"], "CN=alice");
    assert_eq!(certificate["keyFile"], "certs/alice.key");
    assert_eq!(shown["files"][1]["keys"][0]["certificates"][0], certificate["sha256"]);
    assert_eq!(shown["files"][1]["keys"][0]["publicKeySha256"], certificate["publicKeySha256"]);

    let (status, made) = json(&["client", "carol", "--json"]);
    assert_eq!((status, made["made"][0]["keyFile"].as_str()), (0, Some("certs/carol.key")));

    let (status, failed) = json(&["show", "--json", "nothing.pem"]);
    assert_eq!((status, failed["error"]["code"].as_str()), (1, Some("file-unreadable")));
}

fn made() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    certs(dir.path(), &["ca"]).succeeded();
    certs(dir.path(), &["server", "mcp.example", "127.0.0.1"]).succeeded();
    certs(dir.path(), &["client", "alice"]).succeeded();
    dir
}

fn certs(folder: &Path, arguments: &[&str]) -> Outcome {
    mcp_mtls(folder, &[&["certs"], arguments].concat())
}

/// A handshake in memory: the server of one folder and the client of the other, each believing its own CA.
fn handshake(server: &Path, client: &Path, version: &'static SupportedProtocolVersion) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = |folder: &Path| {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&folder.join("ca.pem"))).unwrap();
        Arc::new(roots)
    };
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(server), provider.clone()).build().unwrap();
    let server_config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate(&server.join("mcp.example.pem"))], key(&server.join("mcp.example.key")))
        .unwrap();
    let client_config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots(server))
        .with_client_auth_cert(vec![certificate(&client.join("alice.pem"))], key(&client.join("alice.key")))
        .unwrap();
    let name = ServerName::try_from("mcp.example").unwrap();
    let mut client = ClientConnection::new(client_config.into(), name).unwrap();
    let mut server = ServerConnection::new(server_config.into()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut io::Cursor::new(bytes)).unwrap();
        server.process_new_packets().map_err(|error| format!("{error:?}"))?;
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut io::Cursor::new(bytes)).unwrap();
        client.process_new_packets().map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

fn key(path: &Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(path).unwrap()
}
