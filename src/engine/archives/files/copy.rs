//! `cp`: between a container and the host, from a container to another, and from and to tar streams.
//!
//! # Theory of operation
//!
//! A copy has two sides with a pipe between them, through which a tar stream goes. The side of the host is this process,
//! with the rights of its user. The side of a container is a worker in the outer namespace, which reaches the container's
//! files through the root of its pid 1 or mounts them ([`super::root`]). Where an archive comes from standard input or goes
//! to standard output, that is the other side.
//!
//! The sender names everything by the last component of its path. The receiver looks at what its destination is when it
//! sees the first entry, and gives it another name where docker's rules say so ([`plan`]).
//!
//! # What is hostile
//!
//! A container may change its tree while it is copied (CVE-2018-15664). Paths are resolved beneath the descriptor of its
//! root and used by descriptor; on the way through a copied tree no link is followed (`archive::extract`, `archive::walk`).
//! Nothing of the container is run or loaded (CVE-2019-14271). What arrives on the host belongs to the user and has no
//! permissions to run as its owner or group.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::export;
use super::root::{Root, View};
use crate::archive::extract::{Begins, Extraction, Goes, Owner, extract};
use crate::archive::pack::{Pack, Packing};
use crate::base::{ContainerId, Error, Result, ResultExt, text};
use crate::engine::Engine;
use crate::engine::worker::{self, Given, Job, Place};
use crate::runtime::user;
use crate::sys::beneath::{BeneathDir, Leaf, reopen};

/// Bytes that the pipe holds, if the system allows it.
const PIPE: usize = 1 << 20;

/// One side of a copy.
#[derive(Debug)]
pub enum Side {
    /// A path in a container, by its name.
    Container(String, String),
    /// A path on the host, absolute; a `/` or `/.` at its end counts.
    Host(PathBuf),
    /// A tar stream.
    Stream(OwnedFd),
}

/// The owner of what is made in a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ownership {
    /// Its root: docker's default.
    #[default]
    Root,
    /// The user that its processes run as: podman's default.
    User,
    /// Whoever owns it at the source, by number.
    Kept,
}

/// How to copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct How {
    /// A link at the end of the source's path is followed.
    pub follow: bool,
    /// The owners of what is made in a container.
    pub ownership: Ownership,
    /// Files may replace directories, and directories files.
    pub overwrite: bool,
}

/// Packs something in a container.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CopyOut {
    id: ContainerId,
    path: String,
    follow: bool,
    nanoseconds: bool,
}

/// Unpacks into a container.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CopyIn {
    id: ContainerId,
    path: String,
    /// The archive is the user's: its names stay.
    stream: bool,
    how: How,
}

/// Copies. Returns how many bytes docker would say that went over.
pub fn copy(engine: &Engine, from: Side, to: Side, how: How) -> Result<u64> {
    let nanoseconds = !matches!(to, Side::Stream(_));
    let find = |name: &str| engine.containers().find(name);
    match (from, to) {
        (Side::Container(name, path), Side::Stream(out)) => {
            let job = CopyOut { id: find(&name)?, path, follow: how.follow, nanoseconds };
            worker::call_with(engine, job, Given::of_descriptor(out)).map(|()| 0)
        }
        (Side::Stream(input), Side::Container(name, path)) => {
            let job = CopyIn { id: find(&name)?, path, stream: true, how };
            worker::call_with(engine, job, Given::of_descriptor(input))
        }
        (Side::Container(name, path), Side::Host(to)) => {
            let job = CopyOut { id: find(&name)?, path, follow: how.follow, nanoseconds };
            let send = |out| worker::call_with(engine, job, Given::of_descriptor(out));
            joined(send, |input| receive_here(&to, how, input))
        }
        (Side::Host(from), Side::Container(name, path)) => {
            let job = CopyIn { id: find(&name)?, path, stream: false, how };
            joined(
                |out| send_from_here(&from, how.follow, out),
                |input| worker::call_with(engine, job, Given::of_descriptor(input)),
            )
        }
        (Side::Container(source, from), Side::Container(target, to)) => {
            let out = CopyOut { id: find(&source)?, path: from, follow: how.follow, nanoseconds };
            let job = CopyIn { id: find(&target)?, path: to, stream: false, how };
            if out.id == job.id && super::root::running(&engine.containers(), &out.id)?.is_none() {
                return Err(
                    Error::unsupported("cannot copy within a container that does not run").hint("start it first")
                );
            }
            joined(
                |pipe| worker::call_with(engine, out, Given::of_descriptor(pipe)),
                |pipe| worker::call_with(engine, job, Given::of_descriptor(pipe)),
            )
        }
        _ => Err(Error::usage("must specify at least one container source")),
    }
}

