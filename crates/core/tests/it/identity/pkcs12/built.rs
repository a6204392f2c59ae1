//! PKCS#12 files put together here, of what other software writes rarely or not at all.

use mcp_mtls_core::identity::facts::CertificateFacts;
use mcp_mtls_testkit::pki::{Client, KeyKind, Pki};

use super::super::encrypted::{sequence, tlv};
use super::super::{is, load, text, unlock};
use super::{PASSPHRASE, code};

#[test]
fn keys_without_a_certificate_do_not_count() {
    let pki = Pki::new();
    let (alice, bob) = (pki.client("alice"), pki.client("bob"));
    let keys = [key_bag(&bob, &[]), key_bag(&alice, &[])].concat();
    let file = pki.write("keys.p12", pfx(&[&data(&keys), &data(&cert_bag(&alice.leaf_der, &[]))], None));
    is(load(text(&file), None), &alice, "one pair");
    let file =
        pki.write("bob.p12", pfx(&[&data(&[key_bag(&bob, &[]), cert_bag(&alice.leaf_der, &[])].concat())], None));
    assert_eq!(code(load(text(&file), None)), "key-mismatch");
}

#[test]
fn the_file_says_which_of_two_certificates_of_one_key_is_meant() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    // The same key certified again.
    let key = rcgen::KeyPair::from_pem(&alice.key_pem).unwrap();
    let old = rcgen::CertificateParams::new(vec!["old".to_owned()]).unwrap().self_signed(&key).unwrap();
    for (first, second) in [(&alice.leaf_der[..], &old.der()[..]), (old.der(), &alice.leaf_der)] {
        let certificates = [cert_bag(first, &local_id(&[2])), cert_bag(second, &local_id(&[1]))].concat();
        let bags = [certificates, key_bag(&alice, &local_id(&[1]))].concat();
        let identity = load(text(&pki.write("two.p12", pfx(&[&data(&bags)], None))), None).unwrap();
        assert_eq!(identity.facts(), &CertificateFacts::parse(second).unwrap());
    }
}

#[test]
fn a_key_of_another_passphrase_than_that_of_the_file() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    let locked = |passphrase: &str| {
        let key = bag(ENCRYPTED_KEY, &alice.key_encrypted_der(passphrase, 10), &[]);
        data(&[key, cert_bag(&alice.leaf_der, &[])].concat())
    };
    let file = pki.write("alice.p12", pfx(&[&locked(PASSPHRASE)], None));
    is(unlock(text(&file), None, PASSPHRASE), &alice, "an encrypted key beside a certificate in the clear");
    assert_eq!(code(load(text(&file), None)), "key-encrypted");
    assert_eq!(code(unlock(text(&file), None, "other")), "passphrase-wrong");
}

#[test]
fn nesting_is_read_to_a_depth_and_refused_beyond() {
    let pki = Pki::new();
    let alice = pki.client_with_key("alice", KeyKind::Ed25519);
    let nested = |levels: usize| {
        let bags = [key_bag(&alice, &[]), cert_bag(&alice.leaf_der, &[])].concat();
        let bags = (0..levels).fold(bags, |bags, _| bag(NESTED, &sequence(&[&bags]), &[]));
        load(text(&pki.write("nested.p12", pfx(&[&data(&bags)], None))), None)
    };
    is(nested(4), &alice, "four levels");
    assert_eq!(code(nested(5)), "material-invalid");
}

#[test]
fn a_key_with_attributes_as_windows_writes_it() {
    let pki = Pki::new();
    for kind in [KeyKind::Rsa2048, KeyKind::P256] {
        let alice = pki.client_with_key("alice", kind);
        // The key as it is, and behind it the key usage that its certificate is for.
        let usage = [0xa0, 15, 0x30, 13, 6, 3, 0x55, 0x1d, 0x0f, 0x31, 6, 3, 4, 6, 0x10, 0, 0];
        let mut key = alice.key_pkcs8_der();
        key.extend(usage);
        // The last byte of its length, which does not overflow.
        let at = match key[1] {
            0x82 => 3,
            0x81 => 2,
            _ => 1,
        };
        key[at] += u8::try_from(usage.len()).unwrap();
        let bags = [bag(KEY, &key, &local_id(&[1, 0, 0, 0])), cert_bag(&alice.leaf_der, &local_id(&[1, 0, 0, 0]))];
        is(load(text(&pki.write("windows.p12", pfx(&[&data(&bags.concat())], None))), None), &alice, "attributes");
    }
}

