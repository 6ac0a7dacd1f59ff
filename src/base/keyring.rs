//! Session keyrings: the keys of the user's login session (passwords, tickets, keys of encrypted directories) stay with
//! the user's own programs.
//!
//! Whoever has a session keyring possesses the keys in it, whatever namespaces and capabilities it has, and children
//! inherit it. So a process of coracle that outlives a command takes a new, empty one ([`leave_session`]) before it does
//! anything else, and each process that coracle starts in a container takes one of its own ([`renew`]).
//!
//! The kernel gives each user 200 keys (`kernel.keys.maxkeys`, keyrings(7)), and runc and crun fail where they are used
//! up. Here, keyrings of coracle's own processes are charged to subordinate ids, and a process in a container that gets
//! none keeps that of its supervisor, which is empty, too, and not the user's.
//!
//! Not covered is the user's own keyring (`@u`, user-keyring(7)): the kernel gives it to a user id, and the root of a
//! container is the user. With keyctl(2), which the default seccomp profile refuses, it can link that keyring by its
//! number, as it can with podman; not so where the container has other ids (`--userns=nomap` and `auto`).

use std::io;

use rustix::process::Uid;

use super::{Error, Result};
use crate::sys::keyring::join_anonymous_session;

/// How many subordinate ids are tried: each has a quota of its own.
const TRIES: u32 = 8;

/// Takes a new, empty session keyring, or keeps the one that there is when the quota is used up: for processes whose
/// parent has left the user's session.
pub fn renew() -> io::Result<()> {
    match join_anonymous_session() {
        Err(error) if error.raw_os_error() == Some(libc::EDQUOT) => Ok(()),
        result => without_keyrings(result),
    }
}

/// Leaves the user's session keyring for a new, empty one. `subordinate` is the number of further ids, 1 and up, that this
/// process, root of its user namespace, may take for a moment; 0 when there are none. The process must have one thread.
pub fn leave_session(subordinate: u32) -> Result<()> {
    let failed = |error: io::Error| Error::system("cannot leave the session keyring of the user").caused_by(error);
    let pid = std::process::id();
    for attempt in 0..TRIES.min(subordinate) {
        // Spread over all of them, so that a thousand containers fit.
        let id = 1 + pid.wrapping_add(attempt.wrapping_mul(7919)) % subordinate;
        rustix::thread::set_thread_res_uid(Uid::from_raw(id), Uid::ROOT, Uid::ROOT).map_err(|e| failed(e.into()))?;
        let joined = join_anonymous_session();
        rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).map_err(|e| failed(e.into()))?;
        match joined {
            Err(error) if error.raw_os_error() == Some(libc::EDQUOT) => {}
            result => return without_keyrings(result).map_err(failed),
        }
    }
    without_keyrings(join_anonymous_session()).map_err(|error| match error.raw_os_error() {
        Some(libc::EDQUOT) => failed(error)
            .hint("all keys that the kernel allows you are in use: an administrator raises the number, as with `sysctl -w kernel.keys.maxkeys=2000`"),
        _ => failed(error),
    })
}

/// Where there are no keyrings, none is shared: the kernel was built without them (`ENOSYS`), or a seccomp filter that
/// containers inherit refuses the call (`EPERM`, which the kernel itself never answers).
fn without_keyrings(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_leaves_the_session_of_the_others() {
        let serial = || crate::sys::keyring::session_serial().ok();
        let before = serial();
        let inside = std::thread::spawn(move || {
            leave_session(0).unwrap();
            let first = serial();
            renew().unwrap();
            (first, serial())
        });
        let (first, second) = inside.join().unwrap();
        // Without keyrings there is none to compare.
        if first.is_some() {
            assert!(first != before && second != first && second != before, "{before:?} {first:?} {second:?}");
        }
        assert_eq!(serial(), before);
    }

    #[test]
    fn a_kernel_without_keyrings_has_none_to_leave() {
        for (errno, fine) in [(libc::ENOSYS, true), (libc::EPERM, true), (libc::EDQUOT, false), (libc::ENOMEM, false)] {
            assert_eq!(without_keyrings(Err(io::Error::from_raw_os_error(errno))).is_ok(), fine, "{errno}");
        }
    }
}
