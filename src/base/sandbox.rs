//! Least privilege for coracle's own servers, netd and fused: what a fault in a parser of theirs could be used for.
//!
//! # Theory of operation
//!
//! Both read what containers send, packets and file system requests, with the user's rights. Once they have what they need
//! to serve, and before they start threads, they give up the rest, in this order:
//!
//! 1. No core dumps and no ptrace by others, and no new privileges by exec (prctl(2)).
//! 2. Capabilities: those of [`Sandbox::capabilities`] stay.
//! 3. Files: Landlock (kernel 5.13, landlock(7)) leaves only the paths of [`Sandbox::paths`]. It also keeps the process
//!    from mounting anything and from looking into other processes. A kernel without Landlock, or one that knows less of
//!    it, leaves more open: best effort.
//! 4. System calls: a seccomp filter allows those of [`Sandbox::calls`] and answers all others with `EPERM`. Programs
//!    cannot be executed, processes cannot be made (threads can), memory cannot be made executable, and socket(2) knows the
//!    families of [`Sandbox::families`] alone.
//!
//! The supervisor has no such filter: what it starts in the container, for `exec` or a health check, would inherit it, and
//! `no_new_privs` would break setuid programs there. It reads nothing that a container writes but bytes to pass on, and
//! the small files that `supervise::prepare` bounds.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, Scope,
};

use rustix::thread::{CapabilitySet, CapabilitySets};

use super::{Error, Result, ResultExt};
use crate::sys::process::set_seccomp_filter;

/// The access that a process has to a path and everything below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading files and directories.
    Read,
    /// Everything but executing.
    Write,
}

/// The rights that a process has after [`Sandbox::enter`].
#[derive(Debug, Clone, Copy)]
pub struct Sandbox<'a> {
    /// Numbers of system calls, besides [`COMMON`].
    pub calls: &'a [i64],
    /// Address families (`AF_*`) for socket(2).
    pub families: &'a [i32],
    /// Capabilities that it keeps of those that it has.
    pub capabilities: CapabilitySet,
    /// Files and directories. One that does not exist is passed over.
    pub paths: &'a [(&'a Path, Access)],
}

/// What Rust's and C's run-time libraries need: memory, threads, time, events, descriptors that are open, and calls that
/// cannot fail: libraries do not expect them to.
pub const COMMON: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_ioctl,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_ppoll,
    libc::SYS_prctl,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_tgkill,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
];

/// Rules that leave everything as it is but for signals.
fn signal_rules() -> io::Result<RulesetCreated> {
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    rules.scope(Scope::Signal).and_then(Ruleset::create).map_err(io::Error::other)
}

/// Whether [`keep_signals`] works on this kernel: 6.12, with Landlock.
pub fn can_keep_signals() -> bool {
    signal_rules().is_ok()
}

/// From now on the signals of this process, and of those that it makes, reach only these. Nor can they trace others.
/// Needs `CAP_SYS_ADMIN` in the user namespace, as `no_new_privs` is not set; everything else stays allowed.
pub fn keep_signals() -> io::Result<()> {
    let rules = signal_rules()?.no_new_privs(false);
    rules.restrict_self().map(drop).map_err(io::Error::other)
}

