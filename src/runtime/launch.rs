//! From a plan to a running pid 1: opens what comes from the host, clones the child into its namespaces, writes its id
//! maps and hears how it went.
//!
//! # The start protocol
//!
//! Parent (the supervisor, root of the outer user namespace) and child share a SOCK_SEQPACKET pair. The parent clones,
//! writes `uid_map` and `gid_map`, and sends one byte. The child sets itself up (`child`); if others make interfaces for
//! it meanwhile, it waits for a second byte when it comes to its network. It may send its terminal, and either execs,
//! which closes its end, or sends (stage, index, errno) and exits. Right before the exec it says so. The parent reads
//! messages until end of file: the start has succeeded if the child was about to exec and did not report a failure after
//! that. A child that was killed before has said neither. If the parent dies, the child reads end of file before its go,
//! or is killed by the kernel afterwards.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use rustix::mount::MountAttrFlags;

use super::child::{self, PreparedChild, Setup, Streams};
use super::hooks::{self, Hooks, PreparedHooks};
use super::joined::Joined;
use super::kernel_fs::{self, Cgroups, Ipc, KernelFsOptions, Masks, Provided, SharedSys};
use super::plan::{DEVICES, Init, LaunchPlan, Source};
use super::process::{ABOUT_TO_EXEC, PreparedProcess, Stage};
use super::sources::{c_pairs, detach, prepare_mount};
use super::userns::write_maps;
use crate::base::{Error, Result, ResultExt, failpoint, process, sandbox, text};
use crate::spec::hooks::HookPoint;
use crate::spec::idmap::IdMap;
use crate::spec::lifecycle::{INIT_LISTENS, INIT_ROLE};
use crate::spec::sysctl;
use crate::sys::process::{Cloned, Forked, StringArray};
use crate::sys::socket;

/// Where cgroup v2 is mounted.
const HIERARCHY: &str = "/sys/fs/cgroup";

/// How long a child is waited for to say why it failed, when the start has failed on this side.
const CHILD_PATIENCE: Duration = Duration::from_secs(1);

/// What the launcher needs besides the plan.
#[derive(Debug)]
pub struct Resources<'a> {
    /// The union, detached.
    pub root: OwnedFd,
    /// Standard streams; none when the plan wants a terminal.
    pub streams: Option<[OwnedFd; 3]>,
    /// The program that is pid 1 if the plan wants an init, on a mount that cannot be written through.
    pub init: &'a File,
    /// Id maps of the container's user namespace, whose parent is ours; none without one of its own.
    pub maps: Option<(IdMap, IdMap)>,
    /// The mounts of the plan that were made for it, by target.
    pub made: BTreeMap<String, OwnedFd>,
    /// The container's control group, if it has one of its own.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Descriptors that the program has under the numbers that they have here.
    pub handed: Rc<Vec<OwnedFd>>,
    /// The namespaces that are made for it; none for those of a container that the engine has made.
    pub namespaces: Option<CloneFlags>,
    /// The namespaces of others that it joins.
    pub joined: Joined,
    /// What its first process waits at before it becomes the program.
    pub gate: Option<OwnedFd>,
    /// Descriptors that the program gets under their numbers.
    pub preserved: Vec<OwnedFd>,
}

impl<'a> Resources<'a> {
    /// Those of a container that the engine has made, whose files are `root`.
    pub fn of(root: OwnedFd, init: &'a File, maps: (IdMap, IdMap)) -> Self {
        Self {
            root,
            streams: None,
            init,
            maps: Some(maps),
            made: BTreeMap::new(),
            cgroup: None,
            namespaces: None,
            joined: Joined::default(),
            gate: None,
            preserved: Vec::new(),
            handed: Rc::default(),
        }
    }
}

/// The files of a container that are a directory of the host, with what is mounted below it: detached.
pub fn files_of(rootfs: &Path) -> Result<OwnedFd> {
    detach(rootfs, true, 0)
}

/// A running pid 1.
#[derive(Debug)]
pub struct Launched {
    /// Its pid and pidfd.
    pub init: Cloned,
    /// The master side of its terminal.
    pub terminal: Option<OwnedFd>,
}

