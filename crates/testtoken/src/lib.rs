//! A PKCS#11 module in software, for tests: its token can be taken out, forget its sessions, count
//! wrong PINs, and take its time to sign. The test writes what is so into a file; the module reads it
//! at every call, and writes down each call.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a helper of tests panics as a test does")]

mod functions;
mod module;
mod sign;
mod state;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cryptoki_sys::{CK_MECHANISM_TYPE, CK_ULONG};
use serde::{Deserialize, Serialize};

/// The variable that names the folder of the token to the module.
pub const FOLDER: &str = "MCP_MTLS_TEST_TOKEN";

/// A token as a test sees it: a folder.
#[derive(Clone, Debug)]
pub struct TestToken {
    folder: PathBuf,
}

/// What is so with the token now.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[non_exhaustive]
pub struct Facts {
    /// Its label.
    pub label: String,
    /// Its serial number.
    pub serial: String,
    /// Whether it is in its reader.
    pub present: bool,
    /// Sessions, logins and handles of an earlier number are invalid.
    pub epoch: CK_ULONG,
    /// Whether keys are seen only after a login.
    pub login_required: bool,
    /// Whether its keys want the PIN for each signature.
    pub always_authenticate: bool,
    /// The right PIN.
    pub pin: String,
    /// Wrong PINs until it locks, of three.
    pub tries: u32,
    /// Whether a signature fails, as if the device were broken.
    pub broken: bool,
    /// Whether the module prints on stdout.
    pub prints: bool,
    /// How long it takes to look at a PIN.
    pub login_millis: u64,
    /// How long a signature takes.
    pub sign_millis: u64,
    /// The mechanisms (`CKM_…`) that it lists, though it may fail them.
    pub mechanisms: Vec<CK_MECHANISM_TYPE>,
    /// The mechanisms that it lists and does not have.
    pub pretended: Vec<CK_MECHANISM_TYPE>,
    /// What is on it.
    pub objects: Vec<Object>,
}

/// A certificate, a key, or both by one id.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Object {
    /// `CKA_LABEL`.
    pub label: String,
    /// `CKA_ID`.
    pub id: Vec<u8>,
    /// A certificate in DER.
    pub certificate: Option<Vec<u8>>,
    /// A private key as PKCS#8 in DER.
    pub key: Option<Vec<u8>>,
}

impl Object {
    /// A certificate, a private key, or both.
    #[must_use]
    pub fn new(label: &str, id: &[u8], certificate: Option<&[u8]>, key: Option<&[u8]>) -> Self {
        Self {
            label: label.to_owned(),
            id: id.to_vec(),
            certificate: certificate.map(<[u8]>::to_vec),
            key: key.map(<[u8]>::to_vec),
        }
    }
}

impl TestToken {
    /// A token in this folder, with the PIN `1234` and nothing on it.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let token = Self { folder: folder.to_owned() };
        fs::create_dir_all(folder).expect("a folder for the token");
        token.write(&Facts {
            label: "Test Card".to_owned(),
            serial: "0001".to_owned(),
            present: true,
            epoch: 1,
            login_required: true,
            always_authenticate: false,
            pin: "1234".to_owned(),
            tries: 3,
            broken: false,
            prints: false,
            login_millis: 0,
            sign_millis: 0,
            mechanisms: sign::MECHANISMS.to_vec(),
            pretended: Vec::new(),
            objects: Vec::new(),
        });
        token
    }

    /// The folder, which goes to the module as the variable [`FOLDER`].
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The module: it is built with the test that depends on this crate, and lies beside it.
    #[must_use]
    pub fn module() -> PathBuf {
        let test = std::env::current_exe().expect("the test has a path");
        let name = format!("{}mcp_mtls_testtoken{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let module = test.with_file_name(name);
        assert!(module.is_file(), "{} was not built", module.display());
        module
    }

    /// Changes what is so.
    pub fn change(&self, change: impl FnOnce(&mut Facts)) {
        let mut facts = self.facts();
        change(&mut facts);
        self.write(&facts);
    }

    /// What is so.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let text = fs::read(self.folder.join("facts.json")).expect("the facts of the token");
        serde_json::from_slice(&text).expect("the facts are JSON")
    }

    /// How often this function (`C_Login`) was called, by all processes.
    #[must_use]
    pub fn calls(&self, function: &str) -> usize {
        let calls = fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        calls.lines().filter(|line| *line == function).count()
    }

    fn write(&self, facts: &Facts) {
        // Nobody ever reads half of it.
        let next = self.folder.join(format!("facts.{}", std::process::id()));
        fs::write(&next, serde_json::to_vec(facts).expect("facts are JSON")).expect("the facts can be written");
        fs::rename(&next, self.folder.join("facts.json")).expect("the facts can be replaced");
    }

    fn called(&self, function: &str) {
        let calls = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("calls"));
        calls.and_then(|mut file| file.write_all(format!("{function}\n").as_bytes())).expect("a call is written down");
        if self.facts().prints {
            writeln!(std::io::stdout(), "The module is in {function}.").expect("stdout is open");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_is_so_from_then_on_and_calls_are_counted_by_their_functions() {
        let folder = tempfile::tempdir().unwrap();
        let token = TestToken::new(folder.path());
        token.change(|facts| facts.tries -= 1);
        token.change(|facts| facts.objects.push(Object::new("alice", &[1], None, None)));
        let facts = TestToken { folder: folder.path().to_owned() }.facts();
        assert_eq!((facts.tries, facts.objects[0].label.as_str(), facts.present), (2, "alice", true));
        token.called("C_Login");
        token.called("C_Sign");
        token.called("C_Login");
        assert_eq!((token.calls("C_Login"), token.calls("C_Sign"), token.calls("C_Logout")), (2, 1, 0));
    }
}
