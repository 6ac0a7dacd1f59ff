//! From what was asked and what the image says to what the container is: a pure function.

use std::collections::BTreeSet;

use crate::base::id::{ContainerId, Name};
use crate::base::{Error, Result, text};
use crate::oci::ImageConfig;
use crate::oci::config::from_root;
use crate::spec::capabilities::CapSet;
use crate::spec::container::{
    ContainerConfig, FORMAT, ImageOrigin, Mount, MountSource, NetworkMode, Networking, Process, Propagation, Seccomp,
    Security, StorageDriver,
};
use crate::spec::ids::UserNamespace;
use crate::spec::signal;

use super::request::CreateRequest;

/// docker's default of `--shm-size`.
pub const SHM_SIZE: u64 = 64 << 20;

/// docker's default of `--stop-timeout`, in seconds.
pub const STOP_TIMEOUT: u32 = 10;

/// What the decision needs besides the request and the image.
pub struct Facts<'a> {
    /// The new identity.
    pub id: ContainerId,
    /// Its name.
    pub name: Name,
    /// Now.
    pub created: jiff::Timestamp,
    /// Where the image came from.
    pub image: ImageOrigin,
    /// The host's name, for containers in its network.
    pub host_name: String,
    /// Which network it sees, and for one that is another container's, the host name there.
    pub network: (NetworkMode, Option<String>),
    /// Whose ids it has.
    pub user_namespace: UserNamespace,
    /// Whether owners of the image's files are recorded beside them, for coracle's own union.
    pub recorded_owners: bool,
    /// Names for anonymous volumes.
    pub volume_names: &'a mut dyn FnMut() -> Result<Name>,
}

/// Decides.
pub fn resolve(request: &CreateRequest, image: &ImageConfig, facts: Facts<'_>) -> Result<ContainerConfig> {
    let (network, shared_hostname) = facts.network;
    let hostname = match (&request.hostname, &network) {
        (Some(_), NetworkMode::Container(_)) => {
            return Err(Error::usage("conflicting options: hostname and the network of another container"));
        }
        (Some(name), _) => valid_hostname(name)?,
        (None, NetworkMode::Host) => facts.host_name.clone(),
        (None, _) => shared_hostname.unwrap_or_else(|| facts.id.short().to_owned()),
    };
    let stop_signal = match request.stop_signal.as_deref().or(image.config.stop_signal.as_deref()) {
        Some(name) if !name.is_empty() => signal::parse(name)?,
        _ => libc::SIGTERM,
    };
    let capabilities = match request.privileged {
        true => CapSet::ALL,
        false => CapSet::DEFAULT.tweaked(&request.cap_add, &request.cap_drop)?,
    };
    let mut labels = image.config.labels.clone();
    labels.extend(request.labels.clone());
    Ok(ContainerConfig {
        format: FORMAT,
        process: process(request, image, &facts.user_namespace)?,
        hostname,
        exposed_ports: exposed_ports(request, image),
        networking: networking(request, &network)?,
        network,
        mounts: mounts(request, image, facts.volume_names)?,
        driver: driver(request, facts.user_namespace.shifts() || facts.recorded_owners)?,
        read_only: request.read_only,
        init: request.init,
        labels,
        remove: request.remove,
        creator: None,
        stop_signal,
        stop_timeout: request.stop_timeout.unwrap_or(STOP_TIMEOUT),
        security: Security {
            capabilities: capabilities.bits(),
            cap_add: request.cap_add.clone(),
            cap_drop: request.cap_drop.clone(),
            no_new_privileges: request.no_new_privileges,
            seccomp: request.seccomp.clone().unwrap_or(Seccomp::Default),
            privileged: request.privileged,
        },
        shm_size: request.shm_size.unwrap_or(SHM_SIZE),
        storage_size: request.storage_size,
        user_namespace: facts.user_namespace,
        id: facts.id,
        name: facts.name,
        created: facts.created,
        image: facts.image,
    })
}

