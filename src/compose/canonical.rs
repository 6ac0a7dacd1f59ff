//! From what is written in a file to the canonical model: every value is checked against its shape, short forms become long
//! ones, and scalars get the type that they have there. The messages are docker compose's, with the place added.

use std::collections::{BTreeMap, BTreeSet};

use super::elements;
use super::node::{Map, Mark, Node, Value};
use super::scalar;
use super::shape::{Become, Element, Named, Object, Shape, Short, Types};
use super::specification::EXTENSION;
use crate::base::{Error, Result};
use crate::dockerfile::nearest;

/// How a file is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// The file is merged onto another: a key without a value says nothing.
    pub is_override: bool,
    /// Variables stay as they are written, so that a value with a dollar sign may stand where it has another type.
    pub keeps_variables: bool,
}

/// Checks a value and gives it its canonical form. `path` names it in messages.
///
/// # Errors
///
/// With the place of what does not fit.
pub fn canonical(node: Node, shape: &'static Shape, path: &str, reading: Reading) -> Result<Node> {
    if node.mark == Mark::Reset {
        return Ok(node);
    }
    if reading.keeps_variables && node.as_text().is_some_and(|text| text.contains('$')) {
        return kept_as_written(node, shape);
    }
    match shape {
        Shape::Any => Ok(node),
        Shape::Scalar(types, kind) => scalar_of(node, *types, *kind, path, reading),
        Shape::Word(words) => word(node, words, path),
        Shape::ContainerName => match node.as_text() {
            Some(text) if scalar::is_container_name(text) => Ok(node),
            Some(text) => {
                Err(wrong(&node, path, format!("'{text}' does not match pattern '{}'", scalar::CONTAINER_NAMES)))
            }
            None => Err(wrong(&node, path, "must be a string")),
        },
        Shape::PullPolicy => match node.as_text() {
            Some(text) if scalar::is_pull_policy(text) => Ok(node),
            Some(text) => {
                Err(wrong(&node, path, format!("'{text}' does not match pattern '{}'", scalar::PULL_POLICIES)))
            }
            None => Err(wrong(&node, path, "must be a string")),
        },
        Shape::List(of) => list(node, of, path, reading),
        Shape::Set(of) => Ok(unique(list(node, of, path, reading)?)),
        Shape::Elements(element, of) => listed_elements(node, *element, of, path, reading),
        Shape::Map(of) => map(node, of, path, reading, |_| true),
        Shape::Names(of) => map(node, of, path, reading, scalar::is_name),
        Shape::Object(object) => object_of(node, object, path, reading),
        Shape::Optional(of) if node.value == Value::Null => {
            let _ = of;
            Ok(node)
        }
        Shape::Optional(of) => canonical(node, of, path, reading),
        Shape::Or(short, long) => or(node, *short, long, path, reading),
    }
}

/// A value with variables, in the form that its place has.
fn kept_as_written(node: Node, shape: &'static Shape) -> Result<Node> {
    Ok(match shape {
        Shape::Or(Short::One, _) => {
            let item = node.clone();
            node.with(Value::List(vec![item]))
        }
        Shape::Or(Short::Key(key), _) => {
            let map = Map::from([((*key).to_owned(), node.clone())]);
            node.with(Value::Map(map))
        }
        _ => node,
    })
}

/// An error about a value, in docker compose's words.
pub fn wrong(node: &Node, path: &str, words: impl std::fmt::Display) -> Error {
    let message = format!("validating {}: {path} {words}", node.place);
    Error::invalid(crate::base::text::clean_lines(&message))
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// `a boolean, null, number or string`
fn type_names(types: Types) -> String {
    let number = if types.has(Types::NUMBER) { "number" } else { "integer" };
    let all = [(Types::BOOL, "boolean"), (Types::INT, number), (Types::NULL, "null"), (Types::TEXT, "string")];
    let mut names: Vec<&str> = all.into_iter().filter(|(one, _)| types.has(*one)).map(|(_, name)| name).collect();
    names.sort_unstable();
    let article = if names.first() == Some(&"integer") { "an" } else { "a" };
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{article} {} or {last}", rest.join(", ")),
        _ => format!("{article} {}", names.join("")),
    }
}

