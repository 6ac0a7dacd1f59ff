//! `--userns`, `--uidmap` and `--gidmap`, in podman's grammar. docker's only word, `host`, is among them.

use super::ids::{MAX_ID, MapRequest, Outside, UserNamespaceRequest, parse_id};
use crate::base::{Error, Result, text};

/// The request these options stand for.
pub fn parse(mode: Option<&str>, uids: &[String], gids: &[String]) -> Result<UserNamespaceRequest> {
    let mode = mode.unwrap_or_default();
    if !uids.is_empty() || !gids.is_empty() {
        if !matches!(mode, "" | "private") {
            return Err(Error::usage("--userns and --uidmap/--gidmap are mutually exclusive"));
        }
        let (uids, gids) = (maps("--uidmap", uids)?, maps("--gidmap", gids)?);
        // One of them stands for both.
        return Ok(match (uids.is_empty(), gids.is_empty()) {
            (true, _) => UserNamespaceRequest::Maps { uids: gids.clone(), gids },
            (_, true) => UserNamespaceRequest::Maps { gids: uids.clone(), uids },
            _ => UserNamespaceRequest::Maps { uids, gids },
        });
    }
    let (word, options) = mode.split_once(':').map_or((mode, ""), |(word, options)| (word, options));
    match word {
        "" if options.is_empty() => Ok(UserNamespaceRequest::Usual),
        "host" | "private" if options.is_empty() => Ok(UserNamespaceRequest::Host),
        "nomap" if options.is_empty() => Ok(UserNamespaceRequest::NoMap),
        "auto-own" if options.is_empty() => Ok(UserNamespaceRequest::AutoOwn),
        "keep-id" => keep_id(options),
        "auto" => auto(options),
        "container" if !options.is_empty() => Ok(UserNamespaceRequest::Container(options.into())),
        "ns" if options.starts_with('/') && !options.contains('\0') => Ok(UserNamespaceRequest::Path(options.into())),
        _ => Err(Error::usage(format!("invalid user namespace mode `{}`", text::clean(mode)))
            .hint("`host`, `keep-id[:uid=UID,gid=GID]`, `nomap`, `auto[:size=SIZE]`, `container:NAME` or `ns:PATH`")),
    }
}

fn pairs(options: &str) -> Result<Vec<(&str, &str)>> {
    let pair = |option| {
        str::split_once(option, '=')
            .ok_or_else(|| Error::usage(format!("invalid option `{}` of --userns", text::clean(option))))
    };
    options.split(',').filter(|option| !option.is_empty()).map(pair).collect()
}

fn keep_id(options: &str) -> Result<UserNamespaceRequest> {
    let (mut uid, mut gid) = (None, None);
    for (key, value) in pairs(options)? {
        match key {
            "uid" => uid = Some(id(value)?),
            "gid" => gid = Some(id(value)?),
            other => return Err(unknown("keep-id", other)),
        }
    }
    Ok(UserNamespaceRequest::KeepId { uid, gid })
}

fn auto(options: &str) -> Result<UserNamespaceRequest> {
    let (mut size, mut uids, mut gids) = (None, Vec::new(), Vec::new());
    for (key, value) in pairs(options)? {
        match key {
            "size" => size = Some(number("--userns", value)?).filter(|size| *size > 0),
            "uidmapping" => uids.push(map("--userns", value)?),
            "gidmapping" => gids.push(map("--userns", value)?),
            other => return Err(unknown("auto", other)),
        }
    }
    Ok(UserNamespaceRequest::Auto { size, uids, gids })
}

fn maps(flag: &str, values: &[String]) -> Result<Vec<MapRequest>> {
    values.iter().flat_map(|value| value.split(',')).map(|value| map(flag, value)).collect()
}

