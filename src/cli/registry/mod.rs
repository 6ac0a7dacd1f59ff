//! `registry`: images for others.

pub mod serve;
