//! B6: a session that the server has lost is opened anew, and the host notices nothing.

use mcp_mtls_testkit::mcp::{Answers, LostSession, McpOptions};
use serde_json::json;

use super::{INITIALIZE, INITIALIZED, bridged, call, notification, ours, parsed, request, told};

#[tokio::test]
async fn b6_every_way_to_lose_a_session_goes_unnoticed() {
    for lost in [
        LostSession::NotFound,
        LostSession::NotFoundEmpty,
        LostSession::NotFoundText("no such page"),
        LostSession::BadRequest(LostSession::NO_VALID_ID),
        LostSession::BadRequest("Bad Request: Server not initialized"),
        LostSession::BadRequestText("Session not found"),
    ] {
        for answers in [Answers::Json, Answers::Sse] {
            let options = McpOptions { lost, initialize: answers, answers, get_stream: false, ..McpOptions::default() };
            let mut bridged = bridged(options).await;
            bridged.server.forget_sessions();
            let asked = call(7, "whoami");
            let line = bridged.ask(&asked).await;
            assert_eq!(Some(&line), bridged.server.sent().last(), "{lost:?}");
            assert!(parsed(&line)["id"] == 7 && line.contains(&bridged.certificate), "{line}");
            // The host's own bytes, in the order that the protocol wants, and nothing twice.
            let (hello, ready) = (INITIALIZE.to_owned(), INITIALIZED.to_owned());
            let received = [hello.clone(), ready.clone(), asked.clone(), hello, ready, asked];
            assert_eq!(bridged.server.received(), received, "{lost:?}");
            let first = ["initialize -", "notifications/initialized 1", "tools/call 1"];
            let second = ["initialize -", "notifications/initialized 2", "tools/call 2"];
            assert_eq!(bridged.posts(), [first, second].concat(), "{lost:?}");
            bridged.over().await;
        }
    }
}

#[tokio::test]
async fn b6_initialized_completes_before_anything_else_of_the_new_session() {
    let mut bridged = bridged(McpOptions::default()).await;
    bridged.host.send_raw(&request(1, "logging/setLevel", "level", "debug")).await;
    bridged.host.recv_raw().await;
    bridged.server.forget_sessions();
    bridged.server.hold("notifications/initialized");
    bridged.host.send_raw(&call(2, "echo")).await;
    bridged.server.wait_for_methods("notifications/initialized", 2).await;
    // What the host says meanwhile meets the lost session too, and waits.
    bridged.host.send_raw(&call(3, "echo")).await;
    bridged.host.send_raw(&notification("notifications/roots/list_changed")).await;
    bridged.server.wait_for_methods("tools/call", 2).await;
    bridged.server.wait_for_method("notifications/roots/list_changed").await;
    let second = |requests: Vec<String>| requests.into_iter().filter(|told| told.ends_with(" 2")).collect::<Vec<_>>();
    assert_eq!(second(told(&bridged.server.requests())), ["notifications/initialized 2"]);
    bridged.server.let_go("notifications/initialized");
    let ids =
        [parsed(&bridged.host.recv_raw().await)["id"].clone(), parsed(&bridged.host.recv_raw().await)["id"].clone()];
    assert!(ids.contains(&json!(2)) && ids.contains(&json!(3)), "{ids:?}");
    bridged.server.wait_for_methods("notifications/roots/list_changed", 2).await;
    let posts = second(bridged.posts());
    assert_eq!(posts[..2], ["notifications/initialized 2", "logging/setLevel 2"], "{posts:?}");
    assert_eq!(posts.len(), 5, "the level, two calls and a notification, each once: {posts:?}");
    bridged.over().await;
}

