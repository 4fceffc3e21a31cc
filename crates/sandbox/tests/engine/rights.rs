//! What untrusted code can't become, change or see: root, capabilities, the kernel, other processes,
//! this computer's files, the engine.

use std::collections::BTreeSet;

use sandbox::Owner;
use wire::{
    kernel::ShellCommand,
    sandbox::{CreateRequest, ExecRequest},
};

use crate::{Site, create, docker, made, python, run, settings, soon, wanted, with_python};

#[tokio::test]
async fn it_has_no_rights_and_its_folders_give_none() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("rights", CreateRequest::default()).await;
    let status = run(&sandboxes, &id, "cat /proc/self/status").await.stdout;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim_start_matches(':').trim().to_owned())
    };
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(capabilities).as_deref(), Some("0000000000000000"));
    }
    assert_eq!(field("NoNewPrivs").as_deref(), Some("1"));
    assert_eq!(field("Seccomp").as_deref(), Some("2"));
    for ids in ["Uid", "Gid"] {
        assert_eq!(field(ids).as_deref(), Some("1000\t1000\t1000\t1000"));
    }
    for (attempt, why) in [
        ("su -c id root </dev/null", "become root"),
        ("touch /etc/x /x /usr/x /.vivarium/x", "write to the root"),
        (
            "echo x > /.vivarium/sandbox-init",
            "change its first process",
        ),
        ("cat /proc/1/environ", "look into the first process"),
        (
            "ls -l /proc/1/fd/0 || ls -l /proc/2/fd/0",
            "reach the frames",
        ),
        ("kill -9 1 && kill -0 1 && false", "kill the first process"),
        (
            "echo 1 > /proc/sys/kernel/core_pattern",
            "change the kernel",
        ),
        ("echo b > /proc/sysrq-trigger", "restart the computer"),
        (
            "head -c 1 /dev/mem || head -c 1 /proc/kcore",
            "read the memory",
        ),
        (
            "echo -1000 > /proc/self/oom_score_adj",
            "outlive the others",
        ),
    ] {
        let answer = run(&sandboxes, &id, attempt).await;
        assert_ne!(
            answer.exit_code,
            Some(0),
            "it could {why}: {}",
            answer.stdout
        );
    }
    let mounts = run(&sandboxes, &id, "cat /proc/mounts").await.stdout;
    for folder in [
        "/home/sandboxuser",
        "/home/user",
        "/workspace",
        "/tmp",
        "/dev/shm",
    ] {
        let mount = mounts
            .lines()
            .find(|line| line.contains(&format!(" {folder} ")));
        let mount = mount.unwrap_or_else(|| panic!("{folder} is not mounted"));
        for option in ["nosuid", "nodev", "size=", "nr_inodes="] {
            assert!(
                mount.starts_with("tmpfs ") && mount.contains(option),
                "{mount}"
            );
        }
    }
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

#[tokio::test]
async fn a_program_that_makes_others_root_makes_it_nobody_else() {
    if !wanted() {
        return;
    }
    let site = Site::new("setuid");
    let image = format!("{}-image", site.instance);
    let context = tempfile::tempdir().unwrap();
    std::fs::write(
        context.path().join("Dockerfile"),
        "FROM debian:trixie-slim\nRUN install -m 6755 /usr/bin/id /usr/bin/id-of-root\n",
    )
    .unwrap();
    let folder = context.path().to_str().unwrap();
    docker(&["build", "-q", "-t", &image, folder]);
    let (sandboxes, _task) = site.start(settings()).await;
    let request = CreateRequest {
        image: Some(image.clone()),
        ..CreateRequest::default()
    };
    let id = create(&sandboxes, request).await;
    let answer = run(
        &sandboxes,
        &id,
        "stat -c %a /usr/bin/id-of-root; id-of-root",
    )
    .await;
    assert_eq!(answer.stdout, "6755\nuid=1000 gid=1000 groups=1000\n");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
    docker(&["rmi", "-f", &image]);
}

