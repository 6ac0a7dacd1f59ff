//! Where the output of a container is kept, from its record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Writer;
use crate::base::Result;
use crate::spec::container::ContainerConfig;
use crate::spec::logging::{LogDriver, TagFacts, tag};
use crate::spec::variables::name;

/// Where the output of a container is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In files.
    File(FilePlace),
    /// In the machine's journal, with these fields in each entry.
    Journal(Vec<(String, String)>),
    /// Nowhere.
    Nowhere,
}

/// A file, and those that were put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlace {
    /// The file that is written.
    pub path: PathBuf,
    /// What its lines look like.
    pub format: Format,
    /// Bytes after which it is put aside.
    pub max_size: Option<u64>,
    /// How many files there are at most, this one being one of them.
    pub max_files: u32,
    /// What is added to each line, where the format has room for it.
    pub attributes: BTreeMap<String, String>,
}

/// What the lines of a file look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// docker's.
    Json,
    /// That of Kubernetes and podman.
    K8s,
}

impl FilePlace {
    /// A file of JSON lines without a limit.
    #[cfg(test)]
    pub fn plain(path: &Path) -> Self {
        Self { path: path.to_owned(), format: Format::Json, max_size: None, max_files: 1, attributes: BTreeMap::new() }
    }

    /// The file that was put aside this number of rotations ago; 0 is the one that is written.
    pub(super) fn aside(&self, number: u32) -> PathBuf {
        match number {
            0 => self.path.clone(),
            number => {
                let mut path = self.path.clone().into_os_string();
                path.push(format!(".{number}"));
                path.into()
            }
        }
    }
}

impl Place {
    /// That of a container whose directory is `directory`.
    pub fn of(config: &ContainerConfig, directory: &Path) -> Self {
        let logging = &config.logging;
        let (max_size, max_files) = logging.limits();
        match logging.file(directory.join("log")) {
            Some(path) => {
                let format = if logging.driver == LogDriver::K8sFile { Format::K8s } else { Format::Json };
                let attributes = match format {
                    Format::Json => facts(config),
                    Format::K8s => BTreeMap::new(),
                };
                Self::File(FilePlace { path, format, max_size, max_files, attributes })
            }
            None if logging.driver == LogDriver::Journald => Self::Journal(journal_fields(config)),
            None => Self::Nowhere,
        }
    }
}

impl Place {
    /// Fails where nothing could be kept: the user has named a file that cannot be written, or there is no journal. The file
    /// in the container's own directory is made when there is something to write.
    pub fn check(&self, directory: &Path) -> Result<()> {
        match self {
            Self::File(place) if place.path.starts_with(directory) => Ok(()),
            Self::Nowhere => Ok(()),
            place => Writer::open(place).map(drop),
        }
    }
}

/// The tag, labels and variables that were asked for.
fn facts(config: &ContainerConfig) -> BTreeMap<String, String> {
    let logging = &config.logging;
    let labels = logging.names("labels").filter_map(|key| Some((key.to_owned(), config.labels.get(key)?.clone())));
    let variable = |key: &str| {
        let pair = config.process.env.iter().find(|pair| name(pair) == key)?;
        Some((key.to_owned(), pair.split_once('=').map_or("", |(_, value)| value).to_owned()))
    };
    let mut facts: BTreeMap<String, String> = labels.chain(logging.names("env").filter_map(variable)).collect();
    if let Some(template) = &logging.tag {
        facts.insert("tag".into(), tag_of(config, template));
    }
    facts
}

fn tag_of(config: &ContainerConfig, template: &str) -> String {
    let facts = TagFacts {
        id: config.id.as_str(),
        name: config.name.as_str(),
        image_id: &config.image.id,
        image_name: &config.image.name,
    };
    tag(template, &facts)
}

/// docker's and podman's fields of each entry of the journal.
fn journal_fields(config: &ContainerConfig) -> Vec<(String, String)> {
    let tag = tag_of(config, config.logging.tag.as_deref().unwrap_or("{{.ID}}"));
    let own = [
        ("CONTAINER_ID", config.id.short().to_owned()),
        ("CONTAINER_ID_FULL", config.id.as_str().to_owned()),
        ("CONTAINER_NAME", config.name.to_string()),
        ("CONTAINER_TAG", tag.clone()),
        ("IMAGE_NAME", config.image.name.clone()),
        ("SYSLOG_IDENTIFIER", tag),
    ];
    let mut fields: Vec<(String, String)> = own.map(|(key, value)| (key.to_owned(), value)).to_vec();
    for (key, value) in facts(config).into_iter().filter(|(key, _)| key != "tag") {
        let key = field_name(&key);
        // The journal's own fields begin with an underscore, and the fields above are not replaced.
        if !key.is_empty()
            && !matches!(key.as_str(), "MESSAGE" | "PRIORITY")
            && !fields.iter().any(|(of, _)| *of == key)
        {
            fields.push((key, value));
        }
    }
    fields
}

/// docker's name of a field: capitals, digits and underscores, which does not begin with an underscore.
fn field_name(key: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = key.chars().map(letter).collect();
    name.trim_start_matches('_').chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_those_of_the_journal() {
        for (key, name) in [("com.example.Tier", "COM_EXAMPLE_TIER"), ("_PID", "PID"), ("é", ""), ("a-1", "A_1")] {
            assert_eq!(field_name(key), name, "{key}");
        }
    }

    #[test]
    fn files_that_are_put_aside_have_numbers() {
        let place = FilePlace::plain(Path::new("/d/log"));
        assert_eq!([place.aside(0), place.aside(2)], [PathBuf::from("/d/log"), PathBuf::from("/d/log.2")]);
    }
}
