//! Turns the evidence of a failed connection into a [`Failure`] that a person can act on.

mod alert;
mod handshake;
mod ours;

use std::io;

use rustls::{AlertDescription as Alert, Error as TlsError, OtherError};

use self::ours::Said;
use super::evidence::{Evidence, Offer};
use super::tap::tls_error;
use super::{Peer, Tls, untrusted};
use crate::error::{Code, FEW, Failure, brief, in_words};
use crate::identity::Identity;
use crate::identity::facts::distinguished_name;

/// Explains a handshake that failed.
pub(super) fn handshake(tls: &Tls, evidence: &Evidence, error: &io::Error, peer: Peer) -> Failure {
    // The key could not sign, and says why.
    if let Some(TlsError::Other(OtherError(cause))) = tls_error(error)
        && let Some(failure) = cause.downcast_ref::<Failure>()
    {
        return with_evidence(failure.clone(), evidence, tls.shown_to(peer));
    }
    let identity = tls.shown_to(peer);
    let failure = match tls_error(error) {
        Some(TlsError::InvalidCertificate(error)) => match &evidence.refusal {
            Some(refusal) => untrusted::explain(tls, evidence, refusal, peer),
            // The certificate was believed; what failed after it is the signature of the handshake.
            None => untrusted::unproved(evidence, error),
        },
        Some(TlsError::AlertReceived(alert)) => self::alert::explain(tls, evidence, *alert, identity),
        Some(other) => self::handshake::given_up(evidence, other),
        None if is_silence(error) => network_gone(evidence).cause(error),
        None if evidence.offer == Offer::NotAsked => cut_short(evidence, error),
        None => closed_after_certificate(tls, evidence, broken(error), identity).cause(error),
    };
    with_evidence(of_peer(failure, evidence, peer), evidence, identity)
}

/// Says it of a proxy, when that is the other end.
fn of_peer(failure: Failure, evidence: &Evidence, peer: Peer) -> Failure {
    match (peer, failure.code()) {
        (Peer::Server, _) => failure,
        (Peer::Proxy, Code::CertificateRequired) => {
            let what = format!("The proxy {} wants a client certificate", brief(&evidence.target));
            Failure::new(Code::ProxyFailed, what)
                .because("The client certificate is for the server, and is never presented to a proxy.")
                .fix("Use a proxy that asks for none.")
        }
        (Peer::Proxy, _) => failure.because("This was the TLS connection to the proxy."),
    }
}

/// Explains the end of the TLS connection to a proxy after its handshake, when it sent an alert.
pub(super) fn refused_by_proxy(tls: &Tls, evidence: &Evidence) -> Option<Failure> {
    let failure = alert::explain(tls, evidence, evidence.alert?, None);
    Some(with_evidence(of_peer(failure, evidence, Peer::Proxy), evidence, None))
}

/// Explains a connection that broke after its handshake. `proved` says that the server has taken the
/// identity on another connection, so that closing this one without a word says nothing of it.
pub(super) fn lost(tls: &Tls, evidence: &Evidence, cause: &str, proved: bool) -> Failure {
    let identity = tls.identity();
    let failure = match evidence.alert {
        Some(alert) => alert::explain(tls, evidence, alert, identity),
        None if !evidence.heard && !proved && matches!(evidence.offer, Offer::Presented | Offer::NoneConfigured) => {
            closed_after_certificate(tls, evidence, cause, identity)
        }
        None => {
            let what = format!("The connection to {} broke before the answer", brief(&evidence.target));
            Failure::new(Code::ConnectionLost, what)
                .because(cause)
                .fix("Call again; if it breaks again, look into the server's log, or that of the proxy before it.")
        }
    };
    with_evidence(failure, evidence, identity)
}

/// Explains a connection that fell silent after its handshake: a server that refuses says so, or closes it.
pub(super) fn silent(tls: &Tls, evidence: &Evidence) -> Failure {
    let identity = tls.identity();
    if let Some(alert) = evidence.alert {
        return with_evidence(alert::explain(tls, evidence, alert, identity), evidence, identity);
    }
    let what = format!("The network to {} went away before the answer", brief(&evidence.target));
    let failure = Failure::new(Code::ConnectionLost, what)
        .because("Nothing came back any more, not even a sign of life; likely a VPN was disconnected, the network changed, or this machine slept.")
        .because("The request may have been carried out all the same.")
        .fix("Check the network (VPN), and call again; a new connection is opened for it.");
    with_evidence(failure, evidence, identity)
}

