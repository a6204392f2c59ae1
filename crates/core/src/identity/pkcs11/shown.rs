//! What a token shows to anyone, for people who have to write its URIs.

use super::objects::{self, certificates};
use super::token::Token;
use super::uri::Uri;
use super::{fits, module};
use crate::error::{Code, Failure, Result};
use crate::identity::facts::CertificateFacts;
use crate::secret::Secret;

/// The certificates that a `pkcs11:` URI fits, each with its own URI; a token on which there are none
/// comes with its URI alone.
///
/// It logs in nowhere, so it tries no PIN, and sees what a token shows without one. The module is that
/// of the URI, else p11-kit's proxy.
///
/// # Errors
/// `config-invalid-value` for something that is no such URI, `token-module-failed`, `token-missing`, `token-failed`.
pub fn certificates_on_tokens(uri: &str) -> Result<Vec<(String, Option<CertificateFacts>)>> {
    let uri = Uri::parse(&Secret::new(uri.to_owned())).map_err(|why| {
        Failure::new(Code::ConfigInvalidValue, "The `pkcs11:` URI cannot be used")
            .because(why)
            .fix("Write it as `p11tool --list-tokens` does: pkcs11:token=NAME;object=LABEL;id=%01.")
    })?;
    let mut shown = Vec::new();
    for token in Token::all(&module::load(&uri, None)?, &uri)? {
        let all = token.open_publicly().and_then(|session| certificates(&session));
        let mut all = all.map_err(|error| token.failure(error.into()))?;
        all.retain(|one| fits(&uri, &one.name));
        if all.is_empty() {
            shown.push((token.uri.clone(), None));
        }
        shown.extend(all.into_iter().map(|one| (objects::uri_of(&token, &one.name, "cert"), Some(one.facts))));
    }
    Ok(shown)
}
