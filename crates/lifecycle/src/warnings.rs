//! What a spec gives away, in a sentence each, so that nobody finds out later.

use crate::spec::{Executor, Profile, Spec};

impl Spec {
    /// A sentence for each choice that opens this computer to what runs in the machine.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.executor == Executor::Socket {
            let mut warning =
                "executor = \"socket\": all programs in this machine can use the container engine, \
                 and with it become root on this computer"
                    .to_owned();
            if self.profile == Profile::Locked {
                warning.push_str("; the locked profile does not protect against that");
            }
            warnings.push(warning);
        }
        if self.criu {
            warnings.push(
                "criu = true: the machine has the capability SYS_ADMIN and no seccomp filter, \
                 which is little less than root on this computer"
                    .into(),
            );
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_opens_the_computer_is_warned_of() {
        assert!(Spec::default().warnings().is_empty());
        let spec = Spec {
            executor: Executor::Socket,
            profile: Profile::Locked,
            criu: true,
            ..Spec::default()
        };
        let warnings = spec.warnings();
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].contains("root on this computer"));
        assert!(warnings[0].contains("locked profile"));
    }
}
