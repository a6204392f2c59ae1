//! What the failure of a connection means.

use std::io;

use http::StatusCode;
use rustls::AlertDescription;

use super::connection::{Lease, Sender};
use crate::error::{Code, Failure};
use crate::tls::{Offer, Record, Step};

impl Lease {
    pub(super) fn lost(&self, error: &hyper::Error) -> Failure {
        if is_of_large_head(error) {
            return Failure::new(Code::MessageTooLarge, "The head of the server's answer is too large")
                .at(self.record.lock().target.clone())
                .because("It has more than 256 headers, or more than 512 KiB of them.")
                .fix("Have the server, or the proxy before it, send fewer.");
        }
        if self.fell_silent(error) {
            return self.tls().explain_silent(&self.record);
        }
        let unasked = self.tls().identity().is_some() && self.record.lock().offer == Offer::NotAsked;
        if unasked && http2_reason(error) == Some(h2::Reason::HTTP_1_1_REQUIRED) {
            let why = "It wants HTTP/1.1 for this request; likely to ask for the certificate only now (TLS 1.2).";
            return self.tls().explain_unasked(&self.record, why).cause(whole(error));
        }
        self.tls().explain_lost(&self.record, &in_words(error)).cause(whole(error))
    }

    /// Whether the other end, and whatever is between, said nothing any more.
    fn fell_silent(&self, error: &hyper::Error) -> bool {
        match io_kind(error) {
            Some(kind) if is_silence(kind) => true,
            // HTTP/2 gives up after a ping without an answer, and tells the body of a response of a
            // broken pipe. Then nobody else has ended the connection.
            Some(io::ErrorKind::BrokenPipe) => matches!(self.sender, Sender::H2(_)) && !self.record.lock().ended,
            _ => error.is_timeout(),
        }
    }
}

/// What hyper says of a broken connection, in our words, as a sentence.
pub(super) fn in_words(error: &hyper::Error) -> String {
    if error.is_incomplete_message() {
        return "The connection was closed before the answer was complete.".to_owned();
    }
    if error.is_parse() {
        return "The answer is not valid HTTP.".to_owned();
    }
    if let Some(reason) = http2_reason(error) {
        let remote = http2_error(error).is_some_and(h2::Error::is_remote);
        let who = if remote { "The other end" } else { "This end" };
        return format!("{who} ended it: {}.", of_http2(reason));
    }
    let words = match io_kind(error) {
        Some(kind) if is_silence(kind) => "Nothing came from it any more.",
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => "The connection was reset.",
        Some(io::ErrorKind::UnexpectedEof) => "The connection was closed without notice.",
        _ if error.is_closed() || error.is_canceled() => "The connection was closed.",
        _ if error.is_timeout() => "Nothing came in time.",
        _ if error.is_user() => "It was given up here.",
        _ => "The exchange broke off.",
    };
    words.to_owned()
}

fn http2_error(error: &hyper::Error) -> Option<&h2::Error> {
    use std::error::Error;
    error.source()?.downcast_ref()
}

fn http2_reason(error: &hyper::Error) -> Option<h2::Reason> {
    http2_error(error)?.reason()
}

/// The reasons of RFC 9113, section 7, as the end of a sentence.
fn of_http2(reason: h2::Reason) -> &'static str {
    match reason {
        h2::Reason::NO_ERROR => "it is shutting down",
        h2::Reason::PROTOCOL_ERROR => "a frame breaks the rules of HTTP/2",
        h2::Reason::INTERNAL_ERROR => "something failed within it",
        h2::Reason::FLOW_CONTROL_ERROR => "more was sent than allowed",
        h2::Reason::SETTINGS_TIMEOUT => "its settings were not acknowledged in time",
        h2::Reason::STREAM_CLOSED => "something came on a stream that was closed",
        h2::Reason::FRAME_SIZE_ERROR => "a frame has the wrong size",
        h2::Reason::REFUSED_STREAM => "it takes no further request at the moment",
        h2::Reason::CANCEL => "the request was given up",
        h2::Reason::COMPRESSION_ERROR => "the headers cannot be decompressed",
        h2::Reason::CONNECT_ERROR => "the connection behind it was reset",
        h2::Reason::ENHANCE_YOUR_CALM => "there was too much at once",
        h2::Reason::INADEQUATE_SECURITY => "the TLS of the connection is not good enough for HTTP/2",
        h2::Reason::HTTP_1_1_REQUIRED => "it wants HTTP/1.1 for this",
        _ => "for a reason that HTTP/2 does not know",
    }
}

/// All that a library says of an error, for the evidence.
pub(super) fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source()).take(MOST_SOURCES);
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

const MOST_SOURCES: usize = 5;

/// What the system said of the connection, as far down as hyper and h2 have put it.
fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    use std::error::Error;
    let source = error.source()?;
    let io = source.downcast_ref::<io::Error>();
    io.or_else(|| source.downcast_ref::<h2::Error>()?.get_io()).map(io::Error::kind)
}

/// What the system says when nothing was acknowledged, or when there is no way there any more.
fn is_silence(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable, TimedOut};
    matches!(kind, TimedOut | HostUnreachable | NetworkUnreachable | NetworkDown)
}

