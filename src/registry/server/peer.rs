//! Whose program is at the other end of a connection within this machine: a loopback port is open to every user of the
//! machine, and images may hold what others must not read.
//!
//! The kernel's tables of TCP sockets (`/proc/net/tcp` and `tcp6`, proc_pid_net(5)) name the owner of each. The numbers are
//! those of the user namespace of the process that opened the file, so the files are opened before a process enters another
//! one, and read again for each connection.

use std::fs::File;
use std::io::{Read, Seek};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use crate::base::{Result, ResultExt};

/// Most of a table that is read, in bytes: some 400,000 sockets.
const TABLE_MAX: u64 = 64 << 20;
/// The state of an open connection (`TCP_ESTABLISHED`), and of one whose other end has said all it has to say
/// (`TCP_CLOSE_WAIT`, and `TCP_FIN_WAIT1`, `TCP_FIN_WAIT2` for a client that has).
const OPEN: [u8; 4] = [1, 4, 5, 8];

/// The tables, opened in the user namespace in which users are compared.
#[derive(Debug)]
pub struct PeerTables {
    /// For IPv4 and IPv6.
    files: Mutex<[File; 2]>,
    user: u32,
}

impl PeerTables {
    /// Opens the tables: for the user `user` of this process's namespace.
    pub fn open() -> Result<[OwnedFd; 2]> {
        let open = |path: &str| File::open(path).context(|| format!("cannot open `{path}`")).map(OwnedFd::from);
        Ok([open("/proc/net/tcp")?, open("/proc/net/tcp6").or_else(|_| open("/dev/null"))?])
    }

    /// Of what [`PeerTables::open`] has opened for `user`.
    pub fn new([v4, v6]: [OwnedFd; 2], user: u32) -> Self {
        Self { files: Mutex::new([v4.into(), v6.into()]), user }
    }

    /// Whether the program at `peer` that is connected to `local` belongs to the user, or to root, who can do everything
    /// anyway. A connection that is not in the tables belongs to nobody.
    pub fn is_own(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = files.iter_mut().find_map(|file| {
            let mut table = String::new();
            file.rewind().ok()?;
            (&*file).take(TABLE_MAX).read_to_string(&mut table).ok()?;
            owner_in(&table, peer, local)
        });
        owner.is_some_and(|owner| owner == self.user || owner == 0)
    }
}

/// The owner of the open socket whose own address is `own` and whose other end is `other`.
fn owner_in(table: &str, own: SocketAddr, other: SocketAddr) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, remote) = (fields.next()?, fields.next()?);
        let state = u8::from_str_radix(fields.next()?, 16).ok()?;
        let owner = fields.nth(3)?.parse().ok()?;
        let inode: u64 = fields.nth(1)?.parse().ok()?;
        // A socket that its program has closed has no inode, and says that it is root's.
        let fits = same(address(local)?, own) && same(address(remote)?, other);
        (fits && inode != 0 && OPEN.contains(&state)).then_some(owner)
    })
}

/// Whether two addresses are the same, one of which may be IPv4 within IPv6.
fn same(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.ip().to_canonical() == b.ip().to_canonical()
}

/// An address as the tables write it: words of four bytes in the machine's order, in hexadecimal.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0000000000000000 100 0 0 10 0
   1: 0100007F:C000 0100007F:1388 01 00000000:00000000 00:00000000 00000000  1001        0 12 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:C001 0100007F:1388 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1
   3: 0000000000000000FFFF00000100007F:C002 0000000000000000FFFF00000100007F:1388 01 00000000:00000000 00:00000000 00000000  1002        0 13 1 0 20 4 30 10 -1
";

    #[cfg(target_endian = "little")]
    #[test]
    fn the_table_names_the_owner() {
        let owner = |port| owner_in(TABLE, SocketAddr::from(([127, 0, 0, 1], port)), ([127, 0, 0, 1], 5000).into());
        assert_eq!(owner(0xC000), Some(1001));
        assert_eq!(owner(0xC001), None, "its program has closed it");
        assert_eq!(owner(0xC002), Some(1002), "IPv4 within IPv6");
        assert_eq!(owner(0xC003), None);
        assert_eq!(owner_in("nonsense\n x y z\n", ([1, 1, 1, 1], 1).into(), ([1, 1, 1, 1], 2).into()), None);
    }

    #[test]
    fn our_own_connection_is_ours() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let user = rustix::process::geteuid().as_raw();
            let tables = PeerTables::new(PeerTables::open().unwrap(), user);
            assert!(tables.is_own(peer, server.local_addr().unwrap()));
            if user != 0 {
                let other = PeerTables::new(PeerTables::open().unwrap(), user + 1);
                assert!(!other.is_own(peer, server.local_addr().unwrap()));
            }
            drop(client);
            assert!(!tables.is_own(peer, server.local_addr().unwrap()), "it has gone");
        }
    }
}
