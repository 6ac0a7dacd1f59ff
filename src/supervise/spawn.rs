//! How a command makes a supervisor. See the parent module for why it is a fork and an exec.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{MountAttrFlags, OpenTreeFlags};

use super::protocol::{Reply, send_reply};
use crate::base::error::WireError;
use crate::base::{Error, Paths, Result, ResultExt, failpoint, streams, trace};
use crate::rootless::outer;
use crate::sys::mount::{MountAttr, set_attributes};
use crate::sys::process::{
    Forked, StringArray, close_all_but, close_on_exec_from, exec_fd, exit_now, fork, place_at_three,
};

/// The program name that makes coracle a supervisor; followed by the data and the runtime directory.
pub const ROLE: &str = "coracle-supervise";

/// Where supervisors write their steps with `--debug`, in the data directory.
pub const LOG: &str = "logs/supervisor.log";

/// Forks a supervisor that waits for its `Launch` on the socket `control`. Returns before it is ready: what fails in the
/// meantime comes back as `Failed`. The caller must have one thread.
pub fn spawn(paths: &Paths, control: OwnedFd) -> Result<()> {
    paths.ensure()?;
    failpoint::here("start.spawn")?;
    match fork().context(|| "cannot fork")? {
        Forked::Parent(pid) => {
            trace::step(|| format!("the supervisor is process {pid}; its steps are in {LOG} of the data directory"));
            Ok(())
        }
        Forked::Child => {
            // The other end above all: it is the command's.
            let alone = close_all_but(&[control.as_fd()]).context(|| "cannot close the command's files");
            let error = match alone.and_then(|()| become_supervisor(paths, &control)) {
                Err(error) => error,
                Ok(never) => match never {},
            };
            outer::forget_keeper(paths);
            let _ = send_reply(control.as_fd(), &Reply::Failed(WireError::from(&error)));
            exit_now(1);
        }
    }
}

fn become_supervisor(paths: &Paths, control: &OwnedFd) -> Result<std::convert::Infallible> {
    rustix::process::setsid().context(|| "cannot make a session")?;
    outer::enter(paths)?;
    // The directory in which the user typed the command must not stay busy.
    rustix::process::chdir("/").context(|| "cannot change to the root directory")?;
    let program = read_only_program()?;
    streams::leave()?;
    // Everything else of the command, its pipes above all, must not be kept open by us.
    let program = above(program.as_fd(), 10)?;
    let socket = above(control.as_fd(), 10)?;
    close_on_exec_from(3).context(|| "cannot close files")?;
    place_at_three(socket.as_fd()).context(|| "cannot hand over the socket")?;
    let argv =
        [ROLE.as_bytes(), paths.data.as_os_str().as_encoded_bytes(), paths.runtime.as_os_str().as_encoded_bytes()];
    let argv = StringArray::new(argv).context(|| "a directory name holds a zero byte")?;
    let env = StringArray::new([] as [&str; 0]).context(|| "cannot make an environment")?;
    failpoint::here("supervisor.exec")?;
    let errno = exec_fd(program.as_fd(), &argv, &env);
    Err(Error::system("cannot run coracle's supervisor").caused_by(std::io::Error::from(errno)))
}

/// A copy of `fd` with a number of at least `least`.
fn above(fd: BorrowedFd<'_>, least: i32) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, least).context(|| "cannot duplicate a file")
}

/// This program, opened through a detached read-only clone of its mount: nobody who gets hold of it, by whatever
/// `/proc/PID/exe`, can write it. Falls back to a sealed copy in memory when the file was replaced since it started.
fn read_only_program() -> Result<File> {
    let path = fs::read_link("/proc/self/exe").context(|| "cannot find coracle's own program")?;
    let running = fs::metadata("/proc/self/exe").context(|| "cannot examine coracle's own program")?;
    match through_read_only_mount(&path) {
        Ok(file) if file.metadata().is_ok_and(|m| (m.dev(), m.ino()) == (running.dev(), running.ino())) => Ok(file),
        _ => sealed_copy(),
    }
}

pub(super) fn through_read_only_mount(path: &Path) -> Result<File> {
    let name = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| Error::system("a zero byte in a path"))?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = rustix::mount::open_tree(CWD, name.as_c_str(), flags).at(path, "cannot clone the mount of")?;
    let read_only = MountAttr { set: u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits()), ..MountAttr::default() };
    set_attributes(mount.as_fd(), c"", false, &read_only).at(path, "cannot make read-only the mount of")?;
    let opened = format!("/proc/self/fd/{}", mount.as_raw_fd());
    File::options().read(true).custom_flags(libc::O_CLOEXEC).open(opened).at(path, "cannot open")
}

/// A copy in memory that nobody can change (memfd_create(2) with all seals).
fn sealed_copy() -> Result<File> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    let mut original = File::open("/proc/self/exe").context(|| "cannot open coracle's own program")?;
    let memory = memfd_create("coracle", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
        .context(|| "cannot make a file in memory")?;
    let mut copy = File::from(memory);
    std::io::copy(&mut original, &mut copy).context(|| "cannot copy coracle's own program")?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&copy, seals).context(|| "cannot seal the copy of coracle's own program")?;
    let reopened = format!("/proc/self/fd/{}", copy.as_raw_fd());
    File::open(&reopened).context(|| "cannot open the copy of coracle's own program")
}
