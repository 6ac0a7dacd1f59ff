//! What pid 1 of a container does before it becomes the user's program: it builds the container's view of the world
//! from inside its new namespaces.
//!
//! # Theory of operation
//!
//! The process is new in its user, mount, pid, ipc, uts, cgroup and (mostly) network namespaces. Its parent writes the
//! id maps and says go. Then:
//!
//! 1. proc, sysfs and the like are made as detached mounts while the host's /proc is still visible: the kernel gives a
//!    user namespace a proc only if it can see a whole one already (mount_too_revealing in fs/namespace.c).
//! 2. The union, a detached mount made by the parent, is attached and becomes the root with pivot_root(2); the old root
//!    is detached. From here on no path can lead out: a hostile image's symlinks resolve within the container.
//! 3. Everything else is attached by paths in the new root. What comes from the host was opened by the parent as a
//!    detached mount (open_tree(2)), with its read-only flag already set.
//! 4. Masks, host name, loopback, terminal; then [`PreparedProcess::become_program`].
//!
//! A failure is one message to the parent, (stage, index, errno), and exit. A closed socket means that the program
//! runs. The parent's death is noticed by the kernel: pid 1 dies with it, and with pid 1 everything in the container.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};

use super::process::{PreparedProcess, take_streams, take_terminal};
use crate::sys::mount::{MountAttr, set_attributes};
use crate::sys::process::{StringArray, exec_fd, exit_now};
use crate::sys::socket;

/// A stage of the set-up. Numbers start above those of [`super::process::Stage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Setup {
    /// Waiting for the parent.
    Start = 100,
    /// Making proc, sysfs, tmpfs and the others; the index is that of [`PSEUDO`].
    PseudoFilesystem,
    /// Attaching the root and pivoting to it.
    Root,
    /// Attaching a pseudo file system.
    StandardMount,
    /// Filling `/dev`.
    Devices,
    /// A mount the user asked for; the index is its place in the plan.
    Mount,
    /// Masked and read-only paths.
    Masks,
    /// Making the root read-only.
    ReadOnlyRoot,
    /// Host name.
    Hostname,
    /// Bringing loopback up.
    Loopback,
    /// The terminal or the pipes.
    Streams,
    /// coracle's init.
    Init,
}

/// The pseudo file systems by index, for messages.
pub const PSEUDO: &[&str] = &["proc", "sysfs", "tmpfs", "devpts", "tmpfs", "mqueue"];

/// Everything ready to run, fds open and strings ended with zero.
#[derive(Debug)]
pub struct PreparedChild {
    /// The union, detached.
    pub root: OwnedFd,
    /// A directory to attach it to, on the host.
    pub place: CString,
    /// `/dev/NAME` of the host, detached.
    pub devices: Vec<(CString, OwnedFd)>,
    /// The plan's mounts in its order.
    pub mounts: Vec<PreparedMount>,
    /// As in the plan.
    pub masked: Vec<CString>,
    /// As in the plan.
    pub read_only_paths: Vec<CString>,
    /// As in the plan.
    pub hostname: String,
    /// As in the plan.
    pub own_network: bool,
    /// As in the plan.
    pub networks: bool,
    /// The rtnetlink message that brings loopback up.
    pub loopback_up: Vec<u8>,
    /// As in the plan.
    pub read_only: bool,
    /// As in the plan.
    pub privileged: bool,
    /// `size=` of `/dev/shm`.
    pub shm_size: String,
    /// A terminal to make, or the streams to use.
    pub streams: Streams,
    /// coracle itself with the arguments of its init role.
    pub init: Option<(OwnedFd, StringArray, StringArray)>,
    /// The program.
    pub process: PreparedProcess,
    /// For containers in a network namespace that is not their own, which may not mount one.
    pub shared_sys: Option<SharedSys>,
}

