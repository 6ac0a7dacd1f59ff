//! `info`: this installation and this machine, in the shape of docker's `GET /info`.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

use super::{Engine, doctor};
use crate::base::{Result, time};
use crate::cgroup;
use crate::oci::Digest;
use crate::rootless::outer;
use crate::spec::cgroups::Manager;
use crate::spec::storage::StorageDriver;

/// What there is, with docker's keys in docker's order (`SystemInfo` of its API, 1.51).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Info {
    /// Of this user on this machine; tells nothing about either.
    #[serde(rename = "ID")]
    pub id: String,
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
    /// Drivers that can be named.
    pub plugins: Plugins,
    /// Whether memory can be limited. No limit can be set yet, and so on for the next ones.
    pub memory_limit: bool,
    /// Whether swap can.
    pub swap_limit: bool,
    /// Whether `--cpu-period` works.
    pub cpu_cfs_period: bool,
    /// Whether `--cpu-quota` works.
    pub cpu_cfs_quota: bool,
    /// Whether `--cpu-shares` works.
    #[serde(rename = "CPUShares")]
    pub cpu_shares: bool,
    /// Whether `--cpuset-cpus` works.
    #[serde(rename = "CPUSet")]
    pub cpu_set: bool,
    /// Whether `--pids-limit` works.
    pub pids_limit: bool,
    /// Whether the machine forwards packets; containers do not need it.
    #[serde(rename = "IPv4Forwarding")]
    pub ipv4_forwarding: bool,
    /// Whether debug messages are wanted.
    pub debug: bool,
    /// Open file descriptors of this process: there is no other.
    #[serde(rename = "NFd")]
    pub descriptors: usize,
    /// Whether `--oom-kill-disable` works.
    pub oom_kill_disable: bool,
    /// Threads of this process.
    #[serde(rename = "NGoroutines")]
    pub threads: usize,
    /// Now.
    pub system_time: String,
    /// The log format.
    pub logging_driver: &'static str,
    /// How limits are set.
    pub cgroup_driver: &'static str,
    /// `2`, or `1` on an old machine.
    pub cgroup_version: &'static str,
    /// Always 0: nothing serves events.
    #[serde(rename = "NEventsListener")]
    pub event_listeners: usize,
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
    /// The registry that a name without one means.
    pub index_server_address: &'static str,
    /// What is known of registries.
    pub registry_config: RegistryConfig,
    /// Processors that this process may use.
    #[serde(rename = "NCPU")]
    pub processors: usize,
    /// Bytes of memory.
    pub mem_total: u64,
    /// docker's swarm resources.
    pub generic_resources: Option<[(); 0]>,
    /// Where images and containers are.
    pub docker_root_dir: String,
    /// Where sockets are.
    pub run_root: String,
    /// The proxy towards registries, without its password.
    pub http_proxy: String,
    /// The same for TLS.
    pub https_proxy: String,
    /// Where none is used.
    pub no_proxy: String,
    /// The machine's host name.
    pub name: String,
    /// docker's daemon has labels.
    pub labels: [(); 0],
    /// docker's experimental features.
    pub experimental_build: bool,
    /// This program's version.
    pub server_version: String,
    /// By name.
    pub runtimes: BTreeMap<&'static str, Runtime>,
    /// The only one.
    pub default_runtime: &'static str,
    /// There is none.
    pub swarm: Swarm,
    /// Containers do not need this program to live: they have no daemon that could restart.
    pub live_restore_enabled: bool,
    /// Windows only.
    pub isolation: &'static str,
    /// What `--init` runs.
    pub init_binary: &'static str,
    /// Whose source containerd, runc and init are: coracle's own.
    pub containerd_commit: Commit,
    /// As before.
    pub runc_commit: Commit,
    /// As before.
    pub init_commit: Commit,
    /// What confines containers.
    pub security_options: Vec<&'static str>,
    /// Directories of CDI device descriptions; none are read.
    #[serde(rename = "CDISpecDirs")]
    pub cdi_spec_dirs: [(); 0],
    /// Whether it runs without root's rights.
    pub rootless: bool,
    /// What is amiss; `doctor` tells more.
    pub warnings: Vec<String>,
    /// The same program, as docker's client describes itself.
    pub client_info: ClientInfo,
}

/// Drivers by what they are for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Plugins {
    /// Of volumes.
    pub volume: &'static [&'static str],
    /// Of networks.
    pub network: &'static [&'static str],
    /// Of authorization: none.
    pub authorization: Option<[(); 0]>,
    /// Of logs.
    pub log: &'static [&'static str],
}

