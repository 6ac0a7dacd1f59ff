//! Removes names: unlink and rmdir.
//!
//! A name in the upper is removed; one that a lower layer shows gets a whiteout. A file that loses its last name is
//! kept open until the kernel forgets it, so that programs which have it open can still read, write and change it.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::layer::LayerDir;
use super::node::{Node, Place, State};
use super::primitives::{Res, lock};
use super::tree::Fs;
use super::whiteout::remove_whiteouts;

impl Fs {
    /// Removes a name of anything but a directory.
    pub fn unlink(&self, parent: &Arc<Node>, name: &OsStr) -> Res<()> {
        let node = self.resolve(parent, name)?.ok_or(Errno::NOENT)?;
        if node.kind == FileType::Directory {
            return Err(Errno::ISDIR);
        }
        let upper = self.upper_of(parent)?;
        let layers = self.layers(parent)?;
        let mut entries = lock(&parent.dir()?.entries);
        let mut state = lock(&node.state);
        let shown_below = self.lower_has(&layers, name)?;
        if matches!(state.place, Place::Upper) {
            let held = self.hold_last(&node, &state)?;
            match shown_below {
                true => self.work.whiteout_over(&upper, name)?,
                false => rustix::fs::unlinkat(&upper, name, AtFlags::empty())?,
            }
            self.unname(&node, &mut state, parent, name, held);
        } else {
            self.work.whiteout(&upper, name)?;
            self.unname(&node, &mut state, parent, name, None);
        }
        entries.remove(name);
        Ok(())
    }

    /// Opens a file of the upper if it is about to lose its last known name. It may have others that were not looked
    /// up.
    pub fn hold_last(&self, node: &Node, state: &State) -> Res<Option<Arc<OwnedFd>>> {
        if state.names().nth(1).is_some() {
            return Ok(None);
        }
        match (node.kind, state.data()) {
            (FileType::RegularFile, Some(open)) => Ok(Some(Arc::clone(open))),
            (FileType::RegularFile, None) => self.open_data(node, state).map(Some),
            _ => {
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let super::location::Location::Named(layer, name) = self.spot_in(node, state)? else { return Ok(None) };
                Ok(Some(Arc::new(rustix::fs::openat(layer, &*name, flags, Mode::empty())?)))
            }
        }
    }

    /// Removes a name from a node, after it was removed on disk.
    pub fn unname(&self, node: &Node, state: &mut State, parent: &Arc<Node>, name: &OsStr, held: Option<Arc<OwnedFd>>) {
        state.remove_name(parent, name);
        if let Some(held) = held {
            let matters = self.quota.is_some() || self.origins.has_copies();
            if matters
                && let Ok(stat) = rustix::fs::fstat(&held)
                && stat.st_nlink == 0
            {
                self.origins.gone(&stat);
                self.count(&stat, false);
            }
            state.place = Place::Detached(held);
        } else if state.place.is_lower() && node.kind != FileType::Directory {
            let more = state.more_links() - 1;
            state.set_more_links(more);
        }
    }

    /// Removes an empty directory.
    pub fn rmdir(&self, parent: &Arc<Node>, name: &OsStr) -> Res<()> {
        let node = self.resolve(parent, name)?.ok_or(Errno::NOENT)?;
        self.list(&node)?;
        let inside = self.layers(&node)?;
        let upper = self.upper_of(parent)?;
        let layers = self.layers(parent)?;
        let _stacks = lock(&self.stacks);
        let mut entries = lock(&parent.dir()?.entries);
        if !lock(&node.dir()?.entries).is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        let shown_below = self.lower_has(&layers, name)?;
        match (node.upper(), shown_below) {
            (Some(own), true) => {
                own.keep()?;
                self.work.whiteout_over_directory(&upper, name)?;
            }
            (Some(own), false) => {
                let own = own.keep()?;
                if !inside.lowers.is_empty() {
                    hide_and_clear(&own)?;
                }
                rustix::fs::unlinkat(&upper, name, AtFlags::REMOVEDIR)?;
            }
            (None, _) => self.work.whiteout(&upper, name)?,
        }
        if let Some(own) = node.upper()
            && let Ok(stat) = own.open().and_then(rustix::fs::fstat)
        {
            self.origins.gone(&stat);
        }
        lock(&node.state).clear_names();
        entries.remove(name);
        Ok(())
    }
}

/// Removes the whiteouts of a directory without revealing what they hide.
pub(super) fn hide_and_clear(directory: &LayerDir) -> Res<()> {
    // Opaque first: a crash in between leaves the directory empty, as it was.
    let had_marked = directory.has_marked_whiteouts();
    if !had_marked {
        directory.make_opaque()?;
    }
    remove_whiteouts(directory)?;
    if had_marked {
        directory.make_opaque()?;
    }
    Ok(())
}
