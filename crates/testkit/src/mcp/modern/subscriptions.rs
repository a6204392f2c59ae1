//! `subscriptions/listen`: streams that tell what changed, until one side ends them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::refusal;
use crate::log::LIMIT;
use crate::mcp::channel::Channel;
use crate::mcp::endpoint::Answer;
use crate::mcp::message::{self, ODD, Request};
use crate::mcp::{McpServer, Shared};

impl McpServer {
    /// Sends a notification on every open subscription that asked for its kind, with the subscription's id. Waits for
    /// one to be there, 10 seconds at most.
    pub async fn announce(&self, method: &str, params: &Value) {
        let wants = |subscription: &&Arc<Subscription>| subscription.is_open() && subscription.wants(method, params);
        let mut subscriptions = self.shared.subscriptions.subscribe();
        let asked_for = subscriptions.wait_for(|all| all.iter().any(|subscription| wants(&subscription)));
        let Ok(all) = tokio::time::timeout(LIMIT, asked_for).await else {
            panic!("nobody subscribed to {method} {params} for {LIMIT:?}")
        };
        for subscription in all.expect("the server holds the sender").iter().filter(wants) {
            self.shared.send(&subscription.channel, &subscription.notification(method, params));
        }
    }

    /// Ends every open subscription in good order: with its result, and then the end of the stream.
    pub fn end_subscriptions(&self) {
        for subscription in self.shared.subscriptions.send_replace(Vec::new()).iter().filter(|one| one.is_open()) {
            let id = &subscription.id;
            let result = format!(r#"{{"resultType":"complete","_meta":{{"{SUBSCRIPTION_ID}":{id}}},{ODD}}}"#);
            self.shared.send(&subscription.channel, &message::result(id, &result, &self.shared.options));
            subscription.channel.end();
        }
    }

    /// Ends the stream of every subscription without a result. `server().cut()` breaks them below HTTP.
    pub fn cut_subscriptions(&self) {
        for subscription in self.shared.subscriptions.send_replace(Vec::new()) {
            subscription.channel.end();
        }
    }

    /// How many subscriptions are open.
    pub fn open_subscriptions(&self) -> usize {
        self.shared.subscriptions.borrow().iter().filter(|subscription| subscription.is_open()).count()
    }

    /// Waits until `n` subscriptions are open, 10 seconds at most.
    pub async fn wait_for_subscriptions(&self, n: usize) {
        let mut subscriptions = self.shared.subscriptions.subscribe();
        let open = |all: &Vec<Arc<Subscription>>| all.iter().filter(|subscription| subscription.is_open()).count();
        let enough = tokio::time::timeout(LIMIT, subscriptions.wait_for(|all| open(all) >= n)).await;
        assert!(enough.is_ok(), "fewer than {n} subscriptions were opened within {LIMIT:?}");
    }
}

/// One open `subscriptions/listen`.
pub(in crate::mcp) struct Subscription {
    /// The request's id as written.
    id: String,
    filter: Value,
    channel: Arc<Channel>,
}

impl Shared {
    pub(super) fn listen(self: Arc<Self>, request: &Request) -> Answer {
        let filter = request.params["notifications"].clone();
        if !filter.is_object() {
            return Err(refusal(request, 400, -32602, "Invalid params: notifications must be an object"));
        }
        let (channel, response) = self.open("", None);
        let subscription = Arc::new(Subscription { id: request.id.clone(), filter, channel });
        let accepted = json!({ "notifications": subscription.filter });
        let text = subscription.notification("notifications/subscriptions/acknowledged", &accepted);
        self.send(&subscription.channel, &text);
        self.subscriptions.send_modify(|all| {
            all.retain(|subscription| subscription.is_open());
            all.push(subscription.clone());
        });
        let shared = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = subscription.channel.over() => {}
                () = subscription.channel.reader_gone() => shared.closed.push(subscription.id.clone()),
            }
        });
        Ok(response)
    }
}

impl Subscription {
    fn is_open(&self) -> bool {
        self.channel.is_open()
    }

    fn wants(&self, method: &str, params: &Value) -> bool {
        match method {
            "notifications/tools/list_changed" => self.filter["toolsListChanged"] == true,
            "notifications/prompts/list_changed" => self.filter["promptsListChanged"] == true,
            "notifications/resources/list_changed" => self.filter["resourcesListChanged"] == true,
            "notifications/resources/updated" => {
                self.filter["resourceSubscriptions"].as_array().is_some_and(|uris| uris.contains(&params["uri"]))
            }
            _ => true,
        }
    }

    /// The text of a notification, with the id exactly as it came and fields that no model knows.
    fn notification(&self, method: &str, params: &Value) -> String {
        let id = &self.id;
        let fields = params.to_string();
        let fields = fields.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect("params are an object");
        let comma = if fields.is_empty() { "" } else { "," };
        format!(
            r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"_meta":{{"{SUBSCRIPTION_ID}":{id}}},{fields}{comma}{ODD}}}}}"#
        )
    }
}

const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
