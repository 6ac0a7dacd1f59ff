//! YAML and JSON text, written as Go's encoders write it: docker compose's output is compared and hashed.

use std::cmp::Ordering;
use std::fmt::Write;

use super::yaml;

/// A tree that is ready to be printed.
#[derive(Debug, Clone, PartialEq)]
pub enum Printed {
    /// Nothing.
    Null,
    /// A number or a boolean, as it is printed.
    Plain(String),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Printed>),
    /// A mapping, in the order in which it is printed.
    Map(Vec<(String, Printed)>),
}

/// Blanks per level.
const STEP: usize = 2;

/// A tree as YAML.
pub fn yaml(tree: &Printed) -> String {
    let mut out = String::new();
    match tree {
        Printed::Map(entries) if !entries.is_empty() => mapping(&mut out, entries, 0, false),
        Printed::List(items) if !items.is_empty() => sequence(&mut out, items, 0, false),
        other => {
            scalar(&mut out, other, 0);
            out.push('\n');
        }
    }
    out
}

/// The order of keys in YAML: numbers in them by their value, letters after everything else.
pub fn key_order(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else { return a.len().cmp(&b.len()) };
    let follows_digit = at > 0 && a[at - 1].is_numeric();
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => return a[at].cmp(&b[at]),
        // A number has ended in one of them: the shorter one is less.
        (true, false) if follows_digit => return Ordering::Less,
        (false, true) if follows_digit => return Ordering::Greater,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let digits = |text: &[char]| text[at..].iter().copied().take_while(char::is_ascii_digit).collect::<String>();
    let (in_a, in_b) = (digits(&a), digits(&b));
    // Zeros count where digits before them make them part of a number.
    let before = a[..at].iter().rev().take_while(|c| c.is_ascii_digit());
    let is_inside = (a[at] == '0' || b[at] == '0') && before.into_iter().any(|c| *c != '0');
    let value =
        |digits: &str| format!("{}{digits}", if is_inside { "1" } else { "0" }).parse::<u128>().unwrap_or(u128::MAX);
    let by_value = value(&in_a).cmp(&value(&in_b));
    by_value.then(in_a.len().cmp(&in_b.len())).then(a[at].cmp(&b[at]))
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n(' ', level));
}

/// `inline`: the first entry stands on a line that has begun.
fn mapping(out: &mut String, entries: &[(String, Printed)], level: usize, inline: bool) {
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 || !inline {
            indent(out, level);
        }
        out.push_str(&simple(key));
        out.push(':');
        match value {
            Printed::Map(entries) if !entries.is_empty() => {
                out.push('\n');
                mapping(out, entries, level + STEP, false);
            }
            Printed::List(items) if !items.is_empty() => {
                out.push('\n');
                sequence(out, items, level + STEP, false);
            }
            other => {
                out.push(' ');
                scalar(out, other, level + STEP);
                out.push('\n');
            }
        }
    }
}

fn sequence(out: &mut String, items: &[Printed], level: usize, inline: bool) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 || !inline {
            indent(out, level);
        }
        out.push_str("- ");
        match item {
            Printed::Map(entries) if !entries.is_empty() => mapping(out, entries, level + STEP, true),
            Printed::List(items) if !items.is_empty() => sequence(out, items, level + STEP, true),
            other => {
                scalar(out, other, level + STEP);
                out.push('\n');
            }
        }
    }
}

fn scalar(out: &mut String, value: &Printed, level: usize) {
    match value {
        Printed::Null => out.push_str("null"),
        Printed::Plain(text) => out.push_str(text),
        Printed::List(_) => out.push_str("[]"),
        Printed::Map(_) => out.push_str("{}"),
        Printed::Text(text) if text.contains('\n') && fits_literal(text) => literal(out, text, level),
        Printed::Text(text) => out.push_str(&simple(text)),
    }
}

/// Whether every line can stand as it is.
fn fits_literal(text: &str) -> bool {
    !text.split('\n').any(|line| line.ends_with([' ', '\t']) || line.chars().any(is_special))
}

fn literal(out: &mut String, text: &str, level: usize) {
    out.push('|');
    if text.starts_with([' ', '\n']) {
        let _ = write!(out, "{STEP}");
    }
    let body = text.trim_end_matches('\n');
    match text.len() - body.len() {
        0 => out.push('-'),
        1 if !body.is_empty() => {}
        _ => out.push('+'),
    }
    let lines = text.strip_suffix('\n').unwrap_or(text);
    for line in lines.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, level);
            out.push_str(line);
        }
    }
}

/// Characters that only double quotes can hold.
fn is_special(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

/// Text in one line: without quotes where it would be read as the same text, else with single or double quotes.
fn simple(text: &str) -> String {
    let means_another_type =
        text.is_empty() || yaml::needs_quotes(text) || is_old_boolean(text) || is_base_sixty(text) || is_date(text);
    if means_another_type || text.contains('\n') || text.chars().any(is_special) {
        return double_quoted(text);
    }
    let is_indicator = match text.as_bytes() {
        [b'-' | b'?' | b':'] => true,
        [b'-' | b'?' | b':', next, ..] => matches!(next, b' ' | b'\t'),
        [first, ..] => b",[]{}#&*!|>'\"%@`".contains(first),
        [] => true,
    };
    let needs = is_indicator
        || text.starts_with(' ')
        || text.ends_with([' ', ':'])
        || text.contains(": ")
        || text.contains(" #")
        || text.starts_with("---")
        || text.starts_with("...");
    match needs {
        true => format!("'{}'", text.replace('\'', "''")),
        false => text.to_owned(),
    }
}

/// Booleans of YAML 1.1.
fn is_old_boolean(text: &str) -> bool {
    const WORDS: &[&str] =
        &["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"];
    WORDS.contains(&text)
}

/// Numbers of YAML 1.1 to the base of sixty: `1:30`.
fn is_base_sixty(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let is_first = parts.next().is_some_and(|first| {
        first.starts_with(|c: char| c.is_ascii_digit()) && first.bytes().all(|c| c.is_ascii_digit() || c == b'_')
    });
    let rest: Vec<&str> = parts.collect();
    let is_rest = |part: &&str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [tens, one] => (b'0'..=b'5').contains(tens) && one.is_ascii_digit(),
        _ => false,
    };
    is_first
        && !rest.is_empty()
        && rest.iter().all(is_rest)
        && fraction.bytes().all(|c| c.is_ascii_digit() || c == b'_')
}

