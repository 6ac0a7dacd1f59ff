//! `--sdnotify`: tells a service manager that the container runs (sd_notify(3)).
//!
//! The manager has to learn which process stands for the service: the supervisor, as conmon is with podman. That is told
//! with the first run, whatever the mode. `container`: the program has a socket of its own at [`NOTIFY`], and of what it sends
//! there only words about its own state are passed on, cleaned; a container can tell the manager nothing about other
//! processes, and hand no descriptors to it. `conmon`: ready as soon as it runs. `healthy`: ready with the first health check
//! that succeeds.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};

use super::protocol::Handover;
use crate::base::error::if_absent;
use crate::base::{Result, ResultExt, paths, text};
use crate::runtime::plan::NOTIFY;
use crate::spec::lifecycle::SdNotify;

/// The largest message of a program; a longer one is cut by the kernel and its last line forgotten.
const MESSAGE_MAX: usize = 4096;

/// Messages that are taken at once.
const AT_ONCE: usize = 32;

/// The most characters of a status text.
const STATUS_MAX: usize = 256;

/// A service manager that wants to know.
#[derive(Debug)]
pub(super) struct Notifier {
    socket: UnixDatagram,
    manager: SocketAddr,
    mode: SdNotify,
    watchdog: Option<u64>,
    /// The container's socket and its place, in the mode `container`.
    proxy: Option<(UnixDatagram, PathBuf)>,
    main_told: bool,
    ready_told: bool,
}

impl Notifier {
    /// None when nobody wants to know. `directory` is the container's.
    pub(super) fn new(handover: &Handover, mode: SdNotify, directory: &Path) -> Result<Option<Self>> {
        let Some(manager) = &handover.notify else { return Ok(None) };
        if mode == SdNotify::Ignore {
            return Ok(None);
        }
        let manager = match manager.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(manager),
        };
        let manager = manager.context(|| "NOTIFY_SOCKET is not the address of a socket")?;
        let socket = UnixDatagram::unbound().context(|| "cannot make a socket")?;
        socket.set_nonblocking(true).context(|| "cannot set up a socket")?;
        let proxy = if mode == SdNotify::Container { Some(proxy(directory)?) } else { None };
        let (main_told, ready_told) = (false, false);
        Ok(Some(Self { socket, manager, mode, watchdog: handover.watchdog, proxy, main_told, ready_told }))
    }

    /// What the container's program gets: the place of its socket on the host, and its variables.
    pub(super) fn for_program(&self) -> Option<(&Path, Vec<String>)> {
        let (_, path) = self.proxy.as_ref()?;
        let mut variables = vec![format!("NOTIFY_SOCKET={NOTIFY}")];
        variables.extend(self.watchdog.map(|time| format!("WATCHDOG_USEC={time}")));
        Some((path, variables))
    }

    /// To be watched: when it is readable, [`Notifier::relay`] wants to be called.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.proxy.as_ref().map(|(socket, _)| socket.as_fd())
    }

    /// A run has begun.
    pub(super) fn begun(&mut self) {
        if !self.main_told {
            self.main_told = true;
            self.send(&format!("MAINPID={}", std::process::id()));
        }
        if self.mode == SdNotify::Conmon {
            self.ready();
        }
    }

    /// A health check has succeeded.
    pub(super) fn healthy(&mut self) {
        if self.mode == SdNotify::Healthy {
            self.ready();
        }
    }

    fn ready(&mut self) {
        if !self.ready_told {
            self.ready_told = true;
            self.send("READY=1");
        }
    }

    /// Passes on what the program has sent.
    pub(super) fn relay(&mut self) {
        let mut buffer = [0; MESSAGE_MAX + 1];
        for _ in 0..AT_ONCE {
            let Some((proxy, _)) = &self.proxy else { return };
            // Descriptors that come with a message are closed by the kernel: nothing takes them.
            let Ok(length) = proxy.recv(&mut buffer) else { return };
            let words = allowed(&buffer[..length]);
            self.ready_told |= words.lines().any(|line| line == "READY=1");
            if !words.is_empty() {
                self.send(&words);
            }
        }
    }

    /// A manager that is gone or takes nothing holds nothing up.
    fn send(&self, words: &str) {
        let _ = self.socket.send_to_addr(words.as_bytes(), &self.manager);
    }
}

/// The socket of a container: anybody in it may write to it, and nobody outside comes through the directory.
fn proxy(directory: &Path) -> Result<(UnixDatagram, PathBuf)> {
    let place = directory.join("notify");
    paths::private_dir(&place)?;
    let path = place.join("notify.sock");
    if_absent(fs::remove_file(&path)).at(&path, "cannot remove")?;
    let socket = bind(&place, "notify.sock").at(&path, "cannot make the socket")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).at(&path, "cannot open to the container")?;
    socket.set_nonblocking(true).at(&path, "cannot set up")?;
    Ok((socket, path))
}

