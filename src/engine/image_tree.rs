//! `image tree`: the layers of an image, and the images that end with them or go on from them.

use std::collections::HashSet;

use super::{Engine, image_name};
use crate::base::{Error, Result, text};
use crate::oci::{Digest, Reference};
use crate::store::ImageRecord;

/// A layer in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub diff_id: Digest,
    /// Bytes in regular files.
    pub size: u64,
    /// The names of images whose last layer this is; an image without a name has its id.
    pub top_of: Vec<String>,
    /// Layers that images put on it.
    pub above: Vec<Node>,
}

/// An image and its layers.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The image.
    pub image: ImageRecord,
    /// Its names.
    pub names: Vec<Reference>,
    /// Its layers side by side, lowest first; or the layers that other images put on its last.
    pub layers: Vec<Node>,
}

/// An image as the tree sees it: its layers, and what it is called.
type Stack = (Vec<Digest>, Vec<String>);

/// The tree of the image `name`. `requiring`: the layers of images that are made from it, instead of its own.
pub fn tree(engine: &Engine, name: &str, requiring: bool) -> Result<Tree> {
    let store = engine.store()?;
    let image = image_name::lookup(engine, &store, name)?.ok_or_else(|| {
        Error::not_found(format!("no such image: `{}`", text::clean(name)))
            .hint("`coracle images` lists the images there are")
    })?;
    let listed = store.list()?;
    let stacks: Vec<Stack> = listed
        .iter()
        .map(|listed| {
            let names: Vec<String> = listed.references.iter().map(Reference::to_string).collect();
            let called = if names.is_empty() { vec![listed.record.id.to_string()] } else { names };
            (listed.record.layers.clone(), called)
        })
        .collect();
    let size = |layer: &Digest| store.layer(layer).ok().flatten().map_or(0, |layer| layer.size);
    let layers = match requiring {
        true => above(&image.layers, &stacks, &size),
        false => {
            let node = |count: usize| Node { above: Vec::new(), ..node(&image.layers[..count], &stacks, &size) };
            (1..=image.layers.len()).map(node).collect()
        }
    };
    let names = listed.into_iter().find(|listed| listed.record.id == image.id).map(|listed| listed.references);
    Ok(Tree { image, names: names.unwrap_or_default(), layers })
}

/// The last of some layers, with what lies above it. An image has at most 500 layers, so deep it goes.
fn node(layers: &[Digest], stacks: &[Stack], size: &dyn Fn(&Digest) -> u64) -> Node {
    let last = layers.last().cloned().unwrap_or_else(|| Digest::sha256(b""));
    let top_of = stacks.iter().filter(|(stack, _)| stack == layers).flat_map(|(_, names)| names.clone()).collect();
    Node { size: size(&last), top_of, above: above(layers, stacks, size), diff_id: last }
}

/// The layers that images put on these.
fn above(layers: &[Digest], stacks: &[Stack], size: &dyn Fn(&Digest) -> u64) -> Vec<Node> {
    let mut seen = HashSet::new();
    let longer: Vec<Stack> =
        stacks.iter().filter(|(stack, _)| stack.len() > layers.len() && stack.starts_with(layers)).cloned().collect();
    let next = longer.iter().map(|(stack, _)| &stack[..=layers.len()]).filter(|next| seen.insert(*next));
    next.map(|next| node(next, &longer, size)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn layers_lie_above_those_that_images_share() {
        let stacks: Vec<Stack> = [("a", "one"), ("ab", "two"), ("abc", "three"), ("abd", "four"), ("x", "other")]
            .map(|(layers, name)| {
                let layers = layers.bytes().map(|byte| Digest::sha256(&[byte])).collect();
                (layers, vec![name.to_owned()])
            })
            .into();
        fn show(nodes: &[Node]) -> String {
            let show_one = |node: &Node| format!("{}({})", node.top_of.join("+"), show(&node.above));
            nodes.iter().map(show_one).collect::<Vec<_>>().join(" ")
        }
        assert_eq!(show(&above(&stacks[0].0, &stacks, &|_| 1)), "two(three() four())");
        assert_eq!(show(&above(&[], &stacks, &|_| 1)), "one(two(three() four())) other()");
        let (engine, _scratch) = fixtures::engine();
        fixtures::image(&engine, "a", &["app"]);
        let found = tree(&engine, "app", false).unwrap();
        assert_eq!((found.names.len(), found.layers.len()), (1, 0));
        assert!(tree(&engine, "absent", true).is_err());
    }
}
