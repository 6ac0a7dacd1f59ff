//! Dispatches packets, ready file descriptors and timers to the protocol handlers.

use std::net::IpAddr;
use std::time::Instant;

use crate::base::error::Kind;
use crate::base::{Error, Result};
use crate::net::dns::{Dns, Resolv};
use crate::net::flows;
use crate::net::handler::{Context, Handler, Interest, Offload};
use crate::net::icmp::Icmp;
use crate::net::packet::{Ip, Reassembly, Transport};
use crate::net::table::Table;
use crate::net::tcp::{Limits, Tcp};
use crate::net::tcp_ports::{Target, TcpPorts, all_in_use, in_use};
use crate::net::udp::Udp;
use crate::net::udp_ports::UdpPorts;
use crate::spec::network::{Protocol, Publish, PublishedPort};

/// How far ports below the unprivileged limit are moved up: 80 becomes 8080, 443 becomes 8443.
const REMAP: u16 = 8000;

/// All protocol handlers.
#[derive(Debug)]
pub struct Handlers {
    tcp: Tcp,
    tcp_ports: TcpPorts,
    udp: Udp,
    udp_ports: UdpPorts,
    icmp: Icmp,
    dns: Dns,
    fragments: Reassembly,
}

impl Handlers {
    /// For a process that may have this many open files, on a host with this resolv.conf.
    pub fn new(descriptors: u64, resolv_conf: &str) -> Self {
        // TCP takes two thirds.
        let share = |handler| usize::try_from(descriptors / handler).unwrap_or(usize::MAX).clamp(16, 1 << 16);
        let limits = |flows| flows::Limits { flows, per_member: flows / 2 };
        Self {
            tcp: Tcp::new(Limits::for_descriptors(descriptors)),
            tcp_ports: TcpPorts::new(),
            udp: Udp::new(limits(share(6))),
            udp_ports: UdpPorts::new(limits(share(24))),
            icmp: Icmp::new(limits(share(48))),
            dns: Dns::new(Resolv::parse(resolv_conf)),
            fragments: Reassembly::default(),
        }
    }

    /// The host's addresses or routes have changed.
    pub fn host_changed(&mut self) {
        self.udp.host_changed();
    }

    /// The addresses that stand for the host, or the access to them, have changed: ends flows to the host that would
    /// not be allowed as new flows.
    pub fn recheck_policy(&mut self, cx: &mut Context<'_>) {
        self.tcp.recheck_policy(cx);
        self.udp.recheck_policy(cx);
        self.icmp.recheck_policy(cx);
    }

    /// The host's resolvers have changed.
    pub fn resolvers_changed(&mut self, resolv_conf: &str) {
        self.dns.set_resolv(Resolv::parse(resolv_conf));
    }

    /// Answers DNS queries on the gateways of these networks, and nowhere else.
    pub fn answer_on(&mut self, cx: &mut Context<'_>, gateways: &[IpAddr]) -> Result<()> {
        self.dns.listen(cx, gateways)
    }

    /// Opens the listeners for tproxy.
    pub fn open_tproxy(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let opened = self.tcp.open_tproxy(cx);
        opened.map_err(|error| Error::system("cannot listen for connections from containers").caused_by(error))
    }

    /// Handles a packet from the device.
    pub fn packet(&mut self, cx: &mut Context<'_>, packet: &Ip<'_>) {
        match packet.transport {
            Transport::Tcp(_) => self.tcp.packet(cx, packet),
            Transport::Udp(_) => {
                if !self.udp_ports.packet(cx, packet) {
                    self.udp.packet(cx, packet);
                }
            }
            Transport::Fragment(_) => {
                let holder = cx.policy.holder(packet.pair.source());
                let Some(whole) = self.fragments.push(packet, holder, cx.now) else { return };
                // A reassembled packet is no fragment, so this recurses once.
                match Ip::parse(&whole, Offload::default()) {
                    Ok(packet) if !matches!(packet.transport, Transport::Fragment(_)) => self.packet(cx, &packet),
                    _ => {}
                }
            }
            Transport::Icmp(_) | Transport::Other(_) => self.icmp.packet(cx, packet),
        }
    }

    /// Sends what was batched: no more packets are at hand.
    pub fn flush(&mut self, cx: &mut Context<'_>) {
        self.udp_ports.flush(cx);
        self.udp.flush(cx);
    }

    /// A file descriptor of a handler is ready.
    pub fn ready(&mut self, cx: &mut Context<'_>, table: &Table, handler: Handler, index: u64, what: Interest) {
        match handler {
            Handler::Tcp => self.tcp.ready(cx, index, what),
            Handler::TcpPorts => self.tcp_ports.ready(cx, index, &mut self.tcp),
            Handler::Udp => self.udp.ready(cx, index, what),
            Handler::UdpPorts => self.udp_ports.ready(cx, index, what),
            Handler::Icmp => self.icmp.ready(cx, index, what),
            Handler::Dns => self.dns.ready(cx, table, index, what),
            _ => {}
        }
    }

