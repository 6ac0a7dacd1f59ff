//! Accounts and subordinate ids: what /etc/passwd, /etc/group, /etc/subuid and /etc/subgid say. Everything here is a pure
//! function over text that the caller has read.
//!
//! The files are parsed by hand because a static glibc must not call NSS. Accounts and ranges that only a directory
//! service knows (LDAP, `subid: sss` in nsswitch.conf) are therefore not seen. Malformed lines are skipped, as
//! getpwnam(3) and newuidmap(1) do: one bad line of an administrator must not lock every user out.

use crate::spec::idmap::{IdRange, NO_ID, decimal};

/// One account of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The id of the primary group.
    pub gid: u32,
    /// The home directory, as written.
    pub home: String,
}

/// The accounts of a passwd(5) text, in its order. Lines without a name, a numeric uid and a numeric gid are skipped
/// (also the `+` and `-` lines of NIS).
pub fn accounts(text: &str) -> impl Iterator<Item = Account> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with(['+', '-', '#']))?;
        let (_password, uid, gid) = (fields.next()?, id(fields.next()?)?, id(fields.next()?)?);
        let (_gecos, home) = (fields.next(), fields.next().unwrap_or_default());
        Some(Account { name: name.to_owned(), uid, gid, home: home.to_owned() })
    })
}

/// The first account with this uid.
pub fn account_by_uid(passwd: &str, uid: u32) -> Option<Account> {
    accounts(passwd).find(|account| account.uid == uid)
}

/// The first account with this name.
pub fn account_by_name(passwd: &str, name: &str) -> Option<Account> {
    accounts(passwd).find(|account| account.name == name)
}

/// The gid of a line of group(5).
fn gid_of(line: &str) -> Option<(&str, u32)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with(['+', '-', '#']))?;
    Some((name, id(fields.nth(1)?)?))
}

/// The name of the first group with this gid in a group(5) text.
pub fn group_by_gid(text: &str, gid: u32) -> Option<String> {
    text.lines().filter_map(gid_of).find(|(_, its)| *its == gid).map(|(name, _)| name.to_owned())
}

/// Whether a group(5) text has a group with this name.
pub fn has_group(text: &str, name: &str) -> bool {
    text.lines().filter_map(gid_of).any(|(its, _)| its == name)
}

/// One line of subuid(5) or subgid(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubidEntry {
    /// A login name or a decimal uid.
    pub owner: String,
    /// The ids it may use.
    pub range: IdRange,
}

/// Every well-formed line of a subuid(5) or subgid(5) text: `owner:start:count`.
pub fn subid_entries(text: &str) -> impl Iterator<Item = SubidEntry> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next().filter(|owner| !owner.is_empty() && !owner.starts_with('#'))?;
        let (start, count) = (id(fields.next()?)?, decimal(fields.next()?)?);
        // Extra fields, an empty range, and ids beyond the last one make the line worthless.
        if fields.next().is_some() || count == 0 || u64::from(start) + u64::from(count) > u64::from(NO_ID) {
            return None;
        }
        Some(SubidEntry { owner: owner.to_owned(), range: IdRange { start, count } })
    })
}

/// The ranges that a user owns by name or by uid (subuid(5) allows both, and both in one file). /etc/subgid is keyed by
/// the user, too.
pub fn subid_ranges(text: &str, user: Option<&str>, uid: u32) -> Vec<IdRange> {
    let uid = uid.to_string();
    subid_entries(text)
        .filter(|entry| entry.owner == uid || Some(entry.owner.as_str()) == user)
        .map(|entry| entry.range)
        .collect()
}

/// A decimal id; the "no id" value is none.
fn id(text: &str) -> Option<u32> {
    decimal(text).filter(|&id| id != NO_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u32, count: u32) -> IdRange {
        IdRange { start, count }
    }

    #[test]
    fn accounts_are_found_by_uid_and_name_past_malformed_lines() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n\
                      # comment:x:1:1::/:\n\
                      broken\n\
                      :x:1000:1000::/nobody:\n\
                      +nis::::::\n\
                      bad:x:-1:5::/:\n\
                      big:x:4294967295:5::/:\n\
                      me:x:1000:1001:Me,,,:/home/me:/bin/zsh\n\
                      alias:x:1000:1001::/home/alias:\n\
                      short:x:7:8\n";
        let me = Account { name: "me".into(), uid: 1000, gid: 1001, home: "/home/me".into() };
        assert_eq!(account_by_uid(passwd, 1000), Some(me.clone()));
        assert_eq!(account_by_name(passwd, "me"), Some(me));
        assert_eq!(account_by_name(passwd, "alias").map(|a| a.home), Some("/home/alias".into()));
        assert_eq!(account_by_name(passwd, "short").map(|a| (a.uid, a.home)), Some((7, String::new())));
        assert_eq!(account_by_uid(passwd, u32::MAX), None);
        assert_eq!(accounts(passwd).count(), 4);
    }

    #[test]
    fn ranges_belong_to_a_name_or_a_uid() {
        let text = "me:100000:65536\nother:165536:65536\n1000:300000:10\nme:500000:1\n10000:1:1\n";
        assert_eq!(subid_ranges(text, Some("me"), 1000), [range(100000, 65536), range(300000, 10), range(500000, 1)]);
        assert_eq!(subid_ranges(text, None, 1000), [range(300000, 10)]);
        assert_eq!(subid_ranges(text, Some("nobody"), 65534), []);
    }

    #[test]
    fn malformed_subid_lines_are_skipped() {
        for line in [
            "",
            "#me:1:1",
            "me",
            "me:1",
            "me::1",
            "me:1:",
            "me:1:0",
            "me:-1:5",
            "me:+1:5",
            "me:0x10:5",
            "me:1:1:1",
            ":1:1",
            "me:4294967295:1",
            "me:4294967294:2",
            "me:1:4294967295",
            "me:99999999999:1",
            "me: 1:1",
        ] {
            assert_eq!(subid_entries(line).collect::<Vec<_>>(), [], "{line:?}");
        }
        assert_eq!(subid_ranges("  me:4294967294:1\r\n", Some("me"), 5), [range(4294967294, 1)]);
    }
}
