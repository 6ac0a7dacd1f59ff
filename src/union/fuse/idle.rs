//! What a mount does once when nobody has used it for a while: it frees memory and writes copies to the disk.
//!
//! A thread of its own looks at the number of requests every [`AFTER`] while there are any, and sleeps until the next
//! request otherwise: an idle mount causes no wake-ups.
//!
//! All threads of the server are alike. A thread of idle priority on the client's own CPU, which spares the wake-up of
//! another one, made single operations 8 % faster in the geometric mean (`contrib/bench/union/run --placement free`),
//! parallel clients slower, and git, pip, tar and make no faster (`contrib/bench/work/run`). To have the kernel read a long
//! listing again with attributes, once a program began to stat its entries, changed none of these.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long no request must have come.
const AFTER: Duration = Duration::from_secs(5);

/// The thread's stack, in bytes.
const STACK: usize = 128 * 1024;

/// Counts requests, and wakes the thread with the first one after a rest.
#[derive(Debug)]
pub(super) struct Idle {
    state: Arc<State>,
    thread: Option<std::thread::Thread>,
}

#[derive(Debug, Default)]
struct State {
    requests: AtomicU64,
    /// Whether the thread sleeps until the next request.
    rests: AtomicBool,
}

impl Idle {
    /// Starts the thread, which calls `then` each time that the mount has become idle. Without a thread, nothing is
    /// ever done: that costs only memory.
    pub fn new(then: impl Fn() + Send + 'static) -> Self {
        let state = Arc::new(State::default());
        let watched = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("idle".into()).stack_size(STACK);
        let thread = thread.spawn(move || watched.attend(&then)).ok();
        Self { state, thread: thread.map(|handle| handle.thread().clone()) }
    }

    /// A request has come.
    pub fn note(&self) {
        self.state.requests.fetch_add(1, Ordering::SeqCst);
        if self.state.rests.load(Ordering::SeqCst) && self.state.rests.swap(false, Ordering::SeqCst) {
            self.thread.iter().for_each(std::thread::Thread::unpark);
        }
    }
}

impl State {
    fn attend(&self, then: &impl Fn()) {
        let mut seen = 0;
        loop {
            while self.requests.load(Ordering::SeqCst) != seen {
                seen = self.requests.load(Ordering::SeqCst);
                std::thread::sleep(AFTER);
            }
            then();
            self.rests.store(true, Ordering::SeqCst);
            // A request that came before that did not wake this thread.
            while self.rests.load(Ordering::SeqCst) && self.requests.load(Ordering::SeqCst) == seen {
                std::thread::park();
            }
            self.rests.store(false, Ordering::SeqCst);
        }
    }
}
