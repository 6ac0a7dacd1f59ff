//! coracle's union file system: a FUSE server, one process per mount.
//!
//! It reads and writes the same layers as the kernel's overlayfs ([`super::overlay`]), so a container can change
//! driver. It also does what overlayfs cannot do in a user namespace: hard links survive a copy-up, directories of
//! lower layers can be renamed, and a file opened before its copy-up shows what is written afterwards.
//!
//! # Theory of operation
//!
//! [`mount_with`] opens `/dev/fuse`, makes a mount of it that is attached nowhere (fsopen(2), no helper program),
//! and starts this executable again as [`ROLE`], with the device as standard input and a status pipe as standard
//! output. The server answers the kernel's first message, writes `ready` or its error to the pipe, and serves until the
//! mount is gone: then reading the device fails and it exits. It needs no signal and leaves nothing behind. If it dies,
//! every access to the mount fails with ENOTCONN; its starter has its pidfd.
//!
//! A union has one server at a time. It holds a lock in the work directory until its last write, which comes after the
//! container's last process has ended. The next server waits for the lock, and its starter waits for it: at most
//! [`PATIENCE`], longer only while copies are being written to the disk ([`unsynced`]).
//!
//! Differences from an ordinary file system: unnamed files (`O_TMPFILE`) are not supported, since this version of fuser
//! does not know the message (programs fall back to a named file). Unsynced changes through a mapping are lost with the
//! server, since they are in the mount's page cache. Hard links of symbolic links, pipes and devices in a lower layer
//! become separate files if one is copied up and another is first looked up in a later mount.
//!
//! The kernel checks permissions (`default_permissions`) with the owners that the server reports. The server itself
//! runs as root of the namespace that owns the mount, in a sandbox ([`sandbox`]) that leaves it the layers and the
//! container's directory.
//!
//! Files: [`primitives`] result type and locks; [`node`], [`name`], [`lookups`], [`inodes`] nodes and their inode
//! numbers; [`tree`] lookup; [`entries`], [`listing`] directories; [`copyup`], [`unsynced`],
//! [`hard_links`], [`whiteout`], [`layer`], [`location`] the format on disk; [`create`], [`remove`], [`rename`] names;
//! [`attr`], [`xattr`], [`data`], [`open_files`] contents; [`ops`], [`wire`], [`splice`] the protocol; [`owners`] and
//! [`recorded`] ownership; [`quota`] and [`metering`] the size limit; [`idle`] what is done when nobody uses
//! the mount; [`fault`] panics.

mod attr;
mod copyup;
mod create;
mod data;
mod entries;
mod fault;
mod hard_links;
mod idle;
mod inodes;
mod layer;
mod listing;
mod location;
mod lookups;
mod metering;
mod name;
mod node;
mod open_files;
mod ops;
mod owners;
mod primitives;
mod quota;
mod recorded;
mod remove;
mod rename;
mod sandbox;
mod splice;
mod tree;
mod unsynced;
mod whiteout;
mod wire;
mod xattr;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fuser::{Config, Session, SessionACL};
use nix::sched::CloneFlags;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use serde::{Deserialize, Serialize};

use super::Union;
use crate::base::lock::Lock;
use crate::base::sandbox::{Access, Sandbox};
use crate::base::streams::pipe;
use crate::base::{Error, Result, ResultExt, failpoint, fault_log, poll, process};
use crate::sys::process::{Cloned, Forked, StringArray, clone3, close_on_exec_from, exec_fd, exit_now, inherited_fd};
use layer::LayerDir;
use ops::Server;
use tree::Fs;
use whiteout::WorkDir;

/// The program name that makes coracle the server of one union. Its arguments: `durable` or `volatile`, [`Options`] as
/// JSON, the container's directory, and the layers, base first.
pub const ROLE: &str = "coracle-fused";

/// The status of a server that serves.
const READY: &str = "ready";

/// The longest error of a server that could not start.
const MAX_STATUS: usize = 4096;

/// How long a server may take to serve: mostly it waits for the one before it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take while the former server writes its last copies to the disk.
const DISK_PATIENCE: Duration = Duration::from_secs(60);

pub use fault::LOG;
pub use owners::Owners;

/// Options of a union.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// The id map of the container.
    pub owners: Owners,
    /// The most bytes that the upper may take.
    pub size: Option<u64>,
}

