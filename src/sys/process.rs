//! Making processes: fork, clone3, exec through an fd, and the filter that a process puts on itself.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::ptr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::CloneFlags;

/// Which side of a fork this is.
#[derive(Debug)]
pub enum Forked<T> {
    /// The new process.
    Child,
    /// The old one, with what it knows of the child.
    Parent(T),
}

/// fork(2). Refused in a process with several threads: a lock held by another thread would stay locked in the child for
/// ever.
pub fn fork() -> io::Result<Forked<i32>> {
    require_one_thread()?;
    fork_in_init()
}

/// fork(2) for the init of a container, which never has more than one thread. It runs under the container's system call
/// filter, whose answer to a call that asks for the threads may be death.
pub fn fork_in_init() -> io::Result<Forked<i32>> {
    // SAFETY: with one thread, no lock of the allocator or the runtime can be held elsewhere, so the child may go on
    // with ordinary code. `fork` has made sure of it, and init starts no threads.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Child => Ok(Forked::Child),
        nix::unistd::ForkResult::Parent { child } => Ok(Forked::Parent(child.as_raw())),
    }
}

/// The program of a command begins a session of its own (setsid(2)): without a controlling terminal it can neither read what
/// is typed nor push characters back into it.
pub fn begin_session(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    let begin = || nix::unistd::setsid().map(drop).map_err(io::Error::from);
    // SAFETY: between fork and exec, setsid(2) is one system call that allocates nothing and takes no lock.
    unsafe { command.pre_exec(begin) };
}

/// The child of [`clone3`] as its parent sees it.
#[derive(Debug)]
pub struct Cloned {
    /// Its pid in the caller's namespace.
    pub pid: i32,
    /// A pidfd (pidfd_open(2)): readable when it has ended. Closed on exec.
    pub pidfd: OwnedFd,
}

/// clone3(2) without shared memory: a fork into new namespaces. Refused under the same condition as [`fork`].
pub fn clone3(namespaces: CloneFlags) -> io::Result<Forked<Cloned>> {
    clone3_into(namespaces, None)
}

/// CLONE_INTO_CGROUP of linux/sched.h, which does not fit into libc's type of it.
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// [`clone3`] into a control group, by its directory (CLONE_INTO_CGROUP, kernel 5.7).
pub fn clone3_into(namespaces: CloneFlags, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Forked<Cloned>> {
    require_one_thread()?;
    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is plain integers; all-zero is its documented default.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces.bits() as u64 | libc::CLONE_PIDFD as u64;
    args.pidfd = ptr::from_mut(&mut pidfd) as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // A sibling (CLONE_PARENT) takes over what our own parent wants to hear, and may not say otherwise.
    args.exit_signal = if namespaces.contains(CloneFlags::CLONE_PARENT) { 0 } else { libc::SIGCHLD as u64 };
    // SAFETY: without CLONE_VM and with no stack given the child continues here on a copy of our memory, as after fork;
    // `args` and `pidfd` live until the call has returned. glibc's fork handlers do not run, which matters only with
    // several threads.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, ptr::from_mut(&mut args), size_of::<libc::clone_args>()) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        // SAFETY: the kernel just stored a new fd there, which nobody else owns.
        pid => Ok(Forked::Parent(Cloned { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })),
    }
}

/// How long threads that were joined just now may take to be gone: the kernel wakes whoever joins a thread before it takes
/// the thread out of the process.
const LEAVING: Duration = Duration::from_millis(50);

/// Fails in a process with several threads. Costs one system call when there is one.
pub fn require_one_thread() -> io::Result<()> {
    // The test harness itself has many; the tests that fork do nothing but exec or exit in the child.
    if cfg!(test) || has_one_thread() {
        return Ok(());
    }
    let begun = Instant::now();
    while begun.elapsed() < LEAVING {
        std::thread::sleep(Duration::from_micros(100));
        if has_one_thread() {
            return Ok(());
        }
    }
    Err(io::Error::other("this process has several threads, and only a process with one can be forked or moved"))
}

/// Whether this process has one thread and shares its memory with no other process. A thread that was joined just now may
/// still be counted, never one left out.
pub fn has_one_thread() -> bool {
    // unshare(2): CLONE_THREAD changes nothing in a process with one thread, and is the error EINVAL in others. It needs
    // neither privilege nor /proc, which in a container is the container's.
    // SAFETY: no memory is passed.
    match unsafe { libc::unshare(libc::CLONE_THREAD) } {
        0 => true,
        _ if Errno::last() == Errno::EINVAL => false,
        // A system call filter refuses unshare(2): /proc/self/task has a directory for each thread, beside `.` and `..`.
        _ => std::fs::metadata("/proc/self/task").is_ok_and(|task| task.nlink() == 3),
    }
}

/// A program's arguments or environment in the form exec wants, built before a fork so that nothing is allocated after.
#[derive(Debug)]
pub struct StringArray {
    _strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl StringArray {
    /// Fails on a string with a zero byte.
    pub fn new<S: AsRef<[u8]>>(strings: impl IntoIterator<Item = S>) -> io::Result<Self> {
        let strings: Vec<CString> = strings
            .into_iter()
            .map(|s| CString::new(s.as_ref()))
            .collect::<Result<_, _>>()
            .map_err(|_| Errno::EINVAL)?;
        let pointers = strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { _strings: strings, pointers })
    }
}

