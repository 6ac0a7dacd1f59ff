//! Uploads: what clients have sent and no manifest refers to yet.
//!
//! An upload is a file without a name and the digest of what is in it, computed as it comes. A complete one waits under its
//! repository and digest until a manifest takes it. Each upload is written by one request at a time; one whose connection
//! breaks keeps what has come, and the client asks how much that is. Nothing outlives the server, as registries may do.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::route::Repository;
use crate::base::id::random_hex;
use crate::base::publish::nameless;
use crate::base::{Error, Kind, Result, ResultExt};
use crate::oci::digest::Algorithm;
use crate::oci::{Digest, DigestHasher};

/// Most uploads that are not complete.
const SESSIONS_MAX: usize = 256;
/// Most complete ones that wait for a manifest; each has an open file.
const COMPLETE_MAX: usize = 2048;
/// Bytes of the disk that uploads leave to others.
const SPARE: u64 = 256 << 20;

/// What was uploaded for a manifest that refers to it.
pub trait Uploaded {
    /// The complete upload of this digest, and its size.
    fn file(&self, digest: &Digest) -> Option<(Arc<File>, u64)>;
    /// The repository from which the client wants to take the blob.
    fn mounted(&self, digest: &Digest) -> Option<Repository>;
}

/// All uploads.
pub struct Uploads {
    state: Mutex<State>,
    used: Arc<AtomicU64>,
    limit: u64,
    idle: Duration,
    spool: PathBuf,
}

#[derive(Default)]
struct State {
    sessions: HashMap<String, Arc<Upload>>,
    complete: HashMap<(Repository, Digest), Complete>,
}

/// A complete upload, or a blob that was taken from another repository.
#[derive(Clone)]
struct Complete {
    from: From,
    since: Instant,
}

#[derive(Clone)]
enum From {
    File {
        file: Arc<File>,
        /// Its size, which counts as long as it is here.
        space: Arc<Reserved>,
    },
    Repository(Repository),
}

/// An upload that is not complete.
pub struct Upload {
    repository: Repository,
    busy: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    hasher: DigestHasher,
    reserved: Reserved,
    touched: Instant,
}

