//! Keys that were made on a SoftHSM token and cannot leave it, shown to an nginx.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_mtls_testkit::Host;
use mcp_mtls_testkit::pki::fingerprint;
use serde_json::json;
use tempfile::TempDir;

use super::everything::Everything;
use super::nginx::{Nginx, Speaks};
use super::{Case, Stage, end, expect_refusal, shown, tool_text};
use crate::programs::printed;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in ["rsa:2048", "EC:prime256v1", "EC:secp384r1"] {
        for tls in ["1.3", "1.2"] {
            cases.push(Case::new(format!("a token of SoftHSM, {kind}, TLS {tls}"), move |stage| {
                Box::pin(connects(stage, kind, tls, false))
            }));
        }
    }
    cases.push(Case::new("a token of SoftHSM through p11-kit's proxy", |stage| {
        Box::pin(connects(stage, "EC:prime256v1", "1.3", true))
    }));
    cases.push(Case::new("a token of SoftHSM, a wrong PIN", |stage| Box::pin(wrong_pin(stage))));
    cases
}

async fn connects(stage: &Stage, kind: &str, tls: &'static str, by_proxy: bool) {
    let token = Token::new();
    let certificate = token.certified(stage, kind);
    let everything = Everything::start(stage).await;
    let speaks = Speaks { tls, http2: true };
    let nginx = Nginx::start(stage, speaks, everything.port).await;
    let mut host = token.connect(stage, &nginx.url(), "{env:PIN}", by_proxy);
    let answer = host.initialize("2025-11-25").await;
    assert_eq!(answer["result"]["serverInfo"]["name"], "mcp-servers/everything", "{answer:#}");
    assert_eq!(tool_text(&host.call("echo", json!({"message": "hi"})).await), "Echo: hi");
    end(host).await;
    nginx.expect_verified_fingerprint(&fingerprint(&certificate), speaks, "DELETE").await;
}

async fn wrong_pin(stage: &Stage) {
    let token = Token::new();
    token.certified(stage, "EC:prime256v1");
    let host = token.connect(stage, "https://localhost:1/", "{env:WRONG}", false);
    expect_refusal(host, "pin-wrong", &["refuses the PIN"]).await;
}

/// A token with its own store.
struct Token {
    folder: TempDir,
}

impl Token {
    fn new() -> Self {
        let folder = TempDir::with_prefix("mcp-mtls-token-").unwrap_or_else(|e| panic!("a temporary folder: {e}"));
        let token = Self { folder };
        let store = token.folder.path().join("tokens");
        fs::create_dir(&store).unwrap_or_else(|e| panic!("{}: {e}", store.display()));
        let conf = format!("directories.tokendir = {}\nobjectstore.backend = file\n", store.display());
        token.write("softhsm2.conf", &conf);
        // p11-kit's proxy reads the modules of the user here, and adds no others.
        let modules = token.folder.path().join("home/.config/pkcs11/modules");
        fs::create_dir_all(&modules).unwrap_or_else(|e| panic!("{}: {e}", modules.display()));
        token.write("home/.config/pkcs11/modules/softhsm2.module", format!("module: {}\n", shown(&module())));
        token.run(
            Command::new("softhsm2-util")
                .args(["--init-token", "--free", "--label", "The Card"])
                .args(["--pin", "1234", "--so-pin", "5678"]),
        );
        token
    }

    /// Makes a key on it, and puts a certificate for it there, which it returns.
    fn certified(&self, stage: &Stage, kind: &str) -> Vec<u8> {
        self.tool(&["--keypairgen", "--key-type", kind, "--sensitive"]);
        // OpenSC's tool reads no public keys of P-384 in the version of Debian 12.
        let mut export = Command::new("p11tool");
        export.arg(format!("--provider={}", shown(&module()))).args(["--login", "--set-pin=1234", "--export-pubkey"]);
        let pem = self.run(export.arg("pkcs11:token=The%20Card;object=alice;type=private"));
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let public = STANDARD.decode(base64).unwrap_or_else(|e| panic!("{pem}: {e}"));
        let certificate = stage.pki.certificate_for("alice", &public);
        let file = self.write("certificate.der", &certificate);
        self.tool(&["--write-object", &shown(&file), "--type", "cert"]);
        certificate
    }

    fn tool(&self, args: &[&str]) {
        let mut command = Command::new("pkcs11-tool");
        command.arg("--module").arg(module()).args(["--login", "--pin", "1234", "--token-label", "The Card"]);
        self.run(command.args(["--id", "01", "--label", "alice"]).args(args));
    }

    fn run(&self, command: &mut Command) -> String {
        let command = command.env("SOFTHSM2_CONF", self.folder.path().join("softhsm2.conf"));
        printed(command).unwrap_or_else(|e| panic!("{e}"))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }

    fn connect(&self, stage: &Stage, url: &str, pin: &str, by_proxy: bool) -> Host {
        let host = Host::builder(&stage.binary)
            .args(["connect", url, "--cert", "pkcs11:token=The%20Card;object=alice", "--passphrase", pin])
            .args([Path::new("--ca"), &stage.pki.server_ca_file()])
            .env("SOFTHSM2_CONF", self.folder.path().join("softhsm2.conf"))
            .env("PIN", "1234")
            .env("WRONG", "4321");
        let module = module();
        let host = if by_proxy {
            host.home(&self.folder.path().join("home"))
        } else {
            host.args([Path::new("--pkcs11-module"), &module])
        };
        host.spawn()
    }
}

/// Where Debian and Fedora put it.
fn module() -> PathBuf {
    let places = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm.so"];
    places.into_iter().map(PathBuf::from).find(|path| path.is_file()).unwrap_or_else(|| panic!("none of {places:?}"))
}
