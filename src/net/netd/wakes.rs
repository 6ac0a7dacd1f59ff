//! Waiting, on epoll(7).

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

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

    /// Waits for something to happen, or for a time, into `events`; at first without going to sleep, if it pays.
    pub fn wait(
        &self,
        events: &mut Vec<(u64, Interest)>,
        timeout: Option<Duration>,
        vigil: &mut Vigil,
    ) -> io::Result<()> {
        let start = Instant::now();
        let mut timeout = timeout;
        if let Some(most) = vigil.length(start) {
            self.stay_awake(events, timeout.map_or(most, |timeout| timeout.min(most)), vigil)?;
            if !events.is_empty() {
                return Ok(());
            }
            timeout = timeout.map(|left| left.saturating_sub(start.elapsed()));
        }
        // Rounded up: a timer must be due when we wake for it.
        let timeout = timeout.map(|left| left + Duration::from_micros(1));
        match timeout.filter(|left| *left < Duration::from_millis(2)) {
            None => self.take(events, timeout),
            // `epoll::wait` rounds up to milliseconds; ppoll(2) does not.
            Some(left) => {
                let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
                match poll(&mut fds, Some(&timespec(left))) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => self.take(events, Some(Duration::ZERO)),
                    Err(errno) => Err(errno.into()),
                }
            }
        }
    }

    /// Looks again and again, until something has happened or for so long.
    fn stay_awake(&self, events: &mut Vec<(u64, Interest)>, most: Duration, vigil: &mut Vigil) -> io::Result<()> {
        let start = Instant::now();
        let mut last = start;
        loop {
            self.take(events, Some(Duration::ZERO))?;
            let now = Instant::now();
            let was_stolen = now - last > Vigil::STOLEN;
            if was_stolen {
                vigil.suspend(now);
            }
            if !events.is_empty() || was_stolen || now - start >= most {
                vigil.spend(now - start, !events.is_empty());
                return Ok(());
            }
            last = now;
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

/// Whether it pays to stay awake for what comes next.
///
/// Waking a processor that has gone to sleep takes much longer than everything that netd does for a packet, and in a
/// conversation, where each packet waits for the one before it, all of that adds up. So netd stays awake for a moment,
/// but only after a row of single packets or messages that each came soon, and after another row each time that it was for
/// nothing: what is rare, comes in bulk, or is late costs nothing. All of it together is never more than half of the time:
/// with a third conversations were slower, with three quarters no faster.
///
/// Nor does it happen where others want the processor: what is spent awake counts against netd's share, and it would have
/// to wait its turn when there is something to do.
#[derive(Debug)]
pub struct Vigil {
    /// Single packets and messages that have come soon.
    row: u32,
    /// There is a processor for those that are waited for.
    has_company: bool,
    /// For how long netd may still be awake; of the time since then, half is added.
    allowance: Duration,
    counted: Instant,
    /// Not before then.
    suspended: Option<Instant>,
}

impl Vigil {
    /// How long it is: most answers of programs on this machine come within that.
    const LENGTH: Duration = Duration::from_micros(50);
    /// What is soon, for one who sleeps.
    const SOON: Duration = Duration::from_micros(100);
    /// How many packets a row has.
    const ROW: u32 = 8;
    /// One part in so many of the time.
    const SHARE: u32 = 2;
    /// What may be saved up.
    const MOST: Duration = Duration::from_millis(5);
    /// One look takes a few microseconds, unless somebody else had the processor for a turn.
    const STOLEN: Duration = Duration::from_millis(1);
    /// How long nobody stays awake after that.
    const PAUSE: Duration = Duration::from_secs(1);

    /// Nothing is known yet.
    pub fn new() -> Self {
        let has_company = std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
        Self { row: 0, has_company, allowance: Duration::ZERO, counted: Instant::now(), suspended: None }
    }

    /// Whether each packet waits for the one before it.
    pub fn sees_conversation(&self) -> bool {
        self.row >= Self::ROW
    }

    /// For how long to stay awake now.
    fn length(&mut self, now: Instant) -> Option<Duration> {
        let earned = now.saturating_duration_since(self.counted) / Self::SHARE;
        self.allowance = (self.allowance + earned).min(Self::MOST);
        self.counted = now;
        self.suspended.take_if(|until| *until <= now);
        let may = self.has_company && self.suspended.is_none() && self.allowance >= Self::LENGTH;
        (may && self.sees_conversation()).then_some(Self::LENGTH)
    }

    /// It took so long, and whether something has come.
    fn spend(&mut self, spent: Duration, was_useful: bool) {
        self.allowance = self.allowance.saturating_sub(spent);
        if !was_useful {
            self.row = 0;
        }
    }

    /// Somebody else wanted the processor.
    fn suspend(&mut self, now: Instant) {
        self.suspended = Some(now + Self::PAUSE);
    }

    /// After so long, so many descriptors had something, and so many packets and messages were moved.
    pub fn note(&mut self, waited: Duration, happened: usize, moved: u64) {
        self.row = match (happened, moved) {
            _ if waited >= Self::SOON => 0,
            // What belongs to the making or the end of a connection says nothing of what comes next.
            (..=2, 0) => self.row,
            // The first packet of a connection is passed on as such, and both its ends may have something to tell.
            (..=2, 1..=2) => self.row.saturating_add(1),
            _ => 0,
        };
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::event::{EventfdFlags, eventfd};

    use super::*;
    use crate::net::part::Part;

    /// One that stays awake.
    fn willing(now: Instant) -> Vigil {
        Vigil { row: 100, has_company: true, allowance: Vigil::MOST, counted: now, suspended: None }
    }

    #[test]
    fn staying_awake_ends_with_the_time_or_with_what_happens() {
        let epoll = Epoll::new().unwrap();
        let event = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        epoll.watch(event.as_fd(), Interest::READ, Token::new(Part::Host, 7)).unwrap();
        let mut events = Vec::new();
        let start = Instant::now();
        let short = Duration::from_millis(2);
        for mut vigil in [Vigil::new(), willing(start)] {
            epoll.wait(&mut events, Some(short), &mut vigil).unwrap();
            assert!(events.is_empty() && !vigil.sees_conversation());
        }
        assert!(start.elapsed() >= 2 * short);
        rustix::io::write(&event, &1u64.to_ne_bytes()).unwrap();
        for mut vigil in [Vigil::new(), willing(start)] {
            let before = vigil.sees_conversation();
            epoll.wait(&mut events, None, &mut vigil).unwrap();
            assert_eq!((events.len(), vigil.sees_conversation()), (1, before));
        }
    }

    #[test]
    fn only_single_packets_that_come_soon_are_waited_for_awake() {
        let (soon, late) = (Duration::from_micros(30), Duration::from_micros(300));
        let now = Instant::now();
        let mut vigil = Vigil { row: 0, ..willing(now) };
        let mut row = |what: &[(Duration, usize, u64)]| {
            what.iter().for_each(|(waited, happened, moved)| vigil.note(*waited, *happened, *moved));
            vigil.length(now).is_some()
        };
        let single = (soon, 1, 1);
        assert!(!row(&[single; 7]));
        assert!(row(&[single]) && row(&[single; 1000]));
        assert!(!row(&[(late, 1, 1)]) && !row(&[single; 7]) && row(&[single]));
        assert!(!row(&[(soon, 1, 64)]) && !row(&[single; 7]) && row(&[single]));
        assert!(!row(&[(soon, 3, 2)]) && !row(&[(late, 1, 1); 100]));
        // The making and the end of connections are not counted: neither for it, nor against it.
        assert!(!row(&[(soon, 1, 0); 100]) && !row(&[single; 7]) && !row(&[(soon, 1, 0)]) && row(&[single]));
        assert!(!row(&[(late, 1, 0)]));
        let mut alone = Vigil { has_company: false, ..willing(now) };
        assert_eq!(alone.length(now), None);
        let mut vain = willing(now);
        vain.spend(Vigil::LENGTH, false);
        assert_eq!(vain.length(now), None);
        (0..8).for_each(|_| vain.note(soon, 1, 1));
        assert!(vain.length(now).is_some());
    }

    #[test]
    fn staying_awake_is_never_more_than_half_of_the_time() {
        let start = Instant::now();
        let (mut vigil, mut now, mut awake) = (willing(start), start, Duration::ZERO);
        while now < start + Duration::from_secs(1) {
            vigil.note(Vigil::LENGTH, 1, 1);
            if let Some(length) = vigil.length(now) {
                vigil.spend(length, true);
                awake += length;
            }
            now += Vigil::LENGTH;
        }
        let half = Duration::from_secs(1) / 2;
        assert!(awake <= half + Vigil::MOST && awake >= half - Vigil::MOST, "{awake:?}");
        // After a long rest, not more than what may be saved up.
        assert!(vigil.length(now + Duration::from_secs(100)).is_some());
        assert_eq!(vigil.allowance, Vigil::MOST);
    }

    #[test]
    fn where_others_want_the_processor_nobody_stays_awake() {
        let now = Instant::now();
        let mut vigil = willing(now);
        assert!(vigil.length(now).is_some());
        vigil.suspend(now);
        assert_eq!(vigil.length(now + Vigil::PAUSE / 2), None);
        vigil.suspend(now + Vigil::PAUSE / 2);
        assert_eq!(vigil.length(now + Vigil::PAUSE), None);
        assert!(vigil.length(now + 2 * Vigil::PAUSE).is_some());
    }
}
