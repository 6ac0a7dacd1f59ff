//! `save`: images into an archive.

use std::os::fd::AsFd;

use clap::{Args, ValueEnum};

use crate::base::{Error, Result, ResultExt};
use crate::cli::context::{Context, Persona};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::archives::save::{Format, Output, SaveRequest, save as engine_save};

/// The command.
pub const VERB: Verb = Verb {
    name: "save",
    about: "Save one or more images to an archive, for `load`",
    usage: "IMAGE [IMAGE...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: SaveArguments::augment_args,
    run: |context, matches| save(context, &typed(matches)?),
};

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// A tar file that every tool reads; an OCI layout, too
    DockerArchive,
    /// An OCI layout in a tar file
    OciArchive,
    /// A registry's manifest and blobs in a directory
    DockerDir,
    /// An OCI layout in a directory
    OciDir,
}

/// Arguments of `save`.
#[derive(Debug, Clone, Args)]
struct SaveArguments {
    /// Compress layers with gzip: only with --format docker-dir
    #[arg(long)]
    compress: bool,
    /// The layout of the archive
    #[arg(long, value_name = "FORMAT", default_value = "docker-archive")]
    format: FormatName,
    /// Further arguments are images, too (always, but when called as podman: then they are names of the first)
    #[arg(short, long)]
    multi_image_archive: bool,
    /// Write to a file or directory, instead of standard output
    #[arg(short, long, value_name = "PATH")]
    output: Option<String>,
    /// Refuse images for another platform: os/architecture[/variant]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Show no progress (none is shown anyway)
    #[arg(short, long)]
    quiet: bool,
    /// Do not compress layers: only with the OCI formats, which otherwise do
    #[arg(long)]
    uncompressed: bool,
    /// Names or IDs
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl SaveArguments {
    fn request(&self, persona: Persona) -> Result<SaveRequest> {
        let format = match self.format {
            FormatName::DockerArchive => Format::DockerArchive,
            FormatName::OciArchive => Format::OciArchive,
            FormatName::DockerDir => Format::DockerDirectory,
            FormatName::OciDir => Format::OciDirectory,
        };
        let is_oci = matches!(format, Format::OciArchive | Format::OciDirectory);
        if self.compress && format != Format::DockerDirectory {
            return Err(Error::usage("--compress can only be set when --format is 'docker-dir'"));
        }
        if self.uncompressed && !is_oci {
            return Err(Error::usage("--uncompressed can only be set when --format is 'oci-archive' or 'oci-dir'"));
        }
        let names_follow = persona == Persona::Podman && !self.multi_image_archive;
        let (images, names) = self.images.split_at(if names_follow { 1 } else { self.images.len() });
        if format == Format::DockerDirectory && images.len() > 1 {
            return Err(Error::usage("a directory of --format docker-dir holds one image")
                .hint("--format oci-dir can hold several"));
        }
        Ok(SaveRequest {
            images: images.to_vec(),
            names: names.to_vec(),
            all_tags: persona != Persona::Podman,
            format,
            gzip: self.compress || is_oci && !self.uncompressed,
            platform: self.platform.as_deref().map(str::parse).transpose()?,
        })
    }
}

fn save(context: &Context, arguments: &SaveArguments) -> Result<u8> {
    let request = arguments.request(context.persona)?;
    let output = match &arguments.output {
        Some(path) if request.format.is_directory() => Output::Directory(context.path(path)),
        Some(path) => Output::File(context.path(path)),
        None if request.format.is_directory() => {
            return Err(Error::usage("a format that is a directory requires --output"));
        }
        None if context.ui.out_is_terminal() => {
            return Err(Error::usage("refusing to save to a terminal")
                .hint("use the -o flag, or send the output to a file or another program"));
        }
        None => {
            let stdout = std::io::stdout();
            Output::Stream(stdout.as_fd().try_clone_to_owned().context(|| "cannot keep the output open")?)
        }
    };
    engine_save(&context.engine()?, &request, output).map(|()| 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: SaveArguments,
    }

    fn request(persona: Persona, line: &str) -> Result<SaveRequest> {
        let words = std::iter::once("save").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().arguments.request(persona)
    }

    #[test]
    fn options_go_together() {
        let shown = |line: &str| match request(Persona::Docker, line) {
            Ok(request) => format!("{:?} {}", request.format, request.gzip),
            Err(error) => error.message().split(' ').next().unwrap_or_default().to_owned(),
        };
        for (line, expected) in [
            ("a", "DockerArchive false"),
            ("--format oci-archive a", "OciArchive true"),
            ("--format oci-dir --uncompressed a b", "OciDirectory false"),
            ("--format docker-dir a", "DockerDirectory false"),
            ("--format docker-dir --compress a", "DockerDirectory true"),
            ("--format docker-dir a b", "a"),
            ("--compress a", "--compress"),
            ("--uncompressed a", "--uncompressed"),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    #[test]
    fn podmans_further_arguments_are_names_unless_it_is_told() {
        let split = |persona, line: &str| {
            let request = request(persona, line).unwrap();
            (request.images.join(" "), request.names.join(" "), request.all_tags)
        };
        assert_eq!(split(Persona::Docker, "a b"), ("a b".into(), "".into(), true));
        assert_eq!(split(Persona::Podman, "a b c"), ("a".into(), "b c".into(), false));
        assert_eq!(split(Persona::Podman, "-m a b"), ("a b".into(), "".into(), false));
    }
}
