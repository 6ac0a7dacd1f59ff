//! Which namespaces a new container gets: from what was asked for to what its record says. The containers that it shares
//! them with are looked up, and what cannot work together is refused here, before anything is made.

use std::path::PathBuf;

use super::request::CreateRequest;
use super::{Engine, userns};
use crate::base::id::ContainerId;
use crate::base::{Error, Result};
use crate::net::networks::Networks;
use crate::spec::namespaces::{Member, NamespaceMode, Namespaces, NamespacesRequest, NetworkMode, NetworkRequest};
use crate::spec::network::{DEFAULT, Wish};
use crate::state::ContainerConfig;

/// What was decided, with what must not be let go before the container exists.
pub(super) struct Decided {
    pub(super) namespaces: Namespaces,
    /// The host name without `--hostname`, when it is somebody else's.
    pub(super) hostname: Option<String>,
    _user: userns::Decided,
}

/// Decides for a new container of an image with these layer trees.
pub(super) fn decide(engine: &Engine, request: &CreateRequest, layers: &[PathBuf]) -> Result<Decided> {
    let asked = &request.namespaces;
    check(request)?;
    let (network, of_network) = network_mode(engine, asked)?;
    let user = userns::decide(engine, request, layers)?;
    let containers = engine.containers();
    let find = |name: &String| containers.find(name);
    let config = |mode: &NamespaceMode<ContainerId>| mode.container().map(|id| containers.config(id)).transpose();
    let namespaces = Namespaces {
        network,
        user: user.namespace.clone(),
        joined_user: user.joined.clone(),
        pid: asked.pid.resolve(find)?,
        ipc: asked.ipc.resolve(find)?,
        uts: asked.uts.resolve(find)?,
        cgroup: asked.cgroup.resolve(find)?,
    };
    if let Some(donor) = config(&namespaces.ipc)? {
        shares_memory(&donor)?;
    }
    let hostname = match &namespaces.uts {
        NamespaceMode::Host => Some(rustix::system::uname().nodename().to_string_lossy().into_owned()),
        NamespaceMode::Container(_) => config(&namespaces.uts)?.map(|other| other.identity.hostname),
        _ => of_network,
    };
    Ok(Decided { namespaces, hostname, _user: user })
}

/// What does not go together.
fn check(request: &CreateRequest) -> Result<()> {
    let pid = &request.namespaces.pid;
    if request.lifecycle.init && !pid.is_own() {
        return Err(Error::usage(
            "conflicting options: --init and --pid: an init is the first process of a pid namespace",
        )
        .hint("leave one of them out"));
    }
    if !request.security.proc_options.is_empty() && *pid == NamespaceMode::Host {
        return Err(Error::usage(
            "conflicting options: `--security-opt proc-opts` and `--pid host`: it has the host's /proc",
        ));
    }
    Ok(())
}

/// Whether others may join the ipc namespace of a container.
fn shares_memory(donor: &ContainerConfig) -> Result<()> {
    match &donor.namespaces.ipc {
        NamespaceMode::Private | NamespaceMode::None => {
            let (name, mode) = (&donor.name, donor.namespaces.ipc.word());
            Err(Error::conflict(format!(
                "cannot join the ipc namespace of container `{name}`: it is {mode}, non-shareable"
            ))
            .hint(format!("create `{name}` with --ipc shareable")))
        }
        _ => Ok(()),
    }
}

/// The networks of a request, looked up; for the host's and another container's, with the host name there.
pub(super) fn network_mode(engine: &Engine, request: &NamespacesRequest) -> Result<(NetworkMode, Option<String>)> {
    let wished = request.wish != Wish::default();
    let alone = |mode: NetworkMode, name: &str| match wished {
        true => Err(Error::usage(format!("conflicting options: addresses or aliases and the network `{name}`"))),
        false => Ok((mode, None)),
    };
    match request.networks.as_slice() {
        [NetworkRequest::None] => alone(NetworkMode::None, "none"),
        [NetworkRequest::Host] => {
            let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
            alone(NetworkMode::Host, "host").map(|(mode, _)| (mode, Some(name)))
        }
        [NetworkRequest::Path(path)] => alone(NetworkMode::Path(path.clone()), "ns:"),
        [NetworkRequest::Container(name)] => {
            let containers = engine.containers();
            let other = containers.config(&containers.find(name)?)?;
            match &other.namespaces.network {
                NetworkMode::Container(_) => {
                    Err(Error::usage(format!("container `{}` shares another one's network itself", other.name))
                        .hint("name that one"))
                }
                _ => alone(NetworkMode::Container(other.id), "container:")
                    .map(|(mode, _)| (mode, Some(other.identity.hostname))),
            }
        }
        [] => networks(engine, &[NetworkRequest::Named(DEFAULT.into(), request.wish.clone())]),
        [NetworkRequest::Named(name, wish)] => {
            networks(engine, &[NetworkRequest::Named(name.clone(), merged(wish, &request.wish))])
        }
        several => networks(engine, several),
    }
}

fn networks(engine: &Engine, requests: &[NetworkRequest]) -> Result<(NetworkMode, Option<String>)> {
    let definitions = Networks::new(&engine.paths);
    let mut members: Vec<Member> = Vec::with_capacity(requests.len());
    for request in requests {
        let NetworkRequest::Named(name, wish) = request else {
            return Err(Error::usage(
                "conflicting options: several networks of a container must all be networks of its own",
            ));
        };
        let network = definitions.find(name)?.name;
        if members.iter().any(|member| member.network == network) {
            return Err(Error::usage(format!("network `{network}` is given twice")));
        }
        members.push(Member { network, wish: wish.clone() });
    }
    Ok((NetworkMode::Networks(members), None))
}

/// What `--network NAME:…` says, and what the options of a single network add.
fn merged(given: &Wish, options: &Wish) -> Wish {
    Wish {
        ipv4: given.ipv4.or(options.ipv4),
        ipv6: given.ipv6.or(options.ipv6),
        mac: given.mac.or(options.mac),
        interface: given.interface.clone().or_else(|| options.interface.clone()),
        aliases: given.aliases.iter().chain(&options.aliases).cloned().collect(),
        host_loopback: given.host_loopback.or(options.host_loopback),
    }
}
