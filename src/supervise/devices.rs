//! The host's devices for a container that gets all of them (`--privileged`), as docker and rootless podman give them. That a
//! device is there gives nobody a right to it: owner and mode decide, with the user's own ids.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::spec::security::Device;

/// The most devices, and how deep directories are looked through: nobody but root makes them, but each costs a mount.
const MOST: usize = 1024;
const DEEPEST: usize = 4;

/// What a container has of its own in `/dev`.
const OWN: [&str; 16] = [
    "console",
    "fd",
    "full",
    "hugepages",
    "mqueue",
    "null",
    "ptmx",
    "pts",
    "random",
    "shm",
    "stderr",
    "stdin",
    "stdout",
    "tty",
    "urandom",
    "zero",
];

/// All devices in the directory `root`, `/dev` or one below it, under the same names.
pub(super) fn all(root: &Path) -> Vec<Device> {
    let mut found = Vec::new();
    collect(root, DEEPEST, &mut found);
    found.retain(|path| path.parent() != Some(root) || !is_own(path));
    found.sort();
    let device = |host: PathBuf| Some(Device { path: host.to_str()?.to_owned(), host });
    found.into_iter().filter_map(device).collect()
}

fn is_own(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| OWN.contains(&name))
}

fn collect(directory: &Path, deep: usize, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if found.len() >= MOST {
            return;
        }
        if kind.is_char_device() || kind.is_block_device() {
            found.push(entry.path());
        } else if kind.is_dir() && deep > 0 && !is_own(&entry.path()) {
            collect(&entry.path(), deep - 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containers_own_devices_are_not_the_hosts() {
        let found = all(Path::new("/dev"));
        let mut there: Vec<String> = fs::read_dir("/dev")
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_char_device() || kind.is_block_device()))
            .filter_map(|entry| entry.path().to_str().map(String::from))
            .filter(|path| !is_own(Path::new(path)))
            .collect();
        there.sort();
        let direct = found.iter().map(|device| device.path.clone()).filter(|path| path.matches('/').count() == 2);
        assert_eq!(direct.collect::<Vec<_>>(), there);
        assert!(found.iter().all(|device| device.host.to_str() == Some(device.path.as_str())));
        for own in ["/dev/null", "/dev/zero", "/dev/tty", "/dev/ptmx", "/dev/console"] {
            assert!(!found.iter().any(|device| device.path == own), "{own}");
        }
        assert!(
            !found.iter().any(|device| device.path.starts_with("/dev/pts/") || device.path.starts_with("/dev/shm/"))
        );
    }
}
