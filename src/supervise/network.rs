//! The networks of one container, from its supervisor's side: joins them before the launch, plugs the container in
//! during it, keeps the membership, and writes the files by which it knows names.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

use super::joined;
use crate::base::error::if_absent;
use crate::base::id::Name;
use crate::base::lock::Lock;
use crate::base::{ContainerId, Error, Kind, Paths, Result, ResultExt, failpoint, text};
use crate::net::client::{self, Membership, REVIVALS, Revival};
use crate::net::etc::{self, Around, Names};
use crate::net::networks::Networks;
use crate::net::protocol::Join;
use crate::spec::namespaces::{Member, NetworkMode};
use crate::spec::network::Joined;
use crate::spec::network::{self, Publish, PublishedPort};
use crate::state::ContainerConfig;

/// How long to wait between attempts to replace a netd that has died.
const PAUSE: Duration = Duration::from_secs(1);

/// Membership in networks.
pub(super) struct Networked {
    membership: Membership,
    exe: File,
    /// Keeps the networks defined as long as no record says that the container is on them.
    held: Option<Lock>,
    /// The container's network namespace; none before the launch.
    netns: Option<File>,
    /// netd is gone, and the next one has been asked.
    revival: Option<Revival>,
    /// netd is gone; when to try again to replace it, and how often that has failed.
    lost: Option<Instant>,
    failures: u32,
}

impl Networked {
    /// Joins the networks of a container: addresses are reserved and ports are open when this returns. `None` for a
    /// container without networks.
    pub(super) fn join(paths: &Paths, config: &ContainerConfig, exe: &File) -> Result<Option<Self>> {
        let NetworkMode::Networks(members) = &config.namespaces.network else { return Ok(None) };
        let definitions = Networks::new(paths);
        let network = |member: &Member| Ok((definitions.find(member.network.as_str())?, member.wish.clone()));
        let networks: Vec<_> = members.iter().map(network).collect::<Result<_>>()?;
        let held = definitions.hold(networks.iter().map(|(network, _)| network))?;
        let networking = &config.networking;
        let join = Join {
            container: config.id.clone(),
            name: config.name.clone(),
            hostname: config.identity.hostname.clone(),
            networks,
            ports: wanted_ports(config),
            remap_low_ports: networking.remap_low_ports,
            dns_servers: networking.dns.clone(),
            rate: networking.rate,
            host_loopback: networking.host_loopback,
            before: None,
        };
        let (membership, _) = Membership::join(paths, exe.as_fd(), &join, None)?;
        let exe = exe.try_clone().context(|| "cannot keep coracle's own program")?;
        Ok(Some(Self { membership, exe, held: Some(held), netns: None, revival: None, lost: None, failures: 0 }))
    }

    /// Makes the interfaces of a new run of the container; its pid 1 waits meanwhile. A netd that dies just now is replaced.
    pub(super) fn plug(&mut self, paths: &Paths, pid: i32) -> Result<()> {
        let path = format!("/proc/{pid}/ns/net");
        let netns = File::open(&path).context(|| format!("cannot open `{path}`"))?;
        // The answer to a revival that has begun would be for the namespace of the run before.
        self.revival = None;
        match self.membership.plug(netns.as_fd()) {
            Err(error) if error.kind() == Kind::Network => {
                // What a successor takes over are the interfaces of the run before, which make room for new ones then.
                let former = self.netns.as_ref().unwrap_or(&netns);
                self.membership.revive(paths, self.exe.as_fd(), former.as_fd())?;
                if self.netns.is_some() {
                    self.membership.plug(netns.as_fd())?;
                }
            }
            plugged => plugged?,
        }
        (self.netns, self.lost, self.failures) = (Some(netns), None, 0);
        Ok(())
    }

    /// The records say that the container runs.
    pub(super) fn recorded(&mut self) {
        self.held = None;
    }

    /// What the container has.
    pub(super) fn joined(&self) -> &Joined {
        self.membership.joined()
    }

