//! A private key that stays on its token, and signs there.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use cryptoki::error::{Error, RvError};
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{OtherError, SignatureAlgorithm, SignatureScheme};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::objects::{self, Key, Name};
use super::scheme::Scheme;
use super::token::{Token, Trouble};
use crate::error::{Code, Failure, Result};
use crate::identity::key::provider;

/// The key as rustls takes it.
#[derive(Debug)]
pub(super) struct TokenKey(Arc<Inner>);

struct Inner {
    token: Token,
    name: Name,
    /// Whether it wants the PIN for each signature.
    always_authenticate: bool,
    public_key_der: Vec<u8>,
    schemes: Vec<Scheme>,
    /// The one session of this key. A card makes one signature at a time, and many modules were never
    /// tested with more.
    open: Mutex<Option<Open>>,
}

/// A session that is logged in, and the key in it.
struct Open {
    session: Session,
    slot: Slot,
    handle: ObjectHandle,
}

impl TokenKey {
    /// Takes a key that was found, in the session that it was found in or a new one, and proves by a
    /// signature that it belongs to the certificate with this public key.
    ///
    /// # Errors
    /// `key-unsupported`, `key-mismatch`, and those of signing.
    pub(super) fn prove(
        token: Token,
        key: Key,
        session: Option<Session>,
        slot: Slot,
        public_key_der: &[u8],
    ) -> Result<Self> {
        let known = Scheme::of(public_key_der);
        let unsupported = |why: String| {
            Failure::new(Code::KeyUnsupported, "The key on the token is of a kind that cannot be used")
                .at(objects::uri_of(&token, &key.name, "private"))
                .because(why)
                .fix("Have a certificate issued for another key; ECDSA P-256 is taken by most.")
        };
        if known.is_empty() {
            return Err(unsupported(
                "Usable are RSA of 2048 bits and more, ECDSA on P-256, P-384 and P-521, and Ed25519.".to_owned(),
            ));
        }
        let listed = token.module.pkcs11.get_mechanism_list(slot).map_err(|error| token.failure(error.into()))?;
        let schemes: Vec<_> =
            known.iter().copied().filter(|one| listed.contains(&one.mechanism_type(key.always_authenticate))).collect();
        if schemes.is_empty() {
            let mut wanted: Vec<_> =
                known.iter().map(|one| one.mechanism_type(key.always_authenticate).to_string()).collect();
            wanted.dedup();
            let each = if key.always_authenticate { ", since its key wants the PIN for each signature" } else { "" };
            return Err(unsupported(format!("The token has none of the mechanisms {}{each}.", wanted.join(", "))));
        }
        let open = Mutex::new(session.map(|session| Open { session, slot, handle: key.handle }));
        let mut inner = Inner {
            token,
            name: key.name,
            always_authenticate: key.always_authenticate,
            public_key_der: public_key_der.to_vec(),
            schemes,
            open,
        };
        if key.kind.is_some_and(|kind| !known.iter().any(|scheme| scheme.is_of(kind))) {
            return Err(inner.mismatch());
        }
        inner.prove()?;
        Ok(Self(Arc::new(inner)))
    }
}

impl Inner {
    /// Signs something new with the first scheme, and leaves out those that the token only pretends to have.
    fn prove(&mut self) -> Result<()> {
        let mut nonce = [0; 32];
        provider().secure_random.fill(&mut nonce).map_err(|_| {
            Failure::new(Code::SystemFailed, "The operating system gives no random numbers")
                .fix("Restart this computer.")
        })?;
        while let Some(scheme) = self.schemes.first().copied() {
            match self.try_to_sign(scheme, &nonce) {
                Ok(signature) if self.verifies(scheme, &nonce, &signature) => return Ok(()),
                Ok(_) => return Err(self.mismatch()),
                Err(Trouble::Module(Error::Pkcs11(error, _)))
                    if self.schemes.len() > 1 && is_about_mechanism(error) =>
                {
                    let mechanism = scheme.mechanism_type(self.always_authenticate);
                    self.schemes.retain(|one| one.mechanism_type(self.always_authenticate) != mechanism);
                    // Its session may be in the middle of the signature.
                    self.forget();
                }
                Err(trouble) => return Err(self.token.failure(trouble)),
            }
        }
        Err(Failure::new(Code::KeyUnsupported, "The token makes no signature that TLS knows")
            .at(self.uri())
            .fix("Use another key of the token, or another token."))
    }

