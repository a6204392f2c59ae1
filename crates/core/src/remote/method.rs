//! The methods that a bridge has to know; all others pass unread.

pub(crate) const INITIALIZE: &str = "initialize";
pub(crate) const INITIALIZED: &str = "notifications/initialized";
pub(crate) const CANCELLED: &str = "notifications/cancelled";
pub(crate) const SET_LEVEL: &str = "logging/setLevel";
pub(crate) const SUBSCRIBE: &str = "resources/subscribe";
pub(crate) const UNSUBSCRIBE: &str = "resources/unsubscribe";
pub(crate) const DISCOVER: &str = "server/discover";
pub(crate) const LISTEN: &str = "subscriptions/listen";
pub(crate) const LIST_TOOLS: &str = "tools/list";
pub(crate) const CALL_TOOL: &str = "tools/call";
