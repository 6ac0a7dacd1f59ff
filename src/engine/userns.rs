//! Whose ids a new container gets: from `--userns` and the user's subordinate ids to what its record says.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Engine;
use super::request::CreateRequest;
use crate::base::lock::{Lock, Mode};
use crate::base::{Error, Result, ResultExt, text};
use crate::rootless::accounts::{account_by_uid, group_by_gid};
use crate::rootless::outer;
use crate::spec::idmap::{Extent, IdMap, IdRange, free_run};
use crate::spec::ids::{MapRequest, Outside, UserNamespace, UserNamespaceRequest};
use crate::spec::namespaces::NamespaceMode;
use crate::sys::beneath::BeneathDir;

/// The fewest ids that `auto` gives, and the most that it gives unasked (podman's numbers).
const AUTO_SIZES: (u32, u32) = (1024, 65536);

/// The most bytes of an image's passwd file that are looked at.
const MAX_FILE: u64 = 4 << 20;

/// What was decided, with what must not be let go before the container exists.
pub(super) struct Decided {
    pub(super) namespace: UserNamespace,
    /// Whose it is, when it is not made for the container.
    pub(super) joined: NamespaceMode,
    /// Nobody else may choose ids meanwhile.
    _choosing: Option<Lock>,
}

/// Decides for a new container of an image with these layer trees.
pub(super) fn decide(engine: &Engine, request: &CreateRequest, layers: &[PathBuf]) -> Result<Decided> {
    let asked = &request.namespaces.user;
    let with = |namespace, joined| Ok(Decided { namespace, joined, _choosing: None });
    match (asked, &request.namespaces.pid) {
        // To see the processes of another container is to look into them, which takes power over them.
        (UserNamespaceRequest::Container(name), _) | (UserNamespaceRequest::Usual, NamespaceMode::Container(name)) => {
            let containers = engine.containers();
            let other = containers.config(&containers.find(name)?)?;
            return with(other.namespaces.user, NamespaceMode::Container(other.id));
        }
        (UserNamespaceRequest::Path(path), _) => {
            let (uids, gids) = maps_at(path, &outer::maps_of_user()?)?;
            let namespace = UserNamespace::Maps { uids, gids, auto: false };
            return with(namespace, NamespaceMode::Path(path.clone()));
        }
        (UserNamespaceRequest::Usual | UserNamespaceRequest::Host | UserNamespaceRequest::AutoOwn, _) => {
            return with(UserNamespace::Host, NamespaceMode::Private);
        }
        _ => {}
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let outer = outer::maps_of_user()?;
    let mut facts = Facts {
        root: outer::is_real_root(),
        uid,
        gid,
        name: String::new(),
        group: String::new(),
        outer,
        size: 0,
        taken: Vec::new(),
    };
    let mut choosing = None;
    match asked {
        UserNamespaceRequest::KeepId { uid: None, gid: None } => {
            let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
            facts.name = account_by_uid(&passwd, uid).map(|account| account.name).unwrap_or_default();
            let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
            facts.group = group_by_gid(&groups, gid).unwrap_or_default();
        }
        UserNamespaceRequest::Auto { size, .. } => {
            engine.paths.ensure()?;
            choosing = Some(Lock::wait(&engine.paths.data.join("userns.lock"), Mode::Exclusive)?);
            facts.size = size.unwrap_or_else(|| estimate(layers));
            facts.taken = taken(engine)?;
        }
        _ => {}
    }
    Ok(Decided { namespace: plan(asked, &facts)?, joined: NamespaceMode::Private, _choosing: choosing })
}

/// The maps of a user namespace by its path, in the user's ids. They are read of a process: that the namespace has one is what
/// it takes.
fn maps_at(path: &Path, outer: &(IdMap, IdMap)) -> Result<(IdMap, IdMap)> {
    // A pipe at that place must not hold us.
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let wanted = opened.and_then(|namespace| namespace.metadata()).at(path, "cannot open the user namespace")?;
    let is_in = |process: &Path| {
        let of = fs::metadata(process.join("ns/user"));
        of.is_ok_and(|of| (of.dev(), of.ino()) == (wanted.dev(), wanted.ino()))
    };
    for entry in fs::read_dir("/proc").context(|| "cannot list `/proc`")?.flatten() {
        let process = entry.path();
        if is_in(&process)
            && let (Ok(uids), Ok(gids)) =
                (fs::read_to_string(process.join("uid_map")), fs::read_to_string(process.join("gid_map")))
            && let (Some(uids), Some(gids)) =
                (in_ids_of(&IdMap::parse(&uids), &outer.0), in_ids_of(&IdMap::parse(&gids), &outer.1))
        {
            return Ok((uids, gids));
        }
    }
    let path = text::clean(&path.to_string_lossy()).into_owned();
    Err(Error::usage(format!("no process of yours is in a user namespace at `{path}`"))
        .hint("it must be one below your own with a process in it, such as /proc/PID/ns/user of a container"))
}

/// A map to ids of the host as one to the user's own; none when it has others. Each of its runs is within one of the user's:
/// the kernel takes no others.
fn in_ids_of(map: &IdMap, outer: &IdMap) -> Option<IdMap> {
    let run = |extent: &Extent| Some(Extent { outside: outer.to_inside(extent.outside)?, ..*extent });
    let extents: Vec<Extent> = map.extents.iter().map(run).collect::<Option<_>>()?;
    Some(IdMap { extents }).filter(|map| !map.extents.is_empty())
}

/// What the decision rests on.
struct Facts {
    /// The real root, whose ids are the host's.
    root: bool,
    uid: u32,
    gid: u32,
    /// The user's login name, if an entry in the container's `/etc/passwd` is to have it.
    name: String,
    /// The name of the user's group, likewise.
    group: String,
    /// The user's ids: uids and gids.
    outer: (IdMap, IdMap),
    /// Of `auto`: how many ids.
    size: u32,
    /// Of `auto`: runs of the user's ids that other containers have.
    taken: Vec<IdRange>,
}

fn plan(asked: &UserNamespaceRequest, facts: &Facts) -> Result<UserNamespace> {
    let not_for_root =
        |mode: &str| Err(Error::usage(format!("--userns={mode} is only for ordinary users, not for root")));
    match asked {
        UserNamespaceRequest::Usual
        | UserNamespaceRequest::Host
        | UserNamespaceRequest::AutoOwn
        | UserNamespaceRequest::Container(_)
        | UserNamespaceRequest::Path(_) => Ok(UserNamespace::Host),
        UserNamespaceRequest::KeepId { .. } if facts.root => not_for_root("keep-id"),
        UserNamespaceRequest::NoMap if facts.root => not_for_root("nomap"),
        UserNamespaceRequest::KeepId { uid, gid } => Ok(UserNamespace::KeepId {
            uid: uid.unwrap_or(facts.uid),
            gid: gid.unwrap_or(facts.gid),
            name: facts.name.clone(),
            group: facts.group.clone(),
        }),
        UserNamespaceRequest::NoMap => Ok(UserNamespace::NoMap),
        UserNamespaceRequest::Maps { uids, gids } => Ok(UserNamespace::Maps {
            uids: mapped(uids, &facts.outer.0)?,
            gids: mapped(gids, &facts.outer.1)?,
            auto: false,
        }),
        UserNamespaceRequest::Auto { uids, gids, .. } => {
            let (uids, gids) = (mapped(uids, &facts.outer.0)?, mapped(gids, &facts.outer.1)?);
            let start = choose(facts)?;
            Ok(UserNamespace::Maps {
                uids: around(uids, start, facts.size),
                gids: around(gids, start, facts.size),
                auto: true,
            })
        }
    }
}

/// The first of as many consecutive ids as are wanted, users' and groups' alike, that no other container has.
fn choose(facts: &Facts) -> Result<u32> {
    let last = facts.outer.0.len().min(facts.outer.1.len()).min(u64::from(u32::MAX)) as u32;
    // The host's ids belong to somebody; those of root's containers do by agreement: the range of the user `containers`.
    let domain = match facts.root {
        true => outer::ranges_of("containers")?,
        false => vec![IdRange { start: 1, count: last.saturating_sub(1) }],
    };
    free_run(&domain, &facts.taken, facts.size).ok_or_else(|| {
        Error::unsupported(format!("no {} consecutive subordinate ids are free for --userns=auto", facts.size))
            .hint("ask for fewer with --userns=auto:size=…, remove containers that have some, or get a larger range in /etc/subuid and /etc/subgid")
    })
}

/// The ids 0 to `size` from `start` on, but for those that `forced` maps already.
fn around(forced: IdMap, start: u32, size: u32) -> IdMap {
    let mut forced_inside: Vec<(u32, u32)> =
        forced.extents.iter().map(|run| (run.inside, run.inside.saturating_add(run.count))).collect();
    forced_inside.sort_unstable();
    let (mut map, mut inside) = (forced, 0);
    for (from, to) in forced_inside.into_iter().chain([(size, size)]) {
        if from > inside && inside < size {
            map.extents.push(Extent { inside, outside: start + inside, count: from.min(size) - inside });
        }
        inside = inside.max(to);
    }
    map
}

fn mapped(asked: &[MapRequest], outer: &IdMap) -> Result<IdMap> {
    let run = |map: &MapRequest| {
        let outside = match map.outside {
            Outside::User(id) => id,
            Outside::Host(id) => outer.to_inside(id).ok_or_else(|| {
                Error::usage(format!("the host's id {id} is not among yours"))
                    .hint("those in /etc/subuid and /etc/subgid, and your own, are")
            })?,
        };
        Ok(Extent { inside: map.inside, outside, count: map.count })
    };
    Ok(IdMap { extents: asked.iter().map(run).collect::<Result<_>>()? })
}

/// How many ids the image's users and groups need; what its files are owned by is not looked at, as podman does not.
fn estimate(layers: &[PathBuf]) -> u32 {
    // Of a user both ids count, of a group its own.
    let kinds = [("etc/passwd", &[2, 3][..]), ("etc/group", &[2])];
    let files = layers.iter().flat_map(|layer| kinds.map(|(file, fields)| (layer, file, fields)));
    let highest = files.filter_map(|(layer, file, fields)| {
        let mut text = String::new();
        let file = BeneathDir::open(layer).ok()?.open_file(file).ok()?;
        file.take(MAX_FILE).read_to_string(&mut text).ok()?;
        highest_id(&text, fields)
    });
    highest.max().map_or(0, |id| id.saturating_add(1)).clamp(AUTO_SIZES.0, AUTO_SIZES.1)
}

/// The highest id in these fields of a passwd(5) or group(5) text. The overflow id does not count, nor do the users and
/// groups that stand for nobody, which have the highest ids of most images (containers/storage `userns.go`).
fn highest_id(text: &str, fields: &[usize]) -> Option<u32> {
    let lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let somebody = lines.filter(|line| !matches!(line[0], "nobody" | "nogroup"));
    let ids = somebody.flat_map(|line| {
        let ids = fields.iter().filter_map(|field| line.get(*field)?.parse().ok());
        ids.collect::<Vec<u32>>()
    });
    ids.filter(|id| *id != 65534).max()
}

/// The user's ids that containers with `auto` have.
fn taken(engine: &Engine) -> Result<Vec<IdRange>> {
    let containers = engine.containers().list().context(|| "cannot tell which ids are free")?;
    let maps = containers.into_iter().flatten().filter_map(|container| match container.config.namespaces.user {
        UserNamespace::Maps { uids, gids, auto: true } => Some([uids.extents, gids.extents].concat()),
        _ => None,
    });
    Ok(maps.flatten().map(|run| IdRange { start: run.outside, count: run.count }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(size: u32, taken: &[(u32, u32)]) -> Facts {
        let ranges = [IdRange { start: 100_000, count: 65536 }];
        let map = IdMap::for_user(1003, &ranges);
        Facts {
            root: false,
            uid: 1003,
            gid: 1004,
            name: "ann".into(),
            group: "staff".into(),
            outer: (map.clone(), map),
            size,
            taken: taken.iter().map(|(start, count)| IdRange { start: *start, count: *count }).collect(),
        }
    }

    #[test]
    fn the_user_keeps_its_ids_or_takes_those_it_names() {
        let keep = |uid, gid| plan(&UserNamespaceRequest::KeepId { uid, gid }, &facts(0, &[])).unwrap();
        let kept = |uid| UserNamespace::KeepId { uid, gid: 1004, name: "ann".into(), group: "staff".into() };
        assert_eq!((keep(None, None), keep(Some(7), None)), (kept(1003), kept(7)));
        let root = Facts { root: true, ..facts(0, &[]) };
        assert!(plan(&UserNamespaceRequest::NoMap, &root).is_err());
    }

    #[test]
    fn maps_of_others_are_told_in_the_users_ids() {
        let ranges = [IdRange { start: 100_000, count: 10 }];
        let outer = IdMap::for_user(1003, &ranges);
        let told = |runs: &[(u32, u32, u32)]| in_ids_of(&IdMap::of(runs), &outer);
        assert_eq!(told(&[(0, 1003, 1), (1, 100_000, 10)]), Some(IdMap::of(&[(0, 0, 1), (1, 1, 10)])));
        assert_eq!(told(&[(0, 100_004, 2)]), Some(IdMap::of(&[(0, 5, 2)])));
        assert!(told(&[(0, 0, 1)]).is_none() && told(&[]).is_none());
    }

    #[test]
    fn auto_takes_the_first_gap() {
        let auto = |size, taken: &[(u32, u32)], uids| {
            plan(&UserNamespaceRequest::Auto { size: None, uids, gids: vec![] }, &facts(size, taken))
        };
        let maps = |uids: &[(u32, u32, u32)], gids: &[(u32, u32, u32)]| UserNamespace::Maps {
            uids: IdMap::of(uids),
            gids: IdMap::of(gids),
            auto: true,
        };
        assert_eq!(auto(1024, &[], vec![]).unwrap(), maps(&[(0, 1, 1024)], &[(0, 1, 1024)]));
        let between = auto(500, &[(1, 100), (700, 10), (101, 3)], vec![]).unwrap();
        assert_eq!(between, maps(&[(0, 104, 500)], &[(0, 104, 500)]));
        assert!(auto(65530, &[(30000, 1)], vec![]).is_err());
        let forced = MapRequest { inside: 5, outside: Outside::Host(1003), count: 1 };
        let uids = [(5, 0, 1), (0, 1, 5), (6, 7, 4)];
        assert_eq!(auto(10, &[], vec![forced]).unwrap(), maps(&uids, &[(0, 1, 10)]));
    }

    #[test]
    fn ids_of_the_host_must_be_the_users() {
        let outer = IdMap::for_user(1003, &[IdRange { start: 100_000, count: 10 }]);
        let host = |id| mapped(&[MapRequest { inside: 0, outside: Outside::Host(id), count: 1 }], &outer);
        assert_eq!((host(1003).unwrap(), host(100_001).unwrap()), (IdMap::of(&[(0, 0, 1)]), IdMap::of(&[(0, 2, 1)])));
        assert!(host(5).is_err());
    }

    #[test]
    fn the_images_users_are_counted() {
        let passwd = "root:x:0:0::/:\nnobody:x:65533:65533::/:\nx:x:65534:65534::/:\nbig:x:5000:6000::/:\nbroken\n";
        assert_eq!(highest_id(passwd, &[2, 3]), Some(6000));
        let group = "root:x:0:7000\nnogroup:x:65533:\nnobody:x:65532:\nwheel:x:10:\n";
        assert_eq!(highest_id(group, &[2]), Some(10));
        assert_eq!(highest_id("", &[2]), None);
    }
}
