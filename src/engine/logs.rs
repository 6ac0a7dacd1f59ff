//! `logs`: what containers printed, and with `follow` what they go on to print until they end.

use std::sync::mpsc;

use super::Engine;
use crate::base::id::Name;
use crate::base::{ContainerId, Error, Kind, Result};
use crate::logs::{Place, Reader};
use crate::spec::logs::{Entry, Selection};
use crate::state::{Containers, Status};

/// Entries that wait to be shown while containers are followed: whoever prints faster than that waits.
const WAITING: usize = 64;

/// What to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogRequest {
    /// Goes on until the container ends.
    pub follow: bool,
    /// Which entries.
    pub selection: Selection,
}

/// A container whose log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: Name,
}

/// Gives the entries of containers to `sink`, each with the number of its container: of one in the order in which they were
/// written, of several by their times, and with `follow` as they come.
pub fn read(
    engine: &Engine,
    names: &[String],
    request: &LogRequest,
    sink: &mut dyn FnMut(&Source, Entry) -> Result<()>,
) -> Result<()> {
    let containers = engine.containers();
    let (mut sources, mut readers) = (Vec::new(), Vec::new());
    for name in names {
        let id = containers.find(name)?;
        // Says clearly when the record cannot be read.
        let container = containers.load(&id)?;
        let place = Place::of(&container.config, &engine.paths.container(&id));
        sources.push(Source { id, name: container.name });
        readers.push(Reader::open(&place, request.selection)?);
    }
    match (&mut readers[..], request.follow) {
        ([one], true) => follow(&containers, &sources[0], one, &mut |entry| sink(&sources[0], entry)),
        (_, false) => merge(&mut readers, &mut |at, entry| sink(&sources[at], entry)),
        (_, true) => follow_all(&containers, &sources, readers, sink),
    }
}

/// The entries of all, the oldest first.
fn merge(readers: &mut [Reader], sink: &mut dyn FnMut(usize, Entry) -> Result<()>) -> Result<()> {
    let mut next: Vec<Option<Entry>> = readers.iter_mut().map(Reader::next_entry).collect::<Result<_>>()?;
    loop {
        let oldest = next.iter().enumerate().filter_map(|(at, entry)| Some((entry.as_ref()?.time, at))).min();
        let Some((_, at)) = oldest else { return Ok(()) };
        let following = readers[at].next_entry()?;
        if let Some(entry) = std::mem::replace(&mut next[at], following) {
            sink(at, entry)?;
        }
    }
}

fn follow(
    containers: &Containers,
    source: &Source,
    reader: &mut Reader,
    sink: &mut dyn FnMut(Entry) -> Result<()>,
) -> Result<()> {
    let mut is_over = || match containers.state(&source.id) {
        Ok(state) => Ok(!state.map_or(Status::Created, |state| state.status()).is_running()),
        // Removed while it was followed.
        Err(error) if error.kind() == Kind::NotFound => Ok(true),
        Err(error) => Err(error),
    };
    reader.follow(&containers.paths().container(&source.id), &mut is_over, sink)
}

/// Each by a thread of its own, until all containers have ended. When nobody reads any more the threads end with the
/// process: one that waits for a container that prints nothing hears of it by nothing else.
fn follow_all(
    containers: &Containers,
    sources: &[Source],
    readers: Vec<Reader>,
    sink: &mut dyn FnMut(&Source, Entry) -> Result<()>,
) -> Result<()> {
    let (entries, receiver) = mpsc::sync_channel::<(usize, Result<Entry>)>(WAITING);
    for (at, mut reader) in readers.into_iter().enumerate() {
        let (containers, source, entries) = (containers.clone(), sources[at].clone(), entries.clone());
        let gone = || Error::system("nobody reads the log any more");
        let work = move || {
            let mut pass = |entry| entries.send((at, Ok(entry))).map_err(|_| gone());
            if let Err(error) = follow(&containers, &source, &mut reader, &mut pass) {
                let _ = entries.send((at, Err(error)));
            }
        };
        std::thread::Builder::new()
            .spawn(work)
            .map_err(|error| Error::system("cannot follow several logs").caused_by(error))?;
    }
    drop(entries);
    receiver.into_iter().try_for_each(|(at, entry)| sink(&sources[at], entry?))
}
