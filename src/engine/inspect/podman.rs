//! A container in the shape of `podman container inspect`: the keys of podman 4.3 and later, with the types of 5.

use std::collections::BTreeMap;

use serde::Serialize;

use super::container::{self, Config, ContainerReport, GraphDriver, HostConfig, IdMappings, MountPoint, RestartPolicy};
use super::network;
use super::resources::Resources;
use crate::base::time;
use crate::base::{Paths, Result};
use crate::engine::Engine;
use crate::oci::config::HealthCheck;
use crate::spec::container::ContainerConfig;
use crate::spec::mount_words;
use crate::spec::storage::Mount;
use crate::spec::units::human_size;
use crate::state::Container;

/// A container as `podman inspect` shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PodmanContainer {
    id: String,
    created: String,
    path: String,
    args: Vec<String>,
    state: State,
    image: String,
    image_digest: String,
    image_name: String,
    rootfs: &'static str,
    pod: String,
    resolv_conf_path: String,
    hostname_path: String,
    hosts_path: String,
    static_dir: String,
    #[serde(rename = "OCIRuntime")]
    oci_runtime: &'static str,
    conmon_pid_file: String,
    pid_file: String,
    name: String,
    restart_count: u32,
    driver: &'static str,
    mount_label: &'static str,
    process_label: &'static str,
    app_armor_profile: &'static str,
    effective_caps: Vec<String>,
    bounding_caps: Vec<String>,
    #[serde(rename = "ExecIDs")]
    exec_ids: Vec<String>,
    graph_driver: GraphDriver,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_root_fs: Option<u64>,
    mounts: Vec<PodmanMount>,
    dependencies: Vec<String>,
    network_settings: network::NetworkSettings,
    namespace: &'static str,
    is_infra: bool,
    is_service: bool,
    config: PodmanConfig,
    host_config: PodmanHostConfig,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    oci_version: &'static str,
    #[serde(flatten)]
    docker: container::State,
    checkpointed_at: &'static str,
    restored_at: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PodmanMount {
    #[serde(flatten)]
    docker: MountPoint,
    options: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PodmanConfig {
    hostname: String,
    domainname: &'static str,
    user: String,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<String, container::Empty>,
    tty: bool,
    open_stdin: bool,
    stdin_once: bool,
    env: Vec<String>,
    cmd: Option<Vec<String>>,
    image: String,
    volumes: Option<BTreeMap<String, container::Empty>>,
    working_dir: String,
    entrypoint: Option<Vec<String>>,
    on_build: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    annotations: BTreeMap<String, String>,
    stop_signal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<HealthCheck>,
    healthcheck_on_failure_action: &'static str,
    create_command: Option<Vec<String>>,
    umask: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    timezone: String,
    timeout: u32,
    stop_timeout: u32,
    passwd: bool,
    #[serde(rename = "sdNotifyMode")]
    sd_notify_mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<container::Secret>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PodmanHostConfig {
    binds: Vec<String>,
    cgroup_manager: &'static str,
    cgroup_mode: String,
    #[serde(rename = "ContainerIDFile")]
    container_id_file: String,
    log_config: LogConfig,
    network_mode: String,
    port_bindings: network::Bindings,
    restart_policy: RestartPolicy,
    auto_remove: bool,
    auto_remove_image: bool,
    annotations: BTreeMap<String, String>,
    volume_driver: &'static str,
    volumes_from: Option<Vec<String>>,
    cap_add: Vec<String>,
    cap_drop: Vec<String>,
    dns: Vec<String>,
    dns_options: Vec<String>,
    dns_search: Vec<String>,
    extra_hosts: Vec<String>,
    hosts_file: &'static str,
    group_add: Vec<String>,
    ipc_mode: String,
    cgroup: &'static str,
    cgroups: &'static str,
    links: Option<Vec<String>>,
    oom_score_adj: i32,
    pid_mode: String,
    privileged: bool,
    publish_all_ports: bool,
    readonly_rootfs: bool,
    security_opt: Vec<String>,
    tmpfs: BTreeMap<String, String>,
    #[serde(rename = "UTSMode")]
    uts_mode: String,
    userns_mode: String,
    #[serde(rename = "IDMappings", skip_serializing_if = "Option::is_none")]
    id_mappings: Option<IdMappings>,
    shm_size: u64,
    runtime: &'static str,
    console_size: [u16; 2],
    isolation: &'static str,
    disk_quota: u64,
    kernel_memory: u64,
    #[serde(flatten)]
    resources: Resources,
    cgroup_conf: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogConfig {
    r#type: &'static str,
    config: Option<BTreeMap<String, String>>,
    path: String,
    tag: String,
    size: String,
}

/// Looks up the container `name`; with `sizes`, measures it too.
pub fn container(engine: &Engine, name: &str, sizes: bool) -> Result<PodmanContainer> {
    let (container, docker) = container::look_up(engine, name, sizes)?;
    let manifest = engine.store()?.lookup(&container.config.image.id)?.map(|image| image.manifest.to_string());
    Ok(report(&container, docker, &engine.paths, manifest.unwrap_or_default()))
}

/// The report, from docker's. Pure. `manifest` is the digest of the image, if it is there.
fn report(container: &Container, docker: ContainerReport, paths: &Paths, manifest: String) -> PodmanContainer {
    let config = &container.config;
    let caps: Vec<String> = config.security.capabilities.names().into_iter().map(capability).collect();
    let is_root = matches!(config.identity.user.split(':').next(), Some("" | "0" | "root"));
    let host_config = host_config(config, docker.host_config, &docker.log_path);
    PodmanContainer {
        id: docker.id,
        created: docker.created,
        path: docker.path,
        args: docker.args,
        state: State {
            oci_version: "1.2.0",
            docker: docker.state,
            checkpointed_at: time::ZERO,
            restored_at: time::ZERO,
        },
        image: bare(&docker.image),
        image_digest: manifest,
        image_name: config.image.name.clone(),
        rootfs: "",
        pod: container.config.pod.as_ref().map(|pod| pod.pod.to_string()).unwrap_or_default(),
        resolv_conf_path: docker.resolv_conf_path,
        hostname_path: docker.hostname_path,
        hosts_path: docker.hosts_path,
        static_dir: paths.container(&config.id).display().to_string(),
        oci_runtime: "coracle",
        conmon_pid_file: container::shown(config.lifecycle.files.supervisor.as_ref()),
        pid_file: container::shown(config.lifecycle.files.pid.as_ref()),
        name: container.name.to_string(),
        restart_count: docker.restart_count,
        driver: docker.driver,
        mount_label: "",
        process_label: "",
        app_armor_profile: "",
        effective_caps: if is_root { caps.clone() } else { Vec::new() },
        bounding_caps: caps,
        exec_ids: docker.exec_ids.unwrap_or_default(),
        graph_driver: docker.graph_driver,
        size_rw: docker.size_rw,
        size_root_fs: docker.size_root_fs,
        mounts: mounts(config, docker.mounts),
        dependencies: container.config.namespaces.targets().iter().map(ToString::to_string).collect(),
        network_settings: docker.network_settings,
        namespace: "",
        is_infra: container.config.is_infra(),
        is_service: false,
        config: config_of(config, docker.config),
        host_config,
    }
}

/// podman's ids have no algorithm before them.
pub(super) fn bare(id: &str) -> String {
    id.strip_prefix("sha256:").unwrap_or(id).to_owned()
}

/// `CAP_CHOWN`, however it was spelled.
fn capability(name: impl AsRef<str>) -> String {
    let upper = name.as_ref().to_ascii_uppercase();
    match upper.starts_with("CAP_") || upper == "ALL" {
        true => upper,
        false => format!("CAP_{upper}"),
    }
}

/// With their options, as podman keeps them beside the source.
fn mounts(config: &ContainerConfig, docker: Vec<MountPoint>) -> Vec<PodmanMount> {
    let with_options = |point: MountPoint| {
        let options = config.storage.mounts.iter().find(|mount| mount.target == point.destination);
        let options = options.map(options_of).unwrap_or_default();
        PodmanMount { docker: MountPoint { mode: String::new(), ..point }, options }
    };
    docker.into_iter().map(with_options).collect()
}

fn options_of(mount: &Mount) -> Vec<String> {
    let words = mount_words::words(mount).into_iter().filter(|word| word != "ro");
    words.chain([if mount.non_recursive { "bind" } else { "rbind" }.to_owned()]).collect()
}

fn config_of(config: &ContainerConfig, docker: Config) -> PodmanConfig {
    PodmanConfig {
        hostname: docker.hostname,
        domainname: docker.domainname,
        user: docker.user,
        // podman does not keep what was attached.
        attach_stdin: false,
        attach_stdout: false,
        attach_stderr: false,
        exposed_ports: docker.exposed_ports,
        tty: docker.tty,
        open_stdin: docker.open_stdin,
        stdin_once: false,
        env: docker.env,
        cmd: docker.cmd,
        image: docker.image,
        volumes: docker.volumes,
        working_dir: docker.working_dir,
        entrypoint: docker.entrypoint,
        on_build: None,
        labels: Some(docker.labels).filter(|labels| !labels.is_empty()),
        annotations: BTreeMap::new(),
        stop_signal: container::signal_name(config.lifecycle.stop_signal.0),
        healthcheck: docker.healthcheck,
        healthcheck_on_failure_action: docker.healthcheck_on_failure_action.unwrap_or("none"),
        create_command: None,
        umask: format!("{:04o}", config.process.umask.unwrap_or(0o022)),
        timezone: config.process.timezone.clone().unwrap_or_default(),
        timeout: config.lifecycle.timeout,
        stop_timeout: config.lifecycle.stop_timeout,
        passwd: true,
        sd_notify_mode: config.lifecycle.sdnotify.name(),
        secrets: docker.secrets,
    }
}

fn log_config(config: &ContainerConfig, path: &str) -> LogConfig {
    let logging = &config.logging;
    LogConfig {
        // podman has no other name for a file.
        r#type: if logging.is_default() { "k8s-file" } else { logging.driver.name() },
        config: None,
        path: path.to_owned(),
        tag: logging.tag.clone().unwrap_or_default(),
        size: human_size(logging.limits().0.unwrap_or(0)),
    }
}

fn host_config(config: &ContainerConfig, docker: HostConfig, log: &str) -> PodmanHostConfig {
    let some = Option::unwrap_or_default;
    let private = |word: String| if word.is_empty() { "private".to_owned() } else { word };
    PodmanHostConfig {
        binds: some(docker.binds),
        cgroup_manager: "cgroupfs",
        cgroup_mode: docker.cgroupns_mode,
        container_id_file: docker.container_id_file,
        log_config: log_config(config, log),
        network_mode: docker.network_mode,
        port_bindings: docker.port_bindings,
        restart_policy: docker.restart_policy,
        auto_remove: docker.auto_remove,
        auto_remove_image: false,
        annotations: BTreeMap::new(),
        volume_driver: docker.volume_driver,
        volumes_from: docker.volumes_from,
        cap_add: config.security.cap_add.iter().map(capability).collect(),
        cap_drop: config.security.cap_drop.iter().map(capability).collect(),
        dns: docker.dns,
        dns_options: docker.dns_options,
        dns_search: docker.dns_search,
        extra_hosts: some(docker.extra_hosts),
        hosts_file: "",
        group_add: some(docker.group_add),
        ipc_mode: private(docker.ipc_mode),
        cgroup: docker.cgroup,
        cgroups: "default",
        links: docker.links,
        oom_score_adj: docker.oom_score_adj,
        pid_mode: private(docker.pid_mode),
        privileged: docker.privileged,
        publish_all_ports: docker.publish_all_ports,
        readonly_rootfs: docker.readonly_rootfs,
        security_opt: some(docker.security_opt),
        tmpfs: docker.tmpfs,
        uts_mode: private(docker.uts_mode),
        userns_mode: docker.userns_mode,
        id_mappings: docker.id_mappings,
        shm_size: docker.shm_size,
        runtime: "oci",
        console_size: docker.console_size,
        isolation: docker.isolation,
        disk_quota: 0,
        kernel_memory: 0,
        resources: docker.resources,
        cgroup_conf: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::fixtures::container as fixture;
    use crate::spec::storage::MountSource;
    use crate::state::Status;

    #[test]
    fn names_and_values_are_podmans() {
        let started = "2026-11-21T09:30:00Z".parse().unwrap();
        let mut web = fixture("web", 10, Status::Running { started, pid: 7 });
        web.config.security.cap_drop = vec!["net_raw".into()];
        web.config.identity.user = "9".into();
        let mut bind = Mount::plain(MountSource::Bind { path: "/a".into() }, "/b".into());
        (bind.read_only, bind.options.exec) = (true, Some(false));
        web.config.storage.mounts.push(bind);
        let paths = Paths { data: "/d".into(), runtime: "/r".into(), config: "/c".into(), home: "/h".into() };
        let docker = container::report(&web, &paths, "/a:/b", None);
        let value = serde_json::to_value(report(&web, docker, &paths, "sha256:9".into())).unwrap();
        let id = web.config.id.as_str();
        for (pointer, expected) in [
            ("/Name", json!("web")),
            ("/Image", json!("1".repeat(64))),
            ("/ImageName", json!("busybox")),
            ("/ImageDigest", json!("sha256:9")),
            ("/StaticDir", json!(format!("/d/containers/{id}"))),
            ("/State/Pid", json!(7)),
            ("/State/CheckpointedAt", json!("0001-01-01T00:00:00Z")),
            ("/EffectiveCaps", json!([])),
            ("/BoundingCaps/0", json!("CAP_CHOWN")),
            ("/ExecIDs", json!([])),
            ("/Dependencies", json!([])),
            ("/Mounts/0/Options", json!(["noexec", "rbind"])),
            ("/Mounts/0/Mode", json!("")),
            ("/Mounts/0/RW", json!(false)),
            ("/Config/StopSignal", json!("SIGTERM")),
            ("/Config/StopTimeout", json!(10)),
            ("/Config/Umask", json!("0022")),
            ("/Config/CreateCommand", Value::Null),
            ("/Config/sdNotifyMode", json!("container")),
            ("/HostConfig/CapDrop", json!(["CAP_NET_RAW"])),
            ("/HostConfig/CapAdd", json!([])),
            ("/HostConfig/PidMode", json!("private")),
            ("/HostConfig/LogConfig/Type", json!("k8s-file")),
            ("/HostConfig/Memory", json!(0)),
            ("/HostConfig/Cgroups", json!("default")),
        ] {
            assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}");
        }
    }
}
