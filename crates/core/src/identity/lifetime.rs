//! The end of a certificate: foreseen, and checked of one that is to take the place of another.

use time::{Duration, OffsetDateTime};
use webpki::EndEntityCert;

use super::facts::{CertificateFacts, date};
use super::{Identity, provider};
use crate::error::{Code, Failure, Result, quoted};

impl Identity {
    /// How many of the warnings before its end are due: none, or up to three. They come 14, 3 and
    /// 1 days ahead, and for a short life at a sixth, a 24th and a 72nd of it.
    pub(crate) fn warnings_due(&self, now: OffsetDateTime) -> usize {
        self.facts().warnings_due(now)
    }

    /// The warning itself.
    pub(crate) fn ends_soon(&self, now: OffsetDateTime) -> Failure {
        let end = date(self.facts().not_after, now);
        let what = format!("Your client certificate ({}) is valid until {end} only", self.place());
        Failure::new(Code::CertificateEndsSoon, what)
            .at(self.place())
            .at(self.origin())
            .because(format!("It is {}, issued by {}.", quoted(&self.facts().subject), quoted(&self.facts().issuer)))
            .fix(if self.renews_itself() {
                "Look for why it is not renewed by itself; the warnings before this one say so."
            } else {
                "Renew it; the new files are used as soon as they are there."
            })
            .evidence("certificate", self.facts().fingerprint.clone())
    }

    /// Checks of what shall take the place of another identity that it can be used now: a server
    /// would refuse it else, where it still takes the other. The same certificate once more, with
    /// other files around it, is no worse than it was.
    ///
    /// # Errors
    /// `certificate-expired`, `certificate-not-yet-valid`, `key-unsupported`
    /// for a key that does not sign.
    pub(crate) fn prove(&self, before: Option<&Self>, now: OffsetDateTime) -> Result<()> {
        let told = |failure: Failure| failure.at(self.place()).at(self.origin());
        let facts = self.facts();
        let same = before.is_some_and(|before| before.facts().fingerprint == facts.fingerprint);
        if facts.not_after < now && !same {
            let end = date(facts.not_after, now);
            return Err(told(Failure::new(Code::CertificateExpired, format!("The certificate expired on {end}")))
                .because(format!("It is {}, issued by {}.", quoted(&facts.subject), quoted(&facts.issuer)))
                .fix("Put a certificate there that is valid."));
        }
        if facts.not_before > now && !same {
            let start = date(facts.not_before, now);
            return Err(told(Failure::new(
                Code::CertificateNotYetValid,
                format!("The certificate is valid only from {start}"),
            ))
            .fix("Check this machine's clock."));
        }
        if self.proves_its_key() {
            return Ok(());
        }
        Err(told(Failure::new(Code::KeyUnsupported, "The private key does not sign"))
            .fix("Have a certificate issued for a new key."))
    }

    /// Whether the key makes a signature that the certificate verifies.
    pub(crate) fn proves_its_key(&self) -> bool {
        let algorithms = provider().signature_verification_algorithms;
        let Some(signer) = self.certified().key.choose_scheme(&algorithms.supported_schemes()) else { return false };
        let Ok(signature) = signer.sign(PROBE) else { return false };
        // A certificate of version 1 is one that only the server can read.
        let Some(Ok(certificate)) = self.chain().first().map(EndEntityCert::try_from) else { return true };
        let fitting = algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signer.scheme());
        let mut algorithms = fitting.flat_map(|(_, algorithms)| *algorithms);
        algorithms.any(|algorithm| certificate.verify_signature(*algorithm, PROBE, &signature).is_ok())
    }
}

impl CertificateFacts {
    /// The same of any certificate.
    pub(crate) fn warnings_due(&self, now: OffsetDateTime) -> usize {
        let (starts, ends) = (self.not_before, self.not_after);
        let due = |(days, share): &&(i64, i32)| ends - now <= Duration::days(*days).min((ends - starts) / *share);
        WARNINGS.iter().filter(due).count()
    }
}

/// Days before the end, and the share of the life for which they stand at most.
const WARNINGS: [(i64, i32); 3] = [(14, 6), (3, 24), (1, 72)];

/// Signed to see whether the key signs; the result goes nowhere.
const PROBE: &[u8] = b"mcp-mtls";

#[cfg(test)]
mod tests {
    use mcp_mtls_testkit::pki::{Client, Pki};

    use super::*;
    use crate::config::{Entry, EntrySettings};

    fn load(client: &Client) -> Identity {
        let settings = EntrySettings::new("https://corp.example/").identity(&client.cert_pem, &client.key_pem);
        Identity::load(&Entry::new(settings).resolve().unwrap().tls).unwrap().unwrap()
    }

    /// How many warnings are due so long before the end.
    fn due(identity: &Identity, before: Duration) -> usize {
        identity.warnings_due(identity.facts().not_after - before)
    }

    #[test]
    fn the_end_of_a_long_life_is_foreseen_14_3_and_1_days_ahead() {
        let identity = load(&Pki::new().client_ending_in(Duration::days(100)));
        let hour = Duration::HOUR;
        for (days, warnings) in [(14, 0), (3, 1), (1, 2)] {
            assert_eq!(due(&identity, Duration::days(days) + hour), warnings);
            assert_eq!(due(&identity, Duration::days(days) - hour), warnings + 1);
        }
    }

    #[test]
    fn the_end_of_a_short_life_is_foreseen_in_shares_of_it() {
        // It lives for 50 days and 22, so the first warning is a sixth ahead, 12 days.
        let identity = load(&Pki::new().client_ending_in(Duration::days(22)));
        assert_eq!(due(&identity, Duration::days(13)), 0);
        assert_eq!(due(&identity, Duration::days(11)), 1);
        assert_eq!(due(&identity, Duration::hours(25)), 2);
        assert_eq!(due(&identity, Duration::hours(23)), 3);
    }

    #[test]
    fn what_takes_the_place_of_another_is_valid_now() {
        let pki = Pki::new();
        let now = OffsetDateTime::now_utc();
        assert!(load(&pki.client("alice")).prove(None, now).is_ok());
        assert_eq!(load(&pki.expired_client()).prove(None, now).unwrap_err().code(), Code::CertificateExpired);
        assert_eq!(
            load(&pki.not_yet_valid_client()).prove(None, now).unwrap_err().code(),
            Code::CertificateNotYetValid
        );
    }
}
