//! What `hello` finds out about the container it is in: a few files, each read once and parsed by a pure function.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::spec::capabilities::CapSet;
use crate::spec::idmap::IdMap;

/// One address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `eth0`; `?` where the routes do not tell.
    pub interface: String,
    /// Without prefix length.
    pub address: String,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The type, as `overlay`.
    pub kind: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// How many mounts the mount namespace has.
    pub mounts: u64,
}

/// Limits in force; `None` where there is none, or none is visible.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, `memory.max`.
    pub memory: Option<u64>,
    /// Thousandths of a CPU, `cpu.max`.
    pub milli_cpus: Option<u64>,
    /// Processes and threads, `pids.max`.
    pub processes: Option<u64>,
    /// Open files of one process, `RLIMIT_NOFILE`.
    pub open_files: Option<u64>,
}

/// What a process can see of the container it runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The effective user id.
    pub uid: u32,
    /// The effective group id.
    pub gid: u32,
    /// The user id map of the user namespace, relative to its parent.
    pub uid_map: IdMap,
    /// This process in its pid namespace.
    pub pid: u32,
    /// How many processes `/proc` shows.
    pub processes: usize,
    /// The host name.
    pub host_name: String,
    /// The kernel's release.
    pub kernel: String,
    /// IPv4 addresses, then IPv6 ones beyond the link.
    pub addresses: Vec<Address>,
    /// `None` without `/proc`.
    pub root: Option<Root>,
    /// What limits this process.
    pub limits: Limits,
    /// The effective capabilities.
    pub capabilities: CapSet,
    /// 0 none, 1 strict, 2 a filter.
    pub seccomp: u32,
    /// Whether exec can no longer raise privileges.
    pub no_new_privileges: bool,
}

/// Looks around. Never fails: what cannot be read is left out.
pub fn gather() -> Facts {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let name = rustix::system::uname();
    let status = read("/proc/self/status");
    let mut addresses = ipv4_addresses(&read("/proc/net/fib_trie"), &read("/proc/net/route"));
    addresses.extend(ipv6_addresses(&read("/proc/net/if_inet6")));
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    Facts {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        uid_map: IdMap::parse(&read("/proc/self/uid_map")),
        pid: std::process::id(),
        processes: count_processes(Path::new("/proc")),
        host_name: name.nodename().to_string_lossy().into_owned(),
        kernel: name.release().to_string_lossy().into_owned(),
        addresses,
        root: root(&read("/proc/self/mountinfo")),
        limits: Limits { open_files: limit, ..control_group(Path::new("/sys/fs/cgroup"), &read("/proc/self/cgroup")) },
        capabilities: CapSet::from_bits(
            status_field(&status, "CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default(),
        ),
        seccomp: status_field(&status, "Seccomp").and_then(|mode| mode.parse().ok()).unwrap_or_default(),
        no_new_privileges: status_field(&status, "NoNewPrivs") == Some("1"),
    }
}

/// One field of `/proc/PID/status`.
fn status_field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// How many processes a procfs shows; at least the one that asks.
fn count_processes(proc: &Path) -> usize {
    let Ok(entries) = fs::read_dir(proc) else { return 1 };
    let is_pid = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_pid)).count().max(1)
}

/// The mount at `/` that is on top, from `/proc/self/mountinfo` (proc(5): fields 5 and 6, and the first after ` - `).
fn root(mountinfo: &str) -> Option<Root> {
    let mount = |line: &&str| line.split(' ').nth(4) == Some("/");
    let line = mountinfo.lines().rfind(mount)?;
    let options = line.split(' ').nth(5)?;
    let kind = line.split_once(" - ")?.1.split(' ').next()?;
    Some(Root {
        kind: kind.to_owned(),
        read_only: options.split(',').any(|option| option == "ro"),
        mounts: mountinfo.lines().count() as u64,
    })
}

