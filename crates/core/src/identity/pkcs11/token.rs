//! One token: found among those present, opened, and logged in to, which costs a try when the PIN is wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::context::{Function, Info};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;

use super::alone::Alone;
use super::module::Module;
use super::pin::Pin;
use super::uri::{Uri, written};
use super::words::{cause, in_words};
use crate::error::{Code, Failure, Result, quoted};

/// A token of a module. It is the same one wherever it is put in.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) module: Arc<Module>,
    /// By label, maker, model and serial number.
    pub(super) uri: String,
    pub(super) label: String,
    pin: Option<Pin>,
}

/// A token in its slot.
pub(super) struct Present {
    pub(super) slot: Slot,
    pub(super) info: TokenInfo,
}

/// Why something on a token did not work.
pub(super) enum Trouble {
    /// The module says so, and perhaps it works with a new session.
    Module(Error),
    /// This is all there is to say.
    Told(Failure),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Module(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Told(failure)
    }
}

impl Token {
    /// The one token that the URI fits.
    ///
    /// # Errors
    /// `token-missing`, `token-ambiguous`.
    pub(super) fn find(module: &Arc<Module>, uri: &Uri, pin: Option<Pin>) -> Result<Self> {
        let mut fitting = Self::all(module, uri)?;
        match (fitting.pop(), fitting.is_empty()) {
            (Some(one), true) => Ok(Self { pin, ..one }),
            (last, _) => Err(Failure::new(Code::TokenAmbiguous, "The URI fits several tokens")
                .at(module.path.display().to_string())
                .because(format!("They are {}.", listed(fitting.into_iter().chain(last).map(|one| one.uri))))
                .fix("Add `token=…` or `serial=…` to the URI.")),
        }
    }

    /// The tokens that the URI fits: one at least.
    ///
    /// # Errors
    /// `token-missing`, `token-failed`.
    pub(super) fn all(module: &Arc<Module>, uri: &Uri) -> Result<Vec<Self>> {
        let all = present(module)?;
        let library = module.pkcs11.get_library_info().ok();
        let mut fitting: Vec<&Present> = all.iter().filter(|one| fits(module, uri, library.as_ref(), one)).collect();
        if fitting.len() > 1 {
            // p11-kit shows the CA certificates of the system as tokens too, which hold no keys.
            fitting.retain(|one| module.pkcs11.get_mechanism_list(one.slot).is_ok_and(|list| !list.is_empty()));
        }
        if fitting.is_empty() {
            return Err(missing(module, &all));
        }
        let token = |one: &Present| Self {
            module: Arc::clone(module),
            uri: uri_of(&one.info),
            label: one.info.label().to_owned(),
            pin: None,
        };
        Ok(fitting.into_iter().map(token).collect())
    }

    /// A new session, logged in where the token wants that.
    pub(super) fn open(&self) -> Result<(Session, Slot), Trouble> {
        let all = present(&self.module)?;
        let Some(one) = all.iter().find(|one| uri_of(&one.info) == self.uri) else {
            return Err(self.gone(&all).into());
        };
        let session = self.module.pkcs11.open_ro_session(one.slot)?;
        if one.info.login_required() {
            self.log_in(&session, one.slot)?;
        } else if let Some(pin) = &self.pin {
            return Err(pin.needless(self).into());
        }
        Ok((session, one.slot))
    }

    /// A new session that sees what anyone may see.
    pub(super) fn open_publicly(&self) -> Result<Session, Error> {
        let slots = self.module.pkcs11.get_slots_with_token()?;
        let is_it = |slot: &Slot| self.module.pkcs11.get_token_info(*slot).is_ok_and(|info| uri_of(&info) == self.uri);
        let slot =
            slots.into_iter().find(is_it).ok_or(Error::Pkcs11(RvError::TokenNotPresent, Function::OpenSession))?;
        self.module.pkcs11.open_ro_session(slot)
    }

    /// Logs the process in to the token, unless it is already.
    fn log_in(&self, session: &Session, slot: Slot) -> Result<(), Trouble> {
        let state = session.get_session_info()?.session_state();
        if matches!(state, SessionState::RoUser | SessionState::RwUser) {
            return Ok(());
        }
        self.present_pin(slot, |pin| match session.login(UserType::User, Some(pin)) {
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            other => other,
        })
    }

    /// Shows the PIN once more, to a key that wants it for each signature (`CKA_ALWAYS_AUTHENTICATE`).
    pub(super) fn log_in_for_key(&self, session: &Session, slot: Slot) -> Result<(), Trouble> {
        self.present_pin(slot, |pin| session.login(UserType::ContextSpecific, Some(pin)))
    }

