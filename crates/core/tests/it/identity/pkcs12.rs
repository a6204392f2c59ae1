//! PKCS#12: files as other software writes them, and every way in which one gives no identity.

mod built;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta::assert_snapshot;
use mcp_mtls_core::config::{Entry, EntrySettings};
use mcp_mtls_core::error::Result;
use mcp_mtls_core::identity::facts::CertificateFacts;
use mcp_mtls_core::identity::pem;
use mcp_mtls_core::trust::Trust;
use mcp_mtls_testkit::pki::Pki;

use built::{ENCRYPTED_KEY, ENVELOPED_DATA, SHA256, SIGNED_DATA, VERSION, bag, data, mac, pfx};

use super::encrypted::{PBKDF2, pbes2, sequence, tlv};
use super::refused::told;
use super::{is, load, private_copy, text, unlock};

/// Of the fixtures: see their README.
const PASSPHRASE: &str = "hunter2";

fn fixture(name: &str) -> PathBuf {
    private_copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pkcs12").join(name))
}

/// The fingerprint of the certificate in a fixture.
fn fingerprint(name: &str) -> String {
    let found = pem::read(&std::fs::read(fixture(name)).expect("a fixture")).expect("a certificate");
    CertificateFacts::parse(&found.certificates[0]).expect("a certificate").fingerprint
}

/// The code of the refusal.
fn code<T: std::fmt::Debug>(refused: Result<T>) -> &'static str {
    refused.expect_err("it must be refused").code().as_str()
}

