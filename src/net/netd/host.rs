//! Watches the host: its addresses and routes, its resolvers, and the definitions of networks.
//!
//! Sockets of the host follow its routes by themselves. netd must learn which addresses are the host's own, and when
//! resolv.conf(5) changes. That file is often a symbolic link into a directory that may itself be replaced
//! (systemd-resolved, resolvconf, NetworkManager), so the directories of the link and of its target are both watched.
//! While the target's directory does not exist, its nearest existing ancestor is watched.

use std::fs;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressAttribute;
use rustix::fs::inotify;

use crate::net::netlink::{self, Socket, message};
use crate::net::table::HostAddresses;

/// The host's list of resolvers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The watches on the host.
#[derive(Debug)]
pub struct Host {
    requests: Socket,
    changes: OwnedFd,
    files: OwnedFd,
    watched: Vec<(PathBuf, i32)>,
    text: String,
    /// The directory of network definitions.
    definitions: PathBuf,
}

impl Host {
    /// Watches the network namespace of this thread, and the directory of network definitions.
    pub fn new(definitions: &Path) -> io::Result<Self> {
        let changes = netlink::listen(netlink::CHANGES_OF_ROUTES_AND_ADDRESSES)?;
        let files = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let (requests, definitions) = (Socket::open()?, definitions.to_owned());
        let mut host = Self { requests, changes, files, watched: Vec::new(), text: String::new(), definitions };
        host.reread();
        Ok(host)
    }

    /// Readable when addresses or routes have changed: then [`Host::drain`], and read them again.
    pub fn changes(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }

    /// Readable when resolv.conf or a definition may have changed: then [`Host::reread`].
    pub fn files(&self) -> BorrowedFd<'_> {
        self.files.as_fd()
    }

    /// Discards the pending change events; true if there were any.
    pub fn drain(&self) -> bool {
        netlink::drain(self.changes.as_fd())
    }

    /// The host's own addresses, and those that stand for it in containers.
    pub fn addresses(&mut self) -> io::Result<HostAddresses> {
        let found = self.all_addresses()?;
        // Only the default route leads to these (RFC 5737, RFC 3849). Nothing is sent to them.
        let outside = [IpAddr::from([198, 51, 100, 1]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])];
        let [ipv4, ipv6] = outside.map(|outside| own(&found, outside, address_towards(outside)));
        Ok(HostAddresses {
            ipv4: ipv4.and_then(|address| if let IpAddr::V4(v4) = address { Some(v4) } else { None }),
            ipv6: ipv6.and_then(|address| if let IpAddr::V6(v6) = address { Some(v6) } else { None }),
            addresses: found.into_iter().collect(),
        })
    }

    fn all_addresses(&mut self) -> io::Result<Vec<IpAddr>> {
        let mut found = Vec::new();
        for object in self.requests.list(message::list_addresses())? {
            let RouteNetlinkMessage::NewAddress(address) = object else { continue };
            let pick = |local: bool| {
                address.attributes.iter().find_map(|attribute| match attribute {
                    AddressAttribute::Local(address) if local => Some(*address),
                    AddressAttribute::Address(address) if !local => Some(*address),
                    _ => None,
                })
            };
            // On a point-to-point interface, the other address is the peer's.
            found.extend(pick(true).or_else(|| pick(false)));
        }
        Ok(found)
    }

    /// The current text of resolv.conf.
    pub fn resolv_conf(&self) -> &str {
        &self.text
    }

    /// Reads resolv.conf again; true if it has changed.
    pub fn reread(&mut self) -> bool {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.files, &mut buffer);
        while events.next().is_ok() {}
        self.watch();
        // After the watches are set, or a change in between would be missed.
        let text = match fs::read_to_string(RESOLV_CONF) {
            // Its target is now in a directory that the sandbox does not allow: the former resolvers stay.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.text.clone(),
            read => read.unwrap_or_default(),
        };
        let changed = text != self.text;
        self.text = text;
        changed
    }

    /// Watches the directories of resolv.conf, of its link target, and of the definitions.
    fn watch(&mut self) {
        use inotify::WatchFlags;
        let link = Path::new(RESOLV_CONF);
        let target = fs::canonicalize(link).ok().and_then(|target| target.parent().map(Path::to_owned));
        let target = target.or_else(|| awaited_directory(link));
        let directories = link.parent().map(Path::to_owned).into_iter().chain(target);
        let wanted: Vec<PathBuf> = directories.chain([self.definitions.clone()]).collect();
        for (_, watch) in self.watched.extract_if(.., |(directory, _)| !wanted.contains(directory)) {
            let _ = inotify::remove_watch(&self.files, watch);
        }
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        for directory in wanted {
            // A directory that is watched already may have been replaced by another of the same name; if not, this does
            // nothing.
            if let Ok(watch) = inotify::add_watch(&self.files, &directory, flags) {
                self.watched.retain(|(known, _)| *known != directory);
                self.watched.push((directory, watch));
            }
        }
    }
}

