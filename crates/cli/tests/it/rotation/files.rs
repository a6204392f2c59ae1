//! The ways in which files are replaced, whole and half, rightly and wrongly.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::server::TlsServer;

use super::{Rotating, exchange, until_the_next_look, with};
use crate::stage::{LATEST, whoami};

#[tokio::test]
async fn files_written_in_place_and_files_exchanged_are_used_by_the_next_call() {
    let pki = Pki::new();
    let (alice, bob, carol) = (pki.client("alice"), pki.client("bob"), pki.client("carol"));
    let mut rotating = Rotating::begun(pki, &alice, McpOptions::default()).await;
    assert_eq!(rotating.shown().await, alice.fingerprint);
    std::fs::write(&rotating.cert, &bob.cert_pem).unwrap();
    std::fs::write(&rotating.key, &bob.key_pem).unwrap();
    until_the_next_look().await;
    assert_eq!(rotating.shown().await, bob.fingerprint);
    rotating.put_cert(&carol.cert_pem);
    rotating.put_key(&carol.key_pem);
    until_the_next_look().await;
    assert_eq!(rotating.shown().await, carol.fingerprint);
    assert_eq!(rotating.server.initializes(), 1, "the session goes on");
    assert_eq!(rotating.host.stderr(), "");
}

#[tokio::test]
async fn the_exchange_of_a_link_on_the_way_is_seen_each_time() {
    // Kubernetes: files are links into `..data`, which is a link that is exchanged.
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let mount = pki.dir().join("mount");
    let generation = |number: usize, pem: [&str; 2]| {
        let folder = mount.join(format!("..{number}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("tls.crt"), pem[0]).unwrap();
        std::fs::write(folder.join("tls.key"), pem[1]).unwrap();
        // Whatever the umask is.
        std::fs::set_permissions(folder.join("tls.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        symlink(format!("..{number}"), mount.join("..next")).unwrap();
        std::fs::rename(mount.join("..next"), mount.join("..data")).unwrap();
    };
    let (cert, key) = (mount.join("tls.crt"), mount.join("tls.key"));
    let first = pki.client("first");
    generation(0, [&first.cert_pem, &first.key_pem]);
    symlink("..data/tls.crt", &cert).unwrap();
    symlink("..data/tls.key", &key).unwrap();
    let mut host = with(&pki, &server.url(), &cert, &key).spawn();
    host.initialize(LATEST).await;
    for number in 1..4 {
        let next = pki.client("next");
        generation(number, [&next.cert_pem, &next.key_pem]);
        until_the_next_look().await;
        assert_eq!(whoami(&mut host).await, next.fingerprint);
    }
}

#[tokio::test]
async fn certificate_and_key_may_come_one_after_the_other_in_either_order() {
    let pki = Pki::new();
    let (alice, bob, carol) = (pki.client("alice"), pki.client("bob"), pki.client("carol"));
    let mut rotating = Rotating::begun(pki, &alice, McpOptions::default()).await;
    rotating.put_key(&bob.key_pem);
    until_the_next_look().await;
    assert_eq!(rotating.shown().await, alice.fingerprint, "the key alone");
    rotating.put_cert(&bob.cert_pem);
    until_the_next_look().await;
    assert_eq!(rotating.shown().await, bob.fingerprint);
    rotating.put_cert(&carol.cert_pem);
    until_the_next_look().await;
    assert_eq!(rotating.shown().await, bob.fingerprint, "the certificate alone");
    rotating.put_key(&carol.key_pem);
    until_the_next_look().await;
    assert_eq!(rotating.shown().await, carol.fingerprint);
    assert_eq!(rotating.host.stderr(), "", "whoever writes has the time to finish");
}

#[tokio::test]
async fn a_file_that_is_written_while_it_is_read_is_read_again() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let mut rotating = Rotating::begun(pki, &alice, McpOptions::default()).await;
    std::fs::write(&rotating.key, &bob.key_pem).unwrap();
    let half = bob.cert_pem.len() / 2;
    std::fs::write(&rotating.cert, &bob.cert_pem[..half]).unwrap();
    until_the_next_look().await;
    let (cert, whole) = (rotating.cert.clone(), bob.cert_pem.clone());
    let rest = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(40)).await;
        std::fs::write(cert, whole).unwrap();
    });
    assert_eq!(rotating.shown().await, bob.fingerprint, "the call that finds half of it waits for the rest");
    rest.await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_used_is_told_once_and_the_one_before_stays_in_use() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let (expired, future) = (pki.expired_client(), pki.not_yet_valid_client());
    let missing = "No PEM here.".to_owned();
    let wrong = [
        (expired.combined_pem(), "The certificate expired on"),
        (future.combined_pem(), "The certificate is valid only from"),
        (format!("{}{}", bob.cert_pem, alice.key_pem), "The private key belongs to another certificate"),
        (missing, "There is no usable certificate"),
    ];
    let server = McpServer::start(&pki).await;
    let combined = pki.write("combined.pem", alice.combined_pem());
    let mut host = with(&pki, &server.url(), &combined, &combined).spawn();
    host.initialize(LATEST).await;
    for (count, (content, what)) in wrong.into_iter().enumerate() {
        exchange(&combined, &content);
        for _ in 0..8 {
            until_the_next_look().await;
            assert_eq!(whoami(&mut host).await, alice.fingerprint);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let told = host.stderr();
        assert_eq!(told.lines().count(), count + 1, "{told}");
        let last = told.lines().last().unwrap();
        assert!(
            last.starts_with(
                "warning: The certificate, key or CA there now cannot be used; those from before stay in use: "
            ),
            "{last}"
        );
        assert!(last.contains(what) && last.contains("combined.pem"), "{last}");
    }
    exchange(&combined, &bob.combined_pem());
    until_the_next_look().await;
    assert_eq!(whoami(&mut host).await, bob.fingerprint);
}

#[tokio::test]
async fn a_file_that_is_gone_for_a_while_takes_nothing_away() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let mut rotating = Rotating::begun(pki, &alice, McpOptions::default()).await;
    std::fs::remove_file(&rotating.cert).unwrap();
    until_the_next_look().await;
    assert_eq!(rotating.shown().await, alice.fingerprint);
    std::fs::write(&rotating.key, &bob.key_pem).unwrap();
    std::fs::write(&rotating.cert, &bob.cert_pem).unwrap();
    until_the_next_look().await;
    assert_eq!(rotating.shown().await, bob.fingerprint);
}

