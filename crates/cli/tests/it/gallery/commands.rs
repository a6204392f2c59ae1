//! Commands other than `connect`, and the library.

use std::path::Path;
use std::process::Command;

use mcp_mtls_core::config::{Entry, EntrySettings};
use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_core::remote::Remote;
use mcp_mtls_testkit::mcp::McpServer;
use serde_json::json;

use super::case::{case, path};
use crate::run::{BINARY, Outcome, mcp_mtls};

/// The outcome of a command that was described by hand.
fn outcome(command: &mut Command) -> Outcome {
    let output = command.stdin(std::process::Stdio::null()).output().expect("it runs");
    Outcome {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_file_that_exists_is_not_overwritten() {
    let mut case = case("file-exists", Code::FileExists, Side::Ours);
    let folder = case.pki.dir().to_owned();
    mcp_mtls(&folder, &["certs", "ca"]).succeeded();
    mcp_mtls(&folder, &["certs", "client", "alice"]).succeeded();
    case.fails(&folder, &["certs", "client", "alice"]);
    case.end();
}

#[test]
fn a_folder_that_cannot_be_made() {
    let mut case = case("file-unwritable", Code::FileUnwritable, Side::Ours);
    case.file("taken", "a file");
    let folder = case.pki.dir().to_owned();
    case.fails(&folder, &["certs", "ca", "--out", "taken/certs"]);
    case.end();
}

#[test]
fn a_file_to_show_that_is_not_there() {
    let mut case = case("shown-file-missing", Code::FileUnreadable, Side::Ours);
    let folder = case.pki.dir().to_owned();
    case.fails(&folder, &["certs", "show", "nothing.pem"]);
    case.end();
}

#[test]
fn a_name_that_no_certificate_has() {
    let mut case = case("usage-invalid-name", Code::UsageInvalid, Side::Ours);
    let folder = case.pki.dir().to_owned();
    mcp_mtls(&folder, &["certs", "ca"]).succeeded();
    case.fails(&folder, &["certs", "server", "https://mcp.example/mcp"]);
    case.end();
}

#[cfg(unix)]
#[test]
fn a_demo_where_everybody_can_replace_the_keys() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut case = case("demo-failed", Code::DemoFailed, Side::Ours);
    let folder = case.pki.dir().join("shared");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let outcome = mcp_mtls(&folder, &["demo", "--keep", "kept"]);
    let outcome = Outcome { stdout: String::new(), ..outcome };
    case.failed("demo", &outcome);
    case.end();
}

#[cfg(unix)]
#[test]
fn a_system_without_descriptors_to_spare() {
    let mut case = case("system-failed", Code::SystemFailed, Side::Ours);
    // Stdin, stdout, stderr and a few: too few for an event queue.
    let script = format!("ulimit -n 5; exec '{BINARY}' connect https://localhost:1/");
    case.failed("ulimit -n 5", &outcome(Command::new("/bin/sh").args(["-c", &script])));
    case.end();
}

#[tokio::test]
async fn an_application_whose_call_is_answered_with_an_error() {
    let mut case = case("server-error", Code::ServerError, Side::Theirs);
    let client = case.pki.client("alice");
    let server = McpServer::start(&case.pki).await;
    let ca = std::fs::read_to_string(Path::new(&case.pki.server_ca_file())).unwrap();
    let settings = EntrySettings::new(&server.url()).identity(&client.cert_pem, &client.key_pem).ca(&ca);
    let remote = Remote::new(&Entry::new(settings).resolve().unwrap()).unwrap();
    remote.initialize("test", "1").await.unwrap();
    let failure = remote.call("x/unheard-of", json!({})).await.unwrap_err();
    case.tell("a call of the library", &serde_json::to_value(&failure).unwrap(), None, None);
    case.verified("a call of the library", &server.verified(), Some(&client));
    remote.close().await;
    case.end();
}

#[test]
fn a_certificate_that_cannot_be_fetched() {
    let mut case = case("fetch-connect-failed", Code::ConnectFailed, Side::Between);
    let folder = case.pki.dir().to_owned();
    let file = path(&folder.join("fetched.pem"));
    case.fails(&folder, &["certs", "fetch", "https://localhost:1", "--out", &file]);
    case.end();
}
