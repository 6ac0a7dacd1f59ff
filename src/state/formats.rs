//! Reads `container.json` and `settings.json` in each format that there was. What is written is always the newest.
//!
//! | format | layout |
//! |---|---|
//! | 1 | every value at the top, the user in the process |
//! | 2 | values that belong together in groups, as in [`ContainerConfig`] |
//!
//! A record of the newest format is parsed once; only where that fails is its number looked at. `settings.json` has had one
//! format.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Deserialize;

use super::record::check_format;
use crate::base::id::Name;
use crate::base::process::ProcessIdentity;
use crate::base::{ContainerId, Result, ResultExt};
use crate::spec::container::{ContainerConfig, FORMAT};
use crate::spec::health::Health;
use crate::spec::identity::Identity;
use crate::spec::ids::UserNamespace;
use crate::spec::image::ImageOrigin;
use crate::spec::lifecycle::{Lifecycle, StopSignal};
use crate::spec::namespaces::{Namespaces, NetworkMode};
use crate::spec::networking::Networking;
use crate::spec::process::Process;
use crate::spec::security::Security;
use crate::spec::settings::{self, Settings};
use crate::spec::storage::{Mount, Storage, StorageDriver};

/// What every format has.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

/// The record of container `id` in `bytes`; `path` is where it is, for messages.
pub(super) fn container(bytes: &[u8], id: &ContainerId, path: &dyn Fn() -> PathBuf) -> Result<ContainerConfig> {
    let what = || format!("container `{}`", id.short());
    let error = match serde_json::from_slice::<ContainerConfig>(bytes) {
        Ok(config) => return check_format(config.format, FORMAT, what).map(|()| config),
        Err(error) => error,
    };
    let config = match serde_json::from_slice::<Versioned>(bytes).map(|versioned| versioned.format) {
        Ok(1) => serde_json::from_slice::<Format1>(bytes).map(ContainerConfig::from),
        Ok(format) => check_format(format, FORMAT, what).and(Ok(Err(error)))?,
        Err(_) => Err(error),
    };
    config.at(&path(), "cannot understand the record")
}

/// What was changed of container `id`, as the record in `bytes` says; `path` is where it is, for messages.
pub(super) fn settings(bytes: &[u8], id: &ContainerId, path: &dyn Fn() -> PathBuf) -> Result<Settings> {
    let versioned: Versioned = serde_json::from_slice(bytes).at(&path(), "cannot understand the record")?;
    check_format(versioned.format, settings::FORMAT, || format!("the settings of container `{}`", id.short()))?;
    serde_json::from_slice(bytes).at(&path(), "cannot understand the record")
}

#[derive(Deserialize)]
struct Format1 {
    id: ContainerId,
    name: Name,
    created: Timestamp,
    image: ImageOrigin,
    process: Process1,
    hostname: String,
    network: NetworkMode,
    #[serde(default)]
    networking: Networking,
    mounts: Vec<Mount>,
    #[serde(default)]
    driver: StorageDriver,
    #[serde(default)]
    user_namespace: UserNamespace,
    #[serde(default)]
    storage_size: Option<u64>,
    read_only: bool,
    init: bool,
    labels: BTreeMap<String, String>,
    remove: bool,
    #[serde(default)]
    creator: Option<ProcessIdentity>,
    stop_signal: StopSignal,
    stop_timeout: u32,
    security: Security,
    exposed_ports: Vec<String>,
    shm_size: u64,
}

#[derive(Deserialize)]
struct Process1 {
    entrypoint: Vec<String>,
    command: Vec<String>,
    env: Vec<String>,
    cwd: String,
    user: String,
    tty: bool,
    stdin: bool,
}

