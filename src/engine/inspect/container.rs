//! A container in the shape of docker's `GET /containers/{id}/json` (API 1.48).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::network;
use super::resources::{Differing, Resources};
use crate::base::time::{self, rfc3339};
use crate::base::{Paths, Result};
use crate::engine::Engine;
use crate::engine::usage::{self, Sizes};
use crate::oci::config::HealthCheck;
use crate::rootless::outer;
use crate::spec::container::ContainerConfig;
use crate::spec::health::{HealthState, OnFailure};
use crate::spec::mount_words;
use crate::spec::namespaces::NamespaceMode;
use crate::spec::network::HostEntry;
use crate::spec::process::Attached;
use crate::spec::secret::{Exposure, SecretUse};
use crate::spec::security::Seccomp;
use crate::spec::storage::{Mount, MountSource};
use crate::spec::variables::merged;
use crate::state::sessions::Sessions;
use crate::state::{Container, Status};
use crate::supervise::ContainerIds;

/// A container as `inspect` shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerReport {
    pub(super) id: String,
    pub(super) created: String,
    pub(super) path: String,
    pub(super) args: Vec<String>,
    pub(super) state: State,
    pub(super) image: String,
    pub(super) resolv_conf_path: String,
    pub(super) hostname_path: String,
    pub(super) hosts_path: String,
    pub(super) log_path: String,
    pub(super) name: String,
    pub(super) restart_count: u32,
    pub(super) driver: &'static str,
    pub(super) platform: &'static str,
    pub(super) mount_label: &'static str,
    pub(super) process_label: &'static str,
    pub(super) app_armor_profile: &'static str,
    #[serde(rename = "ExecIDs")]
    pub(super) exec_ids: Option<Vec<String>>,
    pub(super) host_config: HostConfig,
    pub(super) graph_driver: GraphDriver,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size_root_fs: Option<u64>,
    pub(super) mounts: Vec<MountPoint>,
    pub(super) config: Config,
    pub(super) network_settings: network::NetworkSettings,
}

/// Runs of ids as podman writes them: first in the container, first among the user's, how many.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IdMappings {
    pub(super) uid_map: Vec<String>,
    pub(super) gid_map: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct State {
    pub(super) status: &'static str,
    pub(super) running: bool,
    pub(super) paused: bool,
    pub(super) restarting: bool,
    #[serde(rename = "OOMKilled")]
    pub(super) oom_killed: bool,
    pub(super) dead: bool,
    pub(super) pid: i32,
    pub(super) exit_code: i32,
    pub(super) error: String,
    pub(super) started_at: String,
    pub(super) finished_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) health: Option<HealthState>,
    #[serde(skip_serializing_if = "String::is_empty")]
    cgroup_path: String,
    #[serde(rename = "Limits", skip_serializing_if = "Option::is_none")]
    differing_limits: Option<Differing>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HostConfig {
    pub(super) binds: Option<Vec<String>>,
    #[serde(rename = "ContainerIDFile")]
    pub(super) container_id_file: String,
    pub(super) log_config: LogConfig,
    pub(super) network_mode: String,
    pub(super) port_bindings: network::Bindings,
    pub(super) restart_policy: RestartPolicy,
    pub(super) auto_remove: bool,
    pub(super) volume_driver: &'static str,
    pub(super) volumes_from: Option<Vec<String>>,
    pub(super) console_size: [u16; 2],
    pub(super) cap_add: Option<Vec<String>>,
    pub(super) cap_drop: Option<Vec<String>>,
    pub(super) cgroupns_mode: String,
    pub(super) dns: Vec<String>,
    pub(super) dns_options: Vec<String>,
    pub(super) dns_search: Vec<String>,
    pub(super) extra_hosts: Option<Vec<String>>,
    pub(super) group_add: Option<Vec<String>>,
    pub(super) ipc_mode: String,
    pub(super) cgroup: &'static str,
    pub(super) links: Option<Vec<String>>,
    pub(super) oom_score_adj: i32,
    pub(super) pid_mode: String,
    pub(super) privileged: bool,
    pub(super) publish_all_ports: bool,
    pub(super) readonly_rootfs: bool,
    pub(super) security_opt: Option<Vec<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tmpfs: BTreeMap<String, String>,
    #[serde(rename = "UTSMode")]
    pub(super) uts_mode: String,
    pub(super) userns_mode: String,
    #[serde(rename = "IDMappings", skip_serializing_if = "Option::is_none")]
    pub(super) id_mappings: Option<IdMappings>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) storage_opt: BTreeMap<&'static str, String>,
    pub(super) shm_size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) sysctls: BTreeMap<String, String>,
    pub(super) runtime: &'static str,
    pub(super) isolation: &'static str,
    #[serde(flatten)]
    pub(super) resources: Resources,
    pub(super) masked_paths: Option<Vec<String>>,
    pub(super) readonly_paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) init: Option<bool>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LogConfig {
    pub(super) r#type: &'static str,
    pub(super) config: BTreeMap<String, String>,
}

