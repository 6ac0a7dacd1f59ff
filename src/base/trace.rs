//! What a process decides and does, step by step, for `--debug`. A process has one listener at most: a command prints the
//! words, a worker passes them on to its caller, supervisors and netd write them to a log. Without a listener a step costs
//! a look at a flag, and its words are not made.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::fault_log;

/// Receives the words, from any thread. Control characters are still in them.
pub type Listener = Box<dyn Fn(&str) + Send>;

static ON: AtomicBool = AtomicBool::new(false);
static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

/// From now on `listener` hears all steps of this process.
pub fn listen(listener: Listener) {
    *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    ON.store(true, Ordering::Relaxed);
}

/// From now on all steps of this process are lines of the log `file` in `directory`, which is made, and begin with `whose`.
/// A log that cannot be written is done without ([`fault_log::append`]).
pub fn listen_in_log(directory: &Path, file: &str, whose: String) {
    let _ = std::fs::create_dir(directory);
    let path: PathBuf = directory.join(file);
    listen(Box::new(move |words| fault_log::append(&path, &format!("{whose}: {words}"))));
}

/// Whether anybody listens: what is started by this process should trace its steps, too.
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Tells of a step. `words` say what is done or was decided, and name the thing.
pub fn step(words: impl FnOnce() -> String) {
    if is_on() {
        pass_on(&words());
    }
}

/// Tells of a step of another process of coracle.
pub fn pass_on(words: &str) {
    if let Some(listener) = &*LISTENER.lock().unwrap_or_else(PoisonError::into_inner) {
        listener(words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn steps_go_to_the_log_of_the_process() {
        // The only test that listens: the listener is the process's, and other tests' steps may be in the log.
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let logs = scratch.path().join("logs");
        listen_in_log(&logs, "x.log", "abc".into());
        step(|| "mounts \x1b[31mthings".into());
        *LISTENER.lock().unwrap() = None;
        ON.store(false, Ordering::Relaxed);
        step(|| unreachable!("nobody listens"));
        let text = std::fs::read_to_string(logs.join("x.log")).unwrap();
        let line = text.lines().find(|line| line.contains("abc: mounts")).unwrap();
        assert!(line.ends_with("things") && !line.contains('\x1b'), "{line:?}");
    }
}
