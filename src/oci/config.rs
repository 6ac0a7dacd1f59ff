//! The image configuration: what the image's author says about how to run it, and which diff ids make its root.
//!
//! OCI's and docker's documents have the same fields. Every field may be absent, and all are read as [`super::document`]
//! says. Paths that are not absolute are taken from `/`, as docker takes them, so that they are absolute in the result.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::digest::Digest;
use super::document;
use super::platform::Platform;
use crate::base::{Error, Result};

/// Largest image configuration, in bytes. docker and containerd read no more than this of a config blob either.
pub const CONFIG_MAX: usize = 4 << 20;

/// An image configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Go's name of the architecture: `amd64`.
    #[serde(default)]
    pub architecture: String,
    /// Go's name of the operating system: `linux`.
    #[serde(default)]
    pub os: String,
    /// The architecture's variant: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// When it was built, RFC 3339, as the author's tool wrote it; see [`ImageConfig::created_at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Defaults for the container.
    #[serde(default)]
    pub config: Defaults,
    /// The layers.
    #[serde(default)]
    pub rootfs: RootFs,
    /// How it was built, oldest step first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
}

/// What a container made from the image does unless told otherwise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Defaults {
    /// `user[:group]`, names or ids; empty is root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `80/tcp`, `53/udp`, `8000-8010`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "keys")]
    pub exposed_ports: BTreeSet<String>,
    /// `NAME=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The program and its first arguments.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "words")]
    pub entrypoint: Option<Vec<String>>,
    /// The remaining arguments, or the program when there is no entry point.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "words")]
    pub cmd: Option<Vec<String>>,
    /// Paths that become anonymous volumes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "keys")]
    pub volumes: BTreeSet<String>,
    /// Where the program starts; empty is `/`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops it: a name or number; `SIGTERM` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// docker's health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthCheck>,
    /// The shell of later `RUN` lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub shell: Vec<String>,
    /// Build steps for images made from this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
}

/// docker's health check (its image specification 1.2). Durations are nanoseconds; 0 means "not said", as an absent one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthCheck {
    /// `NONE`, `CMD` and its words, or `CMD-SHELL` and a line; empty inherits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// Before a check counts as failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// In which failures do not count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Between two checks in that period.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that make it unhealthy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: i64,
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// The layers of the image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Digests of the layers' tar streams before compression, lowest first.
    #[serde(default)]
    pub diff_ids: Vec<Digest>,
}

/// One step of the build.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The author of this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The command.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// Reads a configuration of at most [`CONFIG_MAX`] bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > CONFIG_MAX {
            return Err(Error::invalid("the image configuration is larger than 4 MiB"));
        }
        let mut image: Self = document::from_slice(bytes)
            .map_err(|error| Error::invalid("the image configuration is not valid").caused_by(error))?;
        let defaults = &mut image.config;
        if !defaults.working_dir.is_empty() {
            defaults.working_dir = from_root(&defaults.working_dir);
        }
        let volumes = std::mem::take(&mut defaults.volumes);
        defaults.volumes = volumes.iter().filter(|path| !path.is_empty()).map(|path| from_root(path)).collect();
        defaults.exposed_ports.remove("");
        Ok(image)
    }

    /// What it was built for. Images that do not say so are for Linux on this architecture.
    pub fn platform(&self) -> Platform {
        let host = Platform::host();
        let or = |value: &str, default: &str| if value.is_empty() { default.to_owned() } else { value.to_owned() };
        Platform::new(&or(&self.os, &host.os), &or(&self.architecture, &host.architecture), self.variant.as_deref())
    }

    /// When it was built, if that is known and can be read.
    pub fn created_at(&self) -> Option<jiff::Timestamp> {
        self.created.as_deref()?.parse().ok()
    }
}

