//! Explains why a server is not believed, from what it presented and what is asked of it.

mod spiffe;

use rustls::CertificateError;
use time::OffsetDateTime;
use webpki::Error;

use super::evidence::Evidence;
use super::explain::TOLD_CAS;
use super::{Peer, Tls};
use crate::error::{Code, Failure, quoted};
use crate::identity::facts::{CertificateFacts, date};
use crate::trust::{Link, Refusal, Revoked};

/// Explains a refusal of ours.
pub(super) fn explain(tls: &Tls, evidence: &Evidence, refusal: &Refusal, peer: Peer) -> Failure {
    let chain: Vec<_> = evidence.server_chain.iter().filter_map(|der| CertificateFacts::parse(der).ok()).collect();
    let failure = Untrusted { tls, target: &evidence.target, chain: &chain, peer }.explain(refusal);
    match chain.first() {
        Some(leaf) => failure.evidence("server_certificate", leaf.fingerprint.clone()),
        None => failure,
    }
}

/// The certificate was believed, and the handshake is not signed by its key.
pub(super) fn unproved(evidence: &Evidence, error: &CertificateError) -> Failure {
    let what = format!("{} does not prove that it has the key of its certificate", evidence.target);
    Failure::new(Code::ServerCertificateInvalid, what).because(format!("The TLS library says: {error}."))
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
            Refusal::Revoked(revoked) => self.revoked(revoked),
            Refusal::NotCovered { issuer } => Failure::new(
                Code::RevocationUnknown,
                format!("Nothing says whether the certificate of {} is revoked", self.target),
            )
            .because(format!("`crl` is set, and has no list of its issuer, {}.", quoted(issuer)))
            .fix("Add the revocation list of that CA to the file that `crl` names.")
            .evidence("issuer", issuer.clone()),
            Refusal::OwnIssuer => Failure::new(
                Code::RevocationUnknown,
                format!("No revocation list can cover the certificate of {}", self.target),
            )
            .because(format!("It is {}, signed by itself, and believed because `ca` holds it.", self.subject()))
            .fix("Remove `crl`; to revoke the certificate, remove it from `ca`."),
            Refusal::OutOfDate { issuer, since, place } => {
                let now = OffsetDateTime::now_utc();
                let since = since.map_or_else(String::new, |since| format!(" on {}", date(since, now)));
                Failure::new(Code::CrlStale, format!("The revocation list for {} is out of date", self.target))
                    .at(place.clone())
                    .because(format!("The list of {} was to be replaced{since}.", quoted(issuer)))
                    .fix("Fetch the list of that CA anew.")
                    .fix("Check this machine's clock.")
                    .evidence("issuer", issuer.clone())
            }
            Refusal::UnusableList { error, place } => {
                Failure::new(Code::CrlInvalid, format!("The revocation list for {} cannot be used", self.target))
                    .at(place.clone())
                    .because(match error {
                        Error::InvalidCrlSignatureForPublicKey => {
                            "Its signature is not by the key of the CA that it names.".to_owned()
                        }
                        Error::IssuerNotCrlSigner => {
                            "The CA that signed it may not sign such lists (key usage cRLSign).".to_owned()
                        }
                        error => format!("The verifier says: {error}."),
                    })
                    .fix("Fetch the list anew, from the CA that issued the server's certificate.")
            }
            Refusal::NotPinned(path) => self.not_pinned(path),
            Refusal::NotTheServer(why) => spiffe::not_the_server(self, why),
        }
    }

    fn invalid(&self, error: &Error) -> Failure {
        let now = OffsetDateTime::now_utc();
        let leaf = self.chain.first();
        match error {
            Error::CertExpired { .. } => {
                let ended = leaf.map_or_else(String::new, |leaf| format!(" on {}", date(leaf.not_after, now)));
                let what = format!("The certificate of {} expired{ended}", self.target);
                Failure::new(Code::ServerCertificateExpired, what)
                    .because(format!("It is {}.", self.subject()))
                    .fix("Tell whoever runs the server to renew its certificate.")
                    .fix("Check this machine's clock.")
            }
            Error::CertNotValidYet { .. } => {
                let starts = leaf.map_or_else(String::new, |leaf| format!(" before {}", date(leaf.not_before, now)));
                let what = format!("The certificate of {} is not valid{starts}", self.target);
                Failure::new(Code::ServerCertificateNotYetValid, what)
                    .because(format!("It is {}.", self.subject()))
                    .fix("Check this machine's clock.")
            }
            Error::CertNotValidForName(_) => self.other_name(),
            Error::RequiredEkuNotFoundContext(_) => self.not_for_servers(),
            Error::UnknownIssuer | Error::InvalidSignatureForPublicKey if self.tls.trust.spiffe().is_some() => {
                spiffe::unknown_issuer(self)
            }
            Error::UnknownIssuer => self.unknown_issuer(),
            Error::InvalidSignatureForPublicKey => self
                .unknown_issuer()
                .because("A trusted CA has that name and another key: likely the CA was made anew."),
            // Of one that signed itself these say only how it was made.
            Error::CaUsedAsEndEntity | Error::UnsupportedCertVersion if leaf.is_some_and(|leaf| leaf.self_issued) => {
                self.unknown_issuer()
            }
            Error::CaUsedAsEndEntity => self
                .cannot_be_accepted()
                .because("It is that of a CA, which may sign others.")
                .fix("Tell whoever runs the server to use a certificate for servers."),
            other => self.cannot_be_accepted().because(format!("The verifier says: {other}.")),
        }
    }

    fn other_name(&self) -> Failure {
        let leaf = self.chain.first();
        let names = leaf.map(|leaf| leaf.names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "));
        let names = names.filter(|names| !names.is_empty());
        let what = format!("The certificate of {} is for another name", self.target);
        let failure = Failure::new(Code::ServerNameMismatch, what);
        let failure = match (names, leaf.and_then(|leaf| leaf.common_name.as_deref())) {
            (Some(names), _) => failure.because(format!("It is for {names}.")),
            (None, Some(common)) => failure.because(format!(
                "It is for no name at all; the common name {} counts only of a certificate that is in `ca` itself.",
                quoted(common)
            )),
            (None, None) => failure.because("It is for no name at all."),
        };
        match (&self.tls.options.server_name, self.peer) {
            (Some(name), Peer::Server) => failure
                .because(format!("`serverName` asks for {}.", quoted(&name.to_string())))
                .fix("Set `serverName` (--server-name) to one of its names."),
            (_, Peer::Proxy) => failure.fix("Write one of its names as the host of the proxy's URL."),
            (None, Peer::Server) => failure
                .fix("Write one of its names as the host of the URL.")
                .fix("If that name leads elsewhere, set it as `serverName` (--server-name)."),
        }
    }

    fn not_for_servers(&self) -> Failure {
        let usages = self.chain.first().map_or_else(String::new, |leaf| leaf.extended_key_usages.join(", "));
        self.cannot_be_accepted()
            .because(format!("It is for {usages} only, not for serverAuth."))
            .fix("Have a certificate issued to the server with the extended key usage serverAuth.")
    }

    fn cannot_be_accepted(&self) -> Failure {
        let what = format!("The certificate of {} cannot be accepted", self.target);
        Failure::new(Code::ServerCertificateInvalid, what).because(format!("It is {}.", self.subject()))
    }

    fn revoked(&self, revoked: &Revoked) -> Failure {
        let now = OffsetDateTime::now_utc();
        let leaf =
            self.chain.first().is_some_and(|leaf| leaf.serial == revoked.serial && leaf.issuer == revoked.issuer);
        let whose = if leaf { "The certificate" } else { "A CA above the certificate" };
        let since = revoked.since.map_or_else(String::new, |since| format!(" on {}", date(since, now)));
        let failure = Failure::new(Code::ServerRevoked, format!("{whose} of {} is revoked", self.target))
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

    fn not_pinned(&self, path: &[Link]) -> Failure {
        let wanted: Vec<_> = self.tls.trust.pins().iter().map(ToString::to_string).collect();
        let links = path.iter().map(|link| format!("{} {}", quoted(&link.subject), link.pin)).collect::<Vec<_>>();
        Failure::new(Code::PinMismatch, format!("{} has none of the pinned keys", self.target))
            .because(format!("`pins` wants {}.", wanted.join(" or ")))
            .because(format!("The server's certificate and the CAs above it have {}.", links.join(", ")))
            .because("All else about them is right: the server has a new key, or somebody else has a certificate for its name.")
            .fix("Ask whoever runs the server, by phone, whether its key has changed, and only then set the new pin.")
            .evidence("wanted", wanted)
            .evidence("path", path.iter().map(|link| link.pin.to_string()).collect::<Vec<_>>())
    }

    /// One verdict of the verifier has three causes, which what was presented tells apart.
    fn unknown_issuer(&self) -> Failure {
        let of =
            |what: &str| Failure::new(Code::ServerIssuerUnknown, format!("The certificate of {} {what}", self.target));
        let Some(leaf) = self.chain.first() else { return of("is signed by an unknown CA") };
        let last = self.chain.last().unwrap_or(leaf);
        let issuer = quoted(&last.issuer);
        if leaf.self_issued {
            let failure = of("is signed by itself").because(format!("It is {}.", self.subject()));
            return self.believe_it(self.with_trusted(failure));
        }
        if self.chain.len() > 1 {
            let failure = of("is signed by an unknown CA").because(format!(
                "It is {}, issued by {}, and the chain ends at the issuer {issuer}.",
                self.subject(),
                quoted(&leaf.issuer)
            ));
            return self
                .with_trusted(failure)
                .fix(format!("Set `ca` (--ca) to the certificate of {issuer}."))
                .fix(self.fetch("What it presents of that CA can be saved, to be compared with the owner's"));
        }
        let failure = of("comes alone, without that of its unknown issuer").because(format!(
            "It is {}, and the chain ends at the issuer {issuer}, of which the server presents nothing.",
            self.subject()
        ));
        self.with_trusted(failure)
            .fix(format!("Set `ca` (--ca) to the certificate of {issuer}, or of the root above it."))
            .fix("If `ca` holds that root, tell whoever runs the server to send the intermediate certificates too.")
    }

    /// Says what is trusted instead.
    fn with_trusted(&self, failure: Failure) -> Failure {
        let trust = &self.tls.trust;
        let Some((file, subjects)) = trust.source() else {
            return failure.because("Only the system's roots are trusted, and they do not have it.");
        };
        let names = subjects.iter().take(TOLD_CAS).map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
        let system = if trust.trusts_system() { " The system's roots do not have it either." } else { "" };
        failure.because(format!("`ca` ({file}) holds {names}.{system}"))
    }

    /// The way to a self-signed certificate that is believed.
    fn believe_it(&self, failure: Failure) -> Failure {
        failure
            .fix("Get the certificate from whoever runs the server, and set `ca` (--ca) to it.")
            .fix(self.fetch("What the server presents can be saved, to be compared with the owner's"))
    }

    fn fetch(&self, why: &str) -> String {
        let name = match (&self.tls.options.server_name, self.peer) {
            (Some(name), Peer::Server) => format!(" --server-name {name}"),
            _ => String::new(),
        };
        format!("{why}: mcp-mtls certs fetch {}{name} --out FILE.", self.target)
    }

    fn subject(&self) -> String {
        self.chain.first().map_or_else(String::new, |leaf| quoted(leaf.title()))
    }
}
