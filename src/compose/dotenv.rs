//! Files of variables: `.env` and what `env_file` names, as docker compose reads them. Values may be quoted and span lines,
//! and variables are expanded outside of single quotes.

use std::collections::BTreeMap;

use super::template::{self, Fault, Lookup};
use crate::base::{Error, Result, text};

/// The variables of a file, added to those of the files `before` it. When a value names a variable, `outer` is asked before
/// earlier lines and files; it also has the value of a line with a name alone.
///
/// # Errors
///
/// With file and line.
pub fn parse(
    file: &str,
    source: &str,
    outer: &dyn Lookup,
    before: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let mut parser = Parser { rest: source.trim_start_matches('\u{feff}'), line: 1, outer, variables: before };
    match parser.run() {
        Ok(()) => Ok(parser.variables),
        Err(reason) => {
            Err(Error::invalid(format!("failed to read {}: line {}: {reason}", text::clean(file), parser.line)))
        }
    }
}

/// Docker's own `env_file` format: `format: raw`. Nothing is unquoted or expanded.
///
/// # Errors
///
/// With file and line.
pub fn parse_raw(file: &str, source: &str, outer: &dyn Lookup) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for (index, line) in source.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (line, outer.get(line)),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            let (file, line, name) = (text::clean(file), index + 1, text::clean(name));
            return Err(Error::invalid(format!("failed to read {file}: line {line}: `{name}` is no variable's name")));
        }
        if let Some(value) = value {
            variables.insert(name.to_owned(), value);
        }
    }
    Ok(variables)
}

struct Parser<'a> {
    rest: &'a str,
    line: usize,
    outer: &'a dyn Lookup,
    variables: BTreeMap<String, String>,
}

/// The outer variables before those of the file.
struct Both<'a>(&'a dyn Lookup, &'a BTreeMap<String, String>);

impl Lookup for Both<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).or_else(|| self.1.get(name).cloned())
    }

    fn missing(&self, name: &str) {
        self.0.missing(name);
    }
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), String> {
        loop {
            self.skip(|c| c.is_whitespace());
            if self.rest.is_empty() {
                return Ok(());
            }
            if self.rest.starts_with('#') {
                self.skip(|c| c != '\n');
                continue;
            }
            self.statement()?;
        }
    }

    /// Goes over the characters that `wanted` takes.
    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        self.line += self.rest[..end].matches('\n').count();
        self.rest = &self.rest[end..];
    }

    fn statement(&mut self) -> Result<(), String> {
        if let Some(rest) = self.rest.strip_prefix("export").filter(|rest| rest.starts_with(blank)) {
            self.rest = rest.trim_start_matches(blank);
        }
        let end = self.rest.find(['=', ':', '\n']).unwrap_or(self.rest.len());
        let (name, separator) = (self.rest[..end].trim_end().to_owned(), self.rest[end..].chars().next());
        if let Some(wrong) =
            name.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']') || blank(*c)))
        {
            return Err(format!("unexpected character {:?} in variable name", wrong.to_string()));
        }
        if name.contains(char::is_whitespace) {
            return Err("key cannot contain a space".to_owned());
        }
        self.rest = &self.rest[end..];
        let value = match separator {
            Some('=' | ':') => {
                self.rest = self.rest[1..].trim_start_matches(blank);
                Some(self.value()?)
            }
            _ => self.outer.get(&name),
        };
        if name.is_empty() {
            return Ok(());
        }
        if let Some(value) = value {
            self.variables.insert(name, value);
        }
        Ok(())
    }

    fn value(&mut self) -> Result<String, String> {
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            _ => {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                let (line, rest) = self.rest.split_at(end);
                self.rest = rest;
                // A comment needs a blank before it.
                let comment = line.match_indices('#').find(|(at, _)| *at == 0 || line[..*at].ends_with(blank));
                let value = comment.map_or(line, |(at, _)| &line[..at]).trim_end();
                self.expand(value)
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let inner = &self.rest[1..];
        let mut escaped = false;
        let end = inner.char_indices().find_map(|(at, c)| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            ends.then_some(at)
        });
        let Some(end) = end else {
            let first = self.rest.lines().next().unwrap_or_default();
            return Err(format!("unterminated quoted value {}", text::clean(first)));
        };
        self.line += inner[..end].matches('\n').count();
        self.rest = &inner[end + 1..];
        match quote {
            '"' => self.expand(&unescaped(&inner[..end])),
            _ => Ok(inner[..end].replace("\\'", "'")),
        }
    }

    fn expand(&self, value: &str) -> Result<String, String> {
        template::expand(value, &Both(self.outer, &self.variables)).map_err(|fault| match fault {
            Fault::Form => format!("Invalid template: {:?}", text::clean(value)),
            Fault::Required(name, words) if words.is_empty() => {
                format!("required variable {name} is missing a value")
            }
            Fault::Required(name, words) => {
                format!("required variable {name} is missing a value: {}", text::clean(&words))
            }
        })
    }
}

/// A blank that ends no line.
fn blank(c: char) -> bool {
    c != '\n' && c.is_whitespace()
}

