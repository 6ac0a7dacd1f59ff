//! Variables in the arguments of instructions: `$name`, `${name}` and its modifiers, quotes and escapes.
//!
//! This is BuildKit's word lexer (frontend/dockerfile/shell/lex.go): quotes and escapes disappear, single quotes keep
//! everything as it is, an unset variable is empty. Modifiers: `:-` `-` `:+` `+` `:?` `?`, `#` `##` `%` `%%` with a
//! pattern, `/` and `//` with a pattern and a replacement.

use super::glob::Glob;

/// The longest result, in bytes: `ENV a=$a$a` in many lines would double it with each.
pub const MAX_EXPANDED: usize = 1 << 20;

/// How deep one `${…}` may stand in another.
const MAX_DEPTH: usize = 32;

/// What a variable is worth; `None` when it is not set.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The text with its variables replaced, quotes and escapes taken away. The error says why that cannot be.
pub fn expand(text: &str, escape: char, lookup: &Lookup<'_>) -> Result<String, String> {
    Ok(words_of(text, escape, lookup, Mode::One)?.concat())
}

/// As [`expand`], with the result separated into words at blanks outside of quotes: `EXPOSE $PORTS`.
pub fn expand_words(text: &str, escape: char, lookup: &Lookup<'_>) -> Result<Vec<String>, String> {
    words_of(text, escape, lookup, Mode::Words)
}

/// The text with its variables replaced and everything else, quotes too, as it is: the content of a here-document.
pub fn expand_content(text: &str, escape: char, lookup: &Lookup<'_>) -> Result<String, String> {
    Ok(words_of(text, escape, lookup, Mode::Content)?.concat())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    One,
    Words,
    Content,
}

fn words_of(text: &str, escape: char, lookup: &Lookup<'_>, mode: Mode) -> Result<Vec<String>, String> {
    let letters: Vec<char> = text.chars().collect();
    let mut lexer = Lexer { letters: &letters, at: 0, escape, lookup, mode, depth: 0 };
    let mut result = Output::default();
    lexer.run(&mut result, None)?;
    result.end_word();
    Ok(result.words)
}

#[derive(Debug, Default)]
struct Output {
    words: Vec<String>,
    word: Option<String>,
    size: usize,
}

impl Output {
    fn push(&mut self, letter: char) -> Result<(), String> {
        self.grow(letter.len_utf8())?;
        self.word.get_or_insert_default().push(letter);
        Ok(())
    }

    fn push_str(&mut self, text: &str) -> Result<(), String> {
        self.grow(text.len())?;
        self.word.get_or_insert_default().push_str(text);
        Ok(())
    }

    fn grow(&mut self, by: usize) -> Result<(), String> {
        self.size += by;
        match self.size > MAX_EXPANDED {
            true => Err("the value is longer than 1 MiB once its variables are replaced".to_owned()),
            false => Ok(()),
        }
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }
}