/// execve(2). Returns only on failure.
pub fn exec(path: &CStr, argv: &StringArray, env: &StringArray) -> Errno {
    // SAFETY: `path` ends in zero; both arrays hold pointers into strings that they own, and end in null.
    unsafe { libc::execve(path.as_ptr(), argv.pointers.as_ptr(), env.pointers.as_ptr()) };
    Errno::last()
}

/// execveat(2) of the open file itself. Returns only on failure.
pub fn exec_fd(program: BorrowedFd<'_>, argv: &StringArray, env: &StringArray) -> Errno {
    // SAFETY: as in `exec`; the empty path with AT_EMPTY_PATH names the fd.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            argv.pointers.as_ptr(),
            env.pointers.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::last()
}

/// Puts a seccomp filter on this thread (seccomp(2), SECCOMP_SET_MODE_FILTER). Needs CAP_SYS_ADMIN in the own user
/// namespace or `no_new_privs`. `filter` is BPF in the kernel's struct sock_filter, `flags` are SECCOMP_FILTER_FLAG_*.
pub fn set_seccomp_filter(filter: &[libc::sock_filter], flags: u64) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::EINVAL)?,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel reads `len` instructions from `filter`, which outlives the call, and copies them.
    match unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, ptr::from_ref(&program)) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// close_range(2) with CLOSE_RANGE_CLOEXEC: no fd from `first` on survives the next exec (kernel 5.11).
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: only sets a flag; no fd is closed here.
    match unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Closes every descriptor of this process but the standard streams and `kept`. For a process that was just forked or
/// executed: what its memory still says of the others is never looked at again. close_range(2), kernel 5.9.
pub fn close_all_but(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut numbers: Vec<u32> = kept.iter().map(|fd| fd.as_raw_fd().unsigned_abs()).filter(|fd| *fd > 2).collect();
    numbers.sort_unstable();
    let mut first = 3;
    for last in numbers.iter().map(|fd| fd - 1).chain([u32::MAX]) {
        if first <= last {
            // SAFETY: the caller is a fresh process, which uses nothing but `kept` and ends without running destructors.
            match unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } {
                0 => {}
                _ => return Err(io::Error::last_os_error()),
            }
        }
        first = last.saturating_add(2).max(first);
    }
    Ok(())
}

/// personality(2): the execution domain and its flags.
pub fn set_personality(persona: u64) -> io::Result<()> {
    // SAFETY: no memory is passed.
    match unsafe { libc::personality(persona) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Resets every signal to its default action and unblocks all: what a program expects to start with. Rust ignores
/// SIGPIPE, and an ignored signal stays so across exec.
pub fn reset_signals() -> io::Result<()> {
    for signal in 1..=64 {
        if !matches!(signal, libc::SIGKILL | libc::SIGSTOP | 32 | 33) {
            // SAFETY: SIG_DFL runs no code of this process.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
    nix::sys::signal::SigSet::all().thread_unblock().map_err(io::Error::from)
}

/// Ignores a signal, in this process and what it executes.
pub fn ignore_signal(signal: i32) {
    // SAFETY: SIG_IGN runs no code of this process.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Ends this process at once with `code`, without destructors: the only right end of a forked child.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) does not return and runs nothing.
    unsafe { libc::_exit(code) }
}

/// An fd number inherited from the program that started this role, as an owned fd. Each number may be taken once.
pub fn inherited_fd(number: i32) -> io::Result<OwnedFd> {
    nix::fcntl::fcntl(
        // SAFETY: only used for the check that it is open.
        unsafe { BorrowedFd::borrow_raw(number) },
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
    )?;
    // SAFETY: it is open, and by the start protocol nobody else in this process knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// pidfd_send_signal(2) with any number, real-time signals included.
pub fn send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, ptr::null::<()>(), 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// kill(2) of every process in this process's pid namespace and those below it, but for this process and the first one of the
/// namespace. No fork escapes it: the kernel sends to all under one lock, and a fork that has begun takes the signal over.
pub fn signal_all_others(signal: i32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    match unsafe { libc::kill(-1, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A copy of `fd` under a number of one's choice, closed on exec. Whatever has the number now must be nobody's.
pub fn copy_to(fd: BorrowedFd<'_>, number: i32) -> io::Result<OwnedFd> {
    // SAFETY: by the caller's word nobody owns that number, so that no file of somebody else is closed.
    match unsafe { libc::dup3(fd.as_raw_fd(), number, libc::O_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the kernel has just made it.
        copy => Ok(unsafe { OwnedFd::from_raw_fd(copy) }),
    }
}

/// Makes `fd` fd 3 of the program that is executed next: the place where a role finds its socket.
pub fn place_at_three(fd: BorrowedFd<'_>) -> io::Result<()> {
    place_at(fd, 3)
}

/// Makes `fd` fd `number` of the program that is executed next.
pub fn place_at(fd: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    // SAFETY: replaces whatever fd `number` was; the caller is about to exec and owns everything above the standard streams.
    match unsafe { libc::dup3(fd.as_raw_fd(), number, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_counted() {
        // The harness has another thread than this one.
        assert!(!has_one_thread());
        assert!(std::fs::metadata("/proc/self/task").unwrap().nlink() > 3);
    }
}
