//! The servers of Node.js and of Java, which close a connection without a word when they refuse a certificate.

use std::process::Command;

use super::{Does, Ground, Kind, nothing_more, ours};

pub(super) const NODE: Kind = Kind {
    name: "Node.js",
    does: &[Does::Http, Does::Http2, Does::Lists, Does::SpeaksUp],
    commands: node,
    more: nothing_more,
};

pub(super) const JAVA: Kind = Kind { name: "Java", does: &[Does::Http], commands: java, more: nothing_more };

fn node(ground: &Ground<'_>) -> Vec<Command> {
    let mut command = Command::new(ground.tools.join(".bin/node"));
    command.arg(ours("server.mjs")).arg(ground.lines());
    vec![command]
}

fn java(ground: &Ground<'_>) -> Vec<Command> {
    let mut command = Command::new("java");
    command.arg(ours("Server.java")).arg(ground.lines());
    vec![command]
}
