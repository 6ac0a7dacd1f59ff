//! What a container's world looks like, decided before anything is touched: a pure function from its configuration and
//! a few facts to plain values. `child` carries it out.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::PathBuf;

use super::hooks::Hooks;
use super::process::ProcessPlan;
use crate::base::id::Name;
use crate::spec::container::ContainerConfig;
use crate::spec::idmap::IdMap;
use crate::spec::mount_options::{IdMapOption, MountOptions, Shift};
use crate::spec::namespaces::NamespaceMode;
use crate::spec::secret::Exposure;
use crate::spec::security::Device;
use crate::spec::storage::{Mount, MountSource, Propagation};
use crate::spec::sysctl;
use crate::spec::volume::Directory;

/// Everything the executor needs.
#[derive(Debug, Clone)]
pub struct LaunchPlan {
    /// The program.
    pub process: ProcessPlan,
    /// For the uts namespace; none leaves what it has.
    pub hostname: Option<String>,
    /// Whose namespaces it is in.
    pub whose: Whose,
    /// It has `/dev/shm`, of its own or of others.
    pub shm: bool,
    /// No process outside of the container hears its signals, although it sees those of the host.
    pub keeps_signals: bool,
    /// A network namespace of its own, with loopback up.
    pub own_network: bool,
    /// Which somebody outside gives more interfaces before the program starts.
    pub networks: bool,
    /// Columns and rows of the terminal to make; none for pipes.
    pub terminal: Option<(u16, u16)>,
    /// coracle's init as the first process.
    pub init: Init,
    /// The init tells the program its own number in `LISTEN_PID`.
    pub listens: bool,
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
    /// Options of `/proc` for fsconfig(2).
    pub proc_options: Vec<(String, String)>,
    /// `MOUNT_ATTR_*` of `/proc`, as bits.
    pub proc_attributes: u32,
    /// Options of `/dev/pts` that replace the usual ones.
    pub pts_options: Option<Vec<(String, String)>>,
    /// For /proc/PID/oom_score_adj; none for the supervisor's own.
    pub oom_score_adj: Option<i32>,
    /// It may divide its own control group.
    pub divides_cgroup: bool,
    /// Settings of the kernel: their names as sysctl(8) has them, and their values.
    pub sysctls: Vec<(String, String)>,
    /// Programs that prepare it.
    pub hooks: Option<Hooks>,
    /// The line that registers an emulator with the kernel.
    pub emulator: Option<String>,
}

/// What coracle's init does in a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Init {
    /// It is not there.
    #[default]
    None,
    /// It starts the program and looks after it.
    Program,
    /// It is all there is, and waits to be ended: the infra container of a pod.
    Alone,
}

/// Where a namespace of a container comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Source {
    /// It is made for it.
    #[default]
    Own,
    /// It is that of the supervisor, which is the host's.
    Host,
    /// It is joined by its descriptor.
    Joined,
}

/// Where the namespaces of a container come from. The mount namespace is always its own; `own_network` tells of the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Whose {
    /// The user namespace; never the host's.
    pub user: Source,
    /// The pid namespace.
    pub pid: Source,
    /// The ipc namespace.
    pub ipc: Source,
    /// The uts namespace.
    pub uts: Source,
    /// The cgroup namespace.
    pub cgroup: Source,
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
    /// How later mounts travel between the host and it.
    pub propagation: Propagation,
    /// `MOUNT_ATTR_*` to set and to clear, as bits.
    pub attributes: (u32, u32),
    /// The maps of users and groups through which its owners are shown, from ids on the disk to those of our namespace.
    pub idmap: Option<(IdMap, IdMap)>,
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
        /// What is mounted of it, when that is not all: found below it, whatever links are there.
        subpath: Option<String>,
    },
    /// Made before the launch and handed over by its target: a union, or the file of a secret.
    Made,
    /// A file system of its own: memory, or terminals.
    New {
        /// Its type.
        kind: NewKind,
        /// `name=value` options for fsconfig(2).
        options: Vec<(String, String)>,
        /// `MOUNT_ATTR_*` of fsmount(2), as bits.
        attributes: u32,
        /// It begins with the files that are at its target.
        copy_up: bool,
    },
}

