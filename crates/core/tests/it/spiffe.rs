//! Identities of the SPIFFE Workload API: what an agent gives, takes back, and fails to give.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what stages a test may panic as the test itself may")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mcp_mtls_core::config::{Entry, EntrySettings, SpiffeSettings, Tls};
use mcp_mtls_core::error::{Code, Failure, Result};
use mcp_mtls_core::identity::Identity;
use mcp_mtls_core::trust::Trust;
use mcp_mtls_testkit::pki::{Pki, SvidFault};
use mcp_mtls_testkit::workload::{Svids, WorkloadApi};
use tokio::io::AsyncWriteExt as _;

fn socket(pki: &Pki) -> PathBuf {
    pki.dir().join("agent.sock")
}

/// The settings of `corp`, with that agent and the server `spiffe://corp/mcp`.
fn settings(pki: &Pki) -> SpiffeSettings {
    SpiffeSettings::new(&format!("unix://{}", socket(pki).display()), "spiffe://corp/mcp")
}

fn tls(settings: SpiffeSettings) -> Tls {
    Entry::new(EntrySettings::new("https://localhost/").spiffe(settings)).resolve().unwrap().tls
}

/// Loads as the binary does, on a thread that may block.
async fn load(settings: SpiffeSettings) -> Result<Identity> {
    let load = move || Identity::load(&tls(settings)).map(|identity| identity.expect("there is one"));
    tokio::task::spawn_blocking(load).await.unwrap()
}

async fn refused(settings: SpiffeSettings) -> Failure {
    load(settings).await.expect_err("this must not load")
}

/// Waits until the agent's word has come here.
async fn until_outdated(identity: &Identity) {
    let began = Instant::now();
    while !identity.is_outdated(time::OffsetDateTime::now_utc()) {
        assert!(began.elapsed() < Duration::from_secs(10), "no update came");
        tokio::task::yield_now().await;
    }
}

/// How many updates the identity was made of.
fn version(identity: &Identity) -> u64 {
    let text = format!("{identity:?}");
    let number = text.split("version: ").nth(1).and_then(|rest| rest.split(',').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no version: {text}"))
}

#[tokio::test]
async fn the_first_svid_is_presented_unless_an_id_is_set() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let (agent, other) = (corp.svid("/agent"), corp.svid_of_intermediate("/other"));
    let svids = Svids::default().and("spiffe://corp/agent", &agent, &corp).and("spiffe://corp/other", &other, &corp);
    let api = WorkloadApi::start(&socket(&pki), &svids);
    assert_eq!(load(settings(&pki)).await.unwrap().facts().fingerprint, agent.fingerprint);
    let identity = load(settings(&pki).id("spiffe://corp/other")).await.unwrap();
    assert_eq!(identity.facts().fingerprint, other.fingerprint);
    assert_eq!(api.calls(), ["/SpiffeWorkloadAPI/FetchX509SVID"; 2]);

    let failure = refused(settings(&pki).id("spiffe://corp/third")).await;
    assert_eq!(failure.code(), Code::SvidMissing);
    assert_eq!(failure.facts().why, ["It gives “spiffe://corp/agent”, “spiffe://corp/other”."]);
}

#[tokio::test]
async fn an_update_outdates_the_identity_and_the_same_again_does_not() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let (first, second) = (corp.svid("/agent"), corp.svid("/agent"));
    let svids = Svids::default().and("spiffe://corp/agent", &first, &corp);
    let api = WorkloadApi::start(&socket(&pki), &svids);
    let tls = tls(settings(&pki));
    let identity = load(settings(&pki)).await.unwrap();
    assert!(!identity.is_outdated(time::OffsetDateTime::now_utc()));

    // The same over a new stream, and then another.
    api.hang_up().await;
    api.wait_for_calls(2).await;
    api.update(&Svids::default().and("spiffe://corp/agent", &second, &corp));
    until_outdated(&identity).await;
    let renewed = identity.renewed(&tls).unwrap().unwrap();
    assert_eq!(renewed.facts().fingerprint, second.fingerprint);
    assert_eq!(version(&renewed), version(&identity) + 1);
    assert_eq!(identity.facts().fingerprint, first.fingerprint);
    assert!(!renewed.is_outdated(time::OffsetDateTime::now_utc()));
    assert_eq!(api.calls().len(), 2, "it needs no stream of its own");

    // Another bundle with the same certificate is an update too.
    let with_other =
        Svids::default().and("spiffe://corp/agent", &second, &corp).and_federated(&pki.trust_domain("other"));
    api.update(&with_other);
    until_outdated(&renewed).await;
}