/// `CONTAINER:FROM[:AMOUNT]`; `@` before FROM: it is an id of the host, not one of the user's namespace.
fn map(flag: &str, value: &str) -> Result<MapRequest> {
    let invalid = || {
        Error::usage(format!("invalid map `{}` for `{flag}`", text::clean(value)))
            .hint("CONTAINER:FROM[:AMOUNT], with `@` before FROM for an id of the host")
    };
    let parts: Vec<&str> = value.split(':').collect();
    let (inside, outside, count) = match parts[..] {
        [inside, outside] => (inside, outside, "1"),
        [inside, outside, count] => (inside, outside, count),
        _ => return Err(invalid()),
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| invalid());
    let count = number(count)?;
    let outside = match outside.strip_prefix('@') {
        Some(host) => Outside::Host(number(host)?),
        None => Outside::User(number(outside)?),
    };
    // No process may have an id of the container beyond the range; the kernel's last one is no id at all.
    let inside = number(inside)?;
    match inside.checked_add(count) {
        Some(end) if count > 0 && end <= MAX_ID + 1 => Ok(MapRequest { inside, outside, count }),
        _ if count > 0 => Err(invalid().hint(format!("ids of the container must be in range 0-{MAX_ID}"))),
        _ => Err(invalid()),
    }
}

/// A user or group id of the container.
fn id(value: &str) -> Result<u32> {
    parse_id(value)?.ok_or_else(|| Error::usage(format!("invalid number `{}` in `--userns`", text::clean(value))))
}

fn number(flag: &str, value: &str) -> Result<u32> {
    value.parse().map_err(|_| Error::usage(format!("invalid number `{}` in `{flag}`", text::clean(value))))
}

fn unknown(mode: &str, option: &str) -> Error {
    Error::usage(format!("unknown option `{}` of --userns={mode}", text::clean(option)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(inside: u32, outside: Outside, count: u32) -> MapRequest {
        MapRequest { inside, outside, count }
    }

    #[test]
    fn modes() {
        use UserNamespaceRequest as R;
        let keep = |uid, gid| R::KeepId { uid, gid };
        for (mode, wanted) in [
            ("", R::Usual),
            ("host", R::Host),
            ("nomap", R::NoMap),
            ("keep-id", keep(None, None)),
            ("keep-id:uid=7", keep(Some(7), None)),
            ("keep-id:uid=7,gid=8", keep(Some(7), Some(8))),
            ("container:web", R::Container("web".into())),
            ("ns:/proc/7/ns/user", R::Path("/proc/7/ns/user".into())),
            ("auto", R::Auto { size: None, uids: vec![], gids: vec![] }),
            (
                "auto:size=10,uidmapping=1:@5:2",
                R::Auto { size: Some(10), uids: vec![run(1, Outside::Host(5), 2)], gids: vec![] },
            ),
        ] {
            assert_eq!(parse(Some(mode), &[], &[]).unwrap(), wanted, "{mode}");
        }
        for bad in [
            "keep-id:x=1",
            "keep-id:uid=-1",
            "keep-id:uid=4294967295",
            "keep-id:gid=2147483648",
            "auto:size=x",
            "nomap:1",
            "host:x",
            "frob",
            "container:",
            "ns:x",
            "auto:1",
        ] {
            assert!(parse(Some(bad), &[], &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn explicit_maps() {
        let strings = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let both = parse(None, &strings(&["0:1:10", "10:0"]), &[]).unwrap();
        let wanted = vec![run(0, Outside::User(1), 10), run(10, Outside::User(0), 1)];
        assert_eq!(both, UserNamespaceRequest::Maps { uids: wanted.clone(), gids: wanted });
        for bad in
            ["1", "a:b", "0:1:0", "0:1:2:3", "u0:1:1", "-1:0", "4294967295:1", "2147483647:1:2", "1:1:4294967295"]
        {
            assert!(parse(None, &strings(&[bad]), &[]).is_err(), "{bad}");
        }
        assert!(parse(Some("keep-id"), &strings(&["0:1:10"]), &[]).is_err());
    }
}