    /// Shows the PIN to the token, unless that would be the last try, or one was refused already.
    fn present_pin(&self, slot: Slot, login: impl FnOnce(&AuthPin) -> Result<(), Error>) -> Result<(), Trouble> {
        let mut refusals = REFUSALS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refusal) = refusals.get(&self.uri) {
            return Err(refusal.clone().into());
        }
        let _alone = Alone::wait(&self.uri)?;
        // Read now, when no other process of ours is between its own look and its try.
        let info = self.module.pkcs11.get_token_info(slot)?;
        let pin = Pin::to_try(self.pin.as_ref(), self, &info)?;
        match login(&AuthPin::from(pin.value.expose().to_owned())) {
            Ok(()) => Ok(()),
            Err(Error::Pkcs11(error, _)) if is_about_pin(error) => {
                let now = self.module.pkcs11.get_token_info(slot).ok();
                let refusal = pin.refused(self, error, now.as_ref());
                refusals.insert(self.uri.clone(), refusal.clone());
                Err(refusal.into())
            }
            Err(other) => Err(other.into()),
        }
    }

    /// The failure for what stays wrong.
    pub(super) fn failure(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Told(failure) => failure,
            Trouble::Module(error) => match present(&self.module) {
                Ok(all) if !all.iter().any(|one| uri_of(&one.info) == self.uri) => self.gone(&all),
                _ => Failure::new(Code::TokenFailed, format!("The token {} cannot be used", quoted(&self.label)))
                    .at(self.uri.clone())
                    .at(self.module.path.display().to_string())
                    .because(in_words(&error))
                    .cause(cause(&error))
                    .fix("Take the token out and put it back; then call again."),
            },
        }
    }

    fn gone(&self, all: &[Present]) -> Failure {
        let failure = Failure::new(Code::TokenMissing, format!("The token {} is not there", quoted(&self.label)));
        seen(failure.at(self.uri.clone()), &self.module, all)
            .fix("Put it back, and call again; nothing needs to be started anew.")
    }
}

/// The tokens that are there and set up.
pub(super) fn present(module: &Module) -> Result<Vec<Present>> {
    let slots = module.pkcs11.get_slots_with_token().map_err(|error| {
        Failure::new(Code::TokenFailed, "The PKCS#11 module does not tell its tokens")
            .at(module.path.display().to_string())
            .because(in_words(&error))
            .cause(cause(&error))
            .fix("Restart what drives the token (pcscd, say), and start this again.")
    })?;
    // A token that is taken out between the two calls is not there.
    let tokens =
        slots.into_iter().filter_map(|slot| Some(Present { slot, info: module.pkcs11.get_token_info(slot).ok()? }));
    Ok(tokens.filter(|one| one.info.token_initialized()).collect())
}

fn fits(module: &Module, uri: &Uri, library: Option<&Info>, one: &Present) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let slot = module.pkcs11.get_slot_info(one.slot);
    let (slot_description, slot_manufacturer) =
        slot.as_ref().map_or(("", ""), |slot| (slot.slot_description(), slot.manufacturer_id()));
    let library_version = library.map(|library| library.library_version().to_string()).unwrap_or_default();
    is(&uri.token, one.info.label())
        && is(&uri.manufacturer, one.info.manufacturer_id())
        && is(&uri.model, one.info.model())
        && is(&uri.serial, one.info.serial_number())
        && is(&uri.slot_description, slot_description)
        && is(&uri.slot_manufacturer, slot_manufacturer)
        && uri.slot_id.is_none_or(|id| id == one.slot.id())
        && is(&uri.library_description, library.map_or("", Info::library_description))
        && is(&uri.library_manufacturer, library.map_or("", Info::manufacturer_id))
        && is(&uri.library_version, &library_version)
}

/// The URI of a token, by all that is its own.
pub(super) fn uri_of(info: &TokenInfo) -> String {
    written(&[
        ("token", info.label().as_bytes()),
        ("manufacturer", info.manufacturer_id().as_bytes()),
        ("model", info.model().as_bytes()),
        ("serial", info.serial_number().as_bytes()),
    ])
}

fn missing(module: &Module, all: &[Present]) -> Failure {
    let failure = seen(Failure::new(Code::TokenMissing, "The token is not there"), module, all);
    match all {
        [] => failure.fix("Put the token in, and check that its driver runs."),
        _ => failure.fix("Put the token in, or correct the URI."),
    }
}

/// Adds what the module sees instead.
fn seen(failure: Failure, module: &Module, all: &[Present]) -> Failure {
    let tokens = match all {
        [] => "no token at all".to_owned(),
        _ => listed(all.iter().map(|one| uri_of(&one.info))),
    };
    failure.at(module.path.display().to_string()).because(format!("The module sees {tokens}."))
}

/// The first ones, and how many more there are.
pub(super) fn listed(all: impl Iterator<Item = String>) -> String {
    let all: Vec<_> = all.collect();
    let first = all.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > TOLD { format!("{first} and {} more", all.len() - TOLD) } else { first }
}

/// Whether it is about the PIN, so that trying again could lock the token.
fn is_about_pin(error: RvError) -> bool {
    use RvError::{PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked, PinTooWeak};
    matches!(error, PinExpired | PinIncorrect | PinInvalid | PinLenRange | PinLocked | PinTooWeak)
}

/// The tokens that refused a PIN, by their URIs, each with what it said: whatever module it is reached
/// through, it is not shown another by whoever loads the identity anew.
static REFUSALS: Mutex<BTreeMap<String, Failure>> = Mutex::new(BTreeMap::new());

/// How many tokens or objects are told.
pub(super) const TOLD: usize = 8;
