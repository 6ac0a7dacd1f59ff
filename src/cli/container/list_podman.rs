//! `ps` as podman has it: its JSON, the fields of its templates that docker has not, and `--sort`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::base::{Error, Result, text};
use crate::spec::container::{Container, Status};
use crate::spec::network::PublishedPort;
use crate::spec::units::{ellipsis, human_duration};

/// Finds out one field; true to cut it to the width of a column.
pub type Field = fn(&Container, bool) -> String;

/// podman's own fields, and those that it shows in another way than docker.
pub const FIELDS: &[(&str, Field)] = &[
    ("AutoRemove", |container, _| container.config.lifecycle.remove.to_string()),
    ("CIDFile", |_, _| String::new()),
    ("Command", |container, truncate| {
        let command = container.config.process.argv().join(" ");
        if truncate { ellipsis(&command, 20) } else { command }
    }),
    ("Created", |container, _| container.config.created.to_string()),
    ("Exited", |container, _| matches!(container.status, Status::Exited { .. }).to_string()),
    ("ExitedAt", |container, _| times(&container.status).1.to_string()),
    ("ExitCode", |container, _| code(&container.status).to_string()),
    ("ImageID", |container, truncate| {
        let id = image_id(container);
        if truncate { id.chars().take(12).collect() } else { id.to_owned() }
    }),
    ("IsInfra", |container, _| container.config.is_infra().to_string()),
    ("Namespaces", |container, _| namespaces(container).into_values().collect::<Vec<_>>().join(",")),
    ("Restarts", |container, _| container.run.restarts.to_string()),
    ("StartedAt", |container, _| times(&container.status).0.to_string()),
];

/// Those that `--pod` and `--ns` show, whoever is called.
pub const SHARED_FIELDS: &[(&str, Field)] = &[
    ("Pid", |container, _| pid(&container.status).to_string()),
    ("Pod", |container, truncate| {
        let id = pod(container).0;
        if truncate { id.chars().take(12).collect() } else { id.to_owned() }
    }),
    ("PodName", |container, _| pod(container).1.to_owned()),
    ("CGROUPNS", |container, _| of(container, "cgroup")),
    ("IPC", |container, _| of(container, "ipc")),
    ("MNT", |container, _| of(container, "mnt")),
    ("NET", |container, _| of(container, "net")),
    ("PIDNS", |container, _| of(container, "pid")),
    ("USERNS", |container, _| of(container, "user")),
    ("UTS", |container, _| of(container, "uts")),
];

/// podman's columns of `--ns`.
pub const NAMESPACE_TABLE: &str = r"table {{.ID}}\t{{.Names}}\t{{.Pid}}\t{{.CGROUPNS}}\t{{.IPC}}\t{{.MNT}}\t{{.NET}}\t{{.PIDNS}}\t{{.USERNS}}\t{{.UTS}}";

/// Their headers.
pub const HEADERS: &[(&str, &str)] = &[
    ("AutoRemove", "AUTOREMOVE"),
    ("CIDFile", "CIDFILE"),
    ("Created", "CREATED"),
    ("Exited", "EXITED"),
    ("ExitedAt", "EXITEDAT"),
    ("ExitCode", "EXITCODE"),
    ("ImageID", "IMAGE ID"),
    ("IsInfra", "ISINFRA"),
    ("Namespaces", "NAMESPACES"),
    ("Pid", "PID"),
    ("Pod", "POD ID"),
    ("PodName", "PODNAME"),
    ("Restarts", "RESTARTS"),
    ("StartedAt", "STARTEDAT"),
    ("CGROUPNS", "CGROUPNS"),
    ("IPC", "IPC"),
    ("MNT", "MNT"),
    ("NET", "NET"),
    ("PIDNS", "PIDNS"),
    ("USERNS", "USERNS"),
    ("UTS", "UTS"),
];

/// What Go's zero time is in seconds since 1970.
const NEVER: i64 = -62_135_596_800;

