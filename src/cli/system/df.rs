//! `system df`: what takes how much space.

use std::sync::Arc;

use clap::Args;
use gotmpl::Value;
use jiff::Timestamp;
use serde::Serialize;

use crate::base::{Result, time};
use crate::cli::container::list::{one_line, status_words};
use crate::cli::context::{Context, Persona};
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::build::Usage as CacheUsage;
use crate::engine::df::{ContainerUsage, ImageUsage, Sum, Usage, VolumeUsage, df as engine_df};
use crate::spec::storage::MountSource;
use crate::spec::units::{ellipsis, human_duration, human_size};

/// The command.
pub const VERB: Verb = Verb {
    name: "df",
    about: "Show disk usage",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: DfArguments::augment_args,
    run: |context, matches| df(context, &typed(matches)?),
};

/// docker's columns.
const DEFAULT: &str = r"table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";

/// docker's headers; podman calls the second one `Total`.
const HEADERS: &[(&str, &str)] = &[
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Total", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

/// Arguments of `system df`.
#[derive(Debug, Clone, Args)]
struct DfArguments {
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Show each image, container and volume
    #[arg(short, long)]
    verbose: bool,
}

fn df(context: &Context, arguments: &DfArguments) -> Result<u8> {
    let given = arguments.format.as_deref().unwrap_or_default();
    let format = Format::parse(given, DEFAULT)?;
    let usage = engine_df(&context.engine()?)?;
    let text = match (arguments.verbose, given) {
        (false, _) => {
            let builder = (context.persona != Persona::Podman).then_some(("Build Cache", usage.cache_sum));
            let sums = [
                ("Images", usage.image_sum),
                ("Containers", usage.container_sum()),
                ("Local Volumes", usage.volume_sum()),
            ];
            format.render(HEADERS, sums.into_iter().chain(builder).map(|(name, sum)| row(name, sum)).collect())?
        }
        (true, "" | "table") => tables(&Details::of(&usage, time::now()))?,
        (true, _) => format.render_data(&Details::of(&usage, time::now()))?,
    };
    context.ui.text(&text).map(|()| 0)
}

fn row(name: &str, sum: Sum) -> Row {
    let share = |part: u64| u128::from(part) * 100 / u128::from(sum.size.max(1));
    let reclaimable = match sum.size {
        0 => human_size(sum.reclaimable),
        _ => format!("{} ({}%)", human_size(sum.reclaimable), share(sum.reclaimable)),
    };
    texts([
        ("Type", name.to_owned()),
        ("TotalCount", sum.total.to_string()),
        ("Total", sum.total.to_string()),
        ("Active", sum.active.to_string()),
        ("Size", human_size(sum.size)),
        ("Reclaimable", reclaimable),
    ])
}

fn texts<const N: usize>(texts: [(&str, String); N]) -> Row {
    texts.into_iter().map(|(name, text)| (Arc::from(name), Value::String(one_line(&text).into()))).collect()
}

/// What `--verbose` shows, and templates of it see.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    images: Vec<ImageDetails>,
    containers: Vec<ContainerDetails>,
    volumes: Vec<VolumeDetails>,
    build_cache: Vec<CacheDetails>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct CacheDetails {
    #[serde(rename = "ID")]
    id: String,
    cache_type: &'static str,
    size: String,
    created_since: String,
    last_used_since: String,
    shared: String,
    description: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ImageDetails {
    repository: String,
    tag: String,
    #[serde(rename = "ID")]
    id: String,
    created_since: String,
    size: String,
    shared_size: String,
    unique_size: String,
    containers: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerDetails {
    #[serde(rename = "ID")]
    id: String,
    image: String,
    command: String,
    local_volumes: String,
    size: String,
    running_for: String,
    status: String,
    names: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeDetails {
    name: String,
    links: String,
    size: String,
}

impl Details {
    fn of(usage: &Usage, now: Timestamp) -> Self {
        Self {
            images: usage.images.iter().map(|usage| image(usage, now)).collect(),
            containers: usage.containers.iter().map(|usage| container(usage, now)).collect(),
            volumes: usage.volumes.iter().map(volume).collect(),
            build_cache: usage.cache.iter().map(|usage| cache(usage, now)).collect(),
        }
    }
}

fn cache(usage: &CacheUsage, now: Timestamp) -> CacheDetails {
    let since = |time: Option<Timestamp>| {
        time.map_or_else(|| "N/A".into(), |time| format!("{} ago", human_duration(time, now)))
    };
    CacheDetails {
        id: usage.id.chars().take(12).collect(),
        cache_type: "regular",
        size: human_size(usage.size),
        created_since: since(usage.created.parse().ok()),
        last_used_since: since(Timestamp::try_from(usage.used).ok()),
        shared: usage.shared.to_string(),
        description: usage.description.clone(),
    }
}

fn image(usage: &ImageUsage, now: Timestamp) -> ImageDetails {
    let (image, none) = (&usage.image, || "<none>".to_owned());
    ImageDetails {
        repository: image.repository.clone().unwrap_or_else(none),
        tag: image.tag.clone().unwrap_or_else(none),
        id: image.record.id.short().to_owned(),
        created_since: image
            .record
            .created
            .map_or_else(|| "N/A".into(), |created| format!("{} ago", human_duration(created, now))),
        size: human_size(image.record.size),
        shared_size: human_size(usage.shared),
        unique_size: human_size(usage.unique),
        containers: image.containers.to_string(),
    }
}

fn size(size: Option<u64>) -> String {
    size.map_or_else(|| "N/A".into(), human_size)
}

fn container(usage: &ContainerUsage, now: Timestamp) -> ContainerDetails {
    let (container, config) = (&usage.container, &usage.container.config);
    let volumes = config.storage.mounts.iter().filter(|mount| matches!(mount.source, MountSource::Volume { .. }));
    ContainerDetails {
        id: config.id.short().to_owned(),
        image: config.image.name.clone(),
        command: format!("{:?}", ellipsis(&config.process.argv().join(" "), 20)),
        local_volumes: volumes.count().to_string(),
        size: size(usage.size),
        running_for: format!("{} ago", human_duration(config.created, now)),
        status: status_words(container, now),
        names: container.name.to_string(),
    }
}

fn volume(usage: &VolumeUsage) -> VolumeDetails {
    VolumeDetails {
        name: usage.volume.volume.name.to_string(),
        links: usage.volume.users.to_string(),
        size: size(usage.size),
    }
}

/// docker's tables, one below the other.
fn tables(details: &Details) -> Result<String> {
    let images = table(
        &["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"],
        details.images.iter().map(|image| {
            [
                &image.repository,
                &image.tag,
                &image.id,
                &image.created_since,
                &image.size,
                &image.shared_size,
                &image.unique_size,
                &image.containers,
            ]
        }),
    );
    let containers = table(
        &["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"],
        details.containers.iter().map(|container| {
            [
                &container.id,
                &container.image,
                &container.command,
                &container.local_volumes,
                &container.size,
                &container.running_for,
                &container.status,
                &container.names,
            ]
        }),
    );
    let volumes = table(
        &["VOLUME NAME", "LINKS", "SIZE"],
        details.volumes.iter().map(|volume| [&volume.name, &volume.links, &volume.size]),
    );
    let cache = table(
        &["CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "SHARED"],
        details.build_cache.iter().map(|cache| {
            let [kind, id] = [cache.cache_type, &cache.id].map(String::from);
            [
                id,
                kind,
                cache.size.clone(),
                cache.created_since.clone(),
                cache.last_used_since.clone(),
                cache.shared.clone(),
            ]
        }),
    );
    Ok(format!(
        "Images space usage:\n\n{images}\nContainers space usage:\n\n{containers}\n\
         Local Volumes space usage:\n\n{volumes}\nBuild cache usage:\n\n{cache}"
    ))
}

fn table<const N: usize, T: AsRef<str>>(headers: &[&str; N], rows: impl Iterator<Item = [T; N]>) -> String {
    let mut text = headers.join("\t");
    for row in rows {
        text.push('\n');
        text.push_str(&row.map(|cell| one_line(cell.as_ref())).join("\t"));
    }
    text.push('\n');
    crate::cli::table::align(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_dockers() {
        let sum = Sum { total: 3, active: 1, size: 200_000_000, reclaimable: 50_000_000 };
        let rows = vec![row("Images", sum), row("Containers", Sum::default())];
        let expected = "TYPE         TOTAL     ACTIVE    SIZE      RECLAIMABLE\n\
                        Images       3         1         200MB     50MB (25%)\n\
                        Containers   0         0         0B        0B\n";
        assert_eq!(Format::parse("", DEFAULT).unwrap().render(HEADERS, rows).unwrap(), expected);
    }

    #[test]
    fn details_have_their_tables() {
        let details = Details {
            images: Vec::new(),
            containers: Vec::new(),
            volumes: vec![VolumeDetails { name: "data".into(), links: "1".into(), size: "3B".into() }],
            build_cache: Vec::new(),
        };
        let text = tables(&details).unwrap();
        assert!(text.contains("VOLUME NAME   LINKS     SIZE\ndata          1         3B\n"), "{text}");
        assert!(text.ends_with("CACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   SHARED\n"), "{text}");
        assert!(text.starts_with("Images space usage:\n\nREPOSITORY   TAG"), "{text}");
    }
}
