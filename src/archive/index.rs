//! The files of a tar archive by name, for archives whose files refer to each other in any order: those of whole images.
//!
//! Nothing is unpacked, so that names need no trust: one with `..` is just a name that nobody asks for. Contents are read in
//! place. Links are followed by name within the archive, as docker's older archives have them for layers that occur twice.
//! Memory is bounded by [`ENTRIES_MAX`] and [`NAMES_MAX`].

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;

use super::entries::{Entries, Entry, Kind};
use super::{Limits, entries};
use crate::base::{Error, Result, ResultExt};

/// Most entries of an archive. One of docker's has a handful for each layer, and an image has at most 500 layers.
const ENTRIES_MAX: u64 = 100_000;
/// Most bytes of all names together.
const NAMES_MAX: usize = 16 << 20;
/// Most links that are followed to a file.
const LINKS_MAX: usize = 8;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Contents: a number of bytes from an offset on.
    File { offset: u64, size: u64 },
    /// Another name.
    Link(String),
}

/// The files of an archive.
#[derive(Debug)]
pub struct Index {
    file: File,
    places: HashMap<String, Place>,
}

impl Index {
    /// Looks through the uncompressed tar archive `file`, from its beginning. Contents are not read.
    pub fn of(file: File) -> Result<Self> {
        let length = file.metadata().context(|| "cannot examine the archive")?.len();
        let limits = Limits { unpacked_bytes: u64::MAX, entries: ENTRIES_MAX };
        let mut input = BufReader::new(file.try_clone().context(|| "cannot keep the archive open")?);
        input.rewind().context(|| "cannot read the archive")?;
        let mut entries = Entries::new(input, io::sink(), &limits);
        let (mut places, mut names) = (HashMap::new(), 0usize);
        while let Some(entry) = entries.next().context(|| "cannot read the archive")? {
            let (offset, size) = entries.pass_over()?;
            if offset.checked_add(size).is_none_or(|end| end > length) {
                return Err(Error::invalid(format!("the archive ends in the middle of `{}`", entry.shown())));
            }
            let (Some(name), Some(place)) = (plain(&entry.name), place(&entry, offset, size)) else { continue };
            names += name.len() + if let Place::Link(target) = &place { target.len() } else { 0 };
            if names > NAMES_MAX {
                return Err(Error::invalid("the archive has too many long names"));
            }
            // tar(1) unpacks the last of several.
            places.insert(name, place);
        }
        Ok(Self { file, places })
    }

    /// The contents of a file, and their length; `None` when there is no such file.
    pub fn open(&self, name: &str) -> Result<Option<(Contents<'_>, u64)>> {
        let Some(mut name) = plain(name.as_bytes()) else { return Ok(None) };
        for _ in 0..=LINKS_MAX {
            match self.places.get(&name) {
                None => return Ok(None),
                Some(Place::File { offset, size }) => {
                    return Ok(Some((Contents { file: &self.file, at: *offset, end: offset + size }, *size)));
                }
                Some(Place::Link(target)) => name.clone_from(target),
            }
        }
        Err(Error::invalid(format!("`{}` in the archive is a link to itself", entries::shown(name.as_bytes()))))
    }
}

/// A file's contents, wherever other readers of the archive are.
#[derive(Debug)]
pub struct Contents<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Contents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        if room == 0 {
            return Ok(0);
        }
        match self.file.read_at(&mut buffer[..room], self.at)? {
            // It was long enough when it was looked through.
            0 => Err(io::Error::other(Error::invalid("the archive was cut while it was read"))),
            count => {
                self.at += count as u64;
                Ok(count)
            }
        }
    }
}

/// What an entry stands for, if it is or names a file.
fn place(entry: &Entry, offset: u64, size: u64) -> Option<Place> {
    match entry.kind {
        // Nobody makes sparse files in such an archive, and their contents are not in one piece.
        Kind::File if entry.segments.is_none() => Some(Place::File { offset, size }),
        Kind::HardLink => plain(&entry.link).map(Place::Link),
        Kind::SymbolicLink if entry.link.starts_with(b"/") => None,
        Kind::SymbolicLink => {
            let directory = entry.name.iter().rposition(|byte| *byte == b'/').map_or(&[][..], |at| &entry.name[..=at]);
            plain(&[directory, &entry.link].concat()).map(Place::Link)
        }
        Kind::File | Kind::Device | Kind::Directory | Kind::Fifo => None,
    }
}

/// A name in its shortest form, without a slash in front. None when it leads out of the archive or is not UTF-8: nothing
/// refers to such a file.
fn plain(name: &[u8]) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in std::str::from_utf8(name).ok()?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn archive(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            if *kind == tar::EntryType::Regular {
                header.set_size(content.len() as u64);
                header.set_cksum();
                builder.append(&header, content.as_bytes()).unwrap();
            } else {
                header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
                header.set_size(0);
                header.set_cksum();
                builder.append(&header, &b""[..]).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    fn index(bytes: &[u8]) -> Result<Index> {
        let path = std::env::temp_dir().join(crate::base::id::random_hex().unwrap());
        let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(bytes).unwrap();
        Index::of(file)
    }

    fn read(index: &Index, name: &str) -> String {
        let mut text = String::new();
        match index.open(name).unwrap_or_else(|error| panic!("{}", error.chain())) {
            Some((mut contents, size)) => {
                assert_eq!(contents.read_to_string(&mut text).unwrap() as u64, size);
                text
            }
            None => "-".into(),
        }
    }

    #[test]
    fn files_are_found_by_name_and_through_links() {
        use tar::EntryType::{Directory, Link, Regular, Symlink};
        let index = index(&archive(&[
            ("a", Directory, ""),
            ("a/layer.tar", Regular, "one"),
            ("./b/layer.tar", Symlink, "../a/layer.tar"),
            ("c", Link, "b/layer.tar"),
            ("d", Symlink, "/a/layer.tar"),
            ("e", Symlink, "../../etc/passwd"),
            ("loop", Symlink, "loop"),
            ("../x", Regular, "outside"),
            ("twice", Regular, "first"),
            ("twice", Regular, "second"),
            ("/root", Regular, &"r".repeat(70_000)),
        ]))
        .unwrap();
        for (name, expected) in [
            ("a/layer.tar", "one"),
            ("b/layer.tar", "one"),
            ("b/../a//./layer.tar", "one"),
            ("c", "one"),
            ("d", "-"),
            ("e", "-"),
            ("a", "-"),
            ("../x", "-"),
            ("x", "-"),
            ("twice", "second"),
        ] {
            assert_eq!(read(&index, name), expected, "{name}");
        }
        assert_eq!(read(&index, "root").len(), 70_000);
        assert!(index.open("loop").unwrap_err().message().contains("link to itself"));
    }

    #[test]
    fn an_archive_that_ends_early_or_promises_too_much_is_refused() {
        let whole = archive(&[("a", tar::EntryType::Regular, "one"), ("b", tar::EntryType::Regular, "two")]);
        assert!(index(&whole[..513]).is_err());
        assert!(index(&whole[..1024 + 513]).unwrap_err().chain().contains("middle of `b`"));
        let mut lying = whole.clone();
        let mut header = tar::Header::new_gnu();
        header.set_path("a").unwrap();
        header.set_size(u64::MAX >> 1);
        header.set_cksum();
        lying[..512].copy_from_slice(header.as_bytes());
        assert!(index(&lying).is_err());
        assert!(index(b"no archive at all").is_err());
        assert!(index(b"").unwrap().places.is_empty());
    }
}