/// A container in podman's list, with its keys and types.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Report<'a> {
    auto_remove: bool,
    command: Vec<String>,
    created_at: String,
    #[serde(rename = "CIDFile")]
    cid_file: &'static str,
    exited: bool,
    exited_at: i64,
    exit_code: i32,
    id: &'a str,
    image: &'a str,
    #[serde(rename = "ImageID")]
    image_id: &'a str,
    is_infra: bool,
    labels: Option<&'a BTreeMap<String, String>>,
    mounts: Vec<&'a str>,
    names: [&'a str; 1],
    namespaces: BTreeMap<String, String>,
    networks: Vec<&'a str>,
    pid: i32,
    pod: &'a str,
    pod_name: &'a str,
    ports: Option<Vec<Port>>,
    restarts: u32,
    size: Option<()>,
    started_at: i64,
    state: &'static str,
    status: String,
    created: i64,
}

#[derive(Serialize)]
struct Port {
    host_ip: String,
    container_port: u16,
    host_port: u16,
    range: u16,
    protocol: String,
}

/// `--format json`: one list of objects. `status` has the words about what a container does.
pub fn json(
    containers: &[Container],
    now: Timestamp,
    ns: bool,
    status: &dyn Fn(&Container) -> String,
) -> Result<String> {
    let reports: Vec<Report> =
        containers.iter().map(|container| report(container, now, ns, status(container))).collect();
    let text = serde_json::to_string_pretty(&reports);
    text.map(|text| text + "\n").map_err(|error| Error::system("cannot show the containers").caused_by(error))
}

fn report(container: &Container, now: Timestamp, ns: bool, status: String) -> Report<'_> {
    let config = &container.config;
    let (started_at, exited_at) = times(&container.status);
    let ports: Vec<Port> = container.joined.iter().flat_map(|joined| joined.reachable_ports()).map(port).collect();
    Report {
        auto_remove: config.lifecycle.remove,
        command: config.process.argv(),
        created_at: format!("{} ago", human_duration(config.created, now)),
        cid_file: "",
        exited: matches!(container.status, Status::Exited { .. }),
        exited_at,
        exit_code: code(&container.status),
        id: config.id.as_str(),
        image: &config.image.name,
        image_id: image_id(container),
        is_infra: config.is_infra(),
        labels: Some(&config.labels).filter(|labels| !labels.is_empty()),
        mounts: config.storage.mounts.iter().map(|mount| mount.target.as_str()).collect(),
        names: [container.name.as_str()],
        namespaces: if ns { namespaces(container) } else { BTreeMap::new() },
        networks: config.namespaces.network.networks(),
        pid: pid(&container.status),
        pod: pod(container).0,
        pod_name: pod(container).1,
        ports: Some(ports).filter(|ports| !ports.is_empty()),
        restarts: container.run.restarts,
        size: None,
        started_at,
        state: container.status.phase().word(),
        status,
        created: config.created.as_second(),
    }
}

/// The id and the name of its pod.
fn pod(container: &Container) -> (&str, &str) {
    container.config.pod.as_ref().map_or(("", ""), |pod| (pod.pod.as_str(), pod.name.as_str()))
}

/// The kinds of namespaces that podman tells of, with its keys for them and the kernel's names.
pub const NAMESPACES: [(&str, &str); 7] = [
    ("Cgroup", "cgroup"),
    ("Ipc", "ipc"),
    ("Mnt", "mnt"),
    ("Net", "net"),
    ("Pidns", "pid"),
    ("User", "user"),
    ("Uts", "uts"),
];

/// The number of a namespace of a container that runs; empty otherwise.
fn of(container: &Container, kind: &str) -> String {
    container.status.pid().and_then(|pid| namespace(pid, kind)).unwrap_or_default()
}

/// The numbers of the namespaces of a container that runs, by podman's names of their kinds.
fn namespaces(container: &Container) -> BTreeMap<String, String> {
    let Some(pid) = container.status.pid() else { return BTreeMap::new() };
    let of = |(name, kind): (&str, &str)| Some((name.to_owned(), namespace(pid, kind)?));
    NAMESPACES.into_iter().filter_map(of).collect()
}

/// The number of a namespace of a process.
pub fn namespace(pid: i32, kind: &str) -> Option<String> {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()?;
    let link = link.to_string_lossy().into_owned();
    Some(link.split(['[', ']']).nth(1)?.to_owned())
}

fn port(port: &PublishedPort) -> Port {
    Port {
        host_ip: port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        container_port: port.container_port,
        host_port: port.host_port,
        range: 1,
        protocol: port.protocol.to_string(),
    }
}

