//! One blob on its way: fetched, resumed, counted and hashed by the network thread; read by whoever unpacks it.
//!
//! # Theory of operation
//!
//! [`Transfer`] runs on the network thread. It asks for the blob and passes each piece on, at most [`WINDOW`] bytes ahead
//! of the reader: when the reader is slow, TCP's own window closes. When the connection breaks, stalls or crawls it asks again
//! from the first byte that is missing (`Range`); a server that ignores this sends everything again, and what the reader
//! has already is skipped. So the reader sees one unbroken stream. Attempts are bounded, and counted anew after progress,
//! so that a large blob survives a bad line but a server that sends nothing useful is left soon.
//!
//! The hash runs over all pieces, whichever connection they came from. The end of the stream is a message of its own,
//! sent only after size and digest were found right: a reader that has seen the end holds exactly the blob.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};
use tokio::sync::{Semaphore, mpsc};

use super::client::{PieceSender, Shared, Source};
use super::failure::{self, Failure};
use super::settings::Patience;
use crate::base::{Error, Kind, Result};
use crate::oci::{Descriptor, DigestHasher, media};

/// How many bytes may wait for the reader. With the connection's own buffers (some 400 KiB) this bounds the memory of a
/// transfer.
const WINDOW: usize = 1 << 20;
/// Progress, in bytes, after which attempts count anew.
const PROGRESS: u64 = 1 << 20;

/// Some bytes, as they came from the connection.
type Bytes = Box<dyn AsRef<[u8]> + Send>;

/// What the reader gets.
pub(super) enum Piece {
    /// The next bytes.
    Bytes(Bytes),
    /// That was all, and it is what was asked for.
    End,
    /// It cannot be had.
    Failed(Error),
}

/// The sending half: pieces, and room for them.
pub(super) struct Sender {
    pieces: PieceSender,
    room: Arc<Semaphore>,
}

/// Reads a blob. The end is reported only for a blob of the right size and digest. A failure is an `io::Error` around an
/// [`Error`] of this crate, once; reading on fails in general terms.
pub struct BlobReader {
    pieces: mpsc::Receiver<Piece>,
    room: Arc<Semaphore>,
    current: Option<(Bytes, usize)>,
    state: State,
    size: u64,
}

enum State {
    Open,
    Complete,
    Failed(Option<Error>),
}

/// A reader and what feeds it.
pub(super) fn channel(descriptor: &Descriptor) -> (Sender, BlobReader) {
    // The number of pieces is not what bounds: pieces may be as small as a packet.
    let (sender, receiver) = mpsc::channel(1024);
    let room = Arc::new(Semaphore::new(WINDOW));
    let reader =
        BlobReader { pieces: receiver, room: room.clone(), current: None, state: State::Open, size: descriptor.size };
    (Sender { pieces: sender, room }, reader)
}

impl BlobReader {
    /// Reads what is left, to learn whether the blob is whole. The reader of a layer may stop early: a tar stream has an
    /// end of its own, and what follows it still counts for the digest.
    pub fn finish(&mut self) -> Result<()> {
        io::copy(self, &mut io::sink()).map(drop).map_err(as_error)
    }

    /// Whether a failure has been reported: then the blob is to blame, not what was made of it.
    pub fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed(_))
    }

    /// All of it. The caller has checked that the size is bearable.
    pub(super) fn into_bytes(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.size as usize);
        self.read_to_end(&mut bytes).map_err(as_error)?;
        Ok(bytes)
    }
}

/// Out of the `io::Error` in which it travelled.
fn as_error(error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(|error| Error::system("cannot read a blob").caused_by(error))
}

/// Lets a transfer that waits for room know that nobody will make any.
impl Drop for BlobReader {
    fn drop(&mut self) {
        self.room.close();
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some((piece, taken)) = &mut self.current {
                let rest = &(**piece).as_ref()[*taken..];
                let count = rest.len().min(buffer.len());
                if count > 0 {
                    buffer[..count].copy_from_slice(&rest[..count]);
                    *taken += count;
                    self.room.add_permits(count);
                    return Ok(count);
                }
                self.current = None;
            }
            match &mut self.state {
                State::Open => {}
                State::Complete => return Ok(0),
                State::Failed(error) => {
                    let told = || Error::new(Kind::Network, "the blob could not be fetched");
                    return Err(io::Error::other(error.take().unwrap_or_else(told)));
                }
            }
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = Some((bytes, 0)),
                Some(Piece::End) => self.state = State::Complete,
                Some(Piece::Failed(error)) => self.state = State::Failed(Some(error)),
                None => self.state = State::Failed(Some(Error::system("the network thread has ended"))),
            }
        }
    }
}

