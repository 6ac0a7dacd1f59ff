//! What options of a command change in how registries are reached.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::Engine;
use crate::base::{Error, Result, ResultExt, text};
use crate::registry::{Credentials, Patience};

/// Longest pause before a further attempt that a user may ask for.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 3600);

/// The options. Nothing: as usual on this machine.
#[derive(Clone, Default)]
pub struct Reach {
    /// `--creds`: user and password for the registry of the command.
    pub login: Option<(String, String)>,
    /// `--cert-dir`: the directory with certificates for it, which must exist.
    pub certificates: Option<PathBuf>,
    /// `--retry`: attempts after the first.
    pub retries: Option<u32>,
    /// `--retry-delay`: the pause before the first of them.
    pub delay: Option<Duration>,
}

impl Engine {
    /// From now on registries are reached in this way.
    pub fn reach(&mut self, how: Reach) -> Result<()> {
        if let Some(directory) = &how.certificates {
            let is_directory = fs::metadata(directory).at(directory, "cannot use the certificates in")?.is_dir();
            if !is_directory {
                let shown = directory.display().to_string();
                return Err(Error::usage(format!("`{}` is no directory", text::clean(&shown))));
            }
        }
        if how.delay.is_some_and(|delay| delay > LONGEST_DELAY) {
            return Err(Error::usage("a pause of more than a day between attempts is not possible"));
        }
        self.registry.patience = patience(self.registry.patience, how.retries, how.delay);
        self.registry.certificates = how.certificates;
        if let Some((user, password)) = how.login {
            self.registry.credentials = Some(Credentials::Password { user, password });
        }
        Ok(())
    }

    /// docker's file of credentials, which is the last otherwise, comes first: docker's `login` writes there.
    pub fn docker_first(&mut self) {
        let files = &mut self.registry.auth_files;
        if files.len() > 1 {
            files.rotate_right(1);
        }
    }

    /// Credentials are sought in this file alone, which need not exist.
    pub fn seek_only_in(&mut self, file: PathBuf) {
        self.registry.auth_files = vec![file];
    }
}

fn patience(usual: Patience, retries: Option<u32>, delay: Option<Duration>) -> Patience {
    if retries.is_none() && delay.is_none() {
        return usual;
    }
    let attempts = retries.map_or(usual.attempts, |retries| retries.saturating_add(1));
    let backoff = delay.unwrap_or(usual.backoff);
    // All attempts at a question have to find room in the time for it.
    let waits = backoff.saturating_mul(1 << attempts.min(7)).min(LONGEST_DELAY);
    Patience { attempts, backoff, exchange: usual.exchange.saturating_add(waits), ..usual }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn retries_become_attempts() {
        let usual = Patience::default();
        let same = patience(usual, None, None);
        assert_eq!((same.attempts, same.exchange), (usual.attempts, usual.exchange));
        assert_eq!(patience(usual, Some(0), None).attempts, 1);
        let slow = patience(usual, Some(2), Some(Duration::from_secs(30)));
        assert_eq!((slow.attempts, slow.backoff), (3, Duration::from_secs(30)));
        assert!(slow.exchange >= Duration::from_secs(90), "{:?}", slow.exchange);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let (mut engine, scratch) = fixtures::engine();
        let certificates = |path: PathBuf| Reach { certificates: Some(path), ..Reach::default() };
        assert!(engine.reach(certificates(scratch.path().join("absent"))).is_err());
        let file = scratch.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(engine.reach(certificates(file)).is_err());
        engine.reach(certificates(scratch.path().into())).unwrap();
        assert!(engine.reach(Reach { delay: Some(LONGEST_DELAY * 2), ..Reach::default() }).is_err());
        let last = engine.registry.auth_files.last().cloned();
        engine.docker_first();
        assert_eq!(engine.registry.auth_files.first(), last.as_ref());
    }
}
