//! podman's descriptors: the columns of `top CONTAINER user pid hpid …`. Unlike those of ps(1), `pid`, `ppid` and `pgid` are
//! the numbers in the container, and users and groups beginning with `h` are the host's.

use std::fs;

use super::{Column, Machine, Process, name_of, tenths, terminal};
use crate::base::{Error, Result, text};
use crate::rootless::accounts::{account_by_uid, group_by_gid};
use crate::spec::capabilities::CapSet;

/// podman's default.
pub(super) const USUAL: [&str; 8] = ["user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"];

/// A line of `/proc/PID/status` (proc_pid_status(5)).
fn status<'a>(process: &'a Process, key: &str) -> Option<&'a str> {
    process.status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

/// A number of the process in its innermost pid namespace.
fn inside(process: &Process, key: &str) -> String {
    status(process, key).and_then(|numbers| numbers.split_whitespace().last()).unwrap_or("0").to_owned()
}

/// The number of the parent in the container; 0 when it is outside.
fn parent_inside(process: &Process) -> String {
    let same = |kind: &str| {
        let of = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
        of(process.parent).is_some_and(|theirs| of(process.pid) == Some(theirs))
    };
    let parent = fs::read_to_string(format!("/proc/{}/status", process.parent)).unwrap_or_default();
    match same("pid") {
        true => inside(&Process { status: parent, ..Process::default() }, "NSpid"),
        false => "0".into(),
    }
}

/// The `at`th of the four ids of a line: real, effective, saved, file system.
fn id(process: &Process, key: &str, at: usize) -> u32 {
    let ids = status(process, key).unwrap_or_default();
    ids.split_whitespace().nth(at).and_then(|id| id.parse().ok()).unwrap_or(super::OVERFLOW_ID)
}

/// The names of a set of capabilities, as podman shows them.
fn capabilities(process: &Process, key: &str) -> String {
    let bits = status(process, key).and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    match CapSet::from_bits(bits) {
        CapSet::EMPTY => "none".into(),
        set if set.bits() & CapSet::ALL.bits() == CapSet::ALL.bits() => "full".into(),
        set => set.names().iter().map(|name| name.trim_start_matches("CAP_").to_owned()).collect::<Vec<_>>().join(","),
    }
}

fn host_user(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    account_by_uid(&passwd, uid).map_or_else(|| uid.to_string(), |account| text::clean(&account.name).into_owned())
}

fn host_group(gid: u32) -> String {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    group_by_gid(&groups, gid).map_or_else(|| gid.to_string(), |name| text::clean(&name).into_owned())
}

/// A duration as Go prints it, in whole seconds.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

fn seccomp(process: &Process) -> String {
    match status(process, "Seccomp") {
        Some("0") => "disabled",
        Some("1") => "strict",
        Some("2") => "filter",
        _ => "?",
    }
    .into()
}

fn label(process: &Process, _: &Machine) -> String {
    let label = fs::read_to_string(format!("/proc/{}/attr/current", process.pid)).unwrap_or_default();
    let label = text::clean(label.trim_end_matches(['\0', '\n'])).into_owned();
    if label.is_empty() { "?".into() } else { label }
}