/// The image's, the user's and the published ones, each once.
fn exposed_ports(request: &CreateRequest, image: &ImageConfig) -> Vec<String> {
    let published = request.networking.ports.iter().map(|publish| publish.port.container());
    let all = image.config.exposed_ports.iter().chain(&request.expose).cloned().chain(published);
    all.collect::<BTreeSet<String>>().into_iter().collect()
}

/// Refuses what the container's kind of network cannot do; docker and podman drop published ports there with a warning.
fn networking(request: &CreateRequest, network: &NetworkMode) -> Result<Networking> {
    let asked = &request.networking;
    let refuse = |what: &str, mode: &str| {
        Err(Error::usage(format!("conflicting options: {what} and the network {mode}"))
            .hint(format!("leave {what} out, or choose a network that is the container's own")))
    };
    match network {
        NetworkMode::Container(_) | NetworkMode::Path(_) if !asked.ports.is_empty() || asked.publish_all => {
            refuse("published ports", "of another container")
        }
        NetworkMode::Container(_)
            if !asked.dns.is_empty() || !asked.dns_search.is_empty() || !asked.dns_options.is_empty() =>
        {
            refuse("`--dns`", "of another container")
        }
        NetworkMode::None if asked.rate.is_some() => refuse("`--net-rate`", "`none`"),
        NetworkMode::Host if asked.rate.is_some() => refuse("`--net-rate`", "`host`"),
        NetworkMode::Container(_) | NetworkMode::Path(_) if asked.rate.is_some() => {
            refuse("`--net-rate`", "of another container")
        }
        NetworkMode::Container(_) if !asked.add_hosts.is_empty() => refuse("`--add-host`", "of another container"),
        _ => Ok(asked.clone()),
    }
}

/// Only coracle's own union shows the files of an image with other owners than they have on disk.
fn driver(request: &CreateRequest, other_owners: bool) -> Result<StorageDriver> {
    match (request.driver, other_owners, request.storage_size) {
        (StorageDriver::Overlay, false, Some(_)) => {
            Err(Error::unsupported("the overlay storage driver cannot limit the size of a container's files")
                .hint("coracle's own driver can: --storage-driver fuse"))
        }
        (_, true, _) => Ok(StorageDriver::Fuse),
        (driver, false, _) => Ok(driver),
    }
}

/// A new entrypoint also drops the image's command, which was made for the old one.
fn process(request: &CreateRequest, image: &ImageConfig, namespace: &UserNamespace) -> Result<Process> {
    let entrypoint = match &request.entrypoint {
        Some(entrypoint) if entrypoint.is_empty() => Vec::new(),
        Some(entrypoint) => vec![entrypoint.clone()],
        // docker and podman take one empty word for no entrypoint.
        None => image.config.entrypoint.clone().filter(|words| words[..] != [""]).unwrap_or_default(),
    };
    let command = match (request.command.is_empty(), &request.entrypoint) {
        (false, _) => request.command.clone(),
        (true, Some(_)) => Vec::new(),
        (true, None) => image.config.cmd.clone().unwrap_or_default(),
    };
    if entrypoint.is_empty() && command.is_empty() {
        return Err(Error::usage("no command specified: the image names none").hint("put a command after the image"));
    }
    let cwd = match request.cwd.as_deref().unwrap_or(&image.config.working_dir) {
        "" => "/".to_owned(),
        cwd if cwd.starts_with('/') => cwd.to_owned(),
        cwd => {
            let cwd = text::clean(cwd);
            return Err(Error::usage(format!(
                "the working directory `{cwd}` is invalid, it needs to be an absolute path"
            )));
        }
    };
    Ok(Process {
        entrypoint,
        command,
        env: environment(&image.config.env, &request.env),
        cwd,
        user: match (&request.user, namespace) {
            (Some(user), _) => user.clone(),
            // Whoever keeps its id wants to be it, whatever the image says (podman does the same).
            (None, UserNamespace::KeepId { uid, gid, .. }) => format!("{uid}:{gid}"),
            (None, _) => image.config.user.clone(),
        },
        tty: request.tty,
        stdin: request.stdin,
    })
}

