//! The output of several containers, in whole lines, each with its container before it: docker compose's shape.

use std::collections::HashMap;

use crate::base::{Result, time};
use crate::cli::context::Context;
use crate::spec::logs::{Entry, Stream};

/// docker compose's colors, in turn.
const COLORS: [&str; 10] = ["36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1"];

/// A line that has no end is shown when it is this long, in bytes.
const LONGEST: usize = 64 << 10;

/// How lines are shown.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Each container has a color.
    pub colors: bool,
    /// Each line has its container before it.
    pub prefix: bool,
    /// Each line has its time before it.
    pub timestamps: bool,
}

/// The lines of containers.
pub struct LogLines {
    style: Style,
    width: usize,
    names: Vec<String>,
    /// Beginnings of lines, by container and stream.
    open: HashMap<(usize, Stream), String>,
}

impl LogLines {
    /// For containers of these names.
    pub fn new(style: Style, names: &[String]) -> Self {
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) + 1;
        Self { style, width, names: names.to_vec(), open: HashMap::new() }
    }

    fn prefix(&self, at: usize) -> String {
        if !self.style.prefix {
            return String::new();
        }
        let width = self.width;
        let plain = format!("{:<width$} | ", self.names[at]);
        match self.style.colors {
            true => format!("\x1b[{}m{plain}\x1b[0m", COLORS[at % COLORS.len()]),
            false => plain,
        }
    }

    /// The lines that an entry of a container's log completes.
    pub fn take(&mut self, at: usize, entry: &Entry) -> String {
        let open = self.open.remove(&(at, entry.stream)).unwrap_or_default();
        let text = open + &entry.text;
        let (whole, rest) = match text.rfind('\n') {
            _ if text.len() > LONGEST => (&*text, ""),
            Some(end) => text.split_at(end + 1),
            None => ("", &*text),
        };
        if !rest.is_empty() {
            self.open.insert((at, entry.stream), rest.to_owned());
        }
        let prefix = self.prefix(at);
        let time = if self.style.timestamps { format!("{} ", time::rfc3339_nanos(entry.time)) } else { String::new() };
        whole.lines().map(|line| format!("{prefix}{time}{line}\n")).collect()
    }

    /// What a container has written after its last line.
    pub fn rest(&mut self, at: usize) -> String {
        let prefix = self.prefix(at);
        let rest = [Stream::Stdout, Stream::Stderr].map(|stream| self.open.remove(&(at, stream)));
        rest.into_iter().flatten().map(|line| format!("{prefix}{line}\n")).collect()
    }

    /// Prints an entry.
    pub fn print(&mut self, context: &Context, at: usize, entry: &Entry) -> Result<()> {
        let lines = self.take(at, entry);
        context.ui.container_output(entry.stream, lines.as_bytes())
    }

    /// A word about a container, in its color.
    pub fn status(&self, at: usize, words: &str) -> String {
        let line = format!("{} {words}", self.names[at]);
        match self.style.colors {
            true => format!("\x1b[{}m{line}\x1b[0m\n", COLORS[at % COLORS.len()]),
            false => line + "\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry {
        Entry {
            time: jiff::Timestamp::UNIX_EPOCH,
            stream: Stream::Stdout,
            text: text.into(),
            attributes: Default::default(),
        }
    }

    #[test]
    fn lines_are_whole_and_have_their_container() {
        let style = Style { colors: false, prefix: true, timestamps: false };
        let mut lines = LogLines::new(style, &["web-1".into(), "database-1".into()]);
        assert_eq!(lines.take(0, &entry("a\nb\n")), "web-1       | a\nweb-1       | b\n");
        assert_eq!(lines.take(1, &entry("half")), "");
        assert_eq!(lines.take(0, &entry("c\n")), "web-1       | c\n");
        assert_eq!(lines.take(1, &entry(" whole\nrest")), "database-1  | half whole\n");
        assert_eq!((lines.rest(1).as_str(), lines.rest(1).as_str()), ("database-1  | rest\n", ""));
        assert_eq!(lines.take(0, &entry(&"x".repeat(LONGEST + 1))).len(), "web-1       | \n".len() + LONGEST + 1);
        assert_eq!(lines.status(0, "exited with code 3"), "web-1 exited with code 3\n");
    }

    #[test]
    fn colors_times_and_neither() {
        let of = |colors, prefix, timestamps| {
            LogLines::new(Style { colors, prefix, timestamps }, &["a".into()]).take(0, &entry("x\n"))
        };
        assert_eq!(of(true, true, false), "\x1b[36ma  | \x1b[0mx\n");
        assert_eq!(of(true, false, false), "x\n");
        assert_eq!(of(false, true, true), "a  | 1970-01-01T00:00:00.000000000Z x\n");
    }
}
