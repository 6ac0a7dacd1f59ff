//! The files that a `COPY` names, found in their view: patterns resolved, what `.dockerignore` and `--exclude` leave out
//! left out, and their digest, which never depends on times.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use rustix::fs::{FileType, Stat};
use sha2::{Digest as _, Sha256};

use super::interpret::CopyAction;
use super::view::{self, Directory, MAX_DEPTH, View, joined, not_found, shown};
use crate::base::publish::{self, Durability};
use crate::base::{Error, Result, ResultExt};
use crate::dockerfile::{Ignore, glob};
use crate::oci::{Compression, Digest};

/// Most files of one instruction.
const MAX_ENTRIES: usize = 5_000_000;

/// One source of an instruction.
#[derive(Debug)]
pub struct Source {
    /// The last name of its path as it was asked for; empty for the root.
    pub name: Vec<u8>,
    /// What of its path stays below the target with `--parents`, without its own name.
    pub parents: Vec<Vec<u8>>,
    /// It and what is below it, directories before their contents. The first is the source itself.
    pub entries: Vec<Entry>,
}

/// One file.
#[derive(Debug)]
pub struct Entry {
    /// Its path below the source; empty for the source itself.
    pub below: Vec<u8>,
    /// Its path in the view, without links.
    pub path: Vec<u8>,
    /// Its attributes.
    pub stat: Stat,
    /// The text of a link.
    pub link: Vec<u8>,
}

impl Entry {
    /// The kind of file.
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// Finds the sources of an instruction.
pub fn find(view: &View, action: &CopyAction, ignore: &Ignore) -> Result<Vec<Source>> {
    let excluded = Ignore::of_patterns(action.exclude.iter().map(String::as_str))
        .ok_or_else(|| Error::invalid("a pattern of --exclude is malformed"))?;
    let mut finder = Finder { view, ignore, excluded: &excluded, count: 0 };
    let mut sources = Vec::new();
    for asked in &action.sources {
        let (pivot, path) = match asked.split_once("/./").filter(|_| action.parents) {
            Some((before, after)) => {
                (before.matches('/').count() + 1 - usize::from(before.starts_with('/')), format!("{before}/{after}"))
            }
            None => (0, asked.clone()),
        };
        let clean = crate::oci::config::from_root(&path);
        let found = match glob::is_pattern(&clean) {
            true => finder.matches(&clean, action.parents)?,
            false => vec![clean.trim_start_matches('/').to_owned()],
        };
        if found.is_empty() {
            return Err(not_found(asked).hint("no file of the source matches the pattern"));
        }
        for path in found {
            sources.push(finder.source(&path, pivot, action.parents)?);
        }
    }
    Ok(sources)
}

struct Finder<'a> {
    view: &'a View,
    ignore: &'a Ignore,
    excluded: &'a Ignore,
    count: usize,
}

