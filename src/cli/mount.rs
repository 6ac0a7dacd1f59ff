//! `mount`, `umount`, `image mount` and `image unmount`: the files of containers and images in this mount namespace.

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::verb::{Codes, Verb, each, typed};
use crate::base::{Error, Result, ResultExt, text};
use crate::engine::Engine;
use crate::engine::files::mount::{self, MountReport};
use crate::engine::images;
use crate::engine::ps::{self, Query};

/// `mount`, also `container mount`.
pub const MOUNT: Verb = Verb {
    name: "mount",
    about: "Mount the files of containers, or list those that are mounted (below `unshare`, or as root)",
    usage: "[CONTAINER...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: MountArguments::augment_args,
    run: |context, matches| mount(context, &typed(matches)?),
};

/// `umount`, also `container umount`.
pub const UNMOUNT: Verb = Verb {
    name: "umount",
    about: "Unmount files of containers that `mount` has mounted",
    usage: "CONTAINER [CONTAINER...]",
    arguments: UnmountArguments::augment_args,
    run: |context, matches| unmount(context, &typed(matches)?),
    ..MOUNT
};

/// `image mount`.
pub const IMAGE_MOUNT: Verb = Verb {
    about: "Mount the files of images, read-only, or list those that are mounted (below `unshare`, or as root)",
    usage: "[IMAGE...]",
    arguments: ImageMountArguments::augment_args,
    run: |context, matches| mount_images(context, &typed(matches)?),
    ..MOUNT
};

/// `image unmount`.
pub const IMAGE_UNMOUNT: Verb = Verb {
    name: "unmount",
    about: "Unmount files of images that `image mount` has mounted",
    usage: "IMAGE [IMAGE...]",
    arguments: ImageUnmountArguments::augment_args,
    run: |context, matches| unmount_images(context, &typed(matches)?),
    ..MOUNT
};

