//! Another process in a running container: `exec`, and whatever the supervisor runs inside.
//!
//! # Theory of operation
//!
//! The caller is the container's supervisor. A process cannot move into another pid namespace, only make children there,
//! and cannot take that back without power over its own; the supervisor must still be able to start a netd outside. So it
//! forks an intermediate process, which enters the container's pid namespace through pid 1's pidfd (kernel 5.8), makes
//! the process there as the supervisor's own child (CLONE_PARENT), hands over its pidfd and exits. The new process joins
//! the other namespaces and goes the same last stretch as pid 1 did. Namespaces that the container shares with the supervisor
//! are not joined: it is in them.
//!
//! The new process is born in the container's control group. The intermediate closes every descriptor but the streams, the
//! socket to the supervisor, that group and pid 1's pidfd, and the new process closes these two once it has joined. So it holds nothing of the host when it looks at a path of the container.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use rustix::process::WaitIdOptions;

use super::process::{ABOUT_TO_EXEC, PreparedProcess, ProcessPlan, Stage, new_terminal};
use super::rootfs::Rootfs;
use crate::base::{Error, Result, ResultExt, process, sandbox, streams};
use crate::sys::process::{Cloned, Forked, clone3, clone3_into, close_all_but, exit_now};
use crate::sys::socket;

/// The stage number of making the process.
const CREATE: u16 = 199;
/// The stage number of joining the namespaces.
const JOIN: u16 = 200;
/// The stage number of taking the terminal or the streams.
const STREAMS: u16 = 201;

/// Streams of the new process.
#[derive(Debug)]
pub enum EnterStreams {
    /// A new terminal of the container with this many columns and rows.
    Terminal(u16, u16),
    /// stdin, stdout, stderr.
    Fds([OwnedFd; 3]),
}

/// What is known of the container that a process is added to.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    /// The pidfd of its pid 1.
    pub init: BorrowedFd<'a>,
    /// Its namespaces that are not the supervisor's.
    pub namespaces: CloneFlags,
    /// Its processes must not signal others.
    pub keeps_signals: bool,
    /// The power to join its pid namespace comes with its user namespace: for whoever is not root in the own one.
    pub user_first: bool,
    /// Its control group, if it has one of its own.
    pub cgroup: Option<BorrowedFd<'a>>,
}

impl<'a> Container<'a> {
    /// One whose first process has this pidfd.
    pub fn of(init: BorrowedFd<'a>) -> Self {
        Self { init, namespaces: CloneFlags::CLONE_NEWPID, keeps_signals: false, user_first: true, cgroup: None }
    }
}

/// Starts `plan` in a container. Returns the process and the master of its terminal.
pub fn enter(plan: &ProcessPlan, container: Container<'_>, streams: EnterStreams) -> Result<(Cloned, Option<OwnedFd>)> {
    let process = PreparedProcess::new(plan, Rc::default())
        .map_err(|error| Error::usage("the command or the environment holds a zero byte").caused_by(error))?;
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .context(|| "cannot make a socket pair")?;
    let pass_on =
        |fd: BorrowedFd<'_>| fd.try_clone_to_owned().context(|| "cannot pass on the container's first process");
    let entry = Entry {
        process,
        init: pass_on(container.init)?,
        namespaces: container.namespaces,
        user_first: container.user_first,
        keeps_signals: container.keeps_signals,
        cgroup: container.cgroup.map(pass_on).transpose()?,
        streams,
    };
    let intermediate = match clone3(CloneFlags::empty()).context(|| "cannot fork")? {
        Forked::Child => entry.make_process(theirs.as_fd()),
        Forked::Parent(intermediate) => intermediate,
    };
    drop(theirs);
    drop(entry);
    let mut child = None;
    let heard = hear(plan, ours.as_fd(), &mut child);
    process::end(&intermediate.pidfd, WaitIdOptions::empty());
    match (heard, child) {
        (Ok(terminal), Some(child)) => Ok((child, terminal)),
        (heard, child) => {
            if let Some(child) = child {
                process::kill(&child);
            }
            heard.and(Err(Error::system("the process was not made")))
        }
    }
}

