//! The host, driving shells that stand in for a server.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::Host;
use crate::log::LIMIT;

#[tokio::test]
async fn messages_go_both_ways_and_others_wait_in_the_inbox() {
    let mut host = shell(
        r#"read line
           echo '{"jsonrpc":"2.0","method":"notifications/message"}'
           echo '{"jsonrpc":"2.0","id":1,"result":{"ok":true}}'
           read line; echo "$line"; cat >/dev/null; echo bye >&2; exit 3"#,
    );
    assert_eq!(host.request("ping", json!({})).await["result"]["ok"], true);
    assert_eq!(host.inbox()[0]["method"], "notifications/message");
    host.send_raw(r#"{"jsonrpc":"2.0","id":"x","method":"roots/list","n":1.0}"#).await;
    assert_eq!(host.recv_raw().await, r#"{"jsonrpc":"2.0","id":"x","method":"roots/list","n":1.0}"#);
    assert!(!host.has_exited());
    host.close_stdin();
    assert_eq!(host.wait_exit(LIMIT).await.code(), Some(3));
    assert_eq!(host.drained_stderr().await, "bye\n");
    assert_eq!(host.drained_stdout().await, Vec::<String>::new());
    host.stdout_is_pure();
}

#[tokio::test]
async fn the_environment_holds_path_home_and_what_was_given() {
    let mut host = Host::spawn(Path::new("/usr/bin/env"), [] as [&str; 0], [("MINE", "1")]);
    host.wait_exit(LIMIT).await;
    let mut names: Vec<String> = host.drained_stdout().await;
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(names[0], format!("HOME={}", host.home().display()));
    assert_eq!(names[1], "MINE=1");
}

#[tokio::test]
async fn signals_arrive_and_a_stalled_stderr_fills_up() {
    let mut host = shell("trap 'exit 7' TERM; echo '{\"jsonrpc\":\"2.0\"}'; while :; do sleep 0.01; done");
    host.recv().await;
    host.signal("TERM");
    assert_eq!(host.wait_exit(LIMIT).await.code(), Some(7));

    let mut host = shell("read line; head -c 1000000 /dev/zero >&2; echo '{}'");
    host.stall_stderr();
    tokio::task::yield_now().await;
    host.send_raw("go").await;
    let blocked = tokio::time::timeout(Duration::from_millis(300), host.recv()).await;
    assert!(blocked.is_err(), "a million bytes do not fit into a pipe");
    host.kill().await;
}

#[tokio::test]
async fn a_closed_stdout_is_a_broken_pipe_for_the_child() {
    let mut host = shell("read line; trap '' PIPE; while echo x; do :; done; exit 9");
    host.close_stdout().await;
    host.send_raw("go").await;
    assert_eq!(host.wait_exit(LIMIT).await.code(), Some(9));
}

#[tokio::test]
#[should_panic(expected = "stdout is not JSON")]
async fn noise_on_stdout_is_noticed() {
    let mut host = shell("echo Starting...");
    host.wait_exit(LIMIT).await;
    host.drained_stdout().await;
    host.stdout_is_pure();
}

#[tokio::test]
#[should_panic(expected = "stdout ends within a line")]
async fn a_half_line_on_stdout_is_noticed() {
    let mut host = shell("printf '{\"jsonrpc\":\"2.0\"}'");
    host.wait_exit(LIMIT).await;
    host.drained_stdout().await;
    host.stdout_is_pure();
}

#[tokio::test]
#[should_panic(expected = "no such file\n")]
async fn an_early_end_shows_stderr() {
    let mut host = shell("echo 'no such file' >&2");
    host.recv().await;
}

#[tokio::test]
async fn a_dropped_host_leaves_no_child() {
    let host = shell("while :; do sleep 0.01; done");
    let pid = rustix::process::Pid::from_raw(i32::try_from(host.pid()).unwrap()).unwrap();
    rustix::process::test_kill_process(pid).unwrap();
    drop(host);
    let gone = async {
        // The runtime reaps the child some moments after it was killed.
        while rustix::process::test_kill_process(pid).is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.unwrap();
}

fn shell(script: &str) -> Host {
    Host::spawn(Path::new("/bin/sh"), ["-c", script], [] as [(&str, &str); 0])
}
