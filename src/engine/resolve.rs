//! From what was asked and what the image says to what the container is: a pure function, which asks each group of options
//! to decide its part.

use super::request::CreateRequest;
use crate::base::id::{ContainerId, Name};
use crate::base::{Error, Result};
use crate::oci::ImageConfig;
use crate::spec::container::{ContainerConfig, FORMAT};
use crate::spec::image::ImageOrigin;
use crate::spec::lifecycle::SdNotify;
use crate::spec::logging::LogDriver;
use crate::spec::namespaces::Namespaces;
use crate::spec::pod_member::Membership;
use crate::spec::sysctl;
use crate::spec::variables::merged;

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
    /// The namespaces, looked up.
    pub namespaces: Namespaces,
    /// The host name that belongs to its network, when that is the host's or another container's.
    pub hostname: Option<String>,
    /// The pod, looked up.
    pub pod: Option<Membership>,
    /// Whether owners of the image's files are recorded beside them, for coracle's own union.
    pub recorded_owners: bool,
    /// Names for anonymous volumes.
    pub volume_names: &'a mut dyn FnMut() -> Result<Name>,
}

/// Decides.
pub fn resolve(request: &CreateRequest, image: &ImageConfig, facts: Facts<'_>) -> Result<ContainerConfig> {
    let (image, namespaces) = (&image.config, facts.namespaces);
    let hostname = facts.hostname.as_deref().unwrap_or_else(|| facts.id.short());
    let mut process = request.process.resolve(image)?;
    let lifecycle = request.lifecycle.resolve(image, &process.argv())?;
    process.env = merged(lifecycle.systemd.variables(&facts.id), &process.env);
    let mut storage = request.storage.clone();
    storage.mounts.extend(lifecycle.systemd.mounts(&request.storage.mounts));
    sysctl::check(&request.security.sysctls, &namespaces.network)?;
    let other_owners = namespaces.user.shifts() || facts.recorded_owners;
    let mut labels = image.labels.clone();
    let health = request.health.resolve(image)?;
    if request.lifecycle.sdnotify == SdNotify::Healthy && health.plan().is_none() {
        return Err(Error::usage("--sdnotify=healthy needs a health check")
            .hint("the image has none: give one with --health-cmd"));
    }
    labels.extend(request.labels.clone());
    if request.logging.driver == LogDriver::Passthrough && request.process.tty {
        return Err(Error::usage("conflicting options: --tty and --log-driver=passthrough")
            .hint("the program has the streams of the command itself, and no terminal of its own"));
    }
    Ok(ContainerConfig {
        format: FORMAT,
        creator: None,
        labels,
        process,
        identity: request.identity.resolve(image, &namespaces, hostname)?,
        networking: request.networking.resolve(image, &namespaces.network)?,
        storage: storage.resolve(image, other_owners, facts.volume_names)?,
        security: request.security.clone(),
        lifecycle,
        health,
        resources: request.resources.clone(),
        cgroups: request.cgroups.clone(),
        logging: request.logging.clone(),
        secrets: Vec::new(),
        namespaces,
        pod: facts.pod,
        id: facts.id,
        name: facts.name,
        created: facts.created,
        image: facts.image,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time;
    use crate::spec::capabilities::CapSet;
    use crate::spec::ids::UserNamespace;
    use crate::spec::storage::StorageDriver;

    fn decide(request: &CreateRequest, namespaces: Namespaces, hostname: Option<&str>) -> Result<ContainerConfig> {
        let image = ImageConfig::parse(IMAGE.as_bytes()).unwrap();
        let mut names = (0..).map(|n| format!("v{n}").parse::<Name>());
        let facts = Facts {
            id: "ab".repeat(32).parse().unwrap(),
            name: "web".parse().unwrap(),
            created: time::now(),
            image: ImageOrigin { name: "i".into(), id: "sha256:0".into(), ..ImageOrigin::default() },
            namespaces,
            hostname: hostname.map(String::from),
            pod: None,
            recorded_owners: false,
            volume_names: &mut || names.next().unwrap(),
        };
        resolve(request, &image, facts)
    }

    const IMAGE: &str = r#"{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/entry"],"Cmd":["serve"],
        "Env":["PATH=/bin","A=1"],"User":"web","WorkingDir":"/srv","StopSignal":"SIGQUIT","Volumes":{"/data/":{},"/x":{}},
        "ExposedPorts":{"80/tcp":{}},"Labels":{"a":"image","b":"image"}},"rootfs":{"type":"layers","diff_ids":[]}}"#;

    #[test]
    fn the_images_defaults_hold() {
        let config = decide(&CreateRequest::default(), Namespaces::default(), None).unwrap();
        assert_eq!(config.process.argv(), ["/entry", "serve"]);
        assert_eq!((config.identity.user.as_str(), config.process.cwd.as_str()), ("web", "/srv"));
        assert_eq!(config.lifecycle.stop_signal.0, libc::SIGQUIT);
        assert_eq!(config.identity.hostname, "abababababab");
        assert_eq!(config.storage.mounts.iter().map(|m| m.target.as_str()).collect::<Vec<_>>(), ["/data", "/x"]);
        assert_eq!(config.networking.exposed, ["80/tcp"]);
        assert_eq!(config.security.capabilities, CapSet::DEFAULT);
    }

    #[test]
    fn labels_of_the_request_win() {
        let request =
            CreateRequest { labels: [("a".to_owned(), "mine".to_owned())].into(), ..CreateRequest::default() };
        let labels = decide(&request, Namespaces::default(), None).unwrap().labels;
        assert_eq!(labels.into_iter().collect::<Vec<_>>(), [("a".into(), "mine".into()), ("b".into(), "image".into())]);
    }

    #[test]
    fn namespaces_have_a_say() {
        let user = UserNamespace::KeepId { uid: 1, gid: 2, name: String::new(), group: String::new() };
        let kept = Namespaces { user, ..Namespaces::default() };
        let config = decide(&CreateRequest::default(), kept, Some("laptop")).unwrap();
        assert_eq!(config.storage.driver, StorageDriver::Fuse);
        assert_eq!((config.identity.user.as_str(), config.identity.hostname.as_str()), ("1:2", "laptop"));
    }
}