    /// What the user should know of the networks of the container, which is plugged in.
    pub(super) fn notes(&self, config: &ContainerConfig) -> Vec<String> {
        let cut_off = self.membership.cut_off().map(|why| {
            format!(
                "this container reaches other containers, but not the outside: {}; `coracle doctor` tells how to repair it",
                why.chain()
            )
        });
        let networking = &config.networking;
        let moved = match networking.remap_low_ports {
            true => moved_ports(&networking.ports, &self.joined().ports),
            false => Vec::new(),
        };
        cut_off.into_iter().chain(moved).collect()
    }

    /// Readable when [`Self::revive`] has something to do: netd has died, or its successor has answered. None while nobody
    /// is there.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        let asked = self.revival.as_ref().map(Revival::fd);
        asked.or_else(|| self.lost.is_none().then(|| self.membership.fd()))
    }

    /// When [`Self::revive`] wants to be called again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.revival.as_ref().map(Revival::deadline).or(self.lost)
    }

    /// netd has died: replaces it step by step, without waiting for it, or tries again later. The container keeps its
    /// interfaces and its neighbours meanwhile.
    pub(super) fn revive(&mut self, paths: &Paths) {
        let Some(netns) = &self.netns else { return };
        let advanced = match &mut self.revival {
            Some(revival) => revival.advance(netns.as_fd()),
            None => self.membership.begin_revival(paths, self.exe.as_fd()).map(|revival| {
                self.revival = Some(revival);
                None
            }),
        };
        match advanced {
            Ok(None) => return,
            Ok(Some(membership)) => (self.membership, self.lost, self.failures) = (membership, None, 0),
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                let soon = matches!(error.kind(), Kind::Conflict | Kind::Network) && self.failures < REVIVALS;
                self.lost = Some(Instant::now() + if soon { client::PAUSE } else { PAUSE });
            }
        }
        self.revival = None;
    }

    /// The container has ended: returns when its ports are closed and its addresses free. An error when netd does not answer.
    pub(super) fn leave(self) -> Result<()> {
        match self.fd() {
            Some(_) if self.revival.is_none() => self.membership.leave(),
            // Nobody is there who could have them.
            _ => Ok(()),
        }
    }

    /// Adds a network to the running container. Until [`Networked::recorded`] the network cannot be removed.
    pub(super) fn connect(&mut self, paths: &Paths, member: &Member) -> Result<()> {
        let definitions = Networks::new(paths);
        let network = definitions.find(member.network.as_str())?;
        self.held = Some(definitions.hold([&network].into_iter())?);
        let netns = self.netns.as_ref().ok_or_else(|| Error::system("the container is not on its networks yet"))?;
        self.membership.connect(&network, &member.wish, netns.as_fd())?;
        failpoint::here("network.connected")
    }

    /// The container has another name. A netd that is being replaced hears of it with the next membership.
    pub(super) fn rename(&mut self, name: &Name) -> Result<()> {
        self.membership.rename(name)
    }

    /// Takes one away.
    pub(super) fn disconnect(&mut self, network: &Name) -> Result<()> {
        let netns = self.netns.as_ref().ok_or_else(|| Error::system("the container is not on its networks yet"))?;
        self.membership.disconnect(network, netns.as_fd())?;
        failpoint::here("network.disconnected")
    }
}

/// The ports that a container publishes: what was asked for, and with `-P` what else it exposes.
fn wanted_ports(config: &ContainerConfig) -> Vec<Publish> {
    let mut ports = config.networking.ports.clone();
    if config.networking.publish_all {
        let published: Vec<String> = ports.iter().map(|publish| publish.port.container()).collect();
        let exposed = config.networking.exposed.iter().flat_map(|entry| network::exposed(entry));
        ports.extend(exposed.filter(|port| !published.contains(&port.container())).map(Publish::from));
    }
    ports
}

