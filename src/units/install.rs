//! `[Install]`: the links that `systemctl enable` would make. Generated units cannot be enabled, so the generator makes
//! the links itself.

use std::path::{Path, PathBuf};

use super::convert::{Finding, Severity};
use super::sources::Source;
use super::unit_file::{Entry, UnitFile};
use super::words::Escapes;
use crate::base::text;

/// A link in the directory of generated units.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Where it is, below the directory.
    pub path: PathBuf,
    /// What it says: a relative path.
    pub target: PathBuf,
}

/// The links of a file whose service is `service`.
pub fn links(source: &Source, service: &str) -> (Vec<Link>, Vec<Finding>) {
    let (mut links, mut findings) = (Vec::new(), Vec::new());
    let unit = &source.unit;
    let template = service.split_once("@.");
    // What is started: an instance, if the file is a template.
    let started = match template {
        None => Some(service.to_owned()),
        Some((stem, ending)) => {
            let instance = unit.filled("Install", "DefaultInstance");
            instance.filter(|name| is_name(name)).map(|instance| format!("{stem}@{instance}.{ending}"))
        }
    };
    for (name, place) in names(unit, "Alias", source, &mut findings) {
        let ending = service.rsplit_once('.').map_or("", |(_, ending)| ending);
        if name.rsplit_once('.').is_some_and(|(_, given)| given == ending) && name != service {
            links.push(Link { path: name.into(), target: service.into() });
        } else {
            let message = format!("the alias `{}` is to end with .{ending}", text::clean(&name));
            findings.push(finding(source, place, message));
        }
    }
    for (key, directory) in [("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")] {
        for (name, _) in names(unit, key, source, &mut findings) {
            let Some(started) = &started else { continue };
            let path = Path::new(&format!("{name}.{directory}")).join(started);
            links.push(Link { path, target: Path::new("..").join(service) });
        }
    }
    (links, findings)
}

/// The names of units of a key. One that is no name of a unit, as it leads elsewhere, is told and left out.
fn names<'a>(unit: &'a UnitFile, key: &str, source: &Source, findings: &mut Vec<Finding>) -> Vec<(String, &'a Entry)> {
    let words = match unit.words("Install", key, Escapes::Keep) {
        Ok(words) => words,
        Err(error) => {
            let place = unit.last("Install", key);
            findings.extend(place.map(|entry| finding(source, entry, error.chain())));
            return Vec::new();
        }
    };
    let (good, bad): (Vec<_>, Vec<_>) = words.into_iter().partition(|(name, _)| is_name(name) && name.contains('.'));
    for (name, entry) in bad {
        findings.push(finding(source, entry, format!("`{}` is no name of a unit", text::clean(&name))));
    }
    good
}

/// Whether this can be a file name of a unit, and nothing else.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':' | '\\' | '%');
    !name.is_empty() && !name.starts_with('.') && name.len() <= 255 && name.chars().all(allowed)
}

fn finding(source: &Source, entry: &Entry, message: String) -> Finding {
    Finding {
        severity: Severity::Error,
        place: entry.place.clone(),
        file: source.path.clone(),
        message,
        hint: Some("names look like default.target or web.service".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, service: &str, install: &str) -> (Vec<String>, usize) {
        let source = Source::of(name, &format!("[Container]\n[Install]\n{install}")).unwrap();
        let (links, findings) = links(&source, service);
        let shown = links.iter().map(|link| format!("{} -> {}", link.path.display(), link.target.display()));
        (shown.collect(), findings.len())
    }

    #[test]
    fn links_are_those_of_enabling() {
        let plain = |install| shown("a.container", "a.service", install).0;
        assert_eq!(plain("WantedBy=default.target"), ["default.target.wants/a.service -> ../a.service"]);
        assert_eq!(
            plain("Alias=b.service\nRequiredBy=x.service y.service\nUpheldBy=z.service"),
            [
                "b.service -> a.service",
                "x.service.requires/a.service -> ../a.service",
                "y.service.requires/a.service -> ../a.service",
                "z.service.upholds/a.service -> ../a.service",
            ]
        );
        let template = |install| shown("a@.container", "a@.service", install).0;
        assert_eq!(template("WantedBy=default.target"), [""; 0]);
        assert_eq!(
            template("WantedBy=default.target\nDefaultInstance=1"),
            ["default.target.wants/a@1.service -> ../a@.service"]
        );
    }

    #[test]
    fn no_link_leads_out_of_the_directory() {
        for install in [
            "WantedBy=../../etc",
            "WantedBy=/etc/x.target",
            "Alias=../a.service",
            "Alias=a/b.service",
            "Alias=a.socket",
            "RequiredBy=..",
            "WantedBy=nothing",
        ] {
            let (links, findings) = shown("a.container", "a.service", install);
            assert_eq!((links.len(), findings), (0, 1), "{install}");
        }
        assert_eq!(shown("a@.container", "a@.service", "WantedBy=d.target\nDefaultInstance=../x").0, [""; 0]);
    }
}