/// Runs both sides at once. What the receiver says of a sender that has failed says nothing, and the other way round.
fn joined(
    send: impl FnOnce(OwnedFd) -> Result<()> + Send,
    receive: impl FnOnce(OwnedFd) -> Result<u64>,
) -> Result<u64> {
    let (input, out) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context(|| "cannot make a pipe")?;
    let _ = rustix::pipe::fcntl_setpipe_size(&out, PIPE);
    let (sent, received) = std::thread::scope(|scope| {
        let sender = std::thread::Builder::new().name("sender".into()).spawn_scoped(scope, || send(out));
        let received = receive(input);
        let sent = match sender {
            Ok(sender) => sender.join().unwrap_or_else(|_| Err(Error::system("the sender has failed"))),
            Err(error) => Err(Error::system("cannot start a thread").caused_by(error)),
        };
        (sent, received)
    });
    match (sent, received) {
        (Err(error), Err(other)) if is_broken_pipe(&error) => Err(other),
        (Err(error), _) => Err(error),
        (Ok(()), received) => received,
    }
}

/// What a worker reports has lost its number.
fn is_broken_pipe(error: &Error) -> bool {
    error.errno() == Some(libc::EPIPE) || error.chain().ends_with("broken pipe")
}

impl Job for CopyOut {
    const NAME: &'static str = "cp";
    const PLACE: Place = Place::Outer;
    type Report = ();

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<()> {
        let out = given.descriptor.ok_or_else(|| Error::system("no output was passed on"))?;
        // Before the container's directory may be covered by its union.
        let name = engine.containers().config(&self.id)?.name;
        let root = Root::open(engine, &self.id, View::Mounted)?;
        let packing = Packing {
            nanoseconds: self.nanoseconds,
            owners: root.owners.clone(),
            without_kernel: true,
            ..Packing::default()
        };
        send(&root.beneath()?, &self.path, self.follow, &packing, out).map_err(|error| match error.errno() {
            Some(libc::ENOENT | libc::ENOTDIR) => not_found(&self.path, &format!("container `{name}`")),
            _ => error,
        })
    }
}

impl Job for CopyIn {
    const NAME: &'static str = "cp";
    const PLACE: Place = Place::Outer;
    type Report = u64;

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<u64> {
        let input = given.descriptor.ok_or_else(|| Error::system("no input was passed on"))?;
        let config = engine.containers().config(&self.id)?;
        let root = Root::open(engine, &self.id, View::Mounted)?;
        let beneath = root.beneath()?;
        let (uids, gids) = &root.owners;
        let outside = |map: &crate::spec::idmap::IdMap, id: u32| match map.is_empty() {
            true => Ok(id),
            false => map.to_outside(id).ok_or_else(|| Error::unsupported(format!("the container has no id {id}"))),
        };
        let owner = match self.how.ownership {
            Ownership::Root => Owner::Fixed(outside(uids, 0)?, outside(gids, 0)?),
            Ownership::Kept => Owner::Archive(uids.clone(), gids.clone()),
            Ownership::User => {
                let read = |path: &str| -> Result<String> {
                    let Ok(file) = beneath.open_file(path) else { return Ok(String::new()) };
                    let mut text = Vec::new();
                    io::Read::read_to_end(&mut io::Read::take(file, user::MAX_FILE), &mut text)
                        .context(|| format!("cannot read the container's `/{path}`"))?;
                    Ok(String::from_utf8_lossy(&text).into_owned())
                };
                let user = user::resolve(&config.identity.user, &read("etc/passwd")?, &read("etc/group")?)?;
                Owner::Fixed(outside(uids, user.uid)?, outside(gids, user.gid)?)
            }
        };
        let kept = self.how.ownership == Ownership::Kept;
        let how = Extraction { owner, archive: kept, overwrite: self.how.overwrite, set_ids: true };
        receive(&beneath, &self.path, self.stream, &how, input)
    }
}

