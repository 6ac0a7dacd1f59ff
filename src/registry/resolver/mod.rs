//! The addresses of a registry, found as every other program of this machine finds them.
//!
//! # Why not getaddrinfo(3)
//!
//! The executable is static. glibc's getaddrinfo would load NSS modules of exactly the libc that it was linked with, and
//! fail or crash where the machine has another. Asking `getent ahosts` for everything would depend on a program that not
//! every system has. So this does what nearly every machine is configured for, and leaves the rest to getent(1).
//!
//! # What is obeyed
//!
//! * nsswitch.conf(5): the order of the `hosts` line, with its `[STATUS=action]`s. Without the file: `files dns`.
//! * `files` is hosts(5): a name that is there is answered from there alone, whichever family its addresses are of.
//! * `dns` is resolv.conf(5) with `nameserver`, `search`, `domain` and the options `ndots`, `timeout`, `attempts`,
//!   `rotate`, `use-vc` and `no-aaaa`; see [`dns`]. Nobody is asked whom the machine does not name: without a usable file it
//!   is the server on this machine, as for glibc.
//! * Every other service (`resolve`, `mymachines`, `myhostname`, `mdns4_minimal`, `libvirt`, `sss`, …) is asked through
//!   `getent -s hosts:SERVICE ahosts NAME`, at its place in the line; see [`modules`]. It counts as unavailable where its
//!   daemon does not run or there is no getent.
//! * RFC 6761: `localhost` and what ends in `.localhost` is this machine and is never asked for. For `localhost` the
//!   loopback addresses of hosts(5) count; plain HTTP is allowed for this name, so no other addresses do.
//!
//! # What is promised
//!
//! One name takes [`Places::limit`] at most, whatever servers and modules do; what could not be found is not looked for
//! again by the same command. The library reads no environment, so RES_OPTIONS and LOCALDOMAIN count only inside getent.

mod dns;
mod files;
mod modules;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use self::files::{Nsswitch, ResolvConf, Status};

/// Most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 32;

/// Where the machine says how it finds names.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Places {
    /// nsswitch.conf(5).
    pub nsswitch: PathBuf,
    /// hosts(5).
    pub hosts: PathBuf,
    /// resolv.conf(5).
    pub resolv_conf: PathBuf,
    /// Where getent(1) may be; the first that is there is run.
    pub getent: Vec<PathBuf>,
    /// The directory with the sockets of daemons: `/run`.
    pub run: PathBuf,
    /// The port of DNS.
    pub dns_port: u16,
    /// How long the search for one name may take.
    pub limit: Duration,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            nsswitch: "/etc/nsswitch.conf".into(),
            hosts: "/etc/hosts".into(),
            resolv_conf: "/etc/resolv.conf".into(),
            getent: vec!["/usr/bin/getent".into(), "/bin/getent".into(), "/run/current-system/sw/bin/getent".into()],
            run: "/run".into(),
            dns_port: 53,
            limit: Duration::from_secs(10),
        }
    }
}

/// Why a name has no addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The name.
    pub name: String,
    /// What went wrong; none when everybody who was asked says that there is no such name.
    pub cause: Option<String>,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => f.write_str(cause),
            None => write!(f, "the name `{}` does not exist", self.name),
        }
    }
}

impl std::error::Error for Unresolved {}

/// Finds addresses. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Resolver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: Places,
    /// Names that could not be found.
    failed: Mutex<HashMap<String, Unresolved>>,
}

impl Resolver {
    /// Nothing is read yet.
    pub fn new(places: Places) -> Self {
        Self(Arc::new(Shared { places, failed: Mutex::default() }))
    }

    /// The addresses of `host`, the most promising first; never none.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let shared = &self.0;
        let name = host.to_ascii_lowercase();
        let failed = || shared.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = failed().get(&name) {
            return Err(known.clone());
        }
        let found = search(&shared.places, &name).await;
        if let Err(error) = &found {
            failed().insert(name, error.clone());
        }
        found.map(in_order)
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.addresses(name.as_str()).await?;
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Goes through the services in the order of nsswitch.conf.
async fn search(places: &Places, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
    let name = host.strip_suffix('.').unwrap_or(host);
    if name == "localhost" || name.ends_with(".localhost") {
        return Ok(loopback(places, name));
    }
    let unresolved = |cause| Unresolved { name: name.to_owned(), cause };
    let conf = Arc::new(ResolvConf::read(&places.resolv_conf, places.dns_port));
    let steps = async {
        let mut cause = None;
        for step in Nsswitch::read(&places.nsswitch).steps {
            let status = match step.service.as_str() {
                "files" => files::in_hosts(&places.hosts, name),
                "dns" => dns::addresses(&conf, host, places.limit).await,
                service => modules::ask(places, service, name).await,
            };
            let last = step.returns(&status);
            match status {
                Status::Found(addresses) if last => return Ok(addresses),
                Status::TryAgain(why) => cause = Some(why),
                _ => {}
            }
            if last {
                break;
            }
        }
        Err(cause)
    };
    match tokio::time::timeout(places.limit, steps).await {
        Ok(found) => found.map_err(unresolved),
        Err(_) => {
            let seconds = places.limit.as_secs().max(1);
            Err(unresolved(Some(format!("no answer within {seconds} s; the name servers are {}", conf.shown()))))
        }
    }
}

/// This machine: what hosts(5) says of `localhost`, if these are loopback addresses, else both families'.
fn loopback(places: &Places, name: &str) -> Vec<IpAddr> {
    let said = match files::in_hosts(&places.hosts, name) {
        Status::Found(addresses) => addresses.into_iter().filter(IpAddr::is_loopback).collect(),
        _ => Vec::new(),
    };
    match said.is_empty() {
        true => vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
        false => said,
    }
}

/// Addresses that the machine has a route to come first, and IPv6 before IPv4 among equals: the essence of RFC 6724, as
/// getaddrinfo(3) does it. Nothing is sent to find out. Which family answers first is settled when connecting.
fn in_order(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let routed = |address: &IpAddr| {
        let any: IpAddr = if address.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((*address, 443))).is_ok()
    };
    let mut seen = std::collections::HashSet::new();
    addresses.retain(|address| seen.insert(*address));
    addresses.truncate(ADDRESSES_MAX);
    addresses.sort_by_cached_key(|address| (!routed(address), !address.is_ipv6()));
    addresses
}
