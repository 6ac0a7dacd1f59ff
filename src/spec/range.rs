//! Addresses from one to another: `--ip-range`, as a subnet (docker) or as `FIRST-LAST` (podman).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, text};

/// Both ends are included and of one family; the first is not after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// Its first address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Its last address.
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// Whether all of it belongs to a subnet.
    pub fn is_in(&self, net: &IpNet) -> bool {
        net.contains(&self.first) && net.contains(&self.last)
    }

    /// The subnet that it is, if it is one.
    fn subnet(&self) -> Option<IpNet> {
        let mut subnets: Box<dyn Iterator<Item = IpNet>> = match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => Box::new(Ipv4Subnets::new(first, last, 0).map(IpNet::V4)),
            (IpAddr::V6(first), IpAddr::V6(last)) => Box::new(Ipv6Subnets::new(first, last, 0).map(IpNet::V6)),
            _ => return None,
        };
        subnets.next().filter(|_| subnets.next().is_none())
    }
}

impl From<IpNet> for AddressRange {
    fn from(net: IpNet) -> Self {
        Self { first: net.network(), last: net.broadcast() }
    }
}

impl FromStr for AddressRange {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        if let Ok(net) = given.parse::<IpNet>() {
            return Ok(net.into());
        }
        let ends = given.split_once('-').and_then(|(first, last)| {
            let (first, last) = (first.trim().parse::<IpAddr>().ok()?, last.trim().parse::<IpAddr>().ok()?);
            (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
        });
        ends.ok_or_else(|| {
            Error::usage(format!("invalid range of addresses `{}`", text::clean(given)))
                .hint("it is a part of the subnet, such as `10.7.0.128/25` or `10.7.0.10-10.7.0.19`")
        })
    }
}

impl fmt::Display for AddressRange {
    /// As a subnet, if it is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subnet() {
            Some(net) => fmt::Display::fmt(&net, f),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl TryFrom<String> for AddressRange {
    type Error = Error;

    fn try_from(given: String) -> Result<Self> {
        given.parse()
    }
}

impl From<AddressRange> for String {
    fn from(range: AddressRange) -> Self {
        range.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_are_read_and_shown() {
        for (given, shown) in [
            ("10.7.0.128/25", "10.7.0.128/25"),
            ("10.7.0.130/25", "10.7.0.128/25"),
            ("10.7.0.10-10.7.0.19", "10.7.0.10-10.7.0.19"),
            ("10.7.0.128-10.7.0.255", "10.7.0.128/25"),
            ("10.7.0.5 - 10.7.0.5", "10.7.0.5/32"),
            ("fd00::10-fd00::1f", "fd00::10/124"),
            ("fd00::10-fd00::1e", "fd00::10-fd00::1e"),
            ("0.0.0.0-255.255.255.255", "0.0.0.0/0"),
            ("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
        ] {
            assert_eq!(given.parse::<AddressRange>().unwrap().to_string(), shown, "{given}");
        }
        for bad in ["", "10.7.0.1", "10.7.0.2-10.7.0.1", "10.7.0.1-fd00::1", "10.7.0.1-", "-", "x/24", "1-2-3"] {
            assert!(bad.parse::<AddressRange>().is_err(), "{bad}");
        }
        let range: AddressRange = "10.7.0.10-10.7.0.19".parse().unwrap();
        assert!(range.is_in(&"10.7.0.0/27".parse().unwrap()) && !range.is_in(&"10.7.0.0/28".parse().unwrap()));
    }
}
