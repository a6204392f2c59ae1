//! Certificates and private keys on a token, and the choice among them.

use cryptoki::error::Error;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::token::{Token, Trouble, listed};
use super::uri::{Uri, written};
use crate::error::{Code, Failure};
use crate::identity::facts::CertificateFacts;

/// How an object is known for as long as it lives; a handle to it ends with the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) id: Vec<u8>,
    pub(super) label: String,
}

/// A certificate on a token.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) name: Name,
    pub(super) der: Vec<u8>,
    pub(super) facts: CertificateFacts,
}

/// A private key on a token.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: Name,
    pub(super) handle: ObjectHandle,
    /// Whether it wants the PIN for each signature.
    pub(super) always_authenticate: bool,
    /// What it is, when the module tells.
    pub(super) kind: Option<KeyType>,
    signs: bool,
}

/// The X.509 certificates that the session sees.
pub(super) fn certificates(session: &Session) -> Result<Vec<Certificate>, Error> {
    let all = each(session, ObjectClass::CERTIFICATE, &[AttributeType::Value])?;
    Ok(all
        .into_iter()
        .filter_map(|(_, name, attributes)| {
            let der = attributes
                .into_iter()
                .find_map(|one| if let Attribute::Value(der) = one { Some(der) } else { None })?;
            let facts = CertificateFacts::parse(&der).ok()?;
            Some(Certificate { name, der, facts })
        })
        .collect())
}

/// The private keys that the session sees: none before it is logged in, on most tokens.
pub(super) fn keys(session: &Session) -> Result<Vec<Key>, Error> {
    let wanted = [AttributeType::AlwaysAuthenticate, AttributeType::KeyType, AttributeType::Sign];
    let all = each(session, ObjectClass::PRIVATE_KEY, &wanted)?;
    Ok(all
        .into_iter()
        .map(|(handle, name, attributes)| Key {
            name,
            handle,
            always_authenticate: attributes.iter().any(|one| matches!(one, Attribute::AlwaysAuthenticate(true))),
            kind: attributes.iter().find_map(|one| if let Attribute::KeyType(kind) = one { Some(*kind) } else { None }),
            // A module that does not tell has no objection.
            signs: !attributes.iter().any(|one| matches!(one, Attribute::Sign(false))),
        })
        .collect())
}

/// The handle, name and these attributes of every object of a class.
fn each(
    session: &Session,
    class: ObjectClass,
    attributes: &[AttributeType],
) -> Result<Vec<(ObjectHandle, Name, Vec<Attribute>)>, Error> {
    let handles = session.iter_objects(&[Attribute::Class(class)])?.take(MOST).collect::<Result<Vec<_>, _>>()?;
    let wanted = [&[AttributeType::Id, AttributeType::Label], attributes].concat();
    let mut objects = Vec::new();
    for handle in handles {
        let attributes = match session.get_attributes(handle, &wanted) {
            Ok(attributes) => attributes,
            Err(error @ Error::Pkcs11(..)) => return Err(error),
            // A value that the library cannot read makes this object useless, and not the others.
            Err(_) => continue,
        };
        let mut name = Name { id: Vec::new(), label: String::new() };
        for attribute in &attributes {
            match attribute {
                Attribute::Id(id) => name.id.clone_from(id),
                Attribute::Label(label) => {
                    let label = String::from_utf8_lossy(label);
                    label.trim_end_matches(['\0', ' ']).clone_into(&mut name.label);
                }
                _ => {}
            }
        }
        objects.push((handle, name, attributes));
    }
    Ok(objects)
}

/// The one key that the URI fits.
///
/// # Errors
/// `token-object-missing`, `token-ambiguous`.
pub(super) fn the_key(token: &Token, all: Vec<Key>, fits: impl Fn(&Name) -> bool) -> Result<Key, Failure> {
    let names: Vec<_> = all.iter().map(|key| key.name.clone()).collect();
    let mut fitting: Vec<_> = all.into_iter().filter(|key| key.signs && fits(&key.name)).collect();
    match (fitting.pop(), fitting.is_empty()) {
        (Some(key), true) => Ok(key),
        (None, _) => Err(none(token, "key that signs", "private", &names)),
        (Some(last), false) => {
            let several: Vec<_> = fitting.into_iter().chain([last]).map(|key| key.name).collect();
            Err(ambiguous(token, "keys", "private", &several))
        }
    }
}

/// The one certificate among `all` that is fitting.
///
/// # Errors
/// `token-object-missing`, `token-ambiguous`.
pub(super) fn the_certificate(
    token: &Token,
    all: &[Certificate],
    fits: impl Fn(&Certificate) -> bool,
) -> Result<usize, Failure> {
    let fitting: Vec<_> = (0..all.len()).filter(|at| fits(&all[*at])).collect();
    let names = |places: &[usize]| places.iter().map(|at| all[*at].name.clone()).collect::<Vec<_>>();
    match fitting[..] {
        [one] => Ok(one),
        [] => Err(none(token, "certificate", "cert", &names(&(0..all.len()).collect::<Vec<_>>()))),
        _ => Err(ambiguous(token, "certificates", "cert", &names(&fitting))),
    }
}

/// The key of this name, for a session that has just been opened.
pub(super) fn again(session: &Session, name: &Name) -> Result<Option<ObjectHandle>, Trouble> {
    Ok(keys(session)?.into_iter().find(|key| key.name == *name).map(|key| key.handle))
}

/// The URI of an object.
pub(super) fn uri_of(token: &Token, name: &Name, kind: &str) -> String {
    let object = written(&[("object", name.label.as_bytes()), ("id", &name.id), ("type", kind.as_bytes())]);
    format!("{};{}", token.uri, object.trim_start_matches("pkcs11:"))
}

/// Whether the object of this name is one that is meant.
pub(super) fn fits(uri: &Uri, name: &Name) -> bool {
    uri.fits_object(&name.label, &name.id)
}

fn none(token: &Token, what: &str, kind: &str, all: &[Name]) -> Failure {
    let failure =
        Failure::new(Code::TokenObjectMissing, format!("There is no such {what} on the token")).at(token.uri.clone());
    match all {
        [] => failure.because("It shows none at all."),
        _ => failure.because(format!("It has {}.", listed(all.iter().map(|name| uri_of(token, name, kind))))),
    }
    .fix("Correct the URI.")
}

fn ambiguous(token: &Token, what: &str, kind: &str, several: &[Name]) -> Failure {
    Failure::new(Code::TokenAmbiguous, format!("The URI fits several {what}"))
        .at(token.uri.clone())
        .because(format!("They are {}.", listed(several.iter().map(|name| uri_of(token, name, kind)))))
        .fix("Add `id=…` or `object=…` to the URI.")
}

/// How many objects of a class are looked at.
const MOST: usize = 256;