/// A path, or nothing.
pub(super) fn shown(path: Option<&PathBuf>) -> String {
    path.map_or(String::new(), |path| path.display().to_string())
}

/// The file of the log, if there is one.
fn log_path(config: &ContainerConfig, directory: &Path) -> String {
    config.logging.file(directory.join("log")).map_or(String::new(), |path| path.display().to_string())
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RestartPolicy {
    pub(super) name: &'static str,
    pub(super) maximum_retry_count: u32,
}

/// `{}`.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Empty {}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GraphDriver {
    pub(super) data: GraphData,
    pub(super) name: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GraphData {
    pub(super) lower_dir: String,
    pub(super) merged_dir: String,
    pub(super) upper_dir: String,
    pub(super) work_dir: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MountPoint {
    pub(super) r#type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    pub(super) source: String,
    pub(super) destination: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) driver: &'static str,
    pub(super) mode: String,
    #[serde(rename = "RW")]
    pub(super) rw: bool,
    pub(super) propagation: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config {
    pub(super) hostname: String,
    pub(super) domainname: &'static str,
    pub(super) user: String,
    pub(super) attach_stdin: bool,
    pub(super) attach_stdout: bool,
    pub(super) attach_stderr: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) exposed_ports: BTreeMap<String, Empty>,
    pub(super) tty: bool,
    pub(super) open_stdin: bool,
    pub(super) stdin_once: bool,
    pub(super) env: Vec<String>,
    pub(super) cmd: Option<Vec<String>>,
    pub(super) image: String,
    pub(super) volumes: Option<BTreeMap<String, Empty>>,
    pub(super) working_dir: String,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) on_build: Option<Vec<String>>,
    pub(super) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) healthcheck: Option<HealthCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) healthcheck_on_failure_action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stop_signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stop_timeout: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) secrets: Vec<Secret>,
}

/// A secret as podman shows it: never its value.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Secret {
    name: String,
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "UID")]
    uid: u32,
    #[serde(rename = "GID")]
    gid: u32,
    mode: u32,
}

impl Secret {
    /// Those that are files; variables are among the others.
    fn of(used: &SecretUse) -> Option<Self> {
        match &used.exposure {
            Exposure::Mount { uid, gid, mode, .. } => {
                Some(Self { name: used.name.clone(), id: used.id.clone(), uid: *uid, gid: *gid, mode: *mode })
            }
            Exposure::Env { .. } => None,
        }
    }
}

/// What stands for the value of a secret among the variables: podman's word.
const HIDDEN: &str = "*******";

/// The container's variables; those that are secrets without their values.
fn environment(config: &ContainerConfig) -> Vec<String> {
    let secret = |used: &SecretUse| match &used.exposure {
        Exposure::Env { variable } => Some(format!("{variable}={HIDDEN}")),
        Exposure::Mount { .. } => None,
    };
    let secrets: Vec<String> = config.secrets.iter().filter_map(secret).collect();
    merged(config.process.env.iter().cloned(), &secrets)
}

/// Looks up the container `name`; with `sizes`, measures it too.
pub fn container(engine: &Engine, name: &str, sizes: bool) -> Result<ContainerReport> {
    look_up(engine, name, sizes).map(|(_, report)| report)
}

/// The same, with the container itself.
pub(super) fn look_up(engine: &Engine, name: &str, sizes: bool) -> Result<(Container, ContainerReport)> {
    let containers = engine.containers();
    let container = containers.load(&containers.find(name)?)?;
    let layers = usage::layers(engine, &container.config)?;
    let trees: Vec<String> = layers.iter().rev().map(|layer| layer.tree.display().to_string()).collect();
    let sizes = match sizes {
        true => usage::sizes(engine, &[&container.config])?.into_iter().next().transpose()?,
        false => None,
    };
    let execs = Sessions::new(&engine.paths).list(&container.config.id)?.into_iter().map(|session| session.id);
    let execs = Some(execs.collect()).filter(|execs: &Vec<String>| !execs.is_empty());
    let report = ContainerReport { exec_ids: execs, ..report(&container, &engine.paths, &trees.join(":"), sizes) };
    Ok((container, report))
}

