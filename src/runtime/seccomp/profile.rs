//! A seccomp profile as a value: rules by call name that depend on capabilities, architecture and kernel, in the terms of
//! docker's profile files, which extend `linux.seccomp` of the OCI runtime specification (config-linux.md).

use std::borrow::Cow;

use super::syscalls::SYSCALLS;
use crate::spec::capabilities::CapSet;

/// What happens to a call. Numbers of errno and trace data travel with their action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `SCMP_ACT_KILL`, `SCMP_ACT_KILL_THREAD`
    KillThread,
    /// `SCMP_ACT_KILL_PROCESS`
    KillProcess,
    /// `SCMP_ACT_TRAP`: SIGSYS.
    Trap,
    /// `SCMP_ACT_ERRNO`: the call fails with this errno.
    Errno(u16),
    /// `SCMP_ACT_TRACE`: a tracer decides; it sees the number.
    Trace(u16),
    /// `SCMP_ACT_LOG`: allowed, and logged.
    Log,
    /// `SCMP_ACT_ALLOW`
    Allow,
}

impl Action {
    /// The filter's return value, seccomp(2).
    pub fn code(self) -> u32 {
        match self {
            Self::KillThread => libc::SECCOMP_RET_KILL_THREAD,
            Self::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
            Self::Trap => libc::SECCOMP_RET_TRAP,
            Self::Errno(errno) => libc::SECCOMP_RET_ERRNO | u32::from(errno),
            Self::Trace(data) => libc::SECCOMP_RET_TRACE | u32::from(data),
            Self::Log => libc::SECCOMP_RET_LOG,
            Self::Allow => libc::SECCOMP_RET_ALLOW,
        }
    }

    /// Whether calls that the profile does not know go through, so that a newer kernel's need no ENOSYS.
    pub fn is_permissive(self) -> bool {
        matches!(self, Self::Allow | Self::Log | Self::Trace(_))
    }
}

/// An architecture whose calls a filter can judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86.
    I386,
    /// x86_64 with 32-bit pointers: the audit architecture of x86_64, and bit 30 set in the call number.
    X32,
    /// 64-bit arm.
    Aarch64,
    /// 32-bit arm.
    Arm,
}

impl Arch {
    /// The column of the number table.
    pub fn column(self) -> usize {
        self as usize
    }

    /// `AUDIT_ARCH_*` of `linux/audit.h`: what `seccomp_data.arch` says.
    pub fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::I386 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Whether registers are 64 bits wide for the calls of this architecture.
    pub fn is_64_bit(self) -> bool {
        matches!(self, Self::X86_64 | Self::Aarch64)
    }

    /// The name that `SCMP_ARCH_*` has, without the prefix.
    pub fn scmp_name(self) -> &'static str {
        match self {
            Self::X86_64 => "X86_64",
            Self::I386 => "X86",
            Self::X32 => "X32",
            Self::Aarch64 => "AARCH64",
            Self::Arm => "ARM",
        }
    }

    /// The name in `includes.arches` and `excludes.arches` of docker's profiles.
    pub fn filter_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::I386 => "x86",
            Self::X32 => "x32",
            Self::Aarch64 => "arm64",
            Self::Arm => "arm",
        }
    }

    /// All that are known here.
    pub const ALL: [Self; 5] = [Self::X86_64, Self::I386, Self::X32, Self::Aarch64, Self::Arm];
}

/// How an argument is compared; all comparisons are unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `SCMP_CMP_NE`
    NotEqual,
    /// `SCMP_CMP_LT`
    Less,
    /// `SCMP_CMP_LE`
    LessOrEqual,
    /// `SCMP_CMP_EQ`
    Equal,
    /// `SCMP_CMP_GE`
    GreaterOrEqual,
    /// `SCMP_CMP_GT`
    Greater,
    /// `SCMP_CMP_MASKED_EQ`: the argument under this mask equals the value under this mask.
    MaskedEqual(u64),
}

/// A condition on one argument of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub argument: u8,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub value: u64,
}

/// When a rule is part of the profile (`includes`) or is not (`excludes`). An empty filter says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Capabilities of the container's bounding set: `includes` wants all of them, `excludes` any.
    pub capabilities: CapSet,
    /// Names of host architectures as [`Arch::filter_name`]; foreign ones are kept, and never match.
    pub arches: Vec<Cow<'static, str>>,
    /// The oldest kernel, major and minor.
    pub min_kernel: Option<(u32, u32)>,
}

/// What a profile is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// The native architecture; `None` where no number table exists.
    pub arch: Option<Arch>,
    /// The kernel's major and minor version.
    pub kernel: (u32, u32),
}

impl Host {
    /// This machine.
    pub fn current() -> Self {
        let arch = match () {
            () if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) => Some(Arch::X86_64),
            () if cfg!(target_arch = "aarch64") => Some(Arch::Aarch64),
            () => None,
        };
        let release = rustix::system::uname();
        Self { arch, kernel: kernel_version(&release.release().to_string_lossy()).unwrap_or((0, 0)) }
    }
}

