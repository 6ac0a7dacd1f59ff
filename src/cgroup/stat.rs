//! What a control group has used, and what it may use.

use super::group::{Group, value_of};

/// Numbers of a group. What its controllers do not count is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, in microseconds.
    pub cpu: Option<u64>,
    /// Memory in use without what can be dropped at once, in bytes: docker's figure.
    pub memory: Option<u64>,
    /// The limit of memory; none for no limit.
    pub memory_limit: Option<u64>,
    /// Bytes read from disks.
    pub read: Option<u64>,
    /// Bytes written to disks.
    pub written: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// The limit of processes; none for no limit.
    pub pids_limit: Option<u64>,
}

/// What a group has used up to now.
pub fn usage(group: &Group) -> Usage {
    let text = |file: &str| group.read(file).unwrap_or_default();
    let number = |file: &str| text(file).trim().parse().ok();
    let io = group.read("io.stat").ok();
    Usage {
        cpu: value_of(&text("cpu.stat"), "usage_usec"),
        memory: number("memory.current").map(|used| without_cache(used, &text("memory.stat"))),
        memory_limit: number("memory.max"),
        read: io.as_deref().map(|text| sum_of(text, "rbytes")),
        written: io.as_deref().map(|text| sum_of(text, "wbytes")),
        pids: number("pids.current"),
        pids_limit: number("pids.max"),
    }
}

/// docker's figure (docker/cli, `calculateMemUsageUnixNoCache`): without the inactive part of cached files.
fn without_cache(used: u64, stat: &str) -> u64 {
    match value_of(stat, "inactive_file") {
        Some(inactive) if inactive < used => used - inactive,
        _ => used,
    }
}

/// The sum of a key over all devices of `io.stat`: `8:0 rbytes=1 wbytes=2 …`.
fn sum_of(text: &str, key: &str) -> u64 {
    let values = text.split_ascii_whitespace().filter_map(|word| word.split_once('='));
    values.filter(|(name, _)| *name == key).filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn files_become_numbers() {
        let root = Staging::new(&std::env::temp_dir()).unwrap();
        for (file, content) in [
            ("cpu.stat", "usage_usec 1500\nuser_usec 1000\n"),
            ("memory.current", "1000\n"),
            ("memory.max", "max\n"),
            ("memory.stat", "anon 5\ninactive_file 300\n"),
            ("io.stat", "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=5 wbytes=1\n253:0\n"),
            ("pids.current", "3\n"),
            ("pids.max", "2048\n"),
        ] {
            std::fs::write(root.path().join(file), content).unwrap();
        }
        let group = Group::open(root.path(), "").unwrap();
        let expected = Usage {
            cpu: Some(1500),
            memory: Some(700),
            memory_limit: None,
            read: Some(15),
            written: Some(21),
            pids: Some(3),
            pids_limit: Some(2048),
        };
        assert_eq!(usage(&group), expected);
        let empty = Staging::new(&std::env::temp_dir()).unwrap();
        assert_eq!(usage(&Group::open(empty.path(), "").unwrap()), Usage::default());
        assert_eq!((without_cache(5, "inactive_file 5"), without_cache(5, "")), (5, 5));
    }
}