/// docker's picture of registries. What registries.conf(5) says has no place in it.
#[derive(Debug, Clone, Serialize)]
pub struct RegistryConfig {
    /// Networks whose registries need no TLS.
    #[serde(rename = "InsecureRegistryCIDRs")]
    pub insecure: [(); 0],
    /// By name.
    #[serde(rename = "IndexConfigs")]
    pub indexes: BTreeMap<&'static str, Index>,
    /// Of Docker Hub.
    #[serde(rename = "Mirrors")]
    pub mirrors: [(); 0],
}

/// A registry.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// Its mirrors.
    pub mirrors: [(); 0],
    /// Whether it needs TLS.
    pub secure: bool,
    /// Whether it is Docker Hub.
    pub official: bool,
}

/// docker's swarm: tools ask whether there is one.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Swarm {
    /// Empty.
    #[serde(rename = "NodeID")]
    pub node_id: &'static str,
    /// Empty.
    pub node_addr: &'static str,
    /// `inactive`.
    pub local_node_state: &'static str,
    /// False.
    pub control_available: bool,
    /// Empty.
    pub error: &'static str,
    /// None.
    pub remote_managers: Option<[(); 0]>,
}

/// A version of a part.
#[derive(Debug, Clone, Serialize)]
pub struct Commit {
    /// As git names it, or the version.
    #[serde(rename = "ID")]
    pub id: String,
}

/// A runtime.
#[derive(Debug, Clone, Serialize)]
pub struct Runtime {
    /// Its executable.
    pub path: &'static str,
}

/// docker's `ClientInfo`.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClientInfo {
    /// Whether debug messages are wanted.
    pub debug: bool,
    /// The version that it gives itself.
    pub version: String,
    /// What it was made of.
    pub git_commit: String,
    /// Empty: it is not written in Go.
    pub go_version: &'static str,
    /// `linux`.
    pub os: &'static str,
    /// As an image's platform has it.
    pub arch: String,
    /// Empty.
    pub build_time: &'static str,
    /// `default`.
    pub context: &'static str,
    /// None.
    pub plugins: [(); 0],
    /// None.
    pub warnings: Option<[(); 0]>,
}

/// What only the face knows.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// The version that it gives itself.
    pub version: &'static str,
    /// Whether debug messages are wanted.
    pub debug: bool,
    /// `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`; empty where they are not set.
    pub proxies: [String; 3],
}

/// Finds out.
pub fn info(engine: &Engine, client: &Client, driver: StorageDriver) -> Result<Info> {
    let containers = engine.containers().list()?;
    let running = containers.iter().flatten().filter(|container| container.status.is_running()).count();
    let broken = containers.iter().filter(|container| container.is_err()).count();
    let uname = rustix::system::uname();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let unified = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let groups = cgroup::outlook(&engine.paths.runtime, nix::unistd::geteuid().as_raw(), outer::is_real_root());
    let has = |controller: &str| groups.controllers.iter().any(|known| known == controller);
    let rootless = !outer::is_real_root();
    let mut security_options = vec!["name=seccomp,profile=builtin"];
    if rootless {
        security_options.push("name=rootless");
    }
    let mut warnings = Vec::new();
    if groups.manager == Manager::Disabled {
        warnings.push("No limits: no control group is delegated to you (`coracle doctor` names the fix)".to_owned());
    }
    for (controller, limits) in [
        ("memory", "memory"),
        ("cpu", "processor time"),
        ("cpuset", "processors"),
        ("io", "disk"),
        ("pids", "processes"),
    ] {
        if !has(controller) && groups.manager != Manager::Disabled {
            warnings.push(format!("No {limits} limits: the controller `{controller}` is not delegated to you (`coracle doctor` names the fix)"));
        }
    }
    if broken > 0 {
        warnings.push(format!("{broken} containers have records that cannot be read"));
    }
    let lacks = doctor::networks(engine)?.filter(|check| check.status != doctor::Status::Ok);
    warnings.extend(lacks.map(|check| format!("{}: {} (`coracle doctor` names the fix)", check.name, check.detail)));
    let commit = || Commit { id: format!("coracle-{}", env!("CARGO_PKG_VERSION")) };
    let count = |directory: &str| fs::read_dir(directory).map_or(0, Iterator::count);
    let [http_proxy, https_proxy, no_proxy] = &client.proxies;
    Ok(Info {
        id: identity(&fs::read_to_string("/etc/machine-id").unwrap_or_default(), nix::unistd::geteuid().as_raw()),
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
        plugins: Plugins {
            volume: &["local"],
            network: &["bridge", "host", "null"],
            authorization: None,
            log: &["journald", "json-file", "k8s-file", "local", "none", "passthrough"],
        },
        memory_limit: has("memory"),
        swap_limit: has("memory"),
        cpu_cfs_period: has("cpu"),
        cpu_cfs_quota: has("cpu"),
        cpu_shares: has("cpu"),
        cpu_set: has("cpuset"),
        pids_limit: has("pids"),
        ipv4_forwarding: fs::read_to_string("/proc/sys/net/ipv4/ip_forward").is_ok_and(|text| text.trim() == "1"),
        debug: client.debug,
        descriptors: count("/proc/self/fd"),
        oom_kill_disable: false,
        threads: count("/proc/self/task"),
        system_time: time::rfc3339(time::now()),
        logging_driver: "json-file",
        cgroup_driver: match groups.manager {
            Manager::Disabled => "none",
            manager => manager.word(),
        },
        cgroup_version: if unified { "2" } else { "1" },
        event_listeners: 0,
        kernel_version: uname.release().to_string_lossy().into_owned(),
        operating_system: os_release(&release, "PRETTY_NAME").unwrap_or_else(|| "Linux".into()),
        os_version: os_release(&release, "VERSION_ID").unwrap_or_default(),
        os_type: "linux",
        architecture: uname.machine().to_string_lossy().into_owned(),
        index_server_address: "https://index.docker.io/v1/",
        registry_config: RegistryConfig {
            insecure: [],
            indexes: [("docker.io", Index { name: "docker.io", mirrors: [], secure: true, official: true })].into(),
            mirrors: [],
        },
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        mem_total: memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
        generic_resources: None,
        docker_root_dir: engine.paths.data.display().to_string(),
        run_root: engine.paths.runtime.display().to_string(),
        http_proxy: without_password(http_proxy),
        https_proxy: without_password(https_proxy),
        no_proxy: no_proxy.clone(),
        name: uname.nodename().to_string_lossy().into_owned(),
        labels: [],
        experimental_build: false,
        server_version: client.version.to_owned(),
        runtimes: [("coracle", Runtime { path: "coracle" })].into(),
        default_runtime: "coracle",
        swarm: Swarm {
            node_id: "",
            node_addr: "",
            local_node_state: "inactive",
            control_available: false,
            error: "",
            remote_managers: None,
        },
        live_restore_enabled: true,
        isolation: "",
        init_binary: "coracle-init",
        containerd_commit: commit(),
        runc_commit: commit(),
        init_commit: commit(),
        security_options,
        cdi_spec_dirs: [],
        rootless,
        warnings,
        client_info: ClientInfo {
            debug: client.debug,
            version: client.version.to_owned(),
            git_commit: commit().id,
            go_version: "",
            os: "linux",
            arch: crate::oci::Platform::host().architecture,
            build_time: "",
            context: "default",
            plugins: [],
            warnings: None,
        },
    })
}

