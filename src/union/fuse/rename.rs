//! Renaming, with all flags of renameat2(2).
//!
//! # Theory of operation
//!
//! What moves is copied to the upper before any lock is taken. One renameat2(2) there moves it, and leaves a whiteout
//! where a lower layer shows the old name (`RENAME_WHITEOUT`).
//!
//! A directory with parts in lower layers cannot simply move: those are found by its name. overlayfs returns EXDEV or
//! writes redirects, which it does not follow without privilege. Here the directory is first made *pure*: everything in
//! it is copied up and it is marked opaque. Above a size that would take long ([`MAX_ENTRIES`], [`MAX_BYTES`]) the
//! answer is EXDEV, and `mv` copies.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, MutexGuard};

use rustix::fs::{AtFlags, FileType, RenameFlags};
use rustix::io::Errno;

use super::entries::Entries;
use super::layer::{LayerDir, Moving};
use super::name::Name;
use super::node::{Link, Node, Place, State};
use super::primitives::{NAME_MAX, Res, lock, write};
use super::remove::hide_and_clear;
use super::tree::Fs;
use super::unsynced::Change;
use super::whiteout::{remove_whiteouts, whiteout_at};

/// The most entries, at any depth, of a directory that can be moved.
const MAX_ENTRIES: u64 = 16 * 1024;

/// The most bytes of lower files that are copied for a move.
const MAX_BYTES: u64 = 256 << 20;

/// One end of a rename.
struct End<'a> {
    parent: &'a Arc<Node>,
    name: &'a OsStr,
    upper: Arc<LayerDir>,
    /// Whether lower layers show something there.
    shown_below: bool,
}

impl End<'_> {
    fn link(&self) -> Link {
        Link { parent: Arc::clone(self.parent), name: Name::from(self.name) }
    }
}

