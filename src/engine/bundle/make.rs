//! `create` and `run`: the first process of a container.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::document::Document;
use super::plan::{Facts, Planned, plan};
use super::{Container, FIFO, PLACE, Record, Root, life};
use crate::base::poll::{self, PollFd, PollFlags};
use crate::base::process::{ProcessIdentity, exit_code};
use crate::base::{Error, Paths, Result, ResultExt, text, time};
use crate::rootless::outer;
use crate::runtime::joined::Joined;
use crate::runtime::launch::{self, Resources, launch};
use crate::spec::idmap::IdMap;
use crate::sys::process::{Cloned, inherited_fd, send_signal};
use crate::sys::socket;

/// A container to create.
#[derive(Debug)]
pub struct CreateRequest<'a> {
    /// Where containers are.
    pub root: &'a Root,
    /// The user's own directories, for the namespace that an ordinary user needs; none for root.
    pub paths: Option<&'a Paths>,
    /// Its id.
    pub id: &'a str,
    /// The bundle.
    pub bundle: &'a Path,
    /// Where the terminal goes.
    pub console_socket: Option<&'a Path>,
    /// The file for the first process's pid.
    pub pid_file: Option<&'a Path>,
    /// How many descriptors from 3 on the program gets.
    pub preserve_fds: u32,
    /// `--no-new-keyring` was not given.
    pub new_keyring: bool,
}

/// Takes the directory of a container back unless it is kept.
struct Taken {
    directory: PathBuf,
    kept: bool,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// `create`. The calling process joins namespaces on the way: it should end soon, and must have one thread.
pub fn create(request: &CreateRequest<'_>) -> Result<i32> {
    made(request).map(|init| init.pid)
}

fn made(request: &CreateRequest<'_>) -> Result<Cloned> {
    let preserved: Vec<OwnedFd> = (3..3 + request.preserve_fds)
        .map(|number| inherited_fd(number.cast_signed()).context(|| format!("descriptor {number} is not open")))
        .collect::<Result<_>>()?;
    let bundle = fs::canonicalize(request.bundle).at(request.bundle, "cannot find the bundle")?;
    let document = Document::read(&bundle)?;
    let mut taken = Taken { directory: request.root.take(request.id)?, kept: false };
    let place = taken.directory.join(PLACE);
    let facts = Facts { id: request.id, bundle: &bundle, place: &place, new_keyring: request.new_keyring };
    let planned = plan(&document, &facts)?;
    if planned.launch.terminal.is_some() != request.console_socket.is_some() {
        return Err(Error::usage(match request.console_socket {
            None => "cannot allocate a terminal without --console-socket",
            Some(_) => "--console-socket is for a container with a terminal (`process.terminal`)",
        }));
    }
    if planned.launch.hooks.is_some() {
        DirBuilder::new().mode(0o711).create(&place).at(&place, "cannot create")?;
    }
    let gate = gate(&taken.directory)?;
    let maps = match &planned.maps {
        Some(maps) => Some(maps_here(request.paths, maps)?),
        None => None,
    };
    join(&planned)?;
    let (init, terminal) = first_process(&planned, gate, preserved, maps)?;
    let finished = finish(request, &document, &planned, &taken.directory, (&init, terminal));
    match finished {
        Ok(()) => {
            taken.kept = true;
            Ok(init)
        }
        Err(error) => {
            crate::base::process::kill(&init);
            Err(error)
        }
    }
}

/// What the first process waits at. It is opened for both directions, so that nobody ever sees its end.
fn gate(directory: &Path) -> Result<OwnedFd> {
    let path = directory.join(FIFO);
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR)
        .at(&path, "cannot create")?;
    let file =
        File::options().read(true).write(true).custom_flags(libc::O_CLOEXEC).open(&path).at(&path, "cannot open")?;
    Ok(file.into())
}

/// The maps in the ids of the namespace from which they are written. An ordinary user needs one that has the subordinate ids:
/// this process enters the user's.
fn maps_here(paths: Option<&Paths>, maps: &(IdMap, IdMap)) -> Result<(IdMap, IdMap)> {
    let Some(paths) = paths else { return Ok(maps.clone()) };
    paths.ensure()?;
    outer::enter(paths)?;
    let (uids, gids) = outer::current_maps()?;
    let inverse = |map: &IdMap| {
        let runs: Vec<_> = map.extents.iter().map(|it| (it.outside, it.inside, it.count)).collect();
        IdMap::of(&runs)
    };
    let here = (maps.0.through(&inverse(&uids)), maps.1.through(&inverse(&gids)));
    match here.0.len() == maps.0.len() && here.1.len() == maps.1.len() {
        true => Ok(here),
        false => Err(Error::usage("the bundle maps ids that you do not have").hint(
            "you have your own, and those that /etc/subuid and /etc/subgid give you; `coracle doctor` shows them",
        )),
    }
}