impl From<Format1> for ContainerConfig {
    // Values that are added to a group later have their defaults in old records.
    #[allow(clippy::needless_update)]
    fn from(old: Format1) -> Self {
        let Process1 { entrypoint, command, env, cwd, user, tty, stdin } = old.process;
        Self {
            format: FORMAT,
            id: old.id,
            name: old.name,
            created: old.created,
            creator: old.creator,
            image: old.image,
            labels: old.labels,
            process: Process { entrypoint, command, env, cwd, tty, stdin, ..Process::default() },
            identity: Identity { hostname: old.hostname, user, ..Identity::default() },
            namespaces: Namespaces { network: old.network, user: old.user_namespace, ..Namespaces::default() },
            networking: Networking { exposed: old.exposed_ports, ..old.networking },
            storage: Storage {
                driver: old.driver,
                size: old.storage_size,
                read_only: old.read_only,
                shm_size: old.shm_size,
                mounts: old.mounts,
                ..Storage::default()
            },
            security: old.security,
            lifecycle: Lifecycle {
                remove: old.remove,
                init: old.init,
                stop_signal: old.stop_signal,
                stop_timeout: old.stop_timeout,
                ..Lifecycle::default()
            },
            health: Health::default(),
            resources: Default::default(),
            cgroups: Default::default(),
            logging: Default::default(),
            secrets: Vec::new(),
            pod: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::capabilities::CapSet;
    use crate::spec::idmap::IdMap;
    use crate::spec::namespaces::Member;
    use crate::spec::network::Wish;
    use crate::spec::security::Seccomp;
    use crate::spec::storage::{MountSource, Propagation};

    const ID: &str = "abababababababababababababababababababababababababababababababab";

    fn read(text: &str) -> Result<ContainerConfig> {
        container(text.as_bytes(), &ID.parse().unwrap(), &|| "/data/container.json".into())
    }

    /// The first records: without what came later, and with everything that format 1 had in the end.
    const OLDEST: &str = r#"{"format":1,"id":"abababababababababababababababababababababababababababababababab","name":"web",
        "created":"2026-11-21T09:30:00Z","image":{"name":"busybox","id":"sha256:1","layers":["sha256:2"]},
        "process":{"entrypoint":[],"command":["sh"],"env":[],"cwd":"/","user":"","tty":false,"stdin":false},
        "hostname":"abababababab","network":"none","mounts":[],"read_only":false,"init":false,"labels":{},"remove":false,
        "stop_signal":15,"stop_timeout":10,"security":{"capabilities":2818844155,"cap_add":[],"cap_drop":[],
        "no_new_privileges":false,"seccomp":"default","privileged":false},"exposed_ports":[],"shm_size":67108864}"#;

    const LATEST: &str = r#"{"format":1,"id":"abababababababababababababababababababababababababababababababab","name":"db",
        "created":"2026-11-21T09:30:00Z","image":{"name":"busybox","id":"sha256:1","layers":["sha256:2"]},
        "process":{"entrypoint":["/init"],"command":["sh","-c","x"],"env":["A=1"],"cwd":"/srv","user":"7:8","tty":true,
        "stdin":true},"hostname":"box","network":{"networks":[{"network":"front","aliases":["db"]}]},
        "networking":{"publish_all":true,"dns":["10.0.0.1"],"no_hosts":true},
        "mounts":[{"source":{"type":"volume","name":"v","anonymous":true},"target":"/data","read_only":true},
        {"source":{"type":"bind","path":"/a"},"target":"/b","read_only":false,"propagation":"rslave","non_recursive":true}],
        "driver":"fuse","user_namespace":{"mode":"maps","uids":[{"inside":0,"outside":1,"count":10},
        {"inside":10,"outside":0,"count":1}],"gids":[{"inside":0,"outside":5,"count":10}],"auto":true},
        "storage_size":1024,"read_only":true,"init":true,"labels":{"a":"b"},"remove":true,
        "creator":{"pid":7,"start_time":8,"boot_id":"x"},"stop_signal":3,"stop_timeout":4,
        "security":{"capabilities":1,"cap_add":[],"cap_drop":["ALL"],"no_new_privileges":true,
        "seccomp":{"profile":"{}"},"privileged":false},"exposed_ports":["80/tcp"],"shm_size":1}"#;

    #[test]
    fn the_oldest_records_are_read() {
        let config = read(OLDEST).unwrap();
        assert_eq!((config.format, config.name.as_str(), config.process.argv()), (FORMAT, "web", vec!["sh".into()]));
        assert_eq!(config.identity, Identity { hostname: "abababababab".into(), ..Identity::default() });
        assert_eq!(config.namespaces, Namespaces::default());
        assert_eq!((config.networking, config.storage), (Networking::default(), Storage::default()));
        assert_eq!((config.security, config.lifecycle), (Security::default(), Lifecycle::default()));
    }

    #[test]
    fn every_value_of_format_1_is_kept() {
        let config = read(LATEST).unwrap();
        let process = Process {
            entrypoint: vec!["/init".into()],
            command: vec!["sh".into(), "-c".into(), "x".into()],
            env: vec!["A=1".into()],
            cwd: "/srv".into(),
            tty: true,
            stdin: true,
            ..Process::default()
        };
        assert_eq!(config.process, process);
        assert_eq!(config.identity, Identity { hostname: "box".into(), user: "7:8".into(), ..Identity::default() });
        let wish = Wish { aliases: vec!["db".into()], ..Wish::default() };
        let user = UserNamespace::Maps {
            uids: IdMap::of(&[(0, 1, 10), (10, 0, 1)]),
            gids: IdMap::of(&[(0, 5, 10)]),
            auto: true,
        };
        let network = NetworkMode::Networks(vec![Member { network: "front".parse().unwrap(), wish }]);
        assert_eq!(config.namespaces, Namespaces { network, user, ..Namespaces::default() });
        let networking = Networking {
            publish_all: true,
            dns: vec![[10, 0, 0, 1].into()],
            no_hosts: true,
            exposed: vec!["80/tcp".into()],
            ..Networking::default()
        };
        assert_eq!(config.networking, networking);
        let volume = MountSource::Volume { name: "v".parse().unwrap(), anonymous: true, no_copy: false };
        let storage = Storage {
            driver: StorageDriver::Fuse,
            size: Some(1024),
            read_only: true,
            shm_size: 1,
            mounts: vec![
                Mount { read_only: true, ..Mount::plain(volume, "/data".into()) },
                Mount {
                    propagation: Propagation::Rslave,
                    non_recursive: true,
                    ..Mount::plain(MountSource::Bind { path: "/a".into() }, "/b".into())
                },
            ],
        };
        assert_eq!(config.storage, storage);
        let security = Security {
            capabilities: CapSet::from_bits(1),
            cap_drop: vec!["ALL".into()],
            no_new_privileges: true,
            seccomp: Seccomp::Profile("{}".into()),
            ..Security::default()
        };
        assert_eq!(config.security, security);
        let lifecycle =
            Lifecycle { remove: true, init: true, stop_signal: StopSignal(3), stop_timeout: 4, ..Lifecycle::default() };
        assert_eq!(config.lifecycle, lifecycle);
        assert_eq!(config.labels.into_iter().collect::<Vec<_>>(), [("a".into(), "b".into())]);
        assert_eq!(config.creator.map(|creator| creator.pid), Some(7));
    }

