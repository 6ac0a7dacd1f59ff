//! The build of a service's image as the engine's request.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::container::refused;
use super::files::{Files as _, Machine};
use super::node::Node;
use super::project::Project;
use super::read::{number, pairs, placed, text, texts};
use crate::base::{Error, Result, ResultExt, text as clean};
use crate::engine::build::{BuildRequest, Files, NamedContext};
use crate::oci::Reference;
use crate::spec::attachment::host_entry;
use crate::spec::namespaces::NetworkRequest;
use crate::spec::network::Wish;
use crate::spec::storage::{self, StorageDriver};

/// The largest secret, in bytes: BuildKit's limit.
const SECRET_MAX: u64 = 500 << 10;

/// What the user asks of all builds.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--build-arg`.
    pub arguments: BTreeMap<String, String>,
    /// `--no-cache`.
    pub no_cache: bool,
    /// `--pull`.
    pub pull: bool,
    /// `--ssh`.
    pub ssh: Vec<String>,
}

/// Keys of a build that nothing comes of here.
const REFUSED: &[(&str, &str)] = &[
    ("cache_to", "the build cache is coracle's own"),
    ("entitlements", "steps have the rights of ordinary containers"),
    ("isolation", "it is for Windows"),
    ("privileged", "steps have the rights of ordinary containers"),
    ("ulimits", "steps have the limits of ordinary containers"),
];

/// The request, and where the files are.
///
/// # Errors
///
/// With the place of what cannot be done.
pub fn request(
    project: &Project,
    name: &str,
    service: &Node,
    options: &Options,
    driver: StorageDriver,
) -> Result<(BuildRequest, Files)> {
    let Some(build) = service.get("build") else {
        return Err(service.place.invalid(format!("service `{name}` has no `build`")));
    };
    for (key, hint) in REFUSED {
        if let Some(value) = build.get(key).filter(|value| refused::says_something(value)) {
            return Err(refused::refuse(name, value, &format!("build.{key}")).hint(*hint));
        }
    }
    let wrong = |key: &str, error: &Error| placed(build.get(key).unwrap_or(build), &format!("build.{key}"), error);
    let context = text(build, "context").unwrap_or_else(|| ".".into());
    if context.contains("://") || context.starts_with("git@") {
        let error =
            Error::unsupported(format!("cannot build from `{}`: only from directories", clean::clean(&context)))
                .hint("fetch it first: git clone, or curl and tar");
        return Err(wrong("context", &error));
    }
    let context = project.directory.join(context);
    let (dockerfile, ignored) = dockerfile(build, &context)?;
    let mut build_args = pairs(build, "args");
    build_args.extend(options.arguments.clone());
    let tags = std::iter::once(project.image(name, service)).chain(texts(build, "tags"));
    let names = tags.map(|tag| tag.parse::<Reference>()).collect::<Result<Vec<_>>>();
    let platforms = texts(build, "platforms");
    if platforms.len() > 1 {
        return Err(wrong(
            "platforms",
            &Error::unsupported("an image is built for one platform").hint("`platform` of the service chooses it"),
        ));
    }
    let platform = text(service, "platform").or_else(|| platforms.first().cloned());
    let request = BuildRequest {
        dockerfile: Some(dockerfile),
        ignored,
        names: names.map_err(|error| wrong("tags", &error))?,
        target: text(build, "target"),
        build_args,
        labels: pairs(build, "labels"),
        pull: options.pull || build.is_true("pull"),
        no_cache: options.no_cache || build.is_true("no_cache"),
        contexts: contexts(project, build)?,
        platform: platform.map(|name| name.parse().map_err(|error| wrong("platforms", &error))).transpose()?,
        secrets: secrets(project, build)?,
        ssh: ssh(project, build, &options.ssh)?,
        driver,
        networks: networks(project, build),
        shm_size: number(build, "shm_size")
            .map(|size| storage::shm_size(&size).map_err(|error| wrong("shm_size", &error)))
            .transpose()?,
        add_hosts: texts(build, "extra_hosts")
            .iter()
            .map(|host| host_entry(host).map_err(|error| wrong("extra_hosts", &error)))
            .collect::<Result<_>>()?,
        ..BuildRequest::default()
    };
    Ok((request, Files::Directory(context)))
}

