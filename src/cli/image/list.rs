//! `images`, also `image ls`: the images there are.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use gotmpl::Value;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{list_podman, list_tree};
use crate::base::{Result, time};
use crate::cli::container::list::{one_line, zoned};
use crate::cli::context::{Context, Persona};
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::images::{NamedImage, Query, labels, list as engine_list};
use crate::spec::times;
use crate::spec::units::{human_duration, human_size};

/// The command.
pub const VERB: Verb = Verb {
    name: "ls",
    about: "List images",
    usage: "[REPOSITORY[:TAG]]",
    arity: (0, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ListArguments::augment_args,
    run: |context, matches| list(context, &typed(matches)?),
};

/// docker's default columns.
const DEFAULT: &str = r"table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
/// Those of `--digests`.
const WITH_DIGESTS: &str = r"table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";

/// docker's old form.
const RAW: &str = "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n";

/// docker's headers.
const HEADERS: &[(&str, &str)] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("History", "HISTORY"),
];

/// `--sort`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum SortKey {
    /// The newest first
    #[default]
    Created,
    /// By ID
    Id,
    /// By name
    Repository,
    /// The smallest first
    Size,
    /// By tag
    Tag,
}

impl SortKey {
    /// The engine has put the newest first; equals stay so.
    fn sort(self, images: &mut [NamedImage]) {
        match self {
            Self::Created => {}
            Self::Id => images.sort_by(|a, b| a.record.id.cmp(&b.record.id)),
            Self::Repository => images.sort_by(|a, b| a.repository.cmp(&b.repository)),
            Self::Size => images.sort_by_key(|image| image.record.size),
            Self::Tag => images.sort_by(|a, b| a.tag.cmp(&b.tag)),
        }
    }
}

/// Arguments of `images`.
#[derive(Debug, Clone, Default, Args)]
struct ListArguments {
    /// Show all images, also those that others were built on (all are shown anyway)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Filter by dangling, label, before, since, reference, until, id, containers, intermediate, readonly or manifest
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Show in a last column the names that the image has
    #[arg(long)]
    history: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Leave out the headers of a table
    #[arg(short, long)]
    noheading: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    /// Sort by created (the newest first), id, repository, size or tag
    #[arg(long, value_name = "KEY", default_value = "created")]
    sort: SortKey,
    /// Show images with their platforms below them, and what each takes unpacked and compressed
    #[arg(long, conflicts_with_all = ["format", "quiet", "digests", "history", "no_trunc"])]
    tree: bool,
    /// Only images of this name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl ListArguments {
    fn query(&self, now: Timestamp, zone: &TimeZone) -> Result<Query> {
        let mut query = Query::default();
        for filter in &self.filter {
            query.add(filter, &|when| times::parse(when, now, zone))?;
        }
        query.references.extend(self.name.clone());
        Ok(query)
    }
}

fn list(context: &Context, arguments: &ListArguments) -> Result<u8> {
    let view = View { now: time::now(), zone: context.zone(), truncate: !arguments.no_trunc };
    let mut query = arguments.query(view.now, &view.zone)?;
    let given = arguments.format.as_deref().unwrap_or_default();
    let podman = context.persona == Persona::Podman;
    let default = columns(podman, arguments.digests, arguments.history);
    let format = match arguments.quiet {
        true => Format::parse("{{.ID}}", "")?,
        false => Format::parse_list(given, &default, RAW)?,
    };
    query.digests = !podman && (arguments.digests || format.names("Digest"));
    let engine = context.engine()?;
    let mut images = engine_list(&engine, &query)?;
    arguments.sort.sort(&mut images);
    if arguments.tree {
        return context.ui.text(&list_tree::render(&list_tree::branches(&engine, &images)?)).map(|()| 0);
    }
    let labels = |image: &NamedImage| labels(&engine, &image.record);
    if podman && given == "json" && !arguments.quiet {
        return context.ui.text(&list_podman::json(&images, &labels)?).map(|()| 0);
    }
    if podman && arguments.quiet {
        images.dedup_by(|a, b| a.record.id == b.record.id);
    }
    let mut rows: Vec<Row> = images.iter().map(|image| view.row(image)).collect();
    if podman {
        for (row, image) in rows.iter_mut().zip(&images) {
            list_podman::extend(row, image, format.shows("Labels").then_some(&labels))?;
        }
    }
    let rendered = match podman {
        true => format.render(&[list_podman::HEADERS, HEADERS].concat(), rows)?,
        false => format.render(HEADERS, rows)?,
    };
    let is_table = !arguments.quiet && (given.is_empty() || given.starts_with("table"));
    let shown = match arguments.noheading && is_table {
        true => rendered.split_once('\n').map_or("", |(_, rest)| rest),
        false => &rendered,
    };
    context.ui.text(shown).map(|()| 0)
}

