//! Which services of a project are meant, and what of the rest they use.

use std::collections::BTreeSet;

use super::node::{Node, Value};
use crate::base::{Error, Result, text};

/// The profiles of all services.
pub fn profiles(model: &Node) -> BTreeSet<String> {
    let services = model.entries("services").map(|(_, service)| service);
    services.flat_map(|service| of_service(service).map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn of_service(service: &Node) -> impl Iterator<Item = &str> {
    service.get("profiles").map(Node::items).unwrap_or_default().iter().filter_map(Node::as_text)
}

/// Removes services whose profiles are not active. Those that are asked for by name are.
pub fn by_profiles(model: &mut Node, active: &BTreeSet<String>, named: &[String]) {
    let Some(services) = services(model) else { return };
    let is_active = |name: &str, service: &Node| {
        let mut profiles = of_service(service).peekable();
        profiles.peek().is_none()
            || active.contains("*")
            || named.iter().any(|other| other == name)
            || profiles.any(|profile| active.contains(profile))
    };
    services.retain(|name, service| is_active(name, service));
}

fn services(model: &mut Node) -> Option<&mut super::node::Map> {
    model.as_map_mut()?.get_mut("services")?.as_map_mut()
}

/// Keeps the named services and what they depend on; all if none are named.
///
/// # Errors
///
/// When there is no such service.
pub fn by_services(model: &mut Node, named: &[String]) -> Result<()> {
    if named.is_empty() {
        return Ok(());
    }
    let mut kept = BTreeSet::new();
    let mut waiting: Vec<String> = named.to_vec();
    while let Some(name) = waiting.pop() {
        let Some(service) = model.get("services").and_then(|services| services.get(&name)) else {
            match named.contains(&name) {
                true => return Err(Error::not_found(format!("no such service: {}", text::clean(&name)))),
                false => continue,
            }
        };
        if kept.insert(name) {
            waiting.extend(service.entries("depends_on").map(|(name, _)| name.clone()));
        }
    }
    if let Some(services) = services(model) {
        services.retain(|name, _| kept.contains(name));
    }
    Ok(())
}

/// Removes networks, volumes, secrets, configs and models that no service uses.
pub fn used(model: &mut Node) {
    let mut used: BTreeSet<(&str, String)> = BTreeSet::new();
    for (_, service) in model.entries("services") {
        let items = |key: &str| service.get(key).map(Node::items).unwrap_or_default().iter();
        let source = |item: &Node| item.text_of("source").map(str::to_owned);
        used.extend(service.entries("networks").map(|(name, _)| ("networks", name.clone())));
        used.extend(service.entries("models").map(|(name, _)| ("models", name.clone())));
        let mounts = items("volumes").filter(|mount| mount.text_of("type") == Some("volume"));
        used.extend(mounts.filter_map(source).map(|name| ("volumes", name)));
        let build = service.get("build").and_then(|build| build.get("secrets")).map(Node::items).unwrap_or_default();
        used.extend(items("secrets").chain(build).filter_map(source).map(|name| ("secrets", name)));
        used.extend(items("configs").filter_map(source).map(|name| ("configs", name)));
        if let Some(config) = service.get("credential_spec").and_then(|spec| spec.text_of("config")) {
            used.insert(("configs", config.to_owned()));
        }
    }
    let Some(map) = model.as_map_mut() else { return };
    for kind in ["networks", "volumes", "secrets", "configs", "models"] {
        let Some(resources) = map.get_mut(kind) else { continue };
        if let Some(resources) = resources.as_map_mut() {
            resources.retain(|name, _| used.contains(&(kind, name.clone())));
        }
        if resources.as_map().is_none_or(std::collections::BTreeMap::is_empty) || resources.value == Value::Null {
            map.remove(kind);
        }
    }
}
