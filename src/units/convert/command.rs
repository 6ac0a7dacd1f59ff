//! Command lines of services, word for word with the lines they come from.

use super::{Converter, Severity};
use crate::units::keys::{Form, Key};
use crate::units::unit_file::Place;
use crate::units::words::{self, Escapes};

/// A word of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word, not quoted.
    pub text: String,
    /// The line that it comes from; none for what every service has.
    pub place: Option<Place>,
}

/// A command line of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// `ExecStart` and the like.
    pub setting: &'static str,
    /// Whether the service does not mind when it fails.
    pub may_fail: bool,
    /// The program and options that stand before its command.
    pub program: Vec<Word>,
    /// The command's words: `run`, or `pod` and `create`.
    pub verb: &'static [&'static str],
    /// Flags and values, each with the words that belong together.
    pub flags: Vec<Vec<Word>>,
    /// What follows the flags.
    pub operands: Vec<Word>,
}

impl CommandLine {
    /// As it is written into the unit.
    pub fn text(&self) -> String {
        let verb = self.verb.iter().copied();
        let before = self.program.iter().map(|word| word.text.as_str());
        let after = self.flags.iter().flatten().chain(&self.operands).map(|word| word.text.as_str());
        let line = words::join(before.chain(verb).chain(after));
        if self.may_fail { format!("-{line}") } else { line }
    }

    /// A flag that no line asked for.
    pub fn own(&mut self, words: &[&str]) {
        self.flags.push(words.iter().map(|word| Word { text: (*word).into(), place: None }).collect());
    }

    /// A flag of a line.
    pub fn flag(&mut self, place: Option<Place>, words: &[&str]) {
        self.flags.push(words.iter().map(|word| Word { text: (*word).into(), place: place.clone() }).collect());
    }

    /// What follows the flags.
    pub fn operand(&mut self, place: Option<Place>, word: impl Into<String>) {
        self.operands.push(Word { text: word.into(), place });
    }
}

impl Converter<'_> {
    /// A command line of coracle with the options that stand before the command.
    pub fn line(&mut self, setting: &'static str, verb: &'static [&'static str]) -> CommandLine {
        let mut program = vec![Word { text: self.program.clone(), place: None }];
        for (word, place) in self.words("GlobalArgs", Escapes::Read) {
            program.push(Word { text: word, place });
        }
        if let Some(entry) = self.lines("ContainersConfModule").first() {
            let place = entry.place.clone();
            if setting == "ExecStart" {
                self.find(
                    Severity::Error,
                    place,
                    "`ContainersConfModule` is not supported: coracle has no modules of containers.conf".into(),
                    Some("write what the module says into this file".into()),
                );
            }
        }
        CommandLine { setting, may_fail: false, program, verb, flags: Vec::new(), operands: Vec::new() }
    }

    /// Adds the flags of all keys that the table knows a flag for.
    pub fn table(&mut self, line: &mut CommandLine) {
        for key in self.source.file_type.keys() {
            self.key(key, line);
        }
    }

    fn key(&mut self, key: &Key, line: &mut CommandLine) {
        // `--security-opt label=type:` is a flag and the beginning of its value.
        let (flag, stem) = key.flag.split_once(' ').unwrap_or((key.flag, ""));
        match key.form {
            Form::Special | Form::Deprecated(_) => {}
            Form::Text => {
                if let Some(value) = self.filled(key.name) {
                    line.flag(self.place(key.name), &[flag, value]);
                }
            }
            Form::Joined => {
                if let Some(value) = self.filled(key.name) {
                    match stem {
                        "" => line.flag(self.place(key.name), &[&format!("{flag}{value}")]),
                        stem => line.flag(self.place(key.name), &[flag, &format!("{stem}{value}")]),
                    }
                }
            }
            Form::Lines => {
                for entry in self.lines(key.name) {
                    line.flag(entry.place.clone(), &[flag, &entry.value]);
                }
            }
            Form::Words | Form::Arguments => {
                let escapes = if key.form == Form::Words { Escapes::Keep } else { Escapes::Read };
                for (word, place) in self.words(key.name, escapes) {
                    line.flag(place, &[flag, &format!("{stem}{word}")]);
                }
            }
            Form::Pairs => self.pairs(key.name, flag, line),
            Form::Switch => self.switch(key.name, flag, line),
            Form::Only => {
                if self.read().switch(self.section(), key.name) == Some(true) {
                    match stem {
                        "" => line.flag(self.place(key.name), &[flag]),
                        stem => line.flag(self.place(key.name), &[flag, stem]),
                    }
                }
            }
        }
    }

    /// Yes or no: the flag, or `FLAG=false`.
    pub fn switch(&self, key: &str, flag: &str, line: &mut CommandLine) {
        match self.read().switch(self.section(), key) {
            Some(true) => line.flag(self.place(key), &[flag]),
            Some(false) => line.flag(self.place(key), &[&format!("{flag}=false")]),
            None => {}
        }
    }

    /// Pairs in the order of their keys; the last of each key counts.
    fn pairs(&mut self, key: &str, flag: &str, line: &mut CommandLine) {
        let mut pairs = std::collections::BTreeMap::new();
        for (word, place) in self.words(key, Escapes::Read) {
            let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name).to_owned();
            pairs.insert(name, (word, place));
        }
        for (word, place) in pairs.into_values() {
            line.flag(place, &[flag, &word]);
        }
    }

    /// Words that the file gives as they are: after all other flags.
    pub fn podman_args(&mut self, line: &mut CommandLine) {
        let mut words = self.words("PodmanArgs", Escapes::Read).into_iter().peekable();
        while let Some((text, place)) = words.next() {
            let mut flag = vec![Word { text, place }];
            // A value that stands in a word of its own.
            if flag[0].text.starts_with('-') && !flag[0].text.contains('=') {
                flag.extend(
                    words.next_if(|(word, _)| !word.starts_with('-')).map(|(text, place)| Word { text, place }),
                );
            }
            line.flags.push(flag);
        }
    }
}