#[tokio::test]
async fn the_last_good_one_is_kept_while_the_agent_is_away_or_talks_nonsense() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let (first, second) = (corp.svid("/agent"), corp.svid("/agent"));
    let api = WorkloadApi::start(&socket(&pki), &Svids::default().and("spiffe://corp/agent", &first, &corp));
    let tls = tls(settings(&pki));
    let identity = load(settings(&pki)).await.unwrap();
    api.stop().await;
    api.update(&Svids::default().and_raw("spiffe://corp/agent", b"nonsense", b"nonsense", b"nonsense"));
    assert_eq!(identity.renewed(&tls).unwrap().unwrap().facts().fingerprint, first.fingerprint);
    api.start_again();
    api.wait_for_calls(2).await;
    api.update(&Svids::default().and("spiffe://corp/agent", &second, &corp));
    until_outdated(&identity).await;
    let renewed = identity.renewed(&tls).unwrap().unwrap();
    assert_eq!(renewed.facts().fingerprint, second.fingerprint);
    assert_eq!(version(&renewed), version(&identity) + 1, "nothing was taken back in between");
}

#[tokio::test]
async fn a_socket_is_not_opened_again_without_leave() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let (first, second) = (corp.svid("/agent"), corp.svid("/agent"));
    let api = WorkloadApi::start(&socket(&pki), &Svids::default().and("spiffe://corp/agent", &first, &corp));
    let (may, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (leave, count) = (may.clone(), asked.clone());
    let entry = Entry::new(EntrySettings::new("https://localhost/").spiffe(settings(&pki))).guarded(move || {
        count.fetch_add(1, Ordering::Relaxed);
        let denied = || Failure::new(Code::ProjectNotTrusted, "It may not");
        if leave.load(Ordering::Relaxed) { Ok(()) } else { Err(denied()) }
    });
    let tls = entry.resolve().unwrap().tls;
    let loaded = tls.clone();
    let loaded = tokio::task::spawn_blocking(move || Identity::load(&loaded)).await.unwrap();
    let identity = loaded.unwrap().expect("there is one");
    // What comes by itself needs none.
    api.update(&Svids::default().and("spiffe://corp/agent", &second, &corp));
    until_outdated(&identity).await;
    let identity = identity.renewed(&tls).unwrap().unwrap();
    assert_eq!(
        (identity.facts().fingerprint.as_str(), asked.load(Ordering::Relaxed)),
        (second.fingerprint.as_str(), 0)
    );
    api.hang_up().await;
    let began = Instant::now();
    while asked.load(Ordering::Relaxed) < 2 {
        assert!(began.elapsed() < Duration::from_secs(10), "it is not asked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(api.calls().len(), 1);
    assert_eq!(identity.renewed(&tls).unwrap().unwrap().facts().fingerprint, second.fingerprint);
    may.store(true, Ordering::Relaxed);
    api.wait_for_calls(2).await;
}

#[tokio::test]
async fn an_expired_one_is_not_kept_when_the_agent_is_away() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let expired = corp.faulty_svid("/agent", SvidFault::Expired);
    let api = WorkloadApi::start(&socket(&pki), &Svids::default().and("spiffe://corp/agent", &expired, &corp));
    let identity = load(settings(&pki)).await.unwrap();
    api.stop().await;
    until_outdated(&identity).await;
    let failure = identity.renewed(&tls(settings(&pki))).unwrap_err();
    assert_eq!(failure.code(), Code::WorkloadUnavailable);
    let last = failure.facts().why.last().unwrap();
    assert!(last.starts_with("The last SVID, spiffe://corp/agent, expired on"), "{failure:#?}");
}

#[tokio::test]
async fn what_the_agent_takes_back_is_not_used_any_more() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let agent = corp.svid("/agent");
    let svids = Svids::default().and("spiffe://corp/agent", &agent, &corp);
    let api = WorkloadApi::start(&socket(&pki), &svids);
    let other = Svids::default().and("spiffe://corp/other", &corp.svid("/other"), &corp);
    for withdraw in [&|api: &WorkloadApi| api.deny(), &|api| api.update(&Svids::default()), &|api| api.update(&other)]
        as [&dyn Fn(&WorkloadApi); 3]
    {
        api.update(&svids);
        let identity = load(settings(&pki).id("spiffe://corp/agent")).await.unwrap();
        withdraw(&api);
        until_outdated(&identity).await;
        assert_eq!(identity.renewed(&tls(settings(&pki))).unwrap_err().code(), Code::SvidMissing);
        // And what it gives again is taken again.
        api.update(&svids);
        let began = Instant::now();
        while identity.renewed(&tls(settings(&pki))).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "it is not taken again");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_agent_that_is_late_is_waited_for() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let agent = corp.svid("/agent");
    let api = WorkloadApi::start(&socket(&pki), &Svids::default());
    api.deny();
    let loading = tokio::spawn(load(settings(&pki)));
    api.wait_for_calls(2).await;
    api.update(&Svids::default().and("spiffe://corp/agent", &agent, &corp));
    assert_eq!(loading.await.unwrap().unwrap().facts().fingerprint, agent.fingerprint);
}