/// A number for this user on this machine, in the form of a UUID. The machine's own is a secret (machine-id(5)): it goes in
/// by a hash.
fn identity(machine: &str, user: u32) -> String {
    let hash = Digest::sha256(format!("coracle info {} {user}", machine.trim()).as_bytes());
    let hex = hash.hex();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

/// A proxy's address as docker shows it: who may read `info` need not know the password.
fn without_password(proxy: &str) -> String {
    let (scheme, rest) = proxy.split_once("://").map_or(("", proxy), |(scheme, rest)| (scheme, rest));
    match (scheme, rest.rsplit_once('@')) {
        (_, None) => proxy.to_owned(),
        ("", Some((_, host))) => format!("xxxxx:xxxxx@{host}"),
        (scheme, Some((_, host))) => format!("{scheme}://xxxxx:xxxxx@{host}"),
    }
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
        let proxies = ["http://me:secret@proxy:3128".into(), "proxy:1".into(), "localhost".into()];
        let client = Client { version: "1.2", debug: false, proxies };
        let value = serde_json::to_value(info(&engine, &client, StorageDriver::Overlay).unwrap()).unwrap();
        assert_eq!((&value["Containers"], &value["Images"]), (&0.into(), &1.into()));
        assert_eq!(value["ServerVersion"], "1.2");
        assert_eq!(value["HttpProxy"], "http://xxxxx:xxxxx@proxy:3128");
        assert_eq!((&value["HttpsProxy"], &value["NoProxy"]), (&"proxy:1".into(), &"localhost".into()));
        assert_eq!(value["Swarm"]["LocalNodeState"], "inactive");
        assert_eq!(value["ClientInfo"]["Version"], "1.2");
        assert!(value["NCPU"].as_u64().unwrap() > 0 && value["MemTotal"].as_u64().unwrap() > 0);
    }

    #[test]
    fn files_of_the_machine_are_read() {
        let release = "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID='12'\n";
        assert_eq!(os_release(release, "PRETTY_NAME").unwrap(), "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(os_release(release, "VERSION_ID").unwrap(), "12");
        assert_eq!(os_release(release, "ID"), None);
        let id = identity("0123\n", 1000);
        assert_eq!(id.len(), 36);
        assert!(id == identity("0123", 1000) && id != identity("0123", 1001) && id != identity("4567", 1000));
        assert_eq!(memory("MemTotal:       16384 kB\nMemFree: 1 kB\n"), 16 << 20);
    }
}
