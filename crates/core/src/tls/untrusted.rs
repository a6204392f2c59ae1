//! Explains why a server is not believed, from what it presented and what is asked of it.

mod issuer;
mod revocation;
mod spiffe;
mod verdict;

use rustls::CertificateError;
use rustls::pki_types::UnixTime;
use time::OffsetDateTime;
use webpki::Error;

use super::evidence::Evidence;
use super::{Peer, Tls};
use crate::error::{Code, Failure, brief, first_few, quoted};
use crate::identity::facts::{CertificateFacts, date};
use crate::trust::{Link, Refusal, Unfit, UnfitFor};

/// Explains a refusal of ours.
pub(super) fn explain(tls: &Tls, evidence: &Evidence, refusal: &Refusal, peer: Peer) -> Failure {
    let chain: Vec<_> = evidence.server_chain.iter().filter_map(|der| CertificateFacts::parse(der).ok()).collect();
    let server = Untrusted { tls, target: &evidence.target, chain: &chain, peer };
    let failure = server.explain(refusal);
    let failure = match server.setting(failure.code()) {
        Some(origin) => failure.at(origin),
        None => failure,
    };
    match chain.first() {
        Some(leaf) => failure.evidence("server_certificate", leaf.fingerprint.clone()),
        None => failure,
    }
}

/// The certificate was believed, and the handshake is not signed by its key.
pub(super) fn unproved(evidence: &Evidence, error: &CertificateError) -> Failure {
    let what = format!("{} does not prove that it has the key of its certificate", brief(&evidence.target));
    let why = match error {
        CertificateError::BadSignature => "The signature of its handshake is not by that key.",
        _ => "The signature of its handshake is of a kind that cannot be verified.",
    };
    Failure::new(Code::ServerCertificateInvalid, what)
        .because(why)
        .fix("Have the server's certificate and key checked: they must belong together.")
        .cause(error)
}

struct Untrusted<'a> {
    tls: &'a Tls,
    target: &'a str,
    /// What the server presented, the leaf first.
    chain: &'a [CertificateFacts],
    peer: Peer,
}

