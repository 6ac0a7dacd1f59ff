//! The Container Device Interface (CDI): files that say what a container needs to use a device of a vendor - device nodes,
//! mounts, variables, hooks. Here are the names of devices, the grammar of `--gpus`, and what the files hold; where they
//! lie is the engine's business.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::csv;
use super::hooks::{Hook, HookPoint};
use super::ids::MAX_ID;
use super::mount_words;
use super::security::Device;
use super::storage::{Mount, MountSource};
use super::yaml;
use crate::base::{Error, Result, ResultExt, text};

/// The most GPUs that are asked for by number.
const MAX_COUNT: u32 = 256;

/// What stands for the kind of the machine's GPUs until it is known which vendor's there are.
pub const ANY_GPU: &str = "gpu";

/// Whether `--device` names a device of CDI: `vendor.com/class=name`.
pub fn is_name(given: &str) -> bool {
    parse_name(given).is_some()
}

/// Kind and device of a name.
pub fn parse_name(given: &str) -> Option<(&str, &str)> {
    let (kind, name) = given.split_once('=')?;
    let (vendor, class) = kind.split_once('/')?;
    let sound = |word: &str, others: &[u8]| {
        let bytes = word.as_bytes();
        let ends =
            bytes.first().is_some_and(u8::is_ascii_alphanumeric) && bytes.last().is_some_and(u8::is_ascii_alphanumeric);
        ends && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || others.contains(byte))
    };
    (sound(vendor, b"_-.") && sound(class, b"_-") && sound(name, b"_-.:")).then_some((kind, name))
}

/// The devices that one `--gpus` stands for, of the kind [`ANY_GPU`]: `all`, a number, or docker's
/// `device=0,driver=nvidia,count=2,capabilities=gpu`.
pub fn gpus(given: &str) -> Result<Vec<String>> {
    let wrong = |why: &str| Error::usage(format!("invalid argument `{}` for `--gpus`: {why}", text::clean(given)));
    let name = |name: &str| -> Result<String> {
        let name = format!("{ANY_GPU}={name}");
        match parse_name(&format!("vendor/{name}")) {
            Some(_) => Ok(name),
            None => Err(wrong("that is no name of a device")),
        }
    };
    let counted = |count: &str| -> Result<Vec<String>> {
        match (count, count.parse::<u32>()) {
            ("all" | "-1", _) => Ok(vec![name("all")?]),
            (_, Ok(count @ 1..=MAX_COUNT)) => (0..count).map(|index| name(&index.to_string())).collect(),
            _ => Err(wrong("it is `all`, a number of GPUs, or device=ID")),
        }
    };
    let mut devices = Vec::new();
    let mut count = None;
    for field in csv::fields(given).map_err(|error| wrong(error.message()))? {
        match field.split_once('=') {
            None => count = Some(field),
            Some(("count", value)) => count = Some(value.to_owned()),
            Some(("device", ids)) => {
                for id in ids.split(',').map(str::trim) {
                    devices.push(name(id)?);
                }
            }
            Some(("driver", "nvidia" | "amd" | "cdi" | "") | ("capabilities" | "options", _)) => {}
            Some(("driver", other)) => return Err(wrong(&format!("the driver `{}` is not known", text::clean(other)))),
            Some((key, _)) => return Err(wrong(&format!("unexpected key `{}`", text::clean(key)))),
        }
    }
    match (devices.is_empty(), count) {
        (false, Some(_)) => Err(wrong("cannot set both count and device")),
        (false, None) => Ok(devices),
        (true, count) => counted(count.as_deref().unwrap_or("all")),
    }
}

/// What a container gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Edits {
    /// Variables over its own.
    pub env: Vec<String>,
    /// Device nodes.
    pub devices: Vec<Device>,
    /// Mounts.
    pub mounts: Vec<Mount>,
    /// Programs to run.
    pub hooks: Vec<Hook>,
    /// Supplementary groups of its process.
    pub groups: Vec<u32>,
}

impl Edits {
    /// Nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds those of another device. What is there already is not repeated.
    fn add(&mut self, more: &Self) {
        fn all<T: Clone + PartialEq>(into: &mut Vec<T>, from: &[T]) {
            from.iter().for_each(|one| {
                if !into.contains(one) {
                    into.push(one.clone());
                }
            });
        }
        all(&mut self.env, &more.env);
        all(&mut self.devices, &more.devices);
        all(&mut self.mounts, &more.mounts);
        all(&mut self.hooks, &more.hooks);
        all(&mut self.groups, &more.groups);
    }
}

