//! Reads YAML into [`Node`]s: anchors, merge keys and compose's tags, within bounds on size, depth and the number of
//! values that aliases expand to. A key that is given twice is an error.

use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::node::{Map, Mark, Node, Place, Value};
use crate::base::{Error, Result, text};

/// The most bytes of a file.
pub const MAX_SIZE: usize = 8 << 20;
/// The most levels of nesting.
const MAX_DEPTH: usize = 100;
/// The most values of a file, those that aliases repeat counted each time.
const MAX_VALUES: usize = 500_000;

/// An unfinished collection.
enum Open {
    List { items: Vec<Node> },
    Map { map: Map, lines: Vec<(String, u32)>, key: Option<(Key, Place)>, merged: Vec<(Node, Place)> },
}

/// A key as it was read.
enum Key {
    Merge,
    Name(String),
}

struct Frame {
    open: Open,
    place: Place,
    mark: Mark,
    anchor: usize,
    /// Number of values before it, to know how many it has.
    before: usize,
}

struct Reader {
    file: Arc<str>,
    frames: Vec<Frame>,
    /// Anchored values by id, with the number of values in each.
    anchors: Vec<(usize, Node, usize)>,
    values: usize,
    documents: Vec<Node>,
}

/// The documents of a file, without empty ones.
///
/// # Errors
///
/// With file, line and column where the text is no YAML or exceeds a bound.
pub fn read(file: &str, source: &str) -> Result<Vec<Node>> {
    if source.len() > MAX_SIZE {
        return Err(Error::invalid(format!("`{}` is larger than {} MiB", text::clean(file), MAX_SIZE >> 20)));
    }
    let mut reader =
        Reader { file: file.into(), frames: Vec::new(), anchors: Vec::new(), values: 0, documents: Vec::new() };
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(source).keep_tags(false);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| reader.scan_error(&error))?;
        if matches!(event, Event::StreamEnd) {
            break;
        }
        reader.event(event, &span)?;
    }
    Ok(reader.documents)
}

impl Reader {
    fn scan_error(&self, error: &ScanError) -> Error {
        let marker = error.marker();
        let place = self.place_at(marker.line(), marker.col());
        place.invalid(format!("yaml: {}", error.kind()))
    }

    fn place_at(&self, line: usize, column: usize) -> Place {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { file: self.file.clone(), line: number(line), column: number(column).saturating_add(1) }
    }

    fn place(&self, span: &Span) -> Place {
        self.place_at(span.start.line(), span.start.col())
    }

    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<()> {
        let place = self.place(span);
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let mark = mark(tag.as_deref());
                let value = match (style, tag.as_deref()) {
                    (_, Some(tag)) if tag.is_yaml_core_schema_tag("str") => Value::Text(value.into_owned()),
                    (ScalarStyle::Plain, _) => plain(&value),
                    _ => Value::Text(value.into_owned()),
                };
                self.count(1, &place)?;
                let before = self.values - 1;
                self.add(Node { value, place, mark }, anchor, before)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(Open::List { items: Vec::new() }, place, mark(tag.as_deref()), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                let open = Open::Map { map: Map::new(), lines: Vec::new(), key: None, merged: Vec::new() };
                self.open(open, place, mark(tag.as_deref()), anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => {
                let found = self.anchors.iter().rev().find(|(anchor, _, _)| *anchor == id);
                let Some((node, size)) = found.map(|(_, node, size)| (node.clone(), *size)) else {
                    return Err(place.invalid("yaml: an alias stands inside the value that it names"));
                };
                self.count(size, &place)?;
                let before = self.values - size;
                self.add(node, 0, before)
            }
            Event::DocumentStart(..) => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, values: usize, place: &Place) -> Result<()> {
        self.values = self.values.saturating_add(values);
        match self.values > MAX_VALUES {
            true => Err(place.invalid(format!("yaml: more than {MAX_VALUES} values, counting what aliases repeat"))),
            false => Ok(()),
        }
    }

    fn open(&mut self, open: Open, place: Place, mark: Mark, anchor: usize) -> Result<()> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(place.invalid(format!("yaml: nested more than {MAX_DEPTH} levels deep")));
        }
        self.count(1, &place)?;
        if let Some(Frame { open: Open::Map { key: None, .. }, .. }) = self.frames.last() {
            return Err(place.invalid("yaml: a key must be a scalar"));
        }
        self.frames.push(Frame { open, place, mark, anchor, before: self.values - 1 });
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(Frame { open, place, mark, anchor, before }) = self.frames.pop() else { return Ok(()) };
        let value = match open {
            Open::List { items } => Value::List(items),
            Open::Map { mut map, merged, .. } => {
                for (node, place) in merged {
                    merge_key(&mut map, node, &place)?;
                }
                Value::Map(map)
            }
        };
        self.add(Node { value, place, mark }, anchor, before)
    }