fn scalar_of(node: Node, types: Types, kind: Become, path: &str, reading: Reading) -> Result<Node> {
    let type_of = match &node.value {
        Value::Null => Some(Types::NULL),
        Value::Bool(_) => Some(Types::BOOL),
        Value::Int(_) => Some(Types::INT),
        Value::Float(_) => Some(Types::NUMBER),
        Value::Text(_) => Some(Types::TEXT),
        Value::List(_) | Value::Map(_) => None,
    };
    if !type_of.is_some_and(|type_of| types.has(type_of)) {
        return Err(wrong(&node, path, format!("must be {}", type_names(types))));
    }
    if node.value == Value::Null && kind == Become::Option {
        return Ok(node.text(""));
    }
    if node.value == Value::Null || reading.keeps_variables {
        return Ok(node);
    }
    let text = node.scalar().unwrap_or_default();
    let cast = |reason: String| {
        node.place.invalid(format!("error while interpolating {path}: failed to cast to expected type: {reason}"))
    };
    let value = match kind {
        Become::Text | Become::Option => Value::Text(text),
        Become::Int => Value::Int(scalar::integer(&node.value, &text).map_err(cast)?),
        Become::Float => scalar::number(&node.value, &text).map_err(cast)?,
        Become::Bool => Value::Bool(scalar::boolean(&text).map_err(cast)?),
        Become::Bytes => Value::Text(scalar::bytes(&text).map_err(cast)?.to_string()),
        Become::Duration => Value::Text(scalar::duration(&text).map_err(cast)?),
        Become::Mode => Value::Text(scalar::mode(&node.value, &text).map_err(cast)?),
        Become::Count if text == "all" => Value::Int(-1),
        Become::Count => Value::Int(scalar::integer(&node.value, &text).map_err(cast)?),
    };
    Ok(node.with(value))
}

fn word(node: Node, words: &[&str], path: &str) -> Result<Node> {
    let Some(text) = node.as_text() else { return Err(wrong(&node, path, "must be a string")) };
    if words.contains(&text) {
        return Ok(node);
    }
    let known: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let error = wrong(&node, path, format!("value must be one of {}", known.join(", ")));
    Err(suggest(error, text, words.iter().copied()))
}

