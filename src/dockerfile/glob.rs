//! Patterns of paths: those of `COPY` (Go's `filepath.Match`) and those of `.dockerignore` (the same, and `**`).
//!
//! A pattern becomes a list of tokens that is matched as a set of states: time grows with pattern times text, whatever the
//! pattern is.

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Letter(char),
    /// `?`: anything but `/`.
    One,
    /// `*`: any number of anything but `/`.
    Star,
    /// The beginning of `**/`: nothing, or [`Token::Directories`].
    Optional,
    /// Anything that ends with `/`.
    Directories,
    /// `**` at the end: anything.
    Rest,
    /// `[…]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// Go's `filepath.Match`: `**` is two stars. `None` for a malformed pattern.
    pub fn of_path(pattern: &str) -> Option<Self> {
        Self::compile(pattern, false)
    }

    /// As [`Self::of_path`], with `**` for any number of directories.
    pub fn with_double_stars(pattern: &str) -> Option<Self> {
        Self::compile(pattern, true)
    }

    fn compile(pattern: &str, double_stars: bool) -> Option<Self> {
        let letters: Vec<char> = pattern.chars().collect();
        let (mut tokens, mut at) = (Vec::with_capacity(letters.len()), 0);
        while let Some(letter) = letters.get(at) {
            at += 1;
            let token = match letter {
                '*' if double_stars && letters.get(at) == Some(&'*') => {
                    at += 1;
                    if letters.get(at) == Some(&'/') {
                        at += 1;
                    }
                    if at == letters.len() {
                        Token::Rest
                    } else {
                        tokens.push(Token::Optional);
                        Token::Directories
                    }
                }
                '*' => Token::Star,
                '?' => Token::One,
                '[' => class(&letters, &mut at)?,
                '\\' => {
                    let escaped = letters.get(at)?;
                    at += 1;
                    Token::Letter(*escaped)
                }
                letter => Token::Letter(*letter),
            };
            tokens.push(token);
        }
        Some(Self { tokens })
    }

    /// Whether `path` is matched as a whole.
    pub fn matches(&self, path: &str) -> bool {
        let mut states = vec![false; self.tokens.len() + 1];
        states[0] = true;
        self.close(&mut states);
        for letter in path.chars() {
            let mut next = vec![false; states.len()];
            for (state, token) in self.tokens.iter().enumerate().filter(|(state, _)| states[*state]) {
                match token {
                    Token::Letter(wanted) => next[state + 1] |= letter == *wanted,
                    Token::One => next[state + 1] |= letter != '/',
                    Token::Star => next[state] |= letter != '/',
                    Token::Rest => next[state] = true,
                    Token::Optional => {}
                    Token::Directories => {
                        next[state] = true;
                        next[state + 1] |= letter == '/';
                    }
                    Token::Class { negated, ranges } => {
                        let within = ranges.iter().any(|(low, high)| (low..=high).contains(&&letter));
                        next[state + 1] |= letter != '/' && within != *negated;
                    }
                }
            }
            states = next;
            self.close(&mut states);
        }
        states[self.tokens.len()]
    }

    /// Adds the states that are reached without a letter.
    fn close(&self, states: &mut [bool]) {
        for (state, token) in self.tokens.iter().enumerate() {
            match token {
                Token::Star | Token::Rest => states[state + 1] |= states[state],
                Token::Optional => {
                    states[state + 1] |= states[state];
                    states[state + 2] |= states[state];
                }
                _ => {}
            }
        }
    }

    /// The beginning of the pattern that is no pattern, up to its last `/`.
    pub fn literal_directory(&self) -> String {
        let letters = self.tokens.iter().map_while(|token| match token {
            Token::Letter(letter) => Some(*letter),
            _ => None,
        });
        let literal: String = letters.collect();
        literal.rfind('/').map_or(String::new(), |end| literal[..end].to_owned())
    }
}

/// Whether a path is a pattern at all.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

fn class(letters: &[char], at: &mut usize) -> Option<Token> {
    let negated = letters.get(*at) == Some(&'^');
    *at += usize::from(negated);
    let mut ranges = Vec::new();
    let one = |at: &mut usize| {
        let mut letter = *letters.get(*at)?;
        if letter == '\\' {
            *at += 1;
            letter = *letters.get(*at)?;
        } else if letter == '-' || letter == ']' {
            return None;
        }
        *at += 1;
        Some(letter)
    };
    while letters.get(*at) != Some(&']') || ranges.is_empty() {
        let low = one(at)?;
        let high = match letters.get(*at) {
            Some('-') => {
                *at += 1;
                one(at)?
            }
            _ => low,
        };
        ranges.push((low, high));
    }
    *at += 1;
    Some(Token::Class { negated, ranges })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, path, expected) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[\\-]", "-", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("*x", "xxx", true),
            ("", "", true),
            ("ä?", "äö", true),
        ] {
            assert_eq!(Glob::of_path(pattern).unwrap().matches(path), expected, "{pattern} {path}");
        }
        for pattern in ["[", "[a", "[]a]", "a[-]", "[a-]", "\\", "[^]"] {
            assert_eq!(Glob::of_path(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn double_stars_are_any_directories() {
        for (pattern, path, expected) in [
            ("**", "a/b", true),
            ("**/x", "x", true),
            ("**/x", "a/b/x", true),
            ("**/x", "ax", false),
            ("a/**/x", "a/x", true),
            ("a/**/x", "a/b/c/x", true),
            ("a/**", "a/b/c", true),
            ("a/**", "a", false),
            ("**/*.go", "cmd/main.go", true),
            ("**/*.go", "main.rs", false),
            ("a**/b", "a/b", true),
            ("a**/b", "ax/y/b", true),
        ] {
            assert_eq!(Glob::with_double_stars(pattern).unwrap().matches(path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn the_literal_beginning_is_known() {
        for (pattern, expected) in [("a/b/*.c", "a/b"), ("a*", ""), ("*", ""), ("a/b", "a")] {
            assert_eq!(Glob::of_path(pattern).unwrap().literal_directory(), expected);
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_hang(pattern in "[a*?/\\[\\]^\\\\-]{0,40}", path in "[a/-]{0,60}") {
            for glob in [Glob::of_path(&pattern), Glob::with_double_stars(&pattern)].into_iter().flatten() {
                glob.matches(&path);
            }
        }
    }
}
