//! Tests: Quadlet files in `tests/quadlet/*/` become the units that podman 5.8 makes of them: `podman.txt` beside them, which
//! `contrib/quadlet-oracle` records from podman's own generator.
//!
//! The order of flags is not compared: podman's is that of a map and differs from run to run. What differs on purpose is
//! in `as_ours`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::convert::Severity;
use super::keys::{FileType, Form};
use super::unit_file::UnitFile;
use super::words::{self, Escapes};
use super::{output, sources};

/// Units by their names: each line is `SECTION KEY=VALUE`, sorted; command lines are sorted words.
type Units = BTreeMap<String, Vec<String>>;

fn cases() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/quadlet");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// The lines of a unit.
fn lines(unit: &UnitFile) -> Vec<String> {
    let mut lines = Vec::new();
    for section in &unit.sections {
        for entry in &section.entries {
            let value = match entry.key.starts_with("Exec") && section.name == "Service" {
                true => {
                    let mut words = words::split(&entry.value, Escapes::Read).unwrap();
                    words[1..].sort();
                    format!("{words:?}")
                }
                false => entry.value.clone(),
            };
            lines.push(format!("{} {}={value}", section.name, entry.key));
        }
    }
    lines.sort();
    lines
}

fn podmans(text: &str) -> Units {
    let mut units = Units::new();
    let mut name = String::new();
    let mut content = String::new();
    let mut add = |name: &str, content: &str| {
        if !name.is_empty() {
            let unit = UnitFile::parse(content, Path::new("podman.txt")).unwrap();
            units.insert(name.to_owned(), lines(&unit));
        }
    };
    for line in text.lines() {
        match line.strip_prefix("---").and_then(|line| line.strip_suffix("---")) {
            Some(next) => {
                add(&name, &content);
                (name, content) = (next.to_owned(), String::new());
            }
            None => content.push_str(&format!("{}\n", as_ours(line))),
        }
    }
    add(&name, &content);
    units
}

/// What is called otherwise here.
fn as_ours(line: &str) -> String {
    line.replace("podman-user-wait-network-online.service", "coracle-wait-network.service")
        .replace("%t/containers", "%t/coracle")
        .replace("=/usr/bin/podman ", "=/bin/coracle ")
        .replace("=-/usr/bin/podman ", "=-/bin/coracle ")
}

fn ours(case: &Path) -> Units {
    let (generated, findings) = output::generate(sources::find(&[case.to_owned()]), Path::new("/bin/coracle"));
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{}: {errors:#?}", case.display());
    let here = case.parent().unwrap().display().to_string();
    let unit = |unit: &output::Generated| {
        let text = unit.converted.unit.text().replace(&here, "/cases");
        let read = UnitFile::parse(&text, Path::new("ours")).unwrap();
        (unit.converted.service.clone(), lines(&read))
    };
    generated.iter().map(unit).collect()
}

#[test]
fn units_are_those_of_podman() {
    let cases = cases();
    assert!(cases.len() >= 7, "{cases:?}");
    for case in cases {
        let recorded = std::fs::read_to_string(case.join("podman.txt")).unwrap();
        let (mut expected, found) = (podmans(&recorded), ours(&case));
        // podman writes a specifier that means something else there: `systemd-job@-%i`.
        expected.values_mut().flatten().for_each(|line| *line = line.replace("job@-%i", "job-%i"));
        let names = |units: &Units| units.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&expected), "{}", case.display());
        for (name, lines) in &expected {
            let (missing, more): (Vec<_>, Vec<_>) = (
                lines.iter().filter(|line| !found[name].contains(line)).collect(),
                found[name].iter().filter(|line| !lines.contains(line)).collect(),
            );
            assert_eq!((missing, more), (vec![], vec![]), "{} {name}: missing, and more than podman's", case.display());
        }
    }
}

#[test]
fn every_key_is_in_a_case() {
    let mut used = std::collections::BTreeSet::new();
    for case in cases() {
        for source in sources::find(&[case]).sources {
            let section = source.file_type.section();
            used.extend(source.unit.entries(section).iter().map(|entry| (section, entry.key.clone())));
        }
    }
    // Keys that podman 5.8 has not, and one that coracle refuses.
    let newer = ["Umask", "ImageVolume", "UID", "GID", "ContainersConfModule"];
    for file_type in FileType::ALL {
        for key in file_type.keys().iter().filter(|key| !newer.contains(&key.name)) {
            let generic = ["GlobalArgs", "PodmanArgs", "ServiceName"].contains(&key.name)
                || matches!(key.form, Form::Deprecated(_));
            let there = used.contains(&(file_type.section(), key.name.to_owned()));
            assert!(there || generic, "no case has `{}` in [{}]", key.name, file_type.section());
        }
    }
}
