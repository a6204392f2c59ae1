//! What makes a certificate an X.509-SVID that may authenticate somebody (X509-SVID, section 5.2).

use std::fmt;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::config::SpiffeId;
use crate::error::quoted;

/// Why a certificate is no X.509-SVID of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotSvid {
    /// It cannot be read.
    NotACertificate,
    /// It names no URI.
    NoUri,
    /// It names several URIs.
    SeveralUris(usize),
    /// Its one URI is no SPIFFE ID of a workload.
    NotAnId(String, &'static str),
    /// It may sign other certificates or revocation lists.
    Signs(&'static str),
}

/// The SPIFFE ID of a leaf, which alone says nothing of who signed it.
pub(crate) fn spiffe_id(der: &[u8]) -> Result<SpiffeId, NotSvid> {
    let Ok((&[], certificate)) = X509Certificate::from_der(der) else { return Err(NotSvid::NotACertificate) };
    let basic = certificate.basic_constraints().map_err(|_| NotSvid::NotACertificate)?;
    if basic.is_some_and(|basic| basic.value.ca) {
        return Err(NotSvid::Signs("it is a CA certificate"));
    }
    let usage = certificate.key_usage().map_err(|_| NotSvid::NotACertificate)?;
    match usage {
        Some(usage) if usage.value.key_cert_sign() => return Err(NotSvid::Signs("its key usages have keyCertSign")),
        Some(usage) if usage.value.crl_sign() => return Err(NotSvid::Signs("its key usages have cRLSign")),
        _ => {}
    }
    let names = certificate.subject_alternative_name().map_err(|_| NotSvid::NotACertificate)?;
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let uris: Vec<&str> =
        names.filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None }).collect();
    let [uri] = uris[..] else {
        return Err(if uris.is_empty() { NotSvid::NoUri } else { NotSvid::SeveralUris(uris.len()) });
    };
    let id = SpiffeId::parse(uri).map_err(|why| NotSvid::NotAnId(uri.to_owned(), why))?;
    if id.path().is_empty() {
        return Err(NotSvid::NotAnId(uri.to_owned(), "names a trust domain alone, and no workload in it"));
    }
    Ok(id)
}

impl fmt::Display for NotSvid {
    /// A sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotACertificate => f.write_str("The certificate cannot be read"),
            Self::NoUri => f.write_str("The certificate names no SPIFFE ID: it has no URI among its names"),
            Self::SeveralUris(count) => {
                write!(f, "The certificate names {count} URIs, of which exactly one is allowed")
            }
            Self::NotAnId(uri, why) => write!(f, "The URI {} in the certificate {why}", quoted(uri)),
            Self::Signs(why) => write!(f, "The certificate is for signing others, and identifies nobody: {why}"),
        }
    }
}

impl std::error::Error for NotSvid {}
