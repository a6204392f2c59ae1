//! Encrypted keys: every form that OpenSSL writes, and every way in which one does not open.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta::assert_snapshot;
use mcp_mtls_core::identity::Identity;
use mcp_mtls_core::identity::pem;
use mcp_mtls_testkit::pki::{KeyKind, Pki};

use super::refused::told;
use super::{is, load, private_copy, text, unlock};

/// Of the fixtures: see their README.
const PASSPHRASE: &str = "hunter2";

fn fixture(name: &str) -> PathBuf {
    private_copy(&original(name))
}

fn original(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encrypted").join(name)
}

/// The fixtures that are keys, each with the certificate that it belongs to.
fn fixtures() -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(original("")).expect("the fixtures").map(|entry| entry.expect("a fixture"));
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let keys = names.filter(|name| name.starts_with("ec-") || name.starts_with("rsa-"));
    let mut keys: Vec<_> =
        keys.map(|name| (name.clone(), fixture(if name.starts_with("ec") { "ec.pem" } else { "rsa.pem" }))).collect();
    keys.sort();
    keys
}

fn common_name(identity: &Identity) -> &str {
    identity.facts().common_name.as_deref().unwrap_or_default()
}

#[test]
fn each_of_several_encrypted_keys_is_tried() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let cert = text(&alice.cert_file);
    let ours = alice.key_encrypted_pem(PASSPHRASE, 10);
    let keys = |other: String, ours: &str| unlock(cert, Some(&format!("{other}{ours}")), PASSPHRASE);
    is(keys(bob.key_encrypted_pem("another", 10), &ours), &alice, "behind that of another passphrase");
    is(keys(bob.key_encrypted_pem(PASSPHRASE, 10), &ours), &alice, "behind that of another certificate");
    let unsupported = std::fs::read_to_string(fixture("ec-unsupported-camellia.key")).unwrap();
    is(keys(unsupported, &ours), &alice, "behind one that cannot be read");
    let refused = |other: String, ours: &str| keys(other, ours).unwrap_err().code().as_str();
    assert_eq!(
        refused(bob.key_encrypted_pem(PASSPHRASE, 10), &alice.key_encrypted_pem("other", 10)),
        "passphrase-wrong"
    );
    assert_eq!(refused(bob.key_encrypted_pem(PASSPHRASE, 10), ""), "key-mismatch");
}

#[test]
fn blanks_belong_to_a_passphrase_and_line_ends_do_not() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let key = pki.write("locked.key", alice.key_encrypted_pem(" pad\t", 10));
    let (cert, key) = (text(&alice.cert_file), text(&key));
    for (name, written) in [("lf", " pad\t\n"), ("crlf", " pad\t\r\n"), ("bare", " pad\t")] {
        let file = pki.write(name, written);
        is(unlock(cert, Some(key), &format!("{{file:{}}}", file.display())), &alice, name);
    }
    for (passphrase, why) in [
        ("pad ", "The passphrase begins or ends with a blank or a line end."),
        ("pad\n", "The passphrase begins or ends with a blank or a line end."),
        (
            "gru\u{308}n",
            "The passphrase has accents that are characters of their own; most keyboards write them otherwise.",
        ),
    ] {
        let failure = unlock(cert, Some(key), passphrase).unwrap_err();
        assert_eq!(failure.facts().why[1], why);
    }
    assert_eq!(unlock(cert, Some(key), "pad").unwrap_err().facts().why.len(), 1);
}

