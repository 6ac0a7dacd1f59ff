//! YAML as a JSON value, for small documents of the machine: no tags, no merge keys, and bounds on size, depth and on what
//! aliases expand to.

use granit_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Number, Value};

use crate::base::{Error, Result};

/// The most bytes of a document.
pub const MAX_SIZE: usize = 4 << 20;
/// The most levels of nesting.
const MAX_DEPTH: usize = 64;
/// The most values, those that aliases repeat counted each time.
const MAX_VALUES: usize = 200_000;

/// An unfinished collection, with the anchor it has.
enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

#[derive(Default)]
struct Reader {
    open: Vec<(Open, usize)>,
    anchors: Vec<(usize, Value)>,
    values: usize,
    document: Option<Value>,
}

/// The first document of `source`, which may be JSON. Empty text is null.
///
/// # Errors
///
/// [`crate::base::Kind::Invalid`] where the text is no YAML or exceeds a bound.
pub fn read(source: &str) -> Result<Value> {
    if source.len() > MAX_SIZE {
        return Err(Error::invalid(format!("the document is larger than {} MiB", MAX_SIZE >> 20)));
    }
    let mut reader = Reader::default();
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(source).keep_tags(false);
    while let (Some(event), None) = (parser.next_event(), &reader.document) {
        let (event, _) = event.map_err(|error| {
            let at = error.marker();
            Error::invalid(format!("line {}, column {}: {}", at.line(), at.col() + 1, error.kind()))
        })?;
        reader.event(event)?;
    }
    Ok(reader.document.unwrap_or(Value::Null))
}

impl Reader {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = match style {
                    ScalarStyle::Plain => plain(&text),
                    _ => Value::String(text.into_owned()),
                };
                self.put(value, anchor)
            }
            Event::Alias(anchor) => {
                let value =
                    self.anchors.iter().rev().find(|(known, _)| *known == anchor).map(|(_, value)| value.clone());
                let value = value.ok_or_else(|| Error::invalid("an alias before its anchor"))?;
                self.values += count(&value);
                self.put(value, 0)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Open::List(Vec::new()), anchor),
            Event::MappingStart(_, anchor, _) => self.begin(Open::Map(Map::new(), None), anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some((Open::List(items), anchor)) => self.put(Value::Array(items), anchor),
                Some((Open::Map(map, _), anchor)) => self.put(Value::Object(map), anchor),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn begin(&mut self, open: Open, anchor: usize) -> Result<()> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Error::invalid(format!("values are nested deeper than {MAX_DEPTH}")));
        }
        self.open.push((open, anchor));
        Ok(())
    }

    fn put(&mut self, value: Value, anchor: usize) -> Result<()> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(Error::invalid(format!("there are more than {MAX_VALUES} values")));
        }
        if anchor > 0 {
            self.anchors.push((anchor, value.clone()));
        }
        match self.open.last_mut() {
            None => self.document = Some(value),
            Some((Open::List(items), _)) => items.push(value),
            Some((Open::Map(map, key), _)) => match key.take() {
                Some(name) if map.contains_key(&name) => {
                    return Err(Error::invalid(format!(
                        "the key `{}` is there twice",
                        crate::base::text::clean(&name)
                    )));
                }
                Some(name) => drop(map.insert(name, value)),
                None => *key = Some(name_of(value)?),
            },
        }
        Ok(())
    }
}

/// A key.
fn name_of(value: Value) -> Result<String> {
    match value {
        Value::String(name) => Ok(name),
        Value::Array(_) | Value::Object(_) => Err(Error::invalid("a key that is no word")),
        other => Ok(other.to_string()),
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// A scalar without quotes, by the core schema of YAML 1.2.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        text => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let radix =
        |prefix: &str, radix| text.strip_prefix(prefix).and_then(|digits| u64::from_str_radix(digits, radix).ok());
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Some(number.into());
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse::<i64>().ok().map(Number::from).or_else(|| text.parse::<u64>().ok().map(Number::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_become_json() {
        let text = "a: 1\nb: [x, 'true', true, ~]\nc:\n  - {d: 0x10}\n  - &e \"two words\"\n  - *e\nf: 0666\n";
        let expected =
            json!({"a": 1, "b": ["x", "true", true, null], "c": [{"d": 16}, "two words", "two words"], "f": 666});
        assert_eq!(read(text).unwrap(), expected);
        assert_eq!(read(r#"{"a": {"b": -2}}"#).unwrap(), json!({"a": {"b": -2}}));
        assert_eq!(read("").unwrap(), Value::Null);
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
            c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
            e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e]\n";
        assert!(read(bomb).unwrap_err().message().contains("values"));
        assert!(read(&"[".repeat(1000)).is_err());
        assert!(read("a: 1\na: 2").unwrap_err().message().contains("twice"));
        assert!(read("a: [").is_err() && read("[1]: 2").is_err());
    }
}
