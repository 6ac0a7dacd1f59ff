//! What follows from the rest of a model: the default network, full names, dependencies that other keys imply, the Dockerfile
//! of a build, and the variables of files.

use super::dotenv;
use super::load::{Loader, Scope, Variables};
use super::node::{Map, Node, Value};
use super::paths::Base;
use crate::base::{Error, Result, text};

/// Adds what follows.
pub fn normalize(model: &mut Node, project: &str, base: Base<'_>, variables: &Variables) {
    let at = model.clone();
    let Some(map) = model.as_map_mut() else { return };
    let mut uses_default = false;
    for service in map.get_mut("services").and_then(Node::as_map_mut).into_iter().flat_map(|map| map.values_mut()) {
        service_of(service, base, variables);
        uses_default |= service.get("networks").is_some_and(|networks| networks.get("default").is_some());
    }
    if uses_default {
        let networks = map.entry("networks".to_owned()).or_insert_with(|| at.with(Value::Map(Map::new())));
        if let Some(networks) = networks.as_map_mut() {
            networks.entry("default".to_owned()).or_insert_with(|| at.with(Value::Map(Map::new())));
        }
    }
    for kind in ["networks", "volumes", "secrets", "configs"] {
        for (key, resource) in map.get_mut(kind).and_then(Node::as_map_mut).into_iter().flatten() {
            named(resource, key, project);
        }
    }
}

/// Networks and volumes about which nothing is said.
pub fn without_null_resources(model: &mut Node) {
    for kind in ["networks", "volumes"] {
        let resources = model.as_map_mut().and_then(|map| map.get_mut(kind)).and_then(Node::as_map_mut);
        for resource in resources.into_iter().flat_map(|resources| resources.values_mut()) {
            if resource.value == Value::Null {
                resource.value = Value::Map(Map::new());
            }
        }
    }
}

/// Gives a network, volume, secret or config its full name.
fn named(resource: &mut Node, key: &str, project: &str) {
    let at = resource.clone();
    let Some(map) = resource.as_map_mut() else { return };
    let external = map.get("external").cloned();
    let external_name = external.as_ref().and_then(|external| external.text_of("name")).map(str::to_owned);
    if external.as_ref().is_some_and(|external| external.as_map().is_some()) {
        map.insert("external".to_owned(), at.with(Value::Bool(true)));
    }
    let is_external = external.is_some_and(|external| external.value != Value::Bool(false));
    let name = external_name.unwrap_or_else(|| if is_external { key.to_owned() } else { format!("{project}_{key}") });
    map.entry("name".to_owned()).or_insert_with(|| at.text(name));
}

fn service_of(service: &mut Node, base: Base<'_>, variables: &Variables) {
    let at = service.clone();
    let Some(map) = service.as_map_mut() else { return };
    if map.get("pull_policy").and_then(Node::as_text) == Some("if_not_present") {
        map.insert("pull_policy".to_owned(), at.text("missing"));
    }
    let has_networks = map.get("networks").and_then(Node::as_map).is_some_and(|networks| !networks.is_empty());
    if !has_networks && !map.contains_key("network_mode") && !map.contains_key("provider") {
        let default = Map::from([("default".to_owned(), at.with(Value::Null))]);
        map.insert("networks".to_owned(), at.with(Value::Map(default)));
    }
    if let Some(build) = map.get_mut("build") {
        let place = build.clone();
        if let Some(build) = build.as_map_mut() {
            build.entry("context".to_owned()).or_insert_with(|| place.text(base.absolute(".")));
            if !build.contains_key("dockerfile_inline") {
                build.entry("dockerfile".to_owned()).or_insert_with(|| place.text("Dockerfile"));
            }
            if let Some(arguments) = build.get_mut("args").and_then(Node::as_map_mut) {
                for (name, value) in arguments.iter_mut().filter(|(_, value)| value.value == Value::Null) {
                    value.value = variables.get(name).map_or(Value::Null, |outside| Value::Text(outside.clone()));
                }
                arguments.retain(|_, value| value.value != Value::Null);
            }
        }
    }
    for request in requests(map) {
        let has = |request: &Map, key: &str| request.contains_key(key);
        let place = request.clone();
        if let Some(request) = request.as_map_mut()
            && !has(request, "count")
            && !has(request, "device_ids")
        {
            request.insert("count".to_owned(), place.with(Value::Int(-1)));
        }
    }
    for (name, restart) in implied(map) {
        depend(map, &at, &name, restart);
    }
}