#[test]
fn every_form_that_openssl_writes() {
    let mut forms = Vec::new();
    for (name, cert) in fixtures() {
        let encryption = pem::read(&std::fs::read(fixture(&name)).unwrap()).unwrap().encrypted_keys[0].encryption();
        forms.push(format!("{name}: {encryption}"));
        if name.contains("unsupported") {
            continue;
        }
        let passphrase = match name.as_str() {
            "ec-empty.key" => "",
            name if name.contains("text") => "grün☃😀",
            _ => PASSPHRASE,
        };
        let identity = unlock(text(&cert), Some(text(&fixture(&name))), passphrase);
        let identity = identity.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert!(name.starts_with(common_name(&identity)), "{name}");
        let wrong = unlock(text(&cert), Some(text(&fixture(&name))), "another").expect_err(&name);
        assert_eq!(wrong.code().as_str(), "passphrase-wrong", "{name}: {wrong}");
    }
    assert_snapshot!(forms.join("\n"), @"
    ec-empty.key: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC
    ec-old-aes128.key: AES-128-CBC, in OpenSSL's old form
    ec-old-aes192.key: AES-192-CBC, in OpenSSL's old form
    ec-old-aes256.key: AES-256-CBC, in OpenSSL's old form
    ec-old-des.key: DES-CBC, in OpenSSL's old form
    ec-old-des3.key: 3DES-CBC, in OpenSSL's old form
    ec-pbes1-md5-des.key: PBE-MD5-DES (2048 rounds)
    ec-pbes1-sha1-2des.key: PBE-SHA1-2DES (2048 rounds)
    ec-pbes1-sha1-3des.der: PBE-SHA1-3DES (2048 rounds)
    ec-pbes1-sha1-3des.key: PBE-SHA1-3DES (2048 rounds)
    ec-pbes1-sha1-des.key: PBE-SHA1-DES (2048 rounds)
    ec-pbes1-sha1-rc2-40.key: PBE-SHA1-RC2-40 (2048 rounds)
    ec-pbes2-3des.key: PBKDF2 with HMAC-SHA-256 (2048 rounds) and 3DES-CBC
    ec-pbes2-aes-128-sha1.key: PBKDF2 with HMAC-SHA-1 (2048 rounds) and AES-128-CBC
    ec-pbes2-aes-192-sha224.key: PBKDF2 with HMAC-SHA-224 (2048 rounds) and AES-192-CBC
    ec-pbes2-aes-256-sha384.key: PBKDF2 with HMAC-SHA-384 (2048 rounds) and AES-256-CBC
    ec-pbes2-aes-256-sha512.key: PBKDF2 with HMAC-SHA-512 (2048 rounds) and AES-256-CBC
    ec-pbes2-aes-256.der: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC
    ec-pbes2-aes-256.key: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC
    ec-pbes2-des.key: PBKDF2 with HMAC-SHA-256 (2048 rounds) and DES-CBC
    ec-scrypt.key: scrypt (N 16384, r 8, p 1) and AES-256-CBC
    ec-text-pbes1.key: PBE-SHA1-3DES (2048 rounds)
    ec-text-pbes2.key: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC
    ec-unsupported-camellia.key: CAMELLIA-256-CBC
    ec-unsupported-old.key: CAMELLIA-128-CBC
    rsa-old-aes256.key: AES-256-CBC, in OpenSSL's old form
    rsa-old-des3.key: 3DES-CBC, in OpenSSL's old form
    rsa-pbes1-sha1-3des.key: PBE-SHA1-3DES (2048 rounds)
    rsa-pbes2-aes-256-sha512.key: PBKDF2 with HMAC-SHA-512 (2048 rounds) and AES-256-CBC
    rsa-pbes2-aes-256.key: PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC
    rsa-scrypt.key: scrypt (N 16384, r 8, p 1) and AES-256-CBC
    ");
}

#[test]
fn every_kind_of_key_wherever_it_stands() {
    let pki = Pki::new();
    for kind in KeyKind::ALL {
        let alice = pki.client_with_key("alice", kind);
        let cert = text(&alice.cert_file);
        let (pem, der) = (alice.key_encrypted_pem(PASSPHRASE, 10), alice.key_encrypted_der(PASSPHRASE, 10));
        let unlock = |cert: &str, key: Option<&str>| unlock(cert, key, PASSPHRASE);
        is(unlock(cert, Some(text(&pki.write("locked.key", &pem)))), &alice, "PEM");
        is(unlock(cert, Some(text(&pki.write("locked.der", der)))), &alice, "DER");
        is(unlock(cert, Some(&pem)), &alice, "text");
        is(unlock(&format!("{pem}{}", alice.cert_pem), None), &alice, "beside the certificate");
    }
}

#[test]
fn the_old_form_in_every_shape() {
    for name in ["ec-old-aes256.key", "ec-old-des.key", "rsa-old-des3.key"] {
        let written = std::fs::read_to_string(fixture(name)).unwrap();
        let cert = std::fs::read_to_string(fixture(if name.starts_with("ec") { "ec.pem" } else { "rsa.pem" })).unwrap();
        for shape in [
            written.replace('\n', "\r\n"),
            written.replace('\n', "\\n"),
            written.replace('\n', " "),
            written.replace('\n', ""),
            format!("  {}", written.replace('\n', "\n  ")),
        ] {
            unlock(&cert, Some(&shape), PASSPHRASE).unwrap_or_else(|failure| panic!("{shape}: {failure}"));
            unlock(&format!("{shape}{cert}"), None, PASSPHRASE).expect(&shape);
        }
    }
}

#[test]
fn the_one_that_belongs_to_the_certificate_among_several() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client_with_key("bob", KeyKind::Ed25519));
    let (locked, other) = (alice.key_encrypted_pem(PASSPHRASE, 10), bob.key_encrypted_pem(PASSPHRASE, 10));
    let cert = text(&alice.cert_file);
    is(unlock(cert, Some(&format!("{other}{locked}")), PASSPHRASE), &alice, "the second");
    is(unlock(cert, Some(&format!("{}{locked}", bob.key_pem)), PASSPHRASE), &alice, "beside another in the clear");
    is(load(cert, Some(&format!("{other}{}", alice.key_pem))), &alice, "the one in the clear");
    let mismatch = unlock(cert, Some(&other), PASSPHRASE).unwrap_err();
    assert_eq!(mismatch.code().as_str(), "key-mismatch");
    // The key in the clear is another's, so the encrypted one may be ours.
    let missing = load(cert, Some(&format!("{}{locked}", bob.key_pem))).unwrap_err();
    assert_eq!(missing.code().as_str(), "key-encrypted");
}

