//! From a compressed stream to tar bytes on two cores: one thread reads and inflates, the caller's hashes and uses.
//!
//! # Theory of operation
//!
//! Inflating is the slowest part (crates measured: 300 MB/s with zlib-rs, SHA-256 1,100 MB/s, writing files 850 MB/s), so
//! it has a thread of its own and hashing stays with the consumer: then both cores are about equally busy. A fixed set of
//! buffers goes round between the two: full ones to the consumer, empty ones back. Nothing is allocated on the way, and
//! whoever is ahead waits; memory is [`BUFFERS`] times [`BUFFER`], whatever the layer's size.
//!
//! A consumer that gives up drops its end of the channels; the reading thread notices at its next buffer. So an abandoned
//! pipeline ends as soon as the blob's current read returns: readers that wait for a network need a timeout of their own.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::inflate::inflate;
use super::read_error;
use crate::base::{Error, Result, ResultExt};
use crate::oci::{Compression, Digest, DigestHasher};

/// Bytes in one buffer: large enough that handing over costs nothing, small enough to be still in the cache.
const BUFFER: usize = 256 << 10;
/// Buffers of one pipeline.
const BUFFERS: usize = 4;

/// Runs `consume` on the uncompressed bytes of `blob` and returns what it returned with the SHA-256 digest of all of
/// them. The consumer must read to the end, else that is an error.
pub fn run<T>(
    blob: impl Read + Send,
    compression: Compression,
    consume: impl FnOnce(&mut Stream) -> Result<T>,
) -> Result<(T, Digest)> {
    run_plain(|| inflate(blob, compression), consume)
}

/// [`run`] for a stream that is not compressed, whatever its first bytes look like. `open` is called in the reading thread.
pub fn run_plain<T, R: Read>(
    open: impl FnOnce() -> io::Result<R> + Send,
    consume: impl FnOnce(&mut Stream) -> Result<T>,
) -> Result<(T, Digest)> {
    let (full_in, full_out) = sync_channel(BUFFERS);
    let (empty_in, empty_out) = sync_channel(BUFFERS);
    for _ in 0..BUFFERS {
        // The channel has room for all of them.
        let _ = empty_in.send(Buffer { bytes: vec![0; BUFFER].into_boxed_slice(), length: 0 });
    }
    thread::scope(|scope| {
        thread::Builder::new()
            .name("inflate".into())
            .spawn_scoped(scope, move || produce(open, &empty_out, &full_in))
            .context(|| "cannot start a thread")?;
        let mut stream = Stream::new(full_out, empty_in);
        let result = consume(&mut stream)?;
        Ok((result, stream.finish()?))
    })
}

struct Buffer {
    bytes: Box<[u8]>,
    length: usize,
}

/// A full buffer, or why there is none. An empty one is the end.
type Message = io::Result<Buffer>;

