//! What a container needs whose user kept an id of its own: entries in the container's `/etc/passwd` and `/etc/group`,
//! without which programs do not know who they are, and its own `/etc` files, owned by its root.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, ResolveFlags, Uid};

use super::ids::ContainerIds;
use crate::base::{Result, ResultExt};
use crate::rootless::accounts::{account_by_name, account_by_uid, group_by_gid, has_group};
use crate::runtime::user::MAX_FILE;
use crate::spec::ids::UserNamespace;
use crate::state::ContainerConfig;

/// The files of a container that are mounted over its `/etc`.
const OWN: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// Gives those files to the container's root.
pub(super) fn give_files(container: &Path, config: &ContainerConfig, ids: &ContainerIds) -> Result<()> {
    if config.namespaces.user.shifts() {
        let (uid, gid) = ids.root();
        for name in OWN {
            let path = container.join(name);
            rustix::fs::chown(&path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).at(&path, "cannot chown")?;
        }
    }
    Ok(())
}

/// Adds the user to the container's `/etc/passwd` and its group to `/etc/group`, unless a file is absent or knows the id or
/// name. What cannot be written is left: a container runs without, too.
pub(super) fn add(config: &ContainerConfig, root: BorrowedFd<'_>) -> Result<()> {
    let UserNamespace::KeepId { uid, gid, name, group } = &config.namespaces.user else { return Ok(()) };
    append(root, "etc/passwd", |passwd| entry(passwd, name, *uid, *gid, &config.process.cwd))?;
    append(root, "etc/group", |text| group_entry(text, group, *gid, name, *uid))
}

/// Appends the line that `entry` makes of the text of a small file of the container, if it makes one.
fn append(root: BorrowedFd<'_>, path: &str, entry: impl FnOnce(&str) -> Option<String>) -> Result<()> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let Ok(file) = rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) else { return Ok(()) };
    let mut file = File::from(file);
    if !file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_FILE) {
        return Ok(());
    }
    let mut bytes = Vec::new();
    let failed = || format!("cannot add the user to the container's `/{path}`");
    Read::by_ref(&mut file).take(MAX_FILE).read_to_end(&mut bytes).context(failed)?;
    if let Some(entry) = entry(&String::from_utf8_lossy(&bytes)) {
        file.seek(SeekFrom::End(0)).context(failed)?;
        file.write_all(entry.as_bytes()).context(failed)?;
    }
    Ok(())
}

/// What the user is called: as on the host, or by its number.
fn login(name: &str, uid: u32) -> String {
    if name.is_empty() { uid.to_string() } else { name.to_owned() }
}

/// The line to append to passwd(5). Its home is the working directory, as podman has it.
fn entry(passwd: &str, name: &str, uid: u32, gid: u32, home: &str) -> Option<String> {
    let comment = if name.is_empty() { "container user" } else { name };
    let name = login(name, uid);
    if account_by_uid(passwd, uid).is_some() || account_by_name(passwd, &name).is_some() {
        return None;
    }
    let home = if home.contains([':', '\n']) { "/" } else { home };
    Some(format!("{}{name}:*:{uid}:{gid}:{comment}:{home}:/bin/sh\n", newline(passwd)))
}

/// The line to append to group(5): the group with the user as its member, as podman has it.
fn group_entry(text: &str, group: &str, gid: u32, user: &str, uid: u32) -> Option<String> {
    let group = login(group, gid);
    if group_by_gid(text, gid).is_some() || has_group(text, &group) {
        return None;
    }
    Some(format!("{}{group}:x:{gid}:{}\n", newline(text), login(user, uid)))
}

/// What ends the last line of `text`.
fn newline(text: &str) -> &'static str {
    if text.is_empty() || text.ends_with('\n') { "" } else { "\n" }
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

    #[test]
    fn its_group_is_added_where_none_is() {
        let group = "root:x:0:\nstaff:x:50:ann";
        assert_eq!(group_entry(group, "ann", 1004, "ann", 1003).unwrap(), "\nann:x:1004:ann\n");
        assert_eq!(group_entry("", "", 8, "", 7).unwrap(), "8:x:8:7\n");
        assert_eq!(group_entry(group, "other", 50, "ann", 1003), None, "the number is there");
        assert_eq!(group_entry(group, "staff", 1004, "ann", 1003), None, "the name is there");
    }
}