    /// Puts a finished value where it belongs.
    fn add(&mut self, mut node: Node, anchor: usize, before: usize) -> Result<()> {
        if anchor != 0 {
            self.anchors.push((anchor, Node { mark: Mark::None, ..node.clone() }, self.values - before));
        }
        let Some(frame) = self.frames.last_mut() else {
            if node.value != Value::Null {
                self.documents.push(node);
            }
            return Ok(());
        };
        match &mut frame.open {
            Open::List { items } => items.push(node),
            Open::Map { map, lines, key, merged } => match key.take() {
                None => *key = Some((key_of(&node)?, node.place)),
                Some((Key::Merge, place)) => merged.push((node, place)),
                Some((Key::Name(name), place)) => {
                    if let Some((_, line)) = lines.iter().find(|(other, _)| *other == name) {
                        return Err(place.invalid(format!("mapping key {name:?} already defined at line {line}")));
                    }
                    node.place = place;
                    // A search through few keys is faster than a second map; many are looked up in the map itself.
                    match lines.len() < 64 {
                        true => lines.push((name.clone(), node.place.line)),
                        false => {
                            if let Some(other) = map.get(&name) {
                                let line = other.place.line;
                                return Err(node
                                    .place
                                    .invalid(format!("mapping key {name:?} already defined at line {line}")));
                            }
                        }
                    }
                    map.insert(name, node);
                }
            },
        }
        Ok(())
    }
}

fn key_of(node: &Node) -> Result<Key> {
    match &node.value {
        Value::Text(text) if text == "<<" => Ok(Key::Merge),
        Value::Text(text) => Ok(Key::Name(text.clone())),
        Value::Null => Err(node.place.invalid("yaml: a key must not be empty")),
        // As the text it was, for mappings like `1: x`: who reads them decides.
        _ => Ok(Key::Name(node.scalar().unwrap_or_default())),
    }
}

/// Adds what `<<` brings: keys that are there already win.
fn merge_key(map: &mut Map, node: Node, place: &Place) -> Result<()> {
    match node.value {
        Value::Map(other) => {
            for (key, value) in other {
                map.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::List(items) => items.into_iter().try_for_each(|item| match item.value {
            Value::Map(_) => merge_key(map, item, place),
            _ => Err(place.invalid("yaml: map merge requires map or sequence of maps as the value")),
        }),
        _ => Err(place.invalid("yaml: map merge requires map or sequence of maps as the value")),
    }
}

fn mark(tag: Option<&Tag>) -> Mark {
    match tag.map(|tag| (tag.handle(), tag.suffix())) {
        Some(("!", "reset")) => Mark::Reset,
        Some(("!", "override")) => Mark::Override,
        _ => Mark::None,
    }
}

/// What an unquoted scalar means: YAML 1.2's core schema, and the octal, binary and grouped numbers of YAML 1.1.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let first = text.as_bytes().first().copied().unwrap_or(0);
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return Value::Text(text.to_owned());
    }
    let digits = text.replace('_', "");
    if let Some(value) = integer(&digits) {
        return Value::Int(value);
    }
    match is_float(&digits).then(|| digits.parse::<f64>().ok()).flatten() {
        Some(value) => Value::Float(value),
        None => Value::Text(text.to_owned()),
    }
}

/// An integer in any of YAML's bases.
fn integer(digits: &str) -> Option<i64> {
    let (sign, rest) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits.strip_prefix('+').unwrap_or(digits)),
    };
    let (radix, rest) = match rest.as_bytes() {
        [b'0', b'x', ..] => (16, &rest[2..]),
        [b'0', b'o', ..] => (8, &rest[2..]),
        [b'0', b'b', ..] => (2, &rest[2..]),
        [b'0', _, ..] => (8, &rest[1..]),
        _ => (10, rest),
    };
    match rest.starts_with(|c: char| c.is_ascii_hexdigit()) {
        true => i64::from_str_radix(&format!("{sign}{rest}"), radix).ok(),
        false => None,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    (!whole.is_empty() || !fraction.is_empty())
        && is_digits(whole)
        && is_digits(fraction)
        && exponent.is_none_or(|exponent| !exponent.is_empty() && is_digits(exponent))
}

