//! Typed views of the values of a canonical model, for what turns it into requests of the engine. A value that is not there is
//! none; what a value may be was checked when the model was made.

use std::collections::BTreeMap;
use std::time::Duration;

use super::node::{Node, Value};
use crate::base::{Error, Result};
use crate::spec::times;

/// The scalars of a list as texts.
pub fn texts(node: &Node, key: &str) -> Vec<String> {
    node.get(key).map(Node::items).unwrap_or_default().iter().filter_map(Node::scalar).collect()
}

/// The entries of a mapping that have a value.
pub fn pairs(node: &Node, key: &str) -> BTreeMap<String, String> {
    node.entries(key).filter_map(|(name, value)| Some((name.clone(), value.scalar()?))).collect()
}

/// A scalar as text; none for an empty one.
pub fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.scalar().filter(|text| !text.is_empty())
}

/// A whole number.
pub fn integer(node: &Node, key: &str) -> Option<i64> {
    match &node.get(key)?.value {
        Value::Int(number) => Some(*number),
        Value::Float(number) => Some(*number as i64),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// A number other than zero, as it is written on a command line: zero stands for "not said".
pub fn number(node: &Node, key: &str) -> Option<String> {
    text(node, key).filter(|text| text.parse::<f64>() != Ok(0.0))
}

/// A switch, if it is set either way.
pub fn switch(node: &Node, key: &str) -> Option<bool> {
    match &node.get(key)?.value {
        Value::Bool(value) => Some(*value),
        _ => None,
    }
}

/// The values of a mapping of mappings that lie at the end of this path.
pub fn at<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| node.get(key))
}

/// A duration.
///
/// # Errors
///
/// When it is negative or none.
pub fn duration(node: &Node, key: &str) -> Result<Option<Duration>> {
    let Some(value) = node.get(key) else { return Ok(None) };
    let Some(given) = value.scalar() else { return Ok(None) };
    let wrong = |why: &str| -> Result<Option<Duration>> { Err(value.place.invalid(format!("{key}: `{given}` {why}"))) };
    match times::duration(&given) {
        _ if given == "0" => Ok(Some(Duration::ZERO)),
        Some((duration, is_negative)) if !is_negative || duration.is_zero() => Ok(Some(duration)),
        Some(_) => wrong("is negative"),
        None => wrong("is no duration"),
    }
}

/// Adds the place of a value to an error about it.
pub fn placed(node: &Node, what: &str, error: &Error) -> Error {
    let placed = node.place.invalid(format!("{what}: {}", error.chain())).with_kind(error.kind());
    error.hints().into_iter().fold(placed, Error::hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::yaml;

    #[test]
    fn values_have_their_types() {
        let node =
            yaml::read("f", "a: [1, x]\nb: {c: 1, d: null, e: f}\ng: 0\nh: 1.5\ni: true\nj: 1m30s\nk: ''\nl: -2s\n")
                .unwrap()
                .pop()
                .unwrap();
        assert_eq!(texts(&node, "a"), ["1", "x"]);
        assert_eq!(
            pairs(&node, "b").into_iter().collect::<Vec<_>>(),
            [("c".into(), "1".into()), ("e".into(), "f".into())]
        );
        assert_eq!((number(&node, "g"), number(&node, "h")), (None, Some("1.5".into())));
        assert_eq!((integer(&node, "g"), integer(&node, "h"), integer(&node, "z")), (Some(0), Some(1), None));
        assert_eq!((switch(&node, "i"), switch(&node, "a"), text(&node, "k")), (Some(true), None, None));
        assert_eq!(duration(&node, "j").unwrap(), Some(Duration::from_secs(90)));
        assert_eq!(at(&node, &["b", "c"]).and_then(Node::scalar).as_deref(), Some("1"));
        let error = duration(&node, "l").unwrap_err();
        assert!(error.message().contains("f:8:") && error.message().contains("negative"), "{error}");
    }
}
