//! `--squash`: one layer that does what several do together.
//!
//! The layers are walked as a union. What hides files of layers below them, whiteouts and opaque directories, stays in the
//! new layer; with all layers of an image there is nothing below, and it goes.

use serde::{Deserialize, Serialize};

use super::jobs::{made_of, publish_layer, view_of};
use super::layer::{Changes, Manner};
use super::view::{Directory, MAX_DEPTH, shown};
use crate::archive::pack::Times;
use crate::base::{Error, Result};
use crate::engine::Engine;
use crate::engine::worker::{Given, Job, Place};
use crate::oci::{Digest, ImageConfig};
use crate::store::MadeLayer;

/// Which layers become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Squash {
    /// None.
    #[default]
    No,
    /// Those of this build.
    New,
    /// Those of the base as well.
    All,
}

/// Makes one layer of several.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SquashLayers {
    /// The layers, lowest first.
    pub layers: Vec<Digest>,
    /// Nothing is below them.
    pub whole: bool,
    /// Times of files.
    pub times: Times,
}

impl Job for SquashLayers {
    const NAME: &'static str = "build-squash";
    const PLACE: Place = Place::Outer;
    type Report = MadeLayer;

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<MadeLayer> {
        let store = engine.store()?;
        let staged = store.stage_layer()?;
        let view = view_of(&store, &self.layers)?;
        let mut walk = Walk { changes: Changes::default(), manner: Manner::kept(self.times), whole: self.whole };
        walk.directory(&view.root()?, b"", 0)?;
        let unpacked = walk.changes.unpack(vec![view], &staged)?;
        publish_layer(&store, staged, &unpacked)?;
        Ok(made_of(&unpacked))
    }
}

struct Walk<'a> {
    changes: Changes,
    manner: Manner<'a>,
    whole: bool,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Directory, path: &[u8], depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::invalid(format!("`{}` is too deep", shown(path))));
        }
        let below = |name: &[u8]| if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() };
        if !self.whole {
            if directory.is_opaque() {
                self.changes.mark(below(b".wh..wh..opq"));
            }
            for name in directory.hidden_names()? {
                self.changes.mark(below(&[b".wh.", &name[..]].concat()));
            }
        }
        for name in directory.names()? {
            let Some(found) = directory.look(&name)? else { continue };
            let path = below(&name);
            self.changes.keep(&path, (directory, &name), &found, &self.manner)?;
            if found.kind() == rustix::fs::FileType::Directory {
                self.directory(&directory.child(&name)?, &path, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// Says in the history that only the last of the entries from `from` on has a layer.
pub fn merge_history(config: &mut ImageConfig, from: usize) {
    let mut entries = config.history.iter_mut().skip(from).rev().skip_while(|entry| entry.empty_layer);
    entries.next();
    entries.for_each(|entry| entry.empty_layer = true);
}
