//! What this machine and this user have of cgroup v2: its mount, the own group, and a directory in which groups may be made.

use std::fs;
use std::path::{Path, PathBuf};

use super::group::Group;

/// Where cgroup v2 is mounted.
pub const MOUNT: &str = "/sys/fs/cgroup";

/// `CGROUP2_SUPER_MAGIC`
const CGROUP2: u64 = 0x6367_7270;

/// The hierarchy as a process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// The mount.
    pub mount: PathBuf,
    /// The group of this process, from the mount's root.
    pub own: String,
}

impl Hierarchy {
    /// The machine's; none where cgroup v2 is not all that it has.
    pub fn of_machine() -> Option<Self> {
        let is_cgroup2 = rustix::fs::statfs(MOUNT).is_ok_and(|system| system.f_type as u64 & 0xffff_ffff == CGROUP2);
        let own = own_group(&fs::read_to_string("/proc/self/cgroup").ok()?)?;
        is_cgroup2.then(|| Self { mount: MOUNT.into(), own })
    }

    /// The nearest group, from the own one upwards, that this user may divide: it may be written to, and has no processes of
    /// its own, because the kernel gives controllers only to groups below one without (the root excepted).
    pub fn divisible(&self) -> Option<String> {
        let mut path = self.own.clone();
        loop {
            let group = Group::open(&self.mount, &path).ok()?;
            let writable = group.may_write("cgroup.procs") && group.may_write("cgroup.subtree_control");
            if !writable {
                return None;
            }
            let is_root = path == "/" && group.read("cgroup.type").is_err();
            if is_root || group.read("cgroup.procs").is_ok_and(|processes| processes.trim().is_empty()) {
                return Some(path);
            }
            if path == "/" {
                return None;
            }
            path = above(&path);
        }
    }

    /// The controllers of the group at `path`.
    pub fn controllers(&self, path: &str) -> Option<Vec<String>> {
        Group::open(&self.mount, path).ok().map(|group| group.controllers())
    }
}

/// The group above.
fn above(path: &str) -> String {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some((parent, _)) if !parent.is_empty() => parent.to_owned(),
        _ => "/".to_owned(),
    }
}

/// The group that `/proc/PID/cgroup` names; none when it is outside what this process sees.
pub fn own_group(text: &str) -> Option<String> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    // A group that was removed under its processes.
    let path = path.trim_end_matches(" (deleted)");
    (!path.split('/').any(|part| part == "..")).then(|| path.to_owned())
}

/// Where sockets of the user's manager may be: beside coracle's own runtime directory, and the usual place.
pub fn runtime_directories(runtime: &Path, uid: u32) -> Vec<PathBuf> {
    let usual = PathBuf::from(format!("/run/user/{uid}"));
    let beside = runtime.parent().map(Path::to_path_buf).filter(|beside| *beside != usual);
    beside.into_iter().chain([usual]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn the_own_group() {
        assert_eq!(own_group("0::/user.slice/x\n").as_deref(), Some("/user.slice/x"));
        assert_eq!(own_group("12:pids:/a\n0::/\n").as_deref(), Some("/"));
        assert_eq!(own_group("0::/../x"), None);
        assert_eq!(own_group("12:pids:/a\n"), None);
        assert_eq!(["/a/b", "/a", "/"].map(above), ["/a", "/", "/"]);
        let places = runtime_directories(Path::new("/tmp/x/coracle"), 7);
        assert_eq!(places, [PathBuf::from("/tmp/x"), PathBuf::from("/run/user/7")]);
        assert_eq!(runtime_directories(Path::new("/run/user/7/coracle"), 7), [PathBuf::from("/run/user/7")]);
    }

    #[test]
    fn the_nearest_group_without_processes_is_divided() {
        let root = Staging::new(&std::env::temp_dir()).unwrap();
        for (group, processes) in [("", ""), ("a", ""), ("a/b", "1\n2\n")] {
            let group = root.path().join(group);
            fs::create_dir_all(&group).unwrap();
            fs::write(group.join("cgroup.procs"), processes).unwrap();
            fs::write(group.join("cgroup.subtree_control"), "").unwrap();
            fs::write(group.join("cgroup.type"), "domain\n").unwrap();
        }
        let at = |own: &str| Hierarchy { mount: root.path().to_path_buf(), own: own.into() };
        assert_eq!(at("/a/b").divisible().as_deref(), Some("/a"));
        assert_eq!(at("/a").divisible().as_deref(), Some("/a"));
        assert_eq!(at("/none").divisible(), None);
        // Nobody may divide what is in use, and nobody what is not theirs.
        fs::write(root.path().join("a/cgroup.procs"), "3\n").unwrap();
        assert_eq!(at("/a/b").divisible().as_deref(), Some("/"));
        fs::remove_file(root.path().join("a/cgroup.subtree_control")).unwrap();
        assert_eq!(at("/a/b").divisible(), None);
    }
}
