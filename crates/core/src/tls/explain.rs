//! Turns the evidence of a failed connection into a [`Failure`] that a person can act on.

use std::io;

use rustls::{AlertDescription, Error as TlsError, InvalidMessage, OtherError, PeerIncompatible};
use time::OffsetDateTime;

use super::alert::meaning;
use super::evidence::{Evidence, Offer, Step};
use super::tap::tls_error;
use super::{Peer, Tls, untrusted};
use crate::error::{AFTER_ANSWERS, Code, FEW, Failure, first_few, quoted};
use crate::identity::Identity;
use crate::identity::facts::{CertificateFacts, date, distinguished_name};

/// Explains a handshake that failed.
pub(super) fn handshake(tls: &Tls, evidence: &Evidence, error: &io::Error, peer: Peer) -> Failure {
    // The key could not sign, and says why.
    if let Some(TlsError::Other(OtherError(cause))) = tls_error(error)
        && let Some(failure) = cause.downcast_ref::<Failure>()
    {
        return place(failure.clone(), evidence);
    }
    let identity = tls.shown_to(peer);
    let failure = match tls_error(error) {
        Some(TlsError::InvalidCertificate(error)) => match &evidence.refusal {
            Some(refusal) => untrusted::explain(tls, evidence, refusal, peer),
            // The certificate was believed; what failed after it is the signature of the handshake.
            None => untrusted::unproved(evidence, error),
        },
        Some(TlsError::AlertReceived(alert)) => refused_by_alert(evidence, *alert, identity),
        Some(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            Failure::new(Code::NotTls, format!("{} does not speak TLS", evidence.target))
                .because("Its answer to the TLS greeting is no TLS record; plain HTTP servers answer like that.")
                .fix("Check the port of the URL: the TLS port of the server is another one.")
        }
        Some(TlsError::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        )) => version_too_old(evidence),
        Some(other) => Failure::new(Code::TlsFailed, format!("The TLS handshake with {} failed", evidence.target))
            .because(format!("The TLS library says: {other}.")),
        None if evidence.offer == Offer::NotAsked => {
            let what = format!("{} ended the connection during the TLS handshake", evidence.target);
            let failure = Failure::new(Code::ConnectionLost, what).because(broken(error)).fix(
                "Check that the port of the URL is a TLS port, and that no firewall or proxy cuts the connection.",
            );
            evidence.smaller_greeting().into_iter().fold(failure, Failure::fix)
        }
        None => closed_after_certificate(evidence, &broken(error), identity),
    };
    let failure = match (peer, failure.code()) {
        (Peer::Server, _) => failure,
        (Peer::Proxy, Code::CertificateRequired) => {
            let what = format!("The proxy {} wants a client certificate", evidence.target);
            Failure::new(Code::ProxyFailed, what)
                .because("The client certificate is for the server, and is never shown to a proxy.")
                .fix("Use a proxy that asks for none.")
        }
        (Peer::Proxy, _) => failure.because("This was the TLS connection to the proxy."),
    };
    place(failure, evidence)
}

/// Explains a connection that broke after its handshake. `proved` says that the server has taken the
/// identity on another connection, so that closing this one without a word says nothing of it.
pub(super) fn lost(evidence: &Evidence, cause: &str, identity: Option<&Identity>, proved: bool) -> Failure {
    let failure = match evidence.alert {
        Some(alert) => refused_by_alert(evidence, alert, identity),
        None if !evidence.heard && !proved && matches!(evidence.offer, Offer::Presented | Offer::NoneConfigured) => {
            closed_after_certificate(evidence, cause, identity)
        }
        None => {
            Failure::new(Code::ConnectionLost, format!("The connection to {} broke before the answer", evidence.target))
                .because(cause)
        }
    };
    place(failure, evidence)
}

/// Explains a connection that fell silent after its handshake: a server that refuses says so, or closes it.
pub(super) fn silent(evidence: &Evidence, identity: Option<&Identity>) -> Failure {
    if let Some(alert) = evidence.alert {
        return place(refused_by_alert(evidence, alert, identity), evidence);
    }
    let failure =
        Failure::new(Code::ConnectionLost, format!("The network to {} went away before the answer", evidence.target))
            .because("Nothing came back any more, not even a sign of life; likely a VPN was disconnected, the network changed, or this computer slept.")
            .because("The request may have been carried out all the same.")
            .fix("Check the network (VPN), and call again; a new connection is opened for it.");
    place(failure, evidence)
}

