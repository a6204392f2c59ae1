//! Certificates, keys, CAs and passphrases as settings give them: files, text, or URIs of tokens.

use std::path::{Path, PathBuf};

use super::arguments::{refuse_key, refuse_passphrase, refuse_pin};
use super::origin::Origin;
use super::reference::{Template, literal};
use super::{Entry, EntrySettings};
use crate::error::{Code, Failure, Result};
use crate::secret::Secret;

/// A passphrase as a reference gave it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Passphrase {
    /// The passphrase itself.
    pub value: Secret,
    /// Where the setting stands.
    pub origin: Origin,
    template: Template,
}

/// A PKCS#11 module as a setting gave it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Module {
    /// The file.
    pub path: PathBuf,
    /// Where the setting stands.
    pub origin: Origin,
}

/// A certificate, key, CA or revocation list as a setting gave it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Material {
    /// The file or the text.
    pub content: Content,
    /// Where the setting stands.
    pub origin: Origin,
    template: Template,
}

/// Where the bytes of a [`Material`] are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Content {
    /// In a file.
    File(PathBuf),
    /// In the setting itself.
    Text(Secret),
    /// On a token, named by a `pkcs11:` URI (RFC 7512), which may hold a PIN.
    Token(Secret),
}

impl Entry {
    pub(super) fn passphrase(&self, written: &Secret, warnings: &mut Vec<String>) -> Result<Passphrase> {
        let origin = self.origins.of("tls.passphrase");
        refuse_passphrase(written, &origin)?;
        let template = Template::read(written, self.folder(&origin), &origin)?;
        Ok(Passphrase { value: passphrase(&template, &origin, warnings)?, origin, template })
    }

    pub(super) fn material(
        &self,
        name: &str,
        written: Option<Secret>,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Material>> {
        let Some(written) = written else { return Ok(None) };
        let origin = self.origins.of(&format!("tls.{name}"));
        let (literal, _) = literal(&written, &origin)?;
        if literal.expose().contains(KEY_MARK) {
            refuse_key(name, &origin)?;
            if let Origin::File { .. } = origin {
                warnings.push(format!("{origin}: a private key stands in the file; {{file:}} or {{env:}} is safer"));
            }
        }
        let template = Template::read(&written, self.folder(&origin), &origin)?;
        let content = content(name, &template, &origin, warnings)?;
        if let Content::Token(uri) = &content {
            refuse_pin(name, &literal, uri.expose(), &origin)?;
            if template.is_partly_literal() {
                return Err(refer_in_uri(name, &origin));
            }
        }
        Ok(Some(Material { content, origin, template }))
    }
}

impl Passphrase {
    /// What `--passphrase` refers to, and what deserves a word of the files behind it. It may block: 5 s for each
    /// program at most.
    ///
    /// # Errors
    /// `secret-in-arguments`, `reference-unresolved`, `secret-exposed`.
    pub fn of_flag(reference: &Secret) -> Result<(Self, Vec<String>)> {
        let mut warnings = Vec::new();
        let passphrase = Entry::from_flags("", EntrySettings::default()).passphrase(reference, &mut warnings)?;
        Ok((passphrase, warnings))
    }

    /// The same, asked again.
    pub(super) fn renewed(&self) -> Result<Self> {
        let value = passphrase(&self.template, &self.origin, &mut Vec::new())?;
        Ok(Self { value, ..self.clone() })
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.template.files()
    }

    /// What may be the matter with one that is wrong, as a sentence.
    pub(crate) fn suspicion(&self) -> Option<&'static str> {
        let text = self.value.expose();
        if text.is_empty() {
            Some("The passphrase is empty.")
        } else if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
            Some("The passphrase begins or ends with a blank or a line end.")
        } else if text.contains(|c| ('\u{300}'..='\u{36f}').contains(&c)) {
            Some("The passphrase has accents that are characters of their own; most keyboards write them otherwise.")
        } else {
            None
        }
    }
}

impl Material {
    /// A file that was named on the command line, and need not be there.
    ///
    /// # Errors
    /// None that a caller can bring about.
    pub fn of_argument(file: &Path) -> Result<Self> {
        let origin = Origin::Flag("FILE".to_owned());
        let template = Template::read(&Secret::new(String::new()), None, &origin)?;
        Ok(Self { content: Content::File(file.to_owned()), origin, template })
    }

    pub(crate) fn is_on_token(&self) -> bool {
        matches!(self.content, Content::Token(_))
    }

