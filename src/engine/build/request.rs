//! What a build is asked for, and what comes of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use super::checked::Checked;
use super::jobs::ImageFormat;
use super::remote::{Around, Remote, Trust};
use super::squash::Squash;
use crate::archive::pack::Times;
use crate::base::Error;
use crate::engine::Engine;
use crate::engine::request::CreateRequest;
use crate::oci::{Digest, ImageConfig, Platform, Reference};
use crate::spec::image::PullPolicy;
use crate::spec::namespaces::NetworkRequest;
use crate::store::ImageRecord;

/// What to build, with everything read that the command line names.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// `--file`: its name and its content; the context's own Dockerfile when none.
    pub dockerfile: Option<(String, String)>,
    /// The list of ignored files that belongs to that Dockerfile.
    pub ignored: Option<String>,
    /// The name of a Dockerfile in the context.
    pub dockerfile_in_context: Option<String>,
    /// `--tag`.
    pub names: Vec<Reference>,
    /// `--manifest`: lists that the images are added to.
    pub lists: Vec<Reference>,
    /// `--target`.
    pub target: Option<String>,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// `--annotation`.
    pub annotations: Vec<(String, String)>,
    /// `--pull`: when registries are asked for bases.
    pub pull: PullPolicy,
    /// `--no-cache`.
    pub no_cache: bool,
    /// `--no-cache-filter`: stages whose steps are done again.
    pub no_cache_filter: Vec<String>,
    /// `--build-context`.
    pub contexts: BTreeMap<String, NamedContext>,
    /// `--platform`: this machine's when none, an index of images when several.
    pub platforms: Vec<Platform>,
    /// `--secret`, by id.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// `--ssh`: sockets of agents by id.
    pub ssh: BTreeMap<String, PathBuf>,
    /// `SOURCE_DATE_EPOCH`, in seconds since 1970: no time in the image is later.
    pub epoch: Option<i64>,
    /// `--format`; OCI when none.
    pub format: Option<ImageFormat>,
    /// All files of new layers have the time `epoch`, rather than none later (`--timestamp`).
    pub all_times: bool,
    /// What the container of each step is made from.
    pub step: CreateRequest,
    /// The files before a step that fails become an image, which the error names.
    pub keeps_failed: bool,
    /// `--allow network.host`.
    pub allows_host_network: bool,
    /// Variables of the user for git: [`GIT_VARIABLES`].
    pub environment: BTreeMap<String, String>,
    /// `--from`: the image of the first stage.
    pub first_base: Option<String>,
    /// Stages that the target does not use are built as well.
    pub all_stages: bool,
    /// `--cache-from`.
    pub cache_from: Vec<CachePlace>,
    /// `--cache-to`.
    pub cache_to: Vec<CacheTarget>,
    /// `--jobs`: how many steps are done at the same time.
    pub jobs: Option<usize>,
    /// What is changed in the image beside what the Dockerfile says.
    pub changed: Changed,
}

