//! Fetches and unpacks the layers of a pull, several at a time.

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::claim::{self, Attempt, Claim};
use super::partial::{self, Partial};
use super::{KEEP_EVERY, LAYERS_AT_ONCE, LayerPlan};
use crate::archive::Limits;
use crate::base::{Error, Kind, Result, ResultExt, failpoint, trace};
use crate::engine::progress::Progress;
use crate::oci::{Descriptor, DigestHasher};
use crate::registry::{BlobReader, Client, RemoteImage};
use crate::store::{FinishedLayer, Store};

/// Where pulls keep what others or later ones need.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a> {
    /// Blobs that are not complete, if they are kept.
    pub partials: Option<&'a Path>,
    /// See [`claim`].
    pub claims: &'a Path,
}

/// Fetches and unpacks layers, several at a time. On failure the complete ones are kept for the next try. The claims are to
/// be held until the layers are published.
pub(super) fn fetch(
    store: &Store,
    (client, remote): (&Client, &RemoteImage),
    kept: Kept<'_>,
    missing: Vec<LayerPlan>,
    progress: &dyn Progress,
) -> Result<(Vec<FinishedLayer>, Vec<Option<Claim>>)> {
    let threads = missing.len().min(LAYERS_AT_ONCE);
    let work = Work {
        store,
        client,
        remote,
        progress,
        queue: Mutex::new(missing.into_iter()),
        complete: Mutex::new((Vec::new(), Instant::now())),
        kept,
        failure: Mutex::new(None),
        failed: AtomicBool::new(false),
        working: AtomicUsize::new(threads),
    };
    std::thread::scope(|scope| {
        // Frees what interrupted pulls left, meanwhile. Whatever is in its way is not in ours.
        scope.spawn(|| {
            if let Some(partials) = work.kept.partials {
                partial::sweep(partials);
            }
            drop(store.sweep());
            work.serve_others();
        });
        for _ in 0..threads {
            let started = std::thread::Builder::new().name("layer".into()).spawn_scoped(scope, || work.run());
            if let Err(error) = started {
                work.working.fetch_sub(1, Ordering::Relaxed);
                work.fail(Error::system("cannot start a thread").caused_by(error));
            }
        }
    });
    let (complete, _) = work.complete.into_inner().unwrap_or_else(PoisonError::into_inner);
    match work.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        None => Ok(complete.into_iter().unzip()),
        Some(error) => {
            // The failure is what counts; that something could not be kept is no second one.
            let (layers, claims): (Vec<_>, Vec<_>) = complete.into_iter().unzip();
            let _ = keep(store, layers);
            drop(claims);
            Err(error)
        }
    }
}

/// Publishes layers that no image has yet.
fn keep(store: &Store, layers: Vec<FinishedLayer>) -> Result<()> {
    let layers = store.sync_layers(layers)?;
    layers.publish(&store.lock_shared()?).map(drop)
}

/// What the threads of one pull share.
struct Work<'a> {
    store: &'a Store,
    client: &'a Client,
    remote: &'a RemoteImage,
    progress: &'a dyn Progress,
    queue: Mutex<std::vec::IntoIter<LayerPlan>>,
    /// Complete layers with the right to publish them, and when some were last published.
    complete: Mutex<(Vec<ClaimedLayer>, Instant)>,
    kept: Kept<'a>,
    /// The first failure.
    failure: Mutex<Option<Error>>,
    failed: AtomicBool,
    /// Threads that fetch layers.
    working: AtomicUsize,
}

/// A complete layer with the right to publish it, where pulls could agree on that.
type ClaimedLayer = (FinishedLayer, Option<Claim>);

/// Whether a layer has to be fetched.
enum Turn {
    /// By this pull.
    Fetch(Option<Claim>),
    /// Another pull has brought it.
    Here,
}

