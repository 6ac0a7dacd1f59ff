//! Removes bridges of former networks from R.
//!
//! A bridge outlives its network's last member for a while, and also a netd that was killed. Meanwhile the network may
//! be removed and made again with the same addresses: two bridges would claim them, and the main table would prefer the
//! old one. So a new network takes its addresses from any other bridge ([`Router::remove_overlapping`]), and a netd
//! that has adopted R removes the bridges that no container has come back for ([`Router::sweep`]). Both go by what the
//! kernel lists, not by what this netd remembers.

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
    /// Removes the bridge of a network, and the routes to it.
    pub fn remove_network(&mut self, id: &ContainerId) {
        self.networks.remove(id);
        let name = bridge_name(id);
        self.remove(|bridge| bridge.name == name);
    }

    /// Removes the bridges of all networks that are neither known nor `spared`: those of an earlier netd that no
    /// container has asked for since.
    pub fn sweep(&mut self, spared: &[ContainerId]) {
        let kept: BTreeSet<String> = self.networks.keys().chain(spared).map(bridge_name).collect();
        self.remove(|bridge| !kept.contains(&bridge.name));
    }

    /// Removes every other bridge that has addresses of this network. Its network has no members any more, or it could
    /// not be used.
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

    /// The networks of all addresses in R, each with its interface index.
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
        // Bridges that cannot be listed cannot be removed; the next call tries again.
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
        // A bridge that is gone already needs no removal.
        let _ = self.netlink.run(&batch);
        let clash = |a: &Found, b: &Found| a.nets.iter().any(|a| b.nets.iter().any(|b| overlap(a, b)));
        if gone.iter().any(|gone| left.iter().any(|left| clash(gone, left))) {
            self.route_again();
        }
    }

    /// Adds routes again that the removed networks had replaced.
    fn route_again(&mut self) {
        let known: Vec<_> = self.networks.values().filter_map(|bridge| bridge.as_ref().ok()).collect();
        let known: Vec<_> = known.iter().map(|bridge| (bridge.network.clone(), bridge.index)).collect();
        for (network, index) in known {
            // A failure here is reported when a container is plugged in.
            let _ = self.route_network(&network, index);
        }
    }
}
