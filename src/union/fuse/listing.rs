//! Reads the merged listing of a directory from its layers, once; [`super::entries`] keeps it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir as DirStream, FileType};
use rustix::io::Errno;

use super::entries::Entries;
use super::layer::LayerDir;
use super::node::Node;
use super::primitives::{Res, lock};
use super::tree::{Fs, Layers};
use super::whiteout::is_whiteout;

impl Fs {
    /// Reads the listing of a directory if that was not done yet.
    pub fn list(&self, node: &Arc<Node>) -> Res<()> {
        let dir = node.dir()?;
        if lock(&dir.entries).is_complete() {
            return Ok(());
        }
        let layers = self.layers(node)?;
        let mut entries = lock(&dir.entries);
        match entries.is_complete() {
            true => Ok(()),
            false => self.merge(&layers, &mut entries),
        }
    }

    fn merge(&self, layers: &Layers, entries: &mut Entries) -> Res<()> {
        let mut merged = Entries::of_new_directory(entries.default_acl);
        // Names of whiteouts: they hide the layers below.
        let mut hidden: std::collections::HashSet<Box<OsStr>> = std::collections::HashSet::new();
        if let Some(upper) = &layers.upper {
            self.read_layer(&*upper.open()?, 0, layers.lowers.is_empty(), &mut merged, &mut hidden)?;
        }
        for (depth, lower) in layers.lowers.iter().enumerate() {
            let last = depth + 1 == layers.lowers.len();
            self.read_layer(&*lower.open()?, u16::try_from(depth).unwrap_or(u16::MAX), last, &mut merged, &mut hidden)?;
        }
        merged.shrink();
        *entries = merged;
        Ok(())
    }

    fn read_layer(
        &self,
        layer: &LayerDir,
        depth: u16,
        last: bool,
        merged: &mut Entries,
        hidden: &mut std::collections::HashSet<Box<OsStr>>,
    ) -> Res<()> {
        for entry in DirStream::read_from(layer)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." || merged.find(name).is_some() || hidden.contains(name) {
                continue;
            }
            let mut kind = entry.file_type();
            let suspicious = matches!(kind, FileType::Unknown | FileType::CharacterDevice)
                || kind == FileType::RegularFile && layer.has_marked_whiteouts();
            if suspicious {
                let stat = match rustix::fs::statat(layer, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => stat,
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(errno),
                };
                kind = FileType::from_raw_mode(stat.st_mode);
                if is_whiteout(layer, name, &stat) {
                    if !last {
                        hidden.insert(name.into());
                    }
                    continue;
                }
            }
            merged.push(name, self.origins.shown(layer.device, entry.ino()), kind, depth);
        }
        Ok(())
    }
}
