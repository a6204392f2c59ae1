//! A program that a setting names: run without a shell, within limits, for what it prints.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::locate::{expand, home};
use super::origin::Origin;
use super::output::{Ended, GRACE, last_line, whole};
use super::process::Process;
use crate::error::{Result, in_words, quoted};
use crate::secret::Secret;

/// A program and its arguments, of which any may hold a secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Program {
    /// The program: a path, or a name to be found in `PATH`.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<Secret>,
    /// Where the setting stands.
    pub origin: Origin,
    /// The folder that it runs in; without one, that of this process.
    folder: Option<PathBuf>,
    /// What references have put into the arguments.
    references: Vec<Secret>,
}

/// Why a program gave nothing that can be used.
#[derive(Debug)]
pub(crate) enum ProgramProblem {
    NotStarted(io::Error),
    TooSlow,
    /// With the last line that it wrote on stderr, as it may be told.
    Failed(ExitStatus, Option<String>),
    TooMuch,
    NotText,
    Nothing,
}

impl Program {
    /// The words of a command, and what references have put into them: a name with a slash in it is a path, and
    /// relative to `folder`. None without words.
    pub(super) fn new(
        words: Vec<Secret>,
        references: Vec<Secret>,
        folder: Option<&Path>,
        origin: &Origin,
    ) -> Result<Option<Self>> {
        let mut words = words.into_iter();
        let Some(name) = words.next().filter(|name| !name.expose().trim().is_empty()) else { return Ok(None) };
        let name = name.expose();
        let path = if name.contains(['/', '\\']) { expand(name, folder, origin)? } else { PathBuf::from(name) };
        let folder = folder_of(origin);
        Ok(Some(Self { path, arguments: words.collect(), origin: origin.clone(), folder, references }))
    }

    /// Runs it; its standard output, trimmed, is the value. It reads nothing and shows nothing, and is
    /// ended with all that it has started when its time is up. What it leaves behind when it ends by itself is
    /// not waited for.
    ///
    /// It blocks, for little more than 5 s at most.
    pub(crate) fn run(&self) -> Result<Secret, ProgramProblem> {
        let mut command = Command::new(&self.path);
        command
            .args(self.arguments.iter().map(|argument| OsStr::new(argument.expose())))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Not where the host was started: in a folder that came from elsewhere, a program may find another one, or a
        // module, in place of its own.
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let deadline = Instant::now() + TIME;
        let mut process = Process::start(&mut command).map_err(ProgramProblem::NotStarted)?;
        let ended = Ended::default();
        let output = ended.beside(process.stdout.take(), whole).map_err(ProgramProblem::NotStarted)?;
        let words = ended.beside(process.stderr.take(), last_line).map_err(ProgramProblem::NotStarted)?;
        let status = process.wait(deadline);
        ended.set();
        // What it has left behind may print on and on.
        let left = deadline.saturating_duration_since(Instant::now()).max(2 * GRACE);
        let output = output.recv_timeout(left).unwrap_or(Err(ProgramProblem::TooSlow));
        match (output, status) {
            (Err(problem @ ProgramProblem::TooMuch), _) => Err(problem),
            (_, None) => Err(ProgramProblem::TooSlow),
            (_, Some(status)) if !status.success() => {
                let words = words.recv_timeout(2 * GRACE).ok().flatten();
                Err(ProgramProblem::Failed(status, words.map(|words| self.without_arguments(&words))))
            }
            (output, _) => text(&output?),
        }
    }

    /// Words of the program, quoted, without its arguments, which some programs repeat in their errors: neither
    /// whole nor the value behind a `=`, nor what a reference has put into one.
    fn without_arguments(&self, words: &str) -> String {
        let values =
            self.arguments.iter().filter_map(|argument| argument.expose().split_once('=')).map(|(_, value)| value);
        let written = self.arguments.iter().map(Secret::expose).chain(values);
        // A short one may stand within a word by chance, unless it is most likely a secret.
        let written = written.map(|text| (text, text.len() >= 8));
        let given = self.references.iter().map(|text| (text.expose(), true));
        // The words are one line, and so is each part to be found in them.
        let mut hidden: Vec<_> = written
            .chain(given)
            .flat_map(|(text, anywhere)| text.lines().map(move |line| (line.trim(), anywhere)))
            .filter(|(text, _)| !text.is_empty())
            .collect();
        // What lies within another comes after it, and references before what looks like them.
        hidden.sort_by_key(|(text, anywhere)| std::cmp::Reverse((text.len(), *anywhere)));
        let words = hidden
            .into_iter()
            .fold(Zeroizing::new(words.to_owned()), |words, (text, anywhere)| without(&words, text, anywhere));
        quoted(&words)
    }

