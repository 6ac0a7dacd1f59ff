//! podman's networks as its templates see them: the fields of the object have Go's names there, not those of its JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::Value;
use serde::Serialize;

use crate::base::Result;
use crate::cli::template;

/// Names of podman's fields in templates, beside those that only begin with a capital there.
const GO_NAMES: &[(&str, &str)] = &[
    ("id", "ID"),
    ("network_interface", "NetworkInterface"),
    ("ipv6_enabled", "IPv6Enabled"),
    ("dns_enabled", "DNSEnabled"),
    ("network_dns_servers", "NetworkDNSServers"),
    ("ipam_options", "IPAMOptions"),
    ("lease_range", "LeaseRange"),
    ("start_ip", "StartIP"),
    ("end_ip", "EndIP"),
    ("ipnet", "IPNet"),
    ("mac_address", "MacAddress"),
];

/// Fields whose keys are users' own.
const FREE: &[&str] = &["labels", "options", "ipam_options", "containers", "interfaces"];

/// podman's object as its templates see it: Go's names.
pub fn for_template(report: &impl Serialize) -> Result<Value> {
    Ok(with_go_names(template::value(report)?, false))
}

fn with_go_names(value: Value, free: bool) -> Value {
    match value {
        Value::Map(map) => {
            let field = |(key, value): (&Arc<str>, &Value)| {
                let is_free = !free && FREE.contains(&&**key);
                let name: Arc<str> = if free { Arc::clone(key) } else { go_name(key).into() };
                (name, with_go_names(value.clone(), is_free))
            };
            let mut fields: BTreeMap<Arc<str>, Value> = map.iter().map(field).collect();
            if !free && fields.contains_key("ID") {
                // Fields that are left out of JSON when they are empty.
                for (name, empty) in
                    [("Subnets", Value::List(Vec::new().into())), ("Labels", empty_map()), ("Options", empty_map())]
                {
                    fields.entry(Arc::from(name)).or_insert(empty);
                }
            }
            Value::Map(Arc::new(fields))
        }
        Value::List(items) => Value::List(items.iter().map(|item| with_go_names(item.clone(), false)).collect()),
        other => other,
    }
}

fn empty_map() -> Value {
    Value::Map(Arc::new(BTreeMap::new()))
}

fn go_name(key: &str) -> String {
    if let Some((_, name)) = GO_NAMES.iter().find(|(json, _)| *json == key) {
        return (*name).to_owned();
    }
    let mut letters = key.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::indented;
    use crate::cli::template::Format;
    use crate::engine::fixtures;
    use crate::engine::network::inspect::{inspect as for_docker, inspect_for_podman};

    #[test]
    fn objects_are_shown_in_either_shape() {
        let (engine, _scratch) = fixtures::engine();
        let docker = for_docker(&engine, "bridge").unwrap();
        let shown = indented(std::slice::from_ref(&docker)).unwrap();
        assert!(shown.starts_with("[\n    {\n        \"Name\": \"bridge\",\n        \"Id\": \""), "{shown}");
        let render = |format: &str, value: &Value| Format::parse(format, "").unwrap().render_value(value).unwrap();
        let value = template::value(&docker).unwrap();
        assert!(render("{{(index .IPAM.Config 0).Subnet}} {{.ID}}", &value).starts_with("172."));
        let podman = for_template(&inspect_for_podman(&engine, "bridge").unwrap()).unwrap();
        let shown = render(
            "{{.Name}} {{.DNSEnabled}} {{.IPv6Enabled}} {{(index .Subnets 0).Gateway}} {{.IPAMOptions.driver}} {{len .Labels}}",
            &podman,
        );
        assert!(shown.starts_with("bridge true true 172.") && shown.ends_with(" host-local 0\n"), "{shown}");
    }
}
