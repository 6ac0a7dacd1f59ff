//! Linux capabilities as a value: names, sets, docker's default, and what `--cap-add` and `--cap-drop` make of it.
//!
//! Pure: nothing here changes a process. The kernel floor of coracle (5.11) knows every capability of this table.

use std::fmt;
use std::ops::{BitAnd, BitOr};

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};
use crate::base::text;

/// All capabilities by number, capabilities(7) and `linux/capability.h`; the index is the number.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// One capability of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Capability(u8);

impl Capability {
    /// The capability's number in the kernel, below 64.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The full name, as `CAP_SYS_ADMIN`.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// Looks a name up: with or without `CAP_`, in any case.
    pub fn parse(name: &str) -> Result<Self> {
        let upper = name.trim().to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        match NAMES.iter().position(|known| known[4..] == *bare) {
            Some(number) => Ok(Self(number as u8)),
            None => Err(Error::usage(format!("unknown capability `{}`", text::clean(name)))
                .hint("names are those of capabilities(7) with or without `CAP_`, as `NET_ADMIN`, or `ALL`")),
        }
    }
}

/// A set of capabilities: bit n is capability number n, as in `/proc/PID/status`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CapSet(u64);

impl CapSet {
    /// No capability.
    pub const EMPTY: Self = Self(0);

    /// Every capability of the table.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// What docker gives to an unprivileged container: the 14 capabilities of `DefaultCapabilities` in
    /// moby `daemon/pkg/oci/caps/defaults.go` (docs: "Runtime privilege and Linux capabilities").
    pub const DEFAULT: Self = Self(
        1 << 0          // CHOWN
            | 1 << 1    // DAC_OVERRIDE
            | 1 << 3    // FOWNER
            | 1 << 4    // FSETID
            | 1 << 5    // KILL
            | 1 << 6    // SETGID
            | 1 << 7    // SETUID
            | 1 << 8    // SETPCAP
            | 1 << 10   // NET_BIND_SERVICE
            | 1 << 13   // NET_RAW
            | 1 << 18   // SYS_CHROOT
            | 1 << 27   // MKNOD
            | 1 << 29   // AUDIT_WRITE
            | 1 << 31, // SETFCAP
    );

    /// A set from kernel bits; bits without a name are kept, so that a set read from a newer kernel is shown truly.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The kernel's bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether the capability is in the set.
    pub fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability.0) != 0
    }

    /// The set with the capability.
    pub fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability.0)
    }

    /// The set without the capability.
    pub fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(1 << capability.0))
    }

    /// The named capabilities of the set, by number.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        (0..NAMES.len() as u8).map(Capability).filter(move |&capability| self.contains(capability))
    }

    /// The full names, as `config.json` of the OCI runtime specification lists them.
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Capability::name).collect()
    }

    /// The set of a list of single names; `ALL` is not one of them.
    pub fn from_names<S: AsRef<str>>(names: &[S]) -> Result<Self> {
        names.iter().try_fold(Self::EMPTY, |set, name| Ok(set.with(Capability::parse(name.as_ref())?)))
    }

    /// What `--cap-add` and `--cap-drop` make of this set, by docker's rules (moby `daemon/pkg/oci/caps/utils.go`):
    /// `--cap-add ALL` is everything but the dropped names, `--cap-drop ALL` is only the added names, and otherwise a name
    /// that is both dropped and added is added. One value may hold several names with commas, as podman takes them.
    pub fn tweaked<S: AsRef<str>>(self, add: &[S], drop: &[S]) -> Result<Self> {
        let (add_all, add) = parse_values(add)?;
        let (drop_all, drop) = parse_values(drop)?;
        Ok(match (add_all, drop_all) {
            (true, _) => Self(Self::ALL.0 & !drop.0),
            (false, true) => add,
            (false, false) => Self(self.0 & !drop.0 | add.0),
        })
    }
}

