//! `--output type=tar` and `type=local`: the files of a built image, without its layers.
//!
//! A worker writes them as a tar stream. For a directory the stream is unpacked by the calling process, as the user: each
//! path below a descriptor of the directory, so that a link of the image leads nowhere else; without setuid bits.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::interpret::CopyAction;
use super::layer::{Changes, Manner};
use super::sources;
use super::view::{View, shown};
use crate::archive::pack::Times;
use crate::base::{Error, Result, ResultExt, time};
use crate::dockerfile::Ignore;
use crate::engine::Engine;
use crate::engine::archives::save::Output;
use crate::engine::create::layer_trees;
use crate::engine::progress::Silent;
use crate::engine::worker::{self, Given, Job, Place};
use crate::oci::Digest;
use crate::store::ImageRecord;
use crate::sys::beneath::{BeneathDir, Leaf};

/// Writes the files of a stack of layers as a tar stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExportFiles {
    layers: Vec<Digest>,
    times: Times,
}

impl Job for ExportFiles {
    const NAME: &'static str = "build-export";
    const PLACE: Place = Place::Outer;
    type Report = ();

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<()> {
        let out = given.descriptor.ok_or_else(|| Error::system("no output was passed on"))?;
        let store = engine.store()?;
        let view = View::of_layers(&layer_trees(&store, &self.layers, "the image")?)?;
        let nothing = View::of_layers(&[] as &[&Path])?;
        let whole = CopyAction::of("/", "/");
        let found = sources::find(&view, &whole, &Ignore::default())?;
        let manner = Manner::new(&whole, None, &nothing, true, time::now().as_second(), self.times)?;
        let mut changes = Changes::default();
        changes.copy(&nothing, &whole, (0, &found), &manner)?;
        changes.write(vec![view], BufWriter::with_capacity(256 << 10, File::from(out)))
    }
}

/// Writes the image's files as a tar archive.
pub fn tar(engine: &Engine, image: &ImageRecord, times: Times, output: Output) -> Result<()> {
    let (fd, opened) = output.open()?;
    let job = ExportFiles { layers: image.layers.clone(), times };
    worker::call_with(engine, job, Given { progress: &Silent, descriptor: Some(fd) })?;
    opened.finish()
}

/// Writes the image's files into a directory, which is made when it is missing.
pub fn directory(engine: &Engine, image: &ImageRecord, times: Times, path: &Path) -> Result<()> {
    fs::create_dir_all(path).at(path, "cannot create")?;
    let target = BeneathDir::open(path).at(path, "cannot open")?;
    let (reader, writer) = io::pipe().context(|| "cannot make a pipe")?;
    let job = ExportFiles { layers: image.layers.clone(), times };
    std::thread::scope(|scope| {
        let given = Given { progress: &Silent, descriptor: Some(OwnedFd::from(writer)) };
        let unpacking = scope.spawn(|| unpack(reader, &target));
        let written = worker::call_with(engine, job, given);
        let unpacked = unpacking.join().unwrap_or_else(|_| Err(Error::system("unpacking the files has failed")));
        unpacked.and(written)
    })
}

fn unpack(stream: impl Read, target: &BeneathDir) -> Result<()> {
    let mut archive = tar::Archive::new(BufReader::with_capacity(256 << 10, stream));
    let failed = || "cannot read the files of the image".to_owned();
    for entry in archive.entries().context(failed)? {
        let mut entry = entry.context(failed)?;
        let path = entry.path_bytes().into_owned();
        let path = path.strip_suffix(b"/").unwrap_or(&path).to_vec();
        put(&mut entry, &path, target).context(|| format!("cannot write `{}`", shown(&path)))?;
    }
    Ok(())
}

fn put(entry: &mut tar::Entry<'_, impl Read>, path: &[u8], target: &BeneathDir) -> Result<()> {
    let failed = || "cannot make it".to_owned();
    let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&b"."[..], path),
    };
    let parent = target.make(parent, Leaf::Directory).context(failed)?;
    let kind = entry.header().entry_type();
    if kind == tar::EntryType::Directory {
        return match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Err(rustix::io::Errno::EXIST) => Ok(()),
            made => made.context(failed),
        };
    }
    match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
        Err(rustix::io::Errno::NOENT) | Ok(()) => {}
        Err(errno) => return Err(errno).context(failed),
    }
    match kind {
        tar::EntryType::Regular => {
            let mode = Mode::from_raw_mode(entry.header().mode().context(failed)? & 0o777);
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            // Descriptors of `make` are paths alone.
            let parent =
                rustix::fs::openat(&parent, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
            let file: OwnedFd =
                rustix::fs::openat(parent.context(failed)?, name, flags, Mode::RUSR | Mode::WUSR).context(failed)?;
            let mut file = File::from(file);
            io::copy(entry, &mut file).context(failed)?;
            rustix::fs::fchmod(file.as_fd(), mode).context(failed)?;
            let seconds = entry.header().mtime().context(failed)?;
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).context(failed)
        }
        tar::EntryType::Symlink => {
            let link = entry.link_name_bytes().unwrap_or_default().into_owned();
            rustix::fs::symlinkat(std::ffi::OsStr::from_bytes(&link), &parent, name).context(failed)
        }
        // A fifo of an image is of no use outside of it.
        _ => Ok(()),
    }
}
