//! What a policy demands of signatures: `sigstoreSigned` of containers-policy.json(5), with keys. Pure but for key files.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::key::PublicKey;
use crate::base::{Error, Result, ResultExt};
use crate::oci::Reference;

/// Largest key file, in bytes.
const KEY_MAX: u64 = 64 << 10;

/// An image must have a signature that one of the keys has made, for an identity that fits.
#[derive(Debug, Clone)]
pub struct Demand {
    /// One of these.
    pub keys: Vec<PublicKey>,
    /// What the signature must say that the image is.
    pub identity: Identity,
}

/// The `signedIdentity` of a requirement.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Identity {
    /// The whole reference; of an image that is asked for by digest its repository.
    #[default]
    #[serde(rename = "matchRepoDigestOrExact")]
    RepoDigestOrExact,
    /// The whole reference.
    #[serde(rename = "matchExact")]
    Exact,
    /// The repository, whatever the tag.
    #[serde(rename = "matchRepository")]
    Repository,
    /// This reference, whatever was asked for.
    #[serde(rename = "exactReference")]
    ExactReference {
        /// The reference.
        docker_reference: String,
    },
    /// This repository, whatever was asked for.
    #[serde(rename = "exactRepository")]
    ExactRepository {
        /// The repository.
        docker_repository: String,
    },
    /// As [`Identity::RepoDigestOrExact`], of the reference with another beginning: for mirrors.
    #[serde(rename = "remapIdentity")]
    Remap {
        /// What references begin with.
        prefix: String,
        /// What signatures have in its place.
        signed_prefix: String,
    },
}

/// The fields of a requirement. Those that would demand more than can be verified are refused, never ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(rename = "type")]
    _kind: String,
    key_path: Option<String>,
    key_paths: Option<Vec<String>>,
    key_data: Option<String>,
    key_datas: Option<Vec<String>>,
    #[serde(default)]
    signed_identity: Option<Identity>,
    fulcio: Option<Value>,
    pki: Option<Value>,
    rekor_public_key_path: Option<Value>,
    rekor_public_key_paths: Option<Value>,
    rekor_public_key_data: Option<Value>,
    rekor_public_key_datas: Option<Value>,
}

impl Demand {
    /// Reads a requirement of the type `sigstoreSigned`.
    pub fn of(requirement: &Value) -> Result<Self> {
        let wrong = |cause: String| {
            Error::invalid("a requirement of the policy cannot be understood").caused_by(Error::invalid(cause))
        };
        let written: Written = serde_json::from_value(requirement.clone()).map_err(|error| wrong(error.to_string()))?;
        let beyond = [
            (&written.fulcio, "certificates of Fulcio"),
            (&written.pki, "certificates"),
            (&written.rekor_public_key_path, "entries in Rekor's log"),
            (&written.rekor_public_key_paths, "entries in Rekor's log"),
            (&written.rekor_public_key_data, "entries in Rekor's log"),
            (&written.rekor_public_key_datas, "entries in Rekor's log"),
        ];
        if let Some((_, what)) = beyond.iter().find(|(field, _)| field.is_some()) {
            return Err(Error::unsupported(format!("the policy demands {what}, and coracle verifies keys alone"))
                .hint("give `keyPath` or `keyData` without `fulcio`, `pki` and `rekor…`"));
        }
        let (paths, data) = match (written.key_path, written.key_paths, written.key_data, written.key_datas) {
            (Some(path), None, None, None) => (vec![path], Vec::new()),
            (None, Some(paths), None, None) => (paths, Vec::new()),
            (None, None, Some(data), None) => (Vec::new(), vec![data]),
            (None, None, None, Some(data)) => (Vec::new(), data),
            _ => return Err(wrong("it needs one of keyPath, keyPaths, keyData and keyDatas".into())),
        };
        let mut keys = Vec::new();
        for path in &paths {
            keys.extend(key_file(Path::new(path))?);
        }
        for data in data {
            let bytes = STANDARD.decode(data).map_err(|error| wrong(error.to_string()))?;
            keys.extend(PublicKey::all_of_pem(&bytes)?);
        }
        match keys.is_empty() {
            true => Err(wrong("it has no key".into())),
            false => Ok(Self { keys, identity: written.signed_identity.unwrap_or_default() }),
        }
    }
}

/// The keys of a file.
fn key_file(path: &Path) -> Result<Vec<PublicKey>> {
    if fs::metadata(path).at(path, "cannot read the key")?.len() > KEY_MAX {
        return Err(Error::invalid(format!("the key `{}` is larger than 64 KiB", path.display())));
    }
    let pem = fs::read(path).at(path, "cannot read the key")?;
    PublicKey::all_of_pem(&pem).context(|| format!("cannot use the key `{}`", path.display()))
}

