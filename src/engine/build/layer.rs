//! Layers of `COPY`, `ADD` and `WORKDIR`: what is to change is planned as a list of paths, read as a tar stream
//! ([`super::stream`]), and unpacked by the store as any other layer is. So a copy obeys the rules of layers from strangers, and its tar stream can
//! be had back byte for byte.

use std::collections::BTreeMap;

use rustix::fs::{FileType, Stat};

use super::interpret::CopyAction;
use super::modes::Change;
use super::sources::Source;
use super::view::{Directory, Found, Resolved, View, joined, shown};
use crate::archive::pack::Times;
use crate::base::{Error, Result, ResultExt};
use crate::runtime::user;

/// Owner, mode and time of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds since 1970.
    pub(super) mtime: i64,
}

/// What a path of the layer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Directory,
    /// A file of the view with this index.
    File(usize, Vec<u8>),
    Inline(String),
    Link(Vec<u8>),
    Fifo,
}

/// The paths of a layer, parents before children.
#[derive(Debug, Default)]
pub struct Changes {
    pub(super) entries: Entries,
}

/// What is at each path.
pub(super) type Entries = BTreeMap<Vec<u8>, (What, Attributes)>;

/// How things are copied.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'a> {
    /// `uid:gid` of `--chown`.
    owner: Option<(u32, u32)>,
    mode: Option<&'a Change>,
    /// Whether owners of the source are kept.
    keep_owners: bool,
    /// The time of what has none, in seconds since 1970.
    now: i64,
    /// The times of files.
    times: Times,
}

impl<'a> Manner<'a> {
    /// What the options say; names of `--chown` are looked up in the target's files.
    pub fn new(
        action: &CopyAction,
        mode: Option<&'a Change>,
        target: &View,
        keep_owners: bool,
        now: i64,
        times: Times,
    ) -> Result<Self> {
        let owner = action.chown.as_deref().map(|chown| owner(chown, target)).transpose()?;
        Ok(Self { owner, mode, keep_owners, now, times })
    }

    /// Everything as it is, but for times.
    pub fn kept(times: Times) -> Self {
        Self { owner: None, mode: None, keep_owners: true, now: 0, times }
    }

    /// The same, with the owners of the source.
    pub fn keeping_owners(&self) -> Self {
        Self { keep_owners: true, ..*self }
    }

    fn of(&self, stat: &Stat) -> Attributes {
        let mode = stat.st_mode & 0o7777;
        let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let kept = if self.keep_owners { (stat.st_uid, stat.st_gid) } else { (0, 0) };
        let (uid, gid) = self.owner.unwrap_or(kept);
        let mode = self.mode.map_or(mode, |change| change.apply(mode, directory));
        Attributes { mode, uid, gid, mtime: self.time(stat.st_mtime) }
    }

    fn time(&self, seconds: i64) -> i64 {
        self.times.of(seconds).max(0)
    }

    fn made(&self, mode: u32) -> Attributes {
        let (uid, gid) = self.owner.unwrap_or((0, 0));
        Attributes { mode, uid, gid, mtime: self.time(self.now) }
    }
}

/// The ids of `user[:group]`. A user without a group has its own number as group, as docker has it.
fn owner(chown: &str, target: &View) -> Result<(u32, u32)> {
    let failed = || format!("cannot find the owner `{}`", shown(chown.as_bytes()));
    let passwd = target.small_file("/etc/passwd", user::MAX_FILE)?;
    let group = target.small_file("/etc/group", user::MAX_FILE)?;
    let (name, own) = chown.split_once(':').map_or((chown, None), |(name, group)| (name, Some(group)));
    let identity = user::resolve(if name.is_empty() { "0" } else { name }, &passwd, &group).context(failed)?;
    match own {
        Some(wanted) => user::resolve(&format!("0:{wanted}"), &passwd, &group)
            .context(failed)
            .map(|found| (identity.uid, found.gid)),
        None if name.parse::<u32>().is_ok() => Ok((identity.uid, identity.uid)),
        None => Ok((identity.uid, identity.gid)),
    }
}

impl Changes {
    /// A directory that is made with its parents; nothing when it is there.
    pub fn directory(target: &View, path: &str, now: i64, times: Times) -> Result<Self> {
        let mut changes = Self::default();
        let manner = Manner { owner: None, mode: None, keep_owners: false, now, times };
        let resolved = target.resolve(path.as_bytes(), true)?;
        if !resolved.is_directory() {
            changes.parents(&resolved, resolved.path.len(), &manner)?;
        }
        Ok(changes)
    }

    /// Files of the view with this index that a `COPY` changes.
    pub fn copy(
        &mut self,
        target: &View,
        action: &CopyAction,
        (view, sources): (usize, &[Source]),
        manner: &Manner<'_>,
    ) -> Result<()> {
        sources.iter().try_for_each(|source| self.source(target, action, (view, source), manner))
    }

