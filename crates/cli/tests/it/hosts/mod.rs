//! `mcp-mtls install` and `uninstall`: what they write into the files of hosts, what they refuse, and what they tell.

#![expect(clippy::expect_used, reason = "a helper of tests panics as a test does")]

#[cfg(unix)]
mod asked;
mod changed;
mod golden;
mod listed;
mod refused;
mod run;
mod shown;
mod told;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::run::{BINARY, Outcome};

/// A home folder with the program in its `bin`, and with entries.
struct Home {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Home {
    fn new() -> Self {
        let home = Self { folder: tempfile::tempdir().expect("a folder"), variables: Vec::new() };
        // Elsewhere than in the folder of a build, about which there would be a word.
        std::fs::create_dir(home.path("bin")).expect("a folder");
        if std::fs::hard_link(BINARY, home.program()).is_err() {
            std::fs::copy(BINARY, home.program()).expect("a copy");
        }
        home.has(CONFIG, CORP);
        home
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self) -> PathBuf {
        self.path("bin").join(Path::new(BINARY).file_name().expect("a name"))
    }

    /// Puts a file there.
    fn has(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// All files but the program and the configuration, by their paths.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name =
                        path.strip_prefix(self.folder.path()).expect("below home").to_string_lossy().into_owned();
                    found.push(name);
                }
            }
        }
        found.retain(|name| !name.starts_with("bin/") && name != CONFIG);
        found.sort();
        found
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command.env_clear().env("HOME", self.folder.path()).env("USERPROFILE", self.folder.path());
        command.env("PATH", self.path("bin")).env("TOKEN", "hunter2").current_dir(self.folder.path());
        command.envs(self.variables.iter().cloned()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).stdin(Stdio::null()).output().expect("the binary runs");
        Outcome {
            status: output.status.code().expect("the binary exits by itself"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// What a run that must succeed tells, without the name of the folder.
    fn told(&self, arguments: &[&str]) -> String {
        self.without_chance(&self.run(arguments).succeeded())
    }

    /// Why a run fails, in one line.
    fn refused(&self, status: i32, arguments: &[&str]) -> String {
        let told = self.without_chance(&self.run(arguments).failed(status));
        told.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn without_chance(&self, text: &str) -> String {
        text.replace(&*self.folder.path().to_string_lossy(), "[home]")
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&path.metadata().expect("it is there").permissions()) & 0o777
}

const CONFIG: &str = ".config/mcp-mtls/config.jsonc";
const CORP: &str = r#"{
  "mcp": {
    "corp": {
      "url": "https://mcp.corp.example/mcp",
      "headers": { "Authorization": "Bearer {env:TOKEN}" },
      "tls": { "cert": "~/me.pem", "key": "~/me.key" }
    }
  }
}
"#;

/// Every host that is written: its name, its file, the file of a project, and a file of somebody who has a server there already.
const WRITTEN: [Written; 7] = [
    Written {
        host: "opencode",
        file: ".config/opencode/opencode.jsonc",
        project: Some("opencode.json"),
        there: "// mine\n{\n  \"theme\": \"dark\", // stays\n  \"mcp\": {\n    \"other\": { \"type\": \"local\", \"command\": [\"x\"], \"environment\": { \"T\": \"hunter2\" } } // hunter3\n  }\n}\n",
    },
    Written {
        host: "claude-code",
        file: ".claude.json",
        project: Some(".mcp.json"),
        there: "{\"oauthAccount\":{\"token\":\"hunter2\"},\"mcpServers\":{\"other\":{\"command\":\"x\",\"env\":{\"T\":\"hunter2\"}}}}",
    },
    Written {
        host: "codex",
        file: ".codex/config.toml",
        project: Some(".codex/config.toml"),
        there: "# mine\nmodel = \"o3\"\n\n[mcp_servers.other] # hunter3\ncommand = \"x\"\nenv = { T = \"hunter2\" }\n\n[tui]\ntheme = \"dark\"\n",
    },
    Written {
        host: "gemini-cli",
        file: ".gemini/settings.json",
        project: Some(".gemini/settings.json"),
        there: "{\n\t\"security\": { \"key\": \"hunter2\" },\n\t\"mcpServers\": {\n\t\t\"other\": {\n\t\t\t\"command\": \"x\",\n\t\t\t\"env\": { \"T\": \"hunter2\" }\n\t\t}\n\t}\n}\n",
    },
    Written {
        host: "cline",
        file: ".cline/data/settings/cline_mcp_settings.json",
        project: None,
        there: "{\n  \"mcpServers\": {\n    \"other\": {\n      \"transport\": { \"type\": \"stdio\", \"command\": \"x\", \"env\": { \"T\": \"hunter2\" } }\n    }\n  }\n}",
    },
    Written {
        host: "copilot-cli",
        file: ".copilot/mcp-config.json",
        project: None,
        there: "{\r\n  \"mcpServers\": {\r\n    \"other\": { \"type\": \"local\", \"command\": \"x\", \"env\": { \"T\": \"hunter2\" }, \"tools\": [\"*\"] }\r\n  }\r\n}\r\n",
    },
    Written {
        host: "hermes",
        file: ".hermes/config.yaml",
        project: None,
        there: "# mine\nmodel: big # stays\nmcp_servers:\n  other: # hunter3\n    command: x\n    env:\n      T: hunter2\ndisplay:\n  skin: dark\n",
    },
];

struct Written {
    host: &'static str,
    file: &'static str,
    project: Option<&'static str>,
    there: &'static str,
}