/// Major and minor of a kernel release: `6.1.0-18-amd64` is (6, 1).
pub fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let (major, rest) = release.split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Filter {
    /// Whether a rule with this as `includes` stays in.
    fn includes(&self, capabilities: CapSet, host: &Host) -> bool {
        (self.arches.is_empty() || self.names_arch(host))
            && self.capabilities & capabilities == self.capabilities
            && self.min_kernel.is_none_or(|oldest| host.kernel >= oldest)
    }

    /// Whether a rule with this as `excludes` is left out.
    fn excludes(&self, capabilities: CapSet, host: &Host) -> bool {
        self.names_arch(host)
            || self.capabilities & capabilities != CapSet::EMPTY
            || self.min_kernel.is_some_and(|oldest| host.kernel >= oldest)
    }

    fn names_arch(&self, host: &Host) -> bool {
        host.arch.is_some_and(|arch| self.arches.iter().any(|name| name == arch.filter_name()))
    }
}

/// One rule: an action for calls, perhaps under conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Rows of the number table.
    pub calls: Vec<u16>,
    /// What happens.
    pub action: Action,
    /// All of these hold; none means always.
    pub conditions: Vec<Condition>,
    /// The rule needs all of this.
    pub includes: Filter,
    /// The rule is void with any of this.
    pub excludes: Filter,
}

impl Rule {
    /// Whether the rule is part of the profile for a container with this bounding set.
    pub fn applies(&self, capabilities: CapSet, host: &Host) -> bool {
        !self.excludes.excludes(capabilities, host) && self.includes.includes(capabilities, host)
    }
}

/// A profile. Calls it does not name get the default action, calls of other architectures kill the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// For calls without a matching rule.
    pub default_action: Action,
    /// The architectures beside the native one.
    pub architectures: Vec<Arch>,
    /// `SECCOMP_FILTER_FLAG_*` for seccomp(2).
    pub flags: u64,
    /// The rules, in the file's order.
    pub rules: Vec<Rule>,
}

/// The row of the number table with the numbers of a call.
pub fn row_of(name: &str) -> Option<u16> {
    SYSCALLS.binary_search_by(|(known, _)| known.cmp(&name)).ok().map(|row| row as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_table_is_sorted_and_agrees_with_libc() {
        assert!(SYSCALLS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let number = |name: &str, arch: Arch| SYSCALLS[usize::from(row_of(name).unwrap())].1[arch.column()];
        #[cfg(target_arch = "x86_64")]
        for (name, value) in [
            ("read", libc::SYS_read),
            ("clone3", libc::SYS_clone3),
            ("openat2", libc::SYS_openat2),
            ("fchmodat2", libc::SYS_fchmodat2),
            ("mseal", libc::SYS_mseal),
            ("seccomp", libc::SYS_seccomp),
        ] {
            assert_eq!(i64::from(number(name, Arch::X86_64)), value, "{name}");
        }
        assert_eq!(number("socket", Arch::I386), 359);
        assert_eq!(number("rt_sigaction", Arch::X32), 512);
        assert_eq!(number("set_tls", Arch::Arm), 0xf0005);
        assert_eq!(row_of("no_such_call"), None);
    }

    #[test]
    fn kernel_releases() {
        for (release, version) in
            [("6.1.0-18-amd64", (6, 1)), ("5.15-rc3", (5, 15)), ("6.18.44-fc", (6, 18)), ("4.8", (4, 8))]
        {
            assert_eq!(kernel_version(release), Some(version));
        }
        assert_eq!(kernel_version("linux"), None);
        assert_eq!(kernel_version("6.x"), None);
        assert!(Host::current().kernel >= (5, 0));
    }

    #[test]
    fn filters_follow_docker() {
        let host = Host { arch: Some(Arch::X86_64), kernel: (6, 1) };
        let caps = |names: &[&str]| CapSet::from_names(names).unwrap();
        let filter = |names: &[&str], arches: &[&'static str], min_kernel| Filter {
            capabilities: caps(names),
            arches: arches.iter().map(|&arch| Cow::Borrowed(arch)).collect(),
            min_kernel,
        };
        for (filter, included, excluded) in [
            (filter(&[], &[], None), true, false),
            (filter(&["KILL"], &[], None), true, true),
            (filter(&["KILL", "CHOWN"], &[], None), false, true),
            (filter(&["CHOWN"], &[], None), false, false),
            (filter(&[], &["amd64", "x32"], None), true, true),
            (filter(&[], &["s390x"], None), false, false),
            (filter(&[], &[], Some((6, 1))), true, true),
            (filter(&[], &[], Some((6, 2))), false, false),
            (filter(&[], &[], Some((5, 19))), true, true),
        ] {
            assert_eq!(filter.includes(caps(&["KILL"]), &host), included, "{filter:?}");
            assert_eq!(filter.excludes(caps(&["KILL"]), &host), excluded, "{filter:?}");
        }
    }
}
