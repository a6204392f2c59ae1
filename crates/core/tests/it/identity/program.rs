//! Identities that a program prints: every form, and every way in which one is refused.

use std::path::Path;

use insta::assert_snapshot;
use mcp_mtls_core::config::{Entry, EntrySettings};
use mcp_mtls_core::error::{Code, Failure, Result};
use mcp_mtls_core::identity::Identity;
use mcp_mtls_testkit::pki::{Client, Pki};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::is;
use super::refused::told;

/// Loads what this program prints.
fn run(words: &[&str]) -> Result<Identity> {
    let settings = EntrySettings::new("https://corp.example/mcp").exec(words.iter().copied());
    let endpoint = Entry::new(settings).resolve().expect("the settings are in order");
    Identity::load(&endpoint.tls).map(|identity| identity.expect("there is one"))
}

/// Loads what a program prints that prints this.
fn printed(pki: &Pki, output: impl AsRef<[u8]>) -> Result<Identity> {
    run(&["cat", super::text(&pki.write("printed", output))])
}

/// What is told when a program prints this.
fn refused(pki: &Pki, output: impl AsRef<[u8]>) -> String {
    let failure = printed(pki, output).expect_err("it must be refused");
    assert_eq!(failure.code(), Code::ExecOutputInvalid);
    why(&failure)
}

fn why(failure: &Failure) -> String {
    failure.facts().why.join("\n")
}

/// An `ExecCredential` with the status changed.
fn credential(client: &Client, change: impl FnOnce(&mut Value)) -> String {
    let mut credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "spec": { "interactive": false },
        "status": { "clientCertificateData": client.cert_pem, "clientKeyData": client.key_pem },
    });
    change(&mut credential);
    credential.to_string()
}

#[test]
fn pem_in_any_order_with_its_chain() {
    let pki = Pki::new();
    let client = pki.client_of_intermediate();
    for pem in [
        client.combined_pem(),
        format!("{}{}", client.key_pem, client.cert_pem),
        format!("Success!\r\n{}", client.combined_pem().replace('\n', "\r\n")),
    ] {
        let identity = printed(&pki, pem).unwrap();
        assert_eq!(identity.facts().fingerprint, client.fingerprint);
        assert_eq!((identity.place(), identity.origin()), ("the output of cat", "the setting tls.exec"));
    }
}

#[test]
fn the_credential_of_kubernetes_in_both_versions() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    is(printed(&pki, credential(&alice, |_| ())), &alice, "v1");
    let beta = credential(&alice, |all| all["apiVersion"] = "client.authentication.k8s.io/v1beta1".into());
    is(printed(&pki, beta), &alice, "v1beta1");
    let nulls = credential(&alice, |all| all["status"]["expirationTimestamp"] = Value::Null);
    is(printed(&pki, nulls), &alice, "without an end");
}

#[test]
fn a_token_beside_the_certificate_is_noted() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let identity = printed(&pki, credential(&alice, |all| all["status"]["token"] = "hunter2".into())).unwrap();
    assert_eq!(identity.notes(), ["the setting tls.exec: the token that the program prints is not used"]);
    assert!(printed(&pki, alice.combined_pem()).unwrap().notes().is_empty());
}

#[test]
fn it_is_renewed_before_the_first_of_both_ends() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let now = OffsetDateTime::now_utc();
    let close = |identity: Identity, wanted: OffsetDateTime| {
        let at = identity.renew_at().expect("it ends");
        assert!((at - wanted).abs() < Duration::seconds(30), "{at} instead of {wanted}");
    };
    let end = printed(&pki, alice.combined_pem()).unwrap().facts().not_after;
    close(printed(&pki, alice.combined_pem()).unwrap(), end - Duration::minutes(5));
    let stamped = |end: OffsetDateTime| {
        let end = end.format(&Rfc3339).expect("a time of RFC 3339");
        printed(&pki, credential(&alice, |all| all["status"]["expirationTimestamp"] = end.into())).unwrap()
    };
    close(stamped(now + Duration::hours(1)), now + Duration::minutes(55));
    // Beyond the end of the certificate, it says nothing.
    close(stamped(end + Duration::hours(1)), end - Duration::minutes(5));
    // One that ends at once is not asked for at once.
    assert!(stamped(now + Duration::seconds(12)).renew_at().unwrap() >= now + Duration::seconds(10));
}

#[test]
fn files_are_not_renewed_by_the_clock() {
    let pki = Pki::new();
    let identity = super::load(&pki.client("alice").combined_pem(), None).unwrap();
    assert_eq!(identity.renew_at(), None);
}

