//! The outer user namespace: one for each user and session, in which all store trees are owned.
//!
//! # Theory of operation
//!
//! It maps 0 to the user and 1.. to the user's subordinate ids. Writing such a map needs the setuid programs newuidmap
//! and newgidmap (shadow-utils), 2 to 4 ms; joining a namespace that exists needs 0.03 ms. So whoever finds none makes
//! it, and every process that lives in one says so in the keepers directory (an empty file named after its process
//! identity). The record of a dead keeper is removed by whoever meets it.
//!
//! There must not be two at a time: both would have the same owners on disk, but each its own netd, and containers of one
//! would not find those of the other. So who joins one holds a lock, shared with others who do, until it is recorded
//! itself: the keeper through which it came may go meanwhile. Who makes one holds the lock alone, and looks again first.
//!
//! [`enter`] moves the calling process for good, and refuses to when it has several threads: into the outer user namespace with all
//! capabilities there, and into a mount namespace of its own whose mounts reach nobody else. Its credentials stay those
//! of the user; only their numbers change. It leaves the user's session keyring for an empty one (`base::keyring`), which
//! every process that it starts inherits.
//!
//! A user without subordinate ids has a map of one id: root of the namespace, with which all files are its own. Such a map
//! the user may write itself, but then processes in the namespace may not change their groups (user_namespaces(7)).
//!
//! The real root needs no map: then the outer namespace is the initial one, and only the mount namespace is new.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::wait::WaitStatus;

use super::accounts::{account_by_uid, subid_ranges};
use super::map_programs::write_maps;
use crate::base::error::if_absent;
use crate::base::lock::{Lock, Mode};
use crate::base::process::{self, ProcessIdentity, signal_name};
use crate::base::{Error, Kind, Paths, Result, ResultExt, failpoint, keyring, trace};
use crate::spec::idmap::{IdMap, IdRange};
use crate::sys::process::{Forked, close_all_but, exit_now, fork, require_one_thread};

/// Moves this single-threaded process into the outer user namespace and a private mount namespace, without the keys of the
/// user's session.
///
/// The process is recorded as a keeper of the namespace; the record goes with [`forget_keeper`] or, at the latest, with
/// whoever next finds the process dead.
pub fn enter(paths: &Paths) -> Result<()> {
    require_one_thread().context(|| "cannot enter the user's namespace")?;
    if is_real_root() {
        unshare(CloneFlags::CLONE_NEWNS).context(|| "cannot make a mount namespace")?;
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
            .context(|| "cannot separate the mounts from the host's")?;
        return keyring::leave_session(0);
    }
    let lock = paths.runtime.join("keepers.lock");
    {
        let _joining = Lock::wait(&lock, Mode::Shared)?;
        if join(paths)? {
            failpoint::here("outer.joined")?;
            trace::step(|| "joined the user's namespace, which another process keeps".into());
            record_keeper(paths)?;
            return leave_session();
        }
    }
    {
        let _creating = Lock::wait(&lock, Mode::Exclusive)?;
        if !join(paths)? {
            create()?;
            failpoint::here("outer.created")?;
            trace::step(|| "made the user's namespace".into());
        }
        record_keeper(paths)?;
    }
    leave_session()
}

/// Leaves the keyring of the user's login session, with the help of the subordinate ids that there are.
fn leave_session() -> Result<()> {
    let ids = current_maps()?.0.len();
    keyring::leave_session(u32::try_from(ids.saturating_sub(1)).unwrap_or(u32::MAX))
}

/// Whether this process is root with power over the initial (or at least its own) namespaces, so that no map is needed.
/// Root inside another tool's unprivileged container has lost CAP_SYS_ADMIN and is treated like any user.
pub fn is_real_root() -> bool {
    let effective = rustix::thread::capabilities(None).map(|sets| sets.effective);
    nix::unistd::geteuid().is_root()
        && effective.is_ok_and(|set| set.contains(rustix::thread::CapabilitySet::SYS_ADMIN))
}

/// The maps of the user namespace that this process is in.
pub fn current_maps() -> Result<(IdMap, IdMap)> {
    let read = |path: &str| fs::read_to_string(path).context(|| format!("cannot read `{path}`"));
    Ok((IdMap::parse(&read("/proc/self/uid_map")?), IdMap::parse(&read("/proc/self/gid_map")?)))
}

/// The maps that the outer namespace of this process's user has or would have: plain numbers, no namespace is needed.
pub fn maps_of_user() -> Result<(IdMap, IdMap)> {
    match is_real_root() {
        true => current_maps(),
        false => planned_maps(nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()),
    }
}

/// Whether this process's user has a single id in its outer namespace.
pub fn has_single_id() -> Result<bool> {
    maps_of_user().map(|(uids, _)| uids.len() == 1)
}

/// Whether processes in this user namespace must keep the groups they have.
pub fn groups_are_fixed() -> bool {
    fs::read_to_string("/proc/self/setgroups").is_ok_and(|word| word.trim() == "deny")
}

