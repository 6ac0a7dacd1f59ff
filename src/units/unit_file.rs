//! The syntax of systemd's unit files, systemd.syntax(7): sections with lines of `Key=Value`. A parsed file remembers
//! where each line stood, so that mistakes can be named.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::words::{self, Escapes};
use crate::base::{Error, Result, text};

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The number of its line, from 1.
    pub line: usize,
}

/// One `Key=Value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value, its lines joined, without white space around it.
    pub value: String,
    /// Where it was read; none for what was generated.
    pub place: Option<Place>,
}

/// A section: `[Container]` and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its name, without brackets.
    pub name: String,
    /// Where it first begins; none for a generated one.
    pub place: Option<Place>,
    /// Its lines.
    pub entries: Vec<Entry>,
}

/// A unit file: what was read, or what is to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitFile {
    /// The sections in the order of the file, each name once.
    pub sections: Vec<Section>,
}

/// Most lines of a file: far more than anybody writes.
const LINES_MAX: usize = 20_000;

impl UnitFile {
    /// Reads the text of `file`.
    pub fn parse(content: &str, file: &Path) -> Result<Self> {
        let mut unit = Self::default();
        let wrong = |line: usize, what: String| {
            Err(Error::invalid(format!("{}:{line}: {what}", text::clean(&file.display().to_string()))))
        };
        let lines: Vec<&str> = content.lines().collect();
        if lines.len() > LINES_MAX {
            return wrong(LINES_MAX, "the file has too many lines for a unit".into());
        }
        let mut section = None;
        let mut at = 0;
        while at < lines.len() {
            let (number, first) = (at + 1, lines[at].trim());
            at += 1;
            if first.is_empty() || first.starts_with(['#', ';']) {
                continue;
            }
            let place = Place { file: file.to_owned(), line: number };
            if let Some(name) = first.strip_prefix('[') {
                let Some(name) = name.strip_suffix(']').filter(|name| !name.is_empty() && !name.contains(['[', ']']))
                else {
                    return wrong(number, format!("`{}` is no section: a name in brackets is", text::clean(first)));
                };
                section = Some(unit.section_or_new(name, Some(place)));
                continue;
            }
            let whole = continued(first, &lines, &mut at);
            let Some(section) = section else {
                return wrong(number, "the line stands before the first [Section]".into());
            };
            let Some((key, value)) = whole.split_once('=') else {
                return wrong(number, format!("`{}` is no Key=Value", text::clean(&whole)));
            };
            let (key, value) = (key.trim_end(), value.trim());
            if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
                return wrong(number, format!("`{}` is no name of a key", text::clean(key)));
            }
            let entry = Entry { key: key.into(), value: value.into(), place: Some(place) };
            unit.sections[section].entries.push(entry);
        }
        Ok(unit)
    }

    /// The index of a section, which is made if there is none.
    fn section_or_new(&mut self, name: &str, place: Option<Place>) -> usize {
        if let Some(at) = self.sections.iter().position(|section| section.name == name) {
            return at;
        }
        self.sections.push(Section { name: name.into(), place, entries: Vec::new() });
        self.sections.len() - 1
    }

    /// Adds the lines of a drop-in.
    pub fn merge(&mut self, drop_in: UnitFile) {
        for section in drop_in.sections {
            let at = self.section_or_new(&section.name, section.place);
            self.sections[at].entries.extend(section.entries);
        }
    }

    /// The lines of a section.
    pub fn entries(&self, section: &str) -> &[Entry] {
        self.sections.iter().find(|known| known.name == section).map_or(&[], |known| &known.entries)
    }

    /// The last line with a key.
    pub fn last(&self, section: &str, key: &str) -> Option<&Entry> {
        self.entries(section).iter().rfind(|entry| entry.key == key)
    }

    /// The last value of a key, without quotes around the whole of it.
    pub fn value(&self, section: &str, key: &str) -> Option<&str> {
        let value = self.last(section, key)?.value.as_str();
        Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
    }

    /// The last value of a key, unless it is empty.
    pub fn filled(&self, section: &str, key: &str) -> Option<&str> {
        self.value(section, key).filter(|value| !value.is_empty())
    }

    /// Every line with a key. An empty one takes back those before it.
    pub fn all(&self, section: &str, key: &str) -> Vec<&Entry> {
        let entries: Vec<&Entry> = self.entries(section).iter().filter(|entry| entry.key == key).collect();
        let from = entries.iter().rposition(|entry| entry.value.is_empty()).map_or(0, |at| at + 1);
        entries[from..].to_vec()
    }

    /// The words of all lines with a key, each with its line.
    pub fn words(&self, section: &str, key: &str, escapes: Escapes) -> Result<Vec<(String, &Entry)>> {
        let mut found = Vec::new();
        for entry in self.all(section, key) {
            found.extend(words::split(&entry.value, escapes)?.into_iter().map(|word| (word, entry)));
        }
        Ok(found)
    }

    /// The value of a switch. What is neither yes nor no counts as no, as systemd warns and podman takes it.
    pub fn switch(&self, section: &str, key: &str) -> Option<bool> {
        self.value(section, key).map(|value| switch(value).unwrap_or(false))
    }

    /// Adds a line at the end of a section.
    pub fn add(&mut self, section: &str, key: &str, value: impl Into<String>) {
        let at = self.section_or_new(section, None);
        self.sections[at].entries.push(Entry { key: key.into(), value: value.into(), place: None });
    }

    /// Adds a line at the beginning of a section.
    pub fn add_first(&mut self, section: &str, key: &str, value: impl Into<String>) {
        let at = self.section_or_new(section, None);
        self.sections[at].entries.insert(0, Entry { key: key.into(), value: value.into(), place: None });
    }

    /// Adds a line unless the key is there.
    pub fn add_missing(&mut self, section: &str, key: &str, value: &str) {
        if self.last(section, key).is_none() {
            self.add(section, key, value);
        }
    }

    /// Leaves one line with the key and this value.
    pub fn set(&mut self, section: &str, key: &str, value: &str) {
        self.remove(section, key);
        self.add(section, key, value);
    }

    /// Removes all lines with the key.
    pub fn remove(&mut self, section: &str, key: &str) {
        if let Some(section) = self.sections.iter_mut().find(|known| known.name == section) {
            section.entries.retain(|entry| entry.key != key);
        }
    }

    /// Gives a section another name.
    pub fn rename_section(&mut self, from: &str, to: &str) {
        if let Some(section) = self.sections.iter_mut().find(|known| known.name == from) {
            section.name = to.into();
        }
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for section in &self.sections {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{}[{}]", if text.is_empty() { "" } else { "\n" }, section.name);
            for entry in &section.entries {
                let _ = writeln!(text, "{}={}", entry.key, entry.value);
            }
        }
        text
    }
}