    fn verifies(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        let Ok((_, info)) = SubjectPublicKeyInfo::from_der(&self.public_key_der) else { return false };
        let known = provider().signature_verification_algorithms.mapping;
        let algorithms = known.iter().filter(|(name, _)| *name == scheme.name).flat_map(|(_, algorithms)| *algorithms);
        algorithms
            .into_iter()
            .any(|one| one.verify_signature(&info.subject_public_key.data, message, signature).is_ok())
    }

    /// Signs; with a new session when the one at hand has ended, and then once.
    fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>> {
        let signed = self.try_to_sign(scheme, message).or_else(|trouble| match trouble {
            Trouble::Module(_) => self.try_to_sign(scheme, message),
            told @ Trouble::Told(_) => Err(told),
        });
        signed.map_err(|trouble| self.token.failure(trouble))
    }

    fn try_to_sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, Trouble> {
        let _busy = busy();
        let mut slot = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // It comes back only when it has worked: whatever is wrong with it, a new one is not.
        let open = match slot.take() {
            Some(open) => open,
            None => self.reopen()?,
        };
        let request = scheme.request(message, self.always_authenticate);
        let raw = if self.always_authenticate {
            open.session.sign_init(&request.mechanism, open.handle)?;
            self.token.log_in_for_key(&open.session, open.slot)?;
            open.session.sign_update(&request.data)?;
            open.session.sign_final()?
        } else {
            open.session.sign(&request.mechanism, open.handle, &request.data)?
        };
        *slot = Some(open);
        scheme.finished(raw).ok_or_else(|| {
            Failure::new(Code::TokenFailed, "What the token signed is no signature")
                .at(self.uri())
                .fix("Update the module and the firmware of the token.")
                .into()
        })
    }

    /// A session on the same token, with the same key, wherever it is now.
    fn reopen(&self) -> Result<Open, Trouble> {
        let (session, slot) = self.token.open()?;
        let handle = objects::again(&session, &self.name)?.ok_or_else(|| {
            Failure::new(Code::TokenObjectMissing, "The key is not on the token any more")
                .at(self.uri())
                .fix("Put the key back, or correct the URI and start this again.")
        })?;
        Ok(Open { session, slot, handle })
    }

    fn forget(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn uri(&self) -> String {
        objects::uri_of(&self.token, &self.name, "private")
    }

    fn mismatch(&self) -> Failure {
        Failure::new(Code::KeyMismatch, "The private key on the token belongs to another certificate")
            .at(self.uri())
            .because("What it signs is not verified by the public key of the certificate.")
            .fix("Name the key that the certificate was requested with.")
    }
}

impl SigningKey for TokenKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = *self.0.schemes.iter().find(|scheme| offered.contains(&scheme.name))?;
        Some(Box::new(TokenSigner { key: Arc::clone(&self.0), scheme }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.0.public_key_der.as_slice()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.schemes.first().map_or(SignatureAlgorithm::RSA, |scheme| scheme.algorithm())
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("token", &self.token.uri).field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct TokenSigner {
    key: Arc<Inner>,
    scheme: Scheme,
}

impl Signer for TokenSigner {
    /// Blocks for as long as the token takes. The [`Failure`] of the token goes through rustls whole.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.key.sign(self.scheme, message).map_err(|failure| rustls::Error::Other(OtherError(Arc::new(failure))))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme.name
    }
}

/// Held as long as a module works.
pub(super) fn busy() -> RwLockReadGuard<'static, ()> {
    MODULES.read().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the modules to finish what they do, half a second at most, and has them do nothing more:
/// to be called before the process ends, since modules have crashed that worked on while it did.
pub fn close_tokens() {
    let until = Instant::now() + FAREWELL;
    loop {
        if let Ok(end) = MODULES.try_write() {
            // For ever.
            std::mem::forget(end);
            return;
        }
        if Instant::now() >= until {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

static MODULES: RwLock<()> = RwLock::new(());
const FAREWELL: Duration = Duration::from_millis(500);

/// Whether a token that lists a mechanism does not have it for this key.
fn is_about_mechanism(error: RvError) -> bool {
    use RvError::{FunctionNotSupported, KeyTypeInconsistent, MechanismInvalid, MechanismParamInvalid};
    matches!(error, FunctionNotSupported | KeyTypeInconsistent | MechanismInvalid | MechanismParamInvalid)
}
