//! C2 to C4: the revision, the method and the name of a message in its headers.

use serde_json::Value;

use super::{VERSION, empty_result, end, exchange, posts, request, said, scripted, scripted_over};

#[tokio::test]
async fn c2_the_version_is_that_of_the_very_message() {
    let key = "io.modelcontextprotocol/protocolVersion";
    let cases = [
        (format!(r#"{{"_meta":{{"{key}":"2026-07-28"}}}}"#), "2026-07-28"),
        // A revision of the future, and one that is no date.
        (format!(r#"{{"_meta":{{"{key}":"2031-02-29"}}}}"#), "2031-02-29"),
        (format!(r#"{{"_meta":{{"{key}":"DRAFT v3~rc.1"}}}}"#), "DRAFT v3~rc.1"),
        // An older one, which the server has to judge.
        (format!(r#"{{"_meta":{{"{key}":"2025-11-25"}}}}"#), "2025-11-25"),
        // The key and the value in escapes, with blanks, behind all else.
        (format!(r#"{{"a":[],"_meta": {{"x":1.0,"{}" : "v\u0031"}} }}"#, key.replace('/', "\\/")), "v1"),
        (r#"{"_meta":{"\u0069o.model\u0063ontextprotocol/protocolVersion":"v2"}}"#.to_owned(), "v2"),
        (r#"{"\u005fmeta":{"io.modelcontextprotocol\u002FprotocolVersion":"v3"}}"#.to_owned(), "v3"),
        // What others say elsewhere does not count.
        (
            format!(
                r#"{{"arguments":{{"_meta":{{"{key}":"wrong"}}}},"{key}":"wrong","_meta":{{"a":{{"{key}":"wrong"}},"{key}":"right"}}}}"#
            ),
            "right",
        ),
    ];
    let mut stage = scripted(empty_result).await;
    let lines: Vec<_> = cases
        .iter()
        .map(|(params, _)| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x/y","params":{params}}}"#))
        .collect();
    for line in &lines {
        exchange(&mut stage.host, line).await;
    }
    end(&mut stage.host).await;
    let requests = stage.server.requests();
    assert_eq!(posts(&requests), lines);
    for (request, (params, version)) in requests.iter().zip(&cases) {
        assert_eq!(
            said(request),
            ["mcp-method: x/y".to_owned(), format!("mcp-protocol-version: {version}")],
            "{params}"
        );
    }
}

#[tokio::test]
async fn c2_a_message_that_names_no_revision_at_the_right_place_is_none_of_the_modern_era() {
    let key = "io.modelcontextprotocol/protocolVersion";
    let mut stage = scripted(empty_result).await;
    for params in [
        format!(r#"{{"arguments":{{"_meta":{{"{key}":"2026-07-28"}}}}}}"#),
        format!(r#"{{"{key}":"2026-07-28"}}"#),
        format!(r#"{{"_meta":{{"{key}":20260728}}}}"#),
        format!(r#"{{"_meta":{{"{key}":null}}}}"#),
        format!(r#"{{"_meta":["{key}","2026-07-28"]}}"#),
        format!(r#"[{{"_meta":{{"{key}":"2026-07-28"}}}}]"#),
        format!(r#"{{"_meta":"{key}"}}"#),
    ] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        exchange(&mut stage.host, &line).await;
        let requests = stage.server.requests();
        let seen = &requests[requests.len() - 1];
        assert_eq!((seen.text(), said(seen)), (line.as_str(), vec![]));
    }
    end(&mut stage.host).await;
}

#[tokio::test]
async fn c3_method_and_name_are_repeated_for_each_method_that_has_one() {
    let cases = [
        ("tools/list", r#""name":"n","uri":"u","taskId":"t""#, None),
        ("tools/call", r#""name":"n","uri":"u","taskId":"t""#, Some("n")),
        ("tools/call", r#""arguments":{"name":"wrong"},"name":"\u006e 2""#, Some("n 2")),
        ("prompts/get", r#""name":"p","uri":"u""#, Some("p")),
        ("resources/read", r#""name":"n","uri":"file:///a%20b?c=d#e""#, Some("file:///a%20b?c=d#e")),
        ("resources/subscribe", r#""uri":"u""#, None),
        ("tasks/get", r#""taskId":"t-1","name":"n""#, Some("t-1")),
        ("tasks/update", r#""taskId":"t-2""#, Some("t-2")),
        ("tasks/cancel", r#""taskId":"t-3""#, Some("t-3")),
        ("tasks/list", r#""taskId":"t""#, None),
        ("completion/complete", r#""ref":{"name":"n"},"name":"n""#, None),
        ("server/discover", "", None),
        ("x/Unheard-Of", r#""name":"n""#, None),
        // The server has to judge these; nothing is made up for it.
        ("tools/call", r#""arguments":{}"#, None),
        ("tools/call", r#""name":5"#, None),
        ("prompts/get", r#""name":null"#, None),
        ("prompts/get", r#""name":["n"]"#, None),
        ("resources/read", r#""name":"n""#, None),
        ("resources/read", r#""uri":{"uri":"u"}"#, None),
        ("tasks/get", r#""name":"n""#, None),
        ("tasks/cancel", r#""taskId":true"#, None),
    ];
    for protocol in super::PROTOCOLS {
        let mut stage = scripted_over(protocol, empty_result).await;
        for (method, params, name) in cases {
            exchange(&mut stage.host, &request("1", method, params)).await;
            let mut expected = vec![format!("mcp-method: {method}")];
            expected.extend(name.map(|name| format!("mcp-name: {name}")));
            expected.push(VERSION.to_owned());
            let requests = stage.server.requests();
            assert_eq!(said(&requests[requests.len() - 1]), expected, "{method} {params}");
        }
        end(&mut stage.host).await;
        let expected: Vec<_> = cases.iter().map(|(method, params, _)| request("1", method, params)).collect();
        assert_eq!(posts(&stage.server.requests()), expected);
    }
}

/// What is written in JSON, and what the header says.
const VALUES: [(&str, &str); 20] = [
    (r#""us-west1""#, "us-west1"),
    (r##""a  b !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~""##, r##"a  b !"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"##),
    (r#""""#, ""),
    (r#""Hello, 世界""#, "=?base64?SGVsbG8sIOS4lueVjA==?="),
    (r#""\u00e9""#, "=?base64?w6k=?="),
    (r#""\ud83d\ude00""#, "=?base64?8J+YgA==?="),
    (r#"" padded ""#, "=?base64?IHBhZGRlZCA=?="),
    (r#"" left""#, "=?base64?IGxlZnQ=?="),
    (r#""right ""#, "=?base64?cmlnaHQg?="),
    (r#"" ""#, "=?base64?IA==?="),
    (r#""line1\nline2""#, "=?base64?bGluZTEKbGluZTI=?="),
    (r#""a\r\nX-Evil: 1""#, "=?base64?YQ0KWC1FdmlsOiAx?="),
    (r#""a\tb""#, "=?base64?YQli?="),
    (r#""\u0000""#, "=?base64?AA==?="),
    (r#""\u007f""#, "=?base64?fw==?="),
    // Look-alikes of the sentinel: only what begins and ends as it does, in this case of letters.
    (r#""=?base64?literal?=""#, "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
    (r#""=?base64??=""#, "=?base64?PT9iYXNlNjQ/Pz0=?="),
    (r#""=?base64?open""#, "=?base64?open"),
    (r#""=?BASE64?x?=""#, "=?BASE64?x?="),
    (r#""x=?base64?x?=""#, "x=?base64?x?="),
];

#[tokio::test]
async fn c4_names_that_are_no_plain_text_are_encoded() {
    for protocol in super::PROTOCOLS {
        let mut stage = scripted_over(protocol, empty_result).await;
        for (written, header) in VALUES {
            exchange(&mut stage.host, &request("1", "prompts/get", &format!(r#""name":{written}"#))).await;
            let requests = stage.server.requests();
            let seen = &requests[requests.len() - 1];
            assert_eq!(seen.header("mcp-name"), Some(header), "{written}");
        }
        end(&mut stage.host).await;
    }
}

#[tokio::test]
async fn c4_arguments_that_are_no_plain_text_are_encoded() {
    let tools = r#"{"tools":[{"name":"t","inputSchema":{"properties":{"v":{"type":"string","x-mcp-header":"V"}}}}]}"#;
    let script =
        move |message: &Value| super::answer(message, if message["method"] == "tools/list" { tools } else { "{}" });
    for protocol in super::PROTOCOLS {
        let mut stage = scripted_over(protocol, script).await;
        exchange(&mut stage.host, &request("0", "tools/list", "")).await;
        for (written, header) in VALUES {
            exchange(&mut stage.host, &super::call("1", "t", &format!(r#"{{"v":{written}}}"#))).await;
            let requests = stage.server.requests();
            let seen = &requests[requests.len() - 1];
            assert_eq!(seen.header("mcp-param-v"), Some(header), "{written}");
        }
        end(&mut stage.host).await;
    }
}
