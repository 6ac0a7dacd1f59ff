//! The credentials of the user for a registry: docker's `config.json`, containers-auth.json(5) and credential helpers. What writes them
//! is `auth_file`.
//!
//! Secrets never appear in errors or `Debug` output.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::credential_helper;
use crate::base::error::if_absent;
use crate::base::{Error, Result, ResultExt};
use crate::oci::document;
use crate::oci::reference::DOCKER_HUB;
pub use crate::spec::credentials::Credentials;

/// Largest credentials file, in bytes.
const FILE_MAX: u64 = 1 << 20;
/// What docker calls Docker Hub in its files and to its helpers.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The helper of containers-registries.conf(5) that stands for the files with credentials.
const AUTH_FILES: &str = "containers-auth.json";

/// The result of a search.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// None: be anonymous.
    pub credentials: Option<Credentials>,
    /// What went wrong on the way and may explain a refusal, for hints.
    pub notes: Vec<String>,
}

#[derive(serde::Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    #[serde(default)]
    pub auths: BTreeMap<String, Auth>,
    #[serde(default)]
    pub cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: String,
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub(super) struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// Searches `files` in order for credentials for a repository. Within a file a credential helper comes first, as in
/// docker, then the most specific key: `host/a/b`, `host/a`, `host`.
pub fn find(files: &[impl AsRef<Path>], host: &str, repository: &str, patience: Duration) -> Result<Found> {
    let mut found = Found::default();
    for path in files {
        let path = path.as_ref();
        let Some(file) = load(path)? else { continue };
        if let Some(helper) = file.helper(host) {
            match credential_helper::get(helper, server_name(host), patience) {
                Ok(Some(credentials)) => return Ok(Found { credentials: Some(credentials), ..found }),
                Ok(None) => {}
                Err(error) => {
                    found.notes.push(format!("`{}` names a credential helper: {}", path.display(), error.chain()))
                }
            }
        }
        if let Some((key, auth)) = file.entry(host, repository) {
            let credentials = auth.credentials().map_err(|error| {
                Error::invalid(format!(
                    "the entry `{}` of `{}` is malformed",
                    crate::base::text::clean(key),
                    path.display()
                ))
                .caused_by(error)
                .hint("log in again to replace it")
            })?;
            if credentials.is_some() {
                return Ok(Found { credentials, ..found });
            }
        }
    }
    Ok(found)
}

/// Asks `helpers` in order, `credential-helpers` of containers-registries.conf(5); [`AUTH_FILES`] among them stands for
/// `files`.
pub fn find_by(
    helpers: &[String],
    files: &[impl AsRef<Path>],
    host: &str,
    repository: &str,
    patience: Duration,
) -> Result<Found> {
    let mut notes = Vec::new();
    for helper in helpers {
        if helper == AUTH_FILES {
            let mut found = find(files, host, repository, patience)?;
            notes.append(&mut found.notes);
            if found.credentials.is_some() {
                return Ok(Found { notes, ..found });
            }
            continue;
        }
        match credential_helper::get(helper, server_name(host), patience) {
            Ok(Some(credentials)) => return Ok(Found { credentials: Some(credentials), notes }),
            Ok(None) => {}
            Err(error) => notes.push(format!("registries.conf names a credential helper: {}", error.chain())),
        }
    }
    Ok(Found { credentials: None, notes })
}

fn load(path: &Path) -> Result<Option<File>> {
    let Some(metadata) = if_absent(fs::metadata(path)).at(path, "cannot read the credentials in")? else {
        return Ok(None);
    };
    if metadata.len() > FILE_MAX {
        return Err(Error::invalid(format!("`{}` is larger than 1 MiB", path.display())));
    }
    let Some(bytes) = if_absent(fs::read(path)).at(path, "cannot read the credentials in")? else { return Ok(None) };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    document::from_slice(&bytes).at(path, "cannot understand the credentials in").map(Some)
}

impl File {
    /// The helper for a host.
    pub fn helper(&self, host: &str) -> Option<&str> {
        let own = self.cred_helpers.iter().find(|(key, _)| host_of(key) == host).map(|(_, helper)| helper.as_str());
        own.or(Some(self.creds_store.as_str())).filter(|helper| !helper.is_empty())
    }

    fn entry(&self, host: &str, repository: &str) -> Option<(&str, &Auth)> {
        let mut scope = format!("{host}/{repository}");
        loop {
            if let Some((key, auth)) = self.auths.iter().find(|(key, _)| scope_of(key) == scope) {
                return Some((key, auth));
            }
            scope.truncate(scope.rfind('/')?);
        }
    }
}