/// Starts the container's pid 1. On failure nothing of it is left running.
///
/// `plug` is called with its pid while it sets itself up, when the plan has networks: it makes the interfaces in the
/// network namespace of that process.
pub fn launch(
    plan: &LaunchPlan,
    resources: Resources<'_>,
    plug: &mut dyn FnMut(i32) -> Result<()>,
) -> Result<Launched> {
    let maps = resources.maps.clone().filter(|_| plan.whose.user == Source::Own);
    let (cgroup, namespaces) = (resources.cgroup, resources.namespaces);
    let mut resources = resources;
    let joined = std::mem::take(&mut resources.joined);
    let child = prepare(plan, resources, &joined)?;
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .context(|| "cannot make a socket pair")?;
    // The cgroup namespace is made by the child itself.
    let own = namespaces.unwrap_or_else(|| own_namespaces(plan)).difference(CloneFlags::CLONE_NEWCGROUP);
    let init = match joined.clone_into(own, cgroup)? {
        Forked::Child => child::run(child, theirs.as_fd()),
        Forked::Parent(init) => init,
    };
    drop(theirs);
    let hook_output = child.hooks.map(|hooks| hooks.output);
    let go = || socket::send(ours.as_fd(), &[1], &[], &[]).context(|| "cannot wake the container");
    let mapped = failpoint::here("runtime.cloned")
        .and_then(|()| maps.as_ref().map_or(Ok(()), |maps| write_maps(init.pid, maps)));
    let mapped = mapped.and_then(|()| plan.oom_score_adj.map_or(Ok(()), |score| adjust_oom_score(init.pid, score)));
    let woken = mapped.and_then(|()| failpoint::here("runtime.mapped")).and_then(|()| go());
    let woken = woken.and_then(|()| match plan.networks {
        true => plug(init.pid).and_then(|()| failpoint::here("runtime.plugged")).and_then(|()| go()),
        false => Ok(()),
    });
    let started = match woken {
        Ok(()) => hear(plan, ours.as_fd(), hook_output.as_ref(), init.pid),
        Err(error) => Err(childs_reason(plan, ours.as_fd(), hook_output.as_ref()).unwrap_or(error)),
    };
    match started {
        Ok(terminal) => Ok(Launched { init, terminal }),
        Err(error) => {
            process::kill(&init);
            Err(error)
        }
    }
}

/// The namespaces that are made for a container of the engine.
fn own_namespaces(plan: &LaunchPlan) -> CloneFlags {
    let whose = &plan.whose;
    let own = |source: Source| source == Source::Own;
    let kinds = [
        (own(whose.user), CloneFlags::CLONE_NEWUSER),
        (own(whose.pid), CloneFlags::CLONE_NEWPID),
        (own(whose.ipc), CloneFlags::CLONE_NEWIPC),
        (own(whose.uts), CloneFlags::CLONE_NEWUTS),
        (own(whose.cgroup), CloneFlags::CLONE_NEWCGROUP),
        (plan.own_network, CloneFlags::CLONE_NEWNET),
    ];
    kinds.into_iter().filter(|(own, _)| *own).fold(CloneFlags::CLONE_NEWNS, |all, (_, kind)| all | kind)
}

/// What the child itself says of a start that failed on our side, if it has failed by its own doing.
fn childs_reason(plan: &LaunchPlan, socket: BorrowedFd<'_>, output: Option<&OwnedFd>) -> Option<Error> {
    // A child that waits for us sees the end of the file and gives up; one that hangs elsewhere is not waited for.
    rustix::net::shutdown(socket, rustix::net::Shutdown::Write).ok()?;
    rustix::net::sockopt::set_socket_timeout(socket, rustix::net::sockopt::Timeout::Recv, Some(CHILD_PATIENCE)).ok()?;
    match hear_failure(socket, &mut || Err(Error::system("it came too far"))).ok()? {
        Heard::Failed(stage, _, Errno::EPIPE) if stage == Setup::Start as u16 => None,
        Heard::Failed(stage, index, errno) => Some(describe(plan, (stage, index, errno), output)),
        Heard::Started(_) => None,
    }
}

/// How likely the kernel is to kill a process when memory runs out (proc_pid_oom_score_adj(5)). Its children inherit it.
pub fn adjust_oom_score(pid: i32, score: i32) -> Result<()> {
    let path = format!("/proc/{pid}/oom_score_adj");
    fs::write(&path, score.to_string()).map_err(|error| {
        let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
        let told = Error::system(format!("cannot set `--oom-score-adj` to {score}")).caused_by(error);
        told.hint(format!("an ordinary user can only raise it, here above {}", own.trim()))
    })
}

/// How a start ended.
enum Heard {
    /// The program runs; with the master side of its terminal.
    Started(Option<OwnedFd>),
    /// Stage, index within it, cause.
    Failed(u16, usize, Errno),
}

