//! What a build does as root of the user's namespace, each in a worker: layers of copies and of commands that have run,
//! and the image in the end.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};

use serde::{Deserialize, Serialize};

use super::interpret::CopyAction;
use super::layer::{Changes, Manner};
use super::modes::Change;
use super::sources::{self, Known};
use super::view::View;
use crate::archive::pack::{Packing, Times};
use crate::archive::{Limits, Unpacked};
use crate::base::publish;
use crate::base::{ContainerId, Error, Result, ResultExt, failpoint, time};
use crate::dockerfile::Ignore;
use crate::engine::Engine;
use crate::engine::create::layer_trees;
use crate::engine::new_image::{self, Derived, PlacedLayer};
use crate::engine::push::Format;
use crate::engine::worker::{Given, Job, Place};
use crate::oci::{Compression, Digest, ImageConfig, Reference};
use crate::store::{ImageRecord, MadeLayer, StagedLayer, Store};

/// What is kept of an unpacked layer.
pub fn made_of(unpacked: &Unpacked) -> MadeLayer {
    let Unpacked { diff_id, tar_size, size, entries, .. } = unpacked.clone();
    MadeLayer { diff_id, tar_size, size, entries }
}

/// Where a step's sources are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inputs {
    /// A directory, whose descriptor goes with the job, without what the lines of `.dockerignore` leave out.
    Directory(String),
    /// A stack of layers, lowest first.
    Layers(Vec<Digest>),
    /// Nowhere: only here-documents.
    Nowhere,
}

/// Makes the layer of a `COPY`, `ADD` or `WORKDIR`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MakeLayer {
    /// The stack below it, lowest first.
    pub layers: Vec<Digest>,
    /// What to do.
    pub what: Making,
    /// The times of its files.
    pub times: Times,
}

/// What [`MakeLayer`] makes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Making {
    /// A directory, if it is missing.
    Directory(String),
    /// Copies, and what was fetched for them.
    Copy(Box<CopyAction>, Inputs, Vec<RemoteTree>),
}

/// Something that was fetched from somewhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteTree {
    /// The directory of the builder that it is in.
    #[serde(with = "crate::base::paths::lossless")]
    pub directory: PathBuf,
    /// Its path below that.
    pub source: String,
    /// It is one file.
    pub is_file: bool,
}

/// The union of layers, lowest first.
pub fn view_of(store: &Store, layers: &[Digest]) -> Result<View> {
    View::of_layers(&layer_trees(store, layers, "the stage")?)
}

fn ignored(lines: &str) -> Result<Ignore> {
    Ignore::parse(lines).map_err(|(line, pattern)| {
        Error::invalid(format!(".dockerignore:{line}: the pattern `{pattern}` is malformed"))
    })
}

/// The view that a step's sources are in.
pub fn source_view(store: &Store, from: &Inputs, descriptor: Option<OwnedFd>) -> Result<Option<(View, Ignore)>> {
    Ok(match (from, descriptor) {
        (Inputs::Nowhere, _) => None,
        (Inputs::Layers(layers), _) => Some((view_of(store, layers)?, Ignore::default())),
        (Inputs::Directory(lines), Some(directory)) => Some((View::of_directory(directory), ignored(lines)?)),
        (Inputs::Directory(_), None) => return Err(Error::system("the build context was not passed on")),
    })
}

/// Makes a layer durable and visible.
pub fn publish_layer(store: &Store, staged: StagedLayer, unpacked: &Unpacked) -> Result<MadeLayer> {
    failpoint::here("build.copy.made")?;
    let synced = store.sync_layers(vec![staged.finish(unpacked)])?;
    synced.publish(&store.lock_shared()?)?;
    failpoint::here("build.copy.published")?;
    Ok(made_of(unpacked))
}

