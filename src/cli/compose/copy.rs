//! `compose cp`: files between the containers of a service and the host.

use clap::Args;

use super::work::Work;
use crate::base::{Error, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::compose::labels::Known;
use crate::engine::files::copy::{How, Ownership, Side, copy as engine_copy};

/// The command.
pub const VERB: Verb = Verb {
    name: "cp",
    about: "Copy files between the containers of a service and the host",
    usage: "[SERVICE:]SOURCE [SERVICE:]DESTINATION",
    arity: (2, Some(2)),
    greedy: false,
    codes: Codes::Plain,
    arguments: CopyArguments::augment_args,
    run: |context, matches| copy(context, &typed(matches)?),
};

/// Arguments of `compose cp`.
#[derive(Debug, Clone, Default, Args)]
struct CopyArguments {
    /// Containers of `compose run`, too
    #[arg(long)]
    all: bool,
    /// Keep the user and group numbers of what is copied into a container
    #[arg(short, long)]
    archive: bool,
    /// Copy what a link at the end of SOURCE leads to, instead of the link
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// The number of the container, if the service has several
    #[arg(long, value_name = "NUMBER")]
    index: Option<u32>,
    /// A path, after the service whose container it is in
    #[arg(value_name = "SOURCE", required = true)]
    source: String,
    /// A path, after the service whose container it is in
    #[arg(value_name = "DESTINATION", required = true)]
    destination: String,
}

/// docker's rule: what begins with `/` or `.` is the host's, else a colon ends the name of a service.
fn side(argument: &str) -> Option<(&str, &str)> {
    argument.split_once(':').filter(|(service, _)| !argument.starts_with(['/', '.']) && !service.is_empty())
}

fn copy(context: &Context, arguments: &CopyArguments) -> Result<u8> {
    let (service, inside, outside, comes_out) = match (side(&arguments.source), side(&arguments.destination)) {
        (Some((service, path)), None) => (service, path, &arguments.destination, true),
        (None, Some((service, path))) => (service, path, &arguments.source, false),
        (Some(_), Some(_)) => return Err(Error::usage("copying between services is not supported")),
        (None, None) => {
            return Err(Error::usage("unknown copy direction").hint("write SERVICE:PATH for one of the two"));
        }
    };
    let work = Work::new(context)?;
    let (name, project) = work.options.load_or_name(context)?;
    let existing = work.existing(&name, project.as_ref(), None);
    let mut containers = existing.containers(&[service.to_owned()], arguments.all)?;
    if let Some(index) = arguments.index {
        containers.retain(|container| Known::of(container).number() == Some(index));
    }
    if comes_out {
        containers.truncate(1);
    }
    if containers.is_empty() {
        return Err(Error::not_found(format!("no container found for service {service:?}")));
    }
    let ownership = if arguments.archive { Ownership::Kept } else { Ownership::Root };
    let how = How { follow: arguments.follow_link, ownership, overwrite: false };
    for container in &containers {
        let there = Side::Container(container.config.id.to_string(), inside.to_owned());
        let here = Side::Host(context.path(outside));
        let (from, to) = if comes_out { (there, here) } else { (here, there) };
        if !work.options.dry_run {
            engine_copy(&work.engine, from, to, how)?;
        }
        let words = if comes_out {
            format!("{}:{inside} to {outside}", container.name)
        } else {
            format!("{outside} to {}:{inside}", container.name)
        };
        context.ui.note(&format!(" {} copy {words}  Copied", container.name));
    }
    Ok(0)
}
