//! What pid 1 of a container does before it becomes the user's program: it builds the container's view of the world
//! from inside its new namespaces.
//!
//! # Theory of operation
//!
//! The process is new in its user, mount, pid, ipc, uts and (mostly) network namespaces, and in the container's control
//! group. Its parent writes the id maps and says go. It makes the cgroup namespace, whose root is that group. Then:
//!
//! 0. Every descriptor is closed that is not in [`PreparedChild`]. What is left is given up one by one as it is used, and
//!    nothing of it is a directory or a namespace of the host, apart from what the user mounts.
//! 1. The kernel's file systems are made as detached mounts (`kernel_fs`) while the host's `/proc` is still visible.
//! 2. The union, a detached mount made by the parent, is attached and becomes the root with pivot_root(2); the old root
//!    is detached. From here on no path can lead out: a hostile image's symlinks resolve within the container.
//! 3. The kernel's file systems are attached, filled and masked, and the terminal is made: all by descriptor, before
//!    anything of the image or the user can cover them.
//! 4. What the user and the image's volumes ask for is attached to places that `rootfs` finds below the root. What comes
//!    from the host was opened by the parent as a detached mount (open_tree(2)), with its read-only flag already set.
//! 5. Network, settings of the kernel, host name, hooks, read-only root; then [`PreparedProcess::become_program`].
//!
//! A failure is one message to the parent, (stage, index, errno), and exit. The parent's death is noticed by the kernel:
//! pid 1 dies with it, and with pid 1 everything in the container.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sched::CloneFlags;
use rustix::fs::{FsWord, Mode, OFlags, ResolveFlags};
use rustix::mount::MountAttrFlags;

use super::hooks::PreparedHooks;
use super::kernel_fs::{Detached, FsOptions, KernelFs, KernelFsOptions, Masks, Provided, make, mask_replacement};
use super::plan::NewKind;
use super::populate;
use super::process::{ABOUT_TO_EXEC, PreparedProcess, new_terminal};
use super::rootfs::{MountPoint, Rootfs, attach};
use crate::base::{failpoint, sandbox, streams};
use crate::spec::hooks::HookPoint;
use crate::sys::mount::{MountAttr, set_attributes};
use crate::sys::process::{StringArray, close_all_but, exec_fd, exit_now};
use crate::sys::socket;

/// A stage of the set-up. Numbers start above those of [`super::process::Stage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Setup {
    /// Closing descriptors, waiting for the parent, becoming root.
    Start = 100,
    /// Making proc, sysfs, tmpfs and the others; the index is that of [`super::kernel_fs::KERNEL_FS`].
    MakeKernelFs,
    /// Attaching the root and pivoting to it.
    Root,
    /// Attaching one of the kernel's file systems; the same index.
    AttachKernelFs,
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
    /// A setting of the kernel; the index is its place in the plan.
    Sysctl,
    /// A hook; the index is its place among those of the plan.
    Hook,
    /// Bringing loopback up.
    Loopback,
    /// The terminal or the pipes.
    Streams,
    /// coracle's init.
    Init,
    /// Keeping its signals among its own processes.
    Signals,
}

/// Everything ready to run, fds open and strings ended with zero.
#[derive(Debug)]
pub struct PreparedChild {
    /// The union, detached.
    pub root: OwnedFd,
    /// Devices of the host by their name in `/dev`, detached.
    pub devices: Vec<(CString, OwnedFd)>,
    /// The plan's mounts in its order.
    pub mounts: Vec<PreparedMount>,
    /// As in the plan.
    pub masks: Masks,
    /// As in the plan.
    pub hostname: Option<String>,
    /// As in the plan.
    pub own_network: bool,
    /// As in the plan.
    pub networks: bool,
    /// The rtnetlink message that brings loopback up.
    pub loopback_up: Vec<u8>,
    /// As in the plan.
    pub read_only: bool,
    /// The kernel's file systems.
    pub kernel_fs: KernelFsOptions,
    /// Those of them that belong to namespaces of others.
    pub provided: Provided,
    /// It is given a cgroup namespace of its own.
    pub own_cgroup_namespace: bool,
    /// As in the plan.
    pub keeps_signals: bool,
    /// A terminal to make, or the streams to use.
    pub streams: Streams,
    /// Settings of the kernel: files below `/proc/sys`, and their values.
    pub sysctls: Vec<(CString, String)>,
    /// Programs that are run before its own, if there are any.
    pub hooks: Option<PreparedHooks>,
    /// An init with its arguments: coracle itself, or the user's.
    pub init: Option<(OwnedFd, StringArray, StringArray)>,
    /// The program.
    pub process: PreparedProcess,
    /// What it waits at before it becomes the program.
    pub gate: Option<OwnedFd>,
    /// Descriptors that the program gets under their numbers.
    pub preserved: Vec<OwnedFd>,
}

