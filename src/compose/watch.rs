//! `develop.watch`: which files of the host belong to which containers, and what has changed among them.
//!
//! # Theory of operation
//!
//! inotify(7) tells that something below a watched path has happened, and nothing is believed of what it says: the files of the
//! rule are looked at again, and compared with how they were. So nothing is missed when events are lost, and an editor that
//! writes a file in five steps is one change. While nothing happens, nothing runs.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::files::{Files as _, Machine};
use super::node::Node;
use super::project::Project;
use super::read::{text, texts};
use crate::base::error::if_absent;
use crate::base::{Error, Result, ResultExt, publish, text as clean};
use crate::dockerfile::Ignore;
use crate::engine::Engine;
use crate::engine::files::copy::{How, Ownership, Side, copy};

/// The most files of a rule.
const MAX_FILES: usize = 100_000;

/// The longest sleep where not everything can be watched: a machine may have no more watches to give.
const LONGEST: Duration = Duration::from_secs(2);

/// How long changes are collected.
const QUIET: Duration = Duration::from_millis(100);

/// What no rule is about: what version control and editors keep beside files.
const ALWAYS_IGNORED: &[&str] = &["**/.git", "**/*~", "**/.*.sw?", "**/4913", "**/.DS_Store"];

/// What follows a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Files are copied into the containers.
    Sync,
    /// The image is built and the containers are made anew.
    Rebuild,
    /// The containers are restarted.
    Restart,
    /// Files are copied, then the containers are restarted.
    SyncRestart,
    /// Files are copied, then a command is run in the containers.
    SyncExec,
}

impl Action {
    /// Whether files are copied.
    pub fn syncs(self) -> bool {
        matches!(self, Self::Sync | Self::SyncRestart | Self::SyncExec)
    }
}

/// One rule of a service.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The service.
    pub service: String,
    /// The file or directory on the host.
    pub path: PathBuf,
    /// Where it is in the containers.
    pub target: String,
    /// What follows.
    pub action: Action,
    /// Files are copied when watching begins.
    pub initial: bool,
    /// The rule as it is written: the command is there.
    pub node: Node,
    ignored: Ignore,
    included: Option<Ignore>,
}

/// How a file was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    seconds: i64,
    nanoseconds: i64,
    size: u64,
    inode: u64,
    mode: u32,
}

/// The files of a rule at a time, by their path below it; the empty path is the rule's own if it is a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    files: BTreeMap<PathBuf, Stamp>,
    directories: BTreeSet<PathBuf>,
}

/// What has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// New and changed files.
    pub changed: Vec<PathBuf>,
    /// Files that are gone.
    pub removed: Vec<PathBuf>,
}

impl Changes {
    /// How many files.
    pub fn count(&self) -> usize {
        self.changed.len() + self.removed.len()
    }
}

/// The rules of services.
///
/// # Errors
///
/// With the place of a rule that cannot be followed.
pub fn rules(project: &Project, services: &[String]) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for (name, service) in project.services().filter(|(name, _)| services.is_empty() || services.contains(name)) {
        let watches = service.get("develop").and_then(|develop| develop.get("watch"));
        for node in watches.map(Node::items).unwrap_or_default() {
            rules.push(rule(project, name, service, node)?);
        }
    }
    Ok(rules)
}

fn rule(project: &Project, name: &str, service: &Node, node: &Node) -> Result<Rule> {
    let action = match node.text_of("action").unwrap_or_default() {
        "sync" => Action::Sync,
        "rebuild" => Action::Rebuild,
        "restart" => Action::Restart,
        "sync+restart" => Action::SyncRestart,
        "sync+exec" => Action::SyncExec,
        other => return Err(node.place.invalid(format!("develop.watch: unknown action `{}`", clean::clean(other)))),
    };
    let target = text(node, "target").unwrap_or_default();
    if action.syncs() && !target.starts_with('/') {
        return Err(node.place.invalid("develop.watch: `target` is needed, and is an absolute path in the container"));
    }
    if action == Action::Rebuild && service.get("build").is_none() {
        return Err(node.place.invalid(format!("develop.watch: service `{name}` has no `build` to do again")));
    }
    let path = project.directory.join(text(node, "path").unwrap_or_default());
    let mut patterns = ALWAYS_IGNORED.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
    let context =
        service.get("build").and_then(|build| text(build, "context")).map(|path| project.directory.join(path));
    if context.as_deref() == Some(&path)
        && let Some(ignored) = Machine.read(&path.join(".dockerignore"))?
    {
        patterns.extend(ignored.lines().map(str::to_owned));
    }
    patterns.extend(texts(node, "ignore"));
    let wrong = |(_, pattern): (usize, String)| {
        node.place.invalid(format!("develop.watch: malformed pattern `{}`", clean::clean(&pattern)))
    };
    let included = texts(node, "include");
    Ok(Rule {
        service: name.to_owned(),
        path,
        target,
        action,
        initial: node.is_true("initial_sync"),
        node: node.clone(),
        ignored: Ignore::parse(&patterns.join("\n")).map_err(wrong)?,
        included: match included.is_empty() {
            true => None,
            false => Some(Ignore::parse(&included.join("\n")).map_err(wrong)?),
        },
    })
}

