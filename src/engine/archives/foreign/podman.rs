//! The store of containers/storage: `<driver>-images/images.json`, `<driver>-layers/layers.json` with a tar-split record
//! beside it for each layer, and the files in `overlay/<layer>/diff` or `vfs/dir/<layer>`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Foreign, Layers, entries, is_plain, list};
use crate::base::{Error, Result};
use crate::oci::Reference;
use crate::oci::manifest::LAYERS_MAX;
use crate::sys::beneath::BeneathDir;

/// An element of `images.json`.
#[derive(Debug, Deserialize)]
struct ImageEntry {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    layer: String,
}

/// An element of `layers.json`.
#[derive(Debug, Deserialize)]
struct LayerEntry {
    id: String,
    #[serde(default)]
    parent: String,
}

/// The images, of whichever drivers there are.
pub(super) fn images(root: &BeneathDir) -> Result<Vec<Foreign>> {
    let mut images = Vec::new();
    let mut drivers = 0;
    for entry in entries(root, Path::new("."))?.unwrap_or_default() {
        let Some(driver) = entry.strip_suffix("-images").filter(|driver| is_plain(driver)) else { continue };
        let Some(listed) = list::<Vec<ImageEntry>>(root, &Path::new(&entry).join("images.json"))? else { continue };
        drivers += 1;
        let layers = Path::new(&format!("{driver}-layers")).join("layers.json");
        let parents: HashMap<String, String> = list::<Vec<LayerEntry>>(root, &layers)?
            .unwrap_or_default()
            .into_iter()
            .map(|layer| (layer.id, layer.parent))
            .collect();
        for image in listed.into_iter().filter(|image| is_plain(&image.id)) {
            let directory = Path::new(&entry).join(&image.id);
            let names = image.names.unwrap_or_default();
            images.push(Foreign {
                names: names
                    .iter()
                    .filter_map(|name| name.parse::<Reference>().ok())
                    .filter(|name| name.digest().is_none())
                    .collect(),
                config: directory.join(big_data(&format!("sha256:{}", image.id))),
                manifest: Some(directory.join(big_data("manifest"))),
                layers: Layers::Known(chain(driver, &image.layer, &parents)),
                id: image.id,
            });
        }
    }
    match drivers {
        0 => Err(Error::not_found("this is no store of podman: it has no list of images")
            .hint("`podman info --format '{{.Store.GraphRoot}}'` tells where it is; name it with --path")),
        _ => Ok(images),
    }
}

/// The layers from the lowest to `top`. One that is not listed is left out, which the number of them tells.
fn chain(driver: &str, top: &str, parents: &HashMap<String, String>) -> Vec<(PathBuf, PathBuf)> {
    let mut chain = Vec::new();
    let mut next = top;
    while let Some(parent) = parents.get(next).filter(|_| is_plain(next) && chain.len() <= LAYERS_MAX) {
        let record = Path::new(&format!("{driver}-layers")).join(format!("{next}.tar-split.gz"));
        let files = match driver {
            "vfs" => Path::new("vfs/dir").join(next),
            driver => Path::new(driver).join(next).join("diff"),
        };
        chain.push((record, files));
        next = parent;
    }
    chain.reverse();
    chain
}

/// The file of a document: its own name if that is simple, otherwise in base64.
fn big_data(name: &str) -> String {
    match name.chars().all(|c| c == '.' || c.is_ascii_digit() || c.is_ascii_lowercase()) {
        true => name.to_owned(),
        false => format!("={}", STANDARD.encode(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_end() {
        let parents = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(id, parent)| ((*id).to_owned(), (*parent).to_owned())).collect::<HashMap<_, _>>()
        };
        let shown = |top, pairs: &[(&str, &str)]| -> Vec<String> {
            chain("overlay", top, &parents(pairs)).into_iter().map(|(_, files)| files.display().to_string()).collect()
        };
        assert_eq!(shown("b", &[("a", ""), ("b", "a")]), ["overlay/a/diff", "overlay/b/diff"]);
        assert_eq!(shown("x", &[("a", "")]), [""; 0]);
        // A circle, and a name that is a path.
        assert!(shown("a", &[("a", "b"), ("b", "a")]).len() <= LAYERS_MAX + 1);
        assert_eq!(shown("../x", &[("../x", "")]), [""; 0]);
    }

    #[test]
    fn documents_have_podmans_names() {
        assert_eq!(big_data("manifest"), "manifest");
        assert_eq!(big_data("sha256:a"), "=c2hhMjU2OmE=");
    }
}
