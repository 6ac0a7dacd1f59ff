//! The sandbox of netd ([`crate::base::sandbox`]): sockets, control of its network namespaces, and a few files.

use std::path::Path;

use rustix::thread::CapabilitySet;

use crate::base::Result;
use crate::base::sandbox::{Access, Sandbox};

/// System calls besides the common ones.
const CALLS: &[i64] = &[
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_epoll_create1,
    libc::SYS_eventfd2,
    libc::SYS_flock,
    libc::SYS_getdents64,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_rm_watch,
    libc::SYS_listen,
    libc::SYS_pipe2,
    libc::SYS_prlimit64,
    libc::SYS_readlinkat,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sched_setscheduler,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setns,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_unshare,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

/// For container traffic, interfaces, routes and rules. Unix sockets are left out, since they would reach other
/// programs of the user; the supervisor has bound netd's own socket.
const FAMILIES: &[i32] = &[libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Interfaces, and entering the network namespaces of containers.
const CAPABILITIES: CapabilitySet = CapabilitySet::NET_ADMIN
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_ADMIN);

/// Directories that resolv.conf(5) may link to: systemd-resolved, resolvconf, NetworkManager, ConnMan.
const RESOLVERS: [&str; 4] = ["/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/run/connman"];

/// Enters the sandbox. A directory of resolvers that does not exist yet cannot be allowed: if resolv.conf later links
/// there, the former resolvers stay in use until the next netd. `networks` has the definitions, `runtime` the socket
/// and the lock, `logs` the log of faults.
pub(super) fn enter(networks: &Path, runtime: &Path, logs: &Path) -> Result<()> {
    // The present target of resolv.conf.
    let resolver = std::fs::canonicalize("/etc/resolv.conf").ok();
    let resolver = resolver.as_deref().and_then(Path::parent);
    let read = ["/etc", "/proc"].into_iter().chain(RESOLVERS).map(Path::new).chain([networks]).chain(resolver);
    let mut paths: Vec<_> = read.map(|path| (path, Access::Read)).collect();
    let written = ["/proc/sys/net", "/dev/net/tun"].map(Path::new).into_iter().chain([runtime, logs]);
    paths.extend(written.map(|path| (path, Access::Write)));
    Sandbox { calls: CALLS, families: FAMILIES, capabilities: CAPABILITIES, paths: &paths }.enter()
}