impl Rule {
    /// Whether a file below the rule's path is its concern.
    fn covers(&self, below: &str) -> bool {
        let included = self.included.as_ref().is_none_or(|patterns| patterns.excludes(below));
        below.is_empty() || (included && !self.ignored.excludes(below))
    }

    /// Looks at the rule's files. Links are not followed, and only regular files count.
    ///
    /// # Errors
    ///
    /// When there are too many, or the path itself cannot be looked at.
    pub fn look(&self) -> Result<Snapshot> {
        let mut found = Snapshot::default();
        let Some(metadata) = if_absent(fs::symlink_metadata(&self.path)).at(&self.path, "cannot examine")? else {
            return Ok(found);
        };
        if metadata.is_file() {
            found.files.insert(PathBuf::new(), stamp(&metadata));
            return Ok(found);
        }
        let mut open = vec![PathBuf::new()];
        while let Some(directory) = open.pop() {
            let Ok(entries) = fs::read_dir(self.path.join(&directory)) else { continue };
            for entry in entries.flatten() {
                let below = directory.join(entry.file_name());
                let Some(shown) = below.to_str() else { continue };
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() && (!self.ignored.excludes(shown) || self.ignored.may_include_below(shown)) {
                    open.push(below);
                } else if metadata.is_file() && self.covers(shown) {
                    found.files.insert(below, stamp(&metadata));
                }
                if found.files.len() + open.len() > MAX_FILES {
                    return Err(self
                        .node
                        .place
                        .invalid(format!("develop.watch: `{}` has more than {MAX_FILES} files", self.path.display()))
                        .hint("leave out with `ignore` what need not be watched"));
                }
            }
            found.directories.insert(directory);
        }
        Ok(found)
    }

    /// The files, all of them, as changes.
    pub fn all(&self, now: &Snapshot) -> Changes {
        Changes { changed: now.files.keys().cloned().collect(), removed: Vec::new() }
    }

    /// Where a file is in a container.
    pub fn in_container(&self, below: &Path) -> String {
        match below.as_os_str().is_empty() {
            true => self.target.clone(),
            false => format!("{}/{}", self.target.trim_end_matches('/'), below.display()),
        }
    }
}

fn stamp(metadata: &fs::Metadata) -> Stamp {
    Stamp {
        seconds: metadata.mtime(),
        nanoseconds: metadata.mtime_nsec(),
        size: metadata.size(),
        inode: metadata.ino(),
        mode: metadata.mode(),
    }
}

/// What is different.
pub fn compare(before: &Snapshot, now: &Snapshot) -> Changes {
    let is_new = |(path, stamp): &(&PathBuf, &Stamp)| before.files.get(*path) != Some(stamp);
    let is_gone = |path: &&PathBuf| !now.files.contains_key(*path);
    Changes {
        changed: now.files.iter().filter(is_new).map(|(path, _)| path.clone()).collect(),
        removed: before.files.keys().filter(is_gone).cloned().collect(),
    }
}

/// Wakes when something happens below the paths of rules.
pub struct Waker {
    inotify: Option<Inotify>,
    /// Something could not be watched.
    is_partial: Cell<bool>,
    /// Directories are watched from now on, in which something may have happened before.
    looks_again: Cell<bool>,
}

impl Waker {
    /// One that watches nothing yet.
    pub fn new() -> Self {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        Self { is_partial: Cell::new(inotify.is_none()), inotify, looks_again: Cell::new(false) }
    }

    /// Watches the directories of a rule, and that of the rule's path itself. What cannot be watched is looked at from time to
    /// time.
    pub fn add(&self, rule: &Rule, now: &Snapshot) {
        let Some(inotify) = &self.inotify else { return };
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_DELETE_SELF;
        let above = rule.path.parent().map(Path::to_owned);
        let below = now.directories.iter().map(|directory| rule.path.join(directory));
        for directory in below.chain(above) {
            if inotify.add_watch(&directory, flags).is_err() {
                self.is_partial.set(true);
            }
        }
        self.looks_again.set(true);
    }

