//! Decides whether the light thread or ordinary threads serve. Pure: [`super::placement`], which explains the two
//! kinds, supplies times and samples. Times are in microseconds.

/// Consecutive requests of one client after which it is followed.
const STREAK: u32 = 4;

/// Microseconds between an answer and the next request that suggest that the client was moved: at first, and at most,
/// as false alarms raise it.
const SUSPICIOUS: (u64, u64) = (20, 2_000);

/// Changes of the client within 32 requests that mean parallel clients.
const PARALLEL: u32 = 8;

/// The most requests between two samples.
const SAMPLE_EVERY: u32 = 16;

/// Microseconds after which the next request triggers a sample anyway.
const SAMPLE_AFTER: u64 = 2_000;

/// Microseconds for which every sample must have seen other tasks before ordinary threads take over: about the time of
/// a request that waits for another task's slice. Short kernel work does not count.
const NOISE: u64 = 2_000;

/// Microseconds for which ordinary threads serve after the light one gave up: at first, and at most.
const PAUSE: (u64, u64) = (4_000, 200_000);

/// Microseconds after which the light thread counts as lasting: the next pause is short again.
const LASTED: u64 = 50_000;

/// Decides from observations which threads serve. Times are in microseconds.
#[derive(Debug)]
pub(super) struct ThreadChoice {
    /// The only CPU, if there is one: then nothing needs to be observed.
    only: Option<u32>,
    /// The number of runnable tasks, besides the client, that still counts as quiet.
    quiet: u32,
    pid: u32,
    /// A bit for each of the last 32 requests: whether its client differed from the one before.
    changes: u32,
    streak: u32,
    /// Requests until the next sample.
    left: u32,
    sampled: u64,
    /// When the first sample was taken since which all saw other tasks.
    noisy: Option<u64>,
    /// The present threshold of [`SUSPICIOUS`], and whether a sample is taken for that reason.
    suspicious: u64,
    suspected: bool,
    /// The client whose CPU was asked for last.
    followed: u32,
    /// The CPU on which the light thread serves; `None` while ordinary threads do.
    pub beside: Option<u32>,
    since: u64,
    not_before: u64,
    pause: u64,
}

impl ThreadChoice {
    /// For this many CPUs, or for only this one.
    pub fn new(cpus: u32, only: Option<u32>) -> Self {
        Self {
            only,
            quiet: 1 + cpus / 8,
            pid: 0,
            changes: 0,
            streak: 0,
            left: 0,
            sampled: 0,
            noisy: None,
            suspicious: SUSPICIOUS.0,
            suspected: false,
            followed: 0,
            beside: None,
            since: 0,
            not_before: 0,
            pause: PAUSE.0,
        }
    }

    /// Notes a request of `pid` (0 if no process waits for it), `gap` after the last answer. Returns whether to take a
    /// sample.
    pub fn observe(&mut self, pid: u32, now: u64, gap: u64) -> bool {
        if pid == 0 {
            return false;
        }
        if self.only.is_some() {
            if self.beside.is_none() && now >= self.not_before {
                (self.beside, self.since) = (self.only, now);
            }
            return false;
        }
        let changed = pid != self.pid;
        self.pid = pid;
        self.changes = self.changes << 1 | u32::from(changed);
        self.streak = if changed { 0 } else { self.streak.saturating_add(1) };
        self.left = self.left.saturating_sub(1);
        if self.changes.count_ones() > PARALLEL {
            self.give_up(now);
            return false;
        }
        let new = pid != self.followed;
        self.suspected = self.beside.is_some() && gap >= self.suspicious;
        let due = self.suspected
            || self.left == 0
            || now.saturating_sub(self.sampled) >= SAMPLE_AFTER
            || new && self.streak == STREAK;
        if self.streak < STREAK || now < self.not_before || !due {
            return false;
        }
        (self.left, self.sampled) = (SAMPLE_EVERY, now);
        true
    }

    /// Notes a sample: runnable tasks, this thread included, and the client's CPU if known.
    pub fn answer(&mut self, running: u32, cpu: Option<u32>, now: u64) {
        if running > self.quiet {
            let first = *self.noisy.get_or_insert(now);
            match self.beside.is_some() && now < first + NOISE {
                true => self.left = 8,
                false => self.give_up(now),
            }
            return;
        }
        self.noisy = None;
        self.followed = self.pid;
        if self.beside.is_none() && cpu.is_some() {
            self.since = now;
        }
        match (self.suspected, self.beside == cpu) {
            (true, true) => self.suspicious = (self.suspicious * 2).min(SUSPICIOUS.1),
            (_, false) => self.suspicious = SUSPICIOUS.0,
            (false, true) => {}
        }
        self.beside = cpu;
    }

