//! `login` and `logout`: credentials for registries, checked before they are kept.

use super::Engine;
use crate::base::{Error, Kind, Result, text};
use crate::oci::Reference;
use crate::registry::{AuthFile, Client, Credentials, Erased, Settings, Stored, credentials, scope_of_server};

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

/// Checks user and password at the registry and keeps them in `file`. A registry that refuses them leaves everything as it
/// was.
pub fn log_in(engine: &Engine, file: &AuthFile, server: &Server, user: &str, password: &str) -> Result<Stored> {
    if user.contains(':') {
        return Err(Error::usage("a user name has no colon"));
    }
    check(engine, server, Credentials::Password { user: user.to_owned(), password: password.to_owned() })?;
    engine.paths.ensure()?;
    file.store(&server.scope, user, password, engine.registry.patience.helper)
}

/// Checks credentials at the registry.
pub fn check(engine: &Engine, server: &Server, credentials: Credentials) -> Result<()> {
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
pub fn kept(engine: &Engine, server: &Server) -> Result<Option<Credentials>> {
    let (files, patience) = (&engine.registry.auth_files, engine.registry.patience.helper);
    let (host, path) = server.scope.split_once('/').unwrap_or((&server.scope, ""));
    credentials::find(files, host, path, patience).map(|found| found.credentials)
}

/// Forgets the credentials for a registry.
pub fn log_out(engine: &Engine, file: &AuthFile, server: &Server) -> Result<Erased> {
    engine.paths.ensure()?;
    file.erase(&server.scope, engine.registry.patience.helper)
}

/// Forgets all credentials of `file`.
pub fn log_out_everywhere(engine: &Engine, file: &AuthFile) -> Result<Erased> {
    engine.paths.ensure()?;
    file.erase_all(engine.registry.patience.helper)
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
