//! The content of answers: a few bytes, or a stream that a thread writes.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

/// Bytes of one piece of a stream.
const PIECE: usize = 128 << 10;
/// Pieces that wait for the client.
const WAITING: usize = 2;

/// The content of an answer.
pub enum Answer {
    /// All of it.
    Whole(Option<Bytes>),
    /// What a thread writes. The header says how long it is.
    Stream(mpsc::Receiver<Bytes>),
}

impl Answer {
    /// Of some bytes.
    pub fn of(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    /// A stream and what writes it.
    pub fn stream() -> (Self, Pieces) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self::Stream(receiver), Pieces { sender, piece: Vec::new() })
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(receiver) => {
                receiver.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// The writing end of a stream. Fails once the client has gone. Without [`Pieces::finish`] the last piece is missing: the
/// connection then ends before the length that was announced, and the client knows that something went wrong.
pub struct Pieces {
    sender: mpsc::Sender<Bytes>,
    piece: Vec<u8>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.piece);
        self.sender.blocking_send(piece.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Sends the last piece.
    pub fn finish(mut self) -> io::Result<()> {
        match self.piece.is_empty() {
            true => Ok(()),
            false => self.send(),
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() >= PIECE {
            self.send()?;
        }
        if self.piece.capacity() == 0 {
            self.piece.reserve_exact(PIECE);
        }
        let count = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
