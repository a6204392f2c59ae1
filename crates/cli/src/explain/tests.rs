//! The pages hold together, with each other and with the program.

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory as _;
use mcp_mtls_core::config;
use mcp_mtls_core::error::Side;

use super::*;
use crate::documentation::{runs, takes};

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    let listed: Vec<_> = pages::groups().flat_map(|(_, codes)| codes).collect();
    assert_eq!(listed, Code::ALL, "the list in explain/pages.rs follows that of the codes");
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut wanted: BTreeSet<_> = Code::ALL.iter().map(|code| format!("{code}.md")).collect();
    wanted.insert("README.md".to_owned());
    assert_eq!(files.collect::<BTreeSet<_>>(), wanted);
}

#[test]
fn pages_have_one_form() {
    for (code, page) in all() {
        let lines: Vec<_> = page.lines().collect();
        assert_eq!(lines[..2], [&format!("# {code}"), ""], "{code}: the title is the code");
        assert!(page::summary(page).ends_with('.'), "{code}: the first paragraph is a sentence");
        let told = match code.side() {
            Side::Ours => "\n\nSide: ours; whoever runs mcp-mtls can mend it.\n\n",
            Side::Theirs => "\n\nSide: theirs; whoever runs the server has to act.\n\n",
            Side::Between => "\n\nSide: between; the network, a proxy, or a step of which both ends are part.\n\n",
            _ => "\n\nSide: host; the MCP host that started mcp-mtls has to act.\n\n",
        };
        assert!(page.contains(told), "{code}: the side is that of the code");
        let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let operators = sections.get(3).filter(|section| **section == "For whoever runs the server");
        let expected = ["What happened", "Why", "What to do"].into_iter().chain(operators.copied()).chain(["See also"]);
        assert_eq!(sections, expected.collect::<Vec<_>>(), "{code}");
        assert!(page.ends_with('\n') && !page.ends_with("\n\n") && !page.contains("\n\n\n"), "{code}");
        let shown = page::text(page, Paint::none());
        assert!(shown.lines().all(|line| line.chars().count() <= render::WIDTH), "{shown}");
        for line in lines {
            assert!(line.chars().count() <= 120 && line == line.trim_end(), "{code}: {line}");
            let laid_out = !["    ", "```", "|", "###", ">", "* "].iter().any(|form| line.starts_with(form));
            assert!(laid_out, "{code}: explain/page.rs does not lay out {line}");
        }
        assert!(page.matches('`').count().is_multiple_of(2) && page.matches("**").count().is_multiple_of(2), "{code}");
    }
}

#[test]
fn no_page_says_a_sentence_twice() {
    for (code, page) in all() {
        let mut said = BTreeSet::new();
        let joined = page.split_whitespace().collect::<Vec<_>>().join(" ");
        for sentence in joined.split_inclusive(". ").filter(|sentence| sentence.split(' ').count() > 4) {
            assert!(said.insert(sentence.to_owned()), "{code}: {sentence}");
        }
    }
}

#[test]
fn links_lead_to_other_pages_or_to_standards() {
    for (code, page) in all() {
        for target in page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let standard = ["https://www.rfc-editor.org/rfc/rfc", "https://modelcontextprotocol.io/specification/"];
            let leads_on = !target.contains("://") || standard.iter().any(|one| target.starts_with(one));
            assert!(leads_on && !target.starts_with(&format!("{code}.md")), "{code}: {target}");
        }
    }
}

