//! The event loop's wait: epoll(7), and busy-polling before it sleeps.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

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

    /// Waits for events or a timeout; busy-polls first, if that pays.
    pub fn wait(
        &self,
        events: &mut Vec<(u64, Interest)>,
        timeout: Option<Duration>,
        busy_poll: &mut BusyPoll,
    ) -> io::Result<()> {
        let start = Instant::now();
        let mut timeout = timeout;
        if let Some(most) = busy_poll.length(start) {
            self.poll_busily(events, timeout.map_or(most, |timeout| timeout.min(most)), busy_poll)?;
            if !events.is_empty() {
                return Ok(());
            }
            timeout = timeout.map(|left| left.saturating_sub(start.elapsed()));
        }
        // Rounded up, so that the timer is due at wake-up.
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

    /// Polls without sleeping until an event arrives or the time is over.
    fn poll_busily(
        &self,
        events: &mut Vec<(u64, Interest)>,
        most: Duration,
        busy_poll: &mut BusyPoll,
    ) -> io::Result<()> {
        let start = Instant::now();
        let mut last = start;
        loop {
            self.take(events, Some(Duration::ZERO))?;
            let now = Instant::now();
            let was_stolen = now - last > BusyPoll::STOLEN;
            if was_stolen {
                busy_poll.suspend(now);
            }
            if !events.is_empty() || was_stolen || now - start >= most {
                busy_poll.spend(now - start, !events.is_empty());
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

/// Decides whether to busy-poll for the next event.
///
/// Waking an idle processor takes much longer than all that netd does for a packet. In request-response traffic, where
/// each packet waits for the one before it, these delays add up. So netd busy-polls for a moment, but only after a row
/// of single packets or messages in quick succession, and after a longer one each time that the poll found nothing.
/// Rare, bulk or late traffic costs nothing. At most half of the time is spent polling: with a third request-response
/// traffic was slower, with three quarters no faster.
///
/// netd does not busy-poll where other tasks want the processor: the time would count against its share, and it would
/// wait for its turn when there is something to do.
#[derive(Debug)]
pub struct BusyPoll {
    /// Single packets and messages in quick succession.
    row: u32,
    /// Whether the peer has another processor to run on.
    has_idle_cpu: bool,
    /// The remaining budget for busy-polling. It grows by half of the elapsed time.
    allowance: Duration,
    counted: Instant,
    /// No busy-polling before then.
    suspended: Option<Instant>,
}

impl BusyPoll {
    /// How long one poll lasts: most answers of programs on this machine arrive within it.
    const LENGTH: Duration = Duration::from_micros(50);
    /// The delay that still counts as quick succession, for a sleeping netd.
    const SOON: Duration = Duration::from_micros(100);
    /// How many packets make a row.
    const ROW: u32 = 8;
    /// The inverse of the share of time.
    const SHARE: u32 = 2;
    /// The largest budget.
    const MOST: Duration = Duration::from_millis(5);
    /// An iteration takes microseconds; a longer one means that another task had the processor.
    const STOLEN: Duration = Duration::from_millis(1);
    /// How long busy-polling stops after that.
    const PAUSE: Duration = Duration::from_secs(1);

    /// The state before any traffic.
    pub fn new() -> Self {
        let has_idle_cpu = std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
        Self { row: 0, has_idle_cpu, allowance: Duration::ZERO, counted: Instant::now(), suspended: None }
    }

    /// Whether each packet waits for the one before it.
    pub fn is_request_response(&self) -> bool {
        self.row >= Self::ROW
    }

    /// How long to busy-poll now.
    fn length(&mut self, now: Instant) -> Option<Duration> {
        let earned = now.saturating_duration_since(self.counted) / Self::SHARE;
        self.allowance = (self.allowance + earned).min(Self::MOST);
        self.counted = now;
        self.suspended.take_if(|until| *until <= now);
        let may = self.has_idle_cpu && self.suspended.is_none() && self.allowance >= Self::LENGTH;
        (may && self.is_request_response()).then_some(Self::LENGTH)
    }

    /// Records the time spent polling and whether an event arrived.
    fn spend(&mut self, spent: Duration, was_useful: bool) {
        self.allowance = self.allowance.saturating_sub(spent);
        if !was_useful {
            self.row = 0;
        }
    }

    /// Another task wanted the processor.
    fn suspend(&mut self, now: Instant) {
        self.suspended = Some(now + Self::PAUSE);
    }

    /// Records a round: the time waited, the ready descriptors, and the packets and messages moved.
    pub fn note(&mut self, waited: Duration, happened: usize, moved: u64) {
        self.row = match (happened, moved) {
            _ if waited >= Self::SOON => 0,
            // Events that set up or close a connection say nothing about what comes next.
            (..=2, 0) => self.row,
            // The first packet of a connection is forwarded as such, and both ends may report an event.
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
    use crate::net::handler::Handler;

    /// A state that busy-polls.
    fn willing(now: Instant) -> BusyPoll {
        BusyPoll { row: 100, has_idle_cpu: true, allowance: BusyPoll::MOST, counted: now, suspended: None }
    }

    #[test]
    fn staying_awake_ends_with_the_time_or_with_what_happens() {
        let epoll = Epoll::new().unwrap();
        let event = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        epoll.watch(event.as_fd(), Interest::READ, Token::new(Handler::Host, 7)).unwrap();
        let mut events = Vec::new();
        let start = Instant::now();
        let short = Duration::from_millis(2);
        for mut busy_poll in [BusyPoll::new(), willing(start)] {
            epoll.wait(&mut events, Some(short), &mut busy_poll).unwrap();
            assert!(events.is_empty() && !busy_poll.is_request_response());
        }
        assert!(start.elapsed() >= 2 * short);
        rustix::io::write(&event, &1u64.to_ne_bytes()).unwrap();
        for mut busy_poll in [BusyPoll::new(), willing(start)] {
            let before = busy_poll.is_request_response();
            epoll.wait(&mut events, None, &mut busy_poll).unwrap();
            assert_eq!((events.len(), busy_poll.is_request_response()), (1, before));
        }
    }

    #[test]
    fn only_single_packets_that_come_soon_are_waited_for_awake() {
        let (soon, late) = (Duration::from_micros(30), Duration::from_micros(300));
        let now = Instant::now();
        let mut busy_poll = BusyPoll { row: 0, ..willing(now) };
        let mut row = |what: &[(Duration, usize, u64)]| {
            what.iter().for_each(|(waited, happened, moved)| busy_poll.note(*waited, *happened, *moved));
            busy_poll.length(now).is_some()
        };
        let single = (soon, 1, 1);
        assert!(!row(&[single; 7]));
        assert!(row(&[single]) && row(&[single; 1000]));
        assert!(!row(&[(late, 1, 1)]) && !row(&[single; 7]) && row(&[single]));
        assert!(!row(&[(soon, 1, 64)]) && !row(&[single; 7]) && row(&[single]));
        assert!(!row(&[(soon, 3, 2)]) && !row(&[(late, 1, 1); 100]));
        // Connection setup and close count neither for busy-polling nor against it.
        assert!(!row(&[(soon, 1, 0); 100]) && !row(&[single; 7]) && !row(&[(soon, 1, 0)]) && row(&[single]));
        assert!(!row(&[(late, 1, 0)]));
        let mut alone = BusyPoll { has_idle_cpu: false, ..willing(now) };
        assert_eq!(alone.length(now), None);
        let mut vain = willing(now);
        vain.spend(BusyPoll::LENGTH, false);
        assert_eq!(vain.length(now), None);
        (0..8).for_each(|_| vain.note(soon, 1, 1));
        assert!(vain.length(now).is_some());
    }

    #[test]
    fn staying_awake_is_never_more_than_half_of_the_time() {
        let start = Instant::now();
        let (mut busy_poll, mut now, mut awake) = (willing(start), start, Duration::ZERO);
        while now < start + Duration::from_secs(1) {
            busy_poll.note(BusyPoll::LENGTH, 1, 1);
            if let Some(length) = busy_poll.length(now) {
                busy_poll.spend(length, true);
                awake += length;
            }
            now += BusyPoll::LENGTH;
        }
        let half = Duration::from_secs(1) / 2;
        assert!(awake <= half + BusyPoll::MOST && awake >= half - BusyPoll::MOST, "{awake:?}");
        // The budget is capped after a long rest.
        assert!(busy_poll.length(now + Duration::from_secs(100)).is_some());
        assert_eq!(busy_poll.allowance, BusyPoll::MOST);
    }

    #[test]
    fn where_others_want_the_processor_nobody_stays_awake() {
        let now = Instant::now();
        let mut busy_poll = willing(now);
        assert!(busy_poll.length(now).is_some());
        busy_poll.suspend(now);
        assert_eq!(busy_poll.length(now + BusyPoll::PAUSE / 2), None);
        busy_poll.suspend(now + BusyPoll::PAUSE / 2);
        assert_eq!(busy_poll.length(now + BusyPoll::PAUSE), None);
        assert!(busy_poll.length(now + 2 * BusyPoll::PAUSE).is_some());
    }
}
