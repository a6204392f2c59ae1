//! PKCS#12 files that OpenSSL, Java and NSS have just written, shown to an nginx.

use std::path::{Path, PathBuf};
use std::process::Command;

use mcp_mtls_testkit::pki::{Client, KeyKind};
use tempfile::TempDir;

use super::everything::Everything;
use super::nginx::{Nginx, Speaks};
use super::{Case, Stage, end, expect_refusal, shown};

pub(super) fn cases() -> Vec<Case> {
    let openssl = OPENSSL.iter().map(|(kind, options)| {
        let name = format!("PKCS#12 of {kind:?} by openssl {options}");
        Case::new(name.trim_end(), move |stage| {
            Box::pin(connects(stage, *kind, move |_, file| file.to_owned(), options))
        })
    });
    let java = JAVA.iter().map(|option| {
        let name = format!("PKCS#12 by keytool {option}");
        let write = move |folder: &Path, file: &Path| by_keytool(folder, file, option);
        Case::new(name.trim_end(), move |stage| Box::pin(connects(stage, KeyKind::P256, write, "")))
    });
    let nss = [KeyKind::P256, KeyKind::Rsa2048].map(|kind| {
        Case::new(format!("PKCS#12 of {kind:?} by NSS"), move |stage| Box::pin(connects(stage, kind, by_nss, "")))
    });
    openssl.chain(java).chain(nss).collect()
}

/// A file that openssl exports with these options, and `write` may turn into another, is refused without its
/// passphrase and is alice with it.
async fn connects(stage: &Stage, kind: KeyKind, write: impl Fn(&Path, &Path) -> PathBuf, options: &str) {
    let folder = TempDir::with_prefix("mcp-mtls-pkcs12-").unwrap_or_else(|e| panic!("a temporary folder: {e}"));
    let alice = stage.pki.client_with_key("alice", kind);
    let file = write(folder.path(), &by_openssl(folder.path(), &alice, options));
    let everything = Everything::start(stage).await;
    let speaks = Speaks { tls: "1.3", http2: true };
    let nginx = Nginx::start(stage, speaks, everything.port).await;
    let mut args = stage.flags(&nginx.url(), None);
    args.extend(["--cert".to_owned(), shown(&file)]);
    let missing = stage.connect(args.iter().map(String::as_str));
    expect_refusal(missing, "key-encrypted", &["PKCS#12", "passphrase"]).await;

    let passphrase = stage.pki.write("passphrase", format!("{PASSPHRASE}\n"));
    args.extend(["--passphrase".to_owned(), format!("{{file:{}}}", shown(&passphrase))]);
    let mut host = stage.connect(args.iter().map(String::as_str));
    let answer = host.initialize("2025-11-25").await;
    assert_eq!(answer["result"]["serverInfo"]["name"], "mcp-servers/everything", "{answer:#}");
    end(host).await;
    nginx.expect_verified(&alice, speaks, "DELETE").await;
}

fn by_openssl(folder: &Path, client: &Client, options: &str) -> PathBuf {
    let file = folder.join("openssl.p12");
    let mut command = Command::new("openssl");
    command.args(["pkcs12", "-export", "-name", "alice", "-in"]).arg(&client.cert_file);
    command.arg("-inkey").arg(&client.key_file).arg("-out").arg(&file);
    command.args(options.split_whitespace()).arg("-passout").arg(format!("pass:{PASSPHRASE}"));
    succeed(&mut command);
    file
}

fn by_keytool(folder: &Path, from: &Path, option: &str) -> PathBuf {
    let file = folder.join("java.p12");
    let mut command = Command::new("keytool");
    command.args(["-importkeystore", "-noprompt", "-deststoretype", "PKCS12", "-srckeystore"]).arg(from);
    command.args(["-srcstorepass", PASSPHRASE, "-deststorepass", PASSPHRASE, "-destkeystore"]).arg(&file);
    command.args(option.split_whitespace());
    succeed(&mut command);
    file
}

fn by_nss(folder: &Path, from: &Path) -> PathBuf {
    let (file, database) = (folder.join("nss.p12"), format!("sql:{}", folder.display()));
    let database = ["-d", database.as_str()];
    succeed(Command::new("certutil").args(["-N", "--empty-password"]).args(database));
    succeed(Command::new("pk12util").args(database).args(["-W", PASSPHRASE, "-i"]).arg(from));
    succeed(Command::new("pk12util").args(database).args(["-W", PASSPHRASE, "-n", "alice", "-o"]).arg(&file));
    file
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&told));
}

/// The characters are those that keytool takes from any terminal.
const PASSPHRASE: &str = "hunter2 of alice";

const OPENSSL: [(KeyKind, &str); 9] = [
    (KeyKind::P256, ""),
    (KeyKind::Rsa2048, ""),
    (KeyKind::P384, "-macalg sha384"),
    (KeyKind::P521, "-macalg sha512"),
    (KeyKind::Ed25519, "-keypbe AES-128-CBC -certpbe AES-128-CBC"),
    (KeyKind::Rsa2048, "-legacy"),
    (KeyKind::P256, "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1"),
    (KeyKind::P256, "-legacy -keypbe PBE-SHA1-RC2-128 -certpbe PBE-SHA1-RC2-128"),
    (KeyKind::P256, "-nomac"),
];

const JAVA: [&str; 2] = ["", "-J-Dkeystore.pkcs12.legacy"];
