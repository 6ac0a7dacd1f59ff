//! `port`, and how published ports are shown everywhere.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use clap::Args;

use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::inspect::host_addresses;
use crate::net::model::PublishedPort;
use crate::net::protocol::Joined;
use crate::state::Container;

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
    /// Name or ID
    #[arg(value_name = "CONTAINER", required = true)]
    container: String,
    /// Only where this port of the container is published
    #[arg(value_name = "PRIVATE_PORT[/PROTO]")]
    port: Option<String>,
}

fn port(context: &Context, arguments: &PortArguments) -> Result<u8> {
    let containers = context.engine()?.containers();
    let container = containers.load(&containers.find(&arguments.container)?)?;
    let ports = container.joined.as_ref().map_or(&[][..], |joined| &joined.ports);
    let lines = match &arguments.port {
        None => all(ports),
        Some(wanted) => one(ports, wanted).ok_or_else(|| {
            let (wanted, name) = (text::clean(wanted), &container.name);
            Error::not_found(format!("no public port `{wanted}` published for `{name}`"))
        })?,
    };
    context.ui.text(&lines).map(|()| 0)
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
fn one(ports: &[PublishedPort], wanted: &str) -> Option<String> {
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

/// docker's column of `ps`: `0.0.0.0:8000-8001->80-81/tcp, [::]:8000-8001->80-81/tcp, 443/tcp`; ports that are only
/// exposed last, neighbours as ranges.
pub(super) fn column(container: &Container) -> String {
    let Some(Joined { ports, .. }) = &container.joined else {
        return match container.status.is_running() {
            true => exposed(container, &[]).join(", "),
            false => String::new(),
        };
    };
    let mut ports: Vec<(IpAddr, &PublishedPort)> =
        ports.iter().flat_map(|port| host_addresses(port).into_iter().map(move |ip| (ip, port))).collect();
    ports.sort_by_key(|(ip, port)| (port.protocol, *ip, port.container_port, port.host_port));
    let mut runs: Vec<(IpAddr, &PublishedPort, u16)> = Vec::new();
    for (ip, port) in &ports {
        match runs.last_mut() {
            Some((run_ip, first, length))
                if run_ip == ip
                    && first.protocol == port.protocol
                    && u32::from(first.container_port) + u32::from(*length) == u32::from(port.container_port)
                    && u32::from(first.host_port) + u32::from(*length) == u32::from(port.host_port) =>
            {
                *length += 1;
            }
            _ => runs.push((*ip, port, 1)),
        }
    }
    runs.sort_by_key(|(ip, port, _)| (port.container_port, port.protocol, *ip));
    let mut shown: Vec<String> = runs
        .into_iter()
        .map(|(ip, port, length)| {
            let range = |first: u16| match length {
                1 => first.to_string(),
                length => format!("{first}-{}", first + (length - 1)),
            };
            let ip = match ip {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            };
            format!("{ip}:{}->{}/{}", range(port.host_port), range(port.container_port), port.protocol)
        })
        .collect();
    let published: Vec<String> = container.joined.iter().flat_map(|j| &j.ports).map(PublishedPort::container).collect();
    shown.extend(exposed(container, &published));
    shown.join(", ")
}

/// What is exposed and not published; nothing in the host's network, where every port is there anyway.
fn exposed(container: &Container, published: &[String]) -> Vec<String> {
    match container.config.network.members().is_empty() {
        true => Vec::new(),
        false => container.config.exposed_ports.iter().filter(|port| !published.contains(port)).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures::container as fixture;
    use crate::net::model::{Protocol, Wish};
    use crate::state::Status;
    use crate::state::record::{Member, NetworkMode};

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
        assert_eq!(one(&ports(), "80").unwrap(), "0.0.0.0:8000\n[::]:8000\n");
        assert_eq!(one(&ports(), "53/udp").unwrap(), "127.0.0.1:53\n");
        assert_eq!(one(&ports(), "53"), None);
    }

    #[test]
    fn the_column_of_ps() {
        let mut web = fixture("web", 1, Status::Running { started: jiff::Timestamp::UNIX_EPOCH, pid: 1 });
        web.config.network =
            NetworkMode::Networks(vec![Member { network: "bridge".parse().unwrap(), wish: Wish::default() }]);
        web.config.exposed_ports = vec!["443/tcp".into(), "80/tcp".into()];
        assert_eq!(column(&web), "443/tcp, 80/tcp");
        web.joined = Some(Joined { endpoints: Vec::new(), ports: ports(), resolvers: Vec::new(), host_gateway: None });
        assert_eq!(
            column(&web),
            "127.0.0.1:53->53/udp, 0.0.0.0:8000-8001->80-81/tcp, [::]:8000-8001->80-81/tcp, 443/tcp"
        );
        web.status = Status::Created;
        web.joined = None;
        assert_eq!(column(&web), "");
    }
}
