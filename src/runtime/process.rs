//! The last stretch of a container process, the same for pid 1 and for `exec`: from a root inside the container's
//! namespaces to the user's program.
//!
//! # Order, and why
//!
//! 1. A session keyring of its own; then the working directory, while still root of the container; made when missing for
//!    pid 1 (docker does). The path may be the image's or a container's: `rootfs` resolves it.
//! 2. The seccomp filter, unless `no_new_privs` is wanted: installing one needs CAP_SYS_ADMIN. runc does the same; a
//!    profile must therefore allow setgroups, setresuid, setresgid, capset, prctl and execve.
//! 3. The bounding set, groups, ids, capabilities. After this, the process has no more than the program will have.
//! 4. With `no_new_privs`, that and the filter.
//! 5. exec, trying the directories of `PATH`. The kernel resolves these paths, magic links included: by then this
//!    process holds nothing but its standard streams and the socket to its parent.
//!
//! Between fork and exec this runs on the supervisor's memory; the supervisor has one thread, so that ordinary code is
//! safe, but everything that can be prepared before is.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use rustix::fs::FileType;
use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::rootfs::Rootfs;
use super::user::Identity;
use crate::base::{limits, poll, streams};
use crate::sys::process::{StringArray, close_on_exec_from, exec, reset_signals, set_seccomp_filter};
use crate::sys::socket;

/// The message to the parent right before exec. A socket that closes without it belonged to a process that was killed
/// before its program ran.
pub const ABOUT_TO_EXEC: u8 = b'E';

/// A program and what it may do: plain values.
#[derive(Debug, Clone, Default)]
pub struct ProcessPlan {
    /// Program and arguments; never empty.
    pub argv: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Absolute, inside the container.
    pub cwd: String,
    /// Make the working directory when it is missing.
    pub make_cwd: bool,
    /// Ids.
    pub identity: Identity,
    /// The supplementary groups are left as they are: they cannot be set, because the user has no subordinate ids, or those
    /// that the user has on the host are wanted.
    pub keep_groups: bool,
    /// Bounding set, and for root also the effective one, as the mask of capabilities(7).
    pub capabilities: u64,
    /// Whether exec may give privileges.
    pub no_new_privileges: bool,
    /// None means no filter.
    pub seccomp: Option<SeccompFilter>,
    /// What it and its children may take, as far as processes limit themselves.
    pub limits: ProcessLimits,
    /// The mask of the modes of new files; none for 0022.
    pub umask: Option<u32>,
    /// The execution domain, `PER_*` of personality(2).
    pub personality: Option<u64>,
    /// Its capabilities one by one, instead of those that follow from `capabilities`.
    pub sets: Option<CapabilityBits>,
    /// It lives on when its parent ends.
    pub outlives_parent: bool,
    /// It stays in the session keyring of its parent.
    pub keeps_keyring: bool,
}

/// The capability sets of a process (capabilities(7)), as masks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CapabilityBits {
    /// What it can ever have.
    pub bounding: u64,
    /// What it uses.
    pub effective: u64,
    /// What it may use.
    pub permitted: u64,
    /// What programs with such file capabilities keep.
    pub inheritable: u64,
    /// What all programs keep.
    pub ambient: u64,
}

/// The limits that a process sets itself; its children inherit them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessLimits {
    /// For setrlimit(2): what, soft and hard; none for no limit.
    pub rlimits: Vec<(rustix::process::Resource, Option<u64>, Option<u64>)>,
    /// The processors it runs on; empty for all.
    pub cpus: Vec<usize>,
    /// Its nice value; 0 for the supervisor's own.
    pub nice: i32,
}

/// What seccomp(2) takes.
#[derive(Debug, Clone)]
pub struct SeccompFilter {
    /// BPF instructions.
    pub program: Vec<libc::sock_filter>,
    /// SECCOMP_FILTER_FLAG_*.
    pub flags: u64,
}

