//! A name of a directory entry, without an allocation when it is short, as nearly all are.

use std::ffi::OsStr;
use std::fmt;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;

/// The longest name that needs no allocation.
const SHORT: usize = 22;

/// A name.
#[derive(Clone)]
pub(super) enum Name {
    /// A length, and the buffer of the bytes.
    Short(u8, [u8; SHORT]),
    /// Any other name.
    Long(Box<OsStr>),
}

impl From<&OsStr> for Name {
    fn from(name: &OsStr) -> Self {
        let bytes = name.as_bytes();
        let mut short = [0; SHORT];
        match (short.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(bytes);
                Name::Short(length, short)
            }
            _ => Name::Long(name.into()),
        }
    }
}

impl Deref for Name {
    type Target = OsStr;

    fn deref(&self) -> &OsStr {
        match self {
            Name::Short(length, bytes) => OsStr::from_bytes(bytes.get(..usize::from(*length)).unwrap_or_default()),
            Name::Long(name) => name,
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_lengths_come_back() {
        for length in [0, 1, 21, 22, 23, 255, 300] {
            let text = "x".repeat(length);
            let name = Name::from(OsStr::new(&text));
            assert_eq!(&*name, OsStr::new(&text));
            assert_eq!(name.clone(), name);
            assert_eq!(matches!(name, Name::Short(..)), length <= SHORT);
        }
        assert_eq!(size_of::<Name>(), 24);
        assert_ne!(Name::from(OsStr::new("a")), Name::from(OsStr::new("b")));
    }
}
