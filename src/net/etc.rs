//! The files of `/etc` for names in a container: hosts and resolv.conf. Pure.

use std::fmt::Write;
use std::net::IpAddr;

use crate::spec::network::{HostEntry, Joined};

/// Names under which a container reaches the machine it runs on: podman's and docker's.
pub const HOST_NAMES: [&str; 2] = ["host.containers.internal", "host.docker.internal"];

/// The domain of containers' names: `web` is `web.containers.internal` as well.
pub const DOMAIN: &str = "containers.internal";

/// The network situation of a container, for its names.
#[derive(Debug, Clone, Copy)]
pub enum Around<'a> {
    /// On the host's network: the host's names apply.
    Host {
        /// The host's `/etc/hosts`.
        hosts: &'a str,
        /// The host's `/etc/resolv.conf`.
        resolv_conf: &'a str,
    },
    /// Without a network.
    Nowhere,
    /// On container networks.
    Networks {
        /// Its endpoints and resolvers.
        joined: &'a Joined,
        /// The container's name, which others use.
        name: &'a str,
        /// The host's `/etc/resolv.conf`: for its search list and options.
        resolv_conf: &'a str,
    },
}

/// The user's options for names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Names<'a> {
    /// `--dns`.
    pub dns: &'a [IpAddr],
    /// `--dns-search`.
    pub search: &'a [String],
    /// `--dns-option`.
    pub options: &'a [String],
    /// `--add-host`.
    pub add_hosts: &'a [HostEntry],
}

/// `/etc/hosts`: loopback and the usual IPv6 names (or the host's file in the host's network), what `--add-host` says,
/// the host, and the container's own names with its own addresses.
pub fn hosts(around: Around<'_>, names: Names<'_>, hostname: &str) -> String {
    let mut text = match around {
        Around::Host { hosts, .. } => match hosts.is_empty() || hosts.ends_with('\n') {
            true => hosts.to_owned(),
            false => format!("{hosts}\n"),
        },
        _ => "127.0.0.1\tlocalhost\n\
              ::1\tlocalhost ip6-localhost ip6-loopback\n\
              fe00::0\tip6-localnet\n\
              ff00::0\tip6-mcastprefix\n\
              ff02::1\tip6-allnodes\n\
              ff02::2\tip6-allrouters\n"
            .to_owned(),
    };
    let gateway = match around {
        Around::Host { .. } => Some(IpAddr::from([127, 0, 0, 1])),
        Around::Nowhere => None,
        Around::Networks { joined, .. } => joined.host_gateway,
    };
    for entry in names.add_hosts {
        if let Some(address) = entry.address.or(gateway) {
            line(&mut text, address, entry.names.iter().map(String::as_str));
        }
    }
    match around {
        Around::Networks { joined, name, .. } => {
            let taken = |name: &&str| !names.add_hosts.iter().any(|entry| entry.names.iter().any(|n| n == name));
            if let Some(gateway) = gateway {
                line(&mut text, gateway, HOST_NAMES.into_iter().filter(taken));
            }
            let own = [hostname, name];
            let own = &own[..if hostname == name { 1 } else { 2 }];
            for endpoint in &joined.endpoints {
                let addresses =
                    [endpoint.ipv4.map(|net| net.addr().into()), endpoint.ipv6.map(|net| net.addr().into())];
                for address in addresses.into_iter().flatten() {
                    line(&mut text, address, own.iter().copied());
                }
            }
        }
        _ if knows(&text, hostname) => {}
        _ => line(&mut text, IpAddr::from([127, 0, 1, 1]), [hostname]),
    }
    text
}

fn line<'a>(text: &mut String, address: IpAddr, names: impl IntoIterator<Item = &'a str>) {
    let names: Vec<&str> = names.into_iter().collect();
    if !names.is_empty() {
        let _ = writeln!(text, "{address}\t{}", names.join(" "));
    }
}

/// Whether a hosts file has a name.
fn knows(hosts: &str, name: &str) -> bool {
    let mut lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.any(|line| line.split_whitespace().skip(1).any(|known| known == name))
}