    /// The program as it may be told; its arguments may be secrets.
    pub(crate) fn told(&self) -> String {
        self.path.display().to_string()
    }
}

impl ProgramProblem {
    /// The problem in words, as a sentence.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::NotStarted(error) => in_words(error).to_owned(),
            Self::TooSlow => format!("It took longer than {} s.", TIME.as_secs()),
            Self::Failed(status, _) => match status.code() {
                Some(number) => format!("It ended with the exit status {number}."),
                None => by_signal(*status),
            },
            Self::TooMuch => "It printed more than 1 MiB.".to_owned(),
            Self::NotText => "What it printed is not UTF-8 text.".to_owned(),
            Self::Nothing => "It printed nothing.".to_owned(),
        }
    }
}

/// Where a program runs that a setting of this origin names. A host's own folder may be a repository that somebody
/// else wrote, and interpreters load code from where they run; so does whoever has `.` in `PATH`.
fn folder_of(origin: &Origin) -> Option<PathBuf> {
    let Origin::File { file, .. } = origin else { return None };
    // What has no folder, such as a variable that holds a file's text, has the home folder.
    let folder = file.parent().map(Path::to_owned).into_iter().chain(home()).find(|folder| folder.is_absolute());
    let folder = folder.unwrap_or_else(|| PathBuf::from("/"));
    // An entry is tried before its file is written.
    Some(folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(&folder).to_owned())
}

#[cfg(unix)]
fn by_signal(status: ExitStatus) -> String {
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    signal.map_or_else(|| "It was stopped.".to_owned(), |number| format!("The signal {number} ended it."))
}

#[cfg(not(unix))]
fn by_signal(_: ExitStatus) -> String {
    "It was ended by another program.".to_owned()
}

/// The words with an ellipsis for each `hidden`, if not `anywhere` only where that is no part of a longer word.
fn without(words: &str, hidden: &str, anywhere: bool) -> Zeroizing<String> {
    // All of its room at once: what text leaves behind when it grows is not zeroed.
    let mut kept = Zeroizing::new(String::with_capacity(words.len() * ELLIPSIS.len()));
    let mut rest = 0;
    for (at, _) in words.match_indices(hidden) {
        let end = at + hidden.len();
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_part = is_word(words[..at].chars().next_back()) || is_word(words[end..].chars().next());
        if anywhere || !is_part {
            kept.push_str(&words[rest..at]);
            kept.push_str(ELLIPSIS);
            rest = end;
        }
    }
    kept.push_str(&words[rest..]);
    kept
}

const ELLIPSIS: &str = "\u{2026}";

fn text(printed: &[u8]) -> Result<Secret, ProgramProblem> {
    match std::str::from_utf8(printed).map(str::trim) {
        Ok("") => Err(ProgramProblem::Nothing),
        Ok(text) => Ok(Secret::new(text.to_owned())),
        Err(_) => Err(ProgramProblem::NotText),
    }
}

const TIME: Duration = Duration::from_secs(5);

#[cfg(all(test, unix))]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_a_file_names_runs_in_its_folder_and_what_a_flag_names_here() {
        let runs_in = |origin: &Origin| {
            let words = vec![Secret::new("pwd".to_owned())];
            let printed = Program::new(words, Vec::new(), None, origin).unwrap().unwrap().run().unwrap();
            Path::new(printed.expose()).canonicalize().unwrap()
        };
        let of_file =
            |path: &Path| runs_in(&Origin::File { file: Arc::new(path.to_owned()), line: 1, key: "k".into() });
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        assert_eq!(of_file(&real.join("config.jsonc")), real);
        assert_eq!(of_file(&real.join("not/yet/config.jsonc")), real);
        assert_eq!(of_file(Path::new("the variable X")), home().unwrap().canonicalize().unwrap());
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(runs_in(&Origin::Flag("--exec".to_owned())), here);
    }
}