/// Where the way to the program failed. Numbers cross a socket, so they are stable within one build only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Stage {
    /// Creating or entering the working directory.
    Cwd = 1,
    /// Dropping capabilities from the bounding set.
    Bounding,
    /// Setting groups and ids.
    Ids,
    /// Setting the capability sets.
    Capabilities,
    /// `no_new_privs`.
    NoNewPrivileges,
    /// Installing the seccomp filter.
    Seccomp,
    /// Signals and fds.
    Hygiene,
    /// Executing the program.
    Exec,
    /// Taking a session keyring of its own.
    Keyring,
    /// Limiting itself.
    Limits,
    /// The execution domain.
    Personality,
}

/// A [`ProcessPlan`] in the form the kernel wants.
#[derive(Debug)]
pub struct PreparedProcess {
    candidates: Vec<CString>,
    argv: StringArray,
    env: StringArray,
    cwd: String,
    make_cwd: bool,
    uid: Uid,
    gid: Gid,
    groups: Option<Vec<Gid>>,
    capabilities: u64,
    no_new_privileges: bool,
    seccomp: Option<SeccompFilter>,
    limits: ProcessLimits,
    /// Descriptors that it keeps under their numbers.
    handed: Rc<Vec<OwnedFd>>,
    umask: u32,
    personality: Option<u64>,
    sets: Option<CapabilityBits>,
    outlives_parent: bool,
    keeps_keyring: bool,
}