/// The report, from what is known of the container. Pure.
pub(super) fn report(container: &Container, paths: &Paths, lower: &str, sizes: Option<Sizes>) -> ContainerReport {
    let config = &container.config;
    let directory = paths.container(&config.id);
    let file = |name: &str| directory.join(name).display().to_string();
    let argv = config.process.argv();
    ContainerReport {
        id: config.id.as_str().into(),
        created: rfc3339(config.created),
        path: argv.first().cloned().unwrap_or_default(),
        args: argv.into_iter().skip(1).collect(),
        state: state(container),
        image: config.image.id.clone(),
        resolv_conf_path: file("resolv.conf"),
        hostname_path: file("hostname"),
        hosts_path: file("hosts"),
        log_path: log_path(config, &directory),
        name: format!("/{}", container.name),
        restart_count: container.run.restarts,
        driver: config.storage.driver.name(),
        platform: "linux",
        mount_label: "",
        process_label: "",
        app_armor_profile: "",
        exec_ids: None,
        host_config: host_config(container),
        graph_driver: GraphDriver {
            data: GraphData {
                lower_dir: lower.into(),
                merged_dir: merged_dir(&container.status),
                upper_dir: file("upper"),
                work_dir: file("work"),
            },
            name: config.storage.driver.name(),
        },
        size_rw: sizes.map(|sizes| sizes.writable),
        size_root_fs: sizes.map(|sizes| sizes.total()),
        mounts: config.storage.mounts.iter().filter_map(|mount| mount_point(mount, paths)).collect(),
        config: config_of(config),
        network_settings: network::settings(container),
    }
}

fn state(container: &Container) -> State {
    let status = &container.status;
    let zero = || time::ZERO.to_owned();
    let (pid, exit_code, error, started_at, finished_at) = match status {
        Status::Created | Status::Removing => (0, 0, String::new(), zero(), zero()),
        Status::Running { started, pid } | Status::Paused { started, pid } | Status::Stopping { started, pid } => {
            (*pid, 0, String::new(), rfc3339(*started), zero())
        }
        Status::Restarting { code, started, finished } => {
            (0, *code, String::new(), rfc3339(*started), rfc3339(*finished))
        }
        Status::Exited { code, started, finished, error } => {
            (0, *code, error.clone(), rfc3339(*started), finished.map_or_else(zero, rfc3339))
        }
    };
    State {
        status: status.phase().docker_word(),
        running: status.is_running(),
        paused: matches!(status, Status::Paused { .. }),
        restarting: matches!(status, Status::Restarting { .. }),
        oom_killed: container.run.oom_killed,
        dead: false,
        pid,
        exit_code,
        error,
        started_at,
        finished_at,
        health: container.run.health.clone(),
        cgroup_path: container.run.limits.cgroup.clone().unwrap_or_default(),
        differing_limits: Differing::of(&container.run.limits),
    }
}

/// The ids of a container that has its own, where they can be told: they follow from what the user has today.
fn id_mappings(config: &ContainerConfig) -> Option<IdMappings> {
    let shifted = Some(&config.namespaces.user).filter(|namespace| namespace.shifts())?;
    let ids = ContainerIds::new(shifted, &outer::maps_of_user().ok()?).ok()?;
    Some(IdMappings { uid_map: ids.uids.to_words(), gid_map: ids.gids.to_words() })
}

