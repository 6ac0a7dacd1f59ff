//! Layers that another program has unpacked, as the archives that they were: what `system migrate` reads.

use std::collections::HashMap;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::split::Stream;
use crate::base::{Result, ResultExt};
use crate::sys::beneath::BeneathDir;

/// Layers that are unpacked, by the diff id that they must have.
#[derive(Debug)]
pub struct Unpacked {
    root: BeneathDir,
    files: HashMap<String, (PathBuf, PathBuf)>,
}

impl Unpacked {
    /// Layers below `root`: for each diff id the tar-split record and the directory of files.
    pub fn new(root: BeneathDir, files: HashMap<String, (PathBuf, PathBuf)>) -> Self {
        Self { root, files }
    }

    /// The tar stream of a layer. How long it is nobody knows.
    pub fn stream(&self, name: &str) -> Result<Option<impl Read + Send + use<>>> {
        let Some((record, files)) = self.files.get(name) else { return Ok(None) };
        let failed = |path: &Path| format!("cannot open `{}` of the store", path.display());
        let record_file = self.root.open_file(record.as_path()).context(|| failed(record))?;
        let directory = self.root.open_dir(files.as_path()).context(|| failed(files))?;
        let directory = BeneathDir::from_borrowed(directory.as_fd()).context(|| failed(files))?;
        Ok(Some(Stream::new(record_file, directory)))
    }
}
