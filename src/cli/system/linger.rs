//! `system linger`: whether the user's services, and containers, outlive the session.

use std::path::Path;

use clap::Args;

use crate::base::error::if_absent;
use crate::base::{Error, Result, ResultExt};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::units::systemctl;

/// The command.
pub const VERB: Verb = Verb {
    name: "linger",
    about: "Keep containers when you log out, and start them at boot",
    usage: "[on|off]",
    arity: (0, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: LingerArguments::augment_args,
    run: |context, matches| linger(context, &typed(matches)?),
};

/// Arguments of `linger`.
#[derive(Debug, Clone, Args)]
struct LingerArguments {
    /// Whether to; without it, show what is set
    #[arg(value_name = "on|off")]
    wanted: Option<String>,
}

/// Where logind remembers who lingers, logind.conf(5).
const DIRECTORY: &str = "/var/lib/systemd/linger";

/// Whether the user lingers; none on a machine without logind.
pub fn is_on() -> Result<Option<bool>> {
    let directory = Path::new(DIRECTORY);
    if !Path::new("/run/systemd/system").exists() {
        return Ok(None);
    }
    let name = user_name()?;
    let entry = if_absent(std::fs::symlink_metadata(directory.join(name))).at(directory, "cannot look into");
    Ok(Some(entry?.is_some()))
}

/// The user's name, which logind's files have. The C library's look-up is not for a static program.
fn user_name() -> Result<String> {
    let uid = nix::unistd::getuid();
    let output = systemctl::run("id", ["-un"])?;
    let name = output.trim();
    match name.is_empty() || name.contains('/') {
        true => Err(Error::system(format!("the user {uid} has no name"))),
        false => Ok(name.to_owned()),
    }
}

fn linger(context: &Context, arguments: &LingerArguments) -> Result<u8> {
    let verb = match arguments.wanted.as_deref() {
        None => {
            let shown = match is_on()? {
                Some(true) => "on",
                Some(false) => "off",
                None => return Err(Error::unsupported("this machine has no systemd: sessions end nothing")),
            };
            return context.ui.line(shown).map(|()| 0);
        }
        Some("on") => "enable-linger",
        Some("off") => "disable-linger",
        Some(_) => return Err(Error::usage("`system linger` takes `on` or `off`")),
    };
    let name = user_name()?;
    systemctl::run("loginctl", [verb])
        .map_err(|error| error.hint(format!("an administrator can do it: sudo loginctl {verb} {name}")))?;
    context.ui.line(arguments.wanted.as_deref().unwrap_or_default()).map(|()| 0)
}