/// Through a descriptor of the directory: the address of a socket has 108 bytes.
fn bind(directory: &Path, name: &str) -> io::Result<UnixDatagram> {
    use std::os::fd::AsRawFd;
    let directory = fs::File::open(directory)?;
    UnixDatagram::bind(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
}

/// The lines of a message that a container may send: its own state, and nothing that names other processes.
fn allowed(message: &[u8]) -> String {
    let complete = match message.len() > MESSAGE_MAX {
        true => &message[..message.iter().rposition(|byte| *byte == b'\n').unwrap_or(0)],
        false => message,
    };
    let text = String::from_utf8_lossy(complete);
    let digits =
        |value: &str| !value.is_empty() && value.len() <= 20 && value.bytes().all(|byte| byte.is_ascii_digit());
    let line = |line: &str| {
        let (key, value) = line.split_once('=')?;
        match key {
            "READY" | "RELOADING" | "STOPPING" if value == "1" => Some(line.to_owned()),
            "WATCHDOG" if matches!(value, "1" | "trigger") => Some(line.to_owned()),
            "EXTEND_TIMEOUT_USEC" | "MONOTONIC_USEC" | "ERRNO" if digits(value) => Some(line.to_owned()),
            "STATUS" => Some(format!("STATUS={}", text::clean(&value.chars().take(STATUS_MAX).collect::<String>()))),
            _ => None,
        }
    };
    text.lines().filter_map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    fn received(manager: &UnixDatagram) -> String {
        let mut buffer = [0; 8192];
        let length = manager.recv(&mut buffer).unwrap_or(0);
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_container_speaks_of_itself_alone() {
        for (message, passed) in [
            ("READY=1\nSTATUS=up\n", "READY=1\nSTATUS=up"),
            ("MAINPID=1\nREADY=1", "READY=1"),
            ("FDSTORE=1\nFDNAME=x\nBUSERROR=x\nNOTIFYACCESS=all\nMAINPIDFD=1", ""),
            ("WATCHDOG=1\nWATCHDOG_USEC=1\nWATCHDOG=trigger", "WATCHDOG=1\nWATCHDOG=trigger"),
            ("EXTEND_TIMEOUT_USEC=12\nERRNO=-1\nERRNO=2", "EXTEND_TIMEOUT_USEC=12\nERRNO=2"),
            ("READY=2\n\nfrob", ""),
        ] {
            assert_eq!(allowed(message.as_bytes()), passed, "{message:?}");
        }
        assert!(!allowed(b"STATUS=\x1b[31mred").contains('\x1b'));
        let long = format!("READY=1\nSTATUS={}", "x".repeat(MESSAGE_MAX));
        assert_eq!(allowed(&long.as_bytes()[..MESSAGE_MAX + 1]), "READY=1");
    }

    #[test]
    fn the_manager_hears_who_it_is_and_when_it_is_ready() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("manager");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let handover = Handover { notify: Some(path.display().to_string()), watchdog: Some(7), ..Handover::default() };
        let of = |mode| Notifier::new(&handover, mode, scratch.path()).unwrap();
        assert!(of(SdNotify::Ignore).is_none());
        let main = format!("MAINPID={}", std::process::id());
        let mut conmon = of(SdNotify::Conmon).unwrap();
        conmon.begun();
        conmon.begun();
        assert_eq!([(); 3].map(|()| received(&manager)), [main.as_str(), "READY=1", ""]);
        let mut healthy = of(SdNotify::Healthy).unwrap();
        healthy.begun();
        assert_eq!([(); 2].map(|()| received(&manager)), [main.as_str(), ""]);
        healthy.healthy();
        healthy.healthy();
        assert_eq!([(); 2].map(|()| received(&manager)), ["READY=1", ""]);
        let mut container = of(SdNotify::Container).unwrap();
        container.begun();
        assert_eq!([(); 2].map(|()| received(&manager)), [main.as_str(), ""]);
        let (place, variables) = container.for_program().unwrap();
        assert_eq!(variables, [format!("NOTIFY_SOCKET={NOTIFY}"), "WATCHDOG_USEC=7".into()]);
        let program = UnixDatagram::unbound().unwrap();
        program.send_to(b"MAINPID=1\nREADY=1\nSTATUS=well", place).unwrap();
        container.relay();
        assert_eq!(received(&manager), "READY=1\nSTATUS=well");
    }
}
