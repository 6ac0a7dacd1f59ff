//! The program of the built-in image: `coracle run --rm hello`. It reports what a process sees from inside a container and
//! says what to try next.
//!
//! [`gather`] reads the files of proc(5) and cgroup v2 that are visible in there; what is missing is left out, because
//! `hello` must come up in every container, however confined. [`screen`] is pure: 80 columns, ASCII, no escapes.

mod facts;

pub use facts::{Address, Facts, Limits, Root, gather};

use crate::base::text;
use crate::spec::idmap::IdMap;

/// The widest line of the screen.
const COLUMNS: usize = 80;

/// A coracle and its paddler.
const BOAT: [&str; 5] =
    [r"           o", r"          /|\_,", r"     .----/ \-\--.", r"      \        \ /", r"~~~~~~~`-------'\~~~"];

/// The screen of `hello`: some 20 lines of at most 80 columns, each with its newline.
pub fn screen(facts: &Facts) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    let beside = [
        "",
        "Ahoy! This is a container, and you are inside it.",
        "It was started by an ordinary command: no daemon,",
        "no service, nothing that stays when it ends.",
    ];
    lines.extend(BOAT.iter().zip(beside).map(|(boat, words)| format!("{boat:<24}{words}")));
    lines.push(format!("{:~<76}", BOAT[4]));
    lines.push(String::new());
    let reports = [
        ("who", who(facts)),
        ("ids", ids(&facts.uid_map)),
        ("process", process(facts)),
        ("network", network(&facts.addresses)),
        ("files", files(facts)),
        ("limits", limits(&facts.limits)),
        ("powers", powers(facts)),
    ];
    lines.extend(reports.iter().map(|(name, report)| format!("  {name:<9}{}", text::clean(report))));
    lines.push(String::new());
    lines.push("Try next:".to_owned());
    for (command, meaning) in [
        ("coracle run -it --rm alpine sh", "a shell in an image from Docker Hub"),
        ("coracle ps -a", "what runs, and what has ended"),
        ("coracle images", "what is stored here"),
        ("coracle doctor", "checks this machine, and names the fixes"),
    ] {
        lines.push(format!("  {command:<33}{meaning}"));
    }
    lines.iter().map(|line| fit(line) + "\n").collect()
}

/// A line without trailing blanks, cut to the width of the screen.
fn fit(line: &str) -> String {
    match line.chars().count() > COLUMNS {
        true => line.chars().take(COLUMNS - 3).collect::<String>() + "...",
        false => line.trim_end().to_owned(),
    }
}

/// The user, and what that means.
fn who(facts: &Facts) -> String {
    match (facts.uid, is_initial(&facts.uid_map)) {
        (0, true) => "root, with the host's own user ids: be careful".to_owned(),
        (0, false) => "root, but only in here: outside this is an unprivileged user".to_owned(),
        (uid, _) => format!("uid {uid}, gid {}", facts.gid),
    }
}

/// The user id map: `0-65536 (map 0:0:1 1:1:65536)`.
fn ids(map: &IdMap) -> String {
    if is_initial(map) {
        return "those of the host: no user namespace".to_owned();
    }
    let extents: Vec<String> = map
        .extents
        .iter()
        .take(3)
        .map(|extent| format!("{}:{}:{}", extent.inside, extent.outside, extent.count))
        .collect();
    let more = if map.extents.len() > 3 { " ..." } else { "" };
    format!("{} of a user namespace (uid map {}{more})", counted(map.len(), "id"), extents.join(" "))
}

/// Whether the map is that of the host itself.
fn is_initial(map: &IdMap) -> bool {
    map.to_outside(0) == Some(0) && map.len() == u64::from(u32::MAX)
}

/// Process, host name, kernel.
fn process(facts: &Facts) -> String {
    let alone = match facts.processes {
        1 => "the only one here".to_owned(),
        count => format!("one of {count}"),
    };
    format!("pid {} ({alone}), host name {}, Linux {}", facts.pid, facts.host_name, facts.kernel)
}

/// The addresses, those of the loopback interface last and only if there are no others.
fn network(addresses: &[Address]) -> String {
    let outward: Vec<&Address> = addresses.iter().filter(|address| address.interface != "lo").collect();
    if outward.is_empty() {
        return match addresses.is_empty() {
            true => "none".to_owned(),
            false => "none, only the loopback interface".to_owned(),
        };
    }
    let shown: Vec<String> =
        outward.iter().take(2).map(|address| format!("{} {}", address.interface, address.address)).collect();
    match outward.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The root file system.
fn files(facts: &Facts) -> String {
    match &facts.root {
        Some(Root { kind, read_only, mounts }) => {
            let access = if *read_only { "read-only" } else { "writable" };
            format!("root on {kind}, {access}; {}", counted(*mounts, "mount"))
        }
        None => "unknown: /proc is not mounted".to_owned(),
    }
}

/// Control group and resource limits.
fn limits(limits: &Limits) -> String {
    let mut parts = Vec::new();
    parts.extend(limits.memory.map(|bytes| format!("memory {}", size(bytes))));
    parts.extend(limits.milli_cpus.map(|cpus| format!("{} CPUs", thousandths(cpus))));
    parts.extend(limits.processes.map(|count| counted(count, "process")));
    if parts.is_empty() {
        parts.push("none of memory, CPUs and processes".to_owned());
    }
    parts.extend(limits.open_files.map(|count| counted(count, "open file")));
    parts.join(", ")
}

/// What the kernel lets it do.
fn powers(facts: &Facts) -> String {
    let filter = match facts.seccomp {
        0 => "no system call filter",
        1 => "strict seccomp",
        _ => "system call filter on",
    };
    let setuid = if facts.no_new_privileges { "no new privileges" } else { "setuid works" };
    let capabilities = match facts.capabilities.names().len() {
        1 => "1 capability".to_owned(),
        count => format!("{count} capabilities"),
    };
    format!("{capabilities}, {filter}, {setuid}")
}

/// `1 mount`, `18 mounts`, `2 processes`.
fn counted(count: u64, noun: &str) -> String {
    match (count, noun.ends_with('s')) {
        (1, _) => format!("1 {noun}"),
        (_, true) => format!("{count} {noun}es"),
        (_, false) => format!("{count} {noun}s"),
    }
}

/// Bytes in binary units: whole ones where they are, else one decimal.
fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let step = (0..units.len()).rev().find(|&step| bytes >= 1 << (10 * step)).unwrap_or(0);
    let unit = 1u64 << (10 * step);
    match bytes.is_multiple_of(unit) {
        true => format!("{} {}", bytes / unit, units[step]),
        false => format!("{:.1} {}", bytes as f64 / unit as f64, units[step]),
    }
}

