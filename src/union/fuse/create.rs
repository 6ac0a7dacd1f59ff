//! Creates names: files, directories, symbolic links, hard links.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use super::entries::Entries;
use super::layer::LayerDir;
use super::name::Name;
use super::node::{KnownAbsent, Link, Node, Place};
use super::primitives::{NAME_MAX, Res, lock, write};
use super::quota::NAME_COST;
use super::tree::Fs;
use super::unsynced::Change;
use super::whiteout::whiteout_at;
use super::xattr::DEFAULT_ACL;

/// What to make.
pub(super) enum New<'a> {
    /// A directory.
    Directory,
    /// A symbolic link to this target.
    Symlink(&'a OsStr),
    /// Anything else, by kind and device number.
    Node(FileType, u64),
}

impl New<'_> {
    fn kind(&self) -> FileType {
        match self {
            New::Directory => FileType::Directory,
            New::Symlink(_) => FileType::Symlink,
            New::Node(kind, _) => *kind,
        }
    }
}

/// The process that creates it, and the requested permissions.
pub(super) struct Maker {
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
    pub umask: u32,
}

impl Fs {
    /// Creates `name`. The node has one lookup to be forgotten.
    pub fn create(&self, parent: &Arc<Node>, name: &OsStr, new: &New<'_>, maker: &Maker) -> Res<(Arc<Node>, Stat)> {
        if name.len() > NAME_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        if matches!(new, New::Node(FileType::CharacterDevice, 0)) {
            // It would be a whiteout.
            return Err(Errno::PERM);
        }
        self.admit(NAME_COST)?;
        let upper = self.upper_of(parent)?;
        let mut entries = lock(&parent.dir()?.entries);
        let inherits = default_acl(&mut entries, &upper);
        // With a default ACL the file system applies the ACL instead of the umask.
        let mode = Mode::from_raw_mode(maker.mode & 0o7777 & if inherits { !0 } else { !maker.umask });
        let owner = owner_of_new(&upper, maker)?;
        match make(&upper, name, new, mode) {
            Ok(()) => give(&upper, name, new, mode, owner)?,
            Err(Errno::EXIST) if whiteout_at(&upper, name)? => {
                self.make_over_whiteout(&upper, name, new, (mode, owner), inherits)?;
            }
            Err(errno) => return Err(errno),
        }
        let (node, stat) = self.new_node(parent, &upper, name, new, inherits)?;
        entries.set(name, node.ino, node.kind);
        Ok((node, stat))
    }

