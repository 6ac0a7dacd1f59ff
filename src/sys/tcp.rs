//! What TCP sockets of Linux can do beyond rustix: addresses of others, urgent data, bytes that need no buffer.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Linux, include/uapi/linux/in6.h; since 2.6.37.
const IPV6_TRANSPARENT: libc::c_int = 75;
/// Linux, include/uapi/asm-generic/sockios.h.
const SIOCATMARK: libc::Ioctl = 0x8905;

/// Lets a socket be bound to addresses that are not this machine's, and be what a tproxy rule hands packets to (ip(7),
/// IP_TRANSPARENT). Takes CAP_NET_ADMIN in the namespace of the socket.
pub fn set_transparent(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    let (level, name) = match v6 {
        true => (libc::IPPROTO_IPV6, IPV6_TRANSPARENT),
        false => (libc::IPPROTO_IP, libc::IP_TRANSPARENT),
    };
    set(socket, level, name, 1)
}

/// Whether the next byte to be read is the one behind urgent data (sockatmark(3)).
pub fn at_mark(socket: BorrowedFd<'_>) -> io::Result<bool> {
    number(socket, SIOCATMARK).map(|answer| answer != 0)
}

/// How many bytes that were written have not been acknowledged by the other end (tcp(7), SIOCOUTQ).
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(usize::try_from(number(socket, libc::TIOCOUTQ)?).unwrap_or(0))
}

fn number(socket: BorrowedFd<'_>, request: libc::Ioctl) -> io::Result<libc::c_int> {
    let mut answer: libc::c_int = 0;
    // SAFETY: both requests write one int, which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut answer) };
    if result == 0 { Ok(answer) } else { Err(io::Error::last_os_error()) }
}

/// Where the next look (MSG_PEEK) begins, in bytes behind what was read (socket(7), SO_PEEK_OFF; since Linux 6.9 for TCP).
pub fn set_peek_offset(socket: BorrowedFd<'_>, offset: usize) -> io::Result<()> {
    let offset = libc::c_int::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    set(socket, libc::SOL_SOCKET, libc::SO_PEEK_OFF, offset)
}

fn set(socket: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` is an int and outlives the call, which reads the size given and no more.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Throws away up to `length` bytes that have arrived, without copying them (tcp(7), MSG_TRUNC): how many.
pub fn discard(socket: BorrowedFd<'_>, length: usize) -> io::Result<usize> {
    let flags = libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    // SAFETY: with MSG_TRUNC, tcp(7) copies nothing, so that the buffer is never written to; it may be null.
    let result = unsafe { libc::recv(socket.as_raw_fd(), std::ptr::null_mut(), length, flags) };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
