//! The grammars of options about networks: `--network`, `--network-alias`, `--net-rate` and `--add-host`.

use std::net::IpAddr;

use super::namespaces::NetworkRequest;
use super::network::{HostEntry, Rate, Wish};
use super::units;
use crate::base::{Error, Result, ResultExt, text};

/// The option of a network by which the host's loopback is reached from it.
pub const HOST_LOOPBACK: &str = "host-loopback";

/// `--net-rate`: bits per second in powers of 1000, as tc(8) has them (`10mbit`), or bytes per second in powers of 1024, as
/// docker has them for devices (`--device-write-bps 1mb`).
pub fn rate(given: &str) -> Result<Rate> {
    let wrong = |why: &str| {
        Error::usage(format!("invalid argument `{}` for `--net-rate`: {why}", text::clean(given)))
            .hint("bits per second: 10mbit, 1gbit; or bytes per second: 500k, 2m")
    };
    let lower = given.to_ascii_lowercase();
    let bytes = match lower.strip_suffix("bit") {
        None => units::parse_size(&lower).map_err(|_| wrong("not a rate"))?,
        Some(number) => {
            let (digits, factor) = match number.strip_suffix(['k', 'm', 'g']) {
                Some(digits) if number.ends_with('k') => (digits, 1e3),
                Some(digits) if number.ends_with('m') => (digits, 1e6),
                Some(digits) => (digits, 1e9),
                None => (number, 1.0),
            };
            let plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
            let number: f64 = digits.parse().ok().filter(|_| plain).ok_or_else(|| wrong("not a rate"))?;
            // Saturates.
            (number * factor / 8.0) as u64
        }
    };
    Rate::new(bytes).ok_or_else(|| wrong("must be between 8kbit and 1000gbit"))
}

/// One `--network`: `NAME[:key=value,…]` (podman) or `name=NAME,key=value,…` (docker).
pub fn network(given: &str) -> Result<NetworkRequest> {
    if let Some(name) = given.strip_prefix("container:") {
        return match name.is_empty() {
            true => Err(Error::usage("invalid network `container:`: it needs a container's name or ID")),
            false => Ok(NetworkRequest::Container(name.into())),
        };
    }
    if let Some(path) = given.strip_prefix("ns:") {
        return match path.starts_with('/') {
            true => Ok(NetworkRequest::Path(path.into())),
            false => Err(Error::usage(format!("invalid network `{}`: the path must be absolute", text::clean(given)))),
        };
    }
    if given.split(',').any(|part| part.starts_with("name=")) {
        return long_form(given);
    }
    let (name, options) = given.split_once(':').unwrap_or((given, ""));
    match (name, options) {
        ("none", "") => Ok(NetworkRequest::None),
        ("host", "") => Ok(NetworkRequest::Host),
        ("none" | "host", _) => Err(Error::usage(format!("network `{name}` takes no options"))),
        ("slirp4netns" | "pasta", _) => Err(Error::unsupported(format!("network `{name}` is not needed here"))
            .hint("the default network reaches the outside without that program: leave --network out; for this machine's loopback: --network bridge:host-loopback")),
        ("", _) => Err(Error::usage("invalid network: it needs a name")),
        // docker's and podman's words for what is used without the option.
        ("default" | "private", "") => Ok(NetworkRequest::Named(super::network::DEFAULT.into(), Wish::default())),
        (name, options) => {
            let mut wish = Wish::default();
            for option in options.split(',').filter(|option| !option.is_empty()) {
                set(&mut wish, option, given)?;
            }
            Ok(NetworkRequest::Named(name.into(), wish))
        }
    }
}

fn long_form(given: &str) -> Result<NetworkRequest> {
    let (mut wish, mut name) = (Wish::default(), None);
    for part in given.split(',') {
        match part.strip_prefix("name=") {
            Some(value) => name = Some(value),
            None => set(&mut wish, part, given)?,
        }
    }
    match name.filter(|name| !name.is_empty()) {
        Some(name) => Ok(NetworkRequest::Named(name.into(), wish)),
        None => Err(Error::usage(format!("invalid network `{}`: it needs a name", text::clean(given)))),
    }
}

fn set(wish: &mut Wish, option: &str, given: &str) -> Result<()> {
    let shown = text::clean(given);
    let unknown = || {
        Error::usage(format!("invalid option `{}` of network `{shown}`", text::clean(option)))
            .hint("known are ip=, ip6=, mac=, alias=, interface_name= and host-loopback")
    };
    let (key, value) = match option {
        HOST_LOOPBACK => (HOST_LOOPBACK, "true"),
        option => option.split_once('=').ok_or_else(unknown)?,
    };
    match key {
        "ip" => match value.parse().map_err(|_| unknown())? {
            IpAddr::V4(address) => wish.ipv4 = Some(address),
            IpAddr::V6(address) => wish.ipv6 = Some(address),
        },
        "ip6" => wish.ipv6 = Some(value.parse().map_err(|_| unknown())?),
        "mac" | "mac-address" => wish.mac = Some(value.parse()?),
        "alias" => wish.aliases.push(alias(value)?),
        HOST_LOOPBACK => wish.host_loopback = Some(value.parse().map_err(|_| unknown())?),
        "interface_name" | "gw-interface" => wish.interface = Some(interface(value)?),
        _ => return Err(unknown()),
    }
    Ok(())
}