    /// A record of format 2 as it was first written: later versions must read it.
    const FORMAT_2: &str = r#"{"format":2,"id":"abababababababababababababababababababababababababababababababab","name":"web","created":"2026-11-21T09:30:00Z","image":{"name":"busybox","id":"sha256:1","layers":["sha256:2"]},"labels":{},"process":{"entrypoint":[],"command":["sh"],"env":[],"cwd":"/","tty":false,"stdin":false},"identity":{"hostname":"abababababab","user":""},"namespaces":{"network":"none","user":{"mode":"host"}},"storage":{"driver":"overlay","size":null,"read_only":false,"shm_size":67108864,"mounts":[]},"security":{"capabilities":2818844155,"cap_add":[],"cap_drop":[],"privileged":false,"no_new_privileges":false,"seccomp":"default"},"lifecycle":{"remove":false,"init":false,"stop_signal":15,"stop_timeout":10}}"#;

    #[test]
    fn what_is_written_is_format_2() {
        let config = read(OLDEST).unwrap();
        assert_eq!(serde_json::to_string(&config).unwrap(), FORMAT_2);
        assert_eq!(read(FORMAT_2).unwrap(), config);
        let latest = read(LATEST).unwrap();
        assert_eq!(read(&serde_json::to_string(&latest).unwrap()).unwrap(), latest);
    }

    /// `settings.json` as it was first written, and with all that it has now: later versions must read both.
    const SETTINGS: &str = r#"{"format":1,"name":"front"}"#;
    const ALL_SETTINGS: &str =
        r#"{"format":1,"name":"front","networks":[{"network":"back","aliases":["w"]}],"restart":{"on-failure":3}}"#;

    #[test]
    fn settings_take_the_place_of_what_was_created() {
        let settings = |text: &str| settings(text.as_bytes(), &ID.parse().unwrap(), &|| "/data/settings.json".into());
        let mut config = read(LATEST).unwrap();
        settings(SETTINGS).unwrap().apply(&mut config);
        assert_eq!(config, ContainerConfig { name: "front".parse().unwrap(), ..read(LATEST).unwrap() });
        let all = settings(ALL_SETTINGS).unwrap();
        assert_eq!(serde_json::to_string(&all).unwrap(), ALL_SETTINGS);
        all.apply(&mut config);
        assert_eq!(config.namespaces.network.networks(), ["back"]);
        assert_eq!(config.lifecycle.restart, crate::spec::restart::RestartPolicy::OnFailure(3));
        let mut alone = read(OLDEST).unwrap();
        all.apply(&mut alone);
        assert_eq!(alone.namespaces.network, NetworkMode::None, "only members of networks have others");
        let newer = r#"{"format":1,"later":{"a":[1]}}"#;
        assert_eq!(serde_json::to_string(&settings(newer).unwrap()).unwrap(), newer);
        for (text, reason) in
            [("{\"format\":2}", "has format 2, this coracle reads up to 1"), ("{", "`/data/settings.json`")]
        {
            let chain = settings(text).unwrap_err().chain();
            assert!(chain.contains(reason), "{chain}");
        }
    }

    #[test]
    fn newer_and_broken_records_are_refused() {
        let newer = OLDEST.replace("\"format\":1", "\"format\":3");
        for (text, reason) in [
            (newer.as_str(), "has format 3, this coracle reads up to 2"),
            (&FORMAT_2.replace("\"format\":2", "\"format\":3"), "has format 3"),
            (&FORMAT_2.replace("\"storage\"", "\"x\""), "missing field `storage`"),
            (&OLDEST.replace("\"hostname\"", "\"x\""), "missing field `hostname`"),
            ("{}", "cannot understand the record `/data/container.json`"),
            ("", "cannot understand the record"),
        ] {
            let chain = read(text).unwrap_err().chain();
            assert!(chain.contains(reason), "{reason}: {chain}");
        }
    }
}
