//! Translates between the owners that programs see and those on disk.
//!
//! A layer is unpacked with the ids of its image, and the upper uses the same ids: a container can change its id map,
//! and commit and export need no translation. The kernel and the server talk in ids of the user namespace that owns the
//! mount, the user's. Where the container's namespace maps ids to other numbers (`--userns=keep-id` and others), the
//! server translates: owners in answers and requests, the callers of requests, the entries of ACLs, and the root of a
//! file's capabilities.
//!
//! An id on disk that the container's map lacks is shown as one that no namespace has: the overflow id.

use std::borrow::Cow;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::primitives::Res;
use crate::spec::idmap::IdMap;

/// An id that no user namespace but the initial one can map; shown as `nobody` in all others.
const NOBODY: u32 = u32::MAX - 1;

/// The map from the container's ids to the user's. Empty if both are the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owners {
    /// User ids.
    pub uids: IdMap,
    /// Group ids.
    pub gids: IdMap,
}

fn shown(map: &IdMap, stored: u32) -> u32 {
    match map.is_empty() {
        true => stored,
        false => map.to_outside(stored).unwrap_or(NOBODY),
    }
}

fn stored(map: &IdMap, shown: u32) -> Option<u32> {
    match map.is_empty() {
        true => Some(shown),
        false => map.to_inside(shown),
    }
}

impl Owners {
    /// Whether no id needs translation.
    pub fn are_plain(&self) -> bool {
        self.uids.is_empty() && self.gids.is_empty()
    }

    /// The user id to show for one on disk.
    pub(super) fn shown_uid(&self, uid: u32) -> u32 {
        shown(&self.uids, uid)
    }

    /// The group id to show for one on disk.
    pub(super) fn shown_gid(&self, gid: u32) -> u32 {
        shown(&self.gids, gid)
    }

    /// The user id on disk for one in a request.
    pub(super) fn stored_uid(&self, uid: u32) -> Res<u32> {
        stored(&self.uids, uid).ok_or(Errno::INVAL)
    }

    /// The group id on disk for one in a request.
    pub(super) fn stored_gid(&self, gid: u32) -> Res<u32> {
        stored(&self.gids, gid).ok_or(Errno::INVAL)
    }

    /// The caller of a request, in ids on disk. A caller outside the map sets the container up, and acts as its root.
    pub(super) fn caller(&self, uid: u32, gid: u32) -> (u32, u32) {
        (stored(&self.uids, uid).unwrap_or(0), stored(&self.gids, gid).unwrap_or(0))
    }

    /// The value to show of an extended attribute on disk.
    pub(super) fn shown_attribute(&self, name: &[u8], mut value: Vec<u8>) -> Vec<u8> {
        if !self.are_plain() {
            // An unparsable value is shown as it is.
            let _ = translate(name, &mut value, |uid| Some(self.shown_uid(uid)), |gid| Some(self.shown_gid(gid)));
        }
        value
    }

    /// The value on disk of an extended attribute in a request.
    pub(super) fn stored_attribute<'a>(&self, name: &[u8], value: &'a [u8]) -> Res<Cow<'a, [u8]>> {
        if self.are_plain() {
            return Ok(Cow::Borrowed(value));
        }
        let mut value = value.to_vec();
        translate(name, &mut value, |uid| stored(&self.uids, uid), |gid| stored(&self.gids, gid))?;
        Ok(Cow::Owned(value))
    }
}