#[test]
fn pages_name_only_what_exists() {
    let mut command = crate::Cli::command();
    command.build();
    let settings = settings();
    let (mut unknown, mut of_others) = (BTreeSet::new(), BTreeSet::new());
    for (code, page) in all() {
        let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
        for (at, text) in page.split('`').enumerate() {
            if at % 2 == 0 {
                assert!(!text.contains(" --"), "{code}: a flag that is not marked as code: {text}");
            } else if let Some(line) = text.strip_prefix("mcp-mtls ") {
                runs(&command, line).unwrap_or_else(|word| panic!("{code}: {word} in {text}"));
            } else if text.starts_with("--") || text.starts_with("-H") {
                let flag = text.split(' ').next().unwrap();
                assert!(any_takes(&command, flag), "{code}: {text}");
            } else {
                for name in keys(text).into_iter().chain(is_word(text).then_some(text)) {
                    if OTHERS.contains(&name) {
                        of_others.insert(name.to_owned());
                    } else if !settings.contains(name)
                        && Code::ALL.iter().all(|code| code.as_str() != name)
                        && command.find_subcommand(name).is_none()
                    {
                        unknown.insert(format!("{code}: {name}"));
                    }
                }
            }
        }
    }
    assert_eq!(unknown, BTreeSet::new(), "neither settings nor codes, nor words of others");
    assert_eq!(of_others, OTHERS.iter().map(ToString::to_string).collect(), "words that no page has any more");
}

#[test]
fn the_kept_list_is_what_the_program_prints() {
    let kept = std::fs::read_to_string(folder().join("README.md")).unwrap();
    assert_eq!(kept.replace("\r\n", "\n"), index() + "\n", "`cargo xtask generate` writes it");
}

#[test]
fn a_wrong_code_finds_the_right_one() {
    assert_eq!(near("key-mismach"), ["key-mismatch"]);
    assert_eq!(near("KEY_MISSING"), ["key-missing"]);
    assert_eq!(near("server-name"), ["server-name-mismatch"]);
    assert_eq!(near("pin").len(), 5 + 1, "all about the PIN, and the pins");
    assert_eq!(near("certificate").len(), SEVERAL);
    assert_eq!(near("hello, world"), [""; 0]);
    assert_eq!(near(""), [""; 0]);
}

fn all() -> impl Iterator<Item = (Code, &'static str)> {
    Code::ALL.iter().map(|code| (*code, pages::of(*code)))
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors"))
}

/// The names of all settings, from the schema.
fn settings() -> BTreeSet<String> {
    let schema = config::schema();
    let of = |properties: &Value| properties.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let definitions = schema["$defs"].as_object().unwrap().values();
    let nested = definitions.filter(|one| one["properties"].is_object()).flat_map(|one| of(&one["properties"]));
    nested.chain(of(&schema["properties"])).collect()
}

fn any_takes(command: &clap::Command, flag: &str) -> bool {
    takes(command, flag) || command.get_subcommands().any(|command| any_takes(command, flag))
}

/// The keys of a piece of JSON.
fn keys(text: &str) -> Vec<&str> {
    let ends = text.match_indices("\":").map(|(at, _)| &text[..at]);
    ends.filter_map(|before| before.rsplit('"').next()).collect()
}

/// Whether the text looks as the name of a setting or a code does.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(|c| c.is_ascii_alphabetic() || c == '-')
}

/// Words of others, which look like settings or codes.
#[rustfmt::skip]
const OTHERS: &[&str] = &[
    // The parts of a failure, and of its evidence.
    "what", "where", "why", "fix", "evidence", "alert", "certificate", "error", "path", "serial", "status", "wanted",
    // X.509 and revocation lists.
    "clientAuth", "serverAuth", "notBefore", "notAfter", "nextUpdate", "subjectAltName", "keyCertSign", "cRLSign",
    "pathLenConstraint", "keyCompromise", "cACompromise", "cessationOfOperation", "superseded", "crlnumber",
    // `pkcs11:` URIs.
    "token", "object", "model", "manufacturer", "module-name", "module-path", "pin-source", "pin-value",
    // MCP, HTTP, Kubernetes.
    "initialize", "endpoint", "nextCursor", "x-mcp-header", "Authorization", "https", "apiVersion",
    "expirationTimestamp",
    // Entries of hosts, and values of settings.
    "args", "command", "env", "httpUrl", "local", "stdio", "http", "true", "false",
    // Settings of servers, and other programs.
    "bind", "crt", "ca-file", "server", "upstream", "info", "x", "cntlm", "px", "pcscd", "scdaemon", "spiffe-helper",
    "timedatectl",
    // Settings of other programs.
    "caFile", "insecure", "rejectUnauthorized",
];
