//! The tests of the library as a whole.

mod config;
mod identity;
mod library;
mod rooms;
#[cfg(unix)]
mod spiffe;
