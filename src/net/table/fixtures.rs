//! Networks and members for tests.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::Table;
use crate::base::ContainerId;
use crate::net::protocol::Join;
use crate::spec::network::{Endpoint, FORMAT, Network, Subnet, Wish};

/// 64 times the same digit.
pub fn id(digit: char) -> ContainerId {
    std::iter::repeat_n(digit, 64).collect::<String>().parse().unwrap()
}

/// A network with these subnets, whose gateways are their first addresses.
pub fn network(digit: char, name: &str, nets: &[&str]) -> Network {
    let subnet = |net: &&str| {
        let net: IpNet = net.parse().unwrap();
        Subnet { net, gateway: net.hosts().find(|host| *host != net.network()).unwrap(), range: None }
    };
    Network {
        format: FORMAT,
        id: id(digit),
        name: name.parse().unwrap(),
        created: jiff::Timestamp::UNIX_EPOCH,
        subnets: nets.iter().map(subnet).collect(),
        internal: false,
        isolate: true,
        dns: true,
        dns_servers: Vec::new(),
        mtu: None,
        host_loopback: None,
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
    }
}

/// A container that wants networks.
pub fn join(digit: char, name: &str, networks: Vec<(Network, Wish)>) -> Join {
    Join {
        container: id(digit),
        name: name.parse().unwrap(),
        hostname: format!("{name}-host"),
        networks,
        ports: Vec::new(),
        remap_low_ports: false,
        dns_servers: Vec::new(),
        rate: None,
        host_loopback: false,
        before: None,
    }
}

/// A container that is on a network, plugged in.
pub fn enter(table: &mut Table, digit: char, name: &str, network: &Network, aliases: &[&str]) -> Endpoint {
    let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
    let wish = Wish { aliases, ..Wish::default() };
    let endpoint = table.join(&join(digit, name, vec![(network.clone(), wish)])).unwrap().remove(0);
    table.plugged(&id(digit));
    endpoint
}
