//! `volume export`, `volume import`, `volume mount` and `volume unmount`.

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::{AsFd, OwnedFd};

use clap::Args;

use crate::base::{Error, Kind, Result, ResultExt};
use crate::cli::container::export::archive;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::files::volume as files;
use crate::engine::volume;

/// `volume export`.
pub const EXPORT: Verb = Verb {
    name: "export",
    about: "Export a volume's files as a tar archive",
    usage: "VOLUME",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ExportArguments::augment_args,
    run: |context, matches| export(context, &typed(matches)?),
};

/// `volume import`.
pub const IMPORT: Verb = Verb {
    name: "import",
    about: "Add the files of a tar archive to a volume",
    usage: "VOLUME [FILE|-]",
    arity: (1, Some(2)),
    arguments: ImportArguments::augment_args,
    run: |context, matches| import(context, &typed(matches)?),
    ..EXPORT
};

/// `volume mount`.
pub const MOUNT: Verb = Verb {
    name: "mount",
    about: "Print where the files of volumes are: they need no mount",
    usage: "VOLUME [VOLUME...]",
    arity: (1, None),
    arguments: MountArguments::augment_args,
    run: |context, matches| mount(context, &typed(matches)?),
    ..EXPORT
};

/// `volume unmount`.
pub const UNMOUNT: Verb = Verb {
    name: "unmount",
    about: "The opposite of `volume mount`: nothing is to be unmounted",
    run: |context, matches| unmount(context, &typed(matches)?),
    ..MOUNT
};

/// Arguments of `volume export`.
#[derive(Debug, Clone, Args)]
struct ExportArguments {
    /// Write to a file, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    /// Name
    #[arg(value_name = "VOLUME", required = true)]
    volume: String,
}

/// Arguments of `volume import`.
#[derive(Debug, Clone, Args)]
struct ImportArguments {
    /// Name
    #[arg(value_name = "VOLUME", required = true)]
    volume: String,
    /// The archive, which may be compressed; standard input when it is - or left out
    #[arg(value_name = "FILE|-")]
    file: Option<String>,
}

/// Arguments of `volume mount` and `volume unmount`.
#[derive(Debug, Clone, Args)]
struct MountArguments {
    /// Names
    #[arg(value_name = "VOLUME", required = true)]
    volumes: Vec<String>,
}

fn export(context: &Context, arguments: &ExportArguments) -> Result<u8> {
    let output = archive(context, arguments.output.as_deref().filter(|file| *file != "-"))?;
    files::export(&context.engine()?, &arguments.volume, output).map(|()| 0)
}

fn import(context: &Context, arguments: &ImportArguments) -> Result<u8> {
    let input: OwnedFd = match arguments.file.as_deref() {
        None | Some("-") => {
            let stdin = std::io::stdin();
            if stdin.is_terminal() {
                return Err(Error::usage("the archive is expected on standard input, which is a terminal")
                    .hint("name a file, or send it an archive"));
            }
            stdin.as_fd().try_clone_to_owned().context(|| "cannot keep the input open")?
        }
        Some(file) => {
            let path = context.path(file);
            File::open(&path).at(&path, "cannot open").map_err(|error| error.with_kind(Kind::Usage))?.into()
        }
    };
    files::import(&context.engine()?, &arguments.volume, input).map(|()| 0)
}

fn mount(context: &Context, arguments: &MountArguments) -> Result<u8> {
    let engine = context.engine()?;
    each(context, &arguments.volumes, |name| {
        let place = volume::mountpoint(&engine, name)?;
        context.ui.line(&place.display().to_string())
    })
}

fn unmount(context: &Context, arguments: &MountArguments) -> Result<u8> {
    let engine = context.engine()?;
    each(context, &arguments.volumes, |name| {
        volume::mountpoint(&engine, name)?;
        context.ui.line(name)
    })
}
