//! `--format`: Go templates over docker's field names, with docker's functions, and tables made of them.
//!
//! Two things of Go are added to the template engine: a method with an argument (`.Label "x"`) becomes `call .Label "x"`,
//! and looking up an absent key with `index` gives the empty string, as Go does for `map[string]string`.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{MissingKey, Template, TemplateError, Value};

use super::table;
use crate::base::{Error, Result, text};

/// A parsed `--format`.
pub struct Format {
    template: Template,
    source: String,
    /// It began with `table`: a header line, and columns are aligned.
    is_table: bool,
}

/// One row: docker's field names and their values.
pub type Row = BTreeMap<Arc<str>, Value>;

/// Methods with an argument, which rows hold as functions.
const METHODS: [&str; 1] = ["Label"];

impl Format {
    /// As [`Format::parse`], for lists: `raw` is docker's old form of them, a field on each line.
    pub fn parse_list(format: &str, default: &str, raw: &str) -> Result<Self> {
        Self::parse(if format == "raw" { raw } else { format }, default)
    }

    /// Parses what the user gave: a template, `table TEMPLATE`, `table` (then `default` is meant) or `json`.
    pub fn parse(format: &str, default: &str) -> Result<Self> {
        let format = if format == "table" || format.is_empty() { default } else { format };
        let columns = format.strip_prefix("table");
        let columns = columns.filter(|rest| rest.starts_with(char::is_whitespace) || rest.starts_with("\\t"));
        let source = match (format, columns) {
            ("json", _) => "{{json .}}",
            (_, Some(columns)) => columns.trim(),
            (format, None) => format,
        };
        let source = source.replace("\\t", "\t").replace("\\n", "\n");
        Ok(Self { template: template(&source, false, MissingKey::Error)?, source, is_table: columns.is_some() })
    }

    /// Whether the output may show this field of a row: others need not be found out. A template that uses the whole row
    /// (`{{json .}}`) shows all of them.
    pub fn shows(&self, field: &str) -> bool {
        let is_whole = |(at, c): (usize, char)| {
            matches!(c, '.' | '$') && !self.source[at + 1..].starts_with(|next: char| next.is_ascii_alphabetic())
        };
        self.source.char_indices().any(is_whole) || self.names(field)
    }

    /// Whether the template names the field.
    pub fn names(&self, field: &str) -> bool {
        self.source.contains(&format!(".{field}"))
    }

    /// All rows, each ended by a newline; before them, in a table, the `headers` of its fields.
    pub fn render(&self, headers: &[(&str, &str)], rows: Vec<Row>) -> Result<String> {
        let mut out = String::new();
        if self.is_table {
            let mut names: Row =
                headers.iter().map(|(field, header)| (Arc::from(*field), Value::String(Arc::from(*header)))).collect();
            for method in METHODS {
                names.insert(Arc::from(method), Value::Function(Arc::new(label_header)));
            }
            out.push_str(&execute(&template(&self.source, true, MissingKey::Error)?, &Value::Map(Arc::new(names)))?);
            out.push('\n');
        }
        for row in rows {
            out.push_str(&execute(&self.template, &Value::Map(Arc::new(row)))?);
            out.push('\n');
        }
        Ok(if self.is_table { table::align(&out) } else { out })
    }

