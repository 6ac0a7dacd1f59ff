//! `network create`: docker's and podman's flags. Which networks are isolated from others without being asked is the one
//! difference in meaning: docker's all are, podman's none.

use std::collections::BTreeMap;
use std::net::IpAddr;

use clap::Args;
use ipnet::IpNet;

use super::{addresses, separated};
use crate::base::{Error, Result, text};
use crate::cli::context::{Context, Persona};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::network::create::{NewNetwork, create as engine_create, free_name};
use crate::spec::attachment::HOST_LOOPBACK;
use crate::spec::range::AddressRange;

/// The command.
pub const VERB: Verb = Verb {
    name: "create",
    about: "Create a network",
    usage: "NETWORK",
    arity: (0, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: CreateArguments::augment_args,
    run: |context, matches| create(context, &typed(matches)?),
};

/// docker's key for what podman calls `mtu`.
const MTU: &str = "com.docker.network.driver.mtu";

/// Options that mean something on a bridge of the host, which there is none of here.
const WITHOUT_EFFECT: &[&str] = &[
    "com.docker.network.bridge.name",
    "com.docker.network.bridge.host_binding_ipv4",
    "com.docker.network.bridge.gateway_mode_ipv4",
    "com.docker.network.bridge.gateway_mode_ipv6",
    "com.docker.network.bridge.trusted_host_interfaces",
    "com.docker.network.container_iface_prefix",
    "metric",
];

/// Arguments of `network create`.
#[derive(Debug, Clone, Default, Args)]
struct CreateArguments {
    /// Accepted: every network can be attached to
    #[arg(long, hide = true)]
    attachable: bool,
    /// Refused: keep addresses free with --ip-range
    #[arg(long, value_name = "NAME=ADDRESS", hide = true)]
    aux_address: Vec<String>,
    /// Refused: there is no swarm
    #[arg(long, value_name = "NETWORK", hide = true)]
    config_from: Option<String>,
    /// Refused: there is no swarm
    #[arg(long, hide = true)]
    config_only: bool,
    /// No names: containers do not find each other by name
    #[arg(long)]
    disable_dns: bool,
    /// Ask these DNS servers instead of the host's
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<String>,
    /// Driver of the network: bridge
    #[arg(short, long, value_name = "DRIVER", default_value = "bridge")]
    driver: String,
    /// Gateway of a subnet
    #[arg(long, value_name = "ADDRESS")]
    gateway: Vec<String>,
    /// Do nothing if a network of this name exists
    #[arg(long)]
    ignore: bool,
    /// Refused: there is no swarm
    #[arg(long, hide = true)]
    ingress: bool,
    /// Accepted: the bridge is in a namespace of its own, whatever its name
    #[arg(long, value_name = "NAME", hide = true)]
    interface_name: Option<String>,
    /// No way out, and none in: containers of the network reach each other alone
    #[arg(long)]
    internal: bool,
    /// Give containers addresses of this part of a subnet
    #[arg(long, value_name = "SUBNET|FIRST-LAST")]
    ip_range: Vec<String>,
    /// How addresses are given out: default
    #[arg(long, value_name = "DRIVER", default_value = "default", hide = true)]
    ipam_driver: String,
    /// Accepted, without a meaning
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    ipam_opt: Vec<String>,
    /// IPv4 addresses
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    ipv4: bool,
    /// IPv6 addresses
    #[arg(long)]
    ipv6: bool,
    /// Set a label
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Set an option: mtu=BYTES, isolate=BOOL, host-loopback=BOOL (containers reach services that listen on this machine's loopback alone, which mostly trust whoever reaches them)
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Refused: containers have a default route only
    #[arg(long, value_name = "ROUTE", hide = true)]
    route: Vec<String>,
    /// Refused: there is no swarm
    #[arg(long, value_name = "SCOPE", hide = true)]
    scope: Option<String>,
    /// Addresses of the network, once for each family
    #[arg(long, value_name = "SUBNET")]
    subnet: Vec<String>,
    /// Its name
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// What the options say, and what is to be said about them.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    new: NewNetwork,
    warnings: Vec<String>,
}

fn create(context: &Context, arguments: &CreateArguments) -> Result<u8> {
    let engine = context.engine()?;
    let name = match (&arguments.name, context.persona) {
        (Some(name), _) => name.clone(),
        (None, Persona::Podman) => free_name(&engine, "podman")?.to_string(),
        (None, persona) => {
            return Err(Error::usage(format!("'{} network create' requires 1 argument", persona.program())));
        }
    };
    let plan = arguments.plan(&name, context.persona != Persona::Podman)?;
    let network = engine_create(&engine, &plan.new, arguments.ignore)?;
    plan.warnings.iter().for_each(|warning| context.ui.warning(warning));
    match context.persona {
        Persona::Podman => context.ui.line(network.name.as_str()),
        _ => context.ui.line(network.id.as_str()),
    }
    .map(|()| 0)
}

impl CreateArguments {
    fn plan(&self, name: &str, isolated: bool) -> Result<Plan> {
        self.refuse_what_is_not_here(name)?;
        let mut options = BTreeMap::new();
        for option in &self.opt {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            options.insert(key.trim().to_owned(), value.trim().to_owned());
        }
        let mut plan = Plan {
            new: NewNetwork {
                subnets: separated(&self.subnet).map(subnet).collect::<Result<_>>()?,
                gateways: addresses("--gateway", &self.gateway)?,
                ranges: separated(&self.ip_range).map(range).collect::<Result<_>>()?,
                ipv4: self.ipv4,
                ipv6: self.ipv6,
                internal: self.internal,
                isolate: isolated,
                dns: !self.disable_dns,
                dns_servers: addresses("--dns", &self.dns)?,
                labels: self.label.iter().map(|label| pair(label)).collect(),
                ..NewNetwork::named(name.parse()?)
            },
            warnings: Vec::new(),
        };
        // A subnet of IPv6 alone says what is wanted.
        plan.new.ipv6 |= plan.new.subnets.iter().any(|subnet| subnet.addr().is_ipv6());
        for (key, value) in &options {
            plan.apply(key, value)?;
        }
        plan.new.options = options;
        Ok(plan)
    }

    fn refuse_what_is_not_here(&self, name: &str) -> Result<()> {
        match self.driver.as_str() {
            "bridge" | "" => {}
            "host" => {
                return Err(
                    Error::conflict("only one instance of \"host\" network is allowed").hint("use `--network host`")
                );
            }
            "null" | "none" => {
                return Err(
                    Error::conflict("only one instance of \"null\" network is allowed").hint("use `--network none`")
                );
            }
            "macvlan" | "ipvlan" => {
                return Err(Error::unsupported(format!(
                    "network driver `{}` needs privileges over the host's interfaces",
                    self.driver
                ))
                .hint("leave `--driver` out: containers reach the outside through a bridge"));
            }
            other => {
                return Err(Error::unsupported(format!(
                    "could not find plugin {} in v1 plugin registry: plugin not found",
                    text::clean(other)
                ))
                .hint("the driver is `bridge`"));
            }
        }
        let swarm = self.ingress || self.config_only || self.config_from.is_some();
        if swarm || self.scope.as_deref().is_some_and(|scope| !matches!(scope, "" | "local")) {
            return Err(Error::unsupported("networks of a swarm are not there: coracle is for one machine"));
        }
        if !self.route.is_empty() {
            return Err(Error::unsupported("`--route` is not there: containers have a default route only"));
        }
        if !self.aux_address.is_empty() {
            return Err(Error::unsupported(format!(
                "`--aux-address` is not there: network `{}` has no neighbours outside",
                text::clean(name)
            ))
            .hint("keep addresses free by giving containers others with `--ip-range`"));
        }
        match self.ipam_driver.as_str() {
            "default" | "host-local" | "" => Ok(()),
            other => Err(Error::unsupported(format!("invalid ipam driver `{}`", text::clean(other)))
                .hint("addresses come from the network's own range")),
        }
    }
}

impl Plan {
    fn apply(&mut self, key: &str, value: &str) -> Result<()> {
        let wrong = || Error::usage(format!("invalid value `{}` of option `{key}`", text::clean(value)));
        match key {
            "mtu" | MTU => self.new.mtu = Some(value.parse().map_err(|_| wrong())?),
            "isolate" => {
                self.new.isolate = match value {
                    "true" | "1" | "strict" | "" => true,
                    "false" | "0" => false,
                    _ => return Err(wrong().hint("it is true or false")),
                }
            }
            HOST_LOOPBACK => {
                let reached = if value.is_empty() { Ok(true) } else { value.parse() };
                self.new.host_loopback = Some(reached.map_err(|_| wrong().hint("it is true or false"))?);
            }
            "com.docker.network.bridge.enable_icc" if value == "false" => {
                return Err(Error::unsupported("containers of one network cannot be kept from each other")
                    .hint("give each a network of its own"));
            }
            "com.docker.network.bridge.enable_icc" | "com.docker.network.bridge.enable_ip_masquerade"
                if value == "true" => {}
            key => {
                let known = WITHOUT_EFFECT.contains(&key);
                self.warnings.push(match known {
                    true => format!("option `{key}` has no effect: the bridge is in a namespace of its own"),
                    false => format!("option `{}` is not known and has no effect", text::clean(key)),
                });
            }
        }
        Ok(())
    }
}

/// A subnet as it is written, host bits and all: docker complains of these.
fn subnet(given: &str) -> Result<IpNet> {
    let alone = || given.parse::<IpAddr>().ok().map(IpNet::from);
    given.parse().ok().or_else(alone).ok_or_else(|| {
        Error::usage(format!("invalid subnet: invalid CIDR address: {}", text::clean(given)))
            .hint("it looks like `10.7.0.0/24`")
    })
}

fn range(given: &str) -> Result<AddressRange> {
    given.parse().map_err(|error: Error| {
        Error::usage(format!("invalid argument \"{}\" for \"--ip-range\" flag", text::clean(given))).caused_by(error)
    })
}

fn pair(label: &str) -> (String, String) {
    let (key, value) = label.split_once('=').unwrap_or((label, ""));
    (key.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> CreateArguments {
        let command = VERB.command("coracle", &["create"]);
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        match VERB.parse(&command, "coracle network create", &words).unwrap() {
            crate::cli::verb::Parsed::Arguments(matches) => typed(&matches).unwrap(),
            crate::cli::verb::Parsed::Help => panic!("no help was asked for"),
        }
    }

    fn plan(line: &str) -> Result<Plan> {
        let arguments = arguments(line);
        arguments.plan(arguments.name.as_deref().unwrap(), true)
    }

    #[test]
    fn flags_become_a_definition() {
        let new = plan("--subnet 10.7.0.0/24,fd00:7::/64 --gateway 10.7.0.9 --ip-range=10.7.0.128/25 --internal --label a=b --label c web").unwrap().new;
        assert_eq!(new.subnets, ["10.7.0.0/24", "fd00:7::/64"].map(|net| net.parse().unwrap()));
        assert_eq!(
            (new.gateways[0].to_string(), new.ranges[0].to_string()),
            ("10.7.0.9".into(), "10.7.0.128/25".into())
        );
        assert_eq!((new.ipv4, new.ipv6, new.internal, new.isolate, new.dns), (true, true, true, true, true));
        assert_eq!(new.labels, [("a".into(), "b".into()), ("c".into(), String::new())].into());
        let new = plan(
            "--ipv4=false --ipv6 --disable-dns --dns 192.0.2.1,192.0.2.2 -o isolate=false -o mtu=1400 -d bridge web",
        )
        .unwrap()
        .new;
        assert_eq!((new.ipv4, new.ipv6, new.isolate, new.dns, new.mtu), (false, true, false, false, Some(1400)));
        assert_eq!((new.dns_servers.len(), new.options["mtu"].as_str()), (2, "1400"));
        for (option, reached) in [("", None), ("-o host-loopback", Some(true)), ("-o host-loopback=false", Some(false))]
        {
            let new = plan(&format!("{option} web")).unwrap().new;
            assert_eq!((new.host_loopback, new.options.contains_key(HOST_LOOPBACK)), (reached, reached.is_some()));
        }
        assert_eq!(plan("-o com.docker.network.driver.mtu=9000 web").unwrap().new.mtu, Some(9000));
        assert!(
            plan("--attachable --ipam-driver default --scope local -o com.docker.network.bridge.enable_icc=true web")
                .unwrap()
                .warnings
                .is_empty()
        );
        assert_eq!(plan("-o com.docker.network.bridge.name=br0 -o frob=1 web").unwrap().warnings.len(), 2);
    }

    #[test]
    fn what_cannot_be_meant_here_is_refused() {
        for line in [
            "-d host web",
            "-d macvlan web",
            "-d overlay web",
            "--ingress web",
            "--config-only web",
            "--scope swarm web",
            "--route 10.0.0.0/8,10.7.0.1 web",
            "--aux-address a=10.7.0.3 web",
            "--ipam-driver dhcp web",
            "--subnet x web",
            "--gateway x web",
            "--ip-range 10.0.0.9-10.0.0.1 web",
            "-o mtu=x web",
            "-o isolate=x web",
            "-o host-loopback=x web",
            "-o com.docker.network.bridge.enable_icc=false web",
            "a/b",
        ] {
            assert!(plan(line).is_err(), "{line}");
        }
    }
}
