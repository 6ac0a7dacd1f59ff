//! `top`: the processes of a running container, in the columns of ps(1). Process ids are the host's, as docker shows them;
//! users and groups are the container's, by the names that it knows: those of the host say nothing of who they are.
//!
//! docker runs the host's `ps`; here /proc is read, so that it works without one, and the columns that people use are
//! known. `base::members` says which processes are the container's.

mod descriptors;

use std::fs;
use std::io::Read;
use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde::{Deserialize, Serialize};

use super::Engine;
use super::worker::{self, Given, Job, Place};
use crate::base::members::Members;
use crate::base::{Error, Result, ResultExt, text, time};
use crate::runtime::user::MAX_FILE;
use crate::spec::idmap::IdMap;
use crate::sys::beneath::BeneathDir;

/// A table of processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    /// Column headers.
    pub titles: Vec<&'static str>,
    /// One row for each process, by pid.
    pub processes: Vec<Vec<String>>,
}

/// podman's descriptors of a list without arguments.
pub fn podmans_columns() -> Vec<String> {
    descriptors::USUAL.map(String::from).to_vec()
}

/// Lists the processes of the container `name`, in the columns that `ps_arguments` ask for. Times are shown in `zone`.
pub fn top(engine: &Engine, name: &str, ps_arguments: &[String], zone: &TimeZone) -> Result<Top> {
    let columns = columns(ps_arguments)?;
    let containers = engine.containers();
    let container = containers.load(&containers.find(name)?)?;
    let init = container
        .status
        .pid()
        .ok_or_else(|| Error::conflict(format!("container `{}` is not running", text::clean(name))))?;
    let processes = members(init)?;
    let machine = Machine { names: worker::call_silently(engine, ReadNames { init })?, ..Machine::read(zone)? };
    Ok(Top {
        titles: columns.iter().map(|column| column.title).collect(),
        processes: processes
            .iter()
            .map(|p| columns.iter().map(|column| (column.show)(p, &machine)).collect())
            .collect(),
    })
}

/// What `/proc` tells of one process.
#[derive(Debug, Clone, Default)]
pub(super) struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    session: i32,
    uid: u32,
    gid: u32,
    /// The real ids; the others are the effective ones.
    real: (u32, u32),
    /// All of `/proc/PID/status`.
    status: String,
    name: String,
    command: String,
    state: String,
    terminal: u32,
    nice: i64,
    pub(super) threads: u64,
    /// Clock ticks spent.
    pub(super) ticks: u64,
    /// Clock ticks spent by children that have ended and were waited for.
    pub(super) waited_ticks: u64,
    /// Clock ticks from boot to its start.
    started: u64,
    /// Bytes.
    virtual_size: u64,
    /// Pages.
    pub(super) resident: u64,
}

/// What is the same for all processes.
struct Machine {
    now: Timestamp,
    boot: Timestamp,
    ticks_per_second: u64,
    page: u64,
    memory: u64,
    names: Names,
    zone: TimeZone,
}

impl Machine {
    fn read(zone: &TimeZone) -> Result<Self> {
        use nix::unistd::{SysconfVar, sysconf};
        let number =
            |variable, default| sysconf(variable).ok().flatten().and_then(|n| u64::try_from(n).ok()).unwrap_or(default);
        let stat = fs::read_to_string("/proc/stat").context(|| "cannot read `/proc/stat`")?;
        let boot = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()).unwrap_or(0);
        let page = number(SysconfVar::PAGE_SIZE, 4096);
        Ok(Self {
            now: time::now(),
            boot: Timestamp::from_second(boot).unwrap_or_default(),
            ticks_per_second: number(SysconfVar::CLK_TCK, 100).max(1),
            page,
            memory: page * number(SysconfVar::_PHYS_PAGES, 0),
            names: Names::default(),
            zone: zone.clone(),
        })
    }

    fn start(&self, process: &Process) -> Timestamp {
        let milliseconds = i64::try_from(process.started * 1000 / self.ticks_per_second).unwrap_or(0);
        self.boot.checked_add(milliseconds.milliseconds()).unwrap_or(self.boot)
    }

    /// Seconds since the start.
    fn age(&self, process: &Process) -> u64 {
        u64::try_from(self.now.duration_since(self.start(process)).as_secs()).unwrap_or(0)
    }

    /// Seconds of processor time.
    fn spent(&self, process: &Process) -> u64 {
        process.ticks / self.ticks_per_second
    }

    /// Tenths of a percent of one processor, over the process's life.
    fn processor_permille(&self, process: &Process) -> u64 {
        (process.ticks * 1000 / self.ticks_per_second).checked_div(self.age(process)).unwrap_or(0)
    }
}