    /// Falls back to ordinary threads, with exponential back-off.
    pub fn give_up(&mut self, now: u64) {
        self.noisy = None;
        if self.beside.take().is_some() {
            let lasted = now.saturating_sub(self.since);
            self.pause = if lasted > LASTED { PAUSE.0 } else { (self.pause * 2).min(PAUSE.1) };
            self.not_before = now + self.pause;
        } else {
            self.not_before = self.not_before.max(now + PAUSE.0 / 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One request every `step` microseconds, with these samples; returns how many were taken.
    fn run(choice: &mut ThreadChoice, pids: &[u32], now: &mut u64, step: u64, running: u32, cpu: u32) -> usize {
        let mut taken = 0;
        for pid in pids {
            *now += step;
            if choice.observe(*pid, *now, step / 2) {
                taken += 1;
                choice.answer(running, Some(cpu), *now);
            }
        }
        taken
    }

    #[test]
    fn a_single_client_is_followed_at_little_cost() {
        let (mut choice, mut now) = (ThreadChoice::new(2, None), 0);
        run(&mut choice, &[7; 6], &mut now, 10, 1, 1);
        assert_eq!(choice.beside, Some(1));
        assert!(run(&mut choice, &[7; 1000], &mut now, 10, 1, 1) < 80);
        // The client moves, and the light thread follows.
        run(&mut choice, &[7; 20], &mut now, 10, 1, 0);
        assert_eq!(choice.beside, Some(0));
    }

    #[test]
    fn a_client_that_was_moved_is_noticed_at_once_and_one_that_thinks_is_left_alone() {
        let (mut choice, mut now) = (ThreadChoice::new(2, None), 0);
        run(&mut choice, &[7; 6], &mut now, 10, 1, 1);
        run(&mut choice, &[7], &mut now, 60, 1, 0);
        assert_eq!(choice.beside, Some(0));
        assert!(run(&mut choice, &[7; 32], &mut now, 500, 1, 0) < 16);
    }

    #[test]
    fn short_processes_one_after_another_are_followed() {
        let (mut choice, mut now) = (ThreadChoice::new(4, None), 0);
        for pid in 1..50 {
            run(&mut choice, &[pid; 20], &mut now, 10, 1, pid % 4);
            assert_eq!(choice.beside, Some(pid % 4));
        }
    }

    #[test]
    fn clients_in_parallel_are_not() {
        let (mut choice, mut now) = (ThreadChoice::new(2, None), 0);
        let both: Vec<u32> = (0..400).map(|i| 5 + i % 2).collect();
        run(&mut choice, &both, &mut now, 10, 1, 0);
        assert_eq!(choice.beside, None);
        let (mut choice, mut now) = (ThreadChoice::new(2, None), 0);
        run(&mut choice, &[5; 50], &mut now, 10, 1, 0);
        assert_eq!(choice.beside, Some(0));
        run(&mut choice, &both[..40], &mut now, 10, 1, 0);
        assert_eq!(choice.beside, None);
    }

    #[test]
    fn with_one_cpu_there_is_nothing_to_find_out() {
        let (mut choice, mut now) = (ThreadChoice::new(1, Some(3)), 0);
        assert_eq!(run(&mut choice, &[5, 6, 5, 6, 5, 6, 5, 6], &mut now, 10, 9, 0), 0);
        assert_eq!(choice.beside, Some(3));
        choice.give_up(now);
        run(&mut choice, &[5; 10], &mut now, 10, 9, 0);
        assert_eq!(choice.beside, None);
        run(&mut choice, &[5; 10], &mut now, PAUSE.1, 9, 0);
        assert_eq!(choice.beside, Some(3));
    }

    #[test]
    fn other_work_ends_it_soon_and_for_longer_each_time() {
        let (mut choice, mut now) = (ThreadChoice::new(2, None), 0);
        run(&mut choice, &[7; 10], &mut now, 10, 1, 1);
        assert_eq!(choice.beside, Some(1));
        // Slow now, since another task has the CPU: only time triggers samples.
        run(&mut choice, &[7; 2], &mut now, SAMPLE_AFTER, 3, 1);
        assert_eq!(choice.beside, None);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let begun = now;
            while choice.beside.is_none() {
                run(&mut choice, &[7], &mut now, 1000, 1, 1);
            }
            pauses.push(now - begun);
            run(&mut choice, &[7; 3], &mut now, SAMPLE_AFTER, 3, 1);
            assert_eq!(choice.beside, None);
        }
        assert!(pauses.is_sorted() && (PAUSE.1 * 9 / 10..PAUSE.1 * 11 / 10).contains(&pauses[7]), "{pauses:?}");
    }

    #[test]
    fn one_noisy_sample_is_no_reason() {
        let (mut choice, mut now) = (ThreadChoice::new(2, None), 0);
        run(&mut choice, &[7; 10], &mut now, 10, 1, 1);
        let mut samples = 0;
        for _ in 0..200 {
            now += 10;
            if choice.observe(7, now, 5) {
                samples += 1;
                choice.answer(if samples % 2 == 0 { 1 } else { 4 }, Some(1), now);
            }
        }
        assert!(samples > 4);
        assert_eq!(choice.beside, Some(1));
    }

    #[test]
    fn requests_that_nobody_waits_for_do_not_count() {
        let (mut choice, mut now) = (ThreadChoice::new(2, None), 0);
        let mixed: Vec<u32> = (0..40).map(|i| if i % 2 == 0 { 7 } else { 0 }).collect();
        run(&mut choice, &mixed, &mut now, 10, 1, 1);
        assert_eq!(choice.beside, Some(1));
    }
}
