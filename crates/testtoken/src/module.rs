//! The functions of PKCS#11 that a client needs to sign. The pointers are those of the standard.

#![expect(unsafe_code, reason = "PKCS#11 is a C API, and this is its other side")]
#![expect(non_snake_case, reason = "the standard names the functions")]
// Not `expect`: clippy does not ask in a build for tests.
#![allow(clippy::wildcard_imports, reason = "the standard names its constants")]
#![expect(clippy::cast_possible_truncation, reason = "lengths of the standard")]

use std::ffi::c_void;
use std::ptr;
use std::time::Duration;

use cryptoki_sys::*;

use crate::state::{Session, Signature, state, token, with};
use crate::{Facts, sign};

/// Copies text into a field, padded with blanks.
fn pad(field: &mut [u8], text: &str) {
    field.fill(b' ');
    field[..text.len()].copy_from_slice(text.as_bytes());
}

pub(crate) extern "C" fn C_Initialize(_: *mut c_void) -> CK_RV {
    token().called("C_Initialize");
    CKR_OK
}

pub(crate) unsafe extern "C" fn C_GetInfo(info: *mut CK_INFO) -> CK_RV {
    let info = unsafe { &mut *info };
    info.cryptokiVersion = CK_VERSION { major: 2, minor: 40 };
    info.libraryVersion = CK_VERSION { major: 1, minor: 0 };
    pad(&mut info.manufacturerID, "mcp-mtls");
    pad(&mut info.libraryDescription, "Test token");
    CKR_OK
}

/// Copies a list out: its length alone when there is no room yet.
unsafe fn list(all: &[CK_ULONG], out: *mut CK_ULONG, count: *mut CK_ULONG) -> CK_RV {
    let room = unsafe { *count };
    unsafe { *count = all.len() as CK_ULONG };
    if out.is_null() {
        return CKR_OK;
    }
    if room < all.len() as CK_ULONG {
        return CKR_BUFFER_TOO_SMALL;
    }
    unsafe { ptr::copy_nonoverlapping(all.as_ptr(), out, all.len()) };
    CKR_OK
}

pub(crate) unsafe extern "C" fn C_GetSlotList(
    with_token: CK_BBOOL,
    out: *mut CK_SLOT_ID,
    count: *mut CK_ULONG,
) -> CK_RV {
    let all: &[CK_SLOT_ID] = if token().facts().present || with_token == CK_FALSE { &[SLOT] } else { &[] };
    unsafe { list(all, out, count) }
}

pub(crate) unsafe extern "C" fn C_GetSlotInfo(_: CK_SLOT_ID, info: *mut CK_SLOT_INFO) -> CK_RV {
    let info = unsafe { &mut *info };
    pad(&mut info.slotDescription, "Test reader");
    pad(&mut info.manufacturerID, "mcp-mtls");
    info.flags = CKF_REMOVABLE_DEVICE | CKF_TOKEN_PRESENT;
    CKR_OK
}

pub(crate) unsafe extern "C" fn C_GetTokenInfo(_: CK_SLOT_ID, info: *mut CK_TOKEN_INFO) -> CK_RV {
    let facts = token().facts();
    if !facts.present {
        return CKR_TOKEN_NOT_PRESENT;
    }
    let flag = |set: bool, flag: CK_FLAGS| if set { flag } else { 0 };
    let info = unsafe { &mut *info };
    *info = CK_TOKEN_INFO::default();
    pad(&mut info.label, &facts.label);
    pad(&mut info.manufacturerID, "mcp-mtls");
    pad(&mut info.model, "test");
    pad(&mut info.serialNumber, &facts.serial);
    info.flags = CKF_TOKEN_INITIALIZED
        | CKF_USER_PIN_INITIALIZED
        | flag(facts.login_required, CKF_LOGIN_REQUIRED)
        | flag(facts.tries < 3, CKF_USER_PIN_COUNT_LOW)
        | flag(facts.tries == 1, CKF_USER_PIN_FINAL_TRY)
        | flag(facts.tries == 0, CKF_USER_PIN_LOCKED);
    CKR_OK
}

pub(crate) unsafe extern "C" fn C_GetMechanismList(
    _: CK_SLOT_ID,
    out: *mut CK_MECHANISM_TYPE,
    count: *mut CK_ULONG,
) -> CK_RV {
    unsafe { list(&token().facts().mechanisms, out, count) }
}

pub(crate) unsafe extern "C" fn C_OpenSession(
    _: CK_SLOT_ID,
    _: CK_FLAGS,
    _: *mut c_void,
    _: CK_NOTIFY,
    handle: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    let token = token();
    token.called("C_OpenSession");
    let facts = token.facts();
    if !facts.present {
        return CKR_TOKEN_NOT_PRESENT;
    }
    let mut state = state(&facts);
    let Some(state) = state.as_mut() else { return CKR_GENERAL_ERROR };
    state.last += 1;
    state.sessions.insert(state.last, Session::default());
    unsafe { *handle = state.last };
    CKR_OK
}

