//! `certs fetch`: what a server presents, saved without being believed.

use std::path::Path;
use std::process::Stdio;

use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::{Pki, SelfSigned, ServerIdentity, Validity};
use mcp_mtls_testkit::server::TlsServer;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use super::{facts, greeting};
use crate::run::Outcome;
use crate::stage::{LATEST, binary, host, whoami};

/// Runs it for a server that presents this, and then connects with the file as the only `ca`.
async fn fetched(
    pki: &Pki,
    identity: &ServerIdentity,
    builder: fn(&Pki) -> mcp_mtls_testkit::server::ServerBuilder,
) -> Value {
    let server = McpServer::on(builder(pki).identity(identity), McpOptions::default()).await;
    let file = pki.dir().join("fetched.pem");
    let outcome = fetch(pki, &[&server.url(), "--out", &file.display().to_string(), "--json"]).await;
    let answer: Value = serde_json::from_str(&outcome.succeeded()).expect("JSON");
    assert_eq!(server.requests().len(), 0, "no request is sent");
    assert_eq!(server.verified(), Vec::<String>::new(), "no certificate is sent");

    let client = pki.client("alice");
    let mut host = host([server.url().as_str(), "--ca", &file.display().to_string(), "--system-roots", "false"])
        .args(["--cert".as_ref(), client.cert_file.as_os_str(), "--key".as_ref(), client.key_file.as_os_str()])
        .spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, client.fingerprint);
    std::fs::remove_file(file).expect("the file was written");
    server.stop().await;
    answer
}

