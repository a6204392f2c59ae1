//! The certificates of the demo, in a folder, and the command lines that use them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use mcp_mtls_core::devcerts::{Authority, KeyKind, Minted, write};
use mcp_mtls_core::error::{Code, Failure, Result};
use serde::Serialize;
use tempfile::TempDir;

/// What the demo plays with.
pub(super) struct Stage {
    pub(super) ca: Authority,
    pub(super) server: Minted,
    pub(super) alice: Minted,
    folder: PathBuf,
    /// Removes the folder, unless it is to be kept.
    _fresh: Option<TempDir>,
}

/// Who starts `connect`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    /// With a certificate of the CA that the server believes.
    Alice,
    /// With no certificate.
    Nobody,
    /// With a certificate of another CA.
    Stranger,
}

/// A program and its arguments.
pub(super) struct CommandLine {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

impl Stage {
    /// Makes all certificates and writes them into a fresh folder, or into the one to keep.
    pub(super) fn set(keep: Option<&Path>) -> Result<Self> {
        let ca = Authority::new("mcp-mtls demo CA", DAYS, KeyKind::P256)?;
        let server = ca.server(&["localhost", "127.0.0.1", "::1"], DAYS, KeyKind::P256)?;
        let alice = ca.client("alice", DAYS, KeyKind::P256)?;
        let stranger_ca = Authority::new("A stranger's CA", DAYS, KeyKind::P256)?;
        // The same name as Alice's: the server must look at who signed it.
        let stranger = stranger_ca.client("alice", DAYS, KeyKind::P256)?;

        let fresh = match keep {
            Some(_) => None,
            None => Some(temporary().map_err(|error| {
                Failure::new(Code::FileUnwritable, "No temporary folder can be made").because_of(&error)
            })?),
        };
        let folder = fresh.as_ref().map(TempDir::path).or(keep).unwrap_or(Path::new("."));
        // Hosts start programs in folders of their own, so that every path must be whole.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        write(&folder, &[ca.minted(), &server, &alice])?;
        write(&folder.join(STRANGER), &[stranger_ca.minted(), &stranger])?;
        Ok(Self { ca, server, alice, folder, _fresh: fresh })
    }

    /// Where the files are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// `mcp-mtls connect` as this user runs it.
    pub(super) fn command(&self, url: &str, user: User) -> Result<CommandLine> {
        let program = std::env::current_exe().map_err(|error| {
            Failure::new(Code::SystemFailed, "The path of this program is unknown").because_of(&error)
        })?;
        let mut arguments: Vec<OsString> = vec!["connect".into(), url.into()];
        let folder = match user {
            User::Alice => Some(self.folder.clone()),
            User::Stranger => Some(self.folder.join(STRANGER)),
            User::Nobody => None,
        };
        if let Some(folder) = folder {
            arguments.extend(["--cert".into(), folder.join("alice.pem").into()]);
            arguments.extend(["--key".into(), folder.join("alice.key").into()]);
        }
        arguments.extend(["--ca".into(), self.folder.join("ca.pem").into()]);
        Ok(CommandLine { program, arguments })
    }

    /// Writes the file that tells the MCP Inspector how to start `connect`.
    pub(super) fn inspector_config(&self, url: &str) -> Result<PathBuf> {
        let command = self.command(url, User::Alice)?;
        let path = self.folder.join("inspector.json");
        let failed =
            |code, what, error: &io::Error| Failure::new(code, what).at(path.display().to_string()).because_of(error);
        // A kept folder may hold a file of that name, which is not ours to overwrite.
        match File::create_new(&path).and_then(|mut file| writeln!(file, "{}", command.mcp_servers())) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(failed(Code::FileExists, "The file exists already", &error)
                    .fix("Keep the files in another folder."))
            }
            Err(error) => Err(failed(Code::FileUnwritable, "The file cannot be written", &error)),
        }
    }
}

impl CommandLine {
    /// The entry that most hosts read.
    pub(super) fn mcp_servers(&self) -> String {
        #[derive(Serialize)]
        struct Entry {
            command: String,
            args: Vec<String>,
        }
        let entry = Entry { command: self.program_text(), args: self.argument_texts() };
        under("mcpServers", entry)
    }

    pub(super) fn program_text(&self) -> String {
        self.program.display().to_string()
    }

    pub(super) fn argument_texts(&self) -> Vec<String> {
        self.arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect()
    }
}

/// The keys of an entry stay in the order in which people write them.
fn under(key: &str, entry: impl Serialize) -> String {
    let file = BTreeMap::from([(key, BTreeMap::from([("demo", entry)]))]);
    serde_json::to_string_pretty(&file).unwrap_or_default()
}

/// A folder of the user's own, whatever the umask is: keys where others could replace them are refused.
fn temporary() -> std::io::Result<TempDir> {
    let mut folder = tempfile::Builder::new();
    #[cfg(unix)]
    folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    folder.prefix("mcp-mtls-demo-").tempdir()
}

/// Long enough for a day with `--serve`, and too short to be used in earnest.
const DAYS: u16 = 7;

const STRANGER: &str = "stranger";