/// What the intermediate and the new process work with.
struct Entry {
    process: PreparedProcess,
    /// pid 1's pidfd.
    init: OwnedFd,
    namespaces: CloneFlags,
    user_first: bool,
    keeps_signals: bool,
    /// The container's control group.
    cgroup: Option<OwnedFd>,
    streams: EnterStreams,
}

impl Entry {
    /// What is joined together with the pid namespace.
    fn first(&self) -> CloneFlags {
        if self.user_first { self.namespaces.intersection(CloneFlags::CLONE_NEWUSER) } else { CloneFlags::empty() }
    }

    /// The intermediate: makes the process in the container's pid namespace, and exits. In the new process, goes on as it.
    fn make_process(self, parent: BorrowedFd<'_>) -> ! {
        let (stage, errno) = match self.clone_into_container(parent) {
            Err(error) => (CREATE, errno_of(&error)),
            Ok(Forked::Child) => match self.run(parent) {
                Ok(never) => match never {},
                Err(failure) => failure,
            },
            Ok(Forked::Parent(child)) => {
                let sent = socket::send(parent, b"P", &child.pid.to_ne_bytes(), &[child.pidfd.as_fd()]);
                exit_now(i32::from(sent.is_err()));
            }
        };
        let mut message = [b'F', 0, 0, 0, 0, 0, 0];
        message[1..3].copy_from_slice(&stage.to_ne_bytes());
        message[3..7].copy_from_slice(&(errno as i32).to_ne_bytes());
        let _ = socket::send(parent, &message, &[], &[]);
        exit_now(127)
    }

    fn clone_into_container(&self, parent: BorrowedFd<'_>) -> io::Result<Forked<Cloned>> {
        let mut kept = vec![parent, self.init.as_fd()];
        kept.extend(self.cgroup.iter().map(AsFd::as_fd));
        match &self.streams {
            EnterStreams::Terminal(..) => {}
            EnterStreams::Fds(fds) => kept.extend(fds.iter().map(AsFd::as_fd)),
        }
        close_all_but(&kept)?;
        // Nothing in the container may look at the new process before it is the container's own: until its exec it runs
        // coracle's program on a copy of the supervisor's memory (CVE-2016-9962).
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
        if self.namespaces.contains(CloneFlags::CLONE_NEWPID) {
            setns(&self.init, CloneFlags::CLONE_NEWPID | self.first())?;
        }
        clone3_into(CloneFlags::CLONE_PARENT, self.cgroup.as_ref().map(AsFd::as_fd))
    }

    fn run(self, parent: BorrowedFd<'_>) -> std::result::Result<Infallible, (u16, Errno)> {
        let at = |stage| move |error: io::Error| (stage, errno_of(&error));
        let rest = self.namespaces.difference(CloneFlags::CLONE_NEWPID | self.first());
        if !rest.is_empty() {
            setns(&self.init, rest).map_err(|errno| (JOIN, errno))?;
        }
        drop(self.init);
        drop(self.cgroup);
        super::process::become_root(self.process.keeps_groups()).map_err(at(JOIN))?;
        if self.keeps_signals {
            sandbox::keep_signals().map_err(at(JOIN))?;
        }
        give_streams(self.streams, parent).map_err(at(STREAMS))?;
        let (stage, errno) = self.process.become_program(parent);
        Err((stage as u16, errno))
    }
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

fn give_streams(streams: EnterStreams, parent: BorrowedFd<'_>) -> io::Result<()> {
    rustix::process::setsid()?;
    match streams {
        EnterStreams::Fds([stdin, stdout, stderr]) => streams::take(stdin, stdout, stderr),
        EnterStreams::Terminal(columns, rows) => {
            let pts = Rootfs::current()?.devpts()?;
            let master = new_terminal(pts.as_fd(), columns, rows)?.take()?;
            socket::send(parent, b"T", &[], &[master.as_fd()])
        }
    }
}

/// Hears the intermediate, which may name the child, and the child, which may say why it did not become its program,
/// until both are done. Either may be first; a child that is not reaped would keep the container's pid 1 from ending.
fn hear(plan: &ProcessPlan, socket: BorrowedFd<'_>, child: &mut Option<Cloned>) -> Result<Option<OwnedFd>> {
    let mut terminal = None;
    let mut failure = Some(Error::system("the process was killed before its program ran"));
    loop {
        let mut message = [0u8; 16];
        let (length, fds) = match socket::receive(socket, &mut message) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            received => received.context(|| "cannot hear the process's start")?,
        };
        match &message[..length] {
            [] => return failure.map_or(Ok(terminal), Err),
            [b'P', pid @ ..] => {
                let pid = pid.try_into().map_or(0, i32::from_ne_bytes);
                *child = fds.into_iter().next().map(|pidfd| Cloned { pid, pidfd });
            }
            [b'T'] => terminal = fds.into_iter().next(),
            [ABOUT_TO_EXEC] => failure = None,
            [b'F', s0, s1, errno @ ..] => {
                let stage = u16::from_ne_bytes([*s0, *s1]);
                let errno = errno.try_into().map_or(libc::EIO, i32::from_ne_bytes);
                failure = Some(describe(plan, stage, Errno::from_raw(errno)));
            }
            _ => return Err(Error::system("the process's start sent a message that is not understood")),
        }
    }
}

