//! The host's routes, from procfs (proc_net(5)), which new networks avoid.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The destinations of routes in the calling thread's network namespace: the main table for IPv4, all tables for IPv6.
/// Empty if procfs does not tell.
pub fn of_host() -> Vec<IpNet> {
    let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
    parse_ipv4(&read("route")).into_iter().chain(parse_ipv6(&read("ipv6_route"))).collect()
}

/// A header, then lines of interface, destination, gateway, flags, three counters, mask; addresses as hexadecimal
/// numbers in the machine's order of bytes.
fn parse_ipv4(text: &str) -> Vec<IpNet> {
    let address =
        |digits: &str| u32::from_str_radix(digits, 16).ok().map(|number| Ipv4Addr::from(number.to_ne_bytes()));
    let net = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (destination, mask) = (address(fields.get(1)?)?, address(fields.get(7)?)?);
        Ipv4Net::with_netmask(destination, mask).ok().map(IpNet::V4)
    };
    text.lines().skip(1).filter_map(net).collect()
}

/// Lines of destination and prefix length as hexadecimal digits, and more; the interface is last.
fn parse_ipv6(text: &str) -> Vec<IpNet> {
    let net = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let destination = fields.next().filter(|digits| digits.len() == 32)?;
        let destination = Ipv6Addr::from_bits(u128::from_str_radix(destination, 16).ok()?);
        let length = u8::from_str_radix(fields.next()?, 16).ok()?;
        Ipv6Net::new(destination, length).ok().map(IpNet::V6)
    };
    text.lines().filter_map(net).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_as_the_kernel_writes_them() {
        if cfg!(target_endian = "big") {
            return;
        }
        let ipv4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                    eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                    tun0\t0000110A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                    broken\n";
        let nets: Vec<String> = parse_ipv4(ipv4).iter().map(IpNet::to_string).collect();
        assert_eq!(nets, ["0.0.0.0/0", "10.17.0.0/16"]);
        let ipv6 = "fd7a115ca1e000000000000000000000 30 00000000000000000000000000000000 00 \
                    00000000000000000000000000000000 00000400 00000001 00000000 00000001 tailscale0\n\
                    short 00\n";
        let nets: Vec<String> = parse_ipv6(ipv6).iter().map(IpNet::to_string).collect();
        assert_eq!(nets, ["fd7a:115c:a1e0::/48"]);
        assert!(parse_ipv4("").is_empty());
        // Whatever this machine has, it is parsed without a panic.
        let _ = of_host();
    }
}