/// Arguments of `mount`.
#[derive(Debug, Clone, Args)]
struct MountArguments {
    /// Mount all containers
    #[arg(short, long)]
    all: bool,
    /// Format of the list: 'json'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Don't truncate output
    #[arg(long, alias = "notruncate")]
    no_trunc: bool,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Arguments of `umount`.
#[derive(Debug, Clone, Args)]
struct UnmountArguments {
    /// Unmount all containers that are mounted here
    #[arg(short, long)]
    all: bool,
    /// Unmount at once, however often it was mounted
    #[arg(short, long)]
    force: bool,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Arguments of `image mount`.
#[derive(Debug, Clone, Args)]
struct ImageMountArguments {
    /// Mount all images
    #[arg(short, long)]
    all: bool,
    /// Format of the list: 'json'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names or IDs
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Arguments of `image unmount`.
#[derive(Debug, Clone, Args)]
struct ImageUnmountArguments {
    /// Unmount all images that are mounted here
    #[arg(short, long)]
    all: bool,
    /// Unmount at once, however often it was mounted
    #[arg(short, long)]
    force: bool,
    /// Names or IDs
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// One of three: names, `--all`, `--latest`. False when none is given.
fn one_way(named: bool, all: bool, latest: bool) -> Result<bool> {
    match [named, all, latest].into_iter().filter(|given| *given).count() {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::usage("either things are named, or --all or --latest finds them")),
    }
}

/// The containers that options find.
fn found(engine: &Engine, latest: bool) -> Result<Vec<String>> {
    let query = Query { all: true, last: latest.then_some(1), ..Query::default() };
    let found = ps::list(engine, &query)?.containers;
    match found.is_empty() && latest {
        true => Err(Error::not_found("there is no container")),
        false => Ok(found.iter().map(|container| container.config.id.to_string()).collect()),
    }
}

fn mount(context: &Context, arguments: &MountArguments) -> Result<u8> {
    let MountArguments { all, format, latest, no_trunc, containers } = arguments;
    let json = is_json(format.as_deref())?;
    let engine = context.engine()?;
    let cut = |report: &MountReport| match no_trunc {
        true => report.id.clone(),
        false => report.id.chars().take(12).collect(),
    };
    if !one_way(!containers.is_empty(), *all, *latest)? {
        return show(context, &mount::mounted_containers(&engine)?, json, &cut).map(|()| 0);
    }
    let names = if containers.is_empty() { found(&engine, *latest)? } else { containers.clone() };
    let only = names.len() == 1 && !all;
    mount_each(context, &names, only, json, &|name| mount::mount_container(&engine, name), &cut)
}

fn mount_images(context: &Context, arguments: &ImageMountArguments) -> Result<u8> {
    let json = is_json(arguments.format.as_deref())?;
    let engine = context.engine()?;
    let called = |report: &MountReport| report.names.first().cloned().unwrap_or_else(|| report.id.clone());
    if !one_way(!arguments.images.is_empty(), arguments.all, false)? {
        return show(context, &mount::mounted_images(&engine)?, json, &called).map(|()| 0);
    }
    let names = match arguments.all {
        true => images::ids(&engine)?,
        false => arguments.images.clone(),
    };
    let only = names.len() == 1 && !arguments.all;
    mount_each(context, &names, only, json, &|name| mount::mount_image(&engine, name), &called)
}

/// Mounts what is named, and shows where: the place alone if it is the `only` one.
fn mount_each(
    context: &Context,
    names: &[String],
    only: bool,
    json: bool,
    mount: &dyn Fn(&str) -> Result<MountReport>,
    called: &dyn Fn(&MountReport) -> String,
) -> Result<u8> {
    let mut reports = Vec::new();
    let code = each(context, names, |name| {
        reports.push(mount(name)?);
        Ok(())
    })?;
    match (only && !json, reports.first()) {
        (true, Some(report)) => context.ui.line(&shown(report))?,
        (true, None) => {}
        (false, _) => show(context, &reports, json, called)?,
    }
    Ok(code)
}

fn unmount(context: &Context, arguments: &UnmountArguments) -> Result<u8> {
    let UnmountArguments { all, force, latest, containers } = arguments;
    let engine = context.engine()?;
    if !one_way(!containers.is_empty(), *all, *latest)? {
        return Err(nothing_named(context, "umount"));
    }
    let names = match (all, latest) {
        (true, _) => mount::mounted_containers(&engine)?.into_iter().map(|report| report.id).collect(),
        (false, true) => found(&engine, true)?,
        (false, false) => containers.clone(),
    };
    each(context, &names, |name| {
        let id = mount::unmount_container(&engine, name, *force)?;
        context.ui.line(id.as_str())
    })
}

fn unmount_images(context: &Context, arguments: &ImageUnmountArguments) -> Result<u8> {
    let engine = context.engine()?;
    if !one_way(!arguments.images.is_empty(), arguments.all, false)? {
        return Err(nothing_named(context, "image unmount"));
    }
    let names = match arguments.all {
        true => mount::mounted_images(&engine)?.into_iter().map(|report| report.id).collect(),
        false => arguments.images.clone(),
    };
    each(context, &names, |name| context.ui.line(&mount::unmount_image(&engine, name, arguments.force)?))
}

fn nothing_named(context: &Context, verb: &str) -> Error {
    Error::usage(format!("'{} {verb}' requires at least 1 argument", context.persona.program()))
        .hint("name what is mounted, or use --all")
}

fn is_json(format: Option<&str>) -> Result<bool> {
    match format {
        None | Some("") => Ok(false),
        Some("json") => Ok(true),
        Some(other) => Err(Error::usage(format!("unknown --format argument: \"{}\"", text::clean(other)))),
    }
}

fn shown(report: &MountReport) -> String {
    text::clean(&report.path.display().to_string()).into_owned()
}

/// podman's list.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    #[serde(rename = "Names")]
    names: Vec<&'a str>,
    #[serde(rename = "Repositories", skip_serializing_if = "Option::is_none")]
    repositories: Option<&'a [String]>,
    mountpoint: String,
}

fn show(context: &Context, reports: &[MountReport], json: bool, called: &dyn Fn(&MountReport) -> String) -> Result<()> {
    if !json {
        let width = reports.iter().map(|report| called(report).chars().count()).max().unwrap_or(0);
        let line = |report: &MountReport| format!("{:<width$}  {}", called(report), shown(report));
        return reports.iter().try_for_each(|report| context.ui.line(&line(report)));
    }
    let listed = reports.iter().map(|report| Listed {
        id: &report.id,
        names: match &report.digest {
            Some(digest) => vec![digest],
            None => report.names.iter().map(String::as_str).collect(),
        },
        repositories: report.digest.as_ref().map(|_| report.names.as_slice()),
        mountpoint: report.path.display().to_string(),
    });
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    listed.collect::<Vec<_>>().serialize(&mut serializer).context(|| "cannot show the mounts")?;
    context.ui.line(&String::from_utf8_lossy(&out))
}
