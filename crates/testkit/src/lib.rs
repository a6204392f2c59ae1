//! Stages PKI, servers, proxies and hosts for tests: the staging is here, the claim is in the test.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::match_wild_err_arm,
    reason = "a stage that cannot be set up must fail the test at once, and a panic with a clear message does that"
)]
#![allow(
    clippy::must_use_candidate,
    clippy::missing_errors_doc,
    reason = "tests call for the effect as often as for the value, and the errors are those of the network"
)]

pub mod host;
pub mod log;
pub mod mcp;
pub mod pki;
pub mod plain;
pub mod proxy;
pub mod relay;
pub mod reply;
pub mod server;
mod tasks;
#[cfg(unix)]
pub mod workload;

pub use host::Host;
pub use mcp::{Answers, Endpoint, Era, EventIds, HttpSse, LostSession, McpOptions, McpServer, Pages, ToolList};
pub use pki::{Client, KeyKind, Pki, ServerIdentity};
pub use plain::PlainClient;
pub use proxy::{ConnectProxy, Socks5Proxy};
pub use relay::Relay;
pub use server::{
    Break, BreakingServer, ClientAuth, Connection, Moment, Outcome, RawServer, SeenRequest, Stream, TlsServer,
};