/// The server asked for a certificate, and our key can make none of the signatures it takes.
pub(super) fn cannot_sign(evidence: &Evidence, identity: Option<&Identity>) -> Failure {
    let failure = Failure::new(Code::KeyUnsupported, "The server takes no signature that our key can make");
    let failure = match identity {
        Some(identity) => failure.because(format!(
            "The key of the client certificate is {}, and the server's list of signature schemes has none for it.",
            identity.facts().key_kind
        )),
        None => failure,
    };
    place(failure, evidence).fix("Have a certificate issued for another kind of key; ECDSA P-256 is taken by most.")
}

/// The certificate was missed or refused in an HTTP answer of the TLS terminator.
pub(super) fn refused_by_answer(evidence: &Evidence, words: &str, identity: Option<&Identity>) -> Failure {
    let failure = about_ours(evidence, identity, None).because(format!("The server answered {}.", quoted(words)));
    place(with_identity(failure, evidence, identity), evidence)
}

fn refused_by_alert(evidence: &Evidence, alert: AlertDescription, identity: Option<&Identity>) -> Failure {
    let meaning = meaning(alert);
    let told = format!("The server sent the TLS alert `{}`", meaning.name);
    let about_ours = match alert {
        // Sent for a certificate only when one was asked for; else the two ends have nothing in common.
        AlertDescription::HandshakeFailure => evidence.offer != Offer::NotAsked,
        AlertDescription::CertificateRequired => true,
        _ => evidence.offer != Offer::NotAsked && meaning.about_certificate.is_some(),
    };
    let failure = match (about_ours, meaning.about_certificate, alert) {
        (true, Some(words), _) => {
            let why = match evidence.offer {
                Offer::Presented => format!("{told}: {words}."),
                _ => format!("{told}, and no client certificate was sent."),
            };
            let failure = self::about_ours(evidence, identity, Some(&meaning.name)).because(why);
            let during = match evidence.step {
                _ if evidence.heard => AFTER_ANSWERS,
                Step::Handshake => "during the handshake",
                _ => "after the handshake",
            };
            return with_identity(failure, evidence, identity)
                .evidence("alert", meaning.name)
                .evidence("alert_came", during);
        }
        (_, _, AlertDescription::ProtocolVersion) => version_too_old(evidence),
        (_, _, AlertDescription::UnrecognisedName) => {
            Failure::new(Code::TlsFailed, format!("The server does not know the host name of {}", evidence.target))
                .because(format!("{told}."))
                .fix("Check the host of the URL.")
        }
        (_, _, AlertDescription::HandshakeFailure) => {
            Failure::new(Code::TlsFailed, format!("{} refused the TLS handshake", evidence.target)).because(format!(
                "{told} without asking for a client certificate: nothing it offers is offered here too."
            ))
        }
        _ => Failure::new(Code::TlsFailed, format!("{} ended the TLS connection", evidence.target))
            .because(format!("{told}.")),
    };
    failure.evidence("alert", meaning.name)
}

/// Node and Java close the connection without an alert when they refuse a certificate.
fn closed_after_certificate(evidence: &Evidence, cause: &str, identity: Option<&Identity>) -> Failure {
    let failure = about_ours(evidence, identity, None).because(match evidence.offer {
        Offer::Presented => {
            "The server closed the connection right after our certificate, without a word; likely it refuses it."
        }
        _ => "The server asked for a client certificate and closed the connection when none came.",
    });
    with_identity(failure, evidence, identity).because(cause)
}