fn host_config(container: &Container) -> HostConfig {
    let config = &container.config;
    let (security, networking) = (&config.security, &config.networking);
    let list = |items: &[String]| Some(items.to_vec()).filter(|items| !items.is_empty());
    let binds: Vec<String> = config.storage.mounts.iter().filter_map(bind).collect();
    HostConfig {
        binds: list(&binds),
        container_id_file: shown(config.lifecycle.files.cid.as_ref()),
        log_config: LogConfig { r#type: config.logging.driver.name(), config: config.logging.options.clone() },
        network_mode: config.namespaces.network.name(),
        port_bindings: network::asked(config),
        restart_policy: RestartPolicy {
            name: config.lifecycle.restart.name(),
            maximum_retry_count: config.lifecycle.restart.retries(),
        },
        auto_remove: config.lifecycle.remove,
        volume_driver: "",
        volumes_from: None,
        console_size: [0, 0],
        cap_add: list(&security.cap_add),
        cap_drop: list(&security.cap_drop),
        cgroupns_mode: config.namespaces.cgroup.word(),
        dns: networking.dns.iter().map(ToString::to_string).collect(),
        dns_options: networking.dns_options.clone(),
        dns_search: networking.dns_search.clone(),
        extra_hosts: list(&networking.add_hosts.iter().flat_map(host_entries).collect::<Vec<_>>()),
        group_add: list(&group_add(config)),
        ipc_mode: config.namespaces.ipc.word(),
        cgroup: "",
        links: None,
        oom_score_adj: config.resources.oom_score_adj.unwrap_or(0),
        pid_mode: shared(&config.namespaces.pid),
        privileged: security.privileged,
        publish_all_ports: networking.publish_all,
        readonly_rootfs: config.storage.read_only,
        security_opt: list(&security_options(config)),
        tmpfs: config.storage.mounts.iter().filter_map(tmpfs).collect(),
        uts_mode: shared(&config.namespaces.uts),
        userns_mode: match &config.namespaces.joined_user {
            NamespaceMode::Private => config.namespaces.user.word().to_owned(),
            joined => joined.word(),
        },
        id_mappings: id_mappings(config),
        storage_opt: config.storage.size.map(|size| ("size", size.to_string())).into_iter().collect(),
        shm_size: config.storage.shm_size,
        sysctls: security.sysctls.clone(),
        runtime: "coracle",
        isolation: "",
        resources: Resources::of(config, !container.status.is_running() || container.run.limits.cgroup.is_some()),
        masked_paths: Some(security.masked()).filter(|_| !security.privileged),
        readonly_paths: Some(security.read_only()).filter(|_| !security.privileged),
        init: config.lifecycle.init.then_some(true),
    }
}

/// docker's word for a namespace: none for one of its own.
fn shared(mode: &NamespaceMode) -> String {
    if mode.is_own() { String::new() } else { mode.word() }
}

/// The groups that were asked for, with podman's word for those that are kept.
fn group_add(config: &ContainerConfig) -> Vec<String> {
    let kept = config.identity.keep_groups.then(|| "keep-groups".to_owned());
    config.identity.groups.iter().cloned().chain(kept).collect()
}

fn security_options(config: &ContainerConfig) -> Vec<String> {
    let mut options = Vec::new();
    if config.security.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    match &config.security.seccomp {
        Seccomp::Default => {}
        Seccomp::Unconfined => options.push("seccomp=unconfined".into()),
        Seccomp::Profile(text) => options.push(format!("seccomp={text}")),
    }
    if !config.security.proc_options.is_empty() {
        options.push(format!("proc-opts={}", config.security.proc_options.join(",")));
    }
    options
}

/// `source:target[:options]` for binds and named volumes, as `-v` takes them.
fn bind(mount: &Mount) -> Option<String> {
    let source = match &mount.source {
        MountSource::Bind { path } => path.display().to_string(),
        MountSource::Volume { name, anonymous: false, .. } => name.to_string(),
        _ => return None,
    };
    let mode = mode(mount);
    let mode = if mode.is_empty() { mode } else { format!(":{mode}") };
    Some(format!("{source}:{}{mode}", mount.target))
}

fn mode(mount: &Mount) -> String {
    mount_words::words(mount).join(",")
}

fn tmpfs(mount: &Mount) -> Option<(String, String)> {
    let MountSource::Tmpfs { options, flags } = &mount.source else { return None };
    let words = flags.iter().map(String::as_str).chain(options.split(',').filter(|option| !option.is_empty()));
    Some((mount.target.clone(), words.collect::<Vec<_>>().join(",")))
}

/// What `Mounts` shows. docker's tmpfs is in `HostConfig.Tmpfs` alone.
fn mount_point(mount: &Mount, paths: &Paths) -> Option<MountPoint> {
    let (kind, name, source, driver) = match &mount.source {
        MountSource::Bind { path } => ("bind", String::new(), path.display().to_string(), ""),
        MountSource::Volume { name, .. } => {
            let directory = paths.volumes().join(name.as_str()).join("_data");
            let directory = mount.options.subpath.iter().fold(directory, |directory, part| directory.join(part));
            ("volume", name.to_string(), directory.display().to_string(), "local")
        }
        MountSource::Image { name, .. } => ("image", String::new(), name.clone(), ""),
        MountSource::Ramfs { .. } => ("ramfs", String::new(), "ramfs".into(), ""),
        MountSource::Devpts { .. } => ("devpts", String::new(), "devpts".into(), ""),
        MountSource::Tmpfs { .. } => return None,
    };
    Some(MountPoint {
        r#type: kind,
        name,
        source,
        destination: mount.target.clone(),
        driver,
        mode: mode(mount),
        rw: !mount.read_only,
        propagation: if kind == "bind" { mount.propagation.name() } else { "" },
    })
}

fn config_of(config: &ContainerConfig) -> Config {
    let process = &config.process;
    let attached = process.attached.unwrap_or(Attached { stdin: process.stdin, stdout: true, stderr: true });
    let life = &config.lifecycle;
    let list = |items: &[String]| Some(items.to_vec()).filter(|items| !items.is_empty());
    let volumes = config
        .storage
        .mounts
        .iter()
        .filter(|mount| matches!(mount.source, MountSource::Volume { anonymous: true, .. }));
    let volumes: BTreeMap<String, Empty> = volumes.map(|mount| (mount.target.clone(), Empty {})).collect();
    Config {
        hostname: config.identity.hostname.clone(),
        domainname: "",
        user: config.identity.user.clone(),
        attach_stdin: attached.stdin,
        attach_stdout: attached.stdout,
        attach_stderr: attached.stderr,
        exposed_ports: config.networking.exposed.iter().map(|port| (port.clone(), Empty {})).collect(),
        tty: process.tty,
        open_stdin: process.stdin,
        stdin_once: process.stdin && attached.stdin,
        env: environment(config),
        cmd: list(&process.command),
        image: config.image.name.clone(),
        volumes: Some(volumes).filter(|volumes| !volumes.is_empty()),
        working_dir: process.cwd.clone(),
        entrypoint: list(&process.entrypoint),
        on_build: None,
        labels: config.labels.clone(),
        healthcheck: config.health.check.clone(),
        healthcheck_on_failure_action: Some(config.health.on_failure)
            .filter(|action| *action != OnFailure::None)
            .map(OnFailure::name),
        stop_signal: life.chosen.stop_signal.then(|| signal_name(life.stop_signal.0)),
        stop_timeout: life.chosen.stop_timeout.then_some(life.stop_timeout),
        secrets: config.secrets.iter().filter_map(Secret::of).collect(),
    }
}

/// `name:address` for each name, as docker keeps `--add-host`.
fn host_entries(entry: &HostEntry) -> Vec<String> {
    let address = entry.address.map_or("host-gateway".to_owned(), |address| address.to_string());
    entry.names.iter().map(|name| format!("{name}:{address}")).collect()
}

pub(super) fn signal_name(number: i32) -> String {
    match nix::sys::signal::Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => number.to_string(),
    }
}

