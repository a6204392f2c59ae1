//! Keys that do not fit, or do not open.

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::pki::KeyKind;

use super::case::{Case, case, fixture, path};
use super::files::NOWHERE;
use super::run::host;

const PASSPHRASE: &str = "correct horse";
const WRONG: &str = "battery staple";

/// A failure of what these flags name, with a right and a wrong passphrase in the environment.
async fn of_flags(mut case: Case, flags: &[&str]) {
    let passphrases = [("PASS", case.secret(PASSPHRASE)), ("WRONG", case.secret(WRONG))];
    let host = host([NOWHERE]).args(flags);
    let host = passphrases.iter().fold(host, |host, (name, value)| host.env(name, value));
    case.refused("as flags", host).await;
    case.end();
}

#[tokio::test]
async fn a_certificate_without_a_key() {
    let case = case("key-missing", Code::KeyMissing, Side::Ours);
    let cert = path(&case.pki.client("alice").cert_file);
    of_flags(case, &["--cert", &cert]).await;
}

#[tokio::test]
async fn the_key_of_another_certificate() {
    let case = case("key-mismatch", Code::KeyMismatch, Side::Ours);
    let (cert, key) = (case.pki.client("alice").cert_file, case.pki.client("bob").key_file);
    of_flags(case, &["--cert", &path(&cert), "--key", &path(&key)]).await;
}

#[tokio::test]
async fn the_key_of_another_certificate_of_another_kind() {
    let case = case("key-mismatch-of-kind", Code::KeyMismatch, Side::Ours);
    let (cert, key) = (case.pki.client("alice").cert_file, case.pki.client_with_key("bob", KeyKind::Rsa2048).key_file);
    of_flags(case, &["--cert", &path(&cert), "--key", &path(&key)]).await;
}

#[tokio::test]
async fn two_keys_in_one_file() {
    let mut case = case("key-ambiguous", Code::KeyAmbiguous, Side::Ours);
    let store = path(&fixture(&case, "pkcs12", "java-two.p12"));
    let secret = case.secret("hunter2");
    let host = host([NOWHERE, "--cert", &store, "--passphrase", "{env:PASS}"]).env("PASS", secret);
    case.refused("as flags", host).await;
    case.end();
}

#[tokio::test]
async fn an_encrypted_key_without_a_passphrase() {
    let case = case("key-encrypted", Code::KeyEncrypted, Side::Ours);
    let client = case.pki.client("alice");
    let key = case.file("locked.key", client.key_encrypted_pem(PASSPHRASE, 2048));
    of_flags(case, &["--cert", &path(&client.cert_file), "--key", &key]).await;
}

#[tokio::test]
async fn a_pkcs_12_file_without_a_passphrase() {
    let case = case("pkcs12-encrypted", Code::KeyEncrypted, Side::Ours);
    let store = path(&fixture(&case, "pkcs12", "openssl-p256.p12"));
    of_flags(case, &["--cert", &store]).await;
}

#[tokio::test]
async fn the_wrong_passphrase() {
    let case = case("passphrase-wrong", Code::PassphraseWrong, Side::Ours);
    let client = case.pki.client("alice");
    let key = case.file("locked.key", client.key_encrypted_pem(PASSPHRASE, 2048));
    of_flags(case, &["--cert", &path(&client.cert_file), "--key", &key, "--passphrase", "{env:WRONG}"]).await;
}

#[tokio::test]
async fn the_wrong_password_of_a_pkcs_12_file() {
    let case = case("pkcs12-password-wrong", Code::PassphraseWrong, Side::Ours);
    let store = path(&fixture(&case, "pkcs12", "openssl-p256.p12"));
    of_flags(case, &["--cert", &store, "--passphrase", "{env:WRONG}"]).await;
}

#[tokio::test]
async fn a_passphrase_for_a_key_that_is_open() {
    let case = case("passphrase-needless", Code::PassphraseNeedless, Side::Ours);
    let client = case.pki.client("alice");
    let (cert, key) = (path(&client.cert_file), path(&client.key_file));
    of_flags(case, &["--cert", &cert, "--key", &key, "--passphrase", "{env:PASS}"]).await;
}

#[tokio::test]
async fn a_key_encrypted_in_a_way_that_is_not_spoken() {
    let mut case = case("key-cipher-unsupported", Code::KeyUnsupported, Side::Ours);
    let cert = path(&fixture(&case, "encrypted", "ec.pem"));
    let key = path(&fixture(&case, "encrypted", "ec-unsupported-camellia.key"));
    let secret = case.secret("hunter2");
    let flags = [NOWHERE, "--cert", &cert, "--key", &key, "--passphrase", "{env:PASS}"];
    case.refused("as flags", host(flags).env("PASS", secret)).await;
    case.end();
}

#[tokio::test]
async fn a_kind_of_key_that_is_not_spoken() {
    let case = case("key-kind-unsupported", Code::KeyUnsupported, Side::Ours);
    let cert = path(&case.pki.client("alice").cert_file);
    // An X25519 key, which agrees on secrets and signs nothing (RFC 8410).
    let x25519 = [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20][..], &[7; 32]].concat();
    let key = case.file("x25519.key", mcp_mtls_testkit::pki::pem("PRIVATE KEY", &x25519));
    of_flags(case, &["--cert", &cert, "--key", &key]).await;
}

#[cfg(unix)]
mod programs {
    use super::*;

    async fn of_program(name: &'static str, code: Code, exec: &str) {
        let mut case = case(name, code, Side::Ours);
        case.refused("as a flag", host([NOWHERE, "--exec", exec])).await;
        case.end();
    }

    #[tokio::test]
    async fn a_program_that_is_not_there() {
        of_program("exec-missing", Code::ExecFailed, "/no/such/program --role agent").await;
    }

    #[tokio::test]
    async fn a_program_that_fails() {
        of_program("exec-failed", Code::ExecFailed, "sh -c 'echo permission denied >&2; exit 3'").await;
    }

    #[tokio::test]
    async fn a_program_that_prints_something_else() {
        of_program("exec-output-invalid", Code::ExecOutputInvalid, "echo hello").await;
    }
}
