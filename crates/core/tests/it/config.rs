//! The configuration file, flags and references: what is read, and every way in which it is refused.

#![expect(clippy::expect_used, reason = "what stages a test may panic as the test itself may")]

mod arguments;
#[cfg(unix)]
mod draft;
#[cfg(all(unix, not(target_os = "macos")))]
mod environment;
mod exec;
mod refused;
mod refused_values;
mod secrets;
#[cfg(unix)]
mod spiffe;
mod values;

use std::path::{Path, PathBuf};

use mcp_mtls_core::config::{Content, Endpoint, Entry, EntrySettings, File, Material, find};
use mcp_mtls_core::error::{Failure, Result};

/// A folder with a configuration file in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).expect("the file can be written");
        // Whatever the umask, nobody else has access.
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
        path
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The entry `corp` of a configuration file with this text, resolved.
    fn resolve(&self, text: impl AsRef<[u8]>) -> Result<Endpoint> {
        find("corp", Some(&self.write("config.jsonc", text)))?.resolve()
    }

    /// All that is told of a failure, with `[dir]` for this folder.
    fn told(&self, failure: &Failure) -> String {
        told(failure).replace(&self.path().display().to_string(), "[dir]")
    }
}

/// The entry `corp` with these keys after its URL, resolved.
fn entry(keys: &str) -> Result<Endpoint> {
    Folder::new().resolve(with(keys))
}

/// A file with the entry `corp` and these keys after its URL, on the third line.
fn with(keys: &str) -> String {
    format!("{{ \"mcp\": {{ \"corp\": {{\n  \"url\": \"https://corp.example/mcp\",\n  {keys}\n}} }} }}")
}

/// What is told when the file with this text is refused.
fn refused(text: impl AsRef<[u8]>) -> String {
    let folder = Folder::new();
    folder.told(&folder.resolve(text).expect_err("it must be refused"))
}

/// What is told when an entry given on the command line is refused.
fn refused_flags(flags: EntrySettings) -> String {
    told(&Entry::from_flags("https://corp.example/mcp", flags).resolve().expect_err("it must be refused"))
}

/// All that is told of a failure.
pub(crate) fn told(failure: &Failure) -> String {
    let facts = failure.facts();
    let mut lines = vec![format!("{}: {}", facts.code, facts.what)];
    for (label, all) in [("at", &facts.place), ("why", &facts.why), ("fix", &facts.fix)] {
        lines.extend(all.iter().map(|line| format!("{label}: {line}")));
    }
    lines.join("\n")
}

fn headers(endpoint: &Endpoint) -> Vec<(&str, &str)> {
    let headers = endpoint.headers.iter();
    headers.map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII"))).collect()
}

fn file(material: Option<&Material>) -> &Path {
    match material.map(|material| &material.content) {
        Some(Content::File(path)) => path,
        other => panic!("a file was expected: {other:?}"),
    }
}

#[test]
fn an_entry_is_read_under_each_name_of_the_map() {
    for map in ["mcp", "mcpServers", "servers"] {
        let text = format!(
            "\u{feff}{{ /* hosts */ \"{map}\": {{ \"corp\": {{ \"url\": \"https://corp.example/mcp\", }}, }}, }}"
        );
        let endpoint = Folder::new().resolve(text).expect("it is read");
        assert_eq!((endpoint.name.as_deref(), endpoint.url.as_str()), (Some("corp"), "https://corp.example/mcp"));
        assert_eq!(endpoint.timeout.as_secs(), 10);
        assert!(endpoint.tls.system_roots && endpoint.warnings.is_empty());
    }
}

#[test]
fn entries_of_all_maps_are_listed_in_the_order_of_the_file() {
    let folder = Folder::new();
    let path =
        folder.write("c", r#"{ "servers": { "b": {}, "a": {} }, "other": 1, "mcp": { "c": {} }, "mcp": { "d": {} } }"#);
    let file = File::read(&path).unwrap().expect("a file");
    assert_eq!(file.names().unwrap(), ["b", "a", "c", "d"]);
    assert!(File::read(&folder.path().join("none")).unwrap().is_none());
}

#[test]
fn an_entry_can_be_pasted_from_any_host() {
    for (keys, warnings) in [
        (r#""url": "https://corp.example/mcp", "type": "remote", "enabled": true, "oauth": false"#, 0),
        (r#""url": "https://corp.example/mcp", "type": "http", "oauth": null, "tls": null"#, 0),
        (r#""url": "https://corp.example/mcp", "transport": "streamable-http""#, 0),
        (r#""httpUrl": "https://corp.example/mcp", "trust": true"#, 1),
        (r#""serverUrl": "https://corp.example/mcp", "alwaysAllow": [], "disabledTools": ["x"]"#, 2),
    ] {
        let endpoint = Folder::new().resolve(format!(r#"{{ "mcpServers": {{ "corp": {{ {keys} }} }} }}"#)).expect(keys);
        assert_eq!((endpoint.url.as_str(), endpoint.warnings.len()), ("https://corp.example/mcp", warnings), "{keys}");
    }
}

#[test]
fn a_key_that_another_host_may_have_is_a_warning() {
    let folder = Folder::new();
    let endpoint = folder.resolve(with(r#""headrs": { "X-Team": "a" }, "autoApprove": []"#)).unwrap();
    let warnings = endpoint.warnings.join("\n").replace(&folder.path().display().to_string(), "[dir]");
    insta::assert_snapshot!(warnings, @"
    [dir]/config.jsonc:3, mcp.corp.headrs: unknown key, not used; did you mean `headers`?
    [dir]/config.jsonc:3, mcp.corp.autoApprove: unknown key, not used
    ");
    let entry = find("corp", Some(&folder.path().join("config.jsonc"))).unwrap();
    assert_eq!(entry.warnings(), endpoint.warnings);
}

#[test]
fn one_broken_entry_keeps_no_other_from_working() {
    let text = r#"{ "mcp": { "broken": { "url": 7, "tls": { "pins": [] } }, "corp": { "url": "https://corp.example/mcp" } } }"#;
    Folder::new().resolve(text).expect("the other entry works");
}