/// Where the merged tree of a running container can be seen: its mounts are attached in its own namespace only.
fn merged_dir(status: &Status) -> String {
    status.pid().map_or(String::new(), |pid| format!("/proc/{pid}/root"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::fixtures::container as fixture;

    fn paths() -> Paths {
        Paths { data: "/d".into(), runtime: "/r".into(), config: "/c".into(), home: "/h".into() }
    }

    fn value(container: &Container) -> Value {
        serde_json::to_value(report(container, &paths(), "/a:/b", None)).unwrap()
    }

    #[test]
    fn names_and_values_are_dockers() {
        let mut running =
            fixture("web", 10, Status::Running { started: "2026-11-21T09:30:00Z".parse().unwrap(), pid: 7 });
        let volume =
            |name: &str, anonymous| MountSource::Volume { name: name.parse().unwrap(), anonymous, no_copy: false };
        for (source, target, read_only) in [
            (MountSource::Bind { path: "/src".into() }, "/dst", true),
            (volume("data", false), "/data", false),
            (volume("0123", true), "/anon", false),
            (MountSource::Tmpfs { options: "size=1m".into(), flags: vec!["exec".into()] }, "/run", false),
        ] {
            running.config.storage.mounts.push(Mount { read_only, ..Mount::plain(source, target.into()) });
        }
        let value = value(&running);
        let id = running.config.id.as_str();
        for (pointer, expected) in [
            ("/Id", json!(id)),
            ("/Created", json!("1970-01-01T00:00:10Z")),
            ("/Name", json!("/web")),
            ("/Path", json!("sh")),
            ("/Args", json!(["-c", "sleep 1000 && echo done"])),
            ("/State/Status", json!("running")),
            ("/State/Running", json!(true)),
            ("/State/OOMKilled", json!(false)),
            ("/State/Pid", json!(7)),
            ("/State/StartedAt", json!("2026-11-21T09:30:00Z")),
            ("/State/FinishedAt", json!("0001-01-01T00:00:00Z")),
            ("/LogPath", json!(format!("/d/containers/{id}/log"))),
            ("/HostConfig/Binds", json!(["/src:/dst:ro", "data:/data"])),
            ("/HostConfig/Tmpfs", json!({"/run": "exec,size=1m"})),
            ("/HostConfig/NetworkMode", json!("none")),
            ("/HostConfig/RestartPolicy/Name", json!("no")),
            ("/Mounts/0/RW", json!(false)),
            ("/Mounts/0/Type", json!("bind")),
            ("/Mounts/1/Name", json!("data")),
            ("/Mounts/1/Source", json!("/d/volumes/data/_data")),
            ("/Config/Cmd", json!(["sh", "-c", "sleep 1000 && echo done"])),
            ("/Config/Entrypoint", Value::Null),
            ("/Config/Volumes", json!({"/anon": {}})),
            ("/GraphDriver/Data/LowerDir", json!("/a:/b")),
            ("/NetworkSettings/Networks/none/IPAddress", json!("")),
        ] {
            assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}");
        }
        assert!(value.get("SizeRw").is_none() && value["Config"].get("StopSignal").is_none());
    }

    #[test]
    fn health_and_restarts_are_dockers() {
        let at: jiff::Timestamp = "2026-11-21T09:30:00Z".parse().unwrap();
        let mut web = fixture("web", 10, Status::Restarting { code: 3, started: at, finished: at });
        web.config.lifecycle.restart = crate::spec::restart::RestartPolicy::OnFailure(5);
        web.config.health.check = Some(HealthCheck {
            test: vec!["CMD-SHELL".into(), "true".into()],
            interval: 1_000_000_000,
            ..HealthCheck::default()
        });
        web.run.restarts = 2;
        let without = value(&web);
        assert!(
            without["State"].get("Health").is_none() && without["Config"].get("HealthcheckOnFailureAction").is_none()
        );
        let probe = crate::spec::health::Probe { start: at, end: at, exit_code: -1, output: "why".into() };
        web.run.health = Some(HealthState { log: vec![probe], failing_streak: 1, ..HealthState::default() });
        let value = value(&web);
        for (pointer, expected) in [
            ("/RestartCount", json!(2)),
            ("/HostConfig/RestartPolicy", json!({"Name": "on-failure", "MaximumRetryCount": 5})),
            ("/State/Status", json!("restarting")),
            ("/State/Running", json!(true)),
            ("/State/Restarting", json!(true)),
            ("/State/ExitCode", json!(3)),
            ("/State/Health/Status", json!("starting")),
            ("/State/Health/FailingStreak", json!(1)),
            (
                "/State/Health/Log",
                json!([{"Start": "2026-11-21T09:30:00Z", "End": "2026-11-21T09:30:00Z", "ExitCode": -1, "Output": "why"}]),
            ),
            ("/Config/Healthcheck", json!({"Test": ["CMD-SHELL", "true"], "Interval": 1_000_000_000})),
        ] {
            assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}");
        }
    }

    #[test]
    fn an_end_is_told() {
        let ended = Status::Exited {
            code: 137,
            started: "2026-11-21T09:30:00Z".parse().unwrap(),
            finished: Some("2026-11-21T09:31:00Z".parse().unwrap()),
            error: "why".into(),
        };
        let value = value(&fixture("db", 1, ended));
        assert_eq!(value["State"]["ExitCode"], 137);
        assert_eq!(value["State"]["Pid"], 0);
        assert_eq!(value["State"]["Error"], "why");
        assert_eq!(value["State"]["FinishedAt"], "2026-11-21T09:31:00Z");
    }
}
