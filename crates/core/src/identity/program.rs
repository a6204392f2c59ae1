//! The source of short-lived identities: a program that prints a certificate and its key.

use std::io::ErrorKind;
use std::sync::Arc;

use rustls::sign::SigningKey;
use serde::Deserialize;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::Identity;
use super::facts::{CertificateFacts, date};
use super::files::{facts, of_kind, ordered};
use super::key::PrivateKey;
use super::pem::{self, Pem, PemProblem};
use crate::config::{Program, ProgramProblem};
use crate::error::{Code, Failure, Result, quoted};
use crate::secret::Secret;

/// Runs the program and proves that what it prints belongs together.
pub(super) fn load(program: &Program) -> Result<Identity> {
    let printed = program.run().map_err(|problem| not_run(program, &problem))?;
    let Printed { pem, until, token } = read(printed.expose()).map_err(|unusable| unusable.told(program))?;
    let chain = facts(&pem.certificates);
    let now = OffsetDateTime::now_utc();
    let Some((leaf, key)) = own_key(program, &pem, &chain)? else { return Err(mismatch(program, &chain)) };
    let end = chain[leaf].1.not_after;
    if end <= now {
        let why = format!("The certificate {} expired on {}.", quoted(chain[leaf].1.title()), date(end, now));
        return Err(Unusable::new(why).told(program));
    }
    if let Some(until) = until.filter(|until| *until <= now) {
        let why = format!("Its `status.expirationTimestamp` is past: {}.", date(until, now));
        return Err(Unusable::new(why).told(program));
    }
    let mut identity = Identity::new(
        ordered(chain, leaf),
        key,
        format!("the output of {}", program.told()),
        program.origin.to_string(),
    );
    identity.renew_at = Some(renew_at(now, until.map_or(end, |until| until.min(end))));
    if token {
        identity.notes.push(format!("{}: the token that the program prints is not used", program.origin));
    }
    Ok(identity)
}

/// When to ask for the next identity: a tenth of the time that is left before the end, at least 10 s
/// and at most 5 minutes before it; and never sooner than in 10 s, whatever the program prints.
fn renew_at(now: OffsetDateTime, end: OffsetDateTime) -> OffsetDateTime {
    let margin = ((end - now) / 10_i32).clamp(SHORTEST, LONGEST);
    (end - margin).max(now + SHORTEST)
}

const SHORTEST: Duration = Duration::seconds(10);
const LONGEST: Duration = Duration::minutes(5);

/// What a program printed.
struct Printed {
    pem: Pem,
    /// When it says that it may not be used any more.
    until: Option<OffsetDateTime>,
    /// Whether it printed a token too.
    token: bool,
}

/// The client authentication API of Kubernetes, as far as it is of certificates.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    kind: Option<String>,
    api_version: Option<String>,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    client_certificate_data: Option<Secret>,
    client_key_data: Option<Secret>,
    expiration_timestamp: Option<String>,
    token: Option<Secret>,
}

fn read(text: &str) -> Result<Printed, Unusable> {
    if text.starts_with('{') {
        return credential(text);
    }
    if !text.contains(BEGIN) {
        return Err(Unusable::new("It is neither PEM (there is no `-----BEGIN` line) nor JSON."));
    }
    let pem = pem::read(text.as_bytes()).map_err(|problem| Unusable::new(problem.sentence()))?;
    Ok(Printed { pem: without_labels(pem), until: None, token: false })
}

