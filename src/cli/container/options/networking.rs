//! Options about what a container wants of its networks as a whole: ports, names, rates.

use std::net::IpAddr;

use crate::base::{Error, Result, text};
use crate::cli::config::{LowPorts, NetworkConfig};
use crate::spec::attachment::{host_entry, rate};
use crate::spec::networking::Networking;
use crate::spec::ports;

/// Options about ports, names and rates.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkingOptions {
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
    /// Host ports that need privileges: refuse them, or remap them to the same number + 8000 (default refuse, or as in config.toml)
    #[arg(long, value_name = "WHAT")]
    pub low_ports: Option<String>,
    /// How fast each interface may send, and receive: bits a second (10mbit, 1gbit) or bytes a second (500k, 2m)
    #[arg(long, value_name = "RATE")]
    pub net_rate: Option<String>,
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

impl NetworkingOptions {
    /// The group these options stand for. `config` is what is configured about networks; it matters, and is asked, only
    /// when the container gets networks of its own.
    pub fn group(self, has_networks: bool, config: impl FnOnce() -> Result<NetworkConfig>) -> Result<Networking> {
        let configured = if has_networks { config()? } else { NetworkConfig::default() };
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
            exposed: ports::exposed(&self.expose)?,
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> Result<NetworkConfig> {
        Ok(NetworkConfig::default())
    }

    #[test]
    fn options_that_contradict() {
        let options = NetworkingOptions::default;
        let hosts = |given: &str| NetworkingOptions { add_host: vec![given.into()], ..options() }.group(true, nothing);
        assert_eq!(hosts("a;b:192.0.2.1").unwrap().add_hosts[0].names, ["a", "b"]);
        assert_eq!(hosts("a:::1").unwrap().add_hosts[0].address, Some("::1".parse().unwrap()));
        assert_eq!(hosts("a=[::1]").unwrap().add_hosts[0].address, Some("::1".parse().unwrap()));
        assert_eq!(hosts("a:host-gateway").unwrap().add_hosts[0].address, None);
        for bad in ["a", "a:", "a:b", ":1.2.3.4", "a b:1.2.3.4"] {
            assert!(hosts(bad).is_err(), "{bad}");
        }
        for wrong in [
            NetworkingOptions { dns: vec!["x".into()], ..options() },
            NetworkingOptions { dns_search: vec!["a b".into()], ..options() },
            NetworkingOptions { low_ports: Some("x".into()), ..options() },
            NetworkingOptions { no_hosts: true, add_host: vec!["a:1.2.3.4".into()], ..options() },
        ] {
            assert!(wrong.clone().group(true, nothing).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_configured_holds_on_networks_of_its_own() {
        let remap = || Ok(NetworkConfig { low_ports: LowPorts::Remap, host_loopback: true });
        let published = |given: Option<&str>| NetworkingOptions {
            publish: vec!["80:80".into()],
            low_ports: given.map(String::from),
            ..NetworkingOptions::default()
        };
        for (given, expected) in [(None, true), (Some("refuse"), false), (Some("remap"), true)] {
            assert_eq!(published(given).group(true, remap).unwrap().remap_low_ports, expected, "{given:?}");
        }
        let broken = || Err(Error::invalid("a broken file"));
        assert!(published(None).group(true, broken).is_err());
        assert!(NetworkingOptions::default().group(true, remap).unwrap().host_loopback);
        assert!(NetworkingOptions::default().group(false, broken).is_ok(), "there it does not matter");
    }
}
