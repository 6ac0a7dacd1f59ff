//! What netd needs of the kernel, tried by somebody who only wants to know (`doctor`, `info`). Each function changes the
//! process that calls it, or its network namespace: they are for a child that ends afterwards.

use std::io;

use nix::sched::{CloneFlags, unshare};

use super::nft;
use super::nft::guard::{self, Former, Guard};
use super::tcp::GATE_PORT;
use crate::spec::network::Mac;
use crate::sys::tun;

/// The number of a namespace's loopback interface, always.
const LOOPBACK: u32 = 1;

/// Moves this process into a network namespace of its own, and makes a TUN device there: without one, containers reach
/// each other, but not the outside.
pub fn way_out() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    tun::create().map(drop)
}

/// Guards a port of the network namespace of this process (nf_tables with its family `netdev`): without that, a container can
/// use the addresses of its neighbours.
pub fn guard() -> io::Result<()> {
    let guard = Guard { port: "lo", mac: Mac([2, 0, 0, 0, 0, 1]), ipv4: None, ipv6: None };
    guard::install(guard, Former::Keep)
}

/// Has the network namespace of this process hand connections to sockets (nf_tables, nft_tproxy, nft_socket): without
/// that, netd speaks TCP itself, which is slower.
pub fn gate() -> io::Result<()> {
    nft::install(nft::Gate { device: LOOPBACK, port: GATE_PORT, mark: 1 })
}
