//! `--sysctl`: settings of the kernel that a container has for itself. Only those of its own namespaces are taken: all
//! others are the machine's.

use std::collections::BTreeMap;

use super::namespaces::NetworkMode;
use crate::base::{Error, Result, text};

/// The settings of an IPC namespace that have no common prefix (ipc_namespaces(7); the list of docker and runc).
const OF_IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

/// The longest value: the kernel takes a page at most.
const MAX_VALUE: usize = 4095;

/// One `NAME=VALUE`. The name comes back with dots between its parts, as sysctl(8) prints it.
pub fn parse(given: &str) -> Result<(String, String)> {
    let shown = text::clean(given);
    let (name, value) = given.split_once('=').ok_or_else(|| {
        Error::usage(format!("invalid sysctl `{shown}`: no value"))
            .hint("it is a name and a value: --sysctl net.ipv4.ip_forward=1")
    })?;
    let name = dotted(name.trim());
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-/".contains(&byte))
    };
    let sound = name.split('.').all(part) && !name.split(['.', '/']).any(str::is_empty);
    let known = OF_IPC.contains(&name.as_str())
        || ["net.", "fs.mqueue."].iter().any(|prefix| name.starts_with(prefix))
        || name == "kernel.domainname";
    if name == "kernel.hostname" {
        return Err(Error::usage(format!("sysctl '{}' is not allowed", text::clean(&name)))
            .hint("--hostname sets the host name"));
    }
    if !sound || !known {
        return Err(Error::usage(format!("sysctl '{}' is not allowed", text::clean(&name)))
            .hint("a container has its own settings below net. and fs.mqueue., kernel.domainname, and of kernel. those of message queues, semaphores and shared memory; all others are the machine's"));
    }
    if value.len() > MAX_VALUE || value.contains('\0') {
        return Err(Error::usage(format!("the value of sysctl '{name}' is too long or holds a zero byte")));
    }
    Ok((name, value.to_owned()))
}

/// All of a command line; the last value of a name counts.
pub fn all(given: &[String]) -> Result<BTreeMap<String, String>> {
    given.iter().map(|one| parse(one)).collect()
}

/// The file of a setting below `/proc/sys`: `net.ipv4.conf.eth0/100.forwarding` is that of the interface `eth0.100`.
pub fn file(name: &str) -> String {
    let swapped = name.chars().map(|letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    });
    swapped.collect()
}

/// Names of sysctl(8) may have slashes between their parts instead; the first separator tells.
fn dotted(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(at) if name.as_bytes()[at] == b'/' => file(name),
        _ => name.to_owned(),
    }
}

/// The settings in the order in which they are written: those come first that change others (ip-sysctl.rst on `ip_forward`:
/// "its change resets all configuration parameters to their default state").
pub fn ordered(sysctls: &BTreeMap<String, String>) -> Vec<(String, String)> {
    const FIRST: [&str; 3] = ["net.ipv4.conf.all.forwarding", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"];
    let mut ordered: Vec<(String, String)> = sysctls.clone().into_iter().collect();
    ordered.sort_by_key(|(name, _)| !FIRST.contains(&name.as_str()));
    ordered
}

/// Fails for settings of a network that is not the container's own.
pub fn check(sysctls: &BTreeMap<String, String>, network: &NetworkMode) -> Result<()> {
    let Some(name) = sysctls.keys().find(|name| name.starts_with("net.")) else { return Ok(()) };
    match network {
        _ if network.is_own() => Ok(()),
        NetworkMode::Host => Err(Error::usage(format!("sysctl '{name}' not allowed in host network namespace"))),
        NetworkMode::Container(_) => {
            Err(Error::usage(format!("sysctl '{name}' belongs to the container whose network is shared"))
                .hint("give it to that container"))
        }
        _ => Err(Error::usage(format!("sysctl '{name}' belongs to the network namespace that is joined"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_namespaces_are_taken() {
        for (given, name, value, path) in [
            ("net.ipv4.ip_forward=1", "net.ipv4.ip_forward", "1", "net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward=1", "net.ipv4.ip_forward", "1", "net/ipv4/ip_forward"),
            (
                "net.ipv4.conf.eth0/100.forwarding=1",
                "net.ipv4.conf.eth0/100.forwarding",
                "1",
                "net/ipv4/conf/eth0.100/forwarding",
            ),
            (
                "net/ipv4/conf/eth0.100/forwarding=1",
                "net.ipv4.conf.eth0/100.forwarding",
                "1",
                "net/ipv4/conf/eth0.100/forwarding",
            ),
            (" kernel.sem=1 2 3 4", "kernel.sem", "1 2 3 4", "kernel/sem"),
            ("fs.mqueue.msg_max=", "fs.mqueue.msg_max", "", "fs/mqueue/msg_max"),
            ("kernel.domainname=a=b", "kernel.domainname", "a=b", "kernel/domainname"),
        ] {
            assert_eq!(parse(given).unwrap(), (name.into(), value.into()), "{given}");
            assert_eq!(file(name), path);
        }
        let twice = all(&["net.core.somaxconn=1".into(), "net/core/somaxconn=2".into()]).unwrap();
        assert_eq!(twice.into_iter().collect::<Vec<_>>(), [("net.core.somaxconn".into(), "2".into())]);
    }

    #[test]
    fn what_changes_others_is_written_first() {
        let given = ["kernel.sem=1", "net.ipv4.conf.all.accept_redirects=1", "net.ipv4.ip_forward=1", "net.x.y=1"];
        let sysctls = all(&given.map(String::from)).unwrap();
        let names: Vec<String> = ordered(&sysctls).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["net.ipv4.ip_forward", "kernel.sem", "net.ipv4.conf.all.accept_redirects", "net.x.y"]);
    }

    #[test]
    fn those_of_the_machine_are_refused_by_name() {
        for given in [
            "kernel.core_pattern=|/x",
            "vm.swappiness=1",
            "kernel.hostname=x",
            "kernel.shmmaxx=1",
            "net.=1",
            "net..x=1",
            "net./../../x=1",
            "net/../kernel/core_pattern=x",
            "net.//x=1",
            "user.max_user_namespaces=1",
            "=1",
        ] {
            let error = parse(given).unwrap_err();
            assert!(error.message().contains("is not allowed"), "{given}: {error}");
        }
        assert!(parse("net.ipv4.ip_forward").unwrap_err().message().contains("no value"));
        assert!(parse(&format!("net.x={}", "1".repeat(5000))).is_err());
    }

    #[test]
    fn a_network_of_others_keeps_its_settings() {
        let net = all(&["net.ipv4.ip_forward=1".into()]).unwrap();
        let ipc = all(&["kernel.sem=1".into()]).unwrap();
        assert!(check(&net, &NetworkMode::None).is_ok() && check(&ipc, &NetworkMode::Host).is_ok());
        assert!(check(&net, &NetworkMode::Host).unwrap_err().message().contains("host network"));
        let id = "ab".repeat(32).parse().unwrap();
        assert!(
            check(&net, &NetworkMode::Container(id)).is_err() && check(&net, &NetworkMode::Path("/x".into())).is_err()
        );
    }
}
