//! The router's network namespace R: bridges, virtual Ethernet pairs, the TUN device, and which packets go where.
//!
//! # Theory of operation
//!
//! R holds one bridge for each network, with the gateway's address, and one TUN device, behind which netd is the rest of
//! the world. Packets of a network look up a routing table of their own, chosen by the bridge that they come in by: it
//! holds the network itself, the networks that it may reach, "prohibited" for those that it may not, and the TUN device as
//! the default route, which internal networks do not have. Packets from addresses that are not the network's are dropped
//! instead, and so are frames of a port that do not come from the addresses that its container was given: see
//! [`super::nft::guard`], and [`message::distrust`] for kernels without that. What comes from the TUN device and from sockets in R uses the
//! main table, which knows all networks.
//!
//! A container's interface is one end of a pair whose other end is made in the bridge, with one request; its addresses and
//! routes are set from within its namespace, which the thread enters for that time.
//!
//! All steps can be repeated: a netd that adopts the R of a dead one makes what is missing and leaves what is there. Names
//! and numbers of tables are the same every time: they come from ids and from numbers of interfaces.
//!
//! A [`Router`] is used by one thread, which lives in R.

mod cleanup;
mod plan;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::AddressFamily;
use nix::sched::{CloneFlags, setns, unshare};

use super::netlink::message::{self, Hop, Selector, Verdict};
use super::netlink::{Batch, Failure, Socket};
use super::nft;
use super::nft::guard::{self, Former, Guard};
use super::protocol::Counters;
use super::table::addresses;
use super::tcp::TPROXY_PORT;
use crate::base::error::WireError;
use crate::base::{ContainerId, Error, Result, ResultExt};
use crate::spec::network::{Endpoint, Network, Rate};
use crate::sys::tun;
use plan::{LOCAL_TABLE, MARK, Neighbour, PRIORITY_MARK, Reach, bridge_name, veth_name};

/// So that large datagrams pass whole: the largest multiple of 8 that leaves room in 65,535 bytes for a header.
const TUN_MTU: u32 = 65520;

/// Interfaces whose MTU nobody has chosen.
const DEFAULT_MTU: u32 = 1500;

/// How long the interfaces of a container are waited for, so that it can announce them.
const ANNOUNCE: Duration = Duration::from_millis(20);

/// Number of a namespace's loopback interface, always.
const LOOPBACK: u32 = 1;

/// The TUN device as netd's loop uses it.
#[derive(Debug)]
pub struct Device {
    /// Reads and writes packets, each with a struct virtio_net_hdr of 10 bytes in front; does not block.
    pub fd: OwnedFd,
    /// Its interface's number in R.
    pub index: u32,
    /// Whether connections from containers are handed to listeners in R, at [`TPROXY_PORT`] of the loopback addresses.
    pub has_tproxy: bool,
    /// Whether the kernel cuts large packets of UDP that are written to it (since Linux 6.2).
    pub cuts_udp: bool,
}

/// An interface that is to be made for a container.
#[derive(Debug, Clone)]
pub struct Plug {
    /// Whose.
    pub container: ContainerId,
    /// All that the container has: which of them are default routes depends on all.
    pub endpoints: Vec<Endpoint>,
    /// Those of them to be made; the others are there.
    pub missing: Vec<Endpoint>,
    /// How fast each of them may send and receive.
    pub rate: Option<Rate>,
    /// It may be there already, because a netd before this one has made it.
    pub again: bool,
}

/// R, for the thread in it.
#[derive(Debug)]
pub struct Router {
    namespace: File,
    netlink: Socket,
    ipv6: bool,
    tun: Option<u32>,
    networks: BTreeMap<ContainerId, Result<Bridge, WireError>>,
}

#[derive(Debug)]
struct Bridge {
    network: Network,
    index: u32,
}

