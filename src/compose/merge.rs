//! Merges what a later file says into what earlier ones said, by the rules of the specification: mappings are merged, lists
//! are joined, what has an identity (a port, a mount's target) replaces its like, commands replace commands.

use super::elements;
use super::node::{Mark, Node, Value};
use super::shape::{Shape, Short};
use super::specification::EXTENSION;
use crate::base::Result;

/// The merged value. Both are canonical.
///
/// # Errors
///
/// When one is a list and the other is not.
pub fn merge(base: Node, over: Node, shape: &'static Shape, path: &str) -> Result<Node> {
    if over.mark == Mark::Override {
        return Ok(settled(over));
    }
    if let (Value::Null, Shape::Optional(Shape::Or(Short::Words, _))) = (&over.value, shape) {
        return Ok(settled(over));
    }
    if over.value == Value::Null && !matches!(shape, Shape::Scalar(..) | Shape::Any) {
        return Ok(base);
    }
    match (shape, &base.value) {
        (Shape::Optional(of), _) => merge(base, over, of, path),
        (Shape::Or(Short::Words | Short::Test | Short::Limit | Short::External, _), _) => Ok(settled(over)),
        (Shape::Or(Short::EnvFiles, _), Value::List(_)) => lists(base, over, path, identity_of_file),
        (Shape::Or(_, of), _) => merge(base, over, of, path),
        (Shape::Set(_), Value::List(_)) => lists(base, over, path, |item| item.scalar()),
        (Shape::Elements(element, _), Value::List(_)) => {
            lists(base, over, path, |item| elements::identity(*element, item))
        }
        (Shape::List(_), Value::List(_)) if path.ends_with(".ipam.config") => {
            lists(base, over, path, |item| item.text_of("subnet").map(str::to_owned))
        }
        (Shape::Any, Value::List(_)) if matches!(over.value, Value::List(_)) => lists(base, over, path, |_| None),
        (Shape::List(_), Value::List(_)) => lists(base, over, path, |_| None),
        (Shape::Any, Value::Map(_)) if over.as_map().is_some() => maps(base, over, shape, path),
        (Shape::Object(_) | Shape::Map(_) | Shape::Names(_), Value::Map(_)) => maps(base, over, shape, path),
        _ => Ok(settled(over)),
    }
}

fn identity_of_file(item: &Node) -> Option<String> {
    item.text_of("path").map(str::to_owned)
}

fn lists(base: Node, over: Node, path: &str, identity: impl Fn(&Node) -> Option<String>) -> Result<Node> {
    let Value::List(added) = over.value else {
        return Err(over.place.invalid(format!("cannot override {path}: it is a list in {}", base.place)));
    };
    let mut merged = base;
    if let Value::List(items) = &mut merged.value {
        for item in added.into_iter().map(settled) {
            let id = identity(&item);
            match items.iter_mut().find(|other| id.is_some() && identity(other) == id) {
                Some(other) => *other = item,
                None => items.push(item),
            }
        }
    }
    Ok(merged)
}

fn maps(base: Node, over: Node, shape: &'static Shape, path: &str) -> Result<Node> {
    let Node { value: Value::Map(added), place, .. } = over else {
        return Err(over.place.invalid(format!("cannot override {path}: it is a mapping in {}", base.place)));
    };
    let mut merged = base;
    // Options belong to a driver: those of another one go.
    let driver = |map: &super::node::Map| map.get("driver").and_then(Node::scalar);
    let Some(map) = merged.as_map_mut() else { return Ok(merged) };
    if path.ends_with(".logging") && driver(map).is_some() && driver(&added).is_some_and(|new| Some(new) != driver(map))
    {
        return Ok(settled(Node { value: Value::Map(added), place, mark: Mark::None }));
    }
    for (key, value) in added {
        let of = match shape {
            Shape::Object(object) => Some(object.field(&key).map_or(EXTENSION, |field| field.shape)),
            Shape::Any => Some(EXTENSION),
            Shape::Map(of) | Shape::Names(of) => Some(*of),
            _ => None,
        };
        match (value.mark, map.remove(&key), of) {
            (Mark::Reset, _, _) => {}
            (_, Some(base), Some(of)) => {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                map.insert(key, merge(base, value, of, &path)?);
            }
            (_, _, _) => {
                map.insert(key, settled(value));
            }
        }
    }
    Ok(merged)
}

/// Without marks and what is marked as reset: they have done their work.
pub fn settled(mut node: Node) -> Node {
    node.mark = Mark::None;
    match &mut node.value {
        Value::Map(map) => {
            map.retain(|_, value| value.mark != Mark::Reset);
            map.values_mut().for_each(|value| {
                let taken = std::mem::replace(&mut value.value, Value::Null);
                *value = settled(Node { value: taken, place: value.place.clone(), mark: Mark::None });
            });
        }
        Value::List(items) => {
            let taken = std::mem::take(items);
            *items = taken.into_iter().filter(|item| item.mark != Mark::Reset).map(settled).collect();
        }
        _ => {}
    }
    node
}
