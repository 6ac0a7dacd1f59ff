//! Finds Quadlet files: search directories, subdirectories, links, templates and drop-ins.
//!
//! The files are the user's or the administrator's, but whoever wrote them may have copied them from somewhere: sizes,
//! counts and depths are bounded, and only regular files are read, so that a FIFO does not stop the generator.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::keys::FileType;
use super::unit_file::UnitFile;
use crate::base::error::if_absent;
use crate::base::{Error, Result, ResultExt, text};

/// Largest file, in bytes.
const FILE_MAX: u64 = 1 << 20;
/// Most files of one run.
const FILES_MAX: usize = 10_000;
/// Most directories below the search directories.
const DIRECTORIES_MAX: usize = 1_000;
/// Deepest subdirectory.
const DEPTH_MAX: usize = 16;

/// A Quadlet file as it was read, with its drop-ins.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name of the file, which for a link is the link's.
    pub name: String,
    /// Where it was found.
    pub path: PathBuf,
    /// What it describes.
    pub file_type: FileType,
    /// What it says, with its drop-ins.
    pub unit: UnitFile,
}

impl Source {
    /// The name without its extension.
    pub fn stem(&self) -> &str {
        self.name.rsplit_once('.').map_or(self.name.as_str(), |(stem, _)| stem)
    }

    /// Whether it is a template, of which instances are made: `web@.container`.
    pub fn is_template(&self) -> bool {
        self.stem().ends_with('@')
    }

    /// Reads the text of a file of this name, without looking for drop-ins.
    pub fn parse(path: &Path, content: &str) -> Result<Self> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let file_type = FileType::of(&name).ok_or_else(|| {
            Error::invalid(format!("`{}` is no Quadlet file", text::clean(&name)))
                .hint("its name ends with .container, .pod, .volume, .network, .kube, .image, .build or .artifact")
        })?;
        let unit = UnitFile::parse(content, path)?;
        Ok(Self { name, path: path.to_owned(), file_type, unit })
    }

    /// A file of tests.
    #[cfg(test)]
    pub fn of(name: &str, content: &str) -> Result<Self> {
        Self::parse(&Path::new("/q").join(name), content)
    }
}

/// The files that were found, and what is wrong with others.
#[derive(Debug, Default)]
pub struct Found {
    /// The files, by name.
    pub sources: Vec<Source>,
    /// What could not be read.
    pub errors: Vec<Error>,
}

/// Where a user's Quadlet files are, the first before the others.
pub fn user_directories(runtime: Option<&Path>, config: &Path, uid: u32) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = runtime.map(|runtime| runtime.join("containers/systemd")).into_iter().collect();
    directories.push(config.join("containers/systemd"));
    for system in ["/etc/containers/systemd/users", "/usr/share/containers/systemd/users"] {
        directories.push(Path::new(system).join(uid.to_string()));
        directories.push(system.into());
    }
    directories
}

/// Reads all Quadlet files below `directories`. Of two with one name the first counts.
pub fn find(directories: &[PathBuf]) -> Found {
    let mut walk = Walk::default();
    for directory in directories {
        walk.directory(directory, 0, directory.ends_with("containers/systemd/users"));
    }
    let mut found = Found { errors: walk.errors, ..Found::default() };
    for (name, path) in &walk.files {
        match read_file(path)
            .and_then(|content| Source::parse(path, &content))
            .map(|source| Source { name: name.clone(), ..source })
        {
            Ok(mut source) => match add_drop_ins(&mut source, &walk.directories) {
                Ok(()) => found.sources.push(source),
                Err(error) => found.errors.push(error),
            },
            Err(error) => found.errors.push(error),
        }
    }
    found
}

/// Reads the files of a check: files as they are, directories as search directories.
pub fn find_given(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in paths {
        if path.is_dir() {
            let more = find(std::slice::from_ref(path));
            found.sources.extend(more.sources);
            found.errors.extend(more.errors);
            continue;
        }
        let read = read_file(path).and_then(|content| Source::parse(path, &content)).and_then(|mut source| {
            let beside: Vec<PathBuf> = path.parent().map(Path::to_owned).into_iter().collect();
            add_drop_ins(&mut source, &beside).map(|()| source)
        });
        match read {
            Ok(source) => found.sources.push(source),
            Err(error) => found.errors.push(error),
        }
    }
    found
}

/// A walk through the search directories.
#[derive(Default)]
struct Walk {
    directories: Vec<PathBuf>,
    files: BTreeMap<String, PathBuf>,
    /// Real paths of directories, so that links in circles end.
    seen: BTreeSet<PathBuf>,
    errors: Vec<Error>,
}

impl Walk {
    /// `for_users`: numeric subdirectories belong to users, and have their own entries in the list of directories.
    fn directory(&mut self, directory: &Path, depth: usize, for_users: bool) {
        let Ok(real) = fs::canonicalize(directory) else { return };
        if depth > DEPTH_MAX || self.directories.len() >= DIRECTORIES_MAX || !self.seen.insert(real) {
            return;
        }
        let entries = match if_absent(fs::read_dir(directory)).at(directory, "cannot read") {
            Ok(Some(entries)) => entries,
            Ok(None) => return,
            Err(error) => return self.errors.push(error),
        };
        self.directories.push(directory.to_owned());
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).take(FILES_MAX).collect();
        paths.sort();
        for path in paths {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if FileType::of(name).is_some() && !path.is_dir() {
                if self.files.len() < FILES_MAX {
                    self.files.entry(name.to_owned()).or_insert(path);
                }
            } else if path.is_dir() && !(for_users && name.bytes().all(|byte| byte.is_ascii_digit())) {
                self.directory(&path, depth + 1, false);
            }
        }
    }
}

