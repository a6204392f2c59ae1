//! An nginx that from one moment to the next accepts certificates of another CA alone.

use std::path::{Path, PathBuf};

use mcp_mtls_testkit::Pki;
use mcp_mtls_testkit::pki::Client;
use serde_json::json;

use super::everything::Everything;
use super::nginx::{Nginx, Speaks, logged_fingerprint};
use super::{Case, Stage, end, shown, tool_text};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for tls in ["1.3", "1.2"] {
        for http2 in [false, true] {
            let http = if http2 { "HTTP/2" } else { "HTTP/1.1" };
            for by_program in [false, true] {
                let form = if by_program { "printed by a program" } else { "in files" };
                let name = format!("nginx, TLS {tls}, {http}: another CA, the new certificate {form}");
                cases.push(Case::new(name, move |stage| Box::pin(renewed(stage, Speaks { tls, http2 }, by_program))));
            }
        }
    }
    cases
}

/// A program's certificate is made anew only when the old one is refused, so nginx sees both then.
async fn renewed(stage: &Stage, speaks: Speaks, by_program: bool) {
    let everything = Everything::start(stage).await;
    let mut nginx = Nginx::start(stage, speaks, everything.port).await;
    let other = Pki::new();
    let (alice, bob) = (stage.pki.client("alice"), other.client("bob"));
    let current = stage.pki.dir().join("current.pem");
    put(&current, &alice);
    let mut args = stage.flags(&nginx.url(), None);
    let source = if by_program { format!("{{command:cat {}}}", shown(&current)) } else { shown(&current) };
    args.extend(["--cert".to_owned(), source.clone(), "--key".to_owned(), source]);
    let mut host = stage.connect(args.iter().map(String::as_str));
    host.initialize("2025-11-25").await;
    assert_eq!(tool_text(&host.call("echo", json!({"message": "before"})).await), "Echo: before");

    put(&current, &bob);
    nginx.restart_trusting(&other.client_ca_file()).await;
    for number in 0..20 {
        let message = format!("after {number}");
        let answer = host.call("echo", json!({ "message": message })).await;
        assert_eq!(tool_text(&answer), format!("Echo: {message}"));
    }
    end(host).await;

    let requests = nginx.requests_until(|all| all.iter().any(|one| one["method"] == "DELETE")).await;
    let calls = requests.iter().filter(|request| request["method"] == "POST" && request["status"] == 200);
    let of = |client: &Client, request: &&serde_json::Value| {
        logged_fingerprint(request).as_deref() == Some(client.fingerprint.as_str())
    };
    let (before, after): (Vec<_>, Vec<_>) = calls.partition(|request| of(&alice, request));
    // The one that was ended had perhaps not logged its last request yet.
    assert!(!before.is_empty(), "no request before it");
    let strangers = after.iter().filter(|request| !of(&bob, request)).count();
    assert_eq!((after.len(), strangers), (20, 0));
    if by_program {
        let refused = requests.iter().filter(|request| request["status"] == 400).collect::<Vec<_>>();
        assert!(!refused.is_empty(), "it was refused once");
        assert!(refused.iter().all(|request| of(&alice, request)), "the old one alone was refused");
    }
}

/// Puts certificate and key of this client in the place of those before.
fn put(path: &Path, client: &Client) {
    let next: PathBuf = path.with_extension("next");
    std::fs::write(&next, client.combined_pem()).unwrap_or_else(|e| panic!("{}: {e}", next.display()));
    std::fs::rename(&next, path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
