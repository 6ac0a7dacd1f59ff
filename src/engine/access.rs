//! What a face says once, before it asks for anything: where things are, and how the user of this command reaches
//! registries, over what is usual on this machine. And what the engine knows of its user's ids.

use std::fs;
use std::path::PathBuf;

use super::Engine;
use crate::base::{Paths, Result, ResultExt};
use crate::registry::Settings;
use crate::rootless::outer;

/// What the user says about registries.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// `--tls-verify`; see [`Settings::tls_verify`].
    pub tls_verify: Option<bool>,
    /// `--authfile`: the only file with credentials, which must exist.
    pub auth_file: Option<PathBuf>,
    /// docker's client configuration directory, where it is not the usual one.
    pub docker: Option<PathBuf>,
}

impl Engine {
    /// For one command.
    pub fn new(paths: Paths, access: Access) -> Result<Self> {
        if let Some(file) = &access.auth_file {
            fs::metadata(file).at(file, "cannot use the authentication file")?;
        }
        let mut registry = Settings { tls_verify: access.tls_verify, ..Settings::of(&paths) };
        registry.auth_files = auth_files(registry.auth_files, access.docker, access.auth_file);
        Ok(Self { paths, registry })
    }

    /// Whether the user has no subordinate ids and was not told so yet. True only once.
    pub fn single_id_is_news(&self) -> Result<bool> {
        let told = self.paths.data.join("single-id");
        if outer::is_real_root() || told.exists() || !outer::has_single_id()? {
            return Ok(false);
        }
        self.paths.ensure()?;
        fs::write(&told, "").at(&told, "cannot write")?;
        Ok(true)
    }
}

/// Where credentials are sought: in the one file that was named, else in `usual` places, of which docker's may be elsewhere.
fn auth_files(mut usual: Vec<PathBuf>, docker: Option<PathBuf>, named: Option<PathBuf>) -> Vec<PathBuf> {
    if let Some(file) = named {
        return vec![file];
    }
    if let Some(directory) = docker {
        usual.retain(|file| !file.ends_with(".docker/config.json"));
        usual.push(directory.join("config.json"));
    }
    usual
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_sought_where_the_user_says() {
        let files = |docker: Option<&str>, named: Option<&str>| {
            let usual = vec!["/c/auth.json".into(), "/h/.docker/config.json".into()];
            auth_files(usual, docker.map(PathBuf::from), named.map(PathBuf::from))
        };
        assert_eq!(files(None, None).len(), 2);
        assert_eq!(files(Some("/d"), None), [PathBuf::from("/c/auth.json"), "/d/config.json".into()]);
        assert_eq!(files(Some("/d"), Some("/named")), [PathBuf::from("/named")]);
    }

    #[test]
    fn a_named_file_must_exist() {
        let paths = Paths { data: "/d".into(), runtime: "/r".into(), config: "/c".into(), home: "/h".into() };
        let access = Access { auth_file: Some("/nowhere/auth.json".into()), ..Access::default() };
        assert!(Engine::new(paths.clone(), access).unwrap_err().message().contains("/nowhere/auth.json"));
        let access = Access { tls_verify: Some(false), docker: Some("/docker".into()), ..Access::default() };
        let engine = Engine::new(paths, access).unwrap();
        assert_eq!(engine.registry.tls_verify, Some(false));
        assert_eq!(engine.registry.auth_files.last(), Some(&PathBuf::from("/docker/config.json")));
    }
}
