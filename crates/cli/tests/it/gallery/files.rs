//! Files that are missing, empty, or hold something else.

use mcp_mtls_core::error::{Code, Side};
use mcp_mtls_testkit::pki;

use super::case::{Case, case, fixture, path};
use super::run::host;

/// Where nothing is reached, since nothing is loaded.
pub(super) const NOWHERE: &str = "https://localhost:1/mcp";

/// A failure of what these settings name.
async fn of_settings(mut case: Case, settings: &[&str]) {
    let host = host([NOWHERE]).args(settings);
    case.refused("as flags", host).await;
    let keys = settings.chunks_exact(2).map(|pair| format!("\"{}\": {:?}", pair[0].trim_start_matches('-'), pair[1]));
    let host = case.entry(&format!(
        "{{\n  \"url\": \"{NOWHERE}\",\n  \"tls\": {{ {} }}\n}}",
        keys.collect::<Vec<_>>().join(",\n    ")
    ));
    case.refused("in a file", host).await;
    case.end();
}

/// A certificate file with this content, beside a key that is good.
async fn of_certificate(name: &'static str, content: impl AsRef<[u8]>) {
    of_certificate_with(name, Code::MaterialInvalid, content).await;
}

async fn of_certificate_with(name: &'static str, code: Code, content: impl AsRef<[u8]>) {
    let case = case(name, code, Side::Ours);
    let key = path(&case.pki.client("alice").key_file);
    let cert = case.file("given.pem", content);
    of_settings(case, &["--cert", &cert, "--key", &key]).await;
}

/// A CA file with this content.
async fn of_ca(name: &'static str, content: impl AsRef<[u8]>) {
    let case = case(name, Code::MaterialInvalid, Side::Ours);
    let ca = case.file("given.pem", content);
    of_settings(case, &["--ca", &ca]).await;
}

#[tokio::test]
async fn a_certificate_file_that_is_not_there() {
    let case = case("certificate-file-missing", Code::FileUnreadable, Side::Ours);
    let client = case.pki.client("alice");
    let cert = path(&client.cert_file.with_extension("crt"));
    of_settings(case, &["--cert", &cert, "--key", &path(&client.key_file)]).await;
}

#[tokio::test]
async fn a_key_file_that_is_not_there() {
    let case = case("key-file-missing", Code::FileUnreadable, Side::Ours);
    let client = case.pki.client("alice");
    of_settings(case, &["--cert", &path(&client.cert_file), "--key", "/no/such/folder/alice.key"]).await;
}

#[tokio::test]
async fn a_ca_file_that_is_not_there() {
    let case = case("ca-file-missing", Code::FileUnreadable, Side::Ours);
    of_settings(case, &["--ca", "/no/such/ca.pem"]).await;
}

