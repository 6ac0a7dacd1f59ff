//! `--log-driver` and `--log-opt`: where the output of a container is kept, and what is added to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, text};

/// Where the output of a container goes besides to whoever is attached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDriver {
    /// A file of JSON lines, as docker's.
    #[default]
    JsonFile,
    /// The same with limits of its own: docker's `local`.
    Local,
    /// A file of lines as Kubernetes and podman have them.
    K8sFile,
    /// The machine's journal.
    Journald,
    /// Nowhere.
    None,
    /// Nowhere: the program has the streams of the command that started it.
    Passthrough,
}

impl LogDriver {
    const ALL: [Self; 6] = [Self::JsonFile, Self::Local, Self::K8sFile, Self::Journald, Self::None, Self::Passthrough];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonFile => "json-file",
            Self::Local => "local",
            Self::K8sFile => "k8s-file",
            Self::Journald => "journald",
            Self::None => "none",
            Self::Passthrough => "passthrough",
        }
    }

    /// Reads `--log-driver`; nothing is the default.
    pub fn parse(given: &str) -> Result<Self> {
        match given {
            "" => Ok(Self::default()),
            given => Self::ALL.into_iter().find(|driver| driver.name() == given).ok_or_else(|| {
                Error::unsupported(format!("logger: no log driver named '{}' is registered", text::clean(given)))
                    .hint("the drivers are json-file, local, k8s-file, journald, none and passthrough")
            }),
        }
    }

    /// Whether it keeps the output in a file.
    pub fn is_file(self) -> bool {
        matches!(self, Self::JsonFile | Self::Local | Self::K8sFile)
    }
}

/// The log of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Logging {
    /// Where it is kept.
    pub driver: LogDriver,
    /// `--log-opt`, as given.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Bytes after which a file is put aside and another begun; none for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// How many files there are at most, the one that is written being one of them; 0 as the driver has it.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_files: u32,
    /// Another place for the file than the container's directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The template of the tag, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// docker's limits of `local`.
const LOCAL_SIZE: u64 = 20_000_000;
const LOCAL_FILES: u32 = 5;

/// The most files of a log: each costs a rename at a rotation.
const MOST_FILES: u32 = 1000;

/// The shortest tag template that is refused.
const LONGEST_TAG: usize = 1024;

