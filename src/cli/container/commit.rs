//! `commit`: an image of a container.

use clap::{Args, ValueEnum};

use crate::base::{Result, ResultExt};
use crate::cli::context::{Context, Persona};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::files::commit::{CommitRequest, commit as engine_commit};
use crate::engine::push::Format;

/// The command.
pub const VERB: Verb = Verb {
    name: "commit",
    about: "Make an image of a container's changes",
    usage: "CONTAINER [REPOSITORY[:TAG]]",
    arity: (1, Some(2)),
    greedy: false,
    codes: Codes::Plain,
    arguments: CommitArguments::augment_args,
    run: |context, matches| commit(context, typed(matches)?),
};

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// The OCI image specification's
    Oci,
    /// docker's
    Docker,
}

/// Arguments of `commit`.
#[derive(Debug, Clone, Args)]
struct CommitArguments {
    /// The author: "Ann <ann@example.org>"
    #[arg(short, long, value_name = "NAME")]
    author: Option<String>,
    /// Apply a line of a Dockerfile to the image: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL,
    /// USER, VOLUME or WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// The format of the manifest, instead of that of the container's image
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<FormatName>,
    /// Write the ID of the image to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<String>,
    /// Make the container's volumes volumes of the image
    #[arg(long)]
    include_volumes: bool,
    /// The comment in the history of the image
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Let the container go on while its files are read
    #[arg(long, conflicts_with = "pause")]
    no_pause: bool,
    /// Let the container stand still while its files are read (docker: yes, podman: no)
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pause: Option<bool>,
    /// Show no progress (none is shown anyway)
    #[arg(short, long)]
    quiet: bool,
    /// Make one layer of all the container's files
    #[arg(short, long)]
    squash: bool,
    /// Name or ID
    #[arg(value_name = "CONTAINER", required = true)]
    container: String,
    /// The name of the image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl CommitArguments {
    fn request(self, persona: Persona) -> CommitRequest {
        CommitRequest {
            container: self.container,
            name: self.name,
            author: self.author,
            message: self.message,
            changes: self.change,
            pause: !self.no_pause && self.pause.unwrap_or(persona != Persona::Podman),
            format: self.format.map(|format| match format {
                FormatName::Oci => Format::Oci,
                FormatName::Docker => Format::Docker,
            }),
            squash: self.squash,
            include_volumes: self.include_volumes,
        }
    }
}

fn commit(context: &Context, arguments: CommitArguments) -> Result<u8> {
    let iidfile = arguments.iidfile.as_ref().map(|file| context.path(file));
    let image = engine_commit(&context.engine()?, &arguments.request(context.persona))?;
    if let Some(file) = iidfile {
        std::fs::write(&file, image.id.to_string()).at(&file, "cannot write the image's id to")?;
    }
    // docker says the algorithm, podman the digits alone.
    match context.persona {
        Persona::Podman => context.ui.line(image.id.hex()),
        _ => context.ui.line(&image.id.to_string()),
    }
    .map(|()| 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: CommitArguments,
    }

    #[test]
    fn who_pauses_depends_on_the_persona() {
        for (persona, line, pause) in [
            (Persona::Docker, "c", true),
            (Persona::Podman, "c", false),
            (Persona::Podman, "-p c", true),
            (Persona::Docker, "--pause=false c", false),
            (Persona::Coracle, "--no-pause c", false),
        ] {
            let words = std::iter::once("commit").chain(line.split(' '));
            let request = Line::try_parse_from(words).unwrap().arguments.request(persona);
            assert_eq!((request.pause, request.container.as_str()), (pause, "c"), "{line}");
        }
    }
}
