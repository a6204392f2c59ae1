//! Explains a server that is revoked, or of which nothing says that it is not.

use time::OffsetDateTime;

use super::Untrusted;
use crate::error::{Code, Failure, brief, quoted};
use crate::identity::facts::date;
use crate::trust::{NotSigned, Revoked, Unusable};

pub(super) fn revoked(server: &Untrusted<'_>, revoked: &Revoked) -> Failure {
    let now = OffsetDateTime::now_utc();
    let leaf = server.chain.first().is_some_and(|leaf| leaf.serial == revoked.serial && leaf.issuer == revoked.issuer);
    let whose = if leaf { "The certificate" } else { "A CA above the certificate" };
    let since = revoked.since.map_or_else(String::new, |since| format!(" on {}", date(since, now)));
    let failure = Failure::new(Code::ServerRevoked, format!("{whose} of {} is revoked", brief(server.target)))
        .at(revoked.place.clone())
        .because(format!(
            "{} (serial number {}) was revoked{since} by {}.",
            quoted(&revoked.title),
            revoked.serial,
            quoted(&revoked.issuer)
        ));
    let failure = match revoked.reason {
        Some(reason) => failure.because(format!("The reason is {reason}.")).evidence("reason", reason),
        None => failure,
    };
    failure
        .fix("Tell whoever runs the server that it needs a new certificate; do not connect before.")
        .evidence("serial", revoked.serial.clone())
}

/// No list says anything of it.
pub(super) fn not_covered(server: &Untrusted<'_>, issuer: &str, in_part: bool) -> Failure {
    let what = format!("Nothing says whether the certificate of {} is revoked", brief(server.target));
    let failure = Failure::new(Code::RevocationUnknown, what).evidence("issuer", issuer);
    if in_part {
        return failure
            .because(format!(
                "`crl` has lists of its issuer, {}, but each for other certificates (its issuing distribution point).",
                quoted(issuer)
            ))
            .fix("Add the list from the distribution point that the server's certificate names.");
    }
    failure
        .because(format!("`crl` is set, and has no list of its issuer, {}.", quoted(issuer)))
        .fix("Add the revocation list of that CA to the file that `crl` names.")
}

/// It is its own issuer.
pub(super) fn own_issuer(server: &Untrusted<'_>) -> Failure {
    Failure::new(
        Code::RevocationUnknown,
        format!("No revocation list can cover the certificate of {}", brief(server.target)),
    )
    .because(format!("It is {}, signed by itself, and believed because `ca` holds it.", server.subject()))
    .fix("Remove `crl`; to revoke the certificate, remove it from `ca`.")
}

pub(super) fn out_of_date(server: &Untrusted<'_>, issuer: &str, since: OffsetDateTime, place: &str) -> Failure {
    let since = date(since, OffsetDateTime::now_utc());
    Failure::new(Code::CrlStale, format!("The revocation list for {} is out of date", brief(server.target)))
        .at(place)
        .because(format!("The list of {} was to be replaced on {since}.", quoted(issuer)))
        .fix("Fetch the list of that CA anew.")
        .fix("Check this machine's clock.")
        .evidence("issuer", issuer)
}

pub(super) fn unusable(server: &Untrusted<'_>, issuer: &str, why: Unusable, place: &str) -> Failure {
    let issuer = quoted(issuer);
    let failure =
        Failure::new(Code::CrlInvalid, format!("The revocation list for {} cannot be used", brief(server.target)))
            .at(place);
    match why {
        Unusable::Signature(NotSigned::OtherKey) => {
            failure.because(format!("Its signature is not by the key of the CA that it names, {issuer}."))
        }
        Unusable::Signature(NotSigned::UnknownAlgorithm) => {
            failure.because(format!("The list of {issuer} is signed in a way that is not known, or not safe."))
        }
        Unusable::NotASigner => {
            failure.because(format!("The CA that signed it, {issuer}, may not sign such lists (key usage cRLSign)."))
        }
        Unusable::NotYet(from) => {
            let from = date(from, OffsetDateTime::now_utc());
            return failure
                .because(format!("The list of {issuer} is from the future: it counts from {from} (thisUpdate)."))
                .fix("Check this machine's clock.")
                .fix("Fetch the list of that CA anew.");
        }
    }
    .fix("Fetch the list anew, from the CA that issued the server's certificate.")
}
