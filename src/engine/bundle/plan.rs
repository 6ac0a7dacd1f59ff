//! From the document of a bundle to what the runtime carries out: a pure function, which refuses by name what cannot be done.
//!
//! Every container has `/proc`, `/dev` and `/sys` of its own, made before anything else (`runtime::kernel_fs`). The mounts of
//! the document for these places say how; all others are made as they stand, in their order.

use std::path::{Path, PathBuf};

use nix::sched::CloneFlags;
use rustix::mount::MountAttrFlags as A;
use rustix::process::Resource;

use super::document::{Capabilities, Document, Mapping, Mount, Process, Rlimit};
use crate::base::{Error, Result, ResultExt, text};
use crate::runtime::hooks::{Hooks, State};
use crate::runtime::plan::{DEVICES, Init, LaunchPlan, MountPlan, MountPlanSource, NewKind, Whose};
use crate::runtime::process::{CapabilityBits, ProcessLimits, ProcessPlan, SeccompFilter};
use crate::runtime::seccomp;
use crate::runtime::user::Identity;
use crate::spec::capabilities::CapSet;
use crate::spec::hooks::{Hook, HookPoint};
use crate::spec::idmap::IdMap;
use crate::spec::ids::MAX_ID;
use crate::spec::mount_options::Propagation;
use crate::spec::sysctl;

/// The version of the specification that is followed.
pub const VERSION: &str = "1.2.0";

/// What a document comes to.
#[derive(Debug)]
pub struct Planned {
    /// For the runtime.
    pub launch: LaunchPlan,
    /// The maps of a user namespace of its own, from its ids to those of the host.
    pub maps: Option<(IdMap, IdMap)>,
    /// The namespaces that are made for it, without the mount namespace.
    pub own: CloneFlags,
    /// Those that it joins.
    pub joins: Vec<(CloneFlags, PathBuf)>,
    /// Its files.
    pub rootfs: PathBuf,
}

/// What is known beside the document.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The container.
    pub id: &'a str,
    /// The bundle, absolute.
    pub bundle: &'a Path,
    /// An empty directory where hooks find its files.
    pub place: &'a Path,
    /// `--no-new-keyring` was not given.
    pub new_keyring: bool,
}

/// The plan of a container.
pub fn plan(document: &Document, facts: &Facts<'_>) -> Result<Planned> {
    refuse(document)?;
    let process = document.process.as_ref().ok_or_else(|| Error::invalid("the bundle has no `process`"))?;
    let root = document.root.as_ref().ok_or_else(|| Error::invalid("the bundle has no `root`"))?;
    let (own, joins) = namespaces(document)?;
    let linux = &document.linux;
    let seccomp = linux.seccomp.as_ref();
    let process_plan = process_plan(process, seccomp, facts.new_keyring, personality(document)?)?;
    let mut kernel = Kernel::default();
    let mut mounts = Vec::new();
    for mount in &document.mounts {
        if !kernel.takes(mount)? {
            mounts.push(mount_plan(mount, facts.bundle)?);
        }
    }
    for device in &linux.devices {
        let known = DEVICES.iter().any(|(name, ..)| device.path == format!("/dev/{name}"));
        if !known {
            let source = MountPlanSource::Bind { path: device.path.clone().into(), recursive: false, subpath: None };
            mounts.push(bound(source, device.path.clone(), false));
        }
    }
    let own_uts = own.contains(CloneFlags::CLONE_NEWUTS);
    if document.hostname.is_some() && !own_uts {
        return Err(Error::invalid("the bundle has a `hostname`, and no uts namespace of its own"));
    }
    let size = process.console_size.unwrap_or_default();
    let launch = LaunchPlan {
        process: process_plan,
        hostname: document.hostname.clone().filter(|name| !name.is_empty()),
        own_network: own.contains(CloneFlags::CLONE_NEWNET),
        networks: false,
        terminal: process.terminal.then_some((size.width, size.height)),
        init: Init::None,
        whose: Whose::default(),
        shm: true,
        keeps_signals: false,
        listens: false,
        read_only: root.readonly,
        shm_size: kernel.shm_size,
        mounts,
        masked: linux.masked_paths.clone(),
        read_only_paths: linux.readonly_paths.clone(),
        privileged: kernel.writable_sys,
        proc_options: kernel.proc_options,
        proc_attributes: kernel.proc_attributes,
        pts_options: kernel.pts_options,
        oom_score_adj: process.oom_score_adj,
        divides_cgroup: kernel.writable_cgroup,
        sysctls: sysctl::ordered(&sysctls(document, own)?),
        hooks: hooks(document, facts)?,
        emulator: None,
    };
    let maps = own.contains(CloneFlags::CLONE_NEWUSER).then(|| (map(&linux.uid_mappings), map(&linux.gid_mappings)));
    if maps.as_ref().is_some_and(|(uids, gids)| uids.is_empty() || gids.is_empty()) {
        return Err(Error::invalid("the bundle has a user namespace, and no `uidMappings` or `gidMappings`"));
    }
    Ok(Planned { launch, maps, own, joins, rootfs: facts.bundle.join(&root.path) })
}

