//! Runs tasks at once, each after those that it needs. The first failure keeps tasks that have not begun from beginning; what
//! runs is waited for.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::base::{Error, Result};

/// The most tasks at a time where nothing else is said.
pub const WIDTH: usize = 16;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task<T> {
    /// The tasks that must be done before, by their index, which is less than this one's.
    pub after: Vec<usize>,
    /// What is done.
    pub what: T,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Begun,
    Done,
}

struct Progress {
    states: Vec<State>,
    failure: Option<Error>,
}

impl Progress {
    /// The next task that can begin; `None` if there is none now.
    fn next<T>(&self, tasks: &[Task<T>]) -> Option<usize> {
        let is_done = |at: &usize| self.states.get(*at) == Some(&State::Done);
        (0..tasks.len()).find(|at| self.states[*at] == State::Waiting && tasks[*at].after.iter().all(is_done))
    }

    fn is_over(&self) -> bool {
        match self.failure {
            Some(_) => true,
            None => !self.states.contains(&State::Waiting),
        }
    }
}

/// Does all tasks, `width` at a time.
///
/// # Errors
///
/// The first failure, once nothing runs any more.
pub fn run<T: Sync>(tasks: &[Task<T>], width: usize, work: &(dyn Fn(&T) -> Result<()> + Sync)) -> Result<()> {
    if let [only] = tasks {
        return work(&only.what);
    }
    let progress = Mutex::new(Progress { states: vec![State::Waiting; tasks.len()], failure: None });
    let changed = Condvar::new();
    let lock = || progress.lock().unwrap_or_else(PoisonError::into_inner);
    let worker = || {
        let mut now = lock();
        loop {
            if now.is_over() {
                return;
            }
            let Some(at) = now.next(tasks) else {
                now = changed.wait(now).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            now.states[at] = State::Begun;
            drop(now);
            let outcome = crate::base::fault_log::caught(|| work(&tasks[at].what)).and_then(|outcome| outcome);
            now = lock();
            now.states[at] = State::Done;
            if let Err(error) = outcome {
                now.failure.get_or_insert(error);
            }
            changed.notify_all();
        }
    };
    let width = width.clamp(1, tasks.len().max(1));
    std::thread::scope(|scope| {
        for _ in 1..width {
            // One thread less is no reason to give up.
            let _ = std::thread::Builder::new().spawn_scoped(scope, worker);
        }
        worker();
    });
    progress.into_inner().unwrap_or_else(PoisonError::into_inner).failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(what: u32, after: &[usize]) -> Task<u32> {
        Task { after: after.to_vec(), what }
    }

    #[test]
    fn tasks_follow_those_that_they_need() {
        let tasks = [task(0, &[]), task(1, &[]), task(2, &[0]), task(3, &[1, 2]), task(4, &[0])];
        for width in [1, 2, 8] {
            let order = Mutex::new(Vec::new());
            run(&tasks, width, &|what| {
                order.lock().unwrap().push(*what);
                Ok(())
            })
            .unwrap();
            let order = order.into_inner().unwrap();
            let at = |what| order.iter().position(|other| *other == what).unwrap();
            assert_eq!(order.len(), 5);
            assert!(at(0) < at(2) && at(2) < at(3) && at(1) < at(3) && at(0) < at(4), "{order:?}");
        }
        run::<u32>(&[], 4, &|_| Ok(())).unwrap();
    }

    #[test]
    fn a_failure_keeps_the_rest_from_beginning() {
        let done = Mutex::new(Vec::new());
        let tasks = [task(0, &[]), task(1, &[0]), task(2, &[1])];
        let error = run(&tasks, 4, &|what| {
            done.lock().unwrap().push(*what);
            if *what == 1 { Err(Error::conflict("no")) } else { Ok(()) }
        });
        assert_eq!(error.unwrap_err().message(), "no");
        assert_eq!(done.into_inner().unwrap(), [0, 1]);
        assert!(run(&tasks, 2, &|_| panic!("a fault")).is_err(), "and nobody waits for ever");
    }
}