/// The escapes inside double quotes: those of C, octal ones, and `\$` for a dollar sign that begins no variable.
fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(escape) = after.chars().next() else {
            out.push('\\');
            rest = "";
            break;
        };
        let (text, length) = match escape {
            'a' => ("\x07".to_owned(), 1),
            'b' => ("\x08".to_owned(), 1),
            'f' => ("\x0c".to_owned(), 1),
            'n' => ("\n".to_owned(), 1),
            'r' => ("\r".to_owned(), 1),
            't' => ("\t".to_owned(), 1),
            'v' => ("\x0b".to_owned(), 1),
            '$' => ("$$".to_owned(), 1),
            '"' | '\\' => (escape.to_string(), 1),
            '0' => octal(after),
            other => (format!("\\{other}"), other.len_utf8()),
        };
        out.push_str(&text);
        rest = &after[length..];
    }
    out.push_str(rest);
    out
}

/// `\0` and up to three octal digits; the character and the length.
fn octal(after: &str) -> (String, usize) {
    let digits = after.bytes().skip(1).take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let code = u32::from_str_radix(&after[..=digits], 8).unwrap_or(0);
    (char::from_u32(code).map(String::from).unwrap_or_default(), digits + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only `INHERIT` is set outside.
    struct Outer;

    impl Lookup for Outer {
        fn get(&self, name: &str) -> Option<String> {
            (name == "INHERIT").then(|| "yes".to_owned())
        }

        fn missing(&self, _: &str) {}
    }

    #[test]
    fn lines_are_read_as_docker_compose_reads_them() {
        let source = concat!(
            "# comment\nA=plain\nB=\"dq $A ${A} \\$A $$A \\n\\t\\\"x\\\\y\\z\"\nC='sq $A \\n \\' x'\n",
            "D = spaced value   # comment\nE=a#b\nF=a #b\nexport G=g\nH: yaml\nI=\nJ=\"multi\nline\"\n",
            "K=${NOPE:-def} ${A:+alt}\nL=`x`\nM=a\"b\"c\nN=\"x\" # comment\nO=$\nP_1.x=5\nQ=a=b=c\n",
            "S=\\n\\\\x\nZ=\"$$\"\n  U=  lead\nW=\"a\\a\\v\\0101\"\nINHERIT\nINHERIT2\nexported=1\n",
        );
        let variables = parse("f", source, &Outer, BTreeMap::new()).unwrap();
        for (name, expected) in [
            ("A", "plain"),
            ("B", "dq plain plain $A $A \n\t\"x\\y\\z"),
            ("C", "sq $A \\n ' x"),
            ("D", "spaced value"),
            ("E", "a#b"),
            ("F", "a"),
            ("G", "g"),
            ("H", "yaml"),
            ("I", ""),
            ("J", "multi\nline"),
            ("K", "def alt"),
            ("L", "`x`"),
            ("M", "a\"b\"c"),
            ("N", "x"),
            ("O", "$"),
            ("P_1.x", "5"),
            ("Q", "a=b=c"),
            ("S", "\\n\\\\x"),
            ("Z", "$"),
            ("U", "lead"),
            ("W", "a\x07\x0bA"),
            ("INHERIT", "yes"),
            ("exported", "1"),
        ] {
            assert_eq!(variables.get(name).map(String::as_str), Some(expected), "{name}");
        }
        assert!(!variables.contains_key("INHERIT2"));
    }

    #[test]
    fn what_is_set_outside_wins_where_a_value_names_it() {
        let variables = parse("f", "INHERIT=no\nX=$INHERIT\n", &Outer, BTreeMap::new()).unwrap();
        assert_eq!((variables["X"].as_str(), variables["INHERIT"].as_str()), ("yes", "no"));
    }

    #[test]
    fn earlier_files_are_known() {
        let first = parse("f", "B=2\n", &Outer, BTreeMap::new()).unwrap();
        let second = parse("g", "D=$B\nB=3\nC=$B\n", &Outer, first).unwrap();
        assert_eq!(["B", "C", "D"].map(|name| second[name].as_str()), ["3", "3", "2"]);
    }

    #[test]
    fn faults_have_their_line() {
        for (source, expected) in [
            ("A B=1\n", "failed to read f: line 1: key cannot contain a space"),
            ("X=1\nA=\"x\n", "failed to read f: line 2: unterminated quoted value \"x"),
            ("A=${\n", "failed to read f: line 1: Invalid template: \"${\""),
            ("\n\nA=${B?x}\n", "failed to read f: line 3: required variable B is missing a value: x"),
            ("A$=1\n", "failed to read f: line 1: unexpected character \"$\" in variable name"),
        ] {
            assert_eq!(parse("f", source, &Outer, BTreeMap::new()).unwrap_err().message(), expected, "{source}");
        }
    }

    #[test]
    fn raw_files_are_taken_as_they_are() {
        let variables = parse_raw("f", "# c\nA='x' # y\nB=$A\nINHERIT\nNONE\n", &Outer).unwrap();
        let shown: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["A='x' # y", "B=$A", "INHERIT=yes"]);
        assert!(parse_raw("f", "A B=1\n", &Outer).is_err());
    }
}
