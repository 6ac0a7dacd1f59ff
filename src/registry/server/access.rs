//! Basic authentication (RFC 7617): one user with one password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::oci::Digest;

/// The header of answers to strangers.
pub const CHALLENGE: &str = "Basic realm=\"coracle\"";

/// The user that is let in. Only the digest of name and password is kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Login(Digest);

impl Login {
    /// Of a user with a password.
    pub fn new(user: &str, password: &str) -> Self {
        Self(Digest::sha256(format!("{user}:{password}").as_bytes()))
    }

    /// Whether an `Authorization` header is that of the user. Digests are compared, so that the time that it takes tells
    /// nothing of the password.
    pub fn admits(&self, header: Option<&str>) -> bool {
        let encoded = header.and_then(|header| header.split_once(' '));
        let encoded = encoded.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")).map(|(_, encoded)| encoded);
        let given = encoded.and_then(|encoded| STANDARD.decode(encoded.trim()).ok());
        given.is_some_and(|given| Digest::sha256(&given) == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_user_with_the_right_password_comes_in() {
        let login = Login::new("anna", "pass:word");
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert!(login.admits(Some(&header("anna:pass:word"))));
        assert!(login.admits(Some(&header("anna:pass:word").replace("Basic", "basic"))));
        for bad in ["anna:pass", "anna", "", "anna:pass:word ", "Anna:pass:word"] {
            assert!(!login.admits(Some(&header(bad))), "{bad}");
        }
        assert!(!login.admits(None) && !login.admits(Some("Bearer x")) && !login.admits(Some("Basic ***")));
    }
}