/// Mounts the union, attached nowhere, and starts its server from `program`, which is this executable. The server ends
/// with the mount. The caller must have one thread.
pub fn mount_with(union: &Union, options: &Options, program: &File) -> Result<(OwnedFd, Cloned)> {
    if !union.container.as_os_str().is_empty() {
        restore_upper(union)?;
    }
    let device =
        rustix::fs::openat(CWD, "/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| {
            Error::unsupported("cannot open `/dev/fuse`")
                .caused_by(std::io::Error::from(errno))
                .hint("the kernel's FUSE module is needed: sudo modprobe fuse; or use --storage-driver overlay")
        })?;
    let mount = mount_device(&device)?;
    failpoint::here("fused.mounted")?;
    let (status, theirs) = pipe()?;
    let argv = arguments(union, options)?;
    let env = StringArray::new([] as [&str; 0]).context(|| "cannot make an environment")?;
    let server = match clone3(CloneFlags::empty()).context(|| "cannot start the file system's server")? {
        Forked::Child => {
            if let Err(error) = become_server(&device, &theirs, program, &argv, &env) {
                let why = Error::system("its program cannot be run").caused_by(error).chain();
                let _ = rustix::io::write(&theirs, why.as_bytes());
            }
            exit_now(127);
        }
        Forked::Parent(server) => server,
    };
    drop(theirs);
    drop(device);
    match read_status(&status, Instant::now() + PATIENCE) {
        Ok(answer) if answer == READY => Ok((mount, server)),
        answer => {
            process::kill(&server);
            let answer = answer?;
            match answer.is_empty() {
                true => Err(Error::system("the file system's server ended before it served")),
                false => Err(Error::system(format!("cannot serve the union: {}", crate::base::text::clean(&answer)))),
            }
        }
    }
}

/// Reads the server's status until it closes the pipe.
fn read_status(status: &OwnedFd, deadline: Instant) -> Result<String> {
    let failed = || "cannot hear the file system's server";
    let mut answer = Vec::new();
    let mut buffer = [0; 512];
    while answer.len() < MAX_STATUS {
        let left = deadline.saturating_duration_since(Instant::now());
        if !poll::readable(status, Some(left)).context(failed)? {
            return Err(still_in_use());
        }
        match rustix::io::read(status, &mut buffer) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno).context(failed),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Mounts a FUSE device with the options of a union: open to all users, permissions checked by the kernel.
fn mount_device(device: &OwnedFd) -> Result<OwnedFd> {
    let failed = || "cannot make a FUSE mount";
    let context = rustix::mount::fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC).context(failed)?;
    let fd = device.as_raw_fd().to_string();
    for (key, value) in
        [("source", "coracle"), ("fd", fd.as_str()), ("rootmode", "40000"), ("user_id", "0"), ("group_id", "0")]
    {
        rustix::mount::fsconfig_set_string(&context, key, value).context(failed)?;
    }
    for flag in ["default_permissions", "allow_other"] {
        rustix::mount::fsconfig_set_flag(&context, flag).context(failed)?;
    }
    rustix::mount::fsconfig_create(&context).context(failed)?;
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).context(failed)
}

fn arguments(union: &Union, options: &Options) -> Result<StringArray> {
    let durability = if union.volatile { "volatile" } else { "durable" };
    let options = serde_json::to_vec(options).context(|| "cannot encode the options of the union")?;
    let fixed = [ROLE.as_bytes(), durability.as_bytes(), &options, union.container.as_os_str().as_bytes()];
    let layers = union.layers.iter().map(|layer| layer.as_os_str().as_bytes());
    StringArray::new(fixed.into_iter().chain(layers)).context(|| "the name of a layer holds a zero byte")
}

fn become_server(
    device: &OwnedFd,
    status: &OwnedFd,
    program: &File,
    argv: &StringArray,
    env: &StringArray,
) -> std::io::Result<()> {
    // Until it serves, it must not outlive its starter, whose locks it still holds copies of.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    rustix::process::chdir("/")?;
    crate::base::keyring::renew()?;
    rustix::stdio::dup2_stdin(device)?;
    rustix::stdio::dup2_stdout(status)?;
    close_on_exec_from(3)?;
    failpoint::here_io("fused.exec")?;
    Err(exec_fd(program.as_fd(), argv, env).into())
}

/// The role's entry, with the arguments after its name. Returns the exit status.
pub fn main(args: &[OsString]) -> u8 {
    let (Ok(device), Ok(status)) = (inherited_fd(0), inherited_fd(1)) else { return 125 };
    let mut status = File::from(status);
    let session = match prepare(args, device).and_then(|session| confine(args).map(|()| session)) {
        Ok(session) => session,
        Err(error) => {
            let _ = status.write_all(error.chain().as_bytes());
            return 1;
        }
    };
    // From now on it ends with the mount: a container may outlive its supervisor.
    let told = rustix::process::set_parent_process_death_signal(None)
        .map_err(std::io::Error::from)
        .and_then(|()| status.write_all(READY.as_bytes()));
    drop(status);
    // Frees the pages that were needed to start.
    let _ = crate::sys::memory::release_program_pages();
    u8::from(told.is_err() || session.run().is_err())
}

