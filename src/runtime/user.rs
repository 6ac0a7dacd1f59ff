//! `--user` and `USER`: names and ids looked up in the image's own `/etc/passwd` and `/etc/group`, as docker does it.

use crate::base::{Error, Result, text};

/// The most bytes that are read of the image's passwd or group file.
pub const MAX_FILE: u64 = 4 << 20;

/// Who the container's process is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// User id inside the container.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids; the primary one is the first of them.
    pub groups: Vec<u32>,
    /// Home directory, `/` when the user has no entry.
    pub home: String,
}

/// Resolves `user[:group]`. A user by name must have an entry; a numeric one need not, and then has group 0 and home
/// `/`. An explicit group replaces the supplementary ones.
pub fn resolve(spec: &str, passwd: &str, group: &str) -> Result<Identity> {
    let (user, wanted_group) = match spec.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|g| !g.is_empty())),
        None => (spec, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let entry = entries(passwd).find(|fields| fields.first() == Some(&user)).or_else(|| {
        let uid: u32 = user.parse().ok()?;
        entries(passwd).find(|fields| number(fields, 2) == Some(uid))
    });
    let mut identity = match &entry {
        Some(fields) => Identity {
            uid: number(fields, 2).ok_or_else(|| unknown("user", user))?,
            gid: number(fields, 3).unwrap_or(0),
            groups: Vec::new(),
            home: fields.get(5).filter(|home| home.starts_with('/')).map_or("/".into(), |home| (*home).to_owned()),
        },
        None => {
            Identity { uid: user.parse().map_err(|_| unknown("user", user))?, home: "/".into(), ..Identity::default() }
        }
    };
    match wanted_group {
        Some(wanted) => {
            identity.gid = entries(group)
                .find(|fields| fields.first() == Some(&wanted))
                .and_then(|fields| number(&fields, 2))
                .or_else(|| wanted.parse().ok())
                .ok_or_else(|| unknown("group", wanted))?;
        }
        None => {
            let name = entry.as_ref().and_then(|fields| fields.first().copied());
            identity.groups = entries(group)
                .filter(|fields| {
                    name.is_some_and(|name| fields.get(3).is_some_and(|m| m.split(',').any(|m| m == name)))
                })
                .filter_map(|fields| number(&fields, 2))
                .filter(|gid| *gid != identity.gid)
                .collect();
        }
    }
    // The primary group counts as supplementary, too: else dropping it would lift what a file denies to it
    // (CVE-2022-36109).
    identity.groups.insert(0, identity.gid);
    Ok(identity)
}

fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.trim().split(':').collect::<Vec<_>>()).filter(|fields| fields.len() >= 3)
}

fn number(fields: &[&str], index: usize) -> Option<u32> {
    fields.get(index)?.parse().ok()
}

fn unknown(what: &str, name: &str) -> Error {
    let file = if what == "user" { "passwd" } else { "group" };
    Error::usage(format!("unable to find {what} `{}`: no matching entries in {file} file", text::clean(name)))
        .hint(format!("the image's /etc/{file} has no such {what}; a numeric id always works"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:w:/var/www:/bin/false\nbroken\n";
    const GROUP: &str = "root:x:0:\nweb:x:34:\nadm:x:4:web,root\ndocker:x:99:web\n";

    #[test]
    fn users_and_groups_by_name_and_number() {
        let is = |spec: &str, uid, gid, groups: &[u32], home: &str| {
            let identity = resolve(spec, PASSWD, GROUP).unwrap();
            assert_eq!(
                (identity.uid, identity.gid, &identity.groups[..], &identity.home[..]),
                (uid, gid, groups, home),
                "{spec}"
            );
        };
        is("", 0, 0, &[0, 4], "/root");
        is("web", 33, 34, &[34, 4, 99], "/var/www");
        is("33", 33, 34, &[34, 4, 99], "/var/www");
        is("web:adm", 33, 4, &[4], "/var/www");
        is("1000", 1000, 0, &[0], "/");
        is("1000:1001", 1000, 1001, &[1001], "/");
        is(":99", 0, 99, &[99], "/root");
    }

    #[test]
    fn unknown_names_are_refused() {
        for bad in ["nobody", "web:nogroup", "-1", "4294967296", "a\x1bb"] {
            let error = resolve(bad, PASSWD, GROUP).unwrap_err();
            assert!(error.message().starts_with("unable to find"), "{bad}: {error}");
            assert!(!error.message().contains('\x1b'));
        }
    }
}
