//! The tar stream of a layer that podman or docker has unpacked, put together again from its tar-split record
//! (github.com/vbatts/tar-split) and its files.
//!
//! A record is a compressed list of JSON objects, one on each line: pieces of the stream as they were (`type` 2: headers,
//! padding), and files (`type` 1) whose content stands at that place. It is as hostile as the layer: every file is opened
//! beneath the layer's directory, gives exactly the bytes that the record demands, and the result is compared with the
//! layer's digest by whoever reads it.
//!
//! A sparse file of an archive is recorded as if it had no holes, so that the archives of such layers are not to be had back;
//! the digest tells. Programs that build images write none.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use crate::sys::beneath::BeneathDir;

/// The longest line, in bytes: a piece is a header with its extensions, or padding.
const LINE_MAX: u64 = 32 << 20;

/// A line of the record.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(default)]
    name: Option<String>,
    /// A name that is not UTF-8.
    #[serde(default)]
    name_raw: Option<String>,
    #[serde(default)]
    size: i64,
    #[serde(default)]
    payload: Option<String>,
}

/// What is being passed on.
enum Piece {
    Bytes(io::Cursor<Vec<u8>>),
    File(io::Take<File>),
}

/// The tar stream.
pub struct Stream {
    record: BufReader<MultiGzDecoder<File>>,
    files: BeneathDir,
    piece: Option<Piece>,
}

impl Stream {
    /// Of the record `record` and the files below `files`.
    pub fn new(record: File, files: BeneathDir) -> Self {
        Self { record: BufReader::new(MultiGzDecoder::new(record)), files, piece: None }
    }

    /// The next piece that is not empty; none at the end.
    fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            let mut line = Vec::new();
            self.record.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Ok(None);
            }
            if line.len() as u64 == LINE_MAX {
                return Err(invalid("a line of the layer's tar-split record is too long".into()));
            }
            let entry: Entry = serde_json::from_slice(&line)
                .map_err(|error| invalid(format!("the layer's tar-split record is damaged: {error}")))?;
            match entry.kind {
                2 => {
                    let bytes = decode(entry.payload.as_deref().unwrap_or_default())?;
                    return Ok(Some(Piece::Bytes(io::Cursor::new(bytes))));
                }
                1 if entry.size > 0 => return self.file(&entry).map(Some),
                1 => {}
                other => return Err(invalid(format!("the layer's tar-split record has an entry of type {other}"))),
            }
        }
    }

    fn file(&self, entry: &Entry) -> io::Result<Piece> {
        let name = match (&entry.name_raw, &entry.name) {
            (Some(raw), _) => decode(raw)?,
            (None, name) => name.clone().unwrap_or_default().into_bytes(),
        };
        let shown = || crate::base::text::clean(&String::from_utf8_lossy(&name)).into_owned();
        let file = self.files.open_file(name.as_slice());
        let file = file.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot open `{}` of the layer: {error}", shown()))
        })?;
        let size = u64::try_from(entry.size).unwrap_or(0);
        match file.metadata()?.len() {
            length if length >= size => Ok(Piece::File(file.take(size))),
            length => Err(invalid(format!("`{}` of the layer has {length} bytes instead of {size}", shown()))),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let count = match &mut self.piece {
                Some(Piece::Bytes(bytes)) => bytes.read(buffer)?,
                Some(Piece::File(file)) => match file.read(buffer)? {
                    0 if file.limit() > 0 => return Err(invalid("a file of the layer becomes shorter".into())),
                    count => count,
                },
                None => 0,
            };
            if count > 0 {
                return Ok(count);
            }
            self.piece = self.next()?;
            if self.piece.is_none() {
                return Ok(0);
            }
        }
    }
}

fn decode(text: &str) -> io::Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|error| invalid(format!("the layer's tar-split record is damaged: {error}")))
}

fn invalid(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::base::publish::Staging;

    /// The stream of a record, with a file `a` that has five bytes, a link `b` out of the directory, and a fifo.
    fn read(lines: &[&str]) -> io::Result<String> {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let files = scratch.path().join("files");
        std::fs::create_dir(&files).unwrap();
        std::fs::write(files.join("a"), "hello").unwrap();
        std::fs::write(scratch.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink("../secret", files.join("b")).unwrap();
        nix::unistd::mkfifo(&files.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let record = scratch.path().join("record");
        let mut gzip = flate2::write::GzEncoder::new(File::create(&record).unwrap(), flate2::Compression::fast());
        lines.iter().for_each(|line| writeln!(gzip, "{line}").unwrap());
        gzip.finish().unwrap();
        let mut text = String::new();
        let files = BeneathDir::open(&files).unwrap();
        Stream::new(File::open(record).unwrap(), files).read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn pieces_and_files_make_a_stream() {
        let lines = [
            r#"{"type":2,"payload":"PA==","position":0}"#,
            r#"{"type":1,"name":"./a","size":5,"payload":"AAAA","position":1}"#,
            r#"{"type":1,"name":"dir/","payload":null,"position":2}"#,
            r#"{"type":2,"payload":"","position":3}"#,
            r#"{"type":1,"name_raw":"YQ==","size":2,"payload":"AAAA","position":4}"#,
            r#"{"type":2,"payload":"Pg==","position":5}"#,
        ];
        assert_eq!(read(&lines).unwrap(), "<hellohe>");
        assert_eq!(read(&[]).unwrap(), "");
    }

    #[test]
    fn records_cannot_reach_out_of_a_layer() {
        for line in [
            r#"{"type":1,"name":"b","size":6}"#,
            r#"{"type":1,"name":"../secret","size":6}"#,
            r#"{"type":1,"name":"/../secret","size":6}"#,
            r#"{"type":1,"name":"fifo","size":6}"#,
            r#"{"type":1,"name":".","size":6}"#,
            r#"{"type":1,"name":"a","size":6}"#,
            r#"{"type":1,"name":"absent","size":1}"#,
            r#"{"type":1,"size":1}"#,
            r#"{"type":1,"name":"a\u0000","size":5}"#,
            r#"{"type":3}"#,
            r#"{"type":2,"payload":"*"}"#,
            r#"{"type":2"#,
        ] {
            assert!(read(&[line]).is_err(), "{line}");
        }
    }
}
