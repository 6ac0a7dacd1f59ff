//! `export`: the files of a container as a tar archive, as it sees them, without what is mounted in it.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use serde::{Deserialize, Serialize};

use super::root::{Root, View};
use crate::archive::pack::{Pack, Packing};
use crate::base::{ContainerId, Error, Result, ResultExt, text};
use crate::engine::Engine;
use crate::engine::archives::save::Output;
use crate::engine::worker::{self, Given, Job, Place};

/// Packs the files of a container, as root of the namespace that owns them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExportJob {
    id: ContainerId,
}

/// Writes the files of the container `name` to `output`.
pub fn export(engine: &Engine, name: &str, output: Output) -> Result<()> {
    let id = engine.containers().find(name)?;
    let (fd, opened) = output.open()?;
    worker::call_with(engine, ExportJob { id }, Given::of_descriptor(fd))
        .context(|| format!("cannot export the container `{}`", text::clean(name)))?;
    opened.finish()
}

impl Job for ExportJob {
    const NAME: &'static str = "export";
    const PLACE: Place = Place::Outer;
    type Report = ();

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<()> {
        let out = given.descriptor.ok_or_else(|| Error::system("no output was passed on"))?;
        let root = Root::open(engine, &self.id, View::Own)?;
        let packing = Packing { owners: root.owners.clone(), ..Packing::default() };
        copy(Pack::new(root.fd.as_fd(), &packing)?, File::from(out))
    }
}

/// Writes an archive to a stream.
pub(super) fn copy(mut pack: Pack<'_>, mut out: impl Write) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match std::io::Read::read(&mut pack, &mut buffer) {
            Ok(0) => return out.flush().context(|| "cannot write the archive"),
            Ok(length) => out.write_all(&buffer[..length]).context(|| "cannot write the archive")?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(error
                    .downcast::<Error>()
                    .unwrap_or_else(|error| Error::system("cannot read the files").caused_by(error)));
            }
        }
    }
}