/// What a tag may name: docker's words, and podman's for the first two.
const TAG_FIELDS: [&str; 7] = ["ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "DaemonName"];

impl Logging {
    /// Whether nothing was said about it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Reads `--log-driver` and the `key=value`s of `--log-opt`. A relative `path` starts from `cwd`.
    pub fn parse(driver: &str, options: &[String], cwd: &Path) -> Result<Self> {
        let driver = LogDriver::parse(driver)?;
        let mut logging = Self { driver, ..Self::default() };
        for option in options {
            let (key, value) = option.split_once('=').ok_or_else(|| {
                Error::usage(format!("invalid argument `{}` for `--log-opt`: give KEY=VALUE", text::clean(option)))
            })?;
            logging.set(key, value, cwd)?;
            logging.options.insert(key.to_owned(), value.to_owned());
        }
        if driver == LogDriver::None && !options.is_empty() {
            return Err(Error::usage("invalid logging opts for driver none"));
        }
        Ok(logging)
    }

    fn set(&mut self, key: &str, value: &str, cwd: &Path) -> Result<()> {
        let wrong = |why: &str| {
            Error::usage(format!(
                "invalid argument `{}={}` for `--log-opt`: {why}",
                text::clean(key),
                text::clean(value)
            ))
        };
        let (file, driver) = (self.driver.is_file(), self.driver);
        match key {
            "max-size" if file => self.max_size = size(value).map_err(&wrong)?,
            "max-file" if file => match value.parse::<i64>() {
                Ok(count @ 1..) if count <= i64::from(MOST_FILES) => self.max_files = count as u32,
                Ok(count) if count < 1 => return Err(wrong("max-file cannot be less than 1")),
                _ => return Err(wrong("not a number of files up to 1000")),
            },
            "path" if file && !value.is_empty() => self.path = Some(cwd.join(value)),
            "compress" if file => match value {
                "false" | "0" | "" => {}
                "true" | "1" => {
                    return Err(Error::unsupported("files that are put aside are not compressed: `compress=true`")
                        .hint("leave it out, or give compress=false"));
                }
                _ => return Err(wrong("not a boolean")),
            },
            "mode" => match value {
                "blocking" => {}
                "non-blocking" => {
                    return Err(Error::unsupported(
                        "`mode=non-blocking` would lose output: there is no such mode here",
                    )
                    .hint("leave it out: a container waits for nothing but the disk"));
                }
                _ => return Err(wrong("logger: logging mode not supported")),
            },
            "tag" if self.takes_facts() => {
                check_tag(value).map_err(|why| wrong(&why))?;
                self.tag = Some(value.to_owned()).filter(|tag| !tag.is_empty());
            }
            "labels" | "env" if self.takes_facts() => {}
            _ => {
                return Err(Error::usage(format!(
                    "unknown log opt '{}' for {} log driver",
                    text::clean(key),
                    driver.name()
                )));
            }
        }
        Ok(())
    }

    /// Whether the driver keeps a tag, labels and variables with each line.
    fn takes_facts(&self) -> bool {
        !matches!(self.driver, LogDriver::None | LogDriver::Passthrough)
    }

    /// The size at which a file is put aside, and how many there are.
    pub fn limits(&self) -> (Option<u64>, u32) {
        let (size, files) = match self.driver {
            LogDriver::Local => (Some(LOCAL_SIZE), LOCAL_FILES),
            _ => (None, 1),
        };
        (self.max_size.or(size), if self.max_files == 0 { files } else { self.max_files })
    }

    /// The file, if there is one; `usual` is that in the container's directory.
    pub fn file(&self, usual: PathBuf) -> Option<PathBuf> {
        self.driver.is_file().then(|| self.path.clone().unwrap_or(usual))
    }

    /// The words of a list such as `labels=a,b`.
    pub fn names(&self, option: &str) -> impl Iterator<Item = &str> {
        let list = self.options.get(option).map_or("", String::as_str);
        list.split(',').map(str::trim).filter(|name| !name.is_empty())
    }
}

/// `10m`, in powers of 1000 as docker reads it; `-1` is no limit.
fn size(given: &str) -> Result<Option<u64>, &'static str> {
    if given == "-1" {
        return Ok(None);
    }
    let wrong = "max-size must be a positive number such as 10m";
    let end = given.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(given.len());
    let (number, unit) = given.split_at(end);
    let number: f64 = number.parse().map_err(|_| wrong)?;
    let unit = unit.trim().to_ascii_lowercase();
    let exponent = match unit.strip_suffix('b').unwrap_or(&unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(wrong),
    };
    let bytes = number * 1000f64.powi(exponent);
    match bytes >= 1.0 && bytes < i64::MAX as f64 {
        true => Ok(Some(bytes as u64)),
        false => Err(wrong),
    }
}

/// The pieces of a tag's template: text, and names between `{{.` and `}}`.
fn pieces(template: &str) -> Result<Vec<(&str, Option<&str>)>, String> {
    let (mut pieces, mut rest) = (Vec::new(), template);
    while let Some((text, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or("`{{` without `}}`")?;
        let name = name.trim().strip_prefix('.').unwrap_or_default();
        match TAG_FIELDS.contains(&name) {
            true => pieces.push((text, Some(name))),
            false => {
                return Err(format!("a tag may name {}", TAG_FIELDS.map(|name| format!("{{{{.{name}}}}}")).join(", ")));
            }
        }
        rest = after;
    }
    pieces.push((rest, None));
    Ok(pieces)
}

fn check_tag(template: &str) -> Result<(), String> {
    if template.len() > LONGEST_TAG || template.contains(char::is_control) {
        return Err("a tag is a line of at most 1024 bytes".into());
    }
    pieces(template).map(drop)
}

/// What a tag is made of.
#[derive(Debug, Clone, Copy)]
pub struct TagFacts<'a> {
    /// The container's id, all digits.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The image's id, with its algorithm.
    pub image_id: &'a str,
    /// The image's name.
    pub image_name: &'a str,
}