/// The image's variables, each replaced by the user's of the same name. What has no name or no value is none.
fn environment(image: &[String], asked: &[String]) -> Vec<String> {
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let mut env: Vec<String> = Vec::with_capacity(image.len() + asked.len());
    for pair in image.iter().filter(|pair| pair.find('=').is_some_and(|at| at > 0)).chain(asked) {
        match env.iter_mut().find(|old| name(old) == name(pair)) {
            Some(old) => old.clone_from(pair),
            None => env.push(pair.clone()),
        }
    }
    env
}

fn mounts(
    request: &CreateRequest,
    image: &ImageConfig,
    volume_names: &mut dyn FnMut() -> Result<Name>,
) -> Result<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::new();
    for asked in &request.mounts {
        let mount = Mount { target: normalise(&asked.mount.target)?, ..asked.mount.clone() };
        if mounts.iter().any(|other| other.target == mount.target) {
            return Err(Error::usage(format!("duplicate mount point: {}", text::clean(&mount.target))));
        }
        mounts.push(mount);
    }
    for target in &image.config.volumes {
        let target = normalise(target)?;
        if !mounts.iter().any(|other| other.target == target) {
            let source = MountSource::Volume { name: volume_names()?, anonymous: true, no_copy: false };
            mounts.push(Mount {
                source,
                target,
                read_only: false,
                propagation: Propagation::default(),
                non_recursive: false,
            });
        }
    }
    Ok(mounts)
}

/// An absolute path without `.`, `..` and doubled slashes, and not the root itself.
fn normalise(path: &str) -> Result<String> {
    let shown = text::clean(path);
    if !path.starts_with('/') {
        return Err(Error::usage(format!("invalid mount path `{shown}`: mount path must be absolute")));
    }
    let clean = from_root(path);
    match clean == "/" {
        true => Err(Error::usage(format!("invalid mount path `{shown}`: destination can't be `/`"))),
        false => Ok(clean),
    }
}