/// Which ports are published, but not where they were asked for (`--low-ports=remap`).
fn moved_ports(asked: &[Publish], published: &[PublishedPort]) -> Vec<String> {
    let moved = asked.iter().filter(|asked| asked.port.host_port > 0).filter_map(|asked| {
        let wanted = asked.port.host_port..=asked.last_host_port;
        let is_it = |port: &&PublishedPort| {
            port.container_port == asked.port.container_port
                && port.protocol == asked.port.protocol
                && port.host_ip == asked.port.host_ip
        };
        let port = published.iter().find(is_it).filter(|port| !wanted.contains(&port.host_port))?;
        Some(format!(
            "port {} of this machine needs privileges: {} is published on {} instead",
            asked.port.host_port,
            port.container(),
            port.host_port
        ))
    });
    moved.collect()
}

/// Moves this process into the network namespace of another container or of a path, for a container that shares it: its
/// children are then made there.
pub(super) fn share(paths: &Paths, network: &NetworkMode) -> Result<()> {
    let (namespace, what) = match network {
        NetworkMode::Container(id) => (joined::network_of(paths, id)?, format!("container `{}`", id.short())),
        NetworkMode::Path(path) => (joined::network_at(path)?, format!("`{}`", text::clean(&path.to_string_lossy()))),
        _ => return Ok(()),
    };
    setns(&namespace, CloneFlags::CLONE_NEWNET).map_err(|errno| {
        let error = Error::system(format!("cannot join the network of {what}")).caused_by(std::io::Error::from(errno));
        match errno {
            nix::errno::Errno::EPERM => error.hint("a network namespace can only be joined by whoever made it"),
            nix::errno::Errno::EINVAL => error.with_kind(Kind::Usage).hint("it must be a network namespace"),
            _ => error,
        }
    })
}

/// Where the files of `/etc` of a container lie.
pub(super) fn etc_directory(paths: &Paths, config: &ContainerConfig) -> PathBuf {
    paths.container(shared_with(config).unwrap_or(&config.id))
}

fn shared_with(config: &ContainerConfig) -> Option<&ContainerId> {
    match &config.namespaces.network {
        NetworkMode::Container(id) => Some(id),
        _ => None,
    }
}

/// Writes `/etc/hosts` and `/etc/resolv.conf` for what is true now. In place: a running container has them mounted.
pub(super) fn write_files(paths: &Paths, config: &ContainerConfig, joined: Option<&Joined>) -> Result<()> {
    if shared_with(config).is_some() {
        return Ok(());
    }
    let host = |path: &str| -> Result<String> {
        let bytes = if_absent(fs::read(path)).context(|| format!("cannot read `{path}`"))?;
        Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
    };
    let (host_hosts, resolv_conf);
    let around = match (&config.namespaces.network, joined) {
        (NetworkMode::Networks(_), Some(joined)) => {
            resolv_conf = host("/etc/resolv.conf")?;
            Around::Networks { joined, name: config.name.as_str(), resolv_conf: &resolv_conf }
        }
        (NetworkMode::Host | NetworkMode::Path(_), _) => {
            (host_hosts, resolv_conf) = (host("/etc/hosts")?, host("/etc/resolv.conf")?);
            Around::Host { hosts: &host_hosts, resolv_conf: &resolv_conf }
        }
        _ => Around::Nowhere,
    };
    let networking = &config.networking;
    let names = Names {
        dns: &networking.dns,
        search: &networking.dns_search,
        options: &networking.dns_options,
        add_hosts: &networking.add_hosts,
    };
    let directory = paths.container(&config.id);
    write(&directory.join("hosts"), &etc::hosts(around, names, &config.identity.hostname))?;
    write(&directory.join("resolv.conf"), &etc::resolv_conf(around, names))
}

fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).at(path, "cannot write")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::network::Protocol;

    fn port(host_port: u16, container_port: u16) -> PublishedPort {
        PublishedPort { host_ip: None, host_port, container_port, protocol: Protocol::Tcp }
    }

    #[test]
    fn ports_that_moved_are_told() {
        let asked = |first, last, container| Publish { port: port(first, container), last_host_port: last };
        let asked = [asked(81, 81, 80), asked(8000, 8001, 90), asked(0, 0, 91)];
        let told = moved_ports(&asked, &[port(8081, 80), port(8001, 90), port(40000, 91)]);
        assert_eq!(told, ["port 81 of this machine needs privileges: 80/tcp is published on 8081 instead"]);
    }
}
