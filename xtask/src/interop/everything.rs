//! `@modelcontextprotocol/server-everything` on loopback.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use super::Stage;
use crate::programs::root;

/// The reference server. It is killed when dropped.
pub(super) struct Everything {
    /// The port of its endpoint.
    pub(super) port: u16,
    _child: Child,
}

impl Everything {
    /// Over Streamable HTTP, at `/mcp`.
    pub(super) async fn start(stage: &Stage) -> Self {
        Self::with(stage, "streamableHttp", 0).await
    }

    /// Over the transport that it calls so, on this port; any free one for 0.
    pub(super) async fn with(stage: &Stage, transport: &str, port: u16) -> Self {
        let mut command = tokio::process::Command::new(stage.tools.join(".bin/node"));
        command.arg("--require").arg(root().join("interop/loopback.cjs"));
        command.arg(stage.tools.join("@modelcontextprotocol/server-everything/dist/index.js")).arg(transport);
        command.env("LOOPBACK_PORT", port.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start server-everything: {e}"));
        let Some(stdout) = child.stdout.take() else { panic!("stdout is a pipe") };

        let mut lines = BufReader::new(stdout).lines();
        let mut seen = Vec::new();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(port) = line.strip_prefix("loopback port ").and_then(|port| port.parse().ok()) {
                // It logs every request; unread, its pipe would fill up and stop it.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Self { port, _child: child };
            }
            seen.push(line);
        }
        panic!("server-everything did not start:\n{}", seen.join("\n"));
    }
}
