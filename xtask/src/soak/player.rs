//! A host: asks, cancels and answers at random, and judges every line that comes.

mod judge;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::call::{Call, What};
use super::dice::Dice;
use super::process::{Holds, Process};
use super::report::Report;
use super::world::{Tally, World};
use crate::programs::Outcome;

/// One host with its bridge.
pub(super) struct Player {
    process: Process,
    world: Arc<World>,
    dice: Dice,
    /// The certificate that the server must see.
    fingerprint: String,
    /// Requests without an answer, by their ids as written.
    calls: HashMap<String, Call>,
    /// The ids that have had their answer.
    over: HashSet<String>,
    /// The last step that was told for each progress token.
    progress: HashMap<String, u64>,
    /// What was said to the server's questions, by their ids.
    replies: HashMap<String, String>,
    /// What came from the server, as written.
    heard: Vec<String>,
    /// How often something came.
    tally: Tally,
    complaints: Vec<String>,
    number: u64,
    first: Holds,
    samples: Vec<u64>,
}

impl Player {
    /// Starts the bridge and goes through the beginning of a session.
    pub(super) async fn start(
        binary: &Path,
        args: &[String],
        world: Arc<World>,
        dice: Dice,
        fingerprint: &str,
    ) -> Outcome<Self> {
        let mut player = Self::new(Process::start(binary, args)?, world, dice, fingerprint);
        player.begin().await?;
        Ok(player)
    }

    fn new(process: Process, world: Arc<World>, dice: Dice, fingerprint: &str) -> Self {
        Self {
            process,
            world,
            dice,
            fingerprint: fingerprint.to_owned(),
            calls: HashMap::new(),
            over: HashSet::new(),
            progress: HashMap::new(),
            replies: HashMap::new(),
            heard: Vec::new(),
            tally: Tally::new(),
            complaints: Vec::new(),
            number: 0,
            first: Holds { kib: 0, files: 0 },
            samples: Vec::new(),
        }
    }

    pub(super) fn world(&self) -> Arc<World> {
        Arc::clone(&self.world)
    }

    async fn begin(&mut self) -> Outcome {
        if let Some(revision) = self.world.revision {
            let client = json!({ "name": "soak", "version": "1" });
            let params =
                json!({ "protocolVersion": revision, "capabilities": { "elicitation": {} }, "clientInfo": client });
            self.say_request("0", "initialize", &params).await?;
            let line = self.process.line().await.unwrap_or_default();
            let answer: Value = serde_json::from_slice(&line)?;
            if !answer["result"].is_object() {
                return Err(format!("initialize was answered by {answer:#}").into());
            }
            self.process.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await?;
        }
        self.expect_echo().await?;
        // Until the server's own stream is open.
        self.listen_for(Duration::from_secs(1)).await;
        self.first = self.process.holds()?;
        Ok(())
    }

    /// Plays for so long.
    pub(super) async fn play(&mut self, time: Duration) {
        let end = Instant::now() + time;
        let mut sample = Instant::now();
        while Instant::now() < end {
            if let Err(why) = self.act().await {
                return self.complain(format!("the bridge does not go on: {why}"));
            }
            let pause = self.dice.millis(1..=40);
            self.listen_for(pause).await;
            if sample.elapsed() > Duration::from_millis(500) {
                sample = Instant::now();
                match self.process.holds() {
                    Ok(holds) => self.samples.push(holds.kib),
                    Err(why) => return self.complain(format!("the bridge is gone: {why}")),
                }
            }
        }
    }

