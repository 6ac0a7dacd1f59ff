//! `system migrate`: images of podman and docker.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::progress;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::archives::foreign::{MigrateRequest, Owner, migrate as engine_migrate};

/// The command.
pub const VERB: Verb = Verb {
    name: "migrate",
    about: "Take over images from the store of podman or docker, which stays as it is",
    usage: "--from podman|docker [IMAGE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: MigrateArguments::augment_args,
    run: |context, matches| migrate(context, &typed(matches)?),
};

/// `--from`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// podman, buildah and skopeo
    Podman,
    /// docker, if it keeps images itself and not in containerd
    Docker,
}

/// Arguments of `system migrate`.
#[derive(Debug, Clone, Args)]
struct MigrateArguments {
    /// Whose images: podman or docker; without, there is nothing to do, because records of older versions are read as they are
    #[arg(long, value_name = "PROGRAM")]
    from: Option<From>,
    /// The directory of that store, where it is not in its usual place
    #[arg(long, value_name = "DIR", requires = "from")]
    path: Option<String>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Names or IDs of images there; all that have a name when none is given
    #[arg(value_name = "IMAGE", requires = "from")]
    images: Vec<String>,
}

fn migrate(context: &Context, arguments: &MigrateArguments) -> Result<u8> {
    let Some(from) = arguments.from else { return Ok(0) };
    let store = match (&arguments.path, from) {
        (Some(path), _) => context.path(path),
        (None, From::Podman) => podman(context)?,
        (None, From::Docker) => place(context, "docker", "/var/lib/docker")?,
    };
    let owner = if from == From::Podman { Owner::Podman } else { Owner::Docker };
    let request = MigrateRequest { owner, store, images: arguments.images.clone() };
    let engine = context.engine()?;
    context.tell_of_single_id(&engine)?;
    let shown = progress::loading(context, arguments.quiet);
    let migrated = engine_migrate(&engine, &request, shown.as_ref())?;
    drop(shown);
    let mut code = 0;
    for (called, result) in migrated {
        match result {
            Ok(loaded) if loaded.names.is_empty() => context.ui.line(&format!("Migrated: {}", loaded.image.id))?,
            Ok(loaded) => {
                loaded.names.iter().try_for_each(|name| context.ui.line(&format!("Migrated: {}", name.familiar())))?;
            }
            Err(error) => {
                let error = Error::from(error);
                let told =
                    Error::new(error.kind(), format!("cannot take over `{}`", text::clean(&called))).caused_by(error);
                context.ui.error(&told.hint("`coracle pull` gets it from its registry"));
                code = context.persona.failure();
            }
        }
    }
    Ok(code)
}

/// Where a program keeps images: of a user below the data directory.
fn place(context: &Context, below: &str, of_root: &str) -> Result<PathBuf> {
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from(of_root));
    }
    let data = context.environment.path("XDG_DATA_HOME");
    let home = || context.environment.path("HOME").map(|home| home.join(".local/share"));
    let data = data
        .or_else(home)
        .ok_or_else(|| Error::usage("no home directory is known").hint("name the store with --path"))?;
    Ok(data.join(below))
}

/// The part of storage.conf that tells the place.
#[derive(Debug, Default, Deserialize)]
struct StorageConf {
    #[serde(default)]
    storage: Storage,
}

#[derive(Debug, Default, Deserialize)]
struct Storage {
    #[serde(default)]
    graphroot: String,
}

/// podman's place, which a user's storage.conf may change.
fn podman(context: &Context) -> Result<PathBuf> {
    let usual = place(context, "containers/storage", "/var/lib/containers/storage")?;
    let config = context.environment.path("XDG_CONFIG_HOME");
    let config = config.or_else(|| context.environment.path("HOME").map(|home| home.join(".config")));
    let file = match nix::unistd::geteuid().is_root() {
        true => Some(PathBuf::from("/etc/containers/storage.conf")),
        false => config.map(|config| config.join("containers/storage.conf")),
    };
    let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let conf: StorageConf = toml::from_str(&text).unwrap_or_default();
    Ok(Some(conf.storage.graphroot).filter(|root| root.starts_with('/')).map_or(usual, PathBuf::from))
}
