//! The default profile as data: docker's, with a few differences.
//!
//! Source: the published table of `moby/profiles`, `seccomp/default.json` at 02e898b137ae (2026; Apache-2.0), which
//! docker documents as "Seccomp security profiles for Docker". Left out: the rules for architectures that have no number
//! table here (ppc64le, s390, riscv64). Calls named there that a kernel or architecture does not have cost nothing.
//!
//! # Differences from docker
//!
//! ```text
//! call                       docker            here                why
//! socketcall (32-bit x86)    allowed           ENOSYS              The address family is behind a pointer, which a
//!                                                                  filter cannot read, so AF_VSOCK and AF_ALG
//!                                                                  (CVE-2026-31431) would be reachable. docker
//!                                                                  refuses AF_ALG with AppArmor or SELinux there,
//!                                                                  which a user's containers do not have
//!                                                                  (moby/moby#52494, #52547). socket and the others
//!                                                                  are calls of their own since Linux 4.3. A 32-bit
//!                                                                  program whose libc knows only socketcall needs
//!                                                                  docker's file: --security-opt
//!                                                                  seccomp=default.json.
//! socketpair                 any family        the families of     The kernel makes a socket, and loads the module
//!                                              socket              for it, before it finds that the family has no
//!                                                                  pairs.
//! socket, AF_XDP             allowed           with CAP_NET_ADMIN  It receives nothing without an XDP program,
//!                                                                  which needs that capability; CAP_NET_RAW, a
//!                                                                  default, is enough to set up its rings in the
//!                                                                  kernel.
//! unshare                    refused           without namespace   The same as clone: CLONE_FS and CLONE_FILES
//!                                              flags allowed       concern the caller alone, and Samba needs the
//!                                                                  first for each thread.
//! cachestat                  allowed           ENOSYS              It tells what other containers of an image have
//!                                                                  read (CVE-2025-21691). Programs fall back to
//!                                                                  mincore, which tells only of what the caller may
//!                                                                  write.
//! signal (32-bit x86)        refused           allowed             rt_sigaction with fewer arguments.
//! ```
//!
//! # Differences from podman
//!
//! Those to `common/pkg/seccomp/seccomp.json` of `container-libs` at 7a5bc89e215c (2026), beside the table above.
//!
//! ```text
//! call                       podman            here                why
//! calls that no rule names   ENOSYS            EPERM; newer ones   docker and runc: what exists and is refused says
//!                                              ENOSYS              so, and what a libc may try first looks absent.
//! clone with namespaces,     allowed           CAP_SYS_ADMIN       A user namespace gives capabilities over kernel
//! unshare with namespaces,                                         code that was not written for users: most local
//! setns                                                            exploits start with one.
//! clone3                     allowed           ENOSYS without      Its flags are behind a pointer; libc falls back
//!                                              CAP_SYS_ADMIN       to clone.
//! mount, umount, umount2,    allowed           CAP_SYS_ADMIN       The kernel asks for it, too, but only after it
//! fsopen, fsconfig, fsmount,                                       has parsed the arguments. open_tree without
//! fspick, move_mount,                                              OPEN_TREE_CLONE is open with O_PATH.
//! mount_setattr, open_tree
//! pivot_root                 allowed           refused             Useless without the above.
//! keyctl                     allowed           refused             Keys are not in namespaces but in the user's
//!                                                                  name: root of a container is the user for the
//!                                                                  kernel, and could link the user's keyring (@u of
//!                                                                  the host) by its number.
//! get_mempolicy, mbind,      allowed           CAP_SYS_NICE        As docker, whose images know the refusal.
//! set_mempolicy
//! pidfd_getfd                allowed           CAP_SYS_PTRACE      As docker; few programs use it.
//! fanotify_init              allowed           CAP_SYS_ADMIN       As docker; it watches whole file systems, and
//!                                                                  inotify does for users.
//! syslog                     allowed           CAP_SYSLOG          The kernel's log is the host's.
//! reboot                     allowed           CAP_SYS_BOOT        As docker; without the capability it fails
//!                                                                  anyway.
//! vmsplice                   EPERM             allowed             As docker; the fault behind the refusal
//!                                                                  (CVE-2020-29374) is closed in every kernel that
//!                                                                  coracle runs on.
//! io_pgetevents,             EPERM             allowed             io_getevents with a signal mask.
//! io_pgetevents_time64
//! map_shadow_stack, mseal,   EPERM or ENOSYS   allowed             They protect the program that calls them, or a
//! uretprobe                                                        probe of the host's needs them.
//! listmount, statmount       ENOSYS            allowed             They tell of the caller's own mounts what
//!                                                                  /proc/self/mountinfo does; other namespaces need
//!                                                                  CAP_SYS_ADMIN.
//! setxattrat, getxattrat,    ENOSYS            allowed             Other forms of calls that both allow.
//! listxattrat,
//! removexattrat, futex_waitv
//! socket, families 12, 19,   allowed           refused             As docker: none is in use, or none is known.
//! 20, 23, 25, 34, 37 and
//! above 45
//! socket, AF_NETLINK with    EINVAL without    allowed             The kernel answers ECONNREFUSED outside of the
//! NETLINK_AUDIT              CAP_AUDIT_WRITE                       first user namespace, which login programs take
//!                                                                  as "there is no audit".
//! AF_PACKET and raw sockets  CAP_NET_RAW is no CAP_NET_RAW is a    A difference of capabilities, not of this
//!                            default           default             profile: docker's set.
//! bpf, perf_event_open,      nearly the same   with their          As docker.
//! quotactl_fd,                                 capabilities
//! set_mempolicy_home_node,
//! lsm_*
//! ```

