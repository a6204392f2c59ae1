//! Whoever sits at a terminal is asked before `auto` writes.

use std::io::{Read as _, Write as _};

use super::Home;
use crate::entries::terminal;

#[test]
fn and_only_a_yes_writes() {
    for (answer, agrees) in [("n\n", false), ("\n", false), ("y\n", true)] {
        let home = Home::new();
        home.has(".codex/config.toml", "");
        let (mut person, program) = terminal();
        person.write_all(answer.as_bytes()).expect("an answer");
        let mut command = home.command(&["install", "auto"]);
        command.stdin(program.try_clone().expect("a copy")).stderr(program.try_clone().expect("a copy"));
        let output = command.stdout(std::process::Stdio::piped()).output().expect("it runs");
        drop(command);
        drop(program);
        let mut told = Vec::new();
        let _ = person.read_to_end(&mut told);
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(told.contains("(Codex): corp") && told.contains("[y/N]"), "{told}");
        assert_eq!(output.status.code(), Some(i32::from(!agrees)), "{answer:?}: {told}");
        assert_eq!(home.text(".codex/config.toml").contains("corp"), agrees, "{answer:?}: {told}");
    }
}
