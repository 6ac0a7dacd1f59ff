//! `--network` and what goes with it: docker's and podman's notations of networks, addresses and names. Pure.

use std::net::IpAddr;

use crate::base::{Error, Result, text};
use crate::cli::config::{LowPorts, NetworkConfig};
use crate::spec::asked::NetworkRequest;
use crate::spec::attachment::{alias, host_entry, network, rate};
use crate::spec::container::Networking;
use crate::spec::network::Wish;
use crate::spec::ports;

/// Options about networks.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct NetworkOptions {
    /// Add a name to /etc/hosts: NAME[;NAME…]:ADDRESS, or :host-gateway for this machine
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub add_host: Vec<String>,
    /// Ask this DNS server
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<String>,
    /// Set an option of resolv.conf
    #[arg(long, alias = "dns-opt", value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// Complete names with this domain; `.` for none
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// Say that a port is listened on, without publishing it
    #[arg(long, value_name = "PORT[-PORT][/PROTOCOL]")]
    pub expose: Vec<String>,
    /// The container's IPv4 address
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<String>,
    /// The container's IPv6 address
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<String>,
    /// Host ports that need privileges: refuse them, or remap them to the same number + 8000 (default refuse, or as in config.toml)
    #[arg(long, value_name = "WHAT")]
    pub low_ports: Option<String>,
    /// The container's hardware address
    #[arg(long, value_name = "ADDRESS")]
    pub mac_address: Option<String>,
    /// How fast each interface may send, and receive: bits a second (10mbit, 1gbit) or bytes a second (500k, 2m)
    #[arg(long, value_name = "RATE")]
    pub net_rate: Option<String>,
    /// The network to join: a network, bridge, host, none, container:NAME or ns:PATH; NETWORK:host-loopback lets it reach services that listen on this machine's loopback alone, which mostly trust whoever reaches them
    #[arg(long, alias = "net", value_name = "NETWORK[:OPTIONS]")]
    pub network: Vec<String>,
    /// Another name of the container on its network
    #[arg(long, alias = "net-alias", value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// Leave /etc/hosts as the image has it
    #[arg(long)]
    pub no_hosts: bool,
    /// Publish a port of the container on this machine
    #[arg(short, long, value_name = "[[IP:]PORT:]PORT[/PROTOCOL]")]
    pub publish: Vec<String>,
    /// Publish all exposed ports on free ports of this machine
    #[arg(short = 'P', long)]
    pub publish_all: bool,
}

impl NetworkOptions {
    /// The networks asked for.
    pub fn networks(&self) -> Result<Vec<NetworkRequest>> {
        let networks: Vec<NetworkRequest> = self.network.iter().map(|given| network(given)).collect::<Result<_>>()?;
        let several = networks.len() > 1;
        if several && networks.iter().any(|network| !matches!(network, NetworkRequest::Named(..))) {
            return Err(Error::usage(
                "conflicting options: `none`, `host`, `container:` and `ns:` are the only network of a container",
            ));
        }
        Ok(networks)
    }

    /// What the options for a single network say.
    pub fn wish(&self) -> Result<Wish> {
        let wish = Wish {
            ipv4: parsed("--ip", self.ip.as_deref())?,
            ipv6: parsed("--ip6", self.ip6.as_deref())?,
            mac: self.mac_address.as_deref().map(str::parse).transpose()?,
            interface: None,
            host_loopback: None,
            aliases: self.network_alias.iter().map(|name| alias(name)).collect::<Result<_>>()?,
        };
        if wish != Wish::default() && self.network.len() > 1 {
            return Err(Error::usage("`--ip`, `--ip6`, `--mac-address` and `--network-alias` need a single network")
                .hint("give them with each network: --network NAME:ip=…,mac=…,alias=…"));
        }
        Ok(wish)
    }

