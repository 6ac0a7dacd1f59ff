//! Roles: what this executable is when it is started under a name of its own, decided before a command line is parsed.
//! An idle role that never parsed one holds a fraction of the memory.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::base::Paths;
use crate::net::netd;
use crate::rootless::outer;
use crate::state::Containers;
use crate::union::fuse;
use crate::{engine, hello, init, supervise};

/// Runs the hidden role that the arguments ask for and returns its exit status; `None` when they are a command line.
pub fn dispatch(args: &[OsString]) -> Option<u8> {
    let name = args.first()?.as_bytes();
    if name == supervise::ROLE.as_bytes() {
        let [data, runtime] = args.get(1..)? else { return Some(125) };
        let nowhere = PathBuf::new;
        let paths = Paths { data: data.into(), runtime: runtime.into(), config: nowhere(), home: nowhere() };
        return Some(supervise::main(&paths) as u8);
    }
    if name == engine::worker::ROLE.as_bytes() {
        return Some(engine::worker::main());
    }
    if name == fuse::ROLE.as_bytes() {
        return Some(fuse::main(args.get(1..)?));
    }
    if name == netd::ROLE.as_bytes() {
        return Some(netd_main(args.get(1..)?));
    }
    if name == init::ROLE.as_bytes() {
        return Some(init::main(args.get(1..)?));
    }
    let is_hello = args.get(1).is_some_and(|role| role.as_bytes() == engine::builtin::ROLE.as_bytes());
    if is_hello && std::process::id() == 1 {
        let screen = hello::screen(&hello::gather());
        return Some(u8::from(std::io::stdout().write_all(screen.as_bytes()).is_err()));
    }
    None
}

/// netd has power over the containers of the user namespace that it lives in, so it keeps that one alive for the next.
fn netd_main(args: &[OsString]) -> u8 {
    let [data, runtime, ..] = args else { return 125 };
    let paths = Paths { data: data.into(), runtime: runtime.into(), config: PathBuf::new(), home: PathBuf::new() };
    let kept = outer::record_keeper(&paths);
    let status = netd::main(args, &|| {
        let mut running = Containers::new(&paths).on_networks();
        running.extend(Containers::new(&paths.build_steps()).on_networks());
        running
    });
    if kept.is_ok() {
        outer::forget_keeper(&paths);
    }
    status
}
