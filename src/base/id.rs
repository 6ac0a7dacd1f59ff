//! Container ids (64 hexadecimal digits, random) and names, parsed once at the border.

use std::fmt;
use std::str::FromStr;

use super::error::{Error, Result};

/// The identity of a container: 64 lower-case hexadecimal digits. The first 12 are the short form that people see.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(String);

impl ContainerId {
    /// A new id from the kernel's random numbers. Never all digits in its short form, so that it cannot be taken for a
    /// number (docker's rule).
    pub fn random() -> Result<Self> {
        loop {
            let id = random_hex()?;
            if id[..12].bytes().any(|b| b.is_ascii_alphabetic()) {
                return Ok(Self(id));
            }
        }
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

/// 32 random bytes as 64 hexadecimal digits: container ids and the names of anonymous volumes.
pub fn random_hex() -> Result<String> {
    let mut bytes = [0u8; 32];
    random_bytes(&mut bytes)?;
    Ok(hex(&bytes))
}

/// Fills `bytes` from getrandom(2).
pub fn random_bytes(bytes: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(n) => filled += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => {
                return Err(Error::system("cannot read random numbers").caused_by(std::io::Error::from(errno)));
            }
        }
    }
    Ok(())
}

/// Lower-case hexadecimal digits, two for each byte.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

impl FromStr for ContainerId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            true => Ok(Self(text.to_owned())),
            false => Err(Error::usage(format!("`{}` is not a container id", super::text::clean(text)))),
        }
    }
}

impl TryFrom<String> for ContainerId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> Self {
        id.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContainerId({})", self.short())
    }
}

/// The name of a container or volume: docker's `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, and at most 128 bytes so that it fits a
/// file name with room for a suffix.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The longest name, in bytes.
    pub const MAX: usize = 128;

    /// The text of the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Error;

    /// Accepts docker's leading `/` (`/web` is `web`), which its own `inspect` prints.
    fn from_str(text: &str) -> Result<Self> {
        let name = text.strip_prefix('/').unwrap_or(text);
        let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let rest = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        match first && rest && name.len() <= Self::MAX {
            true => Ok(Self(name.to_owned())),
            false => Err(Error::usage(format!("invalid name `{}`", super::text::clean(text))).hint(
                "a name starts with a letter or digit, goes on with letters, digits, `_`, `.` and `-`, and has at most 128 characters",
            )),
        }
    }
}

impl TryFrom<String> for Name {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_parse_and_differ() {
        let (a, b) = (ContainerId::random().unwrap(), ContainerId::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.as_str().parse::<ContainerId>().unwrap(), a);
        assert_eq!(a.short().len(), 12);
    }

    #[test]
    fn names_follow_docker() {
        for good in ["a", "web_1", "0-a.b", "/web"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", ".", "..", "a/b", "a b", "ä", &"x".repeat(129)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
