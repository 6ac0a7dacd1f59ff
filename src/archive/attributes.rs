//! Owners, modes, times and extended attributes of what an archive holds.
//!
//! Extended attributes by name:
//! * `user.overlay.*`, `trusted.*`, `user.fuseoverlayfs.*` and `user.containers.override_stat` are dropped: union file
//!   systems read instructions there, and an image could hide or redirect files with them.
//! * `security.capability` is set in its second version without a root id; the kernel then adds the root of our user
//!   namespace (capabilities(7), "Namespaced file capabilities"). An image cannot know the right id.
//! * all others are set. Where the kernel or file system refuses (`EPERM`, `EOPNOTSUPP`: other `security.*` names, or a
//!   file system without them), they are left out, as docker does.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::entries::{Entry, shown};
use super::owners;
use super::pax::Time;
use crate::base::{Error, Result, ResultExt};

const CAPABILITY: &[u8] = b"security.capability";

/// Gives a file or directory its owner, mode and extended attributes, in the order in which none undoes another.
pub fn apply(fd: impl AsFd, entry: &Entry) -> Result<()> {
    let fd = fd.as_fd();
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    match rustix::fs::fchown(fd, Some(uid), Some(gid)) {
        Err(Errno::INVAL) if owners::single_id() => owners::record(fd, entry)?,
        owned => owned.map_err(|errno| owner_refused(errno, entry))?,
    }
    rustix::fs::fchmod(fd, Mode::from_raw_mode(entry.mode)).context(|| failed("set the mode of", entry))?;
    for (name, value) in &entry.xattrs {
        set_xattr(fd, entry, name, value)?;
    }
    Ok(())
}

/// Gives something that cannot be opened (a symbolic link, a fifo) its owner and times. A link has no mode.
pub fn apply_at(parent: BorrowedFd<'_>, base: &[u8], entry: &Entry) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    match rustix::fs::chownat(parent, base, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW) {
        // There is nowhere to record it.
        Err(Errno::INVAL) if owners::single_id() => {}
        owned => owned.map_err(|errno| owner_refused(errno, entry))?,
    }
    rustix::fs::utimensat(parent, base, &timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
        .context(|| failed("set the time of", entry))
}

/// Both times of a file. The time of last access is not worth keeping: it is the time of modification.
pub fn timestamps(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// The extended attributes of a file of a union that an archive keeps: those of users, ACLs and capabilities, in the order
/// of their names. The union's own and recorded owners are none of the file's.
pub fn read(fd: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let failed = || format!("cannot read the attributes of `{}`", shown(path));
    let mut names = Vec::new();
    let listed = grown(&mut names, |buffer| rustix::fs::flistxattr(fd, buffer));
    if matches!(listed, Err(Errno::OPNOTSUPP)) {
        return Ok(Vec::new());
    }
    listed.context(failed)?;
    let mut attributes = Vec::new();
    for name in names.split(|byte| *byte == 0) {
        let kept = name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_") || name == CAPABILITY;
        if !kept || treatment(name) == Treatment::Drop || name.contains(&b'=') {
            continue;
        }
        let mut value = Vec::new();
        match grown(&mut value, |buffer| rustix::fs::fgetxattr(fd, name, buffer)) {
            // Removed meanwhile.
            Err(Errno::NODATA) => continue,
            read => read.context(failed)?,
        }
        match name == CAPABILITY {
            true => attributes.extend(capability(&value).map(|value| (name.to_vec(), value))),
            false => attributes.push((name.to_vec(), value)),
        }
    }
    attributes.sort_unstable();
    Ok(attributes)
}

/// Reads into a buffer that grows until it is large enough.
fn grown(buffer: &mut Vec<u8>, read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<(), Errno> {
    const MAX: usize = 64 << 10;
    buffer.resize(256, 0);
    loop {
        match read(buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(());
            }
            Err(Errno::RANGE) if buffer.len() < MAX => buffer.resize(MAX, 0),
            Err(errno) => return Err(errno),
        }
    }
}

/// `cannot <attempt> <name>`.
pub fn failed(attempt: &str, entry: &Entry) -> String {
    format!("cannot {attempt} `{}`", entry.shown())
}

/// What becomes of an extended attribute.
#[derive(Debug, PartialEq, Eq)]
enum Treatment {
    Set,
    Drop,
    Capability,
}

fn treatment(name: &[u8]) -> Treatment {
    let dropped: [&[u8]; 4] = [b"user.overlay.", b"trusted.", b"user.fuseoverlayfs.", owners::OVERRIDE.as_bytes()];
    match name {
        CAPABILITY => Treatment::Capability,
        _ if dropped.iter().any(|prefix| name.starts_with(prefix)) => Treatment::Drop,
        _ => Treatment::Set,
    }
}

pub fn set_xattr(fd: BorrowedFd<'_>, entry: &Entry, name: &[u8], value: &[u8]) -> Result<()> {
    let failed = || format!("cannot set the attribute `{}` of `{}`", shown(name), entry.shown());
    let set = match treatment(name) {
        Treatment::Drop => return Ok(()),
        Treatment::Set => rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty()),
        Treatment::Capability => {
            let value = capability(value)
                .ok_or_else(|| Error::invalid(format!("`{}` has malformed file capabilities", entry.shown())))?;
            rustix::fs::fsetxattr(fd, name, &value, XattrFlags::empty())
        }
    };
    match set {
        Err(Errno::PERM | Errno::OPNOTSUPP) => Ok(()),
        Err(Errno::NOSPC | Errno::TOOBIG | Errno::RANGE | Errno::INVAL) => Err(Error::unsupported(failed()).caused_by(
            Error::unsupported(format!("the file system does not take a value of {} bytes there", value.len())),
        )),
        result => result.context(failed),
    }
}

