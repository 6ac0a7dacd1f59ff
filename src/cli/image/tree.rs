//! `image tree`.

use clap::Args;

use crate::base::Result;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::image_tree::{Node, Tree, tree as engine_tree};
use crate::oci::Reference;
use crate::spec::units::human_size;

/// The command.
pub const VERB: Verb = Verb {
    name: "tree",
    about: "Show the layers of an image as a tree",
    usage: "IMAGE",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: TreeArguments::augment_args,
    run: |context, matches| tree(context, &typed(matches)?),
};

/// Arguments of `image tree`.
#[derive(Debug, Clone, Args)]
struct TreeArguments {
    /// Show the layers of images that were made from this one
    #[arg(long)]
    whatrequires: bool,
    /// Name or ID
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
}

fn tree(context: &Context, arguments: &TreeArguments) -> Result<u8> {
    let tree = engine_tree(&context.engine()?, &arguments.image, arguments.whatrequires)?;
    context.ui.text(&render(&tree)).map(|()| 0)
}

/// podman's picture.
fn render(tree: &Tree) -> String {
    let names: Vec<String> = tree.names.iter().map(Reference::to_string).collect();
    let mut text = format!(
        "Image ID: {}\nTags:     [{}]\nSize:     {}\nImage Layers\n",
        tree.image.id.short(),
        names.join(" "),
        human_size(tree.image.size)
    );
    branches(&mut text, &tree.layers, "");
    text
}

fn branches(text: &mut String, nodes: &[Node], before: &str) {
    for (at, node) in nodes.iter().enumerate() {
        let (branch, below) = if at + 1 == nodes.len() { ("└── ", "    ") } else { ("├── ", "│   ") };
        let top = match node.top_of.is_empty() {
            true => String::new(),
            false => format!(" Top Layer of: [{}]", node.top_of.join(" ")),
        };
        text.push_str(&format!(
            "{before}{branch}ID: {} Size: {:>7}{top}\n",
            node.diff_id.short(),
            human_size(node.size)
        ));
        branches(text, &node.above, &format!("{before}{below}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::oci::Digest;

    #[test]
    fn the_picture_is_podmans() {
        let (engine, _scratch) = fixtures::engine();
        let image = fixtures::image(&engine, "a", &[]);
        let id = image.id.short().to_owned();
        let node = |name: &str, top: &[&str], above| Node {
            diff_id: Digest::sha256(name.as_bytes()),
            size: 1000,
            top_of: top.iter().map(|name| (*name).to_owned()).collect(),
            above,
        };
        let layers = vec![node("a", &[], vec![node("b", &["x:1"], Vec::new())]), node("c", &[], Vec::new())];
        let short = |name: &str| Digest::sha256(name.as_bytes()).short().to_owned();
        let tree = Tree { image, names: vec!["app".parse().unwrap()], layers };
        let expected = format!(
            "Image ID: {id}\nTags:     [docker.io/library/app:latest]\nSize:     0B\nImage Layers\n\
             ├── ID: {} Size:     1kB\n│   └── ID: {} Size:     1kB Top Layer of: [x:1]\n└── ID: {} Size:     1kB\n",
            short("a"),
            short("b"),
            short("c")
        );
        assert_eq!(render(&tree), expected);
    }
}