struct Lexer<'a> {
    letters: &'a [char],
    at: usize,
    escape: char,
    lookup: &'a Lookup<'a>,
    mode: Mode,
    depth: usize,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += 1;
        Some(letter)
    }

    /// Reads up to the unquoted letter `stop`, which stays, or to the end.
    fn run(&mut self, out: &mut Output, stop: Option<char>) -> Result<(), String> {
        while let Some(letter) = self.peek() {
            if Some(letter) == stop {
                return Ok(());
            }
            self.at += 1;
            match letter {
                '$' => self.dollar(out, true)?,
                '\'' if self.mode != Mode::Content => self.single_quoted(out)?,
                '"' if self.mode != Mode::Content => self.double_quoted(out)?,
                letter if letter == self.escape && self.mode == Mode::Content => match self.peek() {
                    Some(next) if next == '$' || next == self.escape => {
                        self.at += 1;
                        out.push(next)?;
                    }
                    _ => out.push(letter)?,
                },
                letter if letter == self.escape => match self.next() {
                    Some(next) => out.push(next)?,
                    // An escape character at the end stands for itself.
                    None => out.push(letter)?,
                },
                letter if letter.is_whitespace() && self.mode == Mode::Words && self.depth == 0 => out.end_word(),
                letter => out.push(letter)?,
            }
        }
        Ok(())
    }

    fn single_quoted(&mut self, out: &mut Output) -> Result<(), String> {
        out.push_str("")?;
        loop {
            match self.next() {
                Some('\'') => return Ok(()),
                Some(letter) => out.push(letter)?,
                None => return Err("unexpected end of statement while looking for matching single-quote".to_owned()),
            }
        }
    }

    fn double_quoted(&mut self, out: &mut Output) -> Result<(), String> {
        out.push_str("")?;
        loop {
            match self.next() {
                Some('"') => return Ok(()),
                Some('$') => self.dollar(out, false)?,
                Some(letter) if letter == self.escape => match self.next() {
                    Some(next) if next == '"' || next == '$' || next == self.escape => out.push(next)?,
                    Some(next) => {
                        out.push(letter)?;
                        out.push(next)?;
                    }
                    None => return Err(Self::open_quote()),
                },
                Some(letter) => out.push(letter)?,
                None => return Err(Self::open_quote()),
            }
        }
    }

    fn open_quote() -> String {
        "unexpected end of statement while looking for matching double-quote".to_owned()
    }

    /// What follows a `$`. `splits`: blanks of the value separate words.
    fn dollar(&mut self, out: &mut Output, splits: bool) -> Result<(), String> {
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return out.push('$');
            }
            let value = self.value(&name).unwrap_or_default();
            return self.put(out, &value, splits);
        }
        self.at += 1;
        let name = self.name();
        if name.is_empty() {
            return Err("bad substitution: a `${` without a name".to_owned());
        }
        let value = self.braced(&name)?;
        match self.next() {
            Some('}') => self.put(out, &value, splits),
            _ => Err(format!("syntax error: missing `}}` of `${{{name}`")),
        }
    }

    fn put(&self, out: &mut Output, value: &str, splits: bool) -> Result<(), String> {
        if self.mode != Mode::Words || !splits || self.depth > 0 {
            return match value.is_empty() && self.mode == Mode::Words {
                true => Ok(()),
                false => out.push_str(value),
            };
        }
        for letter in value.chars() {
            match letter.is_whitespace() {
                true => out.end_word(),
                false => out.push(letter)?,
            }
        }
        Ok(())
    }

    fn name(&mut self) -> String {
        let begin = self.at;
        match self.peek() {
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                while self.peek().is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
                    self.at += 1;
                }
            }
            // Parameters of a shell that mean nothing here.
            Some(first) if first.is_ascii_digit() || "@*#".contains(first) => self.at += 1,
            _ => {}
        }
        self.letters[begin..self.at].iter().collect()
    }

    fn value(&mut self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    /// The word of a modifier, up to one of `stops`, expanded.
    fn word(&mut self, stop: char) -> Result<String, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("variables are nested too deep".to_owned());
        }
        let mut out = Output::default();
        let mode = std::mem::replace(&mut self.mode, Mode::One);
        let run = self.run(&mut out, Some(stop));
        (self.mode, self.depth) = (mode, self.depth - 1);
        run?;
        out.end_word();
        Ok(out.words.concat())
    }

    fn braced(&mut self, name: &str) -> Result<String, String> {
        let value = self.value(name);
        let Some(first) = self.peek() else { return Err(format!("syntax error: missing `}}` of `${{{name}`")) };
        if first == '}' {
            return Ok(value.unwrap_or_default());
        }
        self.at += 1;
        let (colon, modifier) = match first {
            ':' => (true, self.next().unwrap_or('}')),
            other => (false, other),
        };
        let set = value.as_ref().is_some_and(|value| !colon || !value.is_empty());
        match modifier {
            '-' => self.word('}').map(|word| if set { value.unwrap_or_default() } else { word }),
            '+' => self.word('}').map(|word| if set { word } else { String::new() }),
            '?' => {
                let word = self.word('}')?;
                match set {
                    true => Ok(value.unwrap_or_default()),
                    false if word.is_empty() => Err(format!("{name}: not allowed to be unset")),
                    false => Err(format!("{name}: {word}")),
                }
            }
            '#' | '%' if !colon => {
                let greedy = self.peek() == Some(modifier);
                self.at += usize::from(greedy);
                let pattern = self.pattern('}')?;
                Ok(trimmed(&value.unwrap_or_default(), &pattern, modifier == '#', greedy))
            }
            '/' if !colon => {
                let all = self.peek() == Some('/');
                self.at += usize::from(all);
                let pattern = self.pattern('/')?;
                let by = match self.next() {
                    Some('/') => self.word('}')?,
                    _ => return Err(format!("bad substitution: `${{{name}/…` has no replacement")),
                };
                replaced(&value.unwrap_or_default(), &pattern, &by, all)
            }
            other => Err(format!("unsupported modifier `{other}` in substitution")),
        }
    }

    /// A pattern of a modifier. `*` and `?` match `/` as well: it is no pattern of paths.
    fn pattern(&mut self, stop: char) -> Result<Glob, String> {
        let mut pattern = String::new();
        loop {
            match self.peek() {
                None => return Err("syntax error: missing `}`".to_owned()),
                Some(letter) if letter == stop => break,
                Some('}') => break,
                Some('\\') => {
                    self.at += 1;
                    pattern.push('\\');
                    pattern.extend(self.next());
                }
                Some('$') => {
                    self.at += 1;
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err("variables are nested too deep".to_owned());
                    }
                    let mut out = Output::default();
                    self.dollar(&mut out, false)?;
                    self.depth -= 1;
                    out.end_word();
                    pattern.push_str(&out.words.concat());
                }
                Some(letter) => {
                    self.at += 1;
                    // Brackets are letters here, and a slash must not stop a star.
                    if letter == '[' {
                        pattern.push('\\');
                    }
                    pattern.push(letter);
                }
            }
        }
        let pattern = pattern.replace('/', SLASH);
        Glob::of_path(&pattern).ok_or_else(|| "bad pattern in substitution".to_owned())
    }
}