#[tokio::test]
async fn files_of_references_count_as_well() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let server = McpServer::start(&pki).await;
    let passphrase = pki.write("passphrase", "one");
    let key = pki.write("current.key", alice.key_encrypted_pem("one", 10));
    let cert = pki.write("current.pem", &alice.cert_pem);
    let reference = |path: &Path| format!("{{file:{}}}", path.display());
    let mut host = with(&pki, &server.url(), reference(&cert).as_ref(), reference(&key).as_ref())
        .args(["--passphrase", &reference(&passphrase)])
        .spawn();
    host.initialize(LATEST).await;
    assert_eq!(whoami(&mut host).await, alice.fingerprint);
    exchange(&key, &bob.key_encrypted_pem("two", 10));
    exchange(&cert, &bob.cert_pem);
    exchange(&passphrase, "two");
    until_the_next_look().await;
    assert_eq!(whoami(&mut host).await, bob.fingerprint);
}

#[tokio::test]
async fn a_new_ca_is_trusted_as_soon_as_it_is_there() {
    let (pki, other) = (Pki::new(), Pki::new());
    let alice = pki.client("alice");
    let server = McpServer::start(&pki).await;
    let addr = server.server().addr();
    let ca = pki.server_ca_file();
    let mut host = with(&pki, &server.url(), &alice.cert_file, &alice.key_file).spawn();
    host.initialize(LATEST).await;
    server.stop().await;
    let builder = TlsServer::builder(&pki).at(addr).identity(&other.server_identity());
    let server = McpServer::on(builder, McpOptions::default()).await;
    let refused = host.call("whoami", serde_json::json!({})).await;
    assert_eq!(refused["error"]["data"]["code"], "server-issuer-unknown", "{refused}");
    exchange(&ca, &other.server_ca_pem());
    until_the_next_look().await;
    assert_eq!(whoami(&mut host).await, alice.fingerprint);
    server.stop().await;
}

#[tokio::test]
async fn the_end_of_a_certificate_is_foreseen_once_for_each_certificate() {
    let pki = Pki::new();
    let ending = pki.client_ending_in(time::Duration::hours(40));
    let other = pki.client_ending_in(time::Duration::days(7));
    let mut rotating = Rotating::begun(pki, &ending, McpOptions::default()).await;
    // stderr is written beside the messages.
    let told = async |host: &mcp_mtls_testkit::host::Host| {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let stderr = host.stderr();
        let end = |line: &str| {
            line.starts_with("warning: Your client certificate (") && line.contains("/current.pem) is valid until 20")
        };
        assert!(stderr.lines().all(end), "{stderr}");
        stderr.lines().count()
    };
    assert_eq!(rotating.shown().await, ending.fingerprint);
    assert_eq!(told(&rotating.host).await, 1);
    until_the_next_look().await;
    rotating.shown().await;
    assert_eq!(told(&rotating.host).await, 1);
    rotating.put_cert(&other.cert_pem);
    rotating.put_key(&other.key_pem);
    until_the_next_look().await;
    assert_eq!(rotating.shown().await, other.fingerprint);
    assert_eq!(told(&rotating.host).await, 2);
}
