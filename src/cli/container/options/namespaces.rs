//! Options about namespaces: which networks a container is on, whose ids it has, and what it shares with others.

use std::str::FromStr;

use super::Around;
use crate::base::{Error, Result, text};
use crate::cli::config::Config;
use crate::cli::context::Persona;
use crate::spec::attachment::{alias, network};
use crate::spec::namespaces::{NamespaceMode, NamespacesRequest, NetworkRequest};
use crate::spec::network::Wish;
use crate::spec::userns;

/// Options about namespaces.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Namespaces")]
pub struct NamespaceOptions {
    /// Whose control groups the container sees: private, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE")]
    pub cgroupns: Option<String>,
    /// Map group IDs, as --uidmap does user IDs
    #[arg(long, value_name = "MAP")]
    pub gidmap: Vec<String>,
    /// With whom the container shares memory (/dev/shm) and queues: private, shareable, none, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE")]
    pub ipc: Option<String>,
    /// The container's IPv4 address
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<String>,
    /// The container's IPv6 address
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<String>,
    /// The container's hardware address
    #[arg(long, value_name = "ADDRESS")]
    pub mac_address: Option<String>,
    /// The network to join: a network, bridge, host, none, container:NAME or ns:PATH; NETWORK:host-loopback lets it reach services that listen on this machine's loopback alone, which mostly trust whoever reaches them
    #[arg(long, alias = "net", value_name = "NETWORK[:OPTIONS]")]
    pub network: Vec<String>,
    /// Another name of the container on its network
    #[arg(long, alias = "net-alias", value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// Which processes the container sees: private, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE")]
    pub pid: Option<String>,
    /// Map user IDs: CONTAINER:FROM[:AMOUNT], FROM among the user's subordinate IDs, or of the host with @
    #[arg(long, value_name = "MAP")]
    pub uidmap: Vec<String>,
    /// Whose IDs the container has: host, keep-id[:uid=UID,gid=GID], nomap, auto[:size=SIZE], container:NAME, ns:PATH, or auto-own (its user is you where a directory of yours is mounted)
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// Whose host name the container has: private, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE")]
    pub uts: Option<String>,
}

impl NamespaceOptions {
    /// The group these options stand for.
    pub fn group(self, around: &Around<'_>) -> Result<NamespacesRequest> {
        let mapped = !self.uidmap.is_empty() || !self.gidmap.is_empty();
        let usual = || around.environment.get("PODMAN_USERNS").filter(|_| !mapped);
        let mode = |kind, given: &Option<String>| NamespaceMode::parse(kind, given.as_deref().unwrap_or_default());
        let ipc = match (around.persona, &self.ipc) {
            // podman's default; docker has one that others may not join.
            (Persona::Podman, None) => NamespaceMode::Shareable,
            _ => mode("ipc", &self.ipc)?,
        };
        // Only read where it counts.
        let configured = match self.userns.is_some() || mapped || usual().is_some() {
            true => None,
            false => Config::read(&around.environment.configuration()?)?.userns,
        };
        Ok(NamespacesRequest {
            networks: self.networks()?,
            wish: self.wish()?,
            user: userns::parse(
                self.userns.as_deref().or_else(usual).or(configured.as_deref()),
                &self.uidmap,
                &self.gidmap,
            )?,
            pid: mode("pid", &self.pid)?,
            ipc,
            uts: mode("uts", &self.uts)?,
            cgroup: mode("cgroupns", &self.cgroupns)?,
        })
    }

    /// The networks asked for.
    fn networks(&self) -> Result<Vec<NetworkRequest>> {
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
    fn wish(&self) -> Result<Wish> {
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
}

fn parsed<T: FromStr>(option: &str, given: Option<&str>) -> Result<Option<T>> {
    let bad = |given: &str| Error::usage(format!("invalid argument `{}` for `{option}`", text::clean(given)));
    given.map(|given| given.parse().map_err(|_| bad(given))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_contradict() {
        let options = |networks: &[&str]| NamespaceOptions {
            network: networks.iter().map(|n| (*n).into()).collect(),
            ..NamespaceOptions::default()
        };
        assert!(options(&["a", "b"]).networks().is_ok());
        assert!(options(&["a", "host"]).networks().is_err());
        let with_ip = |networks| NamespaceOptions { ip: Some("10.0.0.1".into()), ..options(networks) };
        assert!(with_ip(&["a", "b"]).wish().is_err());
        assert_eq!(with_ip(&["a"]).wish().unwrap().ipv4, Some([10, 0, 0, 1].into()));
        assert!(NamespaceOptions { ip6: Some("10.0.0.1".into()), ..options(&[]) }.wish().is_err());
    }
}