    /// Makes a file in the work directory and moves it over a whiteout in the upper. A temporary directory passes on to
    /// it what the parent would: group and default ACL.
    fn make_over_whiteout(
        &self,
        upper: &LayerDir,
        name: &OsStr,
        new: &New<'_>,
        (mode, owner): (Mode, Option<(u32, Option<u32>)>),
        inherits: bool,
    ) -> Res<()> {
        let stat = rustix::fs::fstat(upper)?;
        if !inherits && stat.st_mode & libc::S_ISGID == 0 {
            return self.make_in_over_whiteout(&self.work, upper, name, new, (mode, owner));
        }
        let stand_in = self.work.fresh_name();
        rustix::fs::mkdirat(&self.work, &stand_in, Mode::RWXU)?;
        let made = (|| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = rustix::fs::openat(&self.work, &stand_in, flags, Mode::empty())?;
            if stat.st_mode & libc::S_ISGID != 0 {
                rustix::fs::fchown(&directory, None, Some(Gid::from_raw(stat.st_gid)))?;
                rustix::fs::fchmod(&directory, Mode::RWXU | Mode::SGID)?;
            }
            if inherits {
                let mut list = vec![0; 65536];
                let length = rustix::fs::fgetxattr(upper, DEFAULT_ACL, &mut list[..])?;
                rustix::fs::fsetxattr(&directory, DEFAULT_ACL, &list[..length], XattrFlags::empty())?;
            }
            self.make_in_over_whiteout(&directory, upper, name, new, (mode, owner))
        })();
        self.work.discard_directory(&stand_in);
        made
    }

    fn make_in_over_whiteout(
        &self,
        nursery: &impl AsFd,
        upper: &LayerDir,
        name: &OsStr,
        new: &New<'_>,
        (mode, owner): (Mode, Option<(u32, Option<u32>)>),
    ) -> Res<()> {
        let temporary = self.work.fresh_name();
        let fresh = OsStr::new(&temporary);
        make(nursery, fresh, new, mode)?;
        let placed = give(nursery, fresh, new, mode, owner).and_then(|()| match new {
            New::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(nursery, fresh, flags, Mode::empty())?;
                LayerDir::fresh(fd)?.make_opaque()?;
                rustix::fs::renameat_with(nursery, fresh, upper, name, RenameFlags::EXCHANGE)
            }
            _ => rustix::fs::renameat(nursery, fresh, upper, name),
        });
        // The exchange leaves a directory there in place of the whiteout; any other leftover means a failure. A
        // leftover that cannot be removed is invisible, and the next start removes it.
        let rest = match (new, &placed) {
            (New::Directory, Ok(())) | (New::Symlink(_) | New::Node(..), Err(_)) => AtFlags::empty(),
            (New::Directory, Err(_)) => AtFlags::REMOVEDIR,
            (New::Symlink(_) | New::Node(..), Ok(())) => return Ok(()),
        };
        let _ = rustix::fs::unlinkat(nursery, fresh, rest);
        placed
    }

    fn new_node(
        &self,
        parent: &Arc<Node>,
        upper: &LayerDir,
        name: &OsStr,
        new: &New<'_>,
        inherits: bool,
    ) -> Res<(Arc<Node>, Stat)> {
        let stat = rustix::fs::statat(upper, name, AtFlags::SYMLINK_NOFOLLOW)?;
        self.origins.gone(&stat);
        self.count(&stat, true);
        let ino = self.origins.shown_stat(&stat);
        let link = Link { parent: Arc::clone(parent), name: Name::from(name) };
        let (node, made) = self.nodes.intern(ino, || Node::new(ino, new.kind(), Some(link), Place::Upper));
        if !made {
            self.nodes.forget(ino, 1);
            return Err(Errno::STALE);
        }
        if let New::Directory = new {
            let dir = node.dir()?;
            let _ = dir.upper.set(parent.upper().ok_or(Errno::STALE)?.fresh_child(name, &stat));
            *write(&dir.lowers) = Some(Arc::from([]));
            *lock(&dir.entries) = Entries::of_new_directory(Some(inherits));
        }
        node.known_absent.note(KnownAbsent::ATTRIBUTES, !inherits);
        let stat = self.shown_attributes(&node, stat, 0);
        Ok((node, stat))
    }

    /// Adds a name to a file.
    pub fn link(&self, node: &Arc<Node>, parent: &Arc<Node>, name: &OsStr) -> Res<Stat> {
        if name.len() > NAME_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        if node.kind == FileType::Directory {
            return Err(Errno::PERM);
        }
        self.copy_up(node, Change::Nothing)?;
        let upper = self.upper_of(parent)?;
        let mut entries = lock(&parent.dir()?.entries);
        let mut state = lock(&node.state);
        let spot = self.spot_in(node, &state)?;
        match spot.link_to(&upper, name) {
            Err(Errno::EXIST) if whiteout_at(&upper, name)? => {
                let temporary = self.work.fresh_name();
                spot.link_to(&self.work, OsStr::new(&temporary))?;
                rustix::fs::renameat(&self.work, &temporary, &upper, name)
                    .inspect_err(|_| self.work.discard(&temporary))?;
            }
            linked => linked?,
        }
        state.add_name(Link { parent: Arc::clone(parent), name: Name::from(name) });
        // A file that had lost its last name, but not its last link, has a name again.
        state.place = Place::Upper;
        entries.set(name, node.ino, node.kind);
        let more = state.more_links();
        let stat = self.spot_in(node, &state)?.stat()?;
        Ok(self.shown_attributes(node, stat, more))
    }
}

/// Whether new files in the directory inherit an ACL from it.
fn default_acl(entries: &mut Entries, upper: &LayerDir) -> bool {
    *entries.default_acl.get_or_insert_with(|| {
        let asked = rustix::fs::fgetxattr(upper, DEFAULT_ACL, &mut [0u8; 1][..]);
        matches!(asked, Ok(1..) | Err(Errno::RANGE))
    })
}

/// The owner to set on a new file; `None` if it is right already, as it mostly is. A directory with the set-group-id
/// bit sets the group itself.
fn owner_of_new(upper: &LayerDir, maker: &Maker) -> Res<Option<(u32, Option<u32>)>> {
    if maker.uid == 0 && maker.gid == 0 {
        return Ok(None);
    }
    let inherits_group = rustix::fs::fstat(upper)?.st_mode & libc::S_ISGID != 0;
    Ok(Some((maker.uid, (!inherits_group).then_some(maker.gid))))
}

fn make(directory: impl AsFd, name: &OsStr, new: &New<'_>, mode: Mode) -> Res<()> {
    match new {
        New::Directory => rustix::fs::mkdirat(directory, name, mode),
        New::Symlink(target) => rustix::fs::symlinkat(*target, directory, name),
        New::Node(kind, device) => rustix::fs::mknodat(directory, name, *kind, mode, *device),
    }
}

/// Sets the owner of a new file, and then the mode again: chown clears set-id bits.
fn give(directory: impl AsFd, name: &OsStr, new: &New<'_>, mode: Mode, owner: Option<(u32, Option<u32>)>) -> Res<()> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    let (uid, gid) = (Uid::from_raw(uid), gid.map(Gid::from_raw));
    rustix::fs::chownat(&directory, name, Some(uid), gid, AtFlags::SYMLINK_NOFOLLOW)?;
    let special = mode.intersects(Mode::SUID | Mode::SGID);
    match (special, new) {
        (true, New::Node(..)) => rustix::fs::chmodat(&directory, name, mode, AtFlags::empty()),
        _ => Ok(()),
    }
}
