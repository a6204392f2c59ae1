//! Remote MCP servers over mutual TLS.

pub mod bridge;
pub mod config;
#[cfg(feature = "devcerts")]
pub mod devcerts;
pub mod doctor;
pub mod error;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod http;
pub mod identity;
pub mod remote;
pub mod secret;
mod tls;
pub mod trust;

pub use http::Presented;
