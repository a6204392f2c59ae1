//! `pkcs11:` URIs (RFC 7512): which module, which token, which object on it, and where its PIN is.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::error::plain;
use crate::secret::Secret;

/// A URI, read. What it leaves open fits anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Uri {
    pub(super) token: Option<String>,
    pub(super) manufacturer: Option<String>,
    pub(super) model: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) slot_id: Option<u64>,
    pub(super) slot_description: Option<String>,
    pub(super) slot_manufacturer: Option<String>,
    pub(super) library_description: Option<String>,
    pub(super) library_manufacturer: Option<String>,
    pub(super) library_version: Option<String>,
    pub(super) object: Option<String>,
    pub(super) id: Option<Vec<u8>>,
    /// `cert`, `private` and so on.
    pub(super) kind: Option<String>,
    pub(super) module_path: Option<String>,
    pub(super) module_name: Option<String>,
    pub(super) pin_source: Option<String>,
    pub(super) pin_value: Option<Secret>,
}

impl Uri {
    /// Reads a URI that begins with `pkcs11:`, in any case.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence that holds no value of it. An unknown attribute before the
    /// question mark fits no object (section 2.5), so that a misspelt one never widens the choice; an
    /// unknown one behind it is ignored.
    pub(super) fn parse(uri: &Secret) -> Result<Self, String> {
        let (path, query) = halves(uri);
        let mut read = Self::default();
        for attribute in path.split(';').filter(|attribute| !attribute.is_empty()) {
            read.path_attribute(attribute)?;
        }
        for attribute in query.split('&').filter(|attribute| !attribute.is_empty()) {
            read.query_attribute(attribute)?;
        }
        if read.pin_source.is_some() && read.pin_value.is_some() {
            return Err("It has both `pin-source` and `pin-value`.".to_owned());
        }
        Ok(read)
    }

    fn path_attribute(&mut self, attribute: &str) -> Result<(), String> {
        let (name, value) = named(attribute)?;
        let bytes = decoded(name, value)?;
        if name == "id" {
            return once(&mut self.id, name, bytes);
        }
        let text = text(name, bytes)?;
        let field = match name {
            "token" => &mut self.token,
            "manufacturer" => &mut self.manufacturer,
            "model" => &mut self.model,
            "serial" => &mut self.serial,
            "slot-description" => &mut self.slot_description,
            "slot-manufacturer" => &mut self.slot_manufacturer,
            "library-description" => &mut self.library_description,
            "library-manufacturer" => &mut self.library_manufacturer,
            "library-version" => &mut self.library_version,
            "object" => &mut self.object,
            "type" if matches!(text.as_str(), "cert" | "private" | "public" | "secret-key" | "data") => &mut self.kind,
            "type" => return Err("Its `type` is none of cert, private, public, secret-key and data.".to_owned()),
            "slot-id" => {
                let number = text.parse().map_err(|_| "Its `slot-id` is no number.".to_owned())?;
                return once(&mut self.slot_id, name, number);
            }
            _ => return Err(format!("Its attribute `{}` is unknown.", plain(name))),
        };
        once(field, name, text)
    }

    fn query_attribute(&mut self, attribute: &str) -> Result<(), String> {
        let (name, value) = named(attribute)?;
        let field = match name {
            "module-path" => &mut self.module_path,
            "module-name" => &mut self.module_name,
            "pin-source" => &mut self.pin_source,
            "pin-value" => {
                let pin = Secret::new(text(name, decoded(name, value)?)?);
                return once(&mut self.pin_value, name, pin);
            }
            _ => return Ok(()),
        };
        once(field, name, text(name, decoded(name, value)?)?)
    }

    /// Whether an object with this label and this `CKA_ID` is one that is meant.
    pub(super) fn fits_object(&self, label: &str, id: &[u8]) -> bool {
        self.object.as_deref().is_none_or(|object| object == label) && self.id.as_deref().is_none_or(|own| own == id)
    }
}

/// Writes a URI of these attributes; empty ones are left out.
pub(super) fn written(attributes: &[(&str, &[u8])]) -> String {
    let mut uri = "pkcs11:".to_owned();
    for (name, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
        let semicolon = if uri.ends_with(':') { "" } else { ";" };
        // Writing to a String cannot fail.
        let _ = write!(uri, "{semicolon}{name}={}", percent_encode(value, RESERVED));
    }
    uri
}

