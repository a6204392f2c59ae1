//! Part A: stdio, line by line.

use std::collections::BTreeMap;
use std::time::Duration;

use mcp_mtls_testkit::log::Log;
use mcp_mtls_testkit::pki::Pki;
use mcp_mtls_testkit::reply;
use mcp_mtls_testkit::server::TlsServer;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::{cancellation, initialized, method_of, part, piped, posts, result, says_nothing_more, scripted};

/// Values that a relay with typed models, or with a pass through strings, would change.
const ODD: [&str; 9] = [
    r#"{"a":1,"a":2}"#,
    r#"{"surrogate":"\ud800","nul":"\u0000","slash":"\/","del":""}"#,
    "{\"separators\":\"\u{2028}\u{2029}\u{85}\u{feff}\"}",
    "[1E400,-0,-0.0,1e-7,1.10,18446744073709551616,12345678901234567890123]",
    "{ \"blanks\" :\t[ ] , \"é\":\"e\u{301}\" }",
    r#""just a text""#,
    "null",
    "true",
    "\"data: x\"",
];

#[tokio::test]
async fn a1_odd_values_pass_both_ways_in_both_forms() {
    let pki = Pki::new();
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for stream in [false, true] {
        let server = scripted(TlsServer::builder(&pki), move |request| {
            let echo = (method_of(request.body()) == "echo").then(|| {
                let answer = result("7", &part(request.body(), "params").unwrap_or_default());
                if !stream {
                    return reply::json(200, answer);
                }
                let (events, response) = reply::events();
                events.send(&answer);
                response
            });
            std::future::ready(echo)
        })
        .await;
        let mut host = initialized(&pki, &server.url("/mcp")).await;
        for odd in ODD.into_iter().chain([deep.as_str()]) {
            let call = format!(r#"{{"id":7,"params":{odd},"method":"echo","jsonrpc":"2.0"}}"#);
            // Hosts on Windows end their lines so.
            host.send_bytes(format!(" {call}\r\n").as_bytes()).await;
            assert_eq!(host.recv_raw().await, result("7", odd));
            let requests = server.requests();
            assert_eq!(posts(&requests, "echo").pop().expect("a call came").text(), call);
        }
        assert!(host.request("ping", json!({})).await["result"].is_object());
        assert_eq!(host.inbox(), [Value::Null; 0]);
    }
}

#[tokio::test]
async fn a1_a_hundred_megabytes_pass_both_ways() {
    let pki = Pki::new();
    let server = scripted(TlsServer::builder(&pki), |request| {
        let body = request.into_body();
        // Read in full by nobody but the bridge, which is what takes the time.
        let large = body.len() > LARGE;
        let answer = large.then(|| {
            let text = &body[body.len() - LARGE - 2..body.len() - 2];
            let begin: &[u8] = b"{\"jsonrpc\":\"2.0\",\r\n  \"id\":1,\n\"result\":\"";
            reply::json(200, [begin, text, b"\"\r\n}\n"].concat())
        });
        std::future::ready(answer)
    })
    .await;
    let (_child, mut stdin, stdout) = piped(&pki, &server.url("/mcp"));
    // No two of its pieces are alike, so that none can be lost, doubled or exchanged.
    let block = (1..1 << 17).map(|number| format!("{number:08x}")).collect::<Vec<_>>().concat();
    let mut text = (0..100).map(|number| format!("{number:08x}{block}")).collect::<Vec<_>>().concat();
    text.truncate(LARGE);
    let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"echo","params":"{text}"}}"#);
    let mut lines = BufReader::with_capacity(1 << 20, stdout).lines();
    // Without optimization this takes longer than the testkit's host waits for a line.
    let exchange = async {
        stdin.write_all(format!("{call}\n").as_bytes()).await.expect("the bridge reads");
        lines.next_line().await.expect("text").expect("a line")
    };
    let line = tokio::time::timeout(Duration::from_secs(60), exchange).await.expect("an answer");
    let requests = server.requests();
    let got = posts(&requests, "echo").pop().expect("the call came");
    assert!(got.body == call.as_bytes(), "{} bytes of {}", got.body.len(), call.len());
    // The line breaks between tokens are blanks now, and nothing else differs.
    let expected = format!("{{\"jsonrpc\":\"2.0\",    \"id\":1, \"result\":\"{text}\"  }}");
    assert!(line == expected, "{} bytes of {}: {line:.80}", line.len(), expected.len());
}