/// File capabilities in version 2 (`struct vfs_cap_data`, 20 bytes), from version 2 or 3 (4 bytes of root id more).
fn capability(value: &[u8]) -> Option<Vec<u8>> {
    const SIZE: usize = 20;
    let (magic, rest) = value.split_first_chunk::<4>()?;
    let magic = u32::from_le_bytes(*magic);
    match (magic >> 24, value.len()) {
        (2, SIZE) | (3, 24) => {
            // The lowest bit says that the capabilities are effective at once.
            let magic = 0x0200_0000 | (magic & 1);
            Some([&magic.to_le_bytes(), &rest[..SIZE - 4]].concat())
        }
        _ => None,
    }
}

/// `EINVAL` from chown(2) means an id without a mapping; the maps tell which.
fn owner_refused(errno: Errno, entry: &Entry) -> Error {
    let failed = || failed("set the owner of", entry);
    if errno == Errno::INVAL {
        for (what, id, map) in [("user", entry.uid, "uid_map"), ("group", entry.gid, "gid_map")] {
            let map = std::fs::read_to_string(format!("/proc/self/{map}")).unwrap_or_default();
            if !is_mapped(&map, id) {
                return Error::unsupported(failed())
                    .caused_by(Error::unsupported(format!("the {what} id {id} is not mapped")))
                    .hint(format!(
                        "the image needs {id} subordinate {what} ids at least: extend your range in `/etc/sub{}`; `coracle doctor` says how",
                        if what == "user" { "uid" } else { "gid" }
                    ));
            }
        }
    }
    match Err::<(), _>(errno).context(failed) {
        Err(error) => error,
        Ok(()) => Error::system(failed()),
    }
}

/// Whether the id map (user_namespaces(7): lines of inside, outside, length) holds `id`.
fn is_mapped(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(length))) = (fields.next(), fields.nth(1)) else {
            return false;
        };
        (first..first.saturating_add(length)).contains(&u64::from(id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_for_union_file_systems_are_dropped() {
        for (name, expected) in [
            ("user.overlay.opaque", Treatment::Drop),
            ("user.overlay.whiteout", Treatment::Drop),
            ("user.overlay.overlay.opaque", Treatment::Drop),
            ("trusted.overlay.redirect", Treatment::Drop),
            ("user.fuseoverlayfs.opaque", Treatment::Drop),
            ("user.containers.override_stat", Treatment::Drop),
            ("user.overlay", Treatment::Set),
            ("user.mime_type", Treatment::Set),
            ("system.posix_acl_access", Treatment::Set),
            ("security.capability", Treatment::Capability),
        ] {
            assert_eq!(treatment(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn capabilities_lose_their_root_id() {
        let body = [0x00, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let second = [&[1, 0, 0, 2][..], &body].concat();
        let third = [&[1, 0, 0, 3][..], &body, &[0xe8, 3, 0, 0]].concat();
        assert_eq!(capability(&second).unwrap(), second);
        assert_eq!(capability(&third).unwrap(), second);
        for bad in [&[][..], &second[..19], &third[..20], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(capability(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn id_maps_are_ranges() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        for (id, mapped) in [(0, true), (1, true), (65536, true), (65537, false), (u32::MAX - 1, false)] {
            assert_eq!(is_mapped(map, id), mapped, "{id}");
        }
        assert!(is_mapped("0 0 4294967295", u32::MAX - 1));
        assert!(!is_mapped("", 0));
    }
}
