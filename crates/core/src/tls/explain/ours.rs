//! Our certificate was missed or refused: which of its properties is the reason.

use rustls::AlertDescription as Alert;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Code, Failure, brief, first_few, quoted};
use crate::identity::Identity;
use crate::identity::facts::{CertificateFacts, date, distinguished_name, may_be_below};
use crate::tls::Tls;
use crate::tls::evidence::{Evidence, Offer};

/// What the server said of the certificate.
#[derive(Clone, Copy, Default)]
pub(super) struct Said<'a> {
    /// As an alert; an HTTP answer may have said the same.
    pub(super) of: Option<Alert>,
    /// The name of the alert that came. Without one it is a conclusion that the certificate is what it is about.
    pub(super) name: Option<&'a str>,
}

impl Said<'_> {
    fn likely(self) -> &'static str {
        if self.name.is_some() { "" } else { "likely " }
    }
}

/// The failure, with what the certificate says of itself.
pub(super) fn refused(
    tls: &Tls,
    evidence: &Evidence,
    identity: Option<&Identity>,
    said: Said<'_>,
    why: &str,
) -> Failure {
    let Some(identity) = identity else {
        let what = format!("{} {}requires a client certificate", brief(&evidence.target), said.likely());
        let failure = Failure::new(Code::CertificateRequired, what).because(why);
        return accepting(failure, evidence)
            .fix("Set `cert` and `key` (--cert and --key) to your client certificate and its private key.");
    };
    let facts = identity.facts();
    let now = OffsetDateTime::now_utc();
    // Whoever finds no way to a CA has looked at no date.
    let by_itself =
        if said.of == Some(Alert::UnknownCA) { None } else { by_itself(identity, evidence, said, now, why) };
    let failure = by_itself
        .or_else(|| for_want_of_a_link(tls, identity, evidence, said, why))
        .unwrap_or_else(|| by_choice(identity, evidence, said, now, why));
    let failure = failure
        .at(identity.place())
        .at(identity.origin())
        .because(format!(
            "The certificate is {}, issued by {}, valid until {}.",
            quoted(identity.title()),
            quoted(&facts.issuer),
            date(facts.not_after, now)
        ))
        .evidence("certificate", facts.fingerprint.clone())
        .evidence("subject", facts.subject.clone())
        .evidence("issuer", facts.issuer.clone())
        .evidence("not_after", facts.not_after.format(&Rfc3339).unwrap_or_default());
    let failure = match identity.spiffe_id() {
        Some(id) => failure.evidence("spiffe_id", id.as_str()),
        None => failure,
    };
    let among = match issuer_accepted(identity, evidence) {
        Some(true) => "; the issuer of ours is among them",
        Some(false) => "; the issuer of ours is not among them",
        None => "",
    };
    match names_of_accepted(evidence) {
        names if names.is_empty() && evidence.offer == Offer::Presented => {
            failure.because("The server does not say which CAs it accepts.")
        }
        names if names.is_empty() => failure,
        names => failure.because(format!("The server accepts certificates of {}{among}.", first_few(&names))),
    }
}

/// Whether what is known of the certificate says that no server would accept it, or not this one.
pub(super) fn is_unacceptable(identity: &Identity, evidence: &Evidence) -> bool {
    let by_itself = by_itself(identity, evidence, Said::default(), OffsetDateTime::now_utc(), "");
    by_itself.is_some() || issuer_accepted(identity, evidence) == Some(false)
}

/// Whether a CA above our certificate is one that the server says it accepts; none when it says nothing.
pub(super) fn issuer_accepted(identity: &Identity, evidence: &Evidence) -> Option<bool> {
    let accepted = &evidence.acceptable;
    let above = |facts: CertificateFacts| accepted.contains(&facts.issuer_der) || accepted.contains(&facts.subject_der);
    let chain = || identity.chain().iter().filter_map(|der| CertificateFacts::parse(der).ok());
    (!accepted.is_empty()).then(|| chain().any(above))
}

/// The CAs that the server says it accepts, quoted.
pub(super) fn names_of_accepted(evidence: &Evidence) -> Vec<String> {
    evidence.acceptable.iter().map(|name| quoted(&distinguished_name(name))).collect()
}

fn accepting(failure: Failure, evidence: &Evidence) -> Failure {
    match names_of_accepted(evidence) {
        names if names.is_empty() => failure,
        names => failure.because(format!("The server accepts certificates of {}.", first_few(&names))),
    }
}

/// What the certificate itself shows to be wrong.
fn by_itself(
    identity: &Identity,
    evidence: &Evidence,
    said: Said<'_>,
    now: OffsetDateTime,
    why: &str,
) -> Option<Failure> {
    let facts = identity.facts();
    let file = brief(identity.place());
    if facts.not_after < now {
        let what = format!("Your client certificate expired on {}", date(facts.not_after, now));
        let failure = Failure::new(Code::CertificateExpired, what).because(why);
        // The same CA would only be refused again.
        let from = match issuer_accepted(identity, evidence) {
            Some(false) => ", from a CA that the server accepts",
            _ => "",
        };
        return Some(failure.fix(format!("Renew the certificate in {file}{from}.")));
    }
    if facts.not_before > now {
        let what = format!("Your client certificate is valid only from {}", date(facts.not_before, now));
        let failure = Failure::new(Code::CertificateNotYetValid, what).because(why);
        return Some(
            failure
                .fix("Check this machine's clock.")
                .fix("Use a certificate that is valid now.")
                .evidence("not_before", facts.not_before.format(&Rfc3339).unwrap_or_default()),
        );
    }
    let usages = &facts.extended_key_usages;
    if !usages.is_empty() && !usages.iter().any(|usage| usage == "clientAuth" || usage == "any") {
        let what = format!(
            "{} {}refused the client certificate, which is not for clients",
            brief(&evidence.target),
            said.likely()
        );
        return Some(
            Failure::new(Code::CertificateNotForClients, what)
                .because(why)
                .because(format!("The certificate is for {} only, not for clientAuth.", first_few(usages)))
                .fix("Have a certificate issued with the extended key usage clientAuth."),
        );
    }
    None
}