/// A type of file system that is made for the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewKind {
    /// Memory, swapped out when it is short.
    Tmpfs,
    /// Memory that stays.
    Ramfs,
    /// Pseudo-terminals.
    Devpts,
}

impl NewKind {
    /// The kernel's name for it.
    pub fn name(self) -> &'static CStr {
        match self {
            NewKind::Tmpfs => c"tmpfs",
            NewKind::Ramfs => c"ramfs",
            NewKind::Devpts => c"devpts",
        }
    }
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
    /// The host's devices, for a container that gets all of them; and those of vendors.
    pub devices: Vec<Device>,
    /// Mounts that come with devices of vendors.
    pub mounts: Vec<Mount>,
    /// Programs that come with them.
    pub hooks: Option<Hooks>,
    /// What registers the emulator of its programs.
    pub emulator: Option<String>,
    /// Size of the attached terminal.
    pub terminal: (u16, u16),
    /// The socket at which the program tells that it is ready.
    pub notify: Option<PathBuf>,
    /// It is told which sockets were opened for it.
    pub listens: bool,
    /// From the container's users and groups to those of our namespace.
    pub maps: (IdMap, IdMap),
    /// Whose namespaces it is in.
    pub whose: Whose,
}

/// The plan of a container. `process` comes resolved: identity, environment and filter.
pub fn plan(config: &ContainerConfig, process: ProcessPlan, facts: &Facts) -> LaunchPlan {
    let privileged = config.security.privileged;
    let (mounts, pts_options) = mounts(config, &process, facts);
    let (proc_options, proc_attributes) = proc_options(&config.security.proc_options);
    LaunchPlan {
        process,
        hostname: (facts.whose.uts == Source::Own).then(|| config.identity.hostname.clone()),
        whose: facts.whose,
        shm: config.namespaces.ipc != NamespaceMode::None,
        keeps_signals: facts.whose.pid == Source::Host && !privileged,
        own_network: config.namespaces.network.is_own(),
        networks: !config.namespaces.network.members().is_empty(),
        terminal: config.process.tty.then_some(facts.terminal),
        init: match (config.is_infra(), config.lifecycle.init) {
            (true, _) => Init::Alone,
            (false, true) => Init::Program,
            (false, false) => Init::None,
        },
        listens: facts.listens,
        read_only: config.storage.read_only,
        shm_size: config.storage.shm_size,
        mounts,
        masked: config.security.masked(),
        read_only_paths: config.security.read_only(),
        privileged,
        proc_options,
        proc_attributes,
        pts_options,
        oom_score_adj: config.resources.oom_score_adj,
        divides_cgroup: privileged || !config.lifecycle.systemd.is_off(),
        sysctls: sysctl::ordered(&config.security.sysctls),
        hooks: facts.hooks.clone(),
        emulator: facts.emulator.clone(),
    }
}

/// `--security-opt proc-opts=`: what is for the file system, and what is for the mount.
fn proc_options(words: &[String]) -> (Vec<(String, String)>, u32) {
    let (flags, options): (Vec<String>, Vec<String>) = words.iter().cloned().partition(|word| !word.contains('='));
    (pairs(&options.join(",")), attributes(&flags))
}

/// Whether a mount is of a volume to which nobody writes.
fn is_read_only(mount: &Mount, facts: &Facts) -> bool {
    match &mount.source {
        MountSource::Volume { name, .. } => facts.volumes.get(name).is_some_and(|volume| volume.read_only),
        _ => false,
    }
}