/// Reads the child's messages until it execs or reports a failure.
fn hear(plan: &LaunchPlan, socket: BorrowedFd<'_>, output: Option<&OwnedFd>, pid: i32) -> Result<Option<OwnedFd>> {
    let mut hooks = || {
        let Some(hooks) = &plan.hooks else {
            return Err(Error::system("the container waits for hooks that there are not"));
        };
        hooks.run(HookPoint::Prestart, "creating", pid)?;
        hooks.run(HookPoint::CreateRuntime, "creating", pid)?;
        socket::send(socket, &hooks.state("creating", pid), &[], &[]).context(|| "cannot wake the container")
    };
    match hear_failure(socket, &mut hooks)? {
        Heard::Started(terminal) => Ok(terminal),
        Heard::Failed(stage, index, errno) => Err(describe(plan, (stage, index, errno), output)),
    }
}

/// `hooks` is called when the child waits for the parent's.
fn hear_failure(socket: BorrowedFd<'_>, hooks: &mut dyn FnMut() -> Result<()>) -> Result<Heard> {
    let mut terminal = None;
    let mut about_to_exec = false;
    loop {
        let mut message = [0u8; 16];
        let (length, fds) = match socket::receive(socket, &mut message) {
            // A child that ends with our go unread resets the connection (unix_release_sock in net/unix/af_unix.c);
            // what it has sent before can still be read.
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionReset) => {
                continue;
            }
            received => received.context(|| "cannot hear the container's start")?,
        };
        match &message[..length] {
            [] if about_to_exec => return Ok(Heard::Started(terminal)),
            [] => return Err(Error::system("the container was killed before its program ran")),
            [ABOUT_TO_EXEC] => about_to_exec = true,
            [child::TERMINAL] => terminal = fds.into_iter().next(),
            [child::HOOKS] => hooks()?,
            [child::CREATED] => return Ok(Heard::Started(terminal)),
            [child::FAILED, s0, s1, i0, i1, errno @ ..] => {
                let stage = u16::from_ne_bytes([*s0, *s1]);
                let index = usize::from(u16::from_ne_bytes([*i0, *i1]));
                let errno = errno.try_into().map_or(libc::EIO, i32::from_ne_bytes);
                return Ok(Heard::Failed(stage, index, Errno::from_raw(errno)));
            }
            _ => return Err(Error::system("the container's start sent a message that is not understood")),
        }
    }
}

/// The failure of a child: stage, index within it, cause. `output` is what its hooks have printed.
fn describe(plan: &LaunchPlan, (stage, index, errno): (u16, usize, Errno), output: Option<&OwnedFd>) -> Error {
    if let Some(stage) = Stage::from_number(stage) {
        return stage.describe(&plan.process, errno);
    }
    let is = |setup: Setup| stage == setup as u16;
    if is(Setup::Hook)
        && let Some(hook) = plan.hooks.as_ref().and_then(|hooks| hooks.hooks.get(index))
        && let Some(output) = output
    {
        return hooks::explain(hook, io::Error::from(errno), output.as_fd());
    }
    if is(Setup::Sysctl)
        && let Some((name, value)) = plan.sysctls.get(index)
    {
        return sysctl_failed(name, value, errno);
    }
    let (kind, place) = kernel_fs::KERNEL_FS.get(index).copied().unwrap_or(("a file system", "/"));
    let what = if is(Setup::MakeKernelFs) || is(Setup::AttachKernelFs) {
        format!("cannot mount {kind} in the container")
    } else if is(Setup::Mount) {
        let target = plan.mounts.get(index).map_or("?", |mount| mount.target.as_str());
        format!("cannot mount `{}` in the container", text::clean(target))
    } else if is(Setup::Root) {
        "cannot change to the container's root".into()
    } else if is(Setup::Devices) {
        "cannot fill the container's /dev".into()
    } else if is(Setup::Masks) {
        "cannot mask the kernel's files in the container".into()
    } else if is(Setup::ReadOnlyRoot) {
        "cannot make the container's root read-only".into()
    } else if is(Setup::Hostname) {
        format!("cannot set the host name `{}`", text::clean(plan.hostname.as_deref().unwrap_or_default()))
    } else if is(Setup::Loopback) {
        "cannot bring the container's loopback up".into()
    } else if is(Setup::Streams) {
        "cannot give the container its standard streams".into()
    } else if is(Setup::Init) {
        "cannot run coracle's init in the container".into()
    } else if is(Setup::Signals) {
        "cannot keep the container from signalling the host's processes".into()
    } else {
        "the container did not start".into()
    };
    if errno == Errno::EXDEV && is(Setup::Mount) {
        return Error::usage(format!("{what}: it is inside /proc or /sys"))
            .hint("only the places that the kernel has for mounts, such as /sys/fs/cgroup, can be mounted over there");
    }
    let error = Error::system(what).caused_by(io::Error::from(errno));
    match errno {
        Errno::ELOOP | Errno::ENOTDIR if is(Setup::AttachKernelFs) => {
            error.hint(format!("the image's `{place}` is a symbolic link or a file; it must be a directory"))
        }
        _ if is(Setup::MakeKernelFs) && index == usize::from(kernel_fs::BINFMT) => error.hint(
            "the image is for another architecture, and an ordinary user may register an emulator since Linux 6.7; before, root registers one for all: sudo apt install qemu-user-static binfmt-support",
        ),
        Errno::EPERM if is(Setup::MakeKernelFs) && index == 0 => error.hint(
            "parts of /proc are hidden here, as in another tool's container: start that one with --privileged, or with --security-opt unmask=ALL",
        ),
        Errno::ENOTDIR | Errno::EISDIR if is(Setup::Mount) => {
            error.hint("a file can only be mounted on a file, and a directory on a directory")
        }
        _ => error,
    }
}

