//! The OCI runtime's command line (`coracle runtime create|start|…`): containers of bundles, made by the same runtime as all
//! others, for podman, buildah and whatever else brings its own supervisor.
//!
//! # Theory of operation
//!
//! No process of coracle stays beside the container. `create` makes its first process, which sets itself up, confines
//! itself, says so, and then waits: it reads a byte from a FIFO that it was given open. `create` ends, and the process belongs
//! to whoever adopts orphans (conmon). `start` writes the byte, and the process becomes the program. So the FIFO is there
//! exactly while the container is `created`.
//!
//! A container is a directory below the root (`--root`): `state.json`, and while it is created `start.fifo`. The directory is
//! made first and by one `create` only: that is what makes an id unique. Everything else that is known of a container is asked
//! from the kernel: its first process is named by pid and start time.
//!
//! The bundle is as trusted as whoever calls: it names programs of the host (hooks) and files to mount. What is in its root
//! file system is as hostile as any image: the walls are those of [`crate::runtime`].

mod document;
mod exec;
mod life;
mod make;
mod plan;
mod template;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use exec::{ExecRequest, exec};
pub use life::{delete, kill, processes, start, state, states};
pub use make::{CreateRequest, create, run};
pub use template::{features, specification};

use crate::base::error::if_absent;
use crate::base::process::ProcessIdentity;
use crate::base::{Error, Kind, Result, ResultExt, private, text};
use crate::spec::hooks::Hook;

/// The record of a container.
const STATE: &str = "state.json";
/// What its first process waits at.
const FIFO: &str = "start.fifo";
/// Where its hooks find its files.
const PLACE: &str = "rootfs";
/// The largest record that is read.
const MAX_STATE: u64 = 16 << 20;

/// The directory with all containers.
#[derive(Debug, Clone)]
pub struct Root {
    directory: PathBuf,
}

/// What is recorded of a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its first process.
    process: ProcessIdentity,
    bundle: PathBuf,
    rootfs: PathBuf,
    created: String,
    annotations: BTreeMap<String, String>,
    /// The hooks of its later life.
    hooks: Vec<Hook>,
    /// What `exec` takes from the container: capabilities and the like.
    main: document::Process,
    seccomp: Option<serde_json::Value>,
}

/// A container that exists.
#[derive(Debug)]
pub(super) struct Container {
    id: String,
    directory: PathBuf,
    record: Record,
}

/// Letters that an id may have: those of runc.
fn check_id(id: &str) -> Result<()> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    match !id.is_empty() && id.len() <= 1024 && id.bytes().all(sound) && !matches!(id, "." | "..") {
        true => Ok(()),
        false => Err(Error::usage(format!("invalid container id `{}`", text::clean(id)))
            .hint("letters, digits, `_`, `+`, `-` and `.`")),
    }
}

impl Root {
    /// The containers below `directory`, which is made for the user alone.
    pub fn open(directory: &Path) -> Result<Self> {
        if_exists(DirBuilder::new().recursive(true).mode(0o700).create(directory)).at(directory, "cannot create")?;
        private::check_directory(directory, "--root")?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Takes an id for a new container.
    fn take(&self, id: &str) -> Result<PathBuf> {
        check_id(id)?;
        let directory = self.directory.join(id);
        match DirBuilder::new().mode(0o711).create(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(Error::conflict(format!("container with given ID already exists: `{id}`")))
            }
            made => made.at(&directory, "cannot create").map(|()| directory),
        }
    }

    /// The container of an id.
    fn find(&self, id: &str) -> Result<Container> {
        check_id(id)?;
        let directory = self.directory.join(id);
        let absent = || Error::not_found(format!("container does not exist: `{id}`"));
        let path = directory.join(STATE);
        let mut bytes = Vec::new();
        let file = if_absent(File::open(&path)).at(&path, "cannot open")?.ok_or_else(absent)?;
        file.take(MAX_STATE).read_to_end(&mut bytes).at(&path, "cannot read")?;
        let record =
            serde_json::from_slice(&bytes).map_err(|error| Error::invalid(format!("`{}`: {error}", path.display())))?;
        Ok(Container { id: id.to_owned(), directory, record })
    }

    /// All containers.
    fn all(&self) -> Result<Vec<Container>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.directory).at(&self.directory, "cannot list")?.flatten() {
            let Some(id) = entry.file_name().to_str().map(String::from) else { continue };
            match self.find(&id) {
                Ok(container) => all.push(container),
                // One that is being made or deleted just now.
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Usage) => {}
                Err(error) => return Err(error),
            }
        }
        all.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(all)
    }
}

fn if_exists(made: std::io::Result<()>) -> std::io::Result<()> {
    match made {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

impl Record {
    /// Writes it: it is there as a whole or not at all.
    fn write(&self, directory: &Path) -> Result<()> {
        let (path, staged) = (directory.join(STATE), directory.join(".state.json"));
        let json = serde_json::to_vec(self).map_err(|error| Error::system(error.to_string()))?;
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&staged)
            .at(&staged, "cannot create")?;
        file.write_all(&json).at(&staged, "cannot write")?;
        fs::rename(&staged, &path).at(&path, "cannot write")
    }
}

impl Container {
    /// Its status in the words of the specification, and podman's `paused`.
    fn status(&self) -> &'static str {
        match (self.record.process.is_alive(), self.directory.join(FIFO).exists()) {
            (false, _) => "stopped",
            (true, true) => "created",
            (true, false) => "running",
        }
    }
}
