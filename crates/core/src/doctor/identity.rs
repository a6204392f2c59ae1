//! Who we are: what the client certificate says of itself, and how long that holds.

use std::time::Instant;

use time::OffsetDateTime;

use super::report::{Broken, Stage, Step};
use super::{Time, certificate};
use crate::config::{Content, Endpoint, Material, Tls};
use crate::error::{Code, Failure, brief, quoted};
use crate::http::Beginning;
use crate::identity::Identity;
use crate::identity::facts::{CertificateFacts, date};

/// Loads the identity as a connection does.
pub(super) async fn examine(endpoint: &Endpoint, time: Time, step: &mut Step) -> Result<Beginning, Broken> {
    let began = Instant::now();
    let settings = endpoint.tls.clone();
    let loaded = time
        .load("Certificate and key", move || {
            let beginning = Beginning::load(&settings)?;
            // A token has signed when it was loaded, and whoever has to touch it is not asked twice.
            if let Some(identity) = beginning.identity().filter(|identity| !identity.signs_slowly()) {
                identity.prove(Some(identity), OffsetDateTime::now_utc())?;
            }
            Ok(beginning)
        })
        .await;
    let beginning = loaded.map_err(|failure| Broken(Stage::Identity, failure))?;
    match beginning.identity() {
        Some(identity) => {
            tell(identity, source(&endpoint.tls, identity), step);
            let now = OffsetDateTime::now_utc();
            step.warnings.extend(ending(identity, now));
            step.warnings.extend(not_for_clients(identity));
            let chain: Vec<_> = identity.chain().iter().filter_map(|der| CertificateFacts::parse(der).ok()).collect();
            let weak = chain.iter().filter_map(certificate::weak);
            step.warnings.extend(weak.map(|weak| weak.at(identity.place()).at(identity.origin())));
            step.warnings.extend(disordered(identity));
            step.warnings.extend_from_slice(identity.warnings());
            step.notes.extend_from_slice(identity.notes());
            step.passed(Some(began.elapsed()));
        }
        None => step.unused("no client certificate is set"),
    }
    Ok(beginning)
}

fn tell(identity: &Identity, source: &'static str, step: &mut Step) {
    let (facts, now) = (identity.facts(), OffsetDateTime::now_utc());
    step.tell("certificate", certificate::value(facts), certificate::title(facts, now));
    step.tell("issuer", facts.issuer.as_str(), certificate::background(facts));
    if let Some(id) = identity.spiffe_id() {
        step.tell("spiffeId", id.as_str(), id.as_str());
    }
    let beside = match identity.chain().len() - 1 {
        0 => String::new(),
        1 => " and one CA certificate".to_owned(),
        more => format!(" and {more} CA certificates"),
    };
    step.tell("place", identity.place(), format!("from {}, with its key{beside}", identity.place()));
    step.know("origin", identity.origin());
    step.know("source", source);
    // Proved by a signature; what has another key, or none, is not loaded.
    step.know("keyMatches", true);
    let rest = identity.chain().iter().skip(1).filter_map(|der| CertificateFacts::parse(der).ok());
    step.know("chain", rest.map(|facts| certificate::value(&facts)).collect::<Vec<_>>());
    if let Some(at) = identity.renew_at() {
        step.tell("renewAt", certificate::moment(at), format!("made anew from {}", date(at, now)));
    }
}

/// The kind of source that it comes from.
fn source(settings: &Tls, identity: &Identity) -> &'static str {
    if settings.spiffe.is_some() {
        return "spiffe";
    }
    if settings.exec.is_some() {
        return "exec";
    }
    let all = [&settings.key, &settings.cert];
    if all.into_iter().flatten().any(|material| matches!(material.content, Content::Token(_))) {
        return "token";
    }
    match &settings.cert {
        _ if identity.is_pkcs12() => "pkcs12",
        Some(Material { content: Content::Text(_), .. }) => "text",
        _ => "file",
    }
}

/// The warning of its end, or that it cannot be used now.
fn ending(identity: &Identity, now: OffsetDateTime) -> Option<Failure> {
    let facts = identity.facts();
    if facts.not_after < now {
        let what = format!("Your client certificate expired on {}", date(facts.not_after, now));
        return Some(
            Failure::new(Code::CertificateExpired, what)
                .at(identity.place())
                .at(identity.origin())
                .because("Most servers refuse it.")
                .fix("Renew it; the new files are used as soon as they are there."),
        );
    }
    if facts.not_before > now {
        let what = format!("Your client certificate is valid only from {}", date(facts.not_before, now));
        return Some(
            Failure::new(Code::CertificateNotYetValid, what)
                .at(identity.place())
                .at(identity.origin())
                .because("Most servers refuse it until then.")
                .fix("Check this machine's clock."),
        );
    }
    // One that its source renews ends soon all the time.
    (!identity.renews_itself() && identity.warnings_due(now) > 0).then(|| identity.ends_soon(now))
}

fn not_for_clients(identity: &Identity) -> Option<Failure> {
    let usages = &identity.facts().extended_key_usages;
    let fits = usages.is_empty() || usages.iter().any(|usage| usage == "clientAuth" || usage == "any");
    (!fits).then(|| {
        Failure::new(Code::CertificateNotForClients, "Your client certificate is not for clients")
            .at(identity.place())
            .at(identity.origin())
            .because(format!("Its extended key usage is {} alone; most servers refuse it.", usages.join(", ")))
            .fix("Have a certificate issued with the extended key usage clientAuth.")
    })
}

/// The warning of a file that other programs would present as it is: not its certificate first, or not
/// each behind the one that it signed (RFC 8446, section 4.4.2), or with others in it.
fn disordered(identity: &Identity) -> Option<Failure> {
    let written = identity.written();
    let mut issuer = None;
    let strange = written.iter().find(|facts| {
        let fits = match &issuer {
            None => facts.fingerprint == identity.facts().fingerprint,
            Some(issuer) => facts.subject_der == *issuer,
        };
        issuer = Some(facts.issuer_der.clone());
        !fits
    })?;
    let title = quoted(strange.title());
    let told = |what| Failure::new(Code::ChainDisordered, what).at(identity.place()).at(identity.origin());
    let here = "here before they are presented; other programs present them as they are.";
    Some(if strange.fingerprint == identity.facts().fingerprint || belongs(strange, written) {
        told("The certificates in the file of the client certificate are in another order than that of TLS".to_owned())
            .because(format!("{title} is not where the issuer of the certificate before it would be."))
            .because(format!("They are put in order {here}"))
            .fix("Write the client certificate first, then the CA that signed it, then the CA of that.")
    } else {
        told(format!("The file of the client certificate holds {title}, which does not belong to it"))
            .because("It is neither the certificate of the key nor the issuer of one in the file.")
            .because(format!("They are sorted {here}"))
            .fix(format!("Remove {} from the file.", brief(&title)))
    })
}

/// Whether it signed another of them, going by the names.
fn belongs(one: &CertificateFacts, all: &[CertificateFacts]) -> bool {
    all.iter().any(|other| other.fingerprint != one.fingerprint && other.issuer_der == one.subject_der)
}