/// Fails for what is known and cannot be done. `linux.cgroupsPath` without a limit is no such thing: as with other runtimes, the
/// container of an ordinary user who may not make that group stays in the group of its creator.
fn refuse(document: &Document) -> Result<()> {
    let linux = &document.linux;
    let never = |present: bool, name: &str, why: &str| match present {
        true => Err(Error::unsupported(format!("`{name}` is not supported: {why}"))),
        false => Ok(()),
    };
    never(linux.intel_rdt.is_some(), "linux.intelRdt", "it takes root of the machine")?;
    never(linux.time_offsets.is_some(), "linux.timeOffsets", "containers share the machine's clocks")?;
    never(
        linux.net_devices.is_some(),
        "linux.netDevices",
        "interfaces are moved by whoever makes the network namespace",
    )?;
    // The root is a mount of the container's own that nothing of the host is mounted below.
    let private = ["", "private", "rprivate", "slave", "rslave"].contains(&linux.rootfs_propagation.as_str());
    never(
        !private,
        "linux.rootfsPropagation",
        "the root of a container is its own: private, rprivate, slave or rslave",
    )?;
    never(linux.memory_policy.is_some(), "linux.memoryPolicy", "there is no code for it")?;
    never(!linux.mount_label.is_empty(), "linux.mountLabel", "containers are not confined by SELinux")?;
    let listener = linux.seccomp.as_ref().and_then(|it| it.get("listenerPath")).and_then(|it| it.as_str());
    never(listener.is_some_and(|path| !path.is_empty()), "linux.seccomp.listenerPath", "there is no code for it")?;
    if let Some(name) = limit(linux.resources.as_ref()) {
        return Err(Error::unsupported(format!(
            "`linux.resources.{name}` is not supported: this runtime makes no control groups"
        ))
        .hint("podman: --cgroups=disabled"));
    }
    document.process.as_ref().map_or(Ok(()), refuse_process)
}

/// The first limit that is asked for. Rules for devices are none: an ordinary user's container is kept from devices by their
/// owners and modes, and a list of those that are allowed forbids nothing more.
fn limit(resources: Option<&serde_json::Value>) -> Option<&str> {
    fn is_set(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Null => false,
            serde_json::Value::Object(map) => map.values().any(is_set),
            serde_json::Value::Array(items) => !items.is_empty(),
            serde_json::Value::Number(number) => number.as_i64().is_none_or(|number| number > 0),
            serde_json::Value::Bool(on) => *on,
            serde_json::Value::String(text) => !text.is_empty(),
        }
    }
    let all = resources?.as_object()?;
    all.iter().find(|(name, value)| *name != "devices" && is_set(value)).map(|(name, _)| name.as_str())
}

