//! When the supervisor's loop has something to do by itself: one moment for each purpose. There are a handful of them, so a
//! list is searched faster than a heap.

use std::time::Instant;

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// SIGKILL follows a stop request.
    Kill,
    /// Clients are accepted again, who were not for lack of descriptors or memory.
    Listen,
    /// The next run begins.
    NextRun,
    /// The next health check begins.
    Check,
    /// A health check has taken too long.
    CheckTimeout,
    /// The time of the run is over (`--timeout`).
    Expire,
}

/// The moments.
#[derive(Debug, Default)]
pub(super) struct Timers(Vec<(Instant, Timer)>);

impl Timers {
    /// In place of an earlier moment for the same purpose.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.clear(timer);
        self.0.push((at, timer));
    }

    /// Unless an earlier moment is set.
    pub(super) fn set_at_latest(&mut self, timer: Timer, at: Instant) {
        if self.at(timer).is_none_or(|earlier| at < earlier) {
            self.set(timer, at);
        }
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        self.0.retain(|(_, other)| *other != timer);
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.at(timer).is_some()
    }

    fn at(&self, timer: Timer) -> Option<Instant> {
        self.0.iter().find(|(_, other)| *other == timer).map(|(at, _)| *at)
    }

    /// The first of all moments.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|(at, _)| *at).min()
    }

    /// Takes what is due, in order.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Timer> {
        let mut due: Vec<_> = self.0.extract_if(.., |(at, _)| *at <= now).collect();
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().map(|(_, timer)| timer).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_purpose_has_one_moment_and_all_come_in_order() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(Timer::Kill, at(9));
        timers.set(Timer::Check, at(5));
        timers.set_at_latest(Timer::Kill, at(10));
        assert_eq!(timers.at(Timer::Kill), Some(at(9)));
        timers.set_at_latest(Timer::Kill, at(3));
        timers.set(Timer::NextRun, at(20));
        assert_eq!(timers.next(), Some(at(3)));
        assert_eq!(timers.due(at(2)), []);
        assert_eq!(timers.due(at(5)), [Timer::Kill, Timer::Check]);
        assert!(timers.is_set(Timer::NextRun) && !timers.is_set(Timer::Kill));
        timers.clear(Timer::NextRun);
        assert_eq!(timers.next(), None);
    }
}