impl Router {
    /// Moves this thread into R: into `adopted`, or into a new namespace, which does as well if that one cannot be entered:
    /// containers are then plugged in anew.
    pub fn enter(adopted: Option<&OwnedFd>) -> Result<Self> {
        let entered = adopted.map(|namespace| setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET));
        if !matches!(entered, Some(Ok(()))) {
            unshare(CloneFlags::CLONE_NEWNET).context(|| "cannot make a network namespace")?;
        }
        let namespace =
            File::open("/proc/thread-self/ns/net").context(|| "cannot open the router's network namespace")?;
        let netlink = Socket::open().context(|| "cannot open a netlink socket")?;
        let ipv6 = Path::new("/proc/sys/net/ipv6").exists();
        Ok(Self { namespace, netlink, ipv6, tun: None, networks: BTreeMap::new() })
    }

    /// The namespace: who holds it keeps all that is in it.
    pub fn namespace(&self) -> Result<OwnedFd> {
        self.namespace.as_fd().try_clone_to_owned().context(|| "cannot duplicate the router's network namespace")
    }

    /// Makes the namespace forward packets. Without a TUN device there is no way out, but everything else works.
    pub fn set_up(&mut self) -> Result<Device> {
        self.forward()?;
        let mut batch = Batch::default();
        batch.push("bring the router's loopback up", 0, message::link_up(LOOPBACK, None, false));
        for (family, everything) in self.families() {
            let rule = message::rule(family, PRIORITY_MARK, &Selector::Mark(MARK), Verdict::Table(LOCAL_TABLE));
            batch.push_unless("add a routing rule", NLM_F_CREATE | NLM_F_EXCL, rule, &[libc::EEXIST]);
            let local = message::route(LOCAL_TABLE, everything, Hop::Local(LOOPBACK));
            batch.push("add a route", NLM_F_CREATE | NLM_F_REPLACE, local);
        }
        self.netlink.run(&batch)?;
        let device = self.make_tun()?;
        self.tun = Some(device.index);
        Ok(device)
    }

    fn make_tun(&mut self) -> Result<Device> {
        let (fd, name) =
            tun::create().map_err(|error| Error::unsupported("cannot make a TUN device").caused_by(error))?;
        let index = self.index(&name)?;
        let mut batch = Batch::default();
        batch.push("bring the TUN device up", 0, message::link_up(index, Some(TUN_MTU), self.ipv6));
        for (_, everything) in self.families() {
            let default = message::route(plan::MAIN_TABLE, everything, Hop::Link(index));
            batch.push("add the default route", NLM_F_CREATE | NLM_F_REPLACE, default);
        }
        self.netlink.run(&batch)?;
        let tproxy = nft::Tproxy { device: index, port: TPROXY_PORT, mark: MARK };
        let has_tproxy = nft::install(tproxy).is_ok();
        // netd reads packets as containers' kernels made them, large and without checksums.
        let offloads = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
        let cuts_udp = tun::set_offloads(&fd, offloads | libc::TUN_F_USO4 | libc::TUN_F_USO6).is_ok();
        if !cuts_udp {
            // Without any, the kernel does the work.
            let _ = tun::set_offloads(&fd, offloads);
        }
        Ok(Device { fd, index, has_tproxy, cuts_udp })
    }

    /// The settings of the namespace (Documentation/networking/ip-sysctl.rst). It inherits the host's for IPv4, which may
    /// be anything.
    fn forward(&self) -> Result<()> {
        for (name, value) in plan::SETTINGS {
            if name.starts_with("ipv6") && !self.ipv6 {
                continue;
            }
            let path = Path::new("/proc/sys/net").join(name);
            match fs::write(&path, value) {
                // Settings of newer kernels, or of those without a feature; the bridge's make it faster, no more.
                Err(error) if error.kind() == io::ErrorKind::NotFound || name.starts_with("bridge") => {}
                result => result.at(&path, "cannot set")?,
            }
        }
        Ok(())
    }

    fn families(&self) -> impl Iterator<Item = (AddressFamily, ipnet::IpNet)> + use<> {
        let v4 = Some((AddressFamily::Inet, ipnet::IpNet::V4(ipnet::Ipv4Net::default())));
        let v6 = self.ipv6.then_some((AddressFamily::Inet6, ipnet::IpNet::V6(ipnet::Ipv6Net::default())));
        v4.into_iter().chain(v6)
    }

    fn index(&mut self, name: &str) -> Result<u32> {
        index_of(&mut self.netlink, name)
    }

    /// Makes the bridge of a network, or brings it up to what the definition says now. A failure is kept for those who
    /// want to be plugged in.
    pub fn add_network(&mut self, network: &Network) -> Result<()> {
        let known = self.networks.contains_key(&network.id);
        let displaced = if known { Ok(()) } else { self.remove_overlapping(network) };
        let made = displaced.and_then(|()| self.make_network(network));
        let kept = match &made {
            Ok(index) => Ok(Bridge { network: network.clone(), index: *index }),
            Err(error) => Err(WireError::from(error)),
        };
        self.networks.insert(network.id.clone(), kept);
        made.map(drop)
    }

    fn make_network(&mut self, network: &Network) -> Result<u32> {
        let name = bridge_name(&network.id);
        let mtu = network.mtu.unwrap_or(DEFAULT_MTU);
        let mut batch = Batch::default();
        let create = message::bridge(&name, plan::bridge_mac(&network.id), mtu);
        batch.push_unless("make a bridge", NLM_F_CREATE | NLM_F_EXCL, create, &[libc::EEXIST]);
        self.netlink.run(&batch)?;
        let index = self.index(&name)?;
        let mut batch = Batch::default();
        for subnet in network.subnets.iter().filter(|subnet| self.ipv6 || subnet.gateway.is_ipv4()) {
            let address = message::address(index, subnet.gateway, subnet.net.prefix_len());
            let step = format!("give the gateway the address `{}`", subnet.gateway);
            batch.push_unless(step, NLM_F_CREATE | NLM_F_EXCL, address, &[libc::EEXIST]);
        }
        for (family, priority, selector, verdict) in self.rules(network, index) {
            let rule = message::rule(family, priority, &selector, verdict);
            batch.push_unless("add a routing rule", NLM_F_CREATE | NLM_F_EXCL, rule, &[libc::EEXIST]);
        }
        // What the rules are for packets that are forwarded, this is for those that are for R itself.
        let strict = Path::new("/proc/sys/net/ipv4/conf").join(&name).join("rp_filter");
        fs::write(&strict, "1").at(&strict, "cannot set")?;
        self.netlink.run(&batch)?;
        self.route_network(network, index)?;
        Ok(index)
    }

    fn rules(&self, network: &Network, index: u32) -> Vec<(AddressFamily, u32, Selector, Verdict)> {
        let families: Vec<_> = self.families().map(|(family, _)| family).collect();
        let nets: Vec<_> = network.subnets.iter().map(|subnet| subnet.net).collect();
        plan::rules(&bridge_name(&network.id), &nets, index, &families)
    }

    /// Routes between this network and all others, and to the outside.
    fn route_network(&mut self, network: &Network, index: u32) -> Result<()> {
        let me = Neighbour { network, index };
        let others = self.networks.values().filter_map(|bridge| bridge.as_ref().ok());
        let others = others.filter(|other| other.network.id != network.id);
        let others: Vec<_> = others.map(|other| Neighbour { network: &other.network, index: other.index }).collect();
        let mut batch = Batch::default();
        for Reach { table, destination, hop } in plan::routes(me, &others, self.tun) {
            if self.ipv6 || destination.addr().is_ipv4() {
                let step = format!("add the route to `{destination}`");
                batch.push(step, NLM_F_CREATE | NLM_F_REPLACE, message::route(table, destination, hop));
            }
        }
        Ok(self.netlink.run(&batch)?)
    }

    /// Makes interfaces of a container, in `namespace`, and the routes there. On failure nothing is left of them.
    pub fn plug(&mut self, plug: &Plug, namespace: BorrowedFd<'_>) -> Result<()> {
        let unplugged = if plug.again { self.unplug_elsewhere(plug, namespace) } else { Ok(()) };
        let made = unplugged.and_then(|()| self.make_pairs(plug, namespace));
        let configured = made.and_then(|()| self.configure(plug, namespace));
        let result = configured.map(|inside| self.announce(plug, inside));
        if result.is_err() && !plug.again {
            self.unplug(&plug.container, plug.missing.iter().map(|endpoint| &endpoint.network_id));
        }
        result
    }

    /// A container that comes back may have its interfaces from another R: a netd that was started in between, by somebody who
    /// did not know that one, has made this R. The interfaces make room for new ones, which take over all but their other
    /// end; connections between containers go on.
    fn unplug_elsewhere(&mut self, plug: &Plug, namespace: BorrowedFd<'_>) -> Result<()> {
        let mut batch = Batch::default();
        for endpoint in &plug.missing {
            let here = self.netlink.get(message::get_link(&veth_name(&plug.container, &endpoint.network_id)));
            if here.context(|| "cannot look for an interface")?.is_none() {
                let delete = message::delete_link(&endpoint.interface);
                batch.push_unless("remove an interface of before", 0, delete, &[libc::ENODEV]);
            }
        }
        match batch.is_empty() {
            true => Ok(()),
            false => Ok(self.open_in(namespace)?.run(&batch)?),
        }
    }

    fn make_pairs(&mut self, plug: &Plug, namespace: BorrowedFd<'_>) -> Result<()> {
        let (mut batch, mut ports) = (Batch::default(), Vec::new());
        for endpoint in &plug.missing {
            let name = veth_name(&plug.container, &endpoint.network_id);
            let bridge = match self.networks.get(&endpoint.network_id) {
                Some(Ok(bridge)) => bridge,
                Some(Err(error)) => return Err(error.clone().into()),
                None => return Err(Error::system(format!("there is no bridge of the network `{}`", endpoint.network))),
            };
            let (bridge, mtu) = (bridge.index, bridge.network.mtu.unwrap_or(DEFAULT_MTU));
            if plug.again
                && self.netlink.get(message::get_link(&name)).context(|| "cannot look for an interface")?.is_some()
            {
                ports.push((name, endpoint, bridge, mtu, Former::Keep));
                continue;
            }
            let peer = (endpoint.interface.as_str(), endpoint.mac, namespace);
            // A restarted container may find its former interface, in a namespace that is about to go.
            let delete = message::delete_link(&name);
            batch.push_unless("remove a former interface", 0, delete, &[libc::ENODEV]);
            let step = format!("make the interface `{}`", endpoint.interface);
            batch.push(step, NLM_F_CREATE | NLM_F_EXCL, message::veth(&name, mtu, peer));
            ports.push((name, endpoint, bridge, mtu, Former::Replace));
        }
        self.netlink.run(&batch)?;
        // The container may send as soon as both ends are up: not before its port is guarded.
        let mut batch = Batch::default();
        for (name, endpoint, bridge, mtu, former) in ports {
            let port = self.index(&name)?;
            guard_port(&name, endpoint, former)?;
            batch.push("put an interface into its bridge", 0, message::enslave(port, bridge));
            batch.push("have the bridge distrust a port", 0, message::distrust(port));
            // Somebody who is just going may have had the same address, and the hardware address comes from that.
            batch.push("tell the bridge", NLM_F_CREATE | NLM_F_REPLACE, message::station(port, endpoint.mac));
            // With another hardware address, which R would go on sending to.
            for address in addresses(endpoint).filter(|address| self.ipv6 || address.is_ipv4()) {
                let forget = message::forget_neighbour(bridge, address);
                batch.push_unless("forget a former neighbour", 0, forget, &[libc::ENOENT]);
            }
            if former == Former::Replace {
                // What leaves our end is what the container receives.
                limit(&mut batch, plug.rate, port, mtu, &endpoint.interface);
            }
            batch.push("bring a port up", 0, message::link_up(port, None, false));
        }
        Ok(self.netlink.run(&batch)?)
    }

    /// Returns a netlink socket in the namespace.
    fn configure(&self, plug: &Plug, namespace: BorrowedFd<'_>) -> Result<Socket> {
        let mut inside = self.within(namespace, || {
            trust_nobody(plug)?;
            Socket::open().context(|| "cannot open a netlink socket")
        })??;
        let mut batch = Batch::default();
        batch.push("bring the loopback up", 0, message::link_up(LOOPBACK, None, false));
        let mut indexes = BTreeMap::new();
        for endpoint in &plug.endpoints {
            let index = index_of(&mut inside, &endpoint.interface)?;
            indexes.insert(endpoint.interface.as_str(), index);
            if !plug.missing.contains(endpoint) {
                continue;
            }
            // At its source: so a sender is held back, instead of losing what it sends.
            limit(&mut batch, plug.rate, index, self.mtu(endpoint), &endpoint.interface);
            if self.ipv6 {
                // A network may be too narrow for IPv6.
                let step = format!("choose how `{}` makes addresses", endpoint.interface);
                batch.push_unless(step, 0, message::link_local_by_mac(index), &[libc::EAFNOSUPPORT]);
            }
            let step = format!("bring `{}` up", endpoint.interface);
            batch.push(step, 0, message::link_up(index, None, false));
            if let Some(v4) = endpoint.ipv4 {
                let step = format!("give `{}` the address `{v4}`", endpoint.interface);
                let address = message::address(index, IpAddr::V4(v4.addr()), v4.prefix_len());
                batch.push_unless(step, NLM_F_CREATE | NLM_F_EXCL, address, &[libc::EEXIST]);
            }
        }
        if let Some((gateway, interface)) = plan::default_route4(&plug.endpoints)
            && let Some(index) = indexes.get(interface)
        {
            let everything = ipnet::IpNet::V4(ipnet::Ipv4Net::default());
            let route = message::route(plan::MAIN_TABLE, everything, Hop::Via(IpAddr::V4(gateway), *index));
            batch.push("add the default route", NLM_F_CREATE | NLM_F_REPLACE, route);
        }
        inside.run(&batch)?;
        configure6(&mut inside, plug, &indexes)?;
        Ok(inside)
    }

    /// Has a new container tell its neighbours where its addresses are: one of them may have known another container there,
    /// and would send to that one's hardware address for seconds. What fails here is no more than that.
    fn announce(&mut self, plug: &Plug, mut inside: Socket) {
        let limit = Instant::now() + ANNOUNCE;
        for endpoint in plug.missing.iter().filter(|_| !plug.again) {
            // The bridge takes frames of a new port when the kernel's worker has seen that it is up.
            let port = message::get_link(&veth_name(&plug.container, &endpoint.network_id));
            let mut forwards = || matches!(self.netlink.get(port.clone()), Ok(Some(link)) if message::forwards(&link));
            while !forwards() && Instant::now() < limit {
                std::thread::sleep(ANNOUNCE / 100);
            }
            let Ok(index) = index_of(&mut inside, &endpoint.interface) else { continue };
            let mut batch = Batch::default();
            batch.push("announce an address", 0, message::hardware_address(index, endpoint.mac));
            let _ = inside.run(&batch);
        }
    }

    /// Of the interfaces of a network.
    fn mtu(&self, endpoint: &Endpoint) -> u32 {
        let bridge = self.networks.get(&endpoint.network_id).and_then(|bridge| bridge.as_ref().ok());
        bridge.and_then(|bridge| bridge.network.mtu).unwrap_or(DEFAULT_MTU)
    }

    /// A netlink socket in another namespace.
    fn open_in(&self, namespace: BorrowedFd<'_>) -> Result<Socket> {
        self.within(namespace, || Socket::open().context(|| "cannot open a netlink socket"))?
    }

    /// Does something in another namespace. The thread goes there and comes back.
    fn within<T>(&self, namespace: BorrowedFd<'_>, what: impl FnOnce() -> T) -> Result<T> {
        setns(namespace, CloneFlags::CLONE_NEWNET).context(|| "cannot enter the container's network namespace")?;
        let done = what();
        if let Err(errno) = setns(self.namespace.as_fd(), CloneFlags::CLONE_NEWNET) {
            // Nothing that this thread does from here on would be right.
            let _ = errno;
            crate::sys::process::exit_now(1);
        }
        Ok(done)
    }

    /// Takes interfaces of a container away. Those that went with the container are as good as removed.
    pub fn unplug<'a>(&mut self, container: &ContainerId, networks: impl Iterator<Item = &'a ContainerId>) {
        for network in networks {
            let mut batch = Batch::default();
            let name = veth_name(container, network);
            batch.push("remove an interface", 0, message::delete_link(&name));
            let _ = self.netlink.run(&batch);
            guard::remove(&name);
        }
    }

    /// After a network was taken away: the default routes of what is left.
    pub fn reroute(
        &mut self,
        container: &ContainerId,
        endpoints: &[Endpoint],
        namespace: BorrowedFd<'_>,
    ) -> Result<()> {
        let plug = Plug {
            container: container.clone(),
            endpoints: endpoints.to_vec(),
            missing: Vec::new(),
            rate: None,
            again: true,
        };
        self.configure(&plug, namespace).map(drop)
    }

    /// What a container has sent and received, by the names of its interfaces.
    pub fn count(&mut self, container: &ContainerId, endpoints: &[Endpoint]) -> Result<BTreeMap<String, Counters>> {
        let mut counted = BTreeMap::new();
        for endpoint in endpoints {
            let link = self.netlink.get(message::get_link(&veth_name(container, &endpoint.network_id)));
            let link = link.context(|| format!("cannot examine the interface `{}`", endpoint.interface))?;
            if let Some(counters) = link.as_ref().and_then(message::counters_of_peer) {
                counted.insert(endpoint.interface.clone(), counters);
            }
        }
        Ok(counted)
    }
}

