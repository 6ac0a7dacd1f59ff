//! How long a container that ends again and again waits for its next run: docker's times.

use std::time::Duration;

/// The first pause; each one after it is twice as long.
const FIRST: Duration = Duration::from_millis(100);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// A run of this length was a success of its own: the next pause is the first again.
const LASTING: Duration = Duration::from_secs(10);

/// The pauses between runs.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The pause after a run of this length.
    pub(super) fn after(&mut self, ran: Duration) -> Duration {
        let pause = match self.last {
            Some(last) if ran < LASTING => (last * 2).min(LONGEST),
            _ => FIRST,
        };
        self.last = Some(pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_again_after_a_long_run() {
        let mut backoff = Backoff::default();
        let mut after = |seconds| backoff.after(Duration::from_secs(seconds)).as_millis();
        let pauses: Vec<u128> = (0..12).map(|_| after(1)).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
        assert_eq!([after(10), after(9), after(3600)], [100, 200, 100]);
    }
}
