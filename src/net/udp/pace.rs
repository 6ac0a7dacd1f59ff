//! Adaptive polling: a file descriptor with a one-way stream is polled at intervals instead of waking netd per
//! datagram.
//!
//! # Theory of operation
//!
//! A wake-up per datagram costs far more than forwarding it, on both sides: the sender has to do the waking. So a
//! descriptor that has received many datagrams in quick succession, with few in the other direction, is no longer
//! watched but polled after [`REST`], as network cards do (interrupt moderation). The queues hold far more than arrives
//! in that time. Request-response traffic is never delayed: each answer counts against a stream.

use std::time::{Duration, Instant};

/// The polling interval; the kernel may add as much (PR_SET_TIMERSLACK).
pub const REST: Duration = Duration::from_micros(50);
/// This many unanswered datagrams are a stream.
const STREAM: usize = 32;
/// The weight of one datagram in the other direction: streams are acknowledged, too.
const ANSWER: usize = 4;

/// What to do with a descriptor after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// No change: watched, or polled again after [`REST`].
    Stay,
    /// Unregister it, and poll it after [`REST`].
    Rest,
    /// Register it again.
    Watch,
}

/// The state of one descriptor.
#[derive(Debug, Default)]
pub struct Pace {
    unanswered: usize,
    last: Option<Instant>,
    resting: bool,
}

impl Pace {
    /// Whether more than one datagram is likely to be there.
    pub fn expects_more(&self, now: Instant) -> bool {
        self.resting || (self.unanswered > 0 && self.is_close(now))
    }

    /// Whether it is polled instead of watched.
    pub fn is_resting(&self) -> bool {
        self.resting
    }

    /// Notes how many datagrams a call has received.
    pub fn note_received(&mut self, count: usize, now: Instant) -> Turn {
        if !self.is_close(now) {
            self.unanswered = 0;
        }
        self.unanswered = (self.unanswered + count).min(2 * STREAM);
        self.last = Some(now);
        let rest = match self.resting {
            true => count > 1 && self.unanswered > 0,
            false => self.unanswered >= STREAM,
        };
        match (std::mem::replace(&mut self.resting, rest), rest) {
            (false, true) => Turn::Rest,
            (true, false) => {
                self.unanswered = 0;
                Turn::Watch
            }
            _ => Turn::Stay,
        }
    }

    /// Notes datagrams in the other direction.
    pub fn note_sent(&mut self, count: usize) {
        self.unanswered = self.unanswered.saturating_sub(count.saturating_mul(ANSWER));
    }

    /// Allows for late timers and slow calls.
    fn is_close(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last) < 4 * REST)
    }
}

/// The descriptors of a handler that are being polled, by index; all are polled together.
#[derive(Debug, Default)]
pub struct Resting {
    who: Vec<u64>,
    until: Option<Instant>,
}

impl Resting {
    /// Polls a descriptor after the interval.
    pub fn add(&mut self, who: u64, now: Instant) {
        if !self.who.contains(&who) {
            self.who.push(who);
        }
        self.until.get_or_insert(now + REST);
    }

    /// When [`Resting::due`] has something to give.
    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// The descriptors to poll now.
    pub fn due(&mut self, now: Instant) -> Vec<u64> {
        match self.until.take_if(|until| *until <= now) {
            Some(_) => std::mem::take(&mut self.who),
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_polled_and_request_response_traffic_is_not() {
        let start = Instant::now();
        let at = |micros: u64| start + Duration::from_micros(micros);
        // Request and response.
        let mut pace = Pace::default();
        for round in 0..1000 {
            assert!(!pace.expects_more(at(10 * round)));
            assert_eq!(pace.note_received(1, at(10 * round)), Turn::Stay);
            pace.note_sent(1);
        }
        // Slow datagrams.
        for round in 0..1000 {
            assert_eq!(pace.note_received(1, at(20_000 + 250 * round)), Turn::Stay);
        }
        // A stream, until it slows down or stops.
        let mut pace = Pace::default();
        for round in 0..31 {
            assert_eq!(pace.note_received(1, at(10 * round)), Turn::Stay);
            assert!(pace.expects_more(at(10 * round + 5)) && !pace.is_resting());
        }
        assert_eq!(pace.note_received(1, at(310)), Turn::Rest);
        assert_eq!(pace.note_received(5, at(360)), Turn::Stay);
        assert!(pace.is_resting());
        assert_eq!(pace.note_received(1, at(410)), Turn::Watch);
        assert!(!pace.is_resting());
        assert_eq!(pace.note_received(64, at(460)), Turn::Rest);
        assert_eq!(pace.note_received(0, at(510)), Turn::Watch);
        // An acknowledged stream is still polled; request-response traffic after it is not.
        assert_eq!(pace.note_received(32, at(560)), Turn::Rest);
        for round in 0..100 {
            pace.note_sent(1);
            assert_eq!(pace.note_received(8, at(600 + 50 * round)), Turn::Stay);
        }
        pace.note_sent(20);
        assert_eq!(pace.note_received(2, at(5650)), Turn::Stay);
        pace.note_sent(2);
        assert_eq!(pace.note_received(1, at(5700)), Turn::Watch);
    }
}