fn prepare(args: &[OsString], device: OwnedFd) -> Result<Session<Server>> {
    let [durability, options, container, layers @ ..] = args else {
        return Err(Error::usage("the file system's server was started without its layers"));
    };
    let options: Options =
        serde_json::from_slice(options.as_bytes()).context(|| "cannot understand the options of the union")?;
    become_background()?;
    crate::sys::memory::share_one_arena();
    let root = |path: &Path| LayerDir::root(path).at(path, "cannot open the layer");
    let recorded = recorded::can_be_shown();
    let lower = |layer: &OsString| {
        let layer = root(Path::new(layer))?;
        Ok(if recorded { layer.with_recorded_owners() } else { layer })
    };
    let lowers = layers.iter().rev().map(lower).collect::<Result<Vec<_>>>()?;
    let container = Path::new(container);
    let work = take_work(&container.join("work"))?;
    let layers: Vec<_> = layers.iter().map(PathBuf::from).collect();
    unsynced::restore(container, &layers)?;
    let fs = with_upper(container, lowers, work, durability == "volatile", options)?;
    let own = device.try_clone().context(|| "cannot duplicate the device")?;
    let server = Server::new(fs, own);
    let mut config = Config::default();
    // One open device for all threads: an answer that bypasses fuser must go to the device of its request.
    (config.n_threads, config.clone_fd, config.acl) = (Some(Server::threads()), false, SessionACL::All);
    Session::from_fd(server, device, SessionACL::All, config).context(|| "cannot talk to the kernel's FUSE")
}

/// Enters the sandbox: see [`sandbox`].
fn confine(args: &[OsString]) -> Result<()> {
    let [_, _, container, layers @ ..] = args else { return Ok(()) };
    // For /proc/self/fd.
    let mut paths = vec![(Path::new("/proc"), Access::Read)];
    paths.extend(layers.iter().map(|layer| (Path::new(layer), Access::Read)));
    paths.push((Path::new(container), Access::Write));
    let sandbox = Sandbox { calls: sandbox::CALLS, families: &[], capabilities: sandbox::CAPABILITIES, paths: &paths };
    sandbox.enter()
}

/// Completes what a power cut may have left unfinished in a container's upper, before any driver mounts it. Waits for a
/// server that still writes its last copies, for at most [`DISK_PATIENCE`].
pub fn restore_upper(union: &Union) -> Result<()> {
    let deadline = Instant::now() + DISK_PATIENCE;
    while unsynced::is_open(&union.container) {
        if let Some(_lock) = Lock::attempt_directory(&own_work(&union.container.join("work"))?)? {
            return unsynced::restore(&union.container, &union.layers);
        }
        if Instant::now() > deadline {
            return Err(still_in_use());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn still_in_use() -> Error {
    Error::conflict("the container's files are still in use by its last run")
        .hint("a process outside of the container may hold them; end it, or try again")
}

/// The union of a container, with its work directory.
fn with_upper(container: &Path, lowers: Vec<LayerDir>, work: OwnedFd, volatile: bool, options: Options) -> Result<Fs> {
    fault_log::panics_to(container.join(LOG));
    let upper = container.join("upper");
    let upper = LayerDir::root(&upper).at(&upper, "cannot open the layer")?;
    let work = WorkDir::new(work).context(|| "cannot use the work directory")?;
    let quota = options.size.map(|size| quota::Quota::new(size, &upper));
    let unsynced = match volatile {
        true => None,
        false => unsynced::Unsynced::new(container, &upper).context(|| "cannot use the upper layer")?,
    };
    let mut fs = Fs::new(upper, lowers, work, volatile).context(|| "cannot set up the union")?;
    fs.load_hard_links(open_work(&container.join("work"))?).context(|| "cannot read the index of hard links")?;
    fs.owners = options.owners;
    fs.unsynced = unsynced.map(Arc::new);
    fs.quota = quota.transpose().context(|| "cannot tell how much the container's files take")?;
    Ok(fs)
}

/// Blocks the signals that end a login session, which must not cut off a container that is being stopped properly.
/// Clears the umask, and raises the limit of open files.
fn become_background() -> Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect();
    signals.thread_block().context(|| "cannot block signals")?;
    rustix::process::umask(Mode::empty());
    let files = rustix::process::Resource::Nofile;
    let limit = rustix::process::getrlimit(files);
    rustix::process::setrlimit(files, rustix::process::Rlimit { current: limit.maximum, ..limit })
        .context(|| "cannot raise the limit of open files")
}

fn open_work(work: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, work, flags, Mode::empty()).at(work, "cannot open")
}

/// The server's part of the work directory, made if need be.
fn own_work(work: &Path) -> Result<PathBuf> {
    let own = work.join("fuse");
    match fs::create_dir(&own) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error).at(&own, "cannot create"),
        _ => Ok(own),
    }
}

/// The server's part of the work directory, empty and locked. Waits for the server before this one, which may still
/// have the container's last writes to do after its mount has gone.
fn take_work(work: &Path) -> Result<OwnedFd> {
    let own = own_work(work)?;
    let fd = open_work(&own)?;
    while let Err(errno) = rustix::fs::flock(&fd, rustix::fs::FlockOperation::LockExclusive) {
        if errno != rustix::io::Errno::INTR {
            return Err(errno).at(&own, "cannot lock");
        }
    }
    for entry in fs::read_dir(&own).at(&own, "cannot read")? {
        let path = entry.at(&own, "cannot read")?.path();
        let removed = match path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        removed.at(&path, "cannot remove")?;
    }
    Ok(fd)
}
