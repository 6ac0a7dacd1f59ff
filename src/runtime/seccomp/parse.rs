//! Profile files: docker's JSON, which is also podman's and a superset of `linux.seccomp` of the OCI runtime specification.
//!
//! Unknown fields are skipped, as docker and podman do; everything that decides what is allowed must be understood.
//! Names of calls that no table knows are skipped, too: a file is written for many kernels and architectures.

use serde::Deserialize;

use super::profile::{Action, Arch, Comparison, Condition, Filter, Host, Profile, Rule, row_of};
use crate::base::error::{Error, Result, ResultExt};
use crate::base::text;
use crate::spec::capabilities::CapSet;

/// The largest file that is read. Docker's own has 17 kB.
pub const MAX_FILE: usize = 1 << 20;

/// The most rules, and conditions of one rule.
const MAX_RULES: usize = 4096;
const MAX_CONDITIONS: usize = 64;

/// The largest errno that the kernel lets a filter return (`MAX_ERRNO`).
const MAX_ERRNO: u32 = 4095;

/// The architectures that libseccomp knows and this module does not.
const FOREIGN: [&str; 18] = [
    "MIPS",
    "MIPS64",
    "MIPS64N32",
    "MIPSEL",
    "MIPSEL64",
    "MIPSEL64N32",
    "PPC",
    "PPC64",
    "PPC64LE",
    "S390",
    "S390X",
    "PARISC",
    "PARISC64",
    "RISCV64",
    "LOONGARCH64",
    "M68K",
    "SH",
    "SHEB",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    default_action: Option<String>,
    default_errno_ret: Option<u32>,
    default_errno: Option<String>,
    architectures: Option<Vec<String>>,
    arch_map: Option<Vec<ArchEntry>>,
    flags: Option<Vec<String>>,
    syscalls: Option<Vec<FileRule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchEntry {
    architecture: String,
    sub_architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileRule {
    name: Option<String>,
    names: Option<Vec<String>>,
    action: Option<String>,
    errno_ret: Option<u32>,
    errno: Option<String>,
    args: Option<Vec<FileCondition>>,
    includes: Option<FileFilter>,
    excludes: Option<FileFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileCondition {
    index: u64,
    value: u64,
    value_two: Option<u64>,
    op: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct FileFilter {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

impl Profile {
    /// Reads a profile file for this machine.
    ///
    /// # Errors
    ///
    /// [`crate::base::error::Kind::Invalid`] with the place in the file.
    pub fn parse(json: &[u8]) -> Result<Self> {
        Self::parse_for(json, &Host::current())
    }

    /// [`Profile::parse`] for a given host.
    pub fn parse_for(json: &[u8], host: &Host) -> Result<Self> {
        if json.len() > MAX_FILE {
            return Err(Error::invalid(format!("the seccomp profile has {} bytes, more than {MAX_FILE}", json.len())));
        }
        let file: File = serde_json::from_slice(json).context(|| "cannot read the seccomp profile")?;
        let Some(default_action) = file.default_action else {
            return Err(Error::invalid("the seccomp profile has no `defaultAction`")
                .hint("for no filter at all: `--security-opt seccomp=unconfined`"));
        };
        let default_action = action(&default_action, file.default_errno_ret, file.default_errno.as_deref())
            .context(|| "`defaultAction` of the seccomp profile")?;
        let rules = file.syscalls.unwrap_or_default();
        if rules.len() > MAX_RULES {
            return Err(Error::invalid(format!(
                "the seccomp profile has {} rules, more than {MAX_RULES}",
                rules.len()
            )));
        }
        Ok(Self {
            default_action,
            architectures: architectures(file.architectures, file.arch_map, host)?,
            flags: flags(&file.flags.unwrap_or_default())?,
            rules: rules
                .into_iter()
                .enumerate()
                .map(|(number, entry)| rule(entry).context(|| format!("rule {number} of the seccomp profile")))
                .collect::<Result<_>>()?,
        })
    }
}

/// An action by name, with its errno by number or, as podman also writes it, by name.
fn action(name: &str, number: Option<u32>, errno: Option<&str>) -> Result<Action> {
    let number = match (number, errno) {
        (Some(number), _) => number,
        (None, Some(errno)) if !errno.is_empty() => errno_by_name(errno)?,
        _ => libc::EPERM as u32,
    };
    let within = |most: u32| match number <= most {
        true => Ok(number as u16),
        false => Err(Error::invalid(format!("`errnoRet` is {number}, more than {most}"))),
    };
    Ok(match name {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action::KillThread,
        "SCMP_ACT_KILL_PROCESS" => Action::KillProcess,
        "SCMP_ACT_TRAP" => Action::Trap,
        "SCMP_ACT_ERRNO" => Action::Errno(within(MAX_ERRNO)?),
        "SCMP_ACT_TRACE" => Action::Trace(within(u32::from(u16::MAX))?),
        "SCMP_ACT_LOG" => Action::Log,
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_NOTIFY" => {
            return Err(Error::unsupported("`SCMP_ACT_NOTIFY` needs an agent, which coracle does not have")
                .hint("use `SCMP_ACT_ERRNO` or `SCMP_ACT_ALLOW` in its place"));
        }
        other => return Err(Error::invalid(format!("unknown action `{}`", text::clean(other)))),
    })
}

/// `EPERM` and its like.
fn errno_by_name(name: &str) -> Result<u32> {
    (1..200)
        .find(|&number| format!("{:?}", nix::errno::Errno::from_raw(number)) == name && !name.starts_with("Unknown"))
        .map(|number| number as u32)
        .ok_or_else(|| Error::invalid(format!("unknown errno `{}`", text::clean(name))))
}

/// The architectures of the filter beside the host's own. Docker's `archMap` says which belong to the host's; the list of
/// the OCI specification has them all, of which only the host's relatives can ever make calls.
fn architectures(list: Option<Vec<String>>, map: Option<Vec<ArchEntry>>, host: &Host) -> Result<Vec<Arch>> {
    let (list, map) = (list.unwrap_or_default(), map.unwrap_or_default());
    if !list.is_empty() && !map.is_empty() {
        return Err(Error::invalid("the seccomp profile has both `architectures` and `archMap`")
            .hint("keep `archMap`, or `architectures` alone"));
    }
    let mut wanted = list.iter().map(|name| arch(name)).collect::<Result<Vec<_>>>()?;
    for entry in &map {
        let subs = entry.sub_architectures.iter().flatten().map(|name| arch(name)).collect::<Result<Vec<_>>>()?;
        if arch(&entry.architecture)? == host.arch {
            wanted.extend(subs);
        }
    }
    let relatives: &[Arch] = match host.arch {
        Some(Arch::X86_64) => &[Arch::I386, Arch::X32],
        Some(Arch::Aarch64) => &[Arch::Arm],
        _ => &[],
    };
    Ok(relatives.iter().copied().filter(|&relative| wanted.contains(&Some(relative))).collect())
}

/// An architecture by its `SCMP_ARCH_*` name; `None` for those without a number table.
fn arch(name: &str) -> Result<Option<Arch>> {
    let bare = name.strip_prefix("SCMP_ARCH_").unwrap_or_default();
    match Arch::ALL.into_iter().find(|arch| arch.scmp_name() == bare) {
        Some(arch) => Ok(Some(arch)),
        None if FOREIGN.contains(&bare) => Ok(None),
        None => Err(Error::invalid(format!("unknown architecture `{}` in the seccomp profile", text::clean(name)))),
    }
}

/// The flags for seccomp(2). `TSYNC` is about threads that a process before its exec does not have.
fn flags(names: &[String]) -> Result<u64> {
    names.iter().try_fold(0, |flags, name| match name.as_str() {
        "SECCOMP_FILTER_FLAG_TSYNC" => Ok(flags),
        "SECCOMP_FILTER_FLAG_LOG" => Ok(flags | libc::SECCOMP_FILTER_FLAG_LOG),
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Ok(flags | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW),
        other => Err(Error::invalid(format!("unknown flag `{}` in the seccomp profile", text::clean(other)))),
    })
}

/// One rule.
fn rule(file: FileRule) -> Result<Rule> {
    let names = match (file.name.filter(|name| !name.is_empty()), file.names.unwrap_or_default()) {
        (Some(_), names) if !names.is_empty() => {
            return Err(Error::invalid("it has both `name` and `names`").hint("keep `names`"));
        }
        (Some(name), _) => vec![name],
        (None, names) => names,
    };
    let Some(action_name) = file.action else {
        return Err(Error::invalid("it has no `action`"));
    };
    let conditions = file.args.unwrap_or_default();
    if conditions.len() > MAX_CONDITIONS {
        return Err(Error::invalid(format!("it has {} conditions, more than {MAX_CONDITIONS}", conditions.len())));
    }
    Ok(Rule {
        calls: names.iter().filter_map(|name| row_of(name)).collect(),
        action: action(&action_name, file.errno_ret, file.errno.as_deref())?,
        conditions: conditions.iter().map(condition).collect::<Result<_>>()?,
        includes: filter(file.includes.unwrap_or_default())?,
        excludes: filter(file.excludes.unwrap_or_default())?,
    })
}

/// One condition on an argument. Under `SCMP_CMP_MASKED_EQ`, `value` is the mask and `valueTwo` the value.
fn condition(file: &FileCondition) -> Result<Condition> {
    if file.index > 5 {
        return Err(Error::invalid(format!("argument {} does not exist: calls have 0 to 5", file.index)));
    }
    let plain = |comparison| (comparison, file.value);
    let (comparison, value) = match file.op.as_str() {
        "SCMP_CMP_NE" => plain(Comparison::NotEqual),
        "SCMP_CMP_LT" => plain(Comparison::Less),
        "SCMP_CMP_LE" => plain(Comparison::LessOrEqual),
        "SCMP_CMP_EQ" => plain(Comparison::Equal),
        "SCMP_CMP_GE" => plain(Comparison::GreaterOrEqual),
        "SCMP_CMP_GT" => plain(Comparison::Greater),
        "SCMP_CMP_MASKED_EQ" => (Comparison::MaskedEqual(file.value), file.value_two.unwrap_or(0) & file.value),
        other => return Err(Error::invalid(format!("unknown comparison `{}`", text::clean(other)))),
    };
    Ok(Condition { argument: file.index as u8, comparison, value })
}

/// `includes` or `excludes`.
fn filter(file: FileFilter) -> Result<Filter> {
    Ok(Filter {
        capabilities: CapSet::from_names(&file.caps.unwrap_or_default())?,
        arches: file.arches.unwrap_or_default().into_iter().map(Into::into).collect(),
        min_kernel: match file.min_kernel.as_deref() {
            None | Some("") => None,
            Some(version) => Some(min_kernel(version)?),
        },
    })
}

/// Exactly `MAJOR.MINOR`.
fn min_kernel(version: &str) -> Result<(u32, u32)> {
    let parts = version.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    parts
        .filter(|&parts| parts != (0, 0))
        .ok_or_else(|| Error::invalid(format!("`minKernel` is `{}`, not `MAJOR.MINOR` as `4.8`", text::clean(version))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Host = Host { arch: Some(Arch::X86_64), kernel: (6, 1) };

    fn parse(json: &str) -> Result<Profile> {
        Profile::parse_for(json.as_bytes(), &HOST)
    }

    #[test]
    fn a_docker_profile() {
        let profile = parse(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"comment":"x",
                "archMap":[{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]},
                           {"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X32","SCMP_ARCH_X86"]},
                           {"architecture":"SCMP_ARCH_RISCV64","subArchitectures":null}],
                "flags":["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_TSYNC"],
                "syscalls":[
                  {"names":["read","no_such_call"],"action":"SCMP_ACT_ALLOW","args":null,"includes":{},"excludes":{}},
                  {"name":"clone","action":"SCMP_ACT_TRACE","errnoRet":7,
                   "args":[{"index":0,"value":12,"valueTwo":255,"op":"SCMP_CMP_MASKED_EQ"}],
                   "includes":{"caps":["CAP_BPF"],"arches":["amd64","s390"],"minKernel":"4.8"}}]}"#,
        )
        .unwrap();
        assert_eq!(profile.default_action, Action::Errno(38));
        assert_eq!(profile.architectures, [Arch::I386, Arch::X32]);
        assert_eq!(profile.flags, libc::SECCOMP_FILTER_FLAG_LOG);
        assert_eq!(profile.rules[0].calls, [row_of("read").unwrap()]);
        let clone = &profile.rules[1];
        assert_eq!((clone.action, clone.calls.as_slice()), (Action::Trace(7), &[row_of("clone").unwrap()][..]));
        let masked = Condition { argument: 0, comparison: Comparison::MaskedEqual(12), value: 12 };
        assert_eq!(clone.conditions, [masked]);
        assert_eq!(clone.includes.min_kernel, Some((4, 8)));
        assert_eq!(clone.includes.arches, ["amd64", "s390"]);
        assert_eq!(clone.includes.capabilities.names(), ["CAP_BPF"]);
    }

    #[test]
    fn an_oci_profile_and_podmans_errno_names() {
        let profile = parse(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENOSYS","architectures":["SCMP_ARCH_X86_64",
                "SCMP_ARCH_X86","SCMP_ARCH_ARM"],"syscalls":[{"names":["bdflush"],"action":"SCMP_ACT_ERRNO","errno":"EPERM"}]}"#,
        )
        .unwrap();
        assert_eq!(profile.default_action, Action::Errno(38));
        assert_eq!(profile.architectures, [Arch::I386]);
        assert_eq!(profile.rules[0].action, Action::Errno(1));
    }

    #[test]
    fn errors_name_the_place() {
        let rule = |rule: &str| format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{rule}]}}"#);
        for (json, expected) in [
            ("{}".to_owned(), "has no `defaultAction`"),
            ("[]".to_owned(), "cannot read the seccomp profile: "),
            ("".to_owned(), "cannot read the seccomp profile: "),
            (
                r#"{"defaultAction":"ALLOW"}"#.to_owned(),
                "`defaultAction` of the seccomp profile: unknown action `ALLOW`",
            ),
            (r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#.to_owned(), "needs an agent"),
            (r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4096}"#.to_owned(), "`errnoRet` is 4096"),
            (r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"EWHAT"}"#.to_owned(), "unknown errno `EWHAT`"),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],
                    "archMap":[{"architecture":"SCMP_ARCH_X86_64"}]}"#
                    .to_owned(),
                "both `architectures` and `archMap`",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X68"]}"#.to_owned(),
                "unknown architecture `SCMP_ARCH_X68`",
            ),
            (r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":["FAST"]}"#.to_owned(), "unknown flag `FAST`"),
            (rule(r#"{"names":["read"]}"#), "rule 0 of the seccomp profile: it has no `action`"),
            (rule(r#"{"name":"a","names":["b"],"action":"SCMP_ACT_LOG"}"#), "both `name` and `names`"),
            (
                rule(r#"{"names":["read"],"action":"SCMP_ACT_LOG","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}"#),
                "argument 6 does not exist",
            ),
            (
                rule(r#"{"names":["read"],"action":"SCMP_ACT_LOG","args":[{"index":0,"value":0,"op":"SCMP_CMP_IN"}]}"#),
                "unknown comparison `SCMP_CMP_IN`",
            ),
            (
                rule(r#"{"names":["read"],"action":"SCMP_ACT_LOG","includes":{"caps":["FLY"]}}"#),
                "unknown capability `FLY`",
            ),
            (
                rule(r#"{"names":["read"],"action":"SCMP_ACT_LOG","excludes":{"minKernel":"4.8.1"}}"#),
                "`minKernel` is `4.8.1`",
            ),
        ] {
            let error = parse(&json).unwrap_err();
            assert!(error.chain().contains(expected), "{json}: {}", error.chain());
        }
        let huge = parse(&" ".repeat(MAX_FILE + 1)).unwrap_err();
        assert!(huge.message().contains("more than 1048576"));
        let many = rule(&vec![r#"{"action":"SCMP_ACT_LOG"}"#; MAX_RULES + 1].join(","));
        assert!(parse(&many).unwrap_err().message().contains("4097 rules"));
    }
}
