//! Owners in a user namespace that has only one id, as of a user without subordinate ids: what is unpacked there belongs to
//! the user, and the archive's owner is recorded in an attribute that other tools know, too.
//!
//! The attribute is that of containers/storage (`pkg/idtools`): `<uid>:<gid>:<octal mode>:<type>`. The kernel allows
//! attributes of this kind on files and directories only: what a link or a pipe belonged to is not kept. The root
//! of a tree with such attributes always has one, by which whoever stacks layers can tell.

use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

use rustix::fs::{FileType, XattrFlags};

use super::entries::Entry;
use crate::base::{Result, ResultExt};

/// The name of the attribute.
pub const OVERRIDE: &str = "user.containers.override_stat";

/// Whether owners are recorded in one of these trees.
pub fn recorded_in(trees: &[std::path::PathBuf]) -> bool {
    trees.iter().any(|tree| rustix::fs::getxattr(tree, OVERRIDE, &mut [0u8; 64][..]).is_ok())
}

/// Whether this process's user namespace has only one user id. It does not change while something is unpacked.
pub(super) fn single_id() -> bool {
    static SINGLE: OnceLock<bool> = OnceLock::new();
    *SINGLE.get_or_init(|| {
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        is_single(&map)
    })
}

fn is_single(map: &str) -> bool {
    map.split_ascii_whitespace().skip(2).collect::<Vec<_>>() == ["1"]
}

/// Records what the owner of an entry should be.
pub(super) fn record(fd: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
    let failed = || format!("cannot record the owner of `{}`", entry.shown());
    let kind = FileType::from_raw_mode(rustix::fs::fstat(fd).context(failed)?.st_mode);
    set(fd, entry.uid, entry.gid, entry.mode, kind).context(failed)
}

/// Marks the root of a tree, if owners in it may be recorded.
pub(super) fn mark_root(root: BorrowedFd<'_>) -> Result<()> {
    if !single_id() {
        return Ok(());
    }
    let failed = || "cannot mark the layer";
    let mut value = [0u8; 1];
    match rustix::fs::fgetxattr(root, OVERRIDE, &mut value[..]) {
        Err(rustix::io::Errno::NODATA) => {
            let mode = rustix::fs::fstat(root).context(failed)?.st_mode;
            set(root, 0, 0, mode & 0o7777, FileType::Directory).context(failed)
        }
        _ => Ok(()),
    }
}

fn set(fd: BorrowedFd<'_>, uid: u32, gid: u32, mode: u32, kind: FileType) -> rustix::io::Result<()> {
    let value = value(uid, gid, mode, kind);
    rustix::fs::fsetxattr(fd, OVERRIDE, value.as_bytes(), XattrFlags::empty())
}

fn value(uid: u32, gid: u32, mode: u32, kind: FileType) -> String {
    let kind = if kind == FileType::Directory { "dir" } else { "file" };
    format!("{uid}:{gid}:{:04o}:{kind}", mode & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_id_is_known_by_the_map() {
        assert!(is_single("         0       1000          1\n"));
        for map in ["", "         0       1000          2\n", "0 1000 1\n1 100000 65536\n", "0 0 4294967295"] {
            assert!(!is_single(map), "{map}");
        }
    }

    #[test]
    fn owners_are_written_as_other_tools_read_them() {
        assert_eq!(value(33, 34, 0o4755, FileType::RegularFile), "33:34:4755:file");
        assert_eq!(value(0, 0, 0o700, FileType::Directory), "0:0:0700:dir");
    }
}
