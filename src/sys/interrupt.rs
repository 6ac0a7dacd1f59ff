//! Getting back out of a system call that blocks without a timeout of its own, such as flock(2).

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Once;
use std::time::Duration;

/// While it exists, blocking system calls of the thread that made it fail with EINTR each time the period has passed
/// (timer_create(2) with SIGEV_THREAD_ID). Once is not enough: the first signal may come right before the call.
#[derive(Debug)]
pub struct Interrupts {
    timer: libc::timer_t,
}

/// A signal that nothing else in this program uses; 32 and 33 are glibc's (signal(7)).
fn signal() -> libc::c_int {
    libc::SIGRTMIN() + 5
}

extern "C" fn do_nothing(_: libc::c_int) {}

fn handle() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: all-zero is a valid sigaction: no flags (above all no SA_RESTART), an empty mask. The handler touches
        // nothing, so that it may run anywhere.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = do_nothing as extern "C" fn(libc::c_int) as usize;
            libc::sigaction(signal(), &action, ptr::null_mut());
        }
    });
}

impl Interrupts {
    /// For the calling thread, from now on.
    pub fn every(period: Duration) -> io::Result<Self> {
        handle();
        // SAFETY: all-zero is a valid sigevent; the fields that SIGEV_THREAD_ID needs are set below.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal();
        // SAFETY: no memory is passed.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer = MaybeUninit::uninit();
        // SAFETY: both pointers are valid for the call; `timer` is set when it succeeds.
        let timer = match unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, timer.as_mut_ptr()) } {
            // SAFETY: the call has succeeded and has set it.
            0 => unsafe { timer.assume_init() },
            _ => return Err(io::Error::last_os_error()),
        };
        let interrupts = Self { timer };
        let tv_sec = libc::time_t::try_from(period.as_secs()).unwrap_or(libc::time_t::MAX);
        let period = libc::timespec { tv_sec, tv_nsec: period.subsec_nanos().into() };
        let value = libc::itimerspec { it_interval: period, it_value: period };
        // SAFETY: the timer exists until `interrupts` is dropped; the kernel only reads `value`.
        match unsafe { libc::timer_settime(timer, 0, &value, ptr::null_mut()) } {
            0 => Ok(interrupts),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        // SAFETY: it exists, and nobody uses it afterwards.
        unsafe { libc::timer_delete(self.timer) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocking_call_returns() {
        let (read, _write) = rustix::pipe::pipe().unwrap();
        let _interrupts = Interrupts::every(Duration::from_millis(5)).unwrap();
        for _ in 0..3 {
            assert_eq!(rustix::io::read(&read, &mut [0; 1][..]), Err(rustix::io::Errno::INTR));
        }
    }
}