impl Sandbox<'_> {
    /// Enters the sandbox, for good. The process must have one thread.
    pub fn enter(&self) -> Result<()> {
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
            .context(|| "cannot keep others from looking into this process")?;
        rustix::thread::set_no_new_privs(true).context(|| "cannot give up new privileges")?;
        let has = rustix::thread::capabilities(None).context(|| "cannot look at the capabilities")?;
        let kept = has.permitted.intersection(self.capabilities);
        let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
        rustix::thread::set_capabilities(None, sets).context(|| "cannot give up capabilities")?;
        self.restrict_files().map_err(|error| Error::system("cannot restrict access to files").caused_by(error))?;
        set_seccomp_filter(&self.filter(), 0).context(|| "cannot install the filter of system calls")
    }

    fn restrict_files(&self) -> io::Result<()> {
        let newest = ABI::V8;
        let everything = AccessFs::from_all(newest) & !AccessFs::Execute;
        let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
        let failed = |error: landlock::RulesetError| io::Error::other(error);
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(newest))
            .and_then(|rules| rules.scope(Scope::AbstractUnixSocket | Scope::Signal))
            .and_then(Ruleset::create)
            .map_err(failed)?;
        for (path, access) in self.paths {
            let Ok(fd) = PathFd::new(path) else { continue };
            let mut access = match access {
                Access::Read => read,
                Access::Write => everything,
            };
            if !path.is_dir() {
                access &= AccessFs::from_file(newest);
            }
            rules = rules.add_rule(PathBeneath::new(fd, access)).map_err(failed)?;
        }
        rules.restrict_self().map(drop).map_err(failed)
    }

    /// The filter as BPF (Documentation/networking/filter.rst; struct seccomp_data in linux/seccomp.h).
    fn filter(&self) -> Vec<libc::sock_filter> {
        let mut program = vec![
            load(ARCHITECTURE),
            jump_equal(THIS_ARCHITECTURE, 1, 0),
            ret(libc::SECCOMP_RET_KILL_PROCESS),
            load(NUMBER),
        ];
        // Threads, but no processes. clone3(2) hides its flags behind a pointer: libraries fall back to clone(2).
        program.extend([jump_equal(libc::SYS_clone3 as u32, 0, 1), fail(libc::ENOSYS)]);
        program.extend([
            jump_equal(libc::SYS_clone as u32, 0, 4),
            load(argument(0)),
            jump_set(libc::CLONE_THREAD as u32, 0, 1),
            ret(libc::SECCOMP_RET_ALLOW),
            fail(libc::EPERM),
        ]);
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            program.extend([
                jump_equal(call as u32, 0, 4),
                load(argument(2)),
                jump_set(libc::PROT_EXEC as u32, 1, 0),
                ret(libc::SECCOMP_RET_ALLOW),
                fail(libc::EPERM),
            ]);
        }
        program.extend([jump_equal(libc::SYS_socket as u32, 0, 2 + 2 * self.families.len() as u8), load(argument(0))]);
        for family in self.families {
            program.extend([jump_equal(*family as u32, 0, 1), ret(libc::SECCOMP_RET_ALLOW)]);
        }
        program.push(fail(libc::EAFNOSUPPORT));
        for call in COMMON.iter().chain(self.calls) {
            program.extend([jump_equal(*call as u32, 0, 1), ret(libc::SECCOMP_RET_ALLOW)]);
        }
        program.push(fail(libc::EPERM));
        program
    }
}

/// Offsets in struct seccomp_data.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// The low half of an argument; both architectures below are little-endian.
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// `AUDIT_ARCH_*` of linux/audit.h.
#[cfg(target_arch = "x86_64")]
const THIS_ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const THIS_ARCHITECTURE: u32 = 0xc000_00b7;

const fn load(offset: u32) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

const fn jump_equal(value: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt, jf, k: value }
}

const fn jump_set(bits: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16, jt, jf, k: bits }
}

const fn ret(action: u32) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: action }
}

