//! What a PKCS#11 module says when something fails, in our words.

use cryptoki::error::{Error, RvError as E};

/// The error as a sentence.
pub(super) fn in_words(error: &Error) -> &'static str {
    let Error::Pkcs11(error, _) = error else {
        return "Its module does not behave as PKCS#11 wants.";
    };
    match error {
        E::HostMemory => "Its module has not enough memory.",
        E::DeviceMemory => "The token has no memory left.",
        E::DeviceError => "The token reports a fault.",
        E::DeviceRemoved | E::TokenNotPresent => "The token is not there any more.",
        E::TokenNotRecognized => "The module does not know this kind of token.",
        E::SlotIdInvalid => "The reader is not there any more.",
        E::SessionClosed | E::SessionHandleInvalid => "The token has ended the session.",
        E::SessionCount => "The token takes no further session.",
        E::UserNotLoggedIn => "The token wants to be logged in to, which was not enough once.",
        E::UserPinNotInitialized => "No PIN was ever set on the token.",
        E::UserAnotherAlreadyLoggedIn | E::UserTooManyTypes => "Somebody else is logged in to the token.",
        E::KeyHandleInvalid | E::ObjectHandleInvalid => "The key is not on the token any more.",
        E::KeyTypeInconsistent | E::KeySizeRange => "The key is of another kind than the module says.",
        E::KeyFunctionNotPermitted | E::ActionProhibited => "The key may not sign (its attribute CKA_SIGN).",
        E::MechanismInvalid | E::MechanismParamInvalid | E::FunctionNotSupported | E::CurveNotSupported => {
            "The token cannot sign in this way."
        }
        E::DataInvalid | E::DataLenRange => "The token takes nothing of this length to sign.",
        E::OperationActive => "The token is busy with another operation.",
        E::FunctionCanceled | E::Cancel => "It was cancelled at the token, or nobody touched it in time.",
        E::PinIncorrect => "It is not the right one.",
        E::PinInvalid | E::PinLenRange => "It has characters or a length that no PIN of this token has.",
        E::PinExpired => "The PIN has expired.",
        E::PinLocked => "The PIN is locked.",
        E::NeedToCreateThreads | E::CantLock => "The module cannot be used by a program with several threads.",
        E::CryptokiNotInitialized => "The module was ended by another part of this program.",
        E::GeneralError | E::FunctionFailed => "The module failed, and does not say why.",
        _ => "The module refuses it for a reason that has no words here.",
    }
}

/// What the module said, by the names of PKCS#11, for the evidence.
pub(super) fn cause(error: &Error) -> String {
    match error {
        Error::Pkcs11(error, function) => format!("{error:?} from C_{function:?}"),
        other => other.to_string(),
    }
}