    /// One thing that hosts do.
    async fn act(&mut self) -> Outcome {
        let many = self.calls.values().filter(|call| self.must_be_answered(call)).count() >= MOST;
        if many || self.dice.once_in(8) {
            return self.cancel_one(many).await;
        }
        if self.world.revision.is_some() && self.dice.once_in(20) {
            self.count("notifications sent");
            return self.process.say(r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#).await;
        }
        let what = What::any(&mut self.dice, self.world.revision.is_none());
        self.ask(what).await
    }

    async fn ask(&mut self, what: What) -> Outcome {
        let id = self.new_id();
        let token = format!("p-{}", self.number);
        let (method, params) = what.request(&token);
        if matches!(what, What::Progress(_)) {
            self.progress.insert(token, 0);
        }
        self.calls.insert(id.clone(), Call { what, sent: Instant::now(), cancelled: None });
        self.count("calls");
        self.say_request(&id, method, &params).await
    }

    /// An id of one of the kinds that hosts use.
    fn new_id(&mut self) -> String {
        self.number += 1;
        let number = self.number;
        match number % 8 {
            0 => format!("\"{number}\""),
            1 => format!("\"caf\\u00e9-{number}\""),
            2 => format!("{}", u64::MAX - number),
            3 => format!("123456789012345678901234{number:09}"),
            4 => format!("{number}.5"),
            _ => number.to_string(),
        }
    }

    async fn say_request(&mut self, id: &str, method: &str, params: &Value) -> Outcome {
        let params = self.with_revision(params);
        self.process.say(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)).await
    }

