//! The event loop's wait: epoll(7).
//!
//! netd never polls without sleeping. Doing so for some 50 us in quick request-response traffic saves the wake-up of an
//! idle processor in each round trip, but made redis-benchmark, pgbench and curl at a published port no faster
//! (`contrib/bench/work`), where netd's processor time is not free.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};

use crate::base::poll;

use crate::net::handler::{Interest, Token, Wakes};

/// The most events per round, so that timers are not delayed.
const ROUND: usize = 128;

/// An epoll instance.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    /// Makes an epoll instance.
    pub fn new() -> io::Result<Self> {
        Ok(Self { fd: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Waits for events or a timeout.
    pub fn wait(&self, events: &mut Vec<(u64, Interest)>, timeout: Option<Duration>) -> io::Result<()> {
        // Rounded up, so that the timer is due at wake-up.
        let timeout = timeout.map(|left| left + Duration::from_micros(1));
        match timeout.filter(|left| *left < Duration::from_millis(2)) {
            None => self.take(events, timeout),
            // `epoll::wait` rounds up to milliseconds; ppoll(2) does not.
            Some(left) => {
                poll::readable(&self.fd, Some(left))?;
                self.take(events, Some(Duration::ZERO))
            }
        }
    }

    fn take(&self, events: &mut Vec<(u64, Interest)>, timeout: Option<Duration>) -> io::Result<()> {
        let mut buffer: [std::mem::MaybeUninit<Event>; ROUND] = [const { std::mem::MaybeUninit::uninit() }; ROUND];
        let timeout = timeout.map(timespec);
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

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() }
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::time::Instant;

    use rustix::event::{EventfdFlags, eventfd};

    use super::*;
    use crate::net::handler::Handler;

    #[test]
    fn waiting_ends_with_the_time_or_with_what_happens() {
        let epoll = Epoll::new().unwrap();
        let event = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        epoll.watch(event.as_fd(), Interest::READ, Token::new(Handler::Host, 7)).unwrap();
        let mut events = Vec::new();
        for short in [Duration::from_micros(300), Duration::from_millis(5)] {
            let start = Instant::now();
            epoll.wait(&mut events, Some(short)).unwrap();
            assert!(events.is_empty() && start.elapsed() >= short);
        }
        rustix::io::write(&event, &1u64.to_ne_bytes()).unwrap();
        epoll.wait(&mut events, None).unwrap();
        assert_eq!(events.len(), 1);
    }
}
