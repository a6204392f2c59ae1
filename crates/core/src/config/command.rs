//! Runs the program of a `{command:}` reference.

use std::path::Path;

use super::origin::Origin;
use super::program::{Program, ProgramProblem};
use super::reference::unresolved;
use crate::error::{Result, brief};
use crate::secret::Secret;

/// Runs a program without a shell; its standard output, trimmed, is the value.
pub(super) fn run(line: &str, folder: Option<&Path>, origin: &Origin) -> Result<Secret> {
    let words = shlex::split(line).unwrap_or_default().into_iter().map(Secret::new).collect();
    let Some(program) = Program::new(words, Vec::new(), folder, origin)? else {
        return Err(unresolved("The command of a reference cannot be read".into(), origin)
            .fix("Close its quotation marks. Words are split as a POSIX shell does, without expansion."));
    };
    program.run().map_err(|problem| {
        let failure = unresolved(format!("The command `{}` of a reference failed", brief(&program.told())), origin)
            .because(problem.sentence());
        match problem {
            ProgramProblem::Failed(..) => failure.fix("Run it in a terminal to see what it says."),
            ProgramProblem::TooSlow => failure.fix("Nobody can answer what it may ask: its stdin is closed."),
            ProgramProblem::NotStarted(_) => failure.fix("Write its absolute path, and check that it can be run."),
            _ => failure.fix("Have it print the value alone, as one text."),
        }
    })
}
