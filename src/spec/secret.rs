//! Secrets: small values that programs need and that belong into no image, and the grammar of `--secret`.
//!
//! A value is never part of a record that is shown: [`SecretUse`] in a container's record names the secret and where the
//! container has it, and [`Value`] hides what it holds from debug output.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, text};
use crate::oci::config::from_root;

/// The newest format of the record that this program reads, and the one it writes.
pub const FORMAT: u32 = 1;

/// A value has fewer bytes than this: podman's limit.
pub const MAX: usize = 512_000;

/// The driver: a file that only the user can read.
pub const DRIVER: &str = "file";

/// Where secrets appear in a container unless they are given another place.
const DIRECTORY: &str = "/run/secrets";

/// podman's default mode of a secret's file in a container.
const MODE: u32 = 0o444;

/// A stored secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// 25 hexadecimal digits.
    pub id: String,
    /// Its name, see [`check_name`].
    pub name: String,
    /// When the first secret of the name was made.
    pub created: Timestamp,
    /// When the value was set.
    pub updated: Timestamp,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The bytes of a secret. They do not show in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Vec<u8>);

impl Value {
    /// Takes the bytes, if they are neither none nor too many.
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        match bytes.len() {
            1..MAX => Ok(Self(bytes)),
            _ => Err(Error::usage(format!("secret data must be larger than 0 and less than {MAX} bytes"))),
        }
    }

    /// What only the container and `inspect --showsecret` may see.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(hidden)")
    }
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A stored one, by its name, its id or the beginning of that.
    Stored(String),
    /// A value that is not stored, under a name.
    Given(String, Value),
}

/// `--secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRequest {
    /// Which secret.
    pub source: Source,
    /// Where the container has it.
    pub exposure: Exposure,
}

/// A secret of a container. Its value lies beside the container's record, as it was when the container was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretUse {
    /// The secret's id at that time.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where the container has it.
    #[serde(flatten)]
    pub exposure: Exposure,
}

/// Where a container has a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Exposure {
    /// A read-only file in memory.
    Mount {
        /// Its absolute path in the container.
        target: String,
        /// Its owner in the container.
        uid: u32,
        /// Its group there.
        gid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// A variable of its processes.
    Env {
        /// The variable's name.
        variable: String,
    },
}

/// The name of a secret: podman's rule, without characters that control a terminal.
pub fn check_name(name: &str) -> Result<()> {
    let wrong = |c: char| matches!(c, '=' | '/' | ',') || c.is_control();
    match (1..=253).contains(&name.len()) && !name.contains(wrong) && text::clean(name) == name {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "secret name {} can not include '=', '/', ',', or control characters, and be between 1 and 253 bytes long: invalid secret name",
            text::clean(name)
        ))),
    }
}

/// All `--secret` options of a command line.
pub fn all(specs: &[String]) -> Result<Vec<SecretRequest>> {
    let requests: Vec<SecretRequest> = specs.iter().map(|spec| parse(spec)).collect::<Result<_>>()?;
    for (at, request) in requests.iter().enumerate() {
        if requests[..at].iter().any(|other| other.exposure.place() == request.exposure.place()) {
            let place = text::clean(request.exposure.place()).into_owned();
            return Err(
                Error::usage(format!("two secrets are to be at `{place}`")).hint("`target=` gives one another place")
            );
        }
    }
    Ok(requests)
}

/// `NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]`, or `source=NAME,…`.
pub fn parse(spec: &str) -> Result<SecretRequest> {
    let wrong = |why: String| Error::usage(format!("invalid argument `{}` for `--secret`: {why}", text::clean(spec)));
    let (mut source, mut kind, mut target) = (None, "mount", None);
    let (mut uid, mut gid, mut mode) = (None, None, None);
    for (at, field) in spec.split(',').enumerate() {
        let (key, value) = match field.split_once('=') {
            Some(pair) => pair,
            None if at == 0 => ("source", field),
            None => return Err(wrong(format!("`{}` has no value", text::clean(field)))),
        };
        let id = || value.parse::<u32>().map_err(|_| wrong(format!("`{}` is not an id", text::clean(value))));
        match key {
            "source" => source = Some(value),
            "type" => kind = value,
            "target" => target = Some(value),
            "uid" => uid = Some(id()?),
            "gid" => gid = Some(id()?),
            "mode" => {
                let bits = u32::from_str_radix(value, 8).ok().filter(|bits| *bits <= 0o7777);
                mode = Some(bits.ok_or_else(|| wrong(format!("`{}` is not a mode in octal", text::clean(value))))?);
            }
            _ => return Err(wrong(format!("unknown option `{}`", text::clean(key)))),
        }
    }
    let source = source.filter(|source| !source.is_empty()).ok_or_else(|| wrong("it names no secret".into()))?;
    let target = target.filter(|target| !target.is_empty()).unwrap_or(source);
    let exposure = match kind {
        "mount" => Exposure::Mount {
            target: place(target).map_err(|error| wrong(error.message().to_owned()))?,
            uid: uid.unwrap_or(0),
            gid: gid.unwrap_or(0),
            mode: mode.unwrap_or(MODE),
        },
        "env" if uid.is_some() || gid.is_some() || mode.is_some() => {
            return Err(wrong("`uid`, `gid` and `mode` are of files: they do not go with `type=env`".into()));
        }
        "env" if target.contains(['=', '\0']) => {
            return Err(wrong(format!("`{}` is no name of a variable", text::clean(target))));
        }
        "env" => Exposure::Env { variable: target.to_owned() },
        other => return Err(wrong(format!("the type `{}` is neither `mount` nor `env`", text::clean(other)))),
    };
    Ok(SecretRequest { source: Source::Stored(source.to_owned()), exposure })
}

