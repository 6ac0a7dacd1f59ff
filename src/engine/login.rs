//! `login` and `logout`: credentials for registries, checked before they are kept.

use std::path::PathBuf;

use super::Engine;
use crate::base::{Error, Kind, Result, text};
use crate::oci::Reference;
use crate::registry::settings::session_file;
use crate::registry::{AuthFile, Client, Credentials, Settings, Style, credentials, scope_of_server, user_of};
pub use crate::registry::{Erased, Stored};

/// A registry, or a part of one, as people log in to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `host[:port][/path]`; `docker.io` for Docker Hub under any of its names.
    pub scope: String,
    /// Some repository there.
    repository: Reference,
}

impl Server {
    /// As typed: with or without `https://` and `/v1/`. `whole_hosts`: a path is left out, as in docker.
    pub fn parse(typed: &str, whole_hosts: bool) -> Result<Self> {
        let scope = scope_of_server(typed, whole_hosts)?;
        let repository = format!("{scope}/x").parse::<Reference>();
        match repository {
            Ok(repository) if scope.split('/').next() == Some(repository.registry()) => Ok(Self { scope, repository }),
            _ => Err(Error::usage(format!("`{}` is not a registry", text::clean(typed))).hint(
                "a registry has a dot or a port in its name, or is `localhost`; anything else is a part of Docker Hub",
            )),
        }
    }
}

/// Where credentials are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// In docker's `config.json` here, or the credential helper that it names.
    Docker(PathBuf),
    /// In a file as of containers-auth.json(5).
    Containers(PathBuf),
    /// In such a file that is gone with the session.
    Session,
}

/// The user who may log in without being asked: the one whose credentials are kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The user's name; `<token>` where there is only a token.
    pub user: String,
    credentials: Credentials,
}

impl Keep {
    /// The file, which need not exist.
    pub fn path(&self, engine: &Engine) -> PathBuf {
        match self {
            Self::Docker(path) | Self::Containers(path) => path.clone(),
            Self::Session => session_file(&engine.paths),
        }
    }

    fn file(&self, engine: &Engine) -> AuthFile {
        let style = if matches!(self, Self::Docker(_)) { Style::Docker } else { Style::Containers };
        AuthFile { path: self.path(engine), style, lock: engine.paths.runtime.join("login.lock") }
    }
}

/// Checks user and password at the registry and keeps them. A registry that refuses them leaves everything as it
/// was.
pub fn log_in(engine: &Engine, keep: &Keep, server: &Server, user: &str, password: &str) -> Result<Stored> {
    if user.contains(':') {
        return Err(Error::usage("a user name has no colon"));
    }
    check(engine, server, Credentials::Password { user: user.to_owned(), password: password.to_owned() })?;
    engine.paths.ensure()?;
    keep.file(engine).store(&server.scope, user, password, engine.registry.patience.helper)
}

/// Checks credentials that are kept at the registry.
pub fn check_kept(engine: &Engine, server: &Server, kept: &Kept) -> Result<()> {
    check(engine, server, kept.credentials.clone())
}

fn check(engine: &Engine, server: &Server, credentials: Credentials) -> Result<()> {
    let settings = Settings { credentials: Some(credentials), ..engine.registry.clone() };
    Client::new(settings)?.log_in(&server.repository).map_err(|error| match error.kind() {
        Kind::Denied => {
            Error::new(Kind::Denied, format!("cannot log in to `{}`: invalid username/password", server.scope))
                .caused_by(error)
                .hint("many registries want an access token instead of the password")
        }
        kind => Error::new(kind, format!("cannot log in to `{}`", server.scope)).caused_by(error),
    })
}

/// The credentials that are kept for a registry in any of the files that are read.
pub fn kept(engine: &Engine, server: &Server) -> Result<Option<Kept>> {
    let (files, patience) = (&engine.registry.auth_files, engine.registry.patience.helper);
    let (host, path) = server.scope.split_once('/').unwrap_or((&server.scope, ""));
    let found = credentials::find(files, host, path, patience)?.credentials;
    Ok(found.map(|credentials| Kept { user: user_of(&credentials).to_owned(), credentials }))
}

/// Forgets the credentials for a registry.
pub fn log_out(engine: &Engine, keep: &Keep, server: &Server) -> Result<Erased> {
    engine.paths.ensure()?;
    keep.file(engine).erase(&server.scope, engine.registry.patience.helper)
}

/// Forgets all credentials that are kept there.
pub fn log_out_everywhere(engine: &Engine, keep: &Keep) -> Result<Erased> {
    engine.paths.ensure()?;
    keep.file(engine).erase_all(engine.registry.patience.helper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_image_could_name_is_no_registry() {
        for (typed, expected) in [
            ("docker.io", Some("docker.io")),
            ("localhost", Some("localhost")),
            ("quay.io/Team", None),
            ("ubuntu", None),
            ("h:5000/a/b", Some("h:5000/a/b")),
        ] {
            assert_eq!(Server::parse(typed, false).ok().map(|server| server.scope).as_deref(), expected, "{typed}");
        }
    }
}
