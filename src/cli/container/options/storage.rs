//! Options about the files of a container.

use super::Around;
use crate::base::Result;
use crate::spec::mounts;
use crate::spec::storage::{StorageRequest, shm_size, size_of_options};

/// Options about files.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StorageOptions {
    /// Attach a file system mount: type=bind|volume|tmpfs,source=…,target=…
    #[arg(long, value_name = "MOUNT")]
    pub mount: Vec<String>,
    /// Mount the container's root file system read-only
    #[arg(long)]
    pub read_only: bool,
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
            mounts: mounts::all(&self.volume, &self.mount, &self.tmpfs, around.cwd)?,
        })
    }
}
