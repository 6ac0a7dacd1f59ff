//! Makes a service of a Quadlet file. Pure: what is on the disk was read before, by `sources`.
//!
//! A [`Converter`] walks through the keys of one file, fills the service and collects what is wrong; every word of a
//! command line remembers the line it comes from. The order of flags is that of the table in `keys`: podman's is
//! different in every run.

mod command;
mod container;
mod groups;
mod resources;
mod storage;

use std::path::{Path, PathBuf};

pub use command::CommandLine;

use super::keys::{self, FileType, Form, Key};
use super::names::{Named, Names};
use super::sources::Source;
use super::unit_file::{Entry, Place, UnitFile};
use super::words::Escapes;
use crate::base::text;
use crate::dockerfile::nearest;

/// The unit that services wait for before they fetch images.
pub const WAIT_FOR_NETWORK: &str = "coracle-wait-network.service";

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file works, but perhaps not as its author thinks.
    Warning,
    /// There is no service of this file.
    Error,
}

/// Something about a file that its author should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where: the line, or none for the file as a whole.
    pub place: Option<Place>,
    /// The file.
    pub file: PathBuf,
    /// What.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// `FILE:LINE`, or `FILE`.
    pub fn location(&self) -> String {
        let file = self.place.as_ref().map_or(&self.file, |place| &place.file);
        let file = text::clean(&file.display().to_string()).into_owned();
        match &self.place {
            Some(place) => format!("{file}:{}", place.line),
            None => file,
        }
    }
}

/// What a file became.
#[derive(Debug, Clone)]
pub struct Converted {
    /// The file name of the service.
    pub service: String,
    /// The service.
    pub unit: UnitFile,
    /// Its command lines.
    pub commands: Vec<CommandLine>,
    /// What its author should know.
    pub findings: Vec<Finding>,
}

impl Converted {
    /// Whether there is something wrong that no service can be made of.
    pub fn failed(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Makes the service of a file. `program` is the path of coracle; `names` has all files.
pub fn convert(source: &Source, names: &Names, program: &Path) -> Converted {
    let named = names.get(&source.name).cloned();
    let named = named.unwrap_or(Named { service: String::new(), resource: String::new(), starts: Vec::new() });
    let mut converter = Converter {
        source,
        names,
        program: program.display().to_string(),
        unit: source.unit.clone(),
        commands: Vec::new(),
        findings: Vec::new(),
    };
    converter.check_keys();
    converter.begin();
    match source.file_type {
        FileType::Container => converter.container(),
        FileType::Pod => converter.pod(&named),
        FileType::Kube => converter.kube(),
        FileType::Volume => converter.volume(&named),
        FileType::Network => converter.network(&named),
        FileType::Image => converter.image(),
        FileType::Build => converter.build(&named),
        FileType::Artifact => converter.artifact(),
    }
    let section = source.file_type.section();
    converter.unit.rename_section(section, &format!("X-{section}"));
    converter.unit.rename_section("Quadlet", "X-Quadlet");
    Converted {
        service: named.service_file(),
        unit: converter.unit,
        commands: converter.commands,
        findings: converter.findings,
    }
}

/// The state of one conversion.
struct Converter<'a> {
    source: &'a Source,
    names: &'a Names,
    program: String,
    unit: UnitFile,
    commands: Vec<CommandLine>,
    findings: Vec<Finding>,
}

impl<'a> Converter<'a> {
    fn section(&self) -> &'static str {
        self.source.file_type.section()
    }

