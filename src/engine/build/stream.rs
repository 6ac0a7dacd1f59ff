//! The changes of a `COPY` as a tar stream that is made while it is read: contents go from the source file straight into
//! the reader's buffer.

use std::collections::btree_map;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;

use super::layer::{Attributes, Changes, What};
use super::sources::Opener;
use super::view::{self, View, shown};
use crate::archive::{Limits, Unpacked};
use crate::base::{Error, Result, ResultExt};
use crate::store::StagedLayer;

/// The size of a block of a tar archive, in bytes.
const BLOCK: u64 = 512;

/// The stream. Errors are [`Error`]s in an `io::Error`.
pub struct Stream {
    entries: btree_map::IntoIter<Vec<u8>, (What, Attributes)>,
    openers: Vec<Opener>,
    /// Writes headers into memory.
    headers: tar::Builder<Vec<u8>>,
    /// How much of them was read.
    at: usize,
    content: Option<Content>,
    ended: bool,
}

impl Changes {
    /// Makes the layer.
    pub fn unpack(self, from: Vec<View>, staged: &StagedLayer) -> Result<Unpacked> {
        staged.unpack_plain(|| Ok(Stream::new(self, from)), &Limits::default())
    }

    /// Writes the changes as a tar stream.
    pub fn write(self, from: Vec<View>, mut out: impl Write) -> Result<()> {
        let mut stream = Stream::new(self, from);
        io::copy(&mut stream, &mut out).and_then(|_| out.flush()).map_err(|error| {
            error.downcast::<Error>().unwrap_or_else(|error| Error::system("cannot write the files").caused_by(error))
        })
    }
}

/// The content of a file that is being read.
struct Content {
    file: File,
    /// Bytes that are still to come.
    left: u64,
    /// Zeros after them.
    padding: usize,
}

impl Stream {
    /// Of `changes`, whose files are in the views `from`.
    pub fn new(changes: Changes, from: Vec<View>) -> Self {
        Self {
            entries: changes.entries.into_iter(),
            openers: from.into_iter().map(Opener::of).collect(),
            headers: tar::Builder::new(Vec::new()),
            at: 0,
            content: None,
            ended: false,
        }
    }

    /// Continues with the next entry.
    fn advance(&mut self) -> Result<()> {
        self.at = 0;
        self.headers.get_mut().clear();
        match self.entries.next() {
            Some((path, (what, attributes))) => {
                self.entry(&path, &what, &attributes).context(|| format!("cannot copy to `/{}`", shown(&path)))
            }
            None => {
                self.headers.get_mut().resize(2 * BLOCK as usize, 0);
                self.ended = true;
                Ok(())
            }
        }
    }

    fn entry(&mut self, path: &[u8], what: &What, attributes: &Attributes) -> io::Result<()> {
        let mut header = header(attributes);
        let path_of = |bytes| std::path::Path::new(std::ffi::OsStr::from_bytes(bytes));
        match what {
            What::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                self.headers.append_data(&mut header, path_of(path), io::empty())
            }
            What::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                self.headers.append_link(&mut header, path_of(path), path_of(target))
            }
            What::Fifo => {
                header.set_entry_type(tar::EntryType::Fifo);
                self.headers.append_data(&mut header, path_of(path), io::empty())
            }
            What::Inline(content) => {
                header.set_size(content.len() as u64);
                self.headers.append_data(&mut header, path_of(path), content.as_bytes())
            }
            What::File(view, source) => {
                let lost = || Error::system("a copy has lost its source");
                let opener = self.openers.get_mut(*view).ok_or_else(lost).map_err(io::Error::other)?;
                let file = opener.open(source).map_err(io::Error::other)?;
                let size = file.metadata()?.len();
                let kept = view::attributes(&file);
                if !kept.is_empty() {
                    let named = kept.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), value));
                    let named: Vec<_> = named.collect();
                    self.headers
                        .append_pax_extensions(named.iter().map(|(name, value)| (name.as_str(), value.as_slice())))?;
                }
                header.set_size(size);
                // The content follows from the file.
                self.headers.append_data(&mut header, path_of(path), io::empty())?;
                let padding = (size.next_multiple_of(BLOCK) - size) as usize;
                self.content = (size > 0).then_some(Content { file, left: size, padding });
                Ok(())
            }
        }
    }
}

impl Content {
    /// Reads on. A file that has become shorter meanwhile is filled with zeros, one that has grown is cut.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = match self.file.read(&mut buffer[..length])? {
            0 => {
                buffer[..length].fill(0);
                length
            }
            read => read,
        };
        self.left -= read as u64;
        Ok(read)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let pending = &self.headers.get_ref()[self.at..];
            if !pending.is_empty() {
                let length = buffer.len().min(pending.len());
                buffer[..length].copy_from_slice(&pending[..length]);
                self.at += length;
                return Ok(length);
            }
            if let Some(content) = &mut self.content {
                if content.left > 0 {
                    return content.read(buffer);
                }
                let padding = content.padding;
                self.content = None;
                self.at = 0;
                self.headers.get_mut().clear();
                self.headers.get_mut().resize(padding, 0);
                continue;
            }
            if self.ended {
                return Ok(0);
            }
            self.advance().map_err(io::Error::other)?;
        }
    }
}

fn header(attributes: &Attributes) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(attributes.mode);
    header.set_uid(attributes.uid.into());
    header.set_gid(attributes.gid.into());
    header.set_mtime(attributes.mtime.max(0).unsigned_abs());
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::pack::Times;
    use crate::base::publish::Staging;
    use crate::engine::build::layer::Manner;

    #[test]
    fn a_stream_is_a_tar_archive_whatever_the_buffer() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let long = "n".repeat(200);
        for (name, size) in [("a", 0), ("b", 511), ("c", 512), ("d", 100_000), (long.as_str(), 3)] {
            std::fs::write(scratch.path().join(name), vec![b'x'; size]).unwrap();
        }
        let archive = |step: usize| {
            let view = View::of_directory(File::open(scratch.path()).unwrap().into());
            let root = view.root().unwrap();
            let mut changes = Changes::default();
            changes.mark(b"e".to_vec());
            for name in root.names().unwrap() {
                let found = root.look(&name).unwrap().unwrap();
                changes.keep(&name, (&root, &name), &found, &Manner::kept(Times::Exactly(7))).unwrap();
            }
            let (mut stream, mut bytes) = (Stream::new(changes, vec![view]), Vec::new());
            loop {
                let mut buffer = vec![0; step];
                match stream.read(&mut buffer).unwrap() {
                    0 => return bytes,
                    length => bytes.extend_from_slice(&buffer[..length]),
                }
            }
        };
        let whole = archive(1 << 20);
        assert!(archive(7) == whole && archive(513) == whole && whole.len() % 512 == 0);
        let mut read = tar::Archive::new(&whole[..]);
        let entries = read.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            assert!(content.iter().all(|byte| *byte == b'x'));
            (entry.path().unwrap().display().to_string(), content.len(), entry.header().mtime().unwrap())
        });
        let entries: Vec<_> = entries.collect();
        let expected =
            [("a", 0, 7), ("b", 511, 7), ("c", 512, 7), ("d", 100_000, 7), ("e", 0, 0), (long.as_str(), 3, 7)];
        assert_eq!(entries, expected.map(|(name, size, time)| (name.to_owned(), size, time)));
    }
}