/// The server asked for a certificate, and our key can make none of the signatures it takes.
pub(super) fn cannot_sign(evidence: &Evidence, identity: Option<&Identity>) -> Failure {
    let what = format!("{} takes no signature that our key can make", brief(&evidence.target));
    let failure = Failure::new(Code::KeyUnsupported, what);
    let failure = match identity {
        Some(identity) => failure.at(identity.place()).at(identity.origin()).because(format!(
            "The key of the client certificate is {}, and the server's list of signature schemes has none for it.",
            identity.facts().key_kind
        )),
        None => failure,
    };
    let usual = identity.is_some_and(|identity| identity.facts().key_kind == "ECDSA P-256");
    let failure = failure.fix(if usual {
        "Have the server take signatures of ECDSA P-256, or a certificate issued for a kind of key that it takes (RSA, likely)."
    } else {
        "Have a certificate issued for another kind of key; ECDSA P-256 is taken by most."
    });
    with_evidence(failure, evidence, identity)
}

/// The certificate was missed or refused in an HTTP answer of the TLS terminator, whose words these are, quoted. They
/// may say what an alert `of` this kind would.
pub(super) fn refused_by_answer(tls: &Tls, evidence: &Evidence, words: &str, of: Option<Alert>) -> Failure {
    let identity = tls.identity();
    let does = if evidence.offer == Offer::Presented { "refuses the certificate" } else { "wants a certificate" };
    let why = format!("The server answered {words}; likely what terminates TLS there (nginx, say) {does}.");
    let failure = match (identity, evidence.offer) {
        (Some(_), Offer::NotAsked) => certificate_not_asked(evidence, identity, &why),
        _ => ours::refused(tls, evidence, identity, Said { of, name: None }, &why),
    };
    with_evidence(failure, evidence, identity)
}

/// The server forbids access with this HTTP status, and our certificate shows why it likely was not accepted.
pub(super) fn unaccepted(tls: &Tls, evidence: &Evidence, status: u16) -> Option<Failure> {
    let identity = tls.identity().filter(|_| evidence.offer == Offer::Presented)?;
    if !ours::is_unacceptable(identity, evidence) {
        return None;
    }
    let why = format!("It answered HTTP {status}; likely it took the certificate in TLS, and does not accept it.");
    let failure = ours::refused(tls, evidence, Some(identity), Said::default(), &why);
    Some(with_evidence(failure, evidence, Some(identity)))
}

/// The server refuses access for the reason `why`, a sentence, and has seen no certificate.
pub(super) fn refused_unasked(tls: &Tls, evidence: &Evidence, why: &str) -> Failure {
    let failure = match evidence.offer {
        Offer::NoneConfigured => ours::refused(tls, evidence, None, Said::default(), why),
        _ => certificate_not_asked(evidence, tls.identity(), why),
    };
    with_evidence(failure, evidence, tls.identity())
}

/// `why` is what makes it likely that the server wants a certificate.
fn certificate_not_asked(evidence: &Evidence, identity: Option<&Identity>, why: &str) -> Failure {
    let target = brief(&evidence.target);
    let what = match identity {
        Some(_) => format!("{target} refuses access, and never asked for the client certificate"),
        None => format!("{target} likely wants a client certificate, and asks for it too late"),
    };
    let failure = Failure::new(Code::CertificateNotAsked, what)
        .because(why)
        .because(
            "A server that asks only after it has read the URL needs post-handshake authentication over TLS 1.3, or a renegotiation over TLS 1.2; neither is done here.",
        )
        .fix("Have the server ask for a certificate on the whole host and port.");
    let failure = match identity {
        Some(identity) => failure.at(identity.place()).at(identity.origin()),
        None => failure.fix("Set `cert` and `key` (--cert and --key) to your client certificate and its private key."),
    };
    failure.fix("In Apache that is `SSLVerifyClient` outside of `<Location>`; in IIS `netsh http … clientcertnegotiation=enable`; in nginx `ssl_verify_client on` in the server block.")
}

