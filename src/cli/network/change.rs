//! `network connect`, `network disconnect` and `network update`.

use clap::Args;

use super::{address, addresses, separated};
use crate::base::{Error, Kind, Result, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::network::create::update as engine_update;
use crate::engine::network::membership::{connect as engine_connect, disconnect as engine_disconnect};
use crate::spec::attachment::{HOST_LOOPBACK, alias};
use crate::spec::network::Wish;

/// `network connect`.
pub const CONNECT: Verb = Verb {
    name: "connect",
    about: "Connect a container to a network",
    usage: "NETWORK CONTAINER",
    arity: (2, Some(2)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ConnectArguments::augment_args,
    run: |context, matches| connect(context, &typed(matches)?),
};

/// `network disconnect`.
pub const DISCONNECT: Verb = Verb {
    name: "disconnect",
    about: "Disconnect a container from a network",
    arguments: DisconnectArguments::augment_args,
    run: |context, matches| disconnect(context, &typed(matches)?),
    ..CONNECT
};

/// `network update`.
pub const UPDATE: Verb = Verb {
    name: "update",
    about: "Change the DNS servers of a network",
    usage: "NETWORK",
    arity: (1, Some(1)),
    arguments: UpdateArguments::augment_args,
    run: |context, matches| update(context, &typed(matches)?),
    ..CONNECT
};

/// Arguments of `network connect`.
#[derive(Debug, Clone, Default, Args)]
struct ConnectArguments {
    /// Another name of the container on this network
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Set an option: host-loopback=BOOL
    #[arg(long, value_name = "KEY=VALUE")]
    driver_opt: Vec<String>,
    /// Accepted: the first network of a container has its way out
    #[arg(long, value_name = "NUMBER", hide = true, allow_negative_numbers = true)]
    gw_priority: Option<i64>,
    /// The container's IPv4 address on this network
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// The container's IPv6 address on this network
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<String>,
    /// Refused: containers find each other by name
    #[arg(long, value_name = "CONTAINER:ALIAS", hide = true)]
    link: Vec<String>,
    /// Refused: the kernel chooses link-local addresses
    #[arg(long, value_name = "ADDRESS", hide = true)]
    link_local_ip: Vec<String>,
    /// The container's hardware address on this network
    #[arg(long, value_name = "ADDRESS")]
    mac_address: Option<String>,
    /// Name or ID
    #[arg(value_name = "NETWORK", required = true)]
    network: String,
    /// Name or ID
    #[arg(value_name = "CONTAINER", required = true)]
    container: String,
}

/// Arguments of `network disconnect`.
#[derive(Debug, Clone, Args)]
struct DisconnectArguments {
    /// Do not complain about a container that is not connected
    #[arg(short, long)]
    force: bool,
    /// Name or ID
    #[arg(value_name = "NETWORK", required = true)]
    network: String,
    /// Name or ID
    #[arg(value_name = "CONTAINER", required = true)]
    container: String,
}

/// Arguments of `network update`.
#[derive(Debug, Clone, Args)]
struct UpdateArguments {
    /// Ask this server, too
    #[arg(long, value_name = "ADDRESS")]
    dns_add: Vec<String>,
    /// Do not ask this server any more
    #[arg(long, value_name = "ADDRESS")]
    dns_drop: Vec<String>,
    /// Name or ID
    #[arg(value_name = "NETWORK", required = true)]
    network: String,
}

impl ConnectArguments {
    fn wish(&self) -> Result<Wish> {
        if !self.link.is_empty() {
            return Err(Error::unsupported("`--link` is not there: containers of a network find each other by name")
                .hint("give the other container the name with `--alias`"));
        }
        if !self.link_local_ip.is_empty() {
            return Err(Error::unsupported("`--link-local-ip` is not there: the kernel chooses link-local addresses"));
        }
        let mac = |given: &String| {
            given.parse().map_err(|error: Error| {
                Error::usage(format!("invalid MAC address: \"{}\"", text::clean(given))).caused_by(error)
            })
        };
        Ok(Wish {
            ipv4: self.ip.as_deref().map(|given| address("--ip", given)).transpose()?,
            ipv6: self.ip6.as_deref().map(|given| address("--ip6", given)).transpose()?,
            mac: self.mac_address.as_ref().map(mac).transpose()?,
            interface: None,
            aliases: separated(&self.alias).map(alias).collect::<Result<_>>()?,
            host_loopback: self.host_loopback()?,
        })
    }

    /// The one option that means something here. docker takes any, for its drivers.
    fn host_loopback(&self) -> Result<Option<bool>> {
        let mut values = self.driver_opt.iter().filter_map(|option| match option.split_once('=') {
            Some((HOST_LOOPBACK, value)) => Some(value),
            None if option == HOST_LOOPBACK => Some("true"),
            _ => None,
        });
        let wrong = |value: &str| {
            Error::usage(format!("invalid value `{}` of option `{HOST_LOOPBACK}`", text::clean(value)))
                .hint("it is true or false")
        };
        values.next_back().map(|value| value.parse().map_err(|_| wrong(value))).transpose()
    }
}

fn connect(context: &Context, arguments: &ConnectArguments) -> Result<u8> {
    let wish = arguments.wish()?;
    engine_connect(&context.engine()?, &arguments.network, &arguments.container, &wish).map(|()| 0)
}

fn disconnect(context: &Context, arguments: &DisconnectArguments) -> Result<u8> {
    match engine_disconnect(&context.engine()?, &arguments.network, &arguments.container) {
        Err(error) if arguments.force && error.kind() == Kind::NotFound => Ok(0),
        done => done.map(|()| 0),
    }
}

fn update(context: &Context, arguments: &UpdateArguments) -> Result<u8> {
    let add = addresses("--dns-add", &arguments.dns_add)?;
    let drop = addresses("--dns-drop", &arguments.dns_drop)?;
    engine_update(&context.engine()?, &arguments.network, &add, &drop).map(|_| 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_a_wish() {
        let arguments = ConnectArguments {
            alias: vec!["a,b".into(), "c".into()],
            ip: Some("10.7.0.5".into()),
            ip6: Some("fd00:7::5".into()),
            mac_address: Some("02:00:00:00:00:05".into()),
            ..ConnectArguments::default()
        };
        let wish = arguments.wish().unwrap();
        assert_eq!(wish.aliases, ["a", "b", "c"]);
        assert_eq!(
            (wish.ipv4.unwrap().to_string(), wish.ipv6.unwrap().to_string()),
            ("10.7.0.5".into(), "fd00:7::5".into())
        );
        let loopback = |options: &[&str]| {
            let driver_opt = options.iter().map(|option| (*option).to_owned()).collect();
            ConnectArguments { driver_opt, ..ConnectArguments::default() }.wish().map(|wish| wish.host_loopback).ok()
        };
        assert_eq!(loopback(&["com.example=1"]), Some(None));
        assert_eq!(loopback(&["host-loopback"]), Some(Some(true)));
        assert_eq!(loopback(&["host-loopback", "host-loopback=false"]), Some(Some(false)));
        assert_eq!(loopback(&["host-loopback=x"]), None);
        let wrong = |change: fn(&mut ConnectArguments)| {
            let mut arguments = ConnectArguments::default();
            change(&mut arguments);
            arguments.wish().unwrap_err().message().to_owned()
        };
        assert!(wrong(|a| a.ip = Some("fd00::1".into())).contains("--ip"));
        assert!(wrong(|a| a.ip6 = Some("10.0.0.1".into())).contains("--ip6"));
        assert_eq!(wrong(|a| a.mac_address = Some("x".into())), "invalid MAC address: \"x\"");
        assert!(wrong(|a| a.alias = vec!["a b".into()]).contains("alias"));
        assert!(wrong(|a| a.link = vec!["x".into()]).contains("--link"));
        assert!(wrong(|a| a.link_local_ip = vec!["x".into()]).contains("--link-local-ip"));
    }
}
