//! Variables in values: `$V`, `${V}` and the forms with defaults, errors and alternatives. `$$` is a dollar sign, and so is
//! one that no name or brace follows.

use std::collections::BTreeMap;

/// The most levels of variables inside defaults.
const MAX_DEPTH: usize = 50;
/// The most bytes that a value may grow to.
const MAX_RESULT: usize = 4 << 20;

/// Looks a variable up.
pub trait Lookup {
    /// The value; `None` if it is not set.
    fn get(&self, name: &str) -> Option<String>;
    /// A variable without a value became an empty text.
    fn missing(&self, name: &str);
}

/// Why a text cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is malformed.
    Form,
    /// A variable that must be set is not, and what its author has to say about it.
    Required(String, String),
}

/// What stands between the name and the word of `${NAME:-WORD}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Default,
    Required,
    Alternative,
}

/// A piece of a template.
enum Part<'a> {
    Literal(&'a str),
    Dollar,
    Variable { name: &'a str, rest: Option<Rest<'a>> },
}

/// The operator and its word.
struct Rest<'a> {
    operator: Operator,
    /// With a colon: an empty value counts as none.
    is_strict: bool,
    word: &'a str,
}

fn name_length(text: &str) -> usize {
    let is_first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match is_first {
        true => text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len()),
        false => 0,
    }
}

/// The position of the brace that closes the one before `text`.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0usize, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                depth += 1;
                at += 1;
            }
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    // Braces that belong to the word itself need not be balanced.
    text.find('}')
}

/// The first part of a template and what follows it.
fn part(text: &str) -> Result<(Part<'_>, &str), Fault> {
    let Some(rest) = text.strip_prefix('$') else {
        let end = text.find('$').unwrap_or(text.len());
        return Ok((Part::Literal(&text[..end]), &text[end..]));
    };
    if let Some(rest) = rest.strip_prefix('$') {
        return Ok((Part::Dollar, rest));
    }
    if let Some(inner) = rest.strip_prefix('{') {
        let end = closing(inner).ok_or(Fault::Form)?;
        return Ok((braced(&inner[..end])?, &inner[end + 1..]));
    }
    match name_length(rest) {
        0 => Ok((Part::Dollar, rest)),
        length => Ok((Part::Variable { name: &rest[..length], rest: None }, &rest[length..])),
    }
}

fn braced(inner: &str) -> Result<Part<'_>, Fault> {
    let (name, rest) = inner.split_at(name_length(inner));
    if name.is_empty() {
        return Err(Fault::Form);
    }
    if rest.is_empty() {
        return Ok(Part::Variable { name, rest: None });
    }
    let (is_strict, rest) = match rest.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let operator = match rest.as_bytes().first() {
        Some(b'-') => Operator::Default,
        Some(b'?') => Operator::Required,
        Some(b'+') => Operator::Alternative,
        _ => return Err(Fault::Form),
    };
    Ok(Part::Variable { name, rest: Some(Rest { operator, is_strict, word: &rest[1..] }) })
}

/// The text with its variables replaced.
pub fn expand(template: &str, lookup: &dyn Lookup) -> Result<String, Fault> {
    expand_at(template, lookup, 0)
}

fn expand_at(mut text: &str, lookup: &dyn Lookup, depth: usize) -> Result<String, Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::Form);
    }
    let mut out = String::new();
    while !text.is_empty() {
        let (part, rest) = part(text)?;
        match part {
            Part::Literal(literal) => out.push_str(literal),
            Part::Dollar => out.push('$'),
            Part::Variable { name, rest } => out.push_str(&variable(name, rest, lookup, depth)?),
        }
        if out.len() > MAX_RESULT {
            return Err(Fault::Form);
        }
        text = rest;
    }
    Ok(out)
}

fn variable(name: &str, rest: Option<Rest<'_>>, lookup: &dyn Lookup, depth: usize) -> Result<String, Fault> {
    let value = lookup.get(name);
    let Some(Rest { operator, is_strict, word }) = rest else {
        return Ok(value.unwrap_or_else(|| {
            lookup.missing(name);
            String::new()
        }));
    };
    let word = |lookup| expand_at(word, lookup, depth + 1);
    let value = value.filter(|value| !(is_strict && value.is_empty()));
    match (operator, value) {
        (Operator::Default | Operator::Required, Some(value)) => Ok(value),
        (Operator::Default, None) | (Operator::Alternative, Some(_)) => word(lookup),
        (Operator::Alternative, None) => Ok(String::new()),
        (Operator::Required, None) => Err(Fault::Required(name.to_owned(), word(lookup)?)),
    }
}