#[tokio::test]
async fn a1_data_of_many_lines_is_one_line() {
    let pki = Pki::new();
    let server = scripted(TlsServer::builder(&pki), |request| {
        let answer = (method_of(request.body()) == "x").then(|| {
            let (events, response) = reply::events();
            events
                .raw("data: {\ndata:\t\"jsonrpc\":\"2.0\",\r\ndata:\"id\":1,\rdata:  \"result\":[\ndata\ndata: ]}\n\n");
            response
        });
        std::future::ready(answer)
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    host.send_raw(r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#).await;
    assert_eq!(host.recv_raw().await, "{ \t\"jsonrpc\":\"2.0\", \"id\":1,  \"result\":[  ]}");
}

#[tokio::test]
async fn a2_a_line_split_at_any_byte_survives_what_happens_meanwhile() {
    let pki = Pki::new();
    let server = scripted(TlsServer::builder(&pki), |_| std::future::ready(None)).await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    let line = r#"{"jsonrpc":"2.0","id":"é€😀","method":"x","params":{"text":"é€😀"}}"#;
    for at in 1..line.len() {
        let (begin, end) = line.as_bytes().split_at(at);
        // The beginning comes together with a request, whose end is the event in the middle of the line.
        let request = format!(r#"{{"jsonrpc":"2.0","id":{at},"method":"y"}}"#);
        host.send_bytes(&[request.as_bytes(), b"\n", begin].concat()).await;
        assert_eq!(host.recv_raw().await, result(&at.to_string(), "{}"));
        host.send_bytes(&[end, b"\n"].concat()).await;
        assert_eq!(host.recv_raw().await, result("\"é€😀\"", "{}"), "split at {at}");
        assert_eq!(posts(&server.requests(), "x").pop().expect("a request came").text(), line, "split at {at}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a4_every_failure_is_one_answer_that_is_known_as_ours() {
    let pki = Pki::new();
    let server = scripted(TlsServer::builder(&pki).alpn(&["h2"]), |request| {
        let method = method_of(request.body());
        async move {
            Some(match method.as_str() {
                "status" => reply::text(500, "down"),
                "page" => reply::text(200, "<title>Sign in</title>"),
                "nothing" => reply::empty(204),
                "broken json" => reply::json(200, "{\"jsonrpc\":\"2.0\",\"id\":"),
                "other id" => reply::json(200, result("\"other\"", "{}")),
                "empty stream" => reply::events().1,
                "redirect" => reply::redirect(307, "https://elsewhere.example/mcp"),
                "hang" | "cancelled" => std::future::pending().await,
                "own error" => reply::json(200, OWN),
                _ => return None,
            })
        }
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    let mut asked = BTreeMap::new();
    for method in
        ["status", "page", "nothing", "broken json", "other id", "empty stream", "redirect", "hang", "cancelled"]
    {
        asked.insert(host.start_request(method, json!({})).await, method);
    }
    host.send_raw(r#"{"jsonrpc":"2.0","id":"own","method":"own error"}"#).await;
    let cancelled = asked.iter().find(|(_, method)| **method == "cancelled").map(|(id, _)| id.to_string());
    host.send_raw(&cancellation(&cancelled.expect("asked"))).await;
    let mut answers = Vec::new();
    // All but the one that hangs, and that of the server.
    for _ in 0..asked.len() {
        answers.push(host.recv().await);
    }
    host.signal("TERM");
    host.wait_exit(Duration::from_secs(5)).await;
    answers.extend(host.drained_stdout().await.iter().map(|line| serde_json::from_str(line).expect("JSON")));
    assert_eq!(answers.len(), asked.len() + 1, "{answers:#?}");
    let own: Value = serde_json::from_str(OWN).expect("JSON");
    assert!(answers.contains(&own), "the server's own error passes as it is: {answers:#?}");
    for (id, method) in asked {
        let answers: Vec<_> = answers.iter().filter(|answer| answer["id"] == id).collect();
        let [answer] = answers.as_slice() else { panic!("{method}: {answers:#?}") };
        let ours = (&answer["error"]["code"], &answer["error"]["data"]["source"]);
        assert_eq!(ours, (&json!(-31000), &json!("mcp-mtls")), "{method}: {answer:#}");
    }
    host.stdout_is_pure();
}

#[tokio::test]
async fn a5_ids_and_progress_tokens_pass_as_written() {
    let pki = Pki::new();
    let came = std::sync::Arc::new(Log::default());
    let all = came.clone();
    let server = scripted(TlsServer::builder(&pki).alpn(&["h2"]), move |request| {
        let (came, body) = (all.clone(), request.into_body());
        async move {
            if method_of(&body) != "hold" {
                return None;
            }
            let id = part(&body, "id").expect("a request");
            came.push(id.clone());
            // All are in flight at once, so that one could get the answer to another.
            came.wait_for(IDS.len()).await;
            let (events, response) = reply::events();
            events.send(&progress(&id));
            events.send(&result(&id, &json!({ "of": id }).to_string()));
            Some(response)
        }
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    let mut expected = Vec::new();
    for id in IDS {
        let params = format!(r#"{{"_meta":{{"progressToken":{id}}}}}"#);
        host.send_raw(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"hold","params":{params}}}"#)).await;
        expected.extend([progress(id), result(id, &json!({ "of": id }).to_string())]);
    }
    let mut lines = Vec::new();
    for _ in 0..expected.len() {
        lines.push(host.recv_raw().await);
    }
    lines.sort();
    expected.sort();
    assert_eq!(lines, expected);
    let mut came = came.all();
    came.sort();
    let mut sent = IDS.map(str::to_owned).to_vec();
    sent.sort();
    assert_eq!(came, sent);
    says_nothing_more(&mut host).await;
}

#[tokio::test]
async fn a5_ids_of_the_server_pass_as_written() {
    let pki = Pki::new();
    let server = scripted(TlsServer::builder(&pki), |request| {
        let ask = (request.method() == "GET").then(|| {
            let (events, response) = reply::events();
            for id in IDS {
                events.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"roots/list"}}"#));
            }
            response
        });
        std::future::ready(ask)
    })
    .await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    for id in IDS {
        assert_eq!(host.recv_raw().await, format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"roots/list"}}"#));
        let answer = result(id, r#"{"roots":[ ]}"#);
        host.send_raw(&answer).await;
        let is_it = |request: &[mcp_mtls_testkit::SeenRequest]| request.iter().any(|one| one.body == answer.as_bytes());
        server.record().requests.wait_until(&answer, is_it).await;
    }
}

#[tokio::test]
async fn a6_a_thousand_broken_lines_are_one_error() {
    let pki = Pki::new();
    let server = scripted(TlsServer::builder(&pki), |_| std::future::ready(None)).await;
    let mut host = initialized(&pki, &server.url("/mcp")).await;
    let seen = server.wait_for_requests(3).await.len();
    let broken: [&[u8]; 10] = [
        b"Content-Length: 52\r\n\r\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,",
        b"\xff\xfe{\x00",
        b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"x\"}",
        b"\"text\"",
        b"[]",
        b"[1,2,{}]",
        b"{}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"result\":{}}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}{\"jsonrpc\":\"2.0\"}",
    ];
    for round in 1..=2 {
        for _ in 0..100 {
            for line in broken {
                host.send_bytes(&[line, b"\n"].concat()).await;
            }
        }
        let error = host.recv().await;
        assert_eq!(error["id"], Value::Null, "{error}");
        assert_eq!(error["error"]["data"]["source"], "mcp-mtls", "{error}");
        says_nothing_more(&mut host).await;
        assert_eq!(server.requests().len(), seen + round, "only what is a message reaches the server");
    }
}

fn progress(token: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
    )
}

/// No two are the same id, and none is what a relay with 64-bit or floating numbers would make of it.
pub(super) const IDS: [&str; 14] = [
    "1",
    "\"1\"",
    "0",
    "-1",
    "18446744073709551615",
    "12345678901234567890123",
    "12345678901234567890124",
    "1.5",
    "1.50",
    "1e3",
    "1000",
    "\"\"",
    "\"\\u0061\"",
    "\"é\\n\"",
];

const OWN: &str = r#"{"jsonrpc":"2.0","id":"own","error":{"code":-31000,"message":"mine"}}"#;
const LARGE: usize = 100_000_000;
