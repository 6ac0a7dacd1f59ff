//! Checks that coracle's directories, and the sockets in them, belong to the user alone.
//!
//! Whoever may write in a directory of coracle may exchange records, layers and sockets, and so run programs as the user.
//! XDG_RUNTIME_DIR and XDG_DATA_HOME may point into places where others can make directories (`/tmp`, a shared disk), and
//! there may be a `coracle` already that somebody else has made. So both roots are checked before and after they are made
//! ([`check_directory`]), and both ends of each socket ask the kernel who is at the other one ([`check_peer`]).
//!
//! All ids are those that this process sees: in the outer user namespace the user is 0, and so are its directories and
//! peers; another user is the overflow id there.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::error::{Error, Kind, Result, ResultExt, if_absent};

/// Write permission for the group or everybody.
const OTHERS_WRITE: u32 = 0o022;
/// In a directory with the first and without the second, everybody renames what they like.
const EVERYBODY_WRITES: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// Root, and as what its directories show in a user namespace (`/proc/sys/kernel/overflowuid`).
const ROOTS: [u32; 2] = [0, 65534];

/// Fails when `directory` is not this user's, when others may write in it, or when others may put another one in its
/// place. A link is taken when the user has made it. Nothing there is fine. `variable` is what says where it is.
///
/// Not looked at are directories further up: the user has chosen them.
pub fn check_directory(directory: &Path, variable: &str) -> Result<()> {
    let me = rustix::process::geteuid().as_raw();
    let Some(itself) = if_absent(fs::symlink_metadata(directory)).at(directory, "cannot examine")? else {
        return Ok(());
    };
    let refused = |what: &str, hint: String| {
        Err(Error::new(Kind::Denied, format!("`{}` {what}", directory.display())).hint(hint))
    };
    let elsewhere = format!("remove it if it should not be there, or set {variable} to a directory of yours");
    if itself.uid() != me {
        return refused("belongs to another user", elsewhere);
    }
    let metadata = match itself.is_symlink() {
        true => fs::metadata(directory).at(directory, "cannot examine")?,
        false => itself,
    };
    if metadata.uid() != me {
        return refused("leads to a directory of another user", elsewhere);
    }
    if !metadata.is_dir() {
        return refused("is no directory", elsewhere);
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        return refused("is writable by others", format!("take that away: `chmod go-w {}`", directory.display()));
    }
    if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        let metadata = fs::metadata(parent).at(parent, "cannot examine")?;
        // The owner of a sticky directory may rename everything in it.
        let kept = metadata.mode() & STICKY != 0 && (metadata.uid() == me || ROOTS.contains(&metadata.uid()));
        if metadata.mode() & EVERYBODY_WRITES != 0 && !kept {
            let (directory, parent) = (directory.display(), parent.display());
            let what = format!("others may rename `{directory}`, since `{parent}` is writable by all");
            let hint = format!("take that away (`chmod o-w {parent}`), or set {variable} to a directory of yours");
            return Err(Error::new(Kind::Denied, what).hint(hint));
        }
    }
    Ok(())
}

/// Fails unless the process at the other end of a connected unix socket runs as this user (SO_PEERCRED, unix(7)): as it
/// was when it connected or, seen from the client, when it began to listen.
pub fn check_peer(socket: BorrowedFd<'_>) -> io::Result<()> {
    let peer = rustix::net::sockopt::socket_peercred(socket)?;
    match peer.uid == rustix::process::geteuid() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user is at the other end of the socket")),
    }
}

/// Lets only the user connect to a socket that will be bound: bind(2) takes the mode from the open socket, less the umask.
pub fn close_to_others(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::fs::fchmod(socket, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;
    use crate::base::publish::Staging;

    fn allow(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_directory_is_the_users_alone() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let (parent, ours) = (scratch.path().join("parent"), scratch.path().join("parent/coracle"));
        fs::create_dir(&parent).unwrap();
        let verdict = || check_directory(&ours, "XDG_DATA_HOME").map_err(|error| error.message().to_owned());
        assert_eq!(verdict(), Ok(()), "not there yet");
        fs::create_dir(&ours).unwrap();
        for (mode, fine) in [(0o700, true), (0o755, true), (0o775, false), (0o702, false), (0o1777, false)] {
            allow(&ours, mode);
            assert_eq!(verdict().is_ok(), fine, "{mode:o}");
        }
        allow(&ours, 0o700);
        for (mode, fine) in [(0o755, true), (0o775, true), (0o1777, true), (0o777, false), (0o703, false)] {
            allow(&parent, mode);
            assert_eq!(verdict().is_ok(), fine, "below {mode:o}");
        }
        allow(&parent, 0o700);
        fs::rename(&ours, parent.join("disk")).unwrap();
        symlink("disk", &ours).unwrap();
        assert_eq!(verdict(), Ok(()), "a link of this user to a directory of this user");
        allow(&parent.join("disk"), 0o777);
        assert!(verdict().unwrap_err().contains("writable by others"));
        fs::remove_file(&ours).unwrap();
        // Another user's, whoever runs this test.
        symlink("/proc/1", &ours).unwrap();
        let other = if rustix::process::geteuid().is_root() { None } else { Some("of another user") };
        if let Some(words) = other {
            assert!(verdict().unwrap_err().contains(words));
        }
        fs::remove_file(&ours).unwrap();
        fs::write(&ours, "").unwrap();
        assert!(verdict().unwrap_err().contains("is no directory"));
        if rustix::process::geteuid().is_root() {
            fs::remove_file(&ours).unwrap();
            fs::create_dir(&ours).unwrap();
            std::os::unix::fs::chown(&ours, Some(12345), None).unwrap();
            assert!(verdict().unwrap_err().contains("belongs to another user"));
            std::os::unix::fs::chown(&ours, Some(0), None).unwrap();
            std::os::unix::fs::chown(&parent, Some(12345), None).unwrap();
            for (mode, fine) in [(0o755, true), (0o1777, false), (0o1755, true)] {
                allow(&parent, mode);
                assert_eq!(verdict().is_ok(), fine, "below {mode:o} of another user");
            }
        }
    }

    #[test]
    fn a_socket_is_bound_for_the_user_alone_and_tells_its_peers() {
        let (here, there) = UnixStream::pair().unwrap();
        check_peer(here.as_fd()).unwrap();
        check_peer(there.as_fd()).unwrap();
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("socket");
        let socket =
            rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None).unwrap();
        close_to_others(socket.as_fd()).unwrap();
        rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&socket, 1).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let listener = UnixListener::from(socket);
        let client = UnixStream::connect(&path).unwrap();
        check_peer(client.as_fd()).unwrap();
        check_peer(listener.accept().unwrap().0.as_fd()).unwrap();
    }
}
