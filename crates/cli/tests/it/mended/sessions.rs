//! Sessions that begin, are lost and end while something else happens.

use std::time::Duration;

use mcp_mtls_testkit::reply;
use tokio::time::sleep;

use super::{begun, begun_with, call, cancel, ours, parsed, staged};

#[tokio::test]
async fn a3_a_session_that_a_new_initialize_replaces_is_ended_too() {
    let mut stage = begun(async |_| None).await;
    stage.begin().await;
    stage.wait_for(2, "notifications/initialized").await;
    let told = stage.over().await;
    for session in ["DELETE session-1", "DELETE session-2"] {
        assert!(told.iter().any(|told| told == session), "no {session}: {told:#?}");
    }
}

#[tokio::test]
async fn b6_sessions_that_were_opened_in_vain_are_ended() {
    let mut stage = begun(async |asked| {
        let lost = asked.is_in(1, "tools/call");
        let in_vain = asked.is("notifications/initialized") && !asked.is_in(1, "notifications/initialized");
        if lost { Some(reply::empty(404)) } else { in_vain.then(|| reply::empty(500)) }
    })
    .await;
    for id in 1..4 {
        assert_eq!(parsed(&stage.ask(&call(id)).await)["id"], id);
    }
    let told = stage.over().await;
    let opened = told.iter().filter(|told| told.starts_with("initialize")).count();
    assert!(opened > 1, "nothing was tried: {told:#?}");
    for session in 2..=opened {
        let end = format!("DELETE session-{session}");
        assert!(told.contains(&end), "no {end}: {told:#?}");
    }
}

#[tokio::test]
async fn b6_a_call_that_is_cancelled_while_its_session_is_opened_anew_is_not_carried_out_unheard() {
    let mut stage = begun(async |asked| {
        if asked.is("initialize") && asked.sessions == 2 {
            sleep(Duration::from_millis(400)).await;
        }
        if asked.is_in(2, "tools/call") {
            // Longer than the end of the process takes.
            sleep(Duration::from_secs(20)).await;
        }
        asked.is_in(1, "tools/call").then(|| reply::empty(404))
    })
    .await;
    stage.host.send_raw(&call(1)).await;
    stage.wait_for(2, "initialize").await;
    stage.host.send_raw(&cancel(1)).await;
    stage.wait_for(1, "notifications/initialized session-2").await;
    let told = stage.over().await;
    let carried = told.iter().any(|told| told == "tools/call session-2");
    let cancelled = told.iter().any(|told| told == "notifications/cancelled session-2");
    assert!(!carried || cancelled, "the call is carried out, and nobody is told: {told:#?}");
}

#[tokio::test]
async fn b6_the_new_session_hears_initialized_also_when_the_old_one_did_so_late() {
    let mut stage = staged(&["--timeout", "600"], async |asked| {
        if asked.is_in(1, "notifications/initialized") {
            sleep(Duration::from_millis(900)).await;
        }
        asked.is_in(1, "tools/call").then(|| reply::empty(404))
    })
    .await;
    stage.begin().await;
    let answer = parsed(&stage.ask(&call(1)).await);
    assert!(answer["result"].is_object(), "{answer}");
    let told = stage.over().await;
    let in_second: Vec<_> = told.iter().filter(|told| told.ends_with(" session-2")).collect();
    assert_eq!(in_second[..2], ["notifications/initialized session-2", "tools/call session-2"], "{told:#?}");
}

#[tokio::test]
async fn b7_no_call_of_the_old_session_overtakes_the_hosts_new_initialize() {
    let mut stage = begun(async |asked| {
        if asked.is("initialize") && asked.sessions == 2 {
            sleep(Duration::from_millis(600)).await;
        }
        if asked.is_in(1, "tools/call") {
            sleep(Duration::from_millis(200)).await;
            return Some(reply::empty(404));
        }
        None
    })
    .await;
    stage.host.send_raw(&call(1)).await;
    stage.wait_for(1, "tools/call").await;
    stage.host.request("initialize", crate::stage::hello(crate::stage::LATEST)).await;
    let told = stage.over().await;
    assert!(!told.iter().any(|told| told == "tools/call -"), "{told:#?}");
}

#[tokio::test]
async fn b6_a_session_that_is_not_complete_in_time_is_ended() {
    let mut stage = begun_with(&["--timeout", "1000"], async |asked| {
        if asked.is_in(2, "notifications/initialized") {
            std::future::pending::<()>().await;
        }
        asked.is_in(1, "tools/call").then(|| reply::empty(404))
    })
    .await;
    let why = ours(&stage.ask(&call(1)).await, 1, "session-lost")["why"].to_string();
    assert!(why.contains("within 1 s"), "{why}");
    let told = stage.over().await;
    for session in ["DELETE session-1", "DELETE session-2"] {
        assert!(told.iter().any(|told| told == session), "no {session}: {told:#?}");
    }
}

#[tokio::test]
async fn c11_a_slow_refusal_of_discover_keeps_no_initialize_from_being_tried() {
    let mut stage = staged(&[], async |asked| {
        if !asked.is("server/discover") {
            return None;
        }
        // More than what counts as a quick failure.
        sleep(Duration::from_millis(1200)).await;
        Some(reply::text(400, "Bad Request: Server not initialized"))
    })
    .await;
    let answer = parsed(&stage.ask(r#"{"jsonrpc":"2.0","id":"d","method":"server/discover"}"#).await);
    assert!(answer["error"].is_object(), "{answer}");
    stage.begin().await;
    stage.wait_for(1, "notifications/initialized session-1").await;
}
