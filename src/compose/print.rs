//! Prints a canonical model as docker compose does: keys in the order of the specification, the others by the alphabet,
//! without what is empty.

use std::collections::BTreeMap;

use super::emit::{self, Printed};
use super::node::{Node, Value, float};
use super::shape::{Become, Shape, Short, Zero};
use super::specification::{ENV_FILE, EXTENSION, ROOT, SERVICE};
use super::template::Variable;

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

/// The model as YAML.
pub fn yaml(model: &Node, escapes_dollars: bool) -> String {
    let text = emit::yaml(&printed(model, &ROOT, Form::Yaml));
    if escapes_dollars { text.replace('$', "$$") } else { text }
}

/// The model as YAML, with all keys by the alphabet: what is printed of a model whose variables were not replaced.
pub fn yaml_by_alphabet(model: &Node) -> String {
    emit::yaml(&printed(model, EXTENSION, Form::Yaml))
}

/// The model as JSON, indented by two blanks.
pub fn json(model: &Node, escapes_dollars: bool) -> String {
    let mut tree = printed(model, &ROOT, Form::Json);
    if let Printed::Map(entries) = &mut tree {
        // docker compose has no models in JSON.
        entries.retain(|(key, _)| key != "models");
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    let text = emit::json(&tree, Some(2));
    if escapes_dollars { text.replace('$', "$$") } else { text }
}

/// Variables as JSON, with docker compose's keys.
pub fn variables_json(variables: &BTreeMap<String, Variable>) -> String {
    let text = |text: &str| Printed::Text(text.to_owned());
    let entry = |(name, variable): (&String, &Variable)| {
        let fields = [
            ("Name", text(name)),
            ("DefaultValue", text(&variable.default)),
            ("PresenceValue", text(&variable.alternative)),
            ("Required", Printed::Plain(variable.is_required.to_string())),
        ];
        (name.clone(), Printed::Map(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
    };
    emit::json(&Printed::Map(variables.iter().map(entry).collect()), Some(4)) + "\n"
}

/// A service as compact JSON.
pub fn service_json(service: &Node) -> String {
    emit::json(&printed(service, &SERVICE, Form::Json), None)
}

fn printed(node: &Node, shape: &'static Shape, form: Form) -> Printed {
    match (&node.value, shape) {
        (_, Shape::Optional(of) | Shape::Or(Short::Words | Short::One | Short::Test, of)) => printed(node, of, form),
        (Value::List(items), Shape::Or(Short::Hosts, _)) => {
            let mut hosts: Vec<&str> = items.iter().filter_map(Node::as_text).collect();
            hosts.sort_by_key(|entry| entry.split('=').next().unwrap_or_default());
            Printed::List(hosts.into_iter().map(|entry| Printed::Text(entry.to_owned())).collect())
        }
        (Value::List(items), Shape::Or(Short::EnvFiles, _)) if form == Form::Json => {
            // A file that must be there is its path alone.
            let file = |item: &Node| match (item.is_true("required"), item.text_of("path")) {
                (true, Some(path)) => Printed::Text(path.to_owned()),
                _ => printed(item, &ENV_FILE, form),
            };
            Printed::List(items.iter().map(file).collect())
        }
        (Value::Map(_) | Value::List(_), Shape::Or(_, of)) => printed(node, of, form),
        (Value::Null, _) => Printed::Null,
        (Value::Bool(value), _) => Printed::Plain(value.to_string()),
        (Value::Int(value), _) => Printed::Plain(value.to_string()),
        (Value::Float(value), _) => Printed::Plain(float(*value)),
        (Value::Text(text), Shape::Scalar(_, Become::Bytes)) if text == "0" => Printed::Plain(text.clone()),
        (Value::Text(text), _) => Printed::Text(text.clone()),
        (Value::List(items), Shape::List(of) | Shape::Set(of) | Shape::Elements(_, of)) => {
            Printed::List(items.iter().map(|item| printed(item, of, form)).collect())
        }
        (Value::List(items), _) => Printed::List(items.iter().map(|item| printed(item, EXTENSION, form)).collect()),
        (Value::Map(map), Shape::Object(object)) => {
            let mut entries = Vec::new();
            for field in object.fields {
                let value = map.get(field.name).map(|value| printed(value, field.shape, form));
                let is_command = matches!(field.name, "command" | "entrypoint");
                let value = match (value, form) {
                    (None | Some(Printed::Null), Form::Json) if is_command => Some(Printed::Null),
                    _ if field.zero == Zero::Never => None,
                    (None, Form::Json) if field.zero == Zero::InJson => Some(zero(field.shape)),
                    (Some(value), _) if field.zero == Zero::Omitted && is_zero(&value) => None,
                    (Some(value), Form::Yaml) if field.zero == Zero::InJson && is_zero(&value) => None,
                    (Some(Printed::Null), _) => None,
                    (value, _) => value,
                };
                let name = match (field.zero, form) {
                    (Zero::Untagged, Form::Json) => field.name[..1].to_uppercase() + &field.name[1..],
                    _ => field.name.to_owned(),
                };
                entries.extend(value.map(|value| (name, value)));
            }
            let is_root = std::ptr::eq(shape, &raw const ROOT);
            if form == Form::Yaml || is_root {
                let extensions = map.iter().filter(|(key, _)| key.starts_with("x-"));
                entries.extend(extensions.map(|(key, value)| (key.clone(), printed(value, EXTENSION, form))));
            }
            Printed::Map(entries)
        }
        (Value::Map(map), of) => {
            let of = match of {
                Shape::Map(of) | Shape::Names(of) => of,
                _ => EXTENSION,
            };
            let mut entries: Vec<(String, Printed)> =
                map.iter().map(|(key, value)| (key.clone(), printed(value, of, form))).collect();
            if form == Form::Yaml {
                entries.sort_by(|(a, _), (b, _)| emit::key_order(a, b));
            }
            Printed::Map(entries)
        }
    }
}

/// What Go prints of a field by value that has nothing.
fn zero(shape: &Shape) -> Printed {
    match shape {
        Shape::Scalar(..) | Shape::Word(_) => Printed::Text(String::new()),
        Shape::Optional(_) => Printed::Null,
        Shape::Object(object) => {
            let fields = object.fields.iter().filter(|field| field.zero == Zero::InJson);
            Printed::Map(fields.map(|field| (field.name.to_owned(), zero(field.shape))).collect())
        }
        _ => Printed::Map(Vec::new()),
    }
}

fn is_zero(value: &Printed) -> bool {
    match value {
        Printed::Null => true,
        Printed::Plain(text) => text == "false" || text == "0",
        Printed::Text(text) => text.is_empty(),
        Printed::List(items) => items.is_empty(),
        Printed::Map(entries) => entries.is_empty(),
    }
}