/// Asks the kernel itself for what a program of the system would refuse first, and says what it answers.
const ASKS: &str = r#"
import ctypes, errno, os, platform, stat
libc = ctypes.CDLL(None, use_errno=True)
# As linux/unistd.h has them, for those without a function in libc.
NUMBERS = {
    "x86_64": dict(finit_module=313, kexec_load=246, bpf=321, perf_event_open=298, keyctl=250, open_by_handle_at=304, userfaultfd=323, process_vm_readv=310, pidfd_open=434, pidfd_getfd=438, move_mount=429, fsopen=430, io_uring_setup=425),
    "aarch64": dict(finit_module=273, kexec_load=104, bpf=280, perf_event_open=241, keyctl=219, open_by_handle_at=265, userfaultfd=282, process_vm_readv=270, pidfd_open=434, pidfd_getfd=438, move_mount=429, fsopen=430, io_uring_setup=425),
}[platform.machine()]
call = lambda name, *words: libc.syscall(NUMBERS[name], *words)
zeros = ctypes.create_string_buffer(256)
space = lambda name: os.open(f"/proc/self/ns/{name}", os.O_RDONLY)
asks = {
    "become root": lambda: libc.setuid(0),
    "become another user": lambda: libc.setresuid(1001, 1001, 1001),
    "join root's group": lambda: libc.setgid(0),
    "join groups": lambda: libc.setgroups(1, ctypes.byref(ctypes.c_int(0))),
    "gain a capability": lambda: libc.syscall({"x86_64": 126, "aarch64": 91}[platform.machine()], (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(1 << 21, 1 << 21, 0, 0, 0, 0)),
    "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
    "remount": lambda: libc.mount(b"none", b"/", None, 32, None),
    "unmount": lambda: libc.umount2(b"/tmp", 0),
    "move a mount": lambda: call("move_mount", -1, b"/tmp", -1, b"/workspace", 0),
    "open a file system": lambda: call("fsopen", b"tmpfs", 0),
    "chroot": lambda: libc.chroot(b"/tmp"),
    "make a device": lambda: libc.mknod(b"/tmp/sda", stat.S_IFBLK | 0o666, os.makedev(8, 0)),
    "make a user namespace": lambda: libc.unshare(0x10000000),
    "make a mount namespace": lambda: libc.unshare(0x00020000),
    "make a network": lambda: libc.unshare(0x40000000),
    "enter a namespace": lambda: libc.setns(space("net"), 0),
    "load a module": lambda: libc.init_module(zeros, 0, b""),
    "load a module from a file": lambda: call("finit_module", 0, b"", 0),
    "remove a module": lambda: libc.delete_module(b"none", 0),
    "load a kernel": lambda: call("kexec_load", 0, 0, None, 0),
    "load a program into the kernel": lambda: call("bpf", 0, zeros, 72),
    "measure others": lambda: call("perf_event_open", zeros, -1, 0, -1, 0),
    "read the kernel's keys": lambda: call("keyctl", 0, -3, 0),
    "read the kernel's log": lambda: libc.klogctl(3, zeros, 256),
    "rename the computer": lambda: libc.sethostname(b"x", 1),
    "restart the computer": lambda: libc.reboot(0),
    "keep accounts": lambda: libc.acct(None),
    "open a file by its number": lambda: call("open_by_handle_at", 0, zeros, 0),
    "handle faults": lambda: call("userfaultfd", 0),
    "queue input and output": lambda: call("io_uring_setup", 1, zeros),
    "forge packets": lambda: libc.socket(2, 3, 1),
}
own = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and open(f"/proc/{pid}/comm").read() == "sandbox-init\n"]
assert len(own) == 2 and 1 in own, own
for pid in own:
    asks |= {
        f"trace {pid}": lambda pid=pid: libc.ptrace(16, pid, None, None),
        f"seize {pid}": lambda pid=pid: libc.ptrace(0x4206, pid, None, None),
        f"read the memory of {pid}": lambda pid=pid: call("process_vm_readv", pid, (ctypes.c_void_p * 2)(ctypes.addressof(zeros), 8), 1, (ctypes.c_void_p * 2)(0x400000, 8), 1, 0),
        f"take a file of {pid}": lambda pid=pid: call("pidfd_getfd", call("pidfd_open", pid, 0), 3, 0),
    }
for what, ask in asks.items():
    ctypes.set_errno(0)
    done = ask()
    print(f"{what}: {'done' if done != -1 else errno.errorcode[ctypes.get_errno()]}")
"#;

#[tokio::test]
async fn the_kernel_refuses_all_that_is_root_s() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("kernel", with_python()).await;
    let said = python(&sandboxes, &id, ASKS, &[]).await;
    assert!(said.lines().count() > 30, "{said}");
    let other: Vec<&str> = said
        .lines()
        .filter(|line| !line.ends_with(": EPERM"))
        .collect();
    assert!(other.is_empty(), "{other:?}");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

/// All that can be written, but for `/proc` and terminals, and the points where something is mounted.
const LOOKS: &str = r#"
import os
for mount in open("/proc/self/mountinfo"):
    print("mount", mount.split()[4])
