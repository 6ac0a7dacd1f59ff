//! What a container wants of its networks as a whole: ports, names, rates. Which networks these are is [`super::namespaces`]'s.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::namespaces::NetworkMode;
use super::network::{HostEntry, Publish, Rate};
use crate::base::{Error, Result};
use crate::oci::config::Defaults;

/// What a container wants of its networks as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Networking {
    /// `-p`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Publish>,
    /// Ports that are listened on, as `80/tcp` and `8000-8010/udp`. In a request, those of `--expose`; in a record, also
    /// the image's and the published ones, each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exposed: Vec<String>,
    /// `-P`: every exposed port on a free port of the host.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub publish_all: bool,
    /// A host port below the unprivileged limit is moved up instead of refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub remap_low_ports: bool,
    /// `--dns`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
    /// `--dns-search`; a single `.` clears the host's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    /// `--dns-option`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_options: Vec<String>,
    /// `--add-host`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_hosts: Vec<HostEntry>,
    /// `--no-hosts`: `/etc/hosts` is the image's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_hosts: bool,
    /// `--net-rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Whether the container reaches the host's loopback where neither it nor the network says so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub host_loopback: bool,
}

impl Networking {
    /// Decides for a container of an image that sees this network. Refuses what the kind of network cannot do; docker and
    /// podman drop published ports there with a warning.
    pub fn resolve(&self, image: &Defaults, network: &NetworkMode) -> Result<Self> {
        self.check(network)?;
        let published = self.ports.iter().map(|publish| publish.port.container());
        let all = image.exposed_ports.iter().chain(&self.exposed).cloned().chain(published);
        Ok(Self { exposed: all.collect::<BTreeSet<String>>().into_iter().collect(), ..self.clone() })
    }

    /// Whether nothing was asked for.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    fn check(&self, network: &NetworkMode) -> Result<()> {
        let refuse = |what: &str, mode: &str| {
            Err(Error::usage(format!("conflicting options: {what} and the network {mode}"))
                .hint(format!("leave {what} out, or choose a network that is the container's own")))
        };
        match network {
            NetworkMode::Container(_) | NetworkMode::Path(_) if !self.ports.is_empty() || self.publish_all => {
                refuse("published ports", "of another container")
            }
            NetworkMode::Container(_)
                if !self.dns.is_empty() || !self.dns_search.is_empty() || !self.dns_options.is_empty() =>
            {
                refuse("`--dns`", "of another container")
            }
            NetworkMode::None if self.rate.is_some() => refuse("`--net-rate`", "`none`"),
            NetworkMode::Host if self.rate.is_some() => refuse("`--net-rate`", "`host`"),
            NetworkMode::Container(_) | NetworkMode::Path(_) if self.rate.is_some() => {
                refuse("`--net-rate`", "of another container")
            }
            NetworkMode::Container(_) if !self.add_hosts.is_empty() => refuse("`--add-host`", "of another container"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ports;

    fn published() -> Networking {
        let ports = ports::all(&["8080:80".into()]).unwrap();
        Networking { ports, exposed: vec!["99/udp".into(), "80/tcp".into()], ..Networking::default() }
    }

    #[test]
    fn exposed_ports_are_the_images_the_users_and_the_published_ones() {
        let image = Defaults { exposed_ports: ["443/tcp".to_owned()].into(), ..Defaults::default() };
        let decided = published().resolve(&image, &NetworkMode::Networks(Vec::new())).unwrap();
        assert_eq!(decided.exposed, ["443/tcp", "80/tcp", "99/udp"]);
        assert_eq!(decided.ports, published().ports);
    }

    #[test]
    fn what_a_network_cannot_do_is_refused() {
        let other = NetworkMode::Container("ab".repeat(32).parse().unwrap());
        let path = NetworkMode::Path("/run/x".into());
        let own = NetworkMode::Networks(Vec::new());
        let rated = Networking { rate: Rate::new(1 << 20), ..Networking::default() };
        let asking = Networking { dns: vec![[10, 0, 0, 1].into()], ..Networking::default() };
        let entry = HostEntry { names: vec!["db".into()], address: None };
        let named = Networking { add_hosts: vec![entry], ..Networking::default() };
        let all = Networking { publish_all: true, ..Networking::default() };
        for (networking, network, reason) in [
            (&published(), &own, None),
            (&published(), &NetworkMode::Host, None),
            (&published(), &other, Some("published ports")),
            (&all, &path, Some("published ports")),
            (&rated, &own, None),
            (&rated, &NetworkMode::None, Some("`--net-rate`")),
            (&rated, &NetworkMode::Host, Some("`--net-rate`")),
            (&rated, &path, Some("`--net-rate`")),
            (&asking, &other, Some("`--dns`")),
            (&asking, &path, None),
            (&named, &other, Some("`--add-host`")),
            (&named, &NetworkMode::Host, None),
        ] {
            let decided = networking.resolve(&Defaults::default(), network);
            match (decided, reason) {
                (Ok(_), None) => {}
                (Err(error), Some(reason)) => assert!(error.message().contains(reason), "{error}"),
                (decided, reason) => panic!("{network:?}: {decided:?}, expected {reason:?}"),
            }
        }
    }
}