/// `2001-12-14`, alone or with a time.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits =
        |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let begins =
        digits(0..4) && bytes.get(4) == Some(&b'-') && digits(5..7) && bytes.get(7) == Some(&b'-') && digits(8..10);
    begins && (bytes.len() == 10 || (matches!(bytes[10], b'T' | b't' | b' ') && digits(11..13)))
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x00' => out.push_str("\\0"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\x1b' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            c if is_special(c) => {
                let code = u32::from(c);
                let _ = if code < 0x100 { write!(out, "\\x{code:02X}") } else { write!(out, "\\u{code:04X}") };
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A tree as JSON: on one line, or with line breaks and this many blanks per level. As by Go's encoder, `<`, `>` and `&` are
/// escaped.
pub fn json(tree: &Printed, step: Option<usize>) -> String {
    let mut out = String::new();
    json_value(&mut out, tree, step, 0);
    out
}

fn json_value(out: &mut String, value: &Printed, step: Option<usize>, level: usize) {
    let new_line = |out: &mut String, level: usize| {
        if let Some(step) = step {
            out.push('\n');
            indent(out, step * level);
        }
    };
    match value {
        Printed::Null => out.push_str("null"),
        Printed::Plain(text) => out.push_str(text),
        Printed::Text(text) => json_text(out, text),
        Printed::List(items) if items.is_empty() => out.push_str("[]"),
        Printed::Map(entries) if entries.is_empty() => out.push_str("{}"),
        Printed::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                new_line(out, level + 1);
                json_value(out, item, step, level + 1);
            }
            new_line(out, level);
            out.push(']');
        }
        Printed::Map(entries) => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                new_line(out, level + 1);
                json_text(out, key);
                out.push_str(if step.is_some() { ": " } else { ":" });
                json_value(out, item, step, level + 1);
            }
            new_line(out, level);
            out.push('}');
        }
    }
}

fn json_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_the_quotes_that_it_needs() {
        for (text, expected) in [
            ("a: b", "'a: b'"),
            ("# c", "'# c'"),
            ("- d", "'- d'"),
            ("@x", "'@x'"),
            (" lead", "' lead'"),
            ("trail ", "'trail '"),
            ("", "\"\""),
            ("*s", "'*s'"),
            ("?w", "?w"),
            ("{x", "'{x'"),
            ("a #b", "'a #b'"),
            ("a:b", "a:b"),
            ("true", "\"true\""),
            ("123", "\"123\""),
            ("1_000", "\"1_000\""),
            ("=", "="),
            ("<<", "<<"),
            ("y", "\"y\""),
            ("No", "\"No\""),
            ("~", "\"~\""),
            ("1:30", "\"1:30\""),
            ("12:30:45", "\"12:30:45\""),
            ("+5", "\"+5\""),
            ("1.", "\"1.\""),
            (".inf", "\".inf\""),
            ("a\tb", "\"a\\tb\""),
            ("é", "é"),
            ("back\\slash", "back\\slash"),
            ("quo\"te", "quo\"te"),
            ("sing'le", "sing'le"),
            ("-", "'-'"),
            ("--- x", "'--- x'"),
            ("x:", "'x:'"),
            (":x", ":x"),
            ("a,b", "a,b"),
            ("02:42:ac:11:65:43", "02:42:ac:11:65:43"),
            ("8000-8001", "8000-8001"),
            ("2020-01-01", "\"2020-01-01\""),
            ("it's: x", "'it''s: x'"),
        ] {
            assert_eq!(simple(text), expected, "{text}");
            let read = yaml::read("f", &format!("{expected}\n")).unwrap().pop();
            assert_eq!(read.map(|node| node.scalar().unwrap()), Some(text.to_owned()), "reads back");
        }
    }

    #[test]
    fn keys_are_in_the_order_of_gos_encoder() {
        let mut keys = ["s10", "s2", "s1", "sx", "s_a", "s-1", "S1", "a.b", "ab", "a", "s02", "s10x", "s100", "_"];
        keys.sort_by(|a, b| key_order(a, b));
        assert_eq!(keys, ["_", "S1", "a", "a.b", "ab", "s-1", "s_a", "s1", "s2", "s02", "s10", "s10x", "s100", "sx"]);
    }

    #[test]
    fn text_with_lines() {
        let shown = |text: &str| yaml(&Printed::Map(vec![("a".into(), Printed::Text(text.into()))]));
        for (text, expected) in [
            ("x\ny\n", "a: |\n  x\n  y\n"),
            ("x\ny", "a: |-\n  x\n  y\n"),
            ("x\n\n", "a: |+\n  x\n\n"),
            (" x\ny", "a: |2-\n   x\n  y\n"),
            ("x \ny", "a: \"x \\ny\"\n"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
            let read = yaml::read("f", &shown(text)).unwrap().pop().unwrap();
            assert_eq!(read.text_of("a"), Some(text), "reads back");
        }
    }
}
