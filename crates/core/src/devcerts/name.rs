//! From the names that a person types to the names in a certificate, and to those of its files.

use std::net::IpAddr;

use rcgen::SanType;

use crate::error::{Code, Failure, Result, quoted};

/// The names of one certificate.
pub(super) struct Names {
    pub(super) common_name: String,
    pub(super) alternatives: Vec<SanType>,
    pub(super) file_stem: String,
}

/// DNS names and IP addresses; the first one names the certificate.
pub(super) fn server_names<S: AsRef<str>>(names: &[S]) -> Result<Names> {
    let Some(first) = names.first().map(AsRef::as_ref) else {
        return Err(
            Failure::new(Code::UsageInvalid, "A server certificate needs a name").fix("Name it as the URL does.")
        );
    };
    let alternatives = names.iter().map(|name| host(name.as_ref())).collect::<Result<Vec<_>>>()?;
    // Clients look at the alternative names only; a longer common name would not be legal.
    let common_name = first.chars().take(COMMON_NAME_CHARS).collect();
    Ok(Names { common_name, alternatives, file_stem: file_stem(first) })
}

/// A free name; servers that look at alternative names find a URI (SPIFFE) or a mail address there.
pub(super) fn client_names(name: &str) -> Result<Names> {
    let common_name = common_name(name)?;
    let alternative = if name.contains("://") {
        Some(SanType::URI(name.try_into().map_err(|_| not_ascii(name))?))
    } else if name.contains('@') {
        Some(SanType::Rfc822Name(name.try_into().map_err(|_| not_ascii(name))?))
    } else {
        None
    };
    Ok(Names { common_name, alternatives: alternative.into_iter().collect(), file_stem: file_stem(name) })
}

pub(super) fn common_name(name: &str) -> Result<String> {
    if name.trim().is_empty() || name.chars().any(char::is_control) || name.chars().count() > COMMON_NAME_CHARS {
        return Err(Failure::new(Code::UsageInvalid, format!("No certificate can have the name {}", quoted(name)))
            .fix(format!("Use 1 to {COMMON_NAME_CHARS} characters, no control characters.")));
    }
    Ok(name.to_owned())
}

fn host(name: &str) -> Result<SanType> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let labels = name.strip_prefix("*.").unwrap_or(name);
    if !labels.split('.').all(is_label) || name.len() > 253 {
        let failure =
            Failure::new(Code::UsageInvalid, format!("{} is neither a DNS name nor an IP address", quoted(name)));
        return Err(if name.contains("://") || name.contains('/') {
            failure.fix("Give the host alone, without scheme, port and path.")
        } else if name.contains(':') {
            failure.fix("Give the host alone: a certificate holds for every port.")
        } else {
            failure.fix("Use letters, digits, hyphens and dots (international names in their `xn--` form).")
        });
    }
    Ok(SanType::DnsName(name.try_into().map_err(|_| not_ascii(name))?))
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A name that is a file name on every system, and never a hidden file or a path.
fn file_stem(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '@') { c } else { '-' };
    let mut stem: String = name.chars().map(safe).collect();
    while stem.contains("--") {
        stem = stem.replace("--", "-");
    }
    let stem = stem.trim_matches(['-', '.']);
    if stem.is_empty() { "certificate".to_owned() } else { stem.to_owned() }
}

fn not_ascii(name: &str) -> Failure {
    Failure::new(Code::UsageInvalid, format!("{} holds characters outside ASCII", quoted(name)))
        .fix("Certificates hold such names in ASCII only.")
}

/// RFC 5280, appendix A.1, `ub-common-name-length`.
const COMMON_NAME_CHARS: usize = 64;