/// The limits of the control group that `/proc/self/cgroup` names below a cgroup v2 mount.
fn control_group(mount: &Path, cgroup: &str) -> Limits {
    let Some(path) = cgroup.lines().find_map(|line| line.strip_prefix("0::/")) else { return Limits::default() };
    // `..` stands for what is outside the cgroup namespace: not visible.
    if path.split('/').any(|part| part == "..") {
        return Limits::default();
    }
    let read = |name: &str| fs::read_to_string(mount.join(path).join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse().ok();
    let quota = |text: String| {
        let (quota, period) = text.trim().split_once(' ')?;
        (quota.parse::<u64>().ok()?.checked_mul(1000)?).checked_div(period.parse().ok()?)
    };
    Limits {
        memory: number("memory.max"),
        milli_cpus: read("cpu.max").and_then(quota),
        processes: number("pids.max"),
        open_files: None,
    }
}

/// The local addresses of `/proc/net/fib_trie`, each with the interface whose connected route in `/proc/net/route` covers
/// it. Both files list the main table twice or more; an address counts once.
fn ipv4_addresses(fib_trie: &str, route: &str) -> Vec<Address> {
    let mut found: Vec<Ipv4Addr> = Vec::new();
    let mut last = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(leaf) = line.strip_prefix("|-- ") {
            last = leaf.parse().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = last
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    let routes: Vec<(&str, u32, u32)> = route.lines().skip(1).filter_map(connected_route).collect();
    let interface = |address: Ipv4Addr| match address.is_loopback() {
        true => "lo",
        false => routes
            .iter()
            .filter(|(_, network, mask)| u32::from(address) & mask == *network)
            .max_by_key(|(_, _, mask)| *mask)
            .map_or("?", |(interface, ..)| interface),
    };
    found
        .into_iter()
        .map(|address| Address { interface: interface(address).to_owned(), address: address.to_string() })
        .collect()
}

/// Interface, network and mask of a line of `/proc/net/route` without a gateway. The numbers are hexadecimal words in the
/// machine's byte order.
fn connected_route(line: &str) -> Option<(&str, u32, u32)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
    (number(2)? == 0).then_some(())?;
    Some((fields.first()?, u32::from_be(number(1)?), u32::from_be(number(7)?)))
}

/// The addresses of `/proc/net/if_inet6` that reach beyond the link: scope 00 (global; unique local addresses, too).
fn ipv6_addresses(if_inet6: &str) -> Vec<Address> {
    let address = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let bits = u128::from_str_radix(fields.first()?, 16).ok()?;
        (*fields.get(3)? == "00").then(|| Address {
            interface: (*fields.last().unwrap_or(&"?")).to_owned(),
            address: Ipv6Addr::from(bits).to_string(),
        })
    };
    if_inet6.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_their_interfaces() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 172.17.0.0/16 2 0 2\n\
                    \x20       |-- 172.17.0.2\n           /32 host LOCAL\n        |-- 172.17.255.255\n           /32 link BROADCAST\n\
                    \x20    |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 10.9.8.7\n        /32 host LOCAL\n\
                    Local:\n     |-- 127.0.0.1\n        /32 host LOCAL\n        |-- 172.17.0.2\n           /32 host LOCAL\n";
        let route = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                     eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                     eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let all: Vec<(String, String)> =
            ipv4_addresses(trie, route).into_iter().map(|a| (a.interface, a.address)).collect();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(all, [pair("eth0", "172.17.0.2"), pair("lo", "127.0.0.1"), pair("?", "10.9.8.7")]);
        assert_eq!(ipv4_addresses("", ""), []);

        let inet6 = "00000000000000000000000000000001 01 80 10 80       lo\n\
                     fe800000000000000042acfffe110002 02 40 20 80     eth0\n\
                     fd00000000000000000000000000002a 02 40 00 80     eth0\nbroken\n";
        let global = Address { interface: "eth0".into(), address: "fd00::2a".into() };
        assert_eq!(ipv6_addresses(inet6), [global]);
    }

    #[test]
    fn the_topmost_root_counts() {
        let mountinfo = "20 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
                         30 20 0:20 / /proc rw - proc proc rw\n\
                         40 20 0:33 / / ro,nodev,relatime - overlay overlay rw,lowerdir=/x\n";
        assert_eq!(root(mountinfo), Some(Root { kind: "overlay".into(), read_only: true, mounts: 3 }));
        assert_eq!(root(""), None);
    }

    #[test]
    fn limits_of_the_control_group() {
        let directory = std::env::temp_dir().join(format!("coracle-hello-{}", std::process::id()));
        let group = directory.join("a/b");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("memory.max"), "536870912\n").unwrap();
        fs::write(group.join("cpu.max"), "150000 100000\n").unwrap();
        fs::write(group.join("pids.max"), "max\n").unwrap();
        let limits = control_group(&directory, "1:name=systemd:/x\n0::/a/b\n");
        let nowhere = control_group(&directory, "0::/../a/b\n");
        fs::remove_dir_all(&directory).unwrap();
        let expected = Limits { memory: Some(536_870_912), milli_cpus: Some(1500), processes: None, open_files: None };
        assert_eq!((limits, nowhere), (expected, Limits::default()));
    }

    #[test]
    fn gathering_here_tells_the_truth() {
        let facts = gather();
        assert_eq!(facts.pid, std::process::id());
        assert!(facts.processes >= 1 && !facts.uid_map.is_empty() && !facts.kernel.is_empty());
        assert!(facts.root.is_some_and(|root| root.mounts > 0));
        assert!(facts.limits.open_files.is_none_or(|count| count > 0));
    }
}
