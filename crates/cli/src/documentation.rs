//! The documentation holds together: links lead somewhere, and the commands in it are commands.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;

#[test]
fn links_lead_to_a_file_and_to_a_heading_of_it() {
    for file in files() {
        let text = read(&file);
        let folder = file.parent().unwrap();
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if target.starts_with("https://") {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { file.clone() } else { folder.join(path) };
            assert!(path.exists(), "{}: {target}", file.display());
            let found = heading.is_empty() || headings(&read(&path)).any(|line| anchor(line) == heading);
            assert!(found, "{}: {target} has no such heading", file.display());
        }
    }
}

#[test]
fn commands_are_such_that_the_program_takes() {
    let mut program = crate::Cli::command();
    program.build();
    let mut seen = 0;
    for file in files() {
        // What was is not what is.
        if file.ends_with("CHANGELOG.md") {
            continue;
        }
        let text = read(&file).replace("\\\n", " ");
        for line in text.lines().flat_map(commands) {
            runs(&program, line).unwrap_or_else(|word| panic!("{}: `{word}` in `{line}`", file.display()));
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen} commands");
}

/// What a heading is linked by on a forge.
pub(crate) fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}

/// The lines of headings, of which none are in code.
pub(crate) fn headings(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        is_code ^= line.starts_with("```");
        !is_code && line.starts_with('#')
    })
}

/// Whether the program takes the words of this line; else the first that it does not take.
pub(crate) fn runs<'a>(program: &clap::Command, line: &'a str) -> Result<(), &'a str> {
    let mut command = program;
    for word in line.split_whitespace().take_while(|word| *word != "--") {
        if word.starts_with('-') && word.len() > 1 {
            if !takes(command, word) {
                return Err(word);
            }
        } else if command.has_subcommands() {
            command = command.find_subcommand(word).ok_or(word)?;
        }
    }
    Ok(())
}

pub(crate) fn takes(command: &clap::Command, flag: &str) -> bool {
    command.get_arguments().any(|argument| match flag.strip_prefix("--") {
        Some(long) => argument.get_long() == Some(long),
        None => argument.get_short().is_some_and(|short| flag == format!("-{short}")),
    })
}

/// The commands of ours in a line: what stands in code behind the name of the program, up to what a shell ends it by.
fn commands(line: &str) -> Vec<&str> {
    let end = |text: &'static [&'static str]| {
        move |rest: &str| text.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len())
    };
    if let Some(rest) = line.strip_prefix("    mcp-mtls ") {
        return vec![&rest[..end(&[" #", "  ", " |", " >", " &&", " '", " \""])(rest)]];
    }
    let within = line.split("`mcp-mtls ").skip(1);
    within.map(|rest| &rest[..end(&["`", " '", " \"", " |"])(rest)]).collect()
}

fn files() -> Vec<PathBuf> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut files = under(&root.join("docs"));
    files.extend(fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()));
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    assert!(files.len() > 80, "{files:?}");
    files
}

fn under(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { under(&path) } else { vec![path] }).collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).replace("\r\n", "\n")
}