impl PreparedChild {
    /// The descriptors that the child needs.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut needed = vec![self.root.as_fd()];
        needed.extend(self.devices.iter().map(|(_, device)| device.as_fd()));
        needed.extend(self.mounts.iter().filter_map(|mount| match mount {
            PreparedMount::Detached { mount, .. } => Some(mount.as_fd()),
            PreparedMount::New { .. } => None,
        }));
        match &self.streams {
            Streams::Terminal(..) => {}
            Streams::Pipes(pipes) => needed.extend(pipes.iter().map(AsFd::as_fd)),
        }
        needed.extend(self.process.handed());
        needed.extend(self.provided.descriptors());
        needed.extend(self.hooks.iter().map(|hooks| hooks.output.as_fd()));
        needed.extend(self.gate.iter().chain(&self.preserved).map(AsFd::as_fd));
        needed.extend(self.init.iter().map(|(program, ..)| program.as_fd()));
        needed
    }
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
        /// The type of its file system, as statfs(2) has it.
        kind: FsWord,
        /// Where to.
        target: String,
    },
    /// A file system to make.
    New {
        /// Its type.
        kind: NewKind,
        /// For fsconfig(2).
        options: FsOptions,
        /// For fsmount(2).
        attributes: u32,
        /// It begins with the files that are at its target.
        copy_up: bool,
        /// Where to.
        target: String,
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
/// It is confined, and waits at its gate.
pub const CREATED: u8 = b'C';
/// All is mounted: it waits for the hooks of the parent, and for the state that its own are told.
pub const HOOKS: u8 = b'H';

/// The most bytes of the state that hooks are told.
pub const MAX_STATE: usize = 128 << 10;

/// Stage, index within it, cause.
type Outcome<T> = Result<T, (u16, u16, Errno)>;

/// Runs in the child; never returns.
pub fn run(child: PreparedChild, parent: BorrowedFd<'_>) -> ! {
    let (stage, index, errno) = match start(child, parent) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    let mut message = [FAILED, 0, 0, 0, 0, 0, 0, 0, 0];
    message[1..3].copy_from_slice(&stage.to_ne_bytes());
    message[3..5].copy_from_slice(&index.to_ne_bytes());
    message[5..9].copy_from_slice(&(errno as i32).to_ne_bytes());
    let _ = socket::send(parent, &message, &[], &[]);
    exit_now(127)
}

fn start(child: PreparedChild, parent: BorrowedFd<'_>) -> Outcome<Infallible> {
    let mut kept = child.descriptors();
    kept.push(parent);
    close_all_but(&kept).map_err(failed(Setup::Start))?;
    drop(kept);
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    wait_for_parent(parent)
        .and_then(|()| super::process::become_root(child.process.keeps_groups()))
        .map_err(failed(Setup::Start))?;
    failpoint::here_io("runtime.child.begin").map_err(self::failed(Setup::Start))?;
    if child.own_cgroup_namespace {
        // Only now: a namespace that clone3(2) makes has the parent's group as its root, not the one that the child is put in.
        nix::sched::unshare(CloneFlags::CLONE_NEWCGROUP).map_err(|errno| (Setup::Start as u16, 0, errno))?;
    }
    let mut child = child;
    let keeps_signals = child.keeps_signals;
    let (gate, preserved) = (child.gate.take(), std::mem::take(&mut child.preserved));
    let (process, init, late) = set_up(child, parent, gate.is_some())?;
    if keeps_signals {
        sandbox::keep_signals().map_err(failed(Setup::Signals))?;
    }
    let failed = |(stage, errno)| (stage as u16, 0, errno);
    if let Some(gate) = gate {
        return wait_at_gate(&process, &gate, (preserved, late), parent);
    }
    let Some((program, argv, env)) = init else { return Err(failed(process.become_program(parent))) };
    process.confine(parent).map_err(failed)?;
    let _ = socket::send(parent, &[ABOUT_TO_EXEC], &[], &[]);
    Err((Setup::Init as u16, 0, exec_fd(program.as_fd(), &argv, &env)))
}

/// Confines itself, says so, waits until somebody writes into the gate, and becomes the program. By then nobody may listen.
fn wait_at_gate(
    process: &PreparedProcess,
    gate: &OwnedFd,
    (preserved, late): (Vec<OwnedFd>, Option<LateHooks>),
    parent: BorrowedFd<'_>,
) -> Outcome<Infallible> {
    let failed = |(stage, errno)| (stage as u16, 0, errno);
    process.confine(parent).and_then(|()| process.find()).map_err(failed)?;
    for fd in &preserved {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())
            .map_err(|error| (Setup::Start as u16, 0, Errno::from_raw(error.raw_os_error())))?;
    }
    socket::send(parent, &[CREATED], &[], &[]).map_err(self::failed(Setup::Start))?;
    let mut byte = [0u8; 1];
    loop {
        match rustix::io::read(gate, &mut byte) {
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err((Setup::Start as u16, 0, Errno::from_raw(errno.raw_os_error()))),
            Ok(_) => break,
        }
    }
    if let Some((hooks, state)) = late {
        let failed = |(index, error): (u16, io::Error)| (Setup::Hook as u16, index, errno(&error));
        hooks.run(HookPoint::StartContainer, &state).map_err(failed)?;
    }
    Err((super::process::Stage::Exec as u16, 0, process.exec()))
}