/// `1500` is `1.5`.
fn thousandths(value: u64) -> String {
    let text = format!("{}.{:03}", value / 1000, value % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::capabilities::CapSet;

    fn facts() -> Facts {
        Facts {
            uid: 0,
            gid: 0,
            uid_map: IdMap::parse("0 0 1\n1 1 65536\n"),
            pid: 1,
            processes: 1,
            host_name: "3f2a9c1d04be".into(),
            kernel: "6.18.44".into(),
            addresses: vec![Address { interface: "lo".into(), address: "127.0.0.1".into() }],
            root: Some(Root { kind: "overlay".into(), read_only: false, mounts: 18 }),
            limits: Limits {
                memory: Some(512 << 20),
                milli_cpus: Some(1500),
                processes: Some(100),
                open_files: Some(1024),
            },
            capabilities: CapSet::DEFAULT,
            seccomp: 2,
            no_new_privileges: false,
        }
    }

    #[test]
    fn the_whole_screen() {
        let expected = r"
           o
          /|\_,         Ahoy! This is a container, and you are inside it.
     .----/ \-\--.      It was started by an ordinary command: no daemon,
      \        \ /      no service, nothing that stays when it ends.
~~~~~~~`-------'\~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~

  who      root, but only in here: outside this is an unprivileged user
  ids      65537 ids of a user namespace (uid map 0:0:1 1:1:65536)
  process  pid 1 (the only one here), host name 3f2a9c1d04be, Linux 6.18.44
  network  none, only the loopback interface
  files    root on overlay, writable; 18 mounts
  limits   memory 512 MiB, 1.5 CPUs, 100 processes, 1024 open files
  powers   14 capabilities, system call filter on, setuid works

Try next:
  coracle run -it --rm alpine sh   a shell in an image from Docker Hub
  coracle ps -a                    what runs, and what has ended
  coracle images                   what is stored here
  coracle doctor                   checks this machine, and names the fixes
";
        let screen = screen(&facts());
        for (line, wanted) in screen.lines().zip(expected.lines()) {
            assert_eq!(line, wanted);
        }
        assert_eq!(screen.lines().count(), expected.lines().count());
    }

    #[test]
    fn it_fits_whatever_the_container_says_of_itself() {
        let address = |n: u32| Address { interface: format!("eth{n}"), address: format!("2001:db8::{n}") };
        let wild = Facts {
            host_name: "x\u{1b}[2J".to_owned() + &"y".repeat(200),
            kernel: "6.1.0-very-long-vendor-string".repeat(5),
            addresses: (0..9).map(address).collect(),
            uid: 1000,
            root: None,
            limits: Limits::default(),
            capabilities: CapSet::EMPTY,
            seccomp: 0,
            no_new_privileges: true,
            processes: 7,
            ..facts()
        };
        for facts in [facts(), wild] {
            let screen = screen(&facts);
            assert!(screen.lines().count() <= 24, "{}", screen.lines().count());
            for line in screen.lines() {
                assert!(line.chars().count() <= 80, "{line}");
                assert!(line.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{line:?}");
            }
        }
    }

    #[test]
    fn reports_in_words() {
        let host = IdMap::parse("0 0 4294967295");
        assert_eq!(who(&Facts { uid_map: host.clone(), ..facts() }), "root, with the host's own user ids: be careful");
        assert_eq!(who(&Facts { uid: 33, gid: 34, ..facts() }), "uid 33, gid 34");
        assert_eq!(ids(&host), "those of the host: no user namespace");
        assert_eq!(ids(&IdMap::root_only(1000)), "1 id of a user namespace (uid map 0:1000:1)");
        assert_eq!(network(&[]), "none");
        let address = |interface: &str, address: &str| Address { interface: interface.into(), address: address.into() };
        assert_eq!(
            network(&[address("lo", "127.0.0.1"), address("eth0", "172.17.0.2"), address("eth0", "fd00::2")]),
            "eth0 172.17.0.2, eth0 fd00::2"
        );
        assert_eq!(limits(&Limits { processes: Some(1), ..Limits::default() }), "1 process");
        assert_eq!(limits(&Limits::default()), "none of memory, CPUs and processes");
        for (bytes, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (3 << 30, "3 GiB")] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!((thousandths(2000), thousandths(50)), ("2".to_owned(), "0.05".to_owned()));
    }
}
