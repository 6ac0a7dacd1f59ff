//! `--filter KEY=VALUE`: one grammar for all commands that list or prune something, with docker's rules.
//!
//! The option may be repeated. Values of one key are alternatives ([`Any`]), but all labels must fit ([`Labels`]); different
//! keys must all fit. `KEY!=VALUE`, where a command has it, excludes what `KEY=VALUE` selects. Keys are taken in any case.
//! Each command names its keys ([`Keys`]) and gives each value its type; whatever else is given is refused.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::pattern::Pattern;
use crate::base::{Error, Result, text};

/// The keys of a command.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    /// Those that there are, in lower case and in the order in which a message lists them.
    pub known: &'static [&'static str],
    /// Those that may be excluded, with `!=`.
    pub excludable: &'static [&'static str],
}

/// One `--filter` with a key that the command knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The key, one of [`Keys::known`].
    pub key: &'static str,
    /// What stands behind `=`, without blanks around it.
    pub value: String,
    /// Whether it was `!=`.
    pub excluded: bool,
}

impl Filter {
    /// Reads `KEY=VALUE` or `KEY!=VALUE`.
    pub fn parse(given: &str, keys: &Keys) -> Result<Self> {
        let Some((key, value)) = given.split_once('=') else {
            return Err(Error::usage(format!("bad format of filter `{}` (expected name=value)", text::clean(given))));
        };
        let key = key.trim().to_ascii_lowercase();
        let (name, excluded) = match key.strip_suffix('!') {
            Some(name) if keys.excludable.contains(&name) => (name, true),
            _ => (key.as_str(), false),
        };
        match keys.known.iter().find(|known| **known == name) {
            Some(key) => Ok(Self { key, value: value.trim().to_owned(), excluded }),
            None => Err(Error::usage(format!("invalid filter `{}`", text::clean(&key)))
                .hint(format!("known are {}", listed(keys.known)))),
        }
    }

    /// The error of a value that does not go with its key.
    pub fn wrong(&self) -> Error {
        let sign = if self.excluded { "!=" } else { "=" };
        Error::usage(format!("invalid filter `{}{sign}{}`", self.key, text::clean(&self.value)))
    }

    /// `true` and `false`, or `1` and `0`.
    pub fn switch(&self) -> Result<bool> {
        match self.value.as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(self.wrong()),
        }
    }

    /// A value that has a grammar of its own, which needs no reason: a number.
    pub fn parsed<T: FromStr>(&self) -> Result<T> {
        self.value.parse().map_err(|_| self.wrong())
    }

    /// One of these words.
    pub fn one_of(&self, words: &[&str]) -> Result<String> {
        match words.contains(&self.value.as_str()) {
            true => Ok(self.value.clone()),
            false => Err(self.wrong()),
        }
    }

    /// A pattern of names or ids.
    pub fn pattern(&self) -> Result<Pattern> {
        Pattern::parse(&self.value)
    }
}

/// `a, b and c`.
fn listed(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        words => words.join(", "),
    }
}

/// The values of one key: alternatives. When none was given, everything fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Any<T>(Vec<T>);

impl<T> Default for Any<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Any<T> {
    /// Adds an alternative.
    pub fn push(&mut self, value: T) {
        self.0.push(value);
    }

    /// Whether one of them fits, or there are none.
    pub fn fits(&self, fits: impl Fn(&T) -> bool) -> bool {
        self.0.is_empty() || self.0.iter().any(fits)
    }

    /// The values.
    pub fn values(&self) -> &[T] {
        &self.0
    }

    /// Whether the key was not given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Any<Pattern> {
    /// Whether one of the patterns is in `text`, or there are none.
    pub fn are_in(&self, text: &str) -> bool {
        self.fits(|pattern| pattern.is_in(text))
    }
}

/// A label, by its name alone or with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    name: String,
    value: Option<String>,
}

impl Label {
    fn is_in(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(&self.name).is_some_and(|value| self.value.as_ref().is_none_or(|wanted| wanted == value))
    }
}

