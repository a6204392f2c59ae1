//! The source for smartcards, HSMs and TPMs: a key that never leaves its token, reached through a
//! PKCS#11 module, and a certificate from there or from a file.

mod alone;
mod key;
mod module;
mod objects;
mod pin;
mod scheme;
mod shown;
mod token;
mod uri;
mod words;

pub use key::close_tokens;
pub use shown::certificates_on_tokens;
pub(super) use uri::told;

use std::sync::Arc;

use cryptoki::session::Session;
use cryptoki::slot::Slot;

use self::key::TokenKey;
use self::objects::{Certificate, Key, certificates, fits, keys, the_certificate, the_key};
use self::pin::Pin;
use self::token::{Token, Trouble};
use self::uri::Uri;
use super::Identity;
use super::facts::CertificateFacts;
use super::files::{self, place};
use crate::config::{self, Content, Material};
use crate::error::{Code, Failure, Result};

/// Finds key and certificate, and proves by a signature that they belong together.
pub(super) fn load(settings: &config::Tls) -> Result<Identity> {
    let _busy = key::busy();
    let (key, cert) = (settings.key.as_ref(), settings.cert.as_ref());
    let source = match (key, cert) {
        (Some(key), _) if !key.is_on_token() => return Err(key_elsewhere(key, cert)),
        (Some(material), _) | (None, Some(material)) => material,
        // Nothing names a token.
        (None, None) => {
            return Err(Failure::new(Code::KeyMissing, "There is no key").fix("Write the URI of the key as `key`."));
        }
    };
    let at = |failure: Failure| failure.at(source.origin.to_string());
    let uri = read(source)?;
    let pin = Pin::of(source, &uri, settings.passphrase.as_ref())?;
    let warning = pin.as_ref().and_then(|pin| pin.warning.clone());
    let module = module::load(&uri, settings.pkcs11_module.as_ref()).map_err(at)?;
    let token = Token::find(&module, &uri, pin).map_err(at)?;
    let failed = |trouble: Trouble| at(token.failure(trouble));
    let (session, slot) = token.open().map_err(failed)?;
    let all_keys = keys(&session).map_err(|error| failed(error.into()))?;
    let all = || certificates(&session).map_err(|error| failed(error.into()));

    let (key, chain) = match (key, cert) {
        // The certificate is in a file.
        (Some(_), Some(cert)) if !cert.is_on_token() => {
            let key = the_key(&token, all_keys, |name| fits(&uri, name)).map_err(at)?;
            (key, files::certificates(cert).map_err(pin_is_no_passphrase)?)
        }
        // On a token, by a URI of its own.
        (Some(_), Some(cert)) => {
            let key = the_key(&token, all_keys, |name| fits(&uri, name)).map_err(at)?;
            let uri = read(cert)?;
            let chain = on_token(&token, &session, &uri, settings, |one| {
                fits(&uri, &one.name) && (uri.object.is_some() || uri.id.is_some() || one.name.id == key.name.id)
            });
            (key, chain.map_err(|failure| failure.at(cert.origin.to_string()))?)
        }
        // Beside the key.
        (Some(_), None) => {
            let key = the_key(&token, all_keys, |name| fits(&uri, name)).map_err(at)?;
            let all = all()?;
            let leaf = the_certificate(&token, &all, |one| one.name.id == key.name.id);
            (key, chain(all, leaf.map_err(|failure| at(key_alone(failure, &token)))?))
        }
        // The key is beside the certificate.
        (None, _) => {
            let all = all()?;
            let has_key = |one: &Certificate| all_keys.iter().any(|key| key.name.id == one.name.id);
            let mut leaf = the_certificate(&token, &all, |one| fits(&uri, &one.name));
            if leaf.is_err() {
                // Most cards hold CA certificates too.
                leaf = the_certificate(&token, &all, |one| fits(&uri, &one.name) && has_key(one)).or(leaf);
            }
            let leaf = leaf.map_err(at)?;
            let id = all[leaf].name.id.clone();
            (the_key(&token, all_keys, |name| name.id == id).map_err(at)?, chain(all, leaf))
        }
    };
    let place = cert.map_or_else(|| objects::uri_of(&token, &key.name, "cert"), place);
    let in_file = cert.is_some_and(|cert| !cert.is_on_token());
    let failed = |failure: Failure| failure.at(place.clone()).at(source.origin.to_string());
    let (leaf, key) = own_leaf(&token, &key, (session, slot), &chain, in_file).map_err(failed)?;
    let written: Vec<_> = chain.iter().filter(|_| in_file).map(|(_, facts)| facts.clone()).collect();
    let chain = files::ordered(chain, leaf);
    let identity = Identity::new(chain, Arc::new(key), place, source.origin.to_string());
    let mut identity = Identity { signs_slowly: true, ..identity };
    identity.warnings.extend(warning);
    identity.written = written.into();
    Ok(identity)
}