fn sysctl_failed(name: &str, value: &str, errno: Errno) -> Error {
    let error = Error::system(format!("cannot set sysctl '{}' to `{}`", text::clean(name), text::clean(value)))
        .caused_by(io::Error::from(errno));
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => {
            error.hint("the kernel does not have this setting, or not for containers of ordinary users")
        }
        Errno::EACCES | Errno::EPERM => error.hint("the kernel does not let a container of an ordinary user change it"),
        Errno::EINVAL | Errno::ERANGE => error.hint("the kernel does not take this value"),
        _ => error,
    }
}

fn prepare(plan: &LaunchPlan, resources: Resources<'_>, joined: &Joined) -> Result<PreparedChild> {
    if plan.keeps_signals && !sandbox::can_keep_signals() {
        return Err(Error::unsupported(
            "with the host's processes before it, a container could signal all of yours: this kernel cannot hold it back",
        )
        .hint("Linux 6.12 can, with Landlock among its security modules; --privileged goes without"));
    }
    let mut made = resources.made;
    let c =
        |text: &str| CString::new(text).map_err(|_| Error::usage(format!("`{}` holds a zero byte", text::clean(text))));
    let exec_strings =
        |error: io::Error| Error::usage("the command or the environment holds a zero byte").caused_by(error);
    let streams = match (plan.terminal, resources.streams) {
        (Some((columns, rows)), _) => Streams::Terminal(columns, rows),
        (None, Some(pipes)) => Streams::Pipes(pipes),
        (None, None) => return Err(Error::system("a container without a terminal needs standard streams")),
    };
    let init = match plan.init {
        Init::None => None,
        kind => {
            let program: &[String] = if kind == Init::Alone { &[] } else { &plan.process.argv };
            let listens = plan.listens.then_some(INIT_LISTENS);
            let own = [INIT_ROLE].into_iter().chain(listens).chain(["--"]);
            let argv = own.chain(program.iter().map(String::as_str));
            let program = resources.init.try_clone().context(|| "cannot pass on the program of the init")?;
            Some((
                program.into(),
                StringArray::new(argv).map_err(exec_strings)?,
                StringArray::new(&plan.process.env).map_err(exec_strings)?,
            ))
        }
    };
    let kernel_fs = KernelFsOptions {
        shm_size: c(&plan.shm_size.to_string())?,
        privileged: plan.privileged,
        proc: c_pairs(&plan.proc_options)?,
        proc_attributes: plan.proc_attributes,
        pts: plan.pts_options.as_deref().map(c_pairs).transpose()?,
        emulator: plan.emulator.clone(),
    };
    Ok(PreparedChild {
        // Without a group of its own, the one it is in is also that of the user's other programs.
        provided: provide(plan, joined, &kernel_fs, resources.cgroup.is_some())?,
        own_cgroup_namespace: resources
            .namespaces
            .unwrap_or_else(|| own_namespaces(plan))
            .contains(CloneFlags::CLONE_NEWCGROUP),
        keeps_signals: plan.keeps_signals,
        root: resources.root,
        devices: devices()?,
        mounts: plan.mounts.iter().map(|mount| prepare_mount(mount, &mut made)).collect::<Result<_>>()?,
        masks: Masks::new(&plan.masked, &plan.read_only_paths)
            .context(|| "cannot prepare the masks of /proc and /sys")?,
        hostname: plan.hostname.clone(),
        own_network: plan.own_network,
        networks: plan.networks,
        loopback_up: super::loopback::set_up_message(),
        read_only: plan.read_only,
        kernel_fs,
        sysctls: plan
            .sysctls
            .iter()
            .map(|(name, value)| Ok((c(&sysctl::file(name))?, value.clone())))
            .collect::<Result<_>>()?,
        hooks: plan.hooks.as_ref().map(prepare_hooks).transpose()?,
        streams,
        init,
        process: PreparedProcess::new(&plan.process, resources.handed).map_err(exec_strings)?,
        gate: resources.gate,
        preserved: resources.preserved,
    })
}