/// `/etc/resolv.conf`: the host's, on the host's network; else the gateways of networks with DNS, with the host's
/// search list and options; empty if no resolver is reachable, so that lookups fail at once.
///
/// A search list is tried before the plain name. So [`DOMAIN`] goes before the host's list, or a resolver of
/// `corp.example` that answers everything would take a container's name away (podman does so with `dns.podman`;
/// docker's `ndots:0` switches search lists off in images with musl). The user's own list is kept as it is.
pub fn resolv_conf(around: Around<'_>, names: Names<'_>) -> String {
    let (resolvers, host): (Vec<IpAddr>, &str) = match around {
        Around::Nowhere => return "# this container has no network\n".to_owned(),
        Around::Host { resolv_conf, .. } => {
            if names.dns.is_empty() && names.search.is_empty() && names.options.is_empty() {
                return resolv_conf.to_owned();
            }
            (values(resolv_conf, "nameserver").filter_map(|server| server.parse().ok()).collect(), resolv_conf)
        }
        Around::Networks { joined, resolv_conf, .. } => (joined.resolvers.clone(), resolv_conf),
    };
    // On container networks the gateway asks the `--dns` servers itself, so that container names still resolve.
    let asked = matches!(around, Around::Host { .. }) && !names.dns.is_empty();
    let resolvers = if asked || resolvers.is_empty() { names.dns } else { &resolvers };
    let mut text = String::new();
    for resolver in resolvers {
        let _ = writeln!(text, "nameserver {resolver}");
    }
    let mut theirs = values(host, "search").chain(values(host, "domain")).peekable();
    let has_names = matches!(around, Around::Networks { joined, .. } if !joined.resolvers.is_empty());
    let ours = (has_names && theirs.peek().is_some()).then_some(DOMAIN);
    let search: Vec<&str> = match names.search {
        [] => ours.into_iter().chain(theirs).collect(),
        [only] if only == "." => Vec::new(),
        search => search.iter().map(String::as_str).collect(),
    };
    if !search.is_empty() {
        let _ = writeln!(text, "search {}", search.join(" "));
    }
    let options: Vec<&str> = match names.options {
        // The host's options about its own resolver (`edns0`, `trust-ad`) do not apply to the gateway; `ndots` does.
        [] => values(host, "options").filter(|option| option.starts_with("ndots:")).collect(),
        options => options.iter().map(String::as_str).collect(),
    };
    if !options.is_empty() {
        let _ = writeln!(text, "options {}", options.join(" "));
    }
    text
}

