//! `system persona`: coracle as `docker` or `podman`, by a link of that name.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::error::if_absent;
use crate::base::{Error, Result, ResultExt, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};

/// `system persona install`.
pub const INSTALL: Verb = Verb {
    name: "install",
    about: "Make coracle answer to docker or podman as well",
    usage: "docker|podman",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: PersonaArguments::augment_args,
    run: |context, matches| install(context, &typed(matches)?),
};

/// `system persona remove`.
pub const REMOVE: Verb = Verb {
    name: "remove",
    about: "Remove what `install` made",
    run: |context, matches| remove(context, &typed(matches)?),
    ..INSTALL
};

/// Arguments of both.
#[derive(Debug, Clone, Args)]
struct PersonaArguments {
    /// Where the link is; ~/.local/bin if it is not given
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<String>,
    /// Which program
    #[arg(value_name = "PERSONA")]
    persona: Persona,
}

/// The programs that coracle can stand in for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Persona {
    Docker,
    Podman,
}

impl Persona {
    fn name(self) -> &'static str {
        match self {
            Persona::Docker => "docker",
            Persona::Podman => "podman",
        }
    }
}

/// The directory of links.
fn directory(context: &Context, arguments: &PersonaArguments) -> Result<PathBuf> {
    match &arguments.directory {
        Some(directory) => Ok(context.path(directory)),
        None => {
            let home = context.environment.path("HOME");
            let home =
                home.ok_or_else(|| Error::system("HOME is not set").hint("name a directory with --directory"))?;
            Ok(home.join(".local/bin"))
        }
    }
}

/// Where this program is, not by the link of a persona.
fn program() -> Result<PathBuf> {
    std::env::current_exe().context(|| "cannot find out where this program is")
}

/// Whether a link leads to this program.
fn is_ours(link: &Path, program: &Path) -> bool {
    fs::read_link(link).is_ok() && fs::canonicalize(link).is_ok_and(|target| target == program)
}

fn install(context: &Context, arguments: &PersonaArguments) -> Result<u8> {
    let (directory, program, name) = (directory(context, arguments)?, program()?, arguments.persona.name());
    fs::create_dir_all(&directory).at(&directory, "cannot create the directory")?;
    let link = directory.join(name);
    let shown = text::clean(&link.display().to_string()).into_owned();
    if !is_ours(&link, &program) {
        if link.symlink_metadata().is_ok() {
            return Err(Error::conflict(format!("`{shown}` is there already, and is not coracle"))
                .hint("--directory names another place"));
        }
        symlink(&program, &link).at(&link, "cannot make the link")?;
    }
    context.ui.line(&shown)?;
    let path = context.environment.get("PATH").unwrap_or_default();
    match first(path, name) {
        Some(found) if found == link => {}
        Some(found) => context.ui.warning(&format!(
            "your shell finds `{}` before it: put `{}` to the front of PATH",
            text::clean(&found.display().to_string()),
            text::clean(&directory.display().to_string())
        )),
        None => context.ui.warning(&format!(
            "your shell does not look there: add `{}` to PATH",
            text::clean(&directory.display().to_string())
        )),
    }
    if arguments.persona.name() == "docker" && context.environment.get("DOCKER_HOST").is_some() {
        context.ui.warning("DOCKER_HOST is set: docker means another engine then. `unset DOCKER_HOST`");
    }
    Ok(0)
}

/// The first file of a name in a search path.
fn first(path: &str, name: &str) -> Option<PathBuf> {
    let mut places = path.split(':').filter(|place| !place.is_empty()).map(|place| Path::new(place).join(name));
    places.find(|place| place.exists())
}

fn remove(context: &Context, arguments: &PersonaArguments) -> Result<u8> {
    let (directory, program, name) = (directory(context, arguments)?, program()?, arguments.persona.name());
    let link = directory.join(name);
    let shown = text::clean(&link.display().to_string()).into_owned();
    if link.symlink_metadata().is_err() {
        return Err(Error::not_found(format!("there is no `{shown}`")));
    }
    if !is_ours(&link, &program) {
        return Err(Error::conflict(format!("`{shown}` is not coracle: it stays")));
    }
    if_absent(fs::remove_file(&link)).at(&link, "cannot remove")?;
    context.ui.line(&shown).map(|()| 0)
}
