//! What is generated follows from the commands and the settings, and what is kept in the repository is fresh.

use std::path::Path;

use clap::Command;
use mcp_mtls_core::config;
use mcp_mtls_core::error::Code;

use super::*;

#[test]
fn every_command_has_a_manual_page_with_all_of_its_flags() {
    fn walk(command: &Command, words: &[String]) {
        let raw = man::page(&built(), words).unwrap();
        assert!(raw.is_ascii(), "{words:?}: groff takes no other character");
        for heading in ["SYNOPSIS", "\"EXIT STATUS\"", "\"SEE ALSO\""] {
            assert!(raw.contains(&format!(".SH {heading}\n")), "{words:?}: {heading}");
        }
        let page = raw.replace('\\', "");
        let title = [&["mcp-mtls".to_owned()], words].concat().join("-");
        assert!(page.contains(&format!(".TH {title} 1 ")), "{title}");
        for flag in command.get_arguments().filter(|flag| !flag.is_hide_set()).filter_map(clap::Arg::get_long) {
            assert!(page.contains(&format!("--{flag}")), "{words:?}: {flag}");
        }
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            walk(below, &[words, &[below.get_name().to_owned()]].concat());
        }
    }
    walk(&built(), &[]);
}

#[test]
fn completions_know_every_command_and_flag() {
    let mut flags = Vec::new();
    collect(&built(), &mut flags);
    assert!(flags.iter().any(|flag| flag == "pkcs11-module"));
    for shell in Shell::value_variants() {
        let script = completions::script(*shell);
        for flag in &flags {
            assert!(script.contains(flag.as_str()), "{shell}: {flag}");
        }
    }
}

#[test]
fn every_state_of_the_completion_for_bash_is_one_that_it_knows() {
    let script = completions::script(Shell::Bash);
    let states: Vec<_> =
        script.lines().filter_map(|line| line.trim().strip_prefix("cmd=\"")?.strip_suffix('"')).collect();
    assert!(states.contains(&"mcp__mtls__subcmd__connect"), "{states:?}");
    for state in states.iter().filter(|state| !state.is_empty()) {
        assert!(script.contains(&format!("\n        {state})\n")), "{state}");
    }
}

#[test]
fn completions_know_hosts_and_values_and_nothing_hidden() {
    let settings = &config::schema()["$defs"]["TlsSettings"]["properties"];
    for (name, (_, values)) in ["minVersion", "keyExchange"].iter().zip(completions::OF_SETTINGS) {
        let of_schema = settings[name]["enum"].as_array().unwrap().iter().filter_map(|value| value.as_str());
        assert_eq!(of_schema.collect::<Vec<_>>(), *values);
    }
    let fish = completions::script(Shell::Fish);
    assert!(fish.contains("_using_subcommand install\" -f -a \"opencode claude-code codex "), "{fish}");
    assert!(fish.contains("; and __fish_seen_subcommand_from completions\" -f -a \"bash "), "{fish}");
    assert!(fish.contains("_using_subcommand connect\" -f\n"), "{fish}");
    for shell in Shell::value_variants() {
        let script = completions::script(*shell);
        assert!(!script.contains("What the plugins of hosts run"), "{shell}");
        let offers_values = !matches!(shell, Shell::PowerShell | Shell::Elvish);
        for value in ["claude-code", "classical"] {
            assert!(!offers_values || script.contains(value), "{shell}: {value}");
        }
    }
    let bash = completions::script(Shell::Bash);
    let install = bash.split("mcp__mtls__subcmd__install)").nth(1).unwrap().lines().nth(1).unwrap();
    assert!(install.contains("gemini-cli") && install.contains("auto"), "{install}");
}

#[test]
fn the_reference_has_every_setting_with_its_flag() {
    let page = reference::text(&built());
    let schema = config::schema();
    for (definition, prefix) in [("EntrySettings", ""), ("TlsSettings", "tls."), ("SpiffeSettings", "tls.spiffe.")] {
        for name in schema["$defs"][definition]["properties"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("\n### `{prefix}{name}`\n")), "{prefix}{name}");
        }
    }
    let built = built();
    let connect = built.find_subcommand("connect").unwrap();
    for flag in connect.get_arguments().filter_map(clap::Arg::get_long).filter(|flag| *flag != "help") {
        assert!(page.contains(&format!("--{flag}")), "{flag}");
    }
    assert!(page.contains("\n## An entry\n\n### `url`\n\nRequired. URL of"), "{page}");
    assert!(page.contains("- Flag: `--pin PIN`, once for each\n"), "{page}");
    assert!(!page.contains("[default"), "a default that is told within the text");
    assert!(page.contains("### `tls.minVersion`\n\nThe oldest version of TLS to speak, `1.2` or `1.3`.\n\n- Value: `\"1.2\"`, `\"1.3\"`\n- Default: 1.2\n- Flag: `--min-version VERSION`\n- Example: `\"minVersion\": \"1.3\"`\n"), "{page}");
}

#[test]
fn what_is_kept_is_what_the_program_prints() {
    let kept = |file: &str| {
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(file);
        std::fs::read_to_string(file).unwrap().replace("\r\n", "\n")
    };
    let fresh = [
        ("schema/config.schema.json", render::json_text(&config::schema())),
        ("schema/opencode.schema.json", render::json_text(&opencode::schema())),
        ("docs/guide/configuration.md", reference::text(&built())),
    ];
    for (file, text) in fresh {
        let (kept, fresh) = (kept(file), text + "\n");
        let stale = kept.lines().zip(fresh.lines()).find(|(kept, fresh)| kept != fresh);
        assert!(kept == fresh, "{file}: `cargo xtask generate` writes it; {stale:?}");
    }
}

#[test]
fn a_page_of_no_command_is_refused() {
    let failure = man::page(&built(), &["certs".to_owned(), "shwo".to_owned()]).unwrap_err();
    assert_eq!(failure.code(), Code::UsageInvalid);
    assert!(failure.to_string().contains("shwo"), "{failure}");
}

fn collect(command: &Command, flags: &mut Vec<String>) {
    let visible = command.get_arguments().filter(|flag| !flag.is_hide_set());
    flags.extend(visible.filter_map(clap::Arg::get_long).map(ToOwned::to_owned));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        flags.push(below.get_name().to_owned());
        collect(below, flags);
    }
}