impl Work<'_> {
    /// One thread's part: layer after layer, until there is none or something failed.
    fn run(&self) {
        while !self.failed.load(Ordering::Relaxed) {
            let next = self.queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(layer) = next else { break };
            let done = match self.turn(&layer) {
                Ok(Turn::Here) => Ok(()),
                Ok(Turn::Fetch(claim)) => self.layer(&layer).and_then(|finished| self.complete(finished, claim)),
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                self.fail(error);
            }
        }
        self.working.fetch_sub(1, Ordering::Relaxed);
    }

    /// Waits until it is clear who fetches a layer.
    fn turn(&self, layer: &LayerPlan) -> Result<Turn> {
        let begin = Instant::now();
        while !self.failed.load(Ordering::Relaxed) {
            match Claim::attempt(self.kept.claims, &layer.diff_id) {
                Attempt::Impossible => return Ok(Turn::Fetch(None)),
                Attempt::Ours(_) if self.store.layer(&layer.diff_id)?.is_some() => {
                    self.progress.layer_exists(&layer.blob.digest);
                    return Ok(Turn::Here);
                }
                Attempt::Ours(claim) => return Ok(Turn::Fetch(Some(claim))),
                Attempt::Others if claim::is_hopeless(self.kept.claims, &layer.diff_id, begin.elapsed()) => {
                    return Ok(Turn::Fetch(None));
                }
                Attempt::Others => std::thread::sleep(claim::LOOK),
            }
        }
        Ok(Turn::Here)
    }

    /// Publishes complete layers that other pulls wait for, as long as layers are being fetched.
    fn serve_others(&self) {
        while self.working.load(Ordering::Relaxed) > 0 {
            let wanted: Vec<ClaimedLayer> = {
                let mut complete = self.complete.lock().unwrap_or_else(PoisonError::into_inner);
                let is_wanted = |(_, claim): &mut ClaimedLayer| claim.as_ref().is_some_and(Claim::is_wanted);
                complete.0.extract_if(.., is_wanted).collect()
            };
            let (layers, claims): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
            if !layers.is_empty()
                && let Err(error) = keep(self.store, layers)
            {
                self.fail(error);
            }
            drop(claims);
            std::thread::sleep(claim::LOOK);
        }
    }

    fn fail(&self, error: Error) {
        self.failed.store(true, Ordering::Relaxed);
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn complete(&self, layer: FinishedLayer, claim: Option<Claim>) -> Result<()> {
        let due = {
            let mut complete = self.complete.lock().unwrap_or_else(PoisonError::into_inner);
            complete.0.push((layer, claim));
            match complete.1.elapsed() >= KEEP_EVERY {
                true => {
                    complete.1 = Instant::now();
                    std::mem::take(&mut complete.0)
                }
                false => return Ok(()),
            }
        };
        let (layers, claims): (Vec<_>, Vec<_>) = due.into_iter().unzip();
        let kept = keep(self.store, layers);
        drop(claims);
        kept
    }

    /// One layer: fetched, unpacked, verified, not yet visible.
    fn layer(&self, layer: &LayerPlan) -> Result<FinishedLayer> {
        self.progress.layer_started(&layer.blob.digest, layer.blob.size);
        let partial = self.partial(layer);
        let resumed = partial.as_ref().is_some_and(|partial| partial.length() > 0);
        let fetched = match self.attempt(layer, partial) {
            // What was kept may be to blame; it is gone now.
            Err(error) if resumed && error.kind() == Kind::Invalid => self.attempt(layer, self.partial(layer)),
            fetched => fetched,
        }?;
        self.progress.layer_done(&layer.blob.digest);
        Ok(fetched)
    }

    fn partial(&self, layer: &LayerPlan) -> Option<Partial> {
        Partial::open(self.kept.partials?, &layer.blob)
    }

    fn attempt(&self, layer: &LayerPlan, mut partial: Option<Partial>) -> Result<FinishedLayer> {
        let blob = &layer.blob.digest;
        let mut hasher = DigestHasher::like(blob);
        let kept = match partial.as_mut().map(|partial| partial.hash_into(&mut hasher)) {
            Some(Ok(length)) => length,
            Some(Err(_)) => {
                hasher = DigestHasher::like(blob);
                partial = None;
                0
            }
            None => 0,
        };
        let mut reader = Arriving {
            blob: self.client.rest_of_blob(self.remote, &layer.blob, kept, hasher),
            partial,
            kept,
            received: 0,
            layer: &layer.blob,
            progress: self.progress,
            stop: &self.failed,
        };
        let finished = self.unpack(layer, &mut reader);
        // A broken line is worth coming back to. Whatever else went wrong, these bytes were part of it.
        let worth_keeping = finished.as_ref().is_err_and(|error| error.kind() == Kind::Network);
        if let (Some(partial), false) = (reader.partial, worth_keeping) {
            partial.remove();
        }
        finished
    }

    fn unpack(&self, layer: &LayerPlan, reader: &mut Arriving<'_>) -> Result<FinishedLayer> {
        let blob = &layer.blob.digest;
        let staged = self.store.stage_layer()?;
        let unpacked = match staged.unpack(&mut *reader, layer.compression, &Limits::default()) {
            Ok(unpacked) => unpacked,
            Err(error) => {
                // Content that makes no sense is often just not the content that was asked for: say that instead.
                if error.kind() == Kind::Invalid && !reader.blob.has_failed() {
                    reader.blob.finish()?;
                }
                return Err(error).context(|| format!("cannot unpack the layer `{}`", blob.short()));
            }
        };
        reader.blob.finish()?;
        if unpacked.diff_id != layer.diff_id {
            return Err(Error::invalid(format!(
                "the layer `{}` unpacks to `{}`, but the image demands `{}`",
                blob.short(),
                unpacked.diff_id,
                layer.diff_id
            ))
            .hint("whoever made the image made a mistake, or worse; nothing of it was kept"));
        }
        failpoint::here("pull.layer.unpacked")?;
        trace::step(|| format!("the layer {} is unpacked as {}", blob.short(), layer.diff_id.short()));
        Ok(staged.finish(&unpacked))
    }
}

/// A blob as it is unpacked: first what an earlier pull has kept of it, then what arrives, which is kept as well. Tells how
/// far it is, and ends early when another layer has failed.
struct Arriving<'a> {
    blob: BlobReader,
    partial: Option<Partial>,
    /// Bytes of `partial` to begin with.
    kept: u64,
    received: u64,
    layer: &'a Descriptor,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
}

impl Read for Arriving<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other(Error::new(Kind::Network, "another layer failed")));
        }
        let left = self.kept - self.received.min(self.kept);
        let count = match &mut self.partial {
            Some(partial) if left > 0 => {
                let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                partial.read(&mut buffer[..room])?
            }
            _ => self.blob.read(buffer)?,
        };
        if count == 0 {
            return Ok(0);
        }
        if left == 0 && self.partial.as_mut().is_some_and(|partial| partial.append(&buffer[..count]).is_err()) {
            // A full disk, perhaps: the unpacked files need the space more.
            if let Some(partial) = self.partial.take() {
                partial.remove();
            }
        }
        self.received += count as u64;
        self.progress.layer_moved(&self.layer.digest, self.received);
        if self.received == self.layer.size {
            self.progress.layer_extracting(&self.layer.digest);
        }
        Ok(count)
    }
}