/// Hooks that are run when the container is started, and the state that they are told.
type LateHooks = (PreparedHooks, Vec<u8>);

fn failed(setup: Setup) -> impl Fn(io::Error) -> (u16, u16, Errno) {
    move |error| (setup as u16, 0, errno(&error))
}

type Init = Option<(OwnedFd, StringArray, StringArray)>;

/// Everything up to the last stretch, which it returns.
fn set_up(
    child: PreparedChild,
    parent: BorrowedFd<'_>,
    has_gate: bool,
) -> Outcome<(PreparedProcess, Init, Option<LateHooks>)> {
    let indexed = |setup: Setup| move |(index, error): (u16, io::Error)| (setup as u16, index, errno(&error));
    let detached = Detached::make(&child.kernel_fs, child.provided);
    let detached = detached.map_err(indexed(Setup::MakeKernelFs))?;
    let root = match &child.hooks {
        None => enter_root(child.root),
        Some(hooks) => attach_root(child.root, &hooks.rootfs),
    };
    let root = root.map_err(failed(Setup::Root))?;
    let kernel_fs = detached.attach(&root).map_err(indexed(Setup::AttachKernelFs))?;
    let null = kernel_fs.fill_dev(child.devices).map_err(failed(Setup::Devices))?;
    let settings = kernel_fs.settings().map_err(failed(Setup::Loopback))?;
    kernel_fs.mask(&child.masks, null.as_fd()).map_err(failed(Setup::Masks))?;
    give_streams(child.streams, &kernel_fs, parent).map_err(failed(Setup::Streams))?;
    drop(kernel_fs);
    for (index, mount) in child.mounts.into_iter().enumerate() {
        attach_planned(&root, mount, &child.masks, null.as_fd())
            .map_err(|error| (Setup::Mount as u16, index as u16, errno(&error)))?;
    }
    drop(null);
    if child.own_network {
        if child.networks {
            wait_for_parent(parent).map_err(failed(Setup::Start))?;
        }
        loopback_up(&child.loopback_up).map_err(failed(Setup::Loopback))?;
        if !has_gate {
            set_up_network_use(settings.as_fd());
        }
    }
    for (index, (path, value)) in child.sysctls.iter().enumerate() {
        set_sysctl(settings.as_fd(), path, value)
            .map_err(|error| (Setup::Sysctl as u16, index as u16, errno(&error)))?;
    }
    drop(settings);
    if let Some(hostname) = &child.hostname {
        nix::unistd::sethostname(hostname).map_err(|e| (Setup::Hostname as u16, 0, e))?;
    }
    let (root, late) = match child.hooks {
        None => (root, None),
        Some(hooks) => {
            let (root, state) = run_hooks(&hooks, root, parent, has_gate)?;
            (root, Some((hooks, state)))
        }
    };
    if child.read_only {
        let attr = MountAttr { set: u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits()), ..MountAttr::default() };
        set_attributes(root.as_fd(), c"", false, &attr).map_err(failed(Setup::ReadOnlyRoot))?;
    }
    Ok((child.process, child.init, late))
}

