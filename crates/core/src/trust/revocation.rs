//! Revocation lists (CRLs; RFC 5280, section 5): what they are read from, and what they refuse.

use std::fmt;

use rustls::pki_types::UnixTime;
use time::OffsetDateTime;
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptions, RevocationOptionsBuilder, RevocationReason, UnknownStatusPolicy,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::{Presented, Refusal, Revoked};
use crate::config::Material;
use crate::error::{Code, Failure, Result, quoted};
use crate::identity::facts::{CertificateFacts, distinguished_name};
use crate::identity::{place, read, wrong_kind};

/// The revocation lists of `crl`; none when it is not set.
#[derive(Default)]
pub(super) struct Revocation {
    lists: Vec<List>,
    place: String,
}

struct List {
    crl: CertRevocationList<'static>,
    issuer: String,
    this_update: OffsetDateTime,
    next_update: Option<OffsetDateTime>,
}

impl Revocation {
    pub(super) fn load(material: Option<&Material>) -> Result<Self> {
        let Some(material) = material else { return Ok(Self::default()) };
        let found = read(material, "revocation list (CRL)")?;
        if found.revocation_lists.is_empty() {
            return Err(wrong_kind(material, "revocation list (CRL)", &found));
        }
        let lists = found.revocation_lists.iter().map(|der| List::read(der, material));
        let mut lists = lists.collect::<Result<Vec<_>>>()?;
        // The first that covers a certificate decides, so of the lists of one CA the newest must be it.
        lists.sort_by_key(|list| std::cmp::Reverse(list.this_update));
        Ok(Self { lists, place: place(material) })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// The lists, as [`Self::options`] wants them.
    pub(super) fn lists(&self) -> Vec<&CertRevocationList<'_>> {
        self.lists.iter().map(|list| &list.crl).collect()
    }

    /// How the verifier shall use the lists; none when there are none. One that is out of date says nothing.
    pub(super) fn options<'a>(
        lists: &'a [&'a CertRevocationList<'a>],
        depth: RevocationCheckDepth,
        unknown: UnknownStatusPolicy,
    ) -> Option<RevocationOptions<'a>> {
        let options = RevocationOptionsBuilder::new(lists).ok()?;
        Some(
            options
                .with_depth(depth)
                .with_status_policy(unknown)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build(),
        )
    }

    /// What the verifier's error means.
    pub(super) fn refusal(&self, error: Error, presented: Presented<'_>) -> Refusal {
        match error {
            Error::CertRevoked => match self.revoked(presented) {
                Some(revoked) => Refusal::Revoked(Box::new(revoked)),
                None => Refusal::Invalid(error),
            },
            Error::UnknownRevocationStatus => {
                let facts = CertificateFacts::parse(presented.leaf);
                Refusal::NotCovered { issuer: facts.map_or_else(|_| String::new(), |facts| facts.issuer) }
            }
            Error::CrlExpired { next_update, .. } => {
                let since = moment(next_update);
                let issuers = issuers(presented);
                let mut lists = self.lists.iter().filter(|list| issuers.iter().any(|name| name == list.crl.issuer()));
                let list = lists.find(|list| list.next_update == since);
                let issuer = list.map_or_else(String::new, |list| list.issuer.clone());
                Refusal::OutOfDate { issuer, since, place: self.place.clone() }
            }
            Error::InvalidCrlSignatureForPublicKey
            | Error::IssuerNotCrlSigner
            | Error::UnsupportedCrlIssuingDistributionPoint
            | Error::UnsupportedRevocationReasonsPartitioning
            | Error::UnsupportedCrlSignatureAlgorithmContext(_)
            | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
                Refusal::UnusableList { error, place: self.place.clone() }
            }
            error => Refusal::Invalid(error),
        }
    }

    /// The certificate that a list names, the leaf before its CAs. The verifier knows, and does not say.
    fn revoked(&self, presented: Presented<'_>) -> Option<Revoked> {
        let mut presented = std::iter::once(presented.leaf).chain(presented.intermediates);
        presented.find_map(|der| {
            let certificate = EndEntityCert::try_from(der).ok()?;
            let of_issuer = |list: &&List| list.crl.issuer() == certificate.issuer();
            self.lists.iter().filter(of_issuer).find_map(|list| {
                let entry = list.crl.find_serial(certificate.serial()).ok().flatten()?;
                let facts = CertificateFacts::parse(der).ok()?;
                Some(Revoked {
                    title: facts.title().to_owned(),
                    issuer: facts.issuer,
                    serial: facts.serial,
                    since: moment(entry.revocation_date),
                    reason: entry.reason_code.map(in_words),
                    place: self.place.clone(),
                })
            })
        })
    }
}

impl List {
    fn read(der: &[u8], material: &Material) -> Result<Self> {
        let failure = || {
            Failure::new(Code::CrlInvalid, "A revocation list (CRL) cannot be used")
                .at(place(material))
                .at(material.origin.to_string())
        };
        let Ok((&[], facts)) = CertificateRevocationList::from_der(der) else {
            return Err(failure()
                .because("It is damaged: its contents are not a list as RFC 5280 has it.")
                .fix("Copy it again from where it came from."));
        };
        let issuer = distinguished_name(facts.issuer().as_raw());
        let crl = OwnedCertRevocationList::from_der(der).map_err(|error| {
            let failure = failure().because(format!("It is of {}.", quoted(&issuer)));
            match error {
                // The library finds something else to say of it first.
                _ if facts.version().is_none() => failure
                    .because("It is of version 1; RFC 5280 wants version 2, with a number.")
                    .fix("Have it made anew; for `openssl ca -gencrl` set `crlnumber` and `crl_extensions`."),
                Error::UnsupportedDeltaCrl => {
                    failure.because("It is a delta, which says only what changed.").fix("Name the whole list.")
                }
                Error::UnsupportedIndirectCrl => failure
                    .because("It is indirect: it speaks for other CAs than the one that signed it.")
                    .fix("Name the list of the CA itself."),
                error => failure.because(format!("The verifier says: {error}.")),
            }
        })?;
        Ok(Self {
            crl: crl.into(),
            issuer,
            this_update: facts.last_update().to_datetime(),
            next_update: facts.next_update().map(|time| time.to_datetime()),
        })
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lists.iter().map(|list| &list.issuer)).finish()
    }
}

/// The issuers of all that is presented, as the lists name theirs.
fn issuers(presented: Presented<'_>) -> Vec<Vec<u8>> {
    let certificates = std::iter::once(presented.leaf).chain(presented.intermediates);
    certificates.filter_map(|der| Some(EndEntityCert::try_from(der).ok()?.issuer().to_vec())).collect()
}

fn moment(time: UnixTime) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(time.as_secs()).ok()?).ok()
}

/// The names of RFC 5280, section 5.3.1.
fn in_words(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::Unspecified => "unspecified",
        RevocationReason::KeyCompromise => "keyCompromise",
        RevocationReason::CaCompromise => "cACompromise",
        RevocationReason::AffiliationChanged => "affiliationChanged",
        RevocationReason::Superseded => "superseded",
        RevocationReason::CessationOfOperation => "cessationOfOperation",
        RevocationReason::CertificateHold => "certificateHold",
        RevocationReason::RemoveFromCrl => "removeFromCRL",
        RevocationReason::PrivilegeWithdrawn => "privilegeWithdrawn",
        RevocationReason::AaCompromise => "aACompromise",
    }
}
