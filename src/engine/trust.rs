//! `image trust`: from which repositories images are taken, as containers-policy.json(5) says.

use std::path::PathBuf;

use super::Engine;
use crate::base::{Error, Result, text};
pub use crate::registry::Rule;
use crate::registry::{Policy, Verdict};

/// What the policy says.
pub fn show(engine: &Engine) -> Result<Vec<Rule>> {
    Policy::load(&engine.registry).map(|policy| policy.rules())
}

/// The policy's own text.
pub fn raw(engine: &Engine) -> Result<String> {
    Policy::load(&engine.registry)?.text()
}

/// Says what happens to images of a registry or repository, or by `default`, in the user's own policy. `keys` are files with
/// public keys, for signatures.
pub fn set(engine: &Engine, scope: &str, kind: &str, keys: &[PathBuf]) -> Result<PathBuf> {
    let verdict = match kind {
        "accept" | "insecureAcceptAnything" => Verdict::Accept,
        "reject" => Verdict::Reject,
        "sigstoreSigned" if keys.is_empty() => {
            return Err(Error::usage("the trust type `sigstoreSigned` needs a public key").hint("give it with -f FILE"));
        }
        "sigstoreSigned" => Verdict::Signed(keys.iter().map(|key| key.display().to_string()).collect()),
        "signedBy" => {
            return Err(Error::unsupported(format!(
                "the trust type `{kind}` demands signatures of GPG, which coracle cannot verify"
            ))
            .hint("these are possible: accept, reject, sigstoreSigned"));
        }
        other => {
            return Err(Error::usage(format!("invalid trust type `{}`", text::clean(other)))
                .hint("these are possible: accept, reject, sigstoreSigned"));
        }
    };
    if !keys.is_empty() && !matches!(verdict, Verdict::Signed(_)) {
        return Err(Error::usage("only the trust type `sigstoreSigned` has keys"));
    }
    let path = engine.registry.policies.first().cloned();
    let path = path.ok_or_else(|| Error::system("no place for a policy is known"))?;
    Policy::load(&engine.registry)?.set(&path, scope, &verdict).map(|()| path)
}
