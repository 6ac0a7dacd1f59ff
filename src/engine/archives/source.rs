//! The files of an image archive by name, whether it is a tar file, a compressed one, a pipe or a directory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::FileType;

use super::unpacked::Unpacked;
use crate::archive::index::Index;
use crate::archive::{Limits, inflate};
use crate::base::error::if_absent;
use crate::base::publish::nameless;
use crate::base::{Error, Result, ResultExt, text};
use crate::oci::{Compression, Digest, DigestHasher};
use crate::sys::beneath::BeneathDir;

/// Where a tar header has its magic, and what it is (POSIX and GNU).
const MAGIC: (u64, &[u8; 5]) = (257, b"ustar");

/// An archive, or a directory with the same files.
#[derive(Debug)]
pub enum Source {
    /// A tar file.
    Archive(Index),
    /// A directory.
    Directory(BeneathDir),
    /// Layers in the store of another program.
    Unpacked(Unpacked),
}

/// The contents of a file, and how long they are.
pub type Contents<'a> = (Box<dyn Read + Send + 'a>, u64);

impl Source {
    /// Opens what `input` is. A tar file on disk is read where it is; anything else is brought into a file without a name in
    /// the directory `spool` first, because the files of an archive stand in any order.
    pub fn open(input: OwnedFd, spool: &Path) -> Result<Self> {
        let mode = rustix::fs::fstat(&input).context(|| "cannot examine the archive")?.st_mode;
        let file = match FileType::from_raw_mode(mode) {
            FileType::Directory => {
                return BeneathDir::from_borrowed(input.as_fd()).context(|| "cannot open").map(Self::Directory);
            }
            FileType::RegularFile if is_tar(&input)? => input.into(),
            _ => spooled(input.into(), spool)?,
        };
        Index::of(file).map(Self::Archive)
    }

    /// A file; `None` when there is none of the name.
    pub fn file(&self, name: &str) -> Result<Option<Contents<'_>>> {
        match self {
            Self::Archive(index) => {
                Ok(index.open(name)?.map(|(contents, size)| (Box::new(contents) as Box<dyn Read + Send>, size)))
            }
            Self::Unpacked(layers) => {
                Ok(layers.stream(name)?.map(|stream| (Box::new(stream) as Box<dyn Read + Send>, 0)))
            }
            Self::Directory(directory) => {
                let failed = || format!("cannot open `{}`", text::clean(name));
                let Some(file) = if_absent(directory.open_file(name)).context(failed)? else { return Ok(None) };
                let size = file.metadata().context(failed)?.len();
                Ok(Some((Box::new(file), size)))
            }
        }
    }

    /// A document of at most `most` bytes; `None` when there is none of the name.
    pub fn document(&self, name: &str, most: usize) -> Result<Option<Vec<u8>>> {
        let Some((contents, size)) = self.file(name)? else { return Ok(None) };
        let shown = text::clean(name);
        if size > most as u64 {
            return Err(Error::invalid(format!("`{shown}` is larger than {most} bytes")));
        }
        let mut bytes = Vec::new();
        contents.take(size).read_to_end(&mut bytes).context(|| format!("cannot read `{shown}`"))?;
        Ok(Some(bytes))
    }

    /// Whether there is such a file.
    pub fn has(&self, name: &str) -> Result<bool> {
        self.file(name).map(|file| file.is_some())
    }
}

/// Whether the file is a tar archive as it is.
fn is_tar(input: &OwnedFd) -> Result<bool> {
    let file = File::from(input.try_clone().context(|| "cannot keep the archive open")?);
    let mut magic = [0; MAGIC.1.len()];
    match file.read_exact_at(&mut magic, MAGIC.0) {
        Ok(()) => Ok(magic == *MAGIC.1),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error).context(|| "cannot read the archive"),
    }
}

/// The uncompressed bytes of `input`, in a file without a name.
fn spooled(input: File, spool: &Path) -> Result<File> {
    let mut file = nameless(spool)?;
    let most = Limits::default().unpacked_bytes;
    let copied = inflate(input, Compression::None).and_then(|stream| io::copy(&mut stream.take(most + 1), &mut file));
    let length = copied.map_err(read_error)?;
    match length {
        0 => Err(Error::invalid("the archive is empty").hint("did the command that should write it fail?")),
        length if length > most => Err(Error::invalid(format!("the archive is larger than the limit of {most} bytes"))),
        _ => file.flush().context(|| "cannot keep the archive").map(|()| file),
    }
}

/// A system call's failure stays one; what a decoder says means that the archive is damaged.
fn read_error(error: io::Error) -> Error {
    match error.raw_os_error() {
        Some(libc::ENOSPC) => Error::system("cannot keep the archive while it is read").caused_by(error),
        Some(_) => Error::system("cannot read the archive").caused_by(error),
        None => error.downcast::<Error>().unwrap_or_else(|error| {
            Error::invalid("cannot read the archive: it is damaged, or cut off").caused_by(error)
        }),
    }
}

/// Passes on what is read and hashes it, to compare it with the digest that it should have.
pub struct Verified<'a> {
    inner: Box<dyn Read + Send + 'a>,
    hasher: DigestHasher,
    length: u64,
}

impl<'a> Verified<'a> {
    /// A file whose digest will be compared with `expected`.
    pub fn new(contents: Box<dyn Read + Send + 'a>, expected: &Digest) -> Self {
        Self { inner: contents, hasher: DigestHasher::like(expected), length: 0 }
    }

    /// Reads on to the end and compares the digest and the length in bytes.
    pub fn finish(mut self, (digest, size): (&Digest, u64)) -> Result<()> {
        io::copy(&mut self, &mut io::sink()).map_err(read_error)?;
        if self.length != size {
            return Err(Error::invalid(format!(
                "the blob `{}` has {} bytes, but the image demands {size}",
                digest.short(),
                self.length
            )));
        }
        match self.hasher.finish() {
            actual if actual == *digest => Ok(()),
            actual => Err(Error::invalid(format!("the blob `{digest}` is damaged: it hashes to `{actual}`"))
                .hint("the archive was damaged or changed; get it again")),
        }
    }
}

impl Read for Verified<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.length += count as u64;
        Ok(count)
    }
}
