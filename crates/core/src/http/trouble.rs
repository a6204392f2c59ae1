//! What the failure of a connection means.

use std::io;

use super::connection::{Lease, Sender};
use crate::error::{Code, Failure};
use crate::tls::{Record, Step};

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
        self.tls().explain_lost(&self.record, &in_words(error))
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

/// What hyper says of a broken connection, as a sentence.
pub(super) fn in_words(error: &hyper::Error) -> String {
    use std::error::Error;
    if error.is_incomplete_message() {
        return "The connection was closed before the answer was complete.".to_owned();
    }
    if error.is_parse() {
        return "The answer is not valid HTTP.".to_owned();
    }
    if let Some(reason) =
        error.source().and_then(|source| source.downcast_ref::<h2::Error>()).and_then(h2::Error::reason)
    {
        return format!("HTTP/2 ended it: {}.", reason.description());
    }
    match io_kind(error) {
        Some(kind) if is_silence(kind) => "Nothing came from it any more.".to_owned(),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => "The connection was reset.".to_owned(),
        Some(io::ErrorKind::UnexpectedEof) => "The connection was closed without notice.".to_owned(),
        _ => format!("The HTTP library says: {error}."),
    }
}

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

/// Whether these are the words with which a TLS terminator refuses a client certificate, or misses it.
pub(crate) fn is_of_certificate(page: &str) -> bool {
    CERTIFICATE_WORDS.iter().any(|words| page.contains(words))
}

/// What nginx says, with status 400, of a certificate that is missing or refused.
const CERTIFICATE_WORDS: [&str; 2] = ["No required SSL certificate was sent", "The SSL certificate error"];

/// Adds to a failure which step a connection was in when the time was up.
pub(super) fn slow_step(failure: Failure, record: Option<&Record>) -> Failure {
    let Some(record) = record else { return failure };
    let evidence = record.lock();
    let address = evidence.address.map_or_else(|| evidence.target.clone(), |address| address.to_string());
    match evidence.step {
        Step::Resolve => {
            failure.because("The name was still being resolved.").fix("Check the resolver and the network.")
        }
        Step::Connect => failure
            .because(format!(
                "TCP to {} was not answered; a firewall that drops packets looks like this.",
                evidence.target
            ))
            .fix("Check the network (VPN), and the host and port of the URL."),
        Step::Proxy => failure
            .because(format!("The proxy {} did not open the tunnel.", evidence.proxy.as_deref().unwrap_or_default()))
            .fix("Check the proxy."),
        Step::Handshake => {
            let failure = failure
                .because(format!("TCP reached {address}, and the TLS handshake was not finished."))
                .fix("Check that the port is a TLS port, and that nothing on the way holds TLS back.");
            evidence.smaller_greeting().into_iter().fold(failure, Failure::fix)
        }
        Step::Open => failure
            .connected()
            .because(format!("{address} is connected, and its answer did not come."))
            .fix("Raise `timeout` if the server is slow."),
    }
}

/// Whether the head of a response was beyond what is read of one.
fn is_of_large_head(error: &hyper::Error) -> bool {
    use std::error::Error;
    // The library has a method for this question, for servers alone.
    if error.is_parse() && error.to_string().contains("too large") {
        return true;
    }
    let http2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    http2.is_some_and(|error| {
        // So the library calls headers without end; nobody else ended it.
        !error.is_remote() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM)
    })
}

#[cfg(test)]
mod tests {
    use mcp_mtls_testkit::pki::Pki;

    use super::super::replacement::Replacement;
    use super::*;
    use crate::config::{Entry, EntrySettings};
    use crate::tls::Offer;

    #[test]
    fn an_alert_on_a_connection_that_had_worked_does_not_say_that_nothing_was_processed() {
        let alice = Pki::new().client("alice");
        let settings = EntrySettings::new("https://corp.example/").identity(&alice.cert_pem, &alice.key_pem);
        let (_, tls) = Replacement::first(&Entry::new(settings).resolve().unwrap().tls).unwrap();
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
