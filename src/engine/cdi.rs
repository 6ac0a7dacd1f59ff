//! Devices of CDI (`--device VENDOR/CLASS=NAME`, `--gpus`): where their files lie on this machine. What they say is looked up
//! at every start, because an update of the driver writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Engine;
use crate::base::error::if_absent;
use crate::base::{Error, Result, ResultExt, text};
use crate::spec::cdi::{ANY_GPU, Document, Edits, parse_name};
use crate::spec::yaml;

/// The directories of the machine; the user's own comes after them, and the last file that has a device counts.
const OF_MACHINE: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// The kinds that `--gpus` may stand for, by preference.
const GPUS: [&str; 2] = ["nvidia.com/gpu", "amd.com/gpu"];

/// The most files of a directory.
const MOST: usize = 256;

/// The files that were read.
struct Files {
    directories: Vec<PathBuf>,
    /// Of each directory, the files that are sound.
    documents: Vec<Vec<(PathBuf, Document)>>,
    /// The others.
    broken: BTreeMap<PathBuf, Error>,
}

/// The whole names of devices that were asked for, each of which is there now.
pub(super) fn names(engine: &Engine, asked: &[String]) -> Result<Vec<String>> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let files = Files::read(&engine.paths.config)?;
    let names: Vec<String> = asked.iter().map(|name| files.whole(name)).collect::<Result<_>>()?;
    files.edits(&names).map(|_| names)
}

/// What a container with these devices gets.
pub(super) fn edits(engine: &Engine, names: &[String]) -> Result<Edits> {
    match names.is_empty() {
        true => Ok(Edits::default()),
        false => {
            let files = Files::read(&engine.paths.config)?;
            let names: Vec<String> = names.iter().map(|name| files.whole(name)).collect::<Result<_>>()?;
            files.edits(&names)
        }
    }
}

impl Files {
    fn read(config: &Path) -> Result<Self> {
        let directories: Vec<PathBuf> = OF_MACHINE.iter().map(PathBuf::from).chain([config.join("cdi")]).collect();
        let mut files = Self { documents: Vec::new(), broken: BTreeMap::new(), directories };
        for directory in files.directories.clone() {
            let mut documents = Vec::new();
            for path in listed(&directory)? {
                match read(&path) {
                    Ok(document) => documents.push((path, document)),
                    Err(error) => drop(files.broken.insert(path, error)),
                }
            }
            files.documents.push(documents);
        }
        Ok(files)
    }

    /// A name with the kind that `--gpus` stands for here.
    fn whole(&self, name: &str) -> Result<String> {
        let Some(gpu) = name.strip_prefix(ANY_GPU).and_then(|rest| rest.strip_prefix('=')) else {
            return Ok(name.to_owned());
        };
        let mut known = self.documents.iter().flatten().map(|(_, document)| document.kind.as_str());
        let kinds: Vec<&str> = GPUS.into_iter().filter(|kind| known.clone().any(|other| other == *kind)).collect();
        match (kinds.first(), known.next()) {
            (Some(kind), _) => Ok(format!("{kind}={gpu}")),
            (None, _) => Err(self.explained(Error::not_found("no GPU of this machine is known: no CDI file describes one"))
                .hint("for one of NVIDIA: mkdir -p ~/.config/cdi && nvidia-ctk cdi generate --output=$HOME/.config/cdi/nvidia.yaml; or give a container /dev/dri with --device")),
        }
    }

    /// What the devices give. The directory with the greatest priority that has one decides.
    fn edits(&self, names: &[String]) -> Result<Edits> {
        let mut edits = Edits::default();
        for whole in names {
            let shown = text::clean(whole);
            let (kind, name) =
                parse_name(whole).ok_or_else(|| Error::usage(format!("`{shown}` is no name of a CDI device")))?;
            let fits = |(_, document): &&(PathBuf, Document)| document.kind == kind && document.has(name);
            let found = self.documents.iter().rev().map(|documents| documents.iter().filter(fits).collect::<Vec<_>>());
            match found.into_iter().find(|found| !found.is_empty()).as_deref() {
                Some([(_, document)]) => document.give(name, &mut edits),
                Some([(one, _), (other, _), ..]) => {
                    return Err(Error::conflict(format!(
                        "the CDI device `{shown}` is in both `{}` and `{}`",
                        one.display(),
                        other.display()
                    ))
                    .hint("remove one of the files, or move it to another directory, whose files take precedence"));
                }
                _ => return Err(self.unresolved(&shown)),
            }
        }
        Ok(edits)
    }

