//! What is left in R of networks that have gone: nothing.
//!
//! A network's bridge outlives its last member for a while, and its netd, when that one was killed. Meanwhile the network may
//! be removed and made again with the same addresses: two bridges would claim them, and the main table would know the
//! former one first. So whoever comes takes the addresses from whoever had them ([`Router::remove_overlapping`]), and a netd that has adopted
//! R removes what nobody has come back for ([`Router::sweep`]). Both go by what is there, and not by what this netd remembers.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::plan::{self, bridge_name};
use super::{Batch, Router, message};
use crate::base::{ContainerId, Result, ResultExt};
use crate::net::networks::overlap;
use crate::spec::network::Network;

/// A bridge in R.
#[derive(Debug)]
struct Found {
    name: String,
    index: u32,
    /// The networks of its addresses.
    nets: Vec<IpNet>,
}

impl Router {
    /// Takes the bridge of a network away, and the routes to it.
    pub fn remove_network(&mut self, id: &ContainerId) {
        self.networks.remove(id);
        let name = bridge_name(id);
        self.remove(|bridge| bridge.name == name);
    }

    /// Removes the bridges of all networks that are neither known nor `spared`: those of an earlier netd that nobody has
    /// asked for since.
    pub fn sweep(&mut self, spared: &[ContainerId]) {
        let kept: BTreeSet<String> = self.networks.keys().chain(spared).map(bridge_name).collect();
        self.remove(|bridge| !kept.contains(&bridge.name));
    }

    /// Removes every other bridge that has addresses of this network. Its network has no members any more, or this one
    /// could not be used.
    pub(super) fn remove_overlapping(&mut self, network: &Network) -> Result<()> {
        let own = self.netlink.get(message::get_link(&bridge_name(&network.id)));
        let own = own.context(|| "cannot look for a bridge")?.as_ref().and_then(message::link_index);
        let clashes = |net: &IpNet| network.subnets.iter().any(|subnet| overlap(&subnet.net, net));
        let former = self.addresses()?.into_iter().filter(|(index, net)| Some(*index) != own && clashes(net));
        let former: BTreeSet<u32> = former.map(|(index, _)| index).collect();
        if !former.is_empty() {
            self.networks.retain(|_, bridge| bridge.as_ref().is_ok_and(|bridge| !former.contains(&bridge.index)));
            self.remove(|bridge| former.contains(&bridge.index));
        }
        Ok(())
    }

    /// The networks of all addresses in R, each with the number of its interface.
    fn addresses(&mut self) -> Result<Vec<(u32, IpNet)>> {
        let found = self.netlink.list(message::list_addresses()).context(|| "cannot list the router's addresses")?;
        Ok(found.iter().filter_map(message::net_of_address).collect())
    }

    /// All bridges of networks in R.
    fn bridges(&mut self) -> Result<Vec<Found>> {
        let addresses = self.addresses()?;
        let links = self.netlink.list(message::list_links()).context(|| "cannot list the router's interfaces")?;
        let named = links.iter().filter_map(|link| Some((message::link_name(link)?, message::link_index(link)?)));
        let bridges = named.filter(|(name, _)| name.starts_with(plan::BRIDGE));
        let nets = |index| addresses.iter().filter(move |(of, _)| *of == index).map(|(_, net)| *net).collect();
        Ok(bridges.map(|(name, index)| Found { name: name.to_owned(), index, nets: nets(index) }).collect())
    }

    fn remove(&mut self, which: impl Fn(&Found) -> bool) {
        // What cannot be seen cannot be removed; the next one to come tries again.
        let Ok(bridges) = self.bridges() else { return };
        let (gone, left): (Vec<Found>, Vec<Found>) = bridges.into_iter().partition(which);
        let families: Vec<_> = self.families().map(|(family, _)| family).collect();
        let mut batch = Batch::default();
        for Found { name, index, nets } in &gone {
            for (family, priority, selector, verdict) in plan::rules(name, nets, *index, &families) {
                batch.push("remove a routing rule", 0, message::delete_rule(family, priority, &selector, verdict));
            }
            let to_it = left.iter().flat_map(|other| nets.iter().map(|net| (other.index, *net)));
            let others = left.iter().chain(&gone).flat_map(|other| &other.nets).copied();
            let of_it = others.chain(self.families().map(|(_, everything)| everything)).map(|net| (*index, net));
            for (of, net) in to_it.chain(of_it) {
                batch.push("remove a route", 0, message::delete_route(plan::table(of), net));
            }
            batch.push("remove a bridge", 0, message::delete_link(name));
        }
        // What is not there any more is as good as removed.
        let _ = self.netlink.run(&batch);
        let clash = |a: &Found, b: &Found| a.nets.iter().any(|a| b.nets.iter().any(|b| overlap(a, b)));
        if gone.iter().any(|gone| left.iter().any(|left| clash(gone, left))) {
            self.route_again();
        }
    }

    /// Routes to somebody who has gone were those to somebody who is there.
    fn route_again(&mut self) {
        let known: Vec<_> = self.networks.values().filter_map(|bridge| bridge.as_ref().ok()).collect();
        let known: Vec<_> = known.iter().map(|bridge| (bridge.network.clone(), bridge.index)).collect();
        for (network, index) in known {
            // What fails here fails again, and is told, when somebody is plugged in.
            let _ = self.route_network(&network, index);
        }
    }
}
