//! The host's resolv.conf(5), as far as a forwarder needs it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The most resolvers; glibc uses three.
const SERVERS_MAX: usize = 6;
/// The port of DNS.
const PORT: u16 = 53;

/// The resolvers of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolv {
    /// In the order of use.
    pub servers: Vec<SocketAddr>,
}

impl Resolv {
    /// Parses the text of resolv.conf(5). Unknown lines are skipped. Without a server it is the one on this machine, as
    /// for every other program.
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            if words.next() == Some("nameserver") {
                found.servers.extend(words.next().and_then(server));
            }
        }
        found.servers.truncate(SERVERS_MAX);
        if found.servers.is_empty() {
            found.servers.push(SocketAddr::from(([127, 0, 0, 1], PORT)));
        }
        found
    }

    /// These addresses as resolvers.
    pub fn at(addresses: &[IpAddr]) -> Vec<SocketAddr> {
        addresses.iter().take(SERVERS_MAX).map(|address| SocketAddr::new(*address, PORT)).collect()
    }
}

/// An address; a link-local one with its interface: `fe80::1%eth0`.
fn server(word: &str) -> Option<SocketAddr> {
    match word.split_once('%') {
        None => word.parse().ok().map(|address: IpAddr| SocketAddr::new(address, PORT)),
        Some((address, zone)) => {
            let address: Ipv6Addr = address.parse().ok()?;
            let index = zone.parse().ok().or_else(|| interface(zone))?;
            Some(SocketAddrV6::new(address, PORT, 0, index).into())
        }
    }
}

/// The index of an interface of this namespace.
fn interface(name: &str) -> Option<u32> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    netdevice::name_to_index(&socket, name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_text_has_a_resolver(text in "((nameserver|search|options|#)[ \\t]+[0-9a-f:.%x]{0,20}[\\n ]|\\PC{0,20}\\n?){0,10}") {
            let servers = Resolv::parse(&text).servers;
            proptest::prop_assert!((1..=SERVERS_MAX).contains(&servers.len()));
        }
    }

    #[test]
    fn hosts_ask_as_they_do() {
        let text = "# made by something\nsearch a.example b.example\n\
                    nameserver 127.0.0.53\nnameserver  2001:db8::1 # second\nnameserver nonsense\n\
                    nameserver fe80::1%7\nnameserver fe80::2%nosuchif0\noptions edns0\n";
        let resolv = Resolv::parse(text);
        let servers: Vec<String> = resolv.servers.iter().map(|server| server.to_string()).collect();
        assert_eq!(servers, ["127.0.0.53:53", "[2001:db8::1]:53", "[fe80::1%7]:53"]);
        assert_eq!(Resolv::parse("").servers, [SocketAddr::from(([127, 0, 0, 1], 53))]);
        assert_eq!(Resolv::parse(&"nameserver 10.0.0.1\n".repeat(99)).servers.len(), SERVERS_MAX);
    }
}
