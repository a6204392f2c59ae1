//! One server behind a relay, and the trouble with both.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use mcp_mtls_testkit::{Answers, Era, EventIds, HttpSse, LostSession, McpOptions, McpServer, Pki, Relay, TlsServer};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::dice::Dice;

/// How often something happened.
pub(super) type Tally = BTreeMap<String, u64>;

/// A server, what its host speaks with it, and the only way between them.
pub(super) struct World {
    pub(super) name: &'static str,
    /// What the host asks for in `initialize`; none for the stateless revision.
    pub(super) revision: Option<&'static str>,
    pub(super) server: McpServer,
    pub(super) relay: Relay,
}

/// What a world is made of.
pub(super) struct Kind {
    name: &'static str,
    revision: Option<&'static str>,
    http: &'static str,
    options: McpOptions,
}

/// One for every way to speak.
pub(super) fn kinds() -> Vec<Kind> {
    let legacy = |name, http, options| Kind { name, revision: Some("2025-11-25"), http, options };
    let modern = |name, http, answers| {
        let options = McpOptions { era: Era::Modern, answers, ..McpOptions::default() };
        Kind { name, revision: None, http, options }
    };
    let event_ids = Some(EventIds { retry_ms: Some(100), hang_up: false });
    let old = McpOptions { http_sse: Some(HttpSse::default()), ..McpOptions::default() };
    let no_valid_id = LostSession::BadRequest(LostSession::NO_VALID_ID);
    vec![
        legacy("legacy, http/1.1, JSON", "http/1.1", McpOptions::default()),
        legacy(
            "legacy, h2, SSE",
            "h2",
            McpOptions { answers: Answers::Sse, lost: no_valid_id, ..McpOptions::default() },
        ),
        legacy(
            "legacy, http/1.1, event ids",
            "http/1.1",
            McpOptions { answers: Answers::Sse, event_ids, ..McpOptions::default() },
        ),
        legacy("legacy, h2, event ids", "h2", McpOptions { answers: Answers::Sse, event_ids, ..McpOptions::default() }),
        modern("modern, http/1.1, SSE", "http/1.1", Answers::Sse),
        modern("modern, h2, JSON", "h2", Answers::Json),
        Kind { revision: Some("2024-11-05"), ..legacy("HTTP+SSE, http/1.1", "http/1.1", old) },
    ]
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    Restart,
    Stop,
    ForgottenSessions,
    Cut,
    Reset,
    Freeze,
    Refuse,
    EndedStreams,
    BrokenConnections,
    EndedSubscriptions,
    BrokenSubscriptions,
}

const TROUBLES: &[(u64, Trouble)] = &[
    (3, Trouble::Restart),
    (2, Trouble::Stop),
    (3, Trouble::ForgottenSessions),
    (4, Trouble::Cut),
    (4, Trouble::Reset),
    (4, Trouble::Freeze),
    (2, Trouble::Refuse),
    (3, Trouble::EndedStreams),
    (2, Trouble::BrokenConnections),
    (2, Trouble::EndedSubscriptions),
    (2, Trouble::BrokenSubscriptions),
];

impl World {
    pub(super) async fn start(pki: &Pki, kind: Kind) -> Self {
        let server = McpServer::on(TlsServer::builder(pki).alpn(&[kind.http]), kind.options).await;
        let relay = Relay::to(server.server().addr()).await;
        Self { name: kind.name, revision: kind.revision, server, relay }
    }

    pub(super) fn path(&self) -> &'static str {
        if self.revision == Some("2024-11-05") { "/sse" } else { "/mcp" }
    }

    /// Makes trouble every few seconds for so long. In the end all is well again.
    pub(super) async fn trouble(&self, time: Duration, dice: &mut Dice) -> Tally {
        let mut tally = Tally::new();
        let end = Instant::now() + time;
        loop {
            let pause = dice.millis(500..=4000);
            if Instant::now() + pause + LONGEST > end {
                return tally;
            }
            sleep(pause).await;
            let trouble = dice.weighted(TROUBLES);
            self.make(trouble, dice).await;
            *tally.entry(format!("{trouble:?}")).or_default() += 1;
        }
    }

    async fn make(&self, trouble: Trouble, dice: &mut Dice) {
        match trouble {
            Trouble::Restart => self.server.restart().await,
            Trouble::Stop => {
                self.server.stop().await;
                sleep(dice.millis(100..=1500)).await;
                self.server.start_again().await;
            }
            Trouble::ForgottenSessions => self.server.forget_sessions(),
            Trouble::Cut => self.relay.cut().await,
            Trouble::Reset => self.relay.reset().await,
            Trouble::Freeze => {
                self.relay.freeze();
                sleep(dice.millis(100..=LONGEST.as_millis().try_into().unwrap_or(100))).await;
                self.relay.thaw();
            }
            Trouble::Refuse => {
                self.relay.refuse().await;
                sleep(dice.millis(100..=1500)).await;
                self.relay.admit().await;
            }
            Trouble::EndedStreams => {
                self.server.hang_up();
                self.server.end_streams();
            }
            Trouble::BrokenConnections => self.server.server().cut().await,
            Trouble::EndedSubscriptions => self.server.end_subscriptions(),
            Trouble::BrokenSubscriptions => self.server.cut_subscriptions(),
        }
    }

    /// Lets waiting calls go, and says things of the server's own accord, where someone listens.
    pub(super) async fn speak(&self, mut dice: Dice) -> Infallible {
        for number in 0_u64.. {
            sleep(dice.millis(50..=400)).await;
            if dice.once_in(5) {
                // Nobody may wait just now.
                let _nobody = timeout(A_MOMENT, self.server.release()).await;
            }
            let params = json!({ "level": "info", "data": format!("{number} {}", dice.text()) });
            let text = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params }).to_string();
            let spoken = async {
                match self.revision {
                    Some(_) => self.server.notify(&text).await,
                    None => self.server.announce("notifications/tools/list_changed", &json!({})).await,
                }
            };
            let _nobody = timeout(A_MOMENT, spoken).await;
        }
        std::future::pending().await
    }
}

/// The longest that a freeze lasts.
const LONGEST: Duration = Duration::from_millis(2500);

/// How long someone is looked for who listens.
const A_MOMENT: Duration = Duration::from_millis(20);