#[test]
fn passphrases_that_are_missing_wrong_or_needless() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let cert = text(&alice.cert_file);
    let key = pki.write("locked.key", alice.key_encrypted_pem(PASSPHRASE, 2048));
    assert_snapshot!(told(&pki, &load(cert, Some(text(&key))).unwrap_err()), @"
    key-encrypted: The private key is encrypted, and there is no passphrase
    at: [dir]/locked.key
    at: the setting tls.key
    why: Its encryption is PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC, and `passphrase` is not set.
    fix: Set `passphrase` (--passphrase) to {env:NAME}, {file:PATH} or {command:PROGRAM ARGUMENTS}.
    ");
    assert_snapshot!(told(&pki, &unlock(cert, Some(text(&key)), "Hunter2").unwrap_err()), @"
    passphrase-wrong: The passphrase does not open the private key
    at: [dir]/locked.key
    at: the setting tls.key
    at: the setting tls.passphrase
    why: Its encryption is PBKDF2 with HMAC-SHA-256 (2048 rounds) and AES-256-CBC.
    fix: Correct what the reference in `passphrase` gives.
    fix: `openssl pkey -noout -in FILE` asks for the passphrase and tries it.
    ");
    let empty = told(&pki, &unlock(cert, Some(text(&key)), "").unwrap_err());
    assert!(empty.contains("why: The passphrase is empty."), "{empty}");
    assert_snapshot!(told(&pki, &unlock(cert, Some(text(&alice.key_file)), PASSPHRASE).unwrap_err()), @"
    passphrase-needless: There is a passphrase, but the private key is not encrypted
    at: [dir]/alice.key
    at: the setting tls.key
    at: the setting tls.passphrase
    fix: Remove `passphrase`, or name the encrypted key.
    ");
    // The key that is used is in the clear; another that lies beside the certificate does not count.
    let beside = format!("{}{}", alice.cert_pem, alice.key_encrypted_pem(PASSPHRASE, 10));
    assert_eq!(unlock(&beside, Some(&alice.key_pem), PASSPHRASE).unwrap_err().code().as_str(), "passphrase-needless");
    assert_eq!(load(&beside, None).unwrap_err().code().as_str(), "key-encrypted");
    assert_eq!(unlock(cert, None, PASSPHRASE).unwrap_err().code().as_str(), "key-missing");
    for kind in ["ec-old-aes128.key", "ec-scrypt.key", "ec-pbes1-md5-des.key"] {
        let missing = load(text(&fixture("ec.pem")), Some(text(&fixture(kind)))).unwrap_err();
        assert_eq!(missing.code().as_str(), "key-encrypted", "{kind}");
    }
}

#[test]
fn what_cannot_be_decrypted_is_named_with_a_passphrase_and_without() {
    let pki = Pki::new();
    let cert = fixture("ec.pem");
    for (name, words) in [
        ("ec-unsupported-camellia.key", "It is encrypted with CAMELLIA-256-CBC."),
        ("ec-unsupported-old.key", "It is encrypted with CAMELLIA-128-CBC."),
    ] {
        let key = fixture(name);
        for failure in [unlock(text(&cert), Some(text(&key)), PASSPHRASE), load(text(&cert), Some(text(&key)))] {
            let failure = failure.expect_err(name);
            assert_eq!(failure.code().as_str(), "key-unsupported", "{name}: {failure}");
            assert!(told(&pki, &failure).contains(&format!("why: {words}")), "{name}: {failure}");
        }
    }
    // An algorithm that nobody knows, by its OID.
    let unknown = sequence(&[&sequence(&[&tlv(6, &[0x2a, 3, 4]), &tlv(5, &[])]), &tlv(4, &[0; 16])]);
    let failure = load(text(&cert), Some(text(&pki.write("unknown", unknown)))).unwrap_err();
    assert!(told(&pki, &failure).contains("why: It is encrypted with the algorithm 1.2.3.4."), "{failure}");
}

#[test]
fn absurd_work_is_refused_at_once() {
    let pki = Pki::new();
    let refused = |der: Vec<u8>| {
        let key = pki.write("absurd.der", der);
        let failure = unlock(text(&fixture("ec.pem")), Some(text(&key)), PASSPHRASE).expect_err("it is too much");
        assert_eq!(failure.code().as_str(), "key-unsupported", "{failure}");
        failure.facts().why.join(" ")
    };
    let pbkdf2 = |rounds: &[u8]| pbes2(&PBKDF2, &[&tlv(4, &[1; 8]), &tlv(2, rounds)]);
    let scrypt = |cost: &[u8], block: &[u8], parallel: &[u8]| {
        pbes2(&SCRYPT, &[&tlv(4, &[1; 8]), &tlv(2, cost), &tlv(2, block), &tlv(2, parallel)])
    };
    assert_snapshot!([
        refused(pbkdf2(&[0x7f, 0xff, 0xff, 0xff])),
        refused(pbkdf2(&[1, 0, 0, 0, 0, 0, 0, 0, 0])),
        refused(pbkdf2(&[0])),
        refused(scrypt(&[0x40, 0, 0, 0], &[8], &[1])),
        refused(scrypt(&[0x40, 0], &[8], &[0x7f, 0xff])),
        refused(scrypt(&[2], &[1], &[0x20, 0, 0])),
        refused(scrypt(&[3], &[8], &[1])),
        refused(scrypt(&[1, 0, 0], &[1], &[1])),
    ].join("\n"), @"
    It asks for 2147483647 rounds of PBKDF2; more than 5000000 are refused.
    It asks for 18446744073709551615 rounds of PBKDF2; more than 5000000 are refused.
    It asks for 0 rounds of PBKDF2, which is no encryption.
    It asks for scrypt with N 1073741824, r 8 and p 1; more than 128 MiB of memory, or four times that of work, is refused.
    It asks for scrypt with N 16384, r 8 and p 32767; more than 128 MiB of memory, or four times that of work, is refused.
    It asks for scrypt with N 2, r 1 and p 2097152; more than 128 MiB of memory, or four times that of work, is refused.
    It asks for scrypt with N 3, r 8 and p 1, which RFC 7914 does not allow.
    It asks for scrypt with N 65536, r 1 and p 1, which RFC 7914 does not allow.
    ");
    // A number that is negative is no number of rounds, and the file is not that of a key.
    let key = pki.write("broken.der", pbkdf2(&[0x80]));
    assert_eq!(load(text(&fixture("ec.pem")), Some(text(&key))).unwrap_err().code().as_str(), "material-invalid");
}

#[test]
fn what_is_damaged_is_told_from_a_wrong_passphrase() {
    let pki = Pki::new();
    let alice = pki.client_with_key("alice", KeyKind::Rsa2048);
    let der = alice.key_encrypted_der(PASSPHRASE, 10);
    let code = |der: &[u8], passphrase: &str| {
        let key = pki.write("damaged.der", der);
        unlock(text(&alice.cert_file), Some(text(&key)), passphrase).map(|_| ()).unwrap_err()
    };
    // The last block of the ciphertext is gone, and the lengths around are right.
    let (head, ciphertext) = der.split_at(der.len() - 1232);
    assert_eq!(head[head.len() - 4..], [0x04, 0x82, 0x04, 0xd0], "where the ciphertext begins");
    for (kept, broken) in [(1216, "a block"), (1231, "a byte"), (16, "all but a block"), (0, "all")] {
        let mut inside = head[4..head.len() - 4].to_vec();
        inside.extend(tlv(4, &ciphertext[..kept]));
        let damaged = code(&tlv(0x30, &inside), PASSPHRASE);
        assert_eq!(damaged.code().as_str(), "material-invalid", "{broken}: {damaged}");
    }
    let mut flipped = der.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert_snapshot!(told(&pki, &code(&flipped, PASSPHRASE)), @"
    material-invalid: The encrypted private key is damaged
    at: [dir]/damaged.der
    at: the setting tls.key
    why: What is encrypted in it is not a whole key.
    fix: Copy it again from where it came from.
    ");
    assert_eq!(code(&flipped, "another").code().as_str(), "passphrase-wrong");
    // Its first block: nothing is left to tell the right passphrase by.
    let mut flipped = der.clone();
    flipped[head.len()] ^= 1;
    assert_eq!(code(&flipped, PASSPHRASE).code().as_str(), "passphrase-wrong");
    // In the middle, where nothing but the numbers of the key can tell.
    flipped[head.len()] ^= 1;
    flipped[head.len() + 600] ^= 1;
    assert_eq!(code(&flipped, PASSPHRASE).code().as_str(), "key-unsupported");
    for cut in 0..der.len() {
        assert_eq!(code(&der[..cut], PASSPHRASE).code().as_str(), "material-invalid", "{cut}");
    }
}

#[test]
fn an_encrypted_key_cut_or_changed_anywhere_is_never_an_identity_nor_a_panic() {
    for name in ["ec-pbes1-sha1-2des.key", "ec-old-des3.key", "ec-pbes2-3des.key"] {
        let cert = fixture("ec.pem");
        let key = std::fs::read_to_string(fixture(name)).unwrap();
        for cut in 0..key.trim_end().len() {
            unlock(text(&cert), Some(&format!("-----BEGIN {}", &key[..cut])), PASSPHRASE).expect_err(name);
        }
    }
}

#[test]
fn whatever_stands_in_the_file_is_read_without_a_panic() {
    for name in ["ec-pbes2-aes-256-sha512.key", "ec-scrypt.key", "ec-pbes1-md5-des.key"] {
        let pem = std::fs::read_to_string(fixture(name)).unwrap();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(base64).unwrap();
        assert_eq!(pem::read(&der).unwrap().encrypted_keys.len(), 1, "{name}");
        for at in 0..der.len() {
            for value in [0, 1, 2, 4, 5, 6, 0x30, 0x7f, 0x80, 0x82, 0xff] {
                let mut der = der.clone();
                der[at] = value;
                let _ = pem::read(&der).map(|found| format!("{:?}", found.encrypted_keys));
            }
        }
    }
}

/// An `EncryptedPrivateKeyInfo` of AES-256-CBC with this function and its parameters.
pub(super) fn pbes2(function: &[u8], parameters: &[&[u8]]) -> Vec<u8> {
    let function = sequence(&[&tlv(6, function), &sequence(parameters)]);
    let cipher = sequence(&[&tlv(6, &AES_256_CBC), &tlv(4, &[0; 16])]);
    let algorithm = sequence(&[&tlv(6, &PBES2), &sequence(&[&function, &cipher])]);
    sequence(&[&algorithm, &tlv(4, &[0; 32])])
}

pub(super) fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &elements.concat())
}

pub(super) fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).expect("a short element").to_be_bytes();
    [&[tag, 0x82], &length[..], contents].concat()
}

const PBES2: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
pub(super) const PBKDF2: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
const SCRYPT: [u8; 9] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b];
const AES_256_CBC: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];
