//! The labels by which containers, networks and volumes are known as a project's: docker compose's, which other programs read,
//! and one of coracle's own.

use std::collections::BTreeMap;

use super::hash;
use super::node::Node;
use super::project::Project;
use crate::spec::container::Container;

/// The name of the project.
pub const PROJECT: &str = "com.docker.compose.project";
/// The name of the service.
pub const SERVICE: &str = "com.docker.compose.service";
/// The hash of the service's configuration.
pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// The number of the container among those of its service.
pub const NUMBER: &str = "com.docker.compose.container-number";
/// The key of a volume in the files.
pub const VOLUME: &str = "com.docker.compose.volume";
/// The key of a network in the files.
pub const NETWORK: &str = "com.docker.compose.network";
/// The directory of the project.
pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// The files of the project, with commas.
pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// The files of `--env-file`, with commas.
pub const ENVIRONMENT_FILE: &str = "com.docker.compose.project.environment_file";
/// `True` for a container of `compose run`.
pub const ONE_OFF: &str = "com.docker.compose.oneoff";
/// What tells containers of `compose run` apart.
pub const SLUG: &str = "com.docker.compose.slug";
/// The id of the image.
pub const IMAGE: &str = "com.docker.compose.image";
/// What the service depends on: `name:condition:restart`, with commas.
pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// The version of docker compose.
pub const VERSION: &str = "com.docker.compose.version";
/// The container that this one takes the place of.
pub const REPLACE: &str = "com.docker.compose.replace";
/// The digest of the secrets and configs that were copied into the container.
pub const FILES_HASH: &str = "io.coracle.compose.files-hash";

/// The version of docker compose whose behaviour this is.
pub const COMPOSE_VERSION: &str = "2.40.3";

/// What distinguishes one container of a service from the others.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Its number; none for one of `compose run`.
    pub number: Option<u32>,
    /// What tells it apart if it is one of `compose run`.
    pub slug: Option<String>,
    /// The id of its image.
    pub image: String,
    /// The digest of what is copied into it, if anything is.
    pub files: Option<String>,
    /// The name of the container whose place it is to take.
    pub replaces: Option<String>,
}

/// The labels of a container, the service's own among them.
pub fn of_container(project: &Project, name: &str, service: &Node, identity: &Identity) -> BTreeMap<String, String> {
    let mut labels = super::read::pairs(service, "labels");
    let mut add = |key: &str, value: String| drop(labels.insert(key.to_owned(), value));
    add(PROJECT, project.name.clone());
    add(SERVICE, name.to_owned());
    add(VERSION, COMPOSE_VERSION.to_owned());
    add(WORKING_DIR, project.directory.display().to_string());
    let files: Vec<String> = project.files.iter().map(|file| file.display().to_string()).collect();
    add(CONFIG_FILES, files.join(","));
    if !project.environment_files.is_empty() {
        add(ENVIRONMENT_FILE, project.environment_files.join(","));
    }
    add(ONE_OFF, if identity.slug.is_some() { "True" } else { "False" }.to_owned());
    if let Some(slug) = &identity.slug {
        add(SLUG, slug.clone());
    }
    if let Some(number) = identity.number {
        add(NUMBER, number.to_string());
    }
    add(CONFIG_HASH, hash::of_service(service));
    add(IMAGE, identity.image.clone());
    let dependency = |(name, dependency): (&String, &Node)| {
        let condition = dependency.text_of("condition").unwrap_or_default();
        format!("{name}:{condition}:{}", dependency.is_true("restart"))
    };
    add(DEPENDS_ON, service.entries("depends_on").map(dependency).collect::<Vec<_>>().join(","));
    if let Some(files) = &identity.files {
        add(FILES_HASH, files.clone());
    }
    if let Some(replaced) = &identity.replaces {
        add(REPLACE, replaced.clone());
    }
    labels
}

/// The labels of a network or a volume, its own among them. `kind` is [`NETWORK`] or [`VOLUME`].
pub fn of_resource(project: &str, kind: &str, key: &str, resource: &Node) -> BTreeMap<String, String> {
    let mut labels = super::read::pairs(resource, "labels");
    for (name, value) in [(kind, key), (PROJECT, project), (VERSION, COMPOSE_VERSION)] {
        labels.insert(name.to_owned(), value.to_owned());
    }
    labels
}

/// What a container's labels say. Anybody may write labels: nothing follows from them but which containers are meant.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a>(&'a BTreeMap<String, String>);

impl<'a> Known<'a> {
    /// Of a container.
    pub fn of(container: &'a Container) -> Self {
        Self(&container.config.labels)
    }

    /// The value of one.
    pub fn get(self, label: &str) -> &'a str {
        self.0.get(label).map(String::as_str).unwrap_or_default()
    }

    /// The name of its service.
    pub fn service(self) -> &'a str {
        self.get(SERVICE)
    }

    /// Whether it is one of `compose run`.
    pub fn is_one_off(self) -> bool {
        self.get(ONE_OFF).eq_ignore_ascii_case("true")
    }

    /// Its number among those of its service.
    pub fn number(self) -> Option<u32> {
        self.get(NUMBER).parse().ok()
    }

    /// The services that its own depends on.
    pub fn dependencies(self) -> impl Iterator<Item = &'a str> {
        self.get(DEPENDS_ON).split(',').filter_map(|entry| entry.split(':').next()).filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::fixtures::project;

    #[test]
    fn labels_are_docker_composes() {
        let project = project(
            "services:\n  web:\n    image: i\n    labels: {a: b}\n    depends_on: {db: {condition: service_healthy, restart: true}}\n  db: {image: i}\n",
        );
        let (_, web) = project.services().find(|(name, _)| *name == "web").unwrap();
        let identity = Identity { number: Some(2), image: "sha256:1".into(), ..Identity::default() };
        let labels = of_container(&project, "web", web, &identity);
        for (label, value) in [
            ("a", "b"),
            (PROJECT, "p"),
            (SERVICE, "web"),
            (VERSION, "2.40.3"),
            (WORKING_DIR, "/p"),
            (CONFIG_FILES, "/p/compose.yaml"),
            (ONE_OFF, "False"),
            (NUMBER, "2"),
            (IMAGE, "sha256:1"),
            (DEPENDS_ON, "db:service_healthy:true"),
        ] {
            assert_eq!(labels.get(label).map(String::as_str), Some(value), "{label}");
        }
        assert_eq!(labels[CONFIG_HASH].len(), 64);
        assert!(!labels.contains_key(SLUG) && !labels.contains_key(REPLACE) && !labels.contains_key(ENVIRONMENT_FILE));
    }
}
