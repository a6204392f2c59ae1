//! What there is to know of a host.

use super::place::Files;
use crate::edit::Format;

/// A host.
pub(super) struct Host {
    pub(super) id: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) title: &'static str,
    pub(super) format: Format,
    /// The user's files; none where a host has none.
    pub(super) user: Option<Files>,
    /// The files in the folder of a project.
    pub(super) project: Option<Project>,
    /// What it is called in a shell.
    pub(super) program: Option<&'static str>,
    /// The keys to the map of entries.
    pub(super) keys: &'static [&'static str],
    pub(super) shape: Shape,
    pub(super) environment: Environment,
    pub(super) startup: Option<Startup>,
    /// Whether a name is of letters, digits, `-` and `_` alone.
    pub(super) strict_names: bool,
    /// What to do in it, that it sees a new entry.
    pub(super) next: &'static str,
    /// Whether its file is written, since somebody has run it then. Of others the entry is shown.
    pub(super) is_written: bool,
}

pub(super) struct Project {
    pub(super) files: Files,
    /// What to do instead of `next`, if that is something else.
    pub(super) next: Option<&'static str>,
}

/// How an entry looks.
pub(super) struct Shape {
    /// The key in which all of it stands, if there is one.
    pub(super) inside: Option<&'static str>,
    pub(super) command: Command,
    /// What every entry says.
    pub(super) fixed: &'static [(&'static str, Fixed)],
    /// What a new one says, and the user may change.
    pub(super) first: &'static [(&'static str, Fixed)],
    /// Whether entries stand in a list, with their names in them.
    pub(super) in_list: bool,
}

pub(super) enum Command {
    /// The program and its arguments in one list.
    Line(&'static str),
    /// The program, and its arguments in a list.
    Parts(&'static str, &'static str),
}

pub(super) enum Fixed {
    Text(&'static str),
    Bool(bool),
    Words(&'static [&'static str]),
    /// The name of the entry.
    Name,
}

/// What a server gets of the environment of the host.
pub(super) enum Environment {
    Whole,
    /// Only some of it.
    Part {
        /// What it always gets.
        given: &'static [&'static str],
        /// How it gets more.
        more: More,
    },
}

pub(super) enum More {
    /// By its name, in the list under this key.
    Names(&'static str),
    /// As a reference, in the map under the key.
    References {
        key: &'static str,
        before: &'static str,
        after: &'static str,
        /// Whether the server gets the reference itself, where the variable is not set.
        keeps: bool,
    },
    /// Not at all but by its value.
    No,
}

/// How long it waits for a server to start.
pub(super) struct Startup {
    pub(super) seconds: u64,
    pub(super) longer: Longer,
    /// What is set at least, in seconds: the setting limits every call, too.
    pub(super) least: u64,
}

pub(super) enum Longer {
    Milliseconds(&'static str),
    Seconds(&'static str),
    /// By a variable in its own environment, in milliseconds.
    Variable(&'static str),
}