    /// A rendered table without its first line; anything else as it is.
    pub fn without_header<'a>(&self, rendered: &'a str) -> &'a str {
        match self.is_table {
            true => rendered.split_once('\n').map_or("", |(_, rest)| rest),
            false => rendered,
        }
    }

    /// Something serialisable, as `inspect`, `info` and `version` show it: with a newline at the end. As a whole it is JSON
    /// in the order of its fields.
    pub fn render_data(&self, data: &impl serde::Serialize) -> Result<String> {
        match self.source.as_str() {
            "{{json .}}" => serde_json::to_string(data).map(|json| json + "\n").map_err(unseen),
            _ => self.render_value(&value(data)?),
        }
    }

    /// One value, with a newline at the end.
    ///
    /// docker's templates see Go's field names where JSON has others, and a map of users' keys answers `<no value>`
    /// to a key it does not have. Here every object is a map: a key that begins with a capital is a field, which must be
    /// there under one of its names.
    pub fn render_value(&self, value: &Value) -> Result<String> {
        let rendered = match self.template.execute_to_string(value) {
            Err(TemplateError::MissingKey { key }) if !key.starts_with(char::is_uppercase) => {
                execute(&template(&self.source, false, MissingKey::Invalid)?, value)
            }
            Err(TemplateError::MissingKey { key })
                if GO_NAMES.iter().any(|(go, _)| *go == key) || LEFT_OUT.iter().any(|(left, _)| *left == key) =>
            {
                execute(&self.template, &with_go_names(value))
            }
            rendered => rendered.map_err(|error| wrong(&error)),
        };
        Ok(rendered? + "\n")
    }
}

/// Fields whose name in Go is not that in JSON.
const GO_NAMES: [(&str, &str); 3] = [("APIVersion", "ApiVersion"), ("ID", "Id"), ("NanoCPUs", "NanoCpus")];

/// What Go sees in a field that JSON leaves out.
#[derive(Debug, Clone, Copy)]
enum LeftOut {
    Text,
    Map,
    List,
    Nothing,
}

/// Fields that docker's JSON leaves out where they are empty (`omitempty`), while its templates see them.
const LEFT_OUT: [(&str, LeftOut); 16] = [
    ("Annotations", LeftOut::Map),
    ("Driver", LeftOut::Text),
    ("ExposedPorts", LeftOut::Map),
    ("Health", LeftOut::Nothing),
    ("Healthcheck", LeftOut::Nothing),
    ("Init", LeftOut::Nothing),
    ("Name", LeftOut::Text),
    ("Shell", LeftOut::List),
    ("SizeRootFs", LeftOut::Nothing),
    ("SizeRw", LeftOut::Nothing),
    ("StopSignal", LeftOut::Text),
    ("StopTimeout", LeftOut::Nothing),
    ("StorageOpt", LeftOut::Map),
    ("Sysctls", LeftOut::Map),
    ("Tmpfs", LeftOut::Map),
    ("Variant", LeftOut::Text),
];

impl LeftOut {
    fn value(self) -> Value {
        match self {
            LeftOut::Text => Value::String("".into()),
            LeftOut::Map => Value::Map(Arc::default()),
            LeftOut::List => Value::List(Arc::from(Vec::new())),
            LeftOut::Nothing => Value::Nil,
        }
    }
}

/// The same data, with Go's names beside those of JSON, and what JSON left out.
fn with_go_names(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let mut map: Row = map.iter().map(|(key, value)| (Arc::clone(key), with_go_names(value))).collect();
            for (name, left_out) in LEFT_OUT {
                map.entry(Arc::from(name)).or_insert_with(|| left_out.value());
            }
            for (go, json) in GO_NAMES {
                if let Some(value) = map.get(json).cloned() {
                    map.entry(Arc::from(go)).or_insert(value);
                }
            }
            Value::Map(Arc::new(map))
        }
        Value::List(items) => Value::List(items.iter().map(with_go_names).collect()),
        other => other.clone(),
    }
}

/// Something serialisable as template data.
pub fn value(data: &impl serde::Serialize) -> Result<Value> {
    gotmpl::to_value(data).map_err(unseen)
}

fn unseen(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::system("cannot show the result").caused_by(error)
}

/// The header of `.Label "com.example.some-key"`: `some key`.
fn label_header(arguments: &[Value]) -> Result<Value, TemplateError> {
    let key = string(arguments, 0)?;
    let last = key.rsplit('.').next().unwrap_or(&key);
    Ok(Value::String(last.replace(['-', '_'], " ").into()))
}