/// Adds the nearest of the known words.
fn suggest<'a>(error: Error, word: &str, known: impl Iterator<Item = &'a str>) -> Error {
    match nearest(word, known) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

fn list(node: Node, of: &'static Shape, path: &str, reading: Reading) -> Result<Node> {
    let Node { value: Value::List(items), place, mark } = node else {
        return Err(wrong(&node, path, "must be a list"));
    };
    let items = items.into_iter().enumerate();
    let items = items.map(|(index, item)| canonical(item, of, &format!("{path}.{index}"), reading));
    Ok(Node { value: Value::List(items.collect::<Result<_>>()?), place, mark })
}

/// Without the later ones of elements that are equal.
pub fn unique(mut node: Node) -> Node {
    if let Value::List(items) = &mut node.value {
        let mut seen = BTreeSet::new();
        items.retain(|item| item.scalar().is_none_or(|text| seen.insert(text)));
    }
    node
}

fn listed_elements(node: Node, element: Element, of: &'static Shape, path: &str, reading: Reading) -> Result<Node> {
    let Node { value: Value::List(items), place, mark } = node else {
        return Err(wrong(&node, path, "must be a list"));
    };
    let has_variables = |item: &Node| item.as_text().is_some_and(|text| text.contains('$'));
    if reading.keeps_variables && element == Element::Port && items.iter().any(has_variables) {
        return Ok(Node { value: Value::List(items), place, mark });
    }
    let mut long = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let path = format!("{path}.{index}");
        match item.value {
            Value::Map(_) => long.push(elements::completed(element, canonical(item, of, &path, reading)?)),
            Value::Text(_) | Value::Int(_) if element == Element::Port || matches!(item.value, Value::Text(_)) => {
                let text = item.scalar().unwrap_or_default();
                let parsed = match elements::parse(element, &text, &item) {
                    Ok(parsed) => parsed,
                    // What cannot be read may have been meant to have variables.
                    Err(_) if reading.keeps_variables => vec![item],
                    Err(reason) => return Err(item.place.invalid(reason)),
                };
                long.extend(parsed.into_iter().map(|element_of| elements::completed(element, element_of)));
            }
            _ => return Err(wrong(&item, &path, "must be a string or a mapping")),
        }
    }
    let mut unique: Vec<Node> = Vec::with_capacity(long.len());
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    for item in long {
        let Some(id) = elements::identity(element, &item) else {
            unique.push(item);
            continue;
        };
        match positions.get(&id) {
            Some(position) => unique[*position] = item,
            None => {
                positions.insert(id, unique.len());
                unique.push(item);
            }
        }
    }
    Ok(Node { value: Value::List(unique), place, mark })
}

fn map(node: Node, of: &'static Shape, path: &str, reading: Reading, is_key: fn(&str) -> bool) -> Result<Node> {
    let Node { value: Value::Map(entries), place, mark } = node else {
        return Err(wrong(&node, path, "must be a mapping"));
    };
    let mut out = Map::new();
    for (key, value) in entries {
        if !is_key(&key) {
            return Err(wrong(&value, path, format!("additional properties '{key}' not allowed")));
        }
        let value = canonical(value, of, &below(path, &key), reading)?;
        out.insert(key, value);
    }
    Ok(Node { value: Value::Map(out), place, mark })
}

fn object_of(node: Node, object: &'static Object, path: &str, reading: Reading) -> Result<Node> {
    let Node { value: Value::Map(entries), place, mark } = node else {
        return Err(wrong(&node, path, "must be a mapping"));
    };
    let mut out = Map::new();
    for (key, value) in entries {
        let shape = match object.field(&key) {
            Some(field) => field.shape,
            None if object.is_open && key.starts_with("x-") => EXTENSION,
            None => {
                let error = wrong(&value, path, format!("additional properties '{key}' not allowed"));
                return Err(suggest(error, &key, object.fields.iter().map(|field| field.name)));
            }
        };
        if reading.is_override && value.value == Value::Null && value.mark == Mark::None && !takes_null(shape) {
            continue;
        }
        let value = canonical(value, shape, &below(path, &key), reading)?;
        out.insert(key, value);
    }
    Ok(Node { value: Value::Map(out), place, mark })
}

/// Whether a value may be empty.
fn takes_null(shape: &Shape) -> bool {
    match shape {
        Shape::Any | Shape::Optional(_) => true,
        Shape::Scalar(types, _) => types.has(Types::NULL),
        _ => false,
    }
}

