//! `search`: repositories of registries, and the tags of one.

use std::sync::Arc;

use clap::Args;
use gotmpl::Value;

use crate::base::{Error, Result};
use crate::cli::container::list::one_line;
use crate::cli::context::{Context, Persona};
use crate::cli::registry_options::RegistryOptions;
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::search::{Filters, Found, MOST, USUAL, search as engine_search, tags};
use crate::oci::Reference;
use crate::oci::reference::DOCKER_HUB;
use crate::spec::units::ellipsis;

/// The command.
pub const VERB: Verb = Verb {
    name: "search",
    about: "Search a registry for repositories",
    usage: "[REGISTRY/]TERM",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: SearchArguments::augment_args,
    run: |context, matches| search(context, &typed(matches)?),
};

/// docker's columns.
const DOCKER: &str = r"table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}";
/// podman's.
const PODMAN: &str = r"table {{.Name}}\t{{.Description}}";
/// Those of `--list-tags`.
const TAGS: &str = r"table {{.Name}}\t{{.Tag}}";
/// docker's and podman's headers.
const HEADERS: &[(&str, &str)] = &[
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("StarCount", "STARS"),
    ("IsOfficial", "OFFICIAL"),
    ("IsAutomated", "AUTOMATED"),
    ("Index", "INDEX"),
    ("Stars", "STARS"),
    ("Official", "OFFICIAL"),
    ("Automated", "AUTOMATED"),
    ("Tag", "TAG"),
];
/// How much of a description is shown.
const DESCRIPTION: usize = 45;

/// Arguments of `search`.
#[derive(Debug, Clone, Args)]
struct SearchArguments {
    #[command(flatten)]
    registry: RegistryOptions,
    /// Show stars, official and automated as docker does
    #[arg(long)]
    compatible: bool,
    /// Filter by stars, is-official or is-automated
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Show at most this number of results of each registry
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// List the tags of the repository that is named
    #[arg(long)]
    list_tags: bool,
    /// Don't truncate descriptions
    #[arg(long)]
    no_trunc: bool,
    /// A part of the name, of this registry or of those that are searched
    #[arg(value_name = "TERM", required = true)]
    term: String,
}

fn search(context: &Context, arguments: &SearchArguments) -> Result<u8> {
    let limit = match arguments.limit {
        None | Some(0) => USUAL,
        Some(limit) if limit > MOST && context.persona == Persona::Docker => {
            return Err(Error::usage(format!("invalid limit {limit}: must be between 1 and {MOST}")));
        }
        Some(limit) => limit,
    };
    let mut filters = Filters::default();
    arguments.filter.iter().try_for_each(|filter| filters.add(filter))?;
    let given = arguments.format.as_deref().unwrap_or_default();
    if arguments.list_tags && !arguments.filter.is_empty() {
        return Err(Error::usage("filters are not applicable to list tags result"));
    }
    let engine = arguments.registry.engine(context)?;
    if arguments.list_tags {
        let (repository, tags) = tags(&engine, &arguments.term, limit)?;
        let rows = tags.iter().map(|tag| tag_row(&repository, tag)).collect();
        return context.ui.text(&Format::parse(given, TAGS)?.render(HEADERS, rows)?).map(|()| 0);
    }
    let default = match context.persona {
        Persona::Podman if !arguments.compatible => PODMAN,
        _ => DOCKER,
    };
    let format = Format::parse(given, default)?;
    let (found, failed) = engine_search(&engine, &arguments.term, &filters, limit)?;
    failed.iter().for_each(|error| context.ui.warning(&error.chain()));
    let whole = context.persona == Persona::Podman;
    let rows = found.iter().map(|found| row(found, arguments.no_trunc, whole)).collect();
    context.ui.text(&format.render(HEADERS, rows)?).map(|()| 0)
}

/// docker's and podman's fields. `whole`: names have their registry, as podman shows them.
fn row(found: &Found, no_trunc: bool, whole: bool) -> Row {
    let repository = &found.repository;
    let named = match found.registry.as_str() {
        DOCKER_HUB if !repository.name.contains('/') && whole => format!("{DOCKER_HUB}/library/{}", repository.name),
        DOCKER_HUB if !whole => repository.name.clone(),
        registry => format!("{registry}/{}", repository.name),
    };
    let description = one_line(&repository.description);
    let description = if no_trunc { description } else { ellipsis(&description, DESCRIPTION) };
    let mark = |is: bool| if is { "[OK]".to_owned() } else { String::new() };
    let texts = [
        ("Name", named),
        ("Description", description),
        ("StarCount", repository.star_count.to_string()),
        ("Stars", repository.star_count.to_string()),
        ("IsOfficial", mark(repository.is_official)),
        ("Official", mark(repository.is_official)),
        ("IsAutomated", mark(repository.is_automated)),
        ("Automated", mark(repository.is_automated)),
        ("Index", found.registry.clone()),
        ("Tag", String::new()),
    ];
    texts.into_iter().map(|(name, text)| (Arc::from(name), Value::String(one_line(&text).into()))).collect()
}

fn tag_row(repository: &Reference, tag: &str) -> Row {
    let texts = [("Name", repository.name()), ("Tag", tag.to_owned()), ("Index", repository.registry().to_owned())];
    texts.into_iter().map(|(name, text)| (Arc::from(name), Value::String(one_line(&text).into()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::search::Match;

    #[test]
    fn rows_are_dockers_and_podmans() {
        let found = |registry: &str, name: &str| Found {
            registry: registry.into(),
            repository: Match {
                name: name.into(),
                description: "A minimal image of fifty characters, which are many\nlines".into(),
                star_count: 11,
                is_official: true,
                is_automated: false,
            },
        };
        let show = |found: &Found, whole| {
            let rows = vec![row(found, false, whole)];
            Format::parse("{{.Name}}|{{.Description}}|{{.StarCount}}|{{.IsOfficial}}|{{.Automated}}", "")
                .unwrap()
                .render(HEADERS, rows)
                .unwrap()
        };
        let described = "A minimal image of fifty characters, which a…|11|[OK]|\n";
        assert_eq!(show(&found("docker.io", "alpine"), false), format!("alpine|{described}"));
        assert_eq!(show(&found("docker.io", "alpine"), true), format!("docker.io/library/alpine|{described}"));
        assert_eq!(show(&found("quay.io", "t/a"), false), format!("quay.io/t/a|{described}"));
    }
}
