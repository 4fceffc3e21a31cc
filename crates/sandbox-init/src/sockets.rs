//! Which sockets a sandbox may open. A network namespace bounds only some kinds of them: one of
//! `AF_VSOCK` reaches the hypervisor that this computer may run under, whatever network the container
//! has, and the seccomp profiles of older engines allow it. So the first process takes away all kinds but
//! those that namespaces bound, from itself and thereby from all that it starts, on top of the engine's
//! own profile. `io_uring` opens sockets without a system call that a filter sees: it goes too, as it
//! does under newer engines.

use std::io;

use nix::{
    errno::Errno,
    libc::{self, c_int, sock_filter, sock_fprog},
};

/// Kinds that stay: local ones, IPv4 and IPv6, and the kernel's about the namespace's network.
const ALLOWED: [c_int; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];
/// Offsets in the kernel's `seccomp_data`; an argument's lower half comes first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
/// The same on all architectures.
const IO_URING_SETUP: u32 = 425;

/// System calls of one architecture.
struct Calls {
    /// As `linux/audit.h` has it.
    architecture: u32,
    /// Bits of a number that tell a call of another interface from the same call.
    mask: u32,
    socket: u32,
    /// The old call whose arguments a filter can't see.
    socketcall: Option<u32>,
}

/// What this kernel runs: programs of its own architecture, and of the smaller one below it.
#[cfg(target_arch = "x86_64")]
const CALLS: [Calls; 2] = [
    Calls {
        architecture: 0xc000_003e,
        // That of x32, which has the same number.
        mask: !0x4000_0000,
        socket: 41,
        socketcall: None,
    },
    Calls {
        architecture: 0x4000_0003,
        mask: !0,
        socket: 359,
        socketcall: Some(102),
    },
];
#[cfg(target_arch = "aarch64")]
const CALLS: [Calls; 2] = [
    Calls {
        architecture: 0xc000_00b7,
        mask: !0,
        socket: 198,
        socketcall: None,
    },
    Calls {
        architecture: 0x4000_0028,
        mask: !0,
        socket: 281,
        socketcall: None,
    },
];

/// Takes the other kinds away from this process and all that it starts.
#[allow(unsafe_code)]
pub fn restrict() -> io::Result<()> {
    let mut program = program();
    let filter = sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_mut_ptr(),
    };
    // Needed of whoever has no capabilities; the engine did it before.
    nix::sys::prctl::set_no_new_privs()?;
    // SAFETY: the filter and its instructions live until the call is over, which copies them.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter) };
    Ok(Errno::result(done).map(drop)?)
}

/// The filter: the architecture, then the call's number, then the kind of socket.
fn program() -> Vec<sock_filter> {
    let refuse = |error: Errno| libc::SECCOMP_RET_ERRNO | error as u32;
    let mut program = vec![load(ARCHITECTURE)];
    for calls in &CALLS {
        let mut body = vec![
            load(NUMBER),
            instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, calls.mask),
        ];
        for denied in calls.socketcall.into_iter().chain([IO_URING_SETUP]) {
            body.extend([skip_unless(denied, 1), answer(refuse(Errno::EPERM))]);
        }
        let kinds = ALLOWED.map(c_int::cast_unsigned);
        let kinds = kinds.map(|kind| [skip_unless(kind, 1), answer(libc::SECCOMP_RET_ALLOW)]);
        let kinds = kinds.concat();
        // What is another call jumps behind all that is about sockets.
        let behind = u8::try_from(kinds.len() + 2).unwrap_or(u8::MAX);
        body.extend([skip_unless(calls.socket, behind), load(FIRST_ARGUMENT)]);
        body.extend(kinds);
        body.extend([
            answer(refuse(Errno::EAFNOSUPPORT)),
            answer(libc::SECCOMP_RET_ALLOW),
        ]);
        let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
        program.push(skip_unless(calls.architecture, length));
        program.extend(body);
    }
    // A program of an architecture that isn't known here.
    program.push(answer(refuse(Errno::EPERM)));
    program
}

fn instruction(code: u32, value: u32) -> sock_filter {
    sock_filter {
        // All codes of filters are below.
        code: code as u16,
        jt: 0,
        jf: 0,
        k: value,
    }
}

fn load(offset: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn answer(what: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, what)
}

/// Goes on if what was loaded is this value, and skips so many instructions if not.
fn skip_unless(value: u32, skipped: u8) -> sock_filter {
    sock_filter {
        jf: skipped,
        ..instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter answers, as the kernel would run it.
    fn answered(architecture: u32, number: u32, argument: u32) -> u32 {
        let program = program();
        let (mut at, mut value) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let code = u32::from(step.code);
            if code == libc::BPF_RET | libc::BPF_K {
                return step.k;
            } else if code == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K {
                value &= step.k;
            } else if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS {
                value = match step.k {
                    NUMBER => number,
                    ARCHITECTURE => architecture,
                    FIRST_ARGUMENT => argument,
                    other => panic!("it loads {other}"),
                };
            } else {
                assert_eq!(code, libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
                at += usize::from(if value == step.k { step.jt } else { step.jf });
            }
        }
    }

    #[test]
    fn only_kinds_that_namespaces_bound_are_left() {
        const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
        let unsupported = libc::SECCOMP_RET_ERRNO | Errno::EAFNOSUPPORT as u32;
        let refused = libc::SECCOMP_RET_ERRNO | Errno::EPERM as u32;
        for calls in &CALLS {
            let call = |number, argument| answered(calls.architecture, number, argument);
            for kind in 0..64_u32 {
                let expected = match ALLOWED.contains(&kind.cast_signed()) {
                    true => ALLOW,
                    false => unsupported,
                };
                assert_eq!(call(calls.socket, kind), expected, "{kind}");
                assert_eq!(call(calls.socket | !calls.mask, kind), expected, "{kind}");
            }
            assert_eq!(call(IO_URING_SETUP, 0), refused);
            if let Some(number) = calls.socketcall {
                assert_eq!(call(number, 0), refused);
            }
            for number in [0, 1, calls.socket - 1, calls.socket + 1, 435] {
                assert_eq!(call(number, 40), ALLOW, "{number}");
            }
        }
        assert_eq!(answered(7, 0, 0), refused);
    }
}