impl Fs {
    /// renameat2(2).
    pub fn rename(
        &self,
        (from, name): (&Arc<Node>, &OsStr),
        (to, new_name): (&Arc<Node>, &OsStr),
        flags: RenameFlags,
    ) -> Res<()> {
        if new_name.len() > NAME_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        self.movable(&*self.resolve(from, name)?.ok_or(Errno::NOENT)?)?;
        if exchange {
            self.movable(&*self.resolve(to, new_name)?.ok_or(Errno::NOENT)?)?;
        }
        let (upper_from, upper_to) = (self.upper_of(from)?, self.upper_of(to)?);
        let _renames = lock(&self.renames);
        let source = self.resolve(from, name)?.ok_or(Errno::NOENT)?;
        let target = self.resolve(to, new_name)?;
        if target.is_some() && flags.contains(RenameFlags::NOREPLACE) {
            return Err(Errno::EXIST);
        }
        if target.as_deref().is_some_and(|target| Arc::ptr_eq(target, &source)) {
            // Two names of one file: nothing to do (rename(2)).
            return Ok(());
        }
        if let Some(target) = target.as_deref().filter(|_| !exchange) {
            self.check_replaceable(&source, target)?;
        }
        let end = |parent, name, upper| -> Res<End<'_>> {
            let shown_below = self.lower_has(&self.layers(parent)?, name)?;
            Ok(End { parent, name, upper, shown_below })
        };
        let from = end(from, name, upper_from)?;
        let to = end(to, new_name, upper_to)?;
        let _stacks = lock(&self.stacks);
        match (exchange, target) {
            (true, target) => self.exchange(&from, &to, &source, &*target.ok_or(Errno::NOENT)?),
            (false, target) => {
                let leave = from.shown_below || flags.contains(RenameFlags::WHITEOUT) && !from.parent.is_pure();
                self.replace(&from, &to, &source, target.as_deref(), leave)
            }
        }
    }

    fn check_replaceable(&self, source: &Arc<Node>, target: &Arc<Node>) -> Res<()> {
        match (source.kind == FileType::Directory, target.kind == FileType::Directory) {
            (true, false) => Err(Errno::NOTDIR),
            (false, true) => Err(Errno::ISDIR),
            (false, false) => Ok(()),
            (true, true) => {
                self.list(target)?;
                match lock(&target.dir()?.entries).is_empty() {
                    true => Ok(()),
                    false => Err(Errno::NOTEMPTY),
                }
            }
        }
    }

    fn exchange(&self, from: &End<'_>, to: &End<'_>, source: &Arc<Node>, target: &Arc<Node>) -> Res<()> {
        let (mut entries, mut to_entries) = both_entries(from.parent, to.parent)?;
        for (node, end) in [(source, to), (target, from)] {
            make_opaque_at(node, end)?;
        }
        // Nobody may use the wrong name of either meanwhile. Only a rename takes two of these locks, one at a time.
        let (mut state, mut other_state) = (lock(&source.state), lock(&target.state));
        let moving = [source, target].map(|node| node.upper().map(|upper| upper.moving()));
        rustix::fs::renameat_with(&from.upper, from.name, &to.upper, to.name, RenameFlags::EXCHANGE)?;
        for (moving, end) in moving.into_iter().zip([to, from]) {
            arrive(moving, end)?;
        }
        state.move_name(from.parent, from.name, to.link());
        other_state.move_name(to.parent, to.name, from.link());
        entries.set(from.name, target.ino, target.kind);
        to_entries.as_mut().unwrap_or(&mut entries).set(to.name, source.ino, source.kind);
        Ok(())
    }

    fn replace(
        &self,
        from: &End<'_>,
        to: &End<'_>,
        source: &Arc<Node>,
        target: Option<&Arc<Node>>,
        leave_whiteout: bool,
    ) -> Res<()> {
        let (mut entries, mut to_entries) = both_entries(from.parent, to.parent)?;
        // Nobody may use the wrong name of either meanwhile: the replaced file may be open, and be read, written or
        // examined. Only a rename takes two of these locks, one at a time.
        let mut target_state = target.map(|target| lock(&target.state));
        let held = match (target, &target_state) {
            (Some(target), Some(state))
                if matches!(state.place, Place::Upper) && target.kind != FileType::Directory =>
            {
                self.hold_last(target, state)?
            }
            _ => None,
        };
        make_opaque_at(source, to)?;
        if let Some(upper) = target.and_then(|target| target.upper()) {
            upper.keep()?;
        }
        let mut state = lock(&source.state);
        match source.upper() {
            Some(upper) => {
                let moving = upper.moving();
                self.move_directory(from, to, target, leave_whiteout)?;
                arrive(Some(moving), to)?;
            }
            None => self.move_file(from, to, leave_whiteout)?,
        }
        if let (Some(target), Some(state)) = (target, &mut target_state) {
            self.lost(target, state, to, held);
        }
        state.move_name(from.parent, from.name, to.link());
        drop(state);
        entries.remove(from.name);
        to_entries.as_mut().unwrap_or(&mut entries).set(to.name, source.ino, source.kind);
        Ok(())
    }

    /// Renames over a file, a whiteout or nothing in the upper.
    fn move_file(&self, from: &End<'_>, to: &End<'_>, leave_whiteout: bool) -> Res<()> {
        let plainly = || rustix::fs::renameat(&from.upper, from.name, &to.upper, to.name);
        if !leave_whiteout {
            return plainly();
        }
        if !self.work.marks() {
            match rustix::fs::renameat_with(&from.upper, from.name, &to.upper, to.name, RenameFlags::WHITEOUT) {
                Err(Errno::INVAL | Errno::PERM | Errno::NOSYS) => {}
                renamed => return renamed,
            }
        }
        plainly()?;
        self.work.whiteout(&from.upper, from.name)
    }

    fn move_directory(
        &self,
        from: &End<'_>,
        to: &End<'_>,
        target: Option<&Arc<Node>>,
        leave_whiteout: bool,
    ) -> Res<()> {
        match target.and_then(|target| target.upper().map(|upper| (target, upper))) {
            Some((target, upper)) => {
                if !target.is_pure() {
                    hide_and_clear(&*upper.open()?)?;
                }
                self.move_file(from, to, leave_whiteout)
            }
            None if whiteout_at(&to.upper, to.name)? => {
                rustix::fs::renameat_with(&from.upper, from.name, &to.upper, to.name, RenameFlags::EXCHANGE)?;
                match leave_whiteout {
                    true => Ok(()),
                    false => rustix::fs::unlinkat(&from.upper, from.name, AtFlags::empty()),
                }
            }
            None => self.move_file(from, to, leave_whiteout),
        }
    }

    /// The target has lost its name at `to`.
    fn lost(&self, target: &Arc<Node>, state: &mut State, to: &End<'_>, held: Option<Arc<OwnedFd>>) {
        self.unname(target, state, to.parent, to.name, held);
        if let Some(Ok(stat)) = target.upper().map(|upper| upper.open().and_then(rustix::fs::fstat)) {
            self.origins.gone(&stat);
        }
    }

    /// Copies what is to be moved to the upper, completely.
    fn movable(&self, node: &Arc<Node>) -> Res<()> {
        if node.kind != FileType::Directory {
            return self.copy_up(node, Change::Nothing);
        }
        let mut budget = (MAX_ENTRIES, MAX_BYTES);
        self.measure(node, &mut budget)?;
        self.purify(node)
    }

    /// Subtracts the cost of copying a directory up from `budget`.
    fn measure(&self, node: &Arc<Node>, budget: &mut (u64, u64)) -> Res<()> {
        self.layers(node)?;
        if node.is_pure() {
            return Ok(());
        }
        self.list(node)?;
        let names = lock(&node.dir()?.entries).all();
        for entry in names {
            let Some(child) = self.resolve(node, &entry.name)? else { continue };
            let bytes = match child.kind {
                FileType::Directory => {
                    self.measure(&child, budget)?;
                    0
                }
                _ if is_lower(&child) => self.stat(&child)?.st_blocks as u64 * 512,
                _ => 0,
            };
            budget.0 = budget.0.checked_sub(1).ok_or(Errno::XDEV)?;
            budget.1 = budget.1.checked_sub(bytes).ok_or(Errno::XDEV)?;
        }
        Ok(())
    }

    /// Makes a directory independent of lower layers.
    fn purify(&self, node: &Arc<Node>) -> Res<()> {
        let upper = self.upper_of(node)?;
        if node.is_pure() {
            return Ok(());
        }
        self.list(node)?;
        let names = lock(&node.dir()?.entries).all();
        for entry in names {
            let Some(child) = self.resolve(node, &entry.name)? else { continue };
            match child.kind {
                FileType::Directory => self.purify(&child)?,
                _ => self.copy_up(&child, Change::Nothing)?,
            }
        }
        let dir = node.dir()?;
        let _entries = lock(&dir.entries);
        hide_and_clear(&upper)?;
        *write(&dir.lowers) = Some(Arc::from([]));
        Ok(())
    }
}

