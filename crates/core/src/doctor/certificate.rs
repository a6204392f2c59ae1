//! How a certificate is told, and whether it is weak.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Code, Failure, first_few, quoted};
use crate::identity::facts::CertificateFacts;

/// A certificate for programs.
pub(super) fn value(facts: &CertificateFacts) -> Value {
    json!({
        "subject": facts.subject,
        "issuer": facts.issuer,
        "names": facts.names,
        "serial": facts.serial,
        "notBefore": moment(facts.not_before),
        "notAfter": moment(facts.not_after),
        "isCa": facts.is_ca,
        "keyUsages": facts.key_usages,
        "extendedKeyUsages": facts.extended_key_usages,
        "keyKind": facts.key_kind,
        "signatureAlgorithm": facts.signature_algorithm,
        "sha256": facts.fingerprint,
    })
}

/// Its issuer, key and usages for people.
pub(super) fn background(facts: &CertificateFacts) -> String {
    let issuer = if facts.self_issued { "itself".to_owned() } else { quoted(&facts.issuer) };
    let usages = match facts.extended_key_usages.as_slice() {
        [] => "any use".to_owned(),
        usages => first_few(usages),
    };
    format!("issued by {issuer}; {}; for {usages}", facts.key_kind)
}

/// The subject, quoted, and the end.
pub(super) fn title(facts: &CertificateFacts, now: OffsetDateTime) -> String {
    // The words of `describe`, with the subject as somebody else's.
    let described = facts.describe(now);
    let rest = described.strip_prefix(facts.title()).unwrap_or_default();
    format!("{}{rest}", quoted(facts.title()))
}

/// The warning of a key or a signature that many servers refuse.
pub(super) fn weak(facts: &CertificateFacts) -> Option<Failure> {
    let bits = facts.key_kind.strip_prefix("RSA ").and_then(|bits| bits.parse::<u32>().ok());
    let old = ["SHA-1", "MD5"].into_iter().find(|hash| facts.signature_algorithm.ends_with(hash));
    let why = match (bits, old) {
        (Some(bits @ ..2048), _) => format!("Its RSA key has {bits} bits; 2048 is the least that is taken today."),
        // Nobody looks at the signature of a root.
        (_, Some(hash)) if !facts.self_issued => format!("It is signed with {hash}, which can be forged."),
        _ => return None,
    };
    let what = format!("The certificate {} is weaker than servers take today", quoted(facts.title()));
    Some(
        Failure::new(Code::KeyWeak, what)
            .because(why)
            .fix(
                "Have it issued anew, with an ECDSA P-256 key or an RSA key of 2048 bits or more, signed with SHA-256.",
            )
            .evidence("certificate", facts.fingerprint.clone()),
    )
}

/// A moment for programs (RFC 3339).
pub(super) fn moment(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use mcp_mtls_testkit::pki::{KeyKind, Pki};

    use super::*;
    use crate::identity::pem;

    fn fixture(name: &str) -> CertificateFacts {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/weak/");
        let found = pem::read(&std::fs::read(format!("{folder}{name}")).unwrap()).unwrap();
        CertificateFacts::parse(&found.certificates[0]).unwrap()
    }

    #[test]
    fn what_can_be_forged_or_broken_is_weak_and_nothing_else() {
        for (name, why) in [("short.pem", "1024 bits"), ("sha1.pem", "SHA-1")] {
            let warning = weak(&fixture(name)).unwrap();
            assert_eq!(warning.code(), Code::KeyWeak);
            assert!(warning.facts().why[0].contains(why), "{warning:?}");
        }
        let pki = Pki::new();
        for kind in KeyKind::ALL {
            let client = pki.client_with_key("alice", kind);
            let facts = CertificateFacts::parse(&client.chain()[0]).unwrap();
            assert!(weak(&facts).is_none(), "{}", facts.key_kind);
        }
    }
}
