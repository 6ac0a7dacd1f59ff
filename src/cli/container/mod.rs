//! Commands about containers, one file each, and how their options are read.

pub mod attach;
pub mod create;
pub mod exec;
pub mod exists;
pub mod healthcheck;
pub mod kill;
pub mod list;
pub mod logs;
pub mod options;
pub mod pause;
pub mod port;
mod proxies;
pub mod prune;
pub mod remove;
pub mod rename;
pub mod run;
pub mod start;
pub mod stop;
mod streams;
pub mod top;
pub mod update;
mod variables;
pub mod wait;
