//! Every identity is what its verb says, in every form of its key.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{Client, KeyKind, Pki, fingerprint};

#[test]
fn every_kind_of_key_loads_in_every_form() {
    let pki = Pki::new();
    for kind in KeyKind::ALL {
        let client = pki.client_with_key(&format!("{kind:?}"), kind);
        expect_pair(&client, PrivateKeyDer::from_pem_file(&client.key_file).unwrap());
        expect_pair(&client, PrivateKeyDer::try_from(client.key_pkcs8_der()).unwrap());
        if kind.is_rsa() {
            expect_pair(&client, PrivateKeyDer::from_pem_slice(client.key_pkcs1_pem().as_bytes()).unwrap());
            expect_pair(&client, PrivateKeyDer::Pkcs1(client.key_pkcs1_der().into()));
        }
        if kind.is_ec() {
            expect_pair(&client, PrivateKeyDer::from_pem_slice(client.key_sec1_pem().as_bytes()).unwrap());
            expect_pair(&client, PrivateKeyDer::Sec1(client.key_sec1_der().into()));
        }
    }
}

#[test]
fn a_sec1_key_names_its_curve() {
    // The object identifier of prime256v1, as OpenSSL writes it into the [0] field.
    let curve = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let der = Pki::new().client("alice").key_sec1_der();
    assert!(der.windows(curve.len()).any(|window| window == curve));
}

#[test]
fn files_hold_what_the_fields_say() {
    let pki = Pki::new();
    let alice = pki.client("alice");
    assert_eq!(alice.cert_file, pki.dir().join("alice.pem"));
    assert_eq!(std::fs::read_to_string(&alice.cert_file).unwrap(), alice.cert_pem);
    assert_eq!(std::fs::read_to_string(&alice.key_file).unwrap(), alice.key_pem);
    assert_eq!(CertificateDer::from_pem_file(&alice.cert_file).unwrap().as_ref(), alice.leaf_der);
    assert_eq!(std::fs::read_to_string(pki.server_ca_file()).unwrap(), pki.server_ca_pem());
    assert_eq!(pki.client("alice").cert_file, pki.dir().join("alice-2.pem"), "a name that is taken counts up");
}

#[test]
fn a_client_of_an_intermediate_has_a_chain_and_a_leaf_alone() {
    let pki = Pki::new();
    let client = pki.client_of_intermediate();
    assert_eq!(client.chain().len(), 2);
    assert_eq!(client.cert_pem.matches("BEGIN CERTIFICATE").count(), 2);
    let alone = std::fs::read_to_string(&client.leaf_only_file).unwrap();
    assert_eq!(alone.matches("BEGIN CERTIFICATE").count(), 1);
    assert_eq!(CertificateDer::from_pem_slice(alone.as_bytes()).unwrap().as_ref(), client.leaf_der);
}

#[test]
fn the_fingerprint_is_sha_256() {
    assert_eq!(fingerprint(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let pki = Pki::new();
    let alice = pki.client("alice");
    assert_eq!(std::fs::metadata(&alice.key_file).unwrap().permissions().mode() & 0o777, 0o600);
    drop(pki);
    assert!(!alice.key_file.exists(), "the folder goes with the PKI");
}

fn expect_pair(client: &Client, key: PrivateKeyDer<'static>) {
    CertifiedKey::from_der(client.chain(), key, &crate::server::provider())
        .unwrap_or_else(|e| panic!("rustls refuses the key of {}: {e}", client.name));
}