/// How far a transfer has come.
pub(super) struct Progress {
    /// The first byte that is missing.
    pub offset: u64,
    /// Has seen all before.
    pub hasher: DigestHasher,
}

/// Why an attempt ended before the blob did.
enum Interruption {
    /// Nobody reads any more.
    Unwanted,
    Failure(Failure),
}

impl From<Failure> for Interruption {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// A blob's way from a registry to its reader.
pub(super) struct Transfer {
    pub shared: Arc<Shared>,
    /// In the order in which to try them.
    pub sources: Vec<Source>,
    /// For all of it, if it is limited.
    pub limit: Option<Duration>,
}

impl Transfer {
    /// Fetches the blob from the first source that can give it.
    pub async fn run(self, descriptor: Descriptor, progress: Progress, to: Sender) {
        let fetched = self.fetch(&descriptor, progress, &to);
        let last = match self.limit {
            None => fetched.await,
            Some(limit) => tokio::time::timeout(limit, fetched).await.unwrap_or_else(|_| {
                let host = self.sources.first().map_or("", |source| source.endpoint.host.as_str());
                let what = format!("has not sent the blob `{}`", descriptor.digest);
                Some(Piece::Failed(failure::too_slow(host, &what, limit).error))
            }),
        };
        if let Some(last) = last {
            // A reader that is gone needs no verdict.
            let _ = to.pieces.send(last).await;
        }
    }

    /// Passes everything on but the last piece, which is returned; none when nobody reads any more.
    async fn fetch(&self, descriptor: &Descriptor, mut progress: Progress, to: &Sender) -> Option<Piece> {
        let mut failed = None;
        for source in &self.sources {
            match from_source(&self.shared, source, descriptor, &mut progress, to).await {
                Ok(()) => return Some(verified(descriptor, progress.hasher)),
                Err(Interruption::Unwanted) => return None,
                Err(Interruption::Failure(failure)) => failed = Some(failure.error),
            }
        }
        Some(Piece::Failed(failed.unwrap_or_else(|| Error::system("a blob has no source"))))
    }
}

/// How much has come in how much waiting for the network. The time in which the reader does not read does not count: then
/// the connection's buffers are full, and nothing is waited for.
#[derive(Default)]
struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// Counts a piece; fails at the end of a window in which too little has come.
    fn count(&mut self, waited: Duration, bytes: usize, patience: &Patience, host: &str) -> Result<(), Failure> {
        self.waited += waited;
        self.bytes += bytes as u64;
        if self.waited < patience.window {
            return Ok(());
        }
        let Self { bytes, waited } = std::mem::take(self);
        match bytes < patience.least {
            true => Err(failure::too_slow(host, &format!("sends too slowly: only {bytes} bytes"), waited)),
            false => Ok(()),
        }
    }
}

fn verified(descriptor: &Descriptor, hasher: DigestHasher) -> Piece {
    let actual = hasher.finish();
    if actual == descriptor.digest {
        return Piece::End;
    }
    Piece::Failed(
        Error::invalid(format!("the blob `{}` is damaged: what came has the digest `{actual}`", descriptor.digest))
            .hint("the registry, or something on the way to it, changed it; nothing of it was kept"),
    )
}

/// All attempts at one source.
async fn from_source(
    shared: &Shared,
    source: &Source,
    descriptor: &Descriptor,
    progress: &mut Progress,
    to: &Sender,
) -> Result<(), Interruption> {
    let mut attempt = 1;
    let mut counted_from = progress.offset;
    if progress.offset == descriptor.size {
        return Ok(());
    }
    loop {
        let failure = match attempt_once(shared, source, descriptor, progress, to).await {
            Ok(()) => return Ok(()),
            Err(Interruption::Unwanted) => return Err(Interruption::Unwanted),
            Err(Interruption::Failure(failure)) => failure,
        };
        if progress.offset - counted_from >= PROGRESS {
            (attempt, counted_from) = (1, progress.offset);
        }
        match failure.pause(attempt, &shared.settings.patience) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(Interruption::Failure(failure)),
        }
        attempt += 1;
    }
}

