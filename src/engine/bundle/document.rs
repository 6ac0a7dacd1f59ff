//! `config.json` of a bundle (OCI runtime specification 1.2), as far as it is understood. What is not known is passed over, as
//! the specification has it; what is known and cannot be done is refused by name in [`super::plan`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::{Error, Result, ResultExt, text};

/// The most bytes of a document.
const MAX_SIZE: u64 = 8 << 20;

/// The whole document.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Document {
    pub oci_version: String,
    pub root: Option<Root>,
    pub mounts: Vec<Mount>,
    pub process: Option<Process>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    pub hooks: BTreeMap<String, Vec<Hook>>,
    pub annotations: BTreeMap<String, String>,
    pub linux: Linux,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Root {
    pub path: PathBuf,
    pub readonly: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mount {
    pub destination: String,
    pub r#type: String,
    pub source: String,
    pub options: Vec<String>,
    pub uid_mappings: Vec<Mapping>,
    pub gid_mappings: Vec<Mapping>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Process {
    pub terminal: bool,
    pub console_size: Option<Size>,
    pub user: User,
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub cwd: String,
    pub capabilities: Option<Capabilities>,
    pub rlimits: Vec<Rlimit>,
    pub no_new_privileges: bool,
    pub apparmor_profile: String,
    pub selinux_label: String,
    pub oom_score_adj: Option<i32>,
    pub scheduler: Option<Value>,
    pub io_priority: Option<Value>,
    #[serde(rename = "execCPUAffinity")]
    pub exec_cpu_affinity: Option<Value>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Size {
    pub height: u16,
    pub width: u16,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub umask: Option<u32>,
    pub additional_gids: Vec<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    pub bounding: Vec<String>,
    pub effective: Vec<String>,
    pub inheritable: Vec<String>,
    pub permitted: Vec<String>,
    pub ambient: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rlimit {
    pub r#type: String,
    pub hard: u64,
    pub soft: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Hook {
    pub path: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub timeout: Option<u32>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Linux {
    pub uid_mappings: Vec<Mapping>,
    pub gid_mappings: Vec<Mapping>,
    pub sysctl: BTreeMap<String, String>,
    pub resources: Option<Value>,
    pub cgroups_path: String,
    pub namespaces: Vec<Namespace>,
    pub devices: Vec<Device>,
    pub seccomp: Option<Value>,
    pub rootfs_propagation: String,
    pub masked_paths: Vec<String>,
    pub readonly_paths: Vec<String>,
    pub mount_label: String,
    pub intel_rdt: Option<Value>,
    pub personality: Option<Personality>,
    pub time_offsets: Option<Value>,
    pub net_devices: Option<Value>,
    pub memory_policy: Option<Value>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mapping {
    #[serde(rename = "containerID")]
    pub container_id: u32,
    #[serde(rename = "hostID")]
    pub host_id: u32,
    pub size: u32,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Namespace {
    pub r#type: String,
    pub path: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Device {
    pub path: String,
    pub r#type: String,
    pub major: i64,
    pub minor: i64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Personality {
    pub domain: String,
    pub flags: Vec<String>,
}

impl Document {
    /// Reads the document of a bundle.
    pub fn read(bundle: &Path) -> Result<Self> {
        let path = bundle.join("config.json");
        let bytes = read(&path)?;
        let document: Self = serde_json::from_slice(&bytes)
            .map_err(|error| Error::invalid(format!("`{}`: {}", path.display(), text::clean(&error.to_string()))))?;
        if document.oci_version.split('.').next() != Some("1") {
            return Err(Error::unsupported(format!(
                "version `{}` of the OCI runtime specification is not known",
                text::clean(&document.oci_version)
            )));
        }
        Ok(document)
    }
}

impl Process {
    /// Reads the description of a process (`exec --process`).
    pub fn read(path: &Path) -> Result<Self> {
        serde_json::from_slice(&read(path)?)
            .map_err(|error| Error::invalid(format!("`{}`: {}", path.display(), text::clean(&error.to_string()))))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).at(path, "cannot open")?;
    file.take(MAX_SIZE + 1).read_to_end(&mut bytes).at(path, "cannot read")?;
    match bytes.len() as u64 > MAX_SIZE {
        true => Err(Error::invalid(format!("`{}` is larger than {} MiB", path.display(), MAX_SIZE >> 20))),
        false => Ok(bytes),
    }
}
