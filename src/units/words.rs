//! The quoting of systemd's unit files: how a value is split into words, and how a word is written so that it is read
//! back as it was.

use crate::base::{Error, Result};

/// What becomes of backslashes while a value is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// `\n`, `\x41` and the like stand for characters, as in command lines.
    Read,
    /// They stay as they are, as in lists of names.
    Keep,
}

/// Splits a value at white space. Quotes keep words together; a quote that is not closed ends with the value.
pub fn split(value: &str, escapes: Escapes) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', _) if escapes == Escapes::Keep => {
                let word = word.get_or_insert_default();
                word.push('\\');
                word.extend(characters.next());
            }
            ('\\', _) => word.get_or_insert_default().push(escaped(&mut characters)?),
            (closing, Some(open)) if closing == open => quote = None,
            (other, Some(_)) => word.get_or_insert_default().push(other),
            ('"' | '\'', None) => {
                word.get_or_insert_default();
                quote = Some(character);
            }
            (space, None) if space.is_ascii_whitespace() => words.extend(word.take()),
            (other, None) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// The character that an escape stands for; the backslash is read already.
fn escaped(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char> {
    let wrong = |what: &str| Error::invalid(format!("unknown escape `\\{what}`"));
    let Some(kind) = characters.next() else { return Ok('\\') };
    let digits = match kind {
        'a' => return Ok('\u{7}'),
        'b' => return Ok('\u{8}'),
        'f' => return Ok('\u{c}'),
        'n' => return Ok('\n'),
        'r' => return Ok('\r'),
        't' => return Ok('\t'),
        'v' => return Ok('\u{b}'),
        's' => return Ok(' '),
        '\\' | '"' | '\'' => return Ok(kind),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        '0'..='7' => {
            let rest: String = characters.by_ref().take(2).collect();
            let number = u32::from_str_radix(&format!("{kind}{rest}"), 8);
            let number = number.ok().filter(|_| rest.len() == 2).and_then(char::from_u32);
            return number.filter(|c| *c != '\0').ok_or_else(|| wrong(&format!("{kind}{rest}")));
        }
        other => return Err(wrong(&other.to_string())),
    };
    let rest: String = characters.by_ref().take(digits).collect();
    let number = u32::from_str_radix(&rest, 16).ok().filter(|_| rest.chars().count() == digits);
    number.and_then(char::from_u32).filter(|c| *c != '\0').ok_or_else(|| wrong(&format!("{kind}{rest}")))
}

/// One word of a command line of systemd, quoted where that is needed. Specifiers (`%n`) and variables (`$HOME`) stay
/// what they are: the user may have meant them.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | ';');
    if !word.is_empty() && word.chars().all(|c| plain(c) || (!c.is_ascii() && !c.is_control())) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in word.chars() {
        match character {
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                let mut bytes = [0; 4];
                for byte in control.encode_utf8(&mut bytes).bytes() {
                    quoted.push_str(&format!("\\x{byte:02x}"));
                }
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A command line of systemd.
pub fn join<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_split_as_systemd_splits_them() {
        for (value, words) in [
            ("", &[][..]),
            ("  a  b\t c ", &["a", "b", "c"]),
            ("\"a b\" 'c d'e", &["a b", "c de"]),
            ("a=\"x y\" ''", &["a=x y", ""]),
            (r"\x41\n\s\101 \u00e4", &["A\n A", "ä"]),
            ("\"it's\" 'say \"hi\"'", &["it's", "say \"hi\""]),
            ("\"open end", &["open end"]),
        ] {
            assert_eq!(split(value, Escapes::Read).unwrap(), words, "{value}");
        }
        assert_eq!(split(r"a\x41 'b c'", Escapes::Keep).unwrap(), [r"a\x41", "b c"]);
        for wrong in [r"\q", r"\x4", r"\xzz", r"\000", r"\9", r"\u12", r"\x00"] {
            assert!(split(wrong, Escapes::Read).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_quoted_is_read_back() {
        for word in ["", "a", "a b", "it's", "\"", "\\", "a\nb", "ä ö", "\u{1}", "x;y", "$HOME %n", ";"] {
            assert_eq!(split(&quote(word), Escapes::Read).unwrap(), [word], "{}", quote(word));
        }
        assert_eq!(join(["run", "--env", "A=b c", "%n"]), "run --env \"A=b c\" %n");
    }
}