/// A mount of the plan.
#[derive(Debug)]
pub enum PreparedMount {
    /// An attached-to-be mount from the host.
    Detached {
        /// The mount.
        mount: OwnedFd,
        /// Whether its root is a directory.
        directory: bool,
        /// Where to.
        target: CString,
    },
    /// A tmpfs to make.
    Tmpfs {
        /// For fsconfig(2).
        options: Vec<(CString, CString)>,
        /// For fsmount(2).
        attributes: u32,
        /// Where to.
        target: CString,
    },
}

/// The standard streams of the program.
#[derive(Debug)]
pub enum Streams {
    /// A new terminal of the container; columns and rows.
    Terminal(u16, u16),
    /// stdin, stdout, stderr.
    Pipes([OwnedFd; 3]),
}

/// Messages on the start socket from child to parent: the first byte.
pub const FAILED: u8 = b'F';
/// Carries the terminal's master side.
pub const TERMINAL: u8 = b'T';

type Outcome<T = ()> = Result<T, (u16, u16, Errno)>;

/// Runs in the child; never returns.
pub fn run(child: &PreparedChild, parent: BorrowedFd<'_>) -> ! {
    let (stage, index, errno) = match set_up(child, parent) {
        Ok(()) => {
            let (stage, errno) = become_program(child, parent);
            (stage, 0, errno)
        }
        Err(failure) => failure,
    };
    let mut message = [FAILED, 0, 0, 0, 0, 0, 0, 0, 0];
    message[1..3].copy_from_slice(&stage.to_ne_bytes());
    message[3..5].copy_from_slice(&index.to_ne_bytes());
    message[5..9].copy_from_slice(&(errno as i32).to_ne_bytes());
    let _ = socket::send(parent, &message, &[], &[]);
    exit_now(127)
}

fn become_program(child: &PreparedChild, parent: BorrowedFd<'_>) -> (u16, Errno) {
    match &child.init {
        None => {
            let (stage, errno) = child.process.become_program(parent);
            (stage as u16, errno)
        }
        Some((program, argv, env)) => match child.process.confine(parent) {
            Ok(()) => (Setup::Init as u16, exec_fd(program.as_fd(), argv, env)),
            Err((stage, errno)) => (stage as u16, errno),
        },
    }
}

fn set_up(child: &PreparedChild, parent: BorrowedFd<'_>) -> Outcome {
    wait_for_parent(parent).map_err(|e| (Setup::Start as u16, 0, errno(&e)))?;
    let place = become_root(child).map_err(|e| (Setup::Start as u16, 0, errno(&e)))?;
    let pseudo = Pseudo::make(child)?;
    enter_root(child, &place).map_err(|e| (Setup::Root as u16, 0, errno(&e)))?;
    pseudo.attach().map_err(|(index, e)| (Setup::StandardMount as u16, index, errno(&e)))?;
    fill_dev(child).map_err(|e| (Setup::Devices as u16, 0, errno(&e)))?;
    for (index, mount) in child.mounts.iter().enumerate() {
        attach_planned(mount).map_err(|e| (Setup::Mount as u16, index as u16, errno(&e)))?;
    }
    if child.own_network {
        if child.networks {
            wait_for_parent(parent).map_err(|e| (Setup::Start as u16, 0, errno(&e)))?;
        }
        let up = loopback_up(&child.loopback_up);
        up.map_err(|e| (Setup::Loopback as u16, 0, errno(&e)))?;
        set_up_network_use();
    }
    mask(child).map_err(|e| (Setup::Masks as u16, 0, errno(&e)))?;
    nix::unistd::sethostname(&child.hostname).map_err(|e| (Setup::Hostname as u16, 0, e))?;
    take_standard_streams(child, parent).map_err(|e| (Setup::Streams as u16, 0, errno(&e)))?;
    if child.read_only {
        let attr = MountAttr { set: u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits()), ..MountAttr::default() };
        set_attributes(CWD, c"/", false, &attr).map_err(|e| (Setup::ReadOnlyRoot as u16, 0, errno(&e)))?;
    }
    Ok(())
}

/// Becomes root of the new user namespace, if its map makes this process another user there or nobody: what is made from
/// here on must be root's. The root's place on the host is opened before, as the user whose directories lead to it.
fn become_root(child: &PreparedChild) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = rustix::fs::openat(CWD, child.place.as_c_str(), flags, Mode::empty())?;
    super::process::become_root()?;
    Ok(place)
}

