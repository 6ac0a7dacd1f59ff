//! Datagrams: many received by one call with what the kernel knows beside them, large ones that the kernel cuts, and errors that
//! come back for those that were sent (udp(7), ip(7), ipv6(7)). Nothing here waits.

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// How many datagrams one call receives at most.
pub const SLOTS: usize = 16;
/// Control messages of one datagram, in words: coalesced size, traffic class, packet info of both families, an extended
/// error with the address of its sender.
const CONTROL: usize = 32;

/// A datagram in an [`Inbox`].
#[derive(Debug, Clone, Copy)]
pub struct Datagram {
    slot: usize,
    length: usize,
    /// The sender.
    pub from: Option<SocketAddr>,
    /// The address it was sent to, with IP_PKTINFO or IPV6_RECVPKTINFO.
    pub to: Option<IpAddr>,
    /// With UDP_GRO: it is several datagrams of this size, of which the last may be shorter.
    pub segment: Option<u16>,
    /// DSCP and ECN, with IP_RECVTOS or IPV6_RECVTCLASS.
    pub class: Option<u8>,
}

/// Memory for received datagrams. It is touched only as far as datagrams fill it.
#[derive(Debug)]
pub struct Inbox {
    bytes: Vec<u8>,
    size: usize,
    received: Vec<Datagram>,
}

impl Inbox {
    /// For datagrams of at most `size` bytes.
    pub fn new(size: usize) -> Self {
        Self { bytes: vec![0; SLOTS * size], size, received: Vec::with_capacity(SLOTS) }
    }

    /// Receives what there is, at most [`SLOTS`] datagrams; how many. What does not fit is lost.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.received.clear();
        let mut names = [MaybeUninit::<libc::sockaddr_storage>::zeroed(); SLOTS];
        let mut controls = [[0u64; CONTROL]; SLOTS];
        let mut parts = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; SLOTS];
        let slots = self.bytes.chunks_exact_mut(self.size);
        for (part, slot) in parts.iter_mut().zip(slots) {
            *part = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
        }
        // SAFETY: all zeros is a valid mmsghdr: null pointers with zero lengths.
        let mut messages: [libc::mmsghdr; SLOTS] = unsafe { mem::zeroed() };
        for (((message, name), control), part) in messages.iter_mut().zip(&mut names).zip(&mut controls).zip(&mut parts)
        {
            message.msg_hdr.msg_name = name.as_mut_ptr().cast();
            message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_control = control.as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = size_of_val(control) as _;
        }
        // SAFETY: the headers point to names, controls, parts and `self.bytes`, which outlive the call and are borrowed by
        // nobody else; their lengths are those of the memory.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                SLOTS as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (slot, message) in messages.iter().take(count).enumerate() {
            if message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                continue;
            }
            // SAFETY: the kernel has filled the header in, and what it points to is still there.
            let beside = unsafe { Beside::read(&message.msg_hdr) };
            self.received.push(Datagram {
                slot,
                length: message.msg_len as usize,
                from: beside.from,
                to: beside.to,
                segment: beside.segment,
                class: beside.class,
            });
        }
        Ok(count)
    }

    /// Gives back what memory was touched, and forgets what was received.
    pub fn release(&mut self) {
        *self = Self::new(self.size);
    }

    /// What was received last.
    pub fn received(&self) -> &[Datagram] {
        &self.received
    }

    /// What a datagram carries.
    pub fn payload(&self, datagram: &Datagram) -> &[u8] {
        let start = datagram.slot * self.size;
        self.bytes.get(start..start + datagram.length).unwrap_or_default()
    }
}

/// An error that the kernel kept for a datagram that was sent (IP_RECVERR, IPV6_RECVERR).
#[derive(Debug, Clone, Copy)]
pub struct SendError {
    /// What a program would be told.
    pub errno: i32,
    /// It came as an ICMP message, of either family; otherwise it is of this machine.
    pub is_icmp: bool,
    /// The type of the ICMP message.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// More about it: the MTU of "too big", the place of a "parameter problem".
    pub info: u32,
    /// The sender of the ICMP message.
    pub offender: Option<IpAddr>,
    /// How much of the datagram's payload is in the buffer.
    pub length: usize,
}

