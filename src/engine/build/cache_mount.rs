//! Directories of `RUN --mount=type=cache`, and files for other users: what a build makes with owners that only root of the
//! user's namespace can give.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid};
use serde::{Deserialize, Serialize};

use super::interpret::CopyAction;
use super::jobs::view_of;
use super::layer::{Changes, Manner};
use super::sources;
use super::stream::Stream;
use super::view::View;
use crate::archive::pack::Times;
use crate::archive::{self, Limits};
use crate::base::paths::private_dir;
use crate::base::publish::{self, Durability, Staging};
use crate::base::{Error, Kind, Paths, Result, ResultExt, failpoint};
use crate::dockerfile::Ignore;
use crate::engine::Engine;
use crate::engine::worker::{Given, Job, Place};
use crate::oci::Digest;

/// The directory of cache mounts.
pub fn caches(paths: &Paths) -> PathBuf {
    paths.data.join("build").join("mounts")
}

/// Makes the directory of a cache, unless it is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MakeCache {
    /// Where.
    #[serde(with = "crate::base::paths::lossless")]
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// Its owner and group.
    pub owner: (u32, u32),
    /// A layer whose directory `bound` has the files that it begins with.
    pub seed: Option<Digest>,
}

impl Job for MakeCache {
    const NAME: &'static str = "build-cache-mount";
    const PLACE: Place = Place::Outer;
    type Report = ();

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<()> {
        let area = engine.paths.data.join("build").join("cache-staging");
        private_dir(&area)?;
        publish::sweep(&area)?;
        let staging = Staging::new(&area)?;
        let directory = staging.path().join("cache");
        fs::create_dir(&directory).at(&directory, "cannot create")?;
        if let Some(layer) = &self.seed {
            fill(engine, layer, &directory, &area)?;
        }
        give(&directory, self.mode, self.owner)?;
        failpoint::here("build.cache.made")?;
        match fs::rename(&directory, &self.path) {
            // Another build was faster.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EEXIST | libc::ENOTEMPTY)) => Ok(()),
            renamed => renamed.at(&self.path, "cannot create the cache"),
        }
    }
}

fn fill(engine: &Engine, layer: &Digest, into: &Path, scratch: &Path) -> Result<()> {
    let view = view_of(&engine.store()?, std::slice::from_ref(layer))?;
    let nothing = View::of_layers(&[] as &[&Path])?;
    let whole = CopyAction::of("/bound", "/");
    let found = sources::find(&view, &whole, &Ignore::default())?;
    let mut changes = Changes::default();
    changes.copy(&nothing, &whole, (0, &found), &Manner::kept(Times::Kept))?;
    let directory = File::open(into).at(into, "cannot open")?;
    let recipe = publish::nameless(scratch)?;
    let stream = || Ok(Stream::new(changes, vec![view]));
    archive::unpack_stream(stream, directory.as_fd(), recipe, &Limits::default()).map(drop)
}

fn give(path: &Path, mode: u32, (uid, gid): (u32, u32)) -> Result<()> {
    let file = File::open(path).at(path, "cannot open")?;
    let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    match rustix::fs::fchown(&file, owner.0, owner.1) {
        Err(rustix::io::Errno::INVAL) => {
            return Err(Error::new(Kind::Invalid, format!("the owner {uid}:{gid} is not among your subordinate ids"))
                .hint("/etc/subuid and /etc/subgid say which you have"));
        }
        given => given.at(path, "cannot give away")?,
    }
    file.set_permissions(fs::Permissions::from_mode(mode)).at(path, "cannot set the mode of")
}

/// Gives the file of a secret to another user of the step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GiveSecret {
    /// The file, in a directory that only the user reads.
    #[serde(with = "crate::base::paths::lossless")]
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// Its owner and group.
    pub owner: (u32, u32),
}

impl Job for GiveSecret {
    const NAME: &'static str = "build-secret";
    const PLACE: Place = Place::Outer;
    type Report = ();

    fn run(self, _engine: &Engine, _given: Given<'_>) -> Result<()> {
        give(&self.path, self.mode, self.owner)
    }
}

/// Removes the directories of caches that no step uses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PruneMounts {}

impl Job for PruneMounts {
    const NAME: &'static str = "build-prune-mounts";
    const PLACE: Place = Place::Outer;
    type Report = ();

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<()> {
        let directory = caches(&engine.paths);
        let entries = crate::base::error::if_absent(fs::read_dir(&directory)).at(&directory, "cannot list")?;
        for entry in entries.into_iter().flatten().flatten() {
            let path = entry.path();
            if !path.is_dir() {
                continue;
            }
            let lock = File::options().create(true).truncate(false).write(true).open(path.with_extension("lock"));
            if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
                publish::discard(&path, &engine.paths.trash(), Durability::Volatile)?;
            }
        }
        Ok(())
    }
}