/// Joins the namespaces of others. That of pids is for children alone.
fn join(planned: &Planned) -> Result<()> {
    for (kind, path) in &planned.joins {
        let namespace = File::open(path).at(path, "cannot open the namespace")?;
        setns(namespace.as_fd(), *kind).at(path, "cannot join the namespace")?;
    }
    Ok(())
}

fn first_process(
    planned: &Planned,
    gate: OwnedFd,
    preserved: Vec<OwnedFd>,
    maps: Option<(IdMap, IdMap)>,
) -> Result<(Cloned, Option<OwnedFd>)> {
    let root = launch::files_of(&planned.rootfs)?;
    let own = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().context(|| "cannot pass on a standard stream");
    let streams = match planned.launch.terminal {
        Some(_) => None,
        None => Some([own(rustix::stdio::stdin())?, own(rustix::stdio::stdout())?, own(rustix::stdio::stderr())?]),
    };
    let exe = File::open("/proc/self/exe").context(|| "cannot open coracle's own program")?;
    let resources = Resources {
        root,
        streams,
        init: &exe,
        maps,
        made: BTreeMap::new(),
        cgroup: None,
        namespaces: Some(planned.own | CloneFlags::CLONE_NEWNS),
        joined: Joined::default(),
        gate: Some(gate),
        preserved,
        handed: Default::default(),
    };
    let launched = launch(&planned.launch, resources, &mut |_| Ok(()))?;
    Ok((launched.init, launched.terminal))
}

/// Hands the terminal over, and records the container.
fn finish(
    request: &CreateRequest<'_>,
    document: &Document,
    planned: &Planned,
    directory: &Path,
    (init, terminal): (&Cloned, Option<OwnedFd>),
) -> Result<()> {
    if let (Some(path), Some(terminal)) = (request.console_socket, terminal) {
        let stream = UnixStream::connect(path).at(path, "cannot connect to the console socket")?;
        // runc sends the name of the terminal with it.
        socket::send(stream.as_fd(), b"/dev/pts/ptmx", &[], &[terminal.as_fd()])
            .at(path, "cannot send the terminal to the console socket")?;
    }
    let ended = || Error::system("the container has ended before it was recorded");
    let record = Record {
        process: ProcessIdentity::of(init.pid).ok_or_else(ended)?,
        bundle: request.bundle.canonicalize().at(request.bundle, "cannot find the bundle")?,
        rootfs: planned.rootfs.clone(),
        created: time::rfc3339(time::now()),
        annotations: document.annotations.clone(),
        hooks: planned.launch.hooks.as_ref().map(|hooks| hooks.hooks.clone()).unwrap_or_default(),
        main: document.process.clone().unwrap_or_default(),
        seccomp: document.linux.seccomp.clone(),
    };
    record.write(directory)?;
    match request.pid_file {
        None => Ok(()),
        Some(path) => write_pid(path, init.pid),
    }
}

/// Writes a pid file: whoever waits for it sees it whole.
pub(super) fn write_pid(path: &Path, pid: i32) -> Result<()> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::usage(format!("`{}` is no place for a pid file", path.display())))?;
    let staged = path.with_file_name(format!(".{name}.{}", std::process::id()));
    fs::write(&staged, pid.to_string()).at(&staged, "cannot write")?;
    fs::rename(&staged, path).at(path, "cannot write")
}

/// `run`: creates and starts a container, and with `detach` leaves it; else waits for its end, passes signals on, and deletes
/// it. Returns its exit code.
pub fn run(request: &CreateRequest<'_>, detach: bool, keep: bool) -> Result<i32> {
    let init = made(request)?;
    let started = life::start(request.root, request.id);
    if let Err(error) = started {
        let _ = life::delete(request.root, request.id, true);
        return Err(error);
    }
    if detach {
        return Ok(0);
    }
    let code = attend(&init)?;
    if !keep {
        life::delete(request.root, request.id, true)?;
    }
    Ok(code)
}

/// Waits for the end of a child, and passes signals on to it. Returns its exit code as a shell has it.
pub(super) fn attend(child: &Cloned) -> Result<i32> {
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    let signals: SigSet = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2].into_iter().collect();
    signals.thread_block().context(|| "cannot block signals")?;
    let received = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .context(|| "cannot watch signals")?;
    loop {
        let mut fds =
            [PollFd::new(&child.pidfd, PollFlags::IN), PollFd::from_borrowed_fd(received.as_fd(), PollFlags::IN)];
        poll::wait(&mut fds, None).context(|| "cannot wait for the container")?;
        while let Ok(Some(info)) = received.read_signal() {
            let _ = send_signal(child.pidfd.as_fd(), info.ssi_signo.cast_signed());
        }
        if let Some(code) = exit_code(child.pidfd.as_fd(), rustix::process::WaitIdOptions::NOHANG) {
            return Ok(code);
        }
    }
}

/// For messages about a container.
pub(super) fn named(container: &Container) -> String {
    text::clean(&container.id).into_owned()
}
