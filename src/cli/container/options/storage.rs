//! Options about the files of a container.

use std::path::PathBuf;

use super::Around;
use crate::base::{Error, Result, text};
use crate::cli::context::Persona;
use crate::spec::mounts::{self, MountHost};
use crate::spec::storage::{MountRequest, StorageRequest, shm_size, size_of_options};

/// Options about files.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Storage")]
pub struct StorageOptions {
    /// Attach a file system mount: type=bind|volume|tmpfs|image|glob|ramfs|devpts,source=…,target=…
    #[arg(long, value_name = "MOUNT")]
    pub mount: Vec<String>,
    /// Mount the container's root file system read-only
    #[arg(long)]
    pub read_only: bool,
    /// With --read-only: /run, /tmp and /var/tmp are writable memory (podman's default)
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub read_only_tmpfs: Option<bool>,
    /// The size of /dev/shm
    #[arg(long, value_name = "BYTES")]
    pub shm_size: Option<String>,
    /// Options of the storage driver: size=BYTES limits what the container's files may take (fuse)
    #[arg(long, value_name = "KEY=VALUE")]
    pub storage_opt: Vec<String>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    pub tmpfs: Vec<String>,
    /// Bind mount a path of this machine, or mount a volume
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    pub volume: Vec<String>,
}

impl StorageOptions {
    /// The group these options stand for.
    pub fn group(self, around: &Around<'_>) -> Result<StorageRequest> {
        let usual = StorageRequest::default();
        Ok(StorageRequest {
            driver: around.driver,
            size: size_of_options(&self.storage_opt)?,
            read_only: self.read_only,
            shm_size: self.shm_size.as_deref().map_or(Ok(usual.shm_size), shm_size)?,
            mounts: {
                let tmpfs_copies = around.persona == Persona::Podman;
                let host = MountHost { cwd: around.cwd, glob: &files_that_fit, tmpfs_copies };
                let mut asked = mounts::all(&self.volume, &self.mount, &self.tmpfs, &host)?;
                if self.read_only && self.read_only_tmpfs.unwrap_or(around.persona == Persona::Podman) {
                    let writable = mounts::all(&[], &[], &WRITABLE.map(String::from), &host)?;
                    let is_free = |mount: &MountRequest| !asked.iter().any(|m| m.mount.target == mount.mount.target);
                    let free: Vec<_> = writable.into_iter().filter(is_free).collect();
                    asked.extend(free);
                }
                asked
            },
        })
    }
}

/// The files of this machine that fit a pattern of `--mount type=glob`.
fn files_that_fit(pattern: &str) -> Result<Vec<PathBuf>> {
    let wrong =
        |error: glob::PatternError| Error::usage(format!("invalid pattern `{}`: {}", text::clean(pattern), error.msg));
    let found = glob::glob(pattern).map_err(wrong)?.filter_map(std::result::Result::ok);
    let found: Vec<PathBuf> = found.take(MAX_FILES + 1).collect();
    match found.len() > MAX_FILES {
        true => Err(Error::usage(format!("more than {MAX_FILES} files fit the pattern `{}`", text::clean(pattern)))),
        false => Ok(found),
    }
}

/// What is writable with a read-only root, as podman has it.
const WRITABLE: [&str; 3] = ["/run:exec,tmpcopyup", "/tmp:exec,tmpcopyup", "/var/tmp:exec,tmpcopyup"];

/// The most files of one pattern: each becomes a mount.
const MAX_FILES: usize = 1000;