#[tokio::test]
async fn b6_the_log_level_and_the_subscriptions_are_restored() {
    let mut bridged = bridged(McpOptions { get_stream: false, ..McpOptions::default() }).await;
    for line in [
        request(1, "logging/setLevel", "level", "info"),
        request(2, "resources/subscribe", "uri", "test://one"),
        request(3, "resources/subscribe", "uri", "test://two"),
        request(4, "resources/subscribe", "uri", "test://three"),
        request(5, "resources/unsubscribe", "uri", "test://one"),
        request(6, "logging/setLevel", "level", "debug"),
    ] {
        bridged.ask(&line).await;
    }
    for session in 2..4 {
        bridged.server.forget_sessions();
        let seen = bridged.posts().len();
        assert_eq!(parsed(&bridged.ask(&call(6 + session, "echo")).await)["id"], json!(6 + session));
        let now = bridged.server.session().expect("a session");
        assert_eq!(now.id, format!("testkit-session-{session}"));
        assert_eq!(now.log_level.as_deref(), Some("debug"));
        let mut subscriptions = now.subscriptions;
        subscriptions.sort();
        assert_eq!(subscriptions, ["test://three", "test://two"]);
        // All of it before the call that met the loss is sent again.
        let wanted = [
            format!("tools/call {}", session - 1),
            "initialize -".to_owned(),
            format!("notifications/initialized {session}"),
            format!("logging/setLevel {session}"),
            format!("resources/subscribe {session}"),
            format!("resources/subscribe {session}"),
            format!("tools/call {session}"),
        ];
        assert_eq!(bridged.posts()[seen..], wanted);
    }
    bridged.over().await;
}

#[tokio::test]
async fn b6_twenty_calls_at_once_open_one_new_session() {
    let mut bridged = bridged(McpOptions::default()).await;
    bridged.server.forget_sessions();
    bridged.server.hold("initialize");
    for id in 0..20 {
        bridged.host.send_raw(&call(id, "echo")).await;
    }
    // All of them have met the lost session before there is a new one.
    bridged.server.wait_for_methods("tools/call", 20).await;
    bridged.server.let_go("initialize");
    let mut ids = Vec::new();
    for _ in 0..20 {
        let answer = bridged.host.recv().await;
        assert!(answer["result"].is_object(), "{answer}");
        ids.push(answer["id"].as_u64().expect("a number"));
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..20).collect::<Vec<_>>());
    assert_eq!(bridged.server.initializes(), 2);
    for session in ["tools/call 1", "tools/call 2"] {
        assert_eq!(bridged.posts().iter().filter(|told| *told == session).count(), 20);
    }
    bridged.over().await;
}

#[tokio::test]
async fn b6_notifications_that_meet_the_loss_are_sent_again_in_order() {
    let mut bridged = bridged(McpOptions { get_stream: false, ..McpOptions::default() }).await;
    bridged.server.forget_sessions();
    let (first, second) = (notification("notifications/roots/list_changed"), notification("notifications/x"));
    bridged.host.send_raw(&first).await;
    bridged.host.send_raw(&second).await;
    bridged.server.wait_for_method("notifications/x").await;
    assert_eq!(bridged.server.received()[2..], [&first, INITIALIZE, INITIALIZED, &first, &second]);
    assert_eq!(
        bridged.posts()[4..],
        ["notifications/initialized 2", "notifications/roots/list_changed 2", "notifications/x 2"]
    );
    bridged.over().await;
}

#[tokio::test]
async fn b6_the_servers_stream_is_opened_in_the_new_session_from_its_beginning() {
    let options = McpOptions {
        event_ids: Some(mcp_mtls_testkit::EventIds { retry_ms: Some(100), hang_up: false }),
        ..McpOptions::default()
    };
    let mut bridged = bridged(options).await;
    let (old, new) = (notification("notifications/old"), notification("notifications/new"));
    bridged.server.notify(&old).await;
    assert_eq!(bridged.host.recv_raw().await, old);
    bridged.server.forget_sessions();
    let line = bridged.ask(&call(1, "echo")).await;
    assert_eq!(parsed(&line)["id"], 1);
    let streams = |requests: &[mcp_mtls_testkit::SeenRequest]| told(requests).iter().any(|told| told == "GET 2");
    bridged.server.server().record().requests.wait_until("the stream of the new session", streams).await;
    bridged.server.notify(&new).await;
    assert_eq!(bridged.host.recv_raw().await, new);
    let gets = bridged.gets();
    assert_eq!(told(&gets), ["GET 1", "GET 2"]);
    assert_eq!(gets[1].header("last-event-id"), None, "the id is of a stream that is lost");
    bridged.over().await;
}

#[tokio::test]
async fn b6_the_new_session_is_the_one_that_is_ended() {
    let mut bridged = bridged(McpOptions { get_stream: false, ..McpOptions::default() }).await;
    bridged.server.forget_sessions();
    bridged.ask(&call(1, "echo")).await;
    bridged.host.close_stdin();
    assert_eq!(bridged.server.wait_for_delete().await, "testkit-session-2");
    assert_eq!(bridged.posts()[5..], ["tools/call 2", "DELETE 2"]);
}

