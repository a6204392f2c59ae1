//! A case of the gallery: a cause, staged in a folder of its own, and all that is told of it.

mod told;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::pki::{Client, Pki};
use mcp_mtls_testkit::server::{ServerBuilder, TlsServer};

use super::run::{Run, host};
use super::stable::stable;
use crate::stage::binary;

/// One cause, and what was told of it in each of its ways.
pub(super) struct Case {
    pub(super) pki: Pki,
    name: &'static str,
    code: Code,
    side: Side,
    secrets: Vec<String>,
    of_others: Vec<&'static str>,
    words: Vec<(String, &'static str)>,
    /// What was told, and in which ways it was the same.
    told: Vec<(Vec<String>, String)>,
    broken: Vec<String>,
    /// How often the bridge ended before stderr took what it had to say.
    silent: usize,
}

/// When an answer has to come.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// The cause is known at once.
    AtOnce,
    /// Nothing answers, and this is the `timeout`.
    After(Duration),
}

/// Starts a case that must be told with this code and side, and names its snapshot.
pub(super) fn case(name: &'static str, code: Code, side: Side) -> Case {
    let pki = Pki::new();
    let words = vec![(pki.dir().display().to_string(), "[dir]"), (binary().display().to_string(), "[mcp-mtls]")];
    Case {
        pki,
        name,
        code,
        side,
        secrets: Vec::new(),
        of_others: Vec::new(),
        words,
        told: Vec::new(),
        broken: Vec::new(),
        silent: 0,
    }
}

/// The ways of connecting in which a refusal looks different.
pub(super) fn variants(pki: &Pki) -> [(&'static str, ServerBuilder); 4] {
    [
        ("TLS 1.2, HTTP/1.1", TlsServer::builder(pki).tls12_only().alpn(&["http/1.1"])),
        ("TLS 1.2, HTTP/2", TlsServer::builder(pki).tls12_only().alpn(&["h2"])),
        ("TLS 1.3, HTTP/1.1", TlsServer::builder(pki).tls13_only().alpn(&["http/1.1"])),
        ("TLS 1.3, HTTP/2", TlsServer::builder(pki).tls13_only().alpn(&["h2"])),
    ]
}

/// What is staged.
impl Case {
    /// Something that must not be told.
    pub(super) fn secret(&mut self, secret: &str) -> String {
        self.secrets.push(secret.to_owned());
        secret.to_owned()
    }

    /// Something that the other side says, and that must stand in quotation marks wherever it is told.
    pub(super) fn of_others(&mut self, words: &'static str) {
        self.of_others.push(words);
    }

    /// Something that differs from run to run, and what is shown for it.
    pub(super) fn hide(&mut self, word: &str, name: &'static str) {
        self.words.push((word.to_owned(), name));
    }

    /// Whether a connection is closed or reset depends on what was under way: either is shown as the same.
    pub(super) fn ends_either_way(&mut self) {
        self.hide("The connection was reset.", "[closed or reset]");
        self.hide("The connection was closed without notice.", "[closed or reset]");
    }

    /// A file in the folder of the case.
    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        path(&self.pki.write(name, content))
    }

    /// A host with this certificate towards a URL, trusting the staged CA.
    pub(super) fn towards(&self, url: &str, client: Option<&Client>) -> Run {
        let ca = path(&self.pki.server_ca_file());
        let host = host([url, "--ca", &ca]);
        match client {
            Some(client) => host
                .args([OsStr::new("--cert"), client.cert_file.as_ref()])
                .args([OsStr::new("--key"), client.key_file.as_ref()]),
            None => host,
        }
    }

    /// A host whose configuration file has this entry, `corp`.
    pub(super) fn entry(&self, entry: &str) -> Run {
        self.configuration(&format!("{{ \"mcp\": {{ \"corp\": {entry} }} }}"))
    }

    /// A host with this configuration file, for the entry `corp`.
    pub(super) fn configuration(&self, text: &str) -> Run {
        let config = self.file("config.jsonc", text);
        host(["corp", "--config", &config])
    }
}

impl Case {
    /// Compares with the snapshot, and says which rules were broken.
    #[expect(clippy::print_stdout, reason = "a test says how it went")]
    pub(super) fn end(self) {
        let mut kept = format!("code: {}\n", self.code);
        for (ways, shown) in &self.told {
            kept.push_str(&["\n──── ", &stable(&ways.join("; "), &self.words), "\n\n", shown].concat());
        }
        insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(self.name, kept);
        });
        if self.silent > 0 {
            println!("{}: stderr told nothing {} times, and the same was tried again", self.name, self.silent);
        }
        assert!(self.broken.is_empty(), "{} breaks rules: {:#?}\n\n{kept}", self.name, self.broken);
    }
}

/// Runs each of these cases, and fails when one of them did.
pub(super) async fn all<T, F>(cases: impl IntoIterator<Item = T>, run: impl Fn(T) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut failed = 0;
    for case in cases {
        // What a case has to say is printed where it fails.
        failed += usize::from(tokio::spawn(run(case)).await.is_err());
    }
    assert_eq!(failed, 0, "so many cases failed, see above");
}

/// A path as an argument.
pub(super) fn path(path: &Path) -> String {
    path.display().to_string()
}

/// A copy of a fixture that other software has made: who may write to a checkout is not ours to say.
pub(super) fn fixture(case: &Case, folder: &str, name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests").join(folder);
    case.pki.write(name, std::fs::read(fixtures.join(name)).expect("a fixture"))
}
