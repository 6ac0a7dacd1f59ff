//! Answers large reads without copying: the file's pages go through a pipe to the kernel (splice(2)).
//!
//! fuser answers from memory, which copies each byte into this process and out again. Here the header of the answer
//! (struct fuse_out_header in linux/fuse.h) and the file's bytes are put into a pipe, and the pipe is spliced into the
//! device. All threads must share one open device, since an answer goes to the one that its request was read from.
//! Small reads are faster through memory.
//!
//! The header comes first and has the length of the answer, so the file's length is read before. If the file is
//! truncated in between, nothing is sent, and the pipe is dropped with its contents. The kernel copies the pages when
//! they are sent (moving them would take a flag), so the answer is what a read(2) could have returned.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags};

use super::primitives::{Res, lock};

/// The smallest read that is spliced.
const WORTH: usize = 32 << 10;

/// The size of a pipe, in bytes. Each page of the file takes one slot, and so does the header.
const PIPE: usize = 256 << 10;

/// The size of a slot, in bytes.
const PAGE: usize = 4 << 10;

/// The size of a header in bytes: total length, error, and request id.
const HEADER: usize = 16;

/// An empty pipe: read end and write end.
struct Pipe(OwnedFd, OwnedFd);

impl Pipe {
    fn new() -> Res<Self> {
        let (reading, writing) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // The total size of a user's large pipes is limited (pipe(7)).
        match rustix::pipe::fcntl_setpipe_size(&writing, PIPE)? {
            size if size >= PIPE => Ok(Self(reading, writing)),
            _ => Err(Errno::NOMEM),
        }
    }

    /// Sends the answer to a request through the pipe. After a failure bytes may be left in it.
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

/// Splices answers into a device.
pub(super) struct Splicer {
    device: OwnedFd,
    /// Unused pipes: as many as there ever were answers at once. They count against the user's limit.
    pipes: Mutex<Vec<Pipe>>,
}

impl Splicer {
    /// For the device that the requests are read from.
    pub fn new(device: OwnedFd) -> Self {
        Self { device, pipes: Mutex::default() }
    }

    /// Answers a READ of `size` bytes from `file`, if it is large enough for splicing. False if nothing was sent.
    pub fn answer(&self, request: u64, file: &OwnedFd, offset: u64, size: usize) -> bool {
        if size < WORTH {
            return false;
        }
        let Some(size) = left_of(file, offset).map(|left| left.min(size)) else { return false };
        let in_page = offset as usize % PAGE;
        if size < WORTH || in_page + size > PIPE - PAGE {
            return false;
        }
        let pipe = lock(&self.pipes).pop();
        let Ok(pipe) = pipe.map_or_else(Pipe::new, Ok) else { return false };
        let sent = pipe.send(&self.device, request, file, offset, size).is_ok();
        if sent {
            lock(&self.pipes).push(pipe);
        }
        sent
    }
}

/// How many bytes a file has behind `offset`.
fn left_of(file: &OwnedFd, offset: u64) -> Option<usize> {
    let length = u64::try_from(rustix::fs::fstat(file).ok()?.st_size).ok()?;
    usize::try_from(length.checked_sub(offset)?).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{PipeReader, Read};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A pipe as a device: what is spliced into it can be read.
    fn device() -> (PipeReader, Splicer) {
        let (device, into) = std::io::pipe().unwrap();
        rustix::pipe::fcntl_setpipe_size(&into, 2 * PIPE).unwrap();
        (device, Splicer::new(into.into()))
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8 + 1).collect()
    }

    fn file_of(length: usize) -> File {
        let file = tempfile();
        rustix::io::pwrite(&file, &bytes(length), 0).unwrap();
        file
    }

    /// An unnamed file.
    fn tempfile() -> File {
        let area = crate::base::publish::Staging::new(&std::env::temp_dir()).unwrap();
        File::options().read(true).write(true).create_new(true).open(area.path().join("file")).unwrap()
    }

    /// Everything that is in the pipe.
    fn all_of(mut device: PipeReader, splicer: Splicer) -> Vec<u8> {
        drop(splicer);
        let mut got = Vec::new();
        device.read_to_end(&mut got).unwrap();
        got
    }