const fn fail(errno: i32) -> libc::sock_filter {
    ret(libc::SECCOMP_RET_ERRNO | errno as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use landlock::{CompatLevel, Compatible};
    use std::fs;

    fn sandbox<'a>(paths: &'a [(&'a Path, Access)]) -> Sandbox<'a> {
        Sandbox {
            calls: &[libc::SYS_mkdirat, libc::SYS_mkdir, libc::SYS_capget],
            families: &[libc::AF_INET],
            capabilities: CapabilitySet::CHOWN,
            paths,
        }
    }

    /// What the filter answers to a call with these first arguments: runs its BPF.
    fn answer(program: &[libc::sock_filter], architecture: u32, number: i64, args: [u32; 3]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let jump = |taken: bool| usize::from(if taken { step.jt } else { step.jf });
            match u32::from(step.code) {
                code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                    value = match step.k {
                        NUMBER => number as u32,
                        ARCHITECTURE => architecture,
                        offset => args[((offset - 16) / 8) as usize],
                    }
                }
                code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => at += jump(value == step.k),
                code if code == libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K => at += jump(value & step.k != 0),
                code if code == libc::BPF_RET | libc::BPF_K => return step.k,
                code => panic!("an instruction that the filter has not: {code}"),
            }
        }
    }

    #[test]
    fn the_filter_allows_what_it_lists() {
        let program = sandbox(&[]).filter();
        let asked = |number, args| answer(&program, THIS_ARCHITECTURE, number, args);
        let refused = |errno: i32| libc::SECCOMP_RET_ERRNO | errno as u32;
        for (number, args, expected) in [
            (libc::SYS_read, [0; 3], libc::SECCOMP_RET_ALLOW),
            (libc::SYS_mkdirat, [0; 3], libc::SECCOMP_RET_ALLOW),
            (libc::SYS_execve, [0; 3], refused(libc::EPERM)),
            (libc::SYS_execveat, [0; 3], refused(libc::EPERM)),
            (libc::SYS_ptrace, [0; 3], refused(libc::EPERM)),
            (libc::SYS_kill, [0; 3], refused(libc::EPERM)),
            (libc::SYS_clone3, [0; 3], refused(libc::ENOSYS)),
            (libc::SYS_clone, [libc::CLONE_THREAD as u32, 0, 0], libc::SECCOMP_RET_ALLOW),
            (libc::SYS_clone, [libc::SIGCHLD as u32, 0, 0], refused(libc::EPERM)),
            (libc::SYS_mmap, [0, 0, (libc::PROT_READ | libc::PROT_WRITE) as u32], libc::SECCOMP_RET_ALLOW),
            (libc::SYS_mmap, [0, 0, (libc::PROT_READ | libc::PROT_EXEC) as u32], refused(libc::EPERM)),
            (libc::SYS_mprotect, [0, 0, libc::PROT_EXEC as u32], refused(libc::EPERM)),
            (libc::SYS_socket, [libc::AF_INET as u32, 0, 0], libc::SECCOMP_RET_ALLOW),
            (libc::SYS_socket, [libc::AF_UNIX as u32, 0, 0], refused(libc::EAFNOSUPPORT)),
            (libc::SYS_socket, [libc::AF_VSOCK as u32, 0, 0], refused(libc::EAFNOSUPPORT)),
        ] {
            assert_eq!(asked(number, args), expected, "call {number} with {args:?}");
        }
        assert_eq!(answer(&program, 0x4000_0003, libc::SYS_read, [0; 3]), libc::SECCOMP_RET_KILL_PROCESS, "32 bits");
        // The numbers of x32 are others.
        assert_eq!(asked(libc::SYS_read | 0x4000_0000, [0; 3]), refused(libc::EPERM));
    }

    #[test]
    fn a_thread_in_it_has_what_it_keeps_and_no_more() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let at = |name: &str| scratch.path().join(name);
        for name in ["read", "written", "other"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("file"), name).unwrap();
        }
        // The kernel is asked, so that a list that is not mounted hides nothing.
        let required = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let has_landlock = required.handle_access(AccessFs::from_all(ABI::V1)).is_ok();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (read, written, other) = (at("read"), at("written"), at("other"));
                sandbox(&[(&read, Access::Read), (&written, Access::Write), (Path::new("/none"), Access::Read)])
                    .enter()
                    .unwrap();
                // The rest of the tests may be looked into again.
                let dumpable = rustix::process::DumpableBehavior::Dumpable;
                rustix::process::set_dumpable_behavior(dumpable).unwrap();
                let errno = |result: io::Result<()>| result.err().and_then(|error| error.raw_os_error());
                assert_eq!(fs::read_to_string(read.join("file")).unwrap(), "read");
                fs::write(written.join("file"), "new").unwrap();
                fs::create_dir(written.join("directory")).unwrap();
                if has_landlock {
                    assert_eq!(errno(fs::write(read.join("file"), "new")), Some(libc::EACCES));
                    assert_eq!(errno(fs::create_dir(read.join("directory"))), Some(libc::EACCES));
                    assert_eq!(errno(fs::read(other.join("file")).map(drop)), Some(libc::EACCES));
                }
                assert_eq!(errno(std::process::Command::new("/bin/true").spawn().map(drop)), Some(libc::EPERM));
                assert_eq!(errno(std::net::UdpSocket::bind("[::1]:0").map(drop)), Some(libc::EAFNOSUPPORT));
                assert!(rustix::thread::no_new_privs().unwrap());
                let held = rustix::thread::capabilities(None).unwrap().permitted;
                assert!(CapabilitySet::CHOWN.contains(held), "{held:?}");
                assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
            });
        });
    }
}