impl Job for MakeLayer {
    const NAME: &'static str = "build-copy";
    const PLACE: Place = Place::Outer;
    type Report = MadeLayer;

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<MadeLayer> {
        let store = engine.store()?;
        let now = time::now().as_second();
        let staged = store.stage_layer()?;
        let target = view_of(&store, &self.layers)?;
        let unpacked = match &self.what {
            Making::Directory(path) => {
                Changes::directory(&target, path, now, self.times)?.unpack(Vec::new(), &staged)?
            }
            Making::Copy(action, from, remotes) => {
                let mode = action.chmod.as_deref().map(|text| {
                    Change::parse(text)
                        .ok_or_else(|| Error::invalid(format!("invalid --chmod `{}`", crate::base::text::clean(text))))
                });
                let mode = mode.transpose()?;
                let source = source_view(&store, from, given.descriptor)?;
                let keep = source.as_ref().is_some_and(|(view, _)| !view.is_plain());
                let manner = Manner::new(action, mode.as_ref(), &target, keep, now, self.times)?;
                let mut changes = Changes::default();
                // A linked copy does not look at what is below it.
                let empty = View::of_layers(&[] as &[PathBuf])?;
                let place = if action.link { &empty } else { &target };
                changes.inline(place, action, &manner)?;
                let mut views = Vec::new();
                // Trees of archives, which go when they have been copied.
                let mut archives = Vec::new();
                if let Some((view, ignore)) = source {
                    let found = sources::find(&view, action, &ignore)?;
                    let (packed, plain) = match action.add && action.unpack != Some(false) {
                        true => sources::archives(&view, found)?,
                        false => (Vec::new(), found),
                    };
                    changes.copy(place, action, (0, &plain), &manner)?;
                    for file in packed {
                        let tree = store.stage_layer()?;
                        tree.unpack(file, Compression::None, &Limits::default())?;
                        archives.push(tree);
                    }
                    views.push(view);
                }
                for remote in remotes {
                    let directory = File::open(&remote.directory).at(&remote.directory, "cannot open")?;
                    let view = View::of_directory(directory.into());
                    let whole =
                        CopyAction { sources: vec![remote.source.clone()], parents: false, ..(**action).clone() };
                    let found = sources::find(&view, &whole, &Ignore::default())?;
                    let (packed, plain) = match remote.is_file && action.unpack == Some(true) {
                        true => sources::archives(&view, found)?,
                        false => (Vec::new(), found),
                    };
                    changes.copy(place, &whole, (views.len(), &plain), &manner)?;
                    views.push(view);
                    for file in packed {
                        let tree = store.stage_layer()?;
                        tree.unpack(file, Compression::None, &Limits::default())?;
                        archives.push(tree);
                    }
                }
                for tree in &archives {
                    let view = View::of_tree(tree.dir()?);
                    let whole = CopyAction { sources: vec!["/".into()], parents: false, ..(**action).clone() };
                    let whole = CopyAction { target: format!("{}/", whole.target.trim_end_matches('/')), ..whole };
                    let found = sources::find(&view, &whole, &Ignore::default())?;
                    changes.copy(place, &whole, (views.len(), &found), &manner.keeping_owners())?;
                    views.push(view);
                }
                changes.unpack(views, &staged)?
            }
        };
        publish_layer(&store, staged, &unpacked)
    }
}

/// The digest of the files that a step copies from a stack of layers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DigestSources {
    /// The stack, lowest first.
    pub layers: Vec<Digest>,
    /// The step.
    pub action: CopyAction,
}

impl Job for DigestSources {
    const NAME: &'static str = "build-digest";
    const PLACE: Place = Place::Outer;
    type Report = Digest;

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<Digest> {
        let view = view_of(&engine.store()?, &self.layers)?;
        let found = sources::find(&view, &self.action, &Ignore::default())?;
        sources::digest(&view, &found, &mut Known::default(), 0)
    }
}

/// Makes the layer of what a command has changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TakeUpper {
    /// The container that ran it.
    pub id: ContainerId,
    /// Its directory.
    #[serde(with = "crate::base::paths::lossless")]
    pub directory: PathBuf,
    /// The stack below it, lowest first.
    pub layers: Vec<Digest>,
    /// Places of mounts, without their first `/`: what is empty there is left out.
    pub mount_points: Vec<String>,
    /// The times of its files.
    pub times: Times,
}

