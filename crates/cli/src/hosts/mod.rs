//! What is known of hosts.

pub(crate) mod opencode;