async fn attempt_once(
    shared: &Shared,
    source: &Source,
    descriptor: &Descriptor,
    progress: &mut Progress,
    to: &Sender,
) -> Result<(), Interruption> {
    let path = format!("blobs/{}", descriptor.digest);
    let answer = shared.get(source, &path, None, progress.offset).await;
    let mut response = answer.map_err(|failure| failure.map(|error| in_terms_of_blob(error, descriptor)))?;
    let mut skip = to_skip(&response, descriptor, progress.offset).map_err(Failure::lasting)?;
    let host = super::transport::authority(response.url());
    let mut pace = Pace::default();
    loop {
        let asked = Instant::now();
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) => return Err(failure::of_transport(&error, &host).into()),
        };
        pace.count(asked.elapsed(), chunk.len(), &shared.settings.patience, &host)?;
        let skipped = skip.min(chunk.len() as u64);
        skip -= skipped;
        let fresh = chunk.slice(skipped as usize..);
        if fresh.len() as u64 > descriptor.size - progress.offset {
            return Err(Failure::lasting(wrong_size(descriptor, "more")).into());
        }
        if fresh.is_empty() {
            continue;
        }
        progress.hasher.update(&fresh);
        progress.offset += fresh.len() as u64;
        to.send(fresh).await.map_err(|()| Interruption::Unwanted)?;
    }
    match progress.offset == descriptor.size {
        true => Ok(()),
        false => Err(Failure::passing(wrong_size(descriptor, &format!("only {}", progress.offset))).into()),
    }
}

/// How many bytes of the answer the reader has already. Refuses an answer that cannot be the rest of the blob.
fn to_skip(response: &Response, descriptor: &Descriptor, offset: u64) -> Result<u64> {
    let partial = response.status() == StatusCode::PARTIAL_CONTENT;
    if partial {
        let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let begins =
            range.strip_prefix("bytes ").and_then(|range| range.split('-').next()).and_then(|n| n.parse().ok());
        if begins != Some(offset) {
            return Err(Error::new(
                Kind::Network,
                "the registry answered with another part of the blob than was asked for",
            ));
        }
    }
    let expected = if partial { descriptor.size - offset } else { descriptor.size };
    match response.content_length() {
        Some(length) if length != expected => {
            Err(wrong_size(descriptor, &(length + descriptor.size - expected).to_string()))
        }
        _ => Ok(if partial { 0 } else { offset }),
    }
}

fn wrong_size(descriptor: &Descriptor, actual: &str) -> Error {
    Error::invalid(format!(
        "the blob `{}` has the wrong size: {actual} bytes came, but the manifest says {}",
        descriptor.digest, descriptor.size
    ))
    .hint(
        "the copy in the registry is damaged, or the connection is cut on the way; push the image again if this stays",
    )
}

fn in_terms_of_blob(error: Error, descriptor: &Descriptor) -> Error {
    match error.kind() {
        Kind::NotFound if media::is_foreign(&descriptor.media_type) => Error::not_found(format!(
            "the registry does not have the layer `{}`, which is not meant to be distributed",
            descriptor.digest
        ))
        .caused_by(error)
        .hint(
            "its publisher keeps it elsewhere (most such layers are of Windows); ask them for an image that is whole",
        ),
        Kind::NotFound => {
            Error::not_found(format!("the registry has lost the blob `{}` of the image", descriptor.digest))
                .caused_by(error)
                .hint("the image must be pushed again")
        }
        _ => error,
    }
}

impl Sender {
    /// Waits for room, then passes the bytes on. Fails when the reader is gone.
    async fn send(&self, bytes: impl AsRef<[u8]> + Send + 'static) -> Result<(), ()> {
        let size = bytes.as_ref().len().min(WINDOW);
        self.room.acquire_many(size as u32).await.map_err(drop)?.forget();
        self.pieces.send(Piece::Bytes(Box::new(bytes))).await.map_err(drop)
    }
}