    /// The file as it was read.
    fn read(&self) -> &'a UnitFile {
        &self.source.unit
    }

    fn filled(&self, key: &str) -> Option<&'a str> {
        self.read().filled(self.section(), key)
    }

    fn place(&self, key: &str) -> Option<Place> {
        self.read().last(self.section(), key).and_then(|entry| entry.place.clone())
    }

    fn find(&mut self, severity: Severity, place: Option<Place>, message: String, hint: Option<String>) {
        let file = self.source.path.clone();
        self.findings.push(Finding { severity, place, file, message, hint });
    }

    fn wrong(&mut self, place: Option<Place>, message: impl Into<String>) {
        self.find(Severity::Error, place, message.into(), None);
    }

    /// The words of a key; what cannot be split is told.
    fn words(&mut self, key: &str, escapes: Escapes) -> Vec<(String, Option<Place>)> {
        match self.read().words(self.section(), key, escapes) {
            Ok(words) => words.into_iter().map(|(word, entry)| (word, entry.place.clone())).collect(),
            Err(error) => {
                self.wrong(self.place(key), format!("`{key}` cannot be read: {}", error.chain()));
                Vec::new()
            }
        }
    }

    /// Every line of a key, as it stands.
    fn lines(&self, key: &str) -> Vec<&'a Entry> {
        self.read().all(self.section(), key)
    }

    /// Keys that nobody knows.
    fn check_keys(&mut self) {
        let section = self.section();
        let known: Vec<&str> = self.source.file_type.keys().iter().map(|key| key.name).collect();
        let unit = self.read();
        for entry in unit.entries(section) {
            match self.source.file_type.keys().iter().find(|key| key.name == entry.key) {
                None => self.unknown_key(section, entry, &known),
                Some(Key { form: Form::Deprecated(instead), .. }) => self.find(
                    Severity::Warning,
                    entry.place.clone(),
                    format!("the key `{}` is deprecated", entry.key),
                    Some(format!("use `{instead}`")),
                ),
                Some(_) => {}
            }
        }
        for entry in unit.entries("Quadlet").iter().filter(|entry| !keys::QUADLET.contains(&entry.key.as_str())) {
            self.unknown_key("Quadlet", entry, keys::QUADLET);
        }
        if unit.sections.iter().all(|known| known.name != section) {
            let near = unit.sections.iter().map(|known| known.name.as_str());
            let near = nearest(section, near).map(|near| format!("`[{near}]` is to be `[{section}]`?"));
            self.find(Severity::Error, None, format!("the section `[{section}]` is missing"), near);
        }
    }

    fn unknown_key(&mut self, section: &str, entry: &Entry, known: &[&str]) {
        let elsewhere = ["Unit", "Service", "Install"].into_iter().find(|other| belongs_to(other, &entry.key));
        let hint = nearest(&entry.key, known.iter().copied())
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| elsewhere.map(|other| format!("`{}` belongs into `[{other}]`", entry.key)));
        let message = format!("unknown key `{}` in `[{section}]`", text::clean(&entry.key));
        self.find(Severity::Error, entry.place.clone(), message, hint);
    }

    /// What every service has.
    fn begin(&mut self) {
        self.translate_dependencies();
        if self.read().switch("Quadlet", "DefaultDependencies").unwrap_or(true) {
            self.unit.add_first("Unit", "After", WAIT_FOR_NETWORK);
            self.unit.add_first("Unit", "Wants", WAIT_FOR_NETWORK);
        }
        self.unit.add("Unit", "SourcePath", self.source.path.display().to_string());
        self.unit.add("Unit", "RequiresMountsFor", "%t/coracle");
        for key in keys::NOT_IN_SERVICE {
            if let Some(entry) = self.read().last("Service", key) {
                let place = entry.place.clone();
                let hint = "the service runs as the user whose file it is; leave it out";
                self.find(
                    Severity::Error,
                    place,
                    format!("the key `{key}` in `[Service]` is not supported"),
                    Some(hint.into()),
                );
            }
        }
    }

    /// Names of Quadlet files in `[Unit]` become names of their services.
    fn translate_dependencies(&mut self) {
        for key in keys::DEPENDENCIES {
            let words = match self.read().words("Unit", key, Escapes::Keep) {
                Ok(words) => words,
                Err(error) => {
                    let place = self.read().last("Unit", key).and_then(|entry| entry.place.clone());
                    self.wrong(place, format!("`{key}` cannot be read: {}", error.chain()));
                    continue;
                }
            };
            if words.iter().all(|(word, _)| FileType::of(word).is_none()) {
                continue;
            }
            let mut translated = Vec::new();
            for (word, entry) in words {
                match (FileType::of(&word), self.names.get(&word)) {
                    (None, _) => translated.push(word),
                    (Some(_), Some(named)) => translated.push(named.service_file()),
                    (Some(_), None) => self.missing(entry.place.clone(), &word),
                }
            }
            self.unit.set("Unit", key, &translated.join(" "));
        }
    }

    /// A file that another one names is not there.
    fn missing(&mut self, place: Option<Place>, name: &str) {
        let hint = match nearest(name, self.names.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "put it beside this file".to_owned(),
        };
        self.find(Severity::Error, place, format!("there is no file `{}`", text::clean(name)), Some(hint));
    }

    /// Requires the service of the file `name`, and says what it makes.
    fn require(&mut self, place: Option<Place>, name: &str) -> Option<String> {
        let Some(named) = self.names.get(name) else {
            self.missing(place, name);
            return None;
        };
        if named.resource.is_empty() {
            self.find(
                Severity::Error,
                place,
                format!("what `{}` makes has no name that is known here", text::clean(name)),
                Some("give it one there, with ContainerName= or ImageTag=".into()),
            );
            return None;
        }
        self.unit.add("Unit", "Requires", named.service_file());
        self.unit.add("Unit", "After", named.service_file());
        Some(named.resource.clone())
    }

    /// A path that is relative to the file's directory, absolute. One that begins with a specifier is left to systemd.
    fn absolute(&self, path: &str) -> String {
        let specifier = path.starts_with('%') && !path.starts_with("%%");
        if specifier || path.starts_with('/') {
            return path.to_owned();
        }
        let directory = self.source.path.parent().unwrap_or(Path::new("/"));
        clean(&directory.join(path)).display().to_string()
    }

    /// Defaults of a service that does something once.
    fn oneshot(&mut self, remain: bool) {
        self.unit.add_missing("Service", "SyslogIdentifier", "%N");
        self.unit.add_missing("Service", "Type", "oneshot");
        if remain {
            self.unit.add_missing("Service", "RemainAfterExit", "yes");
        }
    }

    /// Writes a command line into the service.
    fn command(&mut self, command: CommandLine) {
        self.unit.add("Service", command.setting, command.text());
        self.commands.push(command);
    }
}

/// Whether a key is one of systemd's that people put into the wrong section.
fn belongs_to(section: &str, key: &str) -> bool {
    let keys: &[&str] = match section {
        "Unit" => &["After", "Before", "Description", "Documentation", "PartOf", "Requires", "Wants", "BindsTo"],
        "Service" => {
            &["Restart", "RestartSec", "TimeoutStartSec", "TimeoutStopSec", "ExecStartPre", "ExecStartPost", "Type"]
        }
        _ => &["WantedBy", "RequiredBy", "Alias", "DefaultInstance"],
    };
    keys.contains(&key)
}

/// The path without `.` and `..`, as it is written.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                cleaned.pop();
            }
            other => cleaned.push(other),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests;
