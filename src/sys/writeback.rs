//! Starting to write dirty pages to the disk before anybody waits for them.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Asks the kernel to begin writing `length` bytes of the file from `offset` on, and returns without waiting for the
/// disk: sync_file_range(2) with `SYNC_FILE_RANGE_WRITE`. It promises nothing about durability; it only makes a later
/// syncfs(2) short. A `length` of 0 means up to the end of the file.
pub fn start(file: impl AsFd, offset: u64, length: u64) -> io::Result<()> {
    let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: the call takes integers only and touches no memory of this process; `fd` is open for as long as `file`
    // is borrowed.
    match unsafe { libc::sync_file_range(fd, offset, length, libc::SYNC_FILE_RANGE_WRITE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
