//! `--restart`: whether the end of a run is followed by another one.

use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, text};

/// What follows when a container ends by itself. Who stops it ends it in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Nothing.
    #[default]
    No,
    /// Another run if this one has failed: at most this number of times, any number when 0.
    OnFailure(u32),
    /// Another run.
    Always,
    /// The same; what a user has stopped is not started with the machine either.
    UnlessStopped,
}

/// docker's words for the policies.
pub const NAMES: [&str; 4] = ["no", "on-failure", "always", "unless-stopped"];

impl RestartPolicy {
    /// Reads `NAME` or `on-failure:N`; nothing is `no`.
    pub fn parse(given: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Err(Error::usage(format!("invalid restart policy `{}`: {why}", text::clean(given)))
                .hint("the policies are no, on-failure[:COUNT], always and unless-stopped"))
        };
        let (name, count) = given.split_once(':').unwrap_or((given, ""));
        let retries = match count {
            "" => 0,
            count => match count.parse::<i64>() {
                Ok(count) if count < 0 => return wrong("the maximum retry count cannot be negative"),
                Ok(count) => u32::try_from(count).unwrap_or(u32::MAX),
                Err(_) => return wrong("the maximum retry count must be an integer"),
            },
        };
        match name {
            "on-failure" => Ok(Self::OnFailure(retries)),
            "no" | "always" | "unless-stopped" if retries > 0 => {
                wrong("a maximum retry count can only be used with on-failure")
            }
            "" if given.is_empty() => Ok(Self::No),
            "no" => Ok(Self::No),
            "always" => Ok(Self::Always),
            "unless-stopped" => Ok(Self::UnlessStopped),
            _ => wrong("unknown policy"),
        }
    }

    /// Whether nothing follows.
    pub fn is_no(&self) -> bool {
        *self == Self::No
    }

    /// docker's word, one of [`NAMES`].
    pub fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnFailure(_) => "on-failure",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
        }
    }

    /// How often `on-failure` starts a container again; 0 for no limit, and for the other policies.
    pub fn retries(self) -> u32 {
        match self {
            Self::OnFailure(retries) => retries,
            _ => 0,
        }
    }

    /// Whether another run follows one that ended by itself with `code`, when `restarts` have been made already.
    pub fn continues(self, code: i32, restarts: u32) -> bool {
        match self {
            Self::No => false,
            Self::OnFailure(retries) => code != 0 && (retries == 0 || restarts < retries),
            Self::Always | Self::UnlessStopped => true,
        }
    }

    /// Whether the container is meant to run again when the machine has started; `stopped`: a user has stopped it.
    pub fn starts_on_boot(self, stopped: bool) -> bool {
        match self {
            Self::No | Self::OnFailure(_) => false,
            Self::Always => true,
            Self::UnlessStopped => !stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policies_are_dockers() {
        for (given, expected) in [
            ("", RestartPolicy::No),
            ("no", RestartPolicy::No),
            ("no:0", RestartPolicy::No),
            ("on-failure", RestartPolicy::OnFailure(0)),
            ("on-failure:", RestartPolicy::OnFailure(0)),
            ("on-failure:3", RestartPolicy::OnFailure(3)),
            ("always", RestartPolicy::Always),
            ("unless-stopped", RestartPolicy::UnlessStopped),
        ] {
            assert_eq!(RestartPolicy::parse(given).unwrap(), expected, "{given}");
            assert!(NAMES.contains(&expected.name()));
        }
        for (given, why) in [
            ("sometimes", "unknown policy"),
            (":3", "unknown policy"),
            ("always:3", "only be used with on-failure"),
            ("on-failure:x", "must be an integer"),
            ("on-failure:-1", "cannot be negative"),
        ] {
            assert!(RestartPolicy::parse(given).unwrap_err().message().contains(why), "{given}");
        }
    }

    #[test]
    fn another_run_follows_where_the_policy_says_so() {
        use RestartPolicy::{Always, No, OnFailure, UnlessStopped};
        for (policy, code, restarts, expected) in [
            (No, 1, 0, false),
            (OnFailure(0), 0, 0, false),
            (OnFailure(0), 1, 1000, true),
            (OnFailure(2), 137, 1, true),
            (OnFailure(2), 137, 2, false),
            (Always, 0, 7, true),
            (UnlessStopped, 0, 7, true),
        ] {
            assert_eq!(policy.continues(code, restarts), expected, "{policy:?} {code} {restarts}");
        }
        assert!(Always.starts_on_boot(true) && UnlessStopped.starts_on_boot(false));
        assert!(!UnlessStopped.starts_on_boot(true) && !OnFailure(0).starts_on_boot(false));
    }
}
