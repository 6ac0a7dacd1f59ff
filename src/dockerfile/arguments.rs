//! The arguments of an instruction: flags, words, JSON lists, name and value. Each knows its offset in the logical line.

/// A word and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) at: usize,
}

/// The leading `--name[=value]` words of `text` from `from` on, and the offset of the rest. Quotes and escapes of flags
/// are taken away here.
pub(super) fn flags(text: &str, from: usize, escape: char) -> (Vec<Word>, usize) {
    let mut flags = Vec::new();
    let mut rest = from;
    loop {
        let blanks = text[rest..].len() - text[rest..].trim_start().len();
        let at = rest + blanks;
        if !text[at..].starts_with("--") {
            return (flags, at);
        }
        let (word, end) = flag(text, at, escape);
        rest = end;
        if word == "--" {
            let blanks = text[rest..].len() - text[rest..].trim_start().len();
            return (flags, rest + blanks);
        }
        flags.push(Word { text: word, at });
    }
}

fn flag(text: &str, at: usize, escape: char) -> (String, usize) {
    let (mut word, mut quote) = (String::new(), None);
    let mut letters = text[at..].char_indices();
    while let Some((offset, letter)) = letters.next() {
        match quote {
            None if letter.is_whitespace() => return (word, at + offset),
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            Some(open) if letter == open => quote = None,
            _ if letter == escape => word.extend(letters.next().map(|(_, next)| next)),
            _ => word.push(letter),
        }
    }
    (word, text.len())
}

/// Words separated by blanks, quotes and escapes kept as they are.
pub(super) fn blank_separated(text: &str, from: usize) -> Vec<Word> {
    let mut words = Vec::new();
    let mut begin = None;
    for (offset, letter) in text[from..].char_indices() {
        match (letter.is_whitespace(), begin) {
            (true, Some(at)) => {
                words.push(Word { text: text[at..from + offset].to_owned(), at });
                begin = None;
            }
            (false, None) => begin = Some(from + offset),
            _ => {}
        }
    }
    words.extend(begin.map(|at| Word { text: text[at..].to_owned(), at }));
    words
}

/// Words separated by blanks outside of quotes; quotes and escapes stay in them.
pub(super) fn quoted_words(text: &str, from: usize, escape: char) -> Vec<Word> {
    let mut words = Vec::new();
    let (mut begin, mut quote) = (None, None);
    let mut letters = text[from..].char_indices();
    while let Some((offset, letter)) = letters.next() {
        let at = from + offset;
        match quote {
            None if letter.is_whitespace() => {
                words.extend(begin.take().map(|begin: usize| Word { text: text[begin..at].to_owned(), at: begin }));
                continue;
            }
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            Some(open) if letter == open => quote = None,
            // Nothing is escaped between single quotes.
            Some('\'') => {}
            _ if letter == escape => drop(letters.next()),
            _ => {}
        }
        begin.get_or_insert(at);
    }
    words.extend(begin.map(|begin| Word { text: text[begin..].to_owned(), at: begin }));
    words
}

/// What a JSON list of strings says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum List {
    /// It is one.
    Words(Vec<String>),
    /// A list, but of something else.
    OfOthers,
    /// No list.
    No,
}

/// Reads the exec form.
pub(super) fn list(text: &str) -> List {
    if !text.trim_start().starts_with('[') {
        return List::No;
    }
    match serde_json::from_str::<Vec<serde_json::Value>>(text) {
        Ok(values) => {
            let words = values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
            words.map_or(List::OfOthers, List::Words)
        }
        Err(_) => List::No,
    }
}

/// A word without its quotes; `None` when one has no end.
pub(super) fn unquoted(word: &str) -> Option<String> {
    let (mut bare, mut quote) = (String::new(), None);
    for letter in word.chars() {
        match quote {
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            Some(open) if letter == open => quote = None,
            _ => bare.push(letter),
        }
    }
    quote.is_none().then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_first() {
        let read = |text: &str| {
            let (flags, rest) = flags(text, 0, '\\');
            (flags.into_iter().map(|flag| flag.text).collect::<Vec<_>>().join("|"), text[rest..].to_owned())
        };
        assert_eq!(read("--a --b=c d --e"), ("--a|--b=c".into(), "d --e".into()));
        assert_eq!(read("--a=\"x y\" '--b' z"), ("--a=x y".into(), "'--b' z".into()));
        assert_eq!(read("--a\\ b c"), ("--a b".into(), "c".into()));
        assert_eq!(read("-- --x"), ("".into(), "--x".into()));
        assert_eq!(read("  x"), ("".into(), "x".into()));
        assert_eq!(read("--a=\"open"), ("--a=open".into(), "".into()));
    }

    #[test]
    fn words_keep_their_quotes_and_offsets() {
        let words = quoted_words("ENV a=\"b c\" d=e\\ f 'g", 4, '\\');
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["a=\"b c\"", "d=e\\ f", "'g"]);
        assert_eq!(words.iter().map(|word| word.at).collect::<Vec<_>>(), [4, 12, 19]);
        assert_eq!(blank_separated(" a  \"b c\" ", 0).iter().map(|w| w.at).collect::<Vec<_>>(), [1, 4, 7]);
    }

    #[test]
    fn lists_are_json() {
        assert_eq!(list(r#" ["a", "b\n"] "#), List::Words(vec!["a".into(), "b\n".into()]));
        assert_eq!(list("[1]"), List::OfOthers);
        assert_eq!((list("['a']"), list("a"), list("[\"a\"] b")), (List::No, List::No, List::No));
    }
}
