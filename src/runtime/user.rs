//! `--user` and `USER`: names and ids looked up in the image's own `/etc/passwd` and `/etc/group`, as docker does it.

use crate::base::{Error, Result, text};
use crate::spec::ids::parse_id;

/// The most bytes that are read of the image's passwd or group file.
pub const MAX_FILE: u64 = 4 << 20;

/// The identity of the container's process.
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

/// Resolves `user[:group]`. A number is an id, also where a user or group of that name exists. A user by name must have
/// an entry; a numeric one need not, and then has group 0 and home `/`. An explicit group replaces the supplementary
/// ones (moby/sys `user.GetExecUser`).
///
/// Lines with fewer than three fields, and `#` lines, are passed over as getpwnam(3) does; a number in a line that is
/// needed must be an id.
pub fn resolve(spec: &str, passwd: &str, group: &str) -> Result<Identity> {
    let (user, wanted_group) = match spec.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|g| !g.is_empty())),
        None => (spec, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let (id, gid) = (parse_id(user)?, wanted_group.map(parse_id).transpose()?.flatten());
    let entry = entries(passwd).find(|fields| is_meant(fields, user, id));
    let mut identity = match &entry {
        Some(fields) => Identity {
            uid: id_in(fields, 2)?.ok_or_else(|| unknown("user", user))?,
            gid: id_in(fields, 3)?.unwrap_or(0),
            groups: Vec::new(),
            home: fields.get(5).filter(|home| home.starts_with('/')).map_or("/".into(), |home| (*home).to_owned()),
        },
        None => Identity { uid: id.ok_or_else(|| unknown("user", user))?, home: "/".into(), ..Identity::default() },
    };
    match (wanted_group, gid) {
        (Some(_), Some(gid)) => identity.gid = gid,
        (Some(wanted), None) => {
            let entry = entries(group).find(|fields| is_meant(fields, wanted, None));
            let gid = entry.map(|fields| id_in(&fields, 2)).transpose()?.flatten();
            identity.gid = gid.ok_or_else(|| unknown("group", wanted))?;
        }
        (None, _) => {
            let name = entry.as_ref().and_then(|fields| fields.first().copied());
            let is_member = |fields: &Vec<&str>| {
                name.is_some_and(|name| fields.get(3).is_some_and(|members| members.split(',').any(|m| m == name)))
            };
            for fields in entries(group).filter(is_member) {
                identity.groups.extend(id_in(&fields, 2)?.filter(|gid| *gid != identity.gid));
            }
        }
    }
    // The primary group counts as supplementary, too: else dropping it would lift what a file denies to it
    // (CVE-2022-36109).
    identity.groups.insert(0, identity.gid);
    Ok(identity)
}

/// Adds groups by name or number (`--group-add`), looked up in the image's `/etc/group`.
pub fn add_groups(identity: &mut Identity, wanted: &[String], group: &str) -> Result<()> {
    for name in wanted {
        let id = match parse_id(name)? {
            Some(id) => id,
            None => {
                let entry = entries(group).find(|fields| is_meant(fields, name, None));
                let id = entry.map(|fields| id_in(&fields, 2)).transpose()?.flatten();
                id.ok_or_else(|| unknown("group", name))?
            }
        };
        if !identity.groups.contains(&id) {
            identity.groups.push(id);
        }
    }
    Ok(())
}

/// The lines of passwd(5) and group(5) as fields.
fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(':').collect::<Vec<_>>()).filter(|fields| fields.len() >= 3)
}

/// Whether an entry is that of `name`, or of its number if it is one.
fn is_meant(fields: &[&str], name: &str, id: Option<u32>) -> bool {
    match id {
        Some(id) => id_in(fields, 2).is_ok_and(|its| its == Some(id)),
        None => fields.first() == Some(&name),
    }
}

/// The id in a field; `None` when that is no number.
fn id_in(fields: &[&str], index: usize) -> Result<Option<u32>> {
    parse_id(fields.get(index).copied().unwrap_or_default())
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
    fn a_number_is_an_id_and_no_name() {
        let passwd = "1000:x:7:8:odd:/odd:/bin/sh\nreal:x:1000:1001:r:/real:/bin/sh\nagain:x:1000:5:a:/again:/bin/sh\n";
        let group = "34:x:9:\nstaff:x:34:\nx:x:50:real,1000\n# y:x:51:real\n  z:x:52:other,real \n";
        for (spec, uid, gid, groups, home) in [
            ("1000", 1000, 1001, &[1001, 50, 52][..], "/real"),
            ("+1000", 1000, 1001, &[1001, 50, 52], "/real"),
            ("real", 1000, 1001, &[1001, 50, 52], "/real"),
            ("again", 1000, 5, &[5], "/again"),
            ("7", 7, 8, &[8, 50], "/odd"),
            ("real:34", 1000, 34, &[34], "/real"),
            ("real:staff", 1000, 34, &[34], "/real"),
            ("real:9", 1000, 9, &[9], "/real"),
            ("-0", 0, 0, &[0], "/"),
            ("2147483647:2147483647", 2_147_483_647, 2_147_483_647, &[2_147_483_647], "/"),
        ] {
            let identity = resolve(spec, passwd, group).unwrap();
            let home = home.to_owned();
            assert_eq!(identity, Identity { uid, gid, groups: groups.to_vec(), home }, "{spec}");
        }
    }

    #[test]
    fn ids_beyond_the_range_are_refused_wherever_they_stand() {
        let passwd = "minus:x:4294967295:0::/:\ngroup:x:5:4294967295::/:\nhuge:x:99999999999999999999:0::/:\n\
            below:x:-1:0::/:\nfine:x:6:6::/:\nmember:x:8:8::/:\n";
        let group = "minus:x:4294967295:\nlast:x:2147483648:member\n";
        for spec in [
            "4294967295",
            "2147483648",
            "99999999999999999999",
            "-1",
            "1:4294967295",
            "fine:2147483648",
            "fine:-1",
            "minus",
            "group",
            "huge",
            "below",
            "fine:minus",
            "member",
            ":4294967295",
        ] {
            let error = resolve(spec, passwd, group).unwrap_err();
            assert!(error.message().ends_with("uids and gids must be in range 0-2147483647"), "{spec}: {error}");
        }
        assert_eq!(resolve("fine", passwd, group).unwrap().uid, 6);
        assert_eq!(resolve("5:7", "", group).unwrap().gid, 7);
    }

    #[test]
    fn groups_are_added_by_name_and_number() {
        let added = |groups: &[&str]| {
            let mut identity = resolve("web", PASSWD, GROUP).unwrap();
            let groups: Vec<String> = groups.iter().map(|group| (*group).into()).collect();
            add_groups(&mut identity, &groups, GROUP).map(|()| identity.groups)
        };
        assert_eq!(added(&["docker", "root", "1234", "root"]).unwrap(), [34, 4, 99, 0, 1234]);
        assert!(added(&["nobody"]).unwrap_err().message().contains("unable to find group `nobody`"));
        assert!(added(&["4294967295"]).is_err());
    }

    #[test]
    fn unknown_names_are_refused() {
        for bad in ["nobody", "web:nogroup", "broken", "1e3", "0x10", "a\x1bb"] {
            let error = resolve(bad, PASSWD, GROUP).unwrap_err();
            assert!(error.message().starts_with("unable to find"), "{bad}: {error}");
            assert!(!error.message().contains('\x1b'));
        }
        assert!(resolve("odd", "odd:x:five:0::/:\n", "").is_err(), "its id is no number");
    }
}