/// Reads the parent's go. End of file: it died, and nobody would look after this container.
fn wait_for_parent(parent: BorrowedFd<'_>) -> io::Result<()> {
    let mut go = [0u8; 1];
    match socket::receive(parent, &mut go)? {
        (1, _) => Ok(()),
        _ => Err(Errno::EPIPE.into()),
    }
}

/// Attaches the union over the host's root, which only this mount namespace sees, and pivots into it. The arguments `.`
/// and `.` stack the old root on the new one, so that no directory is needed for it (pivot_root(2)).
fn enter_root(union: OwnedFd) -> io::Result<Rootfs> {
    let host = Rootfs::current()?;
    attach(union.as_fd(), host.as_fd())?;
    drop(host);
    nix::unistd::fchdir(&union)?;
    drop(union);
    rustix::process::pivot_root(c".", c".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    let root = Rootfs::current()?;
    nix::unistd::fchdir(root.as_fd())?;
    Ok(root)
}

/// Attaches the union to the directory of the host where hooks see it. It becomes the root later.
fn attach_root(union: OwnedFd, place: &CStr) -> io::Result<Rootfs> {
    let host = Rootfs::current()?;
    attach(union.as_fd(), host.directory(place)?.as_fd())?;
    Rootfs::of(union.as_fd())
}

/// Lets the parent and then this process run the hooks that see the host, enters the root, and runs those inside.
fn run_hooks(
    hooks: &PreparedHooks,
    root: Rootfs,
    parent: BorrowedFd<'_>,
    has_gate: bool,
) -> Outcome<(Rootfs, Vec<u8>)> {
    let failed_hook = |(index, error): (u16, io::Error)| (Setup::Hook as u16, index, errno(&error));
    let told = || -> io::Result<Vec<u8>> {
        socket::send(parent, &[HOOKS], &[], &[])?;
        let mut state = vec![0; MAX_STATE];
        match socket::receive(parent, &mut state)? {
            (0, _) => Err(Errno::EPIPE.into()),
            (length, _) => {
                state.truncate(length);
                Ok(state)
            }
        }
    };
    let state = told().map_err(failed(Setup::Start))?;
    hooks.run(HookPoint::CreateContainer, &state).map_err(failed_hook)?;
    let enter = || -> io::Result<Rootfs> {
        nix::unistd::fchdir(root.as_fd())?;
        rustix::process::pivot_root(c".", c".")?;
        umount2(".", MntFlags::MNT_DETACH)?;
        let root = Rootfs::current()?;
        nix::unistd::fchdir(root.as_fd())?;
        Ok(root)
    };
    let root = enter().map_err(failed(Setup::Root))?;
    if !has_gate {
        hooks.run(HookPoint::StartContainer, &state).map_err(failed_hook)?;
    }
    Ok((root, state))
}

fn attach_planned(root: &Rootfs, mount: PreparedMount, masks: &Masks, null: BorrowedFd<'_>) -> io::Result<()> {
    match mount {
        PreparedMount::Detached { mount, directory, kind, target } => {
            let place = root.mount_point(MountPoint { target: &target, directory, source: kind })?;
            attach(mount.as_fd(), place.as_fd())?;
            mask_replacement(&target, mount.as_fd(), masks, null)
        }
        PreparedMount::New { kind, options, attributes, copy_up, target } => {
            let has_mode = options.iter().any(|(name, _)| name.as_c_str() == c"mode");
            // docker's rule: over a directory of the image, its mode counts (tmpfs(5) has 1777 otherwise).
            let takes_mode = kind != NewKind::Devpts && !has_mode;
            let mode = if takes_mode { root.mode_of(&target) } else { None };
            let mode = mode.map(|mode| CString::new(format!("{mode:o}"))).transpose().unwrap_or_default();
            let place = root.mount_point(MountPoint { target: &target, directory: true, source: magic(kind) })?;
            let options = options.iter().map(|(name, value)| (name.as_c_str(), value.as_c_str()));
            let options: Vec<(&CStr, &CStr)> =
                options.chain(mode.iter().map(|mode| (c"mode", mode.as_c_str()))).collect();
            let attributes = MountAttrFlags::from_bits_retain(attributes);
            let mount = make(kind.name(), attributes.difference(MountAttrFlags::MOUNT_ATTR_RDONLY), &options)?;
            if copy_up {
                populate::copy(place.as_fd(), mount.as_fd())?;
            }
            // A file system that is made read-only takes no copies.
            if attributes.contains(MountAttrFlags::MOUNT_ATTR_RDONLY) {
                let attr =
                    MountAttr { set: u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits()), ..MountAttr::default() };
                set_attributes(mount.as_fd(), c"", false, &attr)?;
            }
            attach(mount.as_fd(), place.as_fd())
        }
    }
}