/// The subordinate ranges of an account that are for users and groups alike.
pub fn ranges_of(name: &str) -> Result<Vec<IdRange>> {
    let read = |path: &str| -> Result<Vec<IdRange>> {
        let text = if_absent(fs::read_to_string(path)).context(|| format!("cannot read `{path}`"))?;
        Ok(subid_ranges(&text.unwrap_or_default(), Some(name), u32::MAX))
    };
    let gids = read("/etc/subgid")?;
    Ok(read("/etc/subuid")?.into_iter().filter(|range| gids.contains(range)).collect())
}

/// Takes this process out of the keepers.
pub fn forget_keeper(paths: &Paths) {
    if let Some(me) = ProcessIdentity::of(std::process::id() as i32) {
        let _ = fs::remove_file(paths.keepers().join(keeper_name(&me)));
    }
}

/// Removes the records of processes that have ended without doing so themselves.
pub fn forget_dead_keepers(paths: &Paths) {
    for entry in fs::read_dir(paths.keepers()).into_iter().flatten().flatten() {
        let keeper = entry.file_name().to_str().and_then(parse_keeper_name);
        if keeper.is_some_and(|keeper| !keeper.is_alive()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Records this process, which is in the outer user namespace, as one that keeps it.
pub fn record_keeper(paths: &Paths) -> Result<()> {
    let me = ProcessIdentity::of(std::process::id() as i32)
        .ok_or_else(|| Error::system("cannot read `/proc/self/stat`").hint("is /proc mounted?"))?;
    let path = paths.keepers().join(keeper_name(&me));
    File::create(&path).map(drop).at(&path, "cannot create")
}

/// `<pid>-<start time>-<boot id>`.
fn keeper_name(process: &ProcessIdentity) -> String {
    format!("{}-{}-{}", process.pid, process.start_time, process.boot_id)
}

fn parse_keeper_name(name: &str) -> Option<ProcessIdentity> {
    let mut parts = name.splitn(3, '-');
    Some(ProcessIdentity {
        pid: parts.next()?.parse().ok()?,
        start_time: parts.next()?.parse().ok()?,
        boot_id: parts.next()?.to_owned(),
    })
}

/// Joins the namespace of any living keeper. False when there is none.
fn join(paths: &Paths) -> Result<bool> {
    let Some(entries) = if_absent(fs::read_dir(paths.keepers())).at(&paths.keepers(), "cannot list")? else {
        return Ok(false);
    };
    for entry in entries.flatten() {
        let Some(keeper) = entry.file_name().to_str().and_then(parse_keeper_name) else { continue };
        if !keeper.is_alive() {
            let _ = fs::remove_file(entry.path());
            continue;
        }
        // Between the check and the open the keeper may die and, in theory, its pid come back as another process of
        // ours: the open namespace is checked again by the identity of its holder.
        let Ok(namespace) = File::open(format!("/proc/{}/ns/user", keeper.pid)) else { continue };
        if !keeper.is_alive() {
            continue;
        }
        if !is_usable(keeper.pid)? {
            continue;
        }
        match setns(namespace.as_fd(), CloneFlags::CLONE_NEWUSER) {
            Ok(()) => {
                unshare(CloneFlags::CLONE_NEWNS).context(|| "cannot make a mount namespace")?;
                return Ok(true);
            }
            // A keeper that has not left the host's namespace yet, or one of another user's making.
            Err(_) => continue,
        }
    }
    Ok(false)
}

/// Whether the namespace of a keeper has what a new one would have: both maps, and not only the user's own id, as one from
/// before the user got subordinate ids, which shows all owners as the user.
fn is_usable(keeper: i32) -> Result<bool> {
    let ids =
        |file: &str| IdMap::parse(&fs::read_to_string(format!("/proc/{keeper}/{file}")).unwrap_or_default()).len();
    let (uids, gids) = (ids("uid_map"), ids("gid_map"));
    Ok(uids > 0 && gids > 0 && (uids > 1 || has_single_id()?))
}

/// Makes the namespace and has its maps written by a helper process that stays outside.
fn create() -> Result<()> {
    let uid = nix::unistd::geteuid().as_raw();
    let gid = nix::unistd::getegid().as_raw();
    let (uid_map, gid_map) = planned_maps(uid, gid)?;
    if uid_map.len() == 1 {
        return create_single(&uid_map, &gid_map);
    }
    let (mut go_out, mut go_in) = io::pipe().context(|| "cannot make a pipe")?;
    let (mut report_out, mut report_in) = io::pipe().context(|| "cannot make a pipe")?;
    let target = std::process::id();
    let helper = match fork().context(|| "cannot fork")? {
        Forked::Child => {
            // Above all the other end of `go` and the lock: they end with our parent.
            let _ = close_all_but(&[go_out.as_fd(), report_in.as_fd()]);
            let mut go = [0u8; 1];
            // End of file: our parent gave up before there was anything to map.
            let ready = go_out.read_exact(&mut go).is_ok();
            let problem = match ready {
                true => write_maps(target, &uid_map, &gid_map).err(),
                false => None,
            };
            if let Some(error) = &problem {
                let wire = crate::base::error::WireError::from(error);
                let _ = report_in.write_all(&serde_json::to_vec(&wire).unwrap_or_default());
            }
            exit_now(i32::from(problem.is_some()));
        }
        Forked::Parent(pid) => pid,
    };
    drop(go_out);
    drop(report_in);
    let unshared = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS);
    if unshared.is_ok() {
        go_in.write_all(&[1]).context(|| "cannot wake the id-map helper")?;
    }
    drop(go_in);
    let mut report = Vec::new();
    report_out.read_to_end(&mut report).context(|| "cannot read the id-map helper's report")?;
    let ended = process::wait(helper).context(|| "cannot wait for the id-map helper")?;
    unshared.map_err(refused)?;
    if !report.is_empty() {
        let problem: crate::base::error::WireError =
            serde_json::from_slice(&report).context(|| "cannot understand the id-map helper's report")?;
        return Err(problem.into());
    }
    match ended {
        WaitStatus::Exited(_, 0) => check_maps(&uid_map, &gid_map),
        WaitStatus::Signaled(_, signal, _) => {
            Err(Error::system(format!("the id-map helper was killed by {}", signal_name(signal as i32)))
                .hint("is the machine short of memory? try again"))
        }
        other => Err(Error::system(format!("the id-map helper ended without a report ({other:?})"))),
    }
}

/// Looks whether this process has the ids that it should have: in a namespace that lacks some, everything fails later and
/// less clearly, and others would join it.
fn check_maps(uid_map: &IdMap, gid_map: &IdMap) -> Result<()> {
    let (uids, gids) = current_maps()?;
    for (now, planned, what) in [(&uids, uid_map, "user"), (&gids, gid_map, "group")] {
        if now.len() != planned.len() {
            return Err(Error::system(format!(
                "the new user namespace has {} {what} ids instead of {}",
                now.len(),
                planned.len()
            ))
            .hint("was newuidmap or newgidmap replaced? `coracle doctor` looks at them"));
        }
    }
    Ok(())
}

/// Makes the namespace of a user without subordinate ids.
fn create_single(uid_map: &IdMap, gid_map: &IdMap) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(refused)?;
    for (file, text) in
        [("setgroups", "deny".to_owned()), ("uid_map", uid_map.to_map_file()), ("gid_map", gid_map.to_map_file())]
    {
        let path = format!("/proc/self/{file}");
        fs::write(&path, text).context(|| format!("cannot write `{path}`"))?;
    }
    Ok(())
}

/// The outer maps of a user, from `/etc/subuid` and `/etc/subgid`.
fn planned_maps(uid: u32, gid: u32) -> Result<(IdMap, IdMap)> {
    let read = |path: &str| -> Result<String> {
        Ok(if_absent(fs::read_to_string(path)).context(|| format!("cannot read `{path}`"))?.unwrap_or_default())
    };
    let name = account_by_uid(&read("/etc/passwd")?, uid).map(|account| account.name);
    let user = name.as_deref();
    let uids = subid_ranges(&read("/etc/subuid")?, user, uid);
    let gids = subid_ranges(&read("/etc/subgid")?, user, uid);
    if uids.is_empty() && gids.is_empty() {
        return Ok((IdMap::root_only(uid), IdMap::root_only(gid)));
    }
    for (file, ranges) in [("/etc/subuid", &uids), ("/etc/subgid", &gids)] {
        if ranges.is_empty() {
            let who = name.clone().unwrap_or_else(|| uid.to_string());
            return Err(Error::new(Kind::Unsupported, format!("`{file}` gives the user `{who}` no subordinate ids"))
                .hint(format!(
                    "an administrator adds them once: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {who}"
                ))
                .hint("`coracle doctor` finds a free range and checks the rest of this machine"));
        }
    }
    Ok((IdMap::for_user(uid, &uids), IdMap::for_user(gid, &gids)))
}

/// Why the kernel would not make a user namespace, as far as its settings tell.
fn refused(errno: Errno) -> Error {
    let setting = |name: &str| {
        fs::read_to_string(format!("/proc/sys/{name}")).ok().and_then(|text| text.trim().parse::<u64>().ok())
    };
    let error = Error::new(Kind::Unsupported, "cannot make a user namespace").caused_by(io::Error::from(errno));
    if setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return error.hint("AppArmor restricts user namespaces here (Ubuntu 24.04 and later): `coracle doctor` prints the profile that allows them for coracle");
    }
    if setting("kernel/unprivileged_userns_clone") == Some(0) {
        return error.hint("user namespaces are switched off: sudo sysctl -w kernel.unprivileged_userns_clone=1");
    }
    if setting("user/max_user_namespaces") == Some(0) || errno == Errno::ENOSPC || errno == Errno::EUSERS {
        return error
            .hint("the limit of user namespaces is reached or 0: sudo sysctl -w user.max_user_namespaces=28633");
    }
    error.hint("`coracle doctor` checks what this machine allows")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeper_names_round_trip() {
        let me = ProcessIdentity::of(std::process::id() as i32).unwrap();
        assert_eq!(parse_keeper_name(&keeper_name(&me)), Some(me));
        assert_eq!(parse_keeper_name("1-2"), None);
    }
}
