//! The entry's headers as they go out now, made again when the server refuses them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;

use crate::config::Headers;
use crate::error::{Code, Failure, Result};

/// The entry's headers.
pub(super) struct Credentials {
    state: Arc<Mutex<State>>,
    /// Held by the one who makes the values again, so that a program runs once for many refusals.
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct State {
    headers: Headers,
    values: Arc<HeaderMap>,
    /// How often making them again was begun.
    runs: u64,
    /// Why the last run gave no values.
    failed: Option<Failure>,
}

/// The entry's headers as one request carries them.
#[derive(Clone)]
pub(super) struct Carried {
    pub(super) values: Arc<HeaderMap>,
    runs: u64,
}

impl Credentials {
    pub(super) fn new(headers: &Headers) -> Self {
        let state = State { headers: headers.clone(), values: map(headers), runs: 0, failed: None };
        Self { state: Arc::new(Mutex::new(state)), turn: Arc::default() }
    }

    /// What a request carries that is sent now.
    pub(super) fn current(&self) -> Carried {
        lock(&self.state).carried()
    }

    /// The header that looks most like credentials, and where it was set.
    pub(super) fn most_likely(&self) -> Option<(String, String)> {
        lock(&self.state).headers.credential()
    }

    /// Other values than those that the server refused; none when there are no others. Files and
    /// programs are asked once for all requests that were under way when the asking began.
    ///
    /// # Errors
    /// Those of [`Headers::renewed`]; the values stay what they were.
    pub(super) async fn renew(&self, refused: &Carried) -> Result<Option<Carried>> {
        if !lock(&self.state).headers.is_renewable() {
            return Ok(None);
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let headers = {
            let state = lock(&self.state);
            if let Some(answer) = state.answer(refused) {
                return answer;
            }
            state.headers.clone()
        };
        let state = Arc::clone(&self.state);
        // The turn goes along: a caller that is cancelled must not let a second run begin beside this one.
        let run = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            lock(&state).runs += 1;
            let renewed = headers.renewed();
            lock(&state).publish(renewed);
        });
        run.await.map_err(|error| {
            Failure::new(Code::ReferenceUnresolved, "The headers cannot be made again")
                .fix("Start the connection anew in the host.")
                .cause(error)
        })?;
        lock(&self.state).answer(refused).unwrap_or(Ok(None))
    }
}

impl State {
    fn carried(&self) -> Carried {
        Carried { values: Arc::clone(&self.values), runs: self.runs }
    }

    /// What is known for a request that was refused; none when only a run can tell.
    fn answer(&self, refused: &Carried) -> Option<Result<Option<Carried>>> {
        if *self.values != *refused.values {
            return Some(Ok(Some(self.carried())));
        }
        (self.runs > refused.runs).then(|| self.failed.clone().map_or(Ok(None), Err))
    }

    fn publish(&mut self, renewed: Result<Headers>) {
        match renewed {
            Ok(headers) => {
                self.values = map(&headers);
                self.headers = headers;
                self.failed = None;
            }
            Err(failure) => self.failed = Some(failure),
        }
    }
}

fn map(headers: &Headers) -> Arc<HeaderMap> {
    Arc::new(headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic elsewhere leaves a state that is still right: what is published was made before.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