/// A URI as it may be told: none that cannot be read, since anything in it may be a misplaced PIN, and
/// nothing behind the question mark.
pub(in crate::identity) fn told(uri: &Secret) -> Option<String> {
    Uri::parse(uri).ok().map(|_| format!("pkcs11:{}", plain(halves(uri).0)))
}

/// What is before the question mark, and behind it; the scheme is left out, in whatever case.
fn halves(uri: &Secret) -> (&str, &str) {
    let rest = uri.expose().trim().split_once(':').map_or("", |(_, rest)| rest);
    rest.split_once('?').unwrap_or((rest, ""))
}

fn named(attribute: &str) -> Result<(&str, &str), String> {
    attribute.split_once('=').ok_or_else(|| "One of its attributes has no `=`.".to_owned())
}

fn once<T>(field: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("It has `{name}` twice.")),
    }
}

fn decoded(name: &str, value: &str) -> Result<Vec<u8>, String> {
    let hex = |at: usize| value.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    if !value.match_indices('%').all(|(at, _)| hex(at + 1) && hex(at + 2)) {
        return Err(format!("A `%` in its `{}` is not followed by two hex digits.", plain(name)));
    }
    Ok(percent_decode_str(value).collect())
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| format!("Its `{}` is not UTF-8 text.", plain(name)))
}

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Result<Uri, String> {
        Uri::parse(&Secret::new(uri.to_owned()))
    }

    #[test]
    fn attributes_are_decoded_and_ids_are_bytes() {
        let uri = "pkcs11:token=The%20Card;manufacturer=A%3bB;serial=0a;model=M;object=gr%C3%BCn;id=%01%ff%00;\
                   type=private;slot-id=7?module-path=/x/y.so&pin-source=file:/pin&x-vendor=1";
        let read = parse(uri).unwrap();
        assert_eq!(read.token.as_deref(), Some("The Card"));
        assert_eq!(read.manufacturer.as_deref(), Some("A;B"));
        assert_eq!((read.serial.as_deref(), read.model.as_deref()), (Some("0a"), Some("M")));
        assert_eq!(read.object.as_deref(), Some("grün"));
        assert_eq!(read.id.as_deref(), Some(&[1, 255, 0][..]));
        assert_eq!((read.kind.as_deref(), read.slot_id), (Some("private"), Some(7)));
        assert_eq!(read.module_path.as_deref(), Some("/x/y.so"));
        assert_eq!(read.pin_source.as_deref(), Some("file:/pin"));
        assert!(parse("pkcs11:").unwrap().token.is_none());
    }

    #[test]
    fn what_would_widen_the_choice_is_refused() {
        for (uri, why) in [
            ("pkcs11:tokne=x", "Its attribute `tokne` is unknown."),
            ("pkcs11:x-vendor=x", "Its attribute `x-vendor` is unknown."),
            ("pkcs11:token=a;token=b", "It has `token` twice."),
            ("pkcs11:token", "One of its attributes has no `=`."),
            ("pkcs11:id=%1", "A `%` in its `id` is not followed by two hex digits."),
            ("pkcs11:id=%zz", "A `%` in its `id` is not followed by two hex digits."),
            ("pkcs11:token=%ff", "Its `token` is not UTF-8 text."),
            ("pkcs11:type=certificate", "Its `type` is none of cert, private, public, secret-key and data."),
            ("pkcs11:slot-id=x", "Its `slot-id` is no number."),
            ("pkcs11:?pin-value=1&pin-value=2", "It has `pin-value` twice."),
            ("pkcs11:?pin-value=1&pin-source=file:/x", "It has both `pin-source` and `pin-value`."),
        ] {
            assert_eq!(parse(uri).unwrap_err(), why, "{uri}");
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_no_pin_is_told() {
        let uri = written(&[("token", b"The Card;?"), ("serial", b""), ("id", &[1, 0xff])]);
        assert_eq!(uri, "pkcs11:token=The%20Card%3B%3F;id=%01%FF");
        assert_eq!(parse(&uri).unwrap().token.as_deref(), Some("The Card;?"));
        assert!(!format!("{:?}", parse("pkcs11:?pin-value=1234").unwrap()).contains("1234"));
        let told = |uri: &str| told(&Secret::new(uri.to_owned()));
        assert_eq!(told(" PKCS11:token=x?pin-value=1234").as_deref(), Some("pkcs11:token=x"));
        for uri in ["pkcs11:token=x;pin=1234", "pkcs11:token=x;PIN-value=1234", "pkcs11:1234"] {
            assert_eq!(told(uri), None, "{uri}");
        }
    }
}
