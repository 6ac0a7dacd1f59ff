//! Commands about the program and the machine, one file each.

pub mod completion;
pub mod doctor;
pub mod info;
pub mod version;
