//! Commands about containers, one file each, and how their options are read.

mod csv;
mod mounts;
mod options;
mod variables;
