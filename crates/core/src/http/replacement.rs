//! The making of the next generation: read, proved, and only then given away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use super::presented::options;
use crate::config::Tls as Settings;
use crate::error::{Code, Failure, Result};
use crate::identity::{Footprint, Identity};
use crate::tls::Tls;
use crate::trust::Trust;

/// What the next generation is made of, and what is known of attempts to make it.
pub(super) struct Replacement {
    settings: Settings,
    /// Of the files that the current generation was made of.
    footprint: Footprint,
    identity: Option<Identity>,
    failed: Option<Failed>,
}

/// What the first generation is made of: the identity, and then the trust.
#[derive(Clone)]
pub(crate) struct Beginning {
    settings: Settings,
    footprint: Footprint,
    identity: Option<Identity>,
}

/// Something new that cannot be used.
struct Failed {
    footprint: Footprint,
    failure: Failure,
    since: Instant,
    /// When it is tried again, if nothing changes before.
    again: Instant,
    pause: Duration,
    told: bool,
}

impl Beginning {
    /// Loads the identity. It is taken as it is: a person who starts with an expired certificate hears
    /// of the server what it says to it. Reads files, so it may block.
    ///
    /// # Errors
    /// Those of [`Identity::load`].
    pub(crate) fn load(settings: &Settings) -> Result<Self> {
        let footprint = Footprint::of(settings);
        let mut loaded = Identity::load(settings);
        for pause in HALF_WRITTEN.iter().filter(|_| !is_whole(settings)) {
            // Whoever restarts us right after a renewal may come between certificate and key.
            if loaded.as_ref().is_err_and(|failure| failure.code() == Code::KeyMismatch) {
                std::thread::sleep(*pause);
                loaded = Identity::load(settings);
            }
        }
        Ok(Self { settings: settings.clone(), footprint, identity: loaded? })
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Loads the trust that goes with it. Reads files, so it may block.
    ///
    /// # Errors
    /// Those of [`Trust::load`].
    pub(crate) fn trust(&self) -> Result<Trust> {
        Trust::load(&self.settings, self.identity.as_ref())
    }
}

impl Replacement {
    /// The first generation.
    pub(super) fn first(beginning: Beginning, trust: Arc<Trust>) -> Result<(Self, Tls)> {
        let Beginning { settings, footprint, identity } = beginning;
        let tls = Tls::new(identity.clone(), trust, options(&settings))?;
        Ok((Self { settings, footprint, identity, failed: None }, tls))
    }

    /// The next one, when a file has changed or the identity is to be renewed.
    pub(super) fn when_changed(&mut self) -> Result<Option<Tls>> {
        let footprint = Footprint::of(&self.settings);
        let now = OffsetDateTime::now_utc();
        if footprint == self.footprint && !self.identity.as_ref().is_some_and(|identity| identity.is_outdated(now)) {
            self.failed = None;
            return Ok(None);
        }
        let now = Instant::now();
        match &self.failed {
            // A source that is listened to costs nothing to ask.
            Some(failed) if failed.footprint == footprint && now < failed.again && self.settings.spiffe.is_none() => {
                Ok(None)
            }
            _ => self.now().map(Some),
        }
    }

    /// The next one after a server has refused the certificate; none when everything is as it was.
    pub(super) fn after_refusal(&mut self) -> Result<Option<Tls>> {
        let (chain, footprint) = (self.chain(), self.footprint.clone());
        let tls = self.now()?;
        Ok((chain != self.chain() || footprint != self.footprint).then_some(tls))
    }

    fn chain(&self) -> Option<Vec<CertificateDer<'static>>> {
        self.identity.as_ref().map(|identity| identity.chain().to_vec())
    }

    /// The next one, whatever the files look like.
    pub(super) fn now(&mut self) -> Result<Tls> {
        let whole = is_whole(&self.settings);
        let mut pauses = HALF_WRITTEN.iter().filter(|_| !whole);
        loop {
            let before = Footprint::of(&self.settings);
            let next = self.make();
            let footprint = Footprint::of(&self.settings);
            match (next, pauses.next()) {
                (Ok((settings, paths, identity, tls)), _)
                    if footprint == before && paths == Footprint::of(&settings) =>
                {
                    let footprint = paths;
                    *self = Self { settings, footprint, identity, failed: None };
                    return Ok(tls);
                }
                // What a program failed to print, or somebody to allow, comes no sooner for being asked again at once.
                (Err(failure), _) if matches!(failure.code(), Code::ReferenceUnresolved | Code::ProjectNotTrusted) => {
                    return Err(self.not_made(footprint, failure));
                }
                // Certificate and key are written one after the other, and neither at once.
                (_, Some(pause)) => std::thread::sleep(*pause),
                (Ok(_), None) => return Err(self.not_made(footprint, still_changing())),
                (Err(failure), None) => return Err(self.not_made(footprint, failure)),
            }
        }
    }

