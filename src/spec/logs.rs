//! What a container printed, as its log keeps it and commands show it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output; the terminal, when there is one.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The word in the log.
    pub fn word(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// When it was written.
    pub time: Timestamp,
    /// Where it came from.
    pub stream: Stream,
    /// The output, as the container wrote it (but for invalid UTF-8): usually a line with its newline.
    #[serde(rename = "log")]
    pub text: String,
    /// The tag, labels and variables that the log driver was told to add.
    #[serde(rename = "attrs", default)]
    pub attributes: BTreeMap<String, String>,
}

/// Which entries to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only this number of lines at the end; all when none.
    pub tail: Option<u64>,
    /// Only those at or after this time.
    pub since: Option<Timestamp>,
    /// Only those up to this time.
    pub until: Option<Timestamp>,
}
