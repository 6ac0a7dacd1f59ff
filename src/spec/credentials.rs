//! The identity of the user to a registry. Secrets never appear in `Debug` output or errors.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::{Error, Result};

/// What proves who the user is.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Credentials {
    /// User and password.
    Password {
        /// Sent in clear to registries with basic authentication.
        user: String,
        /// As above.
        password: String,
    },
    /// An OAuth2 refresh token ("identity token").
    IdentityToken(String),
    /// A token to show to the registry itself.
    RegistryToken(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(…)",
            Self::IdentityToken(_) => "IdentityToken(…)",
            Self::RegistryToken(_) => "RegistryToken(…)",
        })
    }
}

impl Credentials {
    /// `user:password`, as `--creds` takes it.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some((user, password)) if !user.is_empty() => {
                Ok(Self::Password { user: user.to_owned(), password: password.to_owned() })
            }
            _ => Err(Error::usage("credentials have the form USER:PASSWORD")),
        }
    }

    /// The value of an `Authorization` header with basic authentication (RFC 7617).
    pub fn basic(&self) -> Option<String> {
        match self {
            Self::Password { user, password } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            _ => None,
        }
    }
}