/// The source address that the host would use towards this one.
fn address_towards(outside: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if outside.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((outside, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The address that stands for the host in containers, of the family of `outside`: the source address of the default
/// route, as podman chooses it (pasta's `--map-guest-addr`), otherwise any that is not loopback.
fn own(all: &[IpAddr], outside: IpAddr, towards: Option<IpAddr>) -> Option<IpAddr> {
    let serves = |address: &&IpAddr| {
        let wrong = match address {
            IpAddr::V4(address) => address.is_loopback() || address.is_unspecified(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local(),
        };
        address.is_ipv4() == outside.is_ipv4() && !wrong
    };
    let is_last_resort = |address: &&IpAddr| matches!(address, IpAddr::V4(address) if address.is_link_local());
    let towards = all.iter().filter(serves).find(|address| Some(**address) == towards);
    towards.or_else(|| all.iter().filter(serves).min_by_key(is_last_resort)).copied()
}

/// The nearest existing ancestor of the target of a dangling link.
fn awaited_directory(link: &Path) -> Option<PathBuf> {
    let target = link.parent()?.join(fs::read_link(link).ok()?);
    target.ancestors().skip(1).find(|directory| directory.is_dir()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn the_host_is_called_by_an_address_that_is_not_loopback() {
        let outside = [IpAddr::from([198, 51, 100, 1]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])];
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let all = ["127.0.0.1", "::1", "169.254.7.7", "10.0.0.2", "10.0.0.3", "fe80::1", "fd00::2"].map(ip);
        for (count, towards, v4, v6) in [
            (7, None, Some("10.0.0.2"), Some("fd00::2")),
            (7, Some("10.0.0.3"), Some("10.0.0.3"), Some("fd00::2")),
            // The kernel chooses loopback if the route leads through it; `towards` may also be gone by now.
            (7, Some("127.0.0.1"), Some("10.0.0.2"), Some("fd00::2")),
            (7, Some("192.0.2.1"), Some("10.0.0.2"), Some("fd00::2")),
            (3, None, Some("169.254.7.7"), None),
            (2, Some("::1"), None, None),
        ] {
            let own = outside.map(|outside| own(&all[..count], outside, towards.map(ip)));
            assert_eq!(own, [v4.map(ip), v6.map(ip)], "{count} {towards:?}");
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_followed_as_far_as_it_goes() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let at = |name: &str| scratch.path().join(name);
        std::os::unix::fs::symlink("run/resolve/stub", at("link")).unwrap();
        assert_eq!(awaited_directory(&at("link")).unwrap(), at(""));
        fs::create_dir(at("run")).unwrap();
        assert_eq!(awaited_directory(&at("link")).unwrap(), at("run"));
        assert_eq!(awaited_directory(&at("absent")), None);
    }
}
