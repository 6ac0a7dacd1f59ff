//! Platforms: `linux/amd64`, `linux/arm/v7`; which of an index's images runs here, and which runs best.

use std::fmt;
use std::str::FromStr;

use crate::base::{Error, Result, text};

/// What an image was built for, in Go's names, normalised: `x86_64` is `amd64`, `arm64/v8` is `arm64`, `amd64/v1` is
/// `amd64`, `arm` is `arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Platform {
    /// `linux`
    pub os: String,
    /// `amd64`, `arm64`, `arm`, `386`, `ppc64le`, `riscv64`, `s390x`, …
    pub architecture: String,
    /// `v7` of `linux/arm/v7`, `v3` of `linux/amd64/v3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// A normalised platform. An empty variant is none.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let os = os.to_ascii_lowercase();
        let architecture = architecture.to_ascii_lowercase();
        let variant = variant.unwrap_or_default().to_ascii_lowercase();
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "v1" | "") => ("amd64", ""),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("i386" | "i486" | "i586" | "i686", _) => ("386", ""),
            ("aarch64" | "arm64", "8" | "v8" | "") => ("arm64", ""),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "8") => ("arm", "v8"),
            other => other,
        };
        Self { os, architecture: architecture.to_owned(), variant: (!variant.is_empty()).then(|| variant.to_owned()) }
    }

    /// This machine's.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86" => "386",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            other => other,
        };
        Self::new("linux", architecture, None)
    }

    /// Whether an image for `candidate` runs where `self` is wanted.
    pub fn matches(&self, candidate: &Self) -> bool {
        self.rank(candidate).is_some()
    }

    /// How well `candidate` serves when `self` is wanted: 0 is exact, greater is worse, `None` does not run. Older
    /// variants run on newer machines, 32-bit images on the 64-bit machines of their family (containerd's rules).
    pub fn rank(&self, candidate: &Self) -> Option<u32> {
        let candidate = Self::new(&candidate.os, &candidate.architecture, candidate.variant.as_deref());
        if self.os != candidate.os {
            return None;
        }
        let (wanted, offered) = (self.level()?, candidate.level()?);
        match (self.architecture.as_str(), candidate.architecture.as_str()) {
            (a, b) if a == b => wanted.checked_sub(offered),
            ("amd64", "386") => Some(100),
            ("arm64", "arm") => Some(100 + 8_u32.checked_sub(offered)?),
            _ => None,
        }
    }

    /// The variant as a number that grows with what it demands; `None` for an unknown one.
    fn level(&self) -> Option<u32> {
        let base = match self.architecture.as_str() {
            "amd64" => 1,
            "arm64" => 8,
            _ => 0,
        };
        match self.variant.as_deref() {
            None => Some(base),
            // `v9`; a minor version such as `v8.1` counts as the next: it must not run on less.
            Some(variant) => {
                let (major, minor) = variant.strip_prefix('v')?.split_once('.').unwrap_or((&variant[1..], "0"));
                Some(major.parse::<u8>().ok()?.into()).map(|level: u32| level + u32::from(minor != "0"))
            }
        }
    }
}

/// `linux/amd64`, `linux/arm/v7`, or an architecture alone.
impl FromStr for Platform {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self> {
        let malformed = || {
            Error::usage(format!("`{}` is not a platform", text::clean(value)))
                .hint("a platform is OS/ARCHITECTURE[/VARIANT], as in `linux/amd64` or `linux/arm/v7`")
        };
        let part_fits = |part: &&str| {
            (1..=32).contains(&part.len())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        let parts: Vec<&str> = value.split('/').collect();
        if !parts.iter().all(part_fits) {
            return Err(malformed());
        }
        match parts[..] {
            ["linux"] => Ok(Self::host()),
            [architecture] => Ok(Self::new("linux", architecture, None)),
            [os, architecture] => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", text::clean(&self.os), text::clean(&self.architecture))?;
        match &self.variant {
            Some(variant) => write!(f, "/{}", text::clean(variant)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_normalised() {
        for (given, normal) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("Linux/AArch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("arm64", "linux/arm64"),
            ("windows/amd64", "windows/amd64"),
            ("linux", &Platform::host().to_string()),
        ] {
            assert_eq!(platform(given).to_string(), normal, "{given}");
        }
        for bad in ["", "/", "linux/", "linux/amd64/v1/x", "linux/a b", "linux/\x1b"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_runs_where_and_how_well() {
        for (wanted, offered, rank) in [
            ("linux/amd64", "linux/amd64", Some(0)),
            ("linux/amd64", "linux/amd64/v2", None),
            ("linux/amd64/v3", "linux/amd64/v2", Some(1)),
            ("linux/amd64/v3", "linux/amd64", Some(2)),
            ("linux/amd64", "linux/386", Some(100)),
            ("linux/386", "linux/amd64", None),
            ("linux/arm64", "linux/arm64/v8", Some(0)),
            ("linux/arm64", "linux/arm64/v8.2", None),
            ("linux/arm64", "linux/arm/v7", Some(101)),
            ("linux/arm64", "linux/arm/v6", Some(102)),
            ("linux/arm/v7", "linux/arm/v6", Some(1)),
            ("linux/arm/v6", "linux/arm/v7", None),
            ("linux/amd64", "linux/arm64", None),
            ("linux/amd64", "windows/amd64", None),
            ("linux/riscv64", "linux/riscv64", Some(0)),
            ("linux/amd64", "unknown/unknown", None),
        ] {
            assert_eq!(platform(wanted).rank(&platform(offered)), rank, "{wanted} {offered}");
        }
    }

    proptest! {
        #[test]
        fn any_platform_can_be_ranked(os in "\\PC{0,4}", arch in "arm|amd64|\\PC{0,4}", variant in proptest::option::of("v?\\PC{0,4}")) {
            let odd = Platform { os, architecture: arch, variant };
            let _ = Platform::host().rank(&odd);
            let _ = odd.rank(&Platform::host());
            let _ = odd.to_string();
        }
    }
}