/// The container's own `/etc` files and devices, then what the user asked for; a user's mount on the same place wins. With
/// the options of `/dev/pts` if the user asked for one.
fn mounts(
    config: &ContainerConfig,
    process: &ProcessPlan,
    facts: &Facts,
) -> (Vec<MountPlan>, Option<Vec<(String, String)>>) {
    let terminals = |mount: &&Mount| matches!(mount.source, MountSource::Devpts { .. }) && mount.target == DEVPTS;
    let pts_options = config.storage.mounts.iter().find(terminals).and_then(|mount| match &mount.source {
        MountSource::Devpts { options } => Some(pairs(options)),
        _ => None,
    });
    let is_free = |mount: &&Mount| !config.storage.mounts.iter().any(|asked| asked.target == mount.target);
    let asked =
        config.storage.mounts.iter().filter(|mount| !terminals(mount)).chain(facts.mounts.iter().filter(is_free));
    let asked = asked.map(|mount| asked_for(mount, process, facts));
    let files = ["hosts", "hostname", "resolv.conf"].iter();
    let files = files.filter(|file| **file != "hosts" || !config.networking.no_hosts);
    // As docker and podman have it: with a read-only root, these are, too.
    let etc = files.map(|file| own(facts.etc.join(file), format!("/etc/{file}"), config.storage.read_only));
    // What was asked for by name comes before what comes with all.
    let mut devices: Vec<&Device> = Vec::new();
    for device in config.security.devices.iter().chain(&facts.devices) {
        if !devices.iter().any(|known| known.path == device.path) {
            devices.push(device);
        }
    }
    let devices = devices.into_iter().map(|device| own(device.host.clone(), device.path.clone(), false));
    let notify = facts.notify.iter().map(|socket| own(socket.clone(), NOTIFY.to_owned(), false));
    let secrets = config.secrets.iter().filter_map(|secret| match &secret.exposure {
        Exposure::Mount { target, .. } => Some(made(target.clone())),
        Exposure::Env { .. } => None,
    });
    let mut mounts: Vec<MountPlan> = etc
        .chain(devices)
        .filter(|mount| !config.storage.mounts.iter().any(|asked| asked.target == mount.target))
        .chain(secrets)
        .chain(notify)
        .chain(asked)
        .collect();
    // Stable: mounts of the same depth keep the order they were given in.
    mounts.sort_by_key(|mount| mount.target.split('/').filter(|part| !part.is_empty()).count());
    (mounts, pts_options)
}

/// Where the program tells that it is ready: crun's place.
pub const NOTIFY: &str = "/run/notify/notify.sock";

/// Where the terminals of a container are.
const DEVPTS: &str = "/dev/pts";

/// A file that coracle provides, or a device.
fn own(path: PathBuf, target: String, read_only: bool) -> MountPlan {
    MountPlan {
        source: MountPlanSource::Bind { path, recursive: false, subpath: None },
        target,
        read_only,
        propagation: Propagation::Rprivate,
        attributes: (0, 0),
        idmap: None,
    }
}

/// A file that was made for this container, for reading.
fn made(target: String) -> MountPlan {
    MountPlan {
        source: MountPlanSource::Made,
        target,
        read_only: true,
        propagation: Propagation::Rprivate,
        attributes: (0, 0),
        idmap: None,
    }
}

/// A mount that the user or the image asked for.
fn asked_for(mount: &Mount, process: &ProcessPlan, facts: &Facts) -> MountPlan {
    let options = &mount.options;
    let subpath = options.subpath.clone();
    let source = match &mount.source {
        _ if options.overlay.is_some() => MountPlanSource::Made,
        MountSource::Image { .. } => MountPlanSource::Made,
        MountSource::Bind { path } => {
            MountPlanSource::Bind { path: path.clone(), recursive: !mount.non_recursive, subpath }
        }
        MountSource::Volume { name, .. } => {
            // All are there: an empty path is refused when it is mounted.
            let volume = facts.volumes.get(name);
            MountPlanSource::Bind {
                path: volume.map(|volume| volume.path.clone()).unwrap_or_default(),
                // A directory of the host may have mounts below it, which an ordinary user may not leave out.
                recursive: volume.is_some_and(|volume| !volume.ours),
                subpath,
            }
        }
        MountSource::Tmpfs { options: given, flags } => {
            let mut given = pairs(given);
            if options.chown {
                given.retain(|(name, _)| !matches!(name.as_str(), "uid" | "gid"));
                given.push(("uid".into(), process.identity.uid.to_string()));
                given.push(("gid".into(), process.identity.gid.to_string()));
            }
            new(NewKind::Tmpfs, given, attributes(&[&flags[..], &switches(options)].concat()), options.copy_up)
        }
        MountSource::Ramfs { options: given } => {
            new(NewKind::Ramfs, pairs(given), attributes(&switches(options)), false)
        }
        MountSource::Devpts { options: given } => {
            use rustix::mount::MountAttrFlags as A;
            new(NewKind::Devpts, pairs(given), (A::MOUNT_ATTR_NOEXEC | A::MOUNT_ATTR_NOSUID).bits(), false)
        }
    };
    MountPlan {
        source,
        target: mount.target.clone(),
        read_only: mount.read_only || is_read_only(mount, facts),
        propagation: mount.propagation,
        attributes: changes(options),
        idmap: options.idmap.as_ref().map(|idmap| id_maps(idmap, &facts.maps)),
    }
}

