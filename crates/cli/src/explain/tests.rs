//! The pages hold together, with each other and with the program.

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory as _;
use mcp_mtls_core::config;
use mcp_mtls_core::error::Side;

use super::*;

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
fn links_lead_somewhere() {
    for (code, page) in all() {
        for link in page.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if target.starts_with("https://www.rfc-editor.org/rfc/rfc")
                || target.starts_with("https://modelcontextprotocol.io/specification/")
            {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            assert_ne!(file, format!("{code}.md"), "a page that leads to itself");
            let text = std::fs::read_to_string(folder().join(file)).unwrap_or_else(|e| panic!("{code}: {file}: {e}"));
            let found = text.lines().filter_map(|line| line.strip_prefix('#')).any(|line| anchor(line) == heading);
            assert!(heading.is_empty() || found, "{code}: {file} has no heading {heading}");
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

/// What a heading is linked by, as GitHub has it.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}

/// The names of all settings, from the schema.
fn settings() -> BTreeSet<String> {
    let schema = config::schema();
    let of = |properties: &Value| properties.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let definitions = schema["$defs"].as_object().unwrap().values();
    let nested = definitions.filter(|one| one["properties"].is_object()).flat_map(|one| of(&one["properties"]));
    nested.chain(of(&schema["properties"])).collect()
}

/// Whether the program takes the words of this line; else the first that it does not take.
fn runs<'a>(command: &clap::Command, line: &'a str) -> std::result::Result<(), &'a str> {
    let mut command = command;
    for word in line.split(' ') {
        if word.starts_with('-') {
            if !takes(command, word) {
                return Err(word);
            }
        } else if command.has_subcommands() {
            command = match command.find_subcommand(word) {
                Some(command) => command,
                None => return Err(word),
            };
        }
    }
    Ok(())
}

fn takes(command: &clap::Command, flag: &str) -> bool {
    command.get_arguments().any(|argument| match flag.strip_prefix("--") {
        Some(long) => argument.get_long() == Some(long),
        None => argument.get_short().is_some_and(|short| flag == format!("-{short}")),
    })
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