#[tokio::test]
async fn a_folder_where_a_file_is_wanted() {
    let case = case("certificate-file-is-a-folder", Code::FileUnreadable, Side::Ours);
    let (key, folder) = (path(&case.pki.client("alice").key_file), path(case.pki.dir()));
    of_settings(case, &["--cert", &folder, "--key", &key]).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_cannot_be_read() {
    // Its beginning can be read by nobody, whoever runs the test.
    let case = case("certificate-file-fails", Code::FileUnreadable, Side::Ours);
    let key = path(&case.pki.client("alice").key_file);
    of_settings(case, &["--cert", "/proc/self/mem", "--key", &key]).await;
}

#[tokio::test]
async fn an_empty_certificate_file() {
    of_certificate("certificate-file-empty", "").await;
}

#[tokio::test]
async fn a_signing_request_for_a_certificate() {
    // Only the label counts: what is in it is not read.
    of_certificate("certificate-is-a-request", pki::pem("CERTIFICATE REQUEST", &[0x30, 0x03, 0x02, 0x01, 0x00])).await;
}

#[tokio::test]
async fn a_public_key_for_a_certificate() {
    of_certificate("certificate-is-a-public-key", pki::pem("PUBLIC KEY", &[0x30, 0x03, 0x02, 0x01, 0x00])).await;
}

#[tokio::test]
async fn a_private_key_for_a_certificate() {
    let case = case("certificate-is-a-key", Code::MaterialInvalid, Side::Ours);
    let key = path(&case.pki.client("alice").key_file);
    of_settings(case, &["--cert", &key, "--key", &key]).await;
}

#[tokio::test]
async fn a_revocation_list_for_a_certificate() {
    of_certificate("certificate-is-a-revocation-list", pki::pem("X509 CRL", &[0x30, 0x03, 0x02, 0x01, 0x00])).await;
}

#[tokio::test]
async fn text_for_a_certificate() {
    of_certificate("certificate-is-text", "-- the certificate was sent to you by mail --\n").await;
}

#[tokio::test]
async fn a_certificate_that_was_cut_off() {
    let case = case("certificate-cut-off", Code::MaterialInvalid, Side::Ours);
    let client = case.pki.client("alice");
    let cert = case.file("given.pem", &client.cert_pem[..client.cert_pem.len() / 2]);
    of_settings(case, &["--cert", &cert, "--key", &path(&client.key_file)]).await;
}

#[tokio::test]
async fn a_certificate_whose_bytes_are_damaged() {
    of_certificate("certificate-damaged", pki::pem("CERTIFICATE", &[0x30, 0x82, 0x01, 0x00, 0x42])).await;
}

#[tokio::test]
async fn a_certificate_for_a_key() {
    let case = case("key-is-a-certificate", Code::MaterialInvalid, Side::Ours);
    let cert = path(&case.pki.client("alice").cert_file);
    of_settings(case, &["--cert", &cert, "--key", &cert]).await;
}

#[tokio::test]
async fn a_public_key_for_a_key() {
    let case = case("key-is-a-public-key", Code::MaterialInvalid, Side::Ours);
    let cert = path(&case.pki.client("alice").cert_file);
    let key = case.file("alice.pub", pki::pem("PUBLIC KEY", &[0x30, 0x03, 0x02, 0x01, 0x00]));
    of_settings(case, &["--cert", &cert, "--key", &key]).await;
}

#[tokio::test]
async fn an_empty_key_file() {
    let case = case("key-file-empty", Code::MaterialInvalid, Side::Ours);
    let cert = path(&case.pki.client("alice").cert_file);
    let key = case.file("empty.key", "");
    of_settings(case, &["--cert", &cert, "--key", &key]).await;
}

#[tokio::test]
async fn a_pkcs_12_file_that_is_damaged() {
    let case = case("pkcs12-damaged", Code::MaterialInvalid, Side::Ours);
    let whole = std::fs::read(fixture(&case, "pkcs12", "openssl-p256.p12")).unwrap();
    let file = case.file("half.p12", &whole[..whole.len() / 2]);
    of_settings(case, &["--cert", &file]).await;
}

#[tokio::test]
async fn an_empty_ca_file() {
    of_ca("ca-file-empty", "").await;
}

#[tokio::test]
async fn a_key_for_a_ca() {
    let case = case("ca-is-a-key", Code::MaterialInvalid, Side::Ours);
    let key = path(&case.pki.client("alice").key_file);
    of_settings(case, &["--ca", &key]).await;
}

#[tokio::test]
async fn a_certificate_of_a_server_for_a_ca() {
    let case = case("ca-is-no-ca", Code::MaterialInvalid, Side::Ours);
    let ca = path(&case.pki.server_identity().cert_file);
    of_settings(case, &["--ca", &ca]).await;
}

#[tokio::test]
async fn a_signing_request_for_a_ca() {
    of_ca("ca-is-a-request", pki::pem("CERTIFICATE REQUEST", &[0x30, 0x03, 0x02, 0x01, 0x00])).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_that_others_can_change() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut case = case("key-exposed", Code::SecretExposed, Side::Ours);
    let client = case.pki.client("alice");
    std::fs::set_permissions(&client.key_file, std::fs::Permissions::from_mode(0o666)).unwrap();
    case.hide(&format!("the user {}", rustix::process::geteuid().as_raw()), "the user [user]");
    of_settings(case, &["--cert", &path(&client.cert_file), "--key", &path(&client.key_file)]).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_in_a_folder_where_others_can_replace_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let case = case("key-replaceable", Code::SecretExposed, Side::Ours);
    let client = case.pki.client("alice");
    let folder = case.pki.dir().join("shared");
    std::fs::create_dir(&folder).unwrap();
    let key = folder.join("alice.key");
    std::fs::copy(&client.key_file, &key).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    of_settings(case, &["--cert", &path(&client.cert_file), "--key", &path(&key)]).await;
}