/// The headline of every failure in which our certificate is missing or refused.
fn about_ours(evidence: &Evidence, identity: Option<&Identity>, alert: Option<&str>) -> Failure {
    let now = OffsetDateTime::now_utc();
    match identity {
        None => Failure::new(Code::CertificateRequired, format!("{} requires a client certificate", evidence.target))
            .fix("Set `cert` and `key` (--cert and --key) to your client certificate and its private key."),
        Some(identity) if identity.facts().not_after < now => {
            let end = date(identity.facts().not_after, now);
            Failure::new(Code::CertificateExpired, format!("Your client certificate expired on {end}")).fix(format!(
                "Renew the certificate in {} ({}).",
                identity.place(),
                identity.origin()
            ))
        }
        Some(identity) if identity.facts().not_before > now => {
            let start = date(identity.facts().not_before, now);
            Failure::new(Code::CertificateRefused, format!("Your client certificate is valid only from {start}"))
                .fix("Check this machine's clock.")
        }
        Some(identity) => {
            let word = alert.map_or_else(String::new, |alert| format!(" ({alert})"));
            let what = format!("{} refused the client certificate{word}", evidence.target);
            let failure = Failure::new(Code::CertificateRefused, what);
            let usages = &identity.facts().extended_key_usages;
            if !usages.is_empty() && !usages.iter().any(|usage| usage == "clientAuth" || usage == "any") {
                return failure
                    .because(format!("The certificate is for {} only, not for clientAuth.", first_few(usages)))
                    .fix("Have a certificate issued with the extended key usage clientAuth.");
            }
            failure.fix(format!(
                "Use a certificate of a CA that the server accepts, with its intermediates (now {}).",
                identity.place()
            ))
        }
    }
}

/// Adds what the certificate says of itself, and which CAs the server accepts.
fn with_identity(mut failure: Failure, evidence: &Evidence, identity: Option<&Identity>) -> Failure {
    let now = OffsetDateTime::now_utc();
    let mut accepted: Vec<_> = evidence.acceptable.iter().map(|name| quoted(&distinguished_name(name))).collect();
    if let Some(identity) = identity {
        let facts = identity.facts();
        failure = failure
            .because(format!(
                "The certificate is {} of {}, issued by {}, valid until {}.",
                quoted(identity.title()),
                identity.place(),
                quoted(&facts.issuer),
                date(facts.not_after, now)
            ))
            .evidence("certificate", facts.fingerprint.clone())
            .evidence("subject", facts.subject.clone())
            .evidence("issuer", facts.issuer.clone());
        if let Some(id) = identity.spiffe_id() {
            failure = failure.evidence("spiffe_id", id.as_str());
        }
    }
    if accepted.is_empty() {
        return failure;
    }
    // Many servers list every CA of the system; the first ones tell enough.
    let names = first_few(&accepted);
    accepted.truncate(FEW);
    let ours = identity.map(|identity| {
        let chain = identity.certified().cert.iter().filter_map(|der| CertificateFacts::parse(der).ok());
        chain.into_iter().any(|facts| evidence.acceptable.contains(&facts.issuer_der))
    });
    let among = match ours {
        Some(true) => "; the issuer of ours is among them",
        Some(false) => "; the issuer of ours is not among them",
        None => "",
    };
    failure.because(format!("The server accepts certificates of {names}{among}.")).evidence("accepted_cas", accepted)
}

fn version_too_old(evidence: &Evidence) -> Failure {
    let target = &evidence.target;
    if evidence.only_tls13 {
        return Failure::new(Code::TlsFailed, format!("{target} does not speak TLS 1.3"))
            .because("`minVersion` is 1.3, so that nothing older is offered.")
            .fix("Tell whoever runs the server to enable TLS 1.3.")
            .fix("Remove `minVersion` (--min-version), or set it to \"1.2\".");
    }
    Failure::new(Code::TlsFailed, format!("{target} speaks no version of TLS that is safe"))
        .because("TLS 1.2 and 1.3 are offered; the server takes neither.")
        .fix("Tell whoever runs the server to enable TLS 1.2 or 1.3.")
}

pub(super) fn place(failure: Failure, evidence: &Evidence) -> Failure {
    let failure = match evidence.address {
        Some(address) if evidence.proxy.is_none() => failure.at(format!("{} ({address})", evidence.target)),
        _ => failure.at(evidence.target.clone()),
    };
    match &evidence.proxy {
        Some(proxy) => failure.at(format!("through the proxy {proxy}")),
        None => failure,
    }
}

fn broken(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "The connection was closed.".to_owned(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "The connection was reset.".to_owned(),
        _ => format!("The system says: {error}."),
    }
}
