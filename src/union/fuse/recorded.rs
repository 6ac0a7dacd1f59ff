//! Owners and modes that lower layers record in an attribute, because they could not be set when unpacking: the user
//! has a single id, or the file system has no owners.
//!
//! `<uid>:<gid>:<octal mode>`, perhaps followed by a type, which is ignored: an attribute must not turn a regular file
//! into a device. A copy in the upper gets real owner and mode.

use rustix::fs::Stat;

/// The attribute's name, that of containers/storage.
pub(super) const NAME: &str = "user.containers.override_stat";

/// Whether owners other than the user can be shown: not if this user namespace has a single id. There, all files are
/// the user's, which is root.
pub(super) fn can_be_shown() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_ascii_whitespace().nth(2) != Some("1") || map.lines().count() > 1
}

/// Applies an attribute's value to `stat`; an invalid one changes nothing.
pub(super) fn apply(mut stat: Stat, value: &[u8]) -> Stat {
    if let Some((uid, gid, mode)) = parse(value) {
        (stat.st_uid, stat.st_gid) = (uid, gid);
        stat.st_mode = stat.st_mode & !0o7777 | mode;
    }
    stat
}

fn parse(value: &[u8]) -> Option<(u32, u32, u32)> {
    let mut parts = std::str::from_utf8(value).ok()?.split(':');
    let (uid, gid): (u32, u32) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let mode = u32::from_str_radix(parts.next()?, 8).ok()?;
    // The highest number is not an id.
    (uid != u32::MAX && gid != u32::MAX).then_some((uid, gid, mode & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_understood_with_and_without_a_type() {
        assert_eq!(parse(b"33:34:0755"), Some((33, 34, 0o755)));
        assert_eq!(parse(b"0:0:104755:file"), Some((0, 0, 0o4755)));
        for bad in [&b""[..], b"1:2", b"-1:2:755", b"4294967295:0:755", b"1:2:9", b"a:b:c", b"\xff"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