/// Without the algorithm, as podman shows ids.
fn image_id(container: &Container) -> &str {
    let id = container.config.image.id.as_str();
    id.strip_prefix("sha256:").unwrap_or(id)
}

/// When the last run began and ended, in seconds since 1970.
fn times(status: &Status) -> (i64, i64) {
    match status {
        Status::Running { started, .. } => (started.as_second(), NEVER),
        Status::Restarting { started, finished, .. } => (started.as_second(), finished.as_second()),
        Status::Exited { started, finished, .. } => {
            (started.as_second(), finished.map_or(NEVER, |finished| finished.as_second()))
        }
        _ => (NEVER, NEVER),
    }
}

fn code(status: &Status) -> i32 {
    match status {
        Status::Exited { code, .. } | Status::Restarting { code, .. } => *code,
        _ => 0,
    }
}

fn pid(status: &Status) -> i32 {
    match status {
        Status::Running { pid, .. } => *pid,
        _ => 0,
    }
}

/// Sorts, newest first, by a field of podman's `--sort`. Without one, podman lists the oldest first and docker the newest.
pub fn sort(containers: &mut [Container], by: Option<&str>, as_podman: bool) -> Result<()> {
    match by {
        None if as_podman => containers.reverse(),
        None => {}
        Some("created") => containers.sort_by_key(|container| container.config.created),
        Some("runningfor") => containers.sort_by_key(|container| std::cmp::Reverse(container.config.created)),
        Some("command") => containers.sort_by_cached_key(|container| container.config.process.argv().join(" ")),
        Some("id") => containers.sort_by(|a, b| a.config.id.as_str().cmp(b.config.id.as_str())),
        Some("image") => containers.sort_by(|a, b| a.config.image.name.cmp(&b.config.image.name)),
        Some("names") => containers.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str())),
        Some("status") => containers.sort_by_key(|container| container.status.phase().word()),
        Some(other) => {
            return Err(Error::usage(format!("containers cannot be sorted by `{}`", text::clean(other)))
                .hint("command, created, id, image, names, runningfor and status are known"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::fixtures::container;

    fn containers() -> Vec<Container> {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut web = container("web", 20, Status::Running { started: at(30), pid: 7 });
        web.config.labels = [("a".to_owned(), "b".to_owned())].into();
        let ended = Status::Exited { code: 3, started: at(11), finished: Some(at(12)), error: String::new() };
        vec![web, container("db", 10, ended)]
    }

    #[test]
    fn keys_and_types_are_podmans() {
        let text = super::json(&containers(), Timestamp::from_second(80).unwrap(), false, &|_| "Up".into()).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        for (pointer, expected) in [
            ("/0/Names", json!(["web"])),
            ("/0/Command/0", json!("sh")),
            ("/0/Labels", json!({"a": "b"})),
            ("/0/Pid", json!(7)),
            ("/0/Created", json!(20)),
            ("/0/CreatedAt", json!("About a minute ago")),
            ("/0/ExitedAt", json!(-62_135_596_800_i64)),
            ("/0/ImageID", json!("1".repeat(64))),
            ("/0/Ports", Value::Null),
            ("/0/Size", Value::Null),
            ("/1/Exited", json!(true)),
            ("/1/ExitCode", json!(3)),
            ("/1/StartedAt", json!(11)),
            ("/1/ExitedAt", json!(12)),
            ("/1/Labels", Value::Null),
        ] {
            assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}");
        }
    }

    #[test]
    fn lists_are_sorted() {
        let names = |by: Option<&str>, as_podman| {
            let mut list = containers();
            sort(&mut list, by, as_podman)?;
            Ok::<_, Error>(list.iter().map(|container| container.name.to_string()).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(names(None, false).unwrap(), "web db");
        for by in [None, Some("created"), Some("names"), Some("status")] {
            assert_eq!(names(by, true).unwrap(), "db web", "{by:?}");
        }
        assert_eq!(names(Some("runningfor"), true).unwrap(), "web db");
        assert!(names(Some("frob"), true).is_err());
    }

    #[test]
    fn every_field_has_a_header() {
        let headers: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).chain(["Command"]).collect();
        assert!(FIELDS.iter().chain(SHARED_FIELDS).all(|(name, _)| headers.contains(name)));
    }
}