    /// How many bytes the device gets for a file of this length; checks that they are the right ones.
    fn sent(length: usize, offset: u64, size: usize) -> Option<usize> {
        let (device, splicer) = device();
        let answered = splicer.answer(7, &file_of(length).into(), offset, size);
        let got = all_of(device, splicer);
        assert_eq!(answered, !got.is_empty());
        answered.then(|| {
            let size = got.len() - HEADER;
            assert_eq!(got[..HEADER], header(HEADER + size, 7));
            assert_eq!(got[HEADER..], bytes(length)[offset as usize..offset as usize + size]);
            size
        })
    }

    #[test]
    fn an_answer_is_a_header_and_the_bytes() {
        assert_eq!(sent(200_000, 5, 131_072), Some(131_072));
        assert_eq!(sent(300_000, 4096, PIPE - PAGE), Some(PIPE - PAGE));
        assert_eq!(sent(300_000, 0, WORTH), Some(WORTH));
    }

    #[test]
    fn what_a_file_has_left_is_an_answer() {
        assert_eq!(sent(100_000, 0, 131_072), Some(100_000));
        assert_eq!(sent(100_000, 4096, 1 << 20), Some(95_904));
    }

    #[test]
    fn what_is_small_or_too_large_or_behind_the_end_is_left_to_memory() {
        assert_eq!(sent(100_000, 0, 4096), None);
        assert_eq!(sent(100_000, 69_632, 131_072), None);
        assert_eq!(sent(100_000, 200_000, 65_536), None);
        assert_eq!(sent(400_000, 0, PIPE), None);
        // One page more than the pipe has slots.
        assert_eq!(sent(400_000, 1, PIPE - PAGE), None);
    }

    #[test]
    fn a_pipe_is_used_again() {
        let (device, splicer) = device();
        let file = OwnedFd::from(file_of(40_000));
        for request in 0..4 {
            assert!(splicer.answer(request, &file, 0, 40_960));
        }
        assert_eq!(lock(&splicer.pipes).len(), 1);
        let got = all_of(device, splicer);
        for (request, got) in got.chunks(HEADER + 40_000).enumerate() {
            assert_eq!(got[..HEADER], header(HEADER + 40_000, request as u64));
            assert_eq!(got[HEADER..], bytes(40_000));
        }
    }

    #[test]
    fn a_pipe_with_something_left_in_it_is_given_up() {
        // The device refuses it.
        let (nobody, into) = std::io::pipe().unwrap();
        drop(nobody);
        let splicer = Splicer::new(into.into());
        assert!(!splicer.answer(7, &file_of(65_536).into(), 0, 65_536));
        assert_eq!(lock(&splicer.pipes).len(), 0);

        let (reading, splicer) = device();
        let pipe = Pipe::new().unwrap();
        // Longer before than it is now.
        assert_eq!(pipe.send(&splicer.device, 7, &file_of(40_000).into(), 0, 65_536), Err(Errno::NODATA));
        assert_eq!(all_of(reading, splicer), b"");
    }

    /// Sets the flag when dropped.
    struct AtEnd<'a>(&'a AtomicBool);

    impl Drop for AtEnd<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_file_that_is_cut_off_and_grows_meanwhile_gives_whole_answers() {
        let (mut device, splicer) = device();
        let file = file_of(131_072);
        let done = AtomicBool::new(false);
        let wanted = bytes(131_072);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut length = 0;
                while !done.load(Ordering::Relaxed) {
                    length = (length + 12_345) % 131_072;
                    file.set_len(length).unwrap();
                    rustix::io::pwrite(&file, &wanted, 0).unwrap();
                }
            });
            // Also when something here fails.
            let _done = AtEnd(&done);
            let read_from = OwnedFd::from(file.try_clone().unwrap());
            let mut answered = 0;
            // While the other thread has to wait, the file may be too short for many requests.
            for request in 0.. {
                if answered == 1000 {
                    break;
                }
                if splicer.answer(request, &read_from, 0, 131_072) {
                    answered += 1;
                    let mut first = [0; HEADER];
                    device.read_exact(&mut first).unwrap();
                    let length = u32::from_ne_bytes(first[..4].try_into().unwrap()) as usize;
                    assert_eq!(first, header(length, request));
                    let mut got = vec![0; length - HEADER];
                    device.read_exact(&mut got).unwrap();
                    // A page that is truncated while it is read has zeros.
                    assert!(got.iter().zip(&wanted).all(|(got, wanted)| got == wanted || *got == 0), "{request}");
                } else {
                    std::thread::yield_now();
                }
            }
        });
        assert_eq!(all_of(device, splicer), b"");
    }
}