fn new(kind: NewKind, options: Vec<(String, String)>, attributes: u32, copy_up: bool) -> MountPlanSource {
    MountPlanSource::New { kind, options, attributes, copy_up }
}

/// `name=value,…`.
fn pairs(options: &str) -> Vec<(String, String)> {
    let options = options.split(',').filter(|option| !option.is_empty());
    options
        .map(|option| option.split_once('=').unwrap_or((option, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The switches of the options, as the words of [`attributes`].
fn switches(options: &MountOptions) -> Vec<String> {
    let word = |value: Option<bool>, word: &str| value.map(|on| format!("{}{word}", if on { "" } else { "no" }));
    [word(options.exec, "exec"), word(options.suid, "suid"), word(options.dev, "dev")].into_iter().flatten().collect()
}

/// `MOUNT_ATTR_*` that a mount of existing files gets and loses.
fn changes(options: &MountOptions) -> (u32, u32) {
    use rustix::mount::MountAttrFlags as A;
    let (mut set, mut clear) = (A::empty(), A::empty());
    for (value, flag) in
        [(options.exec, A::MOUNT_ATTR_NOEXEC), (options.suid, A::MOUNT_ATTR_NOSUID), (options.dev, A::MOUNT_ATTR_NODEV)]
    {
        match value {
            Some(true) => clear.insert(flag),
            Some(false) => set.insert(flag),
            None => {}
        }
    }
    (set.bits(), clear.bits())
}

/// The maps of an id-mapped mount: from ids on the disk to ids of our namespace.
fn id_maps(idmap: &IdMapOption, container: &(IdMap, IdMap)) -> (IdMap, IdMap) {
    let shifted = |shift: &Shift, container: &IdMap| match shift.in_container {
        true => shift.map.through(container),
        false => shift.map.clone(),
    };
    match idmap {
        IdMapOption::Container => container.clone(),
        IdMapOption::Given { uids, gids } => (shifted(uids, &container.0), shifted(gids, &container.1)),
    }
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
            "ro" => set.insert(A::MOUNT_ATTR_RDONLY),
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
            image: ImageOrigin { name: "i".into(), id: "sha256:0".into(), ..ImageOrigin::default() },
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
            logging: Default::default(),
            secrets: Default::default(),
            pod: None,
        }
    }

    fn mount(source: MountSource, target: &str) -> Mount {
        Mount { read_only: true, ..Mount::plain(source, target.into()) }
    }

    fn planned(config: &ContainerConfig) -> LaunchPlan {
        planned_in(config, Whose::default())
    }

    fn planned_in(config: &ContainerConfig, whose: Whose) -> LaunchPlan {
        let data = Directory { path: "/v/data/_data".into(), read_only: false, ours: true, owner: None };
        let volumes = [("data".parse().unwrap(), data)].into();
        let maps = (IdMap::of(&[(0, 1, 100)]), IdMap::of(&[(0, 1, 100)]));
        let facts = Facts {
            etc: "/c".into(),
            volumes,
            devices: Vec::new(),
            mounts: vec![mount(MountSource::Bind { path: "/vendor".into() }, "/srv")],
            hooks: None,
            emulator: None,
            terminal: (80, 25),
            notify: None,
            listens: false,
            maps,
            whose,
        };
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
            MountPlanSource::New { kind: NewKind::Tmpfs, options, .. } => {
                assert_eq!(options, &[("size".to_owned(), "1m".to_owned()), ("mode".to_owned(), "1777".to_owned())]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_of_mounts_become_attributes_and_maps() {
        use rustix::mount::MountAttrFlags as A;
        let bind = |change: fn(&mut MountOptions)| {
            let mut mount = mount(MountSource::Bind { path: "/a".into() }, "/b");
            change(&mut mount.options);
            planned(&config(vec![mount])).mounts.remove(0)
        };
        let plan = bind(|options| (options.exec, options.suid) = (Some(false), Some(true)));
        assert_eq!(plan.attributes, (A::MOUNT_ATTR_NOEXEC.bits(), A::MOUNT_ATTR_NOSUID.bits()));
        assert_eq!(bind(|options| options.overlay = Some(Default::default())).source, MountPlanSource::Made);
        let own = bind(|options| options.idmap = Some(IdMapOption::Container)).idmap.unwrap();
        assert_eq!(own.0, IdMap::of(&[(0, 1, 100)]));
        let given = bind(|options| {
            let uids = Shift { map: IdMap::of(&[(1000, 5, 1)]), in_container: true };
            let gids = Shift { map: IdMap::of(&[(1000, 5, 1)]), in_container: false };
            options.idmap = Some(IdMapOption::Given { uids, gids });
        });
        assert_eq!(given.idmap.unwrap(), (IdMap::of(&[(1000, 6, 1)]), IdMap::of(&[(1000, 5, 1)])));
        let volume = MountSource::Volume { name: "data".parse().unwrap(), anonymous: false, no_copy: false };
        let mut part = mount(volume, "/d");
        part.options.subpath = Some("x/y".into());
        match &planned(&config(vec![part])).mounts[0].source {
            MountPlanSource::Bind { subpath, .. } => assert_eq!(subpath.as_deref(), Some("x/y")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_devpts_replaces_the_usual_one_and_a_tmpfs_may_be_the_users() {
        let pts = MountSource::Devpts { options: "mode=600,max=4".into() };
        let mut tmpfs = mount(MountSource::Tmpfs { options: "uid=3,mode=700".into(), flags: vec![] }, "/t");
        tmpfs.options.chown = true;
        let mut config = config(vec![mount(pts.clone(), "/dev/pts"), mount(pts, "/x"), tmpfs]);
        config.security.proc_options = ["hidepid=2", "exec", "subset=pid"].map(String::from).to_vec();
        let plan = planned(&config);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(plan.pts_options, Some(vec![pair("mode", "600"), pair("max", "4")]));
        assert_eq!(plan.proc_options, [pair("hidepid", "2"), pair("subset", "pid")]);
        assert_eq!(plan.proc_attributes, attributes(&["exec".into()]));
        let sources: Vec<_> = plan.mounts.iter().map(|mount| (&mount.target[..], &mount.source)).collect();
        assert!(matches!(sources[0], ("/x", MountPlanSource::New { kind: NewKind::Devpts, .. })));
        match sources[1] {
            ("/t", MountPlanSource::New { options, .. }) => {
                assert_eq!(*options, [pair("mode", "700"), pair("uid", "0"), pair("gid", "0")]);
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

    #[test]
    fn what_is_shared_is_not_set_up() {
        let mut config = config(vec![]);
        config.namespaces.ipc = NamespaceMode::None;
        let own = planned(&config);
        assert!(own.hostname.is_some() && !own.shm && !own.keeps_signals);
        let whose = Whose { pid: Source::Host, uts: Source::Joined, ..Whose::default() };
        let shared = planned_in(&config, whose);
        assert!(shared.hostname.is_none() && shared.keeps_signals);
        config.security.privileged = true;
        assert!(!planned_in(&config, whose).keeps_signals, "it may do what the user may");
    }
}