/// Makes a directory hide what lower layers have where it goes.
fn make_opaque_at(node: &Arc<Node>, end: &End<'_>) -> Res<()> {
    match node.upper() {
        Some(upper) if end.shown_below => {
            let upper = upper.open()?;
            upper.make_opaque()?;
            remove_whiteouts(&upper)
        }
        _ => Ok(()),
    }
}

/// Sets the new path of a directory that was moved.
fn arrive(moving: Option<Moving<'_>>, end: &End<'_>) -> Res<()> {
    if let Some(moving) = moving {
        moving.arrived(end.parent.upper().ok_or(Errno::STALE)?, end.name);
    }
    Ok(())
}

fn is_lower(node: &Node) -> bool {
    lock(&node.state).place.is_lower()
}

/// The listings of both directories; one if they are the same.
fn both_entries<'a>(
    from: &'a Arc<Node>,
    to: &'a Arc<Node>,
) -> Res<(MutexGuard<'a, Entries>, Option<MutexGuard<'a, Entries>>)> {
    let (a, b) = (&from.dir()?.entries, &to.dir()?.entries);
    Ok(match from.ino.cmp(&to.ino) {
        std::cmp::Ordering::Equal => (lock(a), None),
        std::cmp::Ordering::Less => {
            let first = lock(a);
            let second = lock(b);
            (first, Some(second))
        }
        std::cmp::Ordering::Greater => {
            let first = lock(b);
            let second = lock(a);
            (second, Some(first))
        }
    })
}
