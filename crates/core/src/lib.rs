//! Remote MCP servers over mutual TLS.

pub mod bridge;
pub mod config;
#[cfg(feature = "devcerts")]
pub mod devcerts;
pub mod error;
mod http;
pub mod identity;
pub mod remote;
pub mod secret;
mod tls;
pub mod trust;