#[tokio::test]
async fn b6_calls_that_a_restart_breaks_are_answered_once_and_later_ones_work() {
    for answers in [Answers::Json, Answers::Sse] {
        let mut bridged = bridged(McpOptions { answers, ..McpOptions::default() }).await;
        for released in [true, false] {
            for id in 0..3 {
                bridged.host.send_raw(&call(id, "wait")).await;
            }
            bridged.server.wait_for_waiting(3).await;
            if released {
                // So that each connection has carried an answer: one that closes before may mean the certificate.
                bridged.server.release().await;
                for _ in 0..3 {
                    assert!(bridged.host.recv().await["result"].is_object());
                }
            }
        }
        bridged.server.stop().await;
        let mut broken = Vec::new();
        for _ in 0..3 {
            let line = bridged.host.recv_raw().await;
            let id = parsed(&line)["id"].as_u64().expect("a number");
            ours(&line, usize::try_from(id).expect("a small number"), "connection-lost");
            broken.push(id);
        }
        broken.sort_unstable();
        assert_eq!(broken, [0, 1, 2]);
        bridged.server.start_again().await;
        let line = bridged.ask(&call(4, "whoami")).await;
        assert!(line.contains(&bridged.certificate) && parsed(&line)["id"] == 4, "{line}");
        assert_eq!(bridged.server.received_of("tools/call").iter().filter(|text| text.contains("wait")).count(), 6);
        assert_eq!(bridged.server.initializes(), 2);
        bridged.over().await;
    }
}

#[tokio::test]
async fn b6_a_restart_while_nobody_calls_is_mended_by_the_stream() {
    let mut bridged = bridged(McpOptions::default()).await;
    bridged.server.notify(&notification("notifications/before")).await;
    bridged.host.recv_raw().await;
    bridged.server.restart().await;
    bridged.server.wait_for_session("the new session", |session| session.initialized).await;
    let text = notification("notifications/after");
    bridged.server.notify(&text).await;
    assert_eq!(bridged.host.recv_raw().await, text);
    assert_eq!(bridged.server.initializes(), 2);
    bridged.over().await;
}

#[tokio::test]
async fn b6_no_stream_is_asked_for_outside_of_a_session() {
    let mut bridged = bridged(McpOptions::default()).await;
    bridged.server.notify(&notification("notifications/x")).await;
    bridged.host.recv_raw().await;
    bridged.server.hold("initialize");
    bridged.host.send_raw(INITIALIZE).await;
    bridged.server.wait_for_methods("initialize", 2).await;
    bridged.server.let_go("initialize");
    bridged.host.recv_raw().await;
    bridged.host.send_raw(INITIALIZED).await;
    bridged.server.notify(&notification("notifications/y")).await;
    bridged.host.recv_raw().await;
    bridged.host.close_stdin();
    assert!(bridged.host.wait_exit(std::time::Duration::from_secs(5)).await.success());
    assert_eq!(bridged.server.ended_sessions(), ["testkit-session-1", "testkit-session-2"]);
    assert_eq!(told(&bridged.gets()), ["GET 1", "GET 2"]);
}

#[tokio::test]
async fn b6_a_host_may_begin_again_by_itself() {
    let mut bridged = bridged(McpOptions { get_stream: false, ..McpOptions::default() }).await;
    bridged.ask(&request(1, "logging/setLevel", "level", "debug")).await;
    let again = INITIALIZE.replace(r"\u00691", "i2");
    let line = bridged.ask(&again).await;
    assert_eq!(Some(&line), bridged.server.sent().last());
    bridged.host.send_raw(INITIALIZED).await;
    bridged.ask(&call(2, "echo")).await;
    bridged.server.forget_sessions();
    bridged.ask(&call(3, "echo")).await;
    assert_eq!(bridged.server.received_of("initialize"), [INITIALIZE, &again, &again]);
    assert_eq!(bridged.server.ended_sessions(), ["testkit-session-1"]);
    let mut posts = bridged.posts();
    posts.retain(|post| post != "DELETE 1");
    assert_eq!(posts[3..6], ["initialize -", "notifications/initialized 2", "tools/call 2"]);
    assert_eq!(posts[6..], ["tools/call 2", "initialize -", "notifications/initialized 3", "tools/call 3"]);
    bridged.over().await;
}