/// An agent of its own, and what loading from it says.
async fn refused_by(pki: &Pki, name: &str, stage: impl AsyncFn(&WorkloadApi)) -> Failure {
    let socket = pki.dir().join(name);
    let api = WorkloadApi::start(&socket, &Svids::default());
    stage(&api).await;
    refused(SpiffeSettings::new(&api.uri(), "spiffe://corp/mcp")).await
}

#[tokio::test]
async fn an_agent_that_does_not_give_an_identity_is_named_with_its_reason() {
    let pki = Pki::new();
    let began = Instant::now();
    let (missing, dead, denied, unavailable, silent) = tokio::join!(
        refused_by(&pki, "missing", async |api| api.stop().await),
        refused_by(&pki, "dead", async |api| api.die().await),
        refused_by(&pki, "denied", async |api| api.deny()),
        refused_by(&pki, "unavailable", async |api| api.end(14, "agent starts")),
        refused_by(&pki, "silent", async |api| api.fall_silent()),
    );
    assert!(began.elapsed() < Duration::from_secs(9), "no time limit: {:?}", began.elapsed());
    for (name, failure, code, why) in [
        ("missing", missing, Code::WorkloadUnavailable, "There is no such socket."),
        ("dead", dead, Code::WorkloadUnavailable, "Nobody listens at the socket; likely the agent has ended."),
        ("denied", denied, Code::SvidMissing, "It says PermissionDenied: “no identity issued”."),
        ("unavailable", unavailable, Code::WorkloadUnavailable, "It says Unavailable: “agent starts”."),
        ("silent", silent, Code::WorkloadUnavailable, "It takes the connection, and sends nothing."),
    ] {
        assert_eq!((failure.code(), failure.facts().why[0].as_str()), (code, why));
        let socket = format!("unix://{}", pki.dir().join(name).display());
        assert_eq!(failure.facts().place, [socket.as_str(), "the setting tls.spiffe.socket"]);
        assert!(!failure.facts().fix.is_empty());
    }
}

