//! A tar stream as entries: headers, extended headers and sparse maps put together, contents handed out in place.
//!
//! Everything that is not contents which the caller took passes through to a recorder, byte for byte and in order. The
//! recording with the contents put back is the archive again; see [`super::recipe`].
//!
//! Memory is bounded whatever the archive says: extended headers are at most [`META_MAX`] each, contents are never
//! collected.

use std::io::{BufRead, Seek, Write};

use super::header::{self, BLOCK, Header, TypeFlag};
use super::pax::{self, Time};
use super::sparse::{self, MapReader, Segment};
use super::{Limits, read_error};
use crate::base::{Error, Result, ResultExt, text};

/// Longest extended header (PAX records, GNU long name), in bytes; Go's reader has the same limit.
pub const META_MAX: u64 = 1 << 20;

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// Another name of something in the same archive.
    HardLink,
    /// A symbolic link.
    SymbolicLink,
    /// A character or block device.
    Device,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// One entry, contents apart.
#[derive(Debug)]
pub struct Entry {
    /// The name as it stands in the archive: not cleaned, not trusted.
    pub name: Vec<u8>,
    /// What it makes.
    pub kind: Kind,
    /// Where a link points to, as it stands in the archive.
    pub link: Vec<u8>,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner: never the id that chown(2) takes as "unchanged".
    pub uid: u32,
    /// The group, likewise.
    pub gid: u32,
    /// The modification time.
    pub mtime: Time,
    /// The file's size with holes, in bytes; 0 for anything but a file.
    pub size: u64,
    /// The written parts of a sparse file. `None`: all of it.
    pub segments: Option<Vec<Segment>>,
    /// Extended attributes, names and values as they stand in the archive.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// The name, safe to show.
    pub fn shown(&self) -> String {
        shown(&self.name)
    }
}

/// A name from an archive, safe to show and not longer than a message can be.
pub fn shown(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(&name[..name.len().min(256)]);
    text::clean(&name).into_owned()
}

/// What extended headers say about the entry to come.
#[derive(Default)]
struct Pending {
    records: pax::Records,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

/// The entries of the tar stream `input`. What is not taken as contents goes to `recorder`.
#[derive(Debug)]
pub struct Entries<'a, R, W> {
    input: R,
    recorder: W,
    limits: &'a Limits,
    /// Bytes of the current entry's contents that are still in the stream.
    remaining: u64,
    /// Zero bytes after them, up to the next block.
    padding: u64,
    /// Bytes read so far.
    position: u64,
    /// Headers read so far.
    headers: u64,
}

impl<'a, R: BufRead, W: Write> Entries<'a, R, W> {
    /// Begins at the start of an archive.
    pub fn new(input: R, recorder: W, limits: &'a Limits) -> Self {
        Self { input, recorder, limits, remaining: 0, padding: 0, position: 0, headers: 0 }
    }

    /// The next entry; `None` at the end of the archive, when everything that follows has been read. The end is two blocks
    /// of zeros, or the end of the stream between two entries or after one such block (as Go sees it). What follows the
    /// end is nobody's: docker, containerd and podman pass over it, too; it counts for the digest.
    pub fn next(&mut self) -> Result<Option<Entry>> {
        let mut pending = Pending::default();
        loop {
            self.skip()?;
            let Some(block) = self.block()? else {
                return Ok(None);
            };
            if block == [0; BLOCK] {
                // An error: entries after a single block of zeros would be dropped silently.
                if self.block()?.is_some_and(|second| second != [0; BLOCK]) {
                    return Err(Error::invalid("the tar archive is damaged: a header is all zeros"));
                }
                self.finish()?;
                return Ok(None);
            }
            self.headers += 1;
            if self.headers > self.limits.entries {
                return Err(Error::invalid(format!(
                    "the layer has more than the limit of {} entries",
                    self.limits.entries
                )));
            }
            let header = Header::parse(&block)?;
            let flag = header.type_flag()?;
            let size = if flag.has_contents() { header.size()? } else { 0 };
            match flag {
                TypeFlag::Pax => pending.records = pax::parse(&self.meta(size)?)?,
                TypeFlag::PaxGlobal => {
                    self.meta(size)?;
                    pending = Pending::default();
                }
                TypeFlag::GnuLongName => pending.long_name = Some(until_nul(self.meta(size)?)),
                TypeFlag::GnuLongLink => pending.long_link = Some(until_nul(self.meta(size)?)),
                flag => return self.entry(&header, flag, pending).map(Some),
            }
        }
    }

