//! The image configuration: what the image's author says about how to run it, and which diff ids make its root.
//!
//! OCI's and docker's documents have the same fields. Go writes `null` for whatever is empty, so every field is optional
//! and `null` is the empty value.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::digest::Digest;
use super::null_is_empty;
use super::platform::Platform;
use crate::base::{Error, Result};

/// Largest image configuration, in bytes. docker and containerd read no more than this of a config blob either.
pub const CONFIG_MAX: usize = 4 << 20;

/// An image configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Go's name of the architecture: `amd64`.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub architecture: String,
    /// Go's name of the operating system: `linux`.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub os: String,
    /// The architecture's variant: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// When it was built, RFC 3339, as the author's tool wrote it; see [`ImageConfig::created_at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Defaults for the container.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub config: Defaults,
    /// The layers.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub rootfs: RootFs,
    /// How it was built, oldest step first.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub history: Vec<History>,
}

/// What a container made from the image does unless told otherwise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Defaults {
    /// `user[:group]`, names or ids; empty is root.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "null_is_empty")]
    pub user: String,
    /// `80/tcp`, `53/udp`, `8000-8010`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "keys")]
    pub exposed_ports: BTreeSet<String>,
    /// `NAME=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
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
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "null_is_empty")]
    pub working_dir: String,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops it: a name or number; `SIGTERM` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// docker's health check, as it stands in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<serde_json::Value>,
    /// The shell of later `RUN` lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub shell: Vec<String>,
    /// Build steps for images made from this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub on_build: Vec<String>,
}

/// The layers of the image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default, deserialize_with = "null_is_empty")]
    pub kind: String,
    /// Digests of the layers' tar streams before compression, lowest first.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub diff_ids: Vec<Digest>,
}

/// One step of the build.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The command.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "null_is_empty")]
    pub created_by: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "null_is_empty")]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not", deserialize_with = "null_is_empty")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// Reads a configuration of at most [`CONFIG_MAX`] bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > CONFIG_MAX {
            return Err(Error::invalid("the image configuration is larger than 4 MiB"));
        }
        serde_json::from_slice(bytes)
            .map_err(|error| Error::invalid("the image configuration is not valid").caused_by(error))
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

/// docker accepts a string where a list of words is expected.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        Many(Vec<String>),
        One(String),
    }
    Ok(Option::<Words>::deserialize(deserializer)?.map(|words| match words {
        Words::Many(many) => many,
        Words::One(one) => vec![one],
    }))
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
        assert_eq!(image.config.healthcheck.as_ref().unwrap()["Test"][0], "CMD");
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
