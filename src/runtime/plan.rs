//! What a container's world looks like, decided before anything is touched: a pure function from its configuration and
//! a few facts to plain values. `child` carries it out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::process::ProcessPlan;
use crate::base::id::Name;
use crate::spec::container::ContainerConfig;
use crate::spec::security::Device;
use crate::spec::storage::{Mount, MountSource, Propagation};
use crate::spec::volume::Directory;

/// Everything the executor needs.
#[derive(Debug, Clone)]
pub struct LaunchPlan {
    /// The program.
    pub process: ProcessPlan,
    /// For the uts namespace.
    pub hostname: String,
    /// A network namespace of its own, with loopback up.
    pub own_network: bool,
    /// Which somebody outside gives more interfaces before the program starts.
    pub networks: bool,
    /// Columns and rows of the terminal to make; none for pipes.
    pub terminal: Option<(u16, u16)>,
    /// coracle's init as pid 1.
    pub init: bool,
    /// Read-only root.
    pub read_only: bool,
    /// Bytes of `/dev/shm`.
    pub shm_size: u64,
    /// Mounts over the standard ones, parents before children.
    pub mounts: Vec<MountPlan>,
    /// Paths hidden behind an empty file or directory.
    pub masked: Vec<String>,
    /// Paths made read-only.
    pub read_only_paths: Vec<String>,
    /// `/sys` and the cgroups writable, all devices allowed that can be.
    pub privileged: bool,
    /// It sees the control groups of the host, not only its own.
    pub host_cgroups: bool,
    /// For /proc/PID/oom_score_adj; none for the supervisor's own.
    pub oom_score_adj: Option<i32>,
}

/// One mount beyond the standard ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPlan {
    /// What is mounted.
    pub source: MountPlanSource,
    /// Absolute path in the container.
    pub target: String,
    /// Read-only, with everything below it.
    pub read_only: bool,
    /// Later mounts of the host appear in it.
    pub slave: bool,
}

/// The source of a [`MountPlan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountPlanSource {
    /// A host path; volumes are binds by now.
    Bind {
        /// Where.
        path: PathBuf,
        /// With the mounts below it.
        recursive: bool,
    },
    /// A new tmpfs.
    Tmpfs {
        /// `name=value` options for fsconfig(2).
        options: Vec<(String, String)>,
        /// `MOUNT_ATTR_*` of fsmount(2), as bits.
        attributes: u32,
    },
}

