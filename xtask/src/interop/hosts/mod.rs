//! Real hosts, which start the release binary themselves: what `install` wrote is read, and a tool is called.
//!
//! None needs an account: a model that is scripted and on loopback asks for the call.

mod claude_code;
mod cline;
mod codex;
mod copilot_cli;
mod gemini_cli;
mod hermes;
mod model;
mod opencode;
mod opencode_plugin;
mod program;
mod scene;

use super::Case;

pub(super) fn cases() -> Vec<Case> {
    let cases = [
        opencode::cases(),
        opencode_plugin::cases(),
        claude_code::cases(),
        codex::cases(),
        gemini_cli::cases(),
        copilot_cli::cases(),
        hermes::cases(),
        cline::cases(),
    ];
    cases.into_iter().flatten().collect()
}

/// What every host that tells why a server failed has to show of a certificate that nginx refuses.
const REFUSAL: &str = "likely refused the client certificate. Use a certificate of a CA that the server accepts.";

/// What the model of `model.rs` is to be asked.
const PROMPT: &str = "Call the tool echo with the message hi.";