    fn unresolved(&self, name: &str) -> Error {
        let all = self.documents.iter().flatten();
        let known = all.flat_map(|(_, document)| document.names().map(|name| format!("{}={name}", document.kind)));
        let mut known: Vec<String> = known.take(20).collect();
        known.dedup();
        let error = self.explained(Error::not_found(format!("unresolvable CDI device {name}")));
        match known.is_empty() {
            true => {
                let places: Vec<String> = self.directories.iter().map(|path| path.display().to_string()).collect();
                error.hint(format!("no CDI file describes a device; they are sought in {}", places.join(", ")))
            }
            false => error.hint(format!("the CDI devices of this machine: {}", known.join(", "))),
        }
    }

    /// With the files that could not be read.
    fn explained(&self, error: Error) -> Error {
        self.broken.iter().take(3).fold(error, |error, (path, cause)| {
            error.hint(format!("`{}` is left out: {}", path.display(), cause.chain()))
        })
    }
}

/// The files of a directory in the order of their names.
fn listed(directory: &Path) -> Result<Vec<PathBuf>> {
    let Some(entries) = if_absent(fs::read_dir(directory)).at(directory, "cannot list")? else { return Ok(Vec::new()) };
    let is_file = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "json" || kind == "yaml");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_file).take(MOST + 1).collect();
    files.sort();
    match files.len() > MOST {
        true => Err(Error::invalid(format!("there are more than {MOST} CDI files in `{}`", directory.display()))),
        false => Ok(files),
    }
}

fn read(path: &Path) -> Result<Document> {
    let mut source = String::new();
    let file = fs::File::open(path).context(|| "cannot open it")?;
    if !file.metadata().is_ok_and(|data| data.is_file()) {
        return Err(Error::invalid("it is not a file"));
    }
    file.take(yaml::MAX_SIZE as u64 + 1).read_to_string(&mut source).context(|| "cannot read it")?;
    Document::parse(&source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    fn document(kind: &str, device: &str, variable: &str) -> String {
        format!(
            "{{cdiVersion: 0.5.0, kind: {kind}, devices: [{{name: '{device}', containerEdits: {{env: [{variable}]}}}}]}}"
        )
    }

    fn files(documents: &[&[(&str, String)]]) -> Files {
        let mut files = Files { directories: vec!["/x".into()], documents: Vec::new(), broken: BTreeMap::new() };
        for directory in documents {
            let scratch = Staging::new(&std::env::temp_dir()).unwrap();
            directory.iter().for_each(|(name, source)| fs::write(scratch.path().join(name), source).unwrap());
            let paths = listed(scratch.path()).unwrap().into_iter();
            files.documents.push(paths.filter_map(|path| read(&path).ok().map(|document| (path, document))).collect());
        }
        files
    }

    #[test]
    fn the_last_directory_that_has_a_device_decides() {
        let found = files(&[
            &[
                ("a.yaml", document("v/c", "x", "A=1")),
                ("b.json", document("v/c", "y", "A=2")),
                ("c.txt", document("v/c", "z", "A=3")),
            ],
            &[("a.yaml", document("v/c", "x", "A=4"))],
        ]);
        let env = |name: &str| found.edits(&[name.to_owned()]).map(|edits| edits.env);
        assert_eq!((env("v/c=x").unwrap(), env("v/c=y").unwrap()), (vec!["A=4".to_owned()], vec!["A=2".into()]));
        let error = env("v/c=z").unwrap_err();
        assert!(
            error.message().contains("unresolvable CDI device v/c=z")
                && error.hints().iter().any(|hint| hint.contains("v/c=y"))
        );
        let twice = files(&[&[("a.yaml", document("v/c", "x", "A=1")), ("b.yaml", document("v/c", "x", "A=1"))]]);
        assert!(twice.edits(&["v/c=x".into()]).unwrap_err().message().contains("is in both"));
    }

    #[test]
    fn gpus_are_of_the_vendor_that_is_there() {
        let amd = files(&[&[("a.yaml", document("amd.com/gpu", "0", "A=1"))]]);
        assert_eq!(amd.whole("gpu=0").unwrap(), "amd.com/gpu=0");
        assert_eq!(amd.whole("v/c=x").unwrap(), "v/c=x");
        assert!(
            files(&[&[("a.yaml", document("v/c", "0", "A=1"))]])
                .whole("gpu=all")
                .unwrap_err()
                .message()
                .contains("no GPU")
        );
    }
}
