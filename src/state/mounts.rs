//! Where users have mounted the files of containers and images for themselves (`mount`, `image mount`).
//!
//! ```text
//! <runtime>/mounts/containers/<id>/files         where it is mounted, in whichever mount namespace
//!                                /<namespace>    how often it was mounted in that one; written before it is mounted
//!                 /images/<id>/…                 the same of images
//! ```
//!
//! A mount is seen in one mount namespace, and ends with it. So a record tells where to look, and the table of mounts of
//! a process in that namespace tells the truth: what is not mounted there any more is forgotten by whoever asks.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::error::if_absent;
use crate::base::lock::{Lock, Mode};
use crate::base::paths::private_dir;
use crate::base::publish::{self, Durability};
use crate::base::{ContainerId, Error, Paths, Result, ResultExt};
use crate::oci::Digest;

/// The name of a place to mount at.
const FILES: &str = "files";

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mounted {
    /// The files of a container.
    Container(ContainerId),
    /// The files of an image, by its id.
    Image(Digest),
}

impl Mounted {
    fn directory(&self) -> PathBuf {
        match self {
            Self::Container(id) => Path::new("containers").join(id.as_str()),
            Self::Image(id) => Path::new("images").join(id.hex()),
        }
    }
}

/// The mounts of one user.
#[derive(Debug, Clone)]
pub struct Mounts {
    directory: PathBuf,
}

/// The right to change what is mounted: one command at a time.
#[derive(Debug)]
pub struct MountsLock {
    _lock: Lock,
}

impl Mounts {
    /// Those below `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self { directory: paths.runtime.join("mounts") }
    }

    /// Waits for the lock.
    pub fn lock(&self) -> Result<MountsLock> {
        private_dir(&self.directory)?;
        Ok(MountsLock { _lock: Lock::wait(&self.directory.join("lock"), Mode::Exclusive)? })
    }

    /// Where something is mounted, if it is. Nothing is made.
    pub fn place(&self, of: &Mounted) -> PathBuf {
        self.directory.join(of.directory()).join(FILES)
    }

    /// How often something was mounted in this mount namespace; 0 when it is not mounted here.
    pub fn count(&self, of: &Mounted) -> Result<u32> {
        let place = self.place(of);
        if !is_mounted("self", &place) {
            return Ok(0);
        }
        let record = place.with_file_name(own_namespace()?);
        let text = if_absent(fs::read_to_string(&record)).at(&record, "cannot read")?;
        // One that somebody else mounted there counts, too.
        Ok(text.and_then(|text| text.trim().parse().ok()).unwrap_or(1))
    }

    /// Records that something is, or is about to be, mounted so often here; and makes the place for it.
    pub fn record(&self, _lock: &MountsLock, of: &Mounted, count: u32) -> Result<PathBuf> {
        let place = self.place(of);
        private_dir(&place)?;
        let record = place.with_file_name(own_namespace()?);
        publish::file(&record, count.to_string().as_bytes(), Durability::Volatile)?;
        Ok(place)
    }

    /// Forgets what is not mounted here any more.
    pub fn forget(&self, _lock: &MountsLock, of: &Mounted) -> Result<()> {
        let place = self.place(of);
        let record = place.with_file_name(own_namespace()?);
        if_absent(fs::remove_file(&record)).at(&record, "cannot remove")?;
        remove_empty(&place);
        Ok(())
    }

    /// Everything that is mounted in this mount namespace.
    pub fn here(&self) -> Result<Vec<(Mounted, PathBuf)>> {
        let mut found = Vec::new();
        for of in self.all()? {
            let place = self.place(&of);
            if is_mounted("self", &place) {
                found.push((of, place));
            } else if self.holder(&of)?.is_none() {
                remove_empty(&place);
            }
        }
        Ok(found)
    }

    /// The images that are mounted in any mount namespace.
    pub fn images(&self) -> Result<Vec<Digest>> {
        let mut images = Vec::new();
        for of in self.all()? {
            if self.holder(&of)?.is_some()
                && let Mounted::Image(id) = of
            {
                images.push(id);
            }
        }
        Ok(images)
    }

    /// Fails when the files of a container are mounted somewhere: two unions over one directory of changes would not see
    /// what the other does. The caller holds the container's lock.
    pub fn refuse(&self, id: &ContainerId) -> Result<()> {
        match self.holder(&Mounted::Container(id.clone()))? {
            None => Ok(()),
            Some(process) => Err(Error::conflict(format!(
                "the files of the container {} are mounted, {}",
                id.short(),
                // The namespace of the machine's first process is everybody's who has made none.
                if process == 1 {
                    "for all programs to see".into()
                } else {
                    format!("where process {process} sees them")
                }
            ))
            .hint(format!("run `coracle umount {}` there, or leave that `coracle unshare`", id.short()))),
        }
    }

    /// A process that sees something mounted. Records of namespaces that have ended are removed.
    pub fn holder(&self, of: &Mounted) -> Result<Option<i32>> {
        let place = self.place(of);
        let Some(directory) = place.parent() else { return Ok(None) };
        let Some(entries) = if_absent(fs::read_dir(directory)).at(directory, "cannot list")? else { return Ok(None) };
        let records = entries.flatten().filter_map(|entry| {
            let number: u64 = entry.file_name().to_str()?.parse().ok()?;
            Some((number, entry.path()))
        });
        let records: HashMap<u64, PathBuf> = records.collect();
        if records.is_empty() {
            return Ok(None);
        }
        let mut holder = None;
        let mut seen = Vec::new();
        let mut all = processes()?;
        all.sort_unstable();
        for process in all {
            let Ok(namespace) = fs::metadata(format!("/proc/{process}/ns/mnt")) else { continue };
            let namespace = namespace.ino();
            if records.contains_key(&namespace)
                && !seen.contains(&namespace)
                && is_mounted(&process.to_string(), &place)
            {
                seen.push(namespace);
                holder = holder.or(Some(process));
            }
        }
        for (_, record) in records.iter().filter(|(namespace, _)| !seen.contains(namespace)) {
            if_absent(fs::remove_file(record)).at(record, "cannot remove")?;
        }
        Ok(holder)
    }

    fn all(&self) -> Result<Vec<Mounted>> {
        let mut all = Vec::new();
        for (kind, parse) in [("containers", parse_container as fn(&str) -> Option<Mounted>), ("images", parse_image)] {
            let directory = self.directory.join(kind);
            let entries = if_absent(fs::read_dir(&directory)).at(&directory, "cannot list")?;
            let names = entries.into_iter().flatten().flatten().map(|entry| entry.file_name());
            all.extend(names.filter_map(|name| parse(name.to_str()?)));
        }
        Ok(all)
    }
}

