//! Revocation lists (CRLs; RFC 5280, section 5): what they are read from, and what they refuse.

use std::fmt;
use std::slice;

use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use time::OffsetDateTime;
use webpki::{
    CertRevocationList, Error, ExpirationPolicy, OwnedCertRevocationList, RevocationCheckDepth, RevocationOptions,
    RevocationOptionsBuilder, RevocationReason, UnknownStatusPolicy,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::num_bigint::BigUint;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::signature::{NotSigned, Signed};
use super::{Refusal, Revoked};
use crate::config::Material;
use crate::error::{Code, Failure, Result, quoted};
use crate::identity::facts::{CertificateFacts, distinguished_name};
use crate::identity::{place, read, wrong_kind};

/// The revocation lists of `crl`; none when it is not set.
#[derive(Default)]
pub(super) struct Revocation {
    /// The newest first.
    lists: Vec<List>,
    place: String,
}

struct List {
    der: Vec<u8>,
    crl: CertRevocationList<'static>,
    issuer: String,
    issuer_der: Vec<u8>,
    age: Age,
    next_update: OffsetDateTime,
}

/// What makes one list newer than another of the same scope (RFC 5280, section 5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Age {
    this_update: OffsetDateTime,
    /// At most 20 octets, with zeros before them.
    number: [u8; 20],
}

/// One certificate of a path, and who signed it.
pub(super) struct Step {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) signer: Signer,
}

/// Who signed a certificate, and so signs the lists that name it.
pub(super) enum Signer {
    /// The next on the path. `signs_lists` is what its key usage says.
    Next { key: SubjectPublicKeyInfoDer<'static>, signs_lists: bool },
    /// Whoever signed a certificate of `ca` at which the path ends, as far as that is known. Lists of
    /// somebody unknown are believed for what they name: they come from the same settings as `ca`.
    BeyondTheEnd(Vec<SubjectPublicKeyInfoDer<'static>>),
}

/// Why a revocation list cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The CA that it names has not signed it.
    Signature(NotSigned),
    /// The CA may not sign lists.
    NotASigner,
    /// It is made only then.
    NotYet(OffsetDateTime),
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
        lists.sort_by_key(|list| std::cmp::Reverse(list.age));
        Ok(Self { lists, place: place(material) })
    }

    /// The issuer of each list, and when the next one is due.
    pub(super) fn lists(&self) -> impl Iterator<Item = (&str, OffsetDateTime)> {
        self.lists.iter().map(|list| (list.issuer.as_str(), list.next_update))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Whether no list names a certificate of this path, the leaf first. Every list is asked that its
    /// CA has signed, whatever part of the certificates it is for: a serial number is there once.
    pub(super) fn check(&self, path: &[Step], now: UnixTime) -> std::result::Result<(), Refusal> {
        let now = moment(now);
        for step in path {
            let Ok((_, certificate)) = X509Certificate::from_der(&step.certificate) else {
                return Err(Refusal::Invalid(Error::BadDer));
            };
            let lists = self.lists_for(&certificate, step, path)?;
            if let Some(list) = lists.iter().find(|list| now.is_none_or(|now| list.age.this_update > now)) {
                return Err(self.unusable(list, Unusable::NotYet(list.age.this_update)));
            }
            let lists = newest(&lists);
            if let Some(revoked) = lists.iter().find_map(|list| self.revoked(list, &step.certificate, &certificate)) {
                return Err(Refusal::Revoked(Box::new(revoked)));
            }
            if let (Some(list), Signer::Next { signs_lists: false, .. }) = (lists.first(), &step.signer) {
                return Err(self.unusable(list, Unusable::NotASigner));
            }
            if let Some(list) = lists.iter().find(|list| now.is_none_or(|now| list.next_update <= now)) {
                return Err(Refusal::OutOfDate {
                    issuer: list.issuer.clone(),
                    since: list.next_update,
                    place: self.place.clone(),
                });
            }
        }
        Ok(())
    }

    /// The lists of the CA that signed this certificate.
    fn lists_for(
        &self,
        certificate: &X509Certificate<'_>,
        step: &Step,
        path: &[Step],
    ) -> std::result::Result<Vec<&List>, Refusal> {
        let named: Vec<_> = self.lists.iter().filter(|list| list.issuer_der == certificate.issuer().as_raw()).collect();
        let (keys, next) = match &step.signer {
            Signer::Next { key, .. } => (slice::from_ref(key), true),
            Signer::BeyondTheEnd(keys) => (keys.as_slice(), false),
        };
        if keys.is_empty() {
            return Ok(named);
        }
        let signed = |list: &List| keys.iter().any(|key| list.signed_by(key).is_ok());
        let fitting: Vec<_> = named.iter().copied().filter(|list| signed(list)).collect();
        // A CA may have had several keys under one name; the lists of the others say nothing here.
        let known = |list: &&List| {
            path.iter().any(|step| matches!(&step.signer, Signer::Next { key, .. } if list.signed_by(key).is_ok()))
        };
        match named.first() {
            Some(list) if next && !named.iter().any(known) => {
                let why = keys.iter().find_map(|key| list.signed_by(key).err()).unwrap_or(NotSigned::OtherKey);
                Err(self.unusable(list, Unusable::Signature(why)))
            }
            _ => Ok(fitting),
        }
    }

    /// The lists of the CA that signed the leaf, as [`options`] wants them.
    pub(super) fn of_leaf(&self, path: &[Step]) -> Vec<&CertRevocationList<'_>> {
        let lists = path.first().and_then(|step| {
            let (_, certificate) = X509Certificate::from_der(&step.certificate).ok()?;
            self.lists_for(&certificate, step, path).ok()
        });
        newest(&lists.unwrap_or_default()).into_iter().map(|list| &list.crl).collect()
    }