fn or(node: Node, short: Short, long: &'static Shape, path: &str, reading: Reading) -> Result<Node> {
    if reading.keeps_variables && is_kept_short(short, path) {
        return Ok(node);
    }
    let expanded = match (short, &node.value) {
        (Short::One, Value::Text(_)) => node.with(Value::List(vec![node.clone()])),
        (Short::Scalars, Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_)) => {
            node.with(Value::List(vec![node.clone()]))
        }
        (Short::Pairs | Short::Labels, _) => return pairs(node, short == Short::Labels, long, path, reading),
        (Short::Hosts, Value::Map(_)) => hosts(&node, path)?,
        (Short::Hosts, Value::List(items)) => node.with(Value::List(
            items.iter().map(|item| item.as_text().map_or(item.clone(), |text| item.text(host(text)))).collect(),
        )),
        (Short::Names(Named::Dependency), Value::Map(_)) => required_dependencies(node),
        (Short::Words, Value::Text(text)) => {
            let words = scalar::words(text).map_err(|reason| node.place.invalid(format!("{path}: {reason}")))?;
            node.with(Value::List(words.into_iter().map(|word| node.text(word)).collect()))
        }
        (Short::Test, Value::Text(text)) => {
            node.with(Value::List(vec![node.text("CMD-SHELL"), node.text(text.clone())]))
        }
        (Short::Names(named), Value::List(_)) => names(&node, named, path)?,
        (Short::Key(key), Value::Text(_)) => {
            let map = Map::from([(key.to_owned(), node.clone())]);
            node.with(Value::Map(map))
        }
        (Short::Gpus, Value::Text(text)) if text == "all" => {
            let gpu = Map::from([("count".to_owned(), node.with(Value::Int(-1)))]);
            node.with(Value::List(vec![node.with(Value::Map(gpu))]))
        }
        (Short::Limit, Value::Int(_) | Value::Text(_)) => {
            return scalar_of(node, Types::TEXT.or(Types::INT), Become::Int, path, reading);
        }
        (Short::External, Value::Bool(_) | Value::Text(_)) => {
            return scalar_of(node, Types::TEXT.or(Types::BOOL), Become::Bool, path, reading);
        }
        (Short::Ssh, Value::Map(map)) => node.with(Value::List(
            map.iter()
                .map(|(key, value)| match value.scalar().filter(|path| !path.is_empty()) {
                    Some(path) => value.text(format!("{key}={path}")),
                    None => value.text(key.clone()),
                })
                .collect(),
        )),
        (Short::EnvFiles, Value::Text(_)) => env_files(&node, std::slice::from_ref(&node)),
        (Short::EnvFiles, Value::List(items)) => env_files(&node, items),
        (Short::Names(_) | Short::Key(_) | Short::Limit | Short::External, Value::Map(_)) => node,
        (Short::One | Short::Words | Short::Test, Value::List(_)) => node,
        (Short::One | Short::Words | Short::Test, _) => return Err(wrong(&node, path, "must be a string or a list")),
        (Short::Names(_), _) => return Err(wrong(&node, path, "must be a list or a mapping")),
        (Short::Key(_), _) => return Err(wrong(&node, path, "must be a string or a mapping")),
        _ => node,
    };
    canonical(expanded, long, path, reading)
}

/// Whether docker compose leaves a short form as it is when variables are not replaced.
fn is_kept_short(short: Short, path: &str) -> bool {
    match short {
        Short::Pairs | Short::Labels => !path.ends_with(".additional_contexts"),
        Short::One => !path.ends_with(".dns") && !path.ends_with(".label_file"),
        Short::Hosts | Short::Words | Short::Test => true,
        _ => false,
    }
}

/// A list of mappings with `path`; a file must be there unless its entry says otherwise.
fn env_files(node: &Node, items: &[Node]) -> Node {
    let files = items.iter().map(|item| {
        let mut map = match &item.value {
            Value::Map(map) => map.clone(),
            _ => Map::from([("path".to_owned(), item.clone())]),
        };
        map.entry("required".to_owned()).or_insert_with(|| item.with(Value::Bool(true)));
        item.with(Value::Map(map))
    });
    node.with(Value::List(files.collect()))
}