/// The values of one option: whether `ALL` is among them, and the names.
fn parse_values<S: AsRef<str>>(values: &[S]) -> Result<(bool, CapSet)> {
    let (mut all, mut set) = (false, CapSet::EMPTY);
    for name in values.iter().flat_map(|value| value.as_ref().split(',')) {
        match name.trim().eq_ignore_ascii_case("all") || name.trim().eq_ignore_ascii_case("cap_all") {
            true => all = true,
            false => set = set.with(Capability::parse(name)?),
        }
    }
    Ok((all, set))
}

impl BitOr for CapSet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for CapSet {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Capability::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Kind;

    #[test]
    fn the_default_set_is_dockers() {
        assert_eq!(
            CapSet::DEFAULT.names(),
            [
                "CAP_CHOWN",
                "CAP_DAC_OVERRIDE",
                "CAP_FOWNER",
                "CAP_FSETID",
                "CAP_KILL",
                "CAP_SETGID",
                "CAP_SETUID",
                "CAP_SETPCAP",
                "CAP_NET_BIND_SERVICE",
                "CAP_NET_RAW",
                "CAP_SYS_CHROOT",
                "CAP_MKNOD",
                "CAP_AUDIT_WRITE",
                "CAP_SETFCAP",
            ]
        );
        // The value that /proc/self/status shows in every docker container.
        assert_eq!(CapSet::DEFAULT.bits(), 0x0000_0000_a804_25fb);
    }

    #[test]
    fn numbers_are_the_kernels() {
        for (name, number) in [("CAP_CHOWN", 0), ("CAP_SYS_ADMIN", 21), ("CAP_SYSLOG", 34), ("CAP_BPF", 39)] {
            assert_eq!(Capability::parse(name).unwrap().number(), number);
        }
        assert_eq!(Capability::parse("checkpoint_restore").unwrap().number(), 40);
        assert_eq!(CapSet::ALL.bits(), 0x1ff_ffff_ffff);
    }

    #[test]
    fn names_are_taken_in_any_form() {
        for name in ["NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "cap_Net_Admin", " net_admin "] {
            assert_eq!(Capability::parse(name).unwrap().name(), "CAP_NET_ADMIN", "{name}");
        }
        for name in ["", "CAP_", "NETADMIN", "CAP_CAP_CHOWN", "ALL", "chown\u{1b}[31m"] {
            let error = Capability::parse(name).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{name}");
            assert!(!error.message().contains('\u{1b}'));
        }
        assert_eq!(Capability::parse("FLY").unwrap_err().message(), "unknown capability `FLY`");
    }

    #[test]
    fn adds_and_drops_follow_docker() {
        let cap = |names: &str| {
            CapSet::from_names(&names.split(',').filter(|name| !name.is_empty()).collect::<Vec<_>>()).unwrap()
        };
        let base = cap("chown,kill");
        for (add, drop, result) in [
            ("", "", base),
            ("NET_ADMIN", "", cap("chown,kill,net_admin")),
            ("", "CAP_KILL", cap("chown")),
            ("kill", "kill", base),
            ("all", "", CapSet::ALL),
            ("ALL", "chown", CapSet::ALL.without(Capability(0))),
            ("", "all", CapSet::EMPTY),
            ("SYS_TIME", "ALL", cap("sys_time")),
            ("ALL", "ALL", CapSet::ALL),
            ("sys_time,sys_boot", "", cap("chown,kill,sys_time,sys_boot")),
        ] {
            let values = |value: &'static str| if value.is_empty() { vec![] } else { vec![value] };
            assert_eq!(base.tweaked(&values(add), &values(drop)).unwrap(), result, "+{add} -{drop}");
        }
        assert!(base.tweaked(&["nope"], &[]).is_err());
        assert!(base.tweaked(&[], &["kill,"]).is_err());
    }

    #[test]
    fn an_unknown_bit_of_a_newer_kernel_is_kept_and_nameless() {
        let set = CapSet::from_bits(1 << 63 | 1);
        assert_eq!((set.bits(), set.names()), (1 << 63 | 1, vec!["CAP_CHOWN"]));
    }
}