/// The tag of a container, from a template that [`Logging::parse`] has accepted.
pub fn tag(template: &str, facts: &TagFacts<'_>) -> String {
    let short = |id: &str| id.chars().take(12).collect::<String>();
    let value = |name: &str| match name {
        "ID" => short(facts.id),
        "FullID" => facts.id.to_owned(),
        "Name" => facts.name.to_owned(),
        "ImageID" => short(facts.image_id.rsplit(':').next().unwrap_or_default()),
        "ImageFullID" => facts.image_id.to_owned(),
        "ImageName" => facts.image_name.to_owned(),
        _ => "coracle".to_owned(),
    };
    let pieces = pieces(template).unwrap_or_default();
    pieces.into_iter().map(|(text, name)| format!("{text}{}", name.map(value).unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(driver: &str, options: &[&str]) -> Result<Logging> {
        let options: Vec<String> = options.iter().map(|option| (*option).into()).collect();
        Logging::parse(driver, &options, Path::new("/work"))
    }

    #[test]
    fn drivers_and_options_are_read() {
        assert!(parse("", &[]).unwrap().is_default());
        let limits = |driver, options: &[&str]| parse(driver, options).unwrap().limits();
        assert_eq!(limits("json-file", &[]), (None, 1));
        assert_eq!(limits("json-file", &["max-size=10m", "max-file=3"]), (Some(10_000_000), 3));
        assert_eq!(limits("local", &[]), (Some(20_000_000), 5));
        assert_eq!(limits("k8s-file", &["max-size=1.5kB"]), (Some(1500), 1));
        assert_eq!(limits("json-file", &["max-size=-1"]), (None, 1));
        assert_eq!(parse("k8s-file", &["path=x/log"]).unwrap().path, Some("/work/x/log".into()));
        let labels = parse("journald", &["labels=a, b", "tag={{.Name}}"]).unwrap();
        assert_eq!(labels.names("labels").collect::<Vec<_>>(), ["a", "b"]);
        for (driver, options, reason) in [
            ("gelf", &[][..], "no log driver named 'gelf'"),
            ("json-file", &["max-size"], "KEY=VALUE"),
            ("json-file", &["max-size=0"], "must be a positive number"),
            ("json-file", &["max-size=10q"], "must be a positive number"),
            ("json-file", &["max-file=0"], "cannot be less than 1"),
            ("json-file", &["max-file=x"], "not a number of files"),
            ("json-file", &["compress=true"], "not compressed"),
            ("json-file", &["mode=non-blocking"], "lose output"),
            ("json-file", &["frob=1"], "unknown log opt 'frob' for json-file log driver"),
            ("json-file", &["tag={{.Frob}}"], "a tag may name"),
            ("json-file", &["tag={{.ID"], "without"),
            ("journald", &["max-size=1m"], "unknown log opt 'max-size'"),
            ("none", &["mode=blocking"], "invalid logging opts for driver none"),
            ("passthrough", &["tag=x"], "unknown log opt 'tag'"),
        ] {
            let message = parse(driver, options).unwrap_err().message().to_owned();
            assert!(message.contains(reason), "{driver} {options:?}: {message}");
        }
    }

    #[test]
    fn tags_are_made_of_facts() {
        let facts = TagFacts {
            id: &"ab".repeat(32),
            name: "web",
            image_id: &format!("sha256:{}", "1".repeat(64)),
            image_name: "busybox",
        };
        for (template, expected) in [
            ("{{.ID}}", "abababababab".to_owned()),
            ("{{ .Name }}/{{.ImageName}}!", "web/busybox!".to_owned()),
            ("{{.ImageID}}", "1".repeat(12)),
            ("{{.DaemonName}}{{.FullID}}", format!("coracle{}", "ab".repeat(32))),
            ("plain", "plain".to_owned()),
        ] {
            assert_eq!(tag(template, &facts), expected, "{template}");
        }
    }
}
