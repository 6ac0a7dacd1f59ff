//! Answers to large reads without a copy in this process: the file's pages go through a pipe to the kernel (splice(2)).
//!
//! fuser answers from memory, so that each byte would be copied into this process and out of it again. Here its part is
//! left out: the header of an answer (struct fuse_out_header in linux/fuse.h) and the bytes are put into a pipe, and the
//! pipe into the device. For that all threads share one open device: an answer is for the one that the request was read
//! from. Small reads are faster by way of memory, and so is what ends before it is full, for the header comes first.

use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags};

use super::node::Res;

/// The reads that are worth it, in bytes: from the size on where it begins to pay, to what fits the pipe beside the header.
const WORTH: std::ops::RangeInclusive<usize> = 32 << 10..=PIPE - (4 << 10);

/// The size of a pipe, in bytes: each page takes a place in it, and the header one.
const PIPE: usize = 256 << 10;

/// The bytes of a header: the length of all, the error, and the number of the request.
const HEADER: usize = 16;

/// An empty pipe: for reading, for writing.
struct Pipe(OwnedFd, OwnedFd);

thread_local! {
    /// The pipe of this thread; none before it is needed, and none after one could not be had.
    static PIPE_OF_THREAD: RefCell<Option<Res<Pipe>>> = const { RefCell::new(None) };
}

impl Pipe {
    fn new() -> Res<Self> {
        let (reading, writing) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A user may have so many large pipes and no more (pipe(7)).
        match rustix::pipe::fcntl_setpipe_size(&writing, PIPE)? {
            size if size >= PIPE => Ok(Self(reading, writing)),
            _ => Err(Errno::NOMEM),
        }
    }

    /// Sends the answer to a request through the pipe. After a failure something may be left in it.
    fn send(&self, device: impl AsFd, request: u64, file: &OwnedFd, offset: u64, size: usize) -> Res<()> {
        let Self(reading, writing) = self;
        let length = HEADER + size;
        rustix::io::write(writing, &header(length, request))?;
        let (mut offset, mut left) = (offset, size);
        while left > 0 {
            match rustix::pipe::splice(file, Some(&mut offset), writing, None, left, SpliceFlags::NONBLOCK) {
                Ok(0) => return Err(Errno::NODATA),
                Ok(moved) => left -= moved.min(left),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        match rustix::pipe::splice(reading, None, device, None, length, SpliceFlags::empty())? {
            sent if sent == length => Ok(()),
            _ => Err(Errno::IO),
        }
    }
}

fn header(length: usize, request: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    header[..4].copy_from_slice(&length.to_ne_bytes());
    header[8..].copy_from_slice(&request.to_ne_bytes());
    header
}

/// Answers a READ of `size` bytes with those of `file`, if that is worth it and the file has as many. False if nothing was
/// answered.
pub(super) fn answer(device: impl AsFd, request: u64, file: &OwnedFd, offset: u64, size: usize) -> bool {
    if !WORTH.contains(&size) {
        return false;
    }
    PIPE_OF_THREAD.with_borrow_mut(|pipe| {
        let Ok(open) = pipe.get_or_insert_with(Pipe::new) else { return false };
        let sent = open.send(device, request, file, offset, size).is_ok();
        if !sent {
            *pipe = None;
        }
        sent
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// What the device gets of an answer.
    fn sent(size_of_file: usize, offset: u64, size: usize) -> Option<Vec<u8>> {
        let area = crate::base::publish::Staging::new(&std::env::temp_dir()).unwrap();
        let path = area.path().join("file");
        let bytes: Vec<u8> = (0..size_of_file).map(|at| (at % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = OwnedFd::from(std::fs::File::open(&path).unwrap());
        // A pipe for a device: what is spliced into it can be read.
        let (mut device, into) = std::io::pipe().unwrap();
        rustix::pipe::fcntl_setpipe_size(&into, 2 * PIPE).unwrap();
        let mut into = std::fs::File::from(OwnedFd::from(into));
        let answered = answer(&into, 7, &file, offset, size);
        into.write_all(b"end").unwrap();
        drop(into);
        let mut got = Vec::new();
        device.read_to_end(&mut got).unwrap();
        assert!(got.ends_with(b"end"));
        got.truncate(got.len() - 3);
        assert_eq!(answered, !got.is_empty());
        if answered {
            assert_eq!(got[..HEADER], header(HEADER + size, 7));
            assert_eq!(got[HEADER..], bytes[offset as usize..offset as usize + size]);
        }
        answered.then_some(got)
    }

    #[test]
    fn an_answer_is_a_header_and_the_bytes() {
        assert!(sent(200_000, 5, 131_072).is_some());
        assert!(sent(300_000, 4096, *WORTH.end()).is_some());
        assert!(sent(300_000, 0, *WORTH.start()).is_some());
    }

    #[test]
    fn what_is_short_small_or_too_large_is_left_to_memory_and_nothing_stays_in_the_pipe() {
        assert_eq!(sent(100_000, 0, 131_072), None);
        assert_eq!(sent(100_000, 200_000, 65_536), None);
        assert_eq!(sent(100_000, 0, 4096), None);
        assert_eq!(sent(400_000, 0, PIPE), None);
        assert!(sent(200_000, 0, 131_072).is_some());
    }
}
