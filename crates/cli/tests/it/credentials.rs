//! Headers whose files and programs give another value after a 401.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper of tests panics as a test does")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use mcp_mtls_testkit::host::Host;
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::TlsServer;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::stage::{LATEST, refusal, towards};

/// A server that answers 401 to every token but those that are valid, and a bridge towards it.
struct Stage {
    pki: Pki,
    server: TlsServer,
    valid: Arc<Mutex<HashSet<String>>>,
}

impl Stage {
    /// Messages without an id need no token. Calls with a wrong one are refused once `together` of them are there.
    async fn new(together: usize) -> Self {
        let pki = Pki::new();
        let valid = Arc::new(Mutex::new(HashSet::new()));
        let (tokens, barrier) = (valid.clone(), Arc::new(Barrier::new(together)));
        let handler = move |request: Request<Bytes>, _| {
            let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
            let token = token.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
            let known = tokens.lock().unwrap().contains(token);
            let (message, barrier) = (message(&request), barrier.clone());
            async move {
                // What the bridge sends of its own accord would come between.
                if message["id"].is_null() {
                    return reply::empty(if message.is_null() { 405 } else { 202 });
                }
                if known {
                    return reply::json(200, result(&message));
                }
                if message["method"] == "tools/call" {
                    barrier.wait().await;
                }
                reply::text(401, "who are you?")
            }
        };
        let server = TlsServer::builder(&pki).alpn(&["h2", "http/1.1"]).handler(handler).start().await;
        Self { pki, server, valid }
    }

    /// From now on only this token is valid.
    fn accept(&self, token: &str) {
        *self.valid.lock().unwrap() = HashSet::from([token.to_owned()]);
    }

    /// The file that holds the token, and in the same folder the program that prints it.
    fn token(&self, token: &str) -> PathBuf {
        self.pki.write("token", format!("{token}\n").as_bytes())
    }

    /// A program that prints the token, and writes a line into `runs` each time.
    fn program(&self) -> (String, PathBuf) {
        let folder = self.token("one").parent().expect("a file is in a folder").to_owned();
        let script = format!("cd '{}'\necho run >> runs\nexec cat token\n", folder.display());
        let script = self.pki.write("print-token", script.as_bytes());
        (format!("Authorization: Bearer {{command:sh '{}'}}", script.display()), folder.join("runs"))
    }

    fn host(&self, header: &str) -> Host {
        let client = self.pki.client("alice");
        let host = towards(&self.pki, &self.server.url("/mcp"), &client).args(["-H", header, "-H", "X-Team: blue"]);
        host.env("TOKEN", "one").spawn()
    }

    /// The tokens of all requests with this method, in order.
    fn tokens(&self, method: &str) -> Vec<String> {
        let requests = self.server.requests();
        let requests = requests.iter().filter(|request| request.text().contains(&format!("\"{method}\"")));
        requests.map(|request| request.header("authorization").unwrap_or_default().to_owned()).collect()
    }
}

fn message(request: &Request<Bytes>) -> Value {
    serde_json::from_slice(request.body()).unwrap_or_default()
}

