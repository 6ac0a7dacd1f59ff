//! `info`: this installation and this machine, in the shape of docker's `GET /info`.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

use super::{Engine, doctor};
use crate::base::Result;
use crate::rootless::outer;
use crate::spec::container::StorageDriver;

/// What there is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Info {
    /// Containers, whatever they do.
    pub containers: usize,
    /// Those that run.
    pub containers_running: usize,
    /// Always 0: nothing can be paused yet.
    pub containers_paused: usize,
    /// Those that do not run.
    pub containers_stopped: usize,
    /// Images.
    pub images: usize,
    /// How layers are stacked.
    pub driver: &'static str,
    /// Name and value pairs about it.
    pub driver_status: Vec<[String; 2]>,
    /// The log format.
    pub logging_driver: &'static str,
    /// How limits are set.
    pub cgroup_driver: &'static str,
    /// `2`, or `1` on an old machine.
    pub cgroup_version: &'static str,
    /// `uname -r`.
    pub kernel_version: String,
    /// The distribution's own name.
    pub operating_system: String,
    /// Its version.
    #[serde(rename = "OSVersion")]
    pub os_version: String,
    /// `linux`.
    #[serde(rename = "OSType")]
    pub os_type: &'static str,
    /// `uname -m`.
    pub architecture: String,
    /// Processors that this process may use.
    #[serde(rename = "NCPU")]
    pub processors: usize,
    /// Bytes of memory.
    pub mem_total: u64,
    /// Where images and containers are.
    pub docker_root_dir: String,
    /// Where sockets are.
    pub run_root: String,
    /// The machine's host name.
    pub name: String,
    /// This program's version.
    pub server_version: String,
    /// The only one.
    pub default_runtime: &'static str,
    /// By name.
    pub runtimes: BTreeMap<&'static str, Runtime>,
    /// What confines containers.
    pub security_options: Vec<&'static str>,
    /// Whether it runs without root's rights.
    pub rootless: bool,
    /// What is amiss; `doctor` tells more.
    pub warnings: Vec<String>,
}

/// A runtime.
#[derive(Debug, Clone, Serialize)]
pub struct Runtime {
    /// Its executable.
    pub path: &'static str,
}

/// Finds out. `version` is what the program says of itself.
pub fn info(engine: &Engine, version: &str, driver: StorageDriver) -> Result<Info> {
    let containers = engine.containers().list()?;
    let running = containers.iter().flatten().filter(|container| container.status.is_running()).count();
    let broken = containers.iter().filter(|container| container.is_err()).count();
    let uname = rustix::system::uname();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let unified = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let rootless = !outer::is_real_root();
    let mut security_options = vec!["name=seccomp,profile=builtin"];
    if rootless {
        security_options.push("name=rootless");
    }
    let mut warnings = Vec::new();
    if broken > 0 {
        warnings.push(format!("{broken} containers have records that cannot be read"));
    }
    let lacks = doctor::networks(engine)?.filter(|check| check.status != doctor::Status::Ok);
    warnings.extend(lacks.map(|check| format!("{}: {} (`coracle doctor` names the fix)", check.name, check.detail)));
    Ok(Info {
        containers: containers.len(),
        containers_running: running,
        containers_paused: 0,
        containers_stopped: containers.len() - running,
        images: engine.store()?.list()?.len(),
        driver: driver.name(),
        driver_status: vec![
            ["Native Overlay Diff".into(), (driver == StorageDriver::Overlay).to_string()],
            // Only coracle's own union shows the files of an image with other owners.
            ["Driver With --userns".into(), StorageDriver::Fuse.name().into()],
        ],
        logging_driver: "json-file",
        cgroup_driver: "none",
        cgroup_version: if unified { "2" } else { "1" },
        kernel_version: uname.release().to_string_lossy().into_owned(),
        operating_system: os_release(&release, "PRETTY_NAME").unwrap_or_else(|| "Linux".into()),
        os_version: os_release(&release, "VERSION_ID").unwrap_or_default(),
        os_type: "linux",
        architecture: uname.machine().to_string_lossy().into_owned(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        mem_total: memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
        docker_root_dir: engine.paths.data.display().to_string(),
        run_root: engine.paths.runtime.display().to_string(),
        name: uname.nodename().to_string_lossy().into_owned(),
        server_version: version.to_owned(),
        default_runtime: "coracle",
        runtimes: [("coracle", Runtime { path: "coracle" })].into(),
        security_options,
        rootless,
        warnings,
    })
}

/// A value of os-release(5), without its quotes.
fn os_release(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    let bare = value.trim().trim_matches(|c| c == '"' || c == '\'');
    Some(crate::base::text::clean(bare).into_owned())
}

/// Bytes of memory in the text of /proc/meminfo.
fn memory(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn an_empty_installation() {
        let (engine, _scratch) = fixtures::engine();
        fixtures::image(&engine, "x", &["busybox"]);
        let value = serde_json::to_value(info(&engine, "1.2", StorageDriver::Overlay).unwrap()).unwrap();
        assert_eq!((&value["Containers"], &value["Images"]), (&0.into(), &1.into()));
        assert_eq!(value["ServerVersion"], "1.2");
        assert!(value["NCPU"].as_u64().unwrap() > 0 && value["MemTotal"].as_u64().unwrap() > 0);
    }

    #[test]
    fn files_of_the_machine_are_read() {
        let release = "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID='12'\n";
        assert_eq!(os_release(release, "PRETTY_NAME").unwrap(), "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(os_release(release, "VERSION_ID").unwrap(), "12");
        assert_eq!(os_release(release, "ID"), None);
        assert_eq!(memory("MemTotal:       16384 kB\nMemFree: 1 kB\n"), 16 << 20);
    }
}
