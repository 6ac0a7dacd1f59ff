//! User namespaces and their maps.

use std::fs::{self, File};

use nix::sched::CloneFlags;

use crate::base::{Result, ResultExt, process};
use crate::spec::idmap::IdMap;
use crate::sys::process::{Forked, clone3};

/// Writes the maps of users and groups of a process that was made in a user namespace of its own.
pub(super) fn write_maps(pid: i32, (uid_map, gid_map): &(IdMap, IdMap)) -> Result<()> {
    for (file, map) in [("uid_map", uid_map), ("gid_map", gid_map)] {
        let path = format!("/proc/{pid}/{file}");
        fs::write(&path, map.to_map_file()).context(|| format!("cannot write `{path}`"))?;
    }
    Ok(())
}

/// A user namespace with these maps, which lives as long as its descriptor.
pub(super) fn namespace_of(maps: &(IdMap, IdMap)) -> Result<File> {
    let holder = match clone3(CloneFlags::CLONE_NEWUSER).context(|| "cannot make a user namespace for the map")? {
        Forked::Child => {
            // Whatever happens to its maker, it does not stay.
            let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
            loop {
                nix::unistd::pause();
            }
        }
        Forked::Parent(holder) => holder,
    };
    let path = format!("/proc/{}/ns/user", holder.pid);
    let namespace =
        write_maps(holder.pid, maps).and_then(|()| File::open(&path).context(|| format!("cannot open `{path}`")));
    process::kill(&holder);
    namespace
}
