//! The Dockerfile language, as BuildKit's frontend `docker/dockerfile` reads it: pure functions from text to typed
//! instructions, and the matching of `.dockerignore` patterns.
//!
//! [`parse`] never looks at the machine. What it returns is not expanded yet: variables belong to the place of an
//! instruction in its stage, so [`expand`] is called by whoever walks the stage.
//!
//! Texts come from strangers. Sizes and counts have limits ([`MAX_FILE`], [`MAX_INSTRUCTIONS`], [`expand::MAX_EXPANDED`]);
//! nothing here recurses deeper than a stated number, and matching takes time in proportion to pattern times text.
//!
//! Each instruction knows where it stands. An error is a [`Diagnostic`]: message, position, and the source around it.

mod arguments;
mod diagnostic;
mod directives;
pub mod expand;
pub mod glob;
mod heredoc;
mod ignore;
mod instruction;
mod lines;
mod options;
mod parser;
mod suggest;

#[cfg(test)]
mod tests;

pub use diagnostic::{Diagnostic, Position};
pub use heredoc::Heredoc;
pub use ignore::{Ignore, MAX_FILE as IGNORE_MAX};
pub use instruction::{
    Copy, Form, Health, Instruction, Kind, Mount, MountType, Network, Pair, Run, Sharing, Source, Text,
};
pub use parser::{Dockerfile, Stage, parse, parse_trigger};
pub use suggest::nearest;

/// The largest Dockerfile, in bytes: BuildKit's limit of a frontend's input.
pub const MAX_FILE: usize = 2 << 20;

/// The most instructions of a Dockerfile.
pub const MAX_INSTRUCTIONS: usize = 20_000;
