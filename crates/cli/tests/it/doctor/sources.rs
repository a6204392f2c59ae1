//! Identities from elsewhere than PEM files.

use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::server::{ClientAuth, TlsServer};

use super::{doctor, without_certificate};

#[tokio::test]
async fn a_pkcs12_file_and_text_in_the_environment() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::start(&pki).await;
    let run = doctor(&pki, without_certificate(&pki, &server.url()))
        .args(["--cert", "{env:BOTH}"])
        .env("BOTH", client.combined_pem());
    let found = run.examined().await;
    found.is_well();
    assert_eq!(found.fact("identity", "source"), "text");
    assert_eq!(server.verified(), [client.fingerprint.as_str()]);

    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/pkcs12");
    let certificate = |name: &str| {
        let bytes = std::fs::read(fixtures.join(name)).unwrap();
        mcp_mtls_core::identity::pem::read(&bytes).unwrap().certificates.remove(0)
    };
    let server = TlsServer::builder(&pki).client_ca(certificate("root.pem").into());
    let server = McpServer::on(server, McpOptions::default()).await;
    let file = pki.write("both.p12", std::fs::read(fixtures.join("openssl-p256.p12")).unwrap());
    let run = doctor(&pki, without_certificate(&pki, &server.url()))
        .args(["--cert".as_ref(), file.as_os_str(), "--passphrase".as_ref(), "{env:PASS}".as_ref()])
        .env("PASS", "hunter2");
    let found = run.examined().await;
    found.is_well();
    assert_eq!(found.fact("identity", "source"), "pkcs12");
    assert_eq!(found.fact("identity", "chain").as_array().map(Vec::len), Some(1), "with its intermediate");
    assert_eq!(server.verified()[0], mcp_mtls_testkit::pki::fingerprint(&certificate("p256.pem")));
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_which_runs_once() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::start(&pki).await;
    pki.write("identity.pem", client.combined_pem());
    pki.write("print", "echo run >> runs\ncat identity.pem\n");
    let run = doctor(&pki, without_certificate(&pki, &server.url())).args(["--exec", "sh print"]);
    let found = run.examined().await;
    found.is_well();
    assert_eq!(found.fact("identity", "source"), "exec");
    assert!(found.fact("identity", "renewAt").is_string());
    assert_eq!(std::fs::read_to_string(pki.dir().join("runs")).unwrap(), "run\n");
    assert_eq!(server.verified(), [client.fingerprint.as_str()]);

    let run = doctor(&pki, without_certificate(&pki, &server.url())).args(["--exec", "false"]);
    assert_eq!(run.examined().await.broken_at("identity")["code"], "exec-failed");
}

/// As a shell makes them of `<(…)`: what is in them can be read once.
#[cfg(unix)]
#[tokio::test]
async fn a_certificate_and_a_ca_in_pipes_that_are_read_once() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::start(&pki).await;
    let pipe = |name: &str, contents: String| {
        let path = pki.dir().join(name);
        assert!(std::process::Command::new("mkfifo").arg(&path).status().is_ok_and(|status| status.success()));
        let named = path.clone();
        // It ends when somebody has read all of it.
        std::thread::spawn(move || std::fs::write(named, contents));
        path.into()
    };
    let mut arguments = super::flags(&pki, &server.url(), &client);
    arguments[2] = pipe("ca", pki.server_ca_pem());
    arguments[4] = pipe("cert", client.cert_pem.clone());
    let found = doctor(&pki, arguments).examined().await;
    found.is_well();
    assert_eq!(found.fact("trust", "ca")["certificates"].as_array().map(Vec::len), Some(1));
}

/// The evidence is that of the connection that was refused, also when there is another certificate by then.
#[cfg(unix)]
#[tokio::test]
async fn a_program_with_another_certificate_each_time_and_a_server_that_closes() {
    let pki = Pki::new();
    pki.write("1.pem", pki.client("alice").combined_pem());
    pki.write("2.pem", pki.client("bob").combined_pem());
    pki.write("print", "echo run >> runs\ncat $(( ($(wc -l < runs) - 1) % 2 + 1 )).pem\n");
    let server = TlsServer::builder(&pki).tls13_only().client_auth(ClientAuth::Requested);
    let server = server.start_raw(async |stream, _| drop(stream)).await;
    let run = doctor(&pki, without_certificate(&pki, &server.url("/mcp"))).args(["--exec", "sh print"]);
    let found = run.examined().await;
    assert_eq!(found.broken_at("tls")["code"], "certificate-refused");
    assert_eq!(found.fact("tls", "certificatePresented"), true);
    server.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_spiffe_workload_api() {
    use mcp_mtls_testkit::workload::{Svids, WorkloadApi};

    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let svid = corp.svid("/agent");
    let svids = Svids::default().and("spiffe://corp/agent", &svid, &corp);
    let api = WorkloadApi::start(&pki.dir().join("agent.sock"), &svids);
    let builder = TlsServer::builder(&pki).identity(&corp.svid("/mcp")).client_ca(corp.ca_der());
    let server = McpServer::on(builder, McpOptions::default()).await;
    for (server_id, is_well) in [("spiffe://corp/mcp", true), ("spiffe://corp/other", false)] {
        let spiffe = format!(r#"{{ "socket": "{}", "serverId": "{server_id}" }}"#, api.uri());
        let file = super::config(
            &pki,
            &format!(r#""corp": {{ "url": "{}", "tls": {{ "spiffe": {spiffe} }} }}"#, server.url()),
        );
        let found = doctor(&pki, ["corp".as_ref(), "--config".as_ref(), file.as_os_str()]).examined().await;
        if is_well {
            found.is_well();
        } else {
            assert_eq!(found.broken_at("tls")["code"], "server-id-mismatch");
        }
        assert_eq!(found.fact("identity", "source"), "spiffe");
        assert_eq!(found.fact("identity", "spiffeId"), "spiffe://corp/agent");
        assert_eq!(found.fact("trust", "spiffe")["trustDomain"], "corp");
    }
    assert_eq!(server.verified(), [svid.fingerprint.as_str()]);
}

#[cfg(all(unix, feature = "pkcs11"))]
#[tokio::test]
async fn a_token_whose_module_prints() {
    use mcp_mtls_testtoken::{FOLDER, Object, TestToken};

    let pki = Pki::new();
    let client = pki.client("alice");
    let card = TestToken::new(&pki.dir().join("card"));
    let object = Object::new("alice", &[1], Some(&client.leaf_der), Some(&client.key_pkcs8_der()));
    card.change(|facts| {
        facts.objects.push(object);
        facts.prints = true;
    });
    let server = McpServer::start(&pki).await;
    let module = TestToken::module().display().to_string();
    let run = doctor(&pki, without_certificate(&pki, &server.url()))
        .args(["--pkcs11-module", &module, "--cert", "pkcs11:token=Test%20Card", "--passphrase", "{env:PIN}", "--json"])
        .env("PIN", "1234")
        .env(FOLDER, card.folder());
    let (status, stdout, stderr) = run.told().await;
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout}"));
    assert_eq!((status, &answer["healthy"]), (0, &true.into()), "{answer:#}");
    assert!(stderr.contains("The module is in"), "{stderr}");
    assert_eq!(super::step(&answer["entries"][0], "identity")["facts"]["source"], "token");
    assert_eq!(server.verified(), [client.fingerprint.as_str()]);
    assert_eq!(card.calls("a signature"), 2, "once to prove the key, once in the handshake");
}
