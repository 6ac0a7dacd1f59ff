//! A control group by descriptor: its files, the groups below it, and its end. Whoever is root in a container may make groups
//! below its own: names in there are never part of a path.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::base::poll::{self, PollFd, PollFlags};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};

use crate::spec::cgroup2::Setting;

/// The largest file that is read.
const MAX_FILE: u64 = 1 << 20;

/// How deep the groups of a container may be nested to be removed: further than the kernel's users go.
const DEPTH: usize = 32;

/// An open control group.
#[derive(Debug)]
pub struct Group {
    directory: OwnedFd,
}

/// A setting that could not be made.
#[derive(Debug)]
pub struct Failed {
    /// Which.
    pub setting: Setting,
    /// Why.
    pub error: io::Error,
    /// Whether the group has the setting's controller.
    pub has_controller: bool,
}

impl Group {
    /// The group at `path` below the root of the hierarchy, which is mounted at `mount`.
    pub fn open(mount: &Path, path: &str) -> io::Result<Self> {
        let root = rustix::fs::open(mount, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Self::at(root.as_fd(), OsStr::new(path.trim_start_matches('/')))
    }

    fn at(parent: BorrowedFd<'_>, path: &OsStr) -> io::Result<Self> {
        let path = if path.is_empty() { OsStr::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        Ok(Self { directory: rustix::fs::openat2(parent, path, flags, Mode::empty(), resolve)? })
    }

    /// A group directly below, if it is there.
    pub fn child(&self, name: &str) -> io::Result<Self> {
        Self::at(self.directory.as_fd(), OsStr::new(name))
    }

    /// The group at `path` below this one. The names in it may be a container's: it stays below, and no link is followed.
    pub fn below(&self, path: &str) -> io::Result<Self> {
        Self::at(self.directory.as_fd(), OsStr::new(path.trim_start_matches('/')))
    }

    /// Whether it has been divided: the kernel makes no process in such a group ("no internal processes", cgroups(7)).
    pub fn is_divided(&self) -> bool {
        self.read("cgroup.subtree_control").is_ok_and(|controllers| !controllers.trim().is_empty())
    }

    /// A group directly below, made unless it is there.
    pub fn make(&self, name: &str) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.directory, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => self.child(name),
            Err(errno) => Err(errno.into()),
        }
    }

    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY;
        Ok(File::from(rustix::fs::openat2(&self.directory, name, flags, Mode::empty(), resolve)?))
    }

    /// The content of a file.
    pub fn read(&self, name: &str) -> io::Result<String> {
        let mut text = String::new();
        self.file(name, OFlags::RDONLY)?.take(MAX_FILE).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Writes a file, in one call as the kernel wants it.
    pub fn write(&self, name: &str, value: &str) -> io::Result<()> {
        self.file(name, OFlags::WRONLY)?.write_all(value.as_bytes())
    }

    /// Lets a user and group divide the group (cgroups(7), "Delegation"): its limits stay ours.
    pub fn give(&self, uid: u32, gid: u32) -> io::Result<()> {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::fchown(&self.directory, uid, gid)?;
        for name in ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
            rustix::fs::chownat(&self.directory, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    /// Whether this user may write a file.
    pub fn may_write(&self, name: &str) -> bool {
        self.file(name, OFlags::WRONLY).is_ok()
    }

    /// Its controllers.
    pub fn controllers(&self) -> Vec<String> {
        let text = self.read("cgroup.controllers").unwrap_or_default();
        text.split_ascii_whitespace().map(String::from).collect()
    }

    /// Gives the groups below every controller that it has. Each for itself: one that cannot be had is missed by the setting
    /// that needs it.
    pub fn pass_on_controllers(&self) {
        let passed_on = self.read("cgroup.subtree_control").unwrap_or_default();
        for controller in self.controllers() {
            if !passed_on.split_ascii_whitespace().any(|passed| passed == controller) {
                let _ = self.write("cgroup.subtree_control", &format!("+{controller}"));
            }
        }
    }

    /// Moves all processes of this group into `other`. A process that has ended meanwhile is no error.
    pub fn move_processes(&self, other: &Self) -> io::Result<()> {
        // New ones may be forked while the others are moved; they belong to the user's own programs, and there is an end.
        for _ in 0..100 {
            let processes = self.read("cgroup.procs")?;
            if processes.trim().is_empty() {
                return Ok(());
            }
            for process in processes.split_ascii_whitespace() {
                match other.write("cgroup.procs", process) {
                    Err(error) if error.raw_os_error() != Some(libc::ESRCH) => return Err(error),
                    _ => {}
                }
            }
        }
        Err(io::Error::other("processes appear faster than they can be moved"))
    }

    /// Makes the settings, and returns those that could not be made. One that is implied is left out without a word where the
    /// kernel or the user does not have it.
    pub fn apply(&self, settings: &[Setting]) -> Vec<Failed> {
        let mut failed = Vec::new();
        for setting in settings {
            match self.write(setting.file, &setting.value) {
                Ok(()) => {}
                Err(error) if setting.implied && error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let has_controller = self.controllers().iter().any(|name| name == setting.controller());
                    failed.push(Failed { setting: setting.clone(), error, has_controller });
                }
            }
        }
        failed
    }

    /// Stops all processes, or lets them go on, and returns when they have.
    pub fn freeze(&self, frozen: bool, patience: Duration) -> io::Result<()> {
        self.write("cgroup.freeze", if frozen { "1" } else { "0" })?;
        match self.await_event("frozen", u64::from(frozen), patience)? {
            true => Ok(()),
            false => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// SIGKILL for every process, also in groups below (kernel 5.14).
    pub fn kill(&self) -> io::Result<()> {
        self.write("cgroup.kill", "1")
    }

    /// How often the kernel has killed a process of this group because it was out of memory.
    pub fn oom_kills(&self) -> u64 {
        self.read("memory.events").ok().and_then(|text| value_of(&text, "oom_kill")).unwrap_or(0)
    }

    /// Waits until `cgroup.events` has this value; false after `patience`.
    fn await_event(&self, event: &str, wanted: u64, patience: Duration) -> io::Result<bool> {
        let until = Instant::now() + patience;
        loop {
            // Opened anew each time: the change that poll(2) reports is counted from the last read of this descriptor.
            let mut file = self.file("cgroup.events", OFlags::RDONLY)?;
            let mut text = String::new();
            Read::by_ref(&mut file).take(MAX_FILE).read_to_string(&mut text)?;
            if value_of(&text, event) == Some(wanted) {
                return Ok(true);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            poll::wait(&mut [PollFd::new(&file, PollFlags::PRI)], Some(left))?;
        }
    }

    /// Ends the group `name` below: kills what is left in it, and removes it with the groups below it. `patience` is how long
    /// its processes may take to end.
    pub fn remove(&self, name: &str, patience: Duration) -> io::Result<()> {
        let group = match self.child(name) {
            Ok(group) => group,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if group.populated() {
            // What is frozen would not end.
            let _ = group.write("cgroup.freeze", "0");
            let _ = group.kill();
            group.await_event("populated", 0, patience)?;
        }
        group.remove_below(DEPTH)?;
        match rustix::fs::unlinkat(&self.directory, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn populated(&self) -> bool {
        self.read("cgroup.events").ok().and_then(|text| value_of(&text, "populated")) == Some(1)
    }

    /// Removes the groups below this one.
    fn remove_below(&self, depth: usize) -> io::Result<()> {
        if depth == 0 {
            return Err(io::Error::other("its groups are nested too deeply"));
        }
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type() != FileType::Directory || matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            Self::at(self.directory.as_fd(), OsStr::from_bytes(name.to_bytes()))?.remove_below(depth - 1)?;
            rustix::fs::unlinkat(&self.directory, name, AtFlags::REMOVEDIR)?;
        }
        Ok(())
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// The number behind a name in a file of `name number` lines.
pub fn value_of(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::publish::Staging;

    /// A tree that looks like a hierarchy. Files are there before they are written, as in a real one.
    fn tree(files: &[(&str, &str)]) -> Staging {
        let root = Staging::new(&std::env::temp_dir()).unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn settings_are_written_and_failures_are_told() {
        let root = tree(&[("g/cgroup.controllers", "cpu memory\n"), ("g/cpu.max", ""), ("g/memory.max", "")]);
        let group = Group::open(root.path(), "/g").unwrap();
        let setting = |file, implied| Setting { file, value: "7".into(), option: "--x", implied };
        let failed = group.apply(&[
            setting("cpu.max", false),
            setting("memory.swap.max", true),
            setting("memory.low", false),
            setting("io.max", false),
        ]);
        let told: Vec<_> = failed.iter().map(|failed| (failed.setting.file, failed.has_controller)).collect();
        assert_eq!(told, [("memory.low", true), ("io.max", false)]);
        assert_eq!(fs::read_to_string(root.path().join("g/cpu.max")).unwrap(), "7");
    }

    #[test]
    fn controllers_are_passed_on_unless_they_are_already() {
        let root = tree(&[("cgroup.controllers", "cpu pids"), ("cgroup.subtree_control", "cpu")]);
        Group::open(root.path(), "/").unwrap().pass_on_controllers();
        assert_eq!(fs::read_to_string(root.path().join("cgroup.subtree_control")).unwrap(), "+pids");
    }

    #[test]
    fn groups_below_go_with_a_group() {
        let root = tree(&[]);
        fs::create_dir_all(root.path().join("g/a/b")).unwrap();
        fs::create_dir_all(root.path().join("g/c")).unwrap();
        let group = Group::open(root.path(), "").unwrap();
        group.remove("g", Duration::ZERO).unwrap();
        assert!(!root.path().join("g").exists());
        group.remove("g", Duration::ZERO).unwrap();
        fs::create_dir_all(root.path().join("g").join(vec!["d"; DEPTH + 1].join("/"))).unwrap();
        assert!(group.remove("g", Duration::ZERO).unwrap_err().to_string().contains("too deeply"));
    }

    #[test]
    fn no_link_leads_out() {
        let root = tree(&[("secret/cgroup.procs", "1")]);
        fs::create_dir(root.path().join("g")).unwrap();
        std::os::unix::fs::symlink(root.path().join("secret"), root.path().join("g/link")).unwrap();
        std::os::unix::fs::symlink("../secret/cgroup.procs", root.path().join("g/cgroup.procs")).unwrap();
        let group = Group::open(root.path(), "g").unwrap();
        assert!(group.child("link").is_err() && group.child("..").is_err() && group.child("../secret").is_err());
        assert!(group.read("cgroup.procs").is_err() && group.write("cgroup.procs", "1").is_err());
        assert!(group.make("link").is_err());
        // A link in a group is no group: it goes as nothing does, and what it leads to stays.
        let _ = Group::open(root.path(), "").unwrap().remove("g", Duration::ZERO);
        assert!(root.path().join("secret/cgroup.procs").exists());
    }

    #[test]
    fn numbers_have_names() {
        let text = "low 0\noom 3\noom_kill 2\n";
        assert_eq!(
            (value_of(text, "oom_kill"), value_of(text, "oom"), value_of(text, "max")),
            (Some(2), Some(3), None)
        );
        let root =
            tree(&[("g/memory.events", text), ("g/cgroup.events", "populated 0\nfrozen 1\n"), ("g/cgroup.freeze", "")]);
        let group = Group::open(root.path(), "g").unwrap();
        assert_eq!(group.oom_kills(), 2);
        group.freeze(true, Duration::ZERO).unwrap();
        assert_eq!(group.freeze(false, Duration::ZERO).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
