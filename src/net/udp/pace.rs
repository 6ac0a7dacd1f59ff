//! When something is looked at that brings datagrams: at once, or, while they come as a stream, a little later and then
//! many together.
//!
//! # Theory of operation
//!
//! Being woken for each datagram costs far more than passing it on, on both sides: who sends it has to do the waking. So a
//! descriptor that has brought many datagrams, one close upon the other, with few going the other way, rests: it is not
//! waited for but looked at after [`REST`], as network cards do it (interrupt moderation). That is far less than what
//! the queues hold. Who asks and waits for an answer is never kept waiting: each answer counts against a stream.

use std::time::{Duration, Instant};

/// How long a stream's datagrams wait for each other; the kernel may add as much (PR_SET_TIMERSLACK).
pub const REST: Duration = Duration::from_micros(50);
/// So many datagrams that nobody answers are a stream.
const STREAM: usize = 32;
/// What one datagram of the other direction is worth: streams are acknowledged, too.
const ANSWER: usize = 4;

/// What to do with a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// As before: wait for it, unless it rests, and then look again after [`REST`].
    Stay,
    /// Wait for it no more, but look after [`REST`].
    Rest,
    /// Wait for it again.
    Watch,
}

/// What is known of one descriptor.
#[derive(Debug, Default)]
pub struct Pace {
    unanswered: usize,
    last: Option<Instant>,
    resting: bool,
}

impl Pace {
    /// Whether there is likely to be more than one datagram.
    pub fn expects_more(&self, now: Instant) -> bool {
        self.resting || (self.unanswered > 0 && self.is_close(now))
    }

    /// Whether it is not waited for.
    pub fn is_resting(&self) -> bool {
        self.resting
    }

    /// It was looked at, and so many datagrams were there.
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

    /// So many went the other way.
    pub fn note_sent(&mut self, count: usize) {
        self.unanswered = self.unanswered.saturating_sub(count.saturating_mul(ANSWER));
    }

    /// Rests are longer than they are meant to be, and looks take their time.
    fn is_close(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last) < 4 * REST)
    }
}

/// Those of a part's descriptors that rest, by the part's own numbers; all are looked at together.
#[derive(Debug, Default)]
pub struct Resting {
    who: Vec<u64>,
    until: Option<Instant>,
}

impl Resting {
    /// One of them rests, or goes on resting.
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

    /// Those that are to be looked at now.
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
    fn streams_rest_and_conversations_do_not() {
        let start = Instant::now();
        let at = |micros: u64| start + Duration::from_micros(micros);
        // There and back.
        let mut pace = Pace::default();
        for round in 0..1000 {
            assert!(!pace.expects_more(at(10 * round)));
            assert_eq!(pace.note_received(1, at(10 * round)), Turn::Stay);
            pace.note_sent(1);
        }
        // Slowly.
        for round in 0..1000 {
            assert_eq!(pace.note_received(1, at(20_000 + 250 * round)), Turn::Stay);
        }
        // One after the other, until they come slowly or not at all.
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
        // A stream that is acknowledged is one; a conversation that goes on after it is not.
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