#[test]
fn a_file_is_read_up_to_16_mib() {
    let pki = Pki::new();
    let of = |bytes: usize| {
        let contents = vec![0; bytes];
        let length = u32::try_from(bytes + 9).unwrap().to_be_bytes();
        let head = [&[0x30, 0x84], &length[..], &VERSION, &[0x30, 0x84], &(length.map(|_| 0))[..]].concat();
        load(text(&pki.write("large.p12", [head, contents].concat())), None).unwrap_err().facts().why.join(" ")
    };
    assert_eq!(of(16 << 20), "It is a PKCS#12 file (.p12, .pfx) of more than 16 MiB.");
    assert_eq!(of(100), "It is a PKCS#12 file (.p12, .pfx) that is damaged, or cut off.");
}

#[test]
fn a_file_of_more_than_a_thousand_things_is_refused() {
    let pki = Pki::new();
    let alice = pki.client_with_key("alice", KeyKind::Ed25519);
    let pair = [key_bag(&alice, &[]), cert_bag(&alice.leaf_der, &[])].concat();
    let others = |count: usize| bag(SECRET, &[], &[]).repeat(count);
    let of = |parts: &[&[u8]]| load(text(&pki.write("many.p12", pfx(parts, None))), None);
    let one_part = |count| of(&[&data(&[pair.clone(), others(count)].concat())]);
    is(one_part(990), &alice, "enough");
    let sentence = "It holds more than 1,000 certificates, keys and other things.";
    for refused in [
        one_part(1_000),
        of(&[&data(&pair), &data(&others(600)), &data(&others(600))]),
        of(&[&data(&pair), &data(&[]).repeat(1_000)]),
        of(&[&data(&pair), &data(&bag(NESTED, &sequence(&[&others(1_000)]), &[]))]),
    ] {
        let failure = refused.unwrap_err();
        assert_eq!((failure.code().as_str(), failure.facts().why.join(" ").as_str()), ("material-invalid", sentence));
    }
}

/// A `PFX` of these parts.
pub(super) fn pfx(parts: &[&[u8]], mac: Option<Vec<u8>>) -> Vec<u8> {
    sequence(&[&VERSION, &data(&parts.concat()), &mac.unwrap_or_default()])
}

/// A `MacData` by this hash with so many rounds, which is that of nothing.
pub(super) fn mac(hash: &[u8], rounds: &[u8]) -> Vec<u8> {
    let digest = sequence(&[&sequence(&[&tlv(6, hash), &tlv(5, &[])]), &tlv(4, &[0; 32])]);
    sequence(&[&digest, &tlv(4, &[1; 8]), &tlv(2, rounds)])
}

/// A `ContentInfo` of a sequence in the clear.
pub(super) fn data(elements: &[u8]) -> Vec<u8> {
    sequence(&[&tlv(6, DATA), &tlv(0xa0, &tlv(4, &sequence(&[elements])))])
}

pub(super) fn bag(oid: u8, value: &[u8], attributes: &[u8]) -> Vec<u8> {
    let oid = [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01][..], &[oid]].concat();
    let attributes = if attributes.is_empty() { Vec::new() } else { tlv(0x31, attributes) };
    sequence(&[&tlv(6, &oid), &tlv(0xa0, value), &attributes])
}

fn key_bag(client: &Client, attributes: &[u8]) -> Vec<u8> {
    bag(KEY, &client.key_pkcs8_der(), attributes)
}

fn cert_bag(der: &[u8], attributes: &[u8]) -> Vec<u8> {
    bag(CERTIFICATE, &sequence(&[&tlv(6, X509), &tlv(0xa0, &tlv(4, der))]), attributes)
}

fn local_id(id: &[u8]) -> Vec<u8> {
    sequence(&[&tlv(6, LOCAL_KEY_ID), &tlv(0x31, &tlv(4, id))])
}

pub(super) const VERSION: [u8; 3] = [2, 1, 3];
const KEY: u8 = 1;
pub(super) const ENCRYPTED_KEY: u8 = 2;
const CERTIFICATE: u8 = 3;
const SECRET: u8 = 5;
const NESTED: u8 = 6;
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
pub(super) const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
pub(super) const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
const LOCAL_KEY_ID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x15];
const X509: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01];
pub(super) const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