/// The search path of a process without `PATH`, as docker sets it.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl PreparedProcess {
    /// Fails on strings with zero bytes.
    pub fn new(plan: &ProcessPlan, handed: Rc<Vec<OwnedFd>>) -> io::Result<Self> {
        let c = |text: &str| CString::new(text).map_err(|_| io::Error::from(Errno::EINVAL));
        let path = plan.env.iter().rev().find_map(|pair| pair.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
        let group = Gid::from_raw;
        Ok(Self {
            candidates: candidates(&plan.argv[0], path).iter().map(|p| c(p)).collect::<io::Result<_>>()?,
            argv: StringArray::new(&plan.argv)?,
            env: StringArray::new(&plan.env)?,
            cwd: match plan.cwd.contains('\0') {
                true => return Err(Errno::EINVAL.into()),
                false => plan.cwd.clone(),
            },
            make_cwd: plan.make_cwd,
            uid: Uid::from_raw(plan.identity.uid),
            gid: group(plan.identity.gid),
            groups: (!plan.keep_groups).then(|| plan.identity.groups.iter().copied().map(group).collect()),
            capabilities: plan.capabilities,
            no_new_privileges: plan.no_new_privileges,
            seccomp: plan.seccomp.clone(),
            limits: plan.limits.clone(),
            handed,
            umask: plan.umask.unwrap_or(0o022),
            personality: plan.personality,
            sets: plan.sets,
            outlives_parent: plan.outlives_parent,
            keeps_keyring: plan.keeps_keyring,
        })
    }

    /// The descriptors that it keeps.
    pub(super) fn handed(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.handed.iter().map(AsFd::as_fd)
    }

    /// Whether the supplementary groups of this process stay.
    pub(super) fn keeps_groups(&self) -> bool {
        self.groups.is_none()
    }

    /// Becomes the program. Returns only on failure. `parent` is the socket whose other end only the supervisor holds.
    pub fn become_program(&self, parent: BorrowedFd<'_>) -> (Stage, Errno) {
        match self.confine(parent) {
            Ok(()) => {
                let _ = socket::send(parent, &[ABOUT_TO_EXEC], &[], &[]);
                (Stage::Exec, self.exec())
            }
            Err(failure) => failure,
        }
    }

    /// Everything up to the exec.
    pub(super) fn confine(&self, parent: BorrowedFd<'_>) -> Result<(), (Stage, Errno)> {
        let at = |stage| move |error: io::Error| (stage, errno(&error));
        let rustix = |stage| move |error: rustix::io::Errno| (stage, Errno::from_raw(error.raw_os_error()));
        if !self.keeps_keyring {
            crate::base::keyring::renew().map_err(at(Stage::Keyring))?;
        }
        Rootfs::current().and_then(|root| root.enter_directory(&self.cwd, self.make_cwd)).map_err(at(Stage::Cwd))?;
        if let Some(personality) = self.personality {
            // Before the filter, which allows a few domains only.
            crate::sys::process::set_personality(personality).map_err(at(Stage::Personality))?;
        }
        if !self.no_new_privileges {
            self.filter().map_err(at(Stage::Seccomp))?;
        }
        for capability in 0..64u32 {
            let bit = CapabilitySet::from_bits_retain(1 << capability);
            if self.capabilities & bit.bits() == 0 && rustix::thread::capability_is_in_bounding_set(bit) == Ok(true) {
                rustix::thread::remove_capability_from_bounding_set(bit).map_err(rustix(Stage::Bounding))?;
            }
        }
        if let Some(groups) = &self.groups {
            rustix::thread::set_thread_groups(groups).map_err(rustix(Stage::Ids))?;
        }
        give_streams_to(self.uid);
        if self.sets.is_some() {
            // Until they are set one by one: a change from root to another id would take all away.
            rustix::thread::set_keep_capabilities(true).map_err(rustix(Stage::Ids))?;
        }
        rustix::thread::set_thread_res_gid(self.gid, self.gid, self.gid).map_err(rustix(Stage::Ids))?;
        rustix::thread::set_thread_res_uid(self.uid, self.uid, self.uid).map_err(rustix(Stage::Ids))?;
        self.set_capabilities().map_err(rustix(Stage::Capabilities))?;
        if self.no_new_privileges {
            rustix::thread::set_no_new_privs(true).map_err(rustix(Stage::NoNewPrivileges))?;
            self.filter().map_err(at(Stage::Seccomp))?;
        }
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(self.umask));
        reset_signals().map_err(at(Stage::Hygiene))?;
        limits::restore().map_err(at(Stage::Hygiene))?;
        self.limit().map_err(at(Stage::Limits))?;
        if !self.outlives_parent {
            die_with_parent(parent).map_err(at(Stage::Hygiene))?;
        }
        close_on_exec_from(3).map_err(at(Stage::Hygiene))?;
        self.handed()
            .try_for_each(|fd| rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()))
            .map_err(rustix(Stage::Hygiene))
    }

    fn set_capabilities(&self) -> rustix::io::Result<()> {
        let held = if self.uid.is_root() { self.capabilities } else { 0 };
        let usual = CapabilityBits { effective: held, permitted: held, ..CapabilityBits::default() };
        let wanted = self.sets.unwrap_or(usual);
        let sets = CapabilitySets {
            effective: CapabilitySet::from_bits_retain(wanted.effective),
            permitted: CapabilitySet::from_bits_retain(wanted.permitted),
            inheritable: CapabilitySet::from_bits_retain(wanted.inheritable),
        };
        rustix::thread::set_capabilities(None, sets)?;
        for capability in (0..64u32).map(|number| 1 << number).filter(|bit| wanted.ambient & bit != 0) {
            let bit = CapabilitySet::from_bits_retain(capability);
            rustix::thread::configure_capability_in_ambient_set(bit, true)?;
        }
        Ok(())
    }

    /// Fails where no program will be found: by then somebody still listens. The file may be exchanged afterwards.
    pub(super) fn find(&self) -> Result<(), (Stage, Errno)> {
        let mut result = Errno::ENOENT;
        for path in &self.candidates {
            match nix::unistd::eaccess(path.as_c_str(), nix::unistd::AccessFlags::X_OK) {
                Ok(()) => return Ok(()),
                Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                Err(errno) => result = errno,
            }
        }
        Err((Stage::Exec, result))
    }

    fn filter(&self) -> io::Result<()> {
        self.seccomp.as_ref().map_or(Ok(()), |filter| set_seccomp_filter(&filter.program, filter.flags))
    }

    fn limit(&self) -> io::Result<()> {
        let ProcessLimits { rlimits, cpus, nice } = &self.limits;
        for (resource, soft, hard) in rlimits {
            rustix::process::setrlimit(*resource, rustix::process::Rlimit { current: *soft, maximum: *hard })?;
        }
        if !cpus.is_empty() {
            let mut set = nix::sched::CpuSet::new();
            cpus.iter().try_for_each(|cpu| set.set(*cpu))?;
            nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)?;
        }
        if *nice != 0 {
            rustix::process::setpriority_process(None, *nice)?;
        }
        Ok(())
    }

    /// Tries the candidates as execvp(3) does: a missing one is passed over, a forbidden one is remembered.
    pub(super) fn exec(&self) -> Errno {
        let mut result = Errno::ENOENT;
        for path in &self.candidates {
            match exec(path, &self.argv, &self.env) {
                Errno::ENOENT | Errno::ENOTDIR => {}
                Errno::EACCES => result = Errno::EACCES,
                errno => return errno,
            }
        }
        result
    }
}

