//! Whether a model fits together: what services refer to is there, keys that exclude each other do not meet, and
//! dependencies have no cycle. The messages are docker compose's.

use std::collections::{BTreeMap, BTreeSet};

use super::node::{Node, Value};
use crate::base::Result;

/// Networks, volumes, secrets, configs and services, each for itself.
///
/// # Errors
///
/// With the place of what is wrong.
pub fn resources(model: &Node) -> Result<()> {
    for kind in ["networks", "volumes", "secrets", "configs"] {
        for (name, resource) in model.entries(kind) {
            external(kind, name, resource)?;
            let sources: &[&str] = match kind {
                "secrets" => &["file", "environment"],
                "configs" => &["file", "environment", "content"],
                _ => continue,
            };
            let is_external = resource.get("external").is_some_and(|node| node.value != Value::Bool(false));
            let given = sources.iter().filter(|key| resource.get(key).is_some()).count();
            let has_driver = resource.get("driver").is_some();
            match (given, is_external || has_driver) {
                (0, false) => {
                    let words = format!("{kind}.{name}: one of {} must be set", sources.join("|"));
                    return Err(resource.place.invalid(words));
                }
                (2.., _) => {
                    let words = format!("{kind}.{name}: {} attributes are mutually exclusive", sources.join("|"));
                    return Err(resource.place.invalid(words));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn external(kind: &str, name: &str, resource: &Node) -> Result<()> {
    let is_external = resource.get("external").is_some_and(|node| node.value != Value::Bool(false));
    let Some(map) = resource.as_map().filter(|_| is_external) else { return Ok(()) };
    for (key, value) in map {
        if key != "name" && key != "external" && !key.starts_with("x-") {
            let words = format!("{kind}.{name}: conflicting parameters \"external\" and {key:?} specified");
            return Err(value.place.invalid(words));
        }
    }
    Ok(())
}

/// The services among each other. `known` has the names of all, those that are not active too.
///
/// # Errors
///
/// With the place of what is wrong.
pub fn check(model: &Node, known: &BTreeSet<String>) -> Result<()> {
    let mut containers: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, service) in model.entries("services") {
        let invalid = |key: &str, words: String| {
            let place = &service.get(key).unwrap_or(service).place;
            Err(place.invalid(format!("{words}: invalid compose project")))
        };
        let has = |key: &str| service.get(key).is_some_and(|node| node.value != Value::Null);
        let image = service.text_of("image").is_some_and(|image| !image.is_empty());
        if !image && !has("build") && !has("provider") {
            return invalid("", format!("service {name:?} has neither an image nor a build context specified"));
        }
        let has_networks = service.entries("networks").next().is_some();
        if has("network_mode") && has_networks {
            return invalid(
                "networks",
                format!("service {name} declares mutually exclusive `network_mode` and `networks`"),
            );
        }
        if let Some(build) = service.get("build")
            && build.get("dockerfile").is_some()
            && build.get("dockerfile_inline").is_some()
        {
            return invalid(
                "build",
                format!("service {name:?} declares mutualy exclusive dockerfile and dockerfile_inline"),
            );
        }
        references(model, known, name, service)?;
        limits(name, service)?;
        health(name, service)?;
        if let Some(container) = service.text_of("container_name")
            && let Some(other) = containers.insert(container, name)
        {
            return invalid(
                "container_name",
                format!("services.{name}: container name {container:?} is already in use by service {other}"),
            );
        }
    }
    cycles(model)
}

fn references(model: &Node, known: &BTreeSet<String>, name: &str, service: &Node) -> Result<()> {
    for (dependency, how) in service.entries("depends_on") {
        let is_there = model.get("services").and_then(|services| services.get(dependency)).is_some();
        if !is_there && (how.is_true("required") || !known.contains(dependency)) {
            let words =
                format!("service {name:?} depends on undefined service {dependency:?}: invalid compose project");
            return Err(how.place.invalid(words));
        }
    }
    let has = |kind: &str, key: &str| model.get(kind).and_then(|map| map.get(key)).is_some();
    if let Some((network, node)) = service.entries("networks").find(|(network, _)| !has("networks", network)) {
        let words = format!("service {name:?} refers to undefined network {network}: invalid compose project");
        return Err(node.place.invalid(words));
    }
    let items = |key: &str| service.get(key).map(Node::items).unwrap_or_default();
    for mount in items("volumes").iter().filter(|mount| mount.text_of("type") == Some("volume")) {
        if let Some(source) = mount.text_of("source").filter(|source| !source.is_empty() && !has("volumes", source)) {
            let words = format!("service {name:?} refers to undefined volume {source}: invalid compose project");
            return Err(mount.place.invalid(words));
        }
    }
    let build = service.get("build").and_then(|build| build.get("secrets")).map(Node::items).unwrap_or_default();
    for (kind, what, used) in [
        ("secrets", "secret", items("secrets")),
        ("secrets", "build secret", build),
        ("configs", "config", items("configs")),
    ] {
        for item in used {
            if let Some(source) = item.text_of("source").filter(|source| !has(kind, source)) {
                let words = format!("service {name:?} refers to undefined {what} {source}: invalid compose project");
                return Err(item.place.invalid(words));
            }
        }
    }
    if let Some((source, node)) = service.entries("models").find(|(source, _)| !has("models", source)) {
        let words = format!("service {name:?} refers to undefined model {source:?}: invalid compose project");
        return Err(node.place.invalid(words));
    }
    Ok(())
}

fn limits(name: &str, service: &Node) -> Result<()> {
    let deploy = service.get("deploy");
    let resources = deploy.and_then(|deploy| deploy.get("resources"));
    let below = |key: &str| resources.and_then(|resources| resources.get(key));
    let pairs = [
        ("scale", deploy.and_then(|deploy| deploy.get("replicas")), "deploy.replicas"),
        ("cpus", below("limits").and_then(|limits| limits.get("cpus")), "deploy.resources.limits.cpus"),
        ("mem_limit", below("limits").and_then(|limits| limits.get("memory")), "deploy.resources.limits.memory"),
        (
            "mem_reservation",
            below("reservations").and_then(|reservations| reservations.get("memory")),
            "deploy.resources.reservations.memory",
        ),
        ("pids_limit", below("limits").and_then(|limits| limits.get("pids")), "deploy.resources.limits.pids"),
    ];
    for (key, other, other_name) in pairs {
        if let (Some(one), Some(other)) = (service.get(key), other)
            && number(one) != number(other)
        {
            return Err(one.place.invalid(format!(
                "services.{name}: can't set distinct values on '{key}' and '{other_name}': invalid compose project"
            )));
        }
    }
    let replicas = deploy.and_then(|deploy| deploy.get("replicas"));
    for (scale, key) in [(service.get("scale"), "scale"), (replicas, "deploy.replicas")] {
        let Some(Node { value: Value::Int(count), place, .. }) = scale else { continue };
        if *count < 0 {
            return Err(place.invalid(format!("services.{name}.{key}: must be greater than or equal to 0")));
        }
        if *count > 1
            && let Some(container) = service.text_of("container_name")
        {
            return Err(place.invalid(format!(
                "services.{key}: can't set container_name and {name} as container name must be unique: `{container}` would have {count} containers: invalid compose project"
            )));
        }
    }
    let devices = below("reservations").and_then(|reservations| reservations.get("devices"));
    for device in devices.map(Node::items).unwrap_or_default() {
        if device.get("count").is_some() && device.get("device_ids").is_some() {
            return Err(device.place.invalid(format!(
                "services.{name}.deploy.resources.reservations.devices: \"count\" and \"device_ids\" attributes are exclusive"
            )));
        }
    }
    Ok(())
}

/// A number, however it is written.
fn number(node: &Node) -> Option<String> {
    let text = node.scalar()?;
    Some(text.parse::<f64>().map_or(text, |number| number.to_string()))
}

fn health(name: &str, service: &Node) -> Result<()> {
    let test = service.get("healthcheck").and_then(|health| health.get("test"));
    let Some(first) = test.and_then(|test| test.items().first()) else { return Ok(()) };
    match first.as_text() {
        Some("NONE" | "CMD" | "CMD-SHELL") => Ok(()),
        _ => Err(first.place.invalid(format!(
            "services.{name}.healthcheck.test must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\""
        ))),
    }
}

/// Fails when services depend on each other in a circle.
fn cycles(model: &Node) -> Result<()> {
    let mut done: BTreeMap<&str, bool> = BTreeMap::new();
    for (name, _) in model.entries("services") {
        visit(model, name, &mut Vec::new(), &mut done)?;
    }
    Ok(())
}

/// `done` has services that were visited; false while that goes on.
fn visit<'a>(
    model: &'a Node,
    name: &'a str,
    path: &mut Vec<&'a str>,
    done: &mut BTreeMap<&'a str, bool>,
) -> Result<()> {
    let Some(service) = model.get("services").and_then(|services| services.get(name)) else { return Ok(()) };
    match done.get(name) {
        Some(true) => return Ok(()),
        Some(false) => {
            let from = path.iter().position(|step| *step == name).unwrap_or(0);
            let steps: Vec<&str> = path[from..].iter().copied().chain([name]).collect();
            return Err(service.place.invalid(format!("dependency cycle detected: {}", steps.join(" -> "))));
        }
        None => {}
    }
    done.insert(name, false);
    path.push(name);
    for (dependency, _) in service.entries("depends_on") {
        visit(model, dependency, path, done)?;
    }
    path.pop();
    done.insert(name, true);
    Ok(())
}