/// Reads the parent's go. End of file: it died, and nobody would look after this container.
fn wait_for_parent(parent: BorrowedFd<'_>) -> io::Result<()> {
    let mut go = [0u8; 1];
    match socket::receive(parent, &mut go)? {
        (1, _) => Ok(()),
        _ => Err(Errno::EPIPE.into()),
    }
}

/// Index in [`PSEUDO`], target, file system, attributes, options.
type Recipe<'a> = (usize, &'static CStr, &'static CStr, MountAttrFlags, &'a [(&'a CStr, &'a CStr)]);

/// The pseudo file systems, detached.
struct Pseudo<'a> {
    mounts: Vec<(&'static CStr, OwnedFd)>,
    shared_sys: Option<&'a SharedSys>,
    cgroup: Option<OwnedFd>,
}

impl<'a> Pseudo<'a> {
    fn make(child: &'a PreparedChild) -> Outcome<Self> {
        use MountAttrFlags as A;
        let strict = A::MOUNT_ATTR_NOSUID | A::MOUNT_ATTR_NODEV | A::MOUNT_ATTR_NOEXEC;
        let sys = sys_attributes(child.privileged);
        let shm = CString::new(child.shm_size.as_str()).unwrap_or_default();
        let plan: [Recipe<'_>; 6] = [
            (0, c"/proc", c"proc", strict, &[]),
            (1, c"/sys", c"sysfs", sys, &[]),
            (2, c"/dev", c"tmpfs", A::MOUNT_ATTR_NOSUID, &[(c"mode", c"755"), (c"size", c"65536k")]),
            (
                3,
                c"/dev/pts",
                c"devpts",
                A::MOUNT_ATTR_NOSUID | A::MOUNT_ATTR_NOEXEC,
                &[(c"newinstance", c""), (c"ptmxmode", c"0666"), (c"mode", c"0620"), (c"gid", c"5")],
            ),
            (4, c"/dev/shm", c"tmpfs", strict, &[(c"mode", c"1777"), (c"size", &shm)]),
            (5, c"/dev/mqueue", c"mqueue", strict, &[]),
        ];
        let mut mounts = Vec::with_capacity(plan.len());
        for (index, target, kind, attributes, options) in plan {
            match make(kind, attributes, options) {
                Ok(mount) => mounts.push((target, mount)),
                // Without group 5 in the map, terminals belong to the user's own group.
                Err(error) if kind == c"devpts" && errno(&error) == Errno::EINVAL => {
                    let mount = make(kind, attributes, &options[..3]);
                    mounts
                        .push((target, mount.map_err(|e| (Setup::PseudoFilesystem as u16, index as u16, errno(&e)))?));
                }
                // In somebody else's network namespace a sysfs may not be mounted.
                Err(_) if kind == c"sysfs" && child.shared_sys.is_some() => {}
                Err(error) => return Err((Setup::PseudoFilesystem as u16, index as u16, errno(&error))),
            }
        }
        let own_sys = mounts.iter().any(|(target, _)| *target == c"/sys");
        let shared_sys = child.shared_sys.as_ref().filter(|_| !own_sys);
        // Not every machine has cgroup v2, and not every container tool above us allows it: without it, no limits show.
        let has_cgroup = matches!(shared_sys, Some(SharedSys::Host(_)));
        let cgroup = if has_cgroup { None } else { make(c"cgroup2", sys, &[]).ok() };
        Ok(Self { mounts, shared_sys, cgroup })
    }

    fn attach(&self) -> Result<(), (u16, io::Error)> {
        for (index, (target, mount)) in self.mounts.iter().enumerate() {
            make_dir(target).and_then(|()| attach(mount, target)).map_err(|e| (index as u16, e))?;
        }
        if let Some(SharedSys::Host(sys) | SharedSys::Fresh(sys)) = self.shared_sys {
            make_dir(c"/sys").and_then(|()| attach(sys, c"/sys")).map_err(|e| (1, e))?;
        }
        if let Some(cgroup) = &self.cgroup {
            // The place exists in every sysfs of a kernel with cgroups.
            let _ = attach(cgroup, c"/sys/fs/cgroup");
        }
        Ok(())
    }
}