impl Identity {
    /// Whether a signature for `signed` is one for the image that was asked for as `asked`.
    pub fn fits(&self, asked: &Reference, signed: &str) -> bool {
        // A name without tag and digest is one of a repository, to which the grammar would add a tag.
        let Ok(reference) = signed.parse::<Reference>() else { return false };
        let has_suffix = signed.contains('@') || signed.rsplit('/').next().is_some_and(|last| last.contains(':'));
        let same_repository = |other: &str| reference.name() == other;
        let same = |other: &Reference| has_suffix && reference == *other;
        let digest_or_exact = |asked: &Reference| match asked.digest() {
            Some(_) => reference.name() == asked.name(),
            None => same(asked),
        };
        match self {
            Self::RepoDigestOrExact => digest_or_exact(asked),
            Self::Exact => same(asked),
            Self::Repository => same_repository(&asked.name()),
            Self::ExactReference { docker_reference } => {
                docker_reference.parse::<Reference>().is_ok_and(|wanted| same(&wanted))
            }
            Self::ExactRepository { docker_repository } => {
                docker_repository.parse::<Reference>().is_ok_and(|wanted| same_repository(&wanted.name()))
            }
            Self::Remap { prefix, signed_prefix } => match remapped(asked, prefix, signed_prefix) {
                Some(asked) => digest_or_exact(&asked),
                None => digest_or_exact(asked),
            },
        }
    }
}

/// The reference with another beginning. A beginning ends where a component of the name does.
fn remapped(asked: &Reference, prefix: &str, signed_prefix: &str) -> Option<Reference> {
    let text = asked.to_string();
    let rest = text.strip_prefix(prefix)?;
    let ends = rest.is_empty() || rest.starts_with(['/', ':', '@']);
    ends.then(|| format!("{signed_prefix}{rest}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn identities_are_those_of_the_manual_page() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let fits = |identity: Value, asked: &str, signed: &str| {
            let identity: Identity = serde_json::from_value(identity).unwrap();
            identity.fits(&asked.parse().unwrap(), signed)
        };
        let default = json!({ "type": "matchRepoDigestOrExact" });
        assert!(fits(default.clone(), "h.io/app:1", "h.io/app:1"));
        assert!(!fits(default.clone(), "h.io/app:1", "h.io/app:2"));
        assert!(!fits(default.clone(), "h.io/app", "h.io/app"), "cosign's, without a tag");
        assert!(fits(default.clone(), &format!("h.io/app@{digest}"), "h.io/app:7"));
        assert!(!fits(default, "h.io/app:1", "h.io/app:1/../x"));
        let exact = json!({ "type": "matchExact" });
        assert!(fits(exact.clone(), "app:1", "docker.io/library/app:1"));
        assert!(!fits(exact, &format!("h.io/app@{digest}"), "h.io/app:7"));
        let repository = json!({ "type": "matchRepository" });
        assert!(fits(repository.clone(), "h.io/app:1", "h.io/app"));
        assert!(!fits(repository, "h.io/app:1", "h.io/apps"));
        let reference = json!({ "type": "exactReference", "dockerReference": "h.io/app:1" });
        assert!(fits(reference.clone(), "other/x:9", "h.io/app:1") && !fits(reference, "h.io/app:1", "h.io/app:2"));
        let place = json!({ "type": "exactRepository", "dockerRepository": "h.io/app" });
        assert!(fits(place.clone(), "mirror/app:1", "h.io/app:3") && !fits(place, "h.io/app:1", "mirror/app:1"));
        let remap = json!({ "type": "remapIdentity", "prefix": "mirror.io/x", "signedPrefix": "h.io" });
        assert!(fits(remap.clone(), "mirror.io/x/app:1", "h.io/app:1"));
        assert!(!fits(remap.clone(), "mirror.io/xy/app:1", "h.ioy/app:1"));
        assert!(fits(remap, "h.io/app:1", "h.io/app:1"), "others are as they are");
        assert!(serde_json::from_value::<Identity>(json!({ "type": "any" })).is_err());
    }

    #[test]
    fn what_cannot_be_verified_is_no_demand_that_is_met() {
        let kind = |requirement: Value| Demand::of(&requirement).map(|_| ()).unwrap_err().kind();
        let unsupported = crate::base::Kind::Unsupported;
        let key = STANDARD.encode(super::super::key::tests::P256);
        assert!(Demand::of(&json!({ "type": "sigstoreSigned", "keyData": key })).is_ok());
        assert_eq!(kind(json!({ "type": "sigstoreSigned", "keyData": key, "rekorPublicKeyPath": "/x" })), unsupported);
        assert_eq!(kind(json!({ "type": "sigstoreSigned", "fulcio": {} })), unsupported);
        for bad in [
            json!({ "type": "sigstoreSigned" }),
            json!({ "type": "sigstoreSigned", "keyData": key, "keyPath": "/x" }),
            json!({ "type": "sigstoreSigned", "keyData": key, "newField": 1 }),
            json!({ "type": "sigstoreSigned", "keyData": "!" }),
            json!({ "type": "sigstoreSigned", "keyDatas": [] }),
            json!({ "type": "sigstoreSigned", "keyData": key, "signedIdentity": { "type": "any" } }),
            json!({ "type": "sigstoreSigned", "keyPath": "/absent" }),
        ] {
            assert!(Demand::of(&bad).is_err(), "{bad}");
        }
    }
}