    /// Hands out the contents of the current entry in pieces. They do not go to the recorder.
    pub fn contents(&mut self, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while self.remaining > 0 {
            let piece = self.input.fill_buf().map_err(read_error)?;
            if piece.is_empty() {
                return Err(truncated());
            }
            let length = piece.len().min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
            sink(&piece[..length])?;
            self.input.consume(length);
            self.remaining -= length as u64;
            self.advance(length)?;
        }
        Ok(())
    }

    /// Treats the current entry's contents as taken although the stream does not hold them, and returns their length:
    /// for reading a recording.
    pub fn contents_elsewhere(&mut self) -> u64 {
        std::mem::take(&mut self.remaining)
    }

    /// Bytes read so far. What [`Entries::contents_elsewhere`] took does not count.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Where the recording goes.
    pub fn recorder(&mut self) -> &mut W {
        &mut self.recorder
    }

    /// Ends the reading and gives back the stream and the recorder.
    pub fn into_parts(self) -> (R, W) {
        (self.input, self.recorder)
    }

    /// Puts fixed fields, records and long names together. Precedence is Go's: GNU long names, PAX, fixed fields; the
    /// name inside a sparse file's records is its real one.
    fn entry(&mut self, header: &Header<'_>, flag: TypeFlag, pending: Pending) -> Result<Entry> {
        let Pending { records, long_name, long_link } = pending;
        let mut name = long_name.or(records.path).unwrap_or_else(|| header.name());
        let kind = match flag {
            TypeFlag::Old if name.ends_with(b"/") => Kind::Directory,
            TypeFlag::HardLink => Kind::HardLink,
            TypeFlag::SymbolicLink => Kind::SymbolicLink,
            TypeFlag::CharacterDevice | TypeFlag::BlockDevice => Kind::Device,
            TypeFlag::Directory => Kind::Directory,
            TypeFlag::Fifo => Kind::Fifo,
            _ => Kind::File,
        };
        let (mut size, mut segments) = (0, None);
        if kind == Kind::File {
            size = records.size.map_or_else(|| header.size(), Ok)?;
            self.expect(size)?;
            if flag == TypeFlag::GnuSparse {
                let (pairs, stated) = self.gnu_map(header)?;
                segments = Some(sparse::segments(pairs, stated, size)?);
                size = stated;
            } else if records.sparse.map_in_contents || records.sparse.map.is_some() {
                let stated = records.sparse.size.unwrap_or(size);
                segments = Some(self.pax_map(&records.sparse, stated)?);
                size = stated;
                name = records.sparse.name.unwrap_or(name);
            }
        } else if flag == TypeFlag::Old {
            // A v7 directory: whatever follows is not for us.
            self.expect(header.size()?)?;
        }
        let link = match kind {
            Kind::HardLink | Kind::SymbolicLink => long_link.or(records.link).unwrap_or_else(|| header.link().to_vec()),
            _ => Vec::new(),
        };
        let shown = shown(&name);
        Ok(Entry {
            kind,
            link,
            mode: header.mode()?,
            uid: id(records.uid.map_or_else(|| header.uid(), Ok)?, "user", &shown)?,
            gid: id(records.gid.map_or_else(|| header.gid(), Ok)?, "group", &shown)?,
            mtime: match records.mtime {
                Some(time) => time,
                None => Time { seconds: header.mtime()?, nanos: 0 },
            },
            size,
            segments,
            xattrs: records.xattrs,
            name,
        })
    }

    /// The map of an old GNU sparse file: in the header and in blocks that follow it. And the file's size.
    fn gnu_map(&mut self, header: &Header<'_>) -> Result<(header::SparsePairs, u64)> {
        let (mut pairs, mut more, stated) = header.gnu_sparse()?;
        while more {
            let block = self.block()?.ok_or_else(truncated)?;
            let (extension, next) = header::gnu_sparse_extension(&block)?;
            pairs.extend(extension);
            more = next;
            if pairs.len() > sparse::MAX_SEGMENTS {
                return Err(Error::invalid(format!("a sparse file has more than {} segments", sparse::MAX_SEGMENTS)));
            }
        }
        Ok((pairs, stated))
    }

