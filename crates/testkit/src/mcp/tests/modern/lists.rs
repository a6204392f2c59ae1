//! The list of tools: pages, tools against the rules, and a list that went stale.

use serde_json::json;

use super::{ask, staged};
use crate::mcp::tests::Caller;
use crate::mcp::{McpOptions, Pages, ToolList, invalid_tools};

#[tokio::test]
async fn the_list_comes_in_pages_and_may_hold_invalid_tools() {
    let all = names(ToolList { invalid: true, ..ToolList::default() }, 1).await;
    for name in ["echo", "place", "tricky", "naïve"].iter().chain(&invalid_tools()) {
        assert_eq!(all.iter().filter(|listed| listed == name).count(), 1, "{name} in {all:?}");
    }
    assert_eq!(names(ToolList { invalid: true, pages: Pages::Of(4) }, 6).await, all);
    assert_eq!(names(ToolList { pages: Pages::Endless, invalid: false }, 20).await, ["echo"; 20]);
    let valid = names(ToolList::default(), 1).await;
    assert_eq!(valid.len() + invalid_tools().len(), all.len());
}

#[tokio::test]
async fn a_list_goes_stale_when_a_header_is_renamed() {
    let (pki, alice, server) = staged(McpOptions::default()).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    let call = || json!({"name":"place","arguments":{"region":"eu"}});
    let (old, new) =
        ([("mcp-name", "place"), ("mcp-param-region", "eu")], [("mcp-name", "place"), ("mcp-param-zone", "eu")]);
    assert!(ask(&mut client, "tools/call", call(), &old).await["error"].is_null());
    server.rename_header("Zone");
    assert_eq!(ask(&mut client, "tools/call", call(), &old).await["error"]["code"], -32020);
    let listed = ask(&mut client, "tools/list", json!({}), &[]).await;
    assert!(listed.to_string().contains(r#""x-mcp-header":"Zone""#));
    assert!(ask(&mut client, "tools/call", call(), &new).await["error"].is_null());
    let wrong = ask(&mut client, "tools/list", json!({"cursor":"nonsense"}), &[]).await;
    assert_eq!(wrong["error"]["code"], -32602);
}

/// The names on the first `pages` pages, of which there must be as many as that.
async fn names(tools: ToolList, pages: usize) -> Vec<String> {
    let (pki, alice, server) = staged(McpOptions { tools, ..McpOptions::default() }).await;
    let mut client = Caller::connect(&pki, &alice, &server).await;
    let (mut names, mut params) = (Vec::new(), json!({}));
    for page in 1..=pages {
        let mut answer = ask(&mut client, "tools/list", params.clone(), &[]).await["result"].take();
        let listed = answer["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned());
        names.extend(listed);
        let more = page < pages || tools.pages == Pages::Endless;
        assert_eq!(answer["nextCursor"].is_string(), more, "page {page}: {names:?}");
        params = json!({"cursor":answer["nextCursor"].take()});
    }
    names
}
