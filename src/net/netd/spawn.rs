//! Starts netd: a supervisor forks it off as a detached process.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::ROLE;
use crate::base::{Error, Paths, Result, ResultExt, process, streams, trace};
use crate::sys::process::{Forked, StringArray, close_on_exec_from, exec_fd, exit_now, fork, place_at};

/// The descriptor of the listening socket in netd.
pub const LISTENER: i32 = 3;
/// The descriptor of the former router namespace in netd.
pub const ROUTER: i32 = 4;
/// Held by whoever starts netd, in the runtime directory.
pub const LOCK: &str = "netd.lock";

/// The last argument when its steps go to its log.
pub const TRACED: &[u8] = b"traced";

/// Starts netd with the listening socket that is bound at `address`. It gets a session of its own, no parent that waits
/// for it, and no other descriptors. The caller must have one thread. Later failures show as closed connections.
pub fn spawn(
    paths: &Paths,
    address: &Path,
    program: BorrowedFd<'_>,
    listener: BorrowedFd<'_>,
    router: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let argv = [
        ROLE.as_bytes(),
        // Also when it is a step of a build that needs it first.
        Paths::data_of_user(&paths.data).as_os_str().as_encoded_bytes(),
        paths.runtime.as_os_str().as_encoded_bytes(),
        address.as_os_str().as_encoded_bytes(),
        if router.is_some() { b"adopt" } else { b"new" },
        if trace::is_on() { TRACED } else { b"quiet" },
    ];
    let argv = StringArray::new(argv).context(|| "a directory name holds a zero byte")?;
    let env = StringArray::new([] as [&str; 0]).context(|| "cannot make an environment")?;
    match fork().context(|| "cannot fork")? {
        Forked::Child => {
            if let Ok(Forked::Child) = fork() {
                let _ = become_netd(program, listener, router, &argv, &env);
                exit_now(127);
            }
            exit_now(0);
        }
        Forked::Parent(pid) => {
            let _ = process::wait(pid);
            Ok(())
        }
    }
}

fn become_netd(
    program: BorrowedFd<'_>,
    listener: BorrowedFd<'_>,
    router: Option<BorrowedFd<'_>>,
    argv: &StringArray,
    env: &StringArray,
) -> std::io::Result<Infallible> {
    rustix::process::setsid()?;
    rustix::process::chdir("/")?;
    crate::base::keyring::renew()?;
    streams::leave().map_err(std::io::Error::other)?;
    // Moves them out of the way of the numbers that netd uses.
    let (program, listener) = (above(program)?, above(listener)?);
    let router = router.map(above).transpose()?;
    close_on_exec_from(3)?;
    place_at(listener.as_fd(), LISTENER)?;
    if let Some(router) = &router {
        place_at(router.as_fd(), ROUTER)?;
    }
    Err(exec_fd(program.as_fd(), argv, env).into())
}

/// A copy of `fd` above the numbers that are passed to netd.
fn above(fd: BorrowedFd<'_>) -> std::io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, 10)?)
}

/// The arguments after the role's name, as [`spawn`] passes them.
pub fn is_adoption(argument: &std::ffi::OsStr) -> Result<bool> {
    match argument.as_encoded_bytes() {
        b"adopt" => Ok(true),
        b"new" => Ok(false),
        _ => Err(Error::usage("netd was started with an argument that it does not know")),
    }
}
