//! The PIN of a token: where it comes from, and what is told when it is missing, refused, or not tried.

use std::io;
use std::path::PathBuf;

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use cryptoki::slot::TokenInfo;

use super::token::Token;
use super::uri::Uri;
use super::words::in_words;
use crate::config::{Material, Origin, Passphrase, permissions};
use crate::error::{Code, Failure, Result, quoted};
use crate::secret::Secret;

/// A PIN and where it was given.
#[derive(Clone, Debug)]
pub(super) struct Pin {
    pub(super) value: Secret,
    origin: String,
    /// That others can read its file.
    pub(super) warning: Option<Failure>,
}

impl Pin {
    /// The PIN of the URI, else the passphrase.
    ///
    /// # Errors
    /// `config-conflict` when there are both, `config-invalid-value` for a source that cannot be used,
    /// `file-unreadable`, `secret-exposed`, `pin-malformed`.
    pub(super) fn of(material: &Material, uri: &Uri, passphrase: Option<&Passphrase>) -> Result<Option<Self>> {
        let origin = material.origin.to_string();
        let given = match (&uri.pin_source, &uri.pin_value) {
            (Some(source), _) => Some(read(source, &material.origin)?),
            (None, value) => value.clone().map(|value| (value, None)),
        };
        let pin = match (given, passphrase) {
            (Some(_), Some(passphrase)) => {
                return Err(Failure::new(Code::ConfigConflict, "There are two PINs")
                    .at(origin)
                    .at(passphrase.origin.to_string())
                    .because("The URI gives one, and `passphrase` is one.")
                    .fix("Remove `pin-source` or `pin-value` from the URI."));
            }
            (Some((value, warning)), None) => Self { value, origin, warning },
            (None, Some(passphrase)) => {
                Self { value: passphrase.value.clone(), origin: passphrase.origin.to_string(), warning: None }
            }
            (None, None) => return Ok(None),
        };
        pin.checked().map(Some)
    }

    /// Refuses what is surely not the PIN that was meant, since a wrong one costs a try.
    fn checked(self) -> Result<Self> {
        let text = self.value.expose();
        let why = if text.ends_with(['\r', '\n']) {
            "It ends with a line end."
        } else if text.trim() != text {
            "It begins or ends with a blank."
        } else if text.contains(char::is_control) {
            "There is a control character in it."
        } else {
            return Ok(self);
        };
        Err(Failure::new(Code::PinMalformed, "The PIN is not tried, since it can hardly be right")
            .at(self.origin)
            .because(why)
            .fix("Correct what the reference to the PIN gives: the PIN, and nothing around it."))
    }

    /// The PIN, when it may be tried.
    ///
    /// A low count alone stops nothing: a right PIN sets it back, and whoever has corrected a wrong one
    /// must be able to go on. The last try is never ours.
    pub(super) fn to_try<'a>(pin: Option<&'a Self>, token: &Token, info: &TokenInfo) -> Result<&'a Self> {
        if info.user_pin_locked() {
            return Err(locked(token));
        }
        let Some(pin) = pin.filter(|pin| !pin.value.expose().is_empty()) else {
            let failure = told(token, Code::PinMissing, "wants a PIN, and there is none");
            let failure = if info.protected_authentication_path() {
                failure.because("It has a keypad of its own; nothing here waits for somebody to use it.")
            } else {
                failure
            };
            return Err(failure
                .fix("Set `passphrase` (--passphrase) to {env:NAME}, {file:PATH} or {command:PROGRAM ARGUMENTS}."));
        };
        if info.user_pin_final_try() {
            return Err(told(token, Code::PinFinalTry, "has one try left for its PIN, which is not used up here")
                .at(pin.origin.clone())
                .because("Wrong PINs were tried before, and one more would lock the token.")
                .fix(LOG_IN));
        }
        Ok(pin)
    }

    /// The token refuses it.
    pub(super) fn refused(&self, token: &Token, error: RvError, now: Option<&TokenInfo>) -> Failure {
        let refusal = Error::Pkcs11(error, Function::Login);
        let failure = match error {
            RvError::PinLocked => return locked(token).at(self.origin.clone()),
            RvError::PinExpired => told(token, Code::PinWrong, "wants its PIN changed")
                .fix("Change the PIN with the software of the token."),
            _ => told(token, Code::PinWrong, "refuses the PIN"),
        };
        let failure = failure.at(self.origin.clone()).because(in_words(&refusal)).cause(format!("{error:?}"));
        let failure = match now {
            Some(now) if now.user_pin_locked() => failure.because("It is locked now."),
            Some(now) if now.user_pin_final_try() => {
                failure.because("One try is left, which will not be used up here.")
            }
            Some(now) if now.user_pin_count_low() => failure.because("Few tries are left."),
            _ => failure,
        };
        failure
            .because("It was tried once, and this process does not try again; every new start would.")
            .fix("Correct what the reference to the PIN gives, and only then start it again.")
    }

    /// The token wants none.
    pub(super) fn needless(&self, token: &Token) -> Failure {
        told(token, Code::PassphraseNeedless, "wants no PIN, and there is one")
            .at(self.origin.clone())
            .fix("Remove the PIN.")
    }
}

fn locked(token: &Token) -> Failure {
    told(token, Code::PinLocked, "is locked")
        .because("Too many wrong PINs were tried.")
        .fix("Unlock it with the software of the token (and its PUK), or ask whoever issued it.")
}

fn told(token: &Token, code: Code, what: &str) -> Failure {
    Failure::new(code, format!("The token {} {what}", quoted(&token.label))).at(token.uri.clone())
}

/// Reads the file of a `pin-source` (RFC 7512, section 2.4), and says who else can.
fn read(source: &str, origin: &Origin) -> Result<(Secret, Option<Failure>)> {
    let refused = |why: &str| {
        Failure::new(Code::ConfigInvalidValue, "The `pin-source` of the URI cannot be used")
            .at(origin.to_string())
            .because(why)
            .fix("Write `pin-source=file:/PATH`, or give the PIN as `passphrase`.")
    };
    if source.starts_with('|') {
        return Err(refused("It is a program to run; `passphrase` takes one as {command:PROGRAM ARGUMENTS}."));
    }
    let path = source.strip_prefix("file:").unwrap_or(source);
    let path = PathBuf::from(path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path));
    if !path.is_absolute() {
        return Err(refused("It names no file by its absolute path."));
    }
    let failed = |error: io::Error| {
        Failure::new(Code::FileUnreadable, "The file of the PIN cannot be read")
            .at(path.display().to_string())
            .at(origin.to_string())
            .because_of(&error)
            .fix("Correct `pin-source` in the URI, or set `passphrase` instead.")
    };
    let (bytes, file) = permissions::read(&path).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| failed(io::ErrorKind::InvalidData.into()))?;
    let warning = file.judge("PIN", origin)?;
    Ok((Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()), warning))
}

const LOG_IN: &str =
    "Log in with the right PIN by other software (`pkcs11-tool --login --test`), which sets the count back.";
