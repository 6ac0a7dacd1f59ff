//! `volume export` and `volume import`: the files of a volume as a tar archive, and an archive's files into a volume.
//!
//! Owners are those that containers with the usual ids see. What containers write to the volume meanwhile may or may not be
//! among what is read. A volume is as hostile as the containers that had it: everything is opened below the descriptor of its
//! directory, and an archive is unpacked by the walls of `archive::extract`.

use std::fs::File;
use std::io::BufReader;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::export::copy;
use crate::archive::extract::{Extraction, Goes, Owner, extract};
use crate::archive::inflate;
use crate::archive::pack::{Pack, Packing};
use crate::base::id::Name;
use crate::base::{Error, Result, ResultExt};
use crate::engine::Engine;
use crate::engine::archives::save::Output;
use crate::engine::worker::{self, Given, Job, Place};
use crate::oci::media::Compression;
use crate::spec::idmap::IdMap;
use crate::state::Volumes;

/// Packs the files of a volume.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VolumeOut {
    name: Name,
}

/// Unpacks an archive into a volume.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VolumeIn {
    name: Name,
}

/// Writes the files of a volume to `output`.
pub fn export(engine: &Engine, name: &str, output: Output) -> Result<()> {
    let volumes = Volumes::new(&engine.paths);
    let volume = volumes.find(name)?;
    // Nobody removes it meanwhile.
    let _held = volumes.hold()?;
    let (fd, opened) = output.open()?;
    worker::call_with(engine, VolumeOut { name: volume.name.clone() }, Given::of_descriptor(fd))
        .context(|| format!("cannot export the volume `{}`", volume.name))?;
    opened.finish()
}

/// Adds the files of an archive, which may be compressed, to a volume. Files of the same names are replaced.
pub fn import(engine: &Engine, name: &str, input: OwnedFd) -> Result<()> {
    let volumes = Volumes::new(&engine.paths);
    let volume = volumes.find(name)?;
    let _held = volumes.hold()?;
    worker::call_with(engine, VolumeIn { name: volume.name.clone() }, Given::of_descriptor(input))
        .context(|| format!("cannot import into the volume `{}`", volume.name))
}

impl Job for VolumeOut {
    const NAME: &'static str = "volume export";
    const PLACE: Place = Place::Outer;
    type Report = ();

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<()> {
        let out = given.descriptor.ok_or_else(|| Error::system("no output was passed on"))?;
        let directory = open(engine, &self.name, false)?;
        let packing = Packing { nanoseconds: true, ..Packing::default() };
        copy(Pack::new(directory.as_fd(), &packing)?, File::from(out))
    }
}

impl Job for VolumeIn {
    const NAME: &'static str = "volume import";
    const PLACE: Place = Place::Outer;
    type Report = ();

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<()> {
        let input = given.descriptor.ok_or_else(|| Error::system("no input was passed on"))?;
        let directory = open(engine, &self.name, true)?;
        let stream = inflate(File::from(input), Compression::None).context(|| "cannot read the archive")?;
        let owner = Owner::Archive(IdMap::default(), IdMap::default());
        let how = Extraction { owner, archive: true, overwrite: true, set_ids: true };
        extract(BufReader::with_capacity(256 << 10, stream), &how, |_| Ok(Goes::Into(directory))).map(drop)
    }
}

/// The directory of a volume.
fn open(engine: &Engine, name: &Name, write: bool) -> Result<OwnedFd> {
    let place = Volumes::new(&engine.paths).place_of(name)?;
    if write && place.read_only {
        return Err(Error::conflict(format!("the volume `{name}` is read-only")));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(&place.path, flags, Mode::empty()).at(&place.path, "cannot open")
}
