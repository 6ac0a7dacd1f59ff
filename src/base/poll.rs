//! Waiting until a descriptor is ready: the one way to call poll(2). Interruptions by signals do not end a wait, and a limit
//! counts from its beginning.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

pub use rustix::event::{PollFd, PollFlags};
use rustix::event::{Timespec, poll};

/// Waits until something has happened on one of `fds`, for at most `limit` (`None`: for ever). Returns how many have an event
/// in their `revents`; 0 when the time is over.
pub fn wait(fds: &mut [PollFd<'_>], limit: Option<Duration>) -> io::Result<usize> {
    // A time that no clock reaches is no limit.
    let until = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut left = until.and(limit);
    loop {
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => {
                left = until.map(|until| until.saturating_duration_since(Instant::now()));
            }
            polled => return Ok(polled?),
        }
    }
}

/// Waits until something can be read from `fd`, or its other end has gone. False when the time is over.
pub fn readable(fd: impl AsFd, limit: Option<Duration>) -> io::Result<bool> {
    Ok(wait(&mut [interest(&fd, PollFlags::IN)], limit)? > 0)
}

/// Waits until something can be written to `fd`, or its other end has gone.
pub fn writable(fd: impl AsFd) -> io::Result<()> {
    wait(&mut [interest(&fd, PollFlags::OUT)], None).map(drop)
}

/// Whether the other end of a pipe or socket has gone.
pub fn is_hung_up(fd: impl AsFd) -> io::Result<bool> {
    let mut fds = [interest(&fd, PollFlags::empty())];
    wait(&mut fds, Some(Duration::ZERO))?;
    Ok(fds[0].revents().contains(PollFlags::HUP))
}

/// Waits until the other end of a pipe or socket has gone.
pub fn hung_up(fd: impl AsFd) -> io::Result<()> {
    wait(&mut [interest(&fd, PollFlags::empty())], None).map(drop)
}

fn interest<'fd>(fd: &'fd impl AsFd, flags: PollFlags) -> PollFd<'fd> {
    PollFd::from_borrowed_fd(fd.as_fd(), flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_pipe_is_readable_with_bytes_and_at_its_end() {
        let (reader, mut writer) = io::pipe().unwrap();
        assert!(!readable(&reader, Some(Duration::ZERO)).unwrap());
        assert!(!readable(&reader, Some(Duration::from_millis(2))).unwrap());
        writer.write_all(b"x").unwrap();
        assert!(readable(&reader, None).unwrap());
        assert!(!is_hung_up(&reader).unwrap());
        drop(writer);
        assert!(is_hung_up(&reader).unwrap());
        hung_up(&reader).unwrap();
        assert!(readable(&reader, Some(Duration::MAX)).unwrap());
    }
}
