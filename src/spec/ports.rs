//! `-p` and `--expose`: what docker's port notation means. Pure.

use std::net::{IpAddr, Ipv4Addr};

use super::network::{MAX_PORTS, Protocol, Publish, PublishedPort};
use crate::base::{Error, Result, text};

/// All `-p` of a command line: `[[ip:][host[-host]]:]container[-container][/tcp|udp]`.
pub fn all(given: &[String]) -> Result<Vec<Publish>> {
    let mut ports = Vec::new();
    for one in given {
        ports.extend(published(one)?);
        if ports.len() > MAX_PORTS {
            return Err(Error::usage(format!("more than {MAX_PORTS} published ports"))
                .hint("each takes a listening socket; --network host needs none"));
        }
    }
    Ok(ports)
}

/// One `-p`. A range of container ports needs a range of as many host ports, or none; several host ports for one
/// container port mean the first of them that is free.
fn published(given: &str) -> Result<Vec<Publish>> {
    let bad = |why: &str| {
        Error::usage(format!("invalid port `{}`: {why}", text::clean(given)))
            .hint("ports are published as [[ip:][host port]:]container port[/tcp|udp]")
    };
    let (ports, protocol) = split_protocol(given).map_err(|why| bad(&why))?;
    let (host, container) = match ports.rsplit_once(':') {
        Some((host, container)) => (host, container),
        None => ("", ports),
    };
    let (ip, host) = match host.rsplit_once(':') {
        Some((ip, host)) => (address(ip).ok_or_else(|| bad("not an IP address"))?, host),
        None => (None, host),
    };
    let (first, last) = range(container).ok_or_else(|| bad("the container port is missing or out of range"))?;
    let count = last - first;
    let (host_first, host_last) = match host {
        "" => (0, 0),
        host => range_from(host, 0).ok_or_else(|| bad("the host port is out of range"))?,
    };
    if count > 0 && host_first > 0 && host_last - host_first != count {
        return Err(bad("the ranges of host and container ports differ in length"));
    }
    let publish = |offset: u16| {
        let (host_port, last_host_port) = match (host_first, count) {
            (0, _) => (0, 0),
            (port, 0) => (port, host_last),
            (port, _) => (port + offset, port + offset),
        };
        let port = PublishedPort { host_ip: ip, host_port, container_port: first + offset, protocol };
        Publish { port, last_host_port }
    };
    Ok((0..=count).map(publish).collect())
}

/// All `--expose` of a command line: `80`, `8000-8010/udp`; as `80/tcp`, each port for itself.
pub fn exposed(given: &[String]) -> Result<Vec<String>> {
    let mut ports = Vec::new();
    for one in given {
        let bad = |why: &str| Error::usage(format!("invalid port to expose `{}`: {why}", text::clean(one)));
        let (range_text, protocol) = split_protocol(one).map_err(|why| bad(&why))?;
        let (first, last) = range(range_text).ok_or_else(|| bad("not a port or a range of ports"))?;
        ports.extend((first..=last).map(|port| format!("{port}/{protocol}")));
    }
    Ok(ports)
}

fn split_protocol(given: &str) -> Result<(&str, Protocol), String> {
    match given.split_once('/') {
        None => Ok((given, Protocol::Tcp)),
        Some((ports, protocol)) => match protocol.to_ascii_lowercase().as_str() {
            "tcp" => Ok((ports, Protocol::Tcp)),
            "udp" => Ok((ports, Protocol::Udp)),
            "sctp" => Err("sctp cannot be published without root".into()),
            other => Err(format!("unknown protocol `{}`", text::clean(other))),
        },
    }
}

/// An address, IPv6 in brackets or not; the wildcards and nothing mean all addresses.
fn address(given: &str) -> Option<Option<IpAddr>> {
    if given.is_empty() {
        return Some(None);
    }
    let given = given.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(given);
    match given {
        "localhost" => Some(Some(Ipv4Addr::LOCALHOST.into())),
        other => other.parse().ok().map(Some),
    }
}

fn range(given: &str) -> Option<(u16, u16)> {
    range_from(given, 1)
}

fn range_from(given: &str, least: u16) -> Option<(u16, u16)> {
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse::<u16>().ok()).flatten().filter(|port| *port >= least)
    };
    let (first, last) = given.split_once('-').unwrap_or((given, given));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ip:host-last->container/protocol` for each.
    fn shown(given: &str) -> String {
        let one = |publish: &Publish| {
            let port = &publish.port;
            let ip = port.host_ip.map_or("*".into(), |ip| ip.to_string());
            format!("{ip}:{}-{}->{}", port.host_port, publish.last_host_port, port.container())
        };
        published(given).unwrap().iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn dockers_notation() {
        for (given, expected) in [
            ("80", "*:0-0->80/tcp"),
            ("8080:80", "*:8080-8080->80/tcp"),
            ("8080:80/udp", "*:8080-8080->80/udp"),
            (":80", "*:0-0->80/tcp"),
            ("0:80", "*:0-0->80/tcp"),
            ("127.0.0.1:8080:80", "127.0.0.1:8080-8080->80/tcp"),
            ("127.0.0.1::80", "127.0.0.1:0-0->80/tcp"),
            ("localhost:1:80", "127.0.0.1:1-1->80/tcp"),
            ("0.0.0.0:1:80", "0.0.0.0:1-1->80/tcp"),
            ("[::1]:8080:80/TCP", "::1:8080-8080->80/tcp"),
            ("::1:8080:80", "::1:8080-8080->80/tcp"),
            ("8000-8001:80-81", "*:8000-8000->80/tcp *:8001-8001->81/tcp"),
            ("8000-8009:80", "*:8000-8009->80/tcp"),
            ("80-81", "*:0-0->80/tcp *:0-0->81/tcp"),
        ] {
            assert_eq!(shown(given), expected, "{given}");
        }
        for bad in [
            "",
            "0",
            "x",
            "8080:",
            "80:80:80:x",
            "70000:80",
            "80:70000",
            "8000-8002:80-81",
            "81-80",
            "80/sctp",
            "80/x",
            "1.2.3:1:80",
            "+80",
            "8080:-80",
            "host:1:2",
        ] {
            assert!(published(bad).is_err(), "{bad}");
        }
        assert!(all(&["1-60000".into()]).is_err());
    }

    #[test]
    fn exposed_ports() {
        let got = exposed(&["80".into(), "8000-8001/udp".into()]).unwrap();
        assert_eq!(got, ["80/tcp", "8000/udp", "8001/udp"]);
        assert!(exposed(&["a".into()]).is_err() && exposed(&["1:2".into()]).is_err());
    }
}
