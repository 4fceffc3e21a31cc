//! Why keys are not in a keychain.

/// No keychain can be used. A person reads the words after "No keychain is used:".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoKeychain {
    #[error("VIVARIUM_KEYCHAIN is off")]
    TurnedOff,
    #[error("the keychain doesn't respond")]
    NoAnswer,
    #[error("no Secret Service: {0}")]
    #[cfg_attr(not(any(test, target_os = "linux")), expect(dead_code))]
    NoService(String),
    #[error("this version uses a keychain only on Linux")]
    #[cfg_attr(target_os = "linux", expect(dead_code))]
    NotOnThisSystem,
}
