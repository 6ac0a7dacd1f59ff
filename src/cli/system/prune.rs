//! `system prune`: everything that is not needed, in one go.

use std::time::Duration;

use clap::Args;

use crate::base::{Error, Result, time};
use crate::cli::context::{Context, Persona};
use crate::cli::image::prune::show as show_images;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::{build, container_prune, image_prune, network, volume};
use crate::spec::times;
use crate::spec::units::human_size;

/// The command.
pub const VERB: Verb = Verb {
    name: "prune",
    about: "Remove stopped containers, networks and images that are not used, and the build cache",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: PruneArguments::augment_args,
    run: |context, matches| prune(context, &typed(matches)?),
};

/// Arguments of `system prune`.
#[derive(Debug, Clone, Args)]
struct PruneArguments {
    /// Remove all unused images, not just dangling ones, and all of the build cache
    #[arg(short, long)]
    all: bool,
    /// Remove the build cache (always, but when called as podman)
    #[arg(long)]
    build: bool,
    /// Accepted: only podman has containers of other programs in its store
    #[arg(long, hide = true)]
    external: bool,
    /// Filter by label or until
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Do not ask first
    #[arg(short, long)]
    force: bool,
    /// Remove unused anonymous volumes, too; called as podman, those with names as well
    #[arg(long)]
    volumes: bool,
}

/// The filters, as each kind of thing reads them.
#[derive(Default)]
struct Filters {
    containers: container_prune::Filters,
    images: image_prune::Filters,
    networks: network::Filters,
    volumes: volume::Filters,
    /// The latest time of use of what goes from the build cache.
    until: Option<jiff::Timestamp>,
    /// Whether labels choose.
    by_label: bool,
}

impl Filters {
    fn parse(given: &[String], volumes: bool, time: &dyn Fn(&str) -> Result<jiff::Timestamp>) -> Result<Self> {
        let mut filters = Self::default();
        for filter in given {
            // The narrowest first: what all understand is what may be given.
            filters.containers.add(filter, time)?;
            filters.images.add(filter, time)?;
            filters.networks.add(filter, &network::Filters::PRUNE, time)?;
            let (key, value) = filter.split_once('=').unwrap_or((filter, ""));
            filters.by_label |= key.trim().to_ascii_lowercase().starts_with("label");
            if key.trim().eq_ignore_ascii_case("until") {
                filters.until = Some(time(value.trim())?);
            }
            match filter.trim_start().to_ascii_lowercase().starts_with("until") {
                true if volumes => {
                    return Err(Error::usage("the \"until\" filter is not supported with \"--volumes\"")
                        .hint("volumes are removed by `coracle volume prune --filter until=…`"));
                }
                true => {}
                false => filters.volumes.add(filter, &volume::Filters::PRUNE, time)?,
            }
        }
        Ok(filters)
    }
}

fn prune(context: &Context, arguments: &PruneArguments) -> Result<u8> {
    let (now, zone) = (time::now(), context.zone());
    let filters = Filters::parse(&arguments.filter, arguments.volumes, &|when| times::parse(when, now, &zone))?;
    if !arguments.force && !context.confirmed(&warning(arguments, context.persona))? {
        return Ok(0);
    }
    // Labels are of things that the cache does not keep.
    let cached = (arguments.build || context.persona != Persona::Podman) && !filters.by_label;
    let engine = context.engine()?;
    let (containers, of_containers) = container_prune::prune(&engine, &filters.containers)?;
    section(context, "Deleted Containers:", containers.iter().map(|id| id.as_str()))?;
    let networks = network::remove::prune(&engine, &filters.networks)?;
    section(context, "Deleted Networks:", networks.iter().map(String::as_str))?;
    let mut freed = of_containers;
    if arguments.volumes {
        let (volumes, of_volumes) = volume::prune(&engine, &filters.volumes, context.persona == Persona::Podman)?;
        section(context, "Deleted Volumes:", volumes.iter().map(|name| name.as_str()))?;
        freed = freed.saturating_add(of_volumes);
    }
    let (images, of_images) = image_prune::prune(&engine, &filters.images, arguments.all)?;
    show_images(context, &images)?;
    freed = freed.saturating_add(of_images);
    if cached {
        let older = filters.until.map(|until| Duration::try_from(now.duration_since(until)).unwrap_or_default());
        let pruned = build::prune(&engine, arguments.all, older, None)?;
        section(context, "Deleted build cache objects:", pruned.ids.iter().map(String::as_str))?;
        freed = freed.saturating_add(pruned.freed);
    }
    context.ui.line(&format!("Total reclaimed space: {}", human_size(freed))).map(|()| 0)
}

/// What was removed is said at once: the next step may fail.
fn section<'a>(context: &Context, title: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut names = names.peekable();
    if names.peek().is_none() {
        return Ok(());
    }
    context.ui.line(title)?;
    names.try_for_each(|name| context.ui.line(name))?;
    context.ui.line("")?;
    context.ui.flush()
}

/// docker's list of what would go.
fn warning(arguments: &PruneArguments, persona: Persona) -> String {
    let volumes = match persona {
        Persona::Podman => "all volumes not used by at least one container",
        Persona::Coracle | Persona::Docker => "all anonymous volumes not used by at least one container",
    };
    let images = match arguments.all {
        true => "all images without at least one container associated to them",
        false => "all dangling images",
    };
    let mut lines = vec!["all stopped containers", "all networks not used by at least one container"];
    lines.extend(arguments.volumes.then_some(volumes));
    lines.push(images);
    if arguments.build || persona != Persona::Podman {
        lines.push(if arguments.all { "all build cache" } else { "unused build cache" });
    }
    let mut text = String::from("WARNING! This will remove:\n");
    lines.iter().for_each(|line| text.push_str(&format!("  - {line}\n")));
    if !arguments.filter.is_empty() {
        text.push_str("\n  Items to be pruned will be filtered with:\n");
        arguments.filter.iter().for_each(|filter| text.push_str(&format!("  - {filter}\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_must_mean_something_for_everything_that_goes() {
        let parse = |filter: &str, volumes| {
            Filters::parse(&[filter.to_owned()], volumes, &|_| Ok(jiff::Timestamp::UNIX_EPOCH)).is_ok()
        };
        assert!(parse("label=a", true) && parse("label!=a", true) && parse("until=1h", false));
        assert!(!parse("until=1h", true) && !parse("dangling=true", false) && !parse("name=x", false));
    }

    fn none() -> PruneArguments {
        PruneArguments { all: false, build: false, external: false, filter: Vec::new(), force: false, volumes: false }
    }

    #[test]
    fn the_warning_names_what_goes() {
        let arguments = PruneArguments { all: true, filter: vec!["label=x".into()], volumes: true, ..none() };
        let text = warning(&arguments, Persona::Docker);
        assert!(
            text.contains("  - all anonymous volumes") && text.contains("  - all images") && text.contains("label=x")
        );
        let arguments = none();
        let text = warning(&arguments, Persona::Docker);
        assert!(!text.contains("volumes") && text.contains("dangling") && !text.contains("filtered"));
        assert!(text.contains("  - unused build cache\n"), "{text}");
        assert!(!warning(&none(), Persona::Podman).contains("build cache"));
        assert!(
            warning(&PruneArguments { build: true, all: true, ..none() }, Persona::Podman).contains("all build cache")
        );
    }
}