/// An absolute path in its shortest form, as Go's `filepath.Join("/", path)` makes it: `..` is applied as text and ends at
/// the root.
pub fn from_root(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// docker accepts a string where a list of words is expected (`strslice.StrSlice`). `null` among the words is an empty one.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        Many(Vec<Option<String>>),
        One(String),
    }
    Ok(Option::<Words>::deserialize(deserializer)?.map(|words| match words {
        Words::Many(many) => many.into_iter().map(Option::unwrap_or_default).collect(),
        Words::One(one) => vec![one],
    }))
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    words(deserializer).map(Option::unwrap_or_default)
}

/// A set that the documents write as an object with empty objects as values.
mod keys {
    use super::*;

    pub fn serialize<S: Serializer>(keys: &BTreeSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(keys.iter().map(|key| (key, BTreeMap::<(), ()>::new())))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
        let map: Option<BTreeMap<String, serde::de::IgnoredAny>> = Option::deserialize(deserializer)?;
        Ok(map.unwrap_or_default().into_keys().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DOCKER: &str = r#"{
        "architecture": "arm64", "os": "linux", "variant": "v8", "created": "2026-01-02T03:04:05.678Z",
        "docker_version": "x", "container": "y", "container_config": {"Cmd": ["ignored"]},
        "config": {
            "Hostname": "", "Domainname": "", "User": "app:staff", "AttachStdin": false, "Tty": false,
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Env": ["PATH=/bin", "A=b=c"], "Entrypoint": ["/init", "-x"],
            "Cmd": ["serve"], "Image": "", "Volumes": {"/data": {}}, "WorkingDir": "/srv", "OnBuild": ["RUN true"],
            "Labels": {"a.b": "c"}, "StopSignal": "SIGQUIT", "Shell": ["/bin/bash", "-c"],
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5000000000}
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},
        "history": [{"created": "2026-01-02T03:04:05Z", "created_by": "ADD x"}, {"created_by": "CMD", "empty_layer": true}]
    }"#;

