//! Whoever sits at a terminal is asked before a program of a pasted entry runs.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use super::Stage;
use crate::run::BINARY;

/// A terminal: the side of the person, and that of the program.
pub(crate) fn terminal() -> (std::fs::File, OwnedFd) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&person).expect("a terminal");
    unlockpt(&person).expect("a terminal");
    let name = ptsname(&person, Vec::new()).expect("its name");
    let program = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other side");
    (person.into(), program)
}

#[tokio::test]
async fn and_only_a_yes_lets_it() {
    let stage = Stage::new().await;
    let marker = stage.pki.dir().join("ran");
    let exec = json!([
        "sh",
        "-c",
        format!(
            "touch {0}; cat {1} {2}",
            marker.display(),
            stage.client.cert_file.display(),
            stage.client.key_file.display()
        )
    ]);
    let ca = stage.pki.server_ca_file();
    let entry = json!({ "corp": { "url": stage.server.url(), "tls": { "exec": exec, "ca": ca } } });
    let file = stage.pki.write("pasted.json", entry.to_string());
    for (answer, agrees) in [("n\n", false), ("\n", false), ("yess\n", false), ("\u{4}", false), ("y\n", true)] {
        let (mut person, program) = terminal();
        person.write_all(answer.as_bytes()).expect("an answer");
        let mut command = Command::new(BINARY);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", stage.pki.dir());
        command.args(["add", "--from"]).arg(&file).stdout(Stdio::null());
        command.stdin(program.try_clone().expect("a copy")).stderr(program.try_clone().expect("a copy"));
        let status = tokio::task::spawn_blocking(move || command.status()).await.expect("it ends").expect("it runs");
        drop(program);
        // It comes in pieces, and ends with an error on some systems.
        let mut told = Vec::new();
        let _ = person.read_to_end(&mut told);
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(told.contains("tls.exec: sh -c ") && told.contains("[y/N]"), "{told}");
        assert_eq!((status.code(), marker.exists()), (Some(i32::from(!agrees)), agrees), "{answer:?}: {told}");
        assert_eq!(stage.file().exists(), agrees, "{answer:?}: {told}");
    }
    assert_eq!(stage.server.verified(), [stage.client.fingerprint.as_str()]);
}
