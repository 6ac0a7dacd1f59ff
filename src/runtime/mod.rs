//! How a container's process is made: what it may do, and in what order it is confined.

pub mod capabilities;
