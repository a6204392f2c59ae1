//! Names in certificates, written so that they can be told.

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::error::plain;

/// A distinguished name in DER, as servers send those of the CAs they accept: `CN=alice, O=Example`.
#[must_use]
pub fn distinguished_name(der: &[u8]) -> String {
    match X509Name::from_der(der) {
        Ok((&[], name)) => written(&name),
        _ => "(a name that cannot be read)".to_owned(),
    }
}

/// As RFC 4514 writes it: reversed, so that the most specific part comes first and is never cut off.
pub(super) fn written(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|rdn| rdn.iter().map(|attribute| attribute_written(attribute)).collect::<Vec<_>>().join("+"))
        .collect();
    parts.reverse();
    plain(&parts.join(", "))
}

pub(super) fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().last().map(|attribute| plain(&value(attribute)))
}

/// Whether a CA looks like one below the other, by their names in DER: the words of one are all among those of the
/// other, but for words that say how high a CA stands; or where no others are left, both have one organization.
pub(crate) fn may_be_below(lower: &[u8], upper: &[u8]) -> bool {
    let (Ok((_, lower)), Ok((_, upper))) = (X509Name::from_der(lower), X509Name::from_der(upper)) else { return false };
    let (below, above) = (words(&lower), words(&upper));
    if below.iter().any(|word| word == "root") {
        return false;
    }
    let telling = |words: Vec<String>| words.into_iter().filter(|word| is_telling(word)).collect::<Vec<_>>();
    let (below, above) = (telling(below), telling(above));
    if below.is_empty() && above.is_empty() {
        let organization = |name: &X509Name<'_>| name.iter_organization().last().map(value);
        return organization(&lower).is_some_and(|name| organization(&upper) == Some(name));
    }
    let within = |few: &[String], many: &[String]| !few.is_empty() && few.iter().all(|word| many.contains(word));
    within(&below, &above) || within(&above, &below)
}

/// The words of the common name.
fn words(name: &X509Name<'_>) -> Vec<String> {
    let text = common_name(name).unwrap_or_default().to_lowercase();
    text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect()
}

/// Whether a word tells a CA from any other one.
fn is_telling(word: &str) -> bool {
    word.len() > 2 && !OF_ANY_CA.contains(&word) && !word.contains(|c: char| c.is_ascii_digit())
}

/// What the names of all CAs have: what they do, and at which height.
const OF_ANY_CA: [&str; 18] = [
    "and",
    "authority",
    "certificate",
    "certificates",
    "certification",
    "class",
    "for",
    "intermediate",
    "issuer",
    "issuing",
    "level",
    "pki",
    "policy",
    "root",
    "signing",
    "sub",
    "subordinate",
    "trust",
];

pub(super) fn alternatives(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let told = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => Some(plain(text)),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    told.collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let address = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some(address.to_string())
}

fn attribute_written(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let kind = match oid.as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        oid => oid,
    };
    format!("{kind}={}", escaped(&value(attribute)))
}

/// Without escapes the name `alice, O=Example` would read as two parts.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (at, c) in value.char_indices() {
        let special = matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        if special || (at == 0 && matches!(c, '#' | ' ')) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn value(attribute: &AttributeTypeAndValue<'_>) -> String {
    if let Ok(text) = attribute.as_str() {
        return text.to_owned();
    }
    let bytes = attribute.as_slice();
    let text: Option<String> = match attribute.attr_value().tag() {
        BMP_STRING => {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok()
        }
        // T.61 in certificates is Latin-1 in practice (RFC 2459 grew out of that habit).
        T61_STRING => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        _ => std::str::from_utf8(bytes).ok().map(ToOwned::to_owned),
    };
    text.unwrap_or_else(|| format!("#{}", super::hex(bytes)))
}

const BMP_STRING: x509_parser::asn1_rs::Tag = x509_parser::asn1_rs::Tag::BmpString;
const T61_STRING: x509_parser::asn1_rs::Tag = x509_parser::asn1_rs::Tag::T61String;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_below_another_is_known_by_its_name() {
        let der = |name: &str| {
            let mut params = rcgen::CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.distinguished_name.push(rcgen::DnType::OrganizationName, "Acme");
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap();
            crate::identity::facts::CertificateFacts::parse(certificate.der()).unwrap().subject_der
        };
        for (lower, upper, expected) in [
            ("Acme Issuing CA 2", "Acme Root CA", true),
            ("Acme TLS Issuing CA", "Acme Root CA", true),
            ("Issuing CA", "Root CA", true),
            ("Acme Client Intermediate", "Acme Client CA", true),
            ("Acme Root CA", "Acme Issuing CA", false),
            ("Acme Staging CA", "Acme Production CA", false),
            ("Acme Server CA", "Acme Client CA", false),
            ("Other CA", "Acme Root CA", false),
        ] {
            assert_eq!(may_be_below(&der(lower), &der(upper)), expected, "{lower} below {upper}");
        }
        assert!(!may_be_below(b"no name", &der("Acme Root CA")));
    }
}