/// The sender's side of the host.
fn send_from_here(path: &Path, follow: bool, out: OwnedFd) -> Result<()> {
    let shown = path.to_string_lossy().into_owned();
    let root = BeneathDir::current_root().context(|| "cannot open the root directory")?;
    let packing = Packing { nanoseconds: true, ..Packing::default() };
    send(&root, &shown, follow, &packing, out).map_err(|error| match error.errno() {
        Some(libc::ENOENT | libc::ENOTDIR) => not_found(&shown, "this machine"),
        _ => error,
    })
}

/// The receiver's side of the host: what arrives is the user's.
fn receive_here(path: &Path, how: How, input: OwnedFd) -> Result<u64> {
    let root = BeneathDir::current_root().context(|| "cannot open the root directory")?;
    let how = Extraction { overwrite: how.overwrite, ..Extraction::default() };
    receive(&root, &path.to_string_lossy(), false, &how, input)
}

fn not_found(path: &str, place: &str) -> Error {
    Error::not_found(format!("could not find the file `{}` in {place}", text::clean(path)))
}

/// A path as typed, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Typed<'a> {
    /// The directory part.
    parent: &'a str,
    /// The last component; none for the root.
    name: &'a str,
    /// It ends with `/` or `/.`, and must be a directory.
    directory: bool,
    /// It ends with `/.`, and means what is in the directory. So does the root.
    contents: bool,
}

fn typed(path: &str) -> Typed<'_> {
    let contents = path == "." || path.ends_with("/.");
    let directory = contents || path.ends_with('/') || path == ".." || path.ends_with("/..");
    let mut trimmed = path.trim_end_matches('/');
    while let Some(shorter) = trimmed.strip_suffix("/.") {
        trimmed = shorter.trim_end_matches('/');
    }
    let (parent, name) = match trimmed.rfind('/') {
        Some(at) => (&trimmed[..=at], &trimmed[at + 1..]),
        None => ("/", trimmed),
    };
    match name {
        "" | "." | ".." => Typed { parent: trimmed, name: "", directory: true, contents: true },
        name => Typed { parent, name, directory, contents },
    }
}

/// Sends what is at `path` in `root`.
fn send(root: &BeneathDir, path: &str, follow: bool, packing: &Packing, out: OwnedFd) -> Result<()> {
    let typed = typed(path);
    let failed = || format!("cannot open `{}`", text::clean(path));
    let place = match typed.name.is_empty() || typed.directory || follow {
        true => root.open_at(if path.is_empty() { "/" } else { path }, OFlags::PATH, Mode::empty()).context(failed)?,
        // The last component is what it is, reached through its parent.
        false => {
            let inside = format!("{}{}", typed.parent, typed.name);
            root.open_at(inside.as_str(), OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).context(failed)?
        }
    };
    let name = if typed.contents { "." } else { typed.name };
    export::copy(Pack::of_place(&place, name.as_bytes(), packing)?, File::from(out))
}

/// What is at a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    Absent,
    File,
    Directory,
}

/// What to do with an archive: docker's rules.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// Into the directory at the path.
    Into,
    /// Beside it, under its last name.
    Named,
}

fn plan(begins: Begins, destination: Destination, typed: &Typed<'_>, shown: &str) -> Result<Plan> {
    match destination {
        Destination::Directory => Ok(Plan::Into),
        Destination::File if begins.directory => {
            Err(Error::conflict(format!("cannot copy a directory to the file `{shown}`")))
        }
        Destination::File if typed.directory => {
            Err(Error::conflict(format!("the destination `{shown}` is not a directory")))
        }
        Destination::Absent if !begins.directory && typed.directory => {
            Err(Error::not_found(format!("the destination directory `{shown}` must exist")))
        }
        Destination::File | Destination::Absent => Ok(Plan::Named),
    }
}