/// A variable of a file, as `config --variables` lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variable {
    /// Whether it must be set.
    pub is_required: bool,
    /// What it is if it is not set.
    pub default: String,
    /// What replaces its value if it is set.
    pub alternative: String,
}

/// Adds the variables of a template, those inside defaults too.
pub fn variables(template: &str, found: &mut BTreeMap<String, Variable>) {
    collect(template, found, 0);
}

fn collect(mut text: &str, found: &mut BTreeMap<String, Variable>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    while let (false, Ok((part, rest))) = (text.is_empty(), part(text)) {
        if let Part::Variable { name, rest } = part {
            let variable = found.entry(name.to_owned()).or_default();
            if let Some(rest) = rest {
                match rest.operator {
                    Operator::Default => variable.default = rest.word.to_owned(),
                    Operator::Required => variable.is_required = true,
                    Operator::Alternative => variable.alternative = rest.word.to_owned(),
                }
                collect(rest.word, found, depth + 1);
            }
        }
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A is `aa`, E is empty, nothing else is set.
    struct Sample(RefCell<Vec<String>>);

    impl Lookup for Sample {
        fn get(&self, name: &str) -> Option<String> {
            match name {
                "A" => Some("aa".into()),
                "E" => Some(String::new()),
                _ => None,
            }
        }

        fn missing(&self, name: &str) {
            self.0.borrow_mut().push(name.into());
        }
    }

    #[test]
    fn every_form_is_expanded_as_docker_compose_does() {
        for (template, expected) in [
            ("$A", "aa"),
            ("${A}", "aa"),
            ("${N:-d}", "d"),
            ("${N-d}", "d"),
            ("${E:-d}", "d"),
            ("${E-d}", ""),
            ("${A:+r}", "r"),
            ("${N:+r}", ""),
            ("${E:+r}", ""),
            ("${E+r}", "r"),
            ("${N:-${A:-x}y}z", "aayz"),
            ("$$A", "$A"),
            ("$${A}", "${A}"),
            ("a$", "a$"),
            ("$1", "$1"),
            ("$-", "$-"),
            ("${A:?e}", "aa"),
            ("${E?e}", ""),
            ("${N:-a}b}", "ab}"),
            ("${A:-$A}", "aa"),
            ("${N:-\"x\"}", "\"x\""),
            ("$A$A", "aaaa"),
            ("${N:-$${x}}", "${x}"),
            ("${A?$x}", "aa"),
            ("${N:-a:?b}", "a:?b"),
            ("${N:-{{x}}}", "{{x}}"),
            ("$N.b", ".b"),
            ("${N:+${A}}", ""),
        ] {
            let lookup = Sample(RefCell::default());
            assert_eq!(expand(template, &lookup).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let lookup = Sample(RefCell::default());
        for template in ["${A", "${}", "${a b}", "${A:x}", "${A.b}", "${A:}"] {
            assert_eq!(expand(template, &lookup), Err(Fault::Form), "{template}");
        }
        let required = |name: &str, words: &str| Err(Fault::Required(name.into(), words.into()));
        assert_eq!(expand("${N:?}", &lookup), required("N", ""));
        assert_eq!(expand("${E:?need $A}", &lookup), required("E", "need aa"));
        assert_eq!(expand("${N?a:-b}", &lookup), required("N", "a:-b"));
        assert!(lookup.0.borrow().is_empty());
        assert_eq!(expand("$N $A ${M}", &lookup).as_deref(), Ok(" aa "));
        assert_eq!(*lookup.0.borrow(), ["N", "M"]);
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = format!("{}x{}", "${N:-".repeat(10_000), "}".repeat(10_000));
        assert_eq!(expand(&deep, &Sample(RefCell::default())), Err(Fault::Form));
        variables(&deep, &mut BTreeMap::new());
    }

    #[test]
    fn variables_are_listed_with_their_defaults() {
        let mut found = BTreeMap::new();
        variables("$A ${B:-${C-x}} ${D?must} ${E:+alt} $$F", &mut found);
        let shown: Vec<String> =
            found.iter().map(|(n, v)| format!("{n} {} {} {}", v.is_required, v.default, v.alternative)).collect();
        assert_eq!(shown, ["A false  ", "B false ${C-x} ", "C false x ", "D true  ", "E false  alt"]);
    }
}
