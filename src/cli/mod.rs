//! Rank 6: the command line.
#![allow(missing_docs, dead_code)]
mod argv;
mod container;
mod environment;
mod table;
mod template;
mod times;
mod ui;
mod units;