/// The requests for devices of a service.
fn requests(service: &mut Map) -> Vec<&mut Node> {
    let mut found = Vec::new();
    for (key, value) in service.iter_mut() {
        let list = match key.as_str() {
            "gpus" => Some(value),
            "deploy" => value
                .as_map_mut()
                .and_then(|deploy| deploy.get_mut("resources")?.as_map_mut()?.get_mut("reservations")?.as_map_mut())
                .and_then(|reservations| reservations.get_mut("devices")),
            _ => None,
        };
        if let Some(Node { value: Value::List(items), .. }) = list {
            found.extend(items.iter_mut());
        }
    }
    found
}

/// The services that a service depends on because of other keys, and whether it is restarted with them.
fn implied(service: &Map) -> Vec<(String, bool)> {
    let mut implied = Vec::new();
    let items = |key: &str| service.get(key).map(Node::items).unwrap_or_default().iter().filter_map(Node::as_text);
    for link in items("links") {
        implied.push((link.split(':').next().unwrap_or(link).to_owned(), true));
    }
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        let mode = service.get(key).and_then(Node::as_text);
        if let Some(name) = mode.and_then(|mode| mode.strip_prefix("service:")) {
            implied.push((name.to_owned(), true));
        }
    }
    for from in items("volumes_from").filter(|from| !from.starts_with("container:")) {
        implied.push((from.split(':').next().unwrap_or(from).to_owned(), false));
    }
    implied
}

fn depend(service: &mut Map, at: &Node, name: &str, restart: bool) {
    let dependencies = service.entry("depends_on".to_owned()).or_insert_with(|| at.with(Value::Map(Map::new())));
    let Some(dependencies) = dependencies.as_map_mut() else { return };
    dependencies.entry(name.to_owned()).or_insert_with(|| {
        at.with(Value::Map(Map::from([
            ("condition".to_owned(), at.text("service_started")),
            ("required".to_owned(), at.with(Value::Bool(true))),
            ("restart".to_owned(), at.with(Value::Bool(restart))),
        ])))
    });
}

/// Adds the variables and labels of files to those of services, which win, and drops the names of the files. Without
/// `has_environment`, variables are left out.
///
/// # Errors
///
/// When a file is not there and must be, or is wrong.
pub fn read_files(
    model: &mut Node,
    loader: &Loader<'_>,
    variables: &Variables,
    base: Base<'_>,
    has_environment: bool,
) -> Result<()> {
    let services = model.as_map_mut().and_then(|map| map.get_mut("services")).and_then(Node::as_map_mut);
    for service in services.into_iter().flat_map(|services| services.values_mut()) {
        let at = service.clone();
        let Some(map) = service.as_map_mut() else { continue };
        if has_environment && let Some(files) = map.remove("env_file") {
            let mut found = Variables::new();
            for file in files.items() {
                environment_file(file, &mut found, loader, variables, base)?;
            }
            add(map, "environment", found, &at);
        }
        if let Some(files) = map.remove("label_file") {
            let mut found = Variables::new();
            for file in files.items() {
                let path = base.absolute(file.as_text().unwrap_or_default());
                let source = loader.text(std::path::Path::new(&path))?;
                found = dotenv::parse(&path, &source, &Scope { variables, noticed: loader.noticed }, found)?;
            }
            add(map, "labels", found, &at);
        }
    }
    Ok(())
}

fn environment_file(
    file: &Node,
    found: &mut Variables,
    loader: &Loader<'_>,
    variables: &Variables,
    base: Base<'_>,
) -> Result<()> {
    let path = base.absolute(file.text_of("path").unwrap_or_default());
    let shown = text::clean(&path).into_owned();
    let source = match loader.files.read(std::path::Path::new(&path))? {
        Some(source) => source,
        None if !file.is_true("required") => return Ok(()),
        None => {
            let place = &file.place;
            return Err(Error::not_found(format!("{place}: env file {shown} not found: no such file or directory"))
                .hint("write `required: false` if the project works without it"));
        }
    };
    let scope = Scope { variables, noticed: loader.noticed };
    let read = match file.text_of("format") {
        None | Some("") => dotenv::parse(&path, &source, &scope, found.clone())?,
        Some("raw") => dotenv::parse_raw(&path, &source, &scope)?,
        Some(format) => {
            return Err(file
                .place
                .invalid(format!("unsupported env_file format {format:?}: it is `raw` or not given")));
        }
    };
    found.extend(read);
    Ok(())
}

/// Adds entries that are not there yet.
fn add(map: &mut Map, key: &str, found: Variables, at: &Node) {
    let target = map.entry(key.to_owned()).or_insert_with(|| at.with(Value::Map(Map::new())));
    let Some(target) = target.as_map_mut() else { return };
    for (name, value) in found {
        target.entry(name).or_insert_with(|| at.text(value));
    }
}