/// The kernel's limit is 64 bytes (uname(2)); the characters are those of docker's check.
fn valid_hostname(name: &str) -> Result<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    match !name.is_empty() && name.len() <= 63 && name.chars().all(fine) && !name.starts_with('-') {
        true => Ok(name.to_owned()),
        false => Err(Error::usage(format!("invalid hostname `{}`", text::clean(name)))
            .hint("letters, digits, `-`, `.` and `_`, at most 63")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time;

    fn decide(request: CreateRequest, image: &str) -> Result<ContainerConfig> {
        let image = ImageConfig::parse(image.as_bytes()).unwrap();
        let mut names = (0..).map(|n| format!("v{n}").parse::<Name>());
        let facts = Facts {
            id: "ab".repeat(32).parse().unwrap(),
            name: "web".parse().unwrap(),
            created: time::now(),
            image: ImageOrigin { name: "i".into(), id: "sha256:0".into(), layers: vec![] },
            host_name: "laptop".into(),
            network: (NetworkMode::None, None),
            user_namespace: UserNamespace::Host,
            recorded_owners: false,
            volume_names: &mut || names.next().unwrap(),
        };
        resolve(&request, &image, facts)
    }

    #[test]
    fn other_ids_and_a_size_need_coracles_own_union() {
        let keep = UserNamespace::KeepId { uid: 1, gid: 2, name: String::new(), group: String::new() };
        let plain = CreateRequest::default();
        assert_eq!(driver(&plain, false).unwrap(), StorageDriver::Overlay);
        assert_eq!(driver(&plain, keep.shifts()).unwrap(), StorageDriver::Fuse);
        let sized = CreateRequest { storage_size: Some(1), ..CreateRequest::default() };
        assert!(driver(&sized, false).unwrap_err().message().contains("cannot limit"));
        let image = ImageConfig::parse(IMAGE.as_bytes()).unwrap();
        assert_eq!(process(&plain, &image, &keep).unwrap().user, "1:2");
        let root = CreateRequest { user: Some("0".into()), ..CreateRequest::default() };
        assert_eq!(process(&root, &image, &keep).unwrap().user, "0");
    }

    const IMAGE: &str = r#"{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/entry"],"Cmd":["serve"],
        "Env":["PATH=/bin","A=1"],"User":"web","WorkingDir":"/srv","StopSignal":"SIGQUIT","Volumes":{"/data/":{},"/x":{}},
        "Labels":{"a":"image","b":"image"}},"rootfs":{"type":"layers","diff_ids":[]}}"#;
    const BARE: &str = r#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;

    #[test]
    fn the_images_defaults_hold() {
        let config = decide(CreateRequest::default(), IMAGE).unwrap();
        assert_eq!(config.process.argv(), ["/entry", "serve"]);
        assert_eq!((config.process.user.as_str(), config.process.cwd.as_str()), ("web", "/srv"));
        assert_eq!(config.stop_signal, libc::SIGQUIT);
        assert_eq!(config.hostname, "abababababab");
        assert_eq!(config.mounts.iter().map(|m| m.target.as_str()).collect::<Vec<_>>(), ["/data", "/x"]);
        assert_eq!(config.security.capabilities, CapSet::DEFAULT.bits());
    }

    #[test]
    fn the_request_wins_over_the_image() {
        let request = CreateRequest {
            command: vec!["other".into()],
            env: vec!["A=2".into(), "B=3".into()],
            stop_signal: Some("9".into()),
            labels: [("a".to_owned(), "mine".to_owned())].into(),
            ..CreateRequest::default()
        };
        let config = decide(request, IMAGE).unwrap();
        assert_eq!(config.process.argv(), ["/entry", "other"]);
        assert_eq!(config.process.env, ["PATH=/bin", "A=2", "B=3"]);
        assert_eq!(config.stop_signal, 9);
        assert_eq!(
            config.labels.into_iter().collect::<Vec<_>>(),
            [("a".into(), "mine".into()), ("b".into(), "image".into())]
        );
    }

    #[test]
    fn a_new_entrypoint_drops_the_command_and_an_empty_one_clears_it() {
        let with = |entrypoint: &str, command: &[&str]| CreateRequest {
            entrypoint: Some(entrypoint.into()),
            command: command.iter().map(|s| (*s).to_owned()).collect(),
            ..CreateRequest::default()
        };
        assert_eq!(decide(with("sh", &[]), IMAGE).unwrap().process.argv(), ["sh"]);
        assert_eq!(decide(with("", &["ls"]), IMAGE).unwrap().process.argv(), ["ls"]);
        assert!(decide(with("", &[]), IMAGE).is_err());
        assert!(decide(CreateRequest::default(), BARE).unwrap_err().message().starts_with("no command specified"));
    }

    #[test]
    fn bad_values_are_refused() {
        let sh = || vec!["sh".to_owned()];
        let cwd = CreateRequest { cwd: Some("relative".into()), command: sh(), ..CreateRequest::default() };
        assert!(decide(cwd, BARE).unwrap_err().message().contains("absolute path"));
        for host in ["", "-a", "a b", &"x".repeat(64)] {
            let request = CreateRequest { hostname: Some(host.into()), command: sh(), ..CreateRequest::default() };
            assert!(decide(request, BARE).is_err(), "{host}");
        }
        assert!(normalise("/").is_err() && normalise("a").is_err() && normalise("/..").is_err());
        assert_eq!(normalise("//a/./b/../c/").unwrap(), "/a/c");
    }
}
