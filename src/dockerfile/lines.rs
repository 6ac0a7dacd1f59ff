//! From physical to logical lines: comments go, continued lines are joined, and each byte of the result knows where it
//! stood.
//!
//! The rules are those of BuildKit (frontend/dockerfile/parser/parser.go): the escape character continues a line when
//! nothing but blanks follows it and it is not itself escaped; comments and empty lines between continued lines are left
//! out; blanks before a comment are allowed.

use super::diagnostic::Position;

/// The physical lines, with the cursor of whoever reads them.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    lines: Vec<&'a str>,
    next: usize,
    escape: char,
}

/// A logical line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Logical {
    /// Its text, without leading blanks.
    pub(super) text: String,
    /// Where pieces of the text begin: offset in the text, and the position of that byte.
    pieces: Vec<(usize, Position)>,
    /// The last physical line of it.
    pub(super) last_line: u32,
    /// An empty line stood between continued lines: deprecated.
    pub(super) empty_continuation: Option<Position>,
    /// The comments directly above it, without their `#`.
    pub(super) comments: Vec<String>,
}

impl Logical {
    /// The position of the byte at `offset`.
    pub(super) fn position(&self, offset: usize) -> Position {
        let at = self.pieces.partition_point(|(begin, _)| *begin <= offset).saturating_sub(1);
        let Some((begin, position)) = self.pieces.get(at) else { return Position::default() };
        let before = self.text.get(*begin..offset.min(self.text.len())).map_or(0, |text| text.chars().count());
        Position { line: position.line, column: position.column + before as u32 }
    }

    /// A line of an image's trigger, which stands in no file.
    pub(super) fn alone(text: &str) -> Self {
        let text = text.trim_start().to_owned();
        let pieces = vec![(0, Position { line: 1, column: 1 })];
        Self { text, pieces, last_line: 1, ..Self::default() }
    }

    fn push(&mut self, text: &str, position: Position) {
        self.pieces.push((self.text.len(), position));
        self.text.push_str(text);
        self.last_line = position.line;
    }
}

impl<'a> Lines<'a> {
    pub(super) fn new(source: &'a str, escape: char) -> Self {
        Self { lines: source.split('\n').collect(), next: 0, escape }
    }

    /// The next logical line that is neither empty nor a comment.
    pub(super) fn next_logical(&mut self) -> Option<Logical> {
        let mut logical = Logical::default();
        loop {
            let (line, number) = self.advance()?;
            let begun = !logical.pieces.is_empty();
            let content = line.trim_start();
            if content.starts_with('#') {
                if begun && self.is_at_end() {
                    return Some(logical);
                }
                if !begun {
                    logical.comments.push(content.trim_start_matches('#').trim().to_owned());
                }
                continue;
            }
            if content.is_empty() {
                if begun {
                    // The text after the last newline is no line.
                    if self.is_at_end() {
                        return Some(logical);
                    }
                    logical.empty_continuation.get_or_insert(Position { line: number, column: 1 });
                } else {
                    logical.comments.clear();
                }
                continue;
            }
            let (text, continues) = self.without_continuation(if begun { line } else { content });
            let column = if begun { 1 } else { line[..line.len() - content.len()].chars().count() as u32 + 1 };
            logical.push(text, Position { line: number, column });
            if !continues || self.is_at_end() {
                return Some(logical);
            }
        }
    }

    /// The next physical line as it is, without its newline, and its number.
    pub(super) fn advance(&mut self) -> Option<(&'a str, u32)> {
        let line = self.lines.get(self.next)?;
        self.next += 1;
        Some((line.strip_suffix('\r').unwrap_or(line), self.next as u32))
    }

    /// The number of the physical line that was read last.
    pub(super) fn last_read(&self) -> u32 {
        self.next as u32
    }

    /// Whether only the emptiness after the last newline is left.
    pub(super) fn is_at_end(&self) -> bool {
        match self.lines.get(self.next..) {
            Some([]) | None => true,
            Some([last]) => last.is_empty(),
            Some(_) => false,
        }
    }

    /// The line without an escape character that continues it, and whether there was one.
    fn without_continuation<'b>(&self, line: &'b str) -> (&'b str, bool) {
        let trimmed = line.trim_end_matches([' ', '\t']);
        match trimmed.strip_suffix(self.escape) {
            Some(rest) if !rest.ends_with(self.escape) => (rest, true),
            _ => (line, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(source: &str) -> Vec<Logical> {
        let mut lines = Lines::new(source, '\\');
        std::iter::from_fn(|| lines.next_logical()).collect()
    }

    fn texts(source: &str) -> Vec<String> {
        all(source).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_joined_and_comments_left_out() {
        assert_eq!(texts("FROM a\n\n# x\n  RUN b"), ["FROM a", "RUN b"]);
        assert_eq!(texts("RUN a \\\n  b\nRUN c"), ["RUN a   b", "RUN c"]);
        assert_eq!(texts("RUN a \\  \n# no\n  # no\n\n b"), ["RUN a  b"]);
        assert_eq!(texts("RUN a \\\\\nRUN b"), ["RUN a \\\\", "RUN b"]);
        assert_eq!(texts("RUN a \\"), ["RUN a "]);
        assert_eq!(texts("RUN a \\\n"), ["RUN a "]);
        assert_eq!(texts("RUN a \\\n# end"), ["RUN a "]);
        assert_eq!(texts("RUN a \\\n\n"), ["RUN a "]);
        assert_eq!(texts("RUN a # b"), ["RUN a # b"]);
        assert_eq!(texts("FROM a\r\nRUN b \\\r\n c\r\n"), ["FROM a", "RUN b  c"]);
        assert_eq!(texts("RUN a\\\n\\\nb"), ["RUN ab"]);
        assert!(texts("").is_empty() && texts("\n \n#\n").is_empty());
    }

    #[test]
    fn bytes_know_where_they_stood() {
        let line = &all("\n  RUN ä \\\n# c\n   b")[0];
        let at = |needle: &str| line.position(line.text.find(needle).unwrap());
        assert_eq!(at("RUN"), Position { line: 2, column: 3 });
        assert_eq!(at("b"), Position { line: 4, column: 4 });
        assert_eq!(at(" \u{20}"), Position { line: 2, column: 8 });
        assert_eq!(line.last_line, 4);
        assert_eq!(all("RUN a \\\n\n b")[0].empty_continuation, Some(Position { line: 2, column: 1 }));
    }
}