/// A name that DNS may give out: labels of letters, digits, `-` and `_`.
pub fn alias(name: &str) -> Result<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !name.is_empty() && name.len() <= 253 && name.chars().all(fine) {
        true => Ok(name.to_owned()),
        false => Err(Error::usage(format!("invalid network alias `{}`", text::clean(name)))),
    }
}

/// Linux allows 15 bytes without `/` and blanks (dev_valid_name).
fn interface(name: &str) -> Result<String> {
    let fine = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':');
    match !name.is_empty() && name.len() <= 15 && name.chars().all(fine) && !matches!(name, "." | ".." | "lo") {
        true => Ok(name.to_owned()),
        false => Err(Error::usage(format!("invalid interface name `{}`", text::clean(name)))),
    }
}

/// One `--add-host`: docker's `name:address`, `name=address`, and podman's several names with `;`.
pub fn host_entry(given: &str) -> Result<HostEntry> {
    let bad = || {
        Error::usage(format!("invalid argument `{}` for `--add-host`", text::clean(given)))
            .hint("it looks like `db:192.0.2.7`, or `me:host-gateway`")
    };
    let (names, address) = given.split_once('=').or_else(|| given.split_once(':')).ok_or_else(bad)?;
    let address = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let address = match address {
        "host-gateway" => None,
        address => Some(address.parse().map_err(|_| bad())?),
    };
    let names: Vec<String> = names.split(';').map(alias).collect::<Result<_>>().context(|| bad().chain())?;
    Ok(HostEntry { names, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations_of_networks() {
        let named = |name: &str, wish| NetworkRequest::Named(name.into(), wish);
        let full = Wish {
            ipv4: Some([10, 0, 0, 5].into()),
            ipv6: Some("fd00::5".parse().unwrap()),
            mac: Some("02:00:00:00:00:05".parse().unwrap()),
            interface: Some("front0".into()),
            aliases: vec!["a".into(), "b".into()],
            host_loopback: Some(true),
        };
        let loopback = |reached| Wish { host_loopback: Some(reached), ..Wish::default() };
        for (given, expected) in [
            ("none", NetworkRequest::None),
            ("host", NetworkRequest::Host),
            ("bridge", named("bridge", Wish::default())),
            ("default", named("bridge", Wish::default())),
            ("container:web", NetworkRequest::Container("web".into())),
            ("ns:/run/x", NetworkRequest::Path("/run/x".into())),
            (
                "front:ip=10.0.0.5,ip=fd00::5,mac=02:00:00:00:00:05,alias=a,alias=b,interface_name=front0,host-loopback",
                named("front", full.clone()),
            ),
            (
                "name=front,ip=10.0.0.5,ip6=fd00::5,mac-address=02:00:00:00:00:05,alias=a,alias=b,interface_name=front0,host-loopback=true",
                named("front", full),
            ),
            ("bridge:host-loopback", named("bridge", loopback(true))),
            ("bridge:host-loopback=true", named("bridge", loopback(true))),
            ("name=bridge,host-loopback=false", named("bridge", loopback(false))),
        ] {
            assert_eq!(network(given).unwrap(), expected, "{given}");
        }
        for bad in [
            "",
            "container:",
            "ns:x",
            "host:ip=1.2.3.4",
            "a:ip=x",
            "a:frob=1",
            "a:ip",
            "name=",
            "pasta",
            "a:interface_name=lo",
            "a:alias=b c",
            "a:host-loopback=perhaps",
            "a:host-loopback=",
            "host:host-loopback",
            "slirp4netns:allow_host_loopback=true",
        ] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_bits_or_bytes() {
        for (given, bytes) in [
            ("10mbit", 1_250_000),
            ("1Gbit", 125_000_000),
            ("2.5kbit", 0),
            ("64kbit", 8000),
            ("80000bit", 10_000),
            ("500k", 512_000),
            ("2MB", 2 << 20),
            ("1000", 1000),
        ] {
            assert_eq!(rate(given).ok().map(Rate::bytes_per_second), Some(bytes).filter(|it| *it > 0), "{given}");
        }
        for bad in ["", "bit", "mbit", "-1mbit", "1e3mbit", "infbit", "1tbit", "10mbps", "9999gbit", "999", "nan"] {
            let error = rate(bad).unwrap_err();
            assert!(error.to_string().contains("--net-rate"), "{bad}: {error}");
        }
    }
}