/// The default columns. podman has a digest for every image, so that a row with it is no other row.
fn columns(podman: bool, digests: bool, history: bool) -> String {
    let columns = match (podman, digests) {
        (false, false) => DEFAULT,
        (false, true) => WITH_DIGESTS,
        (true, false) => list_podman::DEFAULT,
        (true, true) => list_podman::WITH_DIGESTS,
    };
    format!("{columns}{}", if history { r"\t{{.History}}" } else { "" })
}

/// How rows are shown.
struct View {
    now: Timestamp,
    zone: TimeZone,
    truncate: bool,
}

impl View {
    fn row(&self, image: &NamedImage) -> Row {
        let record = &image.record;
        let none = || "<none>".to_owned();
        let created = |show: &dyn Fn(Timestamp) -> String| record.created.map_or_else(|| "N/A".into(), show);
        let size = human_size(record.size);
        let texts = [
            ("ID", if self.truncate { record.id.short().to_owned() } else { record.id.to_string() }),
            ("Repository", image.repository.clone().unwrap_or_else(none)),
            ("Tag", image.tag.clone().unwrap_or_else(none)),
            ("Digest", image.digest.as_ref().map_or_else(none, ToString::to_string)),
            ("CreatedSince", created(&|created| format!("{} ago", human_duration(created, self.now)))),
            ("CreatedAt", created(&|created| zoned(created, &self.zone))),
            ("Size", size.clone()),
            ("VirtualSize", size),
            ("Containers", image.containers.to_string()),
            ("SharedSize", "N/A".into()),
            ("UniqueSize", "N/A".into()),
            ("History", image.names.tags.join(", ")),
        ];
        texts.into_iter().map(|(name, text)| (Arc::from(name), Value::String(one_line(&text).into()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn the_table_is_dockers() {
        let (engine, _scratch) = fixtures::engine();
        let record = fixtures::image(&engine, "x", &[]);
        let now = record.created.unwrap() + std::time::Duration::from_secs(3 * 3600);
        let view = View { now, zone: TimeZone::UTC, truncate: true };
        let image = |repository: Option<&str>, tag: Option<&str>| NamedImage {
            record: record.clone(),
            repository: repository.map(String::from),
            whole: None,
            tag: tag.map(String::from),
            digest: None,
            containers: 2,
            names: Default::default(),
        };
        let rows = || vec![view.row(&image(Some("localhost:5000/app"), Some("v1"))), view.row(&image(None, None))];
        let render = |format: &str| Format::parse(format, DEFAULT).unwrap().render(HEADERS, rows()).unwrap();
        let id = record.id.short();
        let expected = format!(
            "REPOSITORY           TAG       IMAGE ID       CREATED       SIZE\n\
             localhost:5000/app   v1        {id}   3 hours ago   0B\n\
             <none>               <none>    {id}   3 hours ago   0B\n"
        );
        assert_eq!(render(""), expected);
        assert_eq!(render("{{.Containers}} {{.Digest}}").lines().next(), Some("2 <none>"));
        for (field, header) in HEADERS {
            assert!(render(&format!("table {{{{.{field}}}}}")).starts_with(header), "{field}");
        }
    }

    #[test]
    fn rows_are_sorted() {
        let (engine, _scratch) = fixtures::engine();
        let image = |name: &str, tag: &str, size| {
            let mut record = fixtures::image(&engine, name, &[]);
            record.size = size;
            NamedImage {
                record,
                repository: Some(name.to_owned()),
                whole: None,
                tag: Some(tag.to_owned()),
                digest: None,
                containers: 0,
                names: Default::default(),
            }
        };
        let images = [image("b", "1", 3), image("c", "3", 1), image("a", "2", 2)];
        for (key, expected) in
            [(SortKey::Created, "bca"), (SortKey::Repository, "abc"), (SortKey::Size, "cab"), (SortKey::Tag, "bac")]
        {
            let mut sorted = images.clone();
            key.sort(&mut sorted);
            assert_eq!(sorted.iter().filter_map(|image| image.repository.clone()).collect::<String>(), expected);
        }
    }

    #[test]
    fn the_argument_is_a_reference() {
        let arguments =
            ListArguments { name: Some("app:v1".into()), filter: vec!["until=1h".into()], ..Default::default() };
        let query = arguments.query(time::now(), &TimeZone::UTC).unwrap();
        assert_eq!(query.references, ["app:v1"]);
        let wrong = ListArguments { filter: vec!["until=yesterday".into()], ..Default::default() };
        assert!(wrong.query(time::now(), &TimeZone::UTC).is_err());
    }
}