fn parse_container(name: &str) -> Option<Mounted> {
    name.parse().ok().map(Mounted::Container)
}

fn parse_image(name: &str) -> Option<Mounted> {
    let algorithm = if name.len() == 128 { "sha512" } else { "sha256" };
    format!("{algorithm}:{name}").parse().ok().map(Mounted::Image)
}

/// Removes a place and its directory, if nothing is mounted there and nobody has a record in it.
fn remove_empty(place: &Path) {
    let _ = fs::remove_dir(place);
    if let Some(directory) = place.parent()
        && fs::remove_dir(directory).is_err()
    {
        // Somebody else's record is there: the place stays for it.
        let _ = private_dir(place);
    }
}

/// The name of a record of this mount namespace.
fn own_namespace() -> Result<String> {
    let namespace = fs::metadata("/proc/self/ns/mnt").context(|| "cannot examine our mount namespace")?;
    Ok(namespace.ino().to_string())
}

fn processes() -> Result<Vec<i32>> {
    let entries = fs::read_dir("/proc").context(|| "cannot list `/proc`")?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// Whether something is mounted at `place` in the mount namespace of a process.
fn is_mounted(process: &str, place: &Path) -> bool {
    let Ok(place) = fs::canonicalize(place) else { return false };
    let table = fs::read(format!("/proc/{process}/mountinfo")).unwrap_or_default();
    is_in(&table, place.as_os_str().as_encoded_bytes())
}

/// Whether a table of mounts (proc_pid_mountinfo(5)) has this mount point, its fifth field.
fn is_in(table: &[u8], place: &[u8]) -> bool {
    let mut lines = table.split(|byte| *byte == b'\n');
    lines.any(|line| line.split(|byte| *byte == b' ').nth(4).is_some_and(|field| unescaped(field) == place))
}

/// The table writes a space, a tab, a newline and a backslash as `\` and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, byte) {
            (b'\\', Some(byte)) => {
                out.push(byte);
                rest = &after[3..];
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_found_in_the_table() {
        let table = b"20 1 254:1 / / rw - ext4 /dev/vda1 rw\n\
            33 20 0:40 / /run/a\\040b\\134c/files rw,relatime - overlay overlay rw\n";
        assert!(is_in(table, b"/") && is_in(table, b"/run/a b\\c/files"));
        assert!(!is_in(table, b"/run") && !is_in(table, b"/run/a\\040b\\134c/files") && !is_in(b"", b"/"));
    }

    #[test]
    fn what_is_not_mounted_is_forgotten() {
        let scratch = publish::Staging::new(&std::env::temp_dir()).unwrap();
        let mounts = Mounts { directory: scratch.path().join("mounts") };
        let lock = mounts.lock().unwrap();
        let image = Mounted::Image(Digest::sha256(b"x"));
        let place = mounts.record(&lock, &image, 2).unwrap();
        assert!(place.is_dir());
        assert_eq!(mounts.all().unwrap(), std::slice::from_ref(&image));
        // The record alone says nothing.
        assert_eq!(mounts.count(&image).unwrap(), 0);
        assert_eq!(mounts.images().unwrap(), []);
        assert_eq!(mounts.here().unwrap(), []);
        assert_eq!(mounts.all().unwrap(), []);
        assert!(!place.exists());
        mounts.forget(&lock, &image).unwrap();
    }
}
