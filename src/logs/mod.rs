//! Rank 2: the output of a container, as its log driver keeps it and as `logs` reads it.
//!
//! # Formats
//!
//! `json-file` and `local`: docker's format, so that every tool that reads docker's logs reads ours. One JSON object on each
//! line, with the tag, labels and variables that were asked for in `attrs`:
//!
//! ```text
//! {"log":"hello\n","stream":"stdout","attrs":{"tag":"web"},"time":"2026-11-21T09:26:00.123456789Z"}
//! ```
//!
//! `k8s-file`: that of Kubernetes and podman, in which `F` ends a line and `P` is a part of one:
//!
//! ```text
//! 2026-11-21T09:26:00.123456789Z stdout F hello
//! ```
//!
//! An entry is one line of output with its newline. A line longer than [`LINE_MAX`] becomes several entries, of which
//! only the last has the newline; so does a last line that never got one. In JSON, bytes that are not UTF-8 become U+FFFD,
//! one for each byte, as in Go's `encoding/json`; `k8s-file` keeps them, and `logs` shows them in the same way.
//!
//! `journald`: an entry of the machine's journal for each entry of output, with docker's and podman's fields ([`journal`]).
//!
//! # Files
//!
//! A file that would grow beyond its limit is put aside: `log` becomes `log.1`, `log.1` becomes `log.2` and so on; the oldest
//! is dropped. An entry is in one file. The new file is made before the old one is renamed, so that a full disk changes
//! nothing: the old one grows on.
//!
//! # Life
//!
//! One process writes (the container's supervisor, [`Writer`]), any number read ([`Reader`]) without a lock: a file only
//! grows, and a line counts when its newline is there. A write that was cut short (full disk, power cut) leaves a torn
//! line; the next write begins on a new line, and readers skip what they cannot parse.

mod format;
mod journal;
mod place;
mod reader;
mod writer;

#[cfg(test)]
pub use place::FilePlace;
pub use place::Place;
pub use reader::Reader;
pub use writer::Writer;

/// The longest piece of output in one entry, in bytes: docker's buffer size.
pub const LINE_MAX: usize = 16 * 1024;
