//! What an interrupted pull has received of a blob, kept so that the next try continues there.
//!
//! A layer is unpacked while it arrives, and a half-unpacked tree is of no use to anybody else; but its compressed bytes
//! are. They are written to `partial/<digest>` as they come and removed when the layer is complete. The next try first
//! unpacks these bytes and asks the registry for the rest only. Nothing is synced: after a power cut the file may hold
//! anything, which the blob's digest tells; then it is thrown away and everything is fetched.
//!
//! All of this is best effort: where it fails, the layer is simply fetched whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::paths::private_dir;
use crate::oci::{Descriptor, DigestHasher};

/// Smaller blobs are faster fetched again than looked for.
const SIZE_MIN: u64 = 1 << 20;
/// Files that nobody continued for so long are removed.
const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// The kept beginning of a blob. Locked: nobody else writes to it.
#[derive(Debug)]
pub struct Partial {
    file: File,
    path: PathBuf,
    /// Bytes that were there.
    length: u64,
}

impl Partial {
    /// Opens what is kept of `blob`, or begins to keep it. `None` when another process does, and for small blobs.
    pub fn open(directory: &Path, blob: &Descriptor) -> Option<Self> {
        if blob.size < SIZE_MIN {
            return None;
        }
        private_dir(directory).ok()?;
        let path = directory.join(blob.digest.hex());
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).mode(0o600).open(&path).ok()?;
        file.try_lock().ok()?;
        let length = file.metadata().ok()?.len();
        if length > blob.size {
            file.set_len(0).ok()?;
            return Some(Self { file, path, length: 0 });
        }
        Some(Self { file, path, length })
    }

    /// Bytes that were there when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Shows the kept bytes to `hasher` and returns their number; then is ready to be read from the beginning.
    pub fn hash_into(&mut self, hasher: &mut DigestHasher) -> io::Result<u64> {
        self.file.rewind()?;
        let mut reader = BufReader::with_capacity(256 << 10, (&self.file).take(self.length));
        loop {
            let piece = reader.fill_buf()?;
            if piece.is_empty() {
                break;
            }
            hasher.update(piece);
            let count = piece.len();
            reader.consume(count);
        }
        self.file.rewind()?;
        Ok(self.length)
    }

    /// Reads of the bytes that were there; the caller counts them.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }

    /// Keeps more.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// It is not needed any more.
    pub fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what nobody came back for.
pub fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > AGE_MAX) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use crate::oci::Digest;

    fn blob(size: u64) -> Descriptor {
        Descriptor {
            media_type: String::new(),
            digest: Digest::sha256(b"x"),
            size,
            platform: None,
            annotations: Default::default(),
        }
    }

    #[test]
    fn what_is_kept_is_found_again_by_one_at_a_time() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let open = || Partial::open(scratch.path(), &blob(2 << 20));
        let mut first = open().unwrap();
        assert!(open().is_none(), "it is locked");
        first.append(b"hello ").unwrap();
        first.append(b"world").unwrap();
        drop(first);
        let mut second = open().unwrap();
        let mut hasher = DigestHasher::new();
        assert_eq!(second.hash_into(&mut hasher).unwrap(), 11);
        assert_eq!((second.length(), hasher.finish()), (11, Digest::sha256(b"hello world")));
        let mut bytes = [0; 32];
        assert_eq!(second.read(&mut bytes[..11]).unwrap(), 11);
        second.append(b"!").unwrap();
        assert_eq!(fs::read(scratch.path().join(blob(0).digest.hex())).unwrap(), b"hello world!");
        second.remove();
        assert_eq!(open().unwrap().length(), 0);
    }

    #[test]
    fn small_and_impossible_ones_are_not_kept() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        assert!(Partial::open(scratch.path(), &blob(1000)).is_none());
        fs::write(scratch.path().join(blob(0).digest.hex()), vec![0; (2 << 20) + 1]).unwrap();
        assert_eq!(Partial::open(scratch.path(), &blob(2 << 20)).unwrap().length(), 0);
    }

    #[test]
    fn old_ones_go() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        for (name, age) in [("new", 0), ("old", 8 * 24 * 3600)] {
            let file = File::create(scratch.path().join(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        sweep(scratch.path());
        let left: Vec<_> = fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["new"]);
    }
}