/// `/sys`, detached, of a network namespace that others own.
#[derive(Debug)]
pub enum SharedSys {
    /// The host's own, with what is mounted below it.
    Host(OwnedFd),
    /// One for that namespace, with nothing below it.
    Fresh(OwnedFd),
}

/// How `/sys` is mounted.
pub fn sys_attributes(privileged: bool) -> MountAttrFlags {
    use MountAttrFlags as A;
    let strict = A::MOUNT_ATTR_NOSUID | A::MOUNT_ATTR_NODEV | A::MOUNT_ATTR_NOEXEC;
    if privileged { strict } else { strict | A::MOUNT_ATTR_RDONLY }
}

/// fsopen(2) to fsmount(2).
pub fn make(kind: &CStr, attributes: MountAttrFlags, options: &[(&CStr, &CStr)]) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    // What the first column of a mount table shows.
    rustix::mount::fsconfig_set_string(context.as_fd(), c"source", kind)?;
    for (name, value) in options {
        match value.is_empty() {
            true => rustix::mount::fsconfig_set_flag(context.as_fd(), *name)?,
            false => rustix::mount::fsconfig_set_string(context.as_fd(), *name, *value)?,
        }
    }
    rustix::mount::fsconfig_create(context.as_fd())?;
    Ok(rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

fn attach(mount: impl AsFd, target: &CStr) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    Ok(rustix::mount::move_mount(mount.as_fd(), c"", CWD, target, flags)?)
}

/// Attaches the union over a directory of the host, which only this mount namespace sees, and pivots into it. The
/// arguments `.` and `.` stack the old root on the new one, so that no directory is needed for it (pivot_root(2)).
fn enter_root(child: &PreparedChild, place: &OwnedFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(&child.root, c"", place, c"", flags)?;
    nix::unistd::fchdir(&child.root)?;
    rustix::process::pivot_root(c".", c".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    nix::unistd::chdir("/")?;
    Ok(())
}

fn fill_dev(child: &PreparedChild) -> io::Result<()> {
    for (path, device) in &child.devices {
        make_file(path)?;
        attach(device, path)?;
    }
    for (target, link) in [
        (c"/proc/self/fd", c"/dev/fd"),
        (c"/proc/self/fd/0", c"/dev/stdin"),
        (c"/proc/self/fd/1", c"/dev/stdout"),
        (c"/proc/self/fd/2", c"/dev/stderr"),
        (c"/proc/kcore", c"/dev/core"),
        (c"pts/ptmx", c"/dev/ptmx"),
    ] {
        rustix::fs::symlinkat(target, CWD, link)?;
    }
    Ok(())
}

fn attach_planned(mount: &PreparedMount) -> io::Result<()> {
    match mount {
        PreparedMount::Detached { mount, directory, target } => {
            make_target(target, *directory)?;
            attach(mount, target)
        }
        PreparedMount::Tmpfs { options, attributes, target } => {
            make_target(target, true)?;
            let options: Vec<(&CStr, &CStr)> =
                options.iter().map(|(name, value)| (name.as_c_str(), value.as_c_str())).collect();
            let mount = make(c"tmpfs", MountAttrFlags::from_bits_retain(*attributes), &options)?;
            attach(&mount, target)
        }
    }
}

/// Makes a missing mount point with its parents. A final symbolic link is followed, as docker does: an image's dangling
/// `/etc/resolv.conf -> ../run/...` gets its target.
fn make_target(target: &CStr, directory: bool) -> io::Result<()> {
    let text = target.to_string_lossy();
    match rustix::fs::stat(target) {
        Ok(stat) if (FileType::from_raw_mode(stat.st_mode) == FileType::Directory) == directory => return Ok(()),
        Ok(_) => return Err(if directory { Errno::ENOTDIR } else { Errno::EISDIR }.into()),
        Err(rustix::io::Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    if let Ok(link) = rustix::fs::readlink(target, Vec::new()) {
        let link = link.to_string_lossy().into_owned();
        let parent = text.rsplit_once('/').map_or("", |(parent, _)| parent);
        let real = if link.starts_with('/') { link } else { format!("{parent}/{link}") };
        return make_missing(&real, directory);
    }
    make_missing(&text, directory)
}

fn make_missing(path: &str, directory: bool) -> io::Result<()> {
    let c = |text: &str| CString::new(text).map_err(|_| io::Error::from(Errno::EINVAL));
    let mut prefixes: Vec<&str> = super::process::prefixes(path).collect();
    let last = if directory { None } else { prefixes.pop() };
    for prefix in prefixes {
        make_dir(&c(prefix)?)?;
    }
    last.map_or(Ok(()), |file| make_file(&c(file)?))
}

fn make_dir(path: &CStr) -> io::Result<()> {
    match rustix::fs::mkdirat(CWD, path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn make_file(path: &CStr) -> io::Result<()> {
    rustix::fs::openat(CWD, path, OFlags::CREATE | OFlags::RDONLY | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))?;
    Ok(())
}

/// An empty read-only directory for masked directories, `/dev/null` for masked files; absent ones need no mask.
fn mask(child: &PreparedChild) -> io::Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let clone = |path: &CStr| rustix::mount::open_tree(CWD, path, flags);
    for path in &child.masked {
        let Some(stat) = stat_if_present(path)? else { continue };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                attach(make(c"tmpfs", MountAttrFlags::MOUNT_ATTR_RDONLY, &[(c"nr_inodes", c"1")])?, path)?;
            }
            _ => attach(clone(c"/dev/null")?, path)?,
        }
    }
    let attr = MountAttr { set: u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits()), ..MountAttr::default() };
    for path in &child.read_only_paths {
        if stat_if_present(path)?.is_some() {
            let mount = clone(path)?;
            set_attributes(mount.as_fd(), c"", true, &attr)?;
            attach(&mount, path)?;
        }
    }
    Ok(())
}

