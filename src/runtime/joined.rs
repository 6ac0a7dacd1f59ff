//! Namespaces of others that a container joins: the file systems that belong to them, and its first process in them.
//!
//! # Theory of operation
//!
//! The supervisor never moves: it must stay able to start servers for others (a netd). A process that it forks joins the
//! namespaces by their descriptors, makes what is to be made there, and ends. It closes every other descriptor first, it
//! cannot be looked into (the supervisor is not dumpable, and its memory belongs to the outer user namespace), and it
//! resolves one path of another container, `/dev/shm`, below the root of that one and without following links.
//!
//! The kernel asks for power over a namespace to join it (setns(2)): over those of the user's own containers the supervisor
//! has it, because their user namespaces are below its own; over those of the host and of other users it has not.
//!
//! A container that only joins one namespace of another keeps a user namespace of its own: its root has no power over what
//! it shares. The file systems of a namespace take that power to be mounted, so that they are made here.
//!
//! A process that is made in another container's pid namespace can be killed by that container's root before it has done its
//! work: then it is made again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use rustix::mount::{MountAttrFlags, OpenTreeFlags};
use rustix::process::WaitIdOptions;

use super::kernel_fs::{FsOptions, borrowed, make};
use super::rootfs::Rootfs;
use crate::base::{Error, Result, ResultExt, process};
use crate::sys::mount::{MountAttr, set_attributes};
use crate::sys::process::{Cloned, Forked, clone3, clone3_into, close_all_but, exit_now};
use crate::sys::socket;

/// How often a process is made again that was killed before it had done its work.
const ATTEMPTS: u32 = 16;

/// The namespaces to join, open. None of a kind: its own, or that of the calling process.
#[derive(Debug, Default)]
pub struct Joined {
    /// The user namespace.
    pub user: Option<OwnedFd>,
    /// The pid namespace.
    pub pid: Option<OwnedFd>,
    /// The ipc namespace.
    pub ipc: Option<OwnedFd>,
    /// The uts namespace.
    pub uts: Option<OwnedFd>,
    /// The cgroup namespace.
    pub cgroup: Option<OwnedFd>,
    /// The pidfd of the first process of the container whose `/dev/shm` it shares.
    pub memory: Option<OwnedFd>,
}

impl Joined {
    /// In the order in which they can be joined: in another user namespace we have no power over the others.
    fn namespaces(&self) -> Vec<(CloneFlags, BorrowedFd<'_>)> {
        use CloneFlags as F;
        [
            (F::CLONE_NEWPID, &self.pid),
            (F::CLONE_NEWIPC, &self.ipc),
            (F::CLONE_NEWUTS, &self.uts),
            (F::CLONE_NEWCGROUP, &self.cgroup),
            (F::CLONE_NEWUSER, &self.user),
        ]
        .into_iter()
        .filter_map(|(kind, namespace)| Some((kind, namespace.as_ref()?.as_fd())))
        .collect()
    }

    /// [`clone3_into`] in these namespaces; the child is the calling process's own.
    pub(super) fn clone_into(&self, own: CloneFlags, cgroup: Option<BorrowedFd<'_>>) -> Result<Forked<Cloned>> {
        let failed = || "cannot create the container's namespaces";
        let namespaces = self.namespaces();
        if namespaces.is_empty() {
            return clone3_into(own, cgroup).context(failed);
        }
        let (ours, theirs) = pair()?;
        let intermediate = match clone3(CloneFlags::empty()).context(|| "cannot fork")? {
            Forked::Parent(intermediate) => intermediate,
            Forked::Child => {
                let made = join(&namespaces).and_then(|()| clone3_into(own | CloneFlags::CLONE_PARENT, cgroup));
                match made {
                    Ok(Forked::Child) => return Ok(Forked::Child),
                    Ok(Forked::Parent(child)) => {
                        let sent = socket::send(theirs.as_fd(), b"P", &child.pid.to_ne_bytes(), &[child.pidfd.as_fd()]);
                        exit_now(i32::from(sent.is_err()));
                    }
                    Err(error) => fail(theirs.as_fd(), &error),
                }
            }
        };
        drop(theirs);
        let mut message = [0u8; 16];
        let heard = socket::receive(ours.as_fd(), &mut message);
        reap(&intermediate);
        let (length, fds) = heard.context(failed)?;
        match (&message[..length], fds.into_iter().next()) {
            ([b'P', pid @ ..], Some(pidfd)) => {
                Ok(Forked::Parent(Cloned { pid: pid.try_into().map_or(0, i32::from_ne_bytes), pidfd }))
            }
            ([b'F', errno @ ..], _) => Err(refused(errno)),
            _ => Err(Error::system("the process that joins the namespaces was killed")),
        }
    }

    /// procfs of the pid namespace: with these options, and the whole of it if they hide something.
    pub(super) fn proc(
        &self,
        options: &FsOptions,
        attributes: MountAttrFlags,
        strict: MountAttrFlags,
    ) -> Result<Option<(OwnedFd, Option<OwnedFd>)>> {
        let Some(pid) = &self.pid else { return Ok(None) };
        let made = visit(&[(CloneFlags::CLONE_NEWPID, pid.as_fd())], || {
            let mut mounts = vec![make(c"proc", attributes, &borrowed(options))?];
            if !options.is_empty() {
                mounts.push(make(c"proc", strict, &[])?);
            }
            Ok(mounts)
        });
        let mut mounts = made.context(|| "cannot mount proc of the pid namespace that is joined")?.into_iter();
        Ok(mounts.next().map(|proc| (proc, mounts.next())))
    }

