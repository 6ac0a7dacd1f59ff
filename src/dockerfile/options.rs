//! The options of instructions: which there are, and the grammar of their values.

use std::time::Duration;

use super::arguments::Word;
use super::diagnostic::Diagnostic;
use super::instruction::{Copy, Health, Mount, MountType, Network, Run, Sharing, Text};
use super::lines::Logical;
use super::suggest::nearest;
use crate::base::text;
use crate::spec::{csv, times, units};

/// An option: its name, its value if it has one, and where it stands.
pub(super) struct Flag<'a> {
    name: &'a str,
    value: Option<&'a str>,
    at: usize,
    line: &'a Logical,
}

impl<'a> Flag<'a> {
    /// Splits `--name=value`.
    pub(super) fn of(word: &'a Word, line: &'a Logical) -> Self {
        let body = word.text.strip_prefix("--").unwrap_or(&word.text);
        let (name, value) = body.split_once('=').map_or((body, None), |(name, value)| (name, Some(value)));
        Self { name, value, at: word.at, line }
    }

    fn wrong(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.line.position(self.at), message)
    }

    /// The error for a name that the instruction does not know.
    pub(super) fn unknown(&self, known: &[&str]) -> Diagnostic {
        let name = text::clean(self.name);
        let meant = nearest(self.name, known.iter().copied());
        let meant = meant.map(|known| format!(" (did you mean {known}?)")).unwrap_or_default();
        let error = self.wrong(format!("unknown flag: --{name}{meant}"));
        match known {
            [] => error.hint("this instruction has no options"),
            known => error.hint(format!("its options are --{}", known.join(", --"))),
        }
    }

    fn required(&self) -> Result<&'a str, Diagnostic> {
        match self.value {
            Some(value) => Ok(value),
            None => Err(self.wrong(format!("missing a value on flag: {}", text::clean(self.name)))),
        }
    }

    fn text(&self) -> Result<Text, Diagnostic> {
        let raw = self.required()?.to_owned();
        Ok(Text { raw, at: self.line.position(self.at + 3 + self.name.len()) })
    }

    fn boolean(&self) -> Result<bool, Diagnostic> {
        match self.value {
            None | Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => {
                Err(self.wrong(format!("expecting boolean value for flag {}, not: {}", self.name, text::clean(other))))
            }
        }
    }

    fn nanoseconds(&self) -> Result<i64, Diagnostic> {
        let value = self.required()?;
        let invalid = || self.wrong(format!("invalid duration `{}` of --{}", text::clean(value), self.name));
        let (duration, negative) = times::duration(value).ok_or_else(invalid)?;
        match duration {
            Duration::ZERO => Ok(0),
            _ if negative || duration < Duration::from_millis(1) => {
                Err(self.wrong(format!("interval {:?} of --{} cannot be less than 1ms", value, self.name)))
            }
            duration => i64::try_from(duration.as_nanos()).map_err(|_| invalid()),
        }
    }
}

