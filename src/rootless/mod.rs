//! What an ordinary user needs to hold more than one id: subordinate ids, id maps, and the checks that explain a
//! machine where that does not work.

pub mod doctor;
pub mod idmap;
mod map_programs;
pub mod outer;
