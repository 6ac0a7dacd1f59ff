//! `cp`: files between containers and the host.

use std::os::fd::AsFd;

use clap::Args;

use crate::base::{Error, Result, ResultExt};
use crate::cli::context::{Context, Persona};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::files::copy::{How, Ownership, Side, copy as engine_copy};
use crate::spec::units::human_size;

/// The command.
pub const VERB: Verb = Verb {
    name: "cp",
    about: "Copy files between a container and the host, or another container",
    usage: "[CONTAINER:]SOURCE|- [CONTAINER:]DESTINATION|-",
    arity: (2, Some(2)),
    greedy: false,
    codes: Codes::Plain,
    arguments: CopyArguments::augment_args,
    run: |context, matches| copy(context, &typed(matches)?),
};

/// Arguments of `cp`.
#[derive(Debug, Clone, Args)]
struct CopyArguments {
    /// Keep the user and group numbers of what is copied into a container (as podman: give it to the container's user; on by
    /// default there)
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    archive: Option<bool>,
    /// Copy what a link at the end of SOURCE leads to, instead of the link
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Let files replace directories, and directories files
    #[arg(long)]
    overwrite: bool,
    /// Do not say how much was copied. Nothing is said anyway where there is no terminal
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    quiet: Option<bool>,
    /// A path, after the container that it is in; - for a tar archive from standard input
    #[arg(value_name = "SOURCE", required = true)]
    source: String,
    /// A path, after the container that it is in; - for a tar archive to standard output
    #[arg(value_name = "DESTINATION", required = true)]
    destination: String,
}

/// A side as typed.
#[derive(Debug, PartialEq, Eq)]
enum Typed<'a> {
    Container(&'a str, &'a str),
    Host(&'a str),
    Stream,
}

/// docker's rule: what begins with `/` or `.` is the host's, else a colon ends the name of a container.
fn side(argument: &str) -> Typed<'_> {
    match argument.split_once(':') {
        _ if argument == "-" => Typed::Stream,
        _ if argument.starts_with(['/', '.']) => Typed::Host(argument),
        Some((container, path)) if !container.is_empty() => Typed::Container(container, path),
        _ => Typed::Host(argument),
    }
}

fn ownership(persona: Persona, archive: Option<bool>) -> Ownership {
    match (persona, archive) {
        (Persona::Podman, Some(false)) => Ownership::Kept,
        (Persona::Podman, _) => Ownership::User,
        (_, Some(true)) => Ownership::Kept,
        _ => Ownership::Root,
    }
}

fn copy(context: &Context, arguments: &CopyArguments) -> Result<u8> {
    let (source, destination) = (side(&arguments.source), side(&arguments.destination));
    match (&source, &destination) {
        (Typed::Stream, Typed::Stream) => return Err(Error::usage("cannot copy from a stream to a stream")),
        (Typed::Container(..), _) | (_, Typed::Container(..)) => {}
        _ => return Err(Error::usage("must specify at least one container source")),
    }
    if matches!(destination, Typed::Stream) && context.ui.out_is_terminal() {
        return Err(Error::usage("cowardly refusing to copy to a terminal")
            .hint("send the output to a file or another program"));
    }
    let open = |side: &Typed<'_>, input: bool| -> Result<Side> {
        Ok(match *side {
            Typed::Container(container, path) => Side::Container(container.to_owned(), path.to_owned()),
            Typed::Host(path) => Side::Host(match path.is_empty() {
                true => return Err(Error::usage("a path is empty")),
                false => context.path(path),
            }),
            Typed::Stream => {
                let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
                let fd = if input { stdin.as_fd() } else { stdout.as_fd() };
                Side::Stream(fd.try_clone_to_owned().context(|| "cannot keep the stream open")?)
            }
        })
    };
    let how = How {
        follow: arguments.follow_link,
        ownership: ownership(context.persona, arguments.archive),
        overwrite: arguments.overwrite,
    };
    let bytes = engine_copy(&context.engine()?, open(&source, true)?, open(&destination, false)?, how)?;
    let quiet = arguments.quiet.unwrap_or(!context.ui.out_is_terminal());
    if !quiet && context.persona != Persona::Podman && destination != Typed::Stream {
        let shown = match destination {
            Typed::Host(path) => context.path(path).display().to_string(),
            _ => arguments.destination.clone(),
        };
        context.ui.note(&format!("Successfully copied {} to {shown}", human_size(bytes)));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_told_apart_as_docker_does() {
        for (argument, expected) in [
            ("c:/x", Typed::Container("c", "/x")),
            ("c:", Typed::Container("c", "")),
            ("c:x:y", Typed::Container("c", "x:y")),
            ("./c:x", Typed::Host("./c:x")),
            ("/c:x", Typed::Host("/c:x")),
            (":x", Typed::Host(":x")),
            ("x", Typed::Host("x")),
            ("-", Typed::Stream),
        ] {
            assert_eq!(side(argument), expected);
        }
    }

    #[test]
    fn owners_depend_on_the_persona() {
        for (persona, archive, expected) in [
            (Persona::Docker, None, Ownership::Root),
            (Persona::Docker, Some(true), Ownership::Kept),
            (Persona::Podman, None, Ownership::User),
            (Persona::Podman, Some(false), Ownership::Kept),
        ] {
            assert_eq!(ownership(persona, archive), expected);
        }
    }
}