/// A file of CDI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// `vendor.com/class`.
    pub kind: String,
    /// For every container that gets a device of the file.
    common: Edits,
    /// Devices by name.
    devices: Vec<(String, Edits)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDocument {
    cdi_version: String,
    kind: String,
    #[serde(default)]
    devices: Vec<RawDevice>,
    #[serde(default)]
    container_edits: RawEdits,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDevice {
    name: String,
    #[serde(default)]
    container_edits: RawEdits,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawEdits {
    env: Vec<String>,
    device_nodes: Vec<RawNode>,
    mounts: Vec<RawMount>,
    hooks: Vec<RawHook>,
    additional_gids: Vec<u32>,
    intel_rdt: Option<serde_json::Value>,
    net_devices: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawNode {
    path: String,
    #[serde(default)]
    host_path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMount {
    host_path: String,
    container_path: String,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    r#type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHook {
    hook_name: String,
    path: PathBuf,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<String>,
    #[serde(default)]
    timeout: Option<u32>,
}

impl Document {
    /// Reads the text of a file, YAML or JSON.
    pub fn parse(source: &str) -> Result<Self> {
        let raw: RawDocument = serde_json::from_value(yaml::read(source)?)
            .map_err(|error| Error::invalid(text::clean(&error.to_string()).into_owned()))?;
        if !matches!(raw.cdi_version.trim_start_matches('v').split('.').next(), Some("0" | "1")) {
            return Err(Error::unsupported(format!("version {} of CDI is not known", text::clean(&raw.cdi_version))));
        }
        if parse_name(&format!("{}=x", raw.kind)).is_none() {
            return Err(Error::invalid(format!("`{}` is no kind of devices", text::clean(&raw.kind))));
        }
        let common = raw.container_edits.edits()?;
        let device = |device: RawDevice| {
            let failed = || format!("the device `{}`", text::clean(&device.name));
            let edits = device.container_edits.edits().context(failed)?;
            match parse_name(&format!("{}={}", raw.kind, device.name)) {
                Some(_) => Ok((device.name, edits)),
                None => Err(Error::invalid(format!("`{}` is no name of a device", text::clean(&device.name)))),
            }
        };
        let devices = raw.devices.into_iter().map(device).collect::<Result<_>>()?;
        Ok(Self { kind: raw.kind, common, devices })
    }

    /// Whether it has a device.
    pub fn has(&self, name: &str) -> bool {
        self.devices.iter().any(|(known, _)| known == name)
    }

    /// The names of its devices.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(|(name, _)| name.as_str())
    }

    /// Adds what a container with one of its devices gets.
    pub fn give(&self, name: &str, edits: &mut Edits) {
        self.devices.iter().filter(|(known, _)| known == name).for_each(|(_, device)| {
            edits.add(&self.common);
            edits.add(device);
        });
    }
}

impl RawEdits {
    fn edits(self) -> Result<Edits> {
        if self.intel_rdt.is_some() || !self.net_devices.is_empty() {
            return Err(Error::unsupported("it asks for `intelRdt` or `netDevices`, which need root of the machine"));
        }
        if let Some(bad) = self.env.iter().find(|pair| pair.find('=').is_none_or(|at| at == 0) || pair.contains('\0')) {
            return Err(Error::invalid(format!("`{}` is no variable", text::clean(bad))));
        }
        if let Some(bad) = self.additional_gids.iter().find(|gid| **gid == 0 || **gid > MAX_ID) {
            return Err(Error::invalid(format!("{bad} is no supplementary group")));
        }
        Ok(Edits {
            env: self.env,
            devices: self.device_nodes.into_iter().map(RawNode::device).collect::<Result<_>>()?,
            mounts: self.mounts.into_iter().map(RawMount::mount).collect::<Result<_>>()?,
            hooks: self.hooks.into_iter().map(RawHook::hook).collect::<Result<_>>()?,
            groups: self.additional_gids,
        })
    }
}

/// An absolute path.
fn absolute(path: &str) -> Result<()> {
    match path.starts_with('/') && !path.contains('\0') {
        true => Ok(()),
        false => Err(Error::invalid(format!("`{}` is not an absolute path", text::clean(path)))),
    }
}

impl RawNode {
    fn device(self) -> Result<Device> {
        let host = if self.host_path.is_empty() { self.path.clone() } else { self.host_path };
        absolute(&host)?;
        absolute(&self.path)?;
        Ok(Device { host: host.into(), path: self.path })
    }
}

impl RawMount {
    fn mount(self) -> Result<Mount> {
        absolute(&self.host_path)?;
        absolute(&self.container_path)?;
        if !matches!(self.r#type.as_str(), "" | "bind" | "none") {
            return Err(Error::unsupported(format!("a mount of the type `{}`", text::clean(&self.r#type))));
        }
        let mut mount = Mount::plain(MountSource::Bind { path: self.host_path.into() }, self.container_path);
        for option in &self.options {
            match option.as_str() {
                "ro" => mount.read_only = true,
                "rw" => mount.read_only = false,
                // Mounts below the source cannot be left out by an ordinary user.
                "bind" | "rbind" => {}
                option => {
                    if !mount_words::apply(&mut mount, option)? {
                        return Err(Error::unsupported(format!("the option `{}` of a mount", text::clean(option))));
                    }
                }
            }
        }
        Ok(mount)
    }
}

impl RawHook {
    fn hook(self) -> Result<Hook> {
        let Self { path, args, env, timeout, .. } = self;
        let hook = Hook { at: HookPoint::parse(&self.hook_name)?, path, args, env, timeout };
        hook.check().map(|()| hook)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPU: &str = r#"
cdiVersion: "0.6.0"
kind: vendor.com/gpu
containerEdits:
  env: [VENDOR=1]
  mounts:
    - {hostPath: /usr/lib/libv.so, containerPath: /usr/lib/libv.so, options: [ro, nosuid, nodev, rbind, rprivate]}
devices:
  - name: "0"
    containerEdits:
      deviceNodes: [{path: /dev/v0, hostPath: /dev/null, fileMode: 0666}]
      additionalGids: [44]
  - name: all
    containerEdits:
      deviceNodes: [{path: /dev/v0, hostPath: /dev/null}, {path: /dev/zero}]
      hooks: [{hookName: createContainer, path: /bin/true, args: ['true', -x], timeout: 3}]
"#;

    #[test]
    fn names_have_a_vendor_a_class_and_a_device() {
        assert_eq!(parse_name("nvidia.com/gpu=all"), Some(("nvidia.com/gpu", "all")));
        assert!(is_name("a/b=0:1") && is_name("nvidia.com/gpu=GPU-8f.a"));
        for bad in ["/dev/x", "a/b", "a=b", "a/b=", "/b=c", "a/=c", "a/b=c d", "a.com/b.c=d", "-a/b=c", "a/b=../x"] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn gpus_are_all_some_or_by_id() {
        let names = |names: &[&str]| Some(names.iter().map(|name| format!("gpu={name}")).collect::<Vec<_>>());
        for (given, expected) in [
            ("all", names(&["all"])),
            ("2", names(&["0", "1"])),
            ("device=1", names(&["1"])),
            ("\"device=0,GPU-7\"", names(&["0", "GPU-7"])),
            ("count=1,capabilities=utility", names(&["0"])),
            ("driver=nvidia", names(&["all"])),
            ("capabilities=gpu,count=-1", names(&["all"])),
            ("0", None),
            ("some", None),
            ("1,device=0", None),
            ("driver=frob", None),
            ("device=../x", None),
            ("x=1", None),
            ("9999", None),
        ] {
            assert_eq!(gpus(given).ok(), expected, "{given}");
        }
    }

    #[test]
    fn a_device_gives_what_its_file_says() {
        let document = Document::parse(GPU).unwrap();
        assert_eq!(
            (document.kind.as_str(), document.names().collect::<Vec<_>>()),
            ("vendor.com/gpu", vec!["0", "all"])
        );
        let mut edits = Edits::default();
        document.give("0", &mut edits);
        document.give("all", &mut edits);
        assert_eq!(edits.env, ["VENDOR=1"]);
        let paths: Vec<&str> = edits.devices.iter().map(|device| device.path.as_str()).collect();
        assert_eq!(paths, ["/dev/v0", "/dev/zero"]);
        assert!(edits.mounts[0].read_only && edits.mounts[0].options.suid == Some(false));
        let hook = &edits.hooks[0];
        assert_eq!(
            (hook.at, hook.timeout, &hook.args[..]),
            (HookPoint::CreateContainer, Some(3), &["true".to_owned(), "-x".into()][..])
        );
        assert_eq!(edits.groups, [44]);
        assert!(document.has("all") && !document.has("1"));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let with =
            |edits: &str| format!("{{cdiVersion: 0.6.0, kind: a/b, devices: [{{name: x, containerEdits: {edits}}}]}}");
        assert!(Document::parse(&with("{}")).is_ok());
        for (edits, reason) in [
            ("{env: [=x]}", "no variable"),
            ("{deviceNodes: [{path: dev/x}]}", "not an absolute path"),
            ("{mounts: [{hostPath: x, containerPath: /y}]}", "not an absolute path"),
            ("{mounts: [{hostPath: /x, containerPath: /y, options: [frob]}]}", "the option `frob`"),
            ("{mounts: [{hostPath: /x, containerPath: /y, type: nfs}]}", "the type `nfs`"),
            ("{hooks: [{hookName: never, path: /x}]}", "no hooks called `never`"),
            ("{hooks: [{hookName: poststop, path: x}]}", "not an absolute path"),
            ("{intelRdt: {}}", "intelRdt"),
            ("{additionalGids: [0]}", "no supplementary group"),
        ] {
            let chain = Document::parse(&with(edits)).unwrap_err().chain();
            assert!(chain.contains(reason), "{edits}: {chain}");
        }
        for bad in ["{cdiVersion: 2.0.0, kind: a/b}", "{cdiVersion: 0.6.0, kind: b}", "[]", "{"] {
            assert!(Document::parse(bad).is_err(), "{bad}");
        }
    }
}