pub(crate) extern "C" fn C_CloseSession(handle: CK_SESSION_HANDLE) -> CK_RV {
    let mut state = state(&token().facts());
    let Some(state) = state.as_mut() else { return CKR_GENERAL_ERROR };
    let was = state.sessions.remove(&handle);
    // With its last session a process is logged out.
    state.logged_in &= !state.sessions.is_empty();
    if was.is_some() { CKR_OK } else { CKR_SESSION_HANDLE_INVALID }
}

pub(crate) unsafe extern "C" fn C_GetSessionInfo(handle: CK_SESSION_HANDLE, info: *mut CK_SESSION_INFO) -> CK_RV {
    with("C_GetSessionInfo", handle, |_, logged_in, _| {
        let state = if *logged_in { CKS_RO_USER_FUNCTIONS } else { CKS_RO_PUBLIC_SESSION };
        unsafe { *info = CK_SESSION_INFO { slotID: SLOT, state, flags: CKF_SERIAL_SESSION, ulDeviceError: 0 } };
        CKR_OK
    })
}

pub(crate) unsafe extern "C" fn C_Login(
    handle: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut u8,
    length: CK_ULONG,
) -> CK_RV {
    std::thread::sleep(Duration::from_millis(token().facts().login_millis));
    with("C_Login", handle, |facts, logged_in, session| {
        if user == CKU_USER && *logged_in {
            return CKR_USER_ALREADY_LOGGED_IN;
        }
        if facts.tries == 0 {
            return CKR_PIN_LOCKED;
        }
        let pin = unsafe { bytes(pin, length) };
        let right = pin == facts.pin.as_bytes();
        token().change(|facts| facts.tries = if right { 3 } else { facts.tries - 1 });
        match (right, user, &mut session.signature) {
            (false, ..) => return CKR_PIN_INCORRECT,
            (true, CKU_CONTEXT_SPECIFIC, Some(signature)) => signature.pin_shown = true,
            (true, CKU_CONTEXT_SPECIFIC, None) => return CKR_OPERATION_NOT_INITIALIZED,
            (true, ..) => *logged_in = true,
        }
        CKR_OK
    })
}

/// The bytes that a caller points to.
unsafe fn bytes<'a>(start: *const u8, length: CK_ULONG) -> &'a [u8] {
    if start.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(start, length as usize) } }
}

/// The class of an object by its handle, and its place.
fn object(facts: &Facts, handle: CK_OBJECT_HANDLE) -> Option<(CK_OBJECT_CLASS, &crate::Object)> {
    let place = handle.checked_sub(facts.epoch * OBJECTS)?;
    let object = facts.objects.get(usize::try_from(place / 2).ok()?)?;
    Some((if place % 2 == 0 { CKO_CERTIFICATE } else { CKO_PRIVATE_KEY }, object))
}

pub(crate) unsafe extern "C" fn C_FindObjectsInit(
    handle: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    with("C_FindObjectsInit", handle, |facts, logged_in, session| {
        // The one attribute that is asked for here is the class.
        let class = match count {
            1 => unsafe { *(*template).pValue.cast::<CK_OBJECT_CLASS>() },
            _ => return CKR_FUNCTION_NOT_SUPPORTED,
        };
        let handles = (0..).take(facts.objects.len() * 2).map(|place: CK_ULONG| facts.epoch * OBJECTS + place);
        session.found = handles
            .filter(|handle| match object(facts, *handle) {
                Some((CKO_CERTIFICATE, object)) => class == CKO_CERTIFICATE && object.certificate.is_some(),
                Some((_, object)) => {
                    class == CKO_PRIVATE_KEY && object.key.is_some() && (*logged_in || !facts.login_required)
                }
                None => false,
            })
            .collect();
        CKR_OK
    })
}

pub(crate) unsafe extern "C" fn C_FindObjects(
    handle: CK_SESSION_HANDLE,
    out: *mut CK_OBJECT_HANDLE,
    room: CK_ULONG,
    count: *mut CK_ULONG,
) -> CK_RV {
    with("C_FindObjects", handle, |_, _, session| {
        let found: Vec<_> = session.found.drain(..session.found.len().min(room as usize)).collect();
        unsafe { ptr::copy_nonoverlapping(found.as_ptr(), out, found.len()) };
        unsafe { *count = found.len() as CK_ULONG };
        CKR_OK
    })
}

pub(crate) extern "C" fn C_FindObjectsFinal(handle: CK_SESSION_HANDLE) -> CK_RV {
    with("C_FindObjectsFinal", handle, |_, _, _| CKR_OK)
}