/// Reads a regular file of a bounded size.
pub fn read_file(path: &Path) -> Result<String> {
    let opened = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = opened.at(path, "cannot read")?;
    let metadata = file.metadata().at(path, "cannot read")?;
    let shown = || text::clean(&path.display().to_string()).into_owned();
    if !metadata.is_file() {
        return Err(Error::invalid(format!("`{}` is no regular file", shown())));
    }
    let mut content = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut content).at(path, "cannot read")?;
    if content.len() as u64 > FILE_MAX {
        return Err(Error::invalid(format!("`{}` is larger than 1 MiB", shown())));
    }
    String::from_utf8(content).map_err(|_| Error::invalid(format!("`{}` is not UTF-8", shown())))
}

/// Adds the drop-ins of a file: the most specific directory wins, and then files are merged in order of their names.
fn add_drop_ins(source: &mut Source, directories: &[PathBuf]) -> Result<()> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for below in drop_in_directories(&source.name) {
        for directory in directories {
            let Ok(entries) = fs::read_dir(directory.join(&below)) else { continue };
            let mut paths: Vec<PathBuf> =
                entries.filter_map(|entry| Some(entry.ok()?.path())).take(FILES_MAX).collect();
            paths.sort();
            for path in paths {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                if name.ends_with(".conf") && files.len() < FILES_MAX {
                    files.entry(name).or_insert(path);
                }
            }
        }
    }
    for path in files.values() {
        source.unit.merge(UnitFile::parse(&read_file(path)?, path)?);
    }
    Ok(())
}

/// The names of the directories with drop-ins, the most specific first: for `a-b@1.container` these are
/// `a-b@1.container.d`, `a-b@.container.d`, `a-.container.d` and `container.d`.
fn drop_in_directories(name: &str) -> Vec<String> {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let mut stems = vec![stem.to_owned()];
    let plain = match stem.split_once('@') {
        Some((template, instance)) => {
            if !instance.is_empty() {
                stems.push(format!("{template}@"));
            }
            template
        }
        None => stem,
    };
    let dashes = plain.trim_end_matches('-').match_indices('-').map(|(at, _)| plain[..=at].to_owned());
    stems.extend(dashes.collect::<Vec<_>>().into_iter().rev());
    let own = stems.into_iter().map(|stem| format!("{stem}.{extension}.d"));
    own.chain([format!("{extension}.d")]).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn drop_ins_of_a_name() {
        assert_eq!(
            drop_in_directories("a-b-c.container"),
            ["a-b-c.container.d", "a-b-.container.d", "a-.container.d", "container.d"]
        );
        assert_eq!(drop_in_directories("w@1.volume"), ["w@1.volume.d", "w@.volume.d", "volume.d"]);
    }

    #[test]
    fn files_are_found_with_their_drop_ins() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let (first, second) = (scratch.path().join("first"), scratch.path().join("second"));
        let write = |path: PathBuf, content: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write(first.join("a-b.container"), "[Container]\nImage=first\n");
        write(second.join("a-b.container"), "[Container]\nImage=second\n");
        write(second.join("sub/deep/v.volume"), "[Volume]\n");
        write(second.join("container.d/10.conf"), "[Container]\nLabel=general\nImage=general\n");
        write(second.join("a-.container.d/10.conf"), "[Container]\nLabel=prefix\n");
        write(first.join("a-b.container.d/20.conf"), "[Container]\nLabel=own\n");
        write(first.join("bad.container"), "nonsense\n");
        write(first.join("t@.container"), "[Container]\nImage=t\n");
        symlink("t@.container", first.join("t@1.container")).unwrap();
        symlink(".", first.join("circle")).unwrap();
        symlink("/nowhere", first.join("dangling.container")).unwrap();
        nix::unistd::mkfifo(&first.join("fifo.container"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let found = find(&[first.clone(), second]);
        let names: Vec<&str> = found.sources.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names, ["a-b.container", "t@.container", "t@1.container", "v.volume"]);
        let unit = &found.sources[0].unit;
        assert_eq!(unit.value("Container", "Image"), Some("first"));
        let labels: Vec<&str> = unit.all("Container", "Label").iter().map(|entry| entry.value.as_str()).collect();
        assert_eq!(labels, ["prefix", "own"], "a drop-in hides the less specific one of its name");
        assert_eq!(found.errors.len(), 3, "{:?}", found.errors);
    }

    #[test]
    fn directories_of_users() {
        let directories = user_directories(Some(Path::new("/run/user/7")), Path::new("/h/.config"), 7);
        let shown: Vec<String> = directories.iter().map(|path| path.display().to_string()).collect();
        assert_eq!(
            shown,
            [
                "/run/user/7/containers/systemd",
                "/h/.config/containers/systemd",
                "/etc/containers/systemd/users/7",
                "/etc/containers/systemd/users",
                "/usr/share/containers/systemd/users/7",
                "/usr/share/containers/systemd/users",
            ]
        );
    }
}
