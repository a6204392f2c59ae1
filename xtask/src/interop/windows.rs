//! The binary is compiled for Windows, so that what only Unix has stays behind `cfg`. Nothing is run.

use std::time::Duration;

use tokio::process::Command;

use super::Case;
use crate::programs::root;

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("Windows: the binary is compiled without a warning", |_stage| Box::pin(compiled())).within(LIMIT)]
}

async fn compiled() {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).env("RUSTFLAGS", "--deny warnings");
    command.args(["check", "--quiet", "--package", "mcp-mtls", "--target", "x86_64-pc-windows-gnu"]);
    let output = command.output().await.unwrap_or_else(|e| panic!("cannot start cargo: {e}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// On a small machine it takes a minute or two, with all that the binary is made of.
const LIMIT: Duration = Duration::from_secs(10 * 60);