fn stat_if_present(path: &CStr) -> io::Result<Option<rustix::fs::Stat>> {
    match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::ACCESS) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Sends the prepared rtnetlink request; the kernel carries it out before sendto(2) returns.
fn loopback_up(message: &[u8]) -> io::Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink};
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    rustix::net::sendto(&socket, message, rustix::net::SendFlags::empty(), &netlink::SocketAddrNetlink::new(0, 0))?;
    Ok(())
}

/// docker's defaults in a network namespace of one's own: every port and ping without privileges. A kernel that lacks
/// one of the settings has no such restriction to lift. And what is sent there goes to this machine alone, whose netd sends
/// it on: the host's choice of congestion control, which is for networks, begins there.
fn set_up_network_use() {
    for (path, value) in [
        (c"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"),
        (c"/proc/sys/net/ipv4/ping_group_range", "0 65535"),
        (c"/proc/sys/net/ipv4/tcp_congestion_control", "reno"),
    ] {
        if let Ok(file) = rustix::fs::openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
            let _ = rustix::io::write(&file, value.as_bytes());
        }
    }
}

fn take_standard_streams(child: &PreparedChild, parent: BorrowedFd<'_>) -> io::Result<()> {
    rustix::process::setsid()?;
    match &child.streams {
        Streams::Pipes([stdin, stdout, stderr]) => take_streams(stdin, stdout, stderr),
        Streams::Terminal(columns, rows) => {
            let master = take_terminal(c"/dev/pts/ptmx", *columns, *rows)?;
            // docker shows the terminal as /dev/console, too.
            make_file(c"/dev/console")?;
            let console = rustix::mount::open_tree(
                CWD,
                c"/proc/self/fd/0",
                OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
            )?;
            attach(&console, c"/dev/console")?;
            socket::send(parent, &[TERMINAL], &[], &[master.as_fd()])
        }
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