fn credential(text: &str) -> Result<Printed, Unusable> {
    // The words of the reader may repeat what stands there.
    let read: ExecCredential = serde_json::from_str(text).map_err(|error| {
        let what = if error.is_data() { "JSON, but not as an ExecCredential is made" } else { "no whole JSON" };
        Unusable::new(format!("It is {what}: line {}, column {}.", error.line(), error.column()))
    })?;
    match read.kind.as_deref() {
        Some("ExecCredential") => {}
        // Not repeated, here and below: nobody knows what a program prints where it should not.
        Some(_) => return Err(Unusable::other_json("It is JSON whose `kind` is not `ExecCredential`.")),
        None => return Err(Unusable::other_json("It is JSON without `kind`.")),
    }
    match read.api_version.as_deref() {
        Some("client.authentication.k8s.io/v1" | "client.authentication.k8s.io/v1beta1") => {}
        other => {
            let what = if other.is_some() { "is another one" } else { "is not there" };
            return Err(Unusable::new(format!(
                "The `apiVersion` of its ExecCredential {what}; known are client.authentication.k8s.io/v1 and v1beta1."
            )));
        }
    }
    let Some(status) = read.status else { return Err(Unusable::new("Its ExecCredential has no `status`.")) };
    let token = status.token.is_some();
    let (certificate, key) = match (status.client_certificate_data, status.client_key_data) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) if token => {
            return Err(Unusable::new("Its ExecCredential holds a token alone, and no certificate.").fix(
                "A token is sent as a header: write \"Authorization\": \"Bearer {command:PROGRAM ARGUMENTS}\" in `headers`.",
            ));
        }
        (None, _) => return Err(Unusable::new("Its ExecCredential has no `status.clientCertificateData`.")),
        (_, None) => return Err(Unusable::new("Its ExecCredential has no `status.clientKeyData`.")),
    };
    let mut both = Pem::default();
    for (name, text) in [("clientCertificateData", &certificate), ("clientKeyData", &key)] {
        let pem = if text.expose().contains(BEGIN) {
            pem::read(text.expose().as_bytes())
        } else {
            Err(PemProblem::Unrecognized)
        };
        let pem = pem.map_err(|problem| match problem {
            PemProblem::Empty | PemProblem::Unrecognized => Unusable::new(format!("Its `status.{name}` is not PEM.")),
            _ => Unusable::new(problem.sentence()),
        })?;
        both.certificates.extend(pem.certificates);
        both.keys.extend(pem.keys);
        both.encrypted_keys.extend(pem.encrypted_keys);
        both.others.extend(pem.others);
    }
    let until = status.expiration_timestamp.as_deref().map(|written| {
        OffsetDateTime::parse(written, &Rfc3339).map_err(|_| {
            Unusable::new("Its `status.expirationTimestamp` is no time of RFC 3339, such as 2030-01-31T12:00:00Z.")
        })
    });
    Ok(Printed { pem: without_labels(both), until: until.transpose()?, token })
}

/// The same without the labels of blocks that are not wanted, which may be anything.
fn without_labels(mut pem: Pem) -> Pem {
    if !pem.others.is_empty() {
        pem.others = vec!["something else".to_owned()];
    }
    pem
}

/// The key of one of the certificates, and the place of that in the chain; none when no key is.
fn own_key(program: &Program, pem: &Pem, chain: &Chain) -> Result<Option<(usize, Arc<dyn SigningKey>)>> {
    let lacks = |what: &str| Unusable::new(format!("There is no {what} in it, but {}.", pem.in_words())).told(program);
    if chain.is_empty() {
        return Err(lacks("certificate"));
    }
    if pem.keys.is_empty() && !pem.encrypted_keys.is_empty() {
        return Err(failure(
            Code::KeyEncrypted,
            "The private key that the program of `exec` prints is encrypted",
            program,
        )
        .because("There is no passphrase for what a program prints.")
        .fix("Have the program print the key unencrypted; it goes through a pipe, and to no disk."));
    }
    if pem.keys.is_empty() {
        return Err(lacks("private key"));
    }
    let keys: Vec<_> = pem.keys.iter().filter_map(PrivateKey::signing_key).collect();
    if keys.is_empty() {
        let failure = failure(Code::KeyUnsupported, "The private key is of a kind that cannot be used", program);
        return Err(of_kind(failure, chain));
    }
    Ok(keys.into_iter().find_map(|key| {
        let public = key.public_key()?;
        let leaf = chain.iter().position(|(_, facts)| facts.public_key_der == *public)?;
        Some((leaf, key))
    }))
}

