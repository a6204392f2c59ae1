//! The certificate that the server verified is the one that a program printed.
#![cfg(unix)]

use std::path::Path;
use std::time::Duration;

use mcp_mtls_testkit::mcp::{McpOptions, McpServer};
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::server::TlsServer;

use crate::stage::{LATEST, host, refusal, whoami};

#[tokio::test]
async fn it_runs_once_for_many_calls_and_prints_what_the_server_sees() {
    let pki = Pki::new();
    let client = pki.client_of_intermediate();
    let server = McpServer::on(TlsServer::builder(&pki), McpOptions::default()).await;
    let (script, runs, ca) = (pki.dir().join("vault-cert"), pki.dir().join("runs"), pki.server_ca_file());
    pki.write("identity.pem", client.combined_pem());
    pki.write("vault-cert", "echo \"$1\" >> \"${0%/*}/runs\"\necho 'is not shown' >&2\ncat \"${0%/*}/identity.pem\"\n");
    let flags = |exec: &str| host([Path::new(&server.url()), Path::new("--ca"), ca.as_ref()]).args(["--exec", exec]);
    let mut bridge = flags(&format!("sh '{}' 'an agent'", script.display())).spawn();
    bridge.initialize(LATEST).await;
    for _ in 0..5 {
        assert_eq!(whoami(&mut bridge).await, client.fingerprint);
    }
    bridge.stdout_is_pure();
    bridge.close_stdin();
    bridge.wait_exit(Duration::from_secs(5)).await;
    assert_eq!(bridge.stderr(), "");
    assert_eq!(std::fs::read_to_string(&runs).expect("it ran"), "an agent\n");

    let tls = format!(r#"{{ "exec": ["./vault-cert", "two"], "ca": "{}" }}"#, ca.display());
    let config = pki
        .write("config.jsonc", format!(r#"{{ "mcp": {{ "corp": {{ "url": "{}", "tls": {tls} }} }} }}"#, server.url()));
    let corp = || host([Path::new("corp"), Path::new("--config"), &config]);
    let error = refusal(&mut corp().spawn()).await;
    assert_eq!(error["data"]["code"], "exec-failed", "it is not executable: {error}");
    let mut permissions = std::fs::metadata(&script).expect("it is there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o700);
    std::fs::set_permissions(&script, permissions).expect("chmod");
    let text = std::fs::read_to_string(&script).expect("it is there");
    std::fs::write(&script, format!("#!/bin/sh\n{text}")).expect("it can be written");
    let mut bridge = corp().spawn();
    bridge.initialize(LATEST).await;
    assert_eq!(whoami(&mut bridge).await, client.fingerprint);
    assert_eq!(std::fs::read_to_string(&runs).expect("it ran"), "an agent\ntwo\n");

    bridge.close_stdin();
    bridge.wait_exit(Duration::from_secs(5)).await;
    let verified = server.verified();
    assert!(verified.iter().all(|fingerprint| *fingerprint == client.fingerprint), "{verified:?}");
    let error = refusal(&mut flags("false").spawn()).await;
    assert_eq!(error["data"]["code"], "exec-failed", "{error}");
    assert_eq!(server.verified().len(), verified.len(), "nothing goes out without the certificate");
}

#[tokio::test]
async fn a_host_started_in_a_folder_of_somebody_else_runs_nothing_of_it() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::start(&pki).await;
    pki.write("identity.pem", client.combined_pem());
    let tls = format!(r#"{{ "exec": ["cat", "identity.pem"], "ca": "{}" }}"#, pki.server_ca_file().display());
    let config = pki
        .write("config.jsonc", format!(r#"{{ "mcp": {{ "corp": {{ "url": "{}", "tls": {tls} }} }} }}"#, server.url()));
    let clone = pki.dir().join("clone");
    std::fs::create_dir(&clone).expect("a folder");
    std::fs::write(clone.join("identity.pem"), pki.client("mallory").combined_pem()).expect("a file");
    std::fs::write(clone.join("cat"), "#!/bin/sh\ntouch ran\n").expect("a file");
    std::fs::set_permissions(clone.join("cat"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("chmod");
    let path = format!(".:{}", std::env::var("PATH").expect("it is set"));
    let host = host([Path::new("corp"), Path::new("--config"), &config]).home(&clone).env("PATH", &path);
    let mut bridge = host.spawn();
    bridge.initialize(LATEST).await;
    assert_eq!(whoami(&mut bridge).await, client.fingerprint);
    assert!(!clone.join("ran").exists());
    bridge.close_stdin();
    bridge.wait_exit(Duration::from_secs(5)).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_ends_with_us_whether_we_start_or_renew() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let server = McpServer::on(TlsServer::builder(&pki), McpOptions::default()).await;
    let (script, ca) = (pki.dir().join("vault-cert"), pki.server_ca_file());
    pki.write("identity.pem", client.combined_pem());
    // It and what it starts.
    let hang = "sleep 600 & echo $$ $! > \"$1.new\"; mv \"$1.new\" \"$1\"; wait";
    pki.write(
        "vault-cert",
        format!("test -e \"$1.good\" && cat '{}/identity.pem' || {{ {hang}; }}\n", pki.dir().display()),
    );
    for (name, runs) in [("start", false), ("renewal", true)] {
        let mark = pki.dir().join(name);
        let exec = format!("sh '{}' '{}'", script.display(), mark.display());
        if runs {
            pki.write("renewal.good", "");
        }
        let url = server.url();
        let flags = [Path::new(&url), Path::new("--ca"), ca.as_ref(), Path::new("--exec"), exec.as_ref()];
        let mut bridge = host(flags).spawn();
        if runs {
            bridge.initialize(LATEST).await;
            std::fs::remove_file(pki.dir().join("renewal.good")).expect("it is there");
            bridge.signal("HUP");
        }
        eventually("the program runs", || mark.exists()).await;
        bridge.signal("TERM");
        bridge.wait_exit(Duration::from_secs(4)).await;
        let pids = std::fs::read_to_string(&mark).expect("it is there");
        // Killed, if not yet buried by the process that takes over orphans.
        let gone =
            |pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
        eventually(&format!("{name}: {pids} are gone"), || pids.split_whitespace().all(gone)).await;
    }
}

#[cfg(target_os = "linux")]
async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(4), "not so: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