/// Makes the standard streams the user's: a program that opens `/dev/stdout` by name opens the pipe or terminal behind it
/// anew, for which its owner and mode count (runc does the same). Only pipes, sockets and terminals: `/dev/null` belongs to
/// everybody already, and a file of the host must keep its owner. A stream whose owner cannot be changed, because of the id
/// map, stays what it is.
fn give_streams_to(uid: Uid) {
    for stream in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        let Ok(stat) = rustix::fs::fstat(stream) else { continue };
        let is_ours = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Fifo | FileType::Socket => true,
            FileType::CharacterDevice => rustix::termios::isatty(stream),
            _ => false,
        };
        if is_ours && stat.st_uid != uid.as_raw() {
            let _ = rustix::fs::fchown(stream, Some(uid), None);
        }
    }
}

/// SIGKILL when the supervisor dies: without it nobody would read the output or record the end. Asked for after the last
/// change of ids, which clears it; kept across exec unless the program is setuid. A supervisor that died before the
/// call is told by its closed end of the socket.
fn die_with_parent(parent: BorrowedFd<'_>) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    match poll::is_hung_up(parent)? {
        true => Err(Errno::EPIPE.into()),
        false => Ok(()),
    }
}

/// The paths to try for a program: itself when it names a place, else one in each directory of `PATH`.
fn candidates(program: &str, path: &str) -> Vec<String> {
    match program.contains('/') {
        true => vec![program.to_owned()],
        false if program.is_empty() => Vec::new(),
        false => path
            .split(':')
            .map(|directory| if directory.is_empty() { "." } else { directory })
            .map(|directory| format!("{}/{program}", directory.trim_end_matches('/')))
            .collect(),
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

impl Stage {
    /// The stage behind a number that came over the socket.
    pub fn from_number(number: u16) -> Option<Self> {
        use Stage::*;
        [Cwd, Bounding, Ids, Capabilities, NoNewPrivileges, Seccomp, Hygiene, Exec, Keyring, Limits, Personality]
            .into_iter()
            .find(|stage| *stage as u16 == number)
    }

    /// The failure as the user should read it.
    pub fn describe(self, plan: &ProcessPlan, errno: Errno) -> crate::base::Error {
        use crate::base::{Error, Kind, text::clean};
        let cause = io::Error::from(errno);
        let program = clean(&plan.argv[0]).into_owned();
        let system = |what: String| Error::system(what);
        match (self, errno) {
            (Stage::Exec, Errno::ENOENT | Errno::ENOTDIR) if !plan.argv[0].contains('/') => {
                return Error::new(Kind::CommandNotFound, format!("cannot run `{program}`: executable file not found in $PATH"));
            }
            (Stage::Exec, Errno::ENOENT | Errno::ENOTDIR) => Error::new(Kind::CommandNotFound, format!("cannot run `{program}`")),
            (Stage::Exec, Errno::ENOEXEC) => Error::new(Kind::CannotExecute, format!("cannot run `{program}`"))
                .hint("it is not a program for this machine's architecture, or a script without a `#!` line; programs of other architectures need an emulator: sudo apt install qemu-user-static"),
            (Stage::Exec, _) => Error::new(Kind::CannotExecute, format!("cannot run `{program}`")),
            (Stage::Cwd, Errno::ELOOP) => Error::new(
                Kind::CannotExecute,
                format!("cannot change to the working directory `{}`", clean(&plan.cwd)),
            )
            .hint("it leads through a circle of symbolic links, or through one of /proc to a process's own files"),
            // docker's and podman's exit code.
            (Stage::Cwd, Errno::ENOENT) => {
                Error::new(Kind::CommandNotFound, format!("cannot change to the working directory `{}`", clean(&plan.cwd)))
            }
            (Stage::Cwd, _) => Error::new(
                Kind::CannotExecute,
                format!("cannot change to the working directory `{}`", clean(&plan.cwd)),
            ),
            (Stage::Ids, Errno::EINVAL) => system(format!(
                "cannot become user {} and group {}",
                plan.identity.uid, plan.identity.gid
            ))
            .hint("an id is outside the container's id map: you have too few subordinate ids; `coracle doctor` shows them"),
            (Stage::Ids, _) => system("cannot set user and groups".into()),
            (Stage::Bounding | Stage::Capabilities, _) => system("cannot set capabilities".into()),
            (Stage::NoNewPrivileges, _) => system("cannot set no-new-privileges".into()),
            (Stage::Seccomp, _) => system("cannot install the seccomp filter".into()),
            (Stage::Hygiene, _) => system("cannot reset signals, limits and files".into()),
            (Stage::Limits, _) => system("cannot limit the process".into())
                .hint("an ordinary user cannot raise a hard limit (`ulimit -Ha` shows them), and must be allowed to use the processors that --cpuset-cpus names"),
            (Stage::Personality, _) => system("cannot change the execution domain (`--personality`)".into()),
            (Stage::Keyring, _) => system("cannot make a session keyring".into()),
        }
        .caused_by(cause)
    }
}

/// Makes this process root of its user namespace, in which it has all capabilities but perhaps another id or none. Its
/// supplementary groups stay if the program is to have them.
pub(super) fn become_root(keep_groups: bool) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() || !rustix::process::getegid().is_root() {
        if !keep_groups {
            rustix::thread::set_thread_groups(&[])?;
        }
        rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
        rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    }
    Ok(())
}

/// A new pseudo terminal.
pub(super) struct NewTerminal {
    /// The side of whoever relays it.
    master: OwnedFd,
    /// The side of the program.
    pub(super) slave: OwnedFd,
}

/// Opens a pseudo terminal of the devpts whose root directory is `pts`.
pub(super) fn new_terminal(pts: BorrowedFd<'_>, columns: u16, rows: u16) -> io::Result<NewTerminal> {
    use rustix::fs::{Mode, OFlags, ResolveFlags};
    use rustix::pty::OpenptFlags as F;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    // Neither a link nor what somebody with power over the container's mounts put over it.
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let master = rustix::fs::openat2(pts, c"ptmx", flags, Mode::empty(), resolve)?;
    rustix::pty::unlockpt(&master)?;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, F::RDWR | F::NOCTTY | F::CLOEXEC)?;
    if columns > 0 && rows > 0 {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&slave, size)?;
    }
    Ok(NewTerminal { master, slave })
}