fn describe(plan: &ProcessPlan, stage: u16, errno: Errno) -> Error {
    match Stage::from_number(stage) {
        Some(stage) => stage.describe(plan, errno),
        // pid 1 is gone, or its namespace takes no more processes.
        None if stage == CREATE && matches!(errno, Errno::ESRCH | Errno::ENOMEM) => {
            Error::conflict("the container is not running any more")
        }
        None => {
            let what = match stage {
                CREATE => "cannot make a process in the container",
                JOIN => "cannot join the container's namespaces",
                _ => "cannot give the process its standard streams",
            };
            Error::system(what).caused_by(io::Error::from(errno))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Kind;

    #[test]
    fn a_child_that_fails_before_it_is_named_is_known() {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let mut failed = [b'F', 0, 0, 0, 0, 0, 0];
        failed[1..3].copy_from_slice(&(Stage::Exec as u16).to_ne_bytes());
        failed[3..7].copy_from_slice(&libc::ENOENT.to_ne_bytes());
        socket::send(theirs.as_fd(), &failed, &[], &[]).unwrap();
        let me = std::process::id() as i32;
        let pidfd =
            rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty()).unwrap();
        socket::send(theirs.as_fd(), b"P", &me.to_ne_bytes(), &[pidfd.as_fd()]).unwrap();
        drop(theirs);

        let mut child = None;
        let plan = ProcessPlan { argv: vec!["foo".into()], ..ProcessPlan::default() };
        let error = hear(&plan, ours.as_fd(), &mut child).unwrap_err();
        assert_eq!(error.kind(), Kind::CommandNotFound);
        assert_eq!(child.map(|child| child.pid), Some(me));
    }

    #[test]
    fn a_child_that_says_nothing_did_not_run() {
        let plan = ProcessPlan { argv: vec!["foo".into()], ..ProcessPlan::default() };
        let outcome = |messages: &[&[u8]]| {
            let (ours, theirs) =
                socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
            messages.iter().for_each(|message| socket::send(theirs.as_fd(), message, &[], &[]).unwrap());
            drop(theirs);
            hear(&plan, ours.as_fd(), &mut None)
        };
        assert!(outcome(&[]).unwrap_err().message().contains("killed"));
        assert!(outcome(&[&[ABOUT_TO_EXEC]]).unwrap().is_none());
        let mut failed = [b'F', 0, 0, 0, 0, 0, 0];
        failed[1..3].copy_from_slice(&(Stage::Exec as u16).to_ne_bytes());
        failed[3..7].copy_from_slice(&libc::EACCES.to_ne_bytes());
        assert_eq!(outcome(&[&[ABOUT_TO_EXEC], &failed]).unwrap_err().kind(), Kind::CannotExecute);
    }
}