/// Receives at `path` in `root`.
fn receive(root: &BeneathDir, path: &str, stream: bool, how: &Extraction, input: OwnedFd) -> Result<u64> {
    let shown = text::clean(path).into_owned();
    let place = |begins| {
        let typed = typed(path);
        let looked_up = root.open_at(if path.is_empty() { "/" } else { path }, OFlags::PATH, Mode::empty());
        let (found, kind) = match looked_up {
            Ok(place) => {
                let mode = rustix::fs::fstat(&place).context(|| format!("cannot examine `{shown}`"))?.st_mode;
                let directory = FileType::from_raw_mode(mode) == FileType::Directory;
                (Some(place), if directory { Destination::Directory } else { Destination::File })
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => (None, Destination::Absent),
            Err(error) => return Err(error).context(|| format!("cannot open `{shown}`")),
        };
        if stream && kind != Destination::Directory {
            return Err(Error::conflict(format!("the destination `{shown}` of an archive must be a directory")));
        }
        if let (Plan::Into, Some(place)) = (plan(begins, kind, &typed, &shown)?, &found) {
            return reopen(place, OFlags::RDONLY | OFlags::DIRECTORY)
                .map(Goes::Into)
                .context(|| format!("cannot open `{shown}`"));
        }
        let parent = root.open_dir(typed.parent).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT) => {
                Error::not_found(format!("the directory of the destination `{shown}` does not exist"))
            }
            _ => Error::system(format!("cannot open the directory of `{shown}`")).caused_by(error),
        })?;
        let name = typed.name.as_bytes();
        let link = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
        match link && !begins.directory {
            // A link at the destination is followed, as docker does, but not out of the root.
            true => over(root, &format!("{}{}", typed.parent, typed.name))
                .map(Goes::Over)
                .context(|| format!("cannot write `{shown}`")),
            false => Ok(Goes::As(parent, name.to_vec())),
        }
    };
    extract(BufReader::with_capacity(256 << 10, File::from(input)), how, place)
}

/// Opens the regular file that a link leads to, made if it is missing.
fn over(root: &BeneathDir, path: &str) -> io::Result<OwnedFd> {
    let place = root.make(path.as_bytes(), Leaf::File)?;
    match FileType::from_raw_mode(rustix::fs::fstat(place.as_fd())?.st_mode) {
        FileType::RegularFile => reopen(&place, OFlags::WRONLY | OFlags::TRUNC),
        _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_path_counts() {
        let shown = |path| {
            let typed = typed(path);
            format!("{}|{}|{}|{}", typed.parent, typed.name, typed.directory, typed.contents)
        };
        for (path, expected) in [
            ("/a/b", "/a/|b|false|false"),
            ("/a/b/", "/a/|b|true|false"),
            ("/a/b/.", "/a/|b|true|true"),
            ("/a/b//./.", "/a/|b|true|true"),
            ("a", "/|a|false|false"),
            ("/", "||true|true"),
            ("", "||true|true"),
            ("/a/..", "/a/..||true|true"),
            ("/a/.b", "/a/|.b|false|false"),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
    }

    #[test]
    fn the_rules_are_dockers() {
        use Destination::{Absent, Directory, File};
        let file = Begins { directory: false, contents: false };
        let directory = Begins { directory: true, contents: false };
        for (begins, destination, path, expected) in [
            (file, Absent, "/d/new", Some(Plan::Named)),
            (file, Absent, "/d/new/", None),
            (file, File, "/d/old", Some(Plan::Named)),
            (file, File, "/d/old/", None),
            (file, Directory, "/d", Some(Plan::Into)),
            (directory, Absent, "/d/new", Some(Plan::Named)),
            (directory, Absent, "/d/new/", Some(Plan::Named)),
            (directory, File, "/d/old", None),
            (directory, Directory, "/d", Some(Plan::Into)),
        ] {
            assert_eq!(plan(begins, destination, &typed(path), path).ok(), expected, "{begins:?} {path}");
        }
    }
}
