//! What a container needs whose user kept an id of its own: an entry in the container's `/etc/passwd`, without which
//! programs do not know who they are, and its own `/etc` files, owned by its root.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, ResolveFlags, Uid};

use super::ids::ContainerIds;
use crate::base::{Result, ResultExt};
use crate::rootless::idmap::{account_by_name, account_by_uid};
use crate::runtime::user::MAX_FILE;
use crate::state::ContainerConfig;
use crate::state::ids::UserNamespace;

/// The files of a container that are mounted over its `/etc`.
const OWN: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// Gives those files to the container's root.
pub(super) fn give_files(container: &Path, config: &ContainerConfig, ids: &ContainerIds) -> Result<()> {
    if config.user_namespace.shifts() {
        let (uid, gid) = ids.root();
        for name in OWN {
            let path = container.join(name);
            rustix::fs::chown(&path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).at(&path, "cannot chown")?;
        }
    }
    Ok(())
}

/// Adds the user to the container's `/etc/passwd`, unless the file is absent or knows its id or name. What cannot be
/// written is left: a container runs without, too.
pub(super) fn add(config: &ContainerConfig, root: BorrowedFd<'_>) -> Result<()> {
    let UserNamespace::KeepId { uid, gid, name } = &config.user_namespace else { return Ok(()) };
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let Ok(file) = rustix::fs::openat2(root, "etc/passwd", flags, Mode::empty(), resolve) else { return Ok(()) };
    let mut file = File::from(file);
    if !file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_FILE) {
        return Ok(());
    }
    let mut bytes = Vec::new();
    let failed = || "cannot add the user to the container's `/etc/passwd`";
    Read::by_ref(&mut file).take(MAX_FILE).read_to_end(&mut bytes).context(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    if let Some(entry) = entry(&text, name, *uid, *gid, &config.process.cwd) {
        file.seek(SeekFrom::End(0)).context(failed)?;
        file.write_all(entry.as_bytes()).context(failed)?;
    }
    Ok(())
}

/// The line to append. Its home is the working directory, as podman has it.
fn entry(passwd: &str, name: &str, uid: u32, gid: u32, home: &str) -> Option<String> {
    let number = uid.to_string();
    let (name, comment) = if name.is_empty() { (number.as_str(), "container user") } else { (name, name) };
    if account_by_uid(passwd, uid).is_some() || account_by_name(passwd, name).is_some() {
        return None;
    }
    let home = if home.contains([':', '\n']) { "/" } else { home };
    let newline = if passwd.is_empty() || passwd.ends_with('\n') { "" } else { "\n" };
    Some(format!("{newline}{name}:*:{uid}:{gid}:{comment}:{home}:/bin/sh\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_added_where_none_is() {
        let passwd = "root:x:0:0:root:/root:/bin/sh";
        let new = entry(passwd, "ann", 1003, 1004, "/srv").unwrap();
        assert_eq!(new, "\nann:*:1003:1004:ann:/srv:/bin/sh\n");
        assert_eq!(entry("", "", 7, 8, "/a:b").unwrap(), "7:*:7:8:container user:/:/bin/sh\n");
        assert_eq!(entry(passwd, "ann", 0, 0, "/"), None);
        assert_eq!(entry(passwd, "root", 5, 5, "/"), None);
        assert_eq!(entry(&format!("{passwd}{new}"), "ann", 1003, 1004, "/"), None);
    }
}
