//! The supervisor's sockets: their addresses, connecting to one, and who is at the other end.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, socket, socketpair};

use crate::base::process::ProcessIdentity;
use crate::base::{Error, Result, ResultExt, private};

/// The address of a socket in a directory with a name of any length: through an fd of the directory, which must stay
/// open until the call that uses the address.
pub(super) fn address(path: &Path) -> Result<(fs::File, UnixAddr)> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::usage(format!("`{}` is no place for a socket", path.display())));
    };
    let directory = fs::File::open(directory).at(directory, "cannot open")?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    Ok((directory, UnixAddr::new(&short).at(path, "cannot address the socket")?))
}

/// Connects to the supervisor of a container; `None` when none listens.
pub fn connect(path: &Path) -> Result<Option<OwnedFd>> {
    let client = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
        .context(|| "cannot make a socket")?;
    let Ok((_directory, address)) = address(path) else { return Ok(None) };
    match nix::sys::socket::connect(client.as_raw_fd(), &address) {
        Ok(()) => {
            private::check_peer(client.as_fd()).at(path, "cannot trust")?;
            Ok(Some(client))
        }
        Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ECONNREFUSED) => Ok(None),
        Err(errno) => Err(errno).at(path, "cannot connect to"),
    }
}

/// A pair of connected sockets for a new supervisor: ours, then its own.
pub(crate) fn control_pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .context(|| "cannot make a socket pair")
}

/// The process that has connected to us.
pub(super) fn peer_of(socket: BorrowedFd<'_>) -> Option<ProcessIdentity> {
    let peer = rustix::net::sockopt::socket_peercred(socket).ok()?;
    ProcessIdentity::of(peer.pid.as_raw_nonzero().get())
}
