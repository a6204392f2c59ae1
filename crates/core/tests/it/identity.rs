//! Identities in every form that people have them in, and every way in which one is refused.

#![expect(clippy::expect_used, reason = "what stages a test may panic as the test itself may")]

mod encrypted;
#[cfg(unix)]
mod permissions;
mod pkcs12;
#[cfg(unix)]
mod program;
mod refused;

use std::path::{Path, PathBuf};

use mcp_mtls_core::config::{Entry, EntrySettings};
use mcp_mtls_core::error::Result;
use mcp_mtls_core::identity::Identity;
use mcp_mtls_core::identity::pem;
use mcp_mtls_testkit::pki::{Client, KeyKind, Pki};

/// Loads what these settings name: files, or text.
fn load(cert: &str, key: Option<&str>) -> Result<Identity> {
    let mut settings = EntrySettings::new("https://corp.example/mcp").identity(cert, key.unwrap_or_default());
    if key.is_none() {
        settings.tls.get_or_insert_default().key = None;
    }
    let endpoint = Entry::new(settings).resolve().expect("the settings are in order");
    Identity::load(&endpoint.tls).map(|identity| identity.expect("there is one"))
}

/// The same with the passphrase of the key.
fn unlock(cert: &str, key: Option<&str>, passphrase: &str) -> Result<Identity> {
    let settings = EntrySettings::new("https://corp.example/mcp").identity(cert, key.unwrap_or_default());
    let mut settings = settings.passphrase(passphrase);
    if key.is_none() {
        settings.tls.get_or_insert_default().key = None;
    }
    let endpoint = Entry::new(settings).resolve().expect("the settings are in order");
    Identity::load(&endpoint.tls).map(|identity| identity.expect("there is one"))
}

/// Certificate and key in one file with this content.
fn load_file(pki: &Pki, content: impl AsRef<[u8]>) -> Result<Identity> {
    load(text(&pki.write("identity", content)), None)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// It is the identity of this client, in whatever form it came.
fn is(identity: Result<Identity>, client: &Client, form: &str) {
    let identity = identity.unwrap_or_else(|failure| panic!("{form}: {failure}"));
    assert_eq!(identity.facts().fingerprint, client.fingerprint, "{form}");
}

#[test]
fn nothing_is_loaded_when_nothing_is_named() {
    let endpoint = Entry::new(EntrySettings::new("https://corp.example/")).resolve().unwrap();
    assert!(Identity::load(&endpoint.tls).unwrap().is_none());
}

#[test]
fn every_kind_of_key_in_every_encoding() {
    let pki = Pki::new();
    for kind in KeyKind::ALL {
        let client = pki.client_with_key("alice", kind);
        let cert = text(&client.cert_file);
        let load_key = |key: &str| load(cert, Some(key));
        let mut pems = vec![client.key_pem.clone()];
        let mut ders = vec![client.key_pkcs8_der()];
        if kind.is_rsa() {
            pems.push(client.key_pkcs1_pem());
            ders.push(client.key_pkcs1_der());
        }
        if kind.is_ec() {
            pems.push(client.key_sec1_pem());
            ders.push(client.key_sec1_der());
        }
        is(load_key(text(&client.key_file)), &client, "files");
        for pem in pems {
            let form = format!("{kind:?} {}", pem.lines().next().unwrap_or_default());
            is(load_key(&pem), &client, &form);
            is(load(&format!("{pem}{}", client.cert_pem), None), &client, &form);
        }
        for der in ders {
            is(load_key(text(&pki.write("key.der", der))), &client, &format!("{kind:?} DER"));
        }
    }
}

#[test]
fn one_file_in_every_shape() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let (cert, key) = (client.cert_pem.as_str(), client.key_pem.as_str());
    let both = client.combined_pem();
    let around = format!(
        "Bag Attributes\n  friendlyName: alice -- C:\\new\\alice\n{cert}\nsubject=/CN=alice\n----\n{key}\nend of file"
    );
    let indented = both.replace('\n', "  \n \t  ");
    let block = format!("  {}", both.replace('\n', "\n  "));
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    for (form, content) in [
        ("certificate first", both.clone()),
        ("key first", format!("{key}{cert}")),
        ("key between two certificates", format!("{}{key}{cert}", pki.server_ca_pem())),
        ("no line break at the end", both.trim_end().to_owned()),
        ("no line break between", both.replace("-----\n-----", "----------")),
        ("text around", around),
        ("CRLF", both.replace('\n', "\r\n")),
        ("CR", both.replace('\n', "\r")),
        ("byte-order mark", format!("\u{feff}{both}")),
        ("indented", indented),
        ("a block of YAML", block),
        ("one line", both.replace('\n', "")),
        ("one line with blanks", both.replace('\n', " ")),
        ("\\n", both.replace('\n', "\\n")),
        ("\\r\\n", both.replace('\n', "\\r\\n")),
        ("blank lines", both.replace('\n', "\n\n")),
        ("without padding", both.replace('=', "")),
        ("EC parameters", format!("{parameters}{}{cert}", client.key_sec1_pem())),
        ("X509 CERTIFICATE", both.replace("CERTIFICATE", "X509 CERTIFICATE")),
        ("beside a public key", format!("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n{both}")),
    ] {
        is(load_file(&pki, &content), &client, form);
        is(load(&content, None), &client, form);
    }
}