print("first", open("/proc/1/comm").read().strip())
print("processes", sum(name.isdigit() for name in os.listdir("/proc")))
for folder, folders, files in os.walk("/", followlinks=False):
    if folder in ("/proc", "/dev/pts"):
        folders.clear()
        continue
    for path in [folder, *(os.path.join(folder, name) for name in files)]:
        if not os.path.islink(path) and os.access(path, os.W_OK):
            print("writes", path)
"#;

#[tokio::test]
async fn it_sees_nothing_of_this_computer_and_changes_its_own_folders_only() {
    if !wanted() {
        return;
    }
    let (site, sandboxes, id) = made("sees", with_python()).await;
    // A file of this computer: in a folder of its own, and its name and content are nowhere inside.
    let secret = site.folder.path().join(format!("{}-secret", site.instance));
    std::fs::write(&secret, "secret").unwrap();
    let name = secret.file_name().unwrap().to_str().unwrap();
    let find = format!(
        "find / -name '{name}' 2>/dev/null; cat '{0}' /proc/*/root'{0}' /proc/*/cwd'{0}' 2>/dev/null; \
         find / -type s 2>/dev/null; env | grep -i docker; cat /proc/*/environ 2>/dev/null | grep -c '{1}'",
        secret.display(),
        site.instance,
    );
    assert_eq!(run(&sandboxes, &id, &find).await.stdout, "0\n");

    let looked = python(&sandboxes, &id, LOOKS, &[]).await;
    let words = |word: &str| -> BTreeSet<&str> {
        let lines = looked.lines();
        lines.filter_map(|line| line.strip_prefix(word)).collect()
    };
    let own = ["/home/sandboxuser", "/home/user", "/workspace", "/tmp"];
    let of_engine = [
        "/",
        "/.vivarium",
        "/etc/resolv.conf",
        "/etc/hostname",
        "/etc/hosts",
    ];
    let mounts = words("mount ");
    for mount in &mounts {
        let is_known = own.contains(mount)
            || of_engine.contains(mount)
            || ["/proc", "/sys", "/dev"]
                .iter()
                .any(|folder| mount.split('/').nth(1) == Some(&folder[1..]));
        assert!(is_known, "{mount} is mounted");
    }
    assert!(
        own.iter().all(|folder| mounts.contains(folder)),
        "{mounts:?}"
    );
    assert_eq!(words("first "), BTreeSet::from(["sandbox-init"]));
    // PID 1, the loop, and the one that looks.
    assert_eq!(words("processes "), BTreeSet::from(["3"]));
    let devices = [
        "null", "zero", "full", "random", "urandom", "tty", "shm", "mqueue",
    ];
    for path in words("writes ") {
        let is_device = path
            .strip_prefix("/dev/")
            .is_some_and(|name| devices.contains(&name));
        let is_own = own.iter().any(|folder| {
            path.strip_prefix(folder)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        assert!(is_device || is_own, "{path} can be written");
    }
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

#[tokio::test]
async fn what_an_image_says_of_its_environment_does_not_reach_the_first_process() {
    if !wanted() {
        return;
    }
    let site = Site::new("loader");
    let image = format!("{}-image", site.instance);
    let context = tempfile::tempdir().unwrap();
    // What a dynamic linker and a shell would obey.
    std::fs::write(
        context.path().join("Dockerfile"),
        "FROM debian:trixie-slim\nENV LD_PRELOAD=/no/such.so LD_AUDIT=/no/such.so BASH_ENV=/no/such\n\
         ENTRYPOINT [\"/bin/false\"]\nCMD [\"--root\", \"/\"]\nUSER root\nWORKDIR /no/such\n",
    )
    .unwrap();
    let folder = context.path().to_str().unwrap();
    docker(&["build", "-q", "-t", &image, folder]);
    let (sandboxes, _task) = site.start(settings()).await;
    let request = CreateRequest {
        image: Some(image.clone()),
        ..CreateRequest::default()
    };
    let id = create(&sandboxes, request).await;
    let words = ExecRequest {
        command: ShellCommand::Arguments(["id", "-u"].map(str::to_owned).into()),
        ..ExecRequest::default()
    };
    let exec = sandboxes.exec(&Owner::Person, &id, words).await.unwrap();
    assert_eq!(soon(exec.wait()).await.stdout, "1000\n");
    let files = sandboxes.files(&Owner::Person, &id).await.unwrap();
    assert!(files.stat("/etc/passwd").await.is_err());
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
    docker(&["rmi", "-f", &image]);
}
