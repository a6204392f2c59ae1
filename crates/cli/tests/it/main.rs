//! The binary as people and programs meet it.

mod certs;
mod demo;
mod run;
