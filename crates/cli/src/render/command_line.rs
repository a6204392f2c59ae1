//! Command lines to be pasted into a shell.

use std::borrow::Cow;

use super::WIDTH;

/// A command line for the shells of this system, on several lines if it is long.
pub(crate) fn command_line(words: &[&str], indent: usize) -> String {
    // cmd and PowerShell continue a line each in a way of its own.
    if cfg!(windows) { one_line(words, indent) } else { several_lines(words, indent) }
}

/// An argument for the shells of this system.
pub(crate) fn argument(argument: &str) -> Cow<'_, str> {
    if cfg!(windows) { windows_argument(argument) } else { posix_argument(argument) }
}

/// As cmd and PowerShell take it.
fn one_line(words: &[&str], indent: usize) -> String {
    let words: Vec<_> = words.iter().map(|word| windows_argument(word)).collect();
    format!("{:indent$}{}", "", words.join(" "))
}

/// As POSIX shells take it.
fn several_lines(words: &[&str], indent: usize) -> String {
    let blanks = " ".repeat(indent);
    let mut lines = vec![blanks.clone()];
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let mut unit = posix_argument(word).into_owned();
        // An option and its value read as one.
        if word.starts_with("--")
            && word.len() > 2
            && let Some(value) = words.next_if(|next| !next.starts_with('-'))
        {
            unit = format!("{unit} {}", posix_argument(value));
        }
        let (first, used) = (lines.len() == 1, lines.last().map_or(0, |line| line.chars().count()));
        let begun = used > if first { indent } else { indent + 2 };
        if begun && used + 1 + unit.chars().count() + CONTINUED.len() > WIDTH {
            lines.push(format!("{blanks}  {unit}"));
        } else if let Some(line) = lines.last_mut() {
            line.push_str(if begun { " " } else { "" });
            line.push_str(&unit);
        }
    }
    lines.join(&format!("{CONTINUED}\n"))
}

fn posix_argument(argument: &str) -> Cow<'_, str> {
    // An argument with a NUL in it can be given to no program.
    shlex::try_quote(argument).unwrap_or(Cow::Borrowed("?"))
}

/// In double quotes both shells take all but what PowerShell expands there, which cmd cannot quote at all.
fn windows_argument(argument: &str) -> Cow<'_, str> {
    let plain = |one: char| one.is_alphanumeric() || r"\/:.-_=+~".contains(one);
    if !argument.is_empty() && argument.chars().all(plain) {
        Cow::Borrowed(argument)
    } else if argument.contains(['$', '`', '"']) {
        Cow::Owned(format!("'{}'", argument.replace('\'', "''")))
    } else {
        Cow::Owned(format!("\"{argument}\""))
    }
}

const CONTINUED: &str = " \\";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_survive_a_posix_shell() {
        assert_eq!(posix_argument("certs/alice.pem"), "certs/alice.pem");
        assert_eq!(posix_argument("my certs/alice.pem"), "'my certs/alice.pem'");
        assert_eq!(several_lines(&["mcp-mtls", "connect", "corp"], 2), "  mcp-mtls connect corp");
        let long = "p".repeat(40);
        let words = ["claude", "--", "mcp-mtls", "connect", "URL", "--cert", &long, "--key", &long, "--ca", "c"];
        assert_eq!(
            several_lines(&words, 2),
            format!("  claude -- mcp-mtls connect URL \\\n    --cert {long} \\\n    --key {long} --ca c")
        );
    }

    #[test]
    fn arguments_survive_the_shells_of_windows() {
        let words = ["mcp-mtls", "doctor", "corp", "--config", r"C:\Users\A User\config.jsonc", r"--key=C:\a.key"];
        let line = r#"  mcp-mtls doctor corp --config "C:\Users\A User\config.jsonc" --key=C:\a.key"#;
        assert_eq!(one_line(&words, 2), line);
        assert_eq!(windows_argument(""), "\"\"");
        assert_eq!(windows_argument("https://a/b?c&d"), "\"https://a/b?c&d\"");
        assert_eq!(windows_argument(r"C:\it's\$x"), r"'C:\it''s\$x'");
    }
}
