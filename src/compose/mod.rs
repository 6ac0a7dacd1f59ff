//! Rank 5: compose projects. Reads the files of the compose specification into one canonical model, which is what
//! `compose config` prints, and makes the containers, networks and volumes of a project as the model says.
//!
//! # Theory of operation
//!
//! `yaml.rs` turns text into [`node::Node`]s: values with their file, line and column. `load.rs` replaces variables
//! (`template.rs`), gives every document its canonical form (`canonical.rs`), follows `extends` and `include`, and merges
//! (`merge.rs`). What a key may have stands once, as a table (`specification.rs`), which also says in which order keys are
//! printed. `project.rs` then adds what follows from the rest (`normalize.rs`), checks references (`consistency.rs`) and
//! leaves out what is not used (`select.rs`).
//!
//! `container` turns a service into the engine's request, and refuses what cannot be done; `resources.rs` does so for networks
//! and volumes, `build.rs` for images that are built. [`plan`] compares what is wanted with what is there. All of that is
//! pure, but for [`files::Machine`], which opens the files that a project names. [`up`] and [`stop`] carry plans out, in
//! parallel where the services allow (`graph.rs`), and tell what happens ([`report`]). There is no record of a project beside
//! the [`labels`] of its containers, networks and volumes.
//!
//! # What a file can do
//!
//! A compose file is as powerful as the commands that it stands for, but reading one must be safe: text is bounded
//! ([`yaml::MAX_SIZE`]), and so are nesting, the values that aliases repeat, defaults inside defaults, and the number of
//! files and how deep they lead to one another. Only regular files are opened, without waiting for anybody.

mod build;
mod canonical;
mod consistency;
pub mod container;
pub mod dotenv;
mod elements;
mod emit;
pub mod files;
#[cfg(test)]
pub(crate) mod fixtures;
mod graph;
pub mod hash;
mod hooks;
mod images;
pub mod labels;
mod load;
mod merge;
pub mod node;
mod normalize;
mod paths;
pub mod plan;
mod present;
pub mod print;
pub mod project;
mod read;
pub mod report;
mod resources;
mod scalar;
mod select;
mod shape;
mod specification;
pub mod stop;
pub mod template;
pub mod up;
mod wait;
pub mod watch;
pub mod yaml;

/// The words of a command line, as a shell would split it.
///
/// # Errors
///
/// When a quote has no end.
pub fn words(line: &str) -> crate::base::Result<Vec<String>> {
    scalar::words(line)
        .map_err(|reason| crate::base::Error::usage(format!("`{}`: {reason}", crate::base::text::clean(line))))
}

/// The scalars of a list as texts.
pub fn texts_of(node: &node::Node, key: &str) -> Vec<String> {
    read::texts(node, key)
}