fn template(source: &str, is_header: bool, missing: MissingKey) -> Result<Template> {
    let mut template = Template::new("").missing_key(missing);
    template = match is_header {
        true => FUNCTIONS
            .iter()
            .fold(template, |t, (name, _)| t.func(name, |args| Ok(args.first().cloned().unwrap_or(Value::Nil)))),
        false => FUNCTIONS.iter().fold(template, |t, (name, function)| t.func(name, function)),
    };
    template.func("index", index).parse(&call_methods(source)).map_err(|error| wrong(&error))
}

fn execute(template: &Template, value: &Value) -> Result<String> {
    template.execute_to_string(value).map_err(|error| wrong(&error))
}

fn wrong(error: &TemplateError) -> Error {
    Error::usage(format!("template parsing error: {}", text::clean(&error.to_string())))
}

type Function = fn(&[Value]) -> Result<Value, TemplateError>;

/// docker's functions beyond those of Go (cli/templates in docker's command line reference, "Format command output").
const FUNCTIONS: [(&str, Function); 8] = [
    ("json", |args| Ok(Value::String(json(args.first().unwrap_or(&Value::Nil)).into()))),
    ("join", |args| {
        let Some(Value::List(items)) = args.first() else { return Err(mismatch("list", args.first())) };
        let items: Vec<String> = items.iter().map(Value::to_string).collect();
        Ok(Value::String(items.join(&string(args, 1)?).into()))
    }),
    ("split", |args| {
        let (text, separator) = (string(args, 0)?, string(args, 1)?);
        // As Go: without a separator, into characters.
        let parts: Vec<&str> = match &*separator {
            "" => text.split("").filter(|part| !part.is_empty()).collect(),
            separator => text.split(separator).collect(),
        };
        Ok(Value::List(parts.into_iter().map(|part| Value::String(part.into())).collect()))
    }),
    ("lower", |args| Ok(Value::String(string(args, 0)?.to_lowercase().into()))),
    ("upper", |args| Ok(Value::String(string(args, 0)?.to_uppercase().into()))),
    ("title", |args| Ok(Value::String(title(&string(args, 0)?).into()))),
    ("truncate", |args| {
        let (text, limit) = (string(args, 0)?, number(args, 1)?);
        Ok(Value::String(text.chars().take(limit).collect::<String>().into()))
    }),
    ("pad", |args| {
        let (text, before, after) = (string(args, 0)?, number(args, 1)?, number(args, 2)?);
        if text.is_empty() {
            return Ok(Value::String(text));
        }
        Ok(Value::String(format!("{}{text}{}", " ".repeat(before), " ".repeat(after)).into()))
    }),
];

fn string(args: &[Value], at: usize) -> Result<Arc<str>, TemplateError> {
    match args.get(at) {
        Some(Value::String(text)) => Ok(Arc::clone(text)),
        other => Err(mismatch("string", other)),
    }
}

/// A small number: more than a line of spaces is nobody's wish.
fn number(args: &[Value], at: usize) -> Result<usize, TemplateError> {
    let number = args.get(at).and_then(Value::as_int).ok_or_else(|| mismatch("int", args.get(at)))?;
    Ok(usize::try_from(number).unwrap_or(0).min(4096))
}

fn mismatch(expected: &'static str, got: Option<&Value>) -> TemplateError {
    TemplateError::TypeMismatch { expected, got: got.map_or("nothing", Value::type_name) }
}

/// As the built-in `index`, but an absent key of a map is the empty string.
fn index(args: &[Value]) -> Result<Value, TemplateError> {
    let (first, keys) = args.split_first().ok_or_else(|| mismatch("map or list", None))?;
    keys.iter().try_fold(first.clone(), |value, key| match (&value, key) {
        (Value::Map(map), Value::String(key)) => Ok(map.get(key).cloned().unwrap_or(Value::String("".into()))),
        (Value::Nil, _) => Ok(Value::String("".into())),
        _ => value.index(key),
    })
}

fn title(text: &str) -> String {
    let mut previous = ' ';
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match previous.is_alphanumeric() || previous == '_' || previous == '\'' {
            true => out.push(c),
            false => out.extend(c.to_uppercase()),
        }
        previous = c;
    }
    out
}

