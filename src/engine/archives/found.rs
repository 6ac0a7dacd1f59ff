//! The images that an archive holds, as its documents say: what has to be unpacked, and what must come of it.

use std::collections::HashSet;

use serde::Deserialize;

use super::source::Source;
use crate::base::{Error, Result, ResultExt, text};
use crate::oci::config::CONFIG_MAX;
use crate::oci::digest::Algorithm;
use crate::oci::manifest::{LAYERS_MAX, MANIFEST_MAX, no_variant};
use crate::oci::{
    Compression, Descriptor, Digest, ImageConfig, Index, Manifest, Parsed, Platform, Reference, document, media,
    parse_manifest,
};

/// Most images of one archive.
const IMAGES_MAX: usize = 1000;
/// How deep indexes may lie in each other. docker's have one below `index.json`.
const DEPTH_MAX: usize = 3;

/// An image of an archive.
#[derive(Debug)]
pub struct Found {
    /// Its names.
    pub names: Vec<Reference>,
    /// The configuration, as it came.
    pub config_bytes: Vec<u8>,
    /// What it says.
    pub config: ImageConfig,
    /// The manifest as it came, and its media type. docker's own archives have none.
    pub manifest: Option<(Vec<u8>, String)>,
    /// The layers, lowest first.
    pub layers: Vec<FoundLayer>,
}

impl Found {
    /// Whether a tag or digest means it.
    pub fn is_called(&self, wanted: &str) -> bool {
        let of_tag = self
            .names
            .iter()
            .any(|name| name.tag() == Some(wanted) || name.to_string() == format!("localhost/{wanted}:latest"));
        of_tag || self.manifest.as_ref().is_some_and(|(bytes, _)| Digest::sha256(bytes).to_string() == wanted)
    }
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub struct FoundLayer {
    /// The file that holds it.
    pub file: String,
    /// The digest and the size of that file, where the archive tells.
    pub blob: Option<(Digest, u64)>,
    /// What it must unpack to.
    pub diff_id: Digest,
    /// What its media type says.
    pub compression: Compression,
}

/// The images of an archive, those for the platform `wanted` where there are several.
pub fn images(source: &Source, wanted: Option<&Platform>) -> Result<Vec<Found>> {
    let mut found = match kind(source)? {
        Kind::Layout(index) => from_layout(source, &index, wanted)?,
        Kind::Docker(manifest) => from_docker(source, &manifest)?,
        Kind::Directory(manifest) => vec![from_manifest(source, Vec::new(), (manifest, None), Place::Beside)?],
    };
    for image in &found {
        let platform = image.config.platform();
        if platform.os != "linux" {
            return Err(Error::unsupported(format!("the image is for `{platform}`, not for Linux")));
        }
    }
    if let Some(wanted) = wanted {
        let platforms: Vec<Platform> = found.iter().map(|image| image.config.platform()).collect();
        found.retain(|image| wanted.matches(&image.config.platform()));
        if found.is_empty() {
            return Err(no_variant(wanted, &platforms));
        }
    }
    Ok(found)
}

/// What an archive is, with its first document.
enum Kind {
    /// An OCI layout: `index.json`.
    Layout(Vec<u8>),
    /// docker's: `manifest.json` with a list.
    Docker(Vec<u8>),
    /// A registry's manifest with its blobs.
    Directory(Vec<u8>),
}

fn kind(source: &Source) -> Result<Kind> {
    // docker's new archives are both: the layout tells more, and has digests for everything.
    if let Some(index) = source.document("index.json", MANIFEST_MAX)? {
        return Ok(Kind::Layout(index));
    }
    if let Some(manifest) = source.document("manifest.json", MANIFEST_MAX)? {
        let is_list = manifest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        return Ok(if is_list { Kind::Docker(manifest) } else { Kind::Directory(manifest) });
    }
    if source.has("repositories")? {
        return Err(Error::unsupported("the archive was made by a docker of before 2016 (1.9 or older)")
            .hint("load and save it with docker 1.10 to 24, whose archives can be read"));
    }
    Err(Error::invalid("this is no image archive: it has neither `manifest.json` nor `index.json`")
        .hint("`coracle import` makes an image of an archive of files"))
}

/// Where blobs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `blobs/ALGORITHM/DIGEST`.
    Blobs,
    /// Beside the manifest, under the digits of their digest.
    Beside,
}

impl Place {
    fn file(self, digest: &Digest) -> String {
        match self {
            Self::Blobs => format!("blobs/{}/{}", digest.algorithm().name(), digest.hex()),
            Self::Beside => digest.hex().to_owned(),
        }
    }
}