    fn pax_map(&mut self, records: &pax::SparseRecords, stated: u64) -> Result<Vec<Segment>> {
        match &records.map {
            Some(map) if !records.map_in_contents => {
                let pairs = map.chunks_exact(2).map(|pair| (pair[0], pair[1]));
                sparse::segments(pairs, stated, self.remaining)
            }
            _ => {
                let mut map = MapReader::default();
                loop {
                    if self.remaining < BLOCK as u64 {
                        return Err(truncated());
                    }
                    let block = self.block()?.ok_or_else(truncated)?;
                    self.remaining -= BLOCK as u64;
                    if map.take(&block)? {
                        return sparse::segments(map.pairs(), stated, self.remaining);
                    }
                }
            }
        }
    }

    /// Contents of `size` bytes come next.
    fn expect(&mut self, size: u64) -> Result<()> {
        if size > self.limits.unpacked_bytes.saturating_sub(self.position) {
            // Said before any of it is unpacked: a bomb need not go off.
            return Err(self.too_large());
        }
        self.remaining = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    /// Passes over what is left of the current entry: into the recording.
    fn skip(&mut self) -> Result<()> {
        let mut left = self.remaining.saturating_add(self.padding);
        (self.remaining, self.padding) = (0, 0);
        while left > 0 {
            let piece = self.input.fill_buf().map_err(read_error)?;
            if piece.is_empty() {
                return Err(truncated());
            }
            let length = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.recorder.write_all(&piece[..length]).context(recording)?;
            self.input.consume(length);
            left -= length as u64;
            self.advance(length)?;
        }
        Ok(())
    }

    /// The contents of an extended header.
    fn meta(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > META_MAX {
            return Err(Error::invalid(format!(
                "the tar archive has an extended header of more than {META_MAX} bytes"
            )));
        }
        let mut contents = vec![0; size as usize];
        self.fill(&mut contents)?.ok_or_else(truncated)?;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        self.skip()?;
        Ok(contents)
    }

    /// The next block; `None` when the stream ends before it.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        Ok(self.fill(&mut block)?.map(|()| block))
    }

    /// Fills `bytes`; `None` when the stream ends before the first.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<Option<()>> {
        let mut filled = 0;
        while filled < bytes.len() {
            let piece = self.input.fill_buf().map_err(read_error)?;
            let length = piece.len().min(bytes.len() - filled);
            match (length, filled) {
                (0, 0) => return Ok(None),
                (0, _) => return Err(truncated()),
                _ => bytes[filled..filled + length].copy_from_slice(&piece[..length]),
            }
            self.input.consume(length);
            filled += length;
        }
        self.recorder.write_all(bytes).context(recording)?;
        self.advance(bytes.len())?;
        Ok(Some(()))
    }

    /// Reads on to the end of the stream, whatever comes.
    fn finish(&mut self) -> Result<()> {
        loop {
            let piece = self.input.fill_buf().map_err(read_error)?;
            if piece.is_empty() {
                return Ok(());
            }
            let length = piece.len();
            self.recorder.write_all(piece).context(recording)?;
            self.input.consume(length);
            self.advance(length)?;
        }
    }

    fn advance(&mut self, length: usize) -> Result<()> {
        self.position += length as u64;
        match self.position > self.limits.unpacked_bytes {
            true => Err(self.too_large()),
            false => Ok(()),
        }
    }

    fn too_large(&self) -> Error {
        Error::invalid(format!("the layer unpacks to more than the limit of {} bytes", self.limits.unpacked_bytes))
    }
}

impl<R: BufRead + Seek, W: Write> Entries<'_, R, W> {
    /// Passes over the contents of the current entry without reading them, and returns where they begin in the stream and
    /// how long they are, in bytes. The caller checks that the archive has that many.
    pub fn pass_over(&mut self) -> Result<(u64, u64)> {
        let (at, mut left) = (self.position, std::mem::take(&mut self.remaining));
        let length = left;
        while left > 0 {
            // At most what the type takes.
            let step = left.min(1 << 62);
            self.input.seek_relative(step as i64).map_err(read_error)?;
            left -= step;
        }
        self.position = self.position.saturating_add(length);
        Ok((at, length))
    }
}

/// An owner that chown(2) can be given: it takes the highest number as "leave it".
fn id(stated: u64, what: &str, name: &str) -> Result<u32> {
    u32::try_from(stated)
        .ok()
        .filter(|&id| id != u32::MAX)
        .ok_or_else(|| Error::invalid(format!("`{name}` belongs to the {what} id {stated}, which no Linux system has")))
}

fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(end) = name.iter().position(|&byte| byte == 0) {
        name.truncate(end);
    }
    name
}

fn truncated() -> Error {
    Error::invalid("the tar archive ends in the middle of an entry")
}

fn recording() -> String {
    "cannot record the headers of the layer".into()
}
