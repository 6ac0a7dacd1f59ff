//! Extended attributes. Names that overlayfs uses for itself are escaped, as its own driver does: a container that sets
//! `user.overlay.x` has `user.overlay.overlay.x` on disk, so it can neither see nor forge the union's marks. Those of other
//! union file systems (`user.fuseoverlayfs.*`) need no escape: nothing here obeys them (`layer::marks`).

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, XattrFlags};
use rustix::io::Errno;

use super::node::{KnownAbsent, Node};
use super::primitives::{Res, lock};
use super::tree::Fs;
use super::unsynced::Change;

/// The prefix of the union's own attributes.
pub(super) const OWN_PREFIX: &[u8] = b"user.overlay.";
const ESCAPED_PREFIX: &[u8] = b"user.overlay.overlay.";
/// The ACL that new files in a directory inherit.
pub(super) const DEFAULT_ACL: &str = "system.posix_acl_default";

/// Prefixes of attribute names that every file system has (xattr(7)).
const ORDINARY: [&[u8]; 4] = [b"user.", b"security.", b"trusted.", b"system.posix_acl_"];

/// The longest list of names and the longest value (XATTR_LIST_MAX, XATTR_SIZE_MAX).
const MAX: usize = 65536;

/// The name on disk for a name a program uses.
fn on_disk(name: &OsStr) -> Cow<'_, OsStr> {
    match name.as_bytes().strip_prefix(OWN_PREFIX) {
        Some(rest) => Cow::Owned(OsString::from_vec([ESCAPED_PREFIX, rest].concat())),
        None => Cow::Borrowed(name),
    }
}

/// The names a program sees for those on disk, each with its final zero.
fn shown(listed: &[u8]) -> Vec<u8> {
    let mut names = Vec::with_capacity(listed.len());
    for name in listed.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        match (name.strip_prefix(ESCAPED_PREFIX), name.starts_with(OWN_PREFIX)) {
            (Some(rest), _) => names.extend_from_slice(&[OWN_PREFIX, rest].concat()),
            (None, true) => continue,
            (None, false) => names.extend_from_slice(name),
        }
        names.push(0);
    }
    names
}

/// The list of names at a path, as listxattr(2) writes it.
pub(super) fn names_at(path: &Path, follow: bool) -> Res<Vec<u8>> {
    let mut names = vec![0; 1024];
    loop {
        let listed = match follow {
            true => rustix::fs::listxattr(path, &mut names[..]),
            false => rustix::fs::llistxattr(path, &mut names[..]),
        };
        match listed {
            Ok(length) => {
                names.truncate(length);
                return Ok(names);
            }
            Err(Errno::RANGE) if names.len() < MAX => names.resize(MAX, 0),
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Err(errno) => return Err(errno),
        }
    }
}

impl Fs {
    /// The value of an attribute. The kernel remembers nothing of them, and asks for one before the first write to a file
    /// and at each start of a program; so it is remembered here that a file has none.
    pub fn get_xattr(&self, node: &Arc<Node>, name: &OsStr) -> Res<Vec<u8>> {
        // Whether there can be names of other kinds the file system of the layer knows.
        let ordinary = ORDINARY.iter().any(|prefix| name.as_bytes().starts_with(prefix));
        if ordinary && node.known_absent.has_none(KnownAbsent::ATTRIBUTES) {
            return Err(Errno::NODATA);
        }
        let name = on_disk(name);
        let mut value = vec![0; 256];
        self.at(node, |spot| {
            let (path, follow) = spot.path();
            // Of a directory the place is not locked: another thread may be giving it one.
            if ordinary && node.kind != FileType::Directory && shown(&names_at(&path, follow)?).is_empty() {
                node.known_absent.note(KnownAbsent::ATTRIBUTES, true);
                return Err(Errno::NODATA);
            }
            loop {
                let read = match follow {
                    true => rustix::fs::getxattr(&path, &*name, &mut value[..]),
                    false => rustix::fs::lgetxattr(&path, &*name, &mut value[..]),
                };
                match read {
                    Ok(length) => {
                        value.truncate(length);
                        return Ok(());
                    }
                    Err(Errno::RANGE) if value.len() < MAX => value.resize(MAX, 0),
                    Err(errno) => return Err(errno),
                }
            }
        })?;
        Ok(value)
    }

    /// The names of all attributes, each with its final zero.
    pub fn list_xattrs(&self, node: &Arc<Node>) -> Res<Vec<u8>> {
        if node.known_absent.has_none(KnownAbsent::ATTRIBUTES) {
            return Ok(Vec::new());
        }
        let listed = self.at(node, |spot| {
            let (path, follow) = spot.path();
            names_at(&path, follow)
        })?;
        Ok(shown(&listed))
    }

    /// Sets an attribute; `flags` are those of setxattr(2).
    pub fn set_xattr(&self, node: &Arc<Node>, name: &OsStr, value: &[u8], flags: i32) -> Res<()> {
        self.copy_up(node, Change::Nothing)?;
        let flags = XattrFlags::from_bits_truncate(flags as u32);
        let stored = on_disk(name);
        self.at(node, |spot| {
            let (path, follow) = spot.path();
            match follow {
                true => rustix::fs::setxattr(path, &*stored, value, flags),
                false => rustix::fs::lsetxattr(path, &*stored, value, flags),
            }
        })?;
        self.changed(node, name);
        Ok(())
    }

    /// Removes an attribute.
    pub fn remove_xattr(&self, node: &Arc<Node>, name: &OsStr) -> Res<()> {
        if node.known_absent.has_none(KnownAbsent::ATTRIBUTES) {
            return Err(Errno::NODATA);
        }
        self.copy_up(node, Change::Nothing)?;
        let stored = on_disk(name);
        self.at(node, |spot| {
            let (path, follow) = spot.path();
            match follow {
                true => rustix::fs::removexattr(path, &*stored),
                false => rustix::fs::lremovexattr(path, &*stored),
            }
        })?;
        self.changed(node, name);
        Ok(())
    }

    /// Forgets what was known about attributes.
    fn changed(&self, node: &Node, name: &OsStr) {
        node.known_absent.note(KnownAbsent::ATTRIBUTES, false);
        if name == DEFAULT_ACL
            && let Ok(dir) = node.dir()
        {
            lock(&dir.entries).default_acl = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unions_own_names_are_out_of_reach() {
        let on_disk = |name: &str| on_disk(OsStr::new(name)).into_owned();
        assert_eq!(on_disk("user.overlay.opaque"), "user.overlay.overlay.opaque");
        assert_eq!(on_disk("user.overlay.overlay.x"), "user.overlay.overlay.overlay.x");
        assert_eq!(on_disk("user.overlayfs"), "user.overlayfs");
        let listed = b"user.a\0user.overlay.opaque\0user.overlay.overlay.opaque\0user.overlay.overlay.overlay.x\0";
        assert_eq!(shown(listed), b"user.a\0user.overlay.opaque\0user.overlay.overlay.x\0");
    }
}
