//! `image trust`: from which repositories images are taken, as containers-policy.json(5) says.

use std::path::PathBuf;

use super::Engine;
use crate::base::{Error, Result, text};
use crate::registry::Policy;
pub use crate::registry::Rule;

/// What the policy says.
pub fn show(engine: &Engine) -> Result<Vec<Rule>> {
    Policy::load(&engine.registry).map(|policy| policy.rules())
}

/// The policy's own text.
pub fn raw(engine: &Engine) -> Result<String> {
    Policy::load(&engine.registry)?.text()
}

/// Says what happens to images of a registry or repository, or by `default`, in the user's own policy.
pub fn set(engine: &Engine, scope: &str, kind: &str) -> Result<PathBuf> {
    let accept = match kind {
        "accept" | "insecureAcceptAnything" => true,
        "reject" => false,
        "signedBy" | "sigstoreSigned" => {
            return Err(Error::unsupported(format!(
                "the trust type `{kind}` demands signatures, which coracle cannot verify"
            ))
            .hint("these are possible: accept, reject"));
        }
        other => {
            return Err(Error::usage(format!("invalid trust type `{}`", text::clean(other)))
                .hint("these are possible: accept, reject"));
        }
    };
    let path = engine.registry.policies.first().cloned();
    let path = path.ok_or_else(|| Error::system("no place for a policy is known"))?;
    Policy::load(&engine.registry)?.set(&path, scope, accept).map(|()| path)
}