    #[test]
    fn dockers_document_is_understood() {
        let image = ImageConfig::parse(DOCKER.as_bytes()).unwrap();
        assert_eq!(image.platform().to_string(), "linux/arm64");
        assert_eq!(image.created_at().unwrap().as_millisecond(), 1_767_323_045_678);
        assert_eq!(image.config.entrypoint.as_deref().unwrap(), ["/init", "-x"]);
        assert_eq!(image.config.exposed_ports.iter().collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
        assert_eq!(image.config.volumes.first().unwrap(), "/data");
        let check = image.config.healthcheck.as_ref().unwrap();
        assert_eq!((check.test.join(" ").as_str(), check.interval, check.retries), ("CMD true", 5_000_000_000, 0));
        assert_eq!((image.rootfs.diff_ids.len(), image.history.len()), (1, 2));
        assert!(image.history[1].empty_layer);
        let again: ImageConfig = serde_json::from_str(&serde_json::to_string(&image).unwrap()).unwrap();
        assert_eq!(again, image);
    }

    #[test]
    fn everything_may_be_absent_or_null() {
        let absent = ImageConfig::parse(b"{}").unwrap();
        let nulls = r#"{"architecture":null,"os":null,"variant":null,"created":null,"author":null,"history":null,
            "rootfs":{"type":"layers","diff_ids":null},
            "config":{"User":null,"ExposedPorts":null,"Env":null,"Entrypoint":null,"Cmd":null,"Volumes":null,
            "WorkingDir":null,"Labels":null,"StopSignal":null,"Healthcheck":null,"Shell":null,"OnBuild":null}}"#;
        let nulls = ImageConfig::parse(nulls.as_bytes()).unwrap();
        assert_eq!(nulls.config, absent.config);
        assert_eq!(absent.platform(), Platform::host());
        assert_eq!(ImageConfig::parse(br#"{"config":null,"rootfs":null}"#).unwrap(), absent);
    }

    #[test]
    fn a_command_may_be_one_string() {
        let image = ImageConfig::parse(br#"{"config":{"Cmd":"top","Entrypoint":[]}}"#).unwrap();
        assert_eq!(image.config.cmd.unwrap(), ["top"]);
        assert_eq!(image.config.entrypoint.unwrap(), [""; 0]);
    }

    /// Every field of the OCI image configuration and of docker's in a form that only a lenient reader understands.
    #[test]
    fn each_field_is_read_as_go_reads_it() {
        let diff_id = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let text = format!(
            r#"{{
            "Architecture": "arm64", "OS": "linux", "VARIANT": "v8", "Created": "2026-01-02T03:04:05Z", "AUTHOR": "me",
            "os.version": 7, "os.features": null, "container_config": 3,
            "Config": {{
                "user": "app", "exposedports": {{"80/tcp": null, "": {{}}}}, "ENV": ["A=b", null, ""], "entryPoint": null,
                "CMD": ["", null, "x"], "volumes": {{"data": null, "": {{}}, "/a/../b/": {{}}, "../c": {{"x": 1}}}},
                "workingdir": "srv/./app/", "LABELS": {{"Key": "v", "key": null}}, "stopsignal": "SIGQUIT",
                "ArgsEscaped": true, "Memory": 0, "onbuild": null, "SHELL": "sh",
                "HealthCheck": {{"test": null, "INTERVAL": 5, "timeout": null, "startperiod": 6, "startINTERVAL": 7, "Retries": 3}}
            }},
            "RootFS": {{"TYPE": null, "diff_IDs": ["{diff_id}"]}},
            "HISTORY": [null, {{"CREATED": null, "Author": "a", "created_By": "RUN", "Comment": "c", "Empty_Layer": true}}]
            }}"#
        );
        let image = ImageConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(image.platform().to_string(), "linux/arm64");
        assert_eq!((image.created_at().is_some(), image.author.as_deref()), (true, Some("me")));
        let defaults = &image.config;
        let keys = |keys: &BTreeSet<String>| keys.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!((defaults.user.as_str(), keys(&defaults.exposed_ports).as_str()), ("app", "80/tcp"));
        assert_eq!((&defaults.env[..], &defaults.entrypoint), (&["A=b".to_owned(), "".into(), "".into()][..], &None));
        assert_eq!(defaults.cmd.as_deref().unwrap(), ["", "", "x"]);
        assert_eq!((keys(&defaults.volumes).as_str(), defaults.working_dir.as_str()), ("/b /c /data", "/srv/app"));
        assert_eq!(defaults.labels, BTreeMap::from([("Key".into(), "v".into()), ("key".into(), String::new())]));
        assert_eq!((defaults.stop_signal.as_deref(), &defaults.shell[..]), (Some("SIGQUIT"), &["sh".to_owned()][..]));
        let check =
            HealthCheck { interval: 5, start_period: 6, start_interval: 7, retries: 3, ..HealthCheck::default() };
        assert_eq!(defaults.healthcheck.as_ref(), Some(&check));
        assert_eq!(image.rootfs.diff_ids[0].as_str(), diff_id);
        let step = &image.history[1];
        assert_eq!((step.created_by.as_str(), step.comment.as_str(), step.empty_layer), ("RUN", "c", true));
        assert_eq!((image.history.len(), &image.history[0]), (2, &History::default()));
    }

    #[test]
    fn paths_are_taken_from_the_root() {
        for (path, expected) in
            [("a", "/a"), ("/a//b/.", "/a/b"), ("..", "/"), ("../../x", "/x"), ("./", "/"), ("a/..", "/"), (" ", "/ ")]
        {
            assert_eq!(from_root(path), expected, "{path}");
        }
    }

    #[test]
    fn too_large_is_refused_before_it_is_read() {
        assert!(ImageConfig::parse(&vec![b' '; CONFIG_MAX + 1]).unwrap_err().message().contains("4 MiB"));
        assert!(ImageConfig::parse(br#"{"rootfs":{"diff_ids":["sha256:zz"]}}"#).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ImageConfig::parse(&bytes);
        }
    }
}