/// The devices every container has, bound from the host: name, major and minor number (Linux's devices.txt).
pub const DEVICES: &[(&str, u32, u32)] =
    &[("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// What the machine and the supervisor contribute to a plan.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Where the container's `/etc/hosts`, `hostname` and `resolv.conf` lie: its own directory, or that of the container
    /// whose network it shares.
    pub etc: PathBuf,
    /// Where the files of the container's volumes are.
    pub volumes: BTreeMap<Name, Directory>,
    /// The host's devices, for a container that gets all of them.
    pub devices: Vec<Device>,
    /// Size of the attached terminal.
    pub terminal: (u16, u16),
}

/// The plan of a container. `process` comes resolved: identity, environment and filter.
pub fn plan(config: &ContainerConfig, process: ProcessPlan, facts: &Facts) -> LaunchPlan {
    let privileged = config.security.privileged;
    LaunchPlan {
        process,
        hostname: config.identity.hostname.clone(),
        own_network: config.namespaces.network.is_own(),
        networks: !config.namespaces.network.members().is_empty(),
        terminal: config.process.tty.then_some(facts.terminal),
        init: config.lifecycle.init,
        read_only: config.storage.read_only,
        shm_size: config.storage.shm_size,
        mounts: mounts(config, facts),
        masked: config.security.masked(),
        read_only_paths: config.security.read_only(),
        privileged,
        host_cgroups: config.cgroups.host_namespace,
        oom_score_adj: config.resources.oom_score_adj,
    }
}

/// Whether a mount is of a volume to which nobody writes.
fn is_read_only(mount: &Mount, facts: &Facts) -> bool {
    match &mount.source {
        MountSource::Volume { name, .. } => facts.volumes.get(name).is_some_and(|volume| volume.read_only),
        MountSource::Bind { .. } | MountSource::Tmpfs { .. } => false,
    }
}

/// The container's own `/etc` files and devices, then what the user asked for; a user's mount on the same place wins.
fn mounts(config: &ContainerConfig, facts: &Facts) -> Vec<MountPlan> {
    let asked = config.storage.mounts.iter().map(|mount| MountPlan {
        source: match &mount.source {
            MountSource::Bind { path } => MountPlanSource::Bind { path: path.clone(), recursive: !mount.non_recursive },
            MountSource::Volume { name, .. } => {
                // All are there: an empty path is refused when it is mounted.
                let volume = facts.volumes.get(name);
                MountPlanSource::Bind {
                    path: volume.map(|volume| volume.path.clone()).unwrap_or_default(),
                    // A directory of the host may have mounts below it, which an ordinary user may not leave out.
                    recursive: volume.is_some_and(|volume| !volume.ours),
                }
            }
            MountSource::Tmpfs { options, flags } => MountPlanSource::Tmpfs {
                options: options
                    .split(',')
                    .filter(|option| !option.is_empty())
                    .map(|option| option.split_once('=').unwrap_or((option, "")))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                attributes: attributes(flags),
            },
        },
        target: mount.target.clone(),
        read_only: mount.read_only || is_read_only(mount, facts),
        slave: mount.propagation == Propagation::Rslave,
    });
    let files = ["hosts", "hostname", "resolv.conf"].iter();
    let files = files.filter(|file| **file != "hosts" || !config.networking.no_hosts);
    let own = files.map(|file| MountPlan {
        source: MountPlanSource::Bind { path: facts.etc.join(file), recursive: false },
        target: format!("/etc/{file}"),
        // As docker and podman have it.
        read_only: config.storage.read_only,
        slave: false,
    });
    // What was asked for by name comes before what comes with all.
    let mut devices: Vec<&Device> = Vec::new();
    for device in config.security.devices.iter().chain(&facts.devices) {
        if !devices.iter().any(|known| known.path == device.path) {
            devices.push(device);
        }
    }
    let devices = devices.into_iter().map(|device| MountPlan {
        source: MountPlanSource::Bind { path: device.host.clone(), recursive: false },
        target: device.path.clone(),
        read_only: false,
        slave: false,
    });
    let mut mounts: Vec<MountPlan> = own
        .chain(devices)
        .filter(|mount| !config.storage.mounts.iter().any(|asked| asked.target == mount.target))
        .chain(asked)
        .collect();
    // Stable: mounts of the same depth keep the order they were given in.
    mounts.sort_by_key(|mount| mount.target.split('/').filter(|part| !part.is_empty()).count());
    mounts
}

/// Mount flags by name over docker's defaults for `--tmpfs`: noexec, nosuid, nodev.
fn attributes(flags: &[String]) -> u32 {
    use rustix::mount::MountAttrFlags as A;
    let mut set = A::MOUNT_ATTR_NOEXEC | A::MOUNT_ATTR_NOSUID | A::MOUNT_ATTR_NODEV;
    for flag in flags {
        match flag.as_str() {
            "exec" => set.remove(A::MOUNT_ATTR_NOEXEC),
            "suid" => set.remove(A::MOUNT_ATTR_NOSUID),
            "dev" => set.remove(A::MOUNT_ATTR_NODEV),
            "noexec" => set.insert(A::MOUNT_ATTR_NOEXEC),
            "nosuid" => set.insert(A::MOUNT_ATTR_NOSUID),
            "nodev" => set.insert(A::MOUNT_ATTR_NODEV),
            "noatime" => set.insert(A::MOUNT_ATTR_NOATIME),
            _ => {}
        }
    }
    set.bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ContainerId, time};
    use crate::spec::container::FORMAT;
    use crate::spec::identity::Identity;
    use crate::spec::image::ImageOrigin;
    use crate::spec::lifecycle::Lifecycle;
    use crate::spec::namespaces::{Namespaces, NetworkMode};
    use crate::spec::networking::Networking;
    use crate::spec::process::Process;
    use crate::spec::security::Security;
    use crate::spec::storage::{Mount, Storage};

    fn config(mounts: Vec<Mount>) -> ContainerConfig {
        ContainerConfig {
            format: FORMAT,
            id: ContainerId::random().unwrap(),
            name: "web".parse().unwrap(),
            created: time::now(),
            image: ImageOrigin { name: "i".into(), id: "sha256:0".into(), layers: vec![] },
            process: Process { tty: true, ..Process::default() },
            identity: Identity { hostname: "web".into(), ..Identity::default() },
            namespaces: Namespaces::default(),
            networking: Networking::default(),
            storage: Storage { mounts, shm_size: 1, ..Storage::default() },
            labels: Default::default(),
            creator: None,
            security: Security::default(),
            lifecycle: Lifecycle::default(),
            health: Default::default(),
            resources: Default::default(),
            cgroups: Default::default(),
        }
    }

    fn mount(source: MountSource, target: &str) -> Mount {
        Mount {
            source,
            target: target.into(),
            read_only: true,
            propagation: Propagation::Rprivate,
            non_recursive: false,
        }
    }

    fn planned(config: &ContainerConfig) -> LaunchPlan {
        let data = Directory { path: "/v/data/_data".into(), read_only: false, ours: true };
        let volumes = [("data".parse().unwrap(), data)].into();
        let facts = Facts { etc: "/c".into(), volumes, devices: Vec::new(), terminal: (80, 25) };
        plan(config, ProcessPlan::default(), &facts)
    }

    #[test]
    fn parents_are_mounted_before_children_and_a_users_file_replaces_ours() {
        let bind = |path: &str| MountSource::Bind { path: path.into() };
        let volume = MountSource::Volume { name: "data".parse().unwrap(), anonymous: false, no_copy: false };
        let plan = planned(&config(vec![
            mount(bind("/deep"), "/srv/a/b"),
            mount(bind("/mine"), "/etc/hosts"),
            mount(volume, "/srv"),
        ]));
        let order: Vec<&str> = plan.mounts.iter().map(|mount| mount.target.as_str()).collect();
        assert_eq!(order, ["/srv", "/etc/hostname", "/etc/resolv.conf", "/etc/hosts", "/srv/a/b"]);
        let source = |target: &str| match &plan.mounts.iter().find(|mount| mount.target == target).unwrap().source {
            MountPlanSource::Bind { path, .. } => path.to_str().unwrap().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!((source("/etc/hosts"), source("/srv")), ("/mine".into(), "/v/data/_data".into()));
    }

    #[test]
    fn tmpfs_has_dockers_flags_unless_told_otherwise() {
        use rustix::mount::MountAttrFlags as A;
        let strict = A::MOUNT_ATTR_NOEXEC | A::MOUNT_ATTR_NOSUID | A::MOUNT_ATTR_NODEV;
        assert_eq!(attributes(&[]), strict.bits());
        assert_eq!(
            attributes(&["exec".into(), "noatime".into()]),
            (strict.difference(A::MOUNT_ATTR_NOEXEC) | A::MOUNT_ATTR_NOATIME).bits()
        );
        let tmpfs = MountSource::Tmpfs { options: "size=1m,mode=1777".into(), flags: vec![] };
        let plan = planned(&config(vec![mount(tmpfs, "/tmp")]));
        match &plan.mounts[0].source {
            MountPlanSource::Tmpfs { options, .. } => {
                assert_eq!(options, &[("size".to_owned(), "1m".to_owned()), ("mode".to_owned(), "1777".to_owned())]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn privileges_lift_the_masks() {
        let mut config = config(vec![]);
        assert_eq!(planned(&config).masked, crate::spec::security::MASKED);
        assert_eq!(planned(&config).terminal, Some((80, 25)));
        config.security.privileged = true;
        config.namespaces.network = NetworkMode::Host;
        let plan = planned(&config);
        assert!(plan.masked.is_empty() && plan.read_only_paths.is_empty() && !plan.own_network);
    }
}
