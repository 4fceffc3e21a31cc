//! The machine's seccomp profile: Docker's default allow-list (moby, Apache-2.0) without
//! what it opens for capabilities that a machine never has, and with what Chromium's own
//! sandbox needs: new user, PID and network namespaces, and `chroot` inside them.
//!
//! Mount, UTS, IPC and cgroup namespaces, `setns` and `mount` stay closed; `clone3`, whose
//! flags a filter can't see, answers "not implemented", upon which libraries use `clone`.

use std::path::Path;

use crate::{error::LifecycleError, paths::make_dir};

const PROFILE: &str = include_str!("seccomp.json");

/// The profile on one line, as Docker takes it within a request.
pub(crate) fn inline() -> String {
    // No string in it holds a space.
    PROFILE.split_whitespace().collect()
}

/// The profile as a file in `folder`, as Podman takes it; answers its path.
///
/// # Errors
/// [`LifecycleError::File`].
pub(crate) fn file(folder: &Path) -> Result<String, LifecycleError> {
    make_dir(folder, 0o700)?;
    let path = folder.join("seccomp.json");
    std::fs::write(&path, PROFILE).map_err(LifecycleError::file("write", &path))?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const NEW_MOUNT_CGROUP_UTS_IPC: u64 = 0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000;

    fn rules() -> Vec<Value> {
        let profile: Value = serde_json::from_str(&inline()).unwrap();
        assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
        profile["syscalls"].as_array().unwrap().clone()
    }

    /// Rules that allow a call.
    fn allowing(call: &str) -> Vec<Value> {
        let names = |rule: &Value| rule["names"].as_array().unwrap().contains(&call.into());
        let allows = |rule: &Value| rule["action"] == "SCMP_ACT_ALLOW" && names(rule);
        rules().into_iter().filter(allows).collect()
    }

    #[test]
    fn what_needs_a_capability_stays_closed() {
        for call in [
            "bpf",
            "clone3",
            "fsopen",
            "init_module",
            "keyctl",
            "kexec_load",
            "mount",
            "open_by_handle_at",
            "perf_event_open",
            "pivot_root",
            "reboot",
            "setns",
            "swapon",
            "umount2",
            "userfaultfd",
            "io_uring_setup",
        ] {
            assert_eq!(allowing(call), Vec::<Value>::new(), "{call}");
        }
    }

    #[test]
    fn only_user_pid_and_network_namespaces_can_be_made() {
        for call in ["clone", "unshare"] {
            let rules = allowing(call);
            assert_eq!(rules.len(), 1, "{call}");
            let argument = &rules[0]["args"][0];
            assert_eq!(argument["op"], "SCMP_CMP_MASKED_EQ");
            assert_eq!(argument["value"], NEW_MOUNT_CGROUP_UTS_IPC);
            assert_eq!(argument["valueTwo"], 0);
        }
        assert_eq!(allowing("chroot").len(), 1);
    }

    #[test]
    fn the_file_holds_the_profile() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder.path().join("machine")).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), PROFILE);
    }
}