fn mismatch(program: &Program, chain: &Chain) -> Failure {
    let subject = chain.first().map_or("", |(_, facts)| facts.title());
    failure(Code::KeyMismatch, "The private key belongs to another certificate", program)
        .because(format!(
            "The program prints the certificate {}, whose public key is not that of the key.",
            quoted(subject)
        ))
        .fix("Have it print the key that the certificate was requested with.")
}

fn not_run(program: &Program, problem: &ProgramProblem) -> Failure {
    let failure = |code, what: &str| failure(code, what, program);
    match problem {
        ProgramProblem::NotStarted(error) => {
            let failure = failure(Code::ExecFailed, "The program of `exec` cannot be started");
            let named = program.path.components().count() == 1;
            match error.kind() {
                ErrorKind::NotFound if named => failure
                    .because("There is no program of this name in PATH; some hosts clear it.")
                    .fix("Write its absolute path."),
                ErrorKind::NotFound if program.path.exists() => {
                    failure.because("The interpreter that its first line names does not exist.")
                }
                ErrorKind::NotFound => failure.because(problem.sentence()).fix("Correct the path."),
                ErrorKind::PermissionDenied => failure
                    .because("It is not executable, or lies in a folder that is closed.")
                    .fix("Make it executable: chmod +x."),
                _ => failure.because(problem.sentence()),
            }
        }
        ProgramProblem::Failed(_, words) => {
            let failed = failure(Code::ExecFailed, "The program of `exec` failed").because(problem.sentence());
            let failed = match words {
                Some(words) => failed.because(format!("The last line that it wrote on stderr: {words}.")),
                None => failed.because("It wrote nothing on stderr."),
            };
            failed.fix("Run it in a terminal to see all that it says.")
        }
        ProgramProblem::TooSlow => failure(Code::ExecFailed, "The program of `exec` failed")
            .because(problem.sentence())
            .fix("Nobody can answer what it may ask: its stdin is closed."),
        ProgramProblem::TooMuch | ProgramProblem::NotText | ProgramProblem::Nothing => {
            Unusable::new(problem.sentence()).told(program)
        }
    }
}

fn failure(code: Code, what: &str, program: &Program) -> Failure {
    Failure::new(code, what).at(program.told()).at(program.origin.to_string())
}

type Chain = [(Vec<u8>, CertificateFacts)];

const BEGIN: &str = "-----BEGIN ";

/// What was printed and cannot be used.
struct Unusable {
    why: String,
    fix: Option<&'static str>,
}

impl Unusable {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), fix: None }
    }

    fn other_json(why: &str) -> Self {
        Self::new(why).fix(
            "Have the program print the certificate and the key as PEM; `jq -r` takes them out of what other programs print.",
        )
    }

    fn fix(self, fix: &'static str) -> Self {
        Self { fix: Some(fix), ..self }
    }

    fn told(self, program: &Program) -> Failure {
        let failure = failure(Code::ExecOutputInvalid, "What the program of `exec` prints cannot be used", program)
            .because(self.why);
        match self.fix {
            Some(fix) => failure.fix(fix),
            None => failure.fix("Run it in a terminal to see what it prints."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_identity_is_asked_for_in_good_time_and_never_in_a_loop() {
        let now = OffsetDateTime::now_utc();
        for (left, after) in [
            (Duration::days(90), Duration::days(90) - Duration::minutes(5)),
            (Duration::hours(1), Duration::minutes(55)),
            (Duration::minutes(10), Duration::minutes(9)),
            (Duration::minutes(1), Duration::seconds(50)),
            (Duration::seconds(15), Duration::seconds(10)),
            (Duration::seconds(1), Duration::seconds(10)),
        ] {
            assert_eq!(renew_at(now, now + left) - now, after, "{left}");
        }
    }
}
