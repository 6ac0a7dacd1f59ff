//! Rank 2: the log of a container, in docker's `json-file` format, so that every tool that reads docker's logs reads
//! ours.
//!
//! # Format
//!
//! One JSON object on each line:
//!
//! ```text
//! {"log":"hello\n","stream":"stdout","time":"2026-11-21T09:26:00.123456789Z"}
//! ```
//!
//! An entry is one line of output with its newline. A line longer than [`LINE_MAX`] becomes several entries, of which
//! only the last has the newline; so does a last line that never got one. Bytes that are not UTF-8 become U+FFFD, one
//! for each byte, as in Go's `encoding/json`.
//!
//! # Life
//!
//! One process writes (the container's supervisor, [`Writer`]), any number read ([`Reader`]) without a lock: the file only
//! grows, and a line counts when its newline is there. A write that was cut short (full disk, power cut) leaves a torn
//! line; the next write begins on a new line, and readers skip what they cannot parse.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;

/// The longest piece of output in one entry, in bytes: docker's buffer size.
pub const LINE_MAX: usize = 16 * 1024;
