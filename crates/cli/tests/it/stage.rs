//! Hosts that start `mcp-mtls connect` towards a staged server.

use std::path::Path;

use mcp_mtls_testkit::host::{Host, HostBuilder};
use mcp_mtls_testkit::pki::{Client, Pki};
use serde_json::{Value, json};

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_mcp-mtls"))
}

/// A host that runs `connect` with these arguments.
pub(crate) fn host<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> HostBuilder {
    Host::builder(binary()).args(["connect"]).args(arguments)
}

/// A host that connects to `url` with this certificate, trusting the staged server CA.
pub(crate) fn connect(pki: &Pki, url: &str, client: &Client) -> Host {
    towards(pki, url, client).spawn()
}

/// The same, before it is started.
pub(crate) fn towards(pki: &Pki, url: &str, client: &Client) -> HostBuilder {
    let ca = pki.server_ca_file();
    host([Path::new(url), Path::new("--ca"), ca.as_ref()]).args([
        Path::new("--cert"),
        client.cert_file.as_ref(),
        Path::new("--key"),
        client.key_file.as_ref(),
    ])
}

/// A host that connects to `url` without a certificate, trusting the staged server CA.
pub(crate) fn anonymous(pki: &Pki, url: &str) -> Host {
    let ca = pki.server_ca_file();
    host([Path::new(url), Path::new("--ca"), ca.as_ref()]).spawn()
}

/// The parameters of `initialize`, for hosts that send it by hand.
pub(crate) fn hello(version: &str) -> Value {
    json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } })
}

/// The error with which `initialize` is answered.
pub(crate) async fn refusal(host: &mut Host) -> Value {
    let answer = host.request("initialize", hello(LATEST)).await;
    host.stdout_is_pure();
    let error = answer.get("error").unwrap_or_else(|| panic!("an error was expected: {answer}")).clone();
    assert_eq!((&error["code"], &error["data"]["source"]), (&json!(-31000), &json!("mcp-mtls")), "{error}");
    is_told_well(&error);
    error
}

/// Asserts of an error of ours what holds for every one: hosts that cut a message after 200 characters show what
/// failed and what to do, and no words of a library stand where a person looks.
pub(crate) fn is_told_well(error: &Value) {
    let (message, data) = (error["message"].as_str().unwrap_or_default(), &error["data"]);
    assert!(message.chars().count() <= 200, "{} characters: {error:#}", message.chars().count());
    // What the host itself brought about is not mended.
    let told = data["fix"][0].as_str().is_some_and(|fix| message.ends_with(fix)) || data["side"] == "host";
    assert!(told, "nothing to do: {error:#}");
    for part in ["what", "why", "fix"] {
        let words = data[part].to_string();
        for raw in ["os error", "library says", "system says", "verifier says", "resolver says", "hyper::", "rustls"] {
            assert!(!words.contains(raw), "{raw}: {error:#}");
        }
    }
}

/// A line as JSON.
pub(crate) fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON ({e}): {line}"))
}

/// Asserts that a line is an error of ours, and returns its data.
pub(crate) fn ours(line: &str, id: usize, code: &str) -> Value {
    let answer = parsed(line);
    let (error, data) = (&answer["error"], &answer["error"]["data"]);
    assert_eq!((&answer["id"], &error["code"]), (&json!(id), &json!(-31000)), "{line}");
    assert_eq!((&data["source"], &data["code"]), (&json!("mcp-mtls"), &json!(code)), "{line}");
    is_told_well(error);
    data.clone()
}

/// What the `whoami` tool says of the certificate that the server verified.
pub(crate) async fn whoami(host: &mut Host) -> String {
    let answer = host.call("whoami", json!({})).await;
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
}

/// The latest revision that is spoken.
pub(crate) const LATEST: &str = "2025-11-25";