#[tokio::test]
async fn what_waiting_does_not_better_is_told_at_once() {
    let pki = Pki::new();
    let began = Instant::now();
    let api = WorkloadApi::start(&socket(&pki), &Svids::default());
    for (status, why) in [(3, "It says InvalidArgument: “no”."), (12, "It says Unimplemented: “no”.")] {
        api.end(status, "no");
        let failure = refused(settings(&pki)).await;
        assert_eq!((failure.code(), failure.facts().why[0].as_str()), (Code::WorkloadUnavailable, why));
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_socket_of_something_else_is_no_agent() {
    let pki = Pki::new();
    let listener = tokio::net::UnixListener::bind(socket(&pki)).unwrap();
    let answering = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _gone = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let failure = refused(settings(&pki)).await;
    answering.abort();
    assert_eq!(failure.code(), Code::WorkloadUnavailable);
    assert_eq!(failure.facts().what, "The connection to the SPIFFE agent broke");
    assert!(failure.facts().fix[0].contains("check that the socket"), "{failure:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_hold_together_is_refused_at_once() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let (agent, other) = (corp.svid("/agent"), corp.svid("/other"));
    let api = WorkloadApi::start(&socket(&pki), &Svids::default());
    let ca = corp.ca_der();
    let (id, der, key) = ("spiffe://corp/agent", &agent.leaf_der, agent.key_pkcs8_der());
    let answers = [
        (Svids::default().and_raw(id, der, &other.key_pkcs8_der(), &ca), "The private key is not that of"),
        (Svids::default().and_raw(id, der, b"no key", &ca), "The private key is of a kind that cannot be used"),
        (Svids::default().and_raw("spiffe://corp/other", der, &key, &ca), "It calls “spiffe://corp/other”"),
        (Svids::default().and_raw(id, &agent.leaf_der[..50], &key, &ca), "A certificate cannot be read."),
        (Svids::default().and_raw(id, der, &key, &ca[..50]), "A certificate cannot be read."),
        (Svids::default().and_raw(id, der, &key, b""), "It cannot be read, or lacks what it must have."),
    ];
    for (svids, why) in answers {
        api.update(&svids);
        let began = Instant::now();
        let failure = refused(settings(&pki)).await;
        assert_eq!(failure.code(), Code::SvidInvalid, "{failure:?}");
        assert!(failure.facts().why[0].starts_with(why), "{failure:?}");
        assert!(began.elapsed() < Duration::from_secs(4), "{why}");
    }
    api.update(&Svids::default().and(id, &agent, &corp).and_revocations(b"a list"));
    assert_eq!(refused(settings(&pki)).await.code(), Code::CrlInvalid);
    for fault in [SvidFault::TwoIds, SvidFault::NoPath, SvidFault::IsCa, SvidFault::SignsCertificates] {
        api.update(&Svids::default().and(id, &corp.faulty_svid("/agent", fault), &corp));
        assert_eq!(refused(settings(&pki)).await.code(), Code::SvidInvalid, "{fault:?}");
    }
}

#[tokio::test]
async fn a_message_without_bounds_is_not_read() {
    let pki = Pki::new();
    let api = WorkloadApi::start(&socket(&pki), &Svids::default());
    // A length of 4 GiB, and of one byte too many, before whatever follows.
    for length in [u32::MAX, (4 << 20) + 1] {
        api.send_raw([&[0][..], &length.to_be_bytes(), &vec![0; 65536]].concat());
        let failure = refused(settings(&pki)).await;
        assert_eq!(failure.code(), Code::WorkloadUnavailable);
        assert_eq!(failure.facts().why, [format!("A message has {length} bytes, and at most 4 MiB are read.")]);
    }
}

#[tokio::test]
async fn no_thread_and_no_stream_outlives_the_identity() {
    let pki = Pki::new();
    let corp = pki.trust_domain("corp");
    let svids = Svids::default().and("spiffe://corp/agent", &corp.svid("/agent"), &corp);
    let api = WorkloadApi::start(&socket(&pki), &svids);
    let identity = load(settings(&pki)).await.unwrap();
    let tls = tls(settings(&pki));
    let renewed = identity.renewed(&tls).unwrap().unwrap();
    api.wait_for_listeners(1).await;
    drop(identity);
    api.wait_for_listeners(1).await;
    drop(renewed);
    api.wait_for_listeners(0).await;
}

#[tokio::test]
async fn a_trust_domain_without_a_bundle_is_named_before_anything_is_opened() {
    let pki = Pki::new();
    let (corp, partner) = (pki.trust_domain("corp"), pki.trust_domain("partner"));
    let svids = Svids::default().and("spiffe://corp/agent", &corp.svid("/agent"), &corp);
    let api = WorkloadApi::start(&socket(&pki), &svids);
    let mut settings = settings(&pki);
    settings.server_id = Some(mcp_mtls_core::secret::Secret::new("spiffe://partner/mcp".to_owned()));
    let tls = tls(settings.clone());
    let identity = load(settings).await.unwrap();
    let failure = Trust::load(&tls, Some(&identity)).unwrap_err();
    assert_eq!(failure.code(), Code::BundleMissing);
    assert_eq!(failure.facts().why, ["The SPIFFE agent gives the CA certificates of “corp”."]);
    api.update(&svids.and_federated(&partner));
    until_outdated(&identity).await;
    let identity = identity.renewed(&tls).unwrap().unwrap();
    assert!(format!("{:?}", Trust::load(&tls, Some(&identity)).unwrap()).contains("CA of partner"));
}