fn result(request: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": request["id"], "result": { "protocolVersion": LATEST } }).to_string()
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

#[tokio::test]
async fn a_file_that_changed_is_read_again_each_time_it_must_be() {
    let stage = Stage::new(1).await;
    let file = stage.token("one");
    stage.accept("one");
    let mut host = stage.host(&format!("Authorization: Bearer {{file:{}}}", file.display()));
    assert!(host.initialize(LATEST).await["result"].is_object());
    for token in ["two", "three", "four"] {
        stage.token(token);
        stage.accept(token);
        let answer = host.call("x", json!({})).await;
        assert!(answer["result"].is_object(), "{answer:#}");
    }
    let expected = ["one", "two", "two", "three", "three", "four"].map(|token| format!("Bearer {token}"));
    assert_eq!(stage.tokens("tools/call"), expected);
    // The rest of the request stays what it was.
    let requests = stage.server.requests();
    let calls: Vec<_> = requests.iter().filter(|request| request.text().contains("tools/call")).collect();
    assert_eq!((calls[0].text(), calls[0].header("x-team")), (calls[1].text(), calls[1].header("x-team")));
    assert_eq!(stage.server.connections().len(), 1, "a refusal costs no connection");
}

#[tokio::test]
async fn a_token_that_expired_before_the_start_is_renewed_for_initialize() {
    let stage = Stage::new(1).await;
    let (header, runs) = stage.program();
    // The program's first token is old already, as one from a cache is.
    let folder = runs.parent().expect("a file is in a folder").display();
    stage.pki.write("print-token", format!("cd '{folder}'\necho run >> runs\nwc -l < runs | tr -d ' '\n"));
    stage.accept("2");
    let mut host = stage.host(&header);
    assert!(host.initialize(LATEST).await["result"].is_object());
    assert_eq!(stage.tokens("initialize"), ["Bearer 1", "Bearer 2"]);
}

#[tokio::test]
async fn a_value_that_is_the_same_is_not_sent_again() {
    let stage = Stage::new(1).await;
    let (header, runs) = stage.program();
    let error = refusal(&mut stage.host(&header)).await;
    assert_eq!(error["data"]["evidence"]["status"], 401, "{error:#}");
    assert_eq!((stage.tokens("initialize").len(), lines(&runs)), (1, 2));
}

#[tokio::test]
async fn a_value_that_no_reference_can_change_is_not_sent_again() {
    let stage = Stage::new(1).await;
    let error = refusal(&mut stage.host("Authorization: Bearer {env:TOKEN}")).await;
    assert_eq!(error["data"]["evidence"]["status"], 401, "{error:#}");
    assert_eq!(stage.tokens("initialize"), ["Bearer one"]);
}

#[tokio::test]
async fn a_second_refusal_is_told() {
    let stage = Stage::new(1).await;
    let file = stage.token("one");
    stage.accept("one");
    let mut host = stage.host(&format!("Authorization: Bearer {{file:{}}}", file.display()));
    host.initialize(LATEST).await;
    stage.token("two");
    stage.accept("three");
    let answer = host.call("x", json!({})).await;
    assert_eq!(answer["error"]["data"]["evidence"]["status"], 401, "{answer:#}");
    assert_eq!(stage.tokens("tools/call"), ["Bearer one", "Bearer two"]);
}

#[tokio::test]
async fn why_a_value_could_not_be_renewed_is_told_with_the_refusal() {
    let stage = Stage::new(1).await;
    let file = stage.token("hunter2");
    stage.accept("hunter2");
    let mut host = stage.host(&format!("Authorization: Bearer {{file:{}}}", file.display()));
    host.initialize(LATEST).await;
    stage.accept("other");
    std::fs::remove_file(&file).expect("the file can be removed");
    let answer = host.call("x", json!({})).await;
    let data = &answer["error"]["data"];
    assert_eq!((&data["code"], &data["evidence"]["status"]), (&json!("http-unauthorized"), &json!(401)), "{answer:#}");
    let why = format!(
        "The headers could not be renewed: The file `token` of a reference cannot be read (-H Authorization on the \
         command line, {}). There is no such file.",
        file.display()
    );
    assert!(data["why"].as_array().expect("reasons").contains(&json!(why)), "{answer:#}");
    // What cannot be sent is as bad, and told without the value.
    stage.token("hunter2\u{7}hunter2");
    let answer = host.call("x", json!({})).await;
    assert!(answer["error"]["data"]["why"].to_string().contains("cannot be sent"), "{answer:#}");
    assert!(!answer.to_string().contains("hunter2"), "{answer:#}");
    // The old value was kept, and the next refusal finds what is there then.
    stage.token("other");
    assert!(host.call("x", json!({})).await["result"].is_object());
    host.close_stdin();
    assert!(!host.drained_stderr().await.contains("hunter2"));
}

#[tokio::test]
async fn many_refusals_at_once_run_a_program_once() {
    const CALLS: usize = 12;
    let stage = Stage::new(CALLS).await;
    let (header, runs) = stage.program();
    stage.accept("one");
    let mut host = stage.host(&header);
    host.initialize(LATEST).await;
    assert_eq!(lines(&runs), 1);
    stage.token("two");
    stage.accept("two");
    call_all(&mut host, CALLS, |answer| answer["result"].is_object()).await;
    assert_eq!((lines(&runs), stage.tokens("tools/call").len()), (2, 2 * CALLS));
    // Nor does it run for each when it has nothing new.
    stage.accept("three");
    call_all(&mut host, CALLS, |answer| answer["error"]["data"]["evidence"]["status"] == 401).await;
    assert_eq!((lines(&runs), stage.tokens("tools/call").len()), (3, 3 * CALLS));
}

async fn call_all(host: &mut Host, calls: usize, expected: impl Fn(&Value) -> bool) {
    let mut ids = Vec::new();
    for _ in 0..calls {
        ids.push(host.start_request("tools/call", json!({})).await);
    }
    for id in ids {
        let answer = host.answer_to(id).await;
        assert!(expected(&answer), "{answer:#}");
    }
}

#[tokio::test]
async fn values_of_headers_that_a_server_repeats_are_told_nobody() {
    const VALUES: [&str; 2] = ["hunter2-of-the-header", "hunter2-of-the-token"];
    let pki = Pki::new();
    let repeat = async |request: Request<Bytes>, _| {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let text = format!("not with {} and {}", header("authorization"), header("x-secret"));
        match message(&request)["id"].as_u64() {
            None => reply::json(500, json!({ "detail": text }).to_string()),
            // What is cut off before its end must not show its beginning.
            Some(filler) => reply::text(500, format!("{} {text}", "-".repeat(usize::try_from(filler).unwrap_or(0)))),
        }
    };
    let server = TlsServer::builder(&pki).handler(repeat).start().await;
    let log = pki.write("repeated.log", "");
    let mut host = towards(&pki, &server.url("/mcp"), &pki.client("alice"))
        .args([Path::new("--log-file"), &log, Path::new("--trace")])
        .args(["-H", "X-Secret: {env:SEC}", "-H", "Authorization: Bearer {env:TOK}"])
        .env("SEC", VALUES[0])
        .env("TOK", VALUES[1])
        .spawn();
    let fillers = (0..=BEGINNING).step_by(7).map(|filler| json!(filler));
    for id in fillers.chain([json!("json")]) {
        host.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {} })).await;
        let answer = host.recv().await;
        assert_eq!(answer["error"]["data"]["evidence"]["status"], 500, "{answer:#}");
        assert!(!answer.to_string().contains("hunter2"), "{answer:#}");
    }
    let requests = server.requests();
    let sent = ["x-secret", "authorization"].map(|name| requests[0].header(name).unwrap_or_default());
    assert_eq!(sent, [VALUES[0], &format!("Bearer {}", VALUES[1])]);
    host.close_stdin();
    host.wait_exit(std::time::Duration::from_secs(5)).await;
    let told = std::fs::read_to_string(&log).unwrap() + &host.drained_stderr().await;
    assert!(told.contains("failure") && !told.contains("hunter2"), "{told}");
}

/// More than what an error repeats of an answer.
const BEGINNING: usize = 260;