/// Removes the directories that were made for mounts, as far as nothing is in them: the last of a path first. Paths with
/// links are left: what is empty there is a place that somebody else has made.
fn remove_stubs(upper: &Path, targets: &[String]) -> Result<()> {
    let root = File::open(upper).at(upper, "cannot open")?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    for target in targets {
        let names: Vec<&str> = target.split('/').filter(|name| !name.is_empty()).collect();
        for depth in (1..=names.len()).rev() {
            let parent = if depth == 1 { ".".to_owned() } else { names[..depth - 1].join("/") };
            let Ok(parent) = rustix::fs::openat2(&root, &*parent, flags, Mode::empty(), resolve) else { break };
            let name = names[depth - 1];
            let Ok(stat) = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let removed = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR),
                FileType::RegularFile if stat.st_size == 0 && depth == names.len() => {
                    rustix::fs::unlinkat(&parent, name, AtFlags::empty())
                }
                _ => break,
            };
            if removed.is_err() {
                break;
            }
        }
    }
    Ok(())
}

impl Job for TakeUpper {
    const NAME: &'static str = "build-layer";
    const PLACE: Place = Place::Outer;
    type Report = MadeLayer;

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<MadeLayer> {
        let store = engine.store()?;
        let upper = self.directory.join("upper");
        remove_stubs(&upper, &self.mount_points)?;
        let mount_points =
            self.mount_points.iter().map(|path| path.trim_start_matches('/').as_bytes().to_vec()).collect();
        let packing = Packing { mount_points, times: self.times, ..Packing::default() };
        let made = new_image::MadeLayer::of_upper(&store, &upper, &packing)?;
        failpoint::here("build.upper.made")?;
        let placed = new_image::publish(&store, vec![made])?;
        failpoint::here("build.upper.published")?;
        let placed = placed.into_iter().next().ok_or_else(|| Error::system("no layer was published"))?;
        let PlacedLayer { diff_id, tar_size, size, entries } = placed;
        Ok(MadeLayer { diff_id, tar_size, size, entries })
    }
}

/// Deletes what is left of steps: their records and files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EmptySteps {}

impl Job for EmptySteps {
    const NAME: &'static str = "build-clean";
    const PLACE: Place = Place::Outer;
    type Report = ();

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<()> {
        publish::empty_trash(&engine.paths.build_steps().trash())
    }
}

/// Stores the image of a build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PutImage {
    /// The image that it begins with.
    pub base: Option<ImageRecord>,
    /// The layers on top.
    pub layers: Vec<MadeLayer>,
    /// Its configuration, without the layers.
    pub config: ImageConfig,
    /// `docker` or OCI; the base's when none.
    pub format: Option<ImageFormat>,
    /// Annotations of its manifest.
    pub annotations: Vec<(String, String)>,
    /// Its names.
    pub names: Vec<Reference>,
}

/// The format of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageFormat {
    /// OCI's.
    Oci,
    /// docker's.
    Docker,
}

impl Job for PutImage {
    const NAME: &'static str = "build-image";
    const PLACE: Place = Place::Outer;
    type Report = ImageRecord;

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<ImageRecord> {
        let layers: Vec<PlacedLayer> = self
            .layers
            .iter()
            .cloned()
            .map(|MadeLayer { diff_id, tar_size, size, entries }| PlacedLayer { diff_id, tar_size, size, entries })
            .collect();
        let format = self.format.map(|format| match format {
            ImageFormat::Oci => Format::Oci,
            ImageFormat::Docker => Format::Docker,
        });
        let derived = Derived {
            base: self.base.as_ref(),
            layers: &layers,
            config: self.config,
            format,
            annotations: &self.annotations,
            names: &self.names,
        };
        new_image::put(&engine.store()?, derived)
    }
}
