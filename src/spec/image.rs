//! The image of a container: which one is asked for, and where the layers of one that was created come from.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, text};
use crate::oci::Platform;

/// The image a container was made from; its layers stay referenced as long as the container exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageOrigin {
    /// As the user named it.
    pub name: String,
    /// The image id: the digest of its config, with `sha256:`.
    pub id: String,
    /// Diff ids with `sha256:`, base layer first.
    pub layers: Vec<String>,
    /// The architecture that it says it is for, in the words of images; empty when that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub architecture: String,
}

/// The image that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageRequest {
    /// Name, id or digest as typed.
    pub name: String,
    /// `--pull`.
    pub pull: PullPolicy,
    /// `--platform`.
    pub platform: Option<Platform>,
}

/// When to ask the registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    /// Before every use.
    Always,
    /// Before every use; but an image that is there will do when the registry cannot be asked.
    Newer,
    /// When the image is not there.
    #[default]
    Missing,
    /// Not at all.
    Never,
}

impl FromStr for PullPolicy {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "always" => Ok(PullPolicy::Always),
            "newer" | "ifnewer" => Ok(PullPolicy::Newer),
            "missing" | "ifmissing" => Ok(PullPolicy::Missing),
            "never" => Ok(PullPolicy::Never),
            other => Err(Error::usage(format!(
                "invalid pull option: `{}`: must be one of `always`, `missing`, `newer` or `never`",
                text::clean(other)
            ))),
        }
    }
}
