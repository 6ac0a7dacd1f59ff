//! The store of docker's own storage drivers: `image/<driver>/repositories.json`, `imagedb` with the configurations,
//! `layerdb` with a tar-split record for each layer of a chain, and the files in `<driver>/<cache id>/diff`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Foreign, Layers, document, entries, is_plain, list};
use crate::base::{Error, Result, text};
use crate::oci::{Digest, Reference};
use crate::sys::beneath::BeneathDir;

/// Drivers that keep a layer as a directory of its own files.
const DRIVERS: &[&str] = &["overlay2", "fuse-overlayfs", "vfs"];

/// `repositories.json`.
#[derive(Debug, Deserialize)]
struct Repositories {
    #[serde(rename = "Repositories", default)]
    repositories: BTreeMap<String, BTreeMap<String, Digest>>,
}

/// The images of every driver that is known.
pub(super) fn images(root: &BeneathDir) -> Result<Vec<Foreign>> {
    let drivers = entries(root, Path::new("image"))?.unwrap_or_default();
    let (known, others): (Vec<String>, Vec<String>) =
        drivers.into_iter().partition(|driver| DRIVERS.contains(&driver.as_str()));
    if known.is_empty() {
        let found = others.first().map(|driver| format!(": only images of the driver `{}`", text::clean(driver)));
        return Err(Error::not_found(format!(
            "there are no images of docker's storage drivers in this directory{}",
            found.unwrap_or_default()
        ))
        .hint("`docker info --format '{{.DockerRootDir}}'` tells where they are; name it with --path")
        .hint("images that docker keeps in containerd go through an archive: docker save IMAGE | coracle load"));
    }
    let mut images = Vec::new();
    for driver in known {
        let base = Path::new("image").join(&driver);
        let repositories: Option<Repositories> = list(root, &base.join("repositories.json"))?;
        let mut names: HashMap<String, Vec<Reference>> = HashMap::new();
        for (name, id) in repositories.into_iter().flat_map(|list| list.repositories).flat_map(|(_, names)| names) {
            if let Some(name) = name.parse::<Reference>().ok().filter(|name| name.digest().is_none()) {
                names.entry(id.hex().to_owned()).or_default().push(name);
            }
        }
        let content = base.join("imagedb/content/sha256");
        for id in entries(root, &content)?.unwrap_or_default().into_iter().filter(|id| is_plain(id)) {
            images.push(Foreign {
                names: names.remove(&id).unwrap_or_default(),
                config: content.join(&id),
                manifest: None,
                layers: Layers::Docker(driver.clone()),
                id,
            });
        }
    }
    Ok(images)
}

/// The places of layers with these diff ids, lowest first. Each is found by the digest of the chain up to it.
pub(super) fn layers(root: &BeneathDir, driver: &str, diff_ids: &[Digest]) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut places = Vec::new();
    for chain in chains(diff_ids) {
        let layer = Path::new("image").join(driver).join("layerdb/sha256").join(chain.hex());
        let cache = document(root, &layer.join("cache-id"))?
            .ok_or_else(|| Error::invalid(format!("the layer `{}` is not in docker's store", chain.short())))?;
        let cache = String::from_utf8_lossy(&cache).trim().to_owned();
        if !is_plain(&cache) {
            return Err(Error::invalid(format!("docker's record of the layer `{}` is damaged", chain.short())));
        }
        let files = match driver {
            "vfs" => Path::new("vfs/dir").join(cache),
            driver => Path::new(driver).join(cache).join("diff"),
        };
        places.push((layer.join("tar-split.json.gz"), files));
    }
    Ok(places)
}

/// The chain ids of layers (OCI image specification, "Layer ChainID").
fn chains(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chains: Vec<Digest> = Vec::new();
    for diff_id in diff_ids {
        chains.push(match chains.last() {
            None => diff_id.clone(),
            Some(below) => Digest::sha256(format!("{below} {diff_id}").as_bytes()),
        });
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_those_of_the_specification() {
        let [a, b] = [b"a", b"b"].map(|bytes| Digest::sha256(bytes));
        let both = Digest::sha256(format!("{a} {b}").as_bytes());
        assert_eq!(chains(&[a.clone(), b]), [a, both]);
        assert_eq!(chains(&[]), []);
    }
}
