//! What an ordinary user needs to hold more than one id: accounts and subordinate ids, the outer user namespace, and the checks that explain a
//! machine where that does not work.

pub mod accounts;
pub mod doctor;
mod map_programs;
pub mod outer;