#[test]
fn every_form_that_other_software_writes() {
    let mut forms = Vec::new();
    for (name, passphrase) in [
        ("openssl-p256.p12", PASSPHRASE),
        ("openssl-p384.p12", PASSPHRASE),
        ("openssl-p521.p12", PASSPHRASE),
        ("openssl-rsa.p12", PASSPHRASE),
        ("openssl-ed25519.p12", PASSPHRASE),
        ("openssl-mac-sha384.p12", PASSPHRASE),
        ("openssl-mac-sha512.p12", PASSPHRASE),
        ("openssl-aes-128.p12", PASSPHRASE),
        ("openssl-legacy.p12", PASSPHRASE),
        ("openssl-3des.p12", PASSPHRASE),
        ("openssl-rc2-128.p12", PASSPHRASE),
        ("openssl-no-mac.p12", PASSPHRASE),
        ("openssl-mac-alone.p12", PASSPHRASE),
        ("openssl-text.p12", "grün☃😀"),
        ("openssl-text-legacy.p12", "grün☃😀"),
        ("java.p12", PASSPHRASE),
        ("java-legacy.p12", PASSPHRASE),
        ("nss.p12", PASSPHRASE),
        ("nss-legacy.p12", PASSPHRASE),
        ("nss-text.p12", "grün☃"),
        ("python-pbmac1.p12", PASSPHRASE),
    ] {
        let file = fixture(name);
        let closed = pem::read(&std::fs::read(&file).unwrap()).unwrap().pkcs12.unwrap().encryption();
        forms.push(format!("{name}: {closed}"));
        let identity = unlock(text(&file), None, passphrase).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let own = name.split(['-', '.']).find(|part| KINDS.contains(part)).unwrap_or("p256");
        assert_eq!(identity.facts().fingerprint, fingerprint(&format!("{own}.pem")), "{name}");
        if closed.contains("600000") {
            // So many rounds take a while, and those that fail take them several times.
            continue;
        }
        assert_eq!(code(unlock(text(&file), None, "hunter3")), "passphrase-wrong", "{name}");
        assert_eq!(code(unlock(text(&file), None, "")), "passphrase-wrong", "{name}");
        assert_eq!(code(load(text(&file), None)), "key-encrypted", "{name}");
    }
    assert_snapshot!(forms.join("\n"), @"
    openssl-p256.p12: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC, a MAC of HMAC-SHA-256 (2048 rounds)
    openssl-p384.p12: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC, a MAC of HMAC-SHA-256 (2048 rounds)
    openssl-p521.p12: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC, a MAC of HMAC-SHA-256 (2048 rounds)
    openssl-rsa.p12: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC, a MAC of HMAC-SHA-256 (2048 rounds)
    openssl-ed25519.p12: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC, a MAC of HMAC-SHA-256 (2048 rounds)
    openssl-mac-sha384.p12: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC, a MAC of HMAC-SHA-384 (2048 rounds)
    openssl-mac-sha512.p12: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC, a MAC of HMAC-SHA-512 (2048 rounds)
    openssl-aes-128.p12: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-128-CBC, a MAC of HMAC-SHA-256 (2048 rounds)
    openssl-legacy.p12: PBE-SHA1-RC2-40 (2048 rounds), PBE-SHA1-3DES (2048 rounds), a MAC of HMAC-SHA-1 (2048 rounds)
    openssl-3des.p12: PBE-SHA1-3DES (2048 rounds), a MAC of HMAC-SHA-1 (2048 rounds)
    openssl-rc2-128.p12: PBE-SHA1-RC2-128 (2048 rounds), a MAC of HMAC-SHA-1 (2048 rounds)
    openssl-no-mac.p12: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC
    openssl-mac-alone.p12: a MAC of HMAC-SHA-256 (2048 rounds)
    openssl-text.p12: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC, a MAC of HMAC-SHA-256 (2048 rounds)
    openssl-text-legacy.p12: PBE-SHA1-RC2-40 (2048 rounds), PBE-SHA1-3DES (2048 rounds), a MAC of HMAC-SHA-1 (2048 rounds)
    java.p12: PBKDF2 with HMAC-SHA-256 (10000 rounds) and AES-256-CBC, a MAC of HMAC-SHA-256 (10000 rounds)
    java-legacy.p12: PBE-SHA1-RC2-40 (50000 rounds), PBE-SHA1-3DES (50000 rounds), a MAC of HMAC-SHA-1 (100000 rounds)
    nss.p12: PBKDF2 with HMAC-SHA-256 (600000 rounds) and AES-128-CBC, PBKDF2 with HMAC-SHA-256 (600000 rounds) and AES-256-CBC, a MAC of HMAC-SHA-256 (600000 rounds)
    nss-legacy.p12: PBE-SHA1-RC2-40 (600000 rounds), PBE-SHA1-3DES (600000 rounds), a MAC of HMAC-SHA-1 (600000 rounds)
    nss-text.p12: PBKDF2 with HMAC-SHA-256 (600000 rounds) and AES-128-CBC, PBKDF2 with HMAC-SHA-256 (600000 rounds) and AES-256-CBC, a MAC of HMAC-SHA-256 (600000 rounds)
    python-pbmac1.p12: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC, a MAC of HMAC-SHA-256 (2048 rounds)
    ");
}

/// What the names of fixtures say of their keys.
const KINDS: [&str; 5] = ["rsa", "p256", "p384", "p521", "ed25519"];

#[test]
fn an_empty_passphrase_is_another_than_none_and_both_need_no_setting() {
    for name in ["openssl-empty.p12", "openssl-empty-legacy.p12", "nss-empty.p12", "gnutls-none.p12"] {
        let file = fixture(name);
        if ["nss-empty.p12", "gnutls-none.p12"].contains(&name) {
            load(text(&file), None).unwrap_or_else(|failure| panic!("{name}: {failure}"));
            // They have 600,000 rounds, and once is enough.
            continue;
        }
        for identity in [load(text(&file), None), unlock(text(&file), None, "")] {
            let identity = identity.unwrap_or_else(|failure| panic!("{name}: {failure}"));
            assert_eq!(identity.facts().fingerprint, fingerprint("p256.pem"), "{name}");
        }
        assert_eq!(code(unlock(text(&file), None, PASSPHRASE)), "passphrase-needless", "{name}");
    }
    let plain = fixture("openssl-plain.p12");
    assert_eq!(load(text(&plain), None).unwrap().facts().fingerprint, fingerprint("p256.pem"));
    for passphrase in ["", PASSPHRASE] {
        assert_eq!(code(unlock(text(&plain), None, passphrase)), "passphrase-needless");
    }
}

#[test]
fn a_block_in_pem_as_gnutls_writes_it() {
    let pki = Pki::new();
    let base64 = STANDARD.encode(std::fs::read(fixture("openssl-p256.p12")).unwrap());
    let pem = format!("-----BEGIN PKCS12-----\n{base64}\n-----END PKCS12-----\n");
    for cert in [pem.as_str(), text(&pki.write("alice.pem", &pem))] {
        let identity = unlock(cert, None, PASSPHRASE).unwrap();
        assert_eq!(identity.facts().fingerprint, fingerprint("p256.pem"));
    }
    assert_eq!(code(load(&pem.replace("MII", "MIJ"), None)), "material-invalid");
}

#[test]
fn the_content_tells_what_a_file_is_and_not_its_name() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    is(load(text(&pki.write("alice.p12", alice.combined_pem())), None), &alice, "PEM by the name of PKCS#12");
    let other = pki.write("alice.pem", std::fs::read(fixture("openssl-plain.p12")).unwrap());
    assert_eq!(load(text(&other), None).unwrap().facts().fingerprint, fingerprint("p256.pem"));
}

