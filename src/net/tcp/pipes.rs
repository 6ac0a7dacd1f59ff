//! Pipes through which splice(2) moves bytes between sockets without copying them.
//!
//! The memory of pipes counts against a limit of the user (pipe(7), pipe-user-pages-soft); beyond it new pipes hold two
//! pages only. So there are few: a connection holds one while bytes are stuck in it, and most never do.

use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// The most pipes; further connections copy.
const MAX: usize = 24;
/// The requested size, in bytes: several rounds of a fast stream.
const SIZE: usize = 512 * 1024;
/// A smaller pipe is no faster than a copy, in bytes.
const WORTHWHILE: usize = 64 * 1024;

/// A pipe: empty, or with the bytes of the connection that holds it.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) read: OwnedFd,
    pub(super) write: OwnedFd,
    /// Its usable size in bytes.
    pub(super) size: usize,
}

/// All pipes.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    free: Vec<Pipe>,
    /// How many exist, free ones included.
    count: usize,
    /// The kernel grants no more.
    exhausted: bool,
}

impl Pipes {
    /// An empty pipe, if there is one.
    pub(super) fn take(&mut self) -> Option<Pipe> {
        if let Some(pipe) = self.free.pop() {
            return Some(pipe);
        }
        if self.count >= MAX || self.exhausted {
            return None;
        }
        let pipe = make();
        self.exhausted = pipe.is_none();
        self.count += usize::from(pipe.is_some());
        pipe
    }

    /// Returns an empty pipe.
    pub(super) fn give_back(&mut self, pipe: Pipe) {
        self.free.push(pipe);
    }

    /// How many are empty.
    #[cfg(test)]
    pub(super) fn free_count(&self) -> usize {
        self.free.len()
    }

    /// None to be had.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { free: Vec::new(), count: MAX, exhausted: true }
    }

    /// A pipe with bytes in it was closed.
    pub(super) fn lost(&mut self) {
        self.count = self.count.saturating_sub(1);
        self.exhausted = false;
    }
}

fn make() -> Option<Pipe> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
    // The largest size that the user's limits allow.
    let sizes = std::iter::successors(Some(SIZE), |size| Some(size / 2)).take_while(|size| *size > WORTHWHILE);
    for size in sizes {
        if fcntl_setpipe_size(&write, size).is_ok() {
            return Some(Pipe { read, write, size });
        }
    }
    // A new pipe may be smaller than the usual 64 KiB.
    let size = rustix::pipe::fcntl_getpipe_size(&write).ok()?;
    (size >= WORTHWHILE).then_some(Pipe { read, write, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_not_many() {
        let mut pipes = Pipes::default();
        let mut taken: Vec<Pipe> = std::iter::from_fn(|| pipes.take()).collect();
        assert!(!taken.is_empty() && taken.len() <= MAX);
        pipes.give_back(taken.pop().unwrap());
        assert!(pipes.take().is_some());
        assert!(pipes.take().is_none());
        pipes.lost();
        assert!(pipes.take().is_some());
    }
}
