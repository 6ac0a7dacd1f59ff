//! What is written of an image, whichever the format: manifests and indexes, and the files of an archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use crate::base::{Error, Result, ResultExt};
use crate::engine::push::{Format, Placed, layer_type};
use crate::oci::{Digest, Platform, Reference, media};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'a str,
    digest: &'a Digest,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'a Platform>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: Descriptor<'a>,
    layers: Vec<Descriptor<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    media_type: &'a str,
    manifests: Vec<Descriptor<'a>>,
}

/// The type of a manifest.
pub fn manifest_type(format: Format) -> &'static str {
    match format {
        Format::Oci => media::OCI_MANIFEST,
        Format::Docker => media::DOCKER_MANIFEST,
    }
}

/// The manifest of an image: the same bytes for the same image.
pub fn manifest(format: Format, config: &[u8], layers: &[Placed]) -> Result<Vec<u8>> {
    let config_digest = Digest::sha256(config);
    let descriptor = |media_type, digest, size| Descriptor {
        media_type,
        digest,
        size,
        annotations: BTreeMap::new(),
        platform: None,
    };
    let config_type = if format == Format::Oci { media::OCI_CONFIG } else { media::DOCKER_CONFIG };
    encode(&Manifest {
        schema_version: 2,
        media_type: manifest_type(format),
        config: descriptor(config_type, &config_digest, config.len() as u64),
        layers: layers
            .iter()
            .map(|layer| descriptor(layer_type(format, layer.compression), &layer.digest, layer.size))
            .collect(),
    })
}

/// An image in an archive: its names, what its manifest hashes to, that manifest's bytes, and its platform.
#[derive(Debug)]
pub struct Listed {
    /// The names that it will have.
    pub names: Vec<Reference>,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Bytes of its manifest.
    pub size: u64,
    /// What it runs on.
    pub platform: Platform,
    /// The id: the digest of the configuration.
    pub config: Digest,
    /// The layers, lowest first.
    pub layers: Vec<Placed>,
}

/// How names stand in `index.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// docker's and containerd's: the whole name in one annotation, the tag in another.
    Containerd,
    /// podman's and skopeo's: the whole name in OCI's annotation.
    Oci,
}

/// `index.json`: one descriptor for each name of each image.
pub fn index(images: &[Listed], naming: Naming) -> Result<Vec<u8>> {
    let mut manifests = Vec::new();
    for image in images {
        let descriptor = |annotations| Descriptor {
            media_type: media::OCI_MANIFEST,
            digest: &image.digest,
            size: image.size,
            annotations,
            platform: Some(&image.platform),
        };
        let annotations = |name: &Reference| match naming {
            Naming::Containerd => BTreeMap::from([
                ("io.containerd.image.name", name.to_string()),
                ("org.opencontainers.image.ref.name", name.tag().unwrap_or_default().to_owned()),
            ]),
            Naming::Oci => BTreeMap::from([("org.opencontainers.image.ref.name", name.to_string())]),
        };
        match image.names.is_empty() {
            true => manifests.push(descriptor(BTreeMap::new())),
            false => manifests.extend(image.names.iter().map(|name| descriptor(annotations(name)))),
        }
    }
    encode(&Index { schema_version: 2, media_type: media::OCI_INDEX, manifests })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry<'a> {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    layer_sources: BTreeMap<&'a Digest, Descriptor<'a>>,
}

/// docker's `manifest.json`.
pub fn docker_manifest(images: &[Listed]) -> Result<Vec<u8>> {
    encode(&images.iter().map(docker_entry).collect::<Vec<_>>())
}

fn docker_entry(image: &Listed) -> DockerEntry<'_> {
    let Listed { names, config, layers, .. } = image;
    DockerEntry {
        config: blob_path(config),
        repo_tags: Some(names.iter().map(Reference::familiar).collect()).filter(|names: &Vec<_>| !names.is_empty()),
        layers: layers.iter().map(|layer| blob_path(&layer.digest)).collect(),
        layer_sources: layers
            .iter()
            .map(|layer| {
                let descriptor = Descriptor {
                    media_type: layer_type(Format::Oci, layer.compression),
                    digest: &layer.digest,
                    size: layer.size,
                    annotations: BTreeMap::new(),
                    platform: None,
                };
                (&layer.digest, descriptor)
            })
            .collect(),
    }
}

/// Where a layout has a blob.
pub fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).context(|| "cannot describe the image")
}

/// Where the files of an archive are written: into a tar file, or into a directory.
#[derive(Debug)]
pub enum Target {
    /// A tar stream, to a file or a pipe.
    Tar(BufWriter<File>),
    /// An empty directory.
    Directory(OwnedFd),
}

/// A tar block.
const BLOCK: u64 = 512;

impl Target {
    /// A tar stream that goes to `out`.
    pub fn tar(out: OwnedFd) -> Self {
        Self::Tar(BufWriter::with_capacity(256 << 10, File::from(out)))
    }

    /// A directory.
    pub fn directory(&mut self, name: &str) -> Result<()> {
        match self {
            Self::Tar(out) => out.write_all(&header(&format!("{name}/"), tar::EntryType::Directory, 0)?),
            Self::Directory(fd) => rustix::fs::mkdirat(&*fd, name, Mode::from_raw_mode(0o755)).map_err(io::Error::from),
        }
        .context(failed)
    }

    /// A file of `size` bytes, which `write` writes.
    pub fn file(&mut self, name: &str, size: u64, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        match self {
            Self::Tar(out) => {
                out.write_all(&header(name, tar::EntryType::Regular, size)?).context(failed)?;
                let mut exact = Exact { out: &mut *out, left: size };
                write(&mut exact)?;
                exact.finish(name)?;
                let padding = size.next_multiple_of(BLOCK) - size;
                out.write_all(&[0; BLOCK as usize][..padding as usize]).context(failed)
            }
            Self::Directory(fd) => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = rustix::fs::openat(fd.as_fd(), name, flags, Mode::from_raw_mode(0o644)).context(failed)?;
                let mut exact = Exact { out: BufWriter::with_capacity(256 << 10, File::from(file)), left: size };
                write(&mut exact)?;
                exact.finish(name)?;
                exact.out.flush().context(failed)
            }
        }
    }

    /// A file whose bytes are here.
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.file(name, bytes.len() as u64, |out| out.write_all(bytes).context(failed))
    }

    /// The end of the archive.
    pub fn finish(mut self) -> Result<()> {
        if let Self::Tar(out) = &mut self {
            out.write_all(&[0; 2 * BLOCK as usize]).and_then(|()| out.flush()).context(failed)?;
        }
        Ok(())
    }
}

fn failed() -> String {
    "cannot write the archive".into()
}

/// A header that is the same whenever and by whomever it is written.
fn header(name: &str, kind: tar::EntryType, size: u64) -> Result<[u8; BLOCK as usize]> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).context(failed)?;
    header.set_entry_type(kind);
    header.set_mode(if kind == tar::EntryType::Directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// Takes as many bytes as were promised.
struct Exact<W> {
    out: W,
    left: u64,
}

impl<W> Exact<W> {
    fn finish(&self, name: &str) -> Result<()> {
        match self.left {
            0 => Ok(()),
            left => Err(Error::system(format!("`{name}` is {left} bytes shorter than it should be"))),
        }
    }
}

impl<W: Write> Write for Exact<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::other("there is more than there should be"));
        }
        let count = self.out.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
