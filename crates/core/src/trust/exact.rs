//! A server whose own certificate, signed by itself, stands in `ca`.
//!
//! No path is built, since there is none: the certificate is the one that was configured, byte for
//! byte, and the handshake proves its key. So it may be a CA, as `openssl req -x509` makes it, or of
//! version 1. All else that it says of itself holds.

use std::net::IpAddr;
use std::time::Duration;

use rustls::pki_types::{ServerName, UnixTime};
use webpki::{EndEntityCert, Error};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::{AttributeTypeAndValue, FromDer, X509Version};

use super::{Presented, Refusal};

/// Checks dates, usage and name of a certificate that is believed for what it is.
pub(super) fn verify(presented: Presented<'_>) -> Result<(), Refusal> {
    let Ok((&[], certificate)) = X509Certificate::from_der(presented.leaf) else {
        return Err(Refusal::Invalid(Error::BadDer));
    };
    let parsed = match EndEntityCert::try_from(presented.leaf) {
        Ok(parsed) => Some(parsed),
        // It has no extensions, so nothing in it is left unread.
        Err(Error::UnsupportedCertVersion) if certificate.version() == X509Version::V1 => None,
        Err(error) => return Err(Refusal::Invalid(error)),
    };
    check_dates(&certificate, presented.now).map_err(Refusal::Invalid)?;
    match certificate.extended_key_usage() {
        Ok(None) => {}
        Ok(Some(usage)) if usage.value.server_auth => {}
        _ => return Err(Refusal::NotForServers),
    }
    match parsed {
        Some(parsed) if !matches!(certificate.subject_alternative_name(), Ok(None)) => {
            parsed.verify_is_valid_for_subject_name(presented.name).map_err(Refusal::Invalid)
        }
        _ => check_common_name(&certificate, presented.name),
    }
}

fn check_dates(certificate: &X509Certificate<'_>, time: UnixTime) -> Result<(), Error> {
    let validity = certificate.validity();
    let moment = |seconds: i64| UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    let (not_before, not_after) = (moment(validity.not_before.timestamp()), moment(validity.not_after.timestamp()));
    if time < not_before {
        return Err(Error::CertNotValidYet { time, not_before });
    }
    if time > not_after {
        return Err(Error::CertExpired { time, not_after });
    }
    Ok(())
}

/// A certificate without alternative names has its common name alone. For one of a CA that is not
/// enough (RFC 9525, section 2); this one was looked at by whoever configured it.
fn check_common_name(certificate: &X509Certificate<'_>, name: &ServerName<'_>) -> Result<(), Refusal> {
    let mut names = certificate.subject().iter_common_name().map(AttributeTypeAndValue::as_str);
    let (Some(Ok(common)), None) = (names.next(), names.next()) else { return Err(Refusal::OtherName) };
    let same = match name {
        ServerName::DnsName(name) => common.eq_ignore_ascii_case(name.as_ref()),
        ServerName::IpAddress(address) => common.parse() == Ok(IpAddr::from(*address)),
        _ => false,
    };
    if same { Ok(()) } else { Err(Refusal::OtherName) }
}
