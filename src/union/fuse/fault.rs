//! Panics in the server: each is an error of one request, and is written down.
//!
//! A panic unwinds to the request it happened in ([`super::ops`]), which answers EIO. Before that, what happened and
//! where is appended to a log in the container's directory, since the server has no standard error: a bounded number of
//! lines, so that a program that runs into the same fault again and again does not fill the disk.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::base::{text, time};

/// The log in the container's directory.
pub const LOG: &str = "fuse.log";

/// Panics that one server writes down.
const MOST: u32 = 64;

/// The most bytes of one report.
const LONGEST: usize = 1024;

/// In builds for tests, looking this name up panics: the only way to see that the server survives.
#[cfg(debug_assertions)]
const TRAP: &str = ".coracle-test-panic";

/// From now on panics go to the log in `directory`.
pub(super) fn log_to(directory: &Path) {
    let path = directory.join(LOG);
    let written = AtomicU32::new(0);
    std::panic::set_hook(Box::new(move |panic| {
        if written.fetch_add(1, Ordering::Relaxed) < MOST
            && let Ok(mut log) = File::options().append(true).create(true).open(&path)
        {
            // A log that cannot be written must not end the server.
            let _ = log.write_all(line(&panic.to_string()).as_bytes());
        }
    }));
}

fn line(report: &str) -> String {
    let report: String = report.chars().take(LONGEST).map(|c| if c == '\n' { ' ' } else { c }).collect();
    format!("{} {}\n", time::rfc3339_nanos(time::now()), text::clean(&report))
}

/// Panics in builds for tests when `name` asks for it.
#[cfg(debug_assertions)]
pub(super) fn trap(name: &std::ffi::OsStr) {
    assert!(name != TRAP, "a look-up of `{TRAP}`, as the tests wish");
}

/// Nothing in builds for users.
#[cfg(not(debug_assertions))]
pub(super) fn trap(_: &std::ffi::OsStr) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_short_line() {
        let line = line(&format!("panicked at src/x.rs:1:2:\nout of \x1b[31m{}", "x".repeat(5000)));
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1 && line.len() < 1200);
        assert!(line.contains("src/x.rs:1:2: out of") && !line.contains('\x1b'));
    }
}
