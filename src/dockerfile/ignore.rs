//! `.dockerignore`: which files of a context a build does not see.
//!
//! The rules are moby's (github.com/moby/patternmatcher): each line is a pattern in its shortest form, later lines win, `!`
//! takes back, a pattern that matches a directory holds for everything below it.

use super::glob::Glob;

/// The largest file of patterns that is read, in bytes.
pub const MAX_FILE: usize = 1 << 20;

/// The patterns of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    glob: Glob,
    /// `!`.
    includes: bool,
    /// The number of components it needs at least when it begins with names alone.
    text: String,
}

impl Ignore {
    /// Reads the patterns; the error is the line number and the pattern that is malformed.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut patterns = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let line = line.trim();
            let (includes, pattern) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            let wrong = || (index + 1, line.to_owned());
            if pattern.is_empty() {
                return Err(wrong());
            }
            let pattern = cleaned(pattern);
            // The whole context cannot be left out by its own name, as in moby.
            if pattern == "." {
                continue;
            }
            let glob = Glob::with_double_stars(&pattern).ok_or_else(wrong)?;
            patterns.push(Pattern { glob, includes, text: pattern });
        }
        Ok(Self { patterns })
    }

    /// The patterns of `--exclude`.
    pub fn of_patterns<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let lines: Vec<&str> = patterns.into_iter().collect();
        Self::parse(&lines.join("\n")).ok()
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether the path, relative to the context and without `./`, is left out.
    pub fn excludes(&self, path: &str) -> bool {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        let prefixes: Vec<&str> = parents.chain([path]).collect();
        let mut excluded = false;
        for pattern in &self.patterns {
            // A pattern that would change nothing is not looked at.
            if pattern.includes == excluded && prefixes.iter().any(|prefix| pattern.glob.matches(prefix)) {
                excluded = !pattern.includes;
            }
        }
        excluded
    }

    /// Whether something below an excluded directory may be taken back by a `!` line.
    pub fn may_include_below(&self, directory: &str) -> bool {
        let inside = format!("{directory}/");
        self.patterns.iter().filter(|pattern| pattern.includes).any(|pattern| {
            let literal = pattern.glob.literal_directory();
            let is_literal = !super::glob::is_pattern(&pattern.text) && !pattern.text.contains('\\');
            match is_literal {
                true => pattern.text.starts_with(&inside),
                false => {
                    literal.is_empty() || inside.starts_with(&format!("{literal}/")) || literal.starts_with(directory)
                }
            }
        })
    }
}

/// Go's `filepath.Clean`, without the `/` at the beginning.
fn cleaned(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if path.starts_with('/') && parts.is_empty() => {}
            part => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(patterns: &str, path: &str) -> bool {
        Ignore::parse(patterns).unwrap().excludes(path)
    }

    #[test]
    fn patterns_exclude_and_take_back() {
        for (patterns, path, expected) in [
            ("*.md", "README.md", true),
            ("*.md", "docs/README.md", false),
            ("**/*.md", "docs/a/README.md", true),
            ("*.md\n!README.md", "README.md", false),
            ("!README.md\n*.md", "README.md", true),
            ("docs", "docs/a/b", true),
            ("docs\n!docs/a", "docs/a/b", false),
            ("docs\n!docs/a", "docs/b", true),
            ("/docs/", "docs/x", true),
            ("./a/../b", "b", true),
            ("# a\n\n  b  ", "b", true),
            (" # b", "# b", true),
            ("*", "x/y", true),
            ("**\n!src/**", "src/main.rs", false),
            ("*/temp*", "a/temporary.txt", true),
            ("*/*/temp*", "a/b/temp", true),
            ("temp?", "tempa", true),
            (".", "a", false),
            ("\u{feff}a", "a", true),
            ("foo/**\n!foo/bar", "foo/bar", false),
            ("! x\nx", "x", true),
            ("a[b-d]e", "ace", true),
        ] {
            assert_eq!(excluded(patterns, path), expected, "{patterns:?} {path}");
        }
        assert_eq!(Ignore::parse("a\n!").unwrap_err().0, 2);
        assert_eq!(Ignore::parse("[").unwrap_err(), (1, "[".into()));
    }

    #[test]
    fn directories_are_entered_when_something_may_be_taken_back() {
        let below = |patterns: &str, directory: &str| Ignore::parse(patterns).unwrap().may_include_below(directory);
        assert!(!below("node_modules", "node_modules"));
        assert!(!below("node_modules\n!src/x", "node_modules"));
        assert!(below("src\n!src/a/x", "src") && below("*\n!src/a/*.c", "src") && below("*\n!**/x", "any"));
        assert!(below("*\n!src/*.c", "src") && !below("*\n!src/*.c", "doc"));
    }
}
