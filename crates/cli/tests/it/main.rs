//! The binary as people and programs meet it.

mod answers;
mod bridge;
mod certs;
mod credentials;
mod deadnet;
mod demo;
mod doctor;
mod documentation;
mod entries;
mod explain;
mod exposure;
mod gallery;
mod generate;
mod hosts;
mod identity;
mod journal;
mod lifecycle;
mod limits;
mod mended;
mod modern;
mod network;
mod opencode;
mod program;
mod protocol;
mod recovery;
mod refused;
mod rotation;
mod run;
#[cfg(unix)]
mod spiffe;
mod stage;
#[cfg(feature = "pkcs11")]
mod token;
mod trouble;
mod trust;
