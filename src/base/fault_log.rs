//! Panics as errors and as log lines. A command turns a panic into an ordinary error. A process without a standard error
//! appends it to a log file, one line for each.
//!
//! A bounded number of short lines of each process, and none behind a bounded length of the file, so that what runs into the
//! same fault again and again does not fill the disk.

use std::fs::File;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Error, Result, text, time};
use crate::sys::process::exit_now;

/// Panics that one process writes down.
const MOST: u32 = 64;

/// The most characters of one report.
const LONGEST: usize = 1024;

/// A file that has reached this number of bytes is begun anew.
const FULL: u64 = 256 << 10;

/// From now on panics of this process are written to the file at `path`.
pub fn panics_to(path: PathBuf) {
    let written = AtomicU32::new(0);
    std::panic::set_hook(Box::new(move |panic| {
        if written.fetch_add(1, Ordering::Relaxed) < MOST {
            append(&path, &panic.to_string());
        }
    }));
}

/// The same for a process that cannot go on without any of its threads: it ends, with status 101.
pub fn fatal_panics_to(path: PathBuf) {
    std::panic::set_hook(Box::new(move |panic| {
        append(&path, &panic.to_string());
        exit_now(101);
    }));
}

/// Runs `work`; a panic in it becomes an error that says what was wrong and where, and is printed by nobody else. What the
/// libraries below us do when the kernel gives them no random numbers or no memory is a panic, for example.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T> {
    static REPORT: Mutex<Option<String>> = Mutex::new(None);
    std::panic::set_hook(Box::new(|panic| {
        // The first one is the cause of others.
        let mut report = REPORT.lock().unwrap_or_else(PoisonError::into_inner);
        report.get_or_insert_with(|| panic.to_string());
    }));
    std::panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        let report = REPORT.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let report: String = report.chars().take(LONGEST).map(|c| if c == '\n' { ' ' } else { c }).collect();
        Error::system(format!("internal error: {}", text::clean(&report)))
            .hint("does the machine lack memory or random numbers? if not, it is a fault of coracle: please report it")
    })
}

/// Adds a report. A log that cannot be written must not end anything: what fails here is left.
pub fn append(path: &Path, report: &str) {
    if path.metadata().is_ok_and(|metadata| metadata.len() > FULL) {
        let _ = std::fs::remove_file(path);
    }
    if let Ok(mut log) = File::options().append(true).create(true).open(path) {
        let _ = log.write_all(line(report).as_bytes());
    }
}

fn line(report: &str) -> String {
    let report: String = report.chars().take(LONGEST).map(|c| if c == '\n' { ' ' } else { c }).collect();
    format!("{} {}\n", time::rfc3339_nanos(time::now()), text::clean(&report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn a_report_is_one_short_line() {
        let line = line(&format!("panicked at src/x.rs:1:2:\nout of \x1b[31m{}", "x".repeat(5000)));
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1 && line.len() < 1200);
        assert!(line.contains("src/x.rs:1:2: out of") && !line.contains('\x1b'));
    }

    #[test]
    fn a_full_log_begins_anew() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("log");
        append(&path, "one");
        append(&path, "two");
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        File::options().append(true).open(&path).unwrap().set_len(FULL + 1).unwrap();
        append(&path, "three");
        assert!(std::fs::read_to_string(&path).unwrap().ends_with(" three\n"));
        assert!(path.metadata().unwrap().len() < 100);
    }
}