use std::borrow::Cow;

use super::profile::{Action, Arch, Comparison, Condition, Filter, Host, Profile, Rule, row_of};
use crate::spec::capabilities::{CapSet, Capability};

/// Allowed to every container.
const ALLOWED: &str = "\
    _llseek _newselect accept accept4 access adjtimex alarm bind brk capget capset chdir chmod chown \
    chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 \
    clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 \
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd \
    eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark \
    fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock \
    fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex \
    futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu \
    getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer \
    getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 \
    getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat \
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents \
    io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill landlock_add_rule \
    landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount \
    listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack \
    membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 \
    mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend \
    mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap \
    name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 \
    pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 \
    process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv \
    recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat \
    renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo \
    rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max \
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval \
    sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield \
    seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg \
    sendto set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 \
    setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid \
    setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl \
    shmdt shmget shutdown sigaltstack signal signalfd signalfd4 sigprocmask sigreturn splice stat \
    stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time \
    timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 \
    timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate \
    truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork \
    vmsplice wait4 waitid waitpid write writev";

/// Do not exist, so that programs fall back to what is judged by other rules.
const ABSENT: &str = "cachestat socketcall";

/// Allowed with a capability: its name, and the calls.
const ALLOWED_WITH: [(&str, &str); 14] = [
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "CAP_SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr \
         lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl \
         quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "delete_module init_module finit_module"),
    ("CAP_SYS_PACCT", "acct"),
    ("CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"),
    ("CAP_SYS_RAWIO", "iopl ioperm"),
    ("CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
    ("CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("CAP_SYSLOG", "syslog"),
    ("CAP_BPF", "bpf"),
    ("CAP_PERFMON", "perf_event_open"),
];

/// Allowed on some hosts: the architectures, and the calls.
const ALLOWED_ON: [(&[&str], &str); 3] = [
    (&["amd64", "x32"], "arch_prctl"),
    (&["amd64", "x32", "x86"], "modify_ldt"),
    (&["arm", "arm64"], "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
];

/// Reading other processes was unsafe under seccomp before this kernel (ptrace could bypass the filter).
const PTRACE_KERNEL: (u32, u32) = (4, 8);

/// The address families that socket(2) and socketpair(2) may have beside those below [`FIRST_REFUSED_FAMILY`]; among the others are AF_ALG
/// (38, CVE-2026-31431) and AF_VSOCK (40, which reaches past every network namespace).
const FAMILIES: [u64; 24] =
    [13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 45];

/// AF_XDP.
const XDP_FAMILY: u64 = 44;

/// AF_DECnet.
const FIRST_REFUSED_FAMILY: u64 = 12;

/// Linux, Linux with 32-bit uname, both without address randomisation, and the question "which one is it".
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The flags that make namespaces: mount, cgroup, uts, ipc, user, pid, net. (CLONE_NEWTIME shares its bit with the exit
/// signal and means nothing to clone(2).)
const NAMESPACE_FLAGS: u64 = 0x7e02_0000;

/// CLONE_NEWTIME, for unshare(2).
const NEW_TIME_FLAG: u64 = 0x80;

impl Profile {
    /// The default profile, for this machine.
    pub fn default_profile() -> Self {
        Self::default_for(&Host::current())
    }

    /// The default profile, for a host.
    pub fn default_for(host: &Host) -> Self {
        let architectures = match host.arch {
            Some(Arch::X86_64) => vec![Arch::I386, Arch::X32],
            Some(Arch::Aarch64) => vec![Arch::Arm],
            _ => Vec::new(),
        };
        let mut rules = vec![allow(ALLOWED)];
        rules.push(Rule {
            includes: Filter { min_kernel: Some(PTRACE_KERNEL), ..Filter::default() },
            ..allow("process_vm_readv process_vm_writev ptrace")
        });
        rules.push(refuse(ABSENT));
        let sockets = "socket socketpair";
        rules.push(allow_if(sockets, Comparison::Less, FIRST_REFUSED_FAMILY));
        rules.extend(FAMILIES.map(|family| allow_if(sockets, Comparison::Equal, family)));
        let xdp = allow_if(sockets, Comparison::Equal, XDP_FAMILY);
        rules.push(Rule { includes: capability("CAP_NET_ADMIN"), ..xdp });
        rules.extend(PERSONALITIES.map(|persona| allow_if("personality", Comparison::Equal, persona)));
        rules.extend(ALLOWED_ON.map(|(arches, calls)| Rule {
            includes: Filter { arches: arches.iter().map(|&arch| Cow::Borrowed(arch)).collect(), ..Filter::default() },
            ..allow(calls)
        }));
        rules.extend(ALLOWED_WITH.map(|(name, calls)| Rule { includes: capability(name), ..allow(calls) }));
        // Without CAP_SYS_ADMIN no namespaces: clone(2) and unshare(2) show their flags, clone3(2) hides them behind a
        // pointer, so it does not exist and libc falls back.
        rules.push(Rule {
            excludes: capability("CAP_SYS_ADMIN"),
            ..allow_if("clone", Comparison::MaskedEqual(NAMESPACE_FLAGS), 0)
        });
        rules.push(allow_if("unshare", Comparison::MaskedEqual(NAMESPACE_FLAGS | NEW_TIME_FLAG), 0));
        rules.push(Rule { excludes: capability("CAP_SYS_ADMIN"), ..refuse("clone3") });
        Self { default_action: Action::Errno(libc::EPERM as u16), architectures, flags: 0, rules }
    }
}

/// A rule that always allows.
fn allow(calls: &str) -> Rule {
    Rule {
        calls: calls.split_ascii_whitespace().filter_map(row_of).collect(),
        action: Action::Allow,
        conditions: Vec::new(),
        includes: Filter::default(),
        excludes: Filter::default(),
    }
}

/// A rule by which calls do not exist.
fn refuse(calls: &str) -> Rule {
    Rule { action: Action::Errno(libc::ENOSYS as u16), ..allow(calls) }
}

/// A rule that allows depending on the first argument.
fn allow_if(calls: &str, comparison: Comparison, value: u64) -> Rule {
    Rule { conditions: vec![Condition { argument: 0, comparison, value }], ..allow(calls) }
}

/// A filter on one capability of the table above.
fn capability(name: &str) -> Filter {
    let capabilities = Capability::parse(name).map_or(CapSet::ALL, |capability| CapSet::EMPTY.with(capability));
    Filter { capabilities, ..Filter::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_call_or_known_to_be_foreign() {
        let tables = [ALLOWED, ABSENT].into_iter().chain(ALLOWED_WITH.map(|(_, calls)| calls));
        let unknown: Vec<&str> = tables
            .chain(ALLOWED_ON.map(|(_, calls)| calls))
            .flat_map(str::split_ascii_whitespace)
            .filter(|name| row_of(name).is_none())
            .collect();
        // riscv64's; `recv`, `waitpid` and their like exist on 32-bit architectures.
        assert_eq!(unknown, ["riscv_hwprobe"]);
        assert!(ALLOWED_WITH.iter().all(|(name, _)| Capability::parse(name).is_ok()));
        // docker's 361, with the differences of the head.
        assert_eq!(ALLOWED.split_ascii_whitespace().count(), 361 - 3 + 1);
    }
}