    /// Returns after something has happened and it is quiet again; after a while where not everything is watched.
    ///
    /// # Errors
    ///
    /// When waiting itself fails.
    pub fn wait(&self) -> Result<()> {
        let Some(inotify) = &self.inotify else {
            std::thread::sleep(LONGEST);
            return Ok(());
        };
        let mut limit = match (self.looks_again.replace(false), self.is_partial.get()) {
            (true, _) => Some(QUIET),
            (false, true) => Some(LONGEST),
            (false, false) => None,
        };
        loop {
            let timeout =
                limit.map_or(PollTimeout::NONE, |limit| PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX));
            match poll(&mut [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) => return Ok(()),
                Err(nix::errno::Errno::EINTR) => continue,
                polled => drop(polled.context(|| "cannot wait for changes")?),
            }
            let _ = inotify.read_events();
            limit = Some(QUIET);
        }
    }
}

/// Copies changed files into a container, and says which of those that are gone should be removed there.
///
/// # Errors
///
/// When the container cannot take them. A file that is gone meanwhile is left out.
pub fn sync(engine: &Engine, id: &str, rule: &Rule, changes: &Changes) -> Result<()> {
    if changes.changed.is_empty() {
        return Ok(());
    }
    engine.paths.ensure()?;
    let failed = || "cannot pack changed files".to_owned();
    let mut builder = tar::Builder::new(publish::nameless(&engine.paths.data)?);
    for below in &changes.changed {
        let path = rule.path.join(below);
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let opened = fs::OpenOptions::new().read(true).custom_flags(flags).open(&path);
        let Some(file) = if_absent(opened).at(&path, "cannot open")? else { continue };
        let metadata = file.metadata().at(&path, "cannot examine")?;
        if !metadata.is_file() {
            continue;
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(metadata.len());
        header.set_mode(metadata.mode() & 0o777);
        header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
        let inside = rule.in_container(below);
        let content = std::io::Read::take(&file, metadata.len());
        builder.append_data(&mut header, inside.trim_start_matches('/'), content).context(failed)?;
    }
    let mut archive = builder.into_inner().context(failed)?;
    archive.seek(SeekFrom::Start(0)).context(failed)?;
    let how = How { follow: false, ownership: Ownership::Root, overwrite: true };
    copy(engine, Side::Stream(OwnedFd::from(archive)), Side::Container(id.to_owned(), "/".into()), how).map(drop)
}

/// An error about a project that has nothing to watch.
pub fn nothing() -> Error {
    Error::usage("none of the selected services is configured for watch, consider setting a 'develop' section")
        .hint("develop: {watch: [{action: sync, path: ./src, target: /app/src}]}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use crate::compose::fixtures::project_of;

    fn rule_of(keys: &str) -> Result<Rule> {
        let source = format!("services: {{web: {{build: ., develop: {{watch: [{{{keys}}}]}}}}}}\n");
        Ok(rules(&project_of(&source, &[])?, &[])?.remove(0))
    }

    #[test]
    fn rules_are_read() {
        let rule = rule_of("action: sync, path: ./src, target: /app, ignore: ['*.log']").unwrap();
        assert_eq!((rule.path.as_path(), rule.action), (Path::new("/p/src"), Action::Sync));
        assert_eq!(rule.in_container(Path::new("a/b")), "/app/a/b");
        assert!(rule.covers("a.txt") && !rule.covers("a.log") && !rule.covers(".git/HEAD"));
        let included = rule_of("action: sync, path: ./src, target: /app, include: ['*.css']").unwrap();
        assert!(included.covers("x.css") && !included.covers("x.js"));
        assert!(rule_of("action: sync, path: ./src").is_err(), "without a target");
        assert!(rule_of("action: sync, path: ./src, target: relative").is_err());
    }

    #[test]
    fn changes_are_seen() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let rule = Rule { path: scratch.path().to_owned(), ..rule_of("action: sync, path: x, target: /t").unwrap() };
        let write = |name: &str, text: &str| fs::write(scratch.path().join(name), text).unwrap();
        write("kept", "1");
        write("changed", "1");
        write("gone", "1");
        std::os::unix::fs::symlink("/etc/passwd", scratch.path().join("link")).unwrap();
        let before = rule.look().unwrap();
        assert_eq!(rule.all(&before).count(), 3, "links are nobody's");
        write("changed", "22");
        fs::remove_file(scratch.path().join("gone")).unwrap();
        fs::create_dir(scratch.path().join("new")).unwrap();
        write("new/file", "1");
        let changes = compare(&before, &rule.look().unwrap());
        assert_eq!(changes.changed, [PathBuf::from("changed"), "new/file".into()]);
        assert_eq!(changes.removed, [PathBuf::from("gone")]);
        let absent = Rule { path: "/nowhere/at/all".into(), ..rule };
        assert_eq!(absent.look().unwrap(), Snapshot::default());
    }
}