#[test]
fn utf_16_as_windows_writes_it() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let text = format!("\u{feff}é 漢 😀\r\n{}", client.combined_pem().replace('\n', "\r\n"));
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    is(load_file(&pki, &little), &client, "UTF-16 LE");
    is(load_file(&pki, &big), &client, "UTF-16 BE");
    // An odd byte at the end, and halves of a pair, are no reason to panic.
    for cut in 0..80 {
        let _ = load_file(&pki, &little[..cut]);
    }
}

#[test]
fn other_text_in_bytes_that_are_no_utf_8() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let mut bytes = b"M\xfcller's certificate\n".to_vec();
    bytes.extend(client.combined_pem().bytes());
    is(load_file(&pki, bytes), &client, "Latin-1 around");
}

#[test]
fn der() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let (cert, key) = (pki.write("alice.der", &client.leaf_der), pki.write("alice.key.der", client.key_pkcs8_der()));
    is(load(text(&cert), Some(text(&key))), &client, "DER and DER");
    is(load(text(&cert), Some(text(&client.key_file))), &client, "DER and PEM");
    is(load(text(&client.cert_file), Some(text(&key))), &client, "PEM and DER");
}

#[test]
fn the_leaf_is_the_certificate_of_the_key_wherever_it_stands() {
    let pki = Pki::new();
    let client = pki.client_of_intermediate();
    let blocks: Vec<_> = client.cert_pem.split_inclusive("-----END CERTIFICATE-----\n").collect();
    let root = std::fs::read_to_string(pki.client_ca_file()).unwrap();
    let stranger = pki.client("bob").cert_pem;
    for (form, certificates) in [
        ("in order", vec![blocks[0], blocks[1]]),
        ("the other way round", vec![blocks[1], blocks[0]]),
        ("with the root", vec![root.as_str(), blocks[1], blocks[0]]),
        ("with another leaf", vec![stranger.as_str(), blocks[1], blocks[0]]),
        ("twice", vec![blocks[0], blocks[1], blocks[0]]),
    ] {
        is(load(&certificates.concat(), Some(text(&client.key_file))), &client, form);
    }
}

#[test]
fn several_keys_are_tried() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client_with_key("bob", KeyKind::Ed25519));
    let broken = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let keys = format!("{broken}{}{}", bob.key_pem, alice.key_pem);
    is(load(&alice.cert_pem, Some(&keys)), &alice, "the last of three");
    is(
        load(&format!("{}{}", alice.cert_pem, bob.key_pem), Some(&alice.key_pem)),
        &alice,
        "`key` and not the key beside",
    );
}

#[test]
fn a_self_signed_certificate_is_an_identity() {
    let pki = Pki::new();
    let identity = pki.self_signed_server_identity();
    is(load(&identity.combined_pem(), None), &identity, "self-signed");
}

#[test]
fn an_identity_knows_where_it_came_from_and_shows_nothing_else() {
    let pki = Pki::new();
    let client = pki.client("alice");
    let identity = load(text(&client.cert_file), Some(text(&client.key_file))).unwrap();
    assert_eq!((identity.place(), identity.origin()), (text(&client.cert_file), "the setting tls.cert"));
    assert_eq!(format!("{identity:?}"), r#"Identity { subject: "O=Testkit, CN=alice", .. }"#);
    let found = pem::read(client.combined_pem().as_bytes()).unwrap();
    assert_eq!(format!("{:?}", found.keys), "[(redacted)]");
    let text = load(&client.combined_pem(), None).unwrap();
    assert_eq!(text.place(), "PEM text in the setting");
}

#[test]
fn reading_ends_soon_whatever_the_file_holds() {
    // Each of these would take minutes if a block were looked for from the start again and again.
    for text in [
        "-----BEGIN CERTIFICATE-----".repeat(1 << 15),
        "-----BEGIN ".repeat(1 << 16),
        "-----BEGIN A-----\n-----END A-----\n".repeat(1 << 14),
        format!("-----BEGIN {}", "-".repeat(1 << 20)),
        "\\n".repeat(1 << 20),
    ] {
        let _ = pem::read(text.as_bytes());
    }
}

/// A copy of a fixture that nobody else can write, whatever the umask of the checkout.
fn private_copy(fixture: &Path) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(fixture.file_name().expect("a name"));
    let copy = tempfile::NamedTempFile::new_in(folder).expect("a file");
    std::fs::write(&copy, std::fs::read(fixture).expect("the fixture")).expect("the copy");
    copy.persist(&path).expect("the copy");
    path
}