    /// The parameters as the revision wants them.
    fn with_revision(&self, params: &Value) -> Value {
        let mut params = params.clone();
        if self.world.revision.is_none() {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        params
    }

    /// Cancels one of the calls, an old one that may hang if there is need of room.
    async fn cancel_one(&mut self, need: bool) -> Outcome {
        let mut open: Vec<(&String, &Call)> = self.calls.iter().filter(|call| call.1.cancelled.is_none()).collect();
        open.sort_by_key(|call| (!call.1.what.may_hang() && need, call.1.sent));
        let most = if need { 1 } else { open.len() };
        if open.is_empty() {
            return Ok(());
        }
        let id = self.dice.one_of(&open[..most]).0.clone();
        self.cancel(&id).await
    }

    async fn cancel(&mut self, id: &str) -> Outcome {
        if let Some(call) = self.calls.get_mut(id) {
            call.cancelled = Some(Instant::now());
        }
        self.count("cancels");
        let meta = self.with_revision(&json!({}))["_meta"].to_string();
        let meta = if meta == "null" { String::new() } else { format!(r#","_meta":{meta}"#) };
        let params = format!(r#"{{"requestId":{id},"reason":"no longer wanted"{meta}}}"#);
        self.process.say(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{params}}}"#)).await
    }

    /// Takes the lines of some time.
    async fn listen_for(&mut self, time: Duration) {
        let end = tokio::time::sleep(time);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                line = self.process.line() => match line {
                    Some(line) => self.take(&line).await,
                    None => return end.await,
                }
            }
        }
    }

    /// Cancels what may hang, and waits until every call has its answer.
    pub(super) async fn calm_down(&mut self) {
        let hanging = self.calls.iter().filter(|call| call.1.what.may_hang() && call.1.cancelled.is_none());
        let hanging: Vec<String> = hanging.map(|call| call.0.clone()).collect();
        for id in hanging {
            if let Err(why) = self.cancel(&id).await {
                return self.complain(format!("the bridge does not go on: {why}"));
            }
        }
        let began = Instant::now();
        while self.has_open_calls() && began.elapsed() < ANSWERED_WITHIN {
            self.listen_for(Duration::from_millis(100)).await;
        }
        // Whatever else was under way.
        self.listen_for(Duration::from_secs(2)).await;
        let open: Vec<String> = self
            .calls
            .iter()
            .filter(|call| self.must_be_answered(call.1))
            .map(|call| format!("{} {:?}", call.0, call.1.what))
            .collect();
        if !open.is_empty() {
            self.complain(format!("no answer for {ANSWERED_WITHIN:?} to {open:?}"));
        }
        self.calls.clear();
    }

    fn has_open_calls(&self) -> bool {
        self.calls.values().any(|call| self.must_be_answered(call))
    }

    /// A cancelled request of the stateless revision gets no answer.
    fn must_be_answered(&self, call: &Call) -> bool {
        self.world.revision.is_some() || call.cancelled.is_none()
    }

    /// Asks for an echo until it comes; the first may meet what broke before.
    async fn expect_echo(&mut self) -> Outcome {
        for _attempt in 0..3 {
            let before = self.tally.get(ECHOED).copied();
            self.ask(What::Echo("all is well".to_owned())).await?;
            let began = Instant::now();
            while self.has_open_calls() && began.elapsed() < ANSWERED_WITHIN {
                self.listen_for(Duration::from_millis(20)).await;
            }
            if self.tally.get(ECHOED).copied() > before {
                return Ok(());
            }
        }
        Err(format!("no echo came back: {:?}", self.complaints).into())
    }

    /// Looks at everything once more, and ends the bridge.
    pub(super) async fn end(mut self, troubles: Tally) -> Outcome<Report> {
        let calm = self.process.holds();
        // Connections may wait for their next use; without them, what is open is what the bridge began with.
        self.world.relay.cut().await;
        self.listen_for(Duration::from_secs(1)).await;
        if let Err(why) = self.expect_echo().await {
            self.complain(why.to_string());
        }
        self.listen_for(Duration::from_secs(2)).await;
        let last = self.process.holds();
        let mut holds = Vec::new();
        for held in [calm, last] {
            match held {
                Ok(held) => holds.push(held),
                Err(why) => self.complain(format!("the bridge is gone: {why}")),
            }
        }
        let took = match self.process.end().await {
            Ok(took) if took < GONE_WITHIN => Some(took),
            Ok(took) => {
                self.complain(format!("it lived for {took:?} after its stdin was closed"));
                None
            }
            Err(why) => {
                self.complain(why.to_string());
                None
            }
        };
        while let Some(line) = self.process.line().await {
            self.take(&line).await;
        }
        self.compare_with_the_server();
        Ok(Report {
            name: self.world.name,
            tally: self.tally,
            troubles,
            complaints: self.complaints,
            samples: self.samples,
            first: self.first,
            last: holds,
            took,
        })
    }

    /// Whether the server saw nobody but us, and whether each line that came from it is as it was sent.
    fn compare_with_the_server(&mut self) {
        let connections = self.world.server.server().connections();
        let requests = self.world.server.requests();
        let verified = connections.iter().filter_map(|connection| connection.fingerprint().map(str::to_owned));
        let mut seen: HashSet<Option<String>> = verified.map(Some).collect();
        seen.extend(requests.iter().map(|request| request.fingerprint.clone()));
        if seen != HashSet::from([Some(self.fingerprint.clone())]) {
            self.complain(format!("the server verified {seen:?}"));
        }
        let sent: HashSet<String> = self.world.server.sent().into_iter().collect();
        let changed: Vec<String> = self.heard.iter().filter(|line| !sent.contains(*line)).take(3).cloned().collect();
        if !changed.is_empty() {
            self.complain(format!("the server did not send these: {changed:?}"));
        }
        *self.tally.entry("connections".to_owned()).or_default() += u64::try_from(connections.len()).unwrap_or(0);
    }

    fn count(&mut self, what: &str) {
        *self.tally.entry(what.to_owned()).or_default() += 1;
    }

    fn complain(&mut self, why: String) {
        // A fault that comes again and again is told often enough.
        if self.complaints.len() < 10 {
            self.complaints.push(why);
        }
    }
}

/// How many calls run at once.
const MOST: usize = 24;

/// How long an answer may take, with a network that says nothing: that is noticed within 25 seconds.
pub(super) const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// How long a bridge without open requests may take to end.
const GONE_WITHIN: Duration = Duration::from_secs(3);

const ECHOED: &str = "answers to echo";