/// What is changed in the image beside what the Dockerfile says.
#[derive(Debug, Clone, Default)]
pub struct Changed {
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--inherit-labels=false`: the labels of bases go.
    pub drops_labels: bool,
    /// `--unsetlabel`: labels of bases that go.
    pub without_labels: Vec<String>,
    /// `--env`.
    pub env: Vec<(String, String)>,
    /// `--unsetenv`.
    pub without_env: Vec<String>,
    /// `--omit-history`.
    pub without_history: bool,
    /// `--squash`, `--squash-all`.
    pub squash: Squash,
}

impl Changed {
    /// What a stage takes over from its image.
    pub(super) fn inherit(&self, config: &mut ImageConfig) {
        config.config.labels.retain(|name, _| !self.drops_labels && !self.without_labels.contains(name));
    }

    /// The configuration of the image.
    pub(super) fn finish(&self, config: &mut ImageConfig) {
        config.config.labels.extend(self.labels.clone());
        let env = &mut config.config.env;
        let name_of = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
        for (name, value) in &self.env {
            env.retain(|variable| name_of(variable) != *name);
            env.push(format!("{name}={value}"));
        }
        env.retain(|variable| !self.without_env.contains(&name_of(variable)));
        if self.without_history {
            config.history.clear();
        }
    }
}

impl BuildRequest {
    /// The times of files in new layers.
    pub fn times(&self) -> Times {
        match self.epoch {
            Some(epoch) if self.all_times => Times::Exactly(epoch),
            Some(epoch) => Times::AtMost(epoch),
            None => Times::Kept,
        }
    }

    /// What of the containers of steps may change what their commands do.
    pub(super) fn step_key(&self) -> String {
        let CreateRequest { networking, security, storage, resources, .. } = &self.step;
        format!("{networking:?} {security:?} {:?} {:?}", storage.mounts, resources.ulimits)
    }

    /// The same for one of several platforms. Only the image for this machine has the names, which the index has as well.
    pub(super) fn for_platform(&self, platform: &Platform) -> Self {
        let is_named = self.platforms.len() == 1 || Self::chosen(&self.platforms) == Some(platform);
        Self {
            platforms: vec![platform.clone()],
            names: if is_named { self.names.clone() } else { Vec::new() },
            ..self.clone()
        }
    }

    /// The same without names.
    pub(super) fn nameless(&self) -> Self {
        Self { names: Vec::new(), ..self.clone() }
    }

    /// The platform whose image stands for all.
    pub(super) fn chosen(platforms: &[Platform]) -> Option<&Platform> {
        let host = Platform::host();
        let same = |platform: &&Platform| platform.os == host.os && platform.architecture == host.architecture;
        platforms.iter().find(same).or(platforms.first())
    }

    /// Whether the image carries its build cache.
    pub(super) fn is_inline(&self) -> bool {
        let given = self.build_args.get("BUILDKIT_INLINE_CACHE");
        given.is_some_and(|given| given == "1" || given == "true")
            || self.cache_to.iter().any(|target| target.place == CachePlace::Inline)
    }

    /// How sources that are somewhere else are reached.
    pub(super) fn remote<'a>(&'a self, engine: &'a Engine, trust: Trust) -> Around<'a> {
        Around { engine, trust, secrets: &self.secrets, agents: &self.ssh, environment: &self.environment }
    }

    /// What the Dockerfile may name.
    pub(super) fn file_trust(&self) -> Trust {
        if self.may_use_host_network() { Trust::FileHere } else { Trust::File }
    }

    /// Whether steps may use the network of this machine.
    pub(super) fn may_use_host_network(&self) -> bool {
        self.allows_host_network || self.step.namespaces.networks.contains(&NetworkRequest::Host)
    }
}

/// Where a cache is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachePlace {
    /// An image in a registry.
    Registry(Reference),
    /// An OCI layout.
    Local(PathBuf),
    /// The image that is built.
    Inline,
}

/// `--cache-to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheTarget {
    /// Where.
    pub place: CachePlace,
    /// `mode=max`: the steps of all stages, not only those whose layers are in the image.
    pub all: bool,
    /// `ignore-error=true`.
    pub may_fail: bool,
}

/// What a name of `--build-context` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// A directory.
    Directory(PathBuf),
    /// An image, by name.
    Image(String),
    /// An image in an OCI layout: its directory, and a tag or digest if it has several.
    Layout(PathBuf, Option<String>),
    /// A repository or an archive somewhere else.
    Remote(Remote),
}

/// Where the files of a build come from.
#[derive(Debug)]
pub enum Files {
    /// A directory.
    Directory(PathBuf),
    /// A tar archive, perhaps compressed: a file.
    Archive(File),
    /// A repository, an archive or a Dockerfile somewhere else.
    Remote(Remote),
    /// Nowhere.
    None,
}

/// An image was built.
#[derive(Debug)]
pub struct BuildReport {
    /// The image; of several platforms that of this machine, or the first.
    pub image: ImageRecord,
    /// The images of all platforms, in the order in which they were asked for.
    pub images: Vec<(Platform, ImageRecord)>,
    /// The digest of the index of several platforms, when the image has a name.
    pub index: Option<Digest>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// What the Dockerfile's checks have found.
    pub checked: Checked,
}

/// A build has failed.
#[derive(Debug)]
pub struct BuildError {
    /// Why.
    pub error: Error,
    /// The Dockerfile's name, and the lines of it that are at fault.
    pub excerpt: Option<Box<(String, String)>>,
    /// The name of the step that failed, and the last bytes that its command said.
    pub output: Option<Box<(String, Vec<u8>)>>,
    /// The id of the image of what was there before the step, if it was asked for.
    pub before: Option<String>,
}

impl From<Error> for BuildError {
    fn from(error: Error) -> Self {
        Self { error, excerpt: None, output: None, before: None }
    }
}
