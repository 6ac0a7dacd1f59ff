//! Here-documents: `<<NAME`, `<<-NAME`, `<<"NAME"`, `3<<NAME`.
//!
//! BuildKit (frontend/dockerfile/parser/parser.go, `ParseHeredoc`) takes a word of the line for one when it consists of
//! digits, `<<`, perhaps `-`, and one word without `<`. Quotes around the name keep variables in the content from being
//! expanded.

use super::arguments::unquoted;

/// A here-document with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// Its name, without quotes.
    pub name: String,
    /// Its content, with the newline of its last line; tabs at the beginning of lines are gone for `<<-`.
    pub content: String,
    /// Whether variables in it are expanded.
    pub expand: bool,
    /// Whether it was `<<-`.
    pub strip_tabs: bool,
}

/// The word as the beginning of a here-document that has no content yet.
pub(super) fn opening(word: &str) -> Option<Heredoc> {
    let rest = word.trim_start_matches(|digit: char| digit.is_ascii_digit()).strip_prefix("<<")?;
    let (strip_tabs, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let name = unquoted(rest)?;
    let valid = !name.is_empty() && !name.contains(|letter: char| letter.is_whitespace() || letter == '/');
    valid.then(|| Heredoc { expand: name == rest, name, content: String::new(), strip_tabs })
}

impl Heredoc {
    /// Whether a physical line ends it.
    pub(super) fn ends_with(&self, line: &str) -> bool {
        let line = if self.strip_tabs { line.trim_start_matches('\t') } else { line };
        line == self.name
    }

    /// Adds a physical line.
    pub(super) fn push(&mut self, line: &str) {
        self.content.push_str(if self.strip_tabs { line.trim_start_matches('\t') } else { line });
        self.content.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_are_told_from_words() {
        let found = |word: &str| opening(word).map(|doc| (doc.name, doc.expand, doc.strip_tabs));
        assert_eq!(found("<<EOF"), Some(("EOF".into(), true, false)));
        assert_eq!(found("<<-E"), Some(("E".into(), true, true)));
        assert_eq!(found("<<\"E F\""), None);
        assert_eq!(found("3<<'E'"), Some(("E".into(), false, false)));
        for word in ["<<", "<<<x", "a<<b", "<<a<b", "<EOF", "<<\"E", "<<-", "<<a/b"] {
            assert_eq!(found(word), None, "{word}");
        }
    }
}