    /// Whether the last attempt did not fail, or what made it fail is gone.
    pub(super) fn is_sound(&self) -> bool {
        self.failed.is_none()
    }

    /// Whether an agent says with it that it has taken identity or trust back, or its last identity
    /// has expired while it was away.
    pub(super) fn is_withdrawn(&self, failure: &Failure) -> bool {
        use Code::{BundleMissing, CrlInvalid, SvidMissing, WorkloadUnavailable};
        let taken_back = matches!(failure.code(), SvidMissing | BundleMissing | CrlInvalid | WorkloadUnavailable);
        taken_back && self.settings.spiffe.is_some()
    }

    /// What is to be told of an attempt that failed: once, and not before whoever writes the files
    /// has had the time to finish.
    pub(super) fn note(&mut self) -> Option<Failure> {
        let failed = self.failed.as_mut().filter(|failed| !failed.told && failed.since.elapsed() >= PATIENCE)?;
        failed.told = true;
        let failure = failed.failure.clone();
        Some(self.kept(&failure))
    }

    /// The failure of the last attempt, told now.
    pub(super) fn told(&mut self, failure: &Failure) -> Failure {
        if let Some(failed) = &mut self.failed {
            failed.told = true;
        }
        self.kept(failure)
    }

    /// A failure of something new that cannot be used.
    fn kept(&self, failure: &Failure) -> Failure {
        let facts = failure.facts();
        let what = if self.is_withdrawn(failure) {
            "The SPIFFE agent has taken back what was in use, and nothing goes out without it"
        } else {
            "The certificate, key or CA there now cannot be used; those from before stay in use"
        };
        // One line is all that stderr has for it.
        let whole = format!("{} ({}). {}", facts.what, facts.place.join(", "), facts.why.join(" "));
        let told = Failure::new(facts.code, what).because(whole.trim_end());
        facts.fix.iter().fold(told, |told, fix| told.fix(fix.as_str()))
    }

    fn make(&self) -> Result<(Settings, Footprint, Option<Identity>, Tls)> {
        // Nothing is read before this: it asks whether it may be.
        let settings = self.settings.renewed()?;
        // A program may name other files than before.
        let paths = Footprint::of(&settings);
        let identity = match &self.identity {
            Some(identity) => identity.renewed(&settings)?,
            None => Identity::load(&settings)?,
        };
        if let Some(identity) = &identity {
            identity.prove(self.identity.as_ref(), OffsetDateTime::now_utc())?;
        }
        let trust = Trust::load(&settings, identity.as_ref())?;
        let tls = Tls::new(identity.clone(), Arc::new(trust), options(&settings))?;
        Ok((settings, paths, identity, tls))
    }

    fn not_made(&mut self, footprint: Footprint, failure: Failure) -> Failure {
        let now = Instant::now();
        let failed = self.failed.take().filter(|failed| failed.footprint == footprint);
        let first = if self.settings.exec.is_some() { PAUSE_OF_PROGRAMS } else { PAUSE };
        let pause = failed.as_ref().map_or(first, |failed| (failed.pause * 2).min(LONGEST_PAUSE));
        let (since, told) = failed.map_or((now, false), |failed| (failed.since, failed.told));
        self.failed = Some(Failed { footprint, failure: failure.clone(), since, again: now + pause, pause, told });
        failure
    }
}

/// What a program prints, and what an agent gives, is whole.
fn is_whole(settings: &Settings) -> bool {
    settings.exec.is_some() || settings.spiffe.is_some()
}

fn still_changing() -> Failure {
    Failure::new(Code::MaterialInvalid, "The files of certificate and key change all the time")
        .because("They were different each time they had been read.")
        .fix("Look for what writes them; they are tried again by themselves.")
}

/// How long it is waited for the rest when what is there does not fit together.
const HALF_WRITTEN: [Duration; 3] = [Duration::from_millis(20), Duration::from_millis(50), Duration::from_millis(100)];

/// When something new that cannot be used is tried again without having changed: a clock may have
/// been wrong, a folder not mounted.
const PAUSE: Duration = Duration::from_secs(1);
/// A program is not run again sooner.
const PAUSE_OF_PROGRAMS: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// After this time nobody is still writing.
const PATIENCE: Duration = Duration::from_secs(5);