/// The Dockerfile, which may be outside the context, and the list of ignored files beside it.
fn dockerfile(build: &Node, context: &Path) -> Result<((String, String), Option<String>)> {
    if let Some(inline) = build.text_of("dockerfile_inline").filter(|text| !text.is_empty()) {
        return Ok((("Dockerfile".to_owned(), inline.to_owned()), None));
    }
    let name = text(build, "dockerfile").unwrap_or_else(|| "Dockerfile".into());
    let path = context.join(&name);
    let found = Machine.read(&path)?;
    let found = found.ok_or_else(|| {
        build
            .place
            .invalid(format!("there is no Dockerfile `{}`", path.display()))
            .hint("name it with `build.dockerfile`")
    })?;
    let mut beside = path.into_os_string();
    beside.push(".dockerignore");
    Ok(((name, found), Machine.read(Path::new(&beside))?))
}

fn contexts(project: &Project, build: &Node) -> Result<BTreeMap<String, NamedContext>> {
    let one = |(name, place): (String, String)| {
        let context = if let Some(image) = place.strip_prefix("docker-image://") {
            NamedContext::Image(image.to_owned())
        } else if let Some(service) = place.strip_prefix("service:") {
            let other = project.service(service).ok_or_else(|| {
                build
                    .place
                    .invalid(format!("build.additional_contexts: there is no service `{}`", clean::clean(service)))
            })?;
            NamedContext::Image(project.image(service, other))
        } else if place.contains("://") {
            return Err(build.place.invalid(format!(
                "build.additional_contexts: `{}` is neither a directory nor docker-image:// nor service:",
                clean::clean(&place)
            )));
        } else {
            NamedContext::Directory(project.directory.join(place))
        };
        Ok((name, context))
    };
    pairs(build, "additional_contexts").into_iter().map(one).collect()
}

/// The services whose images a build begins with.
pub fn needs(service: &Node) -> Vec<String> {
    let contexts = service.get("build").map(|build| pairs(build, "additional_contexts")).unwrap_or_default();
    contexts.values().filter_map(|place| place.strip_prefix("service:").map(str::to_owned)).collect()
}

fn secrets(project: &Project, build: &Node) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut secrets = BTreeMap::new();
    for given in build.get("secrets").map(Node::items).unwrap_or_default() {
        let Some(source) = given.text_of("source") else { continue };
        let Some(definition) = project.model.get("secrets").and_then(|all| all.get(source)) else { continue };
        let id = text(given, "target").unwrap_or_else(|| source.to_owned());
        let content = match (text(definition, "file"), text(definition, "environment")) {
            (Some(file), _) => {
                let path = project.directory.join(file);
                let mut content = Vec::new();
                let opened =
                    std::fs::File::open(&path).and_then(|file| file.take(SECRET_MAX + 1).read_to_end(&mut content));
                opened.at(&path, "cannot read the secret")?;
                content
            }
            (None, Some(variable)) => match project.variables.get(&variable) {
                Some(value) => value.clone().into_bytes(),
                None => {
                    return Err(definition.place.invalid(format!(
                        "environment variable {variable:?} required by secret {source:?} is not set"
                    )));
                }
            },
            (None, None) => {
                return Err(definition.place.invalid(format!("unsupported external secret {source:?}")));
            }
        };
        if content.len() as u64 > SECRET_MAX {
            return Err(definition.place.invalid(format!("secret {source:?} is larger than 500 KiB")));
        }
        secrets.insert(id, content);
    }
    Ok(secrets)
}

fn ssh(project: &Project, build: &Node, more: &[String]) -> Result<BTreeMap<String, PathBuf>> {
    let one = |given: &String| {
        let (id, path) = given.split_once('=').map_or((given.as_str(), None), |(id, path)| (id, Some(path.to_owned())));
        let agent = path.or_else(|| project.variables.get("SSH_AUTH_SOCK").cloned()).filter(|path| !path.is_empty());
        let refuse = |why: &str| build.place.invalid(format!("build.ssh: `{}`: {why}", clean::clean(given)));
        let path = agent
            .map(|path| project.directory.join(path))
            .ok_or_else(|| refuse("no agent runs: SSH_AUTH_SOCK is not set"))?;
        match std::fs::metadata(&path).at(&path, "cannot examine")?.file_type().is_socket() {
            true => Ok((id.to_owned(), path)),
            false => Err(refuse("it is not the socket of an agent")),
        }
    };
    texts(build, "ssh").iter().chain(more).map(one).collect()
}

fn networks(project: &Project, build: &Node) -> Vec<NetworkRequest> {
    match text(build, "network").as_deref() {
        None | Some("default") => Vec::new(),
        Some("none") => vec![NetworkRequest::None],
        Some("host") => vec![NetworkRequest::Host],
        Some(name) => {
            let of_project = project.model.get("networks").and_then(|networks| text(networks.get(name)?, "name"));
            vec![NetworkRequest::Named(of_project.unwrap_or_else(|| name.to_owned()), Wish::default())]
        }
    }
}
