//! One download of a layer that several pulls want.
//!
//! # Theory of operation
//!
//! A pull that fetches a layer holds the lock on a file of the layer's name until the layer is visible in the store. Another
//! pull that wants the layer writes a byte into the file and waits for the lock; then it finds the layer in the store, or
//! fetches it itself when the first has failed. The first looks every [`LOOK`] whether somebody waits for one of its complete
//! layers, and publishes these at once instead of at its end. As it looks while it waits itself, two pulls that have what
//! the other one wants do not wait for each other for ever.
//!
//! All of this only saves work: a pull that cannot lock, or that waits for a process that is stopped, fetches the layer.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::lock;
use crate::base::paths::private_dir;
use crate::oci::Digest;

/// How often a pull looks who waits.
pub const LOOK: Duration = Duration::from_millis(50);
/// A pull waits no longer for another one.
pub const LONGEST: Duration = Duration::from_secs(30 * 60);
/// After that it looks whether the other one is stopped.
const SUSPICIOUS: Duration = Duration::from_secs(2);

/// The right to fetch a layer.
#[derive(Debug)]
pub struct Claim {
    file: File,
    path: PathBuf,
}

/// What came of an attempt to get it.
#[derive(Debug)]
pub enum Attempt {
    /// This pull has it.
    Ours(Claim),
    /// Another pull has it, and knows now that somebody waits.
    Others,
    /// There is no way to agree with other pulls.
    Impossible,
}

impl Claim {
    /// Claims a layer. `directory` is in the runtime directory: a reboot takes everything away.
    pub fn attempt(directory: &Path, layer: &Digest) -> Attempt {
        Self::attempted(directory, layer).unwrap_or(Attempt::Impossible)
    }

    fn attempted(directory: &Path, layer: &Digest) -> Option<Attempt> {
        private_dir(directory).ok()?;
        let path = directory.join(layer.hex());
        loop {
            let mut options = OpenOptions::new();
            let mut file = options.read(true).append(true).create(true).mode(0o600).open(&path).ok()?;
            match file.try_lock() {
                Ok(()) if file.metadata().ok()?.nlink() == 0 => {}
                Ok(()) => {
                    // A pull that waited for a killed holder asks again.
                    file.set_len(0).ok()?;
                    return Some(Attempt::Ours(Self { file, path }));
                }
                Err(fs::TryLockError::WouldBlock) => {
                    if file.metadata().ok()?.len() == 0 {
                        file.write_all(b"w").ok()?;
                    }
                    return Some(Attempt::Others);
                }
                Err(fs::TryLockError::Error(_)) => return None,
            }
        }
    }

    /// Whether another pull waits for the layer.
    pub fn is_wanted(&self) -> bool {
        let mut byte = [0];
        let mut file = &self.file;
        file.rewind().is_ok() && file.read(&mut byte).is_ok_and(|count| count > 0)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Before the lock goes: whoever opens the file from now on makes a new one.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether it is no use to go on waiting for the pull that has a layer, after so long.
pub fn is_hopeless(directory: &Path, layer: &Digest, waited: Duration) -> bool {
    let is_stopped = || lock::holder(&directory.join(layer.hex())).is_some_and(|holder| holder.contains("stopped"));
    waited > LONGEST || waited > SUSPICIOUS && is_stopped()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn one_has_it_and_learns_that_another_waits() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let (one, other) = (Digest::sha256(b"1"), Digest::sha256(b"2"));
        let Attempt::Ours(claim) = Claim::attempt(scratch.path(), &one) else { panic!("nobody else wants it") };
        assert!(!claim.is_wanted());
        assert!(matches!(Claim::attempt(scratch.path(), &other), Attempt::Ours(_)));
        for _ in 0..2 {
            assert!(matches!(Claim::attempt(scratch.path(), &one), Attempt::Others));
            assert!(claim.is_wanted());
        }
        assert!(!is_hopeless(scratch.path(), &one, Duration::from_secs(60)));
        assert!(is_hopeless(scratch.path(), &one, LONGEST * 2));
        drop(claim);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
        let Attempt::Ours(claim) = Claim::attempt(scratch.path(), &one) else { panic!("it is free again") };
        assert!(!claim.is_wanted());
        // What a killed pull left does not count.
        drop(claim);
        fs::write(scratch.path().join(one.hex()), "w").unwrap();
        let Attempt::Ours(claim) = Claim::attempt(scratch.path(), &one) else { panic!("its holder is dead") };
        assert!(!claim.is_wanted());
        let file = scratch.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(Claim::attempt(&file, &one), Attempt::Impossible));
    }
}
