//! What holds for any input of the readers: functions that panic when it does not. The targets of
//! `fuzz/` run them for as long as one likes, and `cargo test` runs them for a moment.

pub use crate::bridge::fuzzing::lines;
pub use crate::remote::fuzzing::{envelope, events, headers};

#[cfg(test)]
mod tests;