impl Auth {
    fn credentials(&self) -> Result<Option<Credentials>> {
        if !self.registrytoken.is_empty() {
            return Ok(Some(Credentials::RegistryToken(self.registrytoken.clone())));
        }
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::IdentityToken(self.identitytoken.clone())));
        }
        if !self.auth.is_empty() {
            // The decoder's own message could quote a part of the secret.
            let text = STANDARD.decode(self.auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or_else(|| Error::invalid("`auth` is not base64 text"))?;
            // docker pads with NUL bytes.
            let credentials = Credentials::parse(text.trim_end_matches('\0'))?;
            return Ok(Some(credentials));
        }
        Ok((!self.username.is_empty())
            .then(|| Credentials::Password { user: self.username.clone(), password: self.password.clone() }))
    }
}

/// What a helper is asked for.
pub(super) fn server_name(host: &str) -> &str {
    if host == DOCKER_HUB { HUB_KEY } else { host }
}

/// A key without docker's legacy decoration: `https://host/v1/` is `host`, and Docker Hub has one name. A key without a
/// scheme may have a path (containers-auth.json(5)).
pub(super) fn scope_of(key: &str) -> String {
    let (had_scheme, rest) = match key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")) {
        Some(rest) => (true, rest),
        None => (false, key),
    };
    let rest = rest.trim_end_matches('/');
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
        host => host,
    };
    match had_scheme || matches!(path, "" | "v1" | "v2") {
        true => host.to_owned(),
        false => format!("{host}/{path}"),
    }
}

fn host_of(key: &str) -> String {
    let mut scope = scope_of(key);
    scope.truncate(scope.find('/').unwrap_or(scope.len()));
    scope
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        document::from_slice(text.as_bytes()).unwrap()
    }

    #[test]
    fn keys_are_matched_from_the_most_specific() {
        let file = file(
            r#"{"auths": {
                "https://index.docker.io/v1/": {"username": "hub"},
                "quay.io": {"username": "quay"},
                "quay.io/team": {"username": "team"},
                "quay.io/team/app": {"username": "app"},
                "https://old.example/v2/": {"username": "old"},
                "localhost:5000": {"username": "local"}
            }, "credHelpers": null}"#,
        );
        for (host, repository, expected) in [
            ("docker.io", "library/alpine", Some("hub")),
            ("quay.io", "team/app", Some("app")),
            ("quay.io", "team/application", Some("team")),
            ("quay.io", "other/app", Some("quay")),
            ("old.example", "x/y/z", Some("old")),
            ("localhost:5000", "x", Some("local")),
            ("localhost", "x", None),
            ("io", "x", None),
        ] {
            let entry = file.entry(host, repository).map(|(_, auth)| auth.username.as_str());
            assert_eq!(entry, expected, "{host}/{repository}");
        }
    }

    #[test]
    fn helpers_belong_to_hosts_and_the_store_to_the_rest() {
        let file = file(
            r#"{"credHelpers": {"gcr.io": "gcloud", "https://index.docker.io/v1/": "hub"}, "credsStore": "pass"}"#,
        );
        for (host, helper) in [("gcr.io", "gcloud"), ("docker.io", "hub"), ("quay.io", "pass")] {
            assert_eq!(file.helper(host), Some(helper));
        }
        assert_eq!(File::default().helper("quay.io"), None);
    }

    #[test]
    fn entries_are_decoded_and_never_shown() {
        let decode = |text: &str| document::from_slice::<Auth>(text.as_bytes()).unwrap().credentials();
        let password =
            |user: &str, password: &str| Credentials::Password { user: user.into(), password: password.into() };
        assert_eq!(decode(r#"{"auth": "dXNlcjpwYTpzcw=="}"#).unwrap(), Some(password("user", "pa:ss")));
        assert_eq!(decode(r#"{"username": "u", "password": "p"}"#).unwrap(), Some(password("u", "p")));
        assert_eq!(
            decode(r#"{"auth": "dTpw", "identitytoken": "t"}"#).unwrap(),
            Some(Credentials::IdentityToken("t".into()))
        );
        assert_eq!(decode("{}").unwrap(), None);
        for bad in [r#"{"auth": "c2VjcmV0"}"#, r#"{"auth": "!!secret!!"}"#] {
            assert!(!decode(bad).unwrap_err().chain().contains("secret"));
        }
        assert!(!format!("{:?}", password("user", "hunter2")).contains("hunter2"));
        assert_eq!(password("Aladdin", "open sesame").basic().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
