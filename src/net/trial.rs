//! Checks of what netd needs from the kernel, for `doctor` and `info`. Each function changes the calling process or its
//! network namespace: call it in a child process that ends afterwards.

use std::io;

use nix::sched::{CloneFlags, unshare};

use super::nft;
use super::nft::guard::{self, Former, Guard};
use super::tcp::TPROXY_PORT;
use crate::spec::network::Mac;
use crate::sys::tun;

/// Interface index of the loopback interface, the same in every namespace.
const LOOPBACK: u32 = 1;

/// Moves this process into a new network namespace, and makes a TUN device there. Without one, containers reach each
/// other, but not the outside.
pub fn way_out() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    tun::create().map(drop)
}

/// Installs the source address filter of a bridge port in the network namespace of this process (nf_tables, family
/// `netdev`). Without it, a container can use the addresses of its neighbours.
pub fn guard() -> io::Result<()> {
    let guard = Guard { port: "lo", mac: Mac([2, 0, 0, 0, 0, 1]), ipv4: None, ipv6: None };
    guard::install(guard, Former::Keep)
}

/// Installs the tproxy rules in the network namespace of this process (nf_tables, nft_tproxy, nft_socket). Without them
/// netd speaks TCP itself, which is slower.
pub fn tproxy() -> io::Result<()> {
    nft::install(nft::Tproxy { device: LOOPBACK, port: TPROXY_PORT, mark: 1 })
}
