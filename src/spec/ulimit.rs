//! `--ulimit`: the resource limits of a container's processes (getrlimit(2)), as docker writes them.

use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, text};

/// The names of docker's `--ulimit`, which are those of getrlimit(2) in small letters.
pub const NAMES: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// One limit of every process of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// One of [`NAMES`].
    pub name: String,
    /// In the limit's own unit; -1 for no limit.
    pub soft: i64,
    /// What the soft limit may be raised to.
    pub hard: i64,
}

impl Ulimit {
    /// `NAME=SOFT[:HARD]`; the hard limit is the soft one where it is left out.
    pub fn parse(value: &str) -> Result<Self> {
        let shown = text::clean(value);
        let (name, limits) =
            value.split_once('=').ok_or_else(|| Error::usage(format!("invalid ulimit argument: {shown}")))?;
        if !NAMES.contains(&name) {
            return Err(Error::usage(format!("invalid ulimit type: {}", text::clean(name)))
                .hint(format!("these are: {}", NAMES.join(", "))));
        }
        let number = |limit: &str| {
            let number = if limit == "unlimited" { Ok(-1) } else { limit.parse::<i64>() };
            number.ok().filter(|number| *number >= -1).ok_or_else(|| {
                Error::usage(format!("invalid ulimit argument: {shown}"))
                    .hint("a limit is a number, or -1 for no limit: --ulimit nofile=1024:2048")
            })
        };
        let (soft, hard) = match limits.split_once(':') {
            None => (number(limits)?, number(limits)?),
            Some((_, hard)) if hard.contains(':') => {
                return Err(Error::usage(format!(
                    "too many limit value arguments - {}, can only have up to two, `soft[:hard]`",
                    text::clean(limits)
                )));
            }
            Some((soft, hard)) => (number(soft)?, number(hard)?),
        };
        let above = |limit: i64| if limit == -1 { i64::MAX } else { limit };
        if above(soft) > above(hard) {
            return Err(Error::usage(format!(
                "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
            )));
        }
        Ok(Self { name: name.to_owned(), soft, hard })
    }

    /// All that are given. The last one of a name counts, as with docker. podman's `host`, which stands for the limits of
    /// the caller, is what coracle's containers have anyway.
    pub fn all(values: &[String]) -> Result<Vec<Self>> {
        let mut limits: Vec<Self> = Vec::new();
        for value in values.iter().filter(|value| *value != "host") {
            let limit = Self::parse(value)?;
            limits.retain(|known| known.name != limit.name);
            limits.push(limit);
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_in_dockers_form() {
        let limit = |value: &str| Ulimit::parse(value).map(|limit| (limit.name, limit.soft, limit.hard));
        assert_eq!(limit("nofile=1024:2048").unwrap(), ("nofile".into(), 1024, 2048));
        assert_eq!(limit("core=0").unwrap(), ("core".into(), 0, 0));
        assert_eq!(limit("memlock=-1:-1").unwrap(), ("memlock".into(), -1, -1));
        assert_eq!(limit("memlock=5:unlimited").unwrap(), ("memlock".into(), 5, -1));
        for (value, reason) in [
            ("nofile", "invalid ulimit argument: nofile"),
            ("nofile=", "invalid ulimit argument: nofile="),
            ("nofile=a", "invalid ulimit argument: nofile=a"),
            ("nofile=-2", "invalid ulimit argument"),
            ("frob=1", "invalid ulimit type: frob"),
            ("nofile=1:2:3", "too many limit value arguments - 1:2:3"),
            ("nofile=3:2", "soft limit must be less than or equal to hard limit: 3 > 2"),
            ("nofile=-1:2", "-1 > 2"),
        ] {
            let error = limit(value).unwrap_err();
            assert!(error.message().contains(reason), "{value}: {error}");
        }
    }

    #[test]
    fn the_last_of_a_name_counts() {
        let values = ["nofile=1", "host", "core=2", "nofile=3"].map(String::from);
        let names: Vec<(String, i64)> =
            Ulimit::all(&values).unwrap().into_iter().map(|limit| (limit.name, limit.soft)).collect();
        assert_eq!(names, [("core".to_owned(), 2), ("nofile".to_owned(), 3)]);
    }
}
