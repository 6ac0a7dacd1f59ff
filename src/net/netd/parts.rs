//! What carries containers' traffic, behind one face for the loop: who gets which packet, descriptor and hour.

use std::net::IpAddr;
use std::time::Instant;

use crate::base::error::Kind;
use crate::base::{Error, Result};
use crate::net::model::{Protocol, PublishedPort};
use crate::net::packet::{Ip, Transport};
use crate::net::part::{Context, Interest, Part};
use crate::net::tcp::{Limits, Tcp};
use crate::net::tcp_ports::{Target, TcpPorts};

/// How far ports below the unprivileged limit are moved up: 80 becomes 8080, 443 becomes 8443.
const REMAP: u16 = 8000;

/// All of them.
#[derive(Debug)]
pub struct Parts {
    tcp: Tcp,
    tcp_ports: TcpPorts,
}

impl Parts {
    /// For a process that may have so many descriptors open.
    pub fn new(descriptors: u64) -> Self {
        Self { tcp: Tcp::new(Limits::for_descriptors(descriptors)), tcp_ports: TcpPorts::new() }
    }

    /// The router's namespace hands connections to listeners from now on.
    pub fn open_gate(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let opened = self.tcp.open_gate(cx);
        opened.map_err(|error| Error::system("cannot listen for connections from containers").caused_by(error))
    }

    /// A packet out of the device.
    pub fn packet(&mut self, cx: &mut Context<'_>, packet: &Ip<'_>) {
        if let Transport::Tcp(_) = packet.transport {
            self.tcp.packet(cx, packet);
        }
    }

    /// A descriptor of a part is ready.
    pub fn ready(&mut self, cx: &mut Context<'_>, part: Part, index: u64, what: Interest) {
        match part {
            Part::Tcp => self.tcp.ready(cx, index, what),
            Part::TcpPorts => self.tcp_ports.ready(cx, index, &mut self.tcp),
            _ => {}
        }
    }

    /// When [`Parts::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        [self.tcp.deadline(), self.tcp_ports.deadline()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn expire(&mut self, cx: &mut Context<'_>) {
        let due = |deadline: Option<Instant>| deadline.is_some_and(|when| when <= cx.now);
        let (tcp, tcp_ports) = (due(self.tcp.deadline()), due(self.tcp_ports.deadline()));
        if tcp {
            self.tcp.expire(cx);
        }
        if tcp_ports {
            self.tcp_ports.expire(cx);
        }
    }

    /// Opens published ports, all or none. With `remap`, those that need privileges are moved up.
    pub fn open(&mut self, cx: &mut Context<'_>, ports: &[PublishedPort], remap: bool) -> Result<Vec<PublishedPort>> {
        let mut opened = Vec::with_capacity(ports.len());
        for port in ports {
            let mut open = self.open_one(cx, port);
            if remap && open.as_ref().is_err_and(|error| error.kind() == Kind::Denied) {
                if let Some(higher) = port.host_port.checked_add(REMAP) {
                    open = self.open_one(cx, &PublishedPort { host_port: higher, ..port.clone() });
                }
            }
            match open {
                Ok(port) => opened.push(port),
                Err(error) => {
                    self.close(&opened);
                    return Err(error);
                }
            }
        }
        Ok(opened)
    }

    fn open_one(&mut self, cx: &mut Context<'_>, port: &PublishedPort) -> Result<PublishedPort> {
        match port.protocol {
            Protocol::Tcp => self.tcp_ports.open(cx, port),
            Protocol::Udp => Err(Error::unsupported("UDP ports cannot be published yet")),
        }
    }

    /// Leads open ports to their container.
    pub fn aim(&mut self, cx: &mut Context<'_>, ports: &[PublishedPort], target: Target) -> Result<()> {
        for port in ports {
            match port.protocol {
                Protocol::Tcp => self.tcp_ports.aim(cx, port, target)?,
                Protocol::Udp => {}
            }
        }
        Ok(())
    }

    /// Closes published ports.
    pub fn close(&mut self, ports: &[PublishedPort]) {
        for port in ports {
            match port.protocol {
                Protocol::Tcp => self.tcp_ports.close(port),
                Protocol::Udp => {}
            }
        }
    }

    /// These addresses are nobody's any more.
    pub fn left(&mut self, cx: &mut Context<'_>, addresses: &[IpAddr]) {
        self.tcp.member_left(cx, addresses);
    }
}