fn from_layout(source: &Source, index: &[u8], wanted: Option<&Platform>) -> Result<Vec<Found>> {
    let parsed = parse_manifest(index, Some(media::OCI_INDEX)).context(|| "cannot understand `index.json`")?;
    let Parsed::Index(index) = parsed else {
        return Err(Error::invalid("`index.json` is the manifest of an image, not an index"));
    };
    if index.manifests.len() > IMAGES_MAX {
        return Err(Error::invalid(format!("the archive has more than {IMAGES_MAX} images")));
    }
    let (mut found, mut offered) = (Vec::<(Digest, Found)>::new(), Vec::new());
    for group in groups(&index)? {
        let Some(descriptor) = leads_to(source, &group.index, wanted, &mut offered, 0)? else { continue };
        // The same image under another name.
        if let Some((_, known)) = found.iter_mut().find(|(digest, _)| *digest == descriptor.digest) {
            known.names.extend(group.name);
            continue;
        }
        let names = group.name.into_iter().collect();
        let manifest = verified(source, Place::Blobs, &descriptor, MANIFEST_MAX)?;
        let image = from_manifest(source, names, (manifest, Some(descriptor.media_type)), Place::Blobs)?;
        found.push((descriptor.digest, image));
    }
    match found.is_empty() {
        true => match wanted {
            Some(wanted) => Err(no_variant(wanted, &offered)),
            None => Err(Error::invalid("the archive has no image")),
        },
        false => Ok(found.into_iter().map(|(_, image)| image).collect()),
    }
}

/// The manifests that go by one name: variants for several platforms, mostly one.
struct Group {
    name: Option<Reference>,
    index: Index,
}

fn groups(index: &Index) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for descriptor in &index.manifests {
        let name = name_of(descriptor)?;
        match groups.iter_mut().find(|group| name.is_some() && group.name == name) {
            Some(group) => group.index.manifests.push(descriptor.clone()),
            None => {
                let index = Index { media_type: index.media_type.clone(), manifests: vec![descriptor.clone()] };
                groups.push(Group { name, index });
            }
        }
    }
    Ok(groups)
}

/// The name that a descriptor of `index.json` gives its image: containerd's annotation, or OCI's, which may be a tag alone.
/// podman calls such an image `localhost/TAG`.
fn name_of(descriptor: &Descriptor) -> Result<Option<Reference>> {
    let annotation = |name: &str| descriptor.annotations.get(name).filter(|name| !name.is_empty());
    if let Some(name) = annotation("io.containerd.image.name") {
        return name_in(name).map(Some);
    }
    match annotation("org.opencontainers.image.ref.name") {
        Some(name) if name.contains(['/', ':']) => name_in(name).map(Some),
        // Any text may stand here: umoci's users write versions.
        Some(tag) => Ok(format!("localhost/{tag}:latest").parse().ok()),
        None => Ok(None),
    }
}

fn name_in(name: &str) -> Result<Reference> {
    let reference: Reference =
        name.parse().context(|| format!("the archive names an image `{}`", text::clean(name)))?;
    match reference.digest() {
        Some(_) => Err(Error::invalid(format!("the archive names an image by digest: `{}`", text::clean(name)))),
        None => Ok(reference),
    }
}