/// Whether a TLS terminator refuses a client certificate with this, or misses it. `said` is the title of the page, or
/// its first line.
pub(crate) fn is_of_certificate(status: StatusCode, media_type: &str, page: &str, said: &str) -> bool {
    match status.as_u16() {
        400 => media_type != "application/json" && CERTIFICATE_WORDS.iter().any(|words| page.contains(words)),
        403 => of_iis(said),
        // nginx keeps its two statuses for this to itself; some that are made of it do not.
        495 | 496 => true,
        _ => false,
    }
}

/// What IIS says with status 403: a number of its own, or the words for it.
fn of_iis(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    let about = ["required", "revoked", "untrusted", "invalid", "expired", "not yet valid"];
    ["403.7", "403.13", "403.16", "403.17"].iter().any(|number| said.contains(number))
        || said.contains("client certificate") && about.iter().any(|words| said.contains(words))
}

/// The alert that would have said the same as the words of such an answer.
pub(super) fn as_alert(said: &str) -> Option<AlertDescription> {
    let said = said.to_ascii_lowercase();
    let alerts = [
        (["403.13", "revoked"], AlertDescription::CertificateRevoked),
        (["403.16", "untrusted"], AlertDescription::UnknownCA),
        (["403.17", "expired"], AlertDescription::CertificateExpired),
    ];
    let found = alerts.into_iter().find(|(words, _)| words.iter().any(|word| said.contains(word)));
    found.map(|(_, alert)| alert)
}

/// What nginx says, with status 400, of a certificate that is missing or refused.
const CERTIFICATE_WORDS: [&str; 2] = ["No required SSL certificate was sent", "The SSL certificate error"];

/// Adds to a failure which step a connection was in when the time was up.
pub(super) fn slow_step(failure: Failure, record: Option<&Record>) -> Failure {
    let Some(record) = record else { return failure };
    let evidence = record.lock();
    // Through a proxy TCP reaches that, and not the server.
    let address = evidence.address.filter(|_| evidence.proxy.is_none());
    let reached = match (&evidence.proxy, address) {
        (Some(proxy), _) => format!("{} through the proxy {proxy}", evidence.target),
        (None, Some(address)) => address.to_string(),
        (None, None) => evidence.target.clone(),
    };
    let (step, failure) = match evidence.step {
        Step::Resolve => (
            "resolve",
            failure
                .because("The name was still being resolved.")
                .fix("Check the network, and the resolver of this machine."),
        ),
        Step::Connect => (
            "connect",
            failure
                .because(format!(
                    "TCP to {} was not answered; a firewall that drops packets looks like this.",
                    evidence.target
                ))
                .fix("Check the network (VPN), and the host and port of the URL."),
        ),
        Step::Proxy => {
            let proxy = evidence.proxy.as_deref().unwrap_or_default();
            let failure = failure.because(format!("The proxy {proxy} did not open the tunnel."));
            ("proxy", failure.fix("Check that the proxy runs, and that it reaches the server."))
        }
        Step::Handshake => {
            let failure = failure
                .because(format!("TCP reached {reached}, and the TLS handshake was not finished."))
                .fix("Check that the port is a TLS port, and that nothing on the way holds TLS back.");
            ("handshake", evidence.smaller_greeting().into_iter().fold(failure, Failure::fix))
        }
        Step::Open => (
            "answer",
            failure
                .connected()
                .because(format!("{reached} is connected, and its answer did not come."))
                .fix("Raise `timeout` if the server is slow; else look into its log."),
        ),
    };
    let failure = failure.evidence("step", step);
    match address {
        Some(address) => failure.evidence("address", address.to_string()),
        None => failure,
    }
}

