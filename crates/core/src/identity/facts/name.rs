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
