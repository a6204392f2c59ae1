//! What completes commands, flags and their values in a shell.

use std::fmt::Write as _;

use clap::builder::{PossibleValuesParser, ValueHint};
use clap::{Arg, Command, CommandFactory as _};
use clap_complete::Shell;

use crate::{Cli, hosts};

pub(super) fn script(shell: Shell) -> String {
    let mut command = completed();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "mcp-mtls", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        // clap_complete names the state of a command in two ways when the program has a hyphen in its name, and completes
        // nothing behind it (clap-rs/clap#6421).
        Shell::Bash => script.replace("mcp__subcmd__mtls__", "mcp__mtls__"),
        // It has nothing for arguments that are no flags in fish, which offers files for them.
        Shell::Fish => script + &positionals(&command),
        _ => script,
    }
}

/// The command line without what is hidden, and with the values that are known. These are no limits of the parser, which
/// takes several hosts with commas between them, and leaves it to the settings to say what is wrong with a value.
fn completed() -> Command {
    let cli = Cli::command();
    let shown = cli.get_subcommands().filter(|command| !command.is_hide_set()).cloned().map(known);
    Command::new("mcp-mtls").version(env!("CARGO_PKG_VERSION")).subcommands(shown)
}

fn known(command: Command) -> Command {
    let name = command.get_name().to_owned();
    command.mut_args(|argument| with_values(&name, argument)).mut_subcommands(known)
}

fn with_values(command: &str, argument: Arg) -> Arg {
    let values: Vec<&'static str> = match (command, argument.get_id().as_str()) {
        ("install", "host") => hosts::names().chain(["auto"]).collect(),
        ("uninstall", "host") | ("add", "install") => hosts::names().collect(),
        (_, field) => {
            OF_SETTINGS.iter().filter(|(name, _)| *name == field).flat_map(|(_, all)| *all).copied().collect()
        }
    };
    let hint = match argument.get_value_names().and_then(|names| names.first()).map(clap::builder::Str::as_str) {
        _ if argument.get_value_hint() != ValueHint::Unknown => argument.get_value_hint(),
        Some("FILE") => ValueHint::FilePath,
        Some("PROGRAM ARGUMENTS") => ValueHint::CommandString,
        _ => ValueHint::Other,
    };
    match () {
        () if !argument.get_action().takes_values() => argument,
        () if values.is_empty() => argument.value_hint(hint),
        () => argument.value_parser(PossibleValuesParser::new(values)),
    }
}

/// For fish: the values of arguments that are no flags, and no files where none are meant.
fn positionals(program: &Command) -> String {
    let mut lines = String::new();
    for command in program.get_subcommands() {
        let name = command.get_name();
        let state = format!("__fish_mcp_mtls_using_subcommand {name}");
        let _ = write!(lines, "{}", line(command, &state));
        for below in command.get_subcommands() {
            let state = format!("{state}; and __fish_seen_subcommand_from {}", below.get_name());
            let _ = write!(lines, "{}", line(below, &state));
        }
    }
    lines
}

fn line(command: &Command, state: &str) -> String {
    let Some(first) = command.get_positionals().next() else { return String::new() };
    let values: Vec<_> = first.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    match first.get_value_hint() {
        _ if !values.is_empty() => format!("complete -c mcp-mtls -n \"{state}\" -f -a \"{}\"\n", values.join(" ")),
        ValueHint::Other => format!("complete -c mcp-mtls -n \"{state}\" -f\n"),
        _ => String::new(),
    }
}

/// Settings, as fields, that take a few values alone.
pub(super) const OF_SETTINGS: &[(&str, &[&str])] =
    &[("min_version", &["1.2", "1.3"]), ("key_exchange", &["classical"])];
