//! Commands about the program and the machine, one file each.

pub mod auto_update;
pub mod check;
pub mod completion;
pub mod df;
pub mod doctor;
pub mod events;
pub mod info;
pub mod linger;
pub mod persona;
pub mod prune;
pub mod service;
pub mod version;
