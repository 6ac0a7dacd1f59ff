//! Commands about containers, one file each, and how their options are read.

pub mod attach;
pub mod commit;
pub mod copy;
pub mod create;
pub mod diff;
pub mod exec;
pub mod export;
pub mod healthcheck;
pub mod kill;
pub mod list;
pub mod logs;
pub mod options;
pub mod port;
mod proxies;
pub mod prune;
pub mod remove;
pub mod run;
pub mod start;
pub mod stop;
mod streams;
pub mod top;
mod variables;
pub mod wait;