/// Takes the oldest kept error, and as much as fits of the datagram that it is about; `None` when there is none.
pub fn receive_error(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<SendError>> {
    let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut control = [0u64; CONTROL];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeros is a valid msghdr.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_name = name.as_mut_ptr().cast();
    message.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the header points to memory of this function and to `buffer`, with their lengths.
    let length =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
    let Ok(length) = usize::try_from(length) else {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
    };
    // SAFETY: the kernel has filled the header in, and what it points to is still there.
    let beside = unsafe { Beside::read(&message) };
    let error = beside.error.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Some(SendError { length, ..error }))
}

/// How a datagram is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sending {
    /// To where, on a socket that is not connected.
    pub to: Option<SocketAddr>,
    /// From which address of this machine, if not the one that routing chooses.
    pub from: Option<IpAddr>,
    /// It is several datagrams of this size, of which the last may be shorter (UDP_SEGMENT, since Linux 4.18).
    pub segment: Option<u16>,
    /// With this DSCP and ECN, if not those of the socket; with `to` only.
    pub class: Option<u8>,
}

/// Sends one datagram or several of one size.
pub fn send(socket: BorrowedFd<'_>, payload: &[u8], how: Sending) -> io::Result<()> {
    let mut control = [0u64; CONTROL];
    let mut part = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
    // SAFETY: all zeros is a valid msghdr.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    let name = how.to.map(encoded);
    if let Some((name, length)) = &name {
        message.msg_name = ptr::from_ref(name).cast_mut().cast();
        message.msg_namelen = *length;
    }
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the header describes `control`, which is zeroed and large enough for all messages together.
    let used = unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        let mut used = 0;
        if let Some(size) = how.segment {
            used += put(header, libc::SOL_UDP, libc::UDP_SEGMENT, size);
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
        match how.from {
            Some(IpAddr::V4(from)) => {
                let mut info: libc::in_pktinfo = mem::zeroed();
                info.ipi_spec_dst.s_addr = u32::from_ne_bytes(from.octets());
                used += put(header, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            Some(IpAddr::V6(from)) => {
                let mut info: libc::in6_pktinfo = mem::zeroed();
                info.ipi6_addr.s6_addr = from.octets();
                used += put(header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
            None => {}
        }
        if let (Some(class), Some(to)) = (how.class, how.to) {
            if how.from.is_some() {
                header = libc::CMSG_NXTHDR(&raw const message, header);
            }
            let class = libc::c_int::from(class);
            used += match to {
                SocketAddr::V4(_) => put(header, libc::IPPROTO_IP, libc::IP_TOS, class),
                SocketAddr::V6(_) => put(header, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, class),
            };
        }
        used
    };
    message.msg_controllen = used as _;
    if used == 0 {
        message.msg_control = ptr::null_mut();
    }
    // SAFETY: the header points to memory that outlives the call, with its lengths; the kernel only reads it.
    let sent =
        unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Asks that datagrams of one sender and size are received as one (UDP_GRO, since Linux 5.0), and tell that size.
pub fn coalesce(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SOL_UDP, libc::UDP_GRO)
}

/// Asks that datagrams tell the address they were sent to.
pub fn tell_destination(socket: BorrowedFd<'_>, is_v6: bool) -> io::Result<()> {
    match is_v6 {
        false => set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO),
        true => set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    }
}

/// Asks that errors are kept for [`receive_error`].
pub fn keep_errors(socket: BorrowedFd<'_>, is_v6: bool) -> io::Result<()> {
    match is_v6 {
        false => set(socket, libc::IPPROTO_IP, libc::IP_RECVERR),
        true => set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
    }
}

/// Switches an option on that is an int.
fn set(socket: BorrowedFd<'_>, level: libc::c_int, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option is read from `on`, whose size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            ptr::from_ref(&on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Writes a control message; how much room it takes.
///
/// # Safety
///
/// `header` is null or has room for the message behind it.
unsafe fn put<T>(header: *mut libc::cmsghdr, level: libc::c_int, kind: libc::c_int, value: T) -> usize {
    // SAFETY: by the promise of the caller; the data need not be aligned.
    unsafe {
        let Some(it) = header.as_mut() else { return 0 };
        it.cmsg_level = level;
        it.cmsg_type = kind;
        it.cmsg_len = libc::CMSG_LEN(size_of::<T>() as libc::c_uint) as _;
        ptr::write_unaligned(libc::CMSG_DATA(header).cast(), value);
        libc::CMSG_SPACE(size_of::<T>() as libc::c_uint) as usize
    }
}

/// What came beside a datagram.
#[derive(Default)]
struct Beside {
    from: Option<SocketAddr>,
    to: Option<IpAddr>,
    segment: Option<u16>,
    class: Option<u8>,
    error: Option<SendError>,
}

impl Beside {
    /// # Safety
    ///
    /// The kernel has filled in `message`, and the memory that it names is still there.
    unsafe fn read(message: &libc::msghdr) -> Self {
        let mut beside = Self::default();
        // SAFETY: by the promise of the caller, name and control messages lie within the memory given to the kernel, and
        // CMSG_FIRSTHDR and CMSG_NXTHDR stay within `msg_controllen`.
        unsafe {
            // The kernel tells how long the name is, even where it had less room.
            let length = (message.msg_namelen as usize).min(size_of::<libc::sockaddr_storage>());
            let name = std::slice::from_raw_parts(message.msg_name.cast::<u8>(), length);
            beside.from = decoded(name);
            let mut header = libc::CMSG_FIRSTHDR(message);
            while let Some(it) = header.as_ref() {
                let length = it.cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
                let data = std::slice::from_raw_parts(libc::CMSG_DATA(header), length);
                beside.take(it.cmsg_level, it.cmsg_type, data);
                header = libc::CMSG_NXTHDR(message, header);
            }
        }
        beside
    }

    fn take(&mut self, level: libc::c_int, kind: libc::c_int, data: &[u8]) {
        match (level, kind) {
            (libc::SOL_UDP, libc::UDP_GRO) => {
                let size = data.first_chunk().copied().map(i32::from_ne_bytes);
                self.segment = size.and_then(|size| u16::try_from(size).ok()).filter(|size| *size > 0);
            }
            // One byte with IPv4, an int with IPv6.
            (libc::IPPROTO_IP, libc::IP_TOS) => self.class = data.first().copied(),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                let class = data.first_chunk().copied().map(i32::from_ne_bytes);
                self.class = class.and_then(|class| u8::try_from(class).ok());
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // The index, the address to answer from, the address of the header (struct in_pktinfo).
                let address = data.get(4..).and_then(|rest| rest.first_chunk::<4>());
                self.to = address.map(|address| IpAddr::from(*address));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                self.to = data.first_chunk::<16>().map(|address| IpAddr::from(*address));
            }
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                self.error = extended_error(data);
            }
            _ => {}
        }
    }
}

/// A struct sock_extended_err, and the address behind it.
fn extended_error(data: &[u8]) -> Option<SendError> {
    let (fields, offender) = data.split_first_chunk::<16>()?;
    let [e0, e1, e2, e3, origin, kind, code, _, i0, i1, i2, i3, ..] = *fields;
    let errno = i32::try_from(u32::from_ne_bytes([e0, e1, e2, e3])).ok()?;
    Some(SendError {
        errno,
        is_icmp: matches!(origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6),
        kind,
        code,
        info: u32::from_ne_bytes([i0, i1, i2, i3]),
        offender: decoded(offender).map(|address| address.ip()),
        length: 0,
    })
}

/// A socket address as the kernel wants it.
fn encoded(address: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: all zeros is a valid sockaddr_storage, sockaddr_in and sockaddr_in6; the storage is at least as large and
    // as much aligned as both.
    unsafe {
        let mut storage: libc::sockaddr_storage = mem::zeroed();
        let length = match address {
            SocketAddr::V4(address) => {
                let it = &mut *(&raw mut storage).cast::<libc::sockaddr_in>();
                it.sin_family = libc::AF_INET as libc::sa_family_t;
                it.sin_port = address.port().to_be();
                it.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(address) => {
                let it = &mut *(&raw mut storage).cast::<libc::sockaddr_in6>();
                it.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                it.sin6_port = address.port().to_be();
                it.sin6_flowinfo = address.flowinfo();
                it.sin6_addr.s6_addr = address.ip().octets();
                it.sin6_scope_id = address.scope_id();
                size_of::<libc::sockaddr_in6>()
            }
        };
        (storage, length as libc::socklen_t)
    }
}

/// A socket address as the kernel gives it: the family in the machine's order, the port in the network's.
fn decoded(bytes: &[u8]) -> Option<SocketAddr> {
    let family = bytes.first_chunk().copied().map(u16::from_ne_bytes)?;
    let port = bytes.get(2..)?.first_chunk().copied().map(u16::from_be_bytes)?;
    match libc::c_int::from(family) {
        libc::AF_INET => {
            let address: [u8; 4] = *bytes.get(4..)?.first_chunk()?;
            Some(SocketAddrV4::new(address.into(), port).into())
        }
        libc::AF_INET6 => {
            let flow = bytes.get(4..)?.first_chunk().copied().map(u32::from_ne_bytes)?;
            let address: [u8; 16] = *bytes.get(8..)?.first_chunk()?;
            let scope = bytes.get(24..)?.first_chunk().copied().map(u32::from_ne_bytes)?;
            Some(SocketAddrV6::new(address.into(), port, flow, scope).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    /// Two sockets that are connected to each other.
    fn pair(address: &str) -> (UdpSocket, UdpSocket) {
        let (a, b) = (UdpSocket::bind((address, 0)).unwrap(), UdpSocket::bind((address, 0)).unwrap());
        a.connect(b.local_addr().unwrap()).unwrap();
        b.connect(a.local_addr().unwrap()).unwrap();
        (a, b)
    }

    #[test]
    fn many_at_once_with_what_is_beside_them() {
        for address in ["127.0.0.1", "::1"] {
            let (a, b) = pair(address);
            tell_destination(b.as_fd(), address == "::1").unwrap();
            for number in 0..20u8 {
                send(a.as_fd(), &[number; 3], Sending::default()).unwrap();
            }
            let mut inbox = Inbox::new(100);
            assert_eq!(inbox.receive(b.as_fd()).unwrap(), SLOTS);
            let third = inbox.received()[3];
            assert_eq!(inbox.payload(&third), [3; 3]);
            assert_eq!(third.from, Some(a.local_addr().unwrap()));
            assert_eq!(third.to, Some(address.parse().unwrap()));
            assert_eq!(inbox.payload(&inbox.received()[2]), [2; 3]);
            assert_eq!(inbox.receive(b.as_fd()).unwrap(), 4);
            assert_eq!(inbox.receive(b.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            // What does not fit is not given at all.
            send(a.as_fd(), &[0; 101], Sending::default()).unwrap();
            assert_eq!((inbox.receive(b.as_fd()).unwrap(), inbox.received().len()), (1, 0));
        }
    }

    #[test]
    fn the_kernel_cuts_and_joins() {
        let (a, b) = pair("127.0.0.1");
        send(a.as_fd(), &[7; 2500], Sending { segment: Some(1000), ..Sending::default() }).unwrap();
        let mut inbox = Inbox::new(65_536);
        assert_eq!(inbox.receive(b.as_fd()).unwrap(), 3);
        let sizes: Vec<usize> = inbox.received().iter().map(|it| inbox.payload(it).len()).collect();
        assert_eq!(sizes, [1000, 1000, 500]);
        coalesce(b.as_fd()).unwrap();
        send(a.as_fd(), &[7; 2500], Sending { segment: Some(1000), ..Sending::default() }).unwrap();
        assert_eq!(inbox.receive(b.as_fd()).unwrap(), 1);
        let all = inbox.received()[0];
        assert_eq!((all.segment, inbox.payload(&all).len()), (Some(1000), 2500));
    }

    #[test]
    fn the_sender_chooses_its_address() {
        let all = UdpSocket::bind("0.0.0.0:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = Some([127, 0, 0, 9].into());
        let how = Sending { to: client.local_addr().ok(), from, segment: Some(4), class: Some(0xb8) };
        send(all.as_fd(), b"answers", how).unwrap();
        let mut buffer = [0; 10];
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from.ip()), (&b"answ"[..], [127, 0, 0, 9].into()));
    }

    #[test]
    fn errors_come_back_with_what_they_are_about() {
        for address in ["127.0.0.1", "::1"] {
            let (a, b) = pair(address);
            keep_errors(a.as_fd(), address == "::1").unwrap();
            drop(b);
            send(a.as_fd(), b"anybody there", Sending::default()).unwrap();
            let mut buffer = [0; 100];
            let error = receive_error(a.as_fd(), &mut buffer).unwrap().unwrap();
            assert_eq!((error.errno, error.is_icmp), (libc::ECONNREFUSED, true));
            assert_eq!((error.kind, error.code), if address == "::1" { (1, 4) } else { (3, 3) });
            assert_eq!(error.offender, Some(address.parse().unwrap()));
            assert_eq!(&buffer[..error.length], b"anybody there");
            assert!(receive_error(a.as_fd(), &mut buffer).unwrap().is_none());
        }
    }
}
