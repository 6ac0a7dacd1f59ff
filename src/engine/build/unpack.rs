//! A build context that comes as an archive: unpacked into a directory of the builder, where everything belongs to the user.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid};
use serde::{Deserialize, Serialize};

use super::view::MAX_DEPTH;
use crate::archive::{self, Limits};
use crate::base::paths::private_dir;
use crate::base::publish::{self, Staging};
use crate::base::{Error, Result, ResultExt};
use crate::engine::Engine;
use crate::engine::progress::Silent;
use crate::engine::worker::{self, Given, Job, Place};
use crate::oci::Compression;

/// Unpacks a context.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnpackContext {
    #[serde(with = "crate::base::paths::lossless")]
    into: PathBuf,
    #[serde(with = "crate::base::paths::lossless")]
    scratch: PathBuf,
}

/// Unpacks the archive; the directory goes with the returned value.
pub fn unpack(engine: &Engine, archive: OwnedFd) -> Result<Staging> {
    let area = engine.paths.data.join("build").join("contexts");
    private_dir(&area)?;
    publish::sweep(&area)?;
    let staging = Staging::new(&area)?;
    let job = UnpackContext { into: staging.path().to_owned(), scratch: area };
    let given = Given { progress: &Silent, descriptor: Some(archive) };
    worker::call_with(engine, job, given).context(|| "cannot unpack the build context")?;
    Ok(staging)
}

impl Job for UnpackContext {
    const NAME: &'static str = "build-context";
    const PLACE: Place = Place::Outer;
    type Report = ();

    fn run(self, _engine: &Engine, given: Given<'_>) -> Result<()> {
        let archive = given.descriptor.ok_or_else(|| Error::system("no archive was passed on"))?;
        let into = std::fs::File::open(&self.into).at(&self.into, "cannot open")?;
        let recipe = publish::nameless(&self.scratch)?;
        archive::unpack_layer(
            std::fs::File::from(archive),
            Compression::None,
            into.as_fd(),
            recipe,
            &Limits::default(),
        )?;
        // An archive may say something of its root, too.
        rustix::fs::fchown(&into, Some(Uid::ROOT), Some(Gid::ROOT)).at(&self.into, "cannot chown")?;
        rustix::fs::fchmod(&into, Mode::RWXU).at(&self.into, "cannot set the mode of")?;
        give(into.as_fd(), 0)
    }
}

/// Gives everything in a directory to the user, who may read it.
fn give(directory: BorrowedFd<'_>, depth: usize) -> Result<()> {
    let failed = || "cannot give the files of the build context to you".to_owned();
    if depth > MAX_DEPTH {
        return Err(Error::invalid("the archive holds directories that are too deep"));
    }
    let own = rustix::fs::openat(directory, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .context(failed)?;
    for entry in Dir::read_from(&own).context(failed)? {
        let entry = entry.context(failed)?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        rustix::fs::chownat(&own, name, Some(Uid::ROOT), Some(Gid::ROOT), AtFlags::SYMLINK_NOFOLLOW).context(failed)?;
        let stat = rustix::fs::statat(&own, name, AtFlags::SYMLINK_NOFOLLOW).context(failed)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let child = rustix::fs::openat(&own, name, flags, Mode::empty()).context(failed)?;
            give(child.as_fd(), depth + 1)?;
        }
    }
    Ok(())
}
