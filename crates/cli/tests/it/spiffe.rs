//! Certificates and trust of the SPIFFE Workload API, from a configuration file to the server's eyes.

use mcp_mtls_testkit::host::{Host, HostBuilder};
use mcp_mtls_testkit::log::LIMIT;
use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::{Pki, ServerIdentity, SvidFault, TrustDomain};
use mcp_mtls_testkit::server::TlsServer;
use mcp_mtls_testkit::workload::{Svids, WorkloadApi};
use serde_json::Value;

use crate::stage::{LATEST, host, refusal, whoami};

/// A server that shows this certificate, and wants one of this trust domain.
async fn server(pki: &Pki, identity: &ServerIdentity, clients: &TrustDomain<'_>) -> McpServer {
    let builder = TlsServer::builder(pki).identity(identity).client_ca(clients.ca_der());
    McpServer::on(builder, McpOptions::default()).await
}

/// An agent that gives `spiffe://corp/agent`.
fn agent(pki: &Pki, corp: &TrustDomain<'_>) -> WorkloadApi {
    let svids = Svids::default().and("spiffe://corp/agent", &corp.svid("/agent"), corp);
    WorkloadApi::start(&pki.dir().join("agent.sock"), &svids)
}

/// A host with these settings of `tls.spiffe`.
fn towards(pki: &Pki, url: &str, spiffe: &str) -> HostBuilder {
    // Not a name of any certificate: the DNS name plays no part.
    let url = url.replace("localhost", "127.0.0.1");
    let entry = format!(r#"{{ "url": "{url}", "tls": {{ "spiffe": {spiffe} }} }}"#);
    let config = pki.write("config.jsonc", format!(r#"{{ "mcp": {{ "corp": {entry} }} }}"#));
    host(["corp".as_ref(), "--config".as_ref(), config.as_os_str()])
}

/// The settings for an agent and a server with this ID.
fn expecting(api: &WorkloadApi, server_id: &str) -> String {
    format!(r#"{{ "socket": "{}", "serverId": "{server_id}" }}"#, api.uri())
}

fn any(api: &WorkloadApi) -> String {
    format!(r#"{{ "socket": "{}", "anyInTrustDomain": true }}"#, api.uri())
}

async fn refused(pki: &Pki, server: &McpServer, spiffe: &str) -> Value {
    let error = refusal(&mut towards(pki, &server.url(), spiffe).spawn()).await;
    assert_eq!(server.verified(), Vec::<String>::new(), "nothing may go to a server that is not the one");
    error["data"].clone()
}

async fn accepted(pki: &Pki, server: &McpServer, spiffe: &str) -> (Host, String) {
    let mut host = towards(pki, &server.url(), spiffe).spawn();
    host.initialize(LATEST).await;
    let fingerprint = whoami(&mut host).await;
    (host, fingerprint)
}

#[tokio::test]
async fn both_ends_know_each_other_by_their_spiffe_ids() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    for svid in [corp.svid("/agent"), corp.svid_of_intermediate("/agent")] {
        let svids = Svids::default().and("spiffe://corp/agent", &svid, &corp);
        let api = WorkloadApi::start(&pki.dir().join(format!("{}.sock", svid.name)), &svids);
        for server_svid in [corp.svid("/mcp"), corp.svid_of_intermediate("/mcp")] {
            let server = server(&pki, &server_svid, &corp).await;
            for spiffe in [expecting(&api, "spiffe://corp/mcp"), any(&api)] {
                let (_host, fingerprint) = accepted(&pki, &server, &spiffe).await;
                assert_eq!(fingerprint, svid.fingerprint);
            }
            let seen = server.server().connections();
            let mut verified = seen.iter().filter(|connection| connection.fingerprint().is_some());
            assert!(verified.all(|connection| connection.uris == ["spiffe://corp/agent"]), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn the_socket_is_found_by_the_variable() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let api = agent(&pki, &corp);
    let server = server(&pki, &corp.svid("/mcp"), &corp).await;
    let spiffe = r#"{ "serverId": "spiffe://corp/mcp" }"#;
    towards(&pki, &server.url(), spiffe).env("SPIFFE_ENDPOINT_SOCKET", api.uri()).spawn().initialize(LATEST).await;
    assert_eq!(server.server().connections()[0].uris, ["spiffe://corp/agent"]);
}

#[tokio::test]
async fn one_of_several_svids_is_chosen_by_its_id() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let api = agent(&pki, &corp);
    let (first, second) = (corp.svid("/first"), corp.svid("/second"));
    api.update(&Svids::default().and("spiffe://corp/first", &first, &corp).and("spiffe://corp/second", &second, &corp));
    let server = server(&pki, &corp.svid("/mcp"), &corp).await;
    let with = |id: &str| format!(r#"{{ "socket": "{}", {id} "serverId": "spiffe://corp/mcp" }}"#, api.uri());
    assert_eq!(accepted(&pki, &server, &with("")).await.1, first.fingerprint);
    assert_eq!(accepted(&pki, &server, &with(r#""id": "spiffe://corp/second","#)).await.1, second.fingerprint);
    let spiffe = with(r#""id": "spiffe://corp/third","#);
    let error = refusal(&mut towards(&pki, &server.url(), &spiffe).spawn()).await;
    assert_eq!(error["data"]["code"], "svid-missing");
    assert_eq!(error["data"]["why"][0], "It gives “spiffe://corp/first”, “spiffe://corp/second”.");
}

#[tokio::test]
async fn a_server_with_another_id_is_refused_and_both_ids_are_told() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let api = agent(&pki, &corp);
    let server = server(&pki, &corp.svid("/other"), &corp).await;
    let data = refused(&pki, &server, &expecting(&api, "spiffe://corp/mcp")).await;
    assert_eq!(data["code"], "server-id-mismatch");
    let why = "It is that of “spiffe://corp/other”; expected is spiffe://corp/mcp (`serverId`).";
    assert_eq!(data["why"][0], why);
    assert_eq!(data["evidence"]["server_id"], "spiffe://corp/other");
    // A prefix is another ID.
    let data = refused(&pki, &server, &expecting(&api, "spiffe://corp/othe")).await;
    assert_eq!(data["code"], "server-id-mismatch");
}

#[tokio::test]
async fn any_server_of_our_trust_domain_is_not_any_server() {
    let pki = Pki::new();
    let (corp, partner) = (pki.trust_domain("corp"), pki.trust_domain("partner"));
    let api = agent(&pki, &corp);
    api.update(&Svids::default().and("spiffe://corp/agent", &corp.svid("/agent"), &corp).and_federated(&partner));
    let server = server(&pki, &partner.svid("/mcp"), &corp).await;
    let data = refused(&pki, &server, &any(&api)).await;
    assert_eq!(data["code"], "server-id-mismatch");
    let why = "It is that of “spiffe://partner/mcp”; expected is any ID of the trust domain `corp`.";
    assert_eq!(data["why"][0], why);
}

#[tokio::test]
async fn a_server_of_a_federated_trust_domain_is_verified_by_that_bundle() {
    let pki = Pki::new();
    let (corp, partner) = (pki.trust_domain("corp"), pki.trust_domain("partner"));
    let api = agent(&pki, &corp);
    let svid = corp.svid("/agent");
    let svids = Svids::default().and("spiffe://corp/agent", &svid, &corp);
    let server = server(&pki, &partner.svid("/mcp"), &corp).await;
    let spiffe = expecting(&api, "spiffe://partner/mcp");
    let data = refused(&pki, &server, &spiffe).await;
    assert_eq!(data["code"], "bundle-missing");
    api.update(&svids.and_federated(&partner));
    assert_eq!(accepted(&pki, &server, &spiffe).await.1, svid.fingerprint);
}

#[tokio::test]
async fn no_trust_domain_signs_for_another() {
    let pki = Pki::new();
    let (corp, partner) = (pki.trust_domain("corp"), pki.trust_domain("partner"));
    // A CA that calls itself the same, and whose certificates claim the ID.
    let impostor = pki.trust_domain("corp");
    let api = agent(&pki, &corp);
    api.update(&Svids::default().and("spiffe://corp/agent", &corp.svid("/agent"), &corp).and_federated(&partner));
    let posing = server(&pki, &impostor.svid("/mcp"), &corp).await;
    let data = refused(&pki, &posing, &expecting(&api, "spiffe://corp/mcp")).await;
    assert_eq!(data["code"], "server-issuer-unknown");
    assert!(data["why"][1].as_str().is_some_and(|why| why.contains("CN=CA of corp”")), "{data:#}");
    // The federated CA is believed for its own trust domain alone.
    let foreign = partner.svid_claiming("spiffe://corp/mcp");
    let posing = server(&pki, &foreign, &corp).await;
    for spiffe in [expecting(&api, "spiffe://corp/mcp"), any(&api)] {
        assert_eq!(refused(&pki, &posing, &spiffe).await["code"], "server-issuer-unknown");
    }
}

#[tokio::test]
async fn a_server_with_a_certificate_for_its_dns_name_is_refused_whoever_signed_it() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let api = agent(&pki, &corp);
    let server = server(&pki, &pki.server_identity(), &corp).await;
    let system = pki.server_ca_file();
    for spiffe in [expecting(&api, "spiffe://corp/mcp"), any(&api)] {
        let mut host = towards(&pki, &server.url(), &spiffe).env("SSL_CERT_FILE", &system).spawn();
        let data = refusal(&mut host).await["data"].clone();
        assert_eq!(data["code"], "server-id-missing");
        assert!(data["why"][0].as_str().is_some_and(|why| why.starts_with("The certificate names no SPIFFE ID")));
        assert_eq!(data["why"][1], "It is for “localhost”, “127.0.0.1”, “::1”.");
    }
    assert_eq!(server.verified(), Vec::<String>::new());
}

#[tokio::test]
async fn a_certificate_that_is_no_svid_of_a_workload_is_refused() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let api = agent(&pki, &corp);
    for (fault, code) in [
        (SvidFault::TwoIds, "server-id-missing"),
        (SvidFault::OtherUri, "server-id-missing"),
        (SvidFault::NoPath, "server-id-missing"),
        (SvidFault::SignsCertificates, "server-id-missing"),
        (SvidFault::SignsRevocations, "server-id-missing"),
        (SvidFault::IsCa, "server-id-missing"),
        (SvidFault::ClientsOnly, "server-certificate-invalid"),
        (SvidFault::Expired, "server-certificate-expired"),
    ] {
        let server = server(&pki, &corp.faulty_svid("/mcp", fault), &corp).await;
        for spiffe in [expecting(&api, "spiffe://corp/mcp"), any(&api)] {
            let data = refused(&pki, &server, &spiffe).await;
            assert_eq!(data["code"], code, "{fault:?}: {data:#}");
        }
    }
}

#[tokio::test]
async fn an_svid_that_the_server_refuses_is_told_with_its_id() {
    let pki = Pki::new();
    let (corp, partner) = (pki.trust_domain("corp"), pki.trust_domain("partner"));
    let api = agent(&pki, &corp);
    let server = server(&pki, &corp.svid("/mcp"), &partner).await;
    let data = refused(&pki, &server, &expecting(&api, "spiffe://corp/mcp")).await;
    assert_eq!(data["code"], "certificate-refused");
    assert_eq!(data["evidence"]["spiffe_id"], "spiffe://corp/agent");
    let why = data["why"].to_string();
    assert!(why.contains("The certificate is “spiffe://corp/agent”, issued by"), "{data:#}");
    assert!(data["where"].to_string().contains("the SPIFFE agent at unix://"), "{data:#}");
}

#[tokio::test]
async fn an_agent_that_gives_nothing_is_told_to_the_host() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let api = agent(&pki, &corp);
    let server = server(&pki, &corp.svid("/mcp"), &corp).await;
    api.deny();
    let spiffe = expecting(&api, "spiffe://corp/mcp");
    let data = refused(&pki, &server, &spiffe).await;
    assert_eq!(data["code"], "svid-missing");
    assert_eq!(data["why"][0], "It says PermissionDenied: “no identity issued”.");
    assert!(data["fix"].to_string().contains("selectors"), "{data:#}");
    api.stop().await;
    let data = refused(&pki, &server, &spiffe).await;
    assert_eq!(data["code"], "workload-unavailable");
}

#[tokio::test]
async fn calls_go_on_while_the_agent_is_away() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let api = agent(&pki, &corp);
    let server = server(&pki, &corp.svid("/mcp"), &corp).await;
    let (mut host, fingerprint) = accepted(&pki, &server, &expecting(&api, "spiffe://corp/mcp")).await;
    api.stop().await;
    server.server().cut().await;
    assert_eq!(whoami(&mut host).await, fingerprint, "a new connection shows what the agent gave last");
    api.start_again();
    api.wait_for_calls(2).await;
}

#[tokio::test]
async fn an_update_during_calls_is_shown_by_the_calls_that_follow() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let api = agent(&pki, &corp);
    let server = server(&pki, &corp.svid("/mcp"), &corp).await;
    let (mut host, before) = accepted(&pki, &server, &expecting(&api, "spiffe://corp/mcp")).await;
    let next = corp.svid("/agent");
    let svids = Svids::default().and("spiffe://corp/agent", &next, &corp);
    api.update(&svids);
    let changed = async {
        loop {
            let shown = whoami(&mut host).await;
            if shown != before {
                return shown;
            }
        }
    };
    let shown = tokio::time::timeout(LIMIT, changed).await.expect("the update is taken up");
    assert_eq!(shown, next.fingerprint);
    // What the agent takes back is not shown any more, and no call goes out without it.
    api.deny();
    until_refused(&mut host, "svid-missing").await;
    // The same once more is as good as it was.
    api.update(&svids);
    until_answered(&mut host).await;
    assert_eq!(whoami(&mut host).await, next.fingerprint);
}

#[tokio::test]
async fn trust_that_the_agent_takes_back_is_not_used_any_more() {
    let pki = Pki::new();
    let (corp, partner) = (pki.trust_domain("corp"), pki.trust_domain("partner"));
    let api = agent(&pki, &corp);
    let svid = corp.svid("/agent");
    let alone = || Svids::default().and("spiffe://corp/agent", &svid, &corp);
    let federated = || alone().and_federated(&partner);
    api.update(&federated());
    let server = server(&pki, &partner.svid("/mcp"), &corp).await;
    let (mut host, _) = accepted(&pki, &server, &expecting(&api, "spiffe://partner/mcp")).await;
    for (update, code) in [(alone(), "bundle-missing"), (federated().and_revocations(b"a list"), "crl-invalid")] {
        api.update(&update);
        until_refused(&mut host, code).await;
        api.update(&federated());
        until_answered(&mut host).await;
    }
}

/// Calls until that is refused, with this code.
async fn until_refused(host: &mut Host, code: &str) {
    let refused = async {
        loop {
            let answer = host.call("whoami", serde_json::json!({})).await;
            if answer.get("error").is_some() {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(LIMIT, refused).await.unwrap_or_else(|_| panic!("calls are not refused: {code}"));
    assert_eq!(answer["error"]["data"]["code"], code, "{answer:#}");
}

async fn until_answered(host: &mut Host) {
    let answered = async { while host.call("whoami", serde_json::json!({})).await.get("error").is_some() {} };
    tokio::time::timeout(LIMIT, answered).await.unwrap_or_else(|_| panic!("calls do not go out again"));
}