/// Replaces the ids in ACL entries (struct posix_acl_xattr_entry in linux/posix_acl_xattr.h) and in the root of version
/// 3 capabilities (struct vfs_ns_cap_data in linux/capability.h). All numbers are little-endian.
fn translate(
    name: &[u8],
    value: &mut [u8],
    uid: impl Fn(u32) -> Option<u32>,
    gid: impl Fn(u32) -> Option<u32>,
) -> Res<()> {
    const ACL_USER: [u8; 2] = [0x02, 0];
    const ACL_GROUP: [u8; 2] = [0x08, 0];
    const CAPABILITIES_3: u8 = 3;
    let change = |bytes: &mut [u8], map: &dyn Fn(u32) -> Option<u32>| -> Res<()> {
        let id: [u8; 4] = (&*bytes).try_into().map_err(|_| Errno::INVAL)?;
        bytes.copy_from_slice(&map(u32::from_le_bytes(id)).ok_or(Errno::INVAL)?.to_le_bytes());
        Ok(())
    };
    match name {
        b"system.posix_acl_access" | b"system.posix_acl_default" => {
            for entry in value.get_mut(4..).unwrap_or_default().chunks_exact_mut(8) {
                let (head, id) = entry.split_at_mut(4);
                match head {
                    [a, b, ..] if [*a, *b] == ACL_USER => change(id, &uid)?,
                    [a, b, ..] if [*a, *b] == ACL_GROUP => change(id, &gid)?,
                    _ => {}
                }
            }
            Ok(())
        }
        b"security.capability" if value.len() == 24 && value[3] == CAPABILITIES_3 => change(&mut value[20..], &uid),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `keep-id` of user 1003 with 2000 subordinate ids, and groups as they are but for a gap.
    fn owners() -> Owners {
        Owners {
            uids: IdMap::of(&[(0, 1, 1003), (1003, 0, 1), (1004, 1004, 997)]),
            gids: IdMap::of(&[(0, 0, 10), (20, 20, 10)]),
        }
    }

    #[test]
    fn ids_go_both_ways() {
        let owners = owners();
        for (disk, seen) in [(0, 1), (5, 6), (1002, 1003), (1003, 0), (1004, 1004), (2000, 2000)] {
            assert_eq!((owners.shown_uid(disk), owners.stored_uid(seen)), (seen, Ok(disk)));
        }
        assert_eq!((owners.shown_uid(5000), owners.stored_uid(5000)), (NOBODY, Err(Errno::INVAL)));
        assert_eq!((owners.shown_gid(15), owners.stored_gid(25)), (NOBODY, Ok(25)));
        assert_eq!(owners.caller(1, 15), (0, 0));
        let plain = Owners::default();
        assert_eq!((plain.shown_uid(7), plain.stored_uid(7), plain.caller(7, 8)), (7, Ok(7), (7, 8)));
    }

    #[test]
    fn access_control_lists_name_the_same_people() {
        let entry = |tag: u16, id: u32| [&tag.to_le_bytes()[..], &7u16.to_le_bytes(), &id.to_le_bytes()].concat();
        let list = |user, group| {
            let entries =
                [entry(1, u32::MAX), entry(2, user), entry(4, u32::MAX), entry(8, group), entry(32, u32::MAX)];
            [&2u32.to_le_bytes()[..], &entries.concat()].concat()
        };
        let name = b"system.posix_acl_default";
        assert_eq!(owners().shown_attribute(name, list(1003, 25)), list(0, 25));
        assert_eq!(*owners().stored_attribute(name, &list(0, 5)).unwrap(), list(1003, 5));
        assert_eq!(owners().stored_attribute(name, &list(9000, 5)).unwrap_err(), Errno::INVAL);
        assert_eq!(*owners().stored_attribute(b"user.x", b"abc").unwrap(), *b"abc");
        for odd in [&b""[..], &[2, 0, 0], &[2, 0, 0, 0, 2, 0, 7]] {
            assert_eq!(owners().shown_attribute(name, odd.to_vec()), odd);
        }
    }

    #[test]
    fn capabilities_are_for_the_root_of_the_same_container() {
        let value = |root: u32| {
            let mut value = vec![0; 24];
            value[3] = CAPABILITIES;
            value[20..].copy_from_slice(&root.to_le_bytes());
            value
        };
        const CAPABILITIES: u8 = 3;
        assert_eq!(*owners().stored_attribute(b"security.capability", &value(1)).unwrap(), value(0));
        assert_eq!(owners().shown_attribute(b"security.capability", value(0)), value(1));
    }
}