/// The manifest of an image that an index leads to: the best for the platform whose blob is there, because archives may
/// leave out platforms. Without a wish for one, an image for another machine is better than none.
///
/// The platforms that there are go to `offered`.
fn leads_to(
    source: &Source,
    index: &Index,
    wanted: Option<&Platform>,
    offered: &mut Vec<Platform>,
    depth: usize,
) -> Result<Option<Descriptor>> {
    offered.extend(index.platforms().into_iter().cloned());
    if depth == DEPTH_MAX {
        return Err(Error::invalid(format!("the archive has indexes more than {DEPTH_MAX} levels deep")));
    }
    let host = Platform::host();
    let mut candidates = index.candidates(wanted.unwrap_or(&host));
    if wanted.is_none() {
        let known = |descriptor: &&Descriptor| {
            let is_attestation = descriptor.annotations.contains_key("vnd.docker.reference.type");
            !is_attestation && (media::is_manifest(&descriptor.media_type) || media::is_index(&descriptor.media_type))
        };
        let others: Vec<&Descriptor> =
            index.manifests.iter().filter(known).filter(|other| !candidates.contains(other)).collect();
        candidates.extend(others);
    }
    for descriptor in candidates {
        if !source.has(&Place::Blobs.file(&descriptor.digest))? {
            continue;
        }
        if !media::is_index(&descriptor.media_type) {
            return Ok(Some(descriptor.clone()));
        }
        let bytes = verified(source, Place::Blobs, descriptor, MANIFEST_MAX)?;
        if let Parsed::Index(inner) = parse_manifest(&bytes, Some(&descriptor.media_type))?
            && let Some(found) = leads_to(source, &inner, wanted, offered, depth + 1)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A document whose digest and size are known.
fn verified(source: &Source, place: Place, descriptor: &Descriptor, most: usize) -> Result<Vec<u8>> {
    let file = place.file(&descriptor.digest);
    let bytes = source.document(&file, most)?.ok_or_else(|| absent(&file))?;
    match descriptor.digest.is_of(&bytes) && bytes.len() as u64 == descriptor.size {
        true => Ok(bytes),
        false => {
            Err(Error::invalid(format!("`{file}` in the archive does not have the digest and size that it should"))
                .hint("the archive was damaged or changed; get it again"))
        }
    }
}

/// That a file is missing which the archive refers to.
pub fn absent(file: &str) -> Error {
    Error::invalid(format!("the archive has no file `{}`, which it refers to", text::clean(file)))
        .hint("it may have been cut off; get it again")
}

/// The image of a registry's manifest.
fn from_manifest(
    source: &Source,
    names: Vec<Reference>,
    (bytes, media_type): (Vec<u8>, Option<String>),
    place: Place,
) -> Result<Found> {
    let declared = media_type.filter(|media_type| !media_type.is_empty());
    let manifest: Manifest = match parse_manifest(&bytes, declared.as_deref())? {
        Parsed::Manifest(manifest) => manifest,
        Parsed::Index(_) => return Err(Error::invalid("the archive has an index where a manifest should be")),
    };
    if !media::is_image_config(&manifest.config.media_type) {
        let kind = text::clean(&manifest.config.media_type);
        return Err(Error::unsupported(format!("it is not a container image: its content is of type `{kind}`")));
    }
    let config_bytes = verified(source, place, &manifest.config, CONFIG_MAX)?;
    let config = ImageConfig::parse(&config_bytes)?;
    let diff_ids = diff_ids(&config, manifest.layers.len())?;
    let mut layers = Vec::new();
    for (blob, diff_id) in manifest.layers.iter().zip(diff_ids) {
        layers.push(FoundLayer {
            file: place.file(&blob.digest),
            blob: Some((blob.digest.clone(), blob.size)),
            diff_id,
            compression: Compression::of_layer(&blob.media_type)?,
        });
    }
    Ok(Found { names, config_bytes, config, manifest: Some((bytes, manifest.media_type)), layers })
}

/// An element of docker's `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default)]
    config: String,
    #[serde(default)]
    repo_tags: Vec<String>,
    #[serde(default)]
    layers: Vec<String>,
}

fn from_docker(source: &Source, manifest: &[u8]) -> Result<Vec<Found>> {
    let entries: Vec<Entry> = document::from_slice(manifest)
        .map_err(|error| Error::invalid("cannot understand `manifest.json`").caused_by(error))?;
    match entries.len() {
        0 => return Err(Error::invalid("the archive has no image")),
        count if count > IMAGES_MAX => {
            return Err(Error::invalid(format!("the archive has more than {IMAGES_MAX} images")));
        }
        _ => {}
    }
    let mut found = Vec::new();
    for entry in entries {
        let config_bytes = source.document(&entry.config, CONFIG_MAX)?.ok_or_else(|| absent(&entry.config))?;
        let config = ImageConfig::parse(&config_bytes)?;
        let diff_ids = diff_ids(&config, entry.layers.len())?;
        let names = entry.repo_tags.iter().map(|name| name_in(name)).collect::<Result<_>>()?;
        let layer = |(file, diff_id)| FoundLayer { file, blob: None, diff_id, compression: Compression::None };
        let layers = entry.layers.into_iter().zip(diff_ids).map(layer).collect();
        found.push(Found { names, config_bytes, config, manifest: None, layers });
    }
    Ok(found)
}

/// What the configuration demands of `layers` layers.
fn diff_ids(config: &ImageConfig, layers: usize) -> Result<Vec<Digest>> {
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != layers {
        return Err(Error::invalid(format!(
            "the image has {layers} layers, but its configuration tells of {}",
            diff_ids.len()
        )));
    }
    if layers > LAYERS_MAX {
        return Err(Error::unsupported(format!("the image has {layers} layers; at most {LAYERS_MAX} can be stacked")));
    }
    match diff_ids.iter().all(|diff_id| diff_id.algorithm() == Algorithm::Sha256) {
        true => Ok(diff_ids.clone()),
        false => Err(Error::unsupported("its layers are not identified by sha256")),
    }
}

/// The layers of all images, each once, in the order in which they are needed.
pub fn layers(images: &[Found]) -> Vec<&FoundLayer> {
    let mut seen = HashSet::new();
    images.iter().flat_map(|image| &image.layers).filter(|layer| seen.insert(&layer.diff_id)).collect()
}
