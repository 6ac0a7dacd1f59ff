//! What containers cannot have here: each is refused by its name, with what to do instead.

use crate::base::{Error, Result, text};
use crate::compose::node::{Node, Value};
use crate::compose::project::Project;
use crate::compose::read::{at, pairs, placed, text as text_at};
use crate::spec::logging::LogDriver;
use crate::spec::sysctl;

/// A key, and what to do instead.
type Refusal = (&'static [&'static str], &'static str);

/// Keys that nothing comes of here.
const KEYS: &[Refusal] = &[
    (&["annotations"], "use `labels`, which `inspect` shows"),
    (&["cpu_count"], "it is for Windows: use `cpus`"),
    (&["cpu_percent"], "it is for Windows: use `cpus`"),
    (&["credential_spec"], "it is for Windows"),
    (&["domainname"], "write the whole name as `hostname`"),
    (&["external_links"], "put both containers on a network, where they find each other by name: `networks`"),
    (&["gpus"], "name them with `devices`, as `nvidia.com/gpu=all`"),
    (&["models"], "coracle runs no models: run a server as a service of its own"),
    (&["provider"], "coracle starts no provider plugins"),
    (&["runtime"], "containers run with coracle's own runtime"),
    (&["storage_opt"], "a volume with a size of its own is a directory of a file system that has it"),
    (&["use_api_socket"], "coracle has no daemon"),
    (&["deploy", "resources", "reservations", "devices"], "name them with `devices`, as `nvidia.com/gpu=all`"),
    (&["deploy", "resources", "reservations", "generic_resources"], "it is for Swarm"),
];

/// Values of keys that say the same as their absence.
const HARMLESS: &[(&str, &[&str])] = &[("runtime", &["runc", "crun"])];

/// Refuses the first key of any of the project's services that cannot be done here.
///
/// # Errors
///
/// With its place.
pub fn check(project: &Project) -> Result<()> {
    project.services().try_for_each(|(name, service)| check_service(name, service))
}

fn check_service(name: &str, service: &Node) -> Result<()> {
    for (path, hint) in KEYS {
        let Some(value) = at(service, path).filter(|value| says_something(value)) else { continue };
        let key = path.join(".");
        let harmless = HARMLESS
            .iter()
            .find(|(of, _)| *of == key)
            .is_some_and(|(_, values)| value.as_text().is_some_and(|text| values.contains(&text)));
        if !harmless {
            return Err(refuse(name, value, &key).hint(*hint));
        }
    }
    if let Some(value) =
        service.get("isolation").filter(|value| !matches!(value.as_text(), None | Some("" | "default")))
    {
        return Err(refuse(name, value, "isolation").hint("it is for Windows"));
    }
    for (network, wish) in service.entries("networks") {
        for key in ["driver_opts", "link_local_ips"] {
            if let Some(value) = wish.get(key).filter(|value| says_something(value)) {
                return Err(refuse(name, value, &format!("networks.{network}.{key}"))
                    .hint("an address is given with `ipv4_address` or `ipv6_address`"));
            }
        }
    }
    if let Some(value) = service.get("sysctls") {
        let given: Vec<String> =
            pairs(service, "sysctls").into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        sysctl::all(&given)
            .map_err(|error| placed(value, &format!("service `{}`: sysctls", text::clean(name)), &error))?;
    }
    match service.get("logging").and_then(|logging| text_at(logging, "driver")) {
        Some(driver) if LogDriver::parse(&driver).is_err() => {
            let key = format!("logging.driver: {}", text::clean(&driver));
            Err(refuse(name, service.get("logging").unwrap_or(service), &key)
                .hint("the log drivers are json-file, k8s-file, journald, local, none and passthrough"))
        }
        _ => Ok(()),
    }
}

/// Whether a value asks for anything.
pub fn says_something(value: &Node) -> bool {
    match &value.value {
        Value::Null => false,
        Value::Text(text) => !text.is_empty(),
        Value::Bool(value) => *value,
        Value::Int(number) => *number != 0,
        Value::Float(number) => *number != 0.0,
        Value::List(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
    }
}

/// An error about a key.
pub fn refuse(service: &str, value: &Node, key: &str) -> Error {
    Error::unsupported(format!("{}: service `{}`: coracle cannot do `{key}`", value.place, text::clean(service)))
}

/// What is left out with a word, because the rest of the file works without it.
pub fn warnings(project: &Project) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, service) in project.services() {
        if at(service, &["deploy", "resources", "reservations", "cpus"]).is_some_and(says_something) {
            warnings
                .push(format!("service `{name}`: `deploy.resources.reservations.cpus` is for Swarm, and not applied"));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::fixtures::project;

    fn refusal(keys: &str) -> Option<String> {
        let source = format!(
            "services:\n  web:\n    image: i\n{}",
            keys.lines().map(|l| format!("    {l}\n")).collect::<String>()
        );
        check(&project(&source)).err().map(|error| error.chain())
    }

    #[test]
    fn what_cannot_be_done_is_named_with_its_place() {
        for keys in [
            "gpus: all",
            "runtime: nvidia",
            "logging: {driver: syslog}",
            "networks: {default: {link_local_ips: [169.254.1.1]}}",
            "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}",
        ] {
            let refused = refusal(keys).unwrap_or_else(|| panic!("{keys}"));
            assert!(refused.starts_with("/p/compose.yaml:4:"), "{refused}");
            assert!(refused.contains("service `web`: coracle cannot do `"), "{refused}");
        }
    }

    #[test]
    fn what_says_nothing_is_fine() {
        for keys in
            ["ipc: shareable", "pid: host", "runtime: runc", "logging: {driver: json-file}", "isolation: default"]
        {
            assert_eq!(refusal(keys), None, "{keys}");
        }
        let reserved = "services: {web: {image: i, deploy: {resources: {reservations: {cpus: '1'}}}}}\n";
        assert_eq!(warnings(&project(reserved)).len(), 1);
    }
}