fn pairs(node: Node, is_label: bool, long: &'static Shape, path: &str, reading: Reading) -> Result<Node> {
    let map = match &node.value {
        Value::Map(_) => node,
        Value::List(items) => {
            let mut map = Map::new();
            for (index, item) in items.iter().enumerate() {
                let Some(text) = item.as_text() else {
                    return Err(wrong(item, &format!("{path}.{index}"), "must be a string"));
                };
                let (name, value) = match text.split_once('=') {
                    Some((name, value)) => (name, item.text(value)),
                    None => (text, item.with(Value::Null)),
                };
                if !is_label && name.ends_with(' ') {
                    let words = format!("'{path}' environment variable {name} is declared with a trailing space");
                    return Err(item.place.invalid(words));
                }
                map.insert(name.to_owned(), value);
            }
            node.with(Value::Map(map))
        }
        _ => return Err(wrong(&node, path, "must be a mapping or a list")),
    };
    let mut map = canonical(map, long, path, reading)?;
    for value in map.as_map_mut().into_iter().flat_map(|map| map.values_mut()) {
        if is_label && value.value == Value::Null {
            value.value = Value::Text(String::new());
        }
    }
    Ok(map)
}

/// `HOST=ADDRESS` of an entry that may have a colon instead, and brackets around the address.
fn host(entry: &str) -> String {
    let Some((host, address)) = entry.split_once('=').or_else(|| entry.split_once(':')) else {
        return entry.to_owned();
    };
    let address = address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(address);
    format!("{host}={address}")
}

/// A dependency is required unless it says otherwise.
fn required_dependencies(mut node: Node) -> Node {
    for dependency in node.as_map_mut().into_iter().flat_map(|map| map.values_mut()) {
        let at = dependency.clone();
        if let Some(dependency) = dependency.as_map_mut() {
            dependency.entry("required".to_owned()).or_insert_with(|| at.with(Value::Bool(true)));
        }
    }
    node
}

fn hosts(node: &Node, path: &str) -> Result<Node> {
    let mut out = Vec::new();
    for (host, addresses) in node.as_map().into_iter().flatten() {
        let single = std::slice::from_ref(addresses);
        let addresses = if let Value::List(items) = &addresses.value { items } else { single };
        for address in addresses {
            let text = address.as_text();
            let text = text.ok_or_else(|| wrong(address, &below(path, host), "must be a string"))?;
            out.push(address.text(format!("{host}={text}")));
        }
    }
    Ok(node.with(Value::List(out)))
}

fn names(node: &Node, named: Named, path: &str) -> Result<Node> {
    let mut map = Map::new();
    for (index, item) in node.items().iter().enumerate() {
        let name = item.as_text().ok_or_else(|| wrong(item, &format!("{path}.{index}"), "must be a string"))?;
        let value = match named {
            Named::Null => Value::Null,
            Named::Dependency => Value::Map(Map::from([
                ("condition".to_owned(), item.text("service_started")),
                ("required".to_owned(), item.with(Value::Bool(true))),
            ])),
        };
        map.insert(name.to_owned(), item.with(value));
    }
    Ok(node.with(Value::Map(map)))
}

/// Whether every key that must be there is, which can be said once all files are merged.
///
/// # Errors
///
/// With the place of the mapping that lacks one.
pub fn complete(node: &Node, shape: &'static Shape, path: &str) -> Result<()> {
    match (shape, &node.value) {
        (Shape::List(of) | Shape::Set(of) | Shape::Elements(_, of), Value::List(items)) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, item)| complete(item, of, &format!("{path}.{index}")))
        }
        (Shape::Map(of) | Shape::Names(of), Value::Map(map)) => {
            map.iter().try_for_each(|(key, value)| complete(value, of, &below(path, key)))
        }
        (Shape::Optional(of) | Shape::Or(_, of), _) => complete(node, of, path),
        (Shape::Object(object), Value::Map(map)) => {
            if let Some(missing) = object.required.iter().find(|key| !map.contains_key(**key)) {
                return Err(wrong(node, path, format!("missing property '{missing}'")));
            }
            map.iter().try_for_each(|(key, value)| match object.field(key) {
                Some(field) => complete(value, field.shape, &below(path, key)),
                None => Ok(()),
            })
        }
        _ => Ok(()),
    }
}
