//! What a process has opened: sessions, its login, and a signature in each session.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki_sys::{
    CK_MECHANISM_TYPE, CK_OBJECT_HANDLE, CK_RV, CK_SESSION_HANDLE, CK_ULONG, CKR_DEVICE_REMOVED, CKR_GENERAL_ERROR,
    CKR_SESSION_HANDLE_INVALID,
};

use crate::{FOLDER, Facts, TestToken};

/// What the process has opened.
pub(crate) struct State {
    epoch: CK_ULONG,
    pub(crate) logged_in: bool,
    pub(crate) last: CK_SESSION_HANDLE,
    pub(crate) sessions: HashMap<CK_SESSION_HANDLE, Session>,
}

#[derive(Default)]
pub(crate) struct Session {
    pub(crate) found: Vec<CK_OBJECT_HANDLE>,
    pub(crate) signature: Option<Signature>,
}

#[derive(Clone)]
pub(crate) struct Signature {
    pub(crate) mechanism: CK_MECHANISM_TYPE,
    pub(crate) hash: Option<CK_MECHANISM_TYPE>,
    pub(crate) key: Vec<u8>,
    pub(crate) message: Vec<u8>,
    pub(crate) pin_shown: bool,
    pub(crate) done: Option<Vec<u8>>,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

pub(crate) fn token() -> TestToken {
    let folder = std::env::var_os(FOLDER).expect("the variable names the folder of the token");
    TestToken { folder: Path::new(&folder).to_owned() }
}

/// The state as the facts leave it: a token that was taken out takes all sessions with it.
pub(crate) fn state(facts: &Facts) -> MutexGuard<'static, Option<State>> {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let now =
        state.get_or_insert_with(|| State { epoch: facts.epoch, logged_in: false, last: 0, sessions: HashMap::new() });
    if now.epoch != facts.epoch || !facts.present {
        now.epoch = facts.epoch;
        now.logged_in = false;
        now.sessions.clear();
    }
    state
}

/// Writes the call down, and runs it with a session that must be valid.
pub(crate) fn with<T: Into<CK_RV>>(
    name: &str,
    handle: CK_SESSION_HANDLE,
    run: impl FnOnce(&Facts, &mut bool, &mut Session) -> T,
) -> CK_RV {
    let token = token();
    token.called(name);
    let facts = token.facts();
    let mut state = state(&facts);
    if !facts.present {
        return CKR_DEVICE_REMOVED;
    }
    let Some(State { logged_in, sessions, .. }) = state.as_mut() else { return CKR_GENERAL_ERROR };
    match sessions.get_mut(&handle) {
        None => CKR_SESSION_HANDLE_INVALID,
        Some(session) => run(&facts, logged_in, session).into(),
    }
}
