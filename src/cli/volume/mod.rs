//! `volume …`: directories with names.

pub mod archive;
pub mod create;
pub mod inspect;
pub mod list;
pub mod remove;