/// Whether text without quotes would be read as something else than text.
pub fn needs_quotes(text: &str) -> bool {
    !matches!(plain(text), Value::Text(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(source: &str) -> Node {
        read("f", source).unwrap().pop().unwrap()
    }

    #[test]
    fn scalars_get_their_types() {
        for (source, expected) in [
            ("012", Value::Int(10)),
            ("0o17", Value::Int(15)),
            ("0x1F", Value::Int(31)),
            ("-5", Value::Int(-5)),
            ("1_000", Value::Int(1000)),
            ("1e3", Value::Float(1000.0)),
            (".5", Value::Float(0.5)),
            ("1.2.3", Value::Text("1.2.3".into())),
            ("09", Value::Float(9.0)),
            ("yes", Value::Text("yes".into())),
            ("TRUE", Value::Bool(true)),
            ("'5'", Value::Text("5".into())),
            ("!!str 5", Value::Text("5".into())),
            ("5g", Value::Text("5g".into())),
            ("-", Value::Text("-".into())),
        ] {
            let source = if source == "-" { "'-'" } else { source };
            assert_eq!(one(source).value, expected, "{source}");
        }
    }

    #[test]
    fn anchors_and_merge_keys() {
        let node = one("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [*a, {z: 4, x: 5}]}\n");
        assert_eq!(node.get("b").unwrap(), &one("{x: 1, y: 3}"));
        assert_eq!(node.get("c").unwrap(), &one("{x: 1, y: 2, z: 4}"));
        assert!(read("f", "a: {<<: 1}\n").unwrap_err().message().contains("map merge"));
    }

    #[test]
    fn places_are_those_of_keys() {
        let node = one("a:\n  bc: 1\n  d:\n    - x\n");
        let a = node.get("a").unwrap();
        assert_eq!((a.get("bc").unwrap().place.line, a.get("bc").unwrap().place.column), (2, 3));
        assert_eq!(a.get("d").unwrap().items()[0].place.to_string(), "f:4:7");
    }

    #[test]
    fn marks_are_kept() {
        let node = one("a: !reset null\nb: !override [1]\nc: !other 1\n");
        let marks = ["a", "b", "c"].map(|key| node.get(key).unwrap().mark);
        assert_eq!(marks, [Mark::Reset, Mark::Override, Mark::None]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (source, expected) in [
            ("a: 1\na: 2\n", "f:2:1: mapping key \"a\" already defined at line 1"),
            ("? [a]\n: 1\n", "f:1:3: yaml: a key must be a scalar"),
            ("a: *b\n", "f:1:4: yaml: "),
            ("a: [1\n", "f:1:4: yaml: unclosed bracket"),
            ("a: &x [*x]\n", "f:1:8: yaml: an alias stands inside"),
        ] {
            let error = read("f", source).unwrap_err();
            assert!(error.message().starts_with(expected), "{source}: {}", error.message());
        }
        let many: String = (0..200).map(|n| format!("k{n}: 1\n")).chain(["k150: 2\n".to_owned()]).collect();
        assert!(read("f", &many).unwrap_err().message().contains("already defined at line 151"));
    }

    #[test]
    fn bombs_are_refused_before_they_go_off() {
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..10 {
            let before = n - 1;
            laughs += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{before}"); 10].join(", "));
        }
        assert!(read("f", &laughs).unwrap_err().message().contains("more than 500000 values"));
        let merges = (1..40).fold(String::from("a0: &a0 {x: [1, 2]}\n"), |text, n| {
            let before = n - 1;
            text + &format!("a{n}: &a{n} {{p: *a{before}, q: *a{before}}}\n")
        });
        assert!(read("f", &merges).is_err());
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(read("f", &deep).is_err());
        let deep: String = (0..300).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert!(read("f", &deep).unwrap_err().message().contains("levels deep"));
        assert!(read("f", &" ".repeat(MAX_SIZE + 1)).unwrap_err().message().contains("larger than 8 MiB"));
    }
}