/// The path of a secret in the container: below `/run/secrets`, unless it is absolute.
pub fn place(target: &str) -> Result<String> {
    let absolute = if target.starts_with('/') { target.to_owned() } else { format!("{DIRECTORY}/{target}") };
    let path = from_root(&absolute);
    match path == "/" || target.ends_with('/') || path.contains('\0') {
        true => Err(Error::usage(format!("`{}` is no path of a file", text::clean(target)))),
        false => Ok(path),
    }
}

impl Exposure {
    /// As a file with podman's defaults, see [`place`].
    pub fn file(target: &str) -> Result<Self> {
        Ok(Self::Mount { target: place(target)?, uid: 0, gid: 0, mode: MODE })
    }

    /// The path or the variable.
    pub fn place(&self) -> &str {
        match self {
            Self::Mount { target, .. } => target,
            Self::Env { variable } => variable,
        }
    }
}

/// A value as a variable has it: programs get their environment as text without zero bytes.
pub fn variable(use_: &SecretUse, value: &[u8]) -> Result<Option<String>> {
    let Exposure::Env { variable } = &use_.exposure else { return Ok(None) };
    match std::str::from_utf8(value) {
        Ok(value) if !value.contains('\0') => Ok(Some(format!("{variable}={value}"))),
        _ => Err(Error::usage(format!(
            "the secret `{}` cannot be a variable: its value is not text",
            text::clean(&use_.name)
        ))
        .hint("as a file (`type=mount`) it may hold any bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(target: &str, uid: u32, gid: u32, mode: u32) -> Exposure {
        Exposure::Mount { target: target.into(), uid, gid, mode }
    }

    #[test]
    fn options_are_read_as_podman_reads_them() {
        let env = |variable: &str| Exposure::Env { variable: variable.into() };
        for (spec, name, exposure) in [
            ("key", "key", mount("/run/secrets/key", 0, 0, 0o444)),
            ("source=key,target=other", "key", mount("/run/secrets/other", 0, 0, 0o444)),
            ("key,target=/etc/../srv/k,uid=3,gid=4,mode=0400", "key", mount("/srv/k", 3, 4, 0o400)),
            ("key,target=../../up", "key", mount("/up", 0, 0, 0o444)),
            ("key,type=env", "key", env("key")),
            ("key,type=env,target=KEY", "key", env("KEY")),
        ] {
            let request = parse(spec).unwrap();
            assert_eq!(request, SecretRequest { source: Source::Stored(name.into()), exposure }, "{spec}");
        }
        for (spec, reason) in [
            ("", "names no secret"),
            ("target=x", "names no secret"),
            ("key,frob=1", "unknown option `frob`"),
            ("key,frob", "has no value"),
            ("key,type=file", "neither `mount` nor `env`"),
            ("key,type=env,mode=0400", "do not go with `type=env`"),
            ("key,type=env,target=A=B", "no name of a variable"),
            ("key,mode=999", "not a mode in octal"),
            ("key,mode=77777", "not a mode in octal"),
            ("key,uid=root", "not an id"),
            ("key,target=/", "no path of a file"),
            ("key,target=../..", "no path of a file"),
        ] {
            let message = parse(spec).unwrap_err().message().to_owned();
            assert!(message.contains(reason), "{spec}: {message}");
        }
        let twice = ["a,target=x".to_owned(), "b,target=/run/secrets/x".to_owned()];
        assert!(all(&twice).unwrap_err().message().contains("two secrets"));
    }

    #[test]
    fn names_and_values_have_podmans_limits() {
        for name in ["a", "with space", "._-", &"x".repeat(253)] {
            check_name(name).unwrap();
        }
        for name in ["", "a/b", "a=b", "a,b", "a\0", "a\x1b[m", "a\n", &"x".repeat(254)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(Value::new(vec![]).is_err() && Value::new(vec![0; MAX]).is_err());
        assert!(Value::new(vec![0; MAX - 1]).is_ok());
    }

    #[test]
    fn values_do_not_show() {
        let request = SecretRequest {
            source: Source::Given("key".into(), Value::new(b"hush".to_vec()).unwrap()),
            exposure: Exposure::file("key").unwrap(),
        };
        assert!(!format!("{request:?}").contains("hush"));
    }

    #[test]
    fn variables_are_text() {
        let used = |exposure| SecretUse { id: "1".into(), name: "key".into(), exposure };
        let env = used(Exposure::Env { variable: "KEY".into() });
        assert_eq!(variable(&env, b"a=b\n").unwrap().as_deref(), Some("KEY=a=b\n"));
        assert!(variable(&env, b"a\0b").is_err() && variable(&env, b"\xff").is_err());
        assert_eq!(variable(&used(mount("/x", 0, 0, 0)), b"\xff").unwrap(), None);
    }
}