/// The part of IPv6, which a container may have switched off (`--sysctl net.ipv6.conf.all.disable_ipv6=1`): then there is
/// nothing to do.
fn configure6(inside: &mut Socket, plug: &Plug, indexes: &BTreeMap<&str, u32>) -> Result<()> {
    const DISABLED: [i32; 3] = [libc::EACCES, libc::EOPNOTSUPP, libc::EAFNOSUPPORT];
    let disabled = |failure: &Failure| failure.error.raw_os_error().is_some_and(|errno| DISABLED.contains(&errno));
    let mut batch = Batch::default();
    for endpoint in &plug.missing {
        if let (Some(v6), Some(index)) = (endpoint.ipv6, indexes.get(endpoint.interface.as_str())) {
            let step = format!("give `{}` the address `{v6}`", endpoint.interface);
            let address = message::address(*index, IpAddr::V6(v6.addr()), v6.prefix_len());
            batch.push_unless(step, NLM_F_CREATE | NLM_F_EXCL, address, &[libc::EEXIST]);
        }
    }
    if let Some((gateway, interface)) = plan::default_route6(&plug.endpoints)
        && let Some(index) = indexes.get(interface)
    {
        let everything = ipnet::IpNet::V6(ipnet::Ipv6Net::default());
        let route = message::route(plan::MAIN_TABLE, everything, Hop::Via(IpAddr::V6(gateway), *index));
        batch.push("add the default route", NLM_F_CREATE | NLM_F_REPLACE, route);
    }
    match inside.run(&batch) {
        Err(failure) if disabled(&failure) => Ok(()),
        result => Ok(result?),
    }
}

