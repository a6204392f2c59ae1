//! `mcp-mtls explain`: what a code means, how to tell what caused it, and what to do.

mod page;
mod pages;
#[cfg(test)]
mod tests;

use mcp_mtls_core::error::{Code, Failure, Result, quoted};
use serde_json::{Value, json};

use crate::render::{self, Ink, Paint};

#[derive(clap::Args)]
pub(crate) struct ExplainArgs {
    /// Answer in JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The code that a failure ends with. Without it, all are listed.
    code: Option<String>,
}

pub(crate) fn run(args: &ExplainArgs) -> Result<()> {
    let Some(name) = args.code.as_deref() else {
        if args.json {
            render::json(&json!({ "codes": Code::ALL.iter().copied().map(summary_json).collect::<Vec<_>>() }));
        } else {
            render::answer(&list(Paint::stdout()));
        }
        return Ok(());
    };
    let code = Code::ALL.iter().copied().find(|code| code.as_str() == name).ok_or_else(|| unknown(name))?;
    let page = pages::of(code);
    if args.json {
        render::json(&json!({ "code": code, "side": code.side(), "page": page }));
    } else {
        render::answer(&page::text(page, Paint::stdout()));
    }
    Ok(())
}

/// `docs/errors/README.md`.
pub(crate) fn index() -> String {
    let mut lines = vec![INDEX.to_owned()];
    for (heading, codes) in pages::groups() {
        lines.push(format!("\n## {heading}\n\n| code | side | what it means |\n|---|---|---|"));
        lines.extend(codes.map(|code| {
            let side = json!(code.side());
            let side = side.as_str().unwrap_or_default();
            format!("| [{code}]({code}.md) | {side} | {} |", page::summary(pages::of(code)))
        }));
    }
    lines.join("\n")
}

/// All codes with their first sentences.
fn list(paint: Paint) -> String {
    let mut lines = Vec::new();
    for (heading, codes) in pages::groups() {
        lines.push(paint.ink(Ink::Strong, heading).into_owned());
        for code in codes {
            let label = format!("  {:<width$}", code.as_str(), width = COLUMN - 2);
            lines.push(render::beside(&label, COLUMN, &page::words(&page::summary(pages::of(code)))));
        }
        lines.push(String::new());
    }
    lines.push("mcp-mtls explain CODE prints the page of one.".to_owned());
    lines.join("\n")
}

fn summary_json(code: Code) -> Value {
    json!({ "code": code, "side": code.side(), "summary": page::words(&page::summary(pages::of(code))) })
}

fn unknown(name: &str) -> Failure {
    let failure = Failure::new(Code::UsageInvalid, format!("There is no code {}", quoted(name)));
    let failure = match near(name).as_slice() {
        [] => failure,
        [near] => failure.fix(format!("Did you mean `{near}`?")),
        several => failure.fix(format!("Did you mean one of these: {}?", several.join(", "))),
    };
    failure.fix("`mcp-mtls explain` lists all codes.")
}

/// The first few codes that have the word in them, or the one that was most likely meant.
fn near(name: &str) -> Vec<&'static str> {
    let name = name.trim().to_lowercase();
    let names = || Code::ALL.iter().map(|code| code.as_str());
    let with_it: Vec<_> = names().filter(|code| !name.is_empty() && code.contains(&name)).take(SEVERAL).collect();
    if !with_it.is_empty() {
        return with_it;
    }
    let distances = names().map(|code| (strsim::damerau_levenshtein(&name, code), code));
    distances.filter(|(distance, code)| *distance <= code.len() / 3).min().map(|(_, code)| code).into_iter().collect()
}

/// How the list of all begins.
const INDEX: &str = "\
# Failures

A failure of mcp-mtls ends with its code, and the error that a host gets has it as `code` in its `data`. A code
stays what it is; the words around it may improve. `mcp-mtls explain CODE` prints its page in a terminal.

The side says who has to act:

- *ours*: whoever runs mcp-mtls; a setting, a file, a certificate.
- *theirs*: whoever runs the server.
- *between*: the network, a proxy, or a step of which both ends are part.
- *host*: the MCP host that started mcp-mtls.";

/// Where the sentences of the list begin: behind the longest code.
const COLUMN: usize = 36;

/// How many codes are suggested at most.
const SEVERAL: usize = 8;