/// The certificates that it saves on a system with these roots, in DER, or why none.
async fn saved(pki: &Pki, identity: &ServerIdentity, roots: &Path) -> Result<Vec<Vec<u8>>, String> {
    let server = TlsServer::builder(pki).identity(identity).start().await;
    let file = pki.dir().join("fetched.pem");
    let outcome = fetch_trusting(roots, &[&server.url("/"), "--out", &file.display().to_string()]).await;
    if outcome.status != 0 {
        assert!(!file.exists());
        return Err(outcome.stderr.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let pem = std::fs::read(&file).expect("the file");
    std::fs::remove_file(&file).expect("the file");
    let certificates = CertificateDer::pem_slice_iter(&pem);
    Ok(certificates.map(|der| der.expect("a certificate").to_vec()).collect())
}

/// Runs it on a system that trusts a CA which has nothing to do with any server.
async fn fetch(pki: &Pki, arguments: &[&str]) -> Outcome {
    fetch_trusting(&pki.client_ca_file(), arguments).await
}

async fn fetch_trusting(roots: &Path, arguments: &[&str]) -> Outcome {
    let mut command = tokio::process::Command::new(binary());
    command.args(["certs", "fetch"]).args(arguments).stdin(Stdio::null());
    command.env_clear().env("SSL_CERT_FILE", roots);
    let output = command.output().await.expect("the binary runs");
    Outcome {
        status: output.status.code().expect("the binary exits by itself"),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

#[tokio::test]
async fn what_is_saved_can_be_used_as_ca() {
    let pki = Pki::new();
    for builder in [|pki: &Pki| TlsServer::builder(pki).tls12_only(), |pki: &Pki| TlsServer::builder(pki).tls13_only()]
    {
        let chain = pki.server_identity_of_intermediate().and_presents(pki.client_ca_der());
        let answer = fetched(&pki, &chain, builder).await;
        let saved: Vec<_> = answer["presented"].as_array().expect("a list").iter().map(|one| &one["saved"]).collect();
        assert_eq!(saved, [false, true, false], "what has nothing to do with the server is not saved");
        assert_eq!(answer["presented"][1]["pin"], facts(&pki.server_intermediate_der()).pin());
        assert_eq!(answer["presented"][0]["sha256"], chain.fingerprint);
        assert_eq!((&answer["chainVerifies"], &answer["provesOwner"]), (&false.into(), &false.into()));
        assert_eq!(answer["failure"]["code"], "server-issuer-unknown");
        assert!(answer["meaning"].to_string().contains("The root is not among them"), "{answer:#}");
        for (form, meaning) in [
            (SelfSigned::Ca, "it vouches for every server whose certificate it signs"),
            (SelfSigned::Leaf(Validity::Now), "it vouches for itself alone"),
            (SelfSigned::Version1, "it vouches for itself alone"),
        ] {
            let answer = fetched(&pki, &pki.self_signed_server(form), builder).await;
            assert_eq!(answer["presented"][0]["saved"], true);
            assert!(answer["meaning"].to_string().contains(meaning), "{form:?}: {answer:#}");
        }
    }
}

#[tokio::test]
async fn a_certificate_that_signed_nothing_is_not_saved_for_its_name() {
    let pki = Pki::new();
    let genuine = pki.server_identity_of_intermediate();
    let forged = genuine.presents_first([pki.forged_server_intermediate_der()]);
    for roots in [pki.client_ca_file(), pki.server_ca_file()] {
        assert_eq!(saved(&pki, &forged, &roots).await, Ok(vec![pki.server_intermediate_der().to_vec()]));
        let alone = genuine.leaf_only().and_presents(pki.forged_server_intermediate_der());
        let failure = saved(&pki, &alone, &roots).await.expect_err("nothing to save");
        assert!(failure.contains("Of the 2 certificates that it presents, none signed its own"), "{failure}");
    }
}

#[tokio::test]
async fn what_the_systems_roots_do_not_vouch_for_is_not_saved_beside_what_they_do() {
    let pki = Pki::new();
    let adopted = pki.adopted_server_intermediate_der();
    let chain = pki.server_identity_of_intermediate().presents_first(adopted.clone());
    let genuine = pki.server_intermediate_der().to_vec();
    assert_eq!(saved(&pki, &chain, &pki.server_ca_file()).await, Ok(vec![genuine.clone()]));
    let with_root = chain.and_presents(pki.server_ca_der());
    let root = pki.server_ca_der().to_vec();
    assert_eq!(saved(&pki, &with_root, &pki.server_ca_file()).await, Ok(vec![genuine, root]));
    let unknown = saved(&pki, &chain, &pki.client_ca_file()).await;
    assert_eq!(unknown, Ok(adopted.map(|der| der.to_vec()).to_vec()), "nobody can tell which is genuine");
}

#[tokio::test]
async fn a_file_that_is_there_is_kept() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).start().await;
    let file = pki.server_ca_file().display().to_string();
    let outcome = fetch(&pki, &[&server.url("/"), "--out", &file]).await;
    assert!(outcome.stderr.contains("file-exists"), "{}", outcome.stderr);
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), pki.server_ca_pem());
    assert_eq!(server.connections().len(), 0, "it is refused before any connection");
}