#[test]
fn output_that_is_no_identity() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let changed = |change: fn(&mut Value)| refused(&pki, credential(&alice, change));
    assert_snapshot!(refused(&pki, " \n"), @"It printed nothing.");
    assert_snapshot!(refused(&pki, b"\xff\xfe"), @"What it printed is not UTF-8 text.");
    assert_snapshot!(refused(&pki, "x".repeat((1 << 20) + 1)), @"It printed more than 1 MiB.");
    assert_snapshot!(refused(&pki, "hunter2"), @"It is neither PEM (there is no `-----BEGIN` line) nor JSON.");
    assert_snapshot!(refused(&pki, &alice.key_pem), @"There is no certificate in it, but a private key.");
    assert_snapshot!(refused(&pki, &alice.cert_pem), @"There is no private key in it, but a certificate.");
    assert_snapshot!(refused(&pki, &alice.combined_pem()[..300]), @"A `-----BEGIN` line has no matching `-----END` line; the end may be cut off.");
    assert_snapshot!(refused(&pki, r#"{"data": {"certificate": "hunter2"}}"#), @"It is JSON without `kind`.");
    assert_snapshot!(refused(&pki, r#"{"kind": "Secret"}"#), @"It is JSON whose `kind` is not `ExecCredential`.");
    assert_snapshot!(refused(&pki, r#"{"kind": "#), @"It is no whole JSON: line 1, column 8.");
    assert_snapshot!(
        refused(&pki, r#"{"kind": ["hunter2"]}"#),
        @"It is JSON, but not as an ExecCredential is made: line 1, column 9."
    );
    assert_snapshot!(
        changed(|all| all["apiVersion"] = "client.authentication.k8s.io/v2".into()),
        @"The `apiVersion` of its ExecCredential is another one; known are client.authentication.k8s.io/v1 and v1beta1."
    );
    assert_snapshot!(
        changed(|all| all["apiVersion"] = Value::Null),
        @"The `apiVersion` of its ExecCredential is not there; known are client.authentication.k8s.io/v1 and v1beta1."
    );
    assert_snapshot!(changed(|all| all["status"] = Value::Null), @"Its ExecCredential has no `status`.");
    assert_snapshot!(
        changed(|all| all["status"] = json!({ "token": "hunter2" })),
        @"Its ExecCredential holds a token alone, and no certificate."
    );
    assert_snapshot!(
        changed(|all| all["status"]["clientCertificateData"] = Value::Null),
        @"Its ExecCredential has no `status.clientCertificateData`."
    );
    assert_snapshot!(
        changed(|all| all["status"]["clientKeyData"] = Value::Null),
        @"Its ExecCredential has no `status.clientKeyData`."
    );
    assert_snapshot!(
        changed(|all| all["status"]["clientKeyData"] = "hunter2".into()),
        @"Its `status.clientKeyData` is not PEM."
    );
    assert_snapshot!(
        changed(|all| all["status"]["expirationTimestamp"] = "tomorrow".into()),
        @"Its `status.expirationTimestamp` is no time of RFC 3339, such as 2030-01-31T12:00:00Z."
    );
    let past = changed(|all| all["status"]["expirationTimestamp"] = "2020-01-31T00:00:00Z".into());
    assert!(past.starts_with("Its `status.expirationTimestamp` is past: 2020-01-31"), "{past}");
    let expired = pki.expired_client();
    let words = refused(&pki, expired.combined_pem());
    assert!(words.starts_with("The certificate “CN=expired") || words.contains(" expired on 20"), "{words}");

    let mixed = printed(&pki, format!("{}{}", alice.cert_pem, bob.key_pem)).unwrap_err();
    assert_snapshot!(told(&pki, &mixed), @"
    key-mismatch: The private key belongs to another certificate
    at: cat
    at: the setting tls.exec
    why: The program prints the certificate “O=Testkit, CN=alice”, whose public key is not that of the key.
    fix: Have it print the key that the certificate was requested with.
    ");
    let locked = printed(&pki, format!("{}{}", alice.cert_pem, alice.key_encrypted_pem("hunter2", 10))).unwrap_err();
    assert_snapshot!(told(&pki, &locked), @"
    key-encrypted: The private key that the program of `exec` prints is encrypted
    at: cat
    at: the setting tls.exec
    why: There is no passphrase for what a program prints.
    fix: Have the program print the key unencrypted; it goes through a pipe, and to no disk.
    ");
    let broken = format!("{}{}", alice.cert_pem, super::refused::block("PRIVATE KEY"));
    assert_eq!(printed(&pki, broken).unwrap_err().code(), Code::KeyUnsupported);
}

#[test]
fn nothing_is_repeated_of_output_that_is_no_identity() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let label = "-----BEGIN hunter2-----\nAAAA\n-----END hunter2-----\n";
    let with = |name: &str| credential(&alice, |all| *all.pointer_mut(name).expect("it is there") = "hunter2".into());
    let ends = credential(&alice, |all| all["status"]["expirationTimestamp"] = "hunter2".into());
    let labelled = credential(&alice, |all| all["status"]["clientKeyData"] = label.into());
    let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: hunter2,00112233445566778899AABBCCDDEEFF";
    let locked = format!("-----BEGIN EC PRIVATE KEY-----\n{headers}\n\nAAAA\n-----END EC PRIVATE KEY-----\n");
    let locked = format!("{}{locked}", alice.cert_pem);
    for output in [with("/kind"), with("/apiVersion"), ends, labelled, label.to_owned(), locked] {
        let failure = printed(&pki, output).expect_err("it must be refused");
        let told = told(&pki, &failure);
        assert!(!told.contains("hunter2") && !format!("{failure:?}").contains("hunter2"), "{told}");
    }
    let beside = format!("{label}{}", alice.cert_pem);
    assert_snapshot!(refused(&pki, beside), @"There is no private key in it, but a certificate and something else.");
}

#[test]
fn a_program_that_cannot_be_started() {
    let pki = Pki::new();
    let script = pki.write("vault-cert", "#!/nonexistent/sh\n");
    let script = super::text(&script);
    let failed = |words: &[&str]| told(&pki, &run(words).expect_err("it must fail"));
    assert_snapshot!(failed(&["mcp-mtls-surely-no-program", "hunter2"]), @"
    exec-failed: The program of `exec` cannot be started
    at: mcp-mtls-surely-no-program
    at: the setting tls.exec
    why: There is no program of this name in PATH; some hosts clear it.
    fix: Write its absolute path.
    ");
    assert_snapshot!(failed(&["/nonexistent/vault-cert"]), @"
    exec-failed: The program of `exec` cannot be started
    at: /nonexistent/vault-cert
    at: the setting tls.exec
    why: There is no such file.
    fix: Correct the path.
    ");
    assert_snapshot!(failed(&[script]), @"
    exec-failed: The program of `exec` cannot be started
    at: [dir]/vault-cert
    at: the setting tls.exec
    why: It is not executable, or lies in a folder that is closed.
    fix: Make it executable: chmod +x.
    ");
    executable(Path::new(script));
    assert_snapshot!(failed(&[script]), @"
    exec-failed: The program of `exec` cannot be started
    at: [dir]/vault-cert
    at: the setting tls.exec
    why: The interpreter that its first line names does not exist.
    ");
}

#[test]
fn a_program_that_fails_is_told_with_its_last_words() {
    let pki = Pki::new();
    let secret = "echo hunter2";
    let shell = |line: &str| {
        let failure = run(&["sh", "-c", &format!("{secret}; {line}")]).expect_err("it must fail");
        let told = told(&pki, &failure);
        assert!(!told.contains("hunter2") && !format!("{failure:?}").contains("hunter2"), "{told}");
        told
    };
    assert_snapshot!(shell(r"printf 'first\n\033[31mno role \342\200\256agent\n\n' >&2; exit 3"), @"
    exec-failed: The program of `exec` failed
    at: sh
    at: the setting tls.exec
    why: It ended with the exit status 3.
    why: The last line that it wrote on stderr: “[31mno role agent”.
    fix: Run it in a terminal to see all that it says.
    ");
    assert_snapshot!(shell("exit 1"), @"
    exec-failed: The program of `exec` failed
    at: sh
    at: the setting tls.exec
    why: It ended with the exit status 1.
    why: It wrote nothing on stderr.
    fix: Run it in a terminal to see all that it says.
    ");
    let long = shell("head -c 300000 /dev/zero | tr '\\0' a >&2; exit 1");
    assert!(long.contains(&format!("“{}…”", "a".repeat(200))) && !long.contains(&"a".repeat(201)), "{long}");
    assert_snapshot!(shell("kill -9 $$"), @"
    exec-failed: The program of `exec` failed
    at: sh
    at: the setting tls.exec
    why: The signal 9 ended it.
    why: It wrote nothing on stderr.
    fix: Run it in a terminal to see all that it says.
    ");
}

#[test]
fn what_a_program_repeats_of_its_arguments_is_not_told() {
    let pki = Pki::new();
    let pin = pki.write("pin", "s3\n");
    let pin = super::text(&pin);
    let last_words = |arguments: &[&str], words: &str| {
        let line = format!("printf '%s' '{words}' >&2; exit 1");
        let failure = run(&[&["sh", "-c", &line, "sh"], arguments].concat()).expect_err("it must fail");
        let (last, all) = (failure.facts().why[1].clone(), told(&pki, &failure));
        assert!(!all.contains("hunter2") && !format!("{failure:?}").contains("hunter2"), "{all}");
        let last = last.strip_prefix("The last line that it wrote on stderr: ").expect("its last words");
        last.trim_end_matches('.').to_owned()
    };
    assert_snapshot!(last_words(&["hunter2"], "bad: hunter2."), @"“bad: ….”");
    assert_snapshot!(last_words(&["--password=hunter2"], "no user has hunter2"), @"“no user has …”");
    assert_snapshot!(last_words(&["--password=hunter2longer"], "[xhunter2longerx]"), @"“[x…x]”");
    assert_snapshot!(last_words(&["a\nhunter2"], "a b\nhunter2"), @"“…”");
    assert_snapshot!(last_words(&["-p", "1h"], "after 1h and 21h in step-ca"), @"“after … and 21h in step-ca”");
    // What a reference gave is most likely a secret, however short, and wherever it stands.
    let reference = format!("-p{{file:{pin}}}");
    assert_snapshot!(last_words(&[&reference], "login with xs3x"), @"“login with x…x”");
    let reference = format!("--user=me:{{file:{pin}}}@corp");
    assert_snapshot!(last_words(&[&reference], "me and s3 at corp"), @"“me and … at corp”");
}

#[test]
fn words_on_stderr_of_a_program_that_succeeds_are_nobodys_business() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let file = pki.write("printed", alice.combined_pem());
    let line = format!("head -c 300000 /dev/zero >&2; cat '{}'", file.display());
    is(run(&["sh", "-c", &line]), &alice, "with much on stderr");
}

#[test]
fn a_program_and_what_it_started_end_when_the_time_is_up() {
    let pki = Pki::new();
    let mark = pki.dir().join("child");
    let line = format!("sleep 600 & echo $! > '{}'; wait", mark.display());
    let began = std::time::Instant::now();
    let failure = run(&["sh", "-c", &line]).unwrap_err();
    assert_snapshot!(told(&pki, &failure), @"
    exec-failed: The program of `exec` failed
    at: sh
    at: the setting tls.exec
    why: It took longer than 5 s.
    fix: Nobody can answer what it may ask: its stdin is closed.
    ");
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "{:?}", began.elapsed());
    let child = std::fs::read_to_string(&mark).unwrap();
    let child = rustix::process::Pid::from_raw(child.trim().parse().unwrap()).unwrap();
    // Killed, if not yet buried by the process that takes over orphans.
    let gone = || match std::fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero())) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => rustix::process::test_kill_process(child).is_err(),
    };
    while !gone() {
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "the child of the program still runs");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_program_leaves_behind_is_not_waited_for_and_keeps_nothing_of_ours() {
    // The files and threads of a whole process are counted, so it is one that runs this test alone.
    let name = "identity::program::what_a_program_leaves_behind_is_not_waited_for_and_keeps_nothing_of_ours";
    if std::env::var_os("MCP_MTLS_TEST_ALONE").is_none() {
        let mut alone = std::process::Command::new(std::env::current_exe().expect("the tests"));
        let alone = alone.args([name, "--exact", "--test-threads=1"]).env("MCP_MTLS_TEST_ALONE", "1").output();
        let alone = alone.expect("it runs");
        let told = String::from_utf8_lossy(&alone.stdout);
        assert!(alone.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let pki = Pki::new();
    let alice = pki.client("alice");
    let (file, left) = (pki.write("printed", alice.combined_pem()), pki.dir().join("left"));
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).expect("it is there").count();
    let before = (count("fd"), count("task"));
    let began = std::time::Instant::now();
    let line = format!("cat '{}'; setsid sleep 600 & echo $! > '{}'", file.display(), left.display());
    let loaded = run(&["sh", "-c", &line]);
    let took = began.elapsed();
    let failed = run(&["sh", "-c", &format!("{line}.2; echo no role >&2; exit 1")]);
    std::thread::sleep(std::time::Duration::from_millis(200));
    let after = (count("fd"), count("task"));
    for left in [left.clone(), left.with_extension("2")] {
        let pid = std::fs::read_to_string(left).expect("it was started").trim().parse().expect("a process id");
        let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it still ran");
    }
    is(loaded, &alice, "with a process left behind");
    assert!(took < std::time::Duration::from_secs(3), "{took:?}");
    assert!(why(&failed.unwrap_err()).ends_with("“no role”."), "its last words are told");
    assert_eq!(after, before, "files and threads");
}

#[test]
fn it_reads_nothing_and_sees_the_environment() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let file = pki.write("printed", alice.combined_pem());
    let line = format!("test -z \"$(cat)\" && test -n \"$PATH\" && cat '{}'", file.display());
    is(run(&["sh", "-c", &line]), &alice, "stdin is closed");
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).expect("chmod");
}
