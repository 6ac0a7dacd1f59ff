//! Waiting, on epoll(7).

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};

use crate::net::part::{Interest, Token, Wakes};

/// The most that is handled in one round, so that timers are not kept waiting.
const ROUND: usize = 128;

/// An epoll instance.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    /// A new one.
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Waits for something to happen, or for a time, into `events`.
    pub fn wait(&self, events: &mut Vec<(u64, Interest)>, timeout: Option<Duration>) -> io::Result<()> {
        let mut buffer: [std::mem::MaybeUninit<Event>; ROUND] = [const { std::mem::MaybeUninit::uninit() }; ROUND];
        // Rounded up: a timer must be due when we wake for it.
        let timeout = timeout.map(|left| left + Duration::from_micros(1));
        let timeout = timeout.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        events.clear();
        match epoll::wait(&self.fd, &mut buffer, timeout.as_ref()) {
            Ok((ready, _)) => {
                events.extend(ready.iter().map(|event| {
                    let (data, flags) = (event.data, event.flags);
                    (data.u64(), Interest::from_bits_retain(flags.bits()))
                }));
                Ok(())
            }
            Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn flags(interest: Interest) -> EventFlags {
    EventFlags::from_bits_retain(interest.bits())
}

impl Wakes for Epoll {
    fn watch(&self, fd: BorrowedFd<'_>, interest: Interest, token: Token) -> io::Result<()> {
        Ok(epoll::add(&self.fd, fd, EventData::new_u64(token.raw()), flags(interest))?)
    }

    fn change(&self, fd: BorrowedFd<'_>, interest: Interest, token: Token) -> io::Result<()> {
        Ok(epoll::modify(&self.fd, fd, EventData::new_u64(token.raw()), flags(interest))?)
    }

    fn ignore(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.fd, fd)?)
    }
}
