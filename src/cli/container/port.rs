//! `port`, and how published ports are shown everywhere.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use clap::Args;

use super::selection::{Among, Found, Latest, Selection, one};
use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::Engine;
use crate::engine::inspect::host_addresses;
use crate::spec::container::Container;
use crate::spec::network::{Joined, PublishedPort};

/// The command.
pub const VERB: Verb = Verb {
    name: "port",
    about: "List port mappings, or one of them, of a container",
    usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
    arity: (1, Some(2)),
    greedy: false,
    codes: Codes::Plain,
    arguments: PortArguments::augment_args,
    run: |context, matches| port(context, &typed(matches)?),
};

/// Arguments of `port`.
#[derive(Debug, Clone, Args)]
struct PortArguments {
    /// Show those of all running containers, each line with the container's ID
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    latest: Latest,
    /// Name or ID, and the only port of the container to be shown
    #[arg(value_name = "CONTAINER [PRIVATE_PORT[/PROTO]]", num_args = 0..)]
    words: Vec<String>,
}

fn port(context: &Context, arguments: &PortArguments) -> Result<u8> {
    let engine = context.engine()?;
    let containers = engine.containers();
    if arguments.all {
        return all_containers(context, &engine, arguments);
    }
    let mut words = arguments.words.clone();
    let container = one(context, &engine, "port", &arguments.latest, &mut words)?;
    let container = containers.load(&containers.find(&container)?)?;
    let ports = container.joined.as_ref().map_or(&[][..], Joined::reachable_ports);
    let lines = match words.first() {
        None => all(ports),
        Some(wanted) => only(ports, wanted).ok_or_else(|| {
            let (wanted, name) = (text::clean(wanted), &container.name);
            Error::not_found(format!("no public port `{wanted}` published for `{name}`"))
        })?,
    };
    context.ui.text(&lines).map(|()| 0)
}

/// podman's form: the id before each line.
fn all_containers(context: &Context, engine: &Engine, arguments: &PortArguments) -> Result<u8> {
    let selection = Selection {
        verb: "port",
        named: &arguments.words,
        all: true,
        filters: &[],
        found: &Found { latest: arguments.latest.clone(), cidfile: Vec::new() },
        ignore: false,
        among: Among::Running,
    };
    for name in selection.resolve(context, engine)? {
        let containers = engine.containers();
        let container = containers.load(&containers.find(&name)?)?;
        for line in all(container.joined.as_ref().map_or(&[][..], Joined::reachable_ports)).lines() {
            context.ui.line(&format!("{}\t{line}", container.config.id.short()))?;
        }
    }
    Ok(0)
}

/// `80/tcp -> 0.0.0.0:8080`, by port of the container.
fn all(ports: &[PublishedPort]) -> String {
    let mut ports: Vec<&PublishedPort> = ports.iter().collect();
    ports.sort_by_key(|port| (port.container_port, port.protocol, port.host_port));
    let mut lines = String::new();
    for port in ports {
        for end in ends(port) {
            let _ = writeln!(lines, "{} -> {end}", port.container());
        }
    }
    lines
}

/// The host's ends of one port of the container, of tcp unless it says otherwise.
fn only(ports: &[PublishedPort], wanted: &str) -> Option<String> {
    let wanted = if wanted.contains('/') { wanted.to_ascii_lowercase() } else { format!("{wanted}/tcp") };
    let lines: String = ports
        .iter()
        .filter(|port| port.container() == wanted)
        .flat_map(|port| ends(port).into_iter().map(|end| format!("{end}\n")))
        .collect();
    Some(lines).filter(|lines| !lines.is_empty())
}

fn ends(port: &PublishedPort) -> Vec<SocketAddr> {
    host_addresses(port).into_iter().map(|ip| SocketAddr::new(ip, port.host_port)).collect()
}

/// docker's column of `ps`: `443/tcp, 0.0.0.0:53->53/udp, 0.0.0.0:8000->80/tcp, [::]:8000->80/tcp`. Ports that are only
/// exposed, and those that have the same number outside, are shown as ranges where they are neighbours; others come last.
pub fn column(container: &Container) -> String {
    let published = container.joined.iter().flat_map(Joined::reachable_ports);
    let published: Vec<&PublishedPort> = published.collect();
    let mut shown: Vec<Shown> = published
        .iter()
        .flat_map(|port| host_addresses(port).into_iter().map(|ip| Shown::published(ip, port)))
        .chain(exposed(container, &published))
        .collect();
    shown.sort_by(|a, b| (a.container, &a.host, &a.protocol).cmp(&(b.container, &b.host, &b.protocol)));
    let (mut ranges, mut open, mut mappings) = (Vec::new(), Vec::<(Shown, u16)>::new(), Vec::new());
    for port in shown {
        if port.host.is_some_and(|(_, number)| number != port.container) {
            mappings.push(port.text(port.container));
            continue;
        }
        match open.iter_mut().find(|(first, _)| first.is_beside(&port)) {
            None => open.push((port.clone(), port.container)),
            Some((_, last)) if u32::from(*last) + 1 == u32::from(port.container) => *last = port.container,
            Some((first, last)) => {
                ranges.push(first.text(*last));
                (*first, *last) = (port.clone(), port.container);
            }
        }
    }
    ranges.extend(open.into_iter().map(|(first, last)| first.text(last)));
    ranges.extend(mappings);
    ranges.join(", ")
}

/// A port as the column shows it.
#[derive(Debug, Clone)]
struct Shown {
    /// Where it is published.
    host: Option<(IpAddr, u16)>,
    container: u16,
    protocol: String,
}