    fn unusable(&self, list: &List, why: Unusable) -> Refusal {
        Refusal::UnusableList { issuer: list.issuer.clone(), why, place: self.place.clone() }
    }

    fn revoked(&self, list: &List, der: &[u8], certificate: &X509Certificate<'_>) -> Option<Revoked> {
        // A list that cannot be searched was refused when it was read.
        let entry = list.crl.find_serial(certificate.raw_serial()).ok().flatten()?;
        let facts = CertificateFacts::parse(der).ok()?;
        Some(Revoked {
            title: facts.title().to_owned(),
            issuer: facts.issuer,
            serial: facts.serial,
            since: moment(entry.revocation_date),
            reason: entry.reason_code.map(in_words),
            place: self.place.clone(),
        })
    }
}

/// Without those of which a newer one is there for the same part of the certificates.
fn newest<'a>(lists: &[&'a List]) -> Vec<&'a List> {
    let scope = |list: &List| list.crl.issuing_distribution_point().map(<[u8]>::to_vec);
    let older = |list: &&List| lists.iter().any(|other| other.age > list.age && scope(other) == scope(list));
    lists.iter().copied().filter(|list| !older(list)).collect()
}

/// How the verifier shall look for a list that covers the leaf.
pub(super) fn options<'a>(lists: &'a [&'a CertRevocationList<'a>]) -> Option<RevocationOptions<'a>> {
    let options = RevocationOptionsBuilder::new(lists).ok()?;
    Some(
        options
            .with_depth(RevocationCheckDepth::EndEntity)
            .with_status_policy(UnknownStatusPolicy::Deny)
            .with_expiration_policy(ExpirationPolicy::Enforce)
            .build(),
    )
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
                _ if facts.next_update().is_none() => no_end(failure),
                Error::UnsupportedDeltaCrl => {
                    failure.because("It is a delta, which says only what changed.").fix("Name the whole list.")
                }
                Error::UnsupportedIndirectCrl => failure
                    .because("It is indirect: it speaks for other CAs than the one that signed it.")
                    .fix("Name the list of the CA itself."),
                Error::UnsupportedCrlIssuingDistributionPoint | Error::UnsupportedRevocationReasonsPartitioning => {
                    failure
                        .because("It is for a part of the certificates, named in a way that is not known here.")
                        .fix("Name the CA's whole list.")
                }
                Error::UnsupportedCriticalExtension => failure
                    .because("It has a critical extension that is not known here.")
                    .fix("Have it made without that extension."),
                error => failure
                    .because("It breaks a rule of RFC 5280 that the verifier holds it to.")
                    .fix("Have it made anew by whoever runs the CA.")
                    .cause(error),
            }
        })?;
        let Some(next_update) = facts.next_update() else {
            return Err(no_end(failure().because(format!("It is of {}.", quoted(&issuer)))));
        };
        let mut number = [0; 20];
        let digits = facts.crl_number().map(BigUint::to_bytes_be).unwrap_or_default();
        for (to, from) in number.iter_mut().rev().zip(digits.iter().rev()) {
            *to = *from;
        }
        Ok(Self {
            der: der.to_vec(),
            crl: crl.into(),
            issuer,
            issuer_der: facts.issuer().as_raw().to_vec(),
            age: Age { this_update: facts.last_update().to_datetime(), number },
            next_update: next_update.to_datetime(),
        })
    }

    fn signed_by(&self, key: &SubjectPublicKeyInfoDer<'_>) -> std::result::Result<(), NotSigned> {
        Signed::read(&self.der).ok_or(NotSigned::UnknownAlgorithm)?.verify(key)
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lists.iter().map(|list| &list.issuer)).finish()
    }
}

fn no_end(failure: Failure) -> Failure {
    failure
        .because("It does not say until when it counts (nextUpdate), which RFC 5280 wants.")
        .fix("Have it made anew; for `openssl ca -gencrl` set `default_crl_days`.")
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