/// A template value as JSON, keys in order, functions left out.
fn json(value: &Value) -> String {
    fn convert(value: &Value) -> serde_json::Value {
        match value {
            Value::Bool(b) => (*b).into(),
            Value::Int(n) => (*n).into(),
            Value::Uint(n) => (*n).into(),
            Value::Float(f) => (*f).into(),
            Value::String(s) => (**s).into(),
            Value::List(items) => items.iter().map(convert).collect(),
            Value::Map(map) => map
                .iter()
                .filter(|(_, value)| !matches!(value, Value::Function(_)))
                .map(|(key, value)| (key.to_string(), convert(value)))
                .collect(),
            _ => serde_json::Value::Null,
        }
    }
    convert(value).to_string()
}

/// Puts `call` before methods that are given an argument, in actions only and never inside quotes.
fn call_methods(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let mut rest = source;
    while let Some(open) = rest.find("{{") {
        let (text, action) = rest.split_at(open);
        out.push_str(text);
        let end = action_end(action);
        out.push_str(&call_methods_in(&action[..end]));
        rest = &action[end..];
    }
    out + rest
}

/// Where the action that `text` begins with ends, behind its `}}`.
fn action_end(text: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some('"' | '\''), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), c) if c == open && !escaped => quote = None,
            (None, '"' | '`' | '\'') => quote = Some(c),
            (None, '}') if text[at..].starts_with("}}") => return at + 2,
            _ => {}
        }
        escaped = false;
    }
    text.len()
}