/// The server gets from the certificate to none of its CAs, and seems to lack one in between. It is proved when
/// `ca` holds that one, and likely when the name of its issuer is that of a CA below theirs; else the CA is just another.
fn for_want_of_a_link(
    tls: &Tls,
    identity: &Identity,
    evidence: &Evidence,
    said: Said<'_>,
    why: &str,
) -> Option<Failure> {
    let of_link = matches!(
        said.of,
        None | Some(Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown | Alert::HandshakeFailure)
    );
    if !of_link || evidence.offer != Offer::Presented || issuer_accepted(identity, evidence) != Some(false) {
        return None;
    }
    let end = end_of_chain(identity)?;
    let known = tls.trust.authority(&end.issuer_der);
    let proved = match &known {
        Some((ca, _)) if ca.self_issued => return None,
        Some((ca, _)) => evidence.acceptable.contains(&ca.issuer_der),
        None => false,
    };
    if !proved && !evidence.acceptable.iter().any(|name| may_be_below(&end.issuer_der, name)) {
        return None;
    }
    let issuer = quoted(&end.issuer);
    let what = match said.name {
        Some(_) => {
            format!("{} refused the client certificate; likely an intermediate is missing", brief(&evidence.target))
        }
        None => {
            format!("{} likely refused the client certificate, for want of an intermediate", brief(&evidence.target))
        }
    };
    let failure = Failure::new(Code::CertificateChainIncomplete, what).because(why).because(format!(
        "The certificates that were sent end at the issuer {issuer}, which is not a CA that the server says it accepts."
    ));
    let failure = match known.filter(|_| proved) {
        Some((_, place)) => failure
            .because(format!("`ca` ({place}) holds that issuer, and its own issuer is one that the server accepts.")),
        None => failure,
    };
    let failure = failure.fix(format!("Append the certificate of {} to `cert`.", brief(&issuer)));
    Some(failure.fix(format!("Else use a certificate of an accepted CA: {}.", first_few(&names_of_accepted(evidence)))))
}

/// The last certificate of the chain that is sent, when its issuer is another.
fn end_of_chain(identity: &Identity) -> Option<CertificateFacts> {
    let mut rest: Vec<_> = identity.chain().iter().filter_map(|der| CertificateFacts::parse(der).ok()).collect();
    let mut end = identity.facts().clone();
    while let Some(at) = rest.iter().position(|facts| facts.subject_der == end.issuer_der) {
        end = rest.swap_remove(at);
        if end.self_issued {
            return None;
        }
    }
    Some(end).filter(|end| !end.self_issued)
}

/// What only the server knows, as far as its alert says it.
fn by_choice(identity: &Identity, evidence: &Evidence, said: Said<'_>, now: OffsetDateTime, why: &str) -> Failure {
    let facts = identity.facts();
    let word = said.name.map_or_else(String::new, |name| format!(" ({name})"));
    let what = format!("{} {}refused the client certificate{word}", brief(&evidence.target), said.likely());
    let failure = Failure::new(Code::CertificateRefused, what).because(why);
    let chain = identity.chain().iter().skip(1).filter_map(|der| CertificateFacts::parse(der).ok());
    match said.of {
        Some(Alert::CertificateRevoked) => {
            failure.fix(format!("Get a new certificate from {}; this one is revoked.", brief(&quoted(&facts.issuer))))
        }
        Some(Alert::CertificateExpired) => match { chain }.find(|ca| ca.not_after < now) {
            Some(ca) => failure
                .because(format!("{}, a CA above it, expired on {}.", quoted(ca.title()), date(ca.not_after, now)))
                .fix(format!("Put the CA's new certificate into {}.", brief(identity.place()))),
            None => failure
                .because("By this machine's clock it is valid; likely the clock of the server, or of this machine, is wrong.")
                .fix("Check this machine's clock, and have that of the server checked."),
        },
        Some(Alert::AccessDenied) => {
            failure.fix(format!("Have the server grant access to {}.", brief(&quoted(identity.title()))))
        }
        Some(Alert::UnsupportedCertificate) => {
            failure.fix("Ask whoever runs the server which key usages and kinds of key it takes.")
        }
        Some(Alert::DecryptError) => failure
            .because("The key fits the certificate here, which was tried before.")
            .fix("Check for a proxy on the way that intercepts TLS; else tell whoever runs the server."),
        Some(Alert::UnknownCA) if issuer_accepted(identity, evidence) == Some(true) => failure
            .because("Likely the server has another CA certificate of that name (another key), or takes no chain so long.")
            .fix("Have a certificate issued by the CA that the server has now.")
            .fix("Compare the SHA-256 of its CA certificate with that of yours."),
        _ if issuer_accepted(identity, evidence) == Some(true) => failure
            .fix("Look into the server's log: it names the CA of this certificate as one that it accepts.")
            .fix("Check that the certificate is neither revoked nor for another purpose."),
        _ => failure
            .fix("Use a certificate of a CA that the server accepts.")
            .fix("If its CA is below one of those, send the intermediate too: append it to the certificate."),
    }
}
