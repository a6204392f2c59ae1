//! No error and no `Debug` output shows a secret, whatever setting it stands in and whatever fails.

use std::fmt::Debug;

use mcp_mtls_core::config::{Entry, EntrySettings, File, Header, find};
use mcp_mtls_core::error::Failure;
use mcp_mtls_core::identity::Identity;
use mcp_mtls_core::trust::Trust;
use mcp_mtls_testkit::pki::Pki;

use super::{Folder, told, with};

#[test]
fn in_no_setting_of_a_file() {
    let folder = Folder::new();
    folder.write("secret", MARK);
    folder.write("pem", PEM);
    let alice = Pki::new().client("alice");
    folder.write("locked.pem", format!("{}{}", alice.cert_pem, alice.key_encrypted_pem("another", 10)));
    let mut resolved = 0;
    for written in [
        MARK,
        "{file:secret}",
        &format!("{{evn:{MARK}}}"),
        &format!("${{X:-{MARK}}}"),
        &format!("{{env:X {MARK}"),
        &format!("{{command:false {MARK}}}"),
    ] {
        for keys in KEYS {
            let text =
                format!("{{ \"mcp\": {{ \"corp\": {{ {} }} }} }}", keys.replace('@', &written.replace('"', "\\\"")));
            resolved += usize::from(probe(&folder, &text));
        }
    }
    assert!(resolved > 5, "and some of them are what one may write: {resolved}");
    // What is no PEM after all, and what is broken at any place.
    for pem in
        [PEM.to_owned(), PEM.replace("PRIVATE KEY", "CERTIFICATE"), PEM.replace("END", "EDN"), PEM.replace("-----", "")]
    {
        folder.write("pem", pem);
        for key in ["cert", "ca", "key"] {
            probe(
                &folder,
                &with(&format!(r#""tls": {{ "cert": "pem", "{key}": "{{file:pem}}" }}"#).replacen(
                    r#""cert": "pem", "cert""#,
                    r#""cert""#,
                    1,
                )),
            );
            probe(
                &folder,
                &with(&format!(r#""tls": {{ "cert": "pem", "{key}": "pem" }}"#).replacen(
                    r#""cert": "pem", "cert""#,
                    r#""cert""#,
                    1,
                )),
            );
        }
    }
}