pub(crate) unsafe extern "C" fn C_GetAttributeValue(
    handle: CK_SESSION_HANDLE,
    which: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    with("C_GetAttributeValue", handle, |facts, _, _| {
        let Some((class, object)) = object(facts, which) else { return CKR_OBJECT_HANDLE_INVALID };
        let mut outcome = CKR_OK;
        for attribute in unsafe { std::slice::from_raw_parts_mut(template, count as usize) } {
            let value = match (attribute.type_, class) {
                (CKA_ID, _) => object.id.clone(),
                (CKA_LABEL, _) => object.label.clone().into_bytes(),
                (CKA_VALUE, CKO_CERTIFICATE) => object.certificate.clone().unwrap_or_default(),
                (CKA_SIGN, CKO_PRIVATE_KEY) => vec![CK_TRUE],
                (CKA_ALWAYS_AUTHENTICATE, CKO_PRIVATE_KEY) => vec![CK_BBOOL::from(facts.always_authenticate)],
                _ => {
                    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
                    outcome = CKR_ATTRIBUTE_TYPE_INVALID;
                    continue;
                }
            };
            let room = attribute.ulValueLen as usize;
            attribute.ulValueLen = value.len() as CK_ULONG;
            if attribute.pValue.is_null() {
                continue;
            }
            if room < value.len() {
                outcome = CKR_BUFFER_TOO_SMALL;
                continue;
            }
            unsafe { ptr::copy_nonoverlapping(value.as_ptr(), attribute.pValue.cast(), value.len()) };
        }
        outcome
    })
}

pub(crate) unsafe extern "C" fn C_SignInit(
    handle: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    with("C_SignInit", handle, |facts, logged_in, session| {
        let mechanism = unsafe { &*mechanism };
        let Some((CKO_PRIVATE_KEY, object)) = object(facts, key) else { return CKR_KEY_HANDLE_INVALID };
        let Some(key) = object.key.clone() else { return CKR_KEY_HANDLE_INVALID };
        if facts.login_required && !*logged_in {
            return CKR_USER_NOT_LOGGED_IN;
        }
        // A copy, since the structs of PKCS#11 are packed on Windows.
        let CK_MECHANISM { mechanism, pParameter, .. } = *mechanism;
        if !facts.mechanisms.contains(&mechanism) || facts.pretended.contains(&mechanism) {
            return CKR_MECHANISM_INVALID;
        }
        let is_pss = matches!(mechanism, CKM_RSA_PKCS_PSS | CKM_SHA256_RSA_PKCS_PSS);
        let hash = is_pss.then(|| unsafe { (*pParameter.cast::<CK_RSA_PKCS_PSS_PARAMS>()).hashAlg });
        session.signature = Some(Signature { mechanism, hash, key, message: Vec::new(), pin_shown: false, done: None });
        CKR_OK
    })
}

pub(crate) unsafe extern "C" fn C_Sign(
    handle: CK_SESSION_HANDLE,
    data: *mut u8,
    length: CK_ULONG,
    out: *mut u8,
    room: *mut CK_ULONG,
) -> CK_RV {
    let message = unsafe { bytes(data, length) }.to_vec();
    with("C_Sign", handle, |_, _, session| {
        if let Some(signature) = &mut session.signature {
            signature.message = message;
        }
        CKR_OK
    });
    unsafe { C_SignFinal(handle, out, room) }
}

pub(crate) unsafe extern "C" fn C_SignUpdate(handle: CK_SESSION_HANDLE, data: *mut u8, length: CK_ULONG) -> CK_RV {
    with("C_SignUpdate", handle, |facts, _, session| match &mut session.signature {
        None => CKR_OPERATION_NOT_INITIALIZED,
        Some(signature) if facts.always_authenticate && !signature.pin_shown => CKR_USER_NOT_LOGGED_IN,
        // These take no parts, on a token.
        Some(signature) if matches!(signature.mechanism, CKM_RSA_PKCS | CKM_RSA_PKCS_PSS | CKM_ECDSA) => {
            CKR_FUNCTION_NOT_SUPPORTED
        }
        Some(signature) => {
            signature.message.extend_from_slice(unsafe { bytes(data, length) });
            CKR_OK
        }
    })
}

pub(crate) unsafe extern "C" fn C_SignFinal(handle: CK_SESSION_HANDLE, out: *mut u8, room: *mut CK_ULONG) -> CK_RV {
    // The token is at work, and others may use the module meanwhile.
    std::thread::sleep(Duration::from_millis(if out.is_null() { 0 } else { token().facts().sign_millis }));
    with("C_SignFinal", handle, |facts, _, session| {
        let Some(signature) = &mut session.signature else { return CKR_OPERATION_NOT_INITIALIZED };
        if facts.always_authenticate && !signature.pin_shown {
            return CKR_USER_NOT_LOGGED_IN;
        }
        if facts.broken {
            return CKR_DEVICE_ERROR;
        }
        let Signature { mechanism, hash, key, message, .. } = signature.clone();
        let done = signature.done.take().or_else(|| sign::sign(&key, mechanism, hash, &message));
        let Some(done) = done else { return CKR_DATA_LEN_RANGE };
        let fits = unsafe { *room } >= done.len() as CK_ULONG;
        unsafe { *room = done.len() as CK_ULONG };
        if out.is_null() || !fits {
            signature.done = Some(done);
            return if out.is_null() { CKR_OK } else { CKR_BUFFER_TOO_SMALL };
        }
        unsafe { ptr::copy_nonoverlapping(done.as_ptr(), out, done.len()) };
        session.signature = None;
        token().called("a signature");
        CKR_OK
    })
}

const SLOT: CK_SLOT_ID = 7;
/// Handles of one epoch are not those of the next.
const OBJECTS: CK_ULONG = 1000;
