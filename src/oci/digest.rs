//! Content digests: `sha256:<64 hex digits>` (and sha512), as in the OCI image specification, "Digests".

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;

use crate::base::{Error, Result, id, text};

/// The digest of some content: a registered algorithm and the right number of lower-case hexadecimal digits, hence safe
/// as part of a file name or URL.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// The algorithms of the specification's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// What everybody uses.
    Sha256,
    /// Allowed by the specification.
    Sha512,
}

impl Digest {
    /// The SHA-256 digest of `content`.
    pub fn sha256(content: &[u8]) -> Self {
        let mut hasher = DigestHasher::new();
        hasher.update(content);
        hasher.finish()
    }

    /// `sha256:…`
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits after the colon.
    pub fn hex(&self) -> &str {
        &self.0[self.algorithm().name().len() + 1..]
    }

    /// The first 12 digits, which is what people see.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }

    /// How it was computed.
    pub fn algorithm(&self) -> Algorithm {
        match self.0.starts_with("sha512:") {
            true => Algorithm::Sha512,
            false => Algorithm::Sha256,
        }
    }

    /// Whether `content` has this digest.
    pub fn is_of(&self, content: &[u8]) -> bool {
        let mut hasher = DigestHasher::like(self);
        hasher.update(content);
        hasher.finish() == *self
    }
}

impl Algorithm {
    /// The part before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self> {
        let algorithm = match value.split_once(':') {
            Some(("sha256", _)) => Algorithm::Sha256,
            Some(("sha512", _)) => Algorithm::Sha512,
            Some((other, _)) => {
                let name = text::clean(other);
                return Err(Error::unsupported(format!("digest algorithm `{name}` is not supported"))
                    .hint("sha256 and sha512 are"));
            }
            None => return Err(malformed(value)),
        };
        let hex = &value[algorithm.name().len() + 1..];
        match hex.len() == algorithm.digits() && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            true => Ok(Self(value.to_owned())),
            false => Err(malformed(value)),
        }
    }
}

fn malformed(value: &str) -> Error {
    let shown: String = value.chars().take(140).collect();
    Error::invalid(format!("`{}` is not a digest", text::clean(&shown)))
        .hint("a digest is `sha256:` and 64 lower-case hexadecimal digits")
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(value: String) -> Result<Self> {
        value.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm().name(), self.short())
    }
}

/// Computes a digest from content that comes in pieces.
#[derive(Clone)]
pub struct DigestHasher(State);

#[derive(Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(Box<sha2::Sha512>),
}

impl DigestHasher {
    /// SHA-256, of nothing yet.
    pub fn new() -> Self {
        Self(State::Sha256(sha2::Sha256::new()))
    }

    /// With the algorithm of `expected`, to compare with it at the end.
    pub fn like(expected: &Digest) -> Self {
        match expected.algorithm() {
            Algorithm::Sha256 => Self::new(),
            Algorithm::Sha512 => Self(State::Sha512(Box::new(sha2::Sha512::new()))),
        }
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(piece),
            State::Sha512(state) => state.update(piece),
        }
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        Digest(match self.0 {
            State::Sha256(state) => format!("sha256:{}", id::hex(&state.finalize())),
            State::Sha512(state) => format!("sha512:{}", id::hex(&state.finalize())),
        })
    }
}

impl Default for DigestHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DigestHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestHasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Kind;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_are_those_of_the_standard() {
        assert_eq!(Digest::sha256(b"").as_str(), EMPTY);
        let abc: Digest = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f".parse().unwrap();
        assert!(abc.is_of(b"abc") && !abc.is_of(b"abd"));
        let mut hasher = DigestHasher::new();
        for piece in [&b"a"[..], b"", b"bc"] {
            hasher.update(piece);
        }
        assert_eq!(hasher.finish(), Digest::sha256(b"abc"));
    }

    #[test]
    fn parsing_accepts_only_the_canonical_form() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!((digest.hex().len(), digest.short(), digest.to_string().as_str()), (64, "e3b0c44298fc", EMPTY));
        for (bad, kind) in [
            ("", Kind::Invalid),
            ("sha256", Kind::Invalid),
            ("sha256:", Kind::Invalid),
            (&EMPTY[..70], Kind::Invalid),
            (&EMPTY.to_uppercase().replace("SHA", "sha"), Kind::Invalid),
            (&format!("{EMPTY}0"), Kind::Invalid),
            ("sha256:../../../../../../../../../../../../../../../../../../../../etcaa", Kind::Invalid),
            ("md5:d41d8cd98f00b204e9800998ecf8427e", Kind::Unsupported),
        ] {
            assert_eq!(bad.parse::<Digest>().unwrap_err().kind(), kind, "{bad}");
        }
    }

    #[test]
    fn json_holds_it_as_a_string_and_is_checked() {
        let digest: Digest = serde_json::from_str(&format!("\"{EMPTY}\"")).unwrap();
        assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"{EMPTY}\""));
        assert!(serde_json::from_str::<Digest>("\"sha256:x\"").is_err());
    }
}