/// The file systems of namespaces that are not the container's own. Those of the host are clones of what the host has
/// mounted: an ordinary user may not mount them anew.
fn provide(plan: &LaunchPlan, joined: &Joined, options: &KernelFsOptions, own_group: bool) -> Result<Provided> {
    let strict = kernel_fs::STRICT;
    let of_host = |path: &str, more: MountAttrFlags| detach(Path::new(path), true, u64::from((strict | more).bits()));
    let none = MountAttrFlags::empty();
    let proc = match plan.whose.pid {
        // Read-only: its root may write to files of the user's processes, such as oom_score_adj. Through the whole one, its
        // own network is set up.
        Source::Host => {
            let shown = if plan.privileged { none } else { MountAttrFlags::MOUNT_ATTR_RDONLY };
            Some((of_host("/proc", shown)?, Some(of_host("/proc", none)?)))
        }
        _ => joined.proc(&options.proc, MountAttrFlags::from_bits_retain(options.proc_attributes), strict)?,
    };
    let ipc = match plan.whose.ipc {
        Source::Own => Ipc::Own { shm: plan.shm },
        Source::Joined => Ipc::Given { shm: joined.memory(strict)?, queues: joined.queues(strict)? },
        // Not every machine has its message queues mounted.
        Source::Host => Ipc::Given { shm: Some(of_host("/dev/shm", none)?), queues: of_host("/dev/mqueue", none).ok() },
    };
    let cgroups = match plan.whose.cgroup {
        Source::Own => Cgroups::Own { writable: plan.divides_cgroup && own_group },
        Source::Joined => Cgroups::Given(joined.cgroups(strict | MountAttrFlags::MOUNT_ATTR_RDONLY)),
        // Read-only: it has the groups of everything that the user runs.
        Source::Host => {
            let read_only = u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits());
            Cgroups::Given(Some(detach(Path::new(HIERARCHY), true, read_only)?))
        }
    };
    let sys = if plan.own_network { None } else { Some(shared_sys(plan.privileged)?) };
    Ok(Provided { proc, ipc, sys, cgroups })
}

fn prepare_hooks(hooks: &Hooks) -> Result<PreparedHooks> {
    let rootfs = CString::new(hooks.rootfs.trim_start_matches('/'));
    Ok(PreparedHooks {
        hooks: hooks.hooks.clone(),
        rootfs: rootfs.map_err(|_| Error::usage("the directory of the container holds a zero byte"))?,
        output: hooks::output().context(|| "cannot make a file for what hooks print")?,
    })
}

/// `/sys` for a container in a network namespace of others, which is this process's too. It shows the interfaces of the
/// namespace that it was mounted in, and may be mounted by whoever has power over that (sysfs_init_fs_context): over
/// another container's we have, over the host's not.
fn shared_sys(privileged: bool) -> Result<SharedSys> {
    match kernel_fs::make(c"sysfs", kernel_fs::sys_attributes(privileged), &[]) {
        Ok(fresh) => Ok(SharedSys::Fresh(fresh)),
        Err(_) => {
            let attributes = u64::from(kernel_fs::sys_attributes(privileged).bits());
            detach(Path::new("/sys"), true, attributes).map(SharedSys::Host)
        }
    }
}

/// The host's devices by name, detached. Each must be what its name says: `/dev/null` also covers the kernel's files.
fn devices() -> Result<Vec<(CString, OwnedFd)>> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    DEVICES
        .iter()
        .map(|(name, major, minor)| {
            let path = format!("/dev/{name}");
            let path = Path::new(&path);
            let mount = detach(path, false, u64::from(attributes.bits()))?;
            let stat = rustix::fs::fstat(&mount).at(path, "cannot examine")?;
            let is_device = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::CharacterDevice;
            if !is_device || stat.st_rdev != rustix::fs::makedev(*major, *minor) {
                return Err(Error::system(format!(
                    "`{}` of this machine is not the device of that name",
                    path.display()
                ))
                .hint(format!("it must be the character device {major}:{minor}")));
            }
            Ok((CString::new(*name).map_err(|_| Error::system("a device name holds a zero byte"))?, mount))
        })
        .collect()
}
