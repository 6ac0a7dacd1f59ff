//! The networks of a service, its ports and its names.

use std::cmp::Reverse;
use std::net::IpAddr;

use super::{Instance, Other, Usual, of};
use crate::base::{Error, Result, text};
use crate::compose::node::Node;
use crate::compose::project::Project;
use crate::compose::read::{integer, placed, text as text_at, texts};
use crate::spec::attachment::{alias, host_entry, network};
use crate::spec::namespaces::NetworkRequest;
use crate::spec::network::Wish;
use crate::spec::networking::Networking;
use crate::spec::ports;

/// The networks of a container, the one with its default route first.
pub fn networks(project: &Project, service: &Node, instance: &Instance<'_>) -> Result<(Vec<NetworkRequest>, Wish)> {
    let mac = text_at(service, "mac_address");
    if let Some(mode) = text_at(service, "network_mode") {
        let mac = mac.map(|mac| of(service, "mac_address", mac.parse())).transpose()?;
        let wish = Wish { mac, ..Wish::default() };
        return Ok((vec![of(service, "network_mode", of_mode(&mode, instance))?], wish));
    }
    let mut keys: Vec<(&String, &Node)> = service.entries("networks").collect();
    let rank = |wish: &Node, key: &str| Reverse(integer(wish, key).unwrap_or(0));
    keys.sort_by_key(|(name, wish)| (rank(wish, "gw_priority"), rank(wish, "priority"), (*name).clone()));
    if keys.is_empty() {
        return Ok((vec![NetworkRequest::None], Wish::default()));
    }
    let mut networks = Vec::with_capacity(keys.len());
    for (at, (key, given)) in keys.into_iter().enumerate() {
        let definition = project.model.get("networks").and_then(|networks| networks.get(key));
        let name = definition.and_then(|network| text_at(network, "name")).unwrap_or_else(|| key.clone());
        let mut wish =
            wish(project, key, given, instance).map_err(|error| placed(given, &format!("networks.{key}"), &error))?;
        if let (0, None, Some(mac)) = (at, wish.mac, &mac) {
            wish.mac = Some(of(service, "mac_address", mac.parse())?);
        }
        networks.push(match name.as_str() {
            "host" | "none" => of(service, "networks", network(&name))?,
            _ => NetworkRequest::Named(name, wish),
        });
    }
    if networks.len() > 1 && networks.iter().any(|network| !matches!(network, NetworkRequest::Named(..))) {
        let error = Error::usage("the networks `host` and `none` are the only one of a container");
        return of(service, "networks", Err(error));
    }
    Ok((networks, Wish::default()))
}

fn of_mode(mode: &str, instance: &Instance<'_>) -> Result<NetworkRequest> {
    let missing = |what: &str| Error::not_found(format!("cannot share the network of {what}: it has no container"));
    match mode.split_once(':') {
        Some(("service", name)) => {
            let other = (instance.others)(Other::Service(name))
                .ok_or_else(|| missing(&format!("the service `{}`", text::clean(name))))?;
            Ok(NetworkRequest::Container(other.config.id.to_string()))
        }
        _ if mode == "disabled" => Ok(NetworkRequest::None),
        _ => network(mode),
    }
}

/// What a service asks of one network. Its names there: the service's, aliases, and those by which other services link it.
fn wish(project: &Project, key: &str, given: &Node, instance: &Instance<'_>) -> Result<Wish> {
    let address = |key: &str| -> Result<Option<IpAddr>> {
        let Some(given) = text_at(given, key) else { return Ok(None) };
        given.parse().map(Some).map_err(|_| Error::usage(format!("`{}` is no address", text::clean(&given))))
    };
    let interface = match text_at(given, "interface_name") {
        // The grammar of `--network` knows which names are possible.
        Some(name) => match network(&format!("x:interface_name={name}"))? {
            NetworkRequest::Named(_, wish) => wish.interface,
            _ => None,
        },
        None => None,
    };
    let mut aliases = Vec::new();
    if instance.has_aliases {
        aliases.push(instance.service.to_owned());
        aliases.extend(texts(given, "aliases"));
        aliases.extend(link_names(project, key, instance.service));
    }
    let mut unique: Vec<String> = Vec::new();
    for name in aliases {
        if !unique.contains(&name) {
            unique.push(alias(&name)?);
        }
    }
    Ok(Wish {
        ipv4: match address("ipv4_address")? {
            Some(IpAddr::V4(address)) => Some(address),
            Some(IpAddr::V6(_)) => return Err(Error::usage("`ipv4_address` is an address of IPv6")),
            None => None,
        },
        ipv6: match address("ipv6_address")? {
            Some(IpAddr::V6(address)) => Some(address),
            Some(IpAddr::V4(_)) => return Err(Error::usage("`ipv6_address` is an address of IPv4")),
            None => None,
        },
        mac: text_at(given, "mac_address").map(|mac| mac.parse()).transpose()?,
        interface,
        aliases: unique,
        host_loopback: None,
    })
}

/// The names by which services on this network link a service: `links: [db:database]`. They hold on the whole network.
fn link_names(project: &Project, network: &str, service: &str) -> Vec<String> {
    let links = project.services().filter(|(_, other)| other.entries("networks").any(|(key, _)| key == network));
    let names = links.flat_map(|(_, other)| texts(other, "links"));
    names
        .filter_map(|link| link.split_once(':').filter(|(to, _)| *to == service).map(|(_, name)| name.to_owned()))
        .collect()
}

/// Ports and names.
pub fn networking(service: &Node, has_networks: bool, usual: &Usual) -> Result<Networking> {
    let server = |given: String| -> Result<IpAddr> {
        given.parse().map_err(|_| Error::usage(format!("`{}` is no address", text::clean(&given))))
    };
    let plain = |key: &str| -> Result<Vec<String>> {
        let words = texts(service, key);
        match words.iter().find(|word| word.is_empty() || word.chars().any(|c| c.is_whitespace() || c.is_control())) {
            Some(word) => of(service, key, Err(Error::usage(format!("`{}` is no word", text::clean(word))))),
            None => Ok(words),
        }
    };
    let published: Vec<String> = service.get("ports").map(Node::items).unwrap_or_default().iter().map(port).collect();
    let ports = of(service, "ports", ports::all(&published))?;
    Ok(Networking {
        remap_low_ports: has_networks && usual.remap_low_ports && !ports.is_empty(),
        ports,
        exposed: of(service, "expose", ports::exposed(&texts(service, "expose")))?,
        dns: of(service, "dns", texts(service, "dns").into_iter().map(server).collect())?,
        dns_search: plain("dns_search")?,
        dns_options: plain("dns_opt")?,
        add_hosts: of(
            service,
            "extra_hosts",
            texts(service, "extra_hosts").iter().map(|host| host_entry(host)).collect(),
        )?,
        host_loopback: has_networks && usual.host_loopback,
        ..Networking::default()
    })
}

/// A port in the notation of `-p`.
fn port(port: &Node) -> String {
    let part = |key: &str, end: &str| text_at(port, key).map(|text| text + end).unwrap_or_default();
    let host = match (part("host_ip", ""), part("published", "")) {
        (ip, published) if ip.is_empty() && published.is_empty() => String::new(),
        (ip, published) if ip.is_empty() => format!("{published}:"),
        (ip, published) if ip.contains(':') && !ip.starts_with('[') => format!("[{ip}]:{published}:"),
        (ip, published) => format!("{ip}:{published}:"),
    };
    let protocol = text_at(port, "protocol").unwrap_or_else(|| "tcp".into());
    format!("{host}{}/{protocol}", part("target", ""))
}
