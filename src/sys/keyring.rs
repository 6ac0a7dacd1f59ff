//! keyctl(2), as far as it is needed to leave the caller's session keyring.

use std::io;
use std::ptr;

/// Gives this process a new, empty and anonymous session keyring, session-keyring(7): `KEYCTL_JOIN_SESSION_KEYRING`
/// without a name. Children inherit it. The kernel charges it to the real user id, whose quota it may exceed (`EDQUOT`).
pub fn join_anonymous_session() -> io::Result<()> {
    // SAFETY: the operation takes one pointer to a name; null means that there is none. No memory is passed.
    match unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, ptr::null::<libc::c_char>()) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// The serial number of this thread's session keyring; an error where it has none.
#[cfg(test)]
pub fn session_serial() -> io::Result<i64> {
    // SAFETY: the operation takes two numbers: the keyring, and that none is made where there is none.
    match unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_GET_KEYRING_ID, libc::KEY_SPEC_SESSION_KEYRING, 0) } {
        -1 => Err(io::Error::last_os_error()),
        serial => Ok(serial),
    }
}
