//! Address allocation in one subnet. Pure.
//!
//! Addresses are given out in order, and a released one only after all others. A neighbour or a resolver may still
//! remember it for the container that has gone.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::spec::network::Subnet;

/// Why a requested address is not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is outside the subnet.
    Elsewhere,
    /// It is the subnet's own, its broadcast address or the gateway.
    Reserved,
    /// A member has it.
    Taken,
}

/// The addresses of one subnet.
#[derive(Debug)]
pub(super) struct Pool {
    net: IpNet,
    /// Neither given out nor granted: the subnet's own address, broadcast, the gateway.
    reserved: [u128; 3],
    /// The range of automatic addresses, both ends included.
    first: u128,
    last: u128,
    /// Where the next search begins.
    next: u128,
    taken: BTreeSet<u128>,
    /// Addresses reserved for members that are about to rejoin.
    awaited: BTreeSet<u128>,
}

impl Pool {
    /// All addresses are free, except those `awaited`.
    pub(super) fn new<'a>(subnet: &Subnet, awaited: impl Iterator<Item = &'a IpAddr>) -> Self {
        let (lowest, highest) = (number(subnet.net.network()), number(subnet.net.broadcast()));
        let range = subnet.range.as_ref().filter(|range| range.is_in(&subnet.net));
        let (first, last) = range.map_or((lowest, highest), |range| (number(range.first()), number(range.last())));
        // The subnet-router anycast address of IPv6 (RFC 4291, 2.6.1) is its lowest; there is no broadcast.
        let broadcast = if subnet.net.addr().is_ipv4() { highest } else { lowest };
        let reserved = [lowest, broadcast, number(subnet.gateway)];
        let awaited = awaited.filter(|address| subnet.net.contains(*address)).map(|address| number(*address)).collect();
        Self { net: subnet.net, reserved, first, last, next: first, taken: BTreeSet::new(), awaited }
    }

    /// The next free address.
    pub(super) fn take_next(&mut self) -> Option<IpAddr> {
        let mut candidate = self.next;
        // Each step but the last meets a reserved or taken address.
        for _ in 0..self.taken.len() + self.awaited.len() + self.reserved.len() + 1 {
            let following = if candidate >= self.last { self.first } else { candidate + 1 };
            if self.is_free(candidate) {
                self.taken.insert(candidate);
                self.next = following;
                return Some(self.address(candidate));
            }
            candidate = following;
        }
        None
    }

    /// Takes this address.
    pub(super) fn take(&mut self, address: IpAddr) -> Result<(), Refusal> {
        let wanted = number(address);
        match () {
            () if !self.net.contains(&address) => Err(Refusal::Elsewhere),
            () if self.reserved.contains(&wanted) => Err(Refusal::Reserved),
            () if self.awaited.contains(&wanted) || !self.taken.insert(wanted) => Err(Refusal::Taken),
            () => Ok(()),
        }
    }

    /// Ends the reservation: the owner re-joined or timed out.
    pub(super) fn release_awaited(&mut self, address: IpAddr) {
        if self.net.contains(&address) {
            self.awaited.remove(&number(address));
        }
    }

    /// Releases an address.
    pub(super) fn give_back(&mut self, address: IpAddr) {
        if self.net.contains(&address) {
            self.taken.remove(&number(address));
        }
    }

    /// Whether the address belongs to the subnet.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.net.contains(&address)
    }

    fn is_free(&self, candidate: u128) -> bool {
        ![&self.taken, &self.awaited].iter().any(|not_free| not_free.contains(&candidate))
            && !self.reserved.contains(&candidate)
    }

    fn address(&self, number: u128) -> IpAddr {
        match self.net {
            // A number made from 32 bits.
            IpNet::V4(_) => Ipv4Addr::from_bits(number as u32).into(),
            IpNet::V6(_) => Ipv6Addr::from_bits(number).into(),
        }
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(net: &str, gateway: &str, range: Option<&str>) -> Pool {
        let range = range.map(|range| range.parse().unwrap());
        Pool::new(&Subnet { net: net.parse().unwrap(), gateway: gateway.parse().unwrap(), range }, [].iter())
    }

    fn drain(pool: &mut Pool) -> Vec<String> {
        std::iter::from_fn(|| pool.take_next()).map(|address| address.to_string()).collect()
    }

    #[test]
    fn every_address_is_given_out_but_the_reserved_ones() {
        for (net, gateway, range, expected) in [
            ("10.0.0.0/29", "10.0.0.1", None, &["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"][..]),
            ("10.0.0.0/30", "10.0.0.2", None, &["10.0.0.1"]),
            ("10.0.0.0/24", "10.0.0.254", Some("10.0.0.252/30"), &["10.0.0.252", "10.0.0.253"]),
            ("10.0.0.0/24", "10.0.0.1", Some("10.0.0.7-10.0.0.9"), &["10.0.0.7", "10.0.0.8", "10.0.0.9"]),
            ("fd00::/126", "fd00::1", None, &["fd00::2", "fd00::3"]),
            ("fd00::/64", "fd00::1", Some("fd00::10/127"), &["fd00::10", "fd00::11"]),
        ] {
            let mut pool = pool(net, gateway, range);
            assert_eq!(drain(&mut pool), expected, "{net}");
            assert_eq!(pool.take_next(), None);
        }
        assert_eq!(drain(&mut pool("10.0.0.0/16", "10.0.0.1", None)).len(), 65536 - 3);
    }

    #[test]
    fn what_came_back_waits_for_its_turn() {
        let mut pool = pool("10.0.0.0/29", "10.0.0.1", None);
        let first = pool.take_next().unwrap();
        pool.give_back(first);
        assert_eq!(drain(&mut pool), ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"]);
        pool.give_back("10.0.0.4".parse().unwrap());
        assert_eq!(drain(&mut pool), ["10.0.0.4"]);
    }

    #[test]
    fn what_is_kept_for_somebody_is_nobody_elses() {
        let subnet = Subnet { net: "10.0.0.0/29".parse().unwrap(), gateway: "10.0.0.1".parse().unwrap(), range: None };
        let kept: IpAddr = "10.0.0.3".parse().unwrap();
        let mut pool = Pool::new(&subnet, [kept, "10.9.9.9".parse().unwrap()].iter());
        assert_eq!(pool.take(kept), Err(Refusal::Taken));
        assert_eq!(drain(&mut pool), ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
        pool.release_awaited(kept);
        assert_eq!(pool.take(kept), Ok(()));
    }

    #[test]
    fn wishes_are_granted_within_the_subnet_even_outside_the_range() {
        let mut pool = pool("10.0.0.0/24", "10.0.0.1", Some("10.0.0.128/25"));
        for (wish, granted) in [
            ("10.0.0.7", Ok(())),
            ("10.0.0.7", Err(Refusal::Taken)),
            ("10.0.0.1", Err(Refusal::Reserved)),
            ("10.0.0.0", Err(Refusal::Reserved)),
            ("10.0.0.255", Err(Refusal::Reserved)),
            ("10.0.1.7", Err(Refusal::Elsewhere)),
            ("fd00::7", Err(Refusal::Elsewhere)),
            ("10.0.0.128", Ok(())),
        ] {
            assert_eq!(pool.take(wish.parse().unwrap()), granted, "{wish}");
        }
        assert_eq!(pool.take_next().unwrap().to_string(), "10.0.0.129");
    }

    #[test]
    fn the_whole_of_ipv6_does_not_overflow() {
        let subnet = Subnet { net: "::/0".parse().unwrap(), gateway: "::1".parse().unwrap(), range: None };
        let mut pool = Pool::new(&subnet, [].iter());
        assert!(pool.take_next().is_some());
        pool.take("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()).unwrap();
    }
}
