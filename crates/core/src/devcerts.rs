//! A development CA: makes certificates for servers and clients, and puts them into files.
//!
//! It is for machines where the person who makes the certificates is the one who believes in them.
//! A company's CA keeps its key elsewhere.
//!
//! ```
//! use mcp_mtls_core::devcerts::{Authority, KeyKind};
//!
//! let ca = Authority::new("Example CA", 30, KeyKind::P256)?;
//! let server = ca.server(&["localhost", "127.0.0.1"], 30, KeyKind::P256)?;
//! let alice = ca.client("alice", 30, KeyKind::P256)?;
//! assert_eq!(server.facts().names, ["localhost", "127.0.0.1"]);
//! assert_eq!(alice.facts().issuer, ca.minted().facts().subject);
//! # Ok::<(), mcp_mtls_core::error::Failure>(())
//! ```

mod folder;
mod key_kind;
mod name;

pub use folder::{Written, write};
pub use key_kind::KeyKind;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use crate::error::{Code, Failure, Result};
use crate::identity::facts::CertificateFacts;
use crate::secret::Secret;

/// A CA with its key: whoever holds it can make certificates that its believers accept.
pub struct Authority {
    minted: Minted,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that was made here, with its key.
#[derive(Debug)]
pub struct Minted {
    certificate_pem: String,
    key_pem: Secret,
    facts: CertificateFacts,
    file_stem: String,
    shortened: bool,
}

impl Authority {
    /// Makes a CA that is valid for so many days.
    ///
    /// # Errors
    /// `usage-invalid` for a name that no certificate can hold, `key-unsupported`.
    pub fn new(name: &str, days: u16, kind: KeyKind) -> Result<Self> {
        let mut params = params(&name::common_name(name)?)?;
        params.not_after = end(days);
        // A leaf signed by a leaf, or a CA below this one, is a mistake in a development setup.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = kind.generate()?;
        let certificate = params.self_signed(&key).map_err(|error| not_made(&error))?;
        let minted = Minted::new(&certificate, &key, CA_STEM.to_owned())?;
        Ok(Self { minted, issuer: Issuer::new(params, key) })
    }

    /// A name for a CA that no other has. Two CAs of one name look like one whose signatures are
    /// wrong, and then every message about them misleads.
    ///
    /// # Errors
    /// `key-unsupported` when the system gives no random numbers.
    pub fn fresh_name() -> Result<String> {
        let random = random()?;
        Ok(format!("mcp-mtls development CA {:02x}{:02x}{:02x}", random[0], random[1], random[2]))
    }

    /// The CA's own certificate and key.
    #[must_use]
    pub fn minted(&self) -> &Minted {
        &self.minted
    }

    /// Makes a server certificate for these DNS names and IP addresses.
    ///
    /// # Errors
    /// `usage-invalid` for no name, or one that is neither; `key-unsupported`.
    pub fn server<S: AsRef<str>>(&self, names: &[S], days: u16, kind: KeyKind) -> Result<Minted> {
        let names = name::server_names(names)?;
        let mut params = params(&names.common_name)?;
        params.subject_alt_names = names.alternatives;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, days, kind, names.file_stem)
    }

    /// Makes a client certificate. A mail address or a URI as the name becomes an alternative name, too.
    ///
    /// # Errors
    /// `usage-invalid` for a name that no certificate can hold, `key-unsupported`.
    pub fn client(&self, name: &str, days: u16, kind: KeyKind) -> Result<Minted> {
        let names = name::client_names(name)?;
        let mut params = params(&names.common_name)?;
        params.subject_alt_names = names.alternatives;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, days, kind, names.file_stem)
    }

    fn sign(&self, mut params: CertificateParams, days: u16, kind: KeyKind, file_stem: String) -> Result<Minted> {
        let ca = &self.minted.facts;
        let wanted = end(days);
        params.not_after = wanted.min(ca.not_after);
        // Says that it is no CA, and lets rcgen write the subject key identifier.
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = kind.generate()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| not_made(&error))?;
        let minted = Minted::new(&certificate, &key, file_stem)?;
        // rcgen keeps one value of each kind in a name; a foreign CA may have two OUs, and then the
        // certificate would name an issuer that does not exist.
        if minted.facts.issuer_der != ca.subject_der {
            return Err(Failure::new(Code::MaterialInvalid, "The CA's name cannot be repeated in a certificate")
                .because(format!("Its name is {}.", ca.subject))
                .fix("Make a CA with `mcp-mtls certs ca`."));
        }
        Ok(Minted { shortened: wanted > ca.not_after, ..minted })
    }
}

impl Minted {
    fn new(certificate: &rcgen::Certificate, key: &KeyPair, file_stem: String) -> Result<Self> {
        let facts = CertificateFacts::parse(certificate.der()).map_err(|_| unreadable())?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            key_pem: Secret::new(key.serialize_pem()),
            facts,
            file_stem,
            shortened: false,
        })
    }

    /// The certificate in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The key in PEM (PKCS#8).
    #[must_use]
    pub fn key_pem(&self) -> &Secret {
        &self.key_pem
    }

    /// What the certificate says.
    #[must_use]
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// Whether it is valid for fewer days than asked, because its CA ends before.
    #[must_use]
    pub fn shortened(&self) -> bool {
        self.shortened
    }

    /// What its files are called, without the extension.
    #[must_use]
    pub fn file_stem(&self) -> &str {
        &self.file_stem
    }
}

fn params(common_name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = OffsetDateTime::now_utc() - CLOCK_SKEW;
    params.serial_number = Some(serial()?.into());
    Ok(params)
}

/// RFC 5280, section 4.1.2.2: positive, at most 20 octets; unique because it is random.
fn serial() -> Result<Vec<u8>> {
    let mut serial = random()?.to_vec();
    // Neither negative nor shortened by a leading zero.
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

fn random() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    let filled = crate::identity::provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| {
        Failure::new(Code::SystemFailed, "The system gives no random numbers").fix("Restart this computer.")
    })?;
    Ok(bytes)
}

fn end(days: u16) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(days.into())
}

fn not_made(error: &rcgen::Error) -> Failure {
    Failure::new(Code::KeyUnsupported, "The certificate cannot be made")
        .fix("Use another kind of key, or another name.")
        .cause(error)
}

fn unreadable() -> Failure {
    Failure::new(Code::MaterialInvalid, "The certificate that was made cannot be read back").fix("Choose other names.")
}

const CA_STEM: &str = "ca";

/// A certificate is valid at once, also where the clock is a little behind.
const CLOCK_SKEW: Duration = Duration::minutes(5);

#[cfg(test)]
mod tests;