fn refuse_process(process: &Process) -> Result<()> {
    let profile = process.apparmor_profile.as_str();
    for (present, name) in [
        (!matches!(profile, "" | "unconfined"), "process.apparmorProfile"),
        (!process.selinux_label.is_empty(), "process.selinuxLabel"),
        (process.scheduler.is_some(), "process.scheduler"),
        (process.io_priority.is_some(), "process.ioPriority"),
        (process.exec_cpu_affinity.is_some(), "process.execCPUAffinity"),
    ] {
        if present {
            return Err(Error::unsupported(format!("`{name}` is not supported: there is no code for it")));
        }
    }
    Ok(())
}

/// The namespaces that are made, and those that are joined.
fn namespaces(document: &Document) -> Result<(CloneFlags, Vec<(CloneFlags, PathBuf)>)> {
    let (mut own, mut joins, mut seen) = (CloneFlags::empty(), Vec::new(), CloneFlags::empty());
    for namespace in &document.linux.namespaces {
        let kind = match namespace.r#type.as_str() {
            "pid" => CloneFlags::CLONE_NEWPID,
            "network" => CloneFlags::CLONE_NEWNET,
            "mount" => CloneFlags::CLONE_NEWNS,
            "ipc" => CloneFlags::CLONE_NEWIPC,
            "uts" => CloneFlags::CLONE_NEWUTS,
            "user" => CloneFlags::CLONE_NEWUSER,
            "cgroup" => CloneFlags::CLONE_NEWCGROUP,
            other => {
                return Err(Error::unsupported(format!(
                    "a namespace of the type `{}` is not supported",
                    text::clean(other)
                )));
            }
        };
        if seen.contains(kind) {
            return Err(Error::invalid(format!("the namespace `{}` is there twice", text::clean(&namespace.r#type))));
        }
        seen |= kind;
        match &namespace.path {
            Some(path) if !path.as_os_str().is_empty() => joins.push((kind, path.clone())),
            _ => own |= kind,
        }
    }
    if !own.contains(CloneFlags::CLONE_NEWNS) {
        return Err(Error::unsupported("a container without a mount namespace of its own is not supported"));
    }
    // In another user namespace there is no power over the others.
    joins.sort_by_key(|(kind, _)| *kind == CloneFlags::CLONE_NEWUSER);
    Ok((own.difference(CloneFlags::CLONE_NEWNS), joins))
}

fn map(mappings: &[Mapping]) -> IdMap {
    let runs: Vec<_> = mappings.iter().map(|it| (it.container_id, it.host_id, it.size)).collect();
    IdMap::of(&runs)
}

fn sysctls(document: &Document, own: CloneFlags) -> Result<std::collections::BTreeMap<String, String>> {
    let domain = document.domainname.iter().map(|name| format!("kernel.domainname={name}"));
    let given = document.linux.sysctl.iter().map(|(name, value)| format!("{name}={value}"));
    let given: Vec<String> = given.chain(domain).collect();
    let sysctls = sysctl::all(&given)?;
    for (prefix, kind) in [
        ("net.", CloneFlags::CLONE_NEWNET),
        ("fs.mqueue.", CloneFlags::CLONE_NEWIPC),
        ("kernel.domainname", CloneFlags::CLONE_NEWUTS),
        ("kernel.", CloneFlags::CLONE_NEWIPC),
    ] {
        let named = sysctls
            .keys()
            .find(|name| name.starts_with(prefix) && (prefix != "kernel." || *name != "kernel.domainname"));
        let joined = document.linux.namespaces.iter().any(|it| it.path.is_some() && matches(&it.r#type, kind));
        if let Some(name) = named.filter(|_| !own.contains(kind) && !joined) {
            return Err(Error::usage(format!("sysctl '{name}' is not in a separate kernel namespace")));
        }
    }
    Ok(sysctls)
}

fn matches(kind: &str, flag: CloneFlags) -> bool {
    matches!(
        (kind, flag),
        ("network", CloneFlags::CLONE_NEWNET) | ("ipc", CloneFlags::CLONE_NEWIPC) | ("uts", CloneFlags::CLONE_NEWUTS)
    )
}

fn personality(document: &Document) -> Result<Option<u64>> {
    let Some(personality) = &document.linux.personality else { return Ok(None) };
    if !personality.flags.is_empty() {
        return Err(Error::unsupported("`linux.personality.flags` is not supported: there are none"));
    }
    match personality.domain.as_str() {
        "LINUX" => Ok(Some(0)),
        "LINUX32" => Ok(Some(8)),
        other => Err(Error::invalid(format!("`{}` is no execution domain", text::clean(other)))),
    }
}

/// A process: that of the document, or one that is added.
pub fn process_plan(
    process: &Process,
    seccomp: Option<&serde_json::Value>,
    new_keyring: bool,
    personality: Option<u64>,
) -> Result<ProcessPlan> {
    refuse_process(process)?;
    if process.args.first().is_none_or(String::is_empty) {
        return Err(Error::invalid("`process.args` is empty"));
    }
    if !process.cwd.starts_with('/') {
        return Err(Error::invalid("`process.cwd` is not an absolute path"));
    }
    let user = &process.user;
    if let Some(id) = user.additional_gids.iter().chain([&user.uid, &user.gid]).find(|id| **id > MAX_ID) {
        return Err(Error::invalid(format!("{id} is no id: uids and gids must be in range 0-{MAX_ID}")));
    }
    let sets = sets(process.capabilities.as_ref().unwrap_or(&Capabilities::default()))?;
    let filter = |value: &serde_json::Value| -> Result<SeccompFilter> {
        let text = serde_json::to_vec(value).map_err(|error| Error::invalid(error.to_string()))?;
        let profile = seccomp::Profile::parse(&text)?;
        Ok(SeccompFilter {
            program: seccomp::compile(&profile, CapSet::from_bits(sets.bounding))?,
            flags: profile.flags,
        })
    };
    Ok(ProcessPlan {
        argv: process.args.clone(),
        env: process.env.clone(),
        cwd: process.cwd.clone(),
        make_cwd: true,
        identity: Identity { uid: user.uid, gid: user.gid, groups: user.additional_gids.clone(), home: "/".into() },
        keep_groups: crate::rootless::outer::groups_are_fixed(),
        capabilities: sets.bounding,
        sets: Some(sets),
        no_new_privileges: process.no_new_privileges,
        seccomp: seccomp.map(filter).transpose()?,
        limits: ProcessLimits {
            rlimits: process.rlimits.iter().map(rlimit).collect::<Result<_>>()?,
            ..ProcessLimits::default()
        },
        umask: user.umask,
        personality,
        outlives_parent: true,
        keeps_keyring: !new_keyring,
    })
}

fn sets(given: &Capabilities) -> Result<CapabilityBits> {
    let bits = |names: &[String]| -> Result<u64> {
        // A name that this program does not know is one that the kernel does not have either, as runc takes it.
        let known: Vec<&String> = names.iter().filter(|name| CapSet::from_names(&[name.as_str()]).is_ok()).collect();
        Ok(CapSet::from_names(&known)?.bits())
    };
    Ok(CapabilityBits {
        bounding: bits(&given.bounding)?,
        effective: bits(&given.effective)?,
        permitted: bits(&given.permitted)?,
        inheritable: bits(&given.inheritable)?,
        ambient: bits(&given.ambient)?,
    })
}

fn rlimit(limit: &Rlimit) -> Result<(Resource, Option<u64>, Option<u64>)> {
    let resource = match limit.r#type.as_str() {
        "RLIMIT_AS" => Resource::As,
        "RLIMIT_CORE" => Resource::Core,
        "RLIMIT_CPU" => Resource::Cpu,
        "RLIMIT_DATA" => Resource::Data,
        "RLIMIT_FSIZE" => Resource::Fsize,
        "RLIMIT_LOCKS" => Resource::Locks,
        "RLIMIT_MEMLOCK" => Resource::Memlock,
        "RLIMIT_MSGQUEUE" => Resource::Msgqueue,
        "RLIMIT_NICE" => Resource::Nice,
        "RLIMIT_NOFILE" => Resource::Nofile,
        "RLIMIT_NPROC" => Resource::Nproc,
        "RLIMIT_RSS" => Resource::Rss,
        "RLIMIT_RTPRIO" => Resource::Rtprio,
        "RLIMIT_RTTIME" => Resource::Rttime,
        "RLIMIT_SIGPENDING" => Resource::Sigpending,
        "RLIMIT_STACK" => Resource::Stack,
        other => return Err(Error::invalid(format!("`{}` is no limit of processes", text::clean(other)))),
    };
    let finite = |value: u64| (value != u64::MAX).then_some(value);
    Ok((resource, finite(limit.soft), finite(limit.hard)))
}

fn hooks(document: &Document, facts: &Facts<'_>) -> Result<Option<Hooks>> {
    let mut hooks = Vec::new();
    for (name, given) in &document.hooks {
        let at = HookPoint::parse(name)?;
        for hook in given {
            let hook = hook.clone();
            let hook = Hook { at, path: hook.path, args: hook.args, env: hook.env, timeout: hook.timeout };
            hook.check()?;
            hooks.push(hook);
        }
    }
    hooks.sort_by_key(|hook| hook.at);
    let state = State {
        oci_version: VERSION,
        id: facts.id.to_owned(),
        status: "creating",
        pid: 0,
        bundle: facts.bundle.display().to_string(),
        annotations: document.annotations.clone(),
    };
    Ok((!hooks.is_empty()).then(|| Hooks { hooks, rootfs: facts.place.display().to_string(), state }))
}

/// How the kernel's file systems are mounted.
#[derive(Debug)]
struct Kernel {
    shm_size: u64,
    proc_options: Vec<(String, String)>,
    proc_attributes: u32,
    pts_options: Option<Vec<(String, String)>>,
    writable_sys: bool,
    writable_cgroup: bool,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            shm_size: 64 << 20,
            proc_options: Vec::new(),
            proc_attributes: (A::MOUNT_ATTR_NOSUID | A::MOUNT_ATTR_NODEV | A::MOUNT_ATTR_NOEXEC).bits(),
            pts_options: None,
            writable_sys: false,
            writable_cgroup: false,
        }
    }
}

impl Kernel {
    /// Whether a mount is one of those that every container has.
    fn takes(&mut self, mount: &Mount) -> Result<bool> {
        let target = mount.destination.trim_end_matches('/');
        match (target, mount.r#type.as_str()) {
            ("/proc", "proc") => {
                let options = Options::read(&mount.options)?;
                (self.proc_options, self.proc_attributes) = (options.data, options.set);
            }
            ("/sys", "sysfs") => self.writable_sys = !mount.options.iter().any(|option| option == "ro"),
            ("/sys/fs/cgroup", "cgroup" | "cgroup2") => {
                self.writable_cgroup = !mount.options.iter().any(|option| option == "ro");
            }
            ("/dev", "tmpfs") | ("/dev/mqueue", "mqueue") => {}
            ("/dev/pts", "devpts") => self.pts_options = Some(Options::read(&mount.options)?.data),
            ("/dev/shm", "tmpfs") => {
                let options = Options::read(&mount.options)?;
                if let Some((_, size)) = options.data.iter().find(|(name, _)| name == "size") {
                    self.shm_size = crate::spec::units::parse_size(size).context(|| "the size of `/dev/shm`")?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The words of a mount, sorted.
#[derive(Debug, Default)]
struct Options {
    data: Vec<(String, String)>,
    /// `MOUNT_ATTR_*` to set and to clear.
    set: u32,
    clear: u32,
    read_only: bool,
    recursive: bool,
    is_bind: bool,
    propagation: Propagation,
    copy_up: bool,
}

impl Options {
    fn read(words: &[String]) -> Result<Self> {
        let mut options = Self::default();
        for word in words {
            let plain = word.as_str();
            let plain = plain
                .strip_prefix('r')
                .filter(|rest| matches!(*rest, "nosuid" | "nodev" | "noexec" | "ro" | "noatime"))
                .unwrap_or(plain);
            match plain {
                "ro" => options.read_only = true,
                "rw" => options.read_only = false,
                "bind" => options.is_bind = true,
                "rbind" => (options.is_bind, options.recursive) = (true, true),
                "nosuid" => options.set |= A::MOUNT_ATTR_NOSUID.bits(),
                "suid" => options.clear |= A::MOUNT_ATTR_NOSUID.bits(),
                "nodev" => options.set |= A::MOUNT_ATTR_NODEV.bits(),
                "dev" => options.clear |= A::MOUNT_ATTR_NODEV.bits(),
                "noexec" => options.set |= A::MOUNT_ATTR_NOEXEC.bits(),
                "exec" => options.clear |= A::MOUNT_ATTR_NOEXEC.bits(),
                "noatime" => options.set |= A::MOUNT_ATTR_NOATIME.bits(),
                "nosymfollow" => options.set |= A::MOUNT_ATTR_NOSYMFOLLOW.bits(),
                "nodiratime" => options.set |= A::MOUNT_ATTR_NODIRATIME.bits(),
                "tmpcopyup" => options.copy_up = true,
                // What is usual, or had its meaning on another kernel.
                "relatime" | "strictatime" | "defaults" | "async" | "sync" | "norelatime" | "atime" | "diratime"
                | "mand" | "nomand" | "silent" | "loud" => {}
                word if Propagation::ALL.iter().any(|known| known.name() == word) => {
                    options.propagation = crate::spec::mount_words::propagation(word)?;
                }
                "unbindable" | "runbindable" | "remount" | "idmap" | "ridmap" => {
                    return Err(Error::unsupported(format!(
                        "the option `{}` of a mount is not supported",
                        text::clean(word)
                    )));
                }
                word => {
                    let (name, value) = word.split_once('=').unwrap_or((word, ""));
                    options.data.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        Ok(options)
    }
}

fn bound(source: MountPlanSource, target: String, read_only: bool) -> MountPlan {
    MountPlan { source, target, read_only, propagation: Propagation::Rprivate, attributes: (0, 0), idmap: None }
}

/// A mount that is made as it stands.
fn mount_plan(mount: &Mount, bundle: &Path) -> Result<MountPlan> {
    let target = mount.destination.clone();
    if !target.starts_with('/') {
        return Err(Error::invalid(format!("the mount `{}` is not at an absolute path", text::clean(&target))));
    }
    if !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty() {
        return Err(Error::unsupported(format!(
            "the mount `{}` has mapped ids, which is not supported",
            text::clean(&target)
        )));
    }
    let options = Options::read(&mount.options)?;
    let new = |kind: NewKind, data: Vec<(String, String)>| MountPlanSource::New {
        kind,
        options: data,
        attributes: options.set,
        copy_up: options.copy_up,
    };
    let source = match mount.r#type.as_str() {
        "bind" | "none" | "" if options.is_bind => {
            MountPlanSource::Bind { path: bundle.join(&mount.source), recursive: options.recursive, subpath: None }
        }
        "bind" => MountPlanSource::Bind { path: bundle.join(&mount.source), recursive: true, subpath: None },
        "tmpfs" => new(NewKind::Tmpfs, options.data.clone()),
        "devpts" => new(NewKind::Devpts, options.data.clone()),
        other => {
            return Err(Error::unsupported(format!(
                "a mount of the type `{}` at `{}` is not supported",
                text::clean(other),
                text::clean(&target)
            )));
        }
    };
    let is_bind = matches!(source, MountPlanSource::Bind { .. });
    if let (true, Some((name, _))) = (is_bind, options.data.first()) {
        return Err(Error::invalid(format!("the option `{}` of a bind mount", text::clean(name))));
    }
    let attributes = if is_bind { (options.set, options.clear) } else { (0, 0) };
    Ok(MountPlan { attributes, propagation: options.propagation, ..bound(source, target, options.read_only) })
}