/// The certificate of the key, and the key with the proof of that. On a token it is the first; a file may
/// hold others before it, and each costs one signature.
fn own_leaf(
    token: &Token,
    key: &Key,
    (session, slot): (Session, Slot),
    chain: &[(Vec<u8>, CertificateFacts)],
    in_file: bool,
) -> Result<(usize, TokenKey)> {
    let leaves: Vec<_> = (0..chain.len()).filter(|at| in_file && !chain[*at].1.is_ca).take(MOST_LEAVES).collect();
    let (mut session, mut first) = (Some(session), None);
    for leaf in if leaves.is_empty() { vec![0] } else { leaves } {
        let Some((_, facts)) = chain.get(leaf) else { continue };
        let failure = match TokenKey::prove(token.clone(), key.clone(), session.take(), slot, &facts.public_key_der) {
            Ok(key) => return Ok((leaf, key)),
            Err(failure) => failure,
        };
        // A token may fail with an error of its own for an algorithm that is not that of the key.
        if !matches!(failure.code(), Code::KeyMismatch | Code::KeyUnsupported | Code::TokenFailed) {
            return Err(failure);
        }
        first.get_or_insert(failure);
    }
    Err(first.unwrap_or_else(|| {
        Failure::new(Code::MaterialInvalid, "There is no certificate").fix("Name the certificate as `cert`.")
    }))
}

/// The token has the key, and nothing names its certificate, which is not beside it.
fn key_alone(failure: Failure, token: &Token) -> Failure {
    match failure.code() {
        Code::TokenObjectMissing => {
            Failure::new(Code::TokenObjectMissing, "The token has no certificate beside the key")
                .at(token.uri.clone())
                .because("`cert` is not set, and no certificate on the token has the id (CKA_ID) of the key.")
                .fix("Set `cert` (--cert) to the certificate of the key: a file, or the URI of one on a token.")
        }
        _ => failure,
    }
}

fn pin_is_no_passphrase(failure: Failure) -> Failure {
    match failure.code() {
        Code::KeyEncrypted => failure.because("`passphrase` is the PIN of the token here."),
        _ => failure,
    }
}

/// The chain of the certificate that a URI of its own names, on the token of the key or on another one,
/// which is shown no PIN.
fn on_token(
    token: &Token,
    session: &Session,
    uri: &Uri,
    settings: &config::Tls,
    fits: impl Fn(&Certificate) -> bool,
) -> Result<Vec<(Vec<u8>, CertificateFacts)>> {
    let module = module::load(uri, settings.pkcs11_module.as_ref())?;
    let other = Token::find(&module, uri, None)?;
    let all = if Arc::ptr_eq(&module, &token.module) && other.uri == token.uri {
        certificates(session)
    } else {
        other.open_publicly().and_then(|session| certificates(&session))
    };
    let all = all.map_err(|error| other.failure(error.into()))?;
    let leaf = the_certificate(&other, &all, fits)?;
    Ok(chain(all, leaf))
}

/// The leaf and each of its issuers that is on the token; self-signed roots are left out.
fn chain(mut all: Vec<Certificate>, leaf: usize) -> Vec<(Vec<u8>, CertificateFacts)> {
    let mut chain = vec![all.swap_remove(leaf)];
    while let Some(at) = chain.last().and_then(|last| {
        let issues = |one: &Certificate| {
            one.facts.is_ca && !one.facts.self_issued && one.facts.subject_der == last.facts.issuer_der
        };
        all.iter().position(issues)
    }) {
        chain.push(all.swap_remove(at));
    }
    chain.into_iter().map(|one| (one.der, one.facts)).collect()
}

/// The URI of a setting. Its `type` says nothing more than the setting does.
fn read(material: &Material) -> Result<Uri> {
    let Content::Token(uri) = &material.content else { return Ok(Uri::default()) };
    Uri::parse(uri).map_err(|why| {
        Failure::new(Code::ConfigInvalidValue, "The `pkcs11:` URI cannot be used")
            .at(place(material))
            .at(material.origin.to_string())
            .because(why)
            .fix("Write it as `p11tool --list-tokens` does: pkcs11:token=NAME;object=LABEL;id=%01.")
    })
}

fn key_elsewhere(key: &Material, cert: Option<&Material>) -> Failure {
    let failure = Failure::new(Code::ConfigConflict, "The certificate is on a token, and the key is not")
        .at(key.origin.to_string());
    let failure = cert.map_or(failure.clone(), |cert| failure.at(cert.origin.to_string()));
    failure.fix("Remove `key`: the key beside the certificate on the token is used.")
}

/// How many certificates of a file are tried with a key.
const MOST_LEAVES: usize = 8;