#[tokio::test]
async fn a_folder_is_called_a_folder() {
    let pki = Pki::new();
    let outcome = fetch(&pki, &["https://localhost:1/", "--out", &pki.dir().display().to_string()]).await;
    assert!(outcome.stderr.contains("It is a folder."), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("remove it"), "{}", outcome.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn a_write_that_fails_leaves_nothing_behind() {
    use std::os::unix::fs::PermissionsExt as _;

    let pki = Pki::new();
    let server = TlsServer::builder(&pki).identity(&pki.server_identity_of_intermediate()).start().await;
    let folder = pki.dir().join("folder");
    std::fs::create_dir(&folder).expect("a folder");
    let file = folder.join("fetched.pem").display().to_string();
    // No file may be larger than nothing; what writes is told, or killed by the signal.
    for signal in ["trap '' XFSZ", ":"] {
        let script = format!("{signal}; ulimit -f 0; exec \"$@\"");
        let mut command = tokio::process::Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(binary());
        command.args(["certs", "fetch", &server.url("/"), "--out", &file]).stdin(Stdio::null());
        let output = command.env("SSL_CERT_FILE", pki.client_ca_file()).output().await.expect("it runs");
        assert!(!output.status.success(), "{output:?}");
        assert!(!Path::new(&file).exists(), "{signal}");
        if signal != ":" {
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(stderr.contains("file-unwritable"), "{stderr}");
            assert_eq!(std::fs::read_dir(&folder).expect("the folder").count(), 0);
        }
    }
    fetch(&pki, &[&server.url("/"), "--out", &file]).await.succeeded();
    let mode = |path: &Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    let plain = folder.join("plain");
    std::fs::write(&plain, "").expect("a file");
    assert_eq!(mode(Path::new(&file)), mode(&plain), "others may read it as they may read any file");
}

#[tokio::test]
async fn it_greets_as_it_is_asked_to() {
    let pki = Pki::new();
    let file = pki.dir().join("fetched.pem").display().to_string();
    for (arguments, hybrid) in [(&[][..], true), (&["--key-exchange", "classical"], false)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let server = format!("127.0.0.1:{}", listener.local_addr().expect("an address").port());
        let arguments: Vec<_> =
            [server.as_str(), "--out", &file].into_iter().chain(arguments.iter().copied()).collect();
        let accept = async {
            let (mut tcp, _) = listener.accept().await.expect("a connection");
            greeting::record(&mut tcp).await
        };
        let (outcome, hello) = tokio::join!(fetch(&pki, &arguments), accept);
        assert_eq!(greeting::groups(&hello).contains(&greeting::X25519MLKEM768), hybrid);
        assert_eq!(outcome.stderr.contains("`keyExchange`"), hybrid, "{}", outcome.stderr);
    }
    let server = TlsServer::builder(&pki).tls12_only().start().await;
    let outcome = fetch(&pki, &[&server.url("/"), "--out", &file, "--min-version", "1.3"]).await;
    assert!(outcome.stderr.contains("`minVersion` is 1.3"), "{}", outcome.stderr);
}

#[tokio::test]
async fn the_advice_of_connect_asks_for_the_same_name() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).identity(&pki.self_signed_server(SelfSigned::OtherName)).start().await;
    let arguments = ["--server-name", "other.example"];
    let mut host = super::asking(&pki, &server.url("/"), &pki.client("alice"), &arguments).spawn();
    let data = crate::stage::refusal(&mut host).await["data"].take();
    let advice = format!("certs fetch localhost:{} --server-name other.example --out FILE", server.addr().port());
    assert!(super::told(&data, "fix").contains(&advice), "{data:#}");
}

#[tokio::test]
async fn thousands_of_names_do_not_fill_the_screen() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).identity(&pki.server_identity_of_many_names(2000)).start().await;
    let file = pki.dir().join("fetched.pem").display().to_string();
    let text = fetch(&pki, &[&server.url("/"), "--out", &file]).await.succeeded();
    assert!(text.contains("and 1996 more") && text.len() < 5000, "{} bytes: {text:.2000}", text.len());
}

#[tokio::test]
async fn a_certificate_alone_of_a_ca_that_is_not_presented_gives_nothing_to_save() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).start().await;
    let file = pki.dir().join("fetched.pem");
    let outcome =
        fetch(&pki, &[&format!("localhost:{}", server.addr().port()), "--out", &file.display().to_string()]).await;
    assert!(outcome.stderr.contains("presents no CA certificate"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("CN=Testkit Server CA"), "{}", outcome.stderr);
    assert!(!file.exists());
}

#[tokio::test]
async fn people_are_told_what_it_does_not_prove() {
    let pki = Pki::new();
    let server = TlsServer::builder(&pki).identity(&pki.server_identity_of_intermediate()).start().await;
    let file = pki.dir().join("fetched.pem").display().to_string();
    let text = fetch(&pki, &[&server.url("/mcp"), "--out", &file]).await.succeeded();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "This proves only what somebody on the path presented",
        "the connection ends before the server would prove that it has the key",
        "compare each SHA-256 with whoever runs the server, over another channel",
        "This system's roots do not vouch for it",
        "CN=Testkit Server Intermediate",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