#[test]
fn in_no_message_about_a_file_that_is_not_there() {
    let folder = Folder::new();
    let body = format!("MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg{MARK}AAAAAAAAAAAAAAAAAAAA");
    for secret in [
        MARK.to_owned(),
        body.clone(),
        format!("LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JR0hBZ0VBTUJN{MARK}AAAAAAAAAAAAAAAAAAAA"),
        body.replace("AgEG", "\\nAgEG"),
        format!("----BEGIN PRIVATE KEY-----{body}-----END PRIVATE KEY-----"),
        format!("{{\"key\": \"{MARK}\"}}"),
        format!("A=b\0KEY={MARK}\0"),
    ] {
        folder.write("secret", &secret);
        for name in ["cert", "key", "ca", "crl", "pkcs11Module"] {
            let others = if name == "cert" { "" } else { r#""cert": "pkcs11:token=a", "# };
            assert!(!probe(&folder, &with(&format!(r#""tls": {{ {others}"{name}": "{{file:secret}}" }}"#))), "{name}");
            // As a path, a word is one that may be told.
            if secret != MARK && !secret.starts_with(['{', 'A']) && name != "pkcs11Module" {
                let written = secret.replace('\\', "\\\\");
                assert!(!probe(&folder, &with(&format!(r#""tls": {{ {others}"{name}": "{written}" }}"#))), "{name}");
            }
        }
    }
    folder.write("secret", MARK);
    let told = folder.told(&folder.resolve(with(r#""tls": { "ca": "{file:secret}/ca.pem" }"#)).unwrap_err());
    insta::assert_snapshot!(told, @"
    file-unreadable: What the reference in `ca` gives is not the path of a file
    at: [dir]/config.jsonc:3, mcp.corp.tls.ca
    why: There is no such file.
    why: It is not shown, since it may be a secret.
    fix: Correct what the reference gives, or put the file there.
    ");
    folder.write("path", "there.pem");
    assert_eq!(
        folder.resolve(with(r#""tls": { "ca": "{file:path}" }"#)).unwrap_err().code().to_string(),
        "file-unreadable"
    );
    folder.write("there.pem", "");
    let endpoint = folder.resolve(with(r#""tls": { "ca": "{file:path}" }"#)).unwrap();
    assert_eq!(super::file(endpoint.tls.ca.as_ref()), folder.path().join("there.pem"));
}

#[test]
fn in_no_syntax_error() {
    let folder = Folder::new();
    let text = with(&format!(r#""headers": {{ "Authorization": "{MARK}" }}"#));
    for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
        probe(&folder, &text[..cut]);
        probe(&folder, &format!("{}\u{1}{}", &text[..cut], &text[cut..]));
    }
}

#[test]
fn in_no_flag() {
    for text in [
        MARK.to_owned(),
        format!("{MARK}: x"),
        format!("A={MARK}"),
        format!("A {MARK}: b"),
        format!("Authorization: {MARK}"),
    ] {
        let Ok(header) = text.parse::<Header>();
        let mut flags = EntrySettings::new("");
        // As a name it is a header like any other.
        if header.value.is_some() && header.name == MARK {
            continue;
        }
        flags.headers = Some(vec![header]);
        look(&flags);
        look(&Entry::from_flags("https://corp.example/", flags).resolve());
    }
    for url in [
        format!("https://u:{MARK}@corp.example/"),
        format!("https://corp.example/?t={MARK}"),
        format!("http://127.0.0.1/?t={MARK}"),
        format!("https://[{MARK}/"),
    ] {
        look(&Entry::from_flags(&url, EntrySettings::default()).resolve());
        look(&Entry::from_flags(&url, EntrySettings::new("").ca("ca.pem")).resolve());
    }
}

/// Reads, resolves and loads, and looks at all that comes of it. Whether it resolved.
fn probe(folder: &Folder, text: &str) -> bool {
    let path = folder.write("config.jsonc", text);
    look(&File::read(&path));
    let entry = find("corp", Some(&path));
    look(&entry);
    let Ok(entry) = entry else { return false };
    for warning in entry.warnings() {
        clean(warning);
    }
    let endpoint = entry.resolve();
    look(&endpoint);
    let Ok(endpoint) = endpoint else { return false };
    clean(&format!("{endpoint:?}{endpoint:#?}{:?}", endpoint.warnings));
    look(&Identity::load(&endpoint.tls));
    look(&Trust::load(&endpoint.tls, None));
    true
}

/// Looks at a value or a failure.
fn look<T: Debug>(value: &T) {
    clean(&format!("{value:?}"));
    clean(&format!("{value:#?}"));
}

fn clean(text: &str) {
    assert!(!text.contains(MARK), "{text}");
}

#[test]
fn the_display_of_a_failure_has_no_more_than_its_debug() {
    let failure = Entry::new(EntrySettings::new("x")).resolve().unwrap_err();
    let all = format!("{failure:?}");
    assert!(all.contains(failure.facts().what.as_str()) && told(&failure).contains(&failure.facts().why[0]));
    let _: &dyn std::error::Error = &failure as &Failure;
}

const MARK: &str = "hunter2xK3y";

/// A private key whose contents begin with the mark.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nhunter2xK3yAAAAAAAA\n-----END PRIVATE KEY-----\n";

/// Entries with a place for a secret.
const KEYS: [&str; 17] = [
    r#""url": "@""#,
    r#""url": "https://u:@@corp.example/""#,
    r#""url": "https://corp.example/?token=@""#,
    r#""url": "http://localhost/?token=@", "tls": { "ca": "x" }"#,
    r#""url": "https://corp.example/", "headers": { "Authorization": "Bearer @" }"#,
    r#""url": "https://corp.example/", "headers": { "Authorization": "@\n" }"#,
    r#""url": "https://corp.example/", "headers": { "Authorization": ["@"] }"#,
    r#""url": "https://corp.example/", "headers": "@""#,
    r#""url": "https://corp.example/", "proxy": "http://u:@@proxy.example""#,
    r#""url": "https://corp.example/", "timeout": "@", "type": "@""#,
    r#""url": "https://corp.example/", "oauth": { "clientSecret": "@" }"#,
    r#""url": "https://corp.example/", "tls": { "passphrase": "@" }"#,
    r#""url": "https://corp.example/", "tls": { "exec": ["sh", "-c", "echo \"$0\"; echo \"not $0!\" >&2; false", "@"] }"#,
    r#""url": "https://corp.example/", "tls": { "cert": "locked.pem", "passphrase": "@" }"#,
    r#""url": "https://corp.example/", "tls": { "cert": "pkcs11:token=a?pin-value=@" }"#,
    r#""url": "https://corp.example/", "tls": { "key": "pkcs11:token=a;pin-value=@" }"#,
    r#""url": "https://corp.example/", "tls": { "ca": "pkcs11:token=a?pin-value=@" }"#,
];