/// Stands for `/` while patterns are matched, which treat a slash as a boundary. No value holds a zero byte.
const SLASH: &str = "\0";

/// The most letters of a value that is taken apart by a pattern.
const MAX_MATCHED: usize = 4096;

fn trimmed(value: &str, pattern: &Glob, from_start: bool, greedy: bool) -> String {
    let plain = value.replace('/', SLASH);
    if plain.len() > MAX_MATCHED {
        return value.to_owned();
    }
    let mut ends: Vec<usize> = plain.char_indices().map(|(at, _)| at).chain([plain.len()]).collect();
    // The shortest match first: the shortest beginning, or the shortest end.
    if greedy == from_start {
        ends.reverse();
    }
    let found = ends.into_iter().find(|at| pattern.matches(if from_start { &plain[..*at] } else { &plain[*at..] }));
    match found {
        Some(at) if from_start => value[at..].to_owned(),
        Some(at) => value[..at].to_owned(),
        None => value.to_owned(),
    }
}

fn replaced(value: &str, pattern: &Glob, by: &str, all: bool) -> Result<String, String> {
    let plain = value.replace('/', SLASH);
    if plain.len() > MAX_MATCHED {
        return Ok(value.to_owned());
    }
    let ends: Vec<usize> = plain.char_indices().map(|(at, _)| at).chain([plain.len()]).collect();
    let (mut result, mut at) = (String::new(), 0);
    while at < plain.len() {
        // The longest match that begins here, as a shell has it.
        let longest = ends.iter().rev().find(|end| **end > at && pattern.matches(&plain[at..**end]));
        match longest {
            Some(end) => {
                result.push_str(by);
                at = *end;
                if !all {
                    break;
                }
            }
            None => {
                let length = plain[at..].chars().next().map_or(1, char::len_utf8);
                result.push_str(&value[at..at + length]);
                at += length;
            }
        }
        if result.len() > MAX_EXPANDED {
            return Err("the value is longer than 1 MiB once its variables are replaced".to_owned());
        }
    }
    result.push_str(&value[at.min(value.len())..]);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lookup(name: &str) -> Option<String> {
        let value = match name {
            "A" => "one",
            "EMPTY" => "",
            "FILE" => "a/b.tar.gz",
            "TWO" => "x y",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn variables_quotes_and_escapes() {
        for (text, expected) in [
            ("$A", "one"),
            ("${A}b", "oneb"),
            ("$Ab", ""),
            ("\\$A", "$A"),
            ("'$A'", "$A"),
            ("\"$A\"", "one"),
            ("\"a\\$A\\\"\\x\"", "a$A\"\\x"),
            ("a\\ b", "a b"),
            ("$", "$"),
            ("$ x", "$ x"),
            ("a$", "a$"),
            ("a\\", "a\\"),
            ("''", ""),
            ("${A:-x}", "one"),
            ("${NO:-x$A}", "xone"),
            ("${EMPTY:-x}", "x"),
            ("${EMPTY-x}", ""),
            ("${NO-x}", "x"),
            ("${A:+x}", "x"),
            ("${EMPTY:+x}", ""),
            ("${EMPTY+x}", "x"),
            ("${NO+x}", ""),
            ("${NO:-${NO2:-${A}}}", "one"),
            ("${A:?no}", "one"),
            ("${FILE#*/}", "b.tar.gz"),
            ("${FILE##*.}", "gz"),
            ("${FILE%.*}", "a/b.tar"),
            ("${FILE%%.*}", "a/b"),
            ("${FILE%x}", "a/b.tar.gz"),
            ("${FILE/.tar/-}", "a/b-.gz"),
            ("${FILE//./_}", "a/b_tar_gz"),
            ("${FILE/\\//:}", "a:b.tar.gz"),
            ("${A/n*/}", "o"),
            ("$TWO", "x y"),
            ("$1x", "x"),
        ] {
            assert_eq!(expand(text, '\\', &lookup).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(expand("C:\\a`$A", '`', &lookup).as_deref(), Ok("C:\\a$A"));
    }

    #[test]
    fn what_cannot_be_expanded_says_why() {
        for (text, expected) in [
            ("'a", "single-quote"),
            ("\"a", "double-quote"),
            ("${A", "missing `}`"),
            ("${}", "bad substitution"),
            ("${A:!x}", "unsupported modifier `!`"),
            ("${NO:?is needed}", "NO: is needed"),
            ("${NO?}", "not allowed to be unset"),
            ("${A/x}", "no replacement"),
        ] {
            let error = expand(text, '\\', &lookup).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(expand(&"${A:-".repeat(1000), '\\', &lookup).is_err());
        let big = |_: &str| Some("x".repeat(MAX_EXPANDED));
        assert!(expand("$A$A", '\\', &big).is_err());
    }

    #[test]
    fn words_and_contents() {
        let words = |text| expand_words(text, '\\', &lookup).unwrap();
        assert_eq!(words("80 $TWO \"$TWO\" $NO '' a\\ b"), ["80", "x", "y", "x y", "", "a b"]);
        assert_eq!(expand_content("'$A' \"\\$A\" \\n\n", '\\', &lookup).unwrap(), "'one' \"$A\" \\n\n");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[$\\{\\}A:#%/?*'\"\\\\ -]{0,60}") {
            let _ = expand(&text, '\\', &lookup);
            let _ = expand_words(&text, '`', &lookup);
            let _ = expand_content(&text, '\\', &lookup);
        }
    }
}
