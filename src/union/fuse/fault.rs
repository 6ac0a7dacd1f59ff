//! Panics in the server: each fails one request, and is logged.
//!
//! A panic unwinds to its request ([`super::ops`]), which answers EIO. Before that, message and place are appended to a
//! log in the container's directory ([`crate::base::fault_log`]).

/// The log in the container's directory.
pub const LOG: &str = "fuse.log";

/// In builds for tests, looking this name up panics: the only way to see that the server survives.
#[cfg(debug_assertions)]
const TRAP: &str = ".coracle-test-panic";

/// Panics for the trap's name, in builds for tests.
#[cfg(debug_assertions)]
pub(super) fn trap(name: &std::ffi::OsStr) {
    assert!(name != TRAP, "a look-up of `{TRAP}`, as the tests wish");
}

/// Nothing in builds for users.
#[cfg(not(debug_assertions))]
pub(super) fn trap(_: &std::ffi::OsStr) {}
