//! What is refused in an argument list: secrets, which every process of the machine can read there, and headers
//! that stand there twice.

use super::Entry;
use super::origin::Origin;
use super::reference::literal;
use crate::error::{Code, Failure, Result};
use crate::secret::Secret;

impl Entry {
    /// Refuses a header that two flags give. Of a file this is told when it is read, and a program may want it.
    pub(super) fn refuse_headers_twice(&self) -> Result<()> {
        let headers = self.settings.headers.as_deref().unwrap_or_default();
        for (at, header) in headers.iter().enumerate() {
            let origin = self.origins.of(&format!("headers.{}", header.name));
            // The names of headers are the same in capitals (RFC 9110, section 5.1).
            let is_same = headers[..at].iter().any(|other| other.name.eq_ignore_ascii_case(&header.name));
            if is_same && header.value.is_some() && is_argument(&origin) {
                return Err(Failure::new(Code::UsageInvalid, format!("The header `{}` is given twice", header.name))
                    .at(origin.to_string())
                    .fix("Keep one of them."));
            }
        }
        Ok(())
    }
}

/// Refuses the literal value of a credential header. The name of an authentication scheme before a
/// reference may stand there.
pub(super) fn refuse_credential(name: &str, written: &Secret, origin: &Origin) -> Result<()> {
    if !is_argument(origin) || !is_credential(&name.to_ascii_lowercase()) {
        return Ok(());
    }
    let (literal, any) = literal(written, origin)?;
    let literal = literal.expose().trim();
    if any && literal.len() <= SCHEME && literal.chars().all(|c| c.is_ascii_alphabetic()) {
        return Ok(());
    }
    Err(stands(&format!("The value of the header `{name}`"), origin)
        .fix(format!("Write -H '{name}: {{env:NAME}}' or -H '{name}: {{file:PATH}}', or use a configuration file.")))
}

/// Refuses the literal password of a proxy. The text is looked at as it is, since with references
/// in it, or without a scheme, it is no URL yet.
pub(super) fn refuse_password(written: &Secret, origin: &Origin) -> Result<()> {
    if !is_argument(origin) {
        return Ok(());
    }
    let (literal, _) = literal(written, origin)?;
    let literal = literal.expose();
    let authority = literal.split_once("://").map_or(literal, |(_, rest)| rest);
    let password = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).map(|(_, password)| password);
    if password.is_none_or(str::is_empty) {
        return Ok(());
    }
    Err(stands("The password of the proxy", origin)
        .fix("Write --proxy '{env:NAME}' or --proxy '{file:PATH}', where the whole URL stands."))
}

/// Refuses a literal private key; `flag` is the name of the flag.
pub(super) fn refuse_key(flag: &str, origin: &Origin) -> Result<()> {
    if !is_argument(origin) {
        return Ok(());
    }
    Err(stands("A private key", origin).fix(format!("Write --{flag} FILE, or --{flag} '{{env:NAME}}'.")))
}

/// Refuses a passphrase of which any part stands literally in an argument list, or in a file.
pub(super) fn refuse_passphrase(written: &Secret, origin: &Origin) -> Result<()> {
    let (literal, _) = literal(written, origin)?;
    let is_file = matches!(origin, Origin::File { .. });
    if literal.expose().is_empty() || !(is_file || is_argument(origin)) {
        return Ok(());
    }
    let failure = if is_file {
        Failure::new(Code::ConfigInvalidValue, "The passphrase stands in the configuration file")
            .at(origin.to_string())
            .because("It is taken as a reference alone, since such files are copied and shared.")
    } else {
        stands("The passphrase", origin)
    };
    Err(failure.fix("Write {env:NAME}, {file:PATH} or {command:PROGRAM ARGUMENTS}, and nothing beside it."))
}

/// Refuses the PIN in a `pkcs11:` URI of which any part stands literally in an argument list, or in a
/// file. A reference for the PIN alone is no way either: what a URI gives a meaning in it would make
/// another PIN of it, and a wrong one costs a try.
pub(super) fn refuse_pin(setting: &str, literal: &Secret, uri: &str, origin: &Origin) -> Result<()> {
    let is_file = matches!(origin, Origin::File { .. });
    // However it is spelt and wherever it stands: what is no `pin-value` to a parser is a PIN all the same.
    let gives_pin = |attribute: &str| {
        let name = attribute.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        name.contains("pin") && name != "pin-source"
    };
    let attributes = uri.split_once(':').map_or("", |(_, attributes)| attributes);
    if !attributes.split([';', '?', '&']).any(gives_pin)
        || literal.expose().is_empty()
        || !(is_file || is_argument(origin))
    {
        return Ok(());
    }
    let failure = if is_file {
        Failure::new(Code::ConfigInvalidValue, format!("The URI in `{setting}` gives the PIN of the token"))
            .at(origin.to_string())
            .because("It is taken as a reference alone, since such files are copied and shared.")
    } else {
        stands("The PIN of the token", origin)
    };
    Err(failure.fix("Remove `pin-value`, and give the PIN as `passphrase`: {env:NAME}, {file:PATH} or {command:…}."))
}

fn is_argument(origin: &Origin) -> bool {
    matches!(origin, Origin::Flag(_))
}

/// Whether a header of this name carries a credential.
fn is_credential(name: &str) -> bool {
    CREDENTIALS.iter().any(|word| name.contains(word))
}

fn stands(what: &str, origin: &Origin) -> Failure {
    Failure::new(Code::SecretInArguments, format!("{what} stands in the argument list"))
        .at(origin.to_string())
        .because("Every process on this machine can read it there.")
}

/// Words in the names of headers that carry credentials.
const CREDENTIALS: [&str; 12] = [
    "auth",
    "bearer",
    "cookie",
    "credential",
    "jwt",
    "key",
    "passphrase",
    "password",
    "secret",
    "session",
    "signature",
    "token",
];

/// The longest name of an authentication scheme in use, `Negotiate`, and a bit.
const SCHEME: usize = 10;