    /// The same setting of this name, asked again.
    pub(super) fn renewed(&self, name: &str) -> Result<Self> {
        let content = content(name, &self.template, &self.origin, &mut Vec::new())?;
        if matches!(content, Content::Token(_)) && self.template.is_partly_literal() {
            return Err(refer_in_uri(name, &self.origin));
        }
        Ok(Self { content, ..self.clone() })
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let named = match &self.content {
            Content::File(path) => Some(path.as_path()),
            Content::Text(_) | Content::Token(_) => None,
        };
        named.into_iter().chain(self.template.files())
    }
}

/// What the reference gives now. What it says of the files behind it is added to `warnings`.
fn passphrase(template: &Template, origin: &Origin, warnings: &mut Vec<String>) -> Result<Secret> {
    let (value, files) = template.fill_from_files(without_line_ends)?;
    for file in &files {
        warnings.extend(file.judge("passphrase", origin)?.map(|warning| warning.to_string()));
    }
    Ok(value)
}

/// The file or the text that a setting gives now; likewise.
fn content(name: &str, template: &Template, origin: &Origin, warnings: &mut Vec<String>) -> Result<Content> {
    let (value, files) = template.fill_from_files(str::trim)?;
    if value.expose().contains(KEY_MARK) {
        for file in &files {
            warnings.extend(file.judge("private key", origin)?.map(|warning| warning.to_string()));
        }
    }
    let text = without_line_ends(value.expose());
    if text.trim().is_empty() {
        return Err(Failure::new(Code::ConfigInvalidValue, format!("`{name}` is empty"))
            .at(origin.to_string())
            .fix("Name a file, or remove the setting."));
    }
    let no_path = |why: &str| {
        Failure::new(Code::ConfigInvalidValue, format!("`{name}` is neither a path nor PEM text"))
            .at(origin.to_string())
            .because(why)
    };
    if is_on_token(text) {
        if !matches!(name, "cert" | "key") {
            return Err(no_path("It is a `pkcs11:` URI, and those are for `cert` and `key` alone.").fix("Name a file."));
        }
        return Ok(Content::Token(Secret::new(text.trim().to_owned())));
    }
    if text.contains("-----BEGIN") {
        return Ok(Content::Text(value));
    }
    if text.contains('\n') {
        return Err(
            no_path("It has several lines and no `-----BEGIN` line.").fix("Name a file, or write the whole PEM text.")
        );
    }
    // As a path each of these would stand in the message about the file that is not there.
    if text.contains("--BEGIN ") {
        return Err(no_path("It has a `BEGIN` line without the five dashes before it.")
            .fix("Write the whole PEM text, with its dashes."));
    }
    if is_base64_of(PEM_START, text) {
        return Err(no_path("It is PEM text in Base64.").fix("Decode it, as `base64 -d` does."));
    }
    if is_base64_of(DER_START, text) {
        return Err(no_path("It is Base64 alone.").fix("Add the `-----BEGIN …-----` and `-----END …-----` lines."));
    }
    Ok(Content::File(template.path(name, text)?))
}

/// A `pkcs11:` URI of which a reference gives a part: what it names could not be seen in the settings. One
/// reference that gives all of it is none of these.
pub(super) fn refer_in_uri(name: &str, origin: &Origin) -> Failure {
    Failure::new(Code::ConfigInvalidValue, format!("The `pkcs11:` URI in `{name}` holds a reference"))
        .at(origin.to_string())
        .because("The token and the module that it names must be seen in the settings.")
        .fix("Write the URI itself, or one reference that gives the whole URI.")
}

/// Blanks may belong to a passphrase; line ends are there because editors write them.
fn without_line_ends(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

/// Whether this is Base64 of what begins so, perhaps with line breaks written as `\n`, and too long for a path
/// of such characters.
fn is_base64_of(start: &str, text: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b' ' | b'\\');
    text.starts_with(start) && text.len() >= 60 && text.bytes().all(base64)
}

/// Whether this is the URI of an object on a token (RFC 7512, section 2.3). As a path it would be told,
/// with the PIN in it, so what may be around it and its case do not matter (RFC 3986, section 3.1).
#[must_use]
pub fn is_on_token(text: &str) -> bool {
    text.trim_start().get(..TOKEN.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(TOKEN))
}

const TOKEN: &str = "pkcs11:";
const KEY_MARK: &str = "PRIVATE KEY-----";
/// Base64 of the dashes before `BEGIN`.
const PEM_START: &str = "LS0tLS1C";
/// Base64 of the tag of a DER sequence.
const DER_START: &str = "M";