    /// When [`Handlers::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let tcp = [self.tcp.deadline(), self.tcp_ports.deadline()];
        let udp = [self.udp.deadline(), self.udp_ports.deadline(), self.icmp.deadline()];
        let others = [self.dns.deadline(), self.fragments.deadline()];
        tcp.into_iter().chain(udp).chain(others).flatten().min()
    }

    /// Runs the timers that are due.
    pub fn expire(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        let due = |deadline: Option<Instant>| deadline.is_some_and(|when| when <= now);
        if due(self.tcp.deadline()) {
            self.tcp.expire(cx);
        }
        if due(self.tcp_ports.deadline()) {
            self.tcp_ports.expire(cx);
        }
        if due(self.udp.deadline()) {
            self.udp.expire(cx);
        }
        if due(self.udp_ports.deadline()) {
            self.udp_ports.expire(cx);
        }
        if due(self.icmp.deadline()) {
            self.icmp.expire(cx);
        }
        if due(self.dns.deadline()) {
            self.dns.expire(cx);
        }
        if due(self.fragments.deadline()) {
            self.fragments.expire(now);
        }
    }

    /// Frees memory that bursts have used, in quiet times.
    pub fn settle(&mut self) {
        self.udp.settle();
        self.udp_ports.settle();
        self.icmp.settle();
    }

    /// Opens published ports, all or none: of each range the first free port that is not `reserved`. With `remap`,
    /// ports that need privileges are moved up.
    pub fn open(
        &mut self,
        cx: &mut Context<'_>,
        wanted: &[Publish],
        reserved: &[PublishedPort],
        remap: bool,
    ) -> Result<Vec<PublishedPort>> {
        let mut opened = Vec::with_capacity(wanted.len());
        for publish in wanted {
            match self.open_first(cx, publish, reserved, remap) {
                Ok(port) => opened.push(port),
                Err(error) => {
                    self.close(&opened);
                    return Err(error);
                }
            }
        }
        Ok(opened)
    }

    fn open_first(
        &mut self,
        cx: &mut Context<'_>,
        publish: &Publish,
        reserved: &[PublishedPort],
        remap: bool,
    ) -> Result<PublishedPort> {
        let mut open_unless_reserved = |port: &PublishedPort| match reserved.iter().any(|theirs| port.clashes(theirs)) {
            true => Err(in_use(port)),
            false => self.open_one(cx, port),
        };
        for port in publish.candidates() {
            let mut open = open_unless_reserved(&port);
            if remap
                && open.as_ref().is_err_and(|error| error.kind() == Kind::Denied)
                && let Some(higher) = port.host_port.checked_add(REMAP)
            {
                open = open_unless_reserved(&PublishedPort { host_port: higher, ..port });
            }
            match open {
                Err(error) if error.kind() == Kind::Conflict => {}
                result => return result,
            }
        }
        Err(all_in_use(publish))
    }

    fn open_one(&mut self, cx: &mut Context<'_>, port: &PublishedPort) -> Result<PublishedPort> {
        match port.protocol {
            Protocol::Tcp => self.tcp_ports.open(cx, port),
            Protocol::Udp => self.udp_ports.open(cx, port),
        }
    }

    /// Forwards open ports to their container.
    pub fn aim(&mut self, cx: &mut Context<'_>, ports: &[PublishedPort], target: Target) -> Result<()> {
        for port in ports {
            match port.protocol {
                Protocol::Tcp => self.tcp_ports.aim(cx, port, target)?,
                Protocol::Udp => self.udp_ports.aim(cx, port, target)?,
            }
        }
        Ok(())
    }

    /// Closes published ports.
    pub fn close(&mut self, ports: &[PublishedPort]) {
        for port in ports {
            match port.protocol {
                Protocol::Tcp => self.tcp_ports.close(port),
                Protocol::Udp => self.udp_ports.close(port),
            }
        }
    }

    /// These addresses belong to no container any more.
    pub fn left(&mut self, cx: &mut Context<'_>, addresses: &[IpAddr]) {
        self.tcp.member_left(cx, addresses);
        self.udp.member_left(cx, addresses);
        self.udp_ports.member_left(cx, addresses);
        self.icmp.member_left(cx, addresses);
        self.dns.member_left(addresses);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::fake::World;

    #[test]
    fn each_range_gives_its_own_first_free_port() {
        let (mut world, mut handlers) = (World::new(), Handlers::new(1024, ""));
        let publish = |host_port, last_host_port, container_port| Publish {
            port: PublishedPort {
                host_ip: Some([127, 45, 0, 1].into()),
                host_port,
                container_port,
                protocol: Protocol::Tcp,
            },
            last_host_port,
        };
        let wanted = [publish(8000, 8003, 80), publish(9000, 9002, 443)];
        let mut open = |wanted: &[Publish], reserved: &[PublishedPort]| {
            let opened = handlers.open(&mut world.context(), wanted, reserved, false);
            opened.map(|ports| ports.iter().map(|port| port.host_port).collect::<Vec<_>>())
        };
        assert_eq!(open(&wanted, &[]).unwrap(), [8000, 9000]);
        // Each range advances on its own.
        assert_eq!(open(&wanted[..1], &[]).unwrap(), [8001]);
        let reserved = publish(9001, 0, 1).port;
        assert_eq!(open(&wanted, &[reserved]).unwrap(), [8002, 9002]);
        // After a failure nothing stays open.
        let both = [publish(8000, 8003, 80), publish(9000, 9000, 443)];
        let error = open(&both, &[]).unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (Kind::Conflict, "port `127.45.0.1:9000/tcp` of the host is already in use")
        );
        assert_eq!(open(&wanted[..1], &[]).unwrap(), [8003]);
        let error = open(&wanted[..1], &[]).unwrap_err();
        assert_eq!(
            error.message(),
            "all ports of the host from port `127.45.0.1:8000/tcp` to port `127.45.0.1:8003/tcp` are already in use"
        );
    }
}
