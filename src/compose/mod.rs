//! Rank 5: compose projects. Reads the files of the compose specification into one canonical model, which is what
//! `compose config` prints. Pure, but for [`files::Machine`], which opens the files that a project names.
//!
//! # Theory of operation
//!
//! `yaml.rs` turns text into [`node::Node`]s: values with their file, line and column. `load.rs` replaces variables
//! (`template.rs`), gives every document its canonical form (`canonical.rs`), follows `extends` and `include`, and merges
//! (`merge.rs`). What a key may have stands once, as a table (`specification.rs`), which also says in which order keys are
//! printed. `project.rs` then adds what follows from the rest (`normalize.rs`), checks references (`consistency.rs`) and
//! leaves out what is not used (`select.rs`).
//!
//! # What a file can do
//!
//! A compose file is as powerful as the commands that it stands for, but reading one must be safe: text is bounded
//! ([`yaml::MAX_SIZE`]), and so are nesting, the values that aliases repeat, defaults inside defaults, and the number of
//! files and how deep they lead to one another. Only regular files are opened, without waiting for anybody.

mod canonical;
mod consistency;
pub mod dotenv;
mod elements;
mod emit;
pub mod files;
pub mod hash;
mod load;
mod merge;
pub mod node;
mod normalize;
mod paths;
pub mod print;
pub mod project;
mod scalar;
mod select;
mod shape;
mod specification;
pub mod template;
pub mod yaml;