/// Joins the lines that follow a backslash at the end of one, as podman does it: without white space between them, where
/// systemd puts a space. Comments between them are left out.
fn continued(first: &str, lines: &[&str], at: &mut usize) -> String {
    let mut whole = first.to_owned();
    while let Some(begun) = whole.strip_suffix('\\') {
        let begun = begun.to_owned();
        let next = loop {
            match lines.get(*at) {
                Some(line) if line.trim_start().starts_with(['#', ';']) => *at += 1,
                Some(line) => break line.trim(),
                None => break "",
            }
        };
        *at += 1;
        whole = begun + next;
        if *at >= lines.len() && next.is_empty() {
            break;
        }
    }
    whole
}

/// systemd's words for yes and no.
pub fn switch(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" | "y" | "t" => Some(true),
        "0" | "no" | "false" | "off" | "n" | "f" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &str) -> UnitFile {
        UnitFile::parse(content, Path::new("/u/a.container")).unwrap()
    }

    #[test]
    fn lines_are_read_as_systemd_reads_them() {
        let unit = parse(
            "# c\n[Unit]\nAfter = a.service \\\n  # not this\n  b.service\n; c\n[Container]\nImage=\"x\"\nEnv=1\nEnv=\nEnv=2\nEnv=3 '4 5'\n[Unit]\nAfter=c\n",
        );
        assert_eq!(unit.value("Unit", "After"), Some("c"));
        assert_eq!(unit.entries("Unit")[0].value, "a.service b.service");
        assert_eq!(unit.value("Container", "Image"), Some("x"));
        let words = unit.words("Container", "Env", Escapes::Read).unwrap();
        assert_eq!(words.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>(), ["2", "3", "4 5"]);
        assert_eq!(words[1].1.place.as_ref().unwrap().line, 12);
        assert_eq!(unit.sections.len(), 2, "a section that comes again is the same");
    }

    #[test]
    fn mistakes_name_their_line() {
        for (content, message) in [
            ("[Unit]\n\nnonsense\n", "/u/a.container:3: `nonsense` is no Key=Value"),
            ("a=b\n", "/u/a.container:1: the line stands before the first [Section]"),
            ("[Unit\n", "/u/a.container:1: `[Unit` is no section: a name in brackets is"),
            ("[U]\na b=c\n", "/u/a.container:2: `a b` is no name of a key"),
        ] {
            assert_eq!(UnitFile::parse(content, Path::new("/u/a.container")).unwrap_err().message(), message);
        }
        assert!(parse("[A]\nk=v\\").value("A", "k") == Some("v"), "the end of the file ends the line");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut unit = parse("[Unit]\nAfter=x\n[Service]\nType=oneshot\n");
        unit.add_first("Unit", "Wants", "first");
        unit.add("New", "k", "v");
        unit.set("Service", "Type", "notify");
        unit.add_missing("Service", "Type", "no");
        assert_eq!(unit.text(), "[Unit]\nWants=first\nAfter=x\n\n[Service]\nType=notify\n\n[New]\nk=v\n");
        assert_eq!(parse(&unit.text()).text(), unit.text());
    }
}
