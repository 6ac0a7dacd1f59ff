//! What the names in a layer mean: where an entry goes, and which are whiteouts. Pure.
//!
//! Source: OCI image specification, "Image Layer Filesystem Changeset", and what docker makes of names that are not clean.

use super::entries::shown;
use crate::base::{Error, Result};

/// Longest name of an entry, in bytes: what one system call resolves (PATH_MAX with its NUL).
pub const NAME_MAX: usize = 4095;

const WHITEOUT: &[u8] = b".wh.";
const WHITEOUT_META: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What an entry is about. Names are relative to the layer's root, without empty, `.` and `..` components; the root is
/// the empty name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Something at this name.
    Entry(Vec<u8>),
    /// Nothing at this name any more: what lower layers have there is hidden.
    Whiteout(Vec<u8>),
    /// What lower layers have in this directory is hidden.
    Opaque(Vec<u8>),
    /// Bookkeeping of AUFS, meaningless to everybody else.
    Ignored,
}

impl Subject {
    /// The meaning of the name `raw`.
    pub fn of(raw: &[u8]) -> Result<Self> {
        let name = clean(raw)?;
        if !name.windows(WHITEOUT.len()).any(|part| part == WHITEOUT) {
            return Ok(Self::Entry(name));
        }
        let (directory, base) = split(&name);
        for component in directory.split(|&byte| byte == b'/') {
            if component.starts_with(WHITEOUT_META) {
                return Ok(Self::Ignored);
            }
            if component.starts_with(WHITEOUT) {
                return Err(Error::invalid(format!("`{}` is inside of a whiteout", shown(raw))));
            }
        }
        match base {
            OPAQUE => Ok(Self::Opaque(directory.to_vec())),
            base if base.starts_with(WHITEOUT_META) => Ok(Self::Ignored),
            base => match base.strip_prefix(WHITEOUT) {
                None => Ok(Self::Entry(name)),
                Some(b"" | b"." | b"..") => Err(Error::invalid(format!("`{}` is a whiteout of nothing", shown(raw)))),
                Some(hidden) => Ok(Self::Whiteout(join(directory, hidden))),
            },
        }
    }
}

/// The name `raw` relative to the layer's root: leading `/` and `.` components dropped, `..` applied as text (docker does
/// the same). A name that leaves the root is refused.
pub fn clean(raw: &[u8]) -> Result<Vec<u8>> {
    if raw.len() > NAME_MAX {
        return Err(Error::invalid(format!("`{}…` is longer than {NAME_MAX} bytes", shown(raw))));
    }
    if raw.contains(&0) {
        return Err(Error::invalid(format!("`{}` has a NUL in its name", shown(raw))));
    }
    let mut name: Vec<u8> = Vec::with_capacity(raw.len());
    for component in raw.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if name.is_empty() => {
                return Err(Error::invalid(format!("`{}` leads out of the layer", shown(raw))));
            }
            b".." => {
                let parent = split(&name).0.len();
                name.truncate(parent);
            }
            component => {
                if !name.is_empty() {
                    name.push(b'/');
                }
                name.extend_from_slice(component);
            }
        }
    }
    Ok(name)
}

/// The directory part, without its `/`, and the last component of a clean name.
pub fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (b"", name),
    }
}

/// A component in a directory.
pub fn join(directory: &[u8], base: &[u8]) -> Vec<u8> {
    match directory {
        b"" => base.to_vec(),
        directory => [directory, b"/", base].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_as_docker_does() {
        for (raw, name) in [
            ("./", ""),
            (".", ""),
            ("", ""),
            ("/", ""),
            ("./etc//passwd", "etc/passwd"),
            ("/etc/passwd", "etc/passwd"),
            ("///etc/", "etc"),
            ("a/../b", "b"),
            ("a/b/../../c", "c"),
            ("..a/b..", "..a/b.."),
        ] {
            assert_eq!(clean(raw.as_bytes()).unwrap(), name.as_bytes(), "{raw}");
        }
        for raw in ["..", "../x", "/../x", "a/../../b", "a\0b", &"x/".repeat(2100)] {
            assert!(clean(raw.as_bytes()).is_err(), "{raw}");
        }
    }

    #[test]
    fn whiteouts_are_recognised_and_cannot_name_directories_above() {
        let of = |raw: &str| Subject::of(raw.as_bytes());
        for (raw, subject) in [
            ("a/.wh.b", Subject::Whiteout(b"a/b".to_vec())),
            (".wh.b", Subject::Whiteout(b"b".to_vec())),
            ("./a/.wh..wh..opq", Subject::Opaque(b"a".to_vec())),
            (".wh..wh..opq", Subject::Opaque(Vec::new())),
            ("a/.wh..hidden", Subject::Whiteout(b"a/.hidden".to_vec())),
            (".wh..wh.plnk/1.2", Subject::Ignored),
            (".wh..wh.aufs", Subject::Ignored),
            ("a.wh.b", Subject::Entry(b"a.wh.b".to_vec())),
            ("a/b", Subject::Entry(b"a/b".to_vec())),
        ] {
            assert_eq!(of(raw).unwrap(), subject, "{raw}");
        }
        for raw in [".wh.", "a/.wh..", "a/.wh...", ".wh.a/b"] {
            assert!(of(raw).is_err(), "{raw}");
        }
    }
}