/// The network went away under the handshake, which is nobody's refusal.
fn network_gone(evidence: &Evidence) -> Failure {
    let what = format!("The network to {} went away during the TLS handshake", brief(&evidence.target));
    Failure::new(Code::ConnectionLost, what)
        .because(
            "Nothing came back any more; likely a VPN was disconnected, the network changed, or this machine slept.",
        )
        .fix("Check the network (VPN), and call again; a new connection is opened for it.")
}

fn is_silence(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable, TimedOut};
    matches!(error.kind(), TimedOut | HostUnreachable | NetworkUnreachable | NetworkDown)
}

/// Node and Java close the connection without an alert when they refuse a certificate.
fn closed_after_certificate(tls: &Tls, evidence: &Evidence, cause: &str, identity: Option<&Identity>) -> Failure {
    let why = match evidence.offer {
        Offer::Presented => {
            "The server closed the connection right after our certificate, without a word; likely it refuses it."
        }
        _ => "The server asked for a client certificate and closed the connection when none came.",
    };
    let everybody = "If it closes every connection so, have what it serves looked at: likely that is down.";
    let failure = ours::refused(tls, evidence, identity, Said::default(), why);
    failure.because(cause).fix(everybody)
}

/// The connection ended before the server had asked for anything.
fn cut_short(evidence: &Evidence, error: &io::Error) -> Failure {
    let what = format!("{} ended the connection during the TLS handshake", brief(&evidence.target));
    let failure = Failure::new(Code::ConnectionLost, what).because(broken(error)).cause(error);
    let failure = if evidence.answered {
        failure.fix("Look into the server's log, or that of the proxy before it.")
    } else {
        failure
            .because("Nothing had come back after the TLS greeting.")
            .fix("Check that the port of the URL is a TLS port.")
    };
    let failure = failure.fix("Check that no firewall or proxy cuts the connection.");
    evidence.smaller_greeting().into_iter().fold(failure, Failure::fix)
}

fn version_too_old(evidence: &Evidence) -> Failure {
    let target = brief(&evidence.target);
    if evidence.only_tls13 {
        return Failure::new(Code::TlsVersionUnsupported, format!("{target} does not speak TLS 1.3"))
            .because("`minVersion` is 1.3, so that nothing older is offered.")
            .fix("Have the server enable TLS 1.3.")
            .fix("Remove `minVersion` (--min-version), or set it to \"1.2\".");
    }
    Failure::new(Code::TlsVersionUnsupported, format!("{target} speaks no version of TLS that is safe"))
        .because("TLS 1.2 and 1.3 are offered; the server takes neither.")
        .fix("Have the server enable TLS 1.2 or 1.3.")
}

/// Adds where it was, and what the connection had shown by then.
fn with_evidence(failure: Failure, evidence: &Evidence, identity: Option<&Identity>) -> Failure {
    let failure = match evidence.address {
        Some(address) if evidence.proxy.is_none() => {
            failure.at(format!("{} ({address})", evidence.target)).evidence("address", address.to_string())
        }
        _ => failure.at(evidence.target.clone()),
    };
    let failure = match &evidence.proxy {
        Some(proxy) => failure.at(format!("through the proxy {proxy}")).evidence("proxy", proxy.clone()),
        None => failure,
    };
    let failure = match evidence.version {
        Some(version) => failure.evidence("tls_version", version),
        None => failure,
    };
    // Many servers list every CA of the system; the first ones tell enough.
    let accepted: Vec<_> = evidence.acceptable.iter().take(FEW).map(|name| distinguished_name(name)).collect();
    if accepted.is_empty() {
        return failure;
    }
    let failure = failure.evidence("accepted_cas", accepted);
    match identity.and_then(|identity| ours::issuer_accepted(identity, evidence)) {
        Some(accepted) => failure.evidence("issuer_accepted", accepted),
        None => failure,
    }
}

fn broken(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "The connection was closed.",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "The connection was reset.",
        _ => in_words(error),
    }
}
