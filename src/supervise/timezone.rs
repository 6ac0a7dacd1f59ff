//! `--tz`: the file `/etc/localtime` of a container, from the machine's time zones.

use std::fs;
use std::io::Write;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::ids::ContainerIds;
use crate::base::{Error, Result, ResultExt, text};
use crate::spec::container::ContainerConfig;
use crate::sys::beneath::BeneathDir;

/// Where the machine's time zones are.
const ZONES: &str = "/usr/share/zoneinfo";

/// The largest file of a time zone; real ones have a few kilobytes.
const MAX_FILE: u64 = 1 << 20;

/// Writes the file into the container's root, in place of a symbolic link to a zone of the image: that one stays what it is.
pub(super) fn write(config: &ContainerConfig, ids: &ContainerIds, root: BorrowedFd<'_>) -> Result<()> {
    let Some(name) = &config.process.timezone else { return Ok(()) };
    let content = zone(name)?;
    place(&content, config.namespaces.user.shifts().then(|| ids.root()), root)
        .context(|| "cannot write `/etc/localtime` in the container")
}

/// The file of a zone.
fn zone(name: &str) -> Result<Vec<u8>> {
    let path = match name {
        "local" => PathBuf::from("/etc/localtime"),
        name => Path::new(ZONES).join(name),
    };
    let data = fs::metadata(&path);
    if !data.is_ok_and(|data| data.is_file() && data.len() <= MAX_FILE) {
        return Err(Error::not_found(format!("no time zone `{}` on this machine", text::clean(name)))
            .hint(format!("`{}` is not there or is no file; the package tzdata has them", path.display())));
    }
    let content = fs::read(&path).at(&path, "cannot read")?;
    match content.starts_with(b"TZif") {
        true => Ok(content),
        false => Err(Error::invalid(format!("`{}` is no file of a time zone", path.display()))),
    }
}

fn place(content: &[u8], owner: Option<(u32, u32)>, root: BorrowedFd<'_>) -> Result<()> {
    let root = BeneathDir::from_borrowed(root).context(|| "cannot open the root")?;
    let etc = root.make(b"/etc", crate::sys::beneath::Leaf::Directory).context(|| "cannot open `/etc`")?;
    match rustix::fs::unlinkat(&etc, c"localtime", AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(std::io::Error::from(errno)).context(|| "cannot replace it"),
    }
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file =
        rustix::fs::openat(&etc, c"localtime", flags, Mode::from_raw_mode(0o644)).context(|| "cannot make it")?;
    if let Some((uid, gid)) = owner {
        rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).context(|| "cannot chown it")?;
    }
    fs::File::from(file).write_all(content).context(|| "cannot fill it")
}
