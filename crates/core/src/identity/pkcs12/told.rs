//! PKCS#12 files that give no identity: what is told.

use time::OffsetDateTime;

use super::{Pkcs12, Shut};
use crate::config::{Material, Passphrase};
use crate::error::{Code, Failure, quoted};
use crate::identity::facts::CertificateFacts;
use crate::identity::files::place;
use crate::identity::pem::{Pem, PemProblem};

/// The file did not open.
pub(in crate::identity) fn locked(
    material: &Material,
    file: &Pkcs12,
    passphrase: Option<&Passphrase>,
    shut: Shut,
) -> Failure {
    let failure = |code, what| Failure::new(code, what).at(place(material)).at(material.origin.to_string());
    let encryption = file.encryption();
    match (shut, passphrase) {
        (Shut::Needless, Some(passphrase)) => needless(material, passphrase),
        (Shut::Unsupported(why), _) => {
            failure(Code::KeyUnsupported, "The PKCS#12 file is protected in a way that cannot be used")
                .because(why)
                .fix("Export it anew, with AES-256 and SHA-256 where there is a choice.")
        }
        (Shut::Damaged, _) => failure(Code::MaterialInvalid, "The PKCS#12 file is damaged")
            .because("What is in it cannot be read.")
            .fix("Copy it again from where it came from."),
        (Shut::TooMany, _) => failure(Code::MaterialInvalid, "The PKCS#12 file holds too much")
            .because(PemProblem::TooMany.sentence())
            .fix("Export it anew with what is needed."),
        (_, None) => failure(Code::KeyEncrypted, "The PKCS#12 file needs a passphrase, and there is none")
            .because(format!(
                "Its protection is {encryption}; `passphrase` is not set, and an empty one does not open it."
            ))
            .fix("Set `passphrase` (--passphrase) to {env:NAME}, {file:PATH} or {command:PROGRAM ARGUMENTS}."),
        (Shut::WrongInside, Some(passphrase)) => failure(
            Code::PassphraseWrong,
            "The passphrase is that of the PKCS#12 file, and does not open what is in it",
        )
        .at(passphrase.origin.to_string())
        .because(format!("Its protection is {encryption}, with more than one passphrase."))
        .fix("Export it anew with one passphrase for all."),
        (_, Some(passphrase)) => {
            let failure = failure(Code::PassphraseWrong, "The passphrase does not open the PKCS#12 file")
                .at(passphrase.origin.to_string())
                .because(format!("Its protection is {encryption}."));
            let failure = passphrase.suspicion().into_iter().fold(failure, Failure::because);
            let has_mac = file.mac.is_some();
            let why = if has_mac { "Its MAC does not match." } else { "It has no MAC, so it may as well be damaged." };
            // OpenSSL 3 reads the older ciphers when asked to.
            let legacy = if encryption.contains("RC2") { " -legacy" } else { "" };
            failure
                .because(why)
                .fix("Correct what the reference in `passphrase` gives.")
                .fix(format!("`openssl pkcs12{legacy} -noout -in FILE` asks for the passphrase and tries it."))
        }
    }
}

/// There is a passphrase, and the file opens without.
pub(in crate::identity) fn needless(material: &Material, passphrase: &Passphrase) -> Failure {
    Failure::new(Code::PassphraseNeedless, "There is a passphrase, but the PKCS#12 file opens without one")
        .at(place(material))
        .at(material.origin.to_string())
        .at(passphrase.origin.to_string())
        .fix("Remove `passphrase`, or name the file that it is for.")
}

/// The certificates of `ca` are behind a passphrase, and there is no setting for that.
pub(crate) fn locked_store(material: &Material, file: &Pkcs12) -> Failure {
    match file.open(None) {
        Err(shut @ (Shut::Unsupported(_) | Shut::Damaged | Shut::TooMany)) => locked(material, file, None, shut),
        _ => Failure::new(Code::MaterialInvalid, "The PKCS#12 file of CA certificates needs a passphrase")
            .at(place(material))
            .at(material.origin.to_string())
            .because(format!("Its protection is {}, and `passphrase` is for `cert` and `key`.", file.encryption()))
            .fix(
                "Write its certificates as PEM with `openssl pkcs12 -nokeys -in FILE -out PEM`, and name that as `ca`.",
            ),
    }
}

/// Refuses a file that holds the keys of several of its certificates: nothing in it says which is meant.
pub(in crate::identity) fn ambiguous(material: &Material, found: &Pem) -> Option<Failure> {
    if !found.is_pkcs12 {
        return None;
    }
    let now = OffsetDateTime::now_utc();
    let certificates: Vec<_> = found.certificates.iter().filter_map(|der| CertificateFacts::parse(der).ok()).collect();
    let mut keys: Vec<_> = found.keys.iter().filter_map(crate::identity::PrivateKey::public_key_der).collect();
    keys.sort();
    keys.dedup();
    let of = |key: &Vec<u8>| certificates.iter().find(|facts| facts.public_key_der == *key);
    let own: Vec<_> = keys.iter().filter_map(of).collect();
    if own.len() < 2 {
        return None;
    }
    let each = own.iter().take(MOST_TOLD).map(|facts| {
        let name = found.names.get(&facts.fingerprint).map_or_else(|| "without a name".to_owned(), |name| quoted(name));
        format!("{name}: {}", facts.describe(now))
    });
    let failure = Failure::new(Code::KeyAmbiguous, "The PKCS#12 file holds several identities")
        .at(place(material))
        .at(material.origin.to_string());
    let failure = each.fold(failure, Failure::because);
    let more = own.len().saturating_sub(MOST_TOLD);
    let failure = if more > 0 { failure.because(format!("And {more} more.")) } else { failure };
    Some(failure.fix("Name the certificate of one of them, as a PEM file, as `cert`, and this file as `key`."))
}

/// How many identities are told.
const MOST_TOLD: usize = 10;
