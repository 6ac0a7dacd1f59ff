//! `secret …`: values that containers get without having them in their images.

pub mod create;
pub mod inspect;
pub mod list;
pub mod remove;
