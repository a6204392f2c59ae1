//! How certificates and keys look: as text for people, as JSON for programs.

use mcp_mtls_core::error::printable;
use mcp_mtls_core::identity::facts::{CertificateFacts, date, fingerprint};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::show::{Key, Shown, key_file};
use crate::render::{self, Ink, Paint};

/// The files one after the other.
pub(super) fn text(all: &[Shown], now: OffsetDateTime, paint: Paint) -> String {
    let files = all.iter().map(|shown| {
        let mut blocks = vec![format!("{}: {}", paint.ink(Ink::Strong, &printable(&shown.file)), shown.in_words)];
        blocks.extend(shown.certificates.iter().map(|facts| certificate(facts, all, now, paint)));
        blocks.extend(shown.keys.iter().map(|shown_key| key(shown_key, all, paint)));
        blocks.extend(shown.encrypted_keys.iter().map(|way| encrypted("An encrypted private key", way, paint)));
        blocks.extend(shown.pkcs12.iter().map(|way| encrypted("A PKCS#12 file", way, paint)));
        blocks.join("\n\n")
    });
    files.collect::<Vec<_>>().join("\n\n")
}

/// The same for programs.
pub(super) fn json(all: &[Shown]) -> Value {
    let files = all.iter().map(|shown| {
        let certificates = shown.certificates.iter().map(|facts| {
            let mut value = certificate_json(facts);
            value["keyFile"] = key_file(facts, all).into();
            value
        });
        let keys = shown.keys.iter().map(|key| {
            json!({
                "kind": key.kind(),
                "publicKeySha256": key.public_key_fingerprint(),
                "certificates": key.certificates(all).map(|(_, facts)| &facts.fingerprint).collect::<Vec<_>>(),
            })
        });
        let encrypted = shown.encrypted_keys.iter().map(|encryption| json!({ "encryption": encryption }));
        json!({
            "file": shown.file,
            "certificates": certificates.collect::<Vec<_>>(),
            "keys": keys.collect::<Vec<_>>(),
            "encryptedKeys": encrypted.collect::<Vec<_>>(),
            "pkcs12": shown.pkcs12.as_ref().map(|encryption| json!({ "encryption": encryption })),
            "others": shown.others,
        })
    });
    json!({ "files": files.collect::<Vec<_>>() })
}

/// One certificate for programs.
pub(super) fn certificate_json(facts: &CertificateFacts) -> Value {
    json!({
        "subject": facts.subject,
        "issuer": facts.issuer,
        "commonName": facts.common_name,
        "names": facts.names,
        "serial": facts.serial,
        "notBefore": facts.not_before.format(&Rfc3339).ok(),
        "notAfter": facts.not_after.format(&Rfc3339).ok(),
        "isCa": facts.is_ca,
        "selfIssued": facts.self_issued,
        "keyUsages": facts.key_usages,
        "extendedKeyUsages": facts.extended_key_usages,
        "keyKind": facts.key_kind,
        "signatureAlgorithm": facts.signature_algorithm,
        "sha256": facts.fingerprint,
        "publicKeySha256": fingerprint(&facts.public_key_der),
        "pin": facts.pin(),
    })
}

/// One certificate for people; `all` are the files in which its key may be.
pub(super) fn certificate(facts: &CertificateFacts, all: &[Shown], now: OffsetDateTime, paint: Paint) -> String {
    let mut lines = vec![paint.ink(Ink::Strong, &render::wrapped(facts.title(), 2)).into_owned()];
    let mut tell = |label: &str, value: &str| lines.push(field(label, value, paint));
    let issuer = if facts.self_issued { "itself" } else { &facts.issuer };
    tell("issuer", issuer);
    if !facts.names.is_empty() {
        tell("names", &first(&facts.names).join(", "));
    }
    tell("valid from", &start(facts, now, paint));
    tell("until", &end(facts, now, paint));
    tell("usage", &usage(facts));
    tell("key", &facts.key_kind);
    tell("signature", &facts.signature_algorithm);
    tell("serial", &facts.serial);
    tell("SHA-256", &facts.fingerprint);
    tell("public key", &fingerprint(&facts.public_key_der));
    tell("pin", &facts.pin());
    if let Some(file) = key_file(facts, all) {
        tell("private key", &paint.ink(Ink::Good, &format!("in {}", printable(file))));
    } else if all.iter().any(|shown| !shown.keys.is_empty()) {
        tell("private key", "in none of these files");
    }
    lines.join("\n")
}

fn key(key: &Key, all: &[Shown], paint: Paint) -> String {
    let mut lines = vec![format!("  {}", paint.ink(Ink::Strong, &format!("A private key, {}", key.kind())))];
    let mut tell = |label: &str, value: &str| lines.push(field(label, value, paint));
    if let Some(public) = key.public_key_fingerprint() {
        tell("public key", &public);
    }
    let mut matches = key.certificates(all).peekable();
    if matches.peek().is_none() && all.iter().any(|shown| !shown.certificates.is_empty()) {
        tell("belongs to", &paint.ink(Ink::Bad, "none of these certificates"));
    }
    for (shown, facts) in matches {
        tell("belongs to", &paint.ink(Ink::Good, &format!("{} in {}", facts.title(), printable(&shown.file))));
    }
    lines.join("\n")
}

fn encrypted(title: &str, encryption: &str, paint: Paint) -> String {
    let title = paint.ink(Ink::Strong, title);
    let rest = field("", "Nothing more can be told without its passphrase: --passphrase REFERENCE.", paint);
    format!("  {title}\n{}\n{rest}", field("encryption", encryption, paint))
}

fn start(facts: &CertificateFacts, now: OffsetDateTime, paint: Paint) -> String {
    let text = date(facts.not_before, now);
    if facts.not_before > now { paint.ink(Ink::Bad, &format!("{text}: not valid yet")).into_owned() } else { text }
}

fn end(facts: &CertificateFacts, now: OffsetDateTime, paint: Paint) -> String {
    let text = date(facts.not_after, now);
    if facts.not_after < now {
        return paint.ink(Ink::Bad, &format!("{text}: expired")).into_owned();
    }
    let soon = facts.not_after - now < SOON;
    if soon { paint.ink(Ink::Warning, &text).into_owned() } else { text }
}

fn usage(facts: &CertificateFacts) -> String {
    let mut usages = Vec::new();
    if facts.is_ca {
        usages.push("CA".to_owned());
    }
    usages.extend(first(&facts.extended_key_usages));
    usages.extend(facts.key_usages.iter().cloned());
    if usages.is_empty() { "not limited".to_owned() } else { usages.join(", ") }
}

/// The first of what a certificate may hold thousands of.
fn first(words: &[String]) -> Vec<String> {
    let mut told: Vec<_> = words.iter().take(TOLD).cloned().collect();
    match words.len() - told.len() {
        0 => {}
        rest => told.push(format!("and {rest} more")),
    }
    told
}

fn field(label: &str, value: &str, paint: Paint) -> String {
    let label = format!("    {label:<12}");
    render::beside(&paint.ink(Ink::Faint, &label), label.len(), value)
}

/// How many names, or extended key usages, are told of one certificate.
const TOLD: usize = 5;

const SOON: Duration = Duration::days(7);