/// `label=NAME[=VALUE]` and `label!=NAME[=VALUE]`: all of the former must fit, none of the latter may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    wanted: Vec<Label>,
    excluded: Vec<Label>,
}

impl Labels {
    /// Adds the value of a filter.
    pub fn add(&mut self, filter: &Filter) {
        let label = match filter.value.split_once('=') {
            Some((name, value)) => Label { name: name.into(), value: Some(value.into()) },
            None => Label { name: filter.value.clone(), value: None },
        };
        match filter.excluded {
            true => self.excluded.push(label),
            false => self.wanted.push(label),
        }
    }

    /// Whether something with these labels is meant.
    pub fn fit(&self, labels: &BTreeMap<String, String>) -> bool {
        self.wanted.iter().all(|label| label.is_in(labels)) && !self.excluded.iter().any(|label| label.is_in(labels))
    }

    /// Whether no label was given.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.excluded.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: Keys = Keys { known: &["name", "label", "dangling"], excludable: &["label"] };

    fn filter(given: &str) -> Filter {
        Filter::parse(given, &KEYS).unwrap()
    }

    #[test]
    fn keys_and_values() {
        for (given, key, value, excluded) in [
            ("name=web", "name", "web", false),
            (" Name = a=b ", "name", "a=b", false),
            ("label=a", "label", "a", false),
            ("label!=a=b", "label", "a=b", true),
            ("dangling=", "dangling", "", false),
        ] {
            assert_eq!(filter(given), Filter { key, value: value.into(), excluded }, "{given}");
        }
        for (bad, message) in [
            ("name", "bad format of filter `name` (expected name=value)"),
            ("frob=1", "invalid filter `frob`"),
            ("name!=x", "invalid filter `name!`"),
            ("=x", "invalid filter ``"),
        ] {
            assert_eq!(Filter::parse(bad, &KEYS).unwrap_err().message(), message);
        }
        assert_eq!(listed(KEYS.known), "name, label and dangling");
        assert_eq!((listed(&["a"]), listed(&[])), ("a".to_owned(), String::new()));
    }

    #[test]
    fn values_have_types() {
        for (given, expected) in [("true", Some(true)), ("1", Some(true)), ("false", Some(false)), ("yes", None)] {
            assert_eq!(filter(&format!("dangling={given}")).switch().ok(), expected, "{given}");
        }
        let wrong = filter("label!=7").parsed::<u8>().and(filter("name=x").parsed::<u8>()).unwrap_err();
        assert_eq!(wrong.message(), "invalid filter `name=x`");
        assert_eq!(filter("label!=x").wrong().message(), "invalid filter `label!=x`");
        assert_eq!(filter("name=b").one_of(&["a", "b"]).unwrap(), "b");
        assert!(filter("name=c").one_of(&["a", "b"]).is_err());
        assert!(filter("name=^web$").pattern().unwrap().is_in("web"));
    }

    #[test]
    fn alternatives_and_labels() {
        let mut any = Any::default();
        assert!(any.fits(|_: &u8| false));
        any.push(1);
        any.push(2);
        assert!(any.fits(|value| *value == 2) && !any.fits(|value| *value == 3));
        let labels: BTreeMap<String, String> =
            [("app", "shop"), ("tier", "web")].map(|(name, value)| (name.into(), value.into())).into();
        for (given, fits) in [
            (&[][..], true),
            (&["label=app"], true),
            (&["label=app=shop", "label=tier"], true),
            (&["label=app=shop", "label=absent"], false),
            (&["label=app=other"], false),
            (&["label!=app"], false),
            (&["label!=app=other"], true),
            (&["label=app", "label!=tier=web"], false),
        ] {
            let mut filters = Labels::default();
            given.iter().for_each(|given| filters.add(&filter(given)));
            assert_eq!(filters.fit(&labels), fits, "{given:?}");
            assert_eq!(filters.is_empty(), given.is_empty());
        }
    }
}