/// Bytes that count against the limit as long as it lives.
struct Reserved {
    used: Arc<AtomicU64>,
    bytes: u64,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The right to write to an upload.
pub struct Writing(Arc<Upload>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Uploads {
    /// None yet. They lie in the directory `spool` and have at most `limit` bytes together.
    pub fn new(spool: &Path, limit: u64, idle: Duration) -> Self {
        Self { state: Mutex::default(), used: Arc::default(), limit, idle, spool: spool.to_owned() }
    }

    /// Begins one and gives its id.
    pub fn begin(&self, repository: &Repository) -> Result<String> {
        let id = random_hex()?;
        let file = nameless(&self.spool)?;
        let inner = Inner {
            file,
            hasher: DigestHasher::new(),
            reserved: Reserved { used: self.used.clone(), bytes: 0 },
            touched: Instant::now(),
        };
        let upload = Upload { repository: repository.clone(), busy: AtomicBool::new(false), inner: Mutex::new(inner) };
        let mut state = locked(&self.state);
        self.forget_old(&mut state);
        if state.sessions.len() >= SESSIONS_MAX || state.complete.len() >= COMPLETE_MAX {
            return Err(Error::conflict("there are too many uploads that are not finished"));
        }
        state.sessions.insert(id.clone(), Arc::new(upload));
        Ok(id)
    }

    fn forget_old(&self, state: &mut State) {
        let idle = self.idle;
        state.complete.retain(|_, complete| complete.since.elapsed() < idle);
        state
            .sessions
            .retain(|_, upload| upload.busy.load(Ordering::Acquire) || locked(&upload.inner).touched.elapsed() < idle);
    }

    /// The upload with this id, for one request.
    pub fn write(&self, repository: &Repository, id: &str) -> Result<Option<Writing>> {
        let Some(upload) = self.find(repository, id) else { return Ok(None) };
        match upload.busy.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => Ok(Some(Writing(upload))),
            Err(_) => Err(Error::conflict("another request writes to this upload")),
        }
    }

    /// How many bytes have come.
    pub fn length(&self, repository: &Repository, id: &str) -> Option<u64> {
        self.find(repository, id).map(|upload| locked(&upload.inner).reserved.bytes)
    }

    fn find(&self, repository: &Repository, id: &str) -> Option<Arc<Upload>> {
        locked(&self.state).sessions.get(id).filter(|upload| upload.repository == *repository).cloned()
    }

    /// Gives an upload up. False: there is none.
    pub fn cancel(&self, repository: &Repository, id: &str) -> bool {
        self.find(repository, id).is_some() && locked(&self.state).sessions.remove(id).is_some()
    }

    /// Adds bytes to an upload.
    pub fn append(&self, writing: &Writing, bytes: &[u8]) -> Result<()> {
        let count = bytes.len() as u64;
        if self.used.fetch_add(count, Ordering::Relaxed).saturating_add(count) > self.limit {
            self.used.fetch_sub(count, Ordering::Relaxed);
            return Err(full("the registry takes no more uploads before those that it has are finished"));
        }
        let mut inner = locked(&writing.0.inner);
        inner.reserved.bytes += count;
        inner.touched = Instant::now();
        // Looked at once in 16 MiB: it is a system call.
        if inner.reserved.bytes >> 24 != (inner.reserved.bytes - count) >> 24 && self.is_disk_full() {
            return Err(full("the registry's disk is full"));
        }
        inner.file.write_all(bytes).at(&self.spool, "cannot write in")?;
        inner.hasher.update(bytes);
        Ok(())
    }

    fn is_disk_full(&self) -> bool {
        let free = rustix::fs::statvfs(&self.spool).map(|system| system.f_bavail.saturating_mul(system.f_frsize));
        free.is_ok_and(|free| free < SPARE)
    }

    /// Completes an upload, which must have the digest `expected`; else it is gone.
    pub fn finish(&self, id: &str, writing: Writing, expected: &Digest) -> Result<()> {
        let upload = locked(&self.state).sessions.remove(id);
        drop(upload);
        let (file, digest, reserved) = {
            let mut inner = locked(&writing.0.inner);
            let file = inner.file.try_clone().context(|| "cannot keep an upload")?;
            let digest = match expected.algorithm() {
                Algorithm::Sha256 => std::mem::take(&mut inner.hasher).finish(),
                Algorithm::Sha512 => hashed(&file, expected)?,
            };
            let bytes = std::mem::take(&mut inner.reserved.bytes);
            (file, digest, Reserved { used: self.used.clone(), bytes })
        };
        if digest != *expected {
            return Err(Error::invalid(format!("the upload has the digest `{digest}`")));
        }
        let from = From::File { file: Arc::new(file), space: Arc::new(reserved) };
        self.add(&writing.0.repository, expected, from);
        Ok(())
    }

    /// Notes that a blob of the repository `from` is wanted in another.
    pub fn mount(&self, repository: &Repository, digest: &Digest, from: &Repository) {
        self.add(repository, digest, From::Repository(from.clone()));
    }

    fn add(&self, repository: &Repository, digest: &Digest, from: From) {
        let mut state = locked(&self.state);
        self.forget_old(&mut state);
        if state.complete.len() < COMPLETE_MAX {
            let complete = Complete { from, since: Instant::now() };
            state.complete.insert((repository.clone(), digest.clone()), complete);
        }
    }

    /// The complete upload of a repository with this digest.
    pub fn complete(&self, repository: &Repository, digest: &Digest) -> Option<(Arc<File>, u64)> {
        match self.waiting(repository, digest)? {
            From::File { file, space } => Some((file, space.bytes)),
            From::Repository(_) => None,
        }
    }

    /// The repository from which a blob is to be taken.
    pub fn mounted(&self, repository: &Repository, digest: &Digest) -> Option<Repository> {
        match self.waiting(repository, digest)? {
            From::File { .. } => None,
            From::Repository(from) => Some(from),
        }
    }

    fn waiting(&self, repository: &Repository, digest: &Digest) -> Option<From> {
        let state = locked(&self.state);
        state.complete.get(&(repository.clone(), digest.clone())).map(|complete| complete.from.clone())
    }

    /// Forgets the complete uploads of a repository that `taken` fits: a manifest has them now. False: there was none.
    pub fn forget(&self, repository: &Repository, taken: impl Fn(&Digest) -> bool) -> bool {
        let mut state = locked(&self.state);
        let before = state.complete.len();
        state.complete.retain(|(of, digest), _| of != repository || !taken(digest));
        state.complete.len() < before
    }
}

/// An upload that does not fit.
fn full(message: &str) -> Error {
    Error::new(Kind::Denied, message).hint("`--upload-limit` says how much it takes")
}

fn hashed(file: &File, like: &Digest) -> Result<Digest> {
    let mut file = file;
    let mut hasher = DigestHasher::like(like);
    let mut buffer = vec![0; 128 << 10];
    let failed = || "cannot read an upload";
    file.rewind().context(failed)?;
    loop {
        match file.read(&mut buffer).context(failed)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// The uploads of one repository.
pub struct OfRepository<'a>(pub &'a Uploads, pub &'a Repository);

impl Uploaded for OfRepository<'_> {
    fn file(&self, digest: &Digest) -> Option<(Arc<File>, u64)> {
        self.0.complete(self.1, digest)
    }

    fn mounted(&self, digest: &Digest) -> Option<Repository> {
        self.0.mounted(self.1, digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uploads(limit: u64, idle: Duration) -> Uploads {
        Uploads::new(&std::env::temp_dir(), limit, idle)
    }

    fn app() -> Repository {
        Repository::parse("app").unwrap()
    }

    fn send(uploads: &Uploads, bytes: &[u8]) -> Result<(String, Writing)> {
        let id = uploads.begin(&app())?;
        let writing = uploads.write(&app(), &id)?.unwrap();
        uploads.append(&writing, bytes)?;
        Ok((id, writing))
    }

    #[test]
    fn an_upload_is_there_once_it_is_complete_and_right() {
        let uploads = uploads(100, Duration::from_secs(60));
        let (id, writing) = send(&uploads, b"content").unwrap();
        assert_eq!(uploads.length(&app(), &id), Some(7));
        assert!(uploads.write(&app(), &id).is_err(), "one at a time");
        drop(writing);
        let other = Repository::parse("other").unwrap();
        assert!(uploads.write(&other, &id).unwrap().is_none(), "of another repository");
        let writing = uploads.write(&app(), &id).unwrap().unwrap();
        let digest = Digest::sha256(b"content");
        uploads.finish(&id, writing, &digest).unwrap();
        assert_eq!(uploads.complete(&app(), &digest).unwrap().1, 7);
        assert!(uploads.complete(&other, &digest).is_none() && uploads.length(&app(), &id).is_none());
        let mut long = DigestHasher::like(&format!("sha512:{}", "0".repeat(128)).parse().unwrap());
        long.update(b"x");
        let long = long.finish();
        let (id, writing) = send(&uploads, b"x").unwrap();
        uploads.finish(&id, writing, &long).unwrap();
        let (id, writing) = send(&uploads, b"y").unwrap();
        assert!(uploads.finish(&id, writing, &digest).is_err());
        assert_eq!(uploads.used.load(Ordering::Relaxed), 8, "what was wrong is gone");
        assert!(uploads.forget(&app(), |_| true));
        assert_eq!(uploads.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn uploads_are_bounded_in_size_number_and_age() {
        let small = uploads(10, Duration::from_secs(60));
        let kept = send(&small, b"12345678").unwrap();
        assert_eq!(send(&small, b"123").err().unwrap().kind(), Kind::Denied);
        assert!(small.cancel(&app(), &kept.0) && !small.cancel(&app(), &kept.0));
        drop(kept);
        assert!(send(&small, b"1234567890").is_ok());
        let many = uploads(10, Duration::from_secs(60));
        for _ in 0..SESSIONS_MAX {
            many.begin(&app()).unwrap();
        }
        assert!(many.begin(&app()).is_err());
        let short = uploads(10, Duration::ZERO);
        for _ in 0..SESSIONS_MAX * 2 {
            short.begin(&app()).unwrap();
        }
    }
}
