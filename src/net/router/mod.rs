//! The router's network namespace R: bridges, virtual Ethernet pairs, the TUN device, and the routes between them.
//!
//! # Theory of operation
//!
//! R holds one bridge per network, with the gateway's address, and one TUN device, behind which netd forwards to the
//! outside. Packets of a network use a routing table of their own, selected by the incoming bridge. It has routes to
//! the network itself and to the networks that it may reach, "prohibit" routes to the others, and the TUN device as the
//! default route; internal networks have no default route. Packets with a source address outside the network are
//! dropped. So are frames of a port with other addresses than its container was given: see [`super::nft::guard`], and
//! [`message::distrust`] for kernels without it. Packets from the TUN device and from sockets in R use the main table,
//! which has all networks.
//!
//! A container's interface is one end of a pair whose other end is a port of the bridge; one request makes both. Its
//! addresses and routes are set from within its namespace, which the thread enters for that time.
//!
//! All steps can be repeated: a netd that adopts the R of a dead one makes what is missing and keeps what exists. Names
//! and table numbers are stable: they are derived from ids and interface indexes.
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

/// Large datagrams pass whole: the largest multiple of 8 that leaves room for a header in 65,535 bytes.
const TUN_MTU: u32 = 65520;

/// The MTU of a network without a configured one.
const DEFAULT_MTU: u32 = 1500;

/// How long to wait for a container's interfaces, so that it can announce its addresses.
const ANNOUNCE: Duration = Duration::from_millis(20);

/// Interface index of the loopback interface, the same in every namespace.
const LOOPBACK: u32 = 1;

/// The TUN device for netd's event loop.
#[derive(Debug)]
pub struct Device {
    /// Reads and writes packets, each behind a struct virtio_net_hdr of 10 bytes; non-blocking.
    pub fd: OwnedFd,
    /// Its interface index in R.
    pub index: u32,
    /// Whether connections of containers are handed to listeners in R, at [`TPROXY_PORT`] of the loopback addresses.
    pub has_tproxy: bool,
    /// Whether the kernel segments UDP GSO packets written to it (since Linux 6.2).
    pub cuts_udp: bool,
}

/// The interfaces to make for a container.
#[derive(Debug, Clone)]
pub struct Plug {
    /// The container's id.
    pub container: ContainerId,
    /// All endpoints of the container: the default routes depend on all of them.
    pub endpoints: Vec<Endpoint>,
    /// The endpoints to make; the others exist.
    pub missing: Vec<Endpoint>,
    /// The rate limit of each interface.
    pub rate: Option<Rate>,
    /// They may exist already: an earlier netd has made them.
    pub again: bool,
}