impl NewTerminal {
    /// Makes the user's side this process's controlling terminal and standard streams. Returns the master side.
    pub(super) fn take(self) -> io::Result<OwnedFd> {
        rustix::process::ioctl_tiocsctty(&self.slave)?;
        streams::take(&self.slave, &self.slave, &self.slave)?;
        Ok(self.master)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_searched_like_a_shell_does() {
        assert_eq!(candidates("sh", "/bin:/usr/bin/:"), ["/bin/sh", "/usr/bin/sh", "./sh"]);
        assert_eq!(candidates("./run", "/bin"), ["./run"]);
        assert!(candidates("", "/bin").is_empty());
    }

    #[test]
    fn failures_have_dockers_exit_classes() {
        use crate::base::Kind;
        let plan = ProcessPlan { argv: vec!["foo".into()], ..ProcessPlan::default() };
        let error = Stage::Exec.describe(&plan, Errno::ENOENT);
        assert_eq!(
            (error.kind(), error.chain().as_str()),
            (Kind::CommandNotFound, "cannot run `foo`: executable file not found in $PATH")
        );
        assert_eq!(Stage::Exec.describe(&plan, Errno::EACCES).kind(), Kind::CannotExecute);
        assert_eq!(Stage::from_number(Stage::Exec as u16), Some(Stage::Exec));
    }
}