/// The texts of passwd(5) and group(5) of the container.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Names {
    passwd: String,
    group: String,
}

/// Reads them, from inside the user's namespace: a file system that is served there is closed to the host. What cannot be
/// read has no names.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReadNames {
    /// The container's pid 1.
    init: i32,
}

impl Job for ReadNames {
    const NAME: &'static str = "top";
    const PLACE: Place = Place::Outer;
    type Report = Names;

    fn run(self, _engine: &Engine, _given: Given<'_>) -> Result<Names> {
        let root = BeneathDir::open(Path::new(&format!("/proc/{}/root", self.init)));
        let text = |path: &str| {
            let mut bytes = Vec::new();
            let file = root.as_ref().ok().and_then(|root| root.open_file(path).ok());
            let _ = file.map(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ok(Names { passwd: text("etc/passwd"), group: text("etc/group") })
    }
}

struct Column {
    /// As given to `-o`.
    names: &'static [&'static str],
    title: &'static str,
    show: fn(&Process, &Machine) -> String,
}

/// The columns of ps(1) that are known.
const COLUMNS: &[Column] = &[
    Column { names: &["uid_name"], title: "UID", show: |p, m| name_of(&m.names.passwd, p.uid) },
    Column { names: &["user", "euser", "uname"], title: "USER", show: |p, m| name_of(&m.names.passwd, p.uid) },
    Column { names: &["group", "egroup"], title: "GROUP", show: |p, m| name_of(&m.names.group, p.gid) },
    Column { names: &["uid", "euid"], title: "UID", show: |p, _| p.uid.to_string() },
    Column { names: &["gid", "egid"], title: "GID", show: |p, _| p.gid.to_string() },
    Column { names: &["pid"], title: "PID", show: |p, _| p.pid.to_string() },
    Column { names: &["ppid"], title: "PPID", show: |p, _| p.parent.to_string() },
    Column { names: &["pgid", "pgrp"], title: "PGID", show: |p, _| p.group.to_string() },
    Column { names: &["sid", "sess", "session"], title: "SID", show: |p, _| p.session.to_string() },
    Column { names: &["c"], title: "C", show: |p, m| (m.processor_permille(p) / 10).min(99).to_string() },
    Column { names: &["pcpu", "%cpu"], title: "%CPU", show: |p, m| tenths(m.processor_permille(p)) },
    Column {
        names: &["pmem", "%mem"],
        title: "%MEM",
        show: |p, m| tenths((p.resident * m.page * 1000).checked_div(m.memory).unwrap_or(0)),
    },
    Column { names: &["vsz", "vsize"], title: "VSZ", show: |p, _| (p.virtual_size / 1024).to_string() },
    Column { names: &["rss", "rssize", "rsz"], title: "RSS", show: |p, m| (p.resident * m.page / 1024).to_string() },
    Column { names: &["stime"], title: "STIME", show: |p, m| start_time(m.start(p), m.now, &m.zone) },
    Column { names: &["start_time", "start"], title: "START", show: |p, m| start_time(m.start(p), m.now, &m.zone) },
    Column { names: &["etime"], title: "ELAPSED", show: |p, m| elapsed(m.age(p)) },
    Column { names: &["etimes"], title: "ELAPSED", show: |p, m| m.age(p).to_string() },
    Column { names: &["tty", "tt", "tname"], title: "TTY", show: |p, _| terminal(p.terminal) },
    Column { names: &["time", "cputime"], title: "TIME", show: |p, m| clock(m.spent(p)) },
    Column { names: &["bsdtime"], title: "TIME", show: |p, m| format!("{}:{:02}", m.spent(p) / 60, m.spent(p) % 60) },
    Column { names: &["stat"], title: "STAT", show: |p, _| stat(p) },
    Column { names: &["s", "state"], title: "S", show: |p, _| p.state.clone() },
    Column { names: &["ni", "nice"], title: "NI", show: |p, _| p.nice.to_string() },
    Column { names: &["nlwp", "thcount"], title: "NLWP", show: |p, _| p.threads.to_string() },
    Column { names: &["cmd"], title: "CMD", show: |p, _| p.command.clone() },
    Column { names: &["args", "command"], title: "COMMAND", show: |p, _| p.command.clone() },
    Column { names: &["comm", "ucmd", "ucomm"], title: "COMMAND", show: |p, _| p.name.clone() },
];

/// `ps -ef`: docker's default.
const FULL: &[&str] = &["uid_name", "pid", "ppid", "c", "stime", "tty", "time", "cmd"];
/// `ps aux`.
const AUX: &[&str] = &["user", "pid", "%cpu", "%mem", "vsz", "rss", "tty", "stat", "start_time", "bsdtime", "args"];

/// Reads ps arguments, or podman's descriptors.
fn columns(arguments: &[String]) -> Result<Vec<&'static Column>> {
    if let Some(columns) = descriptors::columns(arguments) {
        return columns;
    }
    let mut asked: Vec<String> = Vec::new();
    let mut preset: Option<&[&str]> = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let list = match argument.as_str() {
            "-ef" | "-f" | "-fe" | "-Af" => {
                preset = Some(FULL);
                continue;
            }
            "aux" | "-aux" => {
                preset = Some(AUX);
                continue;
            }
            "-e" | "-A" | "ax" => continue,
            "-o" | "-eo" | "-Ao" | "o" | "axo" => rest.next().map(String::as_str),
            other => other.strip_prefix("-o").or_else(|| other.strip_prefix("-eo")),
        };
        let Some(list) = list.filter(|list| !list.is_empty()) else {
            return Err(Error::unsupported(format!("ps option `{}` is not supported", text::clean(argument)))
                .hint("`-ef`, `aux` and `-o COLUMN,…` are"));
        };
        asked.extend(list.split([',', ' ']).filter(|name| !name.is_empty()).map(String::from));
    }
    let names: Vec<&str> = match asked.is_empty() {
        true => preset.unwrap_or(FULL).to_vec(),
        false => asked.iter().map(String::as_str).collect(),
    };
    let find = |name: &&str| {
        COLUMNS.iter().find(|column| column.names.contains(name)).ok_or_else(|| {
            let known: Vec<&str> = COLUMNS.iter().skip(1).map(|column| column.names[0]).collect();
            Error::unsupported(format!("ps column `{}` is not supported", text::clean(name)))
                .hint(format!("these are: {}", known.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

/// What the kernel shows for ids that a user namespace does not have (`/proc/sys/kernel/overflowuid`).
const OVERFLOW_ID: u32 = 65534;

/// The processes of the container whose first process is `init`, by pid, with their ids in its user namespace.
pub(super) fn members(init: i32) -> Result<Vec<Process>> {
    let map = |file: &str| IdMap::parse(&fs::read_to_string(format!("/proc/{init}/{file}")).unwrap_or_default());
    let (uids, gids) = (map("uid_map"), map("gid_map"));
    let inside = |map: &IdMap, id: u32| map.to_inside(id).unwrap_or(OVERFLOW_ID);
    let found = Members::of(init).and_then(|members| members.find());
    let mut processes: Vec<Process> =
        found.context(|| "cannot find the container's processes")?.members.into_iter().filter_map(read).collect();
    for process in &mut processes {
        (process.uid, process.gid) = (inside(&uids, process.uid), inside(&gids, process.gid));
        process.real = (inside(&uids, process.real.0), inside(&gids, process.real.1));
    }
    processes.sort_by_key(|process| process.pid);
    Ok(processes)
}

/// One process; `None` when it has gone meanwhile.
fn read(pid: i32) -> Option<Process> {
    let file = |name: &str| fs::read(format!("/proc/{pid}/{name}")).ok();
    let stat = String::from_utf8_lossy(&file("stat")?).into_owned();
    let status = String::from_utf8_lossy(&file("status")?).into_owned();
    let id = |key: &str, at| {
        status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().nth(at)?.parse().ok())
    };
    let mut process = parse_stat(&stat)?;
    (process.uid, process.gid) = (id("Uid:", 1)?, id("Gid:", 1)?);
    process.real = (id("Uid:", 0)?, id("Gid:", 0)?);
    process.status.clone_from(&status);
    let command = file("cmdline")?;
    let command = command.strip_suffix(b"\0").unwrap_or(&command);
    process.command = match command.is_empty() {
        true => format!("[{}]", process.name),
        false => String::from_utf8_lossy(command).replace('\0', " "),
    };
    process.command = text::clean(&process.command).into_owned();
    Some(process)
}

/// proc_pid_stat(5). The name may hold spaces and parentheses: fields count from the last `)`.
fn parse_stat(stat: &str) -> Option<Process> {
    let (open, close) = (stat.find('(')?, stat.rfind(')')?);
    let fields: Vec<&str> = stat[close + 1..].split_ascii_whitespace().collect();
    // Field 3 of the manual is the first here.
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    let count = |field: usize| number(field).and_then(|n| u64::try_from(n).ok());
    Some(Process {
        pid: stat[..open].trim().parse().ok()?,
        name: text::clean(stat.get(open + 1..close)?).into_owned(),
        state: (*fields.first()?).to_owned(),
        parent: number(4)? as i32,
        group: number(5)? as i32,
        session: number(6)? as i32,
        terminal: number(7)? as u32,
        ticks: count(14)? + count(15)?,
        waited_ticks: count(16)? + count(17)?,
        nice: number(19)?,
        threads: count(20)?,
        started: count(22)?,
        virtual_size: fields.get(20)?.parse().ok()?,
        resident: count(24)?,
        ..Process::default()
    })
}

/// The name of an id in the text of passwd(5) or group(5), or the id itself.
fn name_of(names: &str, id: u32) -> String {
    let named = names.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then_some(name)
    });
    named.map_or_else(|| id.to_string(), |name| text::clean(name).into_owned())
}

fn tenths(permille: u64) -> String {
    format!("{}.{}", permille / 10, permille % 10)
}

/// `09:30` today, `Nov21` this year, else the year.
fn start_time(start: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let zoned = |time: Timestamp| Zoned::new(time, zone.clone());
    let (start, now) = (zoned(start), zoned(now));
    match (start.date() == now.date(), start.year() == now.year()) {
        (true, _) => start.strftime("%H:%M").to_string(),
        (_, true) => start.strftime("%b%d").to_string(),
        _ => start.strftime("%Y").to_string(),
    }
}

/// `[dd-]hh:mm:ss`.
fn clock(seconds: u64) -> String {
    let (days, rest) = (seconds / 86400, seconds % 86400);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    if days > 0 { format!("{days}-{clock}") } else { clock }
}

/// `[[dd-]hh:]mm:ss`.
fn elapsed(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        _ => clock(seconds),
    }
}

/// A device number as ps shows it: `pts/0`, `tty1`, `?`.
fn terminal(device: u32) -> String {
    let major = (device >> 8) & 0xfff;
    let minor = (device & 0xff) | ((device >> 12) & 0xfff00);
    match major {
        136..=143 => format!("pts/{}", minor + (major - 136) * 256),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        _ => "?".into(),
    }
}

/// State and its marks: `Ss`, `R+` and so on, as far as stat(5) tells.
fn stat(process: &Process) -> String {
    let mut stat = process.state.clone();
    stat.push_str(match process.nice {
        ..0 => "<",
        0 => "",
        _ => "N",
    });
    if process.session == process.pid {
        stat.push('s');
    }
    if process.threads > 1 {
        stat.push('l');
    }
    stat
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn ps_arguments_choose_columns() {
        for (arguments, titles) in [
            ("", "UID PID PPID C STIME TTY TIME CMD"),
            ("-ef", "UID PID PPID C STIME TTY TIME CMD"),
            ("aux", "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"),
            ("-o pid,comm", "PID COMMAND"),
            ("-eo pid -o args", "PID COMMAND"),
            ("-opid,uid", "PID UID"),
        ] {
            let columns = columns(&words(arguments)).unwrap();
            assert_eq!(columns.iter().map(|column| column.title).collect::<Vec<_>>().join(" "), titles, "{arguments}");
        }
        for bad in ["-o wchan", "-l", "-o", "pid wchan"] {
            assert!(columns(&words(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn this_process_is_found_in_its_own_namespace() {
        let me = std::process::id() as i32;
        let found = members(me).unwrap().into_iter().find(|process| process.pid == me).unwrap();
        assert_eq!(found.uid, nix::unistd::geteuid().as_raw());
        assert!(found.resident > 0 && found.virtual_size > 0 && found.started > 0, "{found:?}");
        assert!(found.command.contains("coracle"), "{found:?}");
        assert!(Machine::read(&TimeZone::UTC).unwrap().age(&found) < 86400);
    }

    #[test]
    fn odd_names_do_not_shift_fields() {
        let fields = "S 1 42 42 34816 42 4194560 1 2 3 4 150 50 0 0 20 -5 3 0 777 1048576 25 18446744073709551615 1 1";
        let process = parse_stat(&format!("42 (a) b (c) {fields}")).unwrap();
        assert_eq!((process.pid, process.parent, process.name.as_str()), (42, 1, "a) b (c"));
        assert_eq!((process.ticks, process.nice, process.threads, process.started), (200, -5, 3, 777));
        assert_eq!((process.virtual_size, process.resident), (1048576, 25));
        assert_eq!((stat(&process), terminal(process.terminal)), ("S<sl".into(), "pts/0".into()));
        assert!(parse_stat("42 (a) S 1").is_none());
    }

    #[test]
    fn times_as_ps_shows_them() {
        let now: Timestamp = "2026-11-21T09:30:00Z".parse().unwrap();
        for (start, shown) in
            [("2026-11-21T08:05:00Z", "08:05"), ("2026-11-20T08:05:00Z", "Nov20"), ("2025-11-20T08:05:00Z", "2025")]
        {
            assert_eq!(start_time(start.parse().unwrap(), now, &TimeZone::UTC), shown);
        }
        assert_eq!((clock(3661), clock(90061)), ("01:01:01".into(), "1-01:01:01".into()));
        assert_eq!((elapsed(61), elapsed(3661)), ("01:01".into(), "01:01:01".into()));
        assert_eq!((terminal(0), terminal(0x401), terminal(0x8901)), ("?".into(), "tty1".into(), "pts/257".into()));
    }

    #[test]
    fn ids_have_names() {
        let passwd = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!((name_of(passwd, 1000), name_of(passwd, 7)), ("ann".into(), "7".into()));
    }
}
