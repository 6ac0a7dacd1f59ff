//! What a request carries, and the watch over large content on its way to a registry.
//!
//! A piece of a file is read while it is sent, and can be sent again from any byte. How long that takes depends on the
//! line, so that no total limit would be right. [`Watch`] ends an attempt when nothing was taken for a while, too little in
//! a longer while, or when everything was taken and no answer follows.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use reqwest::RequestBuilder;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};

use super::failure::{self, Failure};
use super::settings::Patience;

/// Bytes that are read and handed to the connection at once.
const CHUNK: usize = 64 << 10;

/// The body of a request.
#[derive(Debug, Clone)]
pub enum Content {
    /// There is none, and the method expects none.
    None,
    /// Of length zero, where the method expects one.
    Empty,
    /// `application/x-www-form-urlencoded`. It may hold a secret, and is therefore never sent along a redirect.
    Form(String),
    /// A document of this media type.
    Document(String, Vec<u8>),
    /// A part of a file.
    Piece(Piece),
}

/// The rest of a file, from some byte on; nothing when all of it was sent.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Never shorter than `size`, and not changed meanwhile.
    pub file: Arc<File>,
    /// The first byte to send.
    pub from: u64,
    /// Bytes of the whole.
    pub size: u64,
    /// Up to which byte the connection has taken it; read by whoever shows progress.
    pub taken: Arc<AtomicU64>,
}

impl Content {
    /// Gives it to a request, with the headers that describe it.
    pub fn put_into(self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::None => request,
            Self::Empty => request.header(CONTENT_LENGTH, 0).body(Vec::new()),
            Self::Form(form) => request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form),
            Self::Document(media_type, bytes) => request.header(CONTENT_TYPE, media_type).body(bytes),
            Self::Piece(piece) => {
                let Piece { from, size, .. } = piece;
                let request = request.header(CONTENT_TYPE, "application/octet-stream");
                if from == size {
                    return request.header(CONTENT_LENGTH, 0).body(Vec::new());
                }
                // Only where something was sent before: not all registries know the header of a first piece.
                let request = match from {
                    0 => request,
                    _ => request.header(CONTENT_RANGE, format!("{from}-{}", size.saturating_sub(1))),
                };
                let at = from;
                request.header(CONTENT_LENGTH, size - from).body(reqwest::Body::wrap_stream(Reading { piece, at }))
            }
        }
    }
}

/// A piece as a stream of chunks. The file was written a moment ago or is read ahead by the kernel: reading it does not
/// hold up the network thread for long.
struct Reading {
    piece: Piece,
    at: u64,
}

impl Stream for Reading {
    type Item = std::io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let at = self.at;
        // Whoever asks for the next chunk has taken those before.
        self.piece.taken.store(at, Ordering::Relaxed);
        let length = CHUNK.min(usize::try_from(self.piece.size - at).unwrap_or(CHUNK));
        if length == 0 {
            return Poll::Ready(None);
        }
        let mut chunk = vec![0; length];
        Poll::Ready(Some(self.piece.file.read_exact_at(&mut chunk, at).map(|()| {
            self.at += length as u64;
            chunk
        })))
    }
}

/// Ends an upload that does not go on.
pub struct Watch {
    taken: Arc<AtomicU64>,
    size: u64,
    patience: Patience,
    host: String,
}

/// A window of time, and how much was taken before it.
struct Window {
    since: Instant,
    taken: u64,
}

impl Watch {
    /// Over one attempt to send `piece` to `host`.
    pub fn new(piece: &Piece, patience: &Patience, host: String) -> Self {
        piece.taken.store(piece.from, Ordering::Relaxed);
        Self { taken: piece.taken.clone(), size: piece.size, patience: *patience, host }
    }

    /// Waits for `attempt` as long as it goes on.
    pub async fn over<T>(&self, attempt: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let mut attempt = Box::pin(attempt);
        let tick = (self.patience.stall / 8).max(Duration::from_millis(10));
        let now = || Window { since: Instant::now(), taken: self.taken.load(Ordering::Relaxed) };
        let (mut moved, mut window) = (now(), now());
        loop {
            if let Ok(answer) = tokio::time::timeout(tick, attempt.as_mut()).await {
                return answer;
            }
            let taken = self.taken.load(Ordering::Relaxed);
            if taken != moved.taken {
                moved = now();
            }
            let (limit, what) = match taken >= self.size {
                true => (self.patience.settle, "has not confirmed what it was sent"),
                false => (self.patience.stall, "has not taken more of what it is sent"),
            };
            if moved.since.elapsed() >= limit {
                return Err(failure::too_slow(&self.host, what, limit));
            }
            if taken < self.size && window.since.elapsed() >= self.patience.window {
                let bytes = taken.saturating_sub(window.taken);
                if bytes < self.patience.least {
                    let what = format!("takes too slowly what it is sent: only {bytes} bytes");
                    return Err(failure::too_slow(&self.host, &what, self.patience.window));
                }
                window = now();
            }
        }
    }
}
