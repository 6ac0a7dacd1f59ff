//! Looks for mistakes in Quadlet files: what the conversion finds, what the program does not know, and what is right for
//! the generator but seldom meant.

use super::convert::{CommandLine, Finding, Severity};
use super::keys;
use super::output::Generated;
use super::sources::Source;
use super::unit_file::Entry;
use super::words::Escapes;
use crate::base::{Result, text};
use crate::dockerfile::nearest;

/// What the command line of coracle says about a command and its flags.
pub trait CommandLineCheck {
    /// Whether there is such a command.
    fn knows(&self, verb: &[&str]) -> bool;
    /// Reads one flag with its values, as the command would.
    fn flag(&self, verb: &[&str], words: &[&str]) -> Result<()>;
}

/// What is wrong with the files, in the order of their lines.
pub fn check(generated: &[Generated], cli: &dyn CommandLineCheck) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in generated {
        let source = &unit.source;
        for command in &unit.converted.commands {
            check_command(source, command, cli, &mut findings);
        }
        check_install(source, &mut findings);
        check_sections(source, &mut findings);
        check_image(source, &mut findings);
    }
    findings
}

fn warn(source: &Source, entry: &Entry, message: String, hint: &str) -> Finding {
    let (place, hint) = (entry.place.clone(), Some(hint.to_owned()));
    Finding { severity: Severity::Warning, place, file: source.path.clone(), message, hint }
}

/// Whether coracle has the command and its flags. Values with specifiers and variables are systemd's to fill in. What no
/// line of the file asked for is not its author's mistake.
fn check_command(source: &Source, command: &CommandLine, cli: &dyn CommandLineCheck, findings: &mut Vec<Finding>) {
    let mut tell = |severity, place, message, hint: Option<String>| {
        findings.push(Finding { severity, place, file: source.path.clone(), message, hint });
    };
    if !cli.knows(command.verb) {
        // Told once for a file, not for each of its command lines.
        if command.setting == "ExecStart" || command.setting == "ExecStartPre" {
            let message = format!("coracle has no command `{}` yet", command.verb.join(" "));
            tell(Severity::Error, None, message, Some("it works with podman alone".into()));
        }
        return;
    }
    for flag in &command.flags {
        let words: Vec<&str> = flag.iter().map(|word| word.text.as_str()).collect();
        if words.iter().any(|word| word.contains(['%', '$'])) && words.first().is_some_and(|word| !word.contains('=')) {
            continue;
        }
        if let Err(error) = cli.flag(command.verb, &words) {
            let place = flag.first().and_then(|word| word.place.clone());
            let hint = error.hints().first().map(|hint| (*hint).to_owned());
            match place {
                Some(place) => tell(Severity::Error, Some(place), error.chain(), hint),
                None => tell(
                    Severity::Warning,
                    None,
                    format!("this version of coracle cannot start the service: {}", error.chain()),
                    hint,
                ),
            }
        }
    }
}

/// Targets that only the system's manager has, and keys that do nothing.
fn check_install(source: &Source, findings: &mut Vec<Finding>) {
    for entry in source.unit.entries("Install") {
        if !keys::INSTALL.contains(&entry.key.as_str()) {
            let hint = nearest(&entry.key, keys::INSTALL.iter().copied());
            let hint = hint
                .map_or("it is left out: the generator knows Alias, WantedBy, RequiredBy, UpheldBy".into(), |near| {
                    format!("did you mean `{near}`?")
                });
            findings.push(warn(
                source,
                entry,
                format!("`{}` in `[Install]` does nothing", text::clean(&entry.key)),
                &hint,
            ));
        }
    }
    if let Ok(words) = source.unit.words("Install", "WantedBy", Escapes::Keep) {
        for (word, entry) in words.iter().filter(|(word, _)| word == "multi-user.target" || word == "graphical.target")
        {
            let message = format!("`{word}` is no target of a user's manager: the service would not be started");
            findings.push(warn(source, entry, message, "use default.target"));
        }
    }
    if source.is_template()
        && source.unit.filled("Install", "DefaultInstance").is_none()
        && let Some(entry) = source.unit.last("Install", "WantedBy")
    {
        let message = "a template is not started by itself".to_owned();
        findings.push(warn(
            source,
            entry,
            message,
            "name an instance with DefaultInstance=, or link one: web@1.container",
        ));
    }
}

/// Sections that look like others, and are passed on to systemd, which ignores them.
fn check_sections(source: &Source, findings: &mut Vec<Finding>) {
    let own = source.file_type.section();
    let known = ["Unit", "Service", "Install", "Quadlet", own];
    for section in source.unit.sections.iter().filter(|section| !known.contains(&section.name.as_str())) {
        if section.name.starts_with("X-") {
            continue;
        }
        let near = nearest(&section.name, known);
        findings.push(Finding {
            severity: Severity::Warning,
            place: section.place.clone(),
            file: source.path.clone(),
            message: format!(
                "`[{}]` means nothing in a .{} file",
                text::clean(&section.name),
                source.file_type.extension()
            ),
            hint: near.map(|near| format!("did you mean `[{near}]`?")),
        });
    }
}

/// Short names and policies of `AutoUpdate` that cannot work.
fn check_image(source: &Source, findings: &mut Vec<Finding>) {
    let section = source.file_type.section();
    let image = source.unit.filled(section, "Image").zip(source.unit.last(section, "Image"));
    let short = |image: &str| match image.split_once('/') {
        Some((first, _)) => !first.contains(['.', ':']) && first != "localhost",
        None => true,
    };
    let is_file = |image: &str| image.ends_with(".image") || image.ends_with(".build");
    if let Some((image, entry)) = image
        && short(image)
        && !is_file(image)
        && !image.contains('%')
        && source.file_type != keys::FileType::Volume
    {
        let message =
            format!("`{}` is a short name: which registry it comes from depends on the machine", text::clean(image));
        findings.push(warn(source, entry, message, "write the registry: docker.io/library/NAME"));
    }
    if let Some((policy, entry)) =
        source.unit.filled("Container", "AutoUpdate").zip(source.unit.last("Container", "AutoUpdate"))
        && !["registry", "local", "image"].contains(&policy)
    {
        let message = format!("unknown policy `{}` of AutoUpdate", text::clean(policy));
        findings.push(warn(source, entry, message, "registry or local"));
    }
}