/// Whether the head of a response was beyond what is read of one.
fn is_of_large_head(error: &hyper::Error) -> bool {
    // The library has a method for this question, for servers alone.
    if error.is_parse() && error.to_string().contains("too large") {
        return true;
    }
    http2_error(error).is_some_and(|error| {
        // So the library calls headers without end; nobody else ended it.
        !error.is_remote() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mcp_mtls_testkit::pki::{Client, Pki};

    use super::super::replacement::{Beginning, Replacement};
    use super::*;
    use crate::config::{Entry, EntrySettings};
    use crate::error::Side;
    use crate::tls::{Peer, Tls};

    /// An end with this client certificate.
    fn end(alice: &Client) -> Arc<Tls> {
        let settings = EntrySettings::new("https://corp.example/").identity(&alice.cert_pem, &alice.key_pem);
        let beginning = Beginning::load(&Entry::new(settings).resolve().unwrap().tls).unwrap();
        let trust = beginning.trust().unwrap();
        Arc::new(Replacement::first(beginning, trust.into()).unwrap().1)
    }

    #[test]
    fn a_server_that_wants_to_shake_hands_again_never_asked_for_the_certificate() {
        use rustls::AlertDescription::{CertificateRequired, HandshakeFailure, NoRenegotiation};
        for (alert, step, code) in [
            // As Apache asks for a location, over TLS 1.2.
            (HandshakeFailure, Step::Open, Code::CertificateNotAsked),
            (NoRenegotiation, Step::Open, Code::CertificateNotAsked),
            // Over TLS 1.3 it may say so, and cannot ask any more.
            (CertificateRequired, Step::Open, Code::CertificateNotAsked),
            (HandshakeFailure, Step::Handshake, Code::TlsFailed),
        ] {
            let record = Record::new("corp.example:443".into());
            record.lock().step = step;
            record.lock().alert = Some(alert);
            let failure = end_once().explain_lost(&record, "");
            assert_eq!(failure.code(), code, "{failure:?}");
            assert!(!failure.is_refused_certificate(), "another certificate would not help: {failure:?}");
            assert!(failure.facts().fix.iter().all(|fix| !fix.is_empty()) && !failure.facts().fix.is_empty());
        }
    }

    #[test]
    fn a_network_that_goes_away_after_the_certificate_refuses_nothing() {
        let record = Record::new("corp.example:443".into());
        record.lock().offer = Offer::Presented;
        for (kind, code) in [
            (io::ErrorKind::TimedOut, Code::ConnectionLost),
            (io::ErrorKind::HostUnreachable, Code::ConnectionLost),
            (io::ErrorKind::UnexpectedEof, Code::CertificateRefused),
        ] {
            let failure = end_once().explain_handshake(&record, &io::Error::from(kind), Peer::Server);
            assert_eq!(failure.code(), code, "{failure:?}");
        }
    }

    #[test]
    fn an_answer_that_forbids_is_about_a_certificate_that_shows_why() {
        let pki = Pki::new();
        for (client, acceptable, code) in [
            (pki.client("alice"), None, None),
            (pki.expired_client(), None, Some(Code::CertificateExpired)),
            (pki.server_auth_only_client(), None, Some(Code::CertificateNotForClients)),
            // A name without any part.
            (pki.client("alice"), Some(vec![0x30, 0]), Some(Code::CertificateRefused)),
        ] {
            let record = Record::new("corp.example:443".into());
            record.lock().offer = Offer::Presented;
            record.lock().acceptable.extend(acceptable);
            let failure = end(&client).explain_unaccepted(&record, 403);
            assert_eq!(failure.as_ref().map(Failure::code), code, "{failure:?}");
            record.lock().offer = Offer::NotAsked;
            assert!(end(&client).explain_unaccepted(&record, 403).is_none());
        }
    }

    #[test]
    fn words_of_a_terminator_about_the_certificate_count_only_with_their_status() {
        let nginx = "<title>400 No required SSL certificate was sent</title>";
        for (status, media_type, page, said, is_one) in [
            (400, "text/html", nginx, "", true),
            (503, "text/html", nginx, "", false),
            (400, "application/json", nginx, "", false),
            (496, "", "", "", true),
            (403, "text/html", "", "IIS 10.0 Detailed Error - 403.7 - Forbidden", true),
            (403, "text/plain", "", "SSL client certificate revoked", true),
            (403, "text/plain", "", "The client certificate of alice has no access", false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_of_certificate(status, media_type, page, said), is_one, "{status} {page} {said}");
        }
        assert_eq!(as_alert("SSL client certificate revoked"), Some(AlertDescription::CertificateRevoked));
        assert_eq!(as_alert("403.7"), None);
    }

    #[test]
    fn every_alert_is_told_with_what_to_do() {
        for (offer, step) in [(Offer::NotAsked, Step::Handshake), (Offer::Presented, Step::Open)] {
            for number in 0..=u8::MAX {
                let record = Record::new("corp.example:443".into());
                record.lock().offer = offer;
                record.lock().step = step;
                record.lock().alert = Some(rustls::AlertDescription::from(number));
                let failure = end_once().explain_lost(&record, "");
                let facts = failure.facts();
                assert!(!facts.fix.is_empty() && !facts.why.is_empty(), "{failure:?}");
                let length = facts.what.chars().count() + 2 + facts.fix[0].chars().count();
                assert!(length <= 200, "{length}: {failure:?}");
                assert!(facts.evidence.contains_key("alert"), "{failure:?}");
                let ours = failure.is_refused_certificate() || facts.side != Side::Between;
                assert!(ours || facts.code == Code::TlsFailed, "{failure:?}");
            }
        }
    }

    /// The same for all that only look at it.
    fn end_once() -> &'static Tls {
        static END: std::sync::OnceLock<Arc<Tls>> = std::sync::OnceLock::new();
        END.get_or_init(|| end(&Pki::new().client("alice")))
    }

    #[test]
    fn an_alert_on_a_connection_that_had_worked_does_not_say_that_nothing_was_processed() {
        let tls = end_once();
        for (heard, nothing_processed) in [(false, true), (true, false)] {
            let record = Record::new("corp.example:443".into());
            record.lock().offer = Offer::Presented;
            record.lock().alert = Some(rustls::AlertDescription::CertificateRevoked);
            record.lock().heard = heard;
            let failure = tls.explain_lost(&record, "");
            assert!(failure.is_refused_certificate(), "{failure:?}");
            assert_eq!(failure.is_refused_handshake(), nothing_processed, "{failure:?}");
        }
    }
}
