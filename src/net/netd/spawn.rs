//! How netd comes into being: a supervisor forks it off and leaves it alone.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::ROLE;
use crate::base::{Error, Paths, Result, ResultExt, trace};
use crate::sys::process::{Forked, StringArray, close_on_exec_from, exec_fd, exit_now, fork, place_at};

/// Where netd finds its listening socket.
pub const LISTENER: i32 = 3;
/// Where it finds the router's namespace of its predecessor.
pub const ROUTER: i32 = 4;
/// The last argument when its steps go to its log.
pub const TRACED: &[u8] = b"traced";

/// Starts netd with the listening socket bound at `address`. It is nobody's child afterwards, in a session of its own and
/// holds nothing of the caller's, which must have one thread. What fails from here on shows as an end of the connections.
pub fn spawn(
    paths: &Paths,
    address: &Path,
    program: BorrowedFd<'_>,
    listener: BorrowedFd<'_>,
    router: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let argv = [
        ROLE.as_bytes(),
        paths.data.as_os_str().as_encoded_bytes(),
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
            let pid = nix::unistd::Pid::from_raw(pid);
            while nix::sys::wait::waitpid(pid, None) == Err(nix::errno::Errno::EINTR) {}
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
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    // Out of the way of the numbers that netd looks at.
    let (program, listener) = (above(program)?, above(listener)?);
    let router = router.map(above).transpose()?;
    close_on_exec_from(3)?;
    place_at(listener.as_fd(), LISTENER)?;
    if let Some(router) = &router {
        place_at(router.as_fd(), ROUTER)?;
    }
    Err(exec_fd(program.as_fd(), argv, env).into())
}

/// A copy of `fd` with a number above those that are handed over.
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