/// The reading thread.
fn produce<R: Read>(open: impl FnOnce() -> io::Result<R>, empty: &Receiver<Buffer>, full: &SyncSender<Message>) {
    let mut inflated = match open() {
        Ok(inflated) => inflated,
        Err(error) => {
            let _ = full.send(Err(error));
            return;
        }
    };
    while let Ok(mut buffer) = empty.recv() {
        buffer.length = 0;
        let mut failure = None;
        while buffer.length < buffer.bytes.len() {
            match inflated.read(&mut buffer.bytes[buffer.length..]) {
                Ok(0) => break,
                Ok(length) => buffer.length += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let last = buffer.length == 0 || failure.is_some();
        // What came before a failure is not worth parsing: the layer is lost anyway.
        if full.send(failure.map_or(Ok(buffer), Err)).is_err() || last {
            return;
        }
    }
}

/// The uncompressed bytes, hashed as they arrive.
pub struct Stream {
    full: Receiver<Message>,
    empty: SyncSender<Buffer>,
    current: Option<Buffer>,
    used: usize,
    hasher: DigestHasher,
    ended: bool,
}

impl Stream {
    fn new(full: Receiver<Message>, empty: SyncSender<Buffer>) -> Self {
        Self { full, empty, current: None, used: 0, hasher: DigestHasher::new(), ended: false }
    }

    /// The digest of everything, which must have been read.
    fn finish(mut self) -> Result<Digest> {
        match self.fill_buf().map_err(read_error)?.is_empty() {
            true => Ok(self.hasher.finish()),
            false => Err(Error::system("the layer was not read to its end")),
        }
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let used_up = self.current.as_ref().is_none_or(|buffer| self.used == buffer.length);
        if used_up && !self.ended {
            if let Some(buffer) = self.current.take() {
                // The reading thread may be gone already: then nobody needs the buffer.
                let _ = self.empty.send(buffer);
            }
            let gone = |_| io::Error::other(Error::system("the thread that reads the layer ended unexpectedly"));
            let buffer = self.full.recv().map_err(gone)??;
            self.hasher.update(&buffer.bytes[..buffer.length]);
            self.used = 0;
            self.ended = buffer.length == 0;
            self.current = Some(buffer);
        }
        Ok(self.current.as_ref().map_or(&[], |buffer| &buffer.bytes[self.used..buffer.length]))
    }

    fn consume(&mut self, amount: usize) {
        self.used += amount;
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(bytes)?;
        self.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Data that compresses a little and is larger than all buffers together.
    fn sample() -> Vec<u8> {
        (0..3_000_000u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 20).to_le_bytes()).take(2_500_000).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn tar(contents: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(contents.len() as u64);
        builder.append_data(&mut header, "x", contents).unwrap();
        builder.into_inner().unwrap()
    }

    fn read_all(blob: &[u8], compression: Compression) -> Result<(Vec<u8>, Digest)> {
        run(blob, compression, |stream| {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).map_err(read_error)?;
            Ok(bytes)
        })
    }

    #[test]
    fn every_compression_gives_the_same_bytes_and_digest() {
        let plain = tar(&sample());
        let digest = Digest::sha256(&plain);
        let members = [gzip(&plain[..1_000_000]), gzip(&plain[1_000_000..])].concat();
        let skippable =
            [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd::encode_all(&plain[..], 1).unwrap()].concat();
        for (what, blob, claimed) in [
            ("plain", plain.clone(), Compression::None),
            ("gzip", gzip(&plain), Compression::Gzip),
            ("gzip members", members, Compression::Gzip),
            ("garbage behind gzip", [&gzip(&plain)[..], b"garbage"].concat(), Compression::Gzip),
            ("zeros behind gzip", [gzip(&plain), vec![0; 300_000]].concat(), Compression::Gzip),
            ("half a magic behind gzip", [&gzip(&plain)[..], b"\x1f\x8b"].concat(), Compression::Gzip),
            ("zstd", zstd::encode_all(&plain[..], 1).unwrap(), Compression::Zstd),
            ("zstd after a skippable frame", skippable, Compression::Zstd),
            ("a type that lies", gzip(&plain), Compression::None),
            ("another lie", plain.clone(), Compression::Gzip),
        ] {
            let (bytes, found) = read_all(&blob, claimed).unwrap();
            assert!(bytes == plain, "{what}");
            assert_eq!(found, digest, "{what}");
        }
    }

    #[test]
    fn damaged_streams_are_errors() {
        let plain = tar(&sample());
        let (gz, zst) = (gzip(&plain), zstd::encode_all(&plain[..], 1).unwrap());
        let mut flipped = gz.clone();
        flipped[gz.len() - 6] ^= 1;
        for (what, blob, claimed) in [
            ("cut gzip", &gz[..gz.len() - 9], Compression::Gzip),
            ("wrong crc", &flipped[..], Compression::Gzip),
            ("damage in the second member", &[&gz[..], &flipped[..]].concat(), Compression::Gzip),
            ("cut in the second header", &[&gz[..], &gz[..5]].concat(), Compression::Gzip),
            ("cut zstd", &zst[..zst.len() - 9], Compression::Zstd),
            ("no compression at all", b"<html>", Compression::Gzip),
        ] {
            let error = read_all(blob, claimed).unwrap_err();
            assert_eq!(error.kind(), crate::base::Kind::Invalid, "{what}: {}", error.chain());
        }
    }

    #[test]
    fn a_zstd_window_beyond_the_bound_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&tar(&sample())).unwrap();
        let error = read_all(&encoder.finish().unwrap(), Compression::Zstd).unwrap_err();
        assert!(error.chain().contains("too much memory"), "{}", error.chain());
    }

    #[test]
    fn an_error_of_the_reader_keeps_its_kind_and_a_consumer_may_give_up() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other(Error::new(crate::base::Kind::Network, "connection reset")))
            }
        }
        let error = run(Broken, Compression::None, |stream| stream.fill_buf().map(<[u8]>::len).map_err(read_error));
        assert_eq!(error.unwrap_err().kind(), crate::base::Kind::Network);
        let endless = io::repeat(0);
        let stopped: Result<((), _)> = run(endless, Compression::None, |_| Err(Error::invalid("enough")));
        assert_eq!(stopped.unwrap_err().message(), "enough");
    }
}
