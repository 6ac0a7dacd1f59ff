//! How a build is shown on standard error: BuildKit's plain lines, its view on a terminal, or its JSON.

mod plain;
mod raw;
mod terminal;

pub use self::plain::Plain;
pub use self::raw::Raw;
pub use self::terminal::Terminal;
use crate::base::{Error, Result, text};
use crate::engine::build::events::{Event, Watcher};

/// Nothing is shown.
pub struct Quiet;

impl Watcher for Quiet {
    fn event(&self, _step: usize, _event: &Event<'_>) {}
}

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A line for each thing that happens.
    Plain,
    /// A picture of what happens now.
    Terminal,
    /// JSON for other programs.
    Raw,
    /// Nothing.
    Quiet,
}

impl Way {
    /// Reads `--progress`. `auto` is the terminal's view when standard error is one.
    pub fn parse(given: &str, is_terminal: bool) -> Result<Self> {
        match given {
            "auto" | "" if is_terminal => Ok(Self::Terminal),
            "auto" | "" | "plain" => Ok(Self::Plain),
            "tty" if is_terminal => Ok(Self::Terminal),
            "tty" => Err(Error::usage("`--progress=tty` needs a terminal, and standard error is none")
                .hint("`--progress=auto` takes plain lines then")),
            "rawjson" => Ok(Self::Raw),
            "quiet" | "none" => Ok(Self::Quiet),
            other => Err(Error::usage(format!("invalid argument `{}` for `--progress`", text::clean(other)))
                .hint("it is `auto`, `plain`, `tty`, `rawjson` or `quiet`")),
        }
    }

    /// The watcher. `colors`: a terminal that may be coloured.
    pub fn watcher(self, colors: bool) -> Box<dyn Watcher> {
        match self {
            Self::Plain => Box::new(Plain::new()),
            Self::Terminal => Box::new(Terminal::new(colors)),
            Self::Raw => Box::new(Raw::new()),
            Self::Quiet => Box::new(Quiet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_read() {
        assert_eq!(Way::parse("auto", true).unwrap(), Way::Terminal);
        assert_eq!(Way::parse("auto", false).unwrap(), Way::Plain);
        assert_eq!(Way::parse("plain", true).unwrap(), Way::Plain);
        assert_eq!((Way::parse("rawjson", false).unwrap(), Way::parse("none", true).unwrap()), (Way::Raw, Way::Quiet));
        assert!(Way::parse("tty", false).is_err() && Way::parse("fancy", true).is_err());
    }
}