/// `f_type` of a file system that is made (linux/magic.h).
fn magic(kind: NewKind) -> FsWord {
    match kind {
        NewKind::Tmpfs => 0x0102_1994,
        NewKind::Ramfs => 0x8584_58f6,
        NewKind::Devpts => 0x1cd1,
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
/// one of the settings has no such restriction to lift. All traffic of the container ends at this machine's netd, which
/// sends it on with the host's congestion control: the container itself needs none that is made for networks.
///
/// `settings` is `/proc/sys` of the container's own procfs.
fn set_up_network_use(settings: BorrowedFd<'_>) {
    for (path, value) in [
        (c"net/ipv4/ip_unprivileged_port_start", "0"),
        (c"net/ipv4/ping_group_range", "0 65535"),
        (c"net/ipv4/tcp_congestion_control", "reno"),
    ] {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        if let Ok(file) = rustix::fs::openat2(settings, path, flags, Mode::empty(), resolve) {
            let _ = rustix::io::write(&file, value.as_bytes());
        }
    }
}

/// Writes a setting that was asked for. `settings` is `/proc/sys` of the container's own procfs.
fn set_sysctl(settings: BorrowedFd<'_>, path: &CStr, value: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let file = rustix::fs::openat2(settings, path, flags, Mode::empty(), resolve)?;
    match rustix::io::write(&file, value.as_bytes())? {
        length if length == value.len() => Ok(()),
        _ => Err(Errno::EIO.into()),
    }
}

fn give_streams(streams: Streams, kernel_fs: &KernelFs, parent: BorrowedFd<'_>) -> io::Result<()> {
    rustix::process::setsid()?;
    match streams {
        Streams::Pipes([stdin, stdout, stderr]) => streams::take(stdin, stdout, stderr),
        Streams::Terminal(columns, rows) => {
            let terminal = new_terminal(kernel_fs.pts(), columns, rows)?;
            kernel_fs.show_console(terminal.slave.as_fd())?;
            socket::send(parent, &[TERMINAL], &[], &[terminal.take()?.as_fd()])
        }
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