fn call_methods_in(action: &str) -> String {
    let mut out = String::with_capacity(action.len() + 8);
    let mut quote = None;
    let mut at = 0;
    while let Some(c) = action[at..].chars().next() {
        let rest = &action[at..];
        match quote {
            Some(open) if c == open && !out.ends_with('\\') => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '`') => quote = Some(c),
            None => {
                let word = rest.strip_prefix('$').unwrap_or(rest);
                let starts = !out.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ')' | '$'));
                let method = METHODS.iter().find(|method| {
                    let after = word.strip_prefix('.').and_then(|word| word.strip_prefix(**method));
                    after.is_some_and(|after| {
                        after.trim_start() != after && after.trim_start().starts_with(['"', '`', '$', '(', '.'])
                    })
                });
                if let (true, Some(method)) = (starts, method) {
                    let length = rest.len() - word.len() + 1 + method.len();
                    out.push_str("call ");
                    out.push_str(&rest[..length]);
                    at += length;
                    continue;
                }
            }
        }
        out.push(c);
        at += c.len_utf8();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: &[(&str, &str)] = &[("ID", "CONTAINER ID"), ("Names", "NAMES")];

    fn row(id: &str, name: &str) -> Row {
        let label: Function = |args| Ok(Value::String(format!("<{}>", string(args, 0)?).into()));
        BTreeMap::from([
            (Arc::from("ID"), Value::String(id.into())),
            (Arc::from("Names"), Value::String(name.into())),
            (Arc::from("Label"), Value::Function(Arc::new(label))),
        ])
    }

    fn render(format: &str) -> String {
        Format::parse(format, "table {{.ID}}\\t{{.Names}}")
            .unwrap()
            .render(HEADERS, vec![row("1", "web"), row("2", "db")])
            .unwrap()
    }

    #[test]
    fn tables_lists_and_json() {
        let table = "CONTAINER ID   NAMES\n1              web\n2              db\n";
        for (format, expected) in [
            ("", table),
            ("table", table),
            ("table {{.ID}}\\t{{.Names}}", table),
            ("table {{.Names}}", "NAMES\nweb\ndb\n"),
            ("table {{upper .Names}}\t{{.ID}}", "NAMES     CONTAINER ID\nWEB       1\nDB        2\n"),
            ("table {{.Label \"a.some-key\"}}", "some key\n<a.some-key>\n<a.some-key>\n"),
            ("{{.ID}}: {{.Names}}", "1: web\n2: db\n"),
            ("{{.ID}}\\n{{.Names}}", "1\nweb\n2\ndb\n"),
            ("json", "{\"ID\":\"1\",\"Names\":\"web\"}\n{\"ID\":\"2\",\"Names\":\"db\"}\n"),
            ("{{json .Names}}", "\"web\"\n\"db\"\n"),
            ("{{.Label \"x\"}} {{(.Label `y`) | upper}}", "<x> <Y>\n<x> <Y>\n"),
            ("{{if eq (.Label \"x\") \"<x>\"}}{{$.Label \"z\"}}{{end}}", "<z>\n<z>\n"),
            ("{{\".Label \\\"x\\\"\"}}", ".Label \"x\"\n.Label \"x\"\n"),
        ] {
            assert_eq!(render(format), expected, "{format}");
        }
    }

    #[test]
    fn only_fields_that_are_shown_are_found_out() {
        for (format, shown, named) in [
            ("{{.Names}}", false, false),
            ("table {{.Names}} {{.Size}}", true, true),
            ("json", true, false),
            ("{{json .}}", true, false),
            ("{{range $k, $v := .}}{{$v}}{{end}}", true, false),
            ("{{$.Names}}", true, false),
        ] {
            let format = Format::parse(format, "").unwrap();
            assert_eq!((format.shows("Size"), format.names("Size")), (shown, named), "{}", format.source);
        }
    }

    #[test]
    fn dockers_functions() {
        for (template, expected) in [
            ("{{join (split \"a,b\" \",\") \"-\"}}", "a-b"),
            ("{{title \"some words\"}} {{upper \"a\"}}{{lower \"B\"}}", "Some Words Ab"),
            ("{{truncate \"0123456789\" 4}}[{{pad \"x\" 1 2}}][{{pad \"\" 1 2}}]", "0123[ x  ][]"),
            ("{{json (split \"a b\" \" \")}}", "[\"a\",\"b\"]"),
            ("{{join (split \"web\" \"\") \"-\"}}", "w-e-b"),
            ("{{println \"x\"}}", "x\n"),
            ("{{index (split \"a b\" \" \") 1}}", "b"),
            ("[{{index .ID \"absent\"}}]", "[]"),
        ] {
            let mut row = row("1", "web");
            row.insert(Arc::from("ID"), Value::Map(Arc::new(BTreeMap::new())));
            assert_eq!(
                Format::parse(template, "").unwrap().render(HEADERS, vec![row]).unwrap(),
                format!("{expected}\n")
            );
        }
    }

    #[test]
    fn values_have_gos_names_and_open_maps() {
        let value =
            value(&serde_json::json!({"Id": "1", "Client": {"ApiVersion": "2"}, "Labels": {"a": "b"}})).unwrap();
        let render = |format: &str| Format::parse(format, "").unwrap().render_value(&value).ok();
        for (format, expected) in [
            ("{{.Id}}{{.ID}}{{.Client.APIVersion}}", Some("112\n")),
            ("{{.Labels.a}} {{.Labels.absent}}", Some("b <no value>\n")),
            ("{{.Absent}}", None),
            ("{{.Labels.a}}{{.Tmpfs}}{{len .ExposedPorts}}{{.StopSignal}}", Some("bmap[]0\n")),
            ("json", Some("{\"Client\":{\"ApiVersion\":\"2\"},\"Id\":\"1\",\"Labels\":{\"a\":\"b\"}}\n")),
        ] {
            assert_eq!(render(format).as_deref(), expected, "{format}");
        }
    }

    #[test]
    fn wrong_templates_are_errors() {
        for format in ["{{.ID", "{{.Nope}}", "table {{.Nope}}", "{{nope .ID}}", "{{join .ID \",\"}}"] {
            let result = Format::parse(format, "").and_then(|parsed| parsed.render(HEADERS, vec![row("1", "web")]));
            let message = result.unwrap_err().chain();
            assert!(message.starts_with("template parsing error: "), "{format}: {message}");
        }
    }
}
