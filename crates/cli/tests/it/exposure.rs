//! What others can see of keys: their files, and the memory of the process.
#![cfg(unix)]
#![expect(clippy::expect_used, reason = "a helper of tests panics as a test does")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Command;

use mcp_mtls_testkit::mcp::McpServer;
use mcp_mtls_testkit::pki::Pki;

use crate::stage::{LATEST, connect, refusal, whoami};

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

#[tokio::test]
async fn a_key_that_everybody_can_read_is_noted_once_and_one_that_others_can_write_is_refused() {
    let pki = Pki::new();
    let server = McpServer::start(&pki).await;
    let client = pki.client("alice");
    chmod(&client.key_file, 0o644);
    let mut host = connect(&pki, &server.url(), &client);
    host.initialize(LATEST).await;
    for _ in 0..3 {
        assert_eq!(whoami(&mut host).await, client.fingerprint);
    }
    host.close_stdin();
    host.wait_exit(std::time::Duration::from_secs(5)).await;
    let stderr = host.stderr();
    let start = "warning: Every user of this machine can read the file of the private key: Its mode is 0644.";
    let end = format!("Run chmod go-r '{}'.\n", client.key_file.display());
    assert!(stderr.starts_with(start) && stderr.ends_with(&end) && stderr.lines().count() == 1, "{stderr}");

    chmod(&client.key_file, 0o666);
    let verified = server.verified().len();
    let error = refusal(&mut connect(&pki, &server.url(), &client)).await;
    assert_eq!(error["data"]["code"], "secret-exposed", "{error}");
    assert_eq!(server.verified().len(), verified, "nothing goes out with it");
}

#[cfg(target_os = "linux")]
#[test]
fn other_processes_of_the_user_cannot_read_the_memory_of_a_bridge_nor_find_it_on_disk() {
    // A folder that every user can reach, since the superuser is put in the place of another.
    let folder = tempfile::tempdir().expect("a folder");
    chmod(folder.path(), 0o755);
    let copy = folder.path().join("mcp-mtls");
    std::fs::copy(crate::stage::binary(), &copy).expect("a copy");
    chmod(&copy, 0o755);
    // What is read of a process that is open, so that it is known to be there to read.
    let (memory, _) = seen_by_another_process(&mut Command::new("cat"));
    assert!(memory, "a process that is open");
    let seen = seen_by_another_process(Command::new(&copy).args(["connect", "http://localhost:1/"]));
    assert_eq!(seen, (false, "0 0".to_owned()), "a bridge");
}

/// Whether another process of the same user may read the memory of this program, which answers lines with lines,
/// and how large a core file it may leave, by its soft and its hard limit. The superuser may read all, and so
/// lets another user run both.
#[cfg(target_os = "linux")]
fn seen_by_another_process(program: &mut Command) -> (bool, String) {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::process::CommandExt as _;
    use std::process::Stdio;

    const NOBODY: u32 = 65534;
    let demoted = |command: &mut Command| {
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
    };
    demoted(program);
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let (mut stdin, stdout) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
    writeln!(stdin, r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{}}}}"#).expect("it reads");
    let mut answer = String::new();
    BufReader::new(stdout).read_line(&mut answer).expect("it answers");
    assert!(answer.contains(r#""id":1"#), "{answer}");
    let process = format!("/proc/{}", child.id());
    let mut reader = Command::new("cat");
    demoted(reader.arg(format!("{process}/maps")).stdout(Stdio::null()).stderr(Stdio::null()));
    let memory = reader.status().expect("it runs").success();
    let limits = std::fs::read_to_string(format!("{process}/limits")).expect("it runs");
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).expect("a limit");
    let core = core.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    child.kill().expect("it runs");
    child.wait().expect("it has ended");
    (memory, core)
}
