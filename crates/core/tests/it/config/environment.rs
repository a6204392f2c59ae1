//! What depends on the environment. Each case runs in a child with an environment of its own,
//! since that of a process with several threads cannot be changed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use mcp_mtls_core::config::{Content, find};

use super::{Folder, headers, told, with};

/// What becomes of the entry `corp` in a process with these variables alone.
fn under<V: AsRef<OsStr>>(folder: &Folder, variables: &[(&str, V)]) -> String {
    let answer = folder.path().join("answer");
    let mut child = Command::new(std::env::current_exe().expect("the tests are a program"));
    child.args(["--exact", "config::environment::answer"]).env_clear().current_dir(folder.path());
    child.env(ANSWER, &answer).envs(variables.iter().map(|(name, value)| (name, value)));
    let output = child.output().expect("the child runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let text = std::fs::read_to_string(&answer).expect("the child answers");
    text.replace(&folder.path().display().to_string(), "[dir]")
}

/// The child. As a test among the others it has nothing to do.
#[test]
fn answer() {
    let Some(path) = std::env::var_os(ANSWER) else { return };
    let text = match find("corp", None).and_then(|entry| entry.resolve()) {
        Err(failure) => told(&failure),
        Ok(endpoint) if endpoint.tls.spiffe.is_some() => {
            let spiffe = endpoint.tls.spiffe.map(|spiffe| (spiffe.socket, spiffe.socket_origin.to_string()));
            format!("socket: {spiffe:?}")
        }
        Ok(endpoint) => {
            let ca = endpoint.tls.ca.as_ref().map(|ca| match &ca.content {
                Content::File(path) => path.display().to_string(),
                other => format!("{other:?}"),
            });
            let proxy = endpoint.proxy.proxy.as_ref().map(|(proxy, origin)| format!("{} of {origin}", proxy.expose()));
            [
                format!("url: {}", endpoint.url),
                format!("headers: {:?}", headers(&endpoint)),
                format!("ca: {}", ca.unwrap_or_default()),
                format!("proxy: {}", proxy.unwrap_or_default()),
                format!("except: {}", endpoint.proxy.except.unwrap_or_default()),
            ]
            .join("\n")
        }
    };
    std::fs::write(path, text).expect("the answer can be written");
}

/// A folder with this configuration in `config/`, and one with another URL in `home/`.
fn homes(keys: &str) -> (Folder, String, String) {
    let folder = Folder::new();
    let (config, home) = (folder.path().join("config"), folder.path().join("home"));
    for (root, url) in
        [(config.clone(), "https://corp.example/mcp"), (home.join(".config"), "https://home.example/mcp")]
    {
        std::fs::create_dir_all(root.join("mcp-mtls")).expect("a folder");
        let text = with(keys).replace("https://corp.example/mcp", url);
        std::fs::write(root.join("mcp-mtls/config.jsonc"), text).expect("a file");
    }
    let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let (config, home) = (text(&config), text(&home));
    (folder, config, home)
}

#[test]
fn the_file_is_that_of_the_user() {
    let (folder, config, home) = homes("");
    let url = |variables: &[(&str, &str)]| under(&folder, variables).lines().next().unwrap_or_default().to_owned();
    assert_eq!(url(&[("XDG_CONFIG_HOME", &config), ("HOME", &home)]), "url: https://corp.example/mcp");
    assert_eq!(url(&[("HOME", &home)]), "url: https://home.example/mcp");
    assert_eq!(url(&[("XDG_CONFIG_HOME", ""), ("HOME", &home)]), "url: https://home.example/mcp");
    // The XDG specification says that a relative path counts as unset.
    assert_eq!(url(&[("XDG_CONFIG_HOME", "config"), ("HOME", &home)]), "url: https://home.example/mcp");
}

#[test]
fn a_broken_file_of_the_user_is_not_passed_over() {
    let (folder, config, _) = homes(r#""tls": { "crt": "" }"#);
    assert!(under(&folder, &[("XDG_CONFIG_HOME", &config)]).starts_with("config-unknown-key"));
    std::fs::write(Path::new(&config).join("mcp-mtls/config.jsonc"), "{").unwrap();
    assert!(under(&folder, &[("XDG_CONFIG_HOME", &config)]).starts_with("config-syntax"));
}

#[test]
fn without_a_file() {
    if Path::new("/etc/mcp-mtls/config.jsonc").exists() {
        return; // Then there is one.
    }
    let folder = Folder::new();
    assert_snapshot!(under(&folder, &[("HOME", folder.path())]), @"
    config-unreadable: There is no configuration file
    at: [dir]/.config/mcp-mtls/config.jsonc
    at: /etc/mcp-mtls/config.jsonc
    fix: Add an entry with `mcp-mtls add NAME URL`.
    ");
    assert_snapshot!(under::<&str>(&folder, &[]), @"
    config-unreadable: There is no configuration file
    at: /etc/mcp-mtls/config.jsonc
    why: The environment names no home folder, where yours would be; some hosts clear it.
    fix: Set HOME in the host's `env`, or give --config /ABSOLUTE/PATH.
    fix: Add an entry with `mcp-mtls add NAME URL`.
    ");
}

#[test]
fn the_tilde_is_the_home_folder() {
    let (folder, config, home) = homes(r#""tls": { "ca": "~/ca.pem" }"#);
    let told = under(&folder, &[("XDG_CONFIG_HOME", &config), ("HOME", &home)]);
    assert!(told.contains("\nca: [dir]/home/ca.pem\n"), "{told}");
    assert_snapshot!(under(&folder, &[("XDG_CONFIG_HOME", &config)]), @"
    reference-unresolved: `~` has no meaning here
    at: [dir]/config/mcp-mtls/config.jsonc:3, mcp.corp.tls.ca
    why: The environment names no home folder; some hosts clear it.
    fix: Write the absolute path.
    ");
}

#[test]
fn variables_are_sent_as_they_are() {
    let (folder, config, _) = homes(r#""headers": { "A": "{env:TEAM}", "B": "${TEAM}", "C": "x${env:TEAM}x" }"#);
    let told = under(&folder, &[("XDG_CONFIG_HOME", config.as_str()), ("TEAM", "{env:XDG_CONFIG_HOME} $TEAM")]);
    let value = "{env:XDG_CONFIG_HOME} $TEAM";
    assert!(
        told.contains(&format!("headers: {:?}", [("a", value), ("b", value), ("c", &format!("x{value}x"))])),
        "{told}"
    );
    let told = under(&folder, &[("XDG_CONFIG_HOME", config.as_str()), ("TEAM", "")]);
    assert!(told.contains(r#"[("a", ""), "#), "{told}");
    let told = under(&folder, &[("XDG_CONFIG_HOME", config.as_str())]);
    assert!(told.starts_with("reference-unresolved: The environment variable `TEAM` is not set"), "{told}");
    let bytes = OsStr::from_bytes(b"\xff");
    let told = under(&folder, &[("XDG_CONFIG_HOME", OsStr::new(&config)), ("TEAM", bytes)]);
    assert!(told.starts_with("reference-unresolved: The environment variable `TEAM` is not UTF-8 text"), "{told}");
}

#[test]
fn proxies_of_the_environment() {
    let (folder, config, _) = homes("");
    let proxy = |variables: &[(&str, &str)]| {
        let told = under(&folder, &[&[("XDG_CONFIG_HOME", config.as_str())], variables].concat());
        told.split_once("proxy: ").map(|(_, proxy)| proxy.replace('\n', ", ")).unwrap_or(told)
    };
    let of = |value: &str, name: &str| format!("{value} of the environment variable {name}, except: ");
    assert_eq!(proxy(&[("ALL_PROXY", "a")]), of("a", "ALL_PROXY"));
    assert_eq!(proxy(&[("all_proxy", "b"), ("ALL_PROXY", "a")]), of("b", "all_proxy"));
    assert_eq!(proxy(&[("HTTPS_PROXY", "c"), ("all_proxy", "b")]), of("c", "HTTPS_PROXY"));
    assert_eq!(proxy(&[("https_proxy", "d"), ("HTTPS_PROXY", "c")]), of("d", "https_proxy"));
    assert_eq!(proxy(&[("https_proxy", ""), ("HTTPS_PROXY", "c")]), of("c", "HTTPS_PROXY"));
    assert_eq!(proxy(&[("HTTP_PROXY", "c")]), ", except: ");
    assert_eq!(proxy(&[("NO_PROXY", "x"), ("no_proxy", "y")]), ", except: y");
}

#[test]
fn a_proxy_that_is_no_text_is_not_passed_over() {
    let (folder, config, _) = homes("");
    let told = under(&folder, &[("XDG_CONFIG_HOME", OsStr::new(&config)), ("HTTPS_PROXY", OsStr::from_bytes(b"\xff"))]);
    assert!(told.contains("proxy: \u{fffd} of the environment variable HTTPS_PROXY"), "{told}");
}

#[test]
fn the_proxy_of_an_entry_stands_over_that_of_the_environment() {
    let (folder, config, _) = homes(r#""proxy": "http://own.example""#);
    let told = under(&folder, &[("XDG_CONFIG_HOME", config.as_str()), ("HTTPS_PROXY", "c"), ("NO_PROXY", "*")]);
    assert!(
        told.ends_with("proxy: http://own.example of [dir]/config/mcp-mtls/config.jsonc:3, mcp.corp.proxy\nexcept: "),
        "{told}"
    );
}

/// Names the file into which a child writes its answer.
const ANSWER: &str = "MCP_MTLS_TEST_ANSWER";

#[test]
fn the_socket_of_the_workload_api() {
    let (folder, config, _) = homes(r#""tls": { "spiffe": { "anyInTrustDomain": true } }"#);
    let told =
        |socket: &str| under(&folder, &[("XDG_CONFIG_HOME", config.as_str()), ("SPIFFE_ENDPOINT_SOCKET", socket)]);
    let found = r#"socket: Some(("/run/agent.sock", "the environment variable SPIFFE_ENDPOINT_SOCKET"))"#;
    assert_eq!(told("unix:///run/agent.sock"), found);
    assert_snapshot!(told("tcp://127.0.0.1:8081"), @"
    config-invalid-value: The socket of the Workload API cannot be used
    at: the environment variable SPIFFE_ENDPOINT_SOCKET
    why: It is “tcp://127.0.0.1:8081”. The standard knows TCP sockets too; here only Unix sockets are supported.
    fix: Write unix:///PATH, with the absolute path of the socket.
    ");
    assert_snapshot!(told(""), @r#"
    config-invalid-value: The socket of the Workload API is not known
    at: [dir]/config/mcp-mtls/config.jsonc:3, mcp.corp.tls.spiffe
    why: `socket` is not set, and neither is SPIFFE_ENDPOINT_SOCKET; some hosts clear it.
    fix: Set `socket`, as in "unix:///run/spire/agent.sock".
    "#);
}
