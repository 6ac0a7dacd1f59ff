//! What a build tells while it works. Steps have numbers in the order in which they begin, as BuildKit's vertices have.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much of a step's last output is kept for the message of its failure, in bytes.
const TAIL: usize = 16 << 10;

/// Told what happens, from several threads.
pub trait Watcher: Sync {
    /// Something happened to the step with this number.
    fn event(&self, step: usize, event: &Event<'_>);
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// It has begun: its name.
    Began(&'a str),
    /// Its layer is there from an earlier build.
    Cached,
    /// Output of its command; true for standard error. Bytes of a program.
    Output(&'a [u8], bool),
    /// What the user should know.
    Note(String),
    /// It is done.
    Done(Duration),
    /// It has failed.
    Failed(&'a str),
}

/// The events of one step.
pub struct Events<'a> {
    watcher: &'a dyn Watcher,
    number: usize,
    name: String,
    began: Instant,
    tail: Mutex<VecDeque<u8>>,
}

/// Gives steps their numbers.
#[derive(Debug, Default)]
pub struct Numbers {
    last: AtomicUsize,
}

impl Numbers {
    /// A step begins.
    pub fn begin<'a>(&self, watcher: &'a dyn Watcher, name: &str) -> Events<'a> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        watcher.event(number, &Event::Began(name));
        Events { watcher, number, name: name.to_owned(), began: Instant::now(), tail: Mutex::default() }
    }
}

impl Events<'_> {
    /// Tells something of the step.
    pub fn tell(&self, event: Event<'_>) {
        if let Event::Output(bytes, _) = event {
            let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.extend(bytes);
            let over = tail.len().saturating_sub(TAIL);
            tail.drain(..over);
        }
        self.watcher.event(self.number, &event);
    }

    /// The step is done.
    pub fn done(&self) {
        self.tell(Event::Done(self.began.elapsed()));
    }

    /// What the step is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last output.
    pub fn tail(&self) -> Vec<u8> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}