/// Guards a port, where the kernel can ([`super::trial::guard`] tells the user).
fn guard_port(port: &str, endpoint: &Endpoint, former: Former) -> Result<()> {
    let (ipv4, ipv6) = (endpoint.ipv4.map(|net| net.addr()), endpoint.ipv6.map(|net| net.addr()));
    match guard::install(Guard { port, mac: endpoint.mac, ipv4, ipv6 }, former) {
        Err(error) if guard::is_unsupported(&error) => Ok(()),
        result => result.context(|| format!("cannot guard the interface `{}`", endpoint.interface)),
    }
}

/// Writes [`plan::INSIDE`], in the container's namespace, before the interfaces are up. An interface that comes later leaves
/// alone what the container's own administrator may have changed of the others.
fn trust_nobody(plug: &Plug) -> Result<()> {
    let is_first = plug.missing.len() == plug.endpoints.len() && !plug.again;
    if is_first {
        // The container's first process does so too, but cannot where it has fewer ids than these.
        let _ = fs::write("/proc/sys/net/ipv4/ping_group_range", "0 65535");
    }
    let all = plan::INSIDE.iter().filter(|_| is_first);
    let all = all.map(|(name, value)| (Path::new("/proc/sys/net").join(name), *value));
    let each = plug.missing.iter().flat_map(|endpoint| {
        let path = |family: &str, name: &str| {
            Path::new("/proc/sys/net").join(family).join("conf").join(&endpoint.interface).join(name)
        };
        plan::INSIDE_EACH.iter().map(move |(family, name, value)| (path(family, name), *value))
    });
    for (path, value) in all.chain(each) {
        match fs::write(&path, value) {
            // Without IPv6, or on a network that is too narrow for it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.at(&path, "cannot set")?,
        }
    }
    Ok(())
}

/// What leaves an interface passes at this rate.
fn limit(batch: &mut Batch, rate: Option<Rate>, index: u32, mtu: u32, interface: &str) {
    if let Some(rate) = rate {
        let step = format!("limit the rate of `{interface}` (kernel module sch_tbf)");
        batch.push(step, NLM_F_CREATE | NLM_F_REPLACE, message::shaper(index, rate, mtu));
    }
}

fn index_of(netlink: &mut Socket, name: &str) -> Result<u32> {
    let link = netlink.get(message::get_link(name)).context(|| format!("cannot examine the interface `{name}`"))?;
    let index = link.as_ref().and_then(message::link_index);
    index.ok_or_else(|| Error::system(format!("there is no interface `{name}`")))
}