impl Shown {
    fn published(ip: IpAddr, port: &PublishedPort) -> Self {
        let protocol = port.protocol.to_string();
        Self { host: Some((ip, port.host_port)), container: port.container_port, protocol }
    }

    /// Whether both may be in one range.
    fn is_beside(&self, other: &Self) -> bool {
        self.host.map(|(ip, _)| ip) == other.host.map(|(ip, _)| ip) && self.protocol == other.protocol
    }

    /// From this one to the last port of its range.
    fn text(&self, last: u16) -> String {
        let range = |first: u16, length: u16| match length {
            0 => first.to_string(),
            length => format!("{first}-{}", first.saturating_add(length)),
        };
        let length = last.saturating_sub(self.container);
        let container = format!("{}/{}", range(self.container, length), self.protocol);
        match self.host {
            None => container,
            Some((IpAddr::V4(ip), port)) => format!("{ip}:{}->{container}", range(port, length)),
            Some((IpAddr::V6(ip), port)) => format!("[{ip}]:{}->{container}", range(port, length)),
        }
    }
}

/// What is exposed and not published, of a container that runs; nothing in the host's network, where every port is there
/// anyway.
fn exposed(container: &Container, published: &[&PublishedPort]) -> Vec<Shown> {
    if container.config.namespaces.network.members().is_empty() || !container.status.is_running() {
        return Vec::new();
    }
    let is_published = |shown: &Shown| {
        let named =
            |port: &&PublishedPort| (port.container_port, port.protocol.name()) == (shown.container, &shown.protocol);
        published.iter().any(named)
    };
    let ports = container.config.networking.exposed.iter().filter_map(|entry| {
        let (ports, protocol) = entry.split_once('/').unwrap_or((entry, "tcp"));
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
        Some((first..=last).map(|container| Shown { host: None, container, protocol: protocol.to_owned() }))
    });
    ports.flatten().filter(|shown| !is_published(shown)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures::container as fixture;
    use crate::spec::container::Status;
    use crate::spec::namespaces::{Member, NetworkMode};
    use crate::spec::network::{Endpoint, Protocol, Wish};

    fn published(ip: Option<&str>, host_port: u16, container_port: u16, protocol: Protocol) -> PublishedPort {
        PublishedPort { host_ip: ip.map(|ip| ip.parse().unwrap()), host_port, container_port, protocol }
    }

    fn ports() -> Vec<PublishedPort> {
        vec![
            published(None, 8001, 81, Protocol::Tcp),
            published(Some("127.0.0.1"), 53, 53, Protocol::Udp),
            published(None, 8000, 80, Protocol::Tcp),
        ]
    }

    #[test]
    fn lines_of_port() {
        assert_eq!(
            all(&ports()),
            "53/udp -> 127.0.0.1:53\n80/tcp -> 0.0.0.0:8000\n80/tcp -> [::]:8000\n81/tcp -> 0.0.0.0:8001\n81/tcp -> [::]:8001\n"
        );
        assert_eq!(only(&ports(), "80").unwrap(), "0.0.0.0:8000\n[::]:8000\n");
        assert_eq!(only(&ports(), "53/udp").unwrap(), "127.0.0.1:53\n");
        assert_eq!(only(&ports(), "53"), None);
    }

    #[test]
    fn the_column_of_ps() {
        let mut web = fixture("web", 1, Status::Running { started: jiff::Timestamp::UNIX_EPOCH, pid: 1 });
        web.config.namespaces.network =
            NetworkMode::Networks(vec![Member { network: "bridge".parse().unwrap(), wish: Wish::default() }]);
        web.config.networking.exposed = vec!["443/tcp".into(), "80/tcp".into()];
        assert_eq!(column(&web), "80/tcp, 443/tcp");
        web.config.networking.exposed.extend(["9000/tcp", "9001/tcp", "9002/tcp", "9002/udp"].map(String::from));
        let endpoint = Endpoint {
            network: "bridge".parse().unwrap(),
            network_id: web.config.id.clone(),
            interface: "eth0".into(),
            mac: "02:42:0a:00:00:05".parse().unwrap(),
            ipv4: None,
            ipv6: None,
            gateway4: Some([10, 0, 0, 1].into()),
            gateway6: None,
            aliases: Vec::new(),
            host_loopback: false,
        };
        let joined = Joined { endpoints: Vec::new(), ports: ports(), resolvers: Vec::new(), host_gateway: None };
        web.joined = Some(Joined { endpoints: vec![endpoint], ..joined.clone() });
        assert_eq!(
            column(&web),
            "443/tcp, 127.0.0.1:53->53/udp, 9000-9002/tcp, 9002/udp, 0.0.0.0:8000->80/tcp, [::]:8000->80/tcp, 0.0.0.0:8001->81/tcp, [::]:8001->81/tcp"
        );
        // Each port of a range that is exposed stands there once, published or not.
        web.config.networking.exposed = vec!["80-82/tcp".into()];
        assert_eq!(
            column(&web),
            "127.0.0.1:53->53/udp, 82/tcp, 0.0.0.0:8000->80/tcp, [::]:8000->80/tcp, 0.0.0.0:8001->81/tcp, [::]:8001->81/tcp"
        );
        // Without a network that has a way out, ports lead nowhere.
        web.joined = Some(joined);
        assert_eq!(column(&web), "80-82/tcp");
        web.status = Status::Created;
        web.joined = None;
        assert_eq!(column(&web), "");
    }
}
