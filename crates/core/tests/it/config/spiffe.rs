//! The settings of `tls.spiffe`: which are taken, and every way in which they are refused.

use insta::assert_snapshot;
use mcp_mtls_core::config::{Spiffe, SpiffeServer};

use super::{entry, refused, with};

const SOCKET: &str = r#""socket": "unix:///run/agent.sock""#;

fn spiffe(keys: &str) -> Spiffe {
    entry(&format!(r#""tls": {{ "spiffe": {{ {keys} }} }}"#))
        .expect("settings that are taken")
        .tls
        .spiffe
        .expect("they are there")
}

fn refused_spiffe(keys: &str) -> String {
    refused(with(&format!(r#""tls": {{ "spiffe": {{ {keys} }} }}"#)))
}

#[test]
fn a_server_by_its_id_or_any_of_the_trust_domain() {
    let by_id = spiffe(&format!(r#"{SOCKET}, "id": "spiffe://corp/agent", "serverId": "spiffe://corp/mcp""#));
    assert_eq!(by_id.socket.to_str(), Some("/run/agent.sock"));
    assert_eq!(by_id.id.unwrap().as_str(), "spiffe://corp/agent");
    assert!(matches!(by_id.server, SpiffeServer::Id(id) if id.as_str() == "spiffe://corp/mcp"));
    let any = spiffe(&format!(r#"{SOCKET}, "anyInTrustDomain": true"#));
    assert!(any.id.is_none() && matches!(any.server, SpiffeServer::AnyInTrustDomain));
    let not_any = spiffe(&format!(r#"{SOCKET}, "anyInTrustDomain": false, "serverId": "spiffe://corp/mcp""#));
    assert!(matches!(not_any.server, SpiffeServer::Id(_)));
}

#[test]
fn a_server_that_could_be_anybody_is_refused() {
    let told = refused_spiffe(SOCKET);
    assert_snapshot!(told, @r#"
    config-conflict: `spiffe` does not say which server is meant
    at: [dir]/config.jsonc:3, mcp.corp.tls.spiffe
    why: A server is known by its SPIFFE ID: one ID, or, said out loud, any ID in our own trust domain.
    fix: Set `serverId` to the SPIFFE ID of the server, as in "spiffe://corp.example/mcp".
    fix: Set `anyInTrustDomain` to true instead, when every workload of the trust domain may be the server.
    "#);
    assert_eq!(refused_spiffe(&format!(r#"{SOCKET}, "anyInTrustDomain": false"#)), told);
    let both = refused_spiffe(&format!(r#"{SOCKET}, "anyInTrustDomain": true, "serverId": "spiffe://corp/mcp""#));
    assert!(both.starts_with("config-conflict: There are both `serverId` and `anyInTrustDomain`\nat: [dir]/config.jsonc:3, mcp.corp.tls.spiffe.serverId"), "{both}");
}

#[test]
fn ids_of_workloads() {
    assert_snapshot!(refused_spiffe(&format!(r#"{SOCKET}, "serverId": "spiffe://Corp/mcp""#)), @"
    config-invalid-value: `serverId` is not a SPIFFE ID
    at: [dir]/config.jsonc:3, mcp.corp.tls.spiffe.serverId
    why: “spiffe://Corp/mcp” has a trust domain that is not lower-case letters, digits, dots, hyphens and underscores.
    fix: Write spiffe://TRUST-DOMAIN/PATH.
    ");
    let own = refused_spiffe(&format!(r#"{SOCKET}, "id": "spiffe://corp", "serverId": "spiffe://corp/mcp""#));
    assert!(own.contains("`id` is not a SPIFFE ID"), "{own}");
    assert!(own.contains("“spiffe://corp” names a trust domain alone, and no workload in it."), "{own}");
}

#[test]
fn sockets() {
    let server = r#""serverId": "spiffe://corp/mcp""#;
    let with_socket = |socket: &str| format!(r#""socket": "{socket}", {server}"#);
    for socket in ["unix:///run/a%20b.sock", "unix:/run/a%20b.sock"] {
        assert_eq!(spiffe(&with_socket(socket)).socket.to_str(), Some("/run/a b.sock"), "{socket}");
    }
    assert_snapshot!(refused_spiffe(&with_socket("tcp://127.0.0.1:8081")), @"
    config-invalid-value: The socket of the Workload API cannot be used
    at: [dir]/config.jsonc:3, mcp.corp.tls.spiffe.socket
    why: It is “tcp://127.0.0.1:8081”. The standard knows TCP sockets too; here only Unix sockets are supported.
    fix: Write unix:///PATH, with the absolute path of the socket.
    ");
    for socket in [
        "/run/agent.sock",
        "unix://run/agent.sock",
        "unix:run/agent.sock",
        "unix:",
        "unix:///a?b",
        "unix:///a#b",
        "unix:///%ff",
    ] {
        let told = refused_spiffe(&with_socket(socket));
        assert!(told.starts_with("config-invalid-value: The socket of the Workload API cannot be used"), "{told}");
    }
}

#[test]
fn nothing_stands_beside_them() {
    assert_snapshot!(refused(with(r#""tls": { "ca": "ca.pem", "spiffe": {} }"#)), @"
    config-conflict: There are both `spiffe` and `ca`
    at: [dir]/config.jsonc:3, mcp.corp.tls.spiffe
    at: [dir]/config.jsonc:3, mcp.corp.tls.ca
    why: With `spiffe`, the certificate, its key and the trusted CAs all come from the Workload API.
    fix: Remove `ca`, or remove `spiffe`.
    ");
    for (name, value) in
        [("cert", r#""me.pem""#), ("key", r#""me.key""#), ("passphrase", r#""{env:A}""#), ("systemRoots", "false")]
    {
        let told = refused(with(&format!(r#""tls": {{ "{name}": {value}, "spiffe": {{}} }}"#)));
        assert!(told.starts_with(&format!("config-conflict: There are both `spiffe` and `{name}`")), "{told}");
    }
    let plain = with(r#""tls": { "spiffe": {} }"#).replace("https://corp.example", "http://localhost");
    assert!(refused(plain).starts_with("config-conflict: TLS settings cannot be used with an http:// URL"));
}

#[test]
fn keys_and_values() {
    assert_snapshot!(refused_spiffe(r#""serverID": "spiffe://corp/mcp""#), @"
    config-unknown-key: `mcp.corp.tls.spiffe.serverID` is not a setting
    at: [dir]/config.jsonc:3, mcp.corp.tls.spiffe.serverID
    fix: Did you mean `serverId`?
    ");
    for (keys, why) in [
        (r#""spiffe": true"#, "It is true; an object is expected."),
        (r#""spiffe": { "anyInTrustDomain": "true" }"#, "It is text; true or false is expected."),
        (r#""spiffe": { "serverId": true }"#, "It is true; text in quotation marks is expected."),
    ] {
        let told = refused(with(&format!(r#""tls": {{ {keys} }}"#)));
        assert!(told.contains(why), "{told}");
    }
}
