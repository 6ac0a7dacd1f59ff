//! The id maps of a container, from its record and the user's own: a pure function.

use crate::base::{Error, Result};
use crate::spec::idmap::IdMap;
use crate::spec::ids::UserNamespace;

/// Which of the user's ids the container's are.
#[derive(Debug, Clone)]
pub struct ContainerIds {
    /// From the container's user ids to the user's.
    pub uids: IdMap,
    /// From its group ids.
    pub gids: IdMap,
    /// The same, cut where the user's own map is: what the kernel takes.
    pub nested: (IdMap, IdMap),
}

impl ContainerIds {
    /// The maps of a container whose user has the maps `outer`. Fails when the user does not have an id that is needed.
    pub fn new(namespace: &UserNamespace, outer: &(IdMap, IdMap)) -> Result<Self> {
        let (uids, gids) = match namespace {
            UserNamespace::Host => (outer.0.identity(), outer.1.identity()),
            UserNamespace::KeepId { uid, gid, .. } => (keep(*uid, &outer.0), keep(*gid, &outer.1)),
            UserNamespace::NoMap => (subordinate(&outer.0)?, subordinate(&outer.1)?),
            UserNamespace::Maps { uids, gids, .. } => (uids.clone(), gids.clone()),
        };
        for (ids, what) in [(&uids, "user"), (&gids, "group")] {
            if ids.to_outside(0).is_none() {
                return Err(Error::unsupported(format!("the container's map has no {what} id 0"))
                    .hint("coracle sets a container up as its root: map 0, too"));
            }
        }
        let nested = |ids: &IdMap, outer: &IdMap| {
            ids.nested_in(outer).map_err(|id| {
                Error::unsupported(format!("the container needs the id {id}, and you have none of that number"))
                    .hint("you have as many as /etc/subuid and /etc/subgid give you; `coracle doctor` shows them")
            })
        };
        let nested = (nested(&uids, &outer.0)?, nested(&gids, &outer.1)?);
        Ok(Self { uids, gids, nested })
    }

    /// The user's ids that are the container's root.
    pub fn root(&self) -> (u32, u32) {
        (self.uids.to_outside(0).unwrap_or(0), self.gids.to_outside(0).unwrap_or(0))
    }
}

/// The user is `id`; the subordinate ids are the others, in their order.
fn keep(id: u32, outer: &IdMap) -> IdMap {
    let others = u32::try_from(outer.len()).unwrap_or(u32::MAX).saturating_sub(1);
    let mut runs = vec![(0, 1, id.min(others)), (id, 0, 1)];
    if id < others {
        runs.push((id + 1, id + 1, others - id));
    }
    runs.retain(|(.., count)| *count > 0);
    IdMap::of(&runs)
}

/// All but the user's own id.
fn subordinate(outer: &IdMap) -> Result<IdMap> {
    match u32::try_from(outer.len()).unwrap_or(u32::MAX).saturating_sub(1) {
        0 => {
            Err(Error::unsupported("--userns=nomap needs subordinate ids")
                .hint("`coracle doctor` tells how to get some"))
        }
        count => Ok(IdMap::of(&[(0, 1, count)])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::idmap::IdRange;

    fn outer() -> (IdMap, IdMap) {
        let range = |start, count| IdRange { start, count };
        let map = IdMap::for_user(1003, &[range(100_000, 1000), range(500_000, 9000)]);
        (map.clone(), map)
    }

    fn files(namespace: &UserNamespace) -> String {
        ContainerIds::new(namespace, &outer()).unwrap().nested.0.to_map_file()
    }

    #[test]
    fn maps_are_cut_where_the_users_own_is() {
        assert_eq!(files(&UserNamespace::Host), "0 0 1\n1 1 1000\n1001 1001 9000\n");
        assert_eq!(files(&UserNamespace::NoMap), "0 1 1000\n1000 1001 9000\n");
        let keep = |uid| files(&UserNamespace::KeepId { uid, gid: 1, name: String::new(), group: String::new() });
        assert_eq!(keep(1003), "0 1 1000\n1000 1001 3\n1003 0 1\n1004 1004 8997\n");
        assert_eq!(keep(50_000), "0 1 1000\n1000 1001 9000\n50000 0 1\n");
        assert_eq!(keep(0), "0 0 1\n1 1 1000\n1001 1001 9000\n");
    }

    #[test]
    fn what_the_user_does_not_have_is_refused() {
        let maps = |inside, outside, count| {
            let runs = IdMap::of(&[(inside, outside, count)]);
            ContainerIds::new(&UserNamespace::Maps { uids: runs.clone(), gids: runs, auto: false }, &outer())
        };
        assert_eq!(maps(0, 990, 20).unwrap().nested.0.to_map_file(), "0 990 11\n11 1001 9\n");
        assert!(maps(0, 9_995, 20).unwrap_err().message().contains("the id 10001"));
        assert!(maps(5, 1, 20).unwrap_err().message().contains("no user id 0"));
        let alone = (IdMap::root_only(7), IdMap::root_only(7));
        assert!(ContainerIds::new(&UserNamespace::NoMap, &alone).is_err());
    }

    #[test]
    fn root_is_known_in_the_users_ids() {
        let ids = ContainerIds::new(
            &UserNamespace::KeepId { uid: 5, gid: 0, name: String::new(), group: String::new() },
            &outer(),
        )
        .unwrap();
        assert_eq!(ids.root(), (1, 0));
    }
}
