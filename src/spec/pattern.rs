//! The patterns of `--filter name=…`: the small part of regular expressions that fits names.
//!
//! docker takes any regular expression of Go. Here a pattern may have `^` and `$` at its ends, `.` for any character,
//! `*`, `+` and `?` behind a character, and `|` between alternatives; anything beyond is refused, not misread.

use crate::base::{Error, Result, text};

/// A pattern that was found to be well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    alternatives: Vec<Alternative>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Alternative {
    from_start: bool,
    to_end: bool,
    atoms: Vec<Atom>,
}

/// One character and how often it may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Atom {
    /// `None` is any character.
    letter: Option<char>,
    optional: bool,
    repeated: bool,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(pattern: &str) -> Result<Self> {
        let alternatives = pattern.split('|').map(Alternative::parse).collect::<Option<Vec<_>>>();
        match alternatives {
            Some(alternatives) if pattern.len() <= 256 => Ok(Self { alternatives }),
            _ => Err(Error::usage(format!("invalid pattern `{}`", text::clean(pattern)))
                .hint("a pattern is text with `^`, `$`, `.`, `*`, `+`, `?` and `|` as in regular expressions")),
        }
    }

    /// Whether the pattern fits a part of `text`.
    pub fn is_in(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.alternatives.iter().any(|alternative| alternative.is_in(&text))
    }
}

impl Alternative {
    fn parse(pattern: &str) -> Option<Self> {
        let (from_start, pattern) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
        let (to_end, pattern) = pattern.strip_suffix('$').map_or((false, pattern), |rest| (true, rest));
        let mut atoms: Vec<Atom> = Vec::new();
        let mut counted = true;
        for letter in pattern.chars() {
            match letter {
                '*' | '+' | '?' => {
                    let atom = atoms.last_mut().filter(|_| !counted)?;
                    atom.optional = letter != '+';
                    atom.repeated = letter != '?';
                    counted = true;
                }
                '(' | ')' | '[' | ']' | '{' | '}' | '\\' | '^' | '$' => return None,
                letter => {
                    atoms.push(Atom {
                        letter: Some(letter).filter(|letter| *letter != '.'),
                        optional: false,
                        repeated: false,
                    });
                    counted = false;
                }
            }
        }
        Some(Self { from_start, to_end, atoms })
    }

    /// Walks through the text with the set of atoms that may come next, so that no pattern takes long.
    fn is_in(&self, text: &[char]) -> bool {
        let end = self.atoms.len();
        let mut reached = vec![false; end + 1];
        for at in 0..=text.len() {
            reached[0] |= at == 0 || !self.from_start;
            for (index, atom) in self.atoms.iter().enumerate() {
                reached[index + 1] |= reached[index] && atom.optional;
            }
            if reached[end] && (!self.to_end || at == text.len()) {
                return true;
            }
            let Some(letter) = text.get(at) else { break };
            let mut next = vec![false; end + 1];
            for (index, atom) in self.atoms.iter().enumerate() {
                if reached[index] && atom.letter.is_none_or(|wanted| wanted == *letter) {
                    next[index + 1] = true;
                    next[index] |= atom.repeated;
                }
            }
            reached = next;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_regular_expressions_do() {
        for (pattern, text, fits) in [
            ("", "web", true),
            ("eb", "web", true),
            ("^web$", "web", true),
            ("^web$", "web1", false),
            ("^eb", "web", false),
            ("we$", "web", false),
            ("w.b", "wxb", true),
            ("^w.*1$", "web-01", true),
            ("^w.*1$", "web-02", false),
            ("a+b", "xaaab", true),
            ("a+b", "xb", false),
            ("^ab?c$", "ac", true),
            ("^ab?c$", "abbc", false),
            ("^ab*c$", "abbc", true),
            ("db|^web", "web", true),
            ("db|^web", "aweb", false),
            ("^$", "", true),
            ("^$", "x", false),
            ("^.+$", "", false),
            ("a.*a.*a.*a.*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().is_in(text), fits, "{pattern} in {text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for pattern in ["(a)", "[ab]", "a{2}", "\\d", "*", "a**", "a^b", &"x".repeat(300)] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
