//! The SPIFFE Workload API, and servers that are known by their SPIFFE IDs.

use std::time::Duration;

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::pki::{Pki, ServerIdentity, SvidFault, TrustDomain};
use mcp_mtls_testkit::server::TlsServer;
use mcp_mtls_testkit::workload::{Svids, WorkloadApi};

use super::case::{Case, Pace, case};
use super::run::Run;

const SERVER: &str = "spiffe://corp/mcp";

/// An agent that gives `spiffe://corp/agent`.
fn agent(pki: &Pki, corp: &TrustDomain<'_>) -> WorkloadApi {
    let svids = Svids::default().and("spiffe://corp/agent", &corp.svid("/agent"), corp);
    WorkloadApi::start(&pki.dir().join("agent.sock"), &svids)
}

/// A host that expects a server with this ID.
fn expecting(case: &Case, url: &str, socket: &str, settings: &str) -> Run {
    let spiffe = format!("{{ \"socket\": \"{socket}\", {settings} }}");
    case.entry(&format!("{{ \"url\": \"{url}\", \"tls\": {{ \"spiffe\": {spiffe} }} }}"))
}

fn server_id(id: &str) -> String {
    format!("\"serverId\": \"{id}\"")
}

/// An agent that does not answer yet is asked again for this time: it may be about to start, or to know us.
const ASKED_AGAIN: Pace = Pace::After(Duration::from_secs(5));

/// The agent gives something else, and nothing is reached.
async fn of_agent(
    pace: Pace,
    name: &'static str,
    code: Code,
    settings: &str,
    change: impl AsyncFnOnce(&WorkloadApi, &TrustDomain<'_>),
) {
    let mut case = case(name, code, Side::Ours);
    let host = {
        let corp = case.pki.trust_domain("corp");
        let api = agent(&case.pki, &corp);
        change(&api, &corp).await;
        (expecting(&case, super::files::NOWHERE, &api.uri(), settings), api)
    };
    case.refused_at(pace, "the agent", host.0).await;
    case.end();
}

#[tokio::test]
async fn an_agent_that_is_not_there() {
    of_agent(ASKED_AGAIN, "workload-unavailable", Code::WorkloadUnavailable, &server_id(SERVER), async |api, _| {
        api.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_hangs_up() {
    let change = async |api: &WorkloadApi, _: &TrustDomain<'_>| api.end(14, "the server is not reached");
    of_agent(ASKED_AGAIN, "workload-unavailable-for-now", Code::WorkloadUnavailable, &server_id(SERVER), change).await;
}

#[tokio::test]
async fn an_agent_that_gives_no_identity() {
    of_agent(ASKED_AGAIN, "svid-missing", Code::SvidMissing, &server_id(SERVER), async |api, _| api.deny()).await;
}

#[tokio::test]
async fn an_agent_that_gives_another_identity() {
    let settings = format!("\"id\": \"spiffe://corp/other\", {}", server_id(SERVER));
    of_agent(Pace::AtOnce, "svid-of-another-id", Code::SvidMissing, &settings, async |_, _| {}).await;
}

#[tokio::test]
async fn an_agent_that_gives_what_is_no_certificate() {
    of_agent(Pace::AtOnce, "svid-invalid", Code::SvidInvalid, &server_id(SERVER), async |api, corp| {
        api.update(&Svids::default().and_raw("spiffe://corp/agent", b"no certificate", b"no key", &corp.ca_der()));
    })
    .await;
}

#[tokio::test]
async fn an_agent_whose_revocation_list_is_damaged() {
    of_agent(Pace::AtOnce, "svid-crl-invalid", Code::CrlInvalid, &server_id(SERVER), async |api, corp| {
        let svids = Svids::default().and("spiffe://corp/agent", &corp.svid("/agent"), corp);
        api.update(&svids.and_revocations(b"a list"));
    })
    .await;
}

/// A server with a certificate of its own; nothing of ours is shown to it.
async fn of_server(
    name: &'static str,
    code: Code,
    side: Side,
    identity: impl Fn(&Pki, &TrustDomain<'_>) -> ServerIdentity,
) {
    let mut case = case(name, code, side);
    let (api, servers) = {
        let corp = case.pki.trust_domain("corp");
        let identity = identity(&case.pki, &corp);
        let server = TlsServer::builder(&case.pki).identity(&identity).client_ca(corp.ca_der());
        let servers = [("TLS 1.2", server.clone().tls12_only()), ("TLS 1.3", server.tls13_only())];
        (agent(&case.pki, &corp), servers)
    };
    for (way, server) in servers {
        let server = server.start().await;
        let host = expecting(&case, &server.url("/mcp"), &api.uri(), &server_id(SERVER));
        case.refused(way, host).await;
        case.verified(way, &server.verified(), None);
    }
    case.end();
}

#[tokio::test]
async fn a_server_with_another_id() {
    of_server("server-id-mismatch", Code::ServerIdMismatch, Side::Theirs, |_, corp| corp.svid("/other")).await;
}

#[tokio::test]
async fn a_server_without_an_id() {
    of_server("server-id-missing", Code::ServerIdMissing, Side::Theirs, |pki, _| pki.server_identity()).await;
}

#[tokio::test]
async fn a_server_with_two_ids() {
    let identity = |_: &Pki, corp: &TrustDomain<'_>| corp.faulty_svid("/mcp", SvidFault::TwoIds);
    of_server("server-id-missing-for-two", Code::ServerIdMissing, Side::Theirs, identity).await;
}

#[tokio::test]
async fn a_server_of_an_impostor() {
    let identity = |pki: &Pki, _: &TrustDomain<'_>| pki.trust_domain("corp").svid("/mcp");
    of_server("server-issuer-unknown-of-spiffe", Code::ServerIssuerUnknown, Side::Ours, identity).await;
}

#[tokio::test]
async fn a_server_of_a_trust_domain_that_is_not_federated() {
    let mut case = case("bundle-missing", Code::BundleMissing, Side::Ours);
    let (api, server) = {
        let (corp, partner) = (case.pki.trust_domain("corp"), case.pki.trust_domain("partner"));
        let identity = partner.svid("/mcp");
        let server = TlsServer::builder(&case.pki).identity(&identity).client_ca(corp.ca_der()).start().await;
        (agent(&case.pki, &corp), server)
    };
    let host = expecting(&case, &server.url("/mcp"), &api.uri(), &server_id("spiffe://partner/mcp"));
    case.refused("both versions", host).await;
    case.verified("both versions", &server.verified(), None);
    case.end();
}
