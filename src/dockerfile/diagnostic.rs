//! An error in a Dockerfile: what is wrong, where, and the lines around it.

use std::fmt::Write;

use crate::base::{Error, text};

/// A place in a Dockerfile. Lines and columns count from 1; a column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// What is wrong in a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// In words, without the place.
    pub message: String,
    /// Where.
    pub position: Position,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Diagnostic {
    pub(super) fn new(position: Position, message: impl Into<String>) -> Self {
        Self { message: message.into(), position, hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The line of `source` with its neighbours, the column marked below it. Ends with a newline.
    pub fn excerpt(&self, source: &str) -> String {
        excerpt(source, self.position)
    }

    /// As an error that names the file.
    pub fn into_error(self, file: &str) -> Error {
        let Position { line, column } = self.position;
        let error = Error::invalid(format!("{}:{line}:{column}: {}", text::clean(file), text::clean(&self.message)));
        match self.hint {
            Some(hint) => error.hint(text::clean(&hint).into_owned()),
            None => error,
        }
    }
}

/// The most characters of a line that an excerpt shows.
const WIDTH: usize = 160;

/// The lines around a position, numbered.
pub fn excerpt(source: &str, position: Position) -> String {
    let line = position.line.max(1) as usize;
    let mut shown = String::new();
    for (index, content) in source.lines().enumerate().skip(line.saturating_sub(3)).take(5) {
        let content: String = content.trim_end_matches('\r').chars().take(WIDTH).collect();
        let mark = if index + 1 == line { ">>>" } else { "   " };
        // Writing to a String cannot fail.
        let _ = writeln!(shown, "{:4} | {mark} {}", index + 1, text::clean(&content));
        if index + 1 == line && position.column > 0 && (position.column as usize) <= WIDTH {
            let _ = writeln!(shown, "     |     {}^", " ".repeat(position.column as usize - 1));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_points_at_the_column() {
        let source = "a\nb\nc d\ne\nf\ng\n";
        let expected = "   1 |     a\n   2 |     b\n   3 | >>> c d\n     |       ^\n   4 |     e\n   5 |     f\n";
        assert_eq!(excerpt(source, Position { line: 3, column: 3 }), expected);
        assert_eq!(excerpt("", Position { line: 9, column: 1 }), "");
        assert!(!excerpt("a\u{1b}[2J", Position { line: 1, column: 1 }).contains('\u{1b}'));
    }

    #[test]
    fn an_error_names_file_line_and_column() {
        let error = Diagnostic::new(Position { line: 2, column: 5 }, "no").hint("yes").into_error("Dockerfile");
        assert_eq!((error.message(), error.hints()), ("Dockerfile:2:5: no", vec!["yes"]));
    }
}
