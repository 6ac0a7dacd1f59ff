//! TUN devices: ioctl(2)s of /dev/net/tun (Documentation/networking/tuntap.rst).

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

/// Makes a TUN device in the network namespace of this thread; it goes when its descriptor is closed. Packets are read and
/// written with a struct virtio_net_hdr of 10 bytes in front, and nothing else. Returns the descriptor, which does not
/// block, and the device's name, of the form `tun0`.
pub fn create() -> io::Result<(OwnedFd, String)> {
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open("/dev/net/tun")?;
    // SAFETY: ifreq is plain bytes and integers; all-zero is a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"tun%d") {
        *to = from.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which outlives the call.
    if unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF as _, &mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let name = request.ifr_name.iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte as u8)).collect();
    Ok((device.into(), name))
}

/// What the reader of a TUN device can do itself: `TUN_F_*` of linux/if_tun.h. Without any, the kernel fills in checksums and
/// cuts large packets before they are read.
pub fn set_offloads(device: &OwnedFd, offloads: u32) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes an integer, no memory.
    match unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(offloads)) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