    /// The options that are no network's own; `config` is what is configured about networks, asked only when it matters.
    pub fn networking(&self, config: impl FnOnce() -> Result<NetworkConfig>) -> Result<Networking> {
        let configured = if self.asks_configuration() { config()? } else { NetworkConfig::default() };
        let server = |given: &String| {
            given.parse::<IpAddr>().map_err(|_| {
                Error::usage(format!("invalid argument `{}` for `--dns`: not an IP address", text::clean(given)))
            })
        };
        let plain = |option: &str, words: &[String]| {
            for word in words {
                if word.is_empty() || word.chars().any(|c| c.is_whitespace() || c.is_control()) {
                    return Err(Error::usage(format!("invalid argument `{}` for `{option}`", text::clean(word))));
                }
            }
            Ok(words.to_vec())
        };
        Ok(Networking {
            ports: ports::all(&self.publish)?,
            publish_all: self.publish_all,
            remap_low_ports: match self.low_ports.as_deref() {
                None => !self.publish.is_empty() && configured.low_ports == LowPorts::Remap,
                Some("refuse") => false,
                Some("remap") => true,
                Some(other) => {
                    return Err(Error::usage(format!(
                        "invalid argument `{}` for `--low-ports`: must be `refuse` or `remap`",
                        text::clean(other)
                    )));
                }
            },
            dns: self.dns.iter().map(server).collect::<Result<_>>()?,
            dns_search: plain("--dns-search", &self.dns_search)?,
            dns_options: plain("--dns-option", &self.dns_option)?,
            add_hosts: self.add_host.iter().map(|given| host_entry(given)).collect::<Result<_>>()?,
            no_hosts: match self.no_hosts && !self.add_host.is_empty() {
                true => return Err(Error::usage("conflicting options: `--no-hosts` and `--add-host`")),
                false => self.no_hosts,
            },
            rate: self.net_rate.as_deref().map(rate).transpose()?,
            host_loopback: configured.host_loopback,
        })
    }

    /// Whether what is configured matters: to containers on networks of their own.
    fn asks_configuration(&self) -> bool {
        let elsewhere = |name: &String| {
            matches!(name.as_str(), "none" | "host") || name.starts_with("container:") || name.starts_with("ns:")
        };
        !self.network.iter().any(elsewhere)
    }
}

fn parsed<T: std::str::FromStr>(option: &str, given: Option<&str>) -> Result<Option<T>> {
    let bad = |given: &str| Error::usage(format!("invalid argument `{}` for `{option}`", text::clean(given)));
    given.map(|given| given.parse().map_err(|_| bad(given))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_contradict() {
        let nothing = || Ok(NetworkConfig::default());
        let options = |networks: &[&str]| NetworkOptions {
            network: networks.iter().map(|n| (*n).into()).collect(),
            ..NetworkOptions::default()
        };
        assert!(options(&["a", "b"]).networks().is_ok());
        assert!(options(&["a", "host"]).networks().is_err());
        let with_ip = NetworkOptions { ip: Some("10.0.0.1".into()), ..options(&["a", "b"]) };
        assert!(with_ip.wish().is_err());
        let hosts = |given: &str| NetworkOptions { add_host: vec![given.into()], ..options(&[]) }.networking(nothing);
        assert_eq!(hosts("a;b:192.0.2.1").unwrap().add_hosts[0].names, ["a", "b"]);
        assert_eq!(hosts("a:::1").unwrap().add_hosts[0].address, Some("::1".parse().unwrap()));
        assert_eq!(hosts("a=[::1]").unwrap().add_hosts[0].address, Some("::1".parse().unwrap()));
        assert_eq!(hosts("a:host-gateway").unwrap().add_hosts[0].address, None);
        for bad in ["a", "a:", "a:b", ":1.2.3.4", "a b:1.2.3.4"] {
            assert!(hosts(bad).is_err(), "{bad}");
        }
        assert!(NetworkOptions { dns: vec!["x".into()], ..options(&[]) }.networking(nothing).is_err());
        assert!(NetworkOptions { dns_search: vec!["a b".into()], ..options(&[]) }.networking(nothing).is_err());
        assert!(NetworkOptions { low_ports: Some("x".into()), ..options(&[]) }.networking(nothing).is_err());
        let both = NetworkOptions { no_hosts: true, add_host: vec!["a:1.2.3.4".into()], ..options(&[]) };
        assert!(both.networking(nothing).is_err());
        let remap = || Ok(NetworkConfig { low_ports: LowPorts::Remap, host_loopback: true });
        let published = |given: Option<&str>| NetworkOptions {
            publish: vec!["80:80".into()],
            low_ports: given.map(String::from),
            ..options(&[])
        };
        for (given, expected) in [(None, true), (Some("refuse"), false), (Some("remap"), true)] {
            assert_eq!(published(given).networking(remap).unwrap().remap_low_ports, expected, "{given:?}");
        }
        let broken = || Err(Error::invalid("a broken file"));
        assert!(published(None).networking(broken).is_err());
        assert!(options(&[]).networking(remap).unwrap().host_loopback);
        for elsewhere in ["none", "host", "container:web", "ns:/x"] {
            assert!(options(&[elsewhere]).networking(broken).is_ok(), "{elsewhere}: there it does not matter");
        }
    }
}
