//! Parser directives: `# syntax=`, `# escape=` and `# check=` before anything else.
//!
//! As in BuildKit (frontend/dockerfile/parser/directives.go), the first line that is no directive ends them; a directive
//! with another name is a comment, and ends them too.

use super::diagnostic::{Diagnostic, Position};
use crate::base::text;

/// What the directives say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// The frontend that the author asks for; the built-in one serves all `docker/dockerfile`.
    pub syntax: Option<String>,
    /// The character that continues lines and takes away meanings.
    pub escape: char,
    /// How checks are to be done.
    pub check: Check,
}

impl Default for Directives {
    fn default() -> Self {
        Self { syntax: None, escape: '\\', check: Check::default() }
    }
}

/// `# check=skip=A,B;error=true`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    /// The rules that are not applied; `all` for none at all.
    pub skip: Vec<String>,
    /// The experimental rules that are applied; `all` for each.
    pub experimental: Vec<String>,
    /// A violation fails the build.
    pub error: bool,
}

/// Reads the directives at the beginning of `source`.
pub(super) fn read(source: &str) -> Result<Directives, Diagnostic> {
    let mut directives = Directives::default();
    let mut seen: Vec<String> = Vec::new();
    for (index, line) in source.lines().enumerate() {
        // A `#!` line lets a Dockerfile be executable.
        if index == 0 && line.starts_with("#!") {
            continue;
        }
        let Some((name, value, column)) = directive(line) else { break };
        let at = Position { line: index as u32 + 1, column };
        let name = name.to_ascii_lowercase();
        if !["syntax", "escape", "check"].contains(&name.as_str()) {
            break;
        }
        if seen.contains(&name) {
            return Err(Diagnostic::new(at, format!("only one {name} parser directive can be used")));
        }
        match name.as_str() {
            "syntax" => directives.syntax = Some(value.to_owned()),
            "check" => {
                directives.check = Check::parse(value)
                    .map_err(|part| Diagnostic::new(at, format!("invalid check option `{}`", text::clean(&part))))?;
            }
            _ => {
                directives.escape = match value {
                    "\\" => '\\',
                    "`" => '`',
                    other => {
                        let other = text::clean(other);
                        return Err(Diagnostic::new(at, format!("invalid ESCAPE '{other}'. Must be ` or \\")));
                    }
                }
            }
        }
        seen.push(name);
    }
    Ok(directives)
}

/// `# name = value`, and the column of the value.
fn directive(line: &str) -> Option<(&str, &str, u32)> {
    let body = line.strip_prefix('#')?;
    let (name, value) = body.split_once('=')?;
    let name = name.trim();
    let mut letters = name.chars();
    let named = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric());
    let trimmed = value.trim();
    let offset = line.len() - value.trim_start().len();
    (named && !trimmed.is_empty()).then_some((name, trimmed, line[..offset].chars().count() as u32 + 1))
}

impl Check {
    /// Reads `skip=A,B;error=true;experimental=C`. The error is the part that is wrong.
    pub fn parse(value: &str) -> Result<Self, String> {
        let mut check = Self::default();
        let rules = |rules: &str| rules.split(',').map(|rule| rule.trim().to_owned()).collect();
        for part in value.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("skip", names)) => check.skip = rules(names),
                Some(("experimental", names)) => check.experimental = rules(names),
                Some(("error", "true")) => check.error = true,
                Some(("error", "false")) => check.error = false,
                _ => return Err(part.to_owned()),
            }
        }
        Ok(check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_stand_at_the_beginning() {
        let read = |source: &str| read(source).unwrap();
        let all = read("# syntax = docker/dockerfile:1\n#escape=`\n# check=skip=A, B;error=true\nFROM x");
        assert_eq!(all.syntax.as_deref(), Some("docker/dockerfile:1"));
        assert_eq!((all.escape, all.check.error, all.check.skip.join(" ").as_str()), ('`', true, "A B"));
        assert_eq!(read("FROM x\n# escape=`").escape, '\\');
        assert_eq!(read("# a comment\n# escape=`").escape, '\\');
        assert_eq!(read("# unknown=1\n# escape=`").escape, '\\');
        assert_eq!(read("\n# escape=`").escape, '\\');
        assert_eq!(read("#!/usr/bin/x\n# escape=`").escape, '`');
    }

    #[test]
    fn wrong_directives_are_refused() {
        let wrong = |source: &str| read(source).unwrap_err();
        assert_eq!(wrong("# escape=x").message, "invalid ESCAPE 'x'. Must be ` or \\");
        assert_eq!(wrong("# escape=x").position, Position { line: 1, column: 10 });
        assert_eq!(wrong("# escape=`\n# Escape=`").message, "only one escape parser directive can be used");
        assert!(wrong("# check=maybe").message.contains("maybe"));
    }
}