/// The namespace R, for the thread in it.
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
    /// Moves this thread into R: into `adopted`, or into a new namespace if there is none or it cannot be entered;
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

    /// The namespace, which exists as long as the descriptor is open.
    pub fn namespace(&self) -> Result<OwnedFd> {
        self.namespace.as_fd().try_clone_to_owned().context(|| "cannot duplicate the router's network namespace")
    }

    /// Makes the namespace forward packets. Without a TUN device, outbound traffic fails and everything else works.
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
        // netd takes packets as containers' kernels made them: large and without checksums.
        let offloads = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
        let cuts_udp = tun::set_offloads(&fd, offloads | libc::TUN_F_USO4 | libc::TUN_F_USO6).is_ok();
        if !cuts_udp {
            // Without these offloads the kernel does the work.
            let _ = tun::set_offloads(&fd, offloads);
        }
        Ok(Device { fd, index, has_tproxy, cuts_udp })
    }

    /// The settings of the namespace (Documentation/networking/ip-sysctl.rst). For IPv4 it inherits those of the host,
    /// which may be anything.
    fn forward(&self) -> Result<()> {
        for (name, value) in plan::SETTINGS {
            if name.starts_with("ipv6") && !self.ipv6 {
                continue;
            }
            let path = Path::new("/proc/sys/net").join(name);
            match fs::write(&path, value) {
                // Settings of newer kernels, or of absent features; those of the bridge only make it faster.
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

    /// Makes the bridge of a network, or updates it to the present definition. A failure is kept and reported when a
    /// container is plugged in.
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
        // The rules check forwarded packets; this checks packets for R itself.
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

    /// Makes interfaces of a container, in `namespace`, and the routes there. After a failure none of them is left.
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

    /// A returning container may have interfaces of another R: a netd that did not know that R was started in between
    /// and made this one. The old interfaces are replaced by new ones with the same settings; connections between
    /// containers go on.
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
            // A restarted container may meet its former interface, in a namespace that is about to end.
            let delete = message::delete_link(&name);
            batch.push_unless("remove a former interface", 0, delete, &[libc::ENODEV]);
            let step = format!("make the interface `{}`", endpoint.interface);
            batch.push(step, NLM_F_CREATE | NLM_F_EXCL, message::veth(&name, mtu, peer));
            ports.push((name, endpoint, bridge, mtu, Former::Replace));
        }
        self.netlink.run(&batch)?;
        // The container may send once both ends are up, so its port is guarded first.
        let mut batch = Batch::default();
        for (name, endpoint, bridge, mtu, former) in ports {
            let port = self.index(&name)?;
            guard_port(&name, endpoint, former)?;
            batch.push("put an interface into its bridge", 0, message::enslave(port, bridge));
            batch.push("have the bridge distrust a port", 0, message::distrust(port));
            // A container that is just leaving may have had the same address, and so the same hardware address.
            batch.push("tell the bridge", NLM_F_CREATE | NLM_F_REPLACE, message::station(port, endpoint.mac));
            // R may remember another hardware address for this address.
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
            // Limited at the source: the sender is slowed down instead of losing packets.
            limit(&mut batch, plug.rate, index, self.mtu(endpoint), &endpoint.interface);
            if self.ipv6 {
                // The MTU may be too small for IPv6.
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

    /// Makes a new container announce its addresses: a neighbour may remember another container's hardware address for
    /// them, and would send there for seconds. Failures are harmless.
    fn announce(&mut self, plug: &Plug, mut inside: Socket) {
        let limit = Instant::now() + ANNOUNCE;
        for endpoint in plug.missing.iter().filter(|_| !plug.again) {
            // The bridge takes frames of a new port only when a kernel worker has seen it up.
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

    /// The MTU of the interfaces of a network.
    fn mtu(&self, endpoint: &Endpoint) -> u32 {
        let bridge = self.networks.get(&endpoint.network_id).and_then(|bridge| bridge.as_ref().ok());
        bridge.and_then(|bridge| bridge.network.mtu).unwrap_or(DEFAULT_MTU)
    }

    /// A netlink socket in another namespace.
    fn open_in(&self, namespace: BorrowedFd<'_>) -> Result<Socket> {
        self.within(namespace, || Socket::open().context(|| "cannot open a netlink socket"))?
    }

    /// Runs a function in another namespace. The thread enters it and returns.
    fn within<T>(&self, namespace: BorrowedFd<'_>, what: impl FnOnce() -> T) -> Result<T> {
        setns(namespace, CloneFlags::CLONE_NEWNET).context(|| "cannot enter the container's network namespace")?;
        let done = what();
        if let Err(errno) = setns(self.namespace.as_fd(), CloneFlags::CLONE_NEWNET) {
            // The thread is stuck in the wrong namespace: nothing it does from here on would be right.
            let _ = errno;
            crate::sys::process::exit_now(1);
        }
        Ok(done)
    }

    /// Removes interfaces of a container. Interfaces that went with the container need no removal.
    pub fn unplug<'a>(&mut self, container: &ContainerId, networks: impl Iterator<Item = &'a ContainerId>) {
        for network in networks {
            let mut batch = Batch::default();
            let name = veth_name(container, network);
            batch.push("remove an interface", 0, message::delete_link(&name));
            let _ = self.netlink.run(&batch);
            guard::remove(&name);
        }
    }

    /// Sets the default routes again, after a network was removed.
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

    /// The traffic counters of a container, by interface name.
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

/// The IPv6 settings. A container may have IPv6 switched off (`--sysctl net.ipv6.conf.all.disable_ipv6=1`): then
/// nothing is done.
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

/// Guards a port, if the kernel can ([`super::trial::guard`] tells the user).
fn guard_port(port: &str, endpoint: &Endpoint, former: Former) -> Result<()> {
    let (ipv4, ipv6) = (endpoint.ipv4.map(|net| net.addr()), endpoint.ipv6.map(|net| net.addr()));
    match guard::install(Guard { port, mac: endpoint.mac, ipv4, ipv6 }, former) {
        Err(error) if guard::is_unsupported(&error) => Ok(()),
        result => result.context(|| format!("cannot guard the interface `{}`", endpoint.interface)),
    }
}

/// Writes [`plan::INSIDE`] in the container's namespace, before the interfaces are up. For an interface that is added
/// later, the settings of the others stay: the container's administrator may have changed them.
fn trust_nobody(plug: &Plug) -> Result<()> {
    let is_first = plug.missing.len() == plug.endpoints.len() && !plug.again;
    if is_first {
        // The container's first process does so too, but fails if its user namespace lacks some of these ids.
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
            // No IPv6, or an MTU too small for it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.at(&path, "cannot set")?,
        }
    }
    Ok(())
}

/// Limits the rate of what leaves an interface.
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
