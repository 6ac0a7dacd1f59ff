//! A TOML file as keys with dots, and changes of single lines of it that leave its comments alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use toml::{Table, Value};

use crate::base::error::if_absent;
use crate::base::{Error, Result, ResultExt, text};

/// Flags of one command, by their long names.
pub type Flags = BTreeMap<String, Value>;

/// Largest file, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Reads a file; an empty table if there is none.
pub fn read(path: &Path) -> Result<Table> {
    parse(&read_text(path)?, path)
}

/// The text of a file; empty if there is none.
pub fn read_text(path: &Path) -> Result<String> {
    let Some(metadata) = if_absent(fs::metadata(path)).at(path, "cannot read")? else { return Ok(String::new()) };
    if metadata.len() > FILE_MAX {
        return Err(Error::invalid(format!("`{}` is too large for a configuration", path.display())));
    }
    fs::read_to_string(path).at(path, "cannot read")
}

/// Reads TOML, naming the line of a mistake.
pub fn parse(content: &str, path: &Path) -> Result<Table> {
    content.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| content.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        let why = error.message().lines().next().unwrap_or_default();
        Error::invalid(format!("cannot understand line {line} of `{}`", path.display()))
            .caused_by(Error::invalid(text::clean(why)))
    })
}

/// A value as it is written in a file.
pub fn value(written: &str) -> Result<Value> {
    let table: Table = format!("value = {written}")
        .parse()
        .map_err(|_| Error::usage(format!("`{}` is no value", text::clean(written))))?;
    match table.into_iter().next() {
        Some((key, value)) if key == "value" => Ok(value),
        _ => Err(Error::usage("this is no value")),
    }
}

/// What a user types as a value: TOML, or else a text.
pub fn typed(given: &str) -> Value {
    match given.contains('\n') {
        true => Value::String(given.to_owned()),
        false => value(given).unwrap_or_else(|_| Value::String(given.to_owned())),
    }
}

/// All values with their keys. Tables of tables become dots.
pub fn flattened(table: &Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                found.extend(flattened(inner).into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)));
            }
            other => found.push((key.clone(), other.clone())),
        }
    }
    found
}

/// The text with one key set, or removed for no value. The section is the part of the key before the last dot.
pub fn changed(content: &str, key: &str, value: Option<&Value>) -> Result<String> {
    let (section, name) = key.rsplit_once('.').ok_or_else(|| {
        Error::usage(format!("`{}` is no key", text::clean(key))).hint("keys are like network.low_ports")
    })?;
    let header = format!("[{}]", section.split('.').map(quoted).collect::<Vec<_>>().join("."));
    let line = value.map(|value| format!("{} = {value}", quoted(name)));
    let mut lines: Vec<String> = content.lines().map(String::from).collect();
    let is_header = |line: &String, header: &str| line.trim_start().starts_with(header);
    let Some(at) = lines.iter().position(|line| is_header(line, &header)) else {
        if let Some(line) = line {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.extend([header, line]);
        }
        return Ok(joined(&lines));
    };
    let end =
        lines[at + 1..].iter().position(|line| line.trim_start().starts_with('[')).map_or(lines.len(), |n| at + 1 + n);
    let names = |line: &String| {
        let written = line.split_once('=').map(|(name, _)| name.trim().trim_matches(['"', '\'']));
        written == Some(name)
    };
    match (lines[at + 1..end].iter().position(names), line) {
        (Some(old), line) => {
            let from = at + 1 + old;
            // A list may go on over several lines.
            let lasts =
                (from..end).find(|last| format!("{}\n", lines[from..=*last].join("\n")).parse::<Table>().is_ok());
            let last = lasts.unwrap_or(from);
            lines.splice(from..=last, line);
        }
        (None, Some(line)) => {
            let empty = lines[at + 1..end].iter().rev().take_while(|line| line.trim().is_empty()).count();
            lines.insert(end - empty, line);
        }
        (None, None) => {}
    }
    Ok(joined(&lines))
}

fn joined(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { lines.join("\n") + "\n" }
}

/// A part of a key, in quotes where it needs them.
fn quoted(part: &str) -> String {
    let plain =
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if plain { part.to_owned() } else { Value::String(part.to_owned()).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(content: &str, key: &str, given: &str) -> String {
        changed(content, key, Some(&typed(given))).unwrap()
    }

    #[test]
    fn one_line_changes_and_the_rest_stays() {
        let content = "# mine\n[network]\nlow_ports = \"refuse\" # why\n\n[cgroups]\nlimits = \"strict\"\n";
        assert_eq!(
            set(content, "network.low_ports", "remap"),
            "# mine\n[network]\nlow_ports = \"remap\"\n\n[cgroups]\nlimits = \"strict\"\n"
        );
        assert_eq!(
            set(content, "network.host-loopback", "true"),
            "# mine\n[network]\nlow_ports = \"refuse\" # why\nhost-loopback = true\n\n[cgroups]\nlimits = \"strict\"\n"
        );
        assert_eq!(set("", "defaults.run.init", "true"), "[defaults.run]\ninit = true\n");
        assert_eq!(set("", "defaults.network create.ipv6", "true"), "[defaults.\"network create\"]\nipv6 = true\n");
        let list = "[defaults.run]\nenv = [\n  \"A=1\",\n  \"B=2\",\n]\ninit = true\n";
        assert_eq!(set(list, "defaults.run.env", "[\"C=3\"]"), "[defaults.run]\nenv = [\"C=3\"]\ninit = true\n");
        assert_eq!(changed(list, "defaults.run.env", None).unwrap(), "[defaults.run]\ninit = true\n");
        assert_eq!(changed(content, "network.nothing", None).unwrap(), content);
        assert!(changed("", "nodots", None).is_err());
    }

    #[test]
    fn values_are_toml_or_text() {
        assert_eq!(typed("true"), Value::Boolean(true));
        assert_eq!(typed("remap"), Value::String("remap".into()));
        assert_eq!(typed("256m"), Value::String("256m".into()));
        assert_eq!(typed("[\"a\"]"), Value::Array(vec![Value::String("a".into())]));
        assert_eq!(typed("a\nb = 3"), Value::String("a\nb = 3".into()));
        assert!(value("1\nother = 2").is_err() || value("1\nother = 2").unwrap() == Value::Integer(1));
    }
}