impl Finder<'_> {
    fn is_ignored(&self, path: &[u8]) -> bool {
        !self.ignore.is_empty() && self.ignore.excludes(&String::from_utf8_lossy(path))
    }

    /// The paths that match a pattern, sorted.
    fn matches(&self, pattern: &str, double_stars: bool) -> Result<Vec<String>> {
        let mut paths = vec![String::new()];
        for component in pattern.split('/').filter(|component| !component.is_empty()) {
            let mut next = Vec::new();
            for path in &paths {
                let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                if double_stars && component == "**" {
                    next.push(path.clone());
                    self.directories_below(path, &mut next, 0)?;
                    continue;
                }
                if !glob::is_pattern(component) {
                    next.push(below(component));
                    continue;
                }
                let glob = glob::Glob::of_path(component).ok_or_else(|| {
                    Error::invalid(format!("the pattern `{}` is malformed", shown(pattern.as_bytes())))
                })?;
                let directory = self.view.resolve(path.as_bytes(), true)?;
                if !directory.is_directory() {
                    continue;
                }
                for name in directory.last_directory()?.names()? {
                    // A name that is no text is matched by no pattern, but a whole directory takes it along.
                    let Ok(name) = String::from_utf8(name) else { continue };
                    if glob.matches(&name) {
                        next.push(below(&name));
                    }
                }
            }
            if next.len() > MAX_ENTRIES {
                return Err(Error::invalid("a pattern matches more than 5,000,000 files"));
            }
            paths = next;
        }
        let mut found = Vec::new();
        for path in paths {
            let resolved = self.view.resolve(path.as_bytes(), true)?;
            let is_there = resolved.found.is_some() || resolved.is_directory();
            if is_there && !self.is_left_out(&resolved.path, resolved.is_directory()) {
                found.push(path);
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    fn directories_below(&self, path: &str, found: &mut Vec<String>, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH || found.len() > MAX_ENTRIES {
            return Err(Error::invalid("a pattern with ** goes too deep"));
        }
        let resolved = self.view.resolve(path.as_bytes(), false)?;
        if !resolved.is_directory() {
            return Ok(());
        }
        let directory = resolved.last_directory()?;
        for name in directory.names()? {
            let is_directory = directory.look(&name)?.is_some_and(|found| found.kind() == FileType::Directory);
            if let (true, Ok(name)) = (is_directory, String::from_utf8(name)) {
                let below = if path.is_empty() { name } else { format!("{path}/{name}") };
                found.push(below.clone());
                self.directories_below(&below, found, depth + 1)?;
            }
        }
        Ok(())
    }

    fn is_left_out(&self, path: &[Vec<u8>], directory: bool) -> bool {
        let path = joined(path);
        !path.is_empty()
            && self.is_ignored(&path)
            && !(directory && self.ignore.may_include_below(&String::from_utf8_lossy(&path)))
    }

    fn source(&mut self, path: &str, pivot: usize, parents: bool) -> Result<Source> {
        let resolved = self.view.resolve(path.as_bytes(), true)?;
        let is_directory = resolved.is_directory();
        if (resolved.found.is_none() && !is_directory) || self.is_left_out(&resolved.path, is_directory) {
            let error = not_found(path);
            return Err(match self.is_left_out(&resolved.path, is_directory) {
                true => error.hint("it is there, but `.dockerignore` leaves it out"),
                false => error,
            });
        }
        let asked: Vec<Vec<u8>> =
            path.split('/').filter(|name| !name.is_empty()).map(|name| name.as_bytes().to_vec()).collect();
        let name = asked.last().cloned().unwrap_or_default();
        let kept = if parents {
            asked.get(pivot..asked.len().saturating_sub(1)).unwrap_or_default().to_vec()
        } else {
            Vec::new()
        };
        let path = joined(&resolved.path);
        let mut source = Source { name, parents: kept, entries: Vec::new() };
        if is_directory {
            let directory = resolved.last_directory()?;
            source.entries.push(Entry {
                below: Vec::new(),
                path: path.clone(),
                stat: directory.stat()?,
                link: Vec::new(),
            });
            self.walk(directory, b"", &path, &mut source, 0)?;
        } else if let Some(found) = resolved.found
            && !self.excluded.excludes(&String::from_utf8_lossy(&source.name))
        {
            source.entries.push(Entry { below: Vec::new(), path, stat: found.stat, link: Vec::new() });
        }
        Ok(source)
    }

    fn walk(
        &mut self,
        directory: &Directory,
        below: &[u8],
        path: &[u8],
        source: &mut Source,
        depth: usize,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::invalid(format!("`{}` is too deep", shown(path))));
        }
        for name in directory.names()? {
            // What vanishes meanwhile is left out.
            let Some(found) = directory.look(&name)? else { continue };
            let join = |to: &[u8]| if to.is_empty() { name.clone() } else { [to, b"/", &name].concat() };
            let (below, path) = (join(below), join(path));
            let kind = found.kind();
            let lossy = String::from_utf8_lossy(&below).into_owned();
            let left_out = self.is_ignored(&path) || self.excluded.excludes(&lossy);
            if left_out {
                let inside = kind == FileType::Directory
                    && (self.ignore.may_include_below(&String::from_utf8_lossy(&path))
                        || self.excluded.may_include_below(&lossy));
                if inside {
                    let before = source.entries.len();
                    source.entries.push(Entry {
                        below: below.clone(),
                        path: path.clone(),
                        stat: found.stat,
                        link: Vec::new(),
                    });
                    self.walk(&directory.child(&name)?, &below, &path, source, depth + 1)?;
                    // A directory that holds nothing in the end is left out itself.
                    if source.entries.len() == before + 1 {
                        source.entries.truncate(before);
                    }
                }
                continue;
            }
            self.count += 1;
            if self.count > MAX_ENTRIES {
                return Err(Error::invalid("more than 5,000,000 files are to be copied")
                    .hint("leave some out with `.dockerignore`"));
            }
            let link = match kind {
                FileType::Symlink => directory.read_link(&name, &found)?,
                // Nobody listens at a socket that was copied: docker leaves them out as well.
                FileType::Socket => continue,
                _ => Vec::new(),
            };
            source.entries.push(Entry { below: below.clone(), path: path.clone(), stat: found.stat, link });
            if kind == FileType::Directory {
                self.walk(&directory.child(&name)?, &below, &path, source, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// Opens files of a view one after the other; neighbours cost no look-up of their directory.
pub struct Opener<V = View> {
    view: V,
    directory: Option<(Vec<u8>, Directory)>,
}

impl<V: Borrow<View>> Opener<V> {
    /// For the files of `view`.
    pub fn of(view: V) -> Self {
        Self { view, directory: None }
    }

    /// The regular file at a path without links, with its attributes now.
    pub fn open(&mut self, path: &[u8]) -> Result<File> {
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&b""[..], path),
        };
        if self.directory.as_ref().is_none_or(|(open, _)| open != parent) {
            let mut resolved = self.view.borrow().resolve(parent, false)?;
            let directory = resolved
                .directories
                .pop()
                .filter(|_| resolved.found.as_ref().is_none_or(|found| found.kind() == FileType::Directory));
            self.directory = Some((parent.to_vec(), directory.ok_or_else(|| not_found(&shown(path)))?));
        }
        let (_, directory) = self.directory.as_ref().ok_or_else(|| not_found(&shown(path)))?;
        let found = directory.look(name)?.ok_or_else(|| not_found(&shown(path)))?;
        directory.open(name, &found)
    }
}

/// Parts the sources that are archives, opened, from the others. An archive is a file whose content is a tar stream,
/// compressed or not.
pub fn archives(view: &View, sources: Vec<Source>) -> Result<(Vec<File>, Vec<Source>)> {
    let (mut packed, mut plain) = (Vec::new(), Vec::new());
    let mut opener = Opener::of(view);
    for source in sources {
        let file = match source.entries.as_slice() {
            [only] if only.kind() == FileType::RegularFile => Some(opener.open(&only.path)?),
            _ => None,
        };
        match file {
            Some(file) if is_archive(&file)? => packed.push(file),
            _ => plain.push(source),
        }
    }
    Ok((packed, plain))
}

/// Whether a file is a tar stream, compressed or not.
pub fn is_archive(file: &File) -> Result<bool> {
    let mut head = Vec::new();
    let mut read = || crate::archive::inflate(file, Compression::None)?.take(512).read_to_end(&mut head);
    // What cannot be decompressed is an ordinary file.
    let readable = read().is_ok();
    std::io::Seek::rewind(&mut &*file).context(|| "cannot read a file that is to be added")?;
    Ok(readable && head.get(257..262) == Some(b"ustar"))
}

/// The largest list of known digests that is read, in bytes.
const KNOWN_MAX: u64 = 256 << 20;

/// Digests of files that were read before, by what a change of them changes: device, inode, size and time of change.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Known {
    digests: BTreeMap<String, String>,
    #[serde(skip)]
    used: BTreeMap<String, String>,
}

impl Known {
    /// Those that were kept at `path`; none when there are none.
    pub fn read(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(metadata) if metadata.len() <= KNOWN_MAX => {
                fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
            }
            _ => Self::default(),
        }
    }

    /// Keeps those that were looked at.
    pub fn keep(self, path: &Path) -> Result<()> {
        let fresh = Self { digests: self.used, used: BTreeMap::new() };
        publish::json(path, &fresh, Durability::Volatile)
    }

    /// Whether anything is known that was not.
    pub fn is_changed(&self) -> bool {
        self.used != self.digests
    }

    fn key(stat: &Stat) -> String {
        format!("{}:{}:{}:{}.{}", stat.st_dev, stat.st_ino, stat.st_size, stat.st_ctime, stat.st_ctime_nsec)
    }
}

/// A file that was changed so shortly before it was read, in seconds, may change again within the same tick of its clock.
const RACY: i64 = 2;

/// The digest of what the sources are: names, kinds, modes, links, contents, and owners where they count; never times.
pub fn digest(view: &View, sources: &[Source], known: &mut Known, now: i64) -> Result<Digest> {
    let mut sum = Sha256::new();
    let mut opener = Opener::of(view);
    for source in sources {
        field(&mut sum, b"source", &source.name);
        for parent in &source.parents {
            field(&mut sum, b"parent", parent);
        }
        for entry in &source.entries {
            field(&mut sum, b"entry", &entry.below);
            sum.update(entry.stat.st_mode.to_le_bytes());
            if !view.is_plain() {
                sum.update(entry.stat.st_uid.to_le_bytes());
                sum.update(entry.stat.st_gid.to_le_bytes());
            }
            field(&mut sum, b"link", &entry.link);
            if entry.kind() == FileType::RegularFile {
                let key = Known::key(&entry.stat);
                let content = match known.digests.get(&key).or_else(|| known.used.get(&key)) {
                    Some(content) => content.clone(),
                    None => content(opener.open(&entry.path)?)?,
                };
                field(&mut sum, b"content", content.as_bytes());
                if entry.stat.st_ctime.saturating_add(RACY) < now {
                    known.used.insert(key, content);
                }
            }
        }
    }
    finish(sum)
}

/// A digest of bytes, as text.
pub fn finish(sum: Sha256) -> Result<Digest> {
    format!("sha256:{}", crate::base::id::hex(&sum.finalize())).parse()
}

/// Adds a field so that no two lists of fields look the same.
pub fn field(sum: &mut Sha256, name: &[u8], value: &[u8]) {
    sum.update(name);
    sum.update((value.len() as u64).to_le_bytes());
    sum.update(value);
}

fn content(mut file: File) -> Result<String> {
    let mut sum = Sha256::new();
    for (name, value) in view::attributes(&file) {
        field(&mut sum, name.as_bytes(), &value);
    }
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => sum.update(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context(|| "cannot read a file that is to be copied"),
        }
    }
    Ok(crate::base::id::hex(&sum.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use std::os::unix::ffi::OsStrExt;

    fn action(sources: &[&str]) -> CopyAction {
        let sources = sources.iter().map(|source| (*source).to_owned()).collect();
        CopyAction { sources, target: "/".into(), ..CopyAction::default() }
    }

    fn context(files: &[&str]) -> (Staging, View) {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        for file in files {
            let path = scratch.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let view = View::of_directory(File::open(scratch.path()).unwrap().into());
        (scratch, view)
    }

    fn listed(view: &View, action: &CopyAction, ignore: &str) -> Result<Vec<String>> {
        let found = find(view, action, &Ignore::parse(ignore).unwrap())?;
        Ok(found.iter().flat_map(|source| source.entries.iter().map(|entry| shown(&entry.path))).collect())
    }

    #[test]
    fn patterns_and_ignored_files() {
        let (_scratch, view) = context(&["a.c", "b.c", "src/x.c", "src/y.h", "doc/z", "node/m/i"]);
        let list = |sources: &[&str], ignore: &str| listed(&view, &action(sources), ignore).unwrap();
        assert_eq!(list(&["*.c"], ""), ["a.c", "b.c"]);
        assert_eq!(list(&["/src"], ""), ["src", "src/x.c", "src/y.h"]);
        assert_eq!(list(&["src/../doc/"], ""), ["doc", "doc/z"]);
        assert_eq!(list(&["../../a.c"], ""), ["a.c"]);
        assert_eq!(list(&["."], "node\n*.c\n!b.c\n**/*.h"), ["", "b.c", "doc", "doc/z", "src", "src/x.c"]);
        assert_eq!(list(&["."], "*\n!src/x.c"), ["", "src", "src/x.c"]);
        assert_eq!(list(&["*.c", "doc"], "a.c"), ["b.c", "doc", "doc/z"]);
        let all = CopyAction { parents: true, ..action(&["**/*.c"]) };
        assert_eq!(listed(&view, &all, "").unwrap(), ["a.c", "b.c", "src/x.c"]);
        let excluding = CopyAction { exclude: vec!["*.h".into(), "m".into()], ..action(&["src", "node"]) };
        assert_eq!(listed(&view, &excluding, "").unwrap(), ["src", "src/x.c", "node"]);
        for (source, ignore) in [("nothing", ""), ("*.x", ""), ("a.c", "a.c"), ("a*", "a.c")] {
            let error = listed(&view, &action(&[source]), ignore).unwrap_err();
            assert!(error.message().contains("not found"), "{source}: {error:?}");
        }
    }

    #[test]
    fn digests_depend_on_contents_and_not_on_times() {
        let (scratch, view) = context(&["d/a", "d/b"]);
        let mut known = Known::default();
        let mut sum = |now| {
            let sources = find(&view, &action(&["d"]), &Ignore::default()).unwrap();
            digest(&view, &sources, &mut known, now).unwrap()
        };
        let first = sum(i64::MAX / 2);
        let file = File::options().write(true).open(scratch.path().join("d/a")).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(sum(0), first);
        fs::write(scratch.path().join("d/a"), "other").unwrap();
        let second = sum(0);
        assert_ne!(second, first);
        fs::rename(scratch.path().join("d/a"), scratch.path().join("d/c")).unwrap();
        assert_ne!(sum(0), second);
    }

    #[test]
    fn hostile_names_are_only_names() {
        let (scratch, view) = context(&["d/a"]);
        for name in [&b"x\ny"[..], b"\xff\xfe", b"-rf", b"*", b"a\\b"] {
            fs::write(scratch.path().join("d").join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
        }
        std::os::unix::fs::symlink("/etc/shadow", scratch.path().join("d/shadow")).unwrap();
        let sources = find(&view, &action(&["d"]), &Ignore::default()).unwrap();
        assert_eq!(sources[0].entries.len(), 8);
        let link = sources[0].entries.iter().find(|entry| entry.below == b"shadow").unwrap();
        assert_eq!(link.link, b"/etc/shadow");
        assert!(find(&view, &action(&["d/shadow"]), &Ignore::default()).is_err());
    }
}
