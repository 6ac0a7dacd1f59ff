//! Rank 6: the command line.
#![allow(missing_docs, dead_code)]
mod argv;
mod table;
mod template;
mod times;
mod units;
