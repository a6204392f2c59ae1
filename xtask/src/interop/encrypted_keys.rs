//! Keys that the installed OpenSSL has just encrypted, in each form that it knows, shown to an `openssl s_server`.

use std::process::Command;

use mcp_mtls_testkit::pki::{Client, KeyKind};

use super::openssl::SServer;
use super::to_openssl::talk;
use super::{Case, Stage, expect_refusal, shown};

pub(super) fn cases() -> Vec<Case> {
    let of = |kind: KeyKind, command: &'static str| {
        Case::new(format!("a key of {kind:?} encrypted by openssl {command}"), move |stage| {
            Box::pin(connects(stage, kind, command))
        })
    };
    let rsa = RSA.iter().map(|command| of(KeyKind::Rsa2048, command));
    let ec = EC.iter().map(|command| of(KeyKind::P256, command));
    let both = PKCS8.iter().flat_map(|command| [of(KeyKind::Rsa2048, command), of(KeyKind::P256, command)]);
    both.chain(rsa).chain(ec).collect()
}

async fn connects(stage: &Stage, kind: KeyKind, command: &str) {
    let alice = stage.pki.client_with_key("alice", kind);
    let key = encrypt(stage, &alice, command);
    let server = SServer::start(stage, "1.3", &stage.pki.client_ca_file()).await;
    let mut args = vec![server.url(), "--ca".to_owned(), shown(&stage.pki.server_ca_file())];
    args.extend(["--cert".to_owned(), shown(&alice.cert_file), "--key".to_owned(), key]);
    let missing = stage.connect(args.iter().map(String::as_str));
    expect_refusal(missing, "key-encrypted", &["encrypted", "passphrase"]).await;

    let passphrase = stage.pki.write("passphrase", format!("{PASSPHRASE}\n"));
    args.extend(["--passphrase".to_owned(), format!("{{file:{}}}", shown(&passphrase))]);
    talk(stage, server, &args, &alice).await;
}

/// The file of this client's key, encrypted by these arguments.
fn encrypt(stage: &Stage, client: &Client, command: &str) -> String {
    let key = stage.pki.write("locked.key", "");
    let mut openssl = Command::new("openssl");
    openssl.args(command.split(' ')).args(["-in", &shown(&client.key_file), "-out", &shown(&key)]);
    openssl.arg("-passout").arg(format!("pass:{PASSPHRASE}"));
    let output = openssl.output().unwrap_or_else(|error| panic!("cannot start openssl: {error}"));
    assert!(output.status.success(), "openssl {command}:\n{}", String::from_utf8_lossy(&output.stderr));
    shown(&key)
}

const PASSPHRASE: &str = "grün hunter2";

const PKCS8: [&str; 8] = [
    "pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -iter 600000",
    "pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA1",
    "pkcs8 -topk8 -v2 aes-192-cbc -v2prf hmacWithSHA512 -outform DER",
    "pkcs8 -topk8 -v2 des3 -v2prf hmacWithSHA384",
    "pkcs8 -topk8 -scrypt",
    "pkcs8 -topk8 -v1 PBE-SHA1-3DES",
    "pkcs8 -topk8 -v1 PBE-SHA1-2DES",
    "pkcs8 -topk8 -v1 PBE-MD5-DES -provider legacy -provider default",
];

const RSA: [&str; 3] =
    ["rsa -aes256 -traditional", "rsa -des3 -traditional", "rsa -des -traditional -provider legacy -provider default"];

const EC: [&str; 3] = ["ec -aes128", "ec -aes192", "ec -des3"];
