//! A question to whoever sits at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

/// Asks, and says whether the answer was yes; nothing where nobody can be asked.
pub(crate) fn confirmed(question: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    super::hint(&format!("{question} [y/N] "));
    let mut answer = String::new();
    // What cannot be read is no yes.
    let _ = io::stdin().lock().take(MOST).read_line(&mut answer);
    Some(matches!(answer.trim_end_matches(['\r', '\n']), "y" | "Y" | "yes" | "Yes" | "YES"))
}

/// More than any answer.
const MOST: u64 = 100;
