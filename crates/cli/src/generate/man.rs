//! Manual pages: what clap knows of a command, and what it does not know.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::Command;
use mcp_mtls_core::error::{Code, Failure, Result, quoted};

/// The page of one command; of the program, without words.
pub(super) fn page(program: &Command, words: &[String]) -> Result<String> {
    let mut command = program;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            Failure::new(Code::UsageInvalid, format!("There is no command {}", quoted(word)))
                .fix("`mcp-mtls --help` lists the commands.")
        })?;
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim().to_owned();
    let mut page = Vec::new();
    // The usage that clap_mangen makes by itself has flags without their values.
    clap_mangen::Man::new(command.clone().override_usage(usage))
        .source(format!("mcp-mtls {}", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .map_err(|error| Failure::new(Code::SystemFailed, "The manual page cannot be written").because_of(&error))?;
    let mut page = String::from_utf8_lossy(&page).into_owned();
    page.push_str(EXIT_STATUS);
    match words.split_last() {
        None => page.push_str(OF_PROGRAM),
        Some((_, above)) => {
            let above = [&["mcp-mtls".to_owned()], above].concat().join("\\-").replace("mcp-", "mcp\\-");
            let _ = write!(page, ".SH \"SEE ALSO\"\n{above}(1)\n");
        }
    }
    Ok(page)
}

/// Writes the page of every command that is shown.
pub(super) fn all(program: &Command, folder: &Path) -> Result<()> {
    let mut pages = Vec::new();
    collect(program, program, &[], &mut pages)?;
    fs::create_dir_all(folder).map_err(|error| unwritten(folder, &error))?;
    for (name, page) in pages {
        let file = folder.join(name);
        fs::write(&file, page).map_err(|error| unwritten(&file, &error))?;
    }
    Ok(())
}

fn collect(program: &Command, command: &Command, words: &[String], pages: &mut Vec<(String, String)>) -> Result<()> {
    let name = [&["mcp-mtls".to_owned()], words].concat().join("-");
    pages.push((format!("{name}.1"), page(program, words)?));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        collect(program, below, &[words, &[below.get_name().to_owned()]].concat(), pages)?;
    }
    Ok(())
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::FileUnwritable, "The manual pages cannot be written there")
        .at(path.display().to_string())
        .because_of(error)
        .fix("Name a folder that you can write to with --all.")
}

const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
0 if all was done, 1 if something could not be done, 2 if the arguments cannot be understood.
"#;

const OF_PROGRAM: &str = r#".SH FILES
.TP
\fI~/.config/mcp\-mtls/config.jsonc\fR
The configuration, in \fI$XDG_CONFIG_HOME\fR if that is set;
\fI~/Library/Application Support/mcp\-mtls/config.jsonc\fR on macOS, \fI%APPDATA%\\mcp\-mtls\\config.jsonc\fR on Windows.
.TP
\fI/etc/mcp\-mtls/config.jsonc\fR
The configuration of the machine, for names that the user's does not have.
.TP
\fItrusted.json\fR
Beside the user's configuration: the projects that \fBmcp\-mtls trust\fR allowed.
.SH ENVIRONMENT
.TP
\fBHTTPS_PROXY\fR, \fBALL_PROXY\fR, \fBNO_PROXY\fR
The proxy to a server whose entry has no \fBproxy\fR.
.TP
\fBSSL_CERT_FILE\fR, \fBSSL_CERT_DIR\fR
Other CA certificates instead of the system's.
.TP
\fBSPIFFE_ENDPOINT_SOCKET\fR
The socket of the SPIFFE Workload API, where an entry with \fBspiffe\fR names none.
.PP
And the variables that references in the configuration name, as in {env:NAME}.
.SH "SEE ALSO"
mcp\-mtls\-doctor(1), mcp\-mtls\-explain(1)
"#;