impl Untrusted<'_> {
    fn explain(&self, refusal: &Refusal) -> Failure {
        match refusal {
            Refusal::Invalid(error) => self.invalid(error),
            Refusal::OtherName => self.other_name(),
            Refusal::NotForServers => self.not_for_servers(),
            Refusal::Revoked(revoked) => revocation::revoked(self, revoked),
            Refusal::NotCovered { issuer, in_part } => revocation::not_covered(self, issuer, *in_part),
            Refusal::OwnIssuer => revocation::own_issuer(self),
            Refusal::OutOfDate { issuer, since, place } => revocation::out_of_date(self, issuer, *since, place),
            Refusal::UnusableList { issuer, why, place } => revocation::unusable(self, issuer, *why, place),
            Refusal::UnfitRoot(unfit) => self.unfit_root(unfit),
            Refusal::NotPinned(path) => self.not_pinned(path),
            Refusal::NotTheServer(why) => spiffe::not_the_server(self, why),
        }
    }

    /// Where the setting stands that such a failure is about.
    fn setting(&self, code: Code) -> Option<String> {
        let trust = &self.tls.trust;
        match code {
            Code::PinMismatch => trust.origins().pins.clone(),
            Code::CrlStale | Code::CrlInvalid | Code::RevocationUnknown | Code::ServerRevoked => {
                trust.origins().crl.clone()
            }
            Code::CaInvalid
            | Code::ServerIssuerUnknown
            | Code::ServerSelfSigned
            | Code::ServerChainIncomplete
            | Code::ServerIdMismatch
            | Code::ServerIdMissing => trust.origins().roots.clone(),
            Code::ServerNameMismatch => trust.origins().server_name.clone().filter(|_| self.peer == Peer::Server),
            _ => None,
        }
    }

    fn invalid(&self, error: &Error) -> Failure {
        let now = OffsetDateTime::now_utc();
        let leaf = self.chain.first();
        match error {
            Error::CertExpired { not_after, .. } => {
                let (whose, which) = self.of_moment(|facts| facts.not_after, *not_after);
                let ended = which.map_or_else(String::new, |facts| format!(" on {}", date(facts.not_after, now)));
                let failure = Failure::new(Code::ServerCertificateExpired, format!("{whose} expired{ended}"))
                    .because(format!("It is {}.", title(which)));
                match which.filter(|which| leaf.is_some_and(|leaf| leaf.fingerprint != which.fingerprint)) {
                    Some(ca) => failure.fix(format!(
                        "Have the server send a certificate of {} that is valid now.",
                        brief(&quoted(ca.title()))
                    )),
                    None => failure.fix("Have the server's certificate renewed by whoever runs it."),
                }
                .fix("Check this machine's clock.")
            }
            Error::CertNotValidYet { not_before, .. } => {
                let (whose, which) = self.of_moment(|facts| facts.not_before, *not_before);
                let starts = which.map_or_else(String::new, |facts| format!(" before {}", date(facts.not_before, now)));
                Failure::new(Code::ServerCertificateNotYetValid, format!("{whose} is not valid{starts}"))
                    .because(format!("It is {}.", title(which)))
                    .fix("Check this machine's clock.")
                    .fix("Else have a certificate installed on the server that is valid now.")
            }
            Error::CertNotValidForName(_) => self.other_name(),
            Error::RequiredEkuNotFoundContext(_) => self.not_for_servers(),
            Error::UnknownIssuer | Error::InvalidSignatureForPublicKey if self.tls.trust.spiffe().is_some() => {
                spiffe::unknown_issuer(self)
            }
            Error::UnknownIssuer => issuer::unknown(self),
            Error::InvalidSignatureForPublicKey => issuer::unknown(self)
                .because("A trusted CA has that name and another key: likely the CA was made anew."),
            // Of one that signed itself these say only how it was made.
            Error::CaUsedAsEndEntity | Error::UnsupportedCertVersion if leaf.is_some_and(|leaf| leaf.self_issued) => {
                issuer::unknown(self)
            }
            Error::CaUsedAsEndEntity => self
                .cannot_be_accepted()
                .because("It is that of a CA, which may sign others.")
                .fix("Tell whoever runs the server to use a certificate for servers."),
            other => self
                .cannot_be_accepted()
                .because(verdict::in_words(other))
                .fix("Have a sound certificate issued to the server.")
                .cause(other),
        }
    }

    fn other_name(&self) -> Failure {
        let leaf = self.chain.first();
        let names = leaf.map(|leaf| first_few(&leaf.names.iter().map(|name| quoted(name)).collect::<Vec<_>>()));
        let names = names.filter(|names| !names.is_empty());
        let what = format!("The certificate of {} is for another name", brief(self.target));
        let failure = Failure::new(Code::ServerNameMismatch, what);
        let nameless = names.is_none();
        let failure = match (names, leaf.and_then(|leaf| leaf.common_name.as_deref())) {
            (Some(names), _) => failure.because(format!("It is for {names}.")),
            (None, Some(common)) => failure.because(format!(
                "It is for no name at all; the common name {} counts only of a certificate that is in `ca` itself.",
                quoted(common)
            )),
            (None, None) => failure.because("It is for no name at all."),
        };
        // Whoever believes a name because it was presented believes anybody.
        match (&self.tls.options.server_name, self.peer) {
            (Some(name), Peer::Server) => {
                let failure = failure.because(format!("`serverName` asks for {}.", quoted(&name.to_string())));
                let failure = if nameless {
                    failure
                } else {
                    failure.fix(
                        "If one of its names is your server's, set `serverName` (--server-name) to that, or remove it.",
                    )
                };
                failure.fix(ASK_FOR_NAME)
            }
            (_, Peer::Proxy) if nameless => {
                failure.fix("Have a certificate with the proxy's name issued to the proxy.")
            }
            (_, Peer::Proxy) => failure
                .fix("If one of its names is your proxy's, write it as the host of the proxy's URL.")
                .fix("Else ask whoever runs the proxy for a certificate with its name."),
            (None, Peer::Server) if nameless => failure.fix(ASK_FOR_NAME),
            (None, Peer::Server) => failure
                .fix("If one of its names is your server's, write it as the host of the URL.")
                .fix("If that name leads elsewhere, set it as `serverName` (--server-name).")
                .fix(ASK_FOR_NAME),
        }
    }

    fn not_for_servers(&self) -> Failure {
        let limited = |facts: &&CertificateFacts| {
            !facts.extended_key_usages.is_empty()
                && !facts.extended_key_usages.iter().any(|usage| usage == "serverAuth")
        };
        // The verifier says only what it wants; all that is presented was on the way.
        let which = self.chain.iter().position(|facts| limited(&facts));
        let usages = which.and_then(|at| self.chain.get(at)).map(|facts| first_few(&facts.extended_key_usages));
        let usages = usages.unwrap_or_else(|| "other uses".to_owned());
        let failure = self.cannot_be_accepted();
        match which.and_then(|at| self.chain.get(at)) {
            Some(ca) if which != Some(0) => failure
                .because(format!("{}, a CA above it, is for {usages} only, not for serverAuth.", quoted(ca.title())))
                .fix("Have a certificate issued to the server by a CA that may sign those of servers."),
            _ => failure
                .because(format!("It is for {usages} only, not for serverAuth."))
                .fix("Have a certificate issued to the server with the extended key usage serverAuth."),
        }
    }

    /// Which certificate the verifier speaks of, when it names only a moment.
    fn of_moment(
        &self,
        moment: impl Fn(&CertificateFacts) -> OffsetDateTime,
        wanted: UnixTime,
    ) -> (String, Option<&CertificateFacts>) {
        let wanted = i64::try_from(wanted.as_secs()).unwrap_or(i64::MAX);
        let at = self.chain.iter().position(|facts| moment(facts).unix_timestamp() == wanted);
        let whose = match at {
            Some(1..) => format!("A CA above the certificate of {}", brief(self.target)),
            _ => format!("The certificate of {}", brief(self.target)),
        };
        (whose, at.and_then(|at| self.chain.get(at)))
    }

    fn cannot_be_accepted(&self) -> Failure {
        let what = format!("The certificate of {} cannot be accepted", brief(self.target));
        Failure::new(Code::ServerCertificateInvalid, what).because(format!("It is {}.", self.subject()))
    }

    fn unfit_root(&self, unfit: &Unfit) -> Failure {
        let now = OffsetDateTime::now_utc();
        let whose = format!("The CA in `ca` that signed the certificate of {}", brief(self.target));
        let of = |what: String| {
            Failure::new(Code::CaInvalid, format!("{whose} {what}"))
                .at(unfit.place.clone())
                .because(format!("It is {}.", quoted(&unfit.title)))
        };
        match unfit.why {
            UnfitFor::Expired(end) => of(format!("expired on {}", date(end, now)))
                .fix("Set `ca` (--ca) to the CA's new certificate, from whoever runs it.")
                .fix("Check this machine's clock."),
            UnfitFor::NotYetValid(start) => of(format!("is not valid before {}", date(start, now)))
                .fix("Check this machine's clock.")
                .fix("Else set `ca` (--ca) to a certificate of the CA that is valid now."),
            UnfitFor::Servers => of("may not sign those of servers".to_owned())
                .because("Its extended key usage has no serverAuth.")
                .fix("Set `ca` (--ca) to the CA for servers."),
            UnfitFor::SoLong(most) => of("has too many CAs below it".to_owned())
                .because(format!("It allows {most} (basicConstraints pathLenConstraint)."))
                .fix("Tell whoever runs the CA, or set `ca` (--ca) to a CA further below."),
        }
    }

    fn not_pinned(&self, path: &[Link]) -> Failure {
        let wanted: Vec<_> = self.tls.trust.pins().iter().map(ToString::to_string).collect();
        let links = path.iter().map(|link| format!("{} {}", quoted(&link.subject), link.pin)).collect::<Vec<_>>();
        Failure::new(Code::PinMismatch, format!("{} has none of the pinned keys", brief(self.target)))
            .because(format!("`pins` wants {}.", wanted.join(" or ")))
            .because(format!("The server's certificate and the CAs above it have {}.", first_few(&links)))
            .because("They are trusted, and for this server: it has a new key, or somebody else has a certificate for its name.")
            .fix("Ask whoever runs the server, by phone, whether its key has changed, and only then set the new pin.")
            .evidence("wanted", wanted)
            .evidence("path", path.iter().map(|link| link.pin.to_string()).collect::<Vec<_>>())
    }

    /// Where the chain above `leaf` ends, by the names of the issuers: a server may send what has nothing to do with it.
    fn end_of_chain<'c>(&'c self, leaf: &'c CertificateFacts) -> &'c CertificateFacts {
        let mut end = leaf;
        // Two CAs may have signed each other.
        for _ in self.chain {
            let above = self.chain.iter().find(|facts| facts.subject_der == end.issuer_der);
            match above.filter(|_| !end.self_issued) {
                Some(above) => end = above,
                None => break,
            }
        }
        end
    }

    fn subject(&self) -> String {
        title(self.chain.first())
    }
}

const ASK_FOR_NAME: &str = "Else ask whoever runs the server for a certificate with the name that you use.";

fn title(facts: Option<&CertificateFacts>) -> String {
    facts.map_or_else(|| "one that cannot be read".to_owned(), |facts| quoted(facts.title()))
}