    /// What here-documents of a `COPY` change.
    pub fn inline(&mut self, target: &View, action: &CopyAction, manner: &Manner<'_>) -> Result<()> {
        for (name, content) in &action.inline {
            let resolved = target.resolve(action.target.as_bytes(), true)?;
            let mut path = resolved.path.clone();
            let into = action.target.ends_with('/') || resolved.is_directory();
            if into {
                path.push(name.as_bytes().to_vec());
            }
            self.parents(&resolved, path.len() - 1, manner)?;
            let mut attributes = manner.made(0o644);
            attributes.mode = manner.mode.map_or(0o644, |change| change.apply(0o644, false));
            self.put(path, What::Inline(content.clone()), attributes)?;
        }
        Ok(())
    }

    fn source(
        &mut self,
        target: &View,
        action: &CopyAction,
        (view, source): (usize, &Source),
        manner: &Manner<'_>,
    ) -> Result<()> {
        let Some(first) = source.entries.first() else { return Ok(()) };
        let is_directory = first.kind() == FileType::Directory;
        let mut wanted = action.target.clone().into_bytes();
        if action.parents {
            let kept = source.parents.iter().chain(is_directory.then_some(&source.name));
            for name in kept.filter(|name| !name.is_empty()) {
                wanted.push(b'/');
                wanted.extend(name);
            }
        }
        let resolved = target.resolve(&wanted, true)?;
        if resolved.found.as_ref().is_some_and(|found| found.kind() != FileType::Directory)
            && (is_directory || action.target.ends_with('/'))
        {
            return Err(Error::invalid(format!("cannot copy to `{}`: it is not a directory", shown(&wanted))));
        }
        let exists = resolved.is_directory();
        let mut base = resolved.path.clone();
        if is_directory {
            self.parents(&resolved, base.len(), manner)?;
            // Without a slash at the end of its name, a new directory looks as its source does.
            if !exists && !action.target.ends_with('/') && !base.is_empty() {
                self.put(base.clone(), What::Directory, manner.of(&first.stat))?;
            }
        } else {
            if action.target.ends_with('/') || exists || action.parents {
                base.push(source.name.clone());
            }
            self.parents(&resolved, base.len().saturating_sub(1), manner)?;
        }
        for entry in &source.entries[usize::from(is_directory)..] {
            let mut path = base.clone();
            path.extend(entry.below.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec));
            let what = match entry.kind() {
                FileType::Directory => What::Directory,
                FileType::RegularFile => What::File(view, entry.path.clone()),
                FileType::Symlink => What::Link(entry.link.clone()),
                FileType::Fifo => What::Fifo,
                _ => return Err(Error::unsupported(format!("cannot copy `{}`: it is a device", shown(&entry.path)))),
            };
            self.put(path, what, manner.of(&entry.stat))?;
        }
        Ok(())
    }

    /// The first `count` names of a path as directories: as they are where they exist, new otherwise.
    fn parents(&mut self, resolved: &Resolved, count: usize, manner: &Manner<'_>) -> Result<()> {
        for depth in 1..=count {
            let path = joined(&resolved.path[..depth.min(resolved.path.len())]);
            if self.entries.contains_key(&path) {
                continue;
            }
            let attributes = match resolved.directories.get(depth) {
                Some(directory) => {
                    let stat = directory.stat()?;
                    Attributes {
                        mode: stat.st_mode & 0o7777,
                        uid: stat.st_uid,
                        gid: stat.st_gid,
                        mtime: manner.time(stat.st_mtime),
                    }
                }
                None => manner.made(0o755),
            };
            self.entries.insert(path, (What::Directory, attributes));
        }
        Ok(())
    }

    fn put(&mut self, path: Vec<Vec<u8>>, what: What, attributes: Attributes) -> Result<()> {
        let name = joined(&path);
        let place = || shown(&name);
        if name.is_empty() {
            return Err(Error::invalid("cannot replace the root directory with a file"));
        }
        if path.last().is_some_and(|last| last.starts_with(b".wh.")) {
            return Err(Error::unsupported(format!(
                "cannot copy `{}`: names that begin with `.wh.` mean deletions in layers",
                place()
            )));
        }
        match self.entries.get(&name) {
            Some((What::Directory, _)) if what != What::Directory => {
                return Err(Error::invalid(format!("cannot copy a file over the directory `{}`", place())));
            }
            Some((other, _)) if *other != What::Directory && what == What::Directory => {
                return Err(Error::invalid(format!("cannot copy a directory over the file `{}`", place())));
            }
            _ => {}
        }
        self.entries.insert(name, (what, attributes));
        Ok(())
    }

    /// An empty file that says something to whoever stacks layers: a whiteout.
    pub fn mark(&mut self, path: Vec<u8>) {
        let attributes = Attributes { mode: 0o600, uid: 0, gid: 0, mtime: 0 };
        self.entries.insert(path, (What::Inline(String::new()), attributes));
    }

    /// Something of the first view as it is, at the same path.
    pub fn keep(
        &mut self,
        path: &[u8],
        (directory, name): (&Directory, &[u8]),
        found: &Found,
        manner: &Manner<'_>,
    ) -> Result<()> {
        let what = match found.kind() {
            FileType::Directory => What::Directory,
            FileType::RegularFile => What::File(0, path.to_vec()),
            FileType::Symlink => What::Link(directory.read_link(name, found)?),
            FileType::Fifo => What::Fifo,
            _ => return Ok(()),
        };
        self.entries.insert(path.to_vec(), (what, manner.of(&found.stat)));
        Ok(())
    }
}