/// `FROM`'s platform.
pub(super) fn from(flags: &[Flag<'_>]) -> Result<Option<Text>, Diagnostic> {
    let mut platform = None;
    for flag in flags {
        match flag.name {
            "platform" => platform = Some(flag.text()?),
            _ => return Err(flag.unknown(&["platform"])),
        }
    }
    Ok(platform)
}

/// The options of `RUN`.
pub(super) fn run(flags: &[Flag<'_>], run: &mut Run) -> Result<(), Diagnostic> {
    for flag in flags {
        match flag.name {
            "mount" => run.mounts.push(mount(flag)?),
            "network" => {
                run.network = match flag.required()? {
                    "default" => Network::Default,
                    "none" => Network::None,
                    "host" => Network::Host,
                    other => return Err(flag.wrong(format!("invalid network mode `{}`", text::clean(other)))),
                }
            }
            "security" => match flag.required()? {
                "sandbox" => {}
                "insecure" => {
                    return Err(flag.wrong("RUN --security=insecure is not supported: every step is confined"));
                }
                other => return Err(flag.wrong(format!("security {:?} is not valid", text::clean(other)))),
            },
            "device" => return Err(flag.wrong("RUN --device is not supported")),
            _ => return Err(flag.unknown(&["mount", "network", "security"])),
        }
    }
    Ok(())
}

const MOUNT_KEYS: [&str; 20] = [
    "type",
    "target",
    "dst",
    "destination",
    "source",
    "src",
    "from",
    "id",
    "env",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "required",
    "sharing",
    "mode",
    "uid",
    "gid",
    "size",
    "dest",
];

fn mount(flag: &Flag<'_>) -> Result<Mount, Diagnostic> {
    let value = flag.required()?;
    let fields = csv::fields(value).map_err(|error| flag.wrong(format!("invalid mount: {}", error.message())))?;
    let mut mount = Mount { at: flag.line.position(flag.at), ..Mount::default() };
    for field in &fields {
        let (key, value) = field.split_once('=').map_or((field.as_str(), None), |(key, value)| (key, Some(value)));
        set_mount(&mut mount, &key.to_ascii_lowercase(), value).map_err(|message| flag.wrong(message))?;
    }
    check_mount(&mount).map_err(|message| flag.wrong(message))?;
    Ok(mount)
}

fn set_mount(mount: &mut Mount, key: &str, value: Option<&str>) -> Result<(), String> {
    let truth = || match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(format!("invalid value for {key}: {}", text::clean(other))),
    };
    match key {
        "readonly" | "ro" => {
            mount.read_only = Some(truth()?);
            return Ok(());
        }
        "readwrite" | "rw" => {
            mount.read_only = Some(!truth()?);
            return Ok(());
        }
        "required" => {
            mount.required = truth()?;
            return Ok(());
        }
        _ => {}
    }
    let known = MOUNT_KEYS.contains(&key);
    let value = match value {
        Some(value) if known => value.to_owned(),
        None if known => return Err(format!("invalid field '{key}' must be a key=value pair")),
        _ => {
            let meant = nearest(key, MOUNT_KEYS).map(|known| format!(" (did you mean {known}?)")).unwrap_or_default();
            return Err(format!("unexpected key '{}' in mount{meant}", text::clean(key)));
        }
    };
    let invalid = || format!("invalid value for {key}: {}", text::clean(&value));
    let id = || value.parse::<u32>().map_err(|_| invalid());
    match key {
        "type" => {
            mount.kind = match value.as_str() {
                "bind" => MountType::Bind,
                "cache" => MountType::Cache,
                "tmpfs" => MountType::Tmpfs,
                "secret" => MountType::Secret,
                "ssh" => MountType::Ssh,
                other => {
                    let kinds = ["bind", "cache", "tmpfs", "secret", "ssh"];
                    let meant = nearest(other, kinds).map(|kind| format!(" (did you mean {kind}?)"));
                    return Err(format!(
                        "unsupported mount type \"{}\"{}",
                        text::clean(other),
                        meant.unwrap_or_default()
                    ));
                }
            }
        }
        "target" | "dst" | "destination" | "dest" => mount.target = Some(value),
        "source" | "src" => mount.source = Some(value),
        "from" => mount.from = Some(value),
        "id" => mount.id = Some(value),
        "env" => mount.env = Some(value),
        "sharing" => {
            mount.sharing = match value.as_str() {
                "shared" => Sharing::Shared,
                "private" => Sharing::Private,
                "locked" => Sharing::Locked,
                _ => return Err(invalid()),
            }
        }
        "mode" => {
            mount.mode = Some(u32::from_str_radix(&value, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(invalid)?)
        }
        "uid" => mount.uid = Some(id()?),
        "gid" => mount.gid = Some(id()?),
        _ => mount.size = Some(units::parse_size(&value).map_err(|_| invalid())?),
    }
    Ok(())
}

fn check_mount(mount: &Mount) -> Result<(), String> {
    let only = |given: bool, key: &str, allowed: bool| match given && !allowed {
        true => Err(format!("unexpected key '{key}' for mount type '{}'", name_of(mount.kind))),
        false => Ok(()),
    };
    use MountType::{Bind, Cache, Secret, Ssh, Tmpfs};
    let kind = mount.kind;
    only(mount.from.is_some(), "from", matches!(kind, Bind | Cache))?;
    only(mount.source.is_some(), "source", matches!(kind, Bind | Cache))?;
    only(mount.id.is_some(), "id", matches!(kind, Cache | Secret | Ssh))?;
    only(mount.env.is_some(), "env", kind == Secret)?;
    only(mount.size.is_some(), "size", kind == Tmpfs)?;
    only(mount.required, "required", matches!(kind, Secret | Ssh))?;
    only(mount.sharing != Sharing::Shared, "sharing", kind == Cache)?;
    only(mount.mode.is_some(), "mode", matches!(kind, Cache | Secret | Ssh))?;
    only(mount.uid.is_some() || mount.gid.is_some(), "uid", matches!(kind, Cache | Secret | Ssh))?;
    match (kind, &mount.target, &mount.env) {
        (Bind | Cache | Tmpfs, None, _) => Err("target is required for a mount".to_owned()),
        (Secret, None, _) if mount.id.is_none() => {
            Err("invalid secret mount. one of source, target, id required".to_owned())
        }
        _ => Ok(()),
    }
}

fn name_of(kind: MountType) -> &'static str {
    match kind {
        MountType::Bind => "bind",
        MountType::Cache => "cache",
        MountType::Tmpfs => "tmpfs",
        MountType::Secret => "secret",
        MountType::Ssh => "ssh",
    }
}

/// The options of `COPY` and `ADD`.
pub(super) fn copy(flags: &[Flag<'_>], copy: &mut Copy, is_add: bool) -> Result<(), Diagnostic> {
    const COPY: &[&str] = &["from", "chown", "chmod", "link", "parents", "exclude"];
    const ADD: &[&str] = &["chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"];
    let known = if is_add { ADD } else { COPY };
    for flag in flags {
        match flag.name {
            name if !known.contains(&name) => return Err(flag.unknown(known)),
            "from" => copy.from = Some(flag.text()?),
            "chown" => copy.chown = Some(flag.text()?),
            "chmod" => copy.chmod = Some(flag.text()?),
            "link" => copy.link = flag.boolean()?,
            "parents" => copy.parents = flag.boolean()?,
            "exclude" => copy.exclude.push(flag.text()?),
            "checksum" => copy.checksum = Some(flag.text()?),
            "unpack" => copy.unpack = Some(flag.boolean()?),
            _ => copy.keep_git_dir = flag.boolean()?,
        }
    }
    Ok(())
}

/// The options of `HEALTHCHECK`.
pub(super) fn health(flags: &[Flag<'_>], check: &mut Health) -> Result<(), Diagnostic> {
    let Health::Check { interval, timeout, start_period, start_interval, retries, .. } = check else {
        return match flags.first() {
            Some(flag) => Err(flag.wrong("HEALTHCHECK NONE takes no options")),
            None => Ok(()),
        };
    };
    for flag in flags {
        match flag.name {
            "interval" => *interval = flag.nanoseconds()?,
            "timeout" => *timeout = flag.nanoseconds()?,
            "start-period" => *start_period = flag.nanoseconds()?,
            "start-interval" => *start_interval = flag.nanoseconds()?,
            "retries" => {
                let value = flag.required()?;
                *retries = value.parse::<i32>().ok().filter(|count| *count >= 0).map(i64::from).ok_or_else(|| {
                    flag.wrong(format!("--retries cannot be negative or no number: {}", text::clean(value)))
                })?;
            }
            _ => return Err(flag.unknown(&["interval", "timeout", "start-period", "start-interval", "retries"])),
        }
    }
    Ok(())
}

/// No options are known.
pub(super) fn none(flags: &[Flag<'_>]) -> Result<(), Diagnostic> {
    flags.first().map_or(Ok(()), |flag| Err(flag.unknown(&[])))
}