/// The words after `keyword` on its lines of a resolv.conf (resolv.conf(5)).
fn values<'a>(resolv_conf: &'a str, keyword: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = resolv_conf.lines().map(|line| line.split(['#', ';']).next().unwrap_or_default());
    lines
        .filter_map(move |line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(keyword)).then_some(words)
        })
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::network::Endpoint;

    fn joined() -> Joined {
        Joined {
            endpoints: vec![Endpoint {
                network: "bridge".parse().unwrap(),
                network_id: "ab".repeat(32).parse().unwrap(),
                interface: "eth0".into(),
                mac: "02:42:ac:11:00:02".parse().unwrap(),
                ipv4: Some("172.17.0.2/16".parse().unwrap()),
                ipv6: Some("fd00::2/64".parse().unwrap()),
                gateway4: Some([172, 17, 0, 1].into()),
                gateway6: None,
                aliases: Vec::new(),
                host_loopback: false,
            }],
            ports: Vec::new(),
            resolvers: vec![[172, 17, 0, 1].into()],
            host_gateway: Some([172, 17, 255, 254].into()),
        }
    }

    const HOST: &str =
        "# by hand\nnameserver 192.0.2.1\nnameserver ::1\nsearch a.example b.example\noptions ndots:2 edns0\n";

    #[test]
    fn a_container_finds_its_own_name() {
        let none = Names::default();
        assert!(hosts(Around::Nowhere, none, "box").ends_with("127.0.1.1\tbox\n"));
        let host = |hosts| Around::Host { hosts, resolv_conf: "" };
        assert_eq!(hosts(host("127.0.0.1 localhost\n"), none, "box"), "127.0.0.1 localhost\n127.0.1.1\tbox\n");
        assert_eq!(hosts(host("127.0.0.1 localhost"), none, "box"), "127.0.0.1 localhost\n127.0.1.1\tbox\n");
        assert_eq!(hosts(host("127.0.0.1 a box # x\n"), none, "box"), "127.0.0.1 a box # x\n");
        let joined = joined();
        let around = Around::Networks { joined: &joined, name: "web", resolv_conf: "" };
        let text = hosts(around, none, "box");
        assert!(
            text.ends_with(
                "172.17.255.254\thost.containers.internal host.docker.internal\n172.17.0.2\tbox web\nfd00::2\tbox web\n"
            ),
            "{text}"
        );
        assert!(hosts(around, none, "web").ends_with("fd00::2\tweb\n"));
    }

    #[test]
    fn added_hosts_come_before_the_hosts_own_names() {
        let joined = joined();
        let around = Around::Networks { joined: &joined, name: "web", resolv_conf: "" };
        let entry = |name: &str, address: Option<&str>| HostEntry {
            names: vec![name.into()],
            address: address.map(|address| address.parse().unwrap()),
        };
        let add = [entry("db", Some("192.0.2.7")), entry("host.docker.internal", None), entry("me", None)];
        let text = hosts(around, Names { add_hosts: &add, ..Names::default() }, "box");
        assert!(text.contains("\n192.0.2.7\tdb\n172.17.255.254\thost.docker.internal\n172.17.255.254\tme\n"), "{text}");
        assert!(text.contains("\n172.17.255.254\thost.containers.internal\n"), "{text}");
        // An entry for the host is left out if there is no way to it.
        assert!(!hosts(Around::Nowhere, Names { add_hosts: &add, ..Names::default() }, "box").contains("\tme"));
    }

    #[test]
    fn resolvers() {
        let none = Names::default();
        assert!(!resolv_conf(Around::Nowhere, none).contains("nameserver"));
        let host = Around::Host { hosts: "", resolv_conf: HOST };
        assert_eq!(resolv_conf(host, none), HOST);
        let dns = ["198.51.100.1".parse().unwrap()];
        let search = ["c.example".to_owned()];
        let asked = Names { dns: &dns, search: &search, ..Names::default() };
        assert_eq!(resolv_conf(host, asked), "nameserver 198.51.100.1\nsearch c.example\noptions ndots:2\n");
        let mut joined = joined();
        let ours = |joined: &Joined| resolv_conf(Around::Networks { joined, name: "web", resolv_conf: HOST }, asked);
        assert_eq!(ours(&joined), "nameserver 172.17.0.1\nsearch c.example\noptions ndots:2\n");
        let plain = |host| resolv_conf(Around::Networks { joined: &joined, name: "web", resolv_conf: host }, none);
        let search = "search containers.internal a.example b.example\n";
        assert_eq!(plain(HOST), format!("nameserver 172.17.0.1\n{search}options ndots:2\n"));
        assert_eq!(plain("nameserver 192.0.2.1\n"), "nameserver 172.17.0.1\n");
        joined.resolvers.clear();
        assert_eq!(ours(&joined), "nameserver 198.51.100.1\nsearch c.example\noptions ndots:2\n");
        let around = Around::Networks { joined: &joined, name: "web", resolv_conf: HOST };
        let clear = [".".to_owned()];
        let options = ["ndots:5".to_owned(), "timeout:1".to_owned()];
        let text = resolv_conf(around, Names { search: &clear, options: &options, ..none });
        assert_eq!(text, "options ndots:5 timeout:1\n");
        assert_eq!(resolv_conf(around, none), "search a.example b.example\noptions ndots:2\n");
    }
}
