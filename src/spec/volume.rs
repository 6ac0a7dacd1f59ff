//! What a volume is: a plain value, which `state::volumes` keeps on disk; and the options of docker's and podman's `local`
//! driver, as far as they make sense without root.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::parse_id;
use crate::base::id::Name;
use crate::base::{Error, Result, text, time};

/// The newest format of the record that this program reads, and the one it writes.
pub const FORMAT: u32 = 1;

/// The only driver.
pub const DRIVER: &str = "local";

/// A directory with a name, which containers share and which outlives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// Its name.
    pub name: Name,
    /// When it was made.
    pub created: Timestamp,
    /// `--label`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `--opt`, as given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Made for one container, and removed with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    /// Somewhere else on the host (`--opt device=`), instead of a directory of coracle's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
}

/// A directory of the host as a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Absolute.
    pub path: PathBuf,
    /// Nobody writes to it.
    pub read_only: bool,
}

/// Where a volume's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Absolute.
    pub path: PathBuf,
    /// Nobody writes to it.
    pub read_only: bool,
    /// coracle made it, and may fill it and give it to a container's users. False for a directory of the host.
    pub ours: bool,
    /// The user and group in a container that it belongs to from the beginning.
    pub owner: Option<(u32, u32)>,
}

/// A volume that is made now, with neither labels nor options.
pub fn new(name: Name, anonymous: bool) -> Volume {
    Volume {
        format: FORMAT,
        name,
        created: time::now(),
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
        anonymous,
        device: None,
    }
}

/// podman's `o=uid=N,gid=N`, without a device: who the volume belongs to in a container.
pub fn owner(options: &BTreeMap<String, String>) -> Result<Option<(u32, u32)>> {
    let flags = options.get("o").map_or("", String::as_str);
    let is_owner = |flag: &&str| flag.starts_with("uid=") || flag.starts_with("gid=");
    let (owners, others): (Vec<&str>, Vec<&str>) =
        flags.split(',').filter(|flag| !flag.is_empty()).partition(|flag| is_owner(flag));
    if owners.is_empty() {
        return Ok(None);
    }
    if !others.is_empty() || options.keys().any(|key| key != "o") {
        return Err(Error::unsupported(format!(
            "`{}` of a volume goes with no other options",
            text::clean(&owners.join(","))
        ))
        .hint("they are for volumes of coracle's own: a directory of the host belongs to whom it belongs"));
    }
    let mut owner = (0, 0);
    for flag in owners {
        let (key, value) = flag.split_once('=').unwrap_or((flag, ""));
        let id = parse_id(value)?
            .ok_or_else(|| Error::usage(format!("invalid option `{}`: not an id", text::clean(flag))))?;
        if key == "uid" { owner.0 = id } else { owner.1 = id }
    }
    Ok(Some(owner))
}

/// Reads the options of the local driver: `type=none`, `o=bind[,ro|rw]` and `device=DIRECTORY` together name a directory of
/// the host; podman's `o=noquota` and the like are refused. Other file systems take a mount that an unprivileged user may not
/// make, or one that would end with each container.
pub fn device(options: &BTreeMap<String, String>) -> Result<Option<Device>> {
    if owner(options)?.is_some() {
        return Ok(None);
    }
    let known = ["type", "o", "device"];
    if let Some(other) = options.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(Error::usage(format!("invalid option: `{}`", text::clean(other)))
            .hint("the local driver has type=none, o=bind and device=DIRECTORY"));
    }
    let get = |key: &str| options.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let (kind, flags, device) = (get("type"), get("o").unwrap_or_default(), get("device"));
    let is_bind = flags.split(',').any(|flag| matches!(flag, "bind" | "rbind"));
    match kind {
        None | Some("none" | "bind") => {}
        Some("tmpfs") => {
            return Err(Error::unsupported(
                "a volume in memory (type=tmpfs) would end with each container that uses it",
            )
            .hint("`--tmpfs PATH` or `--mount type=tmpfs,target=PATH` gives a container one of its own"));
        }
        Some(other) => {
            return Err(Error::unsupported(format!(
                "a volume on `{}` takes a mount that only root may make",
                text::clean(other)
            ))
            .hint("have it mounted on the host, and give its directory: type=none,o=bind,device=DIRECTORY"));
        }
    }
    let unknown = flags.split(',').find(|flag| !matches!(*flag, "" | "bind" | "rbind" | "ro" | "rw"));
    if let Some(flag) = unknown {
        return Err(Error::unsupported(format!(
            "the mount option `{}` of a volume is not supported",
            text::clean(flag)
        ))
        .hint("known are bind, ro and rw"));
    }
    match device {
        None if options.is_empty() => Ok(None),
        None => Err(Error::usage("missing required option: `device`")),
        Some(path) if !is_bind && kind != Some("bind") => {
            Err(Error::usage(format!("the device `{}` of a volume needs the option `o=bind`", text::clean(path))))
        }
        Some(path) if !path.starts_with('/') => {
            Err(Error::usage(format!("the device `{}` of a volume is not an absolute path", text::clean(path))))
        }
        Some(path) => Ok(Some(Device { path: path.into(), read_only: flags.split(',').any(|flag| flag == "ro") })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &[(&str, &str)]) -> Result<Option<Device>> {
        device(&options.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect())
    }

    #[test]
    fn the_local_drivers_options() {
        assert_eq!(of(&[]).unwrap(), None);
        let owned = [("o".to_owned(), "gid=4,uid=3".to_owned())].into();
        assert_eq!((device(&owned).unwrap(), owner(&owned).unwrap()), (None, Some((3, 4))));
        let srv = |read_only| Some(Device { path: "/srv".into(), read_only });
        assert_eq!(of(&[("type", "none"), ("o", "bind"), ("device", "/srv")]).unwrap(), srv(false));
        assert_eq!(of(&[("o", "ro,bind"), ("device", "/srv")]).unwrap(), srv(true));
        assert_eq!(of(&[("type", "bind"), ("device", "/srv")]).unwrap(), srv(false));
        for (options, said) in [
            (&[("type", "tmpfs"), ("device", "tmpfs")][..], "--tmpfs"),
            (&[("type", "nfs"), ("o", "addr=10.0.0.1"), ("device", ":/x")], "nfs"),
            (&[("size", "1g")], "size"),
            (&[("o", "bind,uid=3"), ("device", "/srv")], "uid=3"),
            (&[("o", "uid=x")], "not an id"),
            (&[("o", "uid=3,size=1m")], "no other options"),
            (&[("o", "bind")], "device"),
            (&[("o", "bind"), ("device", "srv")], "absolute"),
            (&[("type", "none"), ("device", "/srv")], "o=bind"),
        ] {
            let error = of(options).unwrap_err();
            let words = format!("{} {:?}", error.message(), error.hints());
            assert!(words.contains(said), "{options:?}: {words}");
        }
    }
}