/// podman's descriptors (podman-top(1)).
const DESCRIPTORS: &[Column] = &[
    Column { names: &["args"], title: "COMMAND", show: |p, _| p.command.clone() },
    Column { names: &["capamb"], title: "AMBIENT CAPS", show: |p, _| capabilities(p, "CapAmb") },
    Column { names: &["capbnd"], title: "BOUNDING CAPS", show: |p, _| capabilities(p, "CapBnd") },
    Column { names: &["capeff"], title: "EFFECTIVE CAPS", show: |p, _| capabilities(p, "CapEff") },
    Column { names: &["capinh"], title: "INHERITED CAPS", show: |p, _| capabilities(p, "CapInh") },
    Column { names: &["capprm"], title: "PERMITTED CAPS", show: |p, _| capabilities(p, "CapPrm") },
    Column { names: &["comm"], title: "COMMAND", show: |p, _| p.name.clone() },
    Column { names: &["etime"], title: "ELAPSED", show: |p, m| duration(m.age(p)) },
    Column { names: &["group"], title: "GROUP", show: |p, m| name_of(&m.names.group, p.gid) },
    Column { names: &["hgroup"], title: "HGROUP", show: |p, _| host_group(id(p, "Gid", 1)) },
    Column { names: &["hpid"], title: "HPID", show: |p, _| p.pid.to_string() },
    Column { names: &["huser"], title: "HUSER", show: |p, _| host_user(id(p, "Uid", 1)) },
    Column { names: &["label"], title: "LABEL", show: label },
    Column { names: &["nice"], title: "NI", show: |p, _| p.nice.to_string() },
    Column { names: &["pcpu"], title: "%CPU", show: |p, m| tenths(m.processor_permille(p)) },
    Column { names: &["pgid"], title: "PGID", show: |p, _| inside(p, "NSpgid") },
    Column { names: &["pid"], title: "PID", show: |p, _| inside(p, "NSpid") },
    Column { names: &["ppid"], title: "PPID", show: |p, _| parent_inside(p) },
    Column { names: &["rgroup"], title: "RGROUP", show: |p, m| name_of(&m.names.group, p.real.1) },
    Column { names: &["rss"], title: "RSS", show: |p, m| (p.resident * m.page / 1024).to_string() },
    Column { names: &["ruser"], title: "RUSER", show: |p, m| name_of(&m.names.passwd, p.real.0) },
    Column { names: &["seccomp"], title: "SECCOMP", show: |p, _| seccomp(p) },
    Column { names: &["state"], title: "STATE", show: |p, _| p.state.clone() },
    Column { names: &["stime"], title: "STIME", show: |p, m| m.start(p).to_string() },
    Column { names: &["time"], title: "TIME", show: |p, m| duration(m.spent(p)) },
    Column { names: &["tty"], title: "TTY", show: |p, _| terminal(p.terminal) },
    Column { names: &["user"], title: "USER", show: |p, m| name_of(&m.names.passwd, p.uid) },
    Column { names: &["vsz"], title: "VSZ", show: |p, _| (p.virtual_size / 1024).to_string() },
];

/// The columns of these words, which are separate or joined by commas. None when they are arguments of ps(1).
pub(super) fn columns(words: &[String]) -> Option<Result<Vec<&'static Column>>> {
    let is_ps = |word: &String| word.starts_with('-') || matches!(word.as_str(), "aux" | "ax" | "axo" | "o");
    if words.is_empty() || words.iter().any(is_ps) {
        return None;
    }
    let names = words.iter().flat_map(|word| word.split(',')).filter(|name| !name.is_empty());
    let find = |name: &str| {
        DESCRIPTORS.iter().find(|column| column.names == [name]).ok_or_else(|| {
            let known: Vec<&str> = DESCRIPTORS.iter().map(|column| column.names[0]).collect();
            Error::usage(format!("unknown descriptor `{}`", text::clean(name)))
                .hint(format!("these are known: {}; or arguments of ps(1), such as -o pid,args", known.join(", ")))
        })
    };
    Some(names.map(find).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_descriptors_or_arguments_of_ps() {
        let words = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<_>>();
        let titles = |line: &str| {
            let columns = columns(&words(line))?.map(|columns| columns.iter().map(|it| it.title).collect::<Vec<_>>());
            Some(columns.map(|titles| titles.join("|")).map_err(|error| error.message().to_owned()))
        };
        assert_eq!(titles("user pid hpid"), Some(Ok("USER|PID|HPID".into())));
        assert_eq!(titles("capeff,args"), Some(Ok("EFFECTIVE CAPS|COMMAND".into())));
        assert_eq!(titles("frob"), Some(Err("unknown descriptor `frob`".into())));
        assert!(["", "aux", "-ef", "-o pid", "o pid"].iter().all(|line| titles(line).is_none()));
        assert!(columns(&USUAL.map(String::from)).unwrap().is_ok());
    }

    #[test]
    fn values_of_status() {
        let process = Process {
            status: "Uid:\t1000\t1001\t0\t0\nNSpid:\t77\t5\nNSpgid:\t77\t1\nCapEff:\t0000000000000003\nCapBnd:\t0\nSeccomp:\t2\n".into(),
            ..Process::default()
        };
        assert_eq!((inside(&process, "NSpid").as_str(), inside(&process, "NSpgid").as_str()), ("5", "1"));
        assert_eq!((id(&process, "Uid", 0), id(&process, "Uid", 1)), (1000, 1001));
        assert_eq!(capabilities(&process, "CapEff"), "CHOWN,DAC_OVERRIDE");
        assert_eq!((capabilities(&process, "CapBnd").as_str(), seccomp(&process).as_str()), ("none", "filter"));
        assert_eq!((duration(59), duration(61), duration(3661)), ("59s".into(), "1m1s".into(), "1h1m1s".into()));
    }
}