    /// The message queues of the ipc namespace.
    pub(super) fn queues(&self, attributes: MountAttrFlags) -> Result<Option<OwnedFd>> {
        let Some(ipc) = &self.ipc else { return Ok(None) };
        let made = visit(&[(CloneFlags::CLONE_NEWIPC, ipc.as_fd())], || Ok(vec![make(c"mqueue", attributes, &[])?]));
        Ok(made.context(|| "cannot mount the message queues of the ipc namespace that is joined")?.pop())
    }

    /// `/dev/shm` of the container that shares it.
    pub(super) fn memory(&self, attributes: MountAttrFlags) -> Result<Option<OwnedFd>> {
        let Some(init) = &self.memory else { return Ok(None) };
        let kinds = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
        let made = visit(&[(kinds, init.as_fd())], || {
            let place = Rootfs::current()?.shared_memory()?;
            let flags =
                OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
            let mount = rustix::mount::open_tree(&place, c"", flags)?;
            let attr =
                MountAttr { set: u64::from(attributes.bits()), propagation: libc::MS_PRIVATE, ..MountAttr::default() };
            set_attributes(mount.as_fd(), c"", false, &attr)?;
            Ok(vec![mount])
        });
        Ok(made.context(|| "cannot share `/dev/shm` of the other container")?.pop())
    }

    /// The control groups that the cgroup namespace shows; none where they cannot be mounted, as in a container of its own.
    pub(super) fn cgroups(&self, attributes: MountAttrFlags) -> Option<OwnedFd> {
        let cgroup = self.cgroup.as_ref()?;
        let made =
            visit(&[(CloneFlags::CLONE_NEWCGROUP, cgroup.as_fd())], || Ok(vec![make(c"cgroup2", attributes, &[])?]));
        made.ok()?.pop()
    }
}

/// Joins namespaces one after the other.
fn join(namespaces: &[(CloneFlags, BorrowedFd<'_>)]) -> io::Result<()> {
    namespaces.iter().try_for_each(|(kinds, namespace)| Ok(setns(namespace, *kinds)?))
}

/// What a process makes that has joined these namespaces: descriptors.
fn visit(
    namespaces: &[(CloneFlags, BorrowedFd<'_>)],
    make: impl Fn() -> io::Result<Vec<OwnedFd>>,
) -> io::Result<Vec<OwnedFd>> {
    for _ in 0..ATTEMPTS {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let visitor = match clone3(CloneFlags::empty())? {
            Forked::Parent(visitor) => visitor,
            Forked::Child => act(namespaces, theirs.as_fd(), &make),
        };
        drop(theirs);
        let mut message = [0u8; 16];
        let heard = socket::receive(ours.as_fd(), &mut message);
        reap(&visitor);
        let (length, fds) = heard?;
        match &message[..length] {
            [b'M'] => return Ok(fds),
            [b'F', errno @ ..] => return Err(error_of(errno).into()),
            // It was killed.
            _ => {}
        }
    }
    Err(io::Error::other("something in the other container kills whoever joins its namespaces"))
}

/// The visitor: joins, makes, sends. In a pid namespace its child does that.
fn act(
    namespaces: &[(CloneFlags, BorrowedFd<'_>)],
    parent: BorrowedFd<'_>,
    make: &impl Fn() -> io::Result<Vec<OwnedFd>>,
) -> ! {
    let kept: Vec<BorrowedFd<'_>> = namespaces.iter().map(|(_, namespace)| *namespace).chain([parent]).collect();
    let sent = (|| {
        close_all_but(&kept)?;
        join(namespaces)?;
        if namespaces.iter().any(|(kinds, _)| kinds.contains(CloneFlags::CLONE_NEWPID)) {
            match clone3(CloneFlags::empty())? {
                Forked::Child => {}
                Forked::Parent(child) => {
                    reap(&child);
                    exit_now(0);
                }
            }
        }
        let made = make()?;
        let made: Vec<BorrowedFd<'_>> = made.iter().map(AsFd::as_fd).collect();
        socket::send(parent, b"M", &[], &made)
    })();
    match sent {
        Ok(()) => exit_now(0),
        Err(error) => fail(parent, &error),
    }
}

fn reap(child: &Cloned) {
    process::exit_code(&child.pidfd, WaitIdOptions::empty());
}

fn fail(parent: BorrowedFd<'_>, error: &io::Error) -> ! {
    let errno = error.raw_os_error().unwrap_or(libc::EIO);
    let _ = socket::send(parent, b"F", &errno.to_ne_bytes(), &[]);
    exit_now(1)
}

fn error_of(errno: &[u8]) -> Errno {
    Errno::from_raw(errno.try_into().map_or(libc::EIO, i32::from_ne_bytes))
}

fn refused(errno: &[u8]) -> Error {
    let errno = error_of(errno);
    let error = Error::system("cannot join the namespaces").caused_by(io::Error::from(errno));
    match errno {
        Errno::EPERM => error.hint(
            "a namespace can only be joined by whoever made it, and a pid namespace only when it is below one's own",
        ),
        Errno::EINVAL => error.hint("each must be a namespace of its kind, and not the one that coracle is in already"),
        _ => error,
    }
}

fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .context(|| "cannot make a socket pair")
}