#[test]
fn a_passphrase_that_is_missing_wrong_or_needless() {
    let pki = Pki::new();
    let told = |result: Result<_>| told(&pki, &result.map(|_: mcp_mtls_core::identity::Identity| ()).unwrap_err());
    let copy = |name: &str| pki.write("alice.p12", std::fs::read(fixture(name)).unwrap());
    let file = copy("openssl-legacy.p12");
    assert_snapshot!(told(load(text(&file), None)), @"
    key-encrypted: The PKCS#12 file needs a passphrase, and there is none
    at: [dir]/alice.p12
    at: the setting tls.cert
    why: Its protection is PBE-SHA1-RC2-40 (2048 rounds), PBE-SHA1-3DES (2048 rounds), a MAC of HMAC-SHA-1 (2048 rounds); `passphrase` is not set, and an empty one does not open it.
    fix: Set `passphrase` (--passphrase) to {env:NAME}, {file:PATH} or {command:PROGRAM ARGUMENTS}.
    ");
    assert_snapshot!(told(unlock(text(&file), None, "Hunter2")), @"
    passphrase-wrong: The passphrase does not open the PKCS#12 file
    at: [dir]/alice.p12
    at: the setting tls.cert
    at: the setting tls.passphrase
    why: Its protection is PBE-SHA1-RC2-40 (2048 rounds), PBE-SHA1-3DES (2048 rounds), a MAC of HMAC-SHA-1 (2048 rounds).
    why: Its MAC does not match.
    fix: Correct what the reference in `passphrase` gives.
    fix: `openssl pkcs12 -legacy -noout -in FILE` asks for the passphrase and tries it.
    ");
    assert!(told(unlock(text(&file), None, "")).contains("why: The passphrase is empty."));
    let file = copy("openssl-no-mac.p12");
    assert!(told(unlock(text(&file), None, "Hunter2")).contains("why: It has no MAC, so it may as well be damaged."));
    let file = copy("openssl-plain.p12");
    assert_snapshot!(told(unlock(text(&file), None, PASSPHRASE)), @"
    passphrase-needless: There is a passphrase, but the PKCS#12 file opens without one
    at: [dir]/alice.p12
    at: the setting tls.cert
    at: the setting tls.passphrase
    fix: Remove `passphrase`, or name the file that it is for.
    ");
}

#[test]
fn what_cannot_be_opened_is_named_with_a_passphrase_and_without() {
    let file = fixture("openssl-rc4.p12");
    for refused in [load(text(&file), None), unlock(text(&file), None, PASSPHRASE)] {
        let failure = refused.unwrap_err();
        assert_eq!(failure.code().as_str(), "key-unsupported");
        assert_eq!(failure.facts().why, ["It is encrypted with PBE-SHA1-RC4-128."]);
    }
    let pki = Pki::new();
    let refused = |pfx: Vec<u8>| {
        let failure = unlock(text(&pki.write("odd.p12", pfx)), None, PASSPHRASE).unwrap_err();
        assert_eq!(failure.code().as_str(), "key-unsupported", "{failure}");
        failure.facts().why.join(" ")
    };
    let enveloped = sequence(&[&tlv(6, ENVELOPED_DATA), &tlv(0xa0, &sequence(&[]))]);
    let signed = sequence(&[&VERSION, &sequence(&[&tlv(6, SIGNED_DATA), &tlv(0xa0, &sequence(&[]))])]);
    assert_snapshot!([
        refused(pfx(&[&enveloped], None)),
        refused(signed),
        refused(pfx(&[], Some(mac(&[0x2a, 3, 4], &[8])))),
        refused(pfx(&[], Some(mac(SHA256, &[0x7f, 0xff, 0xff, 0xff])))),
        refused(pfx(&[], Some(mac(SHA256, &[0])))),
    ].join("\n"), @"
    It is protected with the key of a certificate, and not with a passphrase.
    It is protected with the key of a certificate, and not with a passphrase.
    Its MAC is made with the algorithm 1.2.3.4.
    It asks for 2147483647 rounds of the key derivation of PKCS#12; more than 5000000 are refused.
    It asks for 0 rounds of the key derivation of PKCS#12, which is no encryption.
    ");
    // None of them is too much alone.
    let key = pbes2(&PBKDF2, &[&tlv(4, &[1; 8]), &tlv(2, &[0x3d, 0x09, 0])]);
    let keys = [&key, &key, &key].map(|key| bag(ENCRYPTED_KEY, key, &[])).concat();
    assert_snapshot!(refused(pfx(&[&data(&keys)], None)), @"It asks for more than 10000000 rounds of key derivation in all.");
}

#[test]
fn the_chain_is_that_of_the_file() {
    let found = pem::read(&std::fs::read(fixture("openssl-plain.p12")).unwrap()).unwrap().opened();
    assert_eq!(found.in_words(), "2 certificates and a private key");
}

#[test]
fn a_file_without_a_key_or_without_a_certificate() {
    let pki = Pki::new();
    let told = |name: &str| {
        let file = pki.write("alice.p12", std::fs::read(fixture(name)).unwrap());
        told(&pki, &unlock(text(&file), None, PASSPHRASE).unwrap_err())
    };
    assert_snapshot!(told("java-trust.p12"), @"
    key-missing: There is a certificate without its private key
    at: [dir]/alice.p12
    at: the setting tls.cert
    why: `key` is not set, and the PKCS#12 file holds a certificate.
    fix: Set `key` (--key) to the private key of that certificate.
    ");
    assert_snapshot!(told("openssl-key-alone.p12"), @"
    material-invalid: `cert` names a private key, and no certificate
    at: [dir]/alice.p12
    at: the setting tls.cert
    why: It holds a private key.
    fix: Name the certificate as `cert`, and this file as `key`.
    ");
    let key = fixture("openssl-key-alone.p12");
    let identity = unlock(text(&fixture("p256.pem")), Some(text(&key)), PASSPHRASE).unwrap();
    assert_eq!(identity.facts().fingerprint, fingerprint("p256.pem"));
    let key = fixture("openssl-certificates-alone.p12");
    let failure = unlock(text(&fixture("p256.pem")), Some(text(&key)), PASSPHRASE).unwrap_err();
    assert_eq!(failure.facts().why, ["It holds a certificate."]);
}

#[test]
fn of_several_keys_the_certificate_chooses() {
    let pki = Pki::new();
    let file = pki.write("two.p12", std::fs::read(fixture("java-two.p12")).unwrap());
    let failure = unlock(text(&file), None, PASSPHRASE).unwrap_err();
    let told = told(&pki, &failure);
    // The order is that of the public keys.
    let mut lines: Vec<_> = told.lines().map(|line| line.split(" (in").next().unwrap_or_default()).collect();
    lines.sort_unstable();
    assert_snapshot!(lines.join("\n"), @"
    at: [dir]/two.p12
    at: the setting tls.cert
    fix: Name the certificate of one of them, as a PEM file, as `cert`, and this file as `key`.
    key-ambiguous: The PKCS#12 file holds several identities
    why: “p256 of alice”: CN=p256, expires 2126-10-30
    why: “rsa of alice”: CN=rsa, expires 2126-10-30
    ");
    for own in ["rsa.pem", "p256.pem"] {
        let identity = unlock(text(&fixture(own)), Some(text(&file)), PASSPHRASE).unwrap();
        assert_eq!(identity.facts().fingerprint, fingerprint(own));
    }
    let failure = unlock(text(&fixture("p384.pem")), Some(text(&file)), PASSPHRASE).unwrap_err();
    assert_eq!(failure.code().as_str(), "key-mismatch");
    // The certificate from another file of PKCS#12, of which one alone needs the passphrase.
    for (cert, key) in [("openssl-p256.p12", "java-two.p12"), ("openssl-plain-rsa.p12", "java-two.p12")] {
        let identity = unlock(text(&fixture(cert)), Some(text(&fixture(key))), PASSPHRASE).unwrap();
        assert!(cert.contains(identity.facts().common_name.as_deref().unwrap()), "{cert}");
    }
    let identity = unlock(text(&fixture("openssl-rsa.p12")), Some(text(&fixture("openssl-plain-rsa.p12"))), PASSPHRASE);
    assert_eq!(identity.unwrap().facts().fingerprint, fingerprint("rsa.pem"));
    let both = ("openssl-plain-rsa.p12", "openssl-plain-rsa.p12");
    let needless = unlock(text(&fixture(both.0)), Some(text(&fixture(both.1))), PASSPHRASE);
    assert_eq!(code(needless), "passphrase-needless");
}

#[test]
fn trust_in_certificates_without_a_passphrase() {
    let pki = Pki::new();
    let trust = |name: &str| {
        let file = pki.write("ca.p12", std::fs::read(fixture(name)).unwrap());
        let settings = EntrySettings::new("https://corp.example/mcp").ca(text(&file));
        Trust::load(&Entry::new(settings).resolve().unwrap().tls, None)
    };
    let trusted = format!("{:?}", trust("java-trust-open.p12").unwrap());
    assert!(trusted.contains("CN=root"), "{trusted}");
    assert_snapshot!(told(&pki, &trust("java-trust.p12").unwrap_err()), @"
    material-invalid: The PKCS#12 file of CA certificates needs a passphrase
    at: [dir]/ca.p12
    at: the setting tls.ca
    why: Its protection is PBKDF2 with HMAC-SHA-256 (10000 rounds) and AES-256-CBC, a MAC of HMAC-SHA-256 (10000 rounds), and `passphrase` is for `cert` and `key`.
    fix: Write its certificates as PEM with `openssl pkcs12 -nokeys -in FILE -out PEM`, and name that as `ca`.
    ");
    assert_eq!(code(trust("openssl-rc4.p12")), "key-unsupported");
    assert_eq!(code(trust("openssl-key-alone.p12")), "material-invalid");
}

#[test]
fn what_is_cut_or_changed_anywhere_is_never_another_identity() {
    let pki = Pki::new();
    for (name, passphrase) in [("openssl-legacy.p12", Some(PASSPHRASE)), ("openssl-plain.p12", None), ("nss.p12", None)]
    {
        let whole = std::fs::read(fixture(name)).unwrap();
        let load = |bytes: &[u8]| {
            let file = pki.write("broken.p12", bytes);
            match passphrase {
                Some(passphrase) => unlock(text(&file), None, passphrase),
                None => load(text(&file), None),
            }
        };
        for cut in 0..whole.len() {
            assert_eq!(code(load(&whole[..cut])), "material-invalid", "{name} cut at {cut}");
        }
        if name.starts_with("nss") {
            continue;
        }
        for at in (0..whole.len()).step_by(5) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            if let Ok(identity) = load(&bytes) {
                // Without a MAC what TLS does not look at may change: names, the signature of the certificate.
                let own = identity.facts().public_key_der.clone();
                assert!(passphrase.is_none() || identity.facts().fingerprint == fingerprint("p256.pem"), "{name} {at}");
                assert!(!own.is_empty());
            }
        }
    }
    let cut = pki.write("cut.p12", &std::fs::read(fixture("java.p12")).unwrap()[..700]);
    assert_snapshot!(told(&pki, &load(text(&cut), None).unwrap_err()), @"
    material-invalid: There is no usable certificate in what `cert` names
    at: [dir]/cut.p12
    at: the setting tls.cert
    why: It is a PKCS#12 file (.p12, .pfx) that is damaged, or cut off.
    fix: Copy it again from where it came from.
    ");
}
