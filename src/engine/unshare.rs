//! `unshare`: a program of the user's in the user namespace that owns everything in the store and in containers.

use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt;

use super::Engine;
use crate::base::{Error, Kind, Result, text};
use crate::rootless::outer;

/// Becomes the program `argv`, as root of the user's namespace and in a mount namespace of its own. Returns only when that
/// cannot be. The caller must have one thread.
pub fn unshare(engine: &Engine, argv: &[String]) -> Result<Infallible> {
    if outer::is_real_root() {
        return Err(Error::usage("unshare is for users without privileges: root owns everything as it is"));
    }
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Error::usage("no program was given"));
    };
    engine.paths.ensure()?;
    outer::enter(&engine.paths)?;
    let error = std::process::Command::new(program).args(arguments).exec();
    outer::forget_keeper(&engine.paths);
    let kind = match error.kind() {
        io::ErrorKind::NotFound => Kind::CommandNotFound,
        io::ErrorKind::PermissionDenied => Kind::CannotExecute,
        _ => Kind::System,
    };
    Err(Error::new(kind, format!("cannot run `{}`", text::clean(program))).caused_by(error))
}
