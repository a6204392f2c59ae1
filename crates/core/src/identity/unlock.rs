//! Encrypted keys, PKCS#12 files and the passphrase: what is told when they do not come together.

use super::encrypted::{EncryptedKey, Locked};
use super::files::place;
use super::key::PrivateKey;
use super::pem::Pem;
use super::pkcs12::{self, Shut};
use crate::config::{Material, Passphrase};
use crate::error::{Code, Failure, Result};

/// The same with a PKCS#12 file in it opened, and whether the passphrase was of use. It must be of use
/// if it `is_meant` for nothing else.
pub(super) fn opened(
    material: &Material,
    mut pem: Pem,
    passphrase: Option<&Passphrase>,
    is_meant: bool,
) -> Result<(Pem, bool)> {
    let Some(file) = pem.pkcs12.take() else { return Ok((pem, false)) };
    let mut used = passphrase.is_some();
    let mut opened = file.open(passphrase.map(|passphrase| &passphrase.value));
    if !is_meant && matches!(opened, Err(Shut::Needless)) {
        used = false;
        opened = file.open(None);
    }
    pem.take(opened.map_err(|shut| pkcs12::locked(material, &file, passphrase, shut))?);
    Ok((pem, used))
}

impl Pem {
    /// The same with all in it opened that is encrypted, which is what the file holds that `material` names. It takes
    /// as long as whoever encrypted it wanted it to: up to some seconds.
    ///
    /// # Errors
    /// `passphrase-wrong`, `key-unsupported`, `material-invalid`.
    pub fn unlocked(self, material: &Material, passphrase: &Passphrase) -> Result<Self> {
        let (mut pem, _) = opened(material, self, Some(passphrase), false)?;
        let mut work = 0;
        for key in std::mem::take(&mut pem.encrypted_keys) {
            work += key.sealed().work();
            if work > pkcs12::MOST_WORK {
                return Err(too_much(material));
            }
            pem.keys.push(decrypted(material, &key, passphrase)?);
        }
        Ok(pem)
    }
}

/// The key in the clear.
pub(super) fn decrypted(material: &Material, key: &EncryptedKey, passphrase: &Passphrase) -> Result<PrivateKey> {
    key.decrypt(Some(passphrase.value.expose())).map_err(|locked| match locked {
        Locked::Unsupported(why) => unsupported(material, why),
        Locked::WrongPassphrase => wrong(material, key, passphrase),
        Locked::Damaged => Failure::new(Code::MaterialInvalid, "The encrypted private key is damaged")
            .at(place(material))
            .at(material.origin.to_string())
            .because("What is encrypted in it is not a whole key.")
            .fix("Copy it again from where it came from."),
    })
}

/// The keys of one file are too much work together, though each alone is not.
pub(super) fn too_much(material: &Material) -> Failure {
    unsupported(material, pkcs12::too_much_work())
}

/// There is no passphrase for this key.
pub(super) fn encrypted(material: &Material, key: &EncryptedKey) -> Failure {
    // Whoever adds a passphrase that is of no use would only meet the next failure.
    if let Err(Locked::Unsupported(why)) = key.sealed().check() {
        return unsupported(material, why);
    }
    Failure::new(Code::KeyEncrypted, "The private key is encrypted, and there is no passphrase")
        .at(place(material))
        .at(material.origin.to_string())
        .because(format!("Its encryption is {}, and `passphrase` is not set.", key.encryption()))
        .fix("Set `passphrase` (--passphrase) to {env:NAME}, {file:PATH} or {command:PROGRAM ARGUMENTS}.")
}

/// There is a passphrase, and no key that it is for.
pub(super) fn needless(material: &Material, passphrase: &Passphrase) -> Failure {
    Failure::new(Code::PassphraseNeedless, "There is a passphrase, but the private key is not encrypted")
        .at(place(material))
        .at(material.origin.to_string())
        .at(passphrase.origin.to_string())
        .fix("Remove `passphrase`, or name the encrypted key.")
}

fn wrong(material: &Material, key: &EncryptedKey, passphrase: &Passphrase) -> Failure {
    let failure = Failure::new(Code::PassphraseWrong, "The passphrase does not open the private key")
        .at(place(material))
        .at(material.origin.to_string())
        .at(passphrase.origin.to_string())
        .because(format!("Its encryption is {}.", key.encryption()));
    let failure = passphrase.suspicion().into_iter().fold(failure, Failure::because);
    failure
        .fix("Correct what the reference in `passphrase` gives.")
        .fix("`openssl pkey -noout -in FILE` asks for the passphrase and tries it.")
}

fn unsupported(material: &Material, why: String) -> Failure {
    Failure::new(Code::KeyUnsupported, "The private key is encrypted in a way that cannot be used")
        .at(place(material))
        .at(material.origin.to_string())
        .because(why)
        .fix("Encrypt it anew with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out NEW`.")
}
